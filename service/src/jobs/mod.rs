//! Background jobs: database rows that workers claim under a lease, retry with backoff, and keep if they fail permanently.
//!
//! A new kind of job is a variant of [`Job`], an implementation of `JobHandler` in its capability, and the arm of `handler` that connects
//! the two.

mod periodic;
mod runner;

pub use domain::jobs::Job;
pub use periodic::{normalize_addresses, purge};
pub use runner::Runner;

use std::{sync::Arc, time::Duration};

use domain::{DomainError as Refusal, accounts::Scope, ids::JobId};
use store::jobs::ClaimedJob;
use tokio::sync::watch;

use self::periodic::{NormalizeAddressesJob, PurgeJob};
use crate::{
    error::{Error, Result},
    imports::{ImportJob, RevertImportJob},
    job_handler::{JobContext, JobHandler, JobOutcome},
    mail_queue::MailJob,
    state::{App, AppState},
};

/// How long a worker's claim lasts without renewal.
pub const LEASE_MS: i64 = 60_000;
/// Consecutive claims without a result before a job fails permanently.
pub const MAX_FAILURES: i64 = 8;
const HOUR_MS: i64 = 3_600_000;

/// The handler of a job: the only list of all kinds.
fn handler(job: Job) -> Box<dyn JobHandler> {
    match job {
        Job::Import { project, import } => Box::new(ImportJob { scope: Scope::system(project), import }),
        Job::TakeBack { project, import } => Box::new(RevertImportJob { scope: Scope::system(project), import }),
        Job::Mail { message } => Box::new(MailJob(message)),
        Job::Purge {} => Box::new(PurgeJob),
        Job::FoldAddresses {} => Box::new(NormalizeAddressesJob),
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
                fail_permanently(app, &claimed, "The program stopped while it was running this job.").await?
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
    let mut work = tokio::spawn(async move { handler(serde_json::from_str(&payload)?).run(&its_app, &context).await });
    let mut beat = tokio::time::interval(Duration::from_millis(LEASE_MS.unsigned_abs() / 3));
    beat.tick().await;
    let mut stop = stop.clone();
    let result = loop {
        tokio::select! {
            result = &mut work => break result.unwrap_or_else(|panic| Err(Error::internal("job", panic))),
            _ = beat.tick() => {
                let (held, until) = (claimed.clone(), app.now().plus_ms(LEASE_MS));
                let renewed = app.store.write(move |tx| Box::pin(async move { tx.renew_job(&held, until).await })).await;
                if matches!(renewed, Ok(false)) {
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
                fail_permanently(app, claimed, &explain(&error)).await?;
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

async fn fail_permanently(app: &App, claimed: &ClaimedJob, error: &str) -> Result<()> {
    let (job, error, now) = (claimed.clone(), error.to_owned(), app.now());
    app.store
        .write(move |tx| {
            Box::pin(async move {
                if tx.mark_job_dead(&job, &error, now).await? {
                    // An unreadable payload belongs to no handler.
                    if let Ok(work) = serde_json::from_str(&job.payload) {
                        handler(work).fail(tx, &error, now).await?;
                    }
                }
                Ok(())
            })
        })
        .await
}

/// Runs a failed job again from where it stopped. The caller must have checked that the request comes from an operator.
///
/// # Errors
/// [`Refusal::Conflict`] if it has not failed, has its own page for retries, or there is nothing left to resume.
pub async fn retry_dead_job(app: &App, job: JobId) -> Result<()> {
    let row = app.store.job(job).await?.ok_or(Refusal::NotFound)?;
    let (now, work) = (app.now(), handler(serde_json::from_str(&row.payload)?));
    if let Some(why) = work.retry_refusal() {
        return Err(Refusal::Conflict(why.into()).into());
    }
    app.store
        .write(move |tx| {
            Box::pin(async move {
                if !tx.revive_dead_job(job, now).await? {
                    return Err(Refusal::Conflict("This job is already running again.".into()).into());
                }
                work.resume(tx, now).await
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
