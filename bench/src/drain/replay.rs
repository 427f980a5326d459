//! Records that are ready, and a producer with nothing else to do: the other floor.

use std::time::Duration;

use rustix::process::Signal;
use waltap_bench::sampler::{Sampler, Usage};
use waltap_tests::{Launch, Process, Result, ensure, wait_until};

use super::Bench;
use super::capture::PLAIN;
use super::contender::{DEADLINE, clean_up};
use super::watch::{Cast, Drained, Watch};

/// After so long no trend was seen any more in the broker's time for a record.
const WARM_UP: Duration = Duration::from_secs(20);

/// Lets waltap drain the log, and then measures how long the barest producer takes for the same records, from memory, in the order in which
/// waltap sent them, into the same topics.
pub(crate) async fn replay(bench: &Bench<'_>, sampler: &Sampler, name: &str, end: &str) -> Result<Drained> {
    let mut producer = ready(bench, sampler, name, end, Duration::ZERO).await?;
    let watch = Watch::begin(sampler, Cast { contender: Some(producer.id()), walsender: None, broker: bench.broker() })?;
    go_on(&mut producer).await?;
    let drained = watch.end_in_kafka()?;
    // Its memory holds the records, which says nothing of producing.
    Ok(Drained { contender: Usage { peak_bytes: 0, ..drained.contender }, ..drained })
}

/// Has the broker be as one that has been at work for long. Java translates what it runs often while it runs: in the first seconds of a workload
/// that takes more of a processor than the records do, whoever brings them.
pub(crate) async fn warm_up(bench: &Bench<'_>, end: &str) -> Result {
    let (sampler, name) = (Sampler::start(), warm_up_capture(bench));
    go_on(&mut ready(bench, &sampler, &name, end, WARM_UP).await?).await?;
    sampler.stop()?;
    clean_up(bench, &name, true).await
}

/// The capture whose records warm the broker up.
pub(crate) fn warm_up_capture(bench: &Bench<'_>) -> String {
    format!("{}_{}warm", bench.workload.name, bench.route.path.slug())
}

/// Lets waltap drain the log, and starts a producer that has taken its records into memory and stands still. When it goes on it sends them once, and again
/// until so much time is over.
async fn ready(bench: &Bench<'_>, sampler: &Sampler, name: &str, end: &str, time: Duration) -> Result<Process> {
    let ends = bench.topics.ends()?;
    let before = ends.read()?;
    PLAIN.capture_all(bench, sampler, name, end).await?;
    let after = ends.read()?;
    let list = bench.kit.folder().join(format!("{name}.topics"));
    let mut lines = String::new();
    for ((topic, partition), from) in &before {
        let to = after.get(&(topic.clone(), *partition)).copied().unwrap_or(*from);
        lines.push_str(&format!("{topic} {from} {to}\n"));
    }
    std::fs::write(&list, lines)?;
    let program = std::env::current_exe()?.with_file_name("bare-producer");
    let launch = Launch::new(program, bench.kit.folder().join("producer.log"));
    let launch = launch.arguments(&[bench.kafka.brokers(), list.display().to_string(), time.as_secs().to_string()]);
    let mut producer = Process::start("the producer", &launch)?;
    // It stops itself when it has the records.
    wait_until("the records are in memory", DEADLINE, async || {
        producer.ensure_running()?;
        Ok(is_stopped(producer.id()))
    })
    .await
    .map_err(|failure| failure.while_doing(producer.log_tail(5)))?;
    Ok(producer)
}

/// Until all is in Kafka.
async fn go_on(producer: &mut Process) -> Result {
    producer.signal(Signal::CONT)?;
    let status = producer.wait(DEADLINE).await?;
    ensure!(status.success(), "the producer failed:\n{}", producer.log_tail(5));
    Ok(())
}

/// Whether a signal has stopped it: the third field, behind the name in parentheses (proc(5)).
fn is_stopped(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|fields| fields.trim_start().starts_with('T'))
}
