//! One process works with a slot: the claim, how it is waited for, and how its loss is noticed.
//!
//! The server itself refuses a second reader of a slot, but not a second reader of the rows that come first, and it takes a dead host's
//! reader for a living one for a minute. The claim is an advisory lock that lives as long as its session, whose end the server notices
//! within seconds. Who holds it and loses it ends its session of the tap; who gains it may throw out a reader of the slot that is left over.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use waltap_error::{Code, Error, Result};

use super::Context;
use crate::source::Sql;
use crate::status::TapState;

/// How long the end of the session before may take to let go of the slot, and how often it is tried.
const PATIENCE: Duration = Duration::from_secs(2);
const INTERVAL: Duration = Duration::from_millis(100);

/// How often a standby tries to take over.
const STANDBY_INTERVAL: Duration = Duration::from_secs(1);

/// How often the holder makes sure of its claim, and how long the server may take to answer.
const WATCH_INTERVAL: Duration = Duration::from_secs(2);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a reader of the slot that has no claim any more may take to give way by itself: time for one that works to notice its loss, and
/// not for one that waits for a server that does not answer it.
const GIVING_WAY: Duration = Duration::from_secs(5);

/// How long a reader that was thrown out may take to be gone.
const THROWN_OUT: Duration = Duration::from_secs(5);

/// The right to work with the slot, for as long as the session in it lives.
pub(crate) struct Claim {
    sql: Sql,
    slot: String,
    /// `false`: a temporary slot, which nobody else knows.
    is_needed: bool,
    is_lost: AtomicBool,
}

impl Claim {
    /// Of the session that has claimed the slot.
    pub(crate) fn new(context: &Context, sql: Sql) -> Self {
        let is_needed = !context.is_temporary();
        Claim { sql, slot: context.slot.clone(), is_needed, is_lost: AtomicBool::new(false) }
    }

    /// Whether it was seen to be lost: then another may be at work already.
    pub(crate) fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Relaxed)
    }

    /// Does what only the holder may do, and gives it up when the claim is lost.
    pub(crate) async fn while_held<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        if !self.is_needed {
            return work.await;
        }
        // At once, since nobody has looked after it while the session was opened.
        self.confirm(self.sql.holds_claim(&self.slot)).await?;
        tokio::select! {
            biased;
            error = self.lost() => Err(error),
            result = work => result,
        }
    }

    async fn lost(&self) -> Error {
        loop {
            sleep(WATCH_INTERVAL).await;
            if let Err(error) = self.confirm(self.sql.keeps_claim(&self.slot)).await {
                return error;
            }
        }
    }

    async fn confirm(&self, question: impl Future<Output = Result<bool>>) -> Result<()> {
        let held = timeout(ANSWER_TIMEOUT, question).await;
        let lost = |what: &str| {
            self.is_lost.store(true, Ordering::Relaxed);
            let message = format!("the claim on the slot {} {what}: another waltap may take over", self.slot);
            Error::transient(Code::SLOT_IN_USE, message)
                .remedy("nothing, if it was ended on purpose; a pooler must not stand between waltap and PostgreSQL")
        };
        match held {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(lost("is not held by this session")),
            Ok(Err(error)) => Err(lost("is lost with its connection").source(error)),
            Err(_) => Err(lost("cannot be confirmed, since the server does not answer")),
        }
    }
}

/// Makes sure that no other process works with the slot: not while it streams, which the server itself refuses, and not while it reads
/// the rows that come before, which the server knows nothing of. A standby waits for as long as it takes.
pub(crate) async fn claim(context: &Context, sql: &Sql) -> Result<()> {
    if context.options().standby {
        return stand_by(context, sql).await;
    }
    let deadline = Instant::now() + PATIENCE;
    while !sql.claim(&context.slot).await? {
        if Instant::now() > deadline {
            let message = format!("another waltap works with the slot {}", context.slot);
            return Err(Error::transient(Code::SLOT_IN_USE, message)
                .remedy("stop it, or give this capture another name with --name; --standby waits to take over"));
        }
        sleep(INTERVAL).await;
    }
    Ok(())
}

async fn stand_by(context: &Context, sql: &Sql) -> Result<()> {
    if sql.claim(&context.slot).await? {
        return free_slot(context, sql).await;
    }
    context.board.set_state(TapState::Standby);
    tracing::info!(database = context.database, slot = context.slot, "standing by: another waltap works with the slot");
    loop {
        sleep(STANDBY_INTERVAL).await;
        if sql.claim(&context.slot).await? {
            tracing::warn!(
                database = context.database,
                slot = context.slot,
                "taking over: the other waltap has let go of the slot"
            );
            context.board.set_state(TapState::Starting);
            return free_slot(context, sql).await;
        }
    }
}

/// Waits until nobody reads the slot. A waltap that reads it without the claim hangs, or its host is gone: it is thrown out.
async fn free_slot(context: &Context, sql: &Sql) -> Result<()> {
    if is_free_within(context, sql, GIVING_WAY).await? {
        return Ok(());
    }
    let readers = context.options().source.reader_names(&context.options().name);
    if sql.terminate_reader(&context.slot, &readers).await? {
        tracing::warn!(
            database = context.database,
            slot = context.slot,
            "ended the connection of a waltap that reads the slot and has lost its claim on it"
        );
        is_free_within(context, sql, THROWN_OUT).await?;
    }
    // Whoever reads it still is named by the plan for the slot.
    Ok(())
}

async fn is_free_within(context: &Context, sql: &Sql, patience: Duration) -> Result<bool> {
    let deadline = Instant::now() + patience;
    loop {
        if !sql.slot(&context.slot).await?.is_some_and(|slot| slot.active) {
            return Ok(true);
        }
        if Instant::now() > deadline {
            return Ok(false);
        }
        sleep(INTERVAL).await;
    }
}
