//! Backlog items, and the links between them and feedback.

mod evidence;
mod items;
mod links;

use domain::ids::{BacklogItemId, FeedbackId};
use serde::{Deserialize, Serialize};

pub use evidence::ItemEvidence;
pub use items::{BacklogFilter, ListedItem};
pub use links::{LinkContent, LinkedFeedback, LinkedItem};

/// Something done that can be taken back.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum BacklogUndo {
    /// A link was taken away.
    Unlinked {
        /// From what.
        feedback: FeedbackId,
        /// The item.
        item: BacklogItemId,
        /// What the link said.
        was: LinkContent,
    },
    /// A link says something else.
    Requoted {
        /// Of what.
        feedback: FeedbackId,
        /// The item.
        item: BacklogItemId,
        /// Before.
        was: LinkContent,
        /// After.
        is: LinkContent,
    },
    /// Title or description changed.
    Edited {
        /// The item.
        item: BacklogItemId,
        /// The item's version after it.
        version: i64,
        /// The title before.
        title: String,
        /// The description before.
        body: String,
    },
}
