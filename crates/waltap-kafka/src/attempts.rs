//! Whether librdkafka still tries to reach a broker.
//!
//! It forgets every broker that an answer about metadata does not name, and begins again with the configured ones when all are down. There
//! is a fault in that (confluentinc/librdkafka#5301): where an answer names topics and no broker at all, as that of the only broker of a
//! cluster does while its controller has fenced it, the end of the answer may cancel the new beginning, for good. And a broker to which the
//! coordinator of transactions is bound is not let go of, so that the configured ones are forgotten too with the next such answer, and all
//! of them never count as down. Then it is connected to nobody, looks for none, and says nothing.
//!
//! Its statistics show it: readers are watched by them. Producers, which know many topics, go without (`producer/contact.rs`).

use std::collections::{BTreeMap, HashMap};

/// How many statistics in a row must show no attempt. At the five seconds between them that is three times as long as librdkafka ever
/// waits, since it asks for metadata every ten seconds, of whichever broker it can reach.
const ROUNDS: u32 = 6;

/// What librdkafka says about itself every few seconds: of it, how it stands with each broker.
#[derive(serde::Deserialize)]
pub(crate) struct Statistics {
    brokers: HashMap<String, Broker>,
}

#[derive(serde::Deserialize)]
struct Broker {
    source: String,
    state: String,
    connects: u64,
}

impl Broker {
    /// Whether records and questions may go to it. A connection to a coordinator is for that coordinator alone.
    fn is_general(&self) -> bool {
        !matches!(self.source.as_str(), "logical" | "internal")
    }
}

impl Statistics {
    pub(crate) fn read(raw: &[u8]) -> Option<Self> {
        serde_json::from_slice(raw).ok()
    }

    /// How often each broker was connected to, unless one is, or is about to be.
    fn at_rest(self) -> Option<BTreeMap<String, u64>> {
        let general = self.brokers.into_iter().filter(|(_, broker)| broker.is_general());
        general.map(|(name, broker)| (broker.state == "INIT").then_some((name, broker.connects))).collect()
    }
}

/// Looks for attempts to reach a broker in one statistics after the other.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    at_rest: Option<BTreeMap<String, u64>>,
    /// How many statistics in a row have shown this.
    rounds: u32,
}

impl Attempts {
    /// Whether librdkafka has given up, by what it said until now. For clients that always have a reason to be connected.
    pub(crate) fn have_ended(&mut self, statistics: Statistics) -> bool {
        let at_rest = statistics.at_rest();
        self.rounds = match &at_rest {
            None => 0,
            Some(_) if at_rest == self.at_rest => self.rounds + 1,
            Some(_) => 1,
        };
        self.at_rest = at_rest;
        self.rounds >= ROUNDS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statistics(brokers: &str) -> Statistics {
        Statistics::read(format!(r#"{{"brokers":{{{brokers}}},"topics":{{}}}}"#).as_bytes()).unwrap()
    }

    fn broker(name: &str, source: &str, state: &str, connects: u64) -> String {
        format!(r#""{name}":{{"name":"{name}","source":"{source}","state":"{state}","connects":{connects}}}"#)
    }

    /// Which of the statistics were the first to show that it has given up.
    fn ended_after(rounds: impl IntoIterator<Item = String>) -> Option<usize> {
        let mut attempts = Attempts::default();
        rounds.into_iter().position(|brokers| attempts.have_ended(statistics(&brokers)))
    }

    #[test]
    fn nobody_to_connect_to_is_the_end() {
        let rounds = ROUNDS as usize;
        let coordinator = broker("TxnCoordinator", "logical", "UP", 2);
        assert_eq!(ended_after((0..9).map(|_| String::new())), Some(rounds - 1));
        assert_eq!(ended_after((0..9).map(|_| coordinator.clone())), Some(rounds - 1));
        let bound = format!("{coordinator},{}", broker("kafka:9092/1", "learned", "INIT", 4));
        assert_eq!(ended_after((0..9).map(|_| bound.clone())), Some(rounds - 1));
    }

    #[test]
    fn attempts_that_fail_are_attempts() {
        assert_eq!(ended_after((0..99).map(|connects| broker("kafka:9092/1", "learned", "INIT", connects))), None);
        for state in ["TRY_CONNECT", "CONNECT", "SSL_HANDSHAKE", "APIVERSION_QUERY", "UP"] {
            assert_eq!(ended_after((0..99).map(|_| broker("kafka:9092/1", "learned", state, 1))), None, "{state}");
        }
        let another =
            |round| format!("{},{}", broker("a/1", "learned", "INIT", 1), broker("a/bootstrap", "configured", round, 1));
        assert_eq!(ended_after((0..99).map(|round| another(if round % 4 == 3 { "CONNECT" } else { "INIT" }))), None);
    }
}
