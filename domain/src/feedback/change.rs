//! A change to one piece of feedback, exact enough to be undone. The version shown to people is [`crate::history::HistoryChange`].

use serde::{Deserialize, Serialize};

use super::{Feedback, FeedbackStatus};
use crate::{history, ids::StaffId};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum FeedbackChange {
    /// The status.
    Status {
        /// Before.
        from: FeedbackStatus,
        /// After.
        to: FeedbackStatus,
    },
    /// The assignee, or nobody.
    Assigned {
        /// Before.
        from: Option<StaffId>,
        /// After.
        to: Option<StaffId>,
    },
    /// Tags.
    Tagged {
        /// Tags added.
        added: Vec<String>,
        /// Tags removed.
        removed: Vec<String>,
    },
}

impl FeedbackChange {
    /// The change that undoes this one.
    #[must_use]
    pub fn inverse(self) -> Self {
        match self {
            Self::Status { from, to } => Self::Status { from: to, to: from },
            Self::Assigned { from, to } => Self::Assigned { from: to, to: from },
            Self::Tagged { added, removed } => Self::Tagged { added: removed, removed: added },
        }
    }

    /// The part of the change that still applies to the item in its current state; `None` if nothing is left to change.
    #[must_use]
    pub fn rebased(self, now: &Feedback) -> Option<Self> {
        match self {
            Self::Status { to, .. } => (now.status != to).then_some(Self::Status { from: now.status, to }),
            Self::Assigned { to, .. } => (now.assignee != to).then_some(Self::Assigned { from: now.assignee, to }),
            Self::Tagged { mut added, mut removed } => {
                added.sort();
                added.dedup();
                added.retain(|tag| !now.tags.contains(tag));
                removed.retain(|tag| now.tags.contains(tag));
                (!added.is_empty() || !removed.is_empty()).then_some(Self::Tagged { added, removed })
            }
        }
    }

    /// Returns whether `happened` changed the same part of the item, so that this change would overwrite it. Tags never conflict.
    #[must_use]
    pub fn conflicts_with(&self, happened: &history::HistoryChange) -> bool {
        matches!(
            (self, happened),
            (
                Self::Status { .. },
                history::HistoryChange::Status { .. } | history::HistoryChange::Solved | history::HistoryChange::Reopened
            ) | (Self::Assigned { .. }, history::HistoryChange::Assigned { .. })
        )
    }

    /// The entry for the history; `name` returns the name of a team member.
    #[must_use]
    pub fn to_history(&self, name: impl Fn(StaffId) -> String) -> history::HistoryChange {
        match self {
            Self::Status { from, to } => history::HistoryChange::Status { from: from.label().into(), to: to.label().into() },
            Self::Assigned { from, to } => history::HistoryChange::Assigned { from: from.map(&name), to: to.map(&name) },
            Self::Tagged { added, removed } => history::HistoryChange::Tagged { added: added.clone(), removed: removed.clone() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_back_twice_stands() {
        let change = FeedbackChange::Tagged { added: vec!["a".into()], removed: vec!["b".into()] };
        assert_eq!(change.clone().inverse().inverse(), change);
    }

    #[test]
    fn only_the_same_part_is_contested_and_tags_never() {
        let status = FeedbackChange::Status { from: FeedbackStatus::New, to: FeedbackStatus::Spam };
        let tagged = FeedbackChange::Tagged { added: vec!["a".into()], removed: vec![] };
        assert!(status.conflicts_with(&history::HistoryChange::Status { from: "New".into(), to: "Resolved".into() }));
        assert!(!status.conflicts_with(&history::HistoryChange::Commented));
        assert!(!tagged.conflicts_with(&tagged.to_history(|_| String::new())));
    }
}
