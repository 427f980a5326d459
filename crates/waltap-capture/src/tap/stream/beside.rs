//! What is sent beside the changes of tables: logical messages, signs of life, and whatever has a topic of its own.

use std::time::SystemTime;

use waltap_error::{Code, Error, Result};
use waltap_event::{Encoder, Stamp};
use waltap_ledger::GroupId;
use waltap_pgoutput::{LogicalMessage, Lsn, PgTime};
use waltap_postgres::copy::MESSAGE_PREFIX;

use super::{Stream, Taken, hand_over, imbalance, out_of_place};
use crate::position::Position;
use crate::sink::{Account, Outgoing, Topic};

impl Stream {
    pub(super) fn logical_message(&mut self, lsn: Lsn, message: LogicalMessage<'_>) -> Result<Taken> {
        if message.prefix == MESSAGE_PREFIX {
            // A mark of waltap's own is no event.
            return if message.transactional { self.skip() } else { Ok(Taken::Done) };
        }
        let is_repeat = match (&self.open, message.transactional) {
            (Some(open), true) => open.is_repeat(),
            _ => self.known.is_some_and(|known| known.has_message(message.lsn)),
        };
        if is_repeat {
            return if message.transactional { self.skip() } else { Ok(Taken::Done) };
        }
        let Some(topic) = self.message_topic.clone() else { return Ok(Taken::NoMessageTopic) };
        let now = self.now;
        let (account, stamp) = match (&mut self.open, message.transactional) {
            (Some(open), true) => {
                let stamp = open.stamp(lsn, now);
                open.ordinal += 1;
                open.has_events = true;
                (open.group, stamp)
            }
            (None, true) => return Err(out_of_place("a transactional message outside of a transaction")),
            // Sent at once, whatever becomes of the transaction that wrote it: it is a group of its own.
            (_, false) => {
                let stamp =
                    Stamp { txid: None, lsn, commit_lsn: message.lsn, ordinal: Some(0), happened_at: now, written_at: now };
                (self.open_group(), stamp)
            }
        };
        self.send_beside(&topic, account, false, Some(&stamp), |encoder, out| encoder.message(&stamp, &message, out))?;
        if !message.transactional {
            self.position = Some(Position::after_message(message.lsn));
            self.ledger.close(account, message.lsn).map_err(imbalance)?;
        }
        Ok(Taken::Done)
    }

    /// Sends a sign of life. It stands for no place in the log: the ledger waits for it, and goes no further by it.
    pub(crate) fn beat(&mut self) -> Result<()> {
        let Some(topic) = self.side_topics.heartbeats.clone() else { return Ok(()) };
        let now = PgTime::from(SystemTime::now());
        let account = self.open_group();
        self.send_beside(&topic, account, false, None, |encoder, out| encoder.heartbeat(now, out))?;
        self.ledger.close(account, Lsn::ZERO).map_err(imbalance)
    }

    /// Sends what is written to a topic that is no table's: behind all that was sent before, and in the account of a group of the ledger, so
    /// that the slot does not pass it before Kafka has confirmed it. Records may be staged then.
    pub(crate) fn send_beside(
        &mut self,
        topic: &Topic,
        account: GroupId,
        is_repeat: bool,
        stamp: Option<&Stamp>,
        write: impl FnOnce(&mut Encoder, &mut Outgoing<'_>) -> Result<(), waltap_event::Failure<Error>>,
    ) -> Result<()> {
        let mut out = Outgoing::new(&self.sink, topic, Account::Stream(account), &mut self.staged).silent(is_repeat);
        if let Some(stamp) = stamp {
            out = out.at(stamp);
        }
        let written = write(&mut self.encoder, &mut out);
        let records = out.records;
        self.bytes += out.bytes;
        written.map_err(|error| match error {
            waltap_event::Failure::Sink(error) => error,
            waltap_event::Failure::Event(error) => {
                Error::data(Code::MALFORMED_MESSAGE, format!("writing a record for the topic {}", topic.name)).source(error)
            }
        })?;
        self.events += records;
        // Reports are only taken between frames, so noting it after the fact is in time.
        hand_over(&mut self.ledger, account, records)
    }
}
