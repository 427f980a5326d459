//! One transaction of a writer, as one batch of statements.

use waltap_tests::Random;

use super::HOT_ROWS;

/// What transactions there are, by how often of a thousand; the rest are small ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mix {
    pub(crate) large: u64,
    /// Rows of a large one.
    pub(crate) large_rows: u64,
}

impl Mix {
    /// Mostly small transactions, a large one now and then.
    pub(crate) const USUAL: Mix = Mix { large: 1, large_rows: 20_000 };

    /// No large one.
    pub(crate) const SMALL: Mix = Mix { large: 0, large_rows: 0 };

    /// Many transactions that a server with little memory for decoding streams, or spills.
    pub(crate) const LARGE: Mix = Mix { large: 12, large_rows: 3_000 };
}

/// What a transaction is.
#[derive(Clone, Debug)]
pub(super) struct Transaction {
    pub(super) statements: String,
    /// Whether it ends in COMMIT.
    pub(super) commits: bool,
}

/// Makes up a transaction. `number` is never the same twice for a writer.
pub(super) fn transaction(writer: u64, number: u64, mix: Mix, random: &mut Random) -> Transaction {
    let mut steps = Vec::new();
    let mut step = 0;
    let mut fact = |note: &str| {
        step += 1;
        format!("INSERT INTO facts VALUES ({writer}, {number}, {step}, 0, '{note}')")
    };
    let hot = 1 + random.below(HOT_ROWS);
    let mut commits = true;
    match random.below(1000) {
        drawn if drawn < mix.large => {
            steps.push(fact("fact"));
            let rows = |note: &str, first: u64, last: u64| {
                format!("INSERT INTO bulk SELECT {writer}, {number}, g, 0, '{note}' FROM generate_series({first}, {last}) g")
            };
            let half = 1000 + mix.large_rows / 2;
            steps.push(rows("bulk", 1000, half));
            // A large part that is taken back, in the middle.
            steps.extend([
                "SAVEPOINT s".to_owned(),
                rows("aborted", 2_000_000, 2_000_000 + mix.large_rows / 2),
                "ROLLBACK TO s".to_owned(),
            ]);
            steps.push(rows("bulk", half + 1, 1000 + mix.large_rows));
            commits = random.percent(75);
        }
        0..450 => steps.extend((0..=random.below(6)).map(|_| fact("fact"))),
        450..650 => {
            steps.push(fact("fact"));
            steps.push(format!("UPDATE hot SET version = version + 1, note = 'hot {number}' WHERE id = {hot}"));
            steps.push(fact("fact"));
        }
        650..720 => steps.push(format!(
            "WITH gone AS (DELETE FROM hot WHERE id = {hot} RETURNING version)
             INSERT INTO hot SELECT {hot}, version + 1, 'hot again' FROM gone"
        )),
        720..800 => {
            steps.push(fact("aborted"));
            steps.push(format!("UPDATE hot SET version = version + 1, note = 'aborted' WHERE id = {hot}"));
            commits = false;
        }
        800..900 => {
            steps.extend([fact("fact"), "SAVEPOINT s".to_owned(), fact("aborted")]);
            steps.push(format!("UPDATE hot SET version = version + 1, note = 'aborted' WHERE id = {hot}"));
            steps.extend(["ROLLBACK TO s".to_owned(), fact("fact")]);
        }
        _ => steps.push(format!("INSERT INTO unseen (note) VALUES ('{number}')")),
    }
    if !commits {
        // Of what is rolled back, every row says so, for should it be seen.
        steps
            .iter_mut()
            .for_each(|statement| *statement = statement.replace("'fact'", "'aborted'").replace("'bulk'", "'aborted'"));
    }
    let end = if commits { "COMMIT" } else { "ROLLBACK" };
    Transaction { statements: format!("BEGIN;\n{};\n{end}", steps.join(";\n")), commits }
}
