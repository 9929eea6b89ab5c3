//! What a capability implements so that its changes can be undone. [`crate::undo`] lists the handlers.

use futures_util::future::BoxFuture;
use store::Act;

use crate::error::Result;

/// Undo handler of one capability.
pub(crate) struct UndoHandler {
    /// The name stored with the steps.
    pub kind: &'static str,
    /// Undoes one transaction's steps, in a transaction.
    pub run: for<'t, 'a, 'c> fn(&'t mut Act<'a, 'c>, String) -> BoxFuture<'t, Result<UndoOutcome>>,
}

/// Result of an undo.
#[derive(Debug, Clone, Default)]
pub struct UndoOutcome {
    /// Items changed back.
    pub changed: usize,
    /// Items that already had the value.
    pub same: usize,
    /// Why other items were not changed, one sentence each.
    pub conflicts: Vec<String>,
}

impl UndoOutcome {
    /// Creates the outcome for one item changed back.
    pub(crate) fn one() -> Self {
        Self { changed: 1, ..Self::default() }
    }
}
