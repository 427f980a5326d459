//! The topics of a tap: which there are, and which have held events of it.
//!
//! Progress keeps the name of each topic before the first record goes into it. One that is missing later was deleted, with events that
//! PostgreSQL has forgotten: it is not made again in silence.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use waltap_error::{Code, Error, Result};
use waltap_kafka::{EnsuredTopic, TopicSpecification};
use waltap_postgres::catalog::Table;

use super::context::{Context, Destination};
use crate::naming::outbox_topic_name;
use crate::options::KafkaSinkOptions;
use crate::progress::{Progress, TopicRecord};
use crate::sink::Topic;

/// How long Kafka may take to answer about topics. Longer than a leader's election.
pub(super) const TOPICS_TIMEOUT: Duration = Duration::from_secs(30);

/// What a tap knows of topics. Cheap to clone: all clones are one.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownTopics(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Partitions of the topics that Kafka was seen to have in this session, so that a table's first change does not wait for its answer again.
    seen: HashMap<String, i32>,
    /// The topics that progress knows. `None` where nothing is kept: before progress was read, and in a run that keeps none.
    kept: Option<BTreeMap<String, TopicRecord>>,
}

impl KnownTopics {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A topic that is wanted.
struct Wanted {
    name: String,
    /// Schema and name of the table whose events alone go there.
    table: Option<(String, String)>,
}

impl Wanted {
    fn of_no_table(name: String) -> Self {
        Wanted { name, table: None }
    }
}

impl Context {
    /// Begins a session: what was seen of Kafka's topics is forgotten, since one may have been deleted meanwhile, and what progress keeps of
    /// them is known.
    pub(super) fn begin_topics(&self, progress: &mut Progress) {
        // Before a slot was read no event can have been lost: whatever a first start that failed had made may be made again.
        let has_begun = progress.slot.as_ref().is_some_and(|record| record.acknowledged.is_some());
        let kept = std::mem::take(&mut progress.topics);
        *self.topics.lock() = State { seen: HashMap::new(), kept: Some(if has_begun { kept } else { BTreeMap::new() }) };
    }

    /// Forgets the topics of tables that are captured no more, and of which no change is on its way: they may be deleted.
    pub(super) async fn release_topics(&self, progress: &Progress, captured: &[Table]) -> Result<()> {
        let captured: HashSet<(&str, &str)> = captured.iter().map(|table| (table.schema.as_str(), table.name.as_str())).collect();
        let is_wanted = |schema: &str, name: &str| captured.contains(&(schema, name)) || progress.knows(schema, name);
        let released: Vec<String> = {
            let mut state = self.topics.lock();
            let State { seen, kept: Some(kept) } = &mut *state else { return Ok(()) };
            let is_released =
                |record: &TopicRecord| record.table.as_ref().is_some_and(|(schema, table)| !is_wanted(schema, table));
            let released: Vec<String> = kept.extract_if(.., |_, record| is_released(record)).map(|(name, _)| name).collect();
            // Should a table of that name be made again, its topic has to be kept in progress again.
            released.iter().for_each(|name| {
                seen.remove(name);
            });
            released
        };
        self.store().forget_topics(&released).await
    }

    /// The topics of tables (`schema`, `table`), claimed for them and made when they are missing. In the order of the question.
    pub(crate) async fn topics(&self, tables: &[(&str, &str)]) -> Result<Vec<Topic>> {
        let mut wanted = Vec::with_capacity(tables.len());
        for (schema, table) in tables {
            let name = self.options().topic.topic(&self.database, schema, table)?;
            match self.options().topic.is_shared() {
                true => {
                    self.shared.claims.claim(&name, "", "", "tables")?;
                    wanted.push(Wanted::of_no_table(name));
                }
                false => {
                    self.shared.claims.claim(&name, &self.database, schema, table)?;
                    wanted.push(Wanted { name, table: Some(((*schema).to_owned(), (*table).to_owned())) });
                }
            }
        }
        self.ensure_topics(wanted, &[]).await
    }

    /// The topic of the database's logical messages, made when it is missing.
    pub(crate) async fn message_topic(&self) -> Result<Topic> {
        let name = format!("{}.message", self.database);
        let name = waltap_kafka::legal_topic_name(&name)?.into_owned();
        self.shared.claims.claim(&name, &self.database, "", "message")?;
        self.ensure_topic(name, &[]).await
    }

    /// A topic for records that are no table's, made when it is missing. The databases of a capture may share it, for the same purpose.
    pub(crate) async fn side_topic(&self, name: &str, purpose: &str) -> Result<Topic> {
        self.side_topic_with(name, purpose, &[]).await
    }

    /// A topic that rows of outboxes name, made when it is missing. It may be a table's too: what rows name is for the user to say.
    pub(crate) async fn outbox_topic(&self, name: &str) -> Result<Topic> {
        self.ensure_topic(outbox_topic_name(name), &[]).await
    }

    /// The topic of tables' versions, made when it is missing: compacted, so that the last version of every table stays.
    pub(crate) async fn schema_topic(&self) -> Result<Option<Topic>> {
        match &self.options().schema_topic {
            Some(name) => self.side_topic_with(name, "schemas", &[("cleanup.policy", "compact")]).await.map(Some),
            None => Ok(None),
        }
    }

    async fn side_topic_with(&self, name: &str, purpose: &str, configuration: &[(&str, &str)]) -> Result<Topic> {
        let name = waltap_kafka::legal_topic_name(name)?.into_owned();
        self.shared.claims.claim(&name, "", "", purpose)?;
        self.ensure_topic(name, configuration).await
    }

    async fn ensure_topic(&self, name: String, configuration: &[(&str, &str)]) -> Result<Topic> {
        let mut topics = self.ensure_topics(vec![Wanted::of_no_table(name)], configuration).await?;
        Ok(topics.swap_remove(0))
    }

    async fn ensure_topics(&self, wanted: Vec<Wanted>, configuration: &[(&str, &str)]) -> Result<Vec<Topic>> {
        let Destination::Kafka(kafka) = &self.shared.destination else {
            return Ok(wanted.into_iter().map(|wanted| Topic::new(wanted.name, 1)).collect());
        };
        let places_keys = kafka.options.client.places_keys_as_java();
        let unseen = self.unseen(&wanted, &kafka.options, configuration);
        if !unseen.is_empty() {
            let ensured = kafka.cluster.ensure(&unseen, TOPICS_TIMEOUT).await?;
            self.keep_topics(&wanted, &ensured, &kafka.options).await?;
        }
        let state = self.topics.lock();
        let topic = |Wanted { name, .. }| match state.seen.get(&name) {
            Some(&partitions) => {
                let (bytes_max, dead_letters) = self.room(&name, &kafka.options);
                Ok(Topic { name, partitions, places_keys, bytes_max, dead_letters })
            }
            None => Err(Error::configuration(Code::INTERNAL, format!("topic {name} was asked for and is not known"))),
        };
        wanted.into_iter().map(topic).collect()
    }

    /// Those that were not seen in this session, each as it is to be made if it never was.
    fn unseen(&self, wanted: &[Wanted], options: &KafkaSinkOptions, configuration: &[(&str, &str)]) -> Vec<TopicSpecification> {
        let state = self.topics.lock();
        // Tables may share a topic, which is asked for once.
        let names: BTreeSet<&String> = wanted.iter().map(|wanted| &wanted.name).collect();
        let unseen = names.into_iter().filter(|name| !state.seen.contains_key(*name));
        let specification = |name: &String| TopicSpecification {
            name: name.clone(),
            partitions: options.partitions,
            replication_factor: options.replication_factor,
            configuration: configuration.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
            known_partitions: state.kept.as_ref().and_then(|kept| kept.get(name)).map(|record| record.partitions),
        };
        unseen.map(specification).collect()
    }

    /// Keeps topics in progress that are new to it, before anything is sent to them; then they count as seen.
    async fn keep_topics(&self, wanted: &[Wanted], ensured: &[EnsuredTopic], options: &KafkaSinkOptions) -> Result<()> {
        let mut records = Vec::new();
        let mut seen = Vec::with_capacity(ensured.len());
        {
            let state = self.topics.lock();
            for topic in ensured {
                let before = state.kept.as_ref().and_then(|kept| kept.get(&topic.name));
                let partitions = self.partitions_used(topic, before, options);
                if state.kept.is_some() && before.is_none_or(|record| record.partitions != partitions) {
                    let table = wanted.iter().find(|wanted| wanted.name == topic.name).and_then(|wanted| wanted.table.clone());
                    records.push((topic.name.clone(), TopicRecord { partitions, table }));
                }
                seen.push((topic.name.clone(), partitions));
            }
        }
        self.store().write_topics(&records).await?;
        let mut state = self.topics.lock();
        if let Some(kept) = &mut state.kept {
            kept.extend(records);
        }
        state.seen.extend(seen);
        Ok(())
    }

    /// Over how many partitions keys are spread. A topic that has got more keeps its keys where they are, or the events of one would stand in
    /// two partitions, which nobody reads in order; unless `--partitions` says that so many are meant.
    fn partitions_used(&self, topic: &EnsuredTopic, before: Option<&TopicRecord>, options: &KafkaSinkOptions) -> i32 {
        let found = topic.partitions;
        let Some(before) = before.map(|record| record.partitions).filter(|before| *before < found) else { return found };
        let (database, name) = (&self.database, &topic.name);
        if !options.client.places_keys_as_java() {
            tracing::warn!(
                database,
                topic = name,
                before,
                found,
                "the topic has more partitions than before: its keys have moved"
            );
            return found;
        }
        if found == options.partitions {
            tracing::warn!(
                database,
                topic = name,
                before,
                found,
                "the topic has the partitions that --partitions asks for: keys are spread over all of them from here on, and the earlier events \
                 of a key may stand in another partition"
            );
            return found;
        }
        tracing::warn!(
            database,
            topic = name,
            before,
            found,
            remedy = format!("to spread keys over all of them: --partitions {found}"),
            "the topic has more partitions than before: keys stay where they are, so that the events of each keep their order"
        );
        before
    }
}
