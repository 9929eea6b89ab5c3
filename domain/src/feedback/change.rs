//! A change to one piece of feedback, exact enough to be taken back. What people read of it is [`crate::history::Change`].

use serde::{Deserialize, Serialize};

use super::{Feedback, Status};
use crate::{history, ids::StaffId};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Change {
    /// The status.
    Status {
        /// Before.
        from: Status,
        /// After.
        to: Status,
    },
    /// Who takes care of it, or nobody.
    Assigned {
        /// Before.
        from: Option<StaffId>,
        /// After.
        to: Option<StaffId>,
    },
    /// Tags.
    Tagged {
        /// Now there.
        added: Vec<String>,
        /// No longer there.
        removed: Vec<String>,
    },
}

impl Change {
    /// What takes it back.
    #[must_use]
    pub fn inverse(self) -> Self {
        match self {
            Self::Status { from, to } => Self::Status { from: to, to: from },
            Self::Assigned { from, to } => Self::Assigned { from: to, to: from },
            Self::Tagged { added, removed } => Self::Tagged { added: removed, removed: added },
        }
    }

    /// What is left of it for the item as it is now; `None` when the item is so already.
    #[must_use]
    pub fn fitted(self, now: &Feedback) -> Option<Self> {
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

    /// Whether what happened is about the same part of the item, so that this change would overwrite it. Tags only add up.
    #[must_use]
    pub fn contests(&self, happened: &history::Change) -> bool {
        matches!(
            (self, happened),
            (Self::Status { .. }, history::Change::Status { .. } | history::Change::Solved | history::Change::Reopened)
                | (Self::Assigned { .. }, history::Change::Assigned { .. })
        )
    }

    /// For the history; `name` gives the name of a member of the team.
    #[must_use]
    pub fn told(&self, name: impl Fn(StaffId) -> String) -> history::Change {
        match self {
            Self::Status { from, to } => history::Change::Status { from: from.label().into(), to: to.label().into() },
            Self::Assigned { from, to } => history::Change::Assigned { from: from.map(&name), to: to.map(&name) },
            Self::Tagged { added, removed } => history::Change::Tagged { added: added.clone(), removed: removed.clone() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_back_twice_stands() {
        let change = Change::Tagged { added: vec!["a".into()], removed: vec!["b".into()] };
        assert_eq!(change.clone().inverse().inverse(), change);
    }

    #[test]
    fn only_the_same_part_is_contested_and_tags_never() {
        let status = Change::Status { from: Status::New, to: Status::Spam };
        let tagged = Change::Tagged { added: vec!["a".into()], removed: vec![] };
        assert!(status.contests(&history::Change::Status { from: "New".into(), to: "Resolved".into() }));
        assert!(!status.contests(&history::Change::Commented));
        assert!(!tagged.contests(&tagged.told(|_| String::new())));
    }
}
