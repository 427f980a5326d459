//! Records that are ready, and a producer with nothing else to do: the other floor.

use rustix::process::Signal;
use waltap_bench::sampler::{Sampler, Usage};
use waltap_tests::{Launch, Process, Result, ensure, wait_until};

use super::Bench;
use super::capture::PLAIN;
use super::contender::DEADLINE;
use super::watch::{Cast, Drained, Watch};

/// Lets waltap drain the log, and then measures how long the barest producer takes for the same records, from memory, in the order in which
/// waltap sent them, into the same topics.
pub(crate) async fn replay(bench: &Bench<'_>, sampler: &Sampler, name: &str, end: &str) -> Result<Drained> {
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
    let launch = launch.arguments(&[bench.kafka.brokers(), list.display().to_string()]);
    let mut producer = Process::start("the producer", &launch)?;
    // It stops itself when it has the records.
    wait_until("the records are in memory", DEADLINE, async || {
        producer.ensure_running()?;
        Ok(is_stopped(producer.id()))
    })
    .await
    .map_err(|failure| failure.while_doing(producer.log_tail(5)))?;
    let watch = Watch::begin(sampler, Cast { contender: Some(producer.id()), walsender: None, broker: bench.broker() })?;
    producer.signal(Signal::CONT)?;
    let status = producer.wait(DEADLINE).await?;
    let drained = watch.end_in_kafka()?;
    ensure!(status.success(), "the producer failed:\n{}", producer.log_tail(5));
    // Its memory holds the records, which says nothing of producing.
    Ok(Drained { contender: Usage { peak_bytes: 0, ..drained.contender }, ..drained })
}

/// Whether a signal has stopped it: the third field, behind the name in parentheses (proc(5)).
fn is_stopped(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|fields| fields.trim_start().starts_with('T'))
}
