//! Backlog items, and the links between them and feedback.

mod evidence;
mod items;
mod links;

use domain::ids::{BacklogItemId, FeedbackId};
use serde::{Deserialize, Serialize};

pub use evidence::ItemEvidence;
pub(crate) use items::status;
pub use items::{BacklogFilter, ListedItem};
pub(crate) use links::importance;
pub use links::{LinkContent, LinkedFeedback, LinkedItem};

/// An undoable backlog operation.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum BacklogUndo {
    /// A link was removed.
    Unlinked {
        /// The feedback.
        feedback: FeedbackId,
        /// The item.
        item: BacklogItemId,
        /// The link's content before.
        was: LinkContent,
    },
    /// A link's content changed.
    Requoted {
        /// The feedback.
        feedback: FeedbackId,
        /// The item.
        item: BacklogItemId,
        /// Content before.
        was: LinkContent,
        /// Content after.
        is: LinkContent,
    },
    /// Title or description changed.
    Edited {
        /// The item.
        item: BacklogItemId,
        /// The item's version after the change.
        version: i64,
        /// The title before.
        title: String,
        /// The description before.
        body: String,
    },
}
