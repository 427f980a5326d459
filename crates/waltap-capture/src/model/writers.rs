//! The applications that write to the source.

use super::postgres::wal::What;
use super::world::{State, World};

/// Rows of a table have numbers up to here.
const ROWS_MAX: i64 = 14;

/// How many transactions are open at once.
const OPEN_MAX: usize = 3;

/// Writes until the profile's steps are done, then ends every transaction.
pub(super) async fn write(world: World) {
    let (steps, pause) = {
        let profile = &world.lock().profile;
        (profile.writer_steps, profile.writer_pause_millis)
    };
    let joining = {
        let state = &mut *world.lock();
        let within = if state.profile.chunks { steps / 2 } else { steps * 2 };
        state.random.below(within)
    };
    for step in 0..steps {
        world.pause_between(0, pause).await;
        {
            let state = &mut *world.lock();
            if !state.postgres.up {
                continue;
            }
            if step == joining {
                let most = if state.profile.chunks { ROWS_MAX as u64 } else { 8 };
                let rows = state.random.below(most);
                state.postgres.wal.create_table(&mut state.random, rows);
                state.note(|| format!("a table joins, with {rows} rows"));
            }
            state.write_something();
        }
        world.postgres_moved();
    }
    let open = world.lock().postgres.wal.open_transactions();
    for xid in open {
        world.lock().end(xid);
        world.postgres_moved();
    }
    world.lock().postgres.wal.advance(24);
    world.note(|| "the writers rest".to_owned());
    world.postgres_moved();
}

impl State {
    fn write_something(&mut self) {
        let alters = self.profile.alters_percent;
        if self.random.percent(alters) {
            return self.alter_something();
        }
        let open = self.postgres.wal.open_transactions();
        match self.random.below(100) {
            0..=24 if open.len() < OPEN_MAX => {
                let xid = self.postgres.wal.begin();
                self.change_something(xid);
            }
            25..=54 if !open.is_empty() => {
                let xid = open[self.random.index(open.len())];
                for _ in 0..self.random.between(1, 5) {
                    self.change_something(xid);
                }
            }
            55..=79 if !open.is_empty() => {
                let xid = open[self.random.index(open.len())];
                self.end(xid);
            }
            80..=93 => {
                let xid = self.postgres.wal.begin();
                let most = if self.random.percent(10) { 30 } else { 3 };
                for _ in 0..self.random.between(0, most) {
                    self.change_something(xid);
                }
                self.end(xid);
            }
            94..=95 if self.profile.messages => {
                let bytes = self.random.between(8, 100);
                self.postgres.wal.say(bytes);
            }
            // Another database writes.
            _ => {
                let bytes = self.random.between(8, 2_000);
                self.postgres.wal.advance(bytes);
            }
        }
    }

    fn end(&mut self, xid: u32) {
        match self.random.percent(15) {
            true => {
                self.postgres.wal.abort(xid);
                self.note(|| format!("transaction {xid} is rolled back"));
            }
            false => {
                let bytes = self.random.between(8, 120);
                let commit = self.postgres.wal.commit(xid, bytes);
                self.delay(xid);
                self.note(|| format!("transaction {xid} commits at {}", commit.unwrap_or_default()));
            }
        }
    }

    fn change_something(&mut self, xid: u32) {
        match self.random.below(100) {
            0..=5 => self.postgres.wal.savepoint(xid),
            6..=8 => self.postgres.wal.release(xid),
            9..=11 if self.postgres.wal.roll_back_to_savepoint(xid) => {
                self.note(|| format!("transaction {xid} goes back to a savepoint"));
            }
            _ => {}
        }
        if self.profile.messages && self.random.percent(5) {
            let content = self.postgres.wal.value();
            return self.postgres.wal.change(xid, 0, What::Message { content }, 64);
        }
        let late = self.late();
        let wal = &self.postgres.wal;
        let table = &wal.tables[self.random.index(wal.tables.len())];
        let (table, is_full) = (table.oid, table.full_identity);
        // Somebody is altering it.
        let touched = wal.touched(&late);
        let row = self.random.between(1, ROWS_MAX as u64) as i64;
        let other = self.random.between(1, ROWS_MAX as u64) as i64;
        let own = wal.changes_of(xid);
        // What a transaction of ours has touched is touched again at times: its last word about the row counts.
        let is_own = own.iter().any(|change| change.table == table && row_of(&change.what) == Some(row));
        if touched.contains(&(table, row)) && !is_own {
            return;
        }
        let is_there = match own.iter().rev().find(|change| change.table == table && touches(&change.what, row)) {
            Some(change) => row_of(&change.what) == Some(row) && !matches!(change.what, What::Delete { .. }),
            None => wal.rows.contains_key(&(table, row)),
        };
        let moves = row != other && !touched.contains(&(table, other)) && !wal.rows.contains_key(&(table, other));
        let value = self.postgres.wal.value();
        let leaves_out = !is_full && self.random.percent(self.profile.unchanged_percent);
        let what = match (is_there, self.random.below(10)) {
            (true, 2 | 4 | 6) if moves && !is_own && leaves_out => What::Carry { from: row, row: other },
            (true, 3..) if leaves_out => What::Touch { row },
            (false, _) => What::Insert { row, value },
            (true, 0..=1) => What::Delete { row },
            (true, 2) if moves && !is_own => What::Move { from: row, row: other, value },
            (true, _) => What::Update { row, value },
        };
        let bytes = self.random.between(8, 200);
        self.postgres.wal.change(xid, table, what, bytes);
    }

    /// TRUNCATE, or an ALTER TABLE that rewrites: both wait until nobody else has the table.
    fn alter_something(&mut self) {
        let late = self.late();
        let wal = &self.postgres.wal;
        let table = wal.tables[self.random.index(wal.tables.len())].oid;
        if late.iter().any(|xid| wal.has_changed(*xid, table)) {
            return;
        }
        let is_open = wal.open_transactions().iter().any(|xid| wal.changes_of(*xid).iter().any(|change| change.table == table));
        if is_open || self.postgres.is_locked(table) {
            return;
        }
        let rewrites = self.profile.rewrites_percent;
        if self.random.percent(rewrites) {
            self.postgres.wal.rewrite(table);
            return self.note(|| format!("table {table} is rewritten"));
        }
        let xid = self.postgres.wal.begin();
        if self.random.percent(30) {
            self.change_in(xid, table);
        }
        self.postgres.wal.change(xid, table, What::Truncate, 64);
        if self.random.percent(30) {
            let value = self.postgres.wal.value();
            self.postgres.wal.change(xid, table, What::Insert { row: 1, value }, 64);
        }
        let commit = self.postgres.wal.commit(xid, 64);
        self.note(|| format!("table {table} is truncated at {}", commit.unwrap_or_default()));
    }

    /// A row that is new in the table, or one that is there and changes.
    fn change_in(&mut self, xid: u32, table: u32) {
        let value = self.postgres.wal.value();
        let what = match self.postgres.wal.rows.contains_key(&(table, 2)) {
            true => What::Update { row: 2, value },
            false => What::Insert { row: 2, value },
        };
        self.postgres.wal.change(xid, table, what, 64);
    }
}

fn touches(what: &What, row: i64) -> bool {
    row_of(what) == Some(row) || matches!(what, What::Move { from, .. } | What::Carry { from, .. } if *from == row)
}

fn row_of(what: &What) -> Option<i64> {
    match what {
        What::Insert { row, .. }
        | What::Update { row, .. }
        | What::Move { row, .. }
        | What::Touch { row }
        | What::Carry { row, .. }
        | What::Delete { row } => Some(*row),
        What::Truncate | What::Message { .. } => None,
    }
}
