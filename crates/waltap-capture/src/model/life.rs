//! The runs of waltap: each is started, and ends by force, by request, or when all is done.

use std::num::{NonZeroU64, NonZeroUsize};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use waltap_event::{Format, HeaderSet};
use waltap_postgres::Source;
use waltap_postgres::slot::slot_name;

use super::kafka::{Cluster, ProgressTopic};
use super::postgres::Server;
use super::world::World;
use super::{CAPTURE, DATABASE, checker};
use crate::board::Board;
use crate::guard::GivenUp;
use crate::metrics::Metrics;
use crate::naming::{TopicClaims, TopicTemplate};
use crate::options::{
    BadEvents, ChunkOptions, GuardOptions, KafkaSinkOptions, NewTables, OnSlotLost, Options, SinkOptions, SnapshotMode,
    StreamingOptions,
};
use crate::progress::{TableRecord, TableState};
use crate::selection::{ColumnSelection, DatabaseSelection, TableSelection};
use crate::tap::{self, Context, Destination, Ended, KafkaDestination, Shared};

/// How long a stop may take.
const STOP_MAX: Duration = Duration::from_secs(10);

/// How long everything may take that is left when nothing goes wrong any more. Longer than every backoff and every patience together.
const SETTLING_MAX: Duration = Duration::from_secs(300);

/// How often it is looked whether all is done.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// Runs waltap again and again, then once to the end.
pub(super) async fn live(world: &World) {
    let (ends, longest) = {
        let profile = &world.lock().profile;
        (profile.ends, profile.lifetime_millis)
    };
    for _ in 0..ends {
        let lifetime = world.lock().random.between(0, longest);
        run(world, Some(Duration::from_millis(lifetime))).await;
        if world.lock().finding.is_some() {
            return;
        }
        world.pause_between(0, 400).await;
        ask_for_repairs(world);
    }
    run(world, None).await;
}

/// Has tables that are done be read again in chunks, as if somebody had asked for it.
fn ask_for_repairs(world: &World) {
    let state = &mut *world.lock();
    let percent = state.profile.repairs_percent;
    let prefix = format!("{CAPTURE}/{DATABASE}/table/");
    let keys: Vec<Vec<u8>> = state.kafka.progress.keys().filter(|key| key.starts_with(prefix.as_bytes())).cloned().collect();
    for key in keys {
        let Some(Ok(mut record)) = state.kafka.progress.get(&key).map(|value| serde_json::from_slice::<TableRecord>(value))
        else {
            continue;
        };
        // One that is behind too, though nobody may ask that: it may be since a crash, after it was asked for.
        let is_at_rest = record.chunks.is_none() && record.left.is_none();
        if record.state == TableState::Done && is_at_rest && state.random.percent(percent) {
            state.note(|| format!("{} is to be read in chunks", record.table));
            record.chunks = Some(crate::progress::ChunkRecord { id: "asked".to_owned(), ..Default::default() });
            if let Ok(value) = serde_json::to_vec(&record) {
                state.kafka.progress.insert(key, value);
            }
        }
    }
}

/// One run. Without a lifetime it goes on until all is done.
async fn run(world: &World, lifetime: Option<Duration>) {
    let context = context(world);
    let (stop, shutdown) = watch::channel(false);
    let mut tap = pin!(Box::pin(tap::run(context, shutdown)));
    let time_is_up = async {
        match lifetime {
            Some(lifetime) => sleep(lifetime).await,
            None => settle(world).await,
        }
    };
    tokio::select! {
        biased;
        ended = &mut tap => return world.lock().find(format!("the tap ended by itself: {ended:?}")),
        () = time_is_up => {}
    }
    if lifetime.is_some() && world.chance(60) {
        let process = world.lock().process;
        world.note(|| format!("waltap {process} is killed"));
        return;
    }
    world.note(|| "waltap is asked to stop".to_owned());
    stop.send_replace(true);
    match timeout(STOP_MAX, tap).await {
        Ok(Ok(Ended::Asked)) => {}
        Ok(Err(error)) if error.kind() == waltap_error::Kind::Transient => {
            world.note(|| format!("the stop ended with {}", error.report()));
        }
        Ok(ended) => world.lock().find(format!("a stop ended otherwise: {ended:?}")),
        Err(_) => world.lock().find(format!("a stop took longer than {STOP_MAX:?}")),
    }
}

/// Waits until the writers and the faults are over, and waltap has done all that is left.
async fn settle(world: &World) {
    while !world.lock().is_at_rest() {
        sleep(LOOK_INTERVAL).await;
        if world.lock().finding.is_some() {
            return;
        }
    }
    world.lock().calm = true;
    world.note(|| "calm".to_owned());
    let settled = async {
        loop {
            {
                let state = world.lock();
                if state.finding.is_some() || checker::unsettled(&state).is_none() {
                    return;
                }
            }
            sleep(LOOK_INTERVAL).await;
        }
    };
    if timeout(SETTLING_MAX, settled).await.is_err() {
        let state = &mut *world.lock();
        let what = checker::unsettled(state).unwrap_or_default();
        state.find(format!("not done after {SETTLING_MAX:?} in which nothing went wrong: {what}"));
    }
}

fn context(world: &World) -> Context {
    let (process, profile, delivery) = {
        let state = &mut *world.lock();
        state.process += 1;
        let delivery = state.profile.delivery(&mut state.random);
        let process = state.process;
        state.note(|| format!("waltap {process} starts, {delivery:?}"));
        (process, state.profile.clone(), delivery)
    };
    let kafka = KafkaSinkOptions {
        client: waltap_kafka::Options::new(waltap_kafka::Settings::default()).unwrap(),
        partitions: profile.partitions,
        replication_factor: -1,
        delivery,
        bad_events: BadEvents::Stop,
    };
    let options = Options {
        name: CAPTURE.to_owned(),
        source: Source::parse("postgres://model@localhost").unwrap(),
        databases: DatabaseSelection::default(),
        tables: TableSelection::default(),
        columns: ColumnSelection::default(),
        publication: None,
        snapshot: SnapshotMode::Initial,
        snapshot_workers: NonZeroUsize::new(profile.workers).unwrap(),
        chunks: ChunkOptions {
            new_tables: if profile.chunks { NewTables::Chunks } else { NewTables::Snapshot },
            rows: NonZeroU64::new(profile.chunk_rows).unwrap(),
            rate: None,
        },
        sink: SinkOptions::Kafka(kafka.clone()),
        topic: TopicTemplate::default(),
        schema_topic: None,
        keys: Vec::new(),
        outboxes: Vec::new(),
        format: Format::Native(waltap_event::native::Options { tombstones: profile.tombstones }),
        headers: HeaderSet::None,
        messages: profile.messages,
        failover_slot: false,
        on_slot_lost: OnSlotLost::Fail,
        guard: GuardOptions::default(),
        standby: false,
        discovery_interval: Duration::from_millis(profile.discovery_millis),
        streaming: StreamingOptions {
            open_transactions: profile.streams_after.is_some(),
            two_phase: false,
            spill_memory: profile.spill_bytes,
            spill_directory: std::env::temp_dir(),
        },
    };
    let destination = KafkaDestination {
        options: kafka,
        cluster: crate::kafka::Cluster::Simulated(Cluster { world: world.clone() }),
        cluster_id: None,
        progress: Arc::new(crate::kafka::ProgressTopic::Simulated(ProgressTopic::new(world.clone(), process))),
    };
    let shared = Shared {
        options,
        server: crate::source::Server::Simulated(Server::new(world.clone())),
        metrics: Metrics::new(),
        claims: TopicClaims::default(),
        destination: Destination::Kafka(Box::new(destination)),
        given_up: GivenUp::default(),
        requests: world.lock().requests.clone(),
    };
    let slot = slot_name(CAPTURE, DATABASE);
    let board = Arc::new(Board::new(DATABASE, &slot));
    Context::new(Arc::new(shared), DATABASE.to_owned(), CAPTURE.to_owned(), slot, board)
}
