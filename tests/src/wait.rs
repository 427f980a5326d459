//! Waiting for a condition instead of sleeping.

use std::time::{Duration, Instant};

use crate::{Failure, Result};

/// How often a condition is asked for: often enough not to be felt.
const INTERVAL: Duration = Duration::from_millis(20);

/// Waits until the condition holds. A condition that fails counts as not yet true: the last reason is told when time is up.
pub async fn wait_until<C>(what: &str, deadline: Duration, mut condition: C) -> Result
where
    C: AsyncFnMut() -> Result<bool>,
{
    wait_for(what, deadline, async || Ok(condition().await?.then_some(()))).await
}

/// Waits until the condition gives a value.
pub async fn wait_for<T, C>(what: &str, deadline: Duration, mut condition: C) -> Result<T>
where
    C: AsyncFnMut() -> Result<Option<T>>,
{
    let start = Instant::now();
    let mut reason = None;
    loop {
        let left = deadline.saturating_sub(start.elapsed());
        match tokio::time::timeout(left, condition()).await {
            Ok(Ok(Some(value))) => return Ok(value),
            Ok(Ok(None)) => reason = None,
            Ok(Err(failure)) => reason = Some(failure),
            Err(_) => reason = reason.or_else(|| Some(Failure::new("the last attempt did not end"))),
        }
        if start.elapsed() >= deadline {
            let reason = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
            return Err(Failure::new(format!("not within {deadline:?}: {what}{reason}")));
        }
        tokio::time::sleep(INTERVAL).await;
    }
}
