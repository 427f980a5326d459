//! What is captured at one point of a curve: databases with tables, and the log that is written to them.

/// Something as large as a row of the other benchmarks: some 180 bytes of text.
const PLAIN_COLUMNS: &str = "a int, b text, c timestamptz, d numeric(12,2)";
const PLAIN_VALUES: &str = "g % 1000000, repeat(md5(g::text), 3), now(), (g % 1000000) / 100.0";

/// The column of rows of a size.
const LONG_TEXT: &str = "b text";

/// So many tables are made in one transaction: each takes locks.
const TABLES_A_TRANSACTION: u32 = 200;

/// One point. Rows go to the tables in turns.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) databases: u32,
    /// In each database.
    pub(crate) tables: u32,
    /// Over all databases.
    pub(crate) rows: u32,
    pub(crate) rows_a_transaction: u32,
    pub(crate) columns: String,
    pub(crate) values: String,
}

impl Point {
    /// Of one table with rows of the usual size, ten a transaction.
    pub(crate) fn plain(x: f64, rows: u32) -> Self {
        Point {
            x,
            databases: 1,
            tables: 1,
            rows,
            rows_a_transaction: 10,
            columns: PLAIN_COLUMNS.to_owned(),
            values: PLAIN_VALUES.to_owned(),
        }
    }

    /// Rows of so many columns beside their key, numbers and short texts in turns.
    pub(crate) fn with_columns(mut self, count: u32) -> Self {
        let column = |n: u32| if n.is_multiple_of(2) { format!("c{n} int") } else { format!("c{n} text") };
        let value = |n: u32| if n.is_multiple_of(2) { "g".to_owned() } else { "'value ' || g".to_owned() };
        self.columns = (0..count).map(column).collect::<Vec<_>>().join(", ");
        self.values = (0..count).map(value).collect::<Vec<_>>().join(", ");
        self
    }

    /// Rows of so many bytes of text, which PostgreSQL does not compress.
    pub(crate) fn with_bytes(mut self, bytes: u32) -> Self {
        self.columns = LONG_TEXT.to_owned();
        self.values = format!("substr(repeat(md5(g::text), {bytes} / 32 + 1), 1, {bytes})");
        self
    }

    /// What makes its tables.
    pub(crate) fn create(&self) -> String {
        let Point { tables, columns, .. } = self;
        format!(
            "DO $$ BEGIN FOR n IN 0..{} LOOP
                 EXECUTE format('CREATE TABLE bench_%s (id bigint PRIMARY KEY, {columns})', n);
                 IF n % {TABLES_A_TRANSACTION} = 0 THEN COMMIT; END IF;
             END LOOP; END $$",
            tables - 1
        )
    }

    /// What keeps long texts as they are.
    pub(crate) fn store_plainly(&self) -> Option<String> {
        (self.columns == LONG_TEXT).then(|| "ALTER TABLE bench_0 ALTER b SET STORAGE EXTERNAL".to_owned())
    }

    /// The transactions of one database.
    fn transactions(&self) -> u32 {
        (self.rows / self.databases / self.rows_a_transaction).max(1)
    }

    /// All rows that [`Point::write`] writes to all databases.
    pub(crate) fn rows_written(&self) -> u32 {
        self.transactions() * self.rows_a_transaction * self.databases
    }

    /// The table that the last transaction of a database goes to, and how many rows it has then: when they have come, all have.
    pub(crate) fn last_table(&self) -> (u32, u32) {
        let last = self.transactions() - 1;
        (last % self.tables, (last / self.tables + 1) * self.rows_a_transaction)
    }

    /// What writes the log of one database: each transaction to the next table.
    pub(crate) fn write(&self) -> String {
        let Point { tables, rows_a_transaction: step, values, .. } = self;
        let values = values.replace('%', "%%").replace('\'', "''");
        format!(
            "DO $$ BEGIN FOR n IN 0..{} LOOP
                 EXECUTE format('INSERT INTO bench_%s SELECT g, {values} FROM generate_series(%s, %s) g',
                                n % {tables}, n::bigint * {step} + 1, (n::bigint + 1) * {step});
                 COMMIT;
             END LOOP; END $$",
            self.transactions() - 1
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_shared_out_in_whole_transactions() {
        let point = Point { databases: 3, rows_a_transaction: 10, ..Point::plain(3.0, 100) };
        assert_eq!(point.rows_written(), 90);
        let point = Point { rows_a_transaction: 1_000, ..Point::plain(1.0, 10) };
        assert_eq!(point.rows_written(), 1_000);
    }

    #[test]
    fn the_last_row_is_known() {
        let point = Point { tables: 4, ..Point::plain(4.0, 100) };
        // Of ten transactions the first, the fifth and the ninth go to the first table, the second, the sixth and the tenth to the second.
        assert_eq!(point.last_table(), (1, 30));
    }
}
