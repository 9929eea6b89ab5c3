//! The queue of background jobs: rows that one worker at a time claims under a lease.

use domain::{Timestamp, ids::JobId, jobs::Job, webhooks::RETENTION_DAYS};
use sqlx::FromRow;

use super::{Dialect, Store, Tx, id};
use crate::error::Result;

/// A job claimed by this worker until its lease expires.
#[derive(Debug, Clone)]
pub struct ClaimedJob {
    /// Its id.
    pub id: JobId,
    /// JSON of [`domain::jobs::Job`].
    pub payload: String,
    /// Number of the claim: distinguishes this worker's claim from a later one.
    pub attempt: i64,
    /// Consecutive failed claims, including this one until it succeeds or makes progress.
    pub failures: i64,
}

#[derive(FromRow)]
struct ClaimedJobRow {
    id: String,
    payload: String,
    attempts: i64,
    failures: i64,
}

impl ClaimedJobRow {
    fn claimed(self) -> Result<ClaimedJob> {
        Ok(ClaimedJob { id: id(&self.id)?, payload: self.payload, attempt: self.attempts, failures: self.failures })
    }
}

/// Targets of the hourly clean-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PurgeTarget {
    /// Expired sessions.
    Sessions,
    /// Old idempotency keys.
    Keys,
    /// Finished jobs.
    Jobs,
    /// Unused rate limits.
    Limits,
    /// Old e-mails, their links, and their contents.
    Mail,
    /// Old entries of the change sequence.
    Changes,
    /// Files whose form was never submitted.
    Attachments,
    /// Uploads never started, and files of ended imports.
    Imports,
    /// Old webhook events and their deliveries.
    Webhooks,
}

impl PurgeTarget {
    /// All targets, with the number of rows per transaction: rows that contain file chunks are large.
    pub const ALL: [(Self, i64); 9] = [
        (Self::Sessions, 1_000),
        (Self::Keys, 1_000),
        (Self::Jobs, 1_000),
        (Self::Limits, 1_000),
        (Self::Mail, 1_000),
        (Self::Changes, 1_000),
        (Self::Attachments, 64),
        (Self::Imports, 32),
        (Self::Webhooks, 1_000),
    ];
}

/// A job as shown to an operator.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct DeadJob {
    /// Its id.
    pub id: String,
    /// Name of its kind.
    pub kind: String,
    /// The payload, as stored.
    pub payload: String,
    /// `waiting`, `running`, `done` or `dead`.
    pub state: String,
    /// Number of claims so far.
    pub attempts: i64,
    /// Consecutive failed claims.
    pub failures: i64,
    /// When it is due.
    pub run_at: i64,
    /// Error of the last failure.
    pub last_error: Option<String>,
    /// When it ended.
    pub finished_at: Option<i64>,
}

impl Store {
    /// Returns whether a job is due, without writing.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn job_due(&self, now: Timestamp) -> Result<bool> {
        let row: Option<String> = sqlx::query_scalar(
            "SELECT id FROM jobs WHERE (state = 'waiting' AND run_at <= $1) OR (state = 'running' AND leased_until <= $1) LIMIT 1",
        )
        .bind(now.0)
        .fetch_optional(self.reader())
        .await?;
        Ok(row.is_some())
    }

    /// Counts the jobs in each state except `done`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn job_counts(&self) -> Result<Vec<(String, i64)>> {
        Ok(sqlx::query_as("SELECT state, COUNT(*) FROM jobs WHERE state <> 'done' GROUP BY state").fetch_all(self.reader()).await?)
    }

    /// Returns a job by id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn job(&self, job: JobId) -> Result<Option<DeadJob>> {
        Ok(sqlx::query_as("SELECT id, kind, payload, state, attempts, failures, run_at, last_error, finished_at FROM jobs WHERE id = $1")
            .bind(job.to_string())
            .fetch_optional(self.reader())
            .await?)
    }

    /// Returns failed jobs, newest first: for operators. E-mails have their own list.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn dead_jobs(&self, limit: i64) -> Result<Vec<DeadJob>> {
        Ok(sqlx::query_as(
            "SELECT id, kind, payload, state, attempts, failures, run_at, last_error, finished_at FROM jobs \
             WHERE state = 'dead' AND kind <> 'mail' ORDER BY finished_at DESC, id LIMIT $1",
        )
        .bind(limit)
        .fetch_all(self.reader())
        .await?)
    }
}

impl Tx<'_> {
    /// Adds a job; `false` if this id exists.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_job(&mut self, job: JobId, kind: &str, payload: &str, run_at: Timestamp, now: Timestamp) -> Result<bool> {
        let done = sqlx::query(
            "INSERT INTO jobs (id, kind, payload, state, attempts, failures, run_at, created_at) \
             VALUES ($1, $2, $3, 'waiting', 0, 0, $4, $5) ON CONFLICT DO NOTHING",
        )
        .bind(job.to_string())
        .bind(kind.to_owned())
        .bind(payload.to_owned())
        .bind(run_at.0)
        .bind(now.0)
        .execute(self.conn())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Runs a job again, whatever its state. A worker that still runs it loses its claim.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn revive_job(&mut self, job: JobId, now: Timestamp) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE jobs SET state = 'waiting', attempts = attempts + 1, failures = 0, run_at = $2, leased_until = NULL, last_error = NULL, \
             finished_at = NULL WHERE id = $1",
        )
        .bind(job.to_string())
        .bind(now.0)
        .execute(self.conn())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Retries a failed job; `false` if it has not failed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn revive_dead_job(&mut self, job: JobId, now: Timestamp) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE jobs SET state = 'waiting', failures = 0, run_at = $2, last_error = NULL, finished_at = NULL WHERE id = $1 AND state = 'dead'",
        )
        .bind(job.to_string())
        .bind(now.0)
        .execute(self.conn())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Makes a waiting job due; a running one is unaffected.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn make_job_due(&mut self, job: JobId, now: Timestamp) -> Result<()> {
        sqlx::query("UPDATE jobs SET run_at = $2 WHERE id = $1 AND state = 'waiting' AND run_at > $2")
            .bind(job.to_string())
            .bind(now.0)
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// Claims the job that has been due longest, including those with an expired lease, and leases it until `until`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim_job(&mut self, now: Timestamp, until: Timestamp) -> Result<Option<ClaimedJob>> {
        let sql = match self.dialect() {
            Dialect::Sqlite => {
                "UPDATE jobs SET state = 'running', attempts = attempts + 1, failures = failures + 1, leased_until = $2 WHERE id = \
                 (SELECT id FROM jobs WHERE (state = 'waiting' AND run_at <= $1) OR (state = 'running' AND leased_until <= $1) \
                 ORDER BY run_at, id LIMIT 1) RETURNING id, payload, attempts, failures"
            }
            Dialect::Postgres => {
                "UPDATE jobs SET state = 'running', attempts = attempts + 1, failures = failures + 1, leased_until = $2 WHERE id = \
                 (SELECT id FROM jobs WHERE (state = 'waiting' AND run_at <= $1) OR (state = 'running' AND leased_until <= $1) \
                 ORDER BY run_at, id FOR UPDATE SKIP LOCKED LIMIT 1) RETURNING id, payload, attempts, failures"
            }
        };
        let row: Option<ClaimedJobRow> = sqlx::query_as(sql).bind(now.0).bind(until.0).fetch_optional(self.conn()).await?;
        row.map(ClaimedJobRow::claimed).transpose()
    }

    /// Renews the lease of a job; `false` if another worker has claimed it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn renew_job(&mut self, job: &ClaimedJob, until: Timestamp) -> Result<bool> {
        let done = sqlx::query("UPDATE jobs SET leased_until = $3 WHERE id = $1 AND attempts = $2 AND state = 'running'")
            .bind(job.id.to_string())
            .bind(job.attempt)
            .bind(until.0)
            .execute(self.conn())
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Records that a job made progress, so that earlier failures no longer count.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn reset_job_failures(&mut self, job: JobId) -> Result<()> {
        sqlx::query("UPDATE jobs SET failures = 0 WHERE id = $1 AND failures > 0").bind(job.to_string()).execute(self.conn()).await?;
        Ok(())
    }

    /// Marks a job as done; `false` if another worker has claimed it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn finish_job(&mut self, job: &ClaimedJob, now: Timestamp) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE jobs SET state = 'done', leased_until = NULL, last_error = NULL, finished_at = $3 \
             WHERE id = $1 AND attempts = $2 AND state = 'running'",
        )
        .bind(job.id.to_string())
        .bind(job.attempt)
        .bind(now.0)
        .execute(self.conn())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Requeues a job for `run_at`, with its error if it failed; without an error it does not count as a failure.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn requeue_job(&mut self, job: &ClaimedJob, run_at: Timestamp, error: Option<&str>) -> Result<bool> {
        let sql = match error {
            Some(_) => {
                "UPDATE jobs SET state = 'waiting', leased_until = NULL, run_at = $3, last_error = $4, \
                 failures = CASE WHEN failures = 0 THEN 1 ELSE failures END WHERE id = $1 AND attempts = $2 AND state = 'running'"
            }
            None => {
                "UPDATE jobs SET state = 'waiting', leased_until = NULL, run_at = $3, last_error = $4, failures = 0 \
                 WHERE id = $1 AND attempts = $2 AND state = 'running'"
            }
        };
        let done = sqlx::query(sql)
            .bind(job.id.to_string())
            .bind(job.attempt)
            .bind(run_at.0)
            .bind(error.map(ToOwned::to_owned))
            .execute(self.conn())
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Marks a job as dead but keeps it, for a person to inspect; `false` if another worker has claimed it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn mark_job_dead(&mut self, job: &ClaimedJob, error: &str, now: Timestamp) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE jobs SET state = 'dead', leased_until = NULL, last_error = $3, finished_at = $4 \
             WHERE id = $1 AND attempts = $2 AND state = 'running'",
        )
        .bind(job.id.to_string())
        .bind(job.attempt)
        .bind(error.to_owned())
        .bind(now.0)
        .execute(self.conn())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Deletes up to `at_most` obsolete rows of one kind. Returns the number of rows deleted or emptied: fewer than `at_most` means that
    /// none is left.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn purge(&mut self, what: PurgeTarget, now: Timestamp, at_most: i64) -> Result<u64> {
        let (sql, before) = match what {
            PurgeTarget::Sessions => (
                "DELETE FROM sessions WHERE id_hash IN (SELECT id_hash FROM sessions WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2) AND expires_at <= $1",
                now,
            ),
            // A respondent's page keeps its key, and retries, for as long as its tab is open.
            PurgeTarget::Keys => (
                "DELETE FROM idempotency WHERE (scope, key) IN \
                 (SELECT scope, key FROM idempotency WHERE created_at <= $1 ORDER BY created_at LIMIT $2)",
                now.plus_days(-30),
            ),
            PurgeTarget::Jobs => (
                "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE state = 'done' AND finished_at <= $1 ORDER BY run_at LIMIT $2)",
                now.plus_days(-7),
            ),
            PurgeTarget::Limits => return self.purge_limits(now, at_most).await,
            PurgeTarget::Mail => return self.purge_mail(now, at_most).await,
            PurgeTarget::Changes => return self.prune_changes(now, at_most).await,
            PurgeTarget::Attachments => return self.purge_attachments(now, at_most).await,
            PurgeTarget::Imports => return self.purge_imports(now, at_most).await,
            PurgeTarget::Webhooks => return self.purge_webhooks(now.plus_days(-RETENTION_DAYS), at_most).await,
        };
        Ok(sqlx::query(sql).bind(before.0).bind(at_most).execute(self.conn()).await?.rows_affected())
    }
}

impl Tx<'_> {
    /// Queues a job, to run after this transaction commits and not before `run_at`. Wake the job runner after the commit, so that the job
    /// need not wait for the next poll.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn enqueue(&mut self, job: &Job, run_at: Timestamp, now: Timestamp) -> Result<()> {
        self.enqueue_once(self.id(), job, run_at, now).await
    }

    /// Same as [`Tx::enqueue`], under an id that the caller derives from what the job is for: it is queued only once.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn enqueue_once(&mut self, id: JobId, job: &Job, run_at: Timestamp, now: Timestamp) -> Result<()> {
        let payload = serde_json::to_string(job)?;
        self.insert_job(id, job.kind(), &payload, run_at, now).await?;
        Ok(())
    }

    /// Same as [`Tx::enqueue_once`], for a job that may already exist and have ended or failed: that one runs again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn requeue(&mut self, id: JobId, job: &Job, now: Timestamp) -> Result<()> {
        let payload = serde_json::to_string(job)?;
        if !self.insert_job(id, job.kind(), &payload, now, now).await? {
            self.revive_job(id, now).await?;
        }
        Ok(())
    }
}
