//! Background jobs: database rows that workers claim under a lease, retry with backoff, and keep if they fail permanently.
//!
//! A new kind of job is a variant of [`Job`] with an arm in [`Job::kind`] and in `perform`.

pub mod index;
mod runner;

pub use domain::jobs::Job;
pub use runner::Runner;

use std::{sync::Arc, time::Duration};

use domain::{
    DomainError as Refusal, Timestamp,
    accounts::Scope,
    email,
    ids::{ContactId, JobId},
};
use store::jobs::{ClaimedJob, PurgeTarget};
use tokio::sync::watch;
use uuid::Uuid;

use crate::{
    error::{Error, Result},
    imports, mail,
    state::{App, AppState},
};

/// How long a worker's claim lasts without renewal.
pub const LEASE_MS: i64 = 60_000;
/// Consecutive claims without a result before a job fails permanently.
pub const MAX_FAILURES: i64 = 8;
const HOUR_MS: i64 = 3_600_000;

/// Outcome of a job that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobOutcome {
    /// There is nothing left to do.
    Done,
    /// It was asked to stop and must be resumed.
    Stopped,
    /// Run it again at this time; not a failure, since it counts its own attempts.
    Later(Timestamp),
}

/// The environment of a running job.
pub struct JobContext {
    /// Its own id.
    pub job: JobId,
    stop: watch::Receiver<bool>,
}

impl JobContext {
    /// Whether it should stop soon: the program is shutting down or another worker has taken over.
    #[must_use]
    pub fn should_stop(&self) -> bool {
        *self.stop.borrow()
    }
}

/// Runs all due jobs sequentially and returns their number.
///
/// # Errors
/// When the database fails.
pub async fn run_due(app: &AppState) -> Result<usize> {
    let (_keep, stop) = watch::channel(false);
    let mut ran = 0;
    while run_one(app, &stop).await? {
        ran += 1;
    }
    Ok(ran)
}

/// Claims a due job for this worker; `None` if there is none. Jobs that failed too often are marked as failed permanently.
///
/// # Errors
/// When the database fails.
pub async fn claim(app: &App) -> Result<Option<ClaimedJob>> {
    let now = app.now();
    // This check is cheap and takes no place in the write queue.
    while app.store.job_due(now).await? {
        let claimed = app.store.write(move |tx| Box::pin(async move { tx.claim_job(now, now.plus_ms(LEASE_MS)).await })).await?;
        match claimed {
            // Each run ended its worker: another attempt would not succeed.
            Some(claimed) if claimed.failures > MAX_FAILURES => {
                bury(app, &claimed, "The program stopped while it was running this job.").await?
            }
            other => return Ok(other),
        }
    }
    Ok(None)
}

/// Claims one job and runs it to its end; `false` if none was due.
async fn run_one(app: &AppState, stop: &watch::Receiver<bool>) -> Result<bool> {
    let Some(claimed) = claim(app).await? else { return Ok(false) };
    let (stop_this, stopped) = watch::channel(*stop.borrow());
    let context = JobContext { job: claimed.id, stop: stopped };
    let (its_app, payload) = (Arc::clone(app), claimed.payload.clone());
    // A separate task, so that a panic ends the job and not the worker.
    let mut work = tokio::spawn(async move { perform(&its_app, &payload, &context).await });
    let mut beat = tokio::time::interval(Duration::from_millis(LEASE_MS.unsigned_abs() / 3));
    beat.tick().await;
    let mut stop = stop.clone();
    let result = loop {
        tokio::select! {
            result = &mut work => break result.unwrap_or_else(|panic| Err(Error::internal("job", panic))),
            _ = beat.tick() => {
                let (held, until) = (claimed.clone(), app.now().plus_ms(LEASE_MS));
                let kept = app.store.write(move |tx| Box::pin(async move { tx.renew_job(&held, until).await })).await;
                if matches!(kept, Ok(false)) {
                    stop_this.send_replace(true);
                }
            }
            Ok(()) = stop.changed() => {
                stop_this.send_replace(*stop.borrow());
            }
        }
    };
    settle(app, &claimed, result).await?;
    Ok(true)
}

async fn perform(app: &AppState, payload: &str, context: &JobContext) -> Result<JobOutcome> {
    match serde_json::from_str(payload)? {
        Job::Import { project, import } => imports::run_job(app, &Scope::system(project), import, context).await,
        Job::TakeBack { project, import } => imports::run_revert(app, &Scope::system(project), import, context).await,
        Job::Mail { letter } => mail::run_job(app, letter).await,
        Job::Purge {} => purge(app, &|| context.should_stop()).await,
        Job::FoldAddresses {} => normalize_addresses(app, &|| context.should_stop()).await,
    }
}

/// Deletes expired rows, a bounded batch in each transaction, so that neither a long standstill nor a large table causes a transaction
/// that cannot finish in time. Stops between two batches.
///
/// # Errors
/// When the database fails.
pub async fn purge(app: &App, should_stop: &(dyn Fn() -> bool + Sync)) -> Result<JobOutcome> {
    let now = app.now();
    for (what, at_most) in PurgeTarget::ALL {
        loop {
            if should_stop() {
                return Ok(JobOutcome::Stopped);
            }
            let gone = app.store.write(move |tx| Box::pin(async move { tx.purge(what, now, at_most).await })).await?;
            if gone < at_most.unsigned_abs() {
                break;
            }
        }
    }
    Ok(JobOutcome::Done)
}

/// Contacts whose addresses are normalized in one transaction.
const ADDRESSES: i64 = 200;

/// Normalizes stored addresses, a bounded batch in each transaction. SQL cannot do it: neither database supports punycode.
///
/// # Errors
/// When the database fails.
pub async fn normalize_addresses(app: &App, should_stop: &(dyn Fn() -> bool + Sync)) -> Result<JobOutcome> {
    let mut after = String::new();
    loop {
        let found = app.store.addresses_to_normalize(&after, ADDRESSES).await?;
        let Some((last, _)) = found.last() else { return Ok(JobOutcome::Done) };
        after.clone_from(last);
        let mut other = Vec::new();
        for (contact, was) in &found {
            let is = email::canonical(was);
            if is != *was {
                other.push((store::id::<ContactId>(contact)?, was.clone(), is));
            }
        }
        if should_stop() {
            return Ok(JobOutcome::Stopped);
        }
        if !other.is_empty() {
            app.store
                .write(move |tx| {
                    Box::pin(async move {
                        for (contact, was, is) in &other {
                            tx.normalize_address(*contact, was, is).await?;
                        }
                        Ok(())
                    })
                })
                .await?;
        }
    }
}

/// Records the outcome of a job.
async fn settle(app: &App, claimed: &ClaimedJob, result: Result<JobOutcome>) -> Result<()> {
    let (job, now) = (claimed.clone(), app.now());
    match result {
        Ok(JobOutcome::Done) => {
            app.store.write(move |tx| Box::pin(async move { tx.finish_job(&job, now).await })).await?;
        }
        Ok(JobOutcome::Stopped) => {
            app.store.write(move |tx| Box::pin(async move { tx.requeue_job(&job, now, None).await })).await?;
        }
        Ok(JobOutcome::Later(at)) => {
            app.store.write(move |tx| Box::pin(async move { tx.requeue_job(&job, at, None).await })).await?;
        }
        Err(error) => {
            let again = match error.refusal() {
                None | Some(Refusal::Busy(_) | Refusal::SearchUnavailable | Refusal::RateLimited(_)) => true,
                // The next attempt would be refused too.
                Some(_) => false,
            };
            // The claim's count may be outdated: progress since then has reset the one in the table.
            let failures = app.store.job(job.id).await?.map_or(job.failures, |row| row.failures).max(1);
            tracing::warn!(job.id = %job.id, job.failures = failures, error = %error, "a job failed");
            if again && failures < MAX_FAILURES {
                let at = now.plus_ms(backoff(app, failures));
                app.store.write(move |tx| Box::pin(async move { tx.requeue_job(&job, at, Some(&error.to_string())).await })).await?;
            } else {
                bury(app, claimed, &explain(&error)).await?;
            }
        }
    }
    Ok(())
}

/// Returns the reason stored with a failed job, safe to show to people.
fn explain(error: &Error) -> String {
    match error.refusal() {
        Some(Refusal::Invalid(errors)) => errors.0.iter().map(|e| e.message.as_str()).collect::<Vec<_>>().join(" "),
        Some(other) => other.to_string(),
        None => "An internal error occurred several times. See the log.".into(),
    }
}

async fn bury(app: &App, claimed: &ClaimedJob, error: &str) -> Result<()> {
    let (job, error, now) = (claimed.clone(), error.to_owned(), app.now());
    app.store
        .write(move |tx| {
            Box::pin(async move {
                if tx.mark_job_dead(&job, &error, now).await? {
                    match serde_json::from_str(&job.payload) {
                        Ok(Job::Import { project, import }) => tx.fail_import(&Scope::system(project), import, &error, now).await?,
                        Ok(Job::TakeBack { project, import }) => tx.fail_revert(&Scope::system(project), import, &error, now).await?,
                        Ok(Job::Mail { letter }) => mail::mark_dead(tx, letter, &error, now).await?,
                        Ok(Job::Purge {} | Job::FoldAddresses {}) | Err(_) => {}
                    }
                }
                Ok(())
            })
        })
        .await
}

/// Returns the display name of a kind of job.
#[must_use]
pub fn label(kind: &str) -> &str {
    match kind {
        "import" => "File import",
        "take_back" => "Undo of an import",
        "mail" => "E-mail",
        "purge" => "Hourly cleanup",
        "fold_addresses" => "Weekly check of contact addresses",
        other => other,
    }
}

/// Runs a failed job again from where it stopped. The caller must have checked that the request comes from an operator.
///
/// # Errors
/// [`Refusal::Conflict`] if it has not failed, has its own page for retries, or there is nothing left to resume.
pub async fn retry_dead_job(app: &App, job: JobId) -> Result<()> {
    let row = app.store.job(job).await?.ok_or(Refusal::NotFound)?;
    let (now, work) = (app.now(), serde_json::from_str::<Job>(&row.payload)?);
    if matches!(work, Job::Mail { .. }) {
        return Err(Refusal::Conflict("Send e-mails again from the E-mail page.".into()).into());
    }
    app.store
        .write(move |tx| {
            Box::pin(async move {
                if !tx.revive_dead_job(job, now).await? {
                    return Err(Refusal::Conflict("This job is already running again.".into()).into());
                }
                // An import also records its own failure; it must be restarted as well, or the job would find nothing to do.
                let goes_on = match work {
                    Job::Import { project, import } => tx.start_import(&Scope::system(project), import, None, now).await?,
                    Job::TakeBack { project, import } => imports::start_take_back(tx, &Scope::system(project), import, now).await?,
                    Job::Mail { .. } | Job::Purge {} | Job::FoldAddresses {} => true,
                };
                if goes_on {
                    return Ok(());
                }
                let why = "This import was resumed from its own page, or its file is no longer stored. See the project’s imports.";
                Err(Refusal::Conflict(why.into()).into())
            })
        })
        .await?;
    app.wake_jobs();
    Ok(())
}

/// Five seconds, doubled with each failure up to an hour, plus up to half of that, so that many jobs do not retry at once.
fn backoff(app: &App, failures: i64) -> i64 {
    let pause = 5_000_i64.saturating_mul(1 << (failures - 1).clamp(0, 20)).min(HOUR_MS);
    let mut random = [0_u8; 4];
    app.ids.random(&mut random);
    pause + pause / 2 * i64::from(u32::from_le_bytes(random) >> 16) / i64::from(u16::MAX)
}

/// Ensures that this hour's jobs are in the queue, once across all nodes.
async fn enqueue_periodic(app: &App) -> Result<()> {
    let now = app.now();
    let hour = now.0.div_euclid(HOUR_MS);
    // The id encodes the hour, so that adding the job again does nothing.
    let id = JobId(Uuid::from_u128(0x7075_7267_6500_8000_8000_0000_0000_0000 | u128::from(hour.unsigned_abs())));
    // Addresses stored meanwhile by a node of an earlier version are found the next time. Such a node does not know this job, so it begins
    // after all nodes have been updated.
    let week = now.0.div_euclid(7 * 24 * HOUR_MS);
    let weekly = JobId(Uuid::from_u128(0x666f_6c64_6500_8000_8000_0000_0000_0000 | u128::from(week.unsigned_abs())));
    app.store
        .write(move |tx| {
            Box::pin(async move {
                tx.enqueue(id, &Job::Purge {}, now, now).await?;
                tx.enqueue(weekly, &Job::FoldAddresses {}, now.plus_ms(HOUR_MS), now).await
            })
        })
        .await
}
