//! A table's state, rebuilt from its events.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;

use super::canonical;
use super::event::{Columns, Event, Operation, Position};
use super::source::Table;
use crate::{Failure, Result};

/// A row as its events left it: each column's JSON text.
pub type Row = BTreeMap<String, String>;

/// The rows of a table.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    keyed: HashMap<String, Row>,
    /// Rows of tables without a key, with the position that brought each.
    unkeyed: Vec<(Position, Row)>,
}

/// Applies events, from which repeats have been dropped, in the order of their positions.
///
/// Each key's events come in that order anyway, which the order checker has seen to; between keys it matters in one case only: a
/// row whose key changes takes the values that the update did not touch along from its old key, which may be in another partition.
///
/// `times`: when the table was being read in chunks, in milliseconds since 1970. A row may be unknown then: its turn may not have come.
pub fn rebuild(mut events: Vec<Event>, times: &[RangeInclusive<i64>]) -> Result<Rows> {
    events.sort_by_key(|event| (event.position, event.operation != Operation::Delete));
    // A snapshot of a table without a key that was begun anew replaces the first: all that came before is in the last one.
    let last_snapshot = events.iter().filter(|event| event.operation == Operation::Read).map(|event| event.position).max();
    let mut rows = Rows::default();
    let mut moved: HashMap<Position, Row> = HashMap::new();
    for event in events {
        let position = event.position;
        // A snapshot that was cut off left some rows unsent. Their changes up to the next one come all the same, and it brings them whole.
        let before_snapshot = last_snapshot.is_some_and(|last| position < last);
        if event.key.is_none() && event.operation != Operation::Truncate && before_snapshot {
            continue;
        }
        let is_being_read = before_snapshot || times.iter().any(|time| time.contains(&event.produced_at));
        rows.apply(event, &mut moved, is_being_read).map_err(|failure| failure.while_doing(position))?;
    }
    Ok(rows)
}

impl Rows {
    /// `is_being_read`: a later snapshot holds the row, or it is still to be read, so that here it may be unknown.
    fn apply(&mut self, event: Event, moved: &mut HashMap<Position, Row>, is_being_read: bool) -> Result {
        let position = event.position;
        match (event.operation, event.key) {
            (Operation::Truncate, _) => {
                self.keyed.clear();
                self.unkeyed.clear();
            }
            (Operation::Read | Operation::Create | Operation::Update, Some(key)) => {
                let mut row = texts(event.after)?;
                if !event.unchanged.is_empty() {
                    let before = self.keyed.get(&key).or_else(|| moved.get(&position));
                    for column in event.unchanged {
                        match before.and_then(|before| before.get(&column)) {
                            Some(value) => drop(row.insert(column, value.clone())),
                            None if is_being_read => {}
                            None => return Err(Failure::new(format!("{key}: the untouched {column} never came"))),
                        }
                    }
                }
                self.keyed.insert(key, row);
            }
            (Operation::Delete, Some(key)) => match self.keyed.remove(&key) {
                Some(row) => drop(moved.insert(position, row)),
                None if is_being_read => {}
                None => return Err(Failure::new(format!("{key}: a delete of a row that never came"))),
            },
            (Operation::Read | Operation::Create, None) => self.unkeyed.push((position, texts(event.after)?)),
            (operation @ (Operation::Update | Operation::Delete), None) => {
                let before = texts(event.before)?;
                let place = self.unkeyed.iter().position(|(_, row)| *row == before);
                let place = place.ok_or_else(|| Failure::new(format!("the old row never came: {before:?}")))?;
                self.unkeyed.swap_remove(place);
                if operation == Operation::Update {
                    self.unkeyed.push((position, texts(event.after)?));
                }
            }
        }
        Ok(())
    }

    /// The rows themselves, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Row> {
        self.keyed.values().chain(self.unkeyed.iter().map(|(_, row)| row))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.keyed.len() + self.unkeyed.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values of a table's present columns, sorted by row, to be compared with the source's. A column that a row never had is
    /// null: it was added later, without a default.
    pub fn canonical(&self, table: &Table) -> Result<Vec<Vec<Option<String>>>> {
        let mut rows = self
            .iter()
            .map(|row| {
                let values = table.columns.iter().map(|column| match row.get(&column.name) {
                    Some(json) => canonical::of_event(json, column.kind),
                    None => Ok(None),
                });
                values.collect()
            })
            .collect::<Result<Vec<Vec<_>>>>()?;
        rows.sort_unstable();
        Ok(rows)
    }
}

fn texts(columns: Option<Columns>) -> Result<Row> {
    let columns = columns.ok_or_else(|| Failure::new("the event has no row"))?;
    Ok(columns.into_iter().map(|(name, value)| (name, value.get().to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::super::event::samples::event;
    use super::*;

    fn rebuild_all(events: Vec<Event>) -> Result<Rows> {
        rebuild(events, &[])
    }

    fn keyed(rows: &Rows, key: u32) -> Option<&str> {
        rows.keyed.get(&format!(r#"{{"id":{key}}}"#)).map(|row| row["a"].as_str())
    }

    #[test]
    fn the_last_event_of_a_key_is_its_row() {
        let rows = rebuild_all(vec![
            event("u", Some(1), 9, Some(0), r#"{"a":3}"#),
            event("r", Some(1), 5, None, r#"{"a":1}"#),
            event("r", Some(2), 5, None, r#"{"a":1}"#),
            event("d", Some(2), 9, Some(1), "null"),
        ])
        .unwrap();
        assert_eq!((rows.len(), keyed(&rows, 1)), (1, Some("3")));
    }

    #[test]
    fn a_truncate_removes_what_came_before() {
        let rows = rebuild_all(vec![
            event("r", Some(1), 5, None, r#"{"a":1}"#),
            event("t", None, 6, Some(0), "null"),
            event("c", Some(1), 6, Some(1), r#"{"a":2}"#),
        ])
        .unwrap();
        assert_eq!((rows.len(), keyed(&rows, 1)), (1, Some("2")));
    }

    #[test]
    fn untouched_values_move_with_the_key() {
        let mut moved = event("c", Some(2), 6, Some(0), r#"{"id":2}"#);
        moved.unchanged = vec!["a".to_owned()];
        let events =
            vec![event("r", Some(1), 5, None, r#"{"id":1,"a":7}"#), moved.clone(), event("d", Some(1), 6, Some(0), "null")];
        assert_eq!(keyed(&rebuild_all(events).unwrap(), 2), Some("7"));
        assert!(rebuild_all(vec![moved]).is_err(), "a value that never came");
    }

    #[test]
    fn rows_without_a_key_are_counted_and_a_new_snapshot_replaces_the_first() {
        let rows = rebuild_all(vec![
            event("r", None, 5, None, r#"{"a":1}"#),
            event("c", None, 6, Some(0), r#"{"a":1}"#),
            event("r", None, 7, None, r#"{"a":1}"#),
            event("r", None, 7, None, r#"{"a":1}"#),
            event("c", None, 8, Some(0), r#"{"a":1}"#),
        ])
        .unwrap();
        assert_eq!(rows.len(), 3);
    }

    #[test]
    fn a_delete_of_nothing_is_found() {
        assert!(rebuild_all(vec![event("d", Some(1), 5, Some(0), "null")]).is_err());
    }

    #[test]
    fn a_delete_of_a_row_whose_turn_had_not_come_is_none_of_nothing() {
        let delete = |produced_at| Event { produced_at, ..event("d", Some(1), 9, Some(0), "null") };
        let rows = |delete| rebuild(vec![event("r", Some(2), 5, None, r#"{"a":1}"#), delete], &[500..=1_000]);
        assert_eq!(rows(delete(1_000)).unwrap().len(), 1);
        assert!(rows(delete(1_001)).is_err(), "all rows had been read by then");
        assert!(rows(delete(499)).is_err(), "no row was being read");
    }
}
