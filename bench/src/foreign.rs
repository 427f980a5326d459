//! What others take of the processors while something is measured.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use waltap_tests::{Failure, Result};

use crate::parameters;

/// The kernel counts processor time in these (`sysconf(_SC_CLK_TCK)` is 100 on every Linux of today).
const TICKS_A_SECOND: f64 = 100.0;

/// So much of one processor may others take when a turn begins.
const QUIET_CORES: f64 = 0.2;

/// How long is looked before it is called quiet.
const LOOK: Duration = Duration::from_secs(1);

/// A turn waits so many seconds at the most, unless `QUIET` says otherwise; then it begins all the same.
const PATIENCE_SECONDS: u64 = 60;

/// The processors' account at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Foreign {
    at: Instant,
    ticks: i64,
}

impl Foreign {
    /// From now on.
    pub fn now() -> Result<Self> {
        Ok(Foreign { at: Instant::now(), ticks: busy_ticks()? - own_ticks()? })
    }

    /// How many processors' worth others have taken since then, and the host has kept from us.
    pub fn cores(&self) -> Result<f64> {
        let now = Self::now()?;
        let seconds = (now.at - self.at).as_secs_f64().max(f64::EPSILON);
        // Own time is on record to the tick, the machine's is sampled: a little less than nothing is nothing.
        Ok(((now.ticks - self.ticks) as f64 / TICKS_A_SECOND / seconds).max(0.0))
    }
}

/// Waits until others leave the processors alone, for as long as it is worth.
pub async fn wait_for_quiet() -> Result {
    let patience = Duration::from_secs(parameters::number("QUIET", PATIENCE_SECONDS)?);
    let began = Instant::now();
    while began.elapsed() < patience {
        let foreign = Foreign::now()?;
        tokio::time::sleep(LOOK).await;
        if foreign.cores()? < QUIET_CORES {
            break;
        }
    }
    Ok(())
}

/// All that was worked in user and system mode, and what the host gave to other guests: the first line of /proc/stat (proc(5)).
fn busy_ticks() -> Result<i64> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    let fields: Vec<i64> =
        stat.lines().next().unwrap_or_default().split_whitespace().skip(1).map(|field| field.parse().unwrap_or(0)).collect();
    match fields.as_slice() {
        [user, nice, system, _idle, _iowait, _irq, _softirq, steal, ..] => Ok(user + nice + system + steal),
        _ => Err(Failure::new("/proc/stat tells no times")),
    }
}

/// What this process has worked and all that descend from it, those too that have ended and were waited for.
fn own_ticks() -> Result<i64> {
    let (mut ticks, mut children) = (BTreeMap::new(), BTreeMap::<u32, Vec<u32>>::new());
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // It may have ended since it was listed; then its parent has its time.
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        // Behind the name in parentheses comes the third field; the parent is the fourth, the times the fourteenth to the seventeenth.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let number = |index: usize| fields.get(index).and_then(|field| field.parse::<i64>().ok()).unwrap_or(0);
        children.entry(number(1) as u32).or_default().push(process);
        ticks.insert(process, (11..=14).map(number).sum::<i64>());
    }
    let mut own = BTreeSet::from([std::process::id()]);
    let mut open = vec![std::process::id()];
    while let Some(process) = open.pop() {
        open.extend(children.remove(&process).into_iter().flatten().filter(|child| own.insert(*child)));
    }
    Ok(own.iter().filter_map(|process| ticks.get(process)).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(time: Duration) {
        let began = Instant::now();
        while began.elapsed() < time {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn what_this_process_works_is_its_own() {
        let before = own_ticks().unwrap();
        work(Duration::from_millis(200));
        assert!(own_ticks().unwrap() > before);
    }

    #[test]
    fn the_machine_is_at_least_as_busy_as_this_process() {
        let before = busy_ticks().unwrap();
        work(Duration::from_millis(200));
        assert!(busy_ticks().unwrap() > before);
    }
}
