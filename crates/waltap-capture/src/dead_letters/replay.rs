//! Dead letters sent to where they belong.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use waltap_error::{Code, Error, Result};
use waltap_kafka::{DeliveryObserver, Options, Producer, SendError};

use super::assembly::{Added, Assembly, Attempt};
use super::book::{DeadLetter, piece_of, tail};
use super::letter::Letter;

/// How long Kafka may take to confirm a letter.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(60);

/// The header by which a reader knows a record that was sent again: it holds the position of the event.
const REPLAYED_HEADER: &str = "waltap.replayed";

/// How letters are sent.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    /// To this topic and not to their own.
    pub to: Option<String>,
    /// Whether they stay among the dead letters.
    pub keep: bool,
}

/// Sends letters, one after the other, and says each that is confirmed to `sent`. Unless they are kept, it is taken out of the topic then: a
/// crash in between sends it once more the next time.
///
/// One that is damaged holds up no other, and where an earlier attempt at it is whole, that is sent.
pub async fn replay(
    kafka: &Options,
    topic: &str,
    letters: &[DeadLetter],
    replay: &Replay,
    mut sent: impl FnMut(&DeadLetter) -> Result<()>,
) -> Result<()> {
    let mut left: Vec<&DeadLetter> = letters.iter().filter(|letter| letter.complete).collect();
    if left.is_empty() {
        return Ok(());
    }
    let sender = Sender::start(kafka)?;
    // First the last attempt at each, then, of those that are damaged, the one before it, and so on.
    let (mut damaged_ones, mut gone) = (Vec::new(), Vec::new());
    for round in 0.. {
        let attempt = |letter: &&'_ DeadLetter| match round {
            0 => Some(letter.attempt.clone()),
            _ => letter.others.get(round - 1).cloned(),
        };
        let (again, over): (Vec<_>, Vec<_>) = left.into_iter().partition(|letter| attempt(letter).is_some());
        damaged_ones.extend(over);
        let wanted: HashMap<Attempt, &DeadLetter> =
            again.into_iter().filter_map(|letter| Some((attempt(&letter)?, letter))).collect();
        if wanted.is_empty() {
            break;
        }
        let missed = send_wanted(kafka, topic, &sender, wanted, replay, &mut sent).await?;
        let (damaged, missing): (Vec<_>, Vec<_>) = missed.into_iter().partition(|(_, is_damaged)| *is_damaged);
        // What was known to be damaged is not called gone.
        if round == 0 {
            gone.extend(missing.into_iter().map(|(letter, _)| letter));
        } else {
            damaged_ones.extend(missing.into_iter().map(|(letter, _)| letter));
        }
        left = damaged.into_iter().map(|(letter, _)| letter).collect();
    }
    if let Some(letter) = damaged_ones.first() {
        return Err(damaged(topic, letter));
    }
    // Another has sent it meanwhile, or the topic has lost it.
    match gone.first() {
        Some(letter) => {
            let message = format!("the dead letter {} is not in the topic {topic} any more", letter.id);
            Err(Error::data(Code::DEAD_LETTER, message).remedy("see what is there now: waltap dead-letters list"))
        }
        None => Ok(()),
    }
}

/// Sends those that are whole in the topic, and gives the others back, each with whether it is there and damaged.
async fn send_wanted<'l>(
    kafka: &Options,
    topic: &str,
    sender: &Sender,
    mut wanted: HashMap<Attempt, &'l DeadLetter>,
    replay: &Replay,
    sent: &mut impl FnMut(&DeadLetter) -> Result<()>,
) -> Result<Vec<(&'l DeadLetter, bool)>> {
    let mut assembly = Assembly::default();
    let mut damaged: HashSet<Attempt> = HashSet::new();
    let mut tail = tail(kafka, topic).await?;
    while !wanted.is_empty()
        && let Some(record) = tail.next().await?
    {
        let (Some((attempt, piece)), Some(bytes)) = (piece_of(&record), record.value) else { continue };
        let Some(letter) = wanted.get(&attempt).copied() else { continue };
        let content = match assembly.add(attempt.clone(), piece, bytes) {
            Added::Incomplete => continue,
            Added::Damaged => {
                damaged.insert(attempt);
                continue;
            }
            Added::Complete(content) => content,
        };
        sender.send(letter, &content, replay.to.as_deref()).await?;
        if !replay.keep {
            sender.settle(topic, letter).await?;
        }
        wanted.remove(&attempt);
        sent(letter)?;
    }
    Ok(wanted.into_iter().map(|(attempt, letter)| (letter, damaged.contains(&attempt))).collect())
}

fn damaged(topic: &str, letter: &DeadLetter) -> Error {
    let message = format!("the pieces of the dead letter {} in the topic {topic} are not those that were written", letter.id);
    Error::data(Code::DEAD_LETTER, message).remedy(format!(
        "its event is of topic {} at {}: read the row in PostgreSQL; the others are sent",
        letter.topic, letter.commit_lsn
    ))
}

struct Sender {
    producer: Producer,
    failure: Arc<Mutex<Option<Error>>>,
}

/// Keeps the first failure.
struct Observer(Arc<Mutex<Option<Error>>>);

impl DeliveryObserver for Observer {
    fn confirmed(&mut self, _runs: &[(u64, u64)]) {}

    fn failed(&mut self, _opaque: u64, error: Error) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}

impl Sender {
    fn start(kafka: &Options) -> Result<Self> {
        let failure = Arc::new(Mutex::new(None));
        Ok(Sender { producer: Producer::start(kafka, Observer(Arc::clone(&failure)))?, failure })
    }

    /// Sends a letter, and waits until it is confirmed.
    async fn send(&self, letter: &DeadLetter, content: &Letter, to: Option<&str>) -> Result<()> {
        let Letter { key, value, headers } = content;
        let place = match letter.seq {
            Some(seq) => format!("{}/{seq}", letter.commit_lsn),
            None => letter.commit_lsn.clone(),
        };
        let mut sent: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        sent.push((REPLAYED_HEADER, place.as_bytes()));
        let (topic, partition) = match to {
            // Its partitions are others: the key chooses, as anywhere.
            Some(topic) => (topic, if key.is_some() { None } else { Some(0) }),
            None => (letter.topic.as_str(), letter.partition),
        };
        loop {
            let headers = sent.iter().copied();
            match self.producer.send_with_headers(topic, partition, key.as_deref(), value.as_deref(), headers, 0) {
                Ok(()) => return self.confirmed().await,
                Err(SendError::Full) => self.producer.space().await,
                Err(SendError::Refused(error)) => return Err(error),
            }
        }
    }

    /// Takes the pieces of a letter out of the topic.
    async fn settle(&self, topic: &str, letter: &DeadLetter) -> Result<()> {
        for key in &letter.piece_keys {
            while let Err(error) = self.producer.send(topic, Some(letter.pieces_partition), Some(key), None, 0) {
                match error {
                    SendError::Full => self.producer.space().await,
                    SendError::Refused(error) => return Err(error),
                }
            }
        }
        self.confirmed().await
    }

    async fn confirmed(&self) -> Result<()> {
        let drained = self.producer.drain(CONFIRM_TIMEOUT).await;
        match self.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(error),
            None => drained,
        }
    }
}
