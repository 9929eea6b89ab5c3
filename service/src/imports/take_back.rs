//! Undoing an import: its rows are removed batch by batch, except those that someone has worked on.

use domain::{
    Error as Refusal, Timestamp,
    accounts::{Role, Scope},
    ids::{ImportId, JobId},
};
use store::{Tx, imports::Import};

use crate::{
    error::Result,
    jobs::{Context, Job, Outcome},
    state::{App, AppState},
};

/// Records of one transaction.
const BATCH: i64 = 500;
/// Silence after which a command counts as stopped.
pub const SILENCE_MS: i64 = 120_000;

/// Begins to take an import back. Again: does nothing.
///
/// # Errors
/// [`Refusal::Conflict`] while it runs.
pub async fn take_back(app: &App, scope: &Scope, import: &Import) -> Result<()> {
    scope.require(Role::Admin)?;
    let (scope, id, now, job) = (*scope, import.id, app.now(), app.id::<JobId>());
    let begun = app
        .store
        .write(move |tx| {
            Box::pin(async move {
                let begun = start_take_back(tx, &scope, id, now).await?;
                if begun {
                    tx.enqueue(job, &Job::TakeBack { project: scope.project(), import: id }, now, now).await?;
                }
                Ok(begun)
            })
        })
        .await?;
    app.wake_jobs();
    let is_under_way = |import: Import| import.is_taken_back();
    if !begun && !app.store.import(&scope, id).await?.is_some_and(is_under_way) {
        return Err(Refusal::Conflict("This import is still running. Stop it first.".into()).into());
    }
    Ok(())
}

/// Sets an import on its way back inside a transaction; `false` when it is not one that could.
///
/// # Errors
/// When the database fails.
pub async fn start_take_back(tx: &mut Tx<'_>, scope: &Scope, import: ImportId, now: Timestamp) -> Result<bool> {
    tx.start_take_back(scope, import, now.plus_ms(-SILENCE_MS), now).await
}

/// The background job.
///
/// # Errors
/// When the database fails; what is gone stays gone.
pub async fn run_take_back(app: &AppState, scope: &Scope, import: ImportId, context: &Context) -> Result<Outcome> {
    let (scope, job) = (*scope, context.job);
    loop {
        let now = app.now();
        let gone = app
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let gone = tx.take_back_rows(&scope, import, BATCH, now).await?;
                    if gone == 0 {
                        tx.finish_take_back(&scope, import, now).await?;
                    } else {
                        tx.job_progressed(job).await?;
                    }
                    Ok(gone)
                })
            })
            .await?;
        if gone == 0 {
            return Ok(Outcome::Done);
        }
        if context.should_stop() {
            return Ok(Outcome::Stopped);
        }
    }
}
