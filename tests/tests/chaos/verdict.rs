//! The end of a run: everything is mended, the writers rest, waltap comes to the end, and the checker has the last word.

use std::time::Duration;

use waltap_tests::checker::{Finding, Report, check};
use waltap_tests::{Result, Waltap, ensure, oracle, wait_for};

use crate::sampler::{Sampler, Seen};
use crate::stage::Stage;
use crate::workload::{self, Tally, UNSEEN, Writers};

/// What one capture of a database came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) report: Report,
    pub(crate) tally: Tally,
    pub(crate) lag_bytes_max: u64,
    pub(crate) samples: usize,
}

impl Stage<'_> {
    /// Lets everything come to rest, stops waltap and checks. `patience` is what the slot has to come to the end.
    pub(crate) async fn judge(
        &self,
        database: &str,
        mut waltap: Waltap,
        writers: Writers,
        sampler: Sampler,
        patience: Duration,
    ) -> Result<Verdict> {
        self.postgres_wire.heal();
        self.kafka_wire.heal();
        let tally = writers.stop().await?;
        workload::ensure_kept(&self.postgres, database, &tally).await?;
        // Nothing of the writers is written any more, and still the slot must come to the end: by keepalives.
        let arrived = self.wait_for_the_end(database, patience).await;
        waltap.process().ensure_running()?;
        waltap.stop_cleanly().await?;
        let Seen { samples, lag_bytes_max } = sampler.stop().await?;
        let sampled = samples.len();
        let truth = workload::truth(&self.postgres, database).await?;
        let mut report = check(&self.kafka.topics(), self.delivery, samples, truth).await?;
        if let Err(failure) = arrived {
            report.add(Finding::stands_still(failure.to_string()));
        }
        Ok(Verdict { report, tally, lag_bytes_max, samples: sampled })
    }

    /// Waits until the slot has passed all that is written now. A slow machine is no fault: patience is lost when the slot does not move at all.
    async fn wait_for_the_end(&self, database: &str, patience: Duration) -> Result {
        let target = self.postgres.written().await?;
        let mut last = None;
        loop {
            let what = format!("the slot of {database} moves on from {last:?} towards {target}");
            let moved =
                wait_for(&what, patience, async || Ok(self.postgres.confirmed(database).await?.filter(|now| Some(*now) > last)));
            last = Some(moved.await?);
            if last >= Some(target) {
                return Ok(());
            }
        }
    }

    /// Fails unless the verdict is clean and every captured table can be rebuilt from its topic.
    pub(crate) async fn ensure_faultless(&self, database: &str, verdict: &Verdict) -> Result {
        verdict.report.ensure_clean()?;
        let unseen = format!("{database}.{UNSEEN}");
        for table in oracle::compare(&self.postgres, &self.kafka.topics(), &[database]).await? {
            ensure!(table.topic == unseen || table.is_equal(), "{table}");
        }
        Ok(())
    }
}
