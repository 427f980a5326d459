//! One transaction of a writer, as one batch of statements.

use waltap_tests::Random;

use super::shape::{IDS, Member};

/// Makes up a transaction over some of the tables of one database. `alters`: it may truncate and alter them too.
pub(super) fn transaction(tables: &[&Member], alters: bool, random: &mut Random) -> String {
    let mut statements = vec!["BEGIN".to_owned()];
    for _ in 0..=random.below(8) {
        if let Some(table) = random.choose(tables) {
            statements.push(statement(table, alters, random));
        }
    }
    if random.percent(5) {
        // What a savepoint takes back was never there.
        statements.push("SAVEPOINT s".to_owned());
        statements.extend(random.choose(tables).map(|table| table.insert(1, 20, 1)));
        statements.push("ROLLBACK TO s".to_owned());
    }
    statements.push(if random.percent(5) { "ROLLBACK" } else { "COMMIT" }.to_owned());
    statements.join(";\n")
}

fn statement(table: &Member, alters: bool, random: &mut Random) -> String {
    let (id, n) = (random.below(IDS), random.below(1_000_000));
    match random.below(1000) {
        0..2 if alters => format!("TRUNCATE {}", table.table),
        2..6 if alters => table.alter(random.number() >> 16),
        0..40 => table.insert(id, id + random.below(50), n),
        _ if !table.has_key() => table.insert(id, id, n),
        40..400 => table.insert(id, id + 1, n),
        400..750 => table.update(id, n),
        750..830 => table.change_key(id, random.below(IDS)),
        // The same row several times in one transaction.
        830..850 => {
            [table.delete(id), table.insert(id, id, n), table.update(id, n + 4), table.change_key(id, id + IDS)].join(";\n")
        }
        _ => table.delete(id),
    }
}
