//! What is written to the log that all contenders drain: the workloads of PostgreSQL's own limits, and more of what applications do.

use std::time::Duration;

use waltap_tests::{Failure, Kit, Postgres, Process, Result, Sql, ensure};

/// Loading and writing take less, on any machine that is worth measuring on.
const DEADLINE: Duration = Duration::from_secs(900);

/// The tables of the orders, what they hold at first, and the procedure that trades.
const TPCC: &str = include_str!("tpcc.sql");

/// Its tables that are written to.
const TPCC_TABLES: [&str; 8] = ["warehouse", "district", "customer", "history", "orders", "new_order", "order_line", "stock"];

/// Some 19 rows are changed by one of its transactions.
const TPCC_ROWS_A_TRANSACTION: u32 = 19;

const PGBENCH_TABLES: [&str; 4] = ["pgbench_accounts", "pgbench_tellers", "pgbench_branches", "pgbench_history"];

/// Three updates and an insert.
const PGBENCH_ROWS_A_TRANSACTION: u32 = 4;

/// Branches, so that its clients do not wait for each other's.
const PGBENCH_SCALE: u32 = 10;

/// Connections that write at once.
const PGBENCH_CLIENTS: u32 = 4;

/// The columns of most workloads: some 180 bytes of text a row.
const COLUMNS: &str = "id bigint PRIMARY KEY, a int, b text, c timestamptz, d numeric(12,2), e jsonb";

/// A row of them, from `g`. Parts of it are as if by chance, and the same in each run.
const ROW: &str = "g, g % 1000000, repeat(md5(g::text), 3) || 'abcd', now(), (g % 1000000) / 100.0,
    jsonb_build_object('k', g % 1000, 's', 'v' || g % 10000)";

/// One kind of log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) tells: &'static str,
    /// How many rows are changed, at size 1; of the mixes, about.
    rows: u32,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Rows of a transaction.
    Inserts(u32),
    /// Ten rows a transaction are changed; whether the old row is told whole.
    Updates { full: bool },
    /// Rows of 8 kB.
    Wide,
    /// Rows of one large document.
    Documents,
    /// Ten rows a transaction, each in another table.
    Tables(u32),
    /// New orders, payments and deliveries over eight tables.
    Tpcc,
    /// pgbench's own transaction, by pgbench.
    Pgbench,
}

/// What the log holds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Written {
    /// Rows inserted, updated and deleted, in transactions that were committed.
    pub(crate) rows: u32,
    /// As many of them were deletes.
    pub(crate) deletes: u32,
}

pub(crate) const WORKLOADS: [Workload; 10] = [
    Workload { name: "single", tells: "one row a transaction", rows: 200_000, kind: Kind::Inserts(1) },
    Workload { name: "k1", tells: "1,000 rows a transaction", rows: 500_000, kind: Kind::Inserts(1_000) },
    Workload { name: "tx1m", tells: "one transaction", rows: 1_000_000, kind: Kind::Inserts(u32::MAX) },
    Workload { name: "updd", tells: "10 updates a transaction", rows: 200_000, kind: Kind::Updates { full: false } },
    Workload { name: "updfull", tells: "10 updates, old rows whole", rows: 200_000, kind: Kind::Updates { full: true } },
    Workload { name: "wide", tells: "100 rows of 8 kB a transaction", rows: 20_000, kind: Kind::Wide },
    Workload { name: "jsonb", tells: "100 documents of 1 kB a transaction", rows: 100_000, kind: Kind::Documents },
    Workload { name: "tables", tells: "10 rows a transaction, over 1,000 tables", rows: 100_000, kind: Kind::Tables(1_000) },
    Workload { name: "tpcc", tells: "orders after TPC-C, over 8 tables", rows: 200_000, kind: Kind::Tpcc },
    Workload { name: "pgbench", tells: "pgbench's own", rows: 200_000, kind: Kind::Pgbench },
];

impl Workload {
    /// The rows of a run of this size.
    fn rows(&self, size: f64) -> u32 {
        let whole = f64::from(self.rows) * size;
        let step = self.rows_a_transaction();
        // Whole transactions.
        ((whole as u32) / step).max(1) * step
    }

    fn rows_a_transaction(&self) -> u32 {
        match self.kind {
            Kind::Inserts(u32::MAX) => 1,
            Kind::Inserts(rows) => rows,
            Kind::Updates { .. } | Kind::Tables(_) => 10,
            Kind::Wide | Kind::Documents => 100,
            Kind::Tpcc => TPCC_ROWS_A_TRANSACTION,
            Kind::Pgbench => PGBENCH_ROWS_A_TRANSACTION * PGBENCH_CLIENTS,
        }
    }

    /// The tables that it writes to, all in the schema `public`.
    pub(crate) fn tables(&self) -> Vec<String> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        match self.kind {
            Kind::Tables(tables) => (0..tables).map(|table| format!("bench_{table}")).collect(),
            Kind::Tpcc => owned(&TPCC_TABLES),
            Kind::Pgbench => owned(&PGBENCH_TABLES),
            _ => owned(&["bench"]),
        }
    }

    /// Makes all that is there before the slots.
    pub(crate) async fn prepare(&self, kit: &Kit, postgres: &Postgres, sql: &Sql, size: f64) -> Result {
        for statement in self.statements(size) {
            sql.run(&statement).await?;
        }
        if let Kind::Pgbench = self.kind {
            let scale = PGBENCH_SCALE.to_string();
            pgbench(kit, postgres, &["--initialize", "--quiet", "--scale", &scale]).await?;
        }
        Ok(())
    }

    /// Each by itself, since one vacuums.
    fn statements(&self, size: f64) -> Vec<String> {
        let rows = self.rows(size);
        match self.kind {
            Kind::Inserts(_) => vec![format!("CREATE TABLE bench ({COLUMNS})")],
            Kind::Updates { full } => {
                let identity = if full { "FULL" } else { "DEFAULT" };
                vec![
                    format!("CREATE TABLE bench ({COLUMNS})"),
                    format!("INSERT INTO bench SELECT {ROW} FROM generate_series(1, {rows}) g"),
                    format!("ALTER TABLE bench REPLICA IDENTITY {identity}"),
                    "VACUUM ANALYZE bench".to_owned(),
                ]
            }
            // As long as it is, and not out of line.
            Kind::Wide => vec![
                "CREATE TABLE bench (id bigint PRIMARY KEY, b text)".to_owned(),
                "ALTER TABLE bench ALTER b SET STORAGE PLAIN".to_owned(),
            ],
            Kind::Documents => vec!["CREATE TABLE bench (id bigint PRIMARY KEY, e jsonb)".to_owned()],
            Kind::Tables(tables) => vec![format!(
                "DO $$ BEGIN FOR n IN 0..{} LOOP EXECUTE format('CREATE TABLE bench_%s ({COLUMNS})', n); END LOOP; END $$",
                tables - 1
            )],
            Kind::Tpcc => vec![TPCC.to_owned(), "VACUUM ANALYZE".to_owned()],
            Kind::Pgbench => Vec::new(),
        }
    }

    /// Changes each table once, before the log is written.
    pub(crate) fn one_row_each(&self) -> String {
        match self.kind {
            Kind::Tables(tables) => format!(
                "DO $$ BEGIN FOR n IN 0..{} LOOP EXECUTE format('INSERT INTO bench_%s (id) VALUES (0) ON CONFLICT (id) DO UPDATE SET id = 0', n); END LOOP; END $$",
                tables - 1
            ),
            Kind::Tpcc => "UPDATE warehouse SET w_ytd = 0 WHERE w_id = 1; UPDATE district SET d_ytd = 0 WHERE (d_w_id, d_id) = (1, 1);
                UPDATE customer SET c_balance = 0 WHERE (c_w_id, c_d_id, c_id) = (1, 1, 1); INSERT INTO history (h_c_id) VALUES (1);
                UPDATE orders SET o_ol_cnt = 1 WHERE o_id = 0; UPDATE new_order SET no_o_id = 0 WHERE no_o_id = 0;
                UPDATE order_line SET ol_quantity = 5 WHERE ol_o_id = 0; UPDATE stock SET s_ytd = 0 WHERE (s_w_id, s_i_id) = (1, 1)"
                .to_owned(),
            Kind::Pgbench => "UPDATE pgbench_accounts SET abalance = 0 WHERE aid = 1; UPDATE pgbench_tellers SET tbalance = 0 WHERE tid = 1;
                UPDATE pgbench_branches SET bbalance = 0 WHERE bid = 1; INSERT INTO pgbench_history (tid) VALUES (1)"
                .to_owned(),
            _ => "INSERT INTO bench (id) VALUES (0) ON CONFLICT (id) DO UPDATE SET id = 0".to_owned(),
        }
    }

    /// Writes the log.
    pub(crate) async fn write(&self, kit: &Kit, postgres: &Postgres, sql: &Sql, size: f64) -> Result<Written> {
        let rows = self.rows(size);
        let transactions = rows / self.rows_a_transaction();
        match self.kind {
            Kind::Tpcc => {
                let told = sql.rows(&format!("CALL trade({transactions}, 0, 0)")).await?;
                let [Some(rows), Some(deletes)] = told.first().map(Vec::as_slice).unwrap_or_default() else {
                    return Err(Failure::new("the procedure tells no numbers"));
                };
                return Ok(Written { rows: rows.parse()?, deletes: deletes.parse()? });
            }
            Kind::Pgbench => {
                let (clients, transactions) = (PGBENCH_CLIENTS.to_string(), transactions.to_string());
                let load = ["--no-vacuum", "--protocol", "prepared", "--random-seed", "1", "--jobs", "2"];
                let load = [&load[..], &["--client", &clients, "--transactions", &transactions]].concat();
                pgbench(kit, postgres, &load).await?;
            }
            _ => sql.run(&self.statement(rows)).await?,
        }
        Ok(Written { rows, deletes: 0 })
    }

    /// Of those that one statement writes.
    fn statement(&self, rows: u32) -> String {
        let step = self.rows_a_transaction();
        let insert = |row: &str| {
            looped(
                rows / step,
                &format!("INSERT INTO bench SELECT {row} FROM generate_series(n * {step} + 1, (n + 1) * {step}) g;"),
            )
        };
        match self.kind {
            Kind::Inserts(u32::MAX) => format!("INSERT INTO bench SELECT {ROW} FROM generate_series(1, {rows}) g"),
            Kind::Inserts(_) => insert(ROW),
            Kind::Updates { .. } => looped(
                rows / step,
                "UPDATE bench SET a = a + 1, d = d + 1, c = now() WHERE id BETWEEN n * 10 + 1 AND (n + 1) * 10;",
            ),
            Kind::Wide => insert("g, substr(repeat(md5(g::text), 250), 1, 7900)"),
            Kind::Documents => insert(
                "g, jsonb_build_object('id', g, 'name', md5(g::text), 'tags', jsonb_build_array('a', g % 7, md5((g + 1)::text)),
                 'text', repeat(md5(g::text) || ' \"q\" ', 20), 'nested', jsonb_build_object('at', now(), 'n', g / 7.0))",
            ),
            Kind::Tables(tables) => looped(
                rows / step,
                &format!(
                    "FOR i IN n * {step} + 1..(n + 1) * {step} LOOP
                         EXECUTE format('INSERT INTO bench_%s SELECT {row} FROM generate_series(%s, %s) g', (i::bigint * 7919) % {tables}, i, i);
                     END LOOP;",
                    row = ROW.replace('%', "%%").replace('\'', "''"),
                ),
            ),
            // They are written otherwise.
            Kind::Tpcc | Kind::Pgbench => String::new(),
        }
    }
}

/// So many transactions, `n` counting from zero.
fn looped(transactions: u32, body: &str) -> String {
    format!("DO $$ BEGIN FOR n IN 0..{} LOOP {body} COMMIT; END LOOP; END $$", transactions - 1)
}

/// PostgreSQL's own, on the database of the benchmark.
async fn pgbench(kit: &Kit, postgres: &Postgres, arguments: &[&str]) -> Result {
    let launch = postgres.client("pgbench", kit.folder().join("pgbench.log")).arguments(arguments).arguments(&[super::DATABASE]);
    let mut process = Process::start("pgbench", &launch)?;
    let status = process.wait(DEADLINE).await?;
    ensure!(status.success(), "pgbench failed:\n{}", process.log_tail(10));
    Ok(())
}
