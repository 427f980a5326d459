//! People who pause tables while waltap runs or does not, and let them go on.

use super::world::{State, World};
use super::{DATABASE, SCHEMA};
use crate::requests::Ask;

/// Between two requests, at most.
const PAUSE_MAX_MILLIS: u64 = 2_500;

/// Asks as often as the profile says, and in the end for every table to go on.
pub(super) async fn ask(world: World) {
    let pauses = world.lock().profile.pauses;
    for number in 0..pauses {
        let pause = {
            let state = &mut *world.lock();
            match state.people.percent(20) {
                // In one go with the one before.
                true => 0,
                false => state.people.between(0, PAUSE_MAX_MILLIS),
            }
        };
        world.pause(pause).await;
        let state = &mut *world.lock();
        let tables = state.names();
        let of = state.people.index(tables.len() + 1);
        // One of them, or all.
        let tables = tables.get(of).map_or(tables.clone(), |table| vec![table.clone()]);
        let is_pause = state.people.percent(60);
        state.ask(number, tables, is_pause);
    }
    if pauses > 0 {
        let state = &mut *world.lock();
        let tables = state.names();
        state.ask(pauses, tables, false);
    }
}

impl State {
    fn names(&self) -> Vec<String> {
        self.postgres.wal.tables.iter().map(|table| format!("\"{SCHEMA}\".\"{}\"", table.name)).collect()
    }

    fn ask(&mut self, number: u64, tables: Vec<String>, is_pause: bool) {
        self.note(|| format!("{} is asked: {}", if is_pause { "a pause" } else { "a resumption" }, tables.join(", ")));
        let ask = match is_pause {
            true => Ask::Pause { tables, at: 0 },
            false => Ask::Resume { tables, at: 0 },
        };
        let ask = serde_json::to_vec(&ask).unwrap_or_default();
        self.requests.note(DATABASE, &format!("ask/{number:04}"), Some(&ask));
    }
}
