//! Undo: every capability stores its own steps and registers here how to undo them.

use domain::{
    DomainError as Refusal,
    accounts::{Role, Scope},
    ids::UndoId,
};
use store::{Act, undo::StoredUndo};

use crate::{
    backlog,
    error::Result,
    replies,
    state::App,
    triage,
    undo_handler::{UndoHandler, UndoOutcome},
};

/// One line for each capability.
const HANDLERS: [UndoHandler; 3] = [triage::UNDO, backlog::UNDO, replies::UNDO];

/// Undoes a change by the same actor, except where it has changed again since.
///
/// # Errors
/// [`Refusal::NotFound`] for an unknown or used token, [`Refusal::Conflict`] if everything has changed since.
pub async fn undo(app: &App, scope: &Scope, token: UndoId) -> Result<UndoOutcome> {
    scope.require(Role::Triager)?;
    scope.actor_id().ok_or(Refusal::Forbidden)?;
    let mut all: Option<UndoOutcome> = None;
    // An act of several transactions is undone in as many.
    while let Some(done) = app.store.act(app.context(scope), move |act| Box::pin(undo_next(act, token))).await? {
        let all = all.get_or_insert_default();
        all.changed += done.changed;
        all.same += done.same;
        all.conflicts.extend(done.conflicts);
    }
    let all = all.ok_or(Refusal::NotFound)?;
    if all.changed == 0
        && let Some(why) = all.conflicts.first()
    {
        return Err(Refusal::Conflict(format!("{why} Nothing was undone.")).into());
    }
    Ok(all)
}

/// Undoes the next part; `None` if nothing is left.
async fn undo_next(act: &mut Act<'_, '_>, token: UndoId) -> Result<Option<UndoOutcome>> {
    act.ensure_authorized(Role::Triager).await?;
    let Some(stored) = act.take_undo(token).await? else { return Ok(None) };
    let kind = kind_of(&stored);
    let handler = HANDLERS.iter().find(|handler| handler.kind == kind).ok_or(Refusal::NotFound)?;
    (handler.run)(act, stored.steps).await.map(Some)
}

/// Returns the capability that stored these steps. A node of an older version does not store it; then the format decides.
fn kind_of(stored: &StoredUndo) -> &str {
    match stored.kind.as_str() {
        "" if stored.steps.starts_with('[') => triage::UNDO.kind,
        "" if stored.steps.starts_with("{\"reply\"") => replies::UNDO.kind,
        "" => backlog::UNDO.kind,
        kind => kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_older_nodes_are_told_by_their_format() {
        let kind = |kind: &str, steps: &str| kind_of(&StoredUndo { kind: kind.into(), steps: steps.into() }).to_owned();
        assert_eq!(kind("", "[{\"feedback\":1}]"), "feedback");
        assert_eq!(kind("", "{\"reply\":\"deleted\"}"), "reply");
        assert_eq!(kind("", "{\"what\":\"edited\"}"), "backlog");
        assert_eq!(kind("reply", "[]"), "reply");
    }
}
