//! Measuring short work: many times over, in rounds in which all subjects take turns.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// How often every subject has its turn. The least time counts: what disturbs a measurement only ever adds to it.
const ROUNDS: usize = 100;

/// How long a turn should take: long beside the clock's resolution, short beside what else a machine does.
const TURN: Duration = Duration::from_micros(300);

/// One thing to be measured.
pub struct Subject<'a> {
    work: Box<dyn FnMut() + 'a>,
}

impl<'a> Subject<'a> {
    /// The work, of which everything that it makes must be used: see [`keep`].
    pub fn new(work: impl FnMut() + 'a) -> Self {
        Subject { work: Box::new(work) }
    }

    fn time(&mut self, repetitions: u32) -> Duration {
        let start = Instant::now();
        for _ in 0..repetitions {
            (self.work)();
        }
        start.elapsed()
    }
}

/// Makes the compiler believe that a result is used.
pub fn keep<T>(result: T) {
    black_box(result);
}

/// How many nanoseconds each subject's work takes once, at the least.
pub fn nanoseconds(subjects: &mut [Subject<'_>]) -> Vec<f64> {
    let repetitions: Vec<u32> = subjects.iter_mut().map(repetitions).collect();
    let mut least = vec![f64::INFINITY; subjects.len()];
    for _ in 0..ROUNDS {
        for ((subject, repetitions), least) in subjects.iter_mut().zip(&repetitions).zip(&mut least) {
            *least = least.min(subject.time(*repetitions).as_nanos() as f64 / f64::from(*repetitions));
        }
    }
    least
}

/// How often the work fills a turn.
fn repetitions(subject: &mut Subject<'_>) -> u32 {
    let mut repetitions = 1;
    while subject.time(repetitions) < TURN && repetitions < 1 << 24 {
        repetitions *= 2;
    }
    repetitions
}
