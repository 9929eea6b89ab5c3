//! Backlog items, and the links between them and feedback.

mod evidence;
mod items;
mod links;

use domain::ids::{BacklogId, FeedbackId};
use serde::{Deserialize, Serialize};

pub use evidence::Evidence;
pub use items::{Filter, ListedItem};
pub use links::{LinkedFeedback, LinkedItem, Quoted};

/// Something done that can be taken back.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Step {
    /// A link was taken away.
    Unlinked {
        /// From what.
        feedback: FeedbackId,
        /// The item.
        item: BacklogId,
        /// What the link said.
        was: Quoted,
    },
    /// A link says something else.
    Requoted {
        /// Of what.
        feedback: FeedbackId,
        /// The item.
        item: BacklogId,
        /// Before.
        was: Quoted,
        /// After.
        is: Quoted,
    },
    /// Title or description changed.
    Edited {
        /// The item.
        item: BacklogId,
        /// The item's version after it.
        version: i64,
        /// The title before.
        title: String,
        /// The description before.
        body: String,
    },
}
