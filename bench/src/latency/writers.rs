//! Who commits: connections that take turns, each a thread that does nothing else, with statements that were prepared.

use waltap_bench::wire::{Purpose, Wire};
use waltap_tests::{Failure, Result};

use super::clock::{Schedule, now_micros};

/// So many connections: a commit that takes long holds up one of them, and the next commits come in time on the others.
const CONNECTIONS: u32 = 32;

/// What the writers saw, in microseconds, sorted by nothing.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// How late each commit was sent: more than the others a little at the most, or the latencies say less than they should.
    pub(crate) late: Vec<f64>,
    /// From the sending of a commit to its answer.
    pub(crate) answered: Vec<f64>,
}

/// Commits a row at each time of the schedule. Blocks.
pub(crate) fn write(port: u16, database: &str, table: &str, rate: u32, count: u32) -> Result<Written> {
    let address = format!("127.0.0.1:{port}");
    let mut wires = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut wire = Wire::connect(&address, database, Purpose::Queries)?;
        wire.begin("SET synchronous_commit = on", b'Z')?;
        wire.begin(&format!("PREPARE put AS INSERT INTO {table} (id, sent) VALUES ($1, $2)"), b'Z')?;
        wires.push(wire);
    }
    let schedule = Schedule::begin(rate, count);
    let threads: Vec<_> = (0..CONNECTIONS)
        .zip(wires)
        .map(|(first, mut wire)| std::thread::spawn(move || put(&mut wire, schedule, first)))
        .collect();
    let mut all = Written::default();
    for thread in threads {
        let written = thread.join().map_err(|_| Failure::new("a writer broke"))??;
        all.late.extend(written.late);
        all.answered.extend(written.answered);
    }
    Ok(all)
}

fn put(wire: &mut Wire, schedule: Schedule, first: u32) -> Result<Written> {
    let mut written = Written::default();
    for number in (first..schedule.count).step_by(CONNECTIONS as usize) {
        written.late.push(schedule.wait_for(number) as f64);
        let sent = now_micros();
        wire.begin(&format!("EXECUTE put ({number}, {sent})"), b'Z')?;
        written.answered.push((now_micros() - sent) as f64);
    }
    Ok(written)
}
