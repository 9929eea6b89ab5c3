//! Jobs of every hour and week, once across all nodes.

use async_trait::async_trait;
use domain::{
    email,
    ids::{ContactId, JobId},
    jobs::Job,
};
use store::jobs::PurgeTarget;
use uuid::Uuid;

use super::HOUR_MS;
use crate::{
    error::Result,
    job_handler::{JobContext, JobHandler, JobOutcome},
    state::{App, AppState},
};

/// A job of each period.
struct PeriodicJob {
    job: Job,
    /// Prefix of the job's id. The rest encodes the period, so that adding the job again does nothing.
    id: u128,
    every_ms: i64,
    /// Delay after the job is queued.
    delay_ms: i64,
}

const PERIODIC: [PeriodicJob; 2] = [
    PeriodicJob { job: Job::Purge {}, id: 0x7075_7267_6500_8000_8000_0000_0000_0000, every_ms: HOUR_MS, delay_ms: 0 },
    // Addresses stored meanwhile by a node of an earlier version are found the next time. Such a node does not know this job, so it begins
    // after all nodes have been updated.
    PeriodicJob {
        job: Job::FoldAddresses {},
        id: 0x666f_6c64_6500_8000_8000_0000_0000_0000,
        every_ms: 7 * 24 * HOUR_MS,
        delay_ms: HOUR_MS,
    },
];

/// Ensures that the jobs of the current periods are in the queue.
pub(super) async fn enqueue_periodic(app: &App) -> Result<()> {
    let now = app.now();
    app.store
        .write(move |tx| {
            Box::pin(async move {
                for PeriodicJob { job, id, every_ms, delay_ms } in PERIODIC {
                    let period = now.0.div_euclid(every_ms).unsigned_abs();
                    // Derived from the period and not made by the store: every node enqueues the same job.
                    let id = JobId(Uuid::from_u128(id | u128::from(period)));
                    tx.enqueue_once(id, &job, now.plus_ms(delay_ms), now).await?;
                }
                Ok(())
            })
        })
        .await
}

/// [`Job::Purge`].
pub(super) struct PurgeJob;

#[async_trait]
impl JobHandler for PurgeJob {
    async fn run(&self, app: &AppState, context: &JobContext) -> Result<JobOutcome> {
        purge(app, &|| context.should_stop()).await
    }
}

/// [`Job::FoldAddresses`].
pub(super) struct NormalizeAddressesJob;

#[async_trait]
impl JobHandler for NormalizeAddressesJob {
    async fn run(&self, app: &AppState, context: &JobContext) -> Result<JobOutcome> {
        normalize_addresses(app, &|| context.should_stop()).await
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
