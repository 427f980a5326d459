//! What happens in a shop, at a lively but readable pace.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use waltap_tests::{Random, Result, Sql};

use crate::shop::{CUSTOMERS, ORDERS, PRODUCTS};

/// Between two transactions of one writer.
const PAUSE: Duration = Duration::from_millis(4);

/// Makes up the statements of one transaction.
type Transaction = fn(&mut Random) -> String;

/// Writers at work: one a database.
pub(crate) struct Workload {
    stop: Arc<AtomicBool>,
    committed: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<Result>>,
}

impl Workload {
    pub(crate) fn start(port: u16) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let committed = Arc::new(AtomicU64::new(0));
        let writers: [(&'static str, Transaction); 3] = [("shop", shop), ("crm", crm), ("billing", billing)];
        let start = |(database, transaction): (&'static str, Transaction)| {
            let (stop, committed) = (stop.clone(), committed.clone());
            tokio::spawn(async move {
                let sql = Sql::connect(port, database, "postgres", "").await?;
                let mut random = Random::new(Random::seed());
                while !stop.load(Ordering::Relaxed) {
                    sql.run(&format!("BEGIN; {}; COMMIT", transaction(&mut random))).await?;
                    committed.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(PAUSE).await;
                }
                Ok(())
            })
        };
        let tasks = writers.into_iter().map(start).collect();
        Workload { stop, committed, tasks }
    }

    pub(crate) fn committed(&self) -> u64 {
        self.committed.load(Ordering::Relaxed)
    }

    /// Ends it, and says how many transactions it committed.
    pub(crate) async fn stop(self) -> Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await??;
        }
        Ok(self.committed.load(Ordering::Relaxed))
    }
}

/// A transaction in the database `shop`.
fn shop(random: &mut Random) -> String {
    let (customer, order) = (1 + random.below(CUSTOMERS), 1 + random.below(ORDERS));
    let (product, quantity) = (1 + random.below(PRODUCTS), 1 + random.below(5));
    match random.below(100) {
        0..30 => format!(
            "WITH placed AS (INSERT INTO orders (customer_id) SELECT id FROM customers WHERE id = {customer} RETURNING id)
             INSERT INTO order_lines SELECT placed.id, line, 1 + ({product} + line) % {PRODUCTS}, {quantity}, 4.99
                 FROM placed, generate_series(1, {quantity}) line;
             UPDATE orders SET total = 4.99 * {quantity} * {quantity} WHERE id = currval('orders_id_seq');
             UPDATE products SET stock = stock - {quantity} WHERE id = {product}"
        ),
        30..45 => format!(
            "UPDATE orders SET status = CASE status WHEN 'new' THEN 'paid' WHEN 'paid' THEN 'sent' ELSE 'done' END WHERE id = {order}"
        ),
        45..65 => format!(
            "INSERT INTO page_views (seen_on, path, took)
             VALUES ('2026-11-01'::date + {quantity}, '/product/{product}', '{product} ms'::interval)"
        ),
        65..75 => format!(
            "INSERT INTO carts (session, products) VALUES (md5('{customer}')::uuid, array[{product}])
             ON CONFLICT (session) DO UPDATE SET products = carts.products || {product}, changed_at = clock_timestamp()"
        ),
        75..80 => "INSERT INTO customers (name, email) SELECT 'New customer', 'n' || nextval('orders_id_seq') || '@example.com'"
            .to_owned(),
        80..87 => format!("UPDATE customers SET newsletter = NOT newsletter WHERE id = {customer}"),
        87..90 => format!("DELETE FROM orders WHERE id = {order}"),
        90..92 => format!("DELETE FROM customers WHERE id = {customer}"),
        92..94 => {
            format!("UPDATE products SET price = round(price * 1.05, 2), description = description || '!' WHERE id = {product}")
        }
        94..95 => "TRUNCATE carts".to_owned(),
        // Another key for the same row: it leaves under the old one and comes under the new.
        95..97 => format!(
            "UPDATE customers SET id = id + 1000000 WHERE id = {customer} AND NOT EXISTS (SELECT FROM orders WHERE customer_id = {customer})"
        ),
        _ => format!("UPDATE products SET stock = stock + 50 WHERE id = {product}"),
    }
}

/// A transaction in the database `crm`.
fn crm(random: &mut Random) -> String {
    let contact = 1 + random.below(CUSTOMERS);
    match random.below(100) {
        0..50 => format!("INSERT INTO audit_log (who, what) VALUES ('agent', 'called contact {contact}')"),
        50..80 => format!("UPDATE contacts SET score = random() * 100, tags = tags[1:3] || 'called'::text WHERE id = {contact}"),
        80..90 => format!("UPDATE contacts SET photo = decode(md5(random()::text), 'hex') WHERE id = {contact}"),
        90..95 => format!("DELETE FROM contacts WHERE id = {contact}"),
        _ => format!("INSERT INTO contacts (id, name) VALUES ({contact}, 'Contact again') ON CONFLICT DO NOTHING"),
    }
}

/// A transaction in the database `billing`.
fn billing(random: &mut Random) -> String {
    let invoice = 1 + random.below(ORDERS);
    match random.below(100) {
        0..40 => format!(
            "INSERT INTO payments (invoice, amount, method) SELECT number, amount, 'transfer' FROM invoices WHERE number = {invoice} AND NOT paid;
             UPDATE invoices SET paid = true WHERE number = {invoice} AND NOT paid"
        ),
        40..70 => "INSERT INTO invoices SELECT max(number) + 1, 19.90, current_date + 30 FROM invoices".to_owned(),
        70..90 => format!("UPDATE invoices SET due = due + 14 WHERE number = {invoice}"),
        _ => format!("DELETE FROM payments WHERE invoice = {invoice}"),
    }
}
