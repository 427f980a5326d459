//! What goes wrong on either side.

use std::time::Duration;

use super::world::{State, World};

/// Breaks things as often as the profile says, one after the other.
pub(super) async fn strike(world: World) {
    let (faults, pause) = {
        let profile = &world.lock().profile;
        (profile.faults, profile.fault_pause_millis)
    };
    for _ in 0..faults {
        world.pause_between(0, pause).await;
        let kind = world.lock().random.below(10);
        match kind {
            0..=2 => world.lock().cut_a_connection(),
            3 => {
                world.note(|| "PostgreSQL crashes".to_owned());
                world.lock().postgres.crash();
                come_back(&world).await;
            }
            4 => {
                world.note(|| "PostgreSQL shuts down".to_owned());
                world.lock().postgres.leaving = true;
                world.postgres_moved();
                world.pause_between(1, 300).await;
                world.lock().postgres.crash();
                come_back(&world).await;
            }
            5..=7 => {
                world.note(|| "Kafka is gone".to_owned());
                world.lock().kafka.up = false;
                // Now and then for longer than anybody waits for an answer.
                let longest = if world.chance(15) { 40_000 } else { 3_000 };
                world.pause_between(10, longest).await;
                world.lock().kafka.up = true;
                world.kafka_moved();
                world.note(|| "Kafka is back".to_owned());
            }
            _ => world.lock().lose_producer(),
        }
        world.postgres_moved();
    }
}

async fn come_back(world: &World) {
    world.postgres_moved();
    world.pause_between(10, 3_000).await;
    let state = &mut *world.lock();
    (state.postgres.up, state.postgres.leaving) = (true, false);
    state.note(|| "PostgreSQL is back".to_owned());
}

impl State {
    fn cut_a_connection(&mut self) {
        let now = self.now();
        let open: Vec<u64> = self.postgres.sessions.iter().filter(|(_, session)| session.connected).map(|(id, _)| *id).collect();
        if open.is_empty() {
            return;
        }
        let id = open[self.random.index(open.len())];
        let lingers = Duration::from_millis(self.random.below(3_000));
        self.note(|| format!("connection {id} is cut"));
        self.postgres.cut(id, now, lingers);
    }
}
