//! What processes use, looked at again and again, since the walsender's account ends with it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use waltap_tests::{Failure, Result};

/// How often it is looked: what a process uses between the last look and its end is not counted.
const INTERVAL: Duration = Duration::from_millis(20);

/// The kernel counts processor time in these (`sysconf(_SC_CLK_TCK)` is 100 on every Linux of today).
const TICK: Duration = Duration::from_millis(10);

/// What one process has used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// User and system time.
    pub cpu: Duration,
    /// The most memory that it ever had resident, since it began.
    pub peak_bytes: u64,
}

type Usages = Arc<Mutex<BTreeMap<u32, Usage>>>;

/// Looks at processes until it is stopped.
pub struct Sampler {
    usages: Usages,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Sampler {
    /// Begins, with nothing to look at yet.
    pub fn start() -> Self {
        let (usages, stop) = (Usages::default(), Arc::new(AtomicBool::new(false)));
        let (watched, is_over) = (Arc::clone(&usages), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !is_over.load(Ordering::SeqCst) {
                look(&watched);
                std::thread::sleep(INTERVAL);
            }
        });
        Sampler { usages, stop, thread }
    }

    /// Looks at this process too, from now on.
    pub fn watch(&self, process: u32) {
        locked(&self.usages).entry(process).or_insert_with(|| usage(process).unwrap_or_default());
    }

    /// What a process has used so far, or had used when it was last seen.
    pub fn usage(&self, process: u32) -> Usage {
        look(&self.usages);
        locked(&self.usages).get(&process).copied().unwrap_or_default()
    }

    /// Looks no more.
    pub fn stop(self) -> Result {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().map_err(|_| Failure::new("the sampler broke"))
    }
}

fn locked(usages: &Mutex<BTreeMap<u32, Usage>>) -> MutexGuard<'_, BTreeMap<u32, Usage>> {
    usages.lock().unwrap_or_else(PoisonError::into_inner)
}

fn look(usages: &Mutex<BTreeMap<u32, Usage>>) {
    for (process, known) in locked(usages).iter_mut() {
        if let Some(now) = usage(*process) {
            // One that has ended and was not waited for has its time still, and no memory.
            *known = Usage { peak_bytes: now.peak_bytes.max(known.peak_bytes), ..now };
        }
    }
}

/// What a process has used so far; see proc(5). `None`: it has ended.
pub fn usage(process: u32) -> Option<Usage> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // Behind the name in parentheses comes the third field; times are the fourteenth and the fifteenth.
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<u32>().ok()? + fields.get(12)?.parse::<u32>().ok()?;
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Some(Usage { cpu: TICK * ticks, peak_bytes: peak.unwrap_or_default() << 10 })
}

/// User and system time of a process and of its children, those too that have ended and that it has waited for.
pub fn descendants_cpu(process: u32) -> Duration {
    // Behind the name in parentheses comes the third field; the parent is the fourth, the times are the fourteenth to the seventeenth.
    let ticks = |process: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        let fields: Vec<u32> = stat.rsplit(')').next()?.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect();
        Some((*fields.get(1)?, fields.get(11..15)?.iter().sum::<u32>()))
    };
    let children = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let children = children.filter_map(|entry| ticks(entry.file_name().to_str()?.parse().ok()?));
    let of_children: u32 = children.filter(|(parent, _)| *parent == process).map(|(_, ticks)| ticks).sum();
    TICK * (of_children + ticks(process).map_or(0, |(_, ticks)| ticks))
}
