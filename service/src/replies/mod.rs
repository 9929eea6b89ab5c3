//! Use cases of canned replies. Anyone who answers tickets also writes the texts for it; everything can be taken back.

use domain::{
    DomainError as Refusal, Timestamp,
    accounts::{Role, Scope},
    canned_replies::{CannedReply, MAX_REPLIES, check_reply},
    history::HistoryChange,
    ids::{CannedReplyId, HistoryId, UndoId},
    zone::UTC,
};
use store::{Fingerprint, IdempotentWrite, Tx, replies::ReplyUndo, triage::UndoAction};

use crate::{error::Result, state::App};

fn taken() -> Refusal {
    Refusal::field("name", "taken", "Another reply already has this name. Choose a different one.")
}

/// Writes a new reply; a retry with the same key writes none.
///
/// # Errors
/// [`Refusal::Invalid`] for a name or text that does not fit or a name that is taken; a role too low.
pub async fn create(app: &App, scope: &Scope, key: &str, name: &str, body: &str) -> Result<CannedReplyId> {
    scope.require(Role::Triager)?;
    let (name, body) = check_reply(name, body)?;
    let now = app.now();
    let once = IdempotentWrite::form(format!("reply:{}", scope.project()), key, Fingerprint::of([&name, &body]));
    let reply = CannedReply { id: app.id(), project: scope.project(), name, body, created_at: now, updated_at: now, version: 1 };
    let (scope, entry) = (*scope, app.id::<HistoryId>());
    app.store
        .write_idempotent(once, now, move |tx| {
            Box::pin(async move {
                if tx.count_replies(scope.project()).await? >= MAX_REPLIES {
                    return Err(Refusal::field(
                        "name",
                        "too_many",
                        format!("A project can have at most {MAX_REPLIES} replies. Delete one first."),
                    )
                    .into());
                }
                if !tx.insert_reply(&reply).await? {
                    return Err(taken().into());
                }
                tx.insert_history(entry, reply.project, reply.id, scope.staff(), &HistoryChange::Created, now).await?;
                Ok(reply.id)
            })
        })
        .await
}

/// Changes name and text; gives what takes that back, if anything changed.
///
/// # Errors
/// As [`create`]; not found; [`Refusal::Conflict`] when someone else changed the reply since `version`.
pub async fn edit(app: &App, scope: &Scope, reply: CannedReplyId, version: i64, name: &str, body: &str) -> Result<Option<UndoId>> {
    scope.require(Role::Triager)?;
    let (name, body) = check_reply(name, body)?;
    let (scope, now, undo, entries) = (*scope, app.now(), app.id::<UndoId>(), [app.id(), app.id()]);
    app.store
        .write(move |tx| {
            Box::pin(async move {
                let mut held = tx.lock_reply(scope.project(), reply).await?.ok_or(Refusal::NotFound)?;
                if held.name == name && held.body == body {
                    return Ok(None);
                }
                if held.version != version {
                    let (who, at) = tx.last_edit(scope.project(), reply).await?.unwrap_or(("Someone".into(), held.updated_at));
                    return Err(Refusal::Conflict(format!("{who} changed this reply {}.", UTC.ago(at, now))).into());
                }
                let before = held.clone();
                put(tx, &scope, &mut held, name, body, entries, now).await?;
                let step = ReplyUndo::Changed { id: held.id, version: held.version, name: before.name, body: before.body };
                tx.save_undo(undo, None, &scope, &UndoAction::Reply(step), now).await
            })
        })
        .await
}

/// Writes another name and text over a reply that is held.
async fn put(
    tx: &mut Tx<'_>,
    scope: &Scope,
    held: &mut CannedReply,
    name: String,
    body: String,
    entries: [HistoryId; 2],
    now: Timestamp,
) -> Result<()> {
    let mut changes = Vec::new();
    if held.name != name {
        changes.push(HistoryChange::Renamed { from: std::mem::replace(&mut held.name, name.clone()), to: name });
    }
    if held.body != body {
        held.body = body;
        changes.push(HistoryChange::Described);
    }
    held.version += 1;
    held.updated_at = now;
    if !tx.update_reply(held).await? {
        return Err(taken().into());
    }
    for (entry, change) in entries.into_iter().zip(&changes) {
        tx.insert_history(entry, held.project, held.id, scope.staff(), change, now).await?;
    }
    Ok(())
}

/// Deletes a reply; gives its name and what takes that back.
///
/// # Errors
/// Not found; a role too low.
pub async fn delete(app: &App, scope: &Scope, reply: CannedReplyId) -> Result<(String, Option<UndoId>)> {
    scope.require(Role::Triager)?;
    let (scope, now, undo, entry) = (*scope, app.now(), app.id::<UndoId>(), app.id::<HistoryId>());
    app.store
        .write(move |tx| {
            Box::pin(async move {
                let held = tx.lock_reply(scope.project(), reply).await?.ok_or(Refusal::NotFound)?;
                tx.delete_reply(held.project, held.id).await?;
                tx.insert_history(entry, held.project, held.id, scope.staff(), &HistoryChange::Deleted, now).await?;
                let step = ReplyUndo::Deleted {
                    id: held.id,
                    name: held.name.clone(),
                    body: held.body,
                    created_at: held.created_at,
                    version: held.version,
                };
                Ok((held.name, tx.save_undo(undo, None, &scope, &UndoAction::Reply(step), now).await?))
            })
        })
        .await
}

/// Undoes a change to a reply, in the transaction that took it for undoing.
///
/// # Errors
/// [`Refusal::Conflict`] when the reply was changed again since, or its name is in use by now.
pub(crate) async fn take_back(tx: &mut Tx<'_>, scope: &Scope, entries: [HistoryId; 2], step: ReplyUndo, now: Timestamp) -> Result<()> {
    let stands = |why: &str| Refusal::Conflict(format!("{why} Nothing was undone."));
    match step {
        ReplyUndo::Changed { id, version, name, body } => {
            let held = tx.lock_reply(scope.project(), id).await?;
            let mut held = held.ok_or_else(|| stands("The reply has been deleted since."))?;
            if held.version != version {
                return Err(stands("The reply has changed since.").into());
            }
            match put(tx, scope, &mut held, name, body, entries, now).await {
                Err(error) if matches!(error.refusal(), Some(Refusal::Invalid(_))) => {
                    Err(stands("Another reply now has the previous name.").into())
                }
                other => other,
            }
        }
        ReplyUndo::Deleted { id, name, body, created_at, version } => {
            let again = CannedReply { id, project: scope.project(), name, body, created_at, updated_at: now, version: version + 1 };
            if !tx.insert_reply(&again).await? {
                return Err(stands("Another reply now has the name of the deleted one.").into());
            }
            tx.insert_history(entries[0], again.project, id, scope.staff(), &HistoryChange::Restored, now).await
        }
    }
}
