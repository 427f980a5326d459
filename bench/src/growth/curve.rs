//! What grows.

use super::point::Point;

/// The rows of most points, at size 1.
const ROWS: f64 = 200_000.0;

/// Those of a backlog of age 1.
const BACKLOG_ROWS: f64 = 1_000_000.0;

/// The values of a point with many columns, and its bytes where rows are large: fewer rows then, or a point would take an hour.
const VALUES: f64 = 5_000_000.0;
const BYTES: f64 = 400_000_000.0;

/// One of the things that grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curve {
    Tables,
    Databases,
    Columns,
    RowBytes,
    TransactionRows,
    Backlog,
}

pub(crate) const CURVES: [Curve; 6] =
    [Curve::Tables, Curve::Databases, Curve::Columns, Curve::RowBytes, Curve::TransactionRows, Curve::Backlog];

impl Curve {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Curve::Tables => "tables",
            Curve::Databases => "databases",
            Curve::Columns => "columns",
            Curve::RowBytes => "row",
            Curve::TransactionRows => "transaction",
            Curve::Backlog => "backlog",
        }
    }

    /// What x is.
    pub(crate) fn x_name(&self) -> &'static str {
        match self {
            Curve::Tables => "tables",
            Curve::Databases => "databases",
            Curve::Columns => "columns",
            Curve::RowBytes => "bytes a row",
            Curve::TransactionRows => "rows a transaction",
            Curve::Backlog => "million rows of backlog",
        }
    }

    /// Its points, from the least to the most.
    pub(crate) fn points(&self, size: f64) -> Vec<Point> {
        let rows = |count: f64| (count * size).max(1.0) as u32;
        let point = |x: f64| match self {
            Curve::Tables => Point { tables: x as u32, ..Point::plain(x, rows(ROWS)) },
            Curve::Databases => Point { databases: x as u32, ..Point::plain(x, rows(ROWS)) },
            Curve::Columns => Point::plain(x, rows(ROWS.min(VALUES / x))).with_columns(x as u32),
            Curve::RowBytes => {
                let point = Point::plain(x, rows(ROWS.min(BYTES / x))).with_bytes(x as u32);
                // Ten of the largest are more than others have in a whole transaction.
                Point { rows_a_transaction: if x < 100_000.0 { 10 } else { 1 }, ..point }
            }
            // Slots and commits cost the server most where each row has its own.
            Curve::TransactionRows => {
                let step = (x * size.min(1.0)).max(1.0);
                Point { rows_a_transaction: step as u32, ..Point::plain(step, rows(ROWS).max(step as u32)) }
            }
            Curve::Backlog => Point::plain(x * size, rows(BACKLOG_ROWS * x)),
        };
        let all: &[f64] = match self {
            Curve::Tables => &[10.0, 100.0, 1_000.0, 10_000.0],
            Curve::Databases => &[1.0, 5.0, 20.0, 50.0],
            Curve::Columns => &[1.0, 10.0, 100.0, 500.0],
            // A record of more than a million bytes is too large for Kafka as it comes.
            Curve::RowBytes => &[100.0, 1_000.0, 10_000.0, 100_000.0, 990_000.0],
            Curve::TransactionRows => &[1.0, 10.0, 100.0, 1_000.0, 10_000.0, 100_000.0, 1_000_000.0],
            Curve::Backlog => &[0.1, 0.3, 1.0, 3.0],
        };
        all.iter().copied().map(point).collect()
    }
}
