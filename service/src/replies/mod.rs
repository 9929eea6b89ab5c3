//! Use cases of canned replies. Everyone who answers tickets can edit them; every change can be undone.

use domain::{
    DomainError as Refusal,
    accounts::{Role, Scope},
    history::HistoryChange,
    ids::{CannedReplyId, UndoId},
    replies::{CannedReply, MAX_REPLIES, check_reply},
    zone::UTC,
};
use futures_util::{FutureExt, future::BoxFuture};
use store::{Act, Fingerprint, IdempotencyScope, IdempotentWrite, replies::ReplyUndo};

use crate::{
    error::Result,
    state::App,
    undo_handler::{UndoHandler, UndoOutcome},
};

/// Undoes changes to canned replies.
pub(crate) const UNDO: UndoHandler = UndoHandler { kind: "reply", run: undo };

fn taken() -> Refusal {
    Refusal::field("name", "taken", "Another reply already has this name. Choose a different one.")
}

/// Creates a reply; a retry with the same key creates none.
///
/// # Errors
/// [`Refusal::Invalid`] for an invalid name or text or a name already in use; a role too low.
pub async fn create(app: &App, scope: &Scope, key: &str, name: &str, body: &str) -> Result<CannedReplyId> {
    scope.require(Role::Triager)?;
    let (name, body) = check_reply(name, body)?;
    let once = IdempotentWrite::form(&IdempotencyScope::CannedReply(scope.project()), key, Fingerprint::of([&name, &body]));
    app.store
        .act_once(app.context(scope), once, move |act| {
            Box::pin(async move {
                let project = act.project();
                if act.count_replies(project).await? >= MAX_REPLIES {
                    return Err(Refusal::field(
                        "name",
                        "too_many",
                        format!("A project can have at most {MAX_REPLIES} replies. Delete one first."),
                    )
                    .into());
                }
                let id = act.add_reply(name, body).await?.ok_or_else(taken)?;
                act.record(id, &HistoryChange::Created).await?;
                Ok(id)
            })
        })
        .await
}

/// Changes the name and text; returns the undo if anything changed.
///
/// # Errors
/// As [`create`]; not found; [`Refusal::Conflict`] if someone else has changed the reply since `version`.
pub async fn edit(app: &App, scope: &Scope, reply: CannedReplyId, version: i64, name: &str, body: &str) -> Result<Option<UndoId>> {
    scope.require(Role::Triager)?;
    let (name, body) = check_reply(name, body)?;
    app.store
        .act(app.context(scope), move |act| {
            Box::pin(async move {
                let (project, now) = (act.project(), act.now());
                let mut held = act.lock_reply(project, reply).await?.ok_or(Refusal::NotFound)?;
                if held.name == name && held.body == body {
                    return Ok(None);
                }
                if held.version != version {
                    let (who, at) = act.last_edit(project, reply).await?.unwrap_or(("Someone".into(), held.updated_at));
                    return Err(Refusal::Conflict(format!("{who} changed this reply {}.", UTC.ago(at, now))).into());
                }
                let before = held.clone();
                put(act, &mut held, name, body).await?;
                let step = ReplyUndo::Changed { id: held.id, version: held.version, name: before.name, body: before.body };
                act.keep_undo(UNDO.kind, &step, None).await
            })
        })
        .await
}

/// Writes a new name and text to a locked reply.
async fn put(act: &mut Act<'_, '_>, held: &mut CannedReply, name: String, body: String) -> Result<()> {
    let mut changes = Vec::new();
    if held.name != name {
        changes.push(HistoryChange::Renamed { from: std::mem::replace(&mut held.name, name.clone()), to: name });
    }
    if held.body != body {
        held.body = body;
        changes.push(HistoryChange::Described);
    }
    held.version += 1;
    held.updated_at = act.now();
    if !act.update_reply(held).await? {
        return Err(taken().into());
    }
    for change in &changes {
        act.record(held.id, change).await?;
    }
    Ok(())
}

/// Deletes a reply; returns its name and the undo.
///
/// # Errors
/// Not found; a role too low.
pub async fn delete(app: &App, scope: &Scope, reply: CannedReplyId) -> Result<(String, Option<UndoId>)> {
    scope.require(Role::Triager)?;
    app.store
        .act(app.context(scope), move |act| {
            Box::pin(async move {
                let project = act.project();
                let held = act.lock_reply(project, reply).await?.ok_or(Refusal::NotFound)?;
                act.delete_reply(held.project, held.id).await?;
                act.record(held.id, &HistoryChange::Deleted).await?;
                let step = ReplyUndo::Deleted {
                    id: held.id,
                    name: held.name.clone(),
                    body: held.body,
                    created_at: held.created_at,
                    version: held.version,
                };
                Ok((held.name, act.keep_undo(UNDO.kind, &step, None).await?))
            })
        })
        .await
}

fn undo<'t>(act: &'t mut Act<'_, '_>, steps: String) -> BoxFuture<'t, Result<UndoOutcome>> {
    async move { undo_step(act, serde_json::from_str(&steps)?).await.map(|()| UndoOutcome::one()) }.boxed()
}

/// Undoes a change to a reply, in the transaction that claimed the undo.
///
/// # Errors
/// [`Refusal::Conflict`] if the reply was changed again since, or its name is now in use.
async fn undo_step(act: &mut Act<'_, '_>, step: ReplyUndo) -> Result<()> {
    let stands = |why: &str| Refusal::Conflict(format!("{why} Nothing was undone."));
    let (project, now) = (act.project(), act.now());
    match step {
        ReplyUndo::Changed { id, version, name, body } => {
            let held = act.lock_reply(project, id).await?;
            let mut held = held.ok_or_else(|| stands("The reply has been deleted since."))?;
            if held.version != version {
                return Err(stands("The reply has changed since.").into());
            }
            match put(act, &mut held, name, body).await {
                Err(error) if matches!(error.refusal(), Some(Refusal::Invalid(_))) => {
                    Err(stands("Another reply now has the previous name.").into())
                }
                other => other,
            }
        }
        ReplyUndo::Deleted { id, name, body, created_at, version } => {
            let again = CannedReply { id, project, name, body, created_at, updated_at: now, version: version + 1 };
            if !act.restore_reply(&again).await? {
                return Err(stands("Another reply now has the name of the deleted one.").into());
            }
            act.record(id, &HistoryChange::Restored).await
        }
    }
}
