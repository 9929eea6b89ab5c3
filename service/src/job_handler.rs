//! What a capability implements for each kind of job that it has. [`crate::jobs`] runs them.

use async_trait::async_trait;
use domain::{Timestamp, ids::JobId};
use store::Tx;
use tokio::sync::watch;

use crate::{error::Result, state::AppState};

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
    pub(crate) stop: watch::Receiver<bool>,
}

impl JobContext {
    /// Whether it should stop soon: the program is shutting down or another worker has taken over.
    #[must_use]
    pub fn should_stop(&self) -> bool {
        *self.stop.borrow()
    }
}

/// The behavior of one kind of job.
#[async_trait]
pub(crate) trait JobHandler: Send + Sync {
    /// Runs the job from where it stopped. An error is retried; a refusal, or [`MAX_FAILURES`](crate::jobs::MAX_FAILURES) errors, make the
    /// job fail permanently.
    async fn run(&self, app: &AppState, context: &JobContext) -> Result<JobOutcome>;

    /// Records the permanent failure, in the transaction that marks the job as dead. `why` is safe to show to people.
    async fn fail(&self, _tx: &mut Tx<'_>, _why: &str, _now: Timestamp) -> Result<()> {
        Ok(())
    }

    /// The reason why operators cannot retry it from the list of failed jobs.
    fn retry_refusal(&self) -> Option<&'static str> {
        None
    }

    /// Prepares a retry, in the transaction that puts the dead job back into the queue. Returns an error if there is nothing to resume.
    async fn resume(&self, _tx: &mut Tx<'_>, _now: Timestamp) -> Result<()> {
        Ok(())
    }
}
