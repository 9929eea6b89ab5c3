//! Undo: every capability keeps its own steps, and says here how they are undone.

use domain::{
    DomainError as Refusal,
    accounts::{Role, Scope},
    ids::UndoId,
};
use futures_util::future::BoxFuture;
use store::{Act, undo::KeptUndo};

use crate::{backlog, error::Result, replies, state::App, triage};

/// How one capability undoes what it kept.
pub(crate) struct UndoHandler {
    /// The name under which the steps are kept; stored.
    pub kind: &'static str,
    /// Undoes the steps of one transaction, in a transaction.
    pub run: for<'t, 'a, 'c> fn(&'t mut Act<'a, 'c>, String) -> BoxFuture<'t, Result<UndoOutcome>>,
}

/// One line for each capability.
const HANDLERS: [UndoHandler; 3] = [triage::UNDO, backlog::UNDO, replies::UNDO];

/// What undoing did.
#[derive(Debug, Clone, Default)]
pub struct UndoOutcome {
    /// Items changed back.
    pub changed: usize,
    /// Items that were so already.
    pub same: usize,
    /// Why other items were left alone, a sentence each.
    pub conflicts: Vec<String>,
}

impl UndoOutcome {
    /// One thing was changed back.
    pub(crate) fn one() -> Self {
        Self { changed: 1, ..Self::default() }
    }
}

/// Undoes something that the same person did, except where it was changed again since.
///
/// # Errors
/// [`Refusal::NotFound`] for an unknown token or one used before, [`Refusal::Conflict`] when everything was changed since.
pub async fn undo(app: &App, scope: &Scope, token: UndoId) -> Result<UndoOutcome> {
    scope.require(Role::Triager)?;
    scope.staff().ok_or(Refusal::Forbidden)?;
    let mut all: Option<UndoOutcome> = None;
    // What was done in several transactions is undone in as many.
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

/// Undoes the next part; `None` when nothing is left.
async fn undo_next(act: &mut Act<'_, '_>, token: UndoId) -> Result<Option<UndoOutcome>> {
    act.ensure_authorized(Role::Triager).await?;
    let Some(kept) = act.take_undo(token).await? else { return Ok(None) };
    let kind = kind_of(&kept);
    let handler = HANDLERS.iter().find(|handler| handler.kind == kind).ok_or(Refusal::NotFound)?;
    (handler.run)(act, kept.steps).await.map(Some)
}

/// The capability that kept these steps. A node of an older version beside this one does not write it; then the format tells.
fn kind_of(kept: &KeptUndo) -> &str {
    match kept.kind.as_str() {
        "" if kept.steps.starts_with('[') => triage::UNDO.kind,
        "" if kept.steps.starts_with("{\"reply\"") => replies::UNDO.kind,
        "" => backlog::UNDO.kind,
        kind => kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_older_nodes_are_told_by_their_format() {
        let kind = |kind: &str, steps: &str| kind_of(&KeptUndo { kind: kind.into(), steps: steps.into() }).to_owned();
        assert_eq!(kind("", "[{\"feedback\":1}]"), "feedback");
        assert_eq!(kind("", "{\"reply\":\"deleted\"}"), "reply");
        assert_eq!(kind("", "{\"what\":\"edited\"}"), "backlog");
        assert_eq!(kind("reply", "[]"), "reply");
    }
}
