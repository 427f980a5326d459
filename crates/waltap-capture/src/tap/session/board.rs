//! What a streaming session shows of itself on the board.

use std::time::Duration;

use super::Session;

/// How often the board is brought up to date when nothing happens.
pub(super) const BOARD_INTERVAL: Duration = Duration::from_millis(500);

impl Session<'_> {
    /// Brings the board up to date.
    pub(super) fn show(&mut self) {
        let events = self.stream.events();
        let waiting_for = self.stream.sink.waiting_for();
        let waiting = self.waiting();
        let mut facts = self.context.board.facts();
        facts.received = self.stream.received();
        facts.server = facts.server.max(self.stream.server()).max(facts.received);
        facts.oldest_unconfirmed_micros = self.stream.oldest_unconfirmed().map(|time| time.unix_micros());
        facts.waiting = waiting;
        facts.in_flight_bytes = self.stream.sink.in_flight_bytes();
        facts.events += events - self.events_shown;
        self.events_shown = events;
        if waiting_for.is_some() != facts.waiting_for.is_some() {
            match &waiting_for {
                Some(waiting_for) => tracing::warn!(database = self.context.database, "{waiting_for}"),
                None => tracing::info!(database = self.context.database, "Kafka confirms again"),
            }
        }
        facts.waiting_for = waiting_for;
    }
}
