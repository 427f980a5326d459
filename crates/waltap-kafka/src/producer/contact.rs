//! Whether librdkafka has given up: it reaches no broker, though another client of the same settings does.
//!
//! It has a fault by which it looks for none any more (told in [`crate::attempts`]) and says nothing of it. A client that is just made begins with
//! the configured brokers: while Kafka is away it fails as well, and nothing is to be done but wait.

use std::time::Duration;

/// So many looks in a row must find no connection before another client is asked. Most outages are over by then.
const LOOKS_ALONE: u32 = 2;

/// In a long outage another client is asked at each look of so many.
const LOOKS_APART_MAX: u32 = 8;

/// So many looks in a row another client must reach Kafka at the least, and the producer's own not.
const LOOKS_BEHIND_MIN: u32 = 3;

/// What a look at the brokers has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// The producer has a connection that records may go over.
    Connected,
    /// It has none, nor has another client, if one was asked.
    Nobody,
    /// It has none, and another client reached Kafka.
    OnlyElsewhere,
}

/// Draws the conclusion from one look after the other.
#[derive(Debug)]
pub(super) struct Contact {
    /// How many looks in a row the producer may be behind another client.
    looks_behind: u32,
    alone: u32,
    behind: u32,
}

impl Contact {
    /// With looks in this interval. `reconnect` is how long librdkafka may take to be connected again once it could: an attempt under way may hang until
    /// its time is over, and there is a pause before the next one.
    pub(super) fn new(interval: Duration, reconnect: Duration) -> Self {
        let looks = reconnect.as_millis().div_ceil(interval.as_millis().max(1)).try_into().unwrap_or(u32::MAX);
        Contact { looks_behind: looks.max(LOOKS_BEHIND_MIN), alone: 0, behind: 0 }
    }

    /// Whether another client is to be asked when the next look finds no connection. It is made for each question: while nobody reaches Kafka, seldom.
    pub(super) fn asks_elsewhere(&self) -> bool {
        let is_its_turn = self.alone.is_power_of_two() || self.alone.is_multiple_of(LOOKS_APART_MAX);
        self.alone >= LOOKS_ALONE && (self.behind > 0 || is_its_turn)
    }

    /// Forgets what the looks have shown.
    pub(super) fn reset(&mut self) {
        (self.alone, self.behind) = (0, 0);
    }

    /// Whether librdkafka has given up, by this look and those before.
    pub(super) fn has_ended(&mut self, sight: Sight) -> bool {
        match sight {
            Sight::Connected => self.reset(),
            Sight::Nobody => (self.alone, self.behind) = (self.alone.saturating_add(1), 0),
            Sight::OnlyElsewhere => self.behind += 1,
        }
        // The first of them is the moment from which it could be connected.
        self.behind > self.looks_behind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Duration = Duration::from_secs(5);

    /// Which of the looks was the first by which it has given up.
    fn ended_after(contact: &mut Contact, sights: impl IntoIterator<Item = Sight>) -> Option<usize> {
        sights.into_iter().position(|sight| contact.has_ended(sight))
    }

    #[test]
    fn while_nobody_reaches_kafka_there_is_nothing_to_give_up() {
        let mut contact = Contact::new(LOOK, LOOK);
        assert_eq!(ended_after(&mut contact, [Sight::Nobody; 999]), None);
    }

    #[test]
    fn another_client_is_asked_seldom_until_it_reaches_kafka() {
        let mut contact = Contact::new(LOOK, LOOK * 99);
        let mut asked = Vec::new();
        for look in 0..40 {
            if contact.asks_elsewhere() {
                asked.push(look);
            }
            assert!(!contact.has_ended(Sight::Nobody));
        }
        assert_eq!(asked, [2, 4, 8, 16, 24, 32], "most outages are short");
        assert!(!contact.has_ended(Sight::OnlyElsewhere));
        for _ in 0..9 {
            assert!(contact.asks_elsewhere() && !contact.has_ended(Sight::OnlyElsewhere));
        }
        contact.reset();
        assert!(!contact.asks_elsewhere());
    }

    #[test]
    fn who_stays_behind_another_client_has_given_up() {
        let mut contact = Contact::new(LOOK, Duration::ZERO);
        assert_eq!(ended_after(&mut contact, [Sight::Nobody; 2]), None);
        assert_eq!(ended_after(&mut contact, [Sight::OnlyElsewhere; 9]), Some(LOOKS_BEHIND_MIN as usize));
    }

    #[test]
    fn a_slow_reconnection_is_given_its_time() {
        let mut contact = Contact::new(LOOK, Duration::from_secs(31));
        // The first look shows that Kafka is back; 35 seconds later is the first one after the time is over.
        assert_eq!(ended_after(&mut contact, [Sight::OnlyElsewhere; 99]), Some(7));
        let mut contact = Contact::new(LOOK, Duration::from_secs(31));
        let back = [[Sight::OnlyElsewhere; 7].as_slice(), &[Sight::Connected], &[Sight::OnlyElsewhere; 7]].concat();
        assert_eq!(ended_after(&mut contact, back), None);
    }

    #[test]
    fn kafka_that_goes_away_again_begins_the_time_anew() {
        let mut contact = Contact::new(LOOK, Duration::from_secs(10));
        let flapping = (0..99).map(|look| if look % 4 == 3 { Sight::Nobody } else { Sight::OnlyElsewhere });
        assert_eq!(ended_after(&mut contact, flapping), None);
    }
}
