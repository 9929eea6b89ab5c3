//! Undoing an import: removes its rows in batches, except those that people have worked on.

use async_trait::async_trait;
use domain::{
    DomainError as Refusal, Timestamp,
    accounts::{Role, Scope},
    ids::ImportId,
    jobs::Job,
};
use store::{Tx, imports::Import};

use super::nothing_to_resume;
use crate::{
    error::Result,
    job_handler::{JobContext, JobHandler, JobOutcome},
    state::{App, AppState},
};

/// Records per transaction.
const BATCH: i64 = 500;
/// Milliseconds without progress after which a command counts as stopped.
pub const COMMAND_TIMEOUT_MS: i64 = 120_000;

/// Begins to undo an import. Does nothing if it has already begun.
///
/// # Errors
/// [`Refusal::Conflict`] while it is running.
pub async fn revert(app: &App, scope: &Scope, import: &Import) -> Result<()> {
    scope.require(Role::Admin)?;
    let id = import.id;
    let has_started = app
        .store
        .act(app.context(scope), move |act| {
            Box::pin(async move {
                let (scope, now) = (act.scope(), act.now());
                let has_started = start_take_back(act, &scope, id, now).await?;
                if has_started {
                    act.enqueue(&Job::TakeBack { project: scope.project(), import: id }, now, now).await?;
                }
                Ok(has_started)
            })
        })
        .await?;
    app.wake_jobs();
    let is_under_way = |import: Import| import.is_reverted();
    if !has_started && !app.store.import(scope, id).await?.is_some_and(is_under_way) {
        return Err(Refusal::Conflict("This import is still running. Stop it first.".into()).into());
    }
    Ok(())
}

/// Starts undoing an import inside a transaction; `false` if that is not possible.
async fn start_take_back(tx: &mut Tx<'_>, scope: &Scope, import: ImportId, now: Timestamp) -> Result<bool> {
    tx.start_revert(scope, import, now.plus_ms(-COMMAND_TIMEOUT_MS), now).await
}

/// The background job.
pub(crate) struct RevertImportJob {
    pub scope: Scope,
    pub import: ImportId,
}

#[async_trait]
impl JobHandler for RevertImportJob {
    async fn run(&self, app: &AppState, context: &JobContext) -> Result<JobOutcome> {
        remove_rows(app, self.scope, self.import, context).await
    }

    async fn fail(&self, tx: &mut Tx<'_>, why: &str, now: Timestamp) -> Result<()> {
        tx.fail_revert(&self.scope, self.import, why, now).await
    }

    async fn resume(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<()> {
        if start_take_back(tx, &self.scope, self.import, now).await? { Ok(()) } else { Err(nothing_to_resume()) }
    }
}

/// Removes the rows of an import, batch by batch, until none is left or the job should stop. Removed rows stay removed.
async fn remove_rows(app: &AppState, scope: Scope, import: ImportId, context: &JobContext) -> Result<JobOutcome> {
    let job = context.job;
    loop {
        let now = app.now();
        let gone = app
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let gone = tx.revert_rows(&scope, import, BATCH, now).await?;
                    if gone == 0 {
                        tx.finish_revert(&scope, import, now).await?;
                    } else {
                        tx.reset_job_failures(job).await?;
                    }
                    Ok(gone)
                })
            })
            .await?;
        if gone == 0 {
            return Ok(JobOutcome::Done);
        }
        if context.should_stop() {
            return Ok(JobOutcome::Stopped);
        }
    }
}
