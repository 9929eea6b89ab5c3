//! Changes to feedback and backlog items, as stored in `history` and shown to people.

use serde::{Deserialize, Serialize};

/// One change. Stored as JSON with the variant under `what`; labels and names are those at the time of the change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum HistoryChange {
    /// It was created.
    Created,
    /// The status went from one label to another.
    Status {
        /// The label before.
        from: String,
        /// The label after.
        to: String,
    },
    /// The assignee changed; names, `None` for nobody.
    Assigned {
        /// Before.
        from: Option<String>,
        /// After.
        to: Option<String>,
    },
    /// Tags were added or removed.
    Tagged {
        /// New ones.
        added: Vec<String>,
        /// Removed ones.
        removed: Vec<String>,
    },
    /// Someone left a comment.
    Commented,
    /// Feedback and a backlog item were linked.
    Linked {
        /// The item's number.
        item: i64,
        /// The item's title.
        title: String,
        /// The feedback's id.
        feedback: String,
    },
    /// The link was removed.
    Unlinked {
        /// The item's number.
        item: i64,
        /// The item's title.
        title: String,
        /// The feedback's id.
        feedback: String,
    },
    /// The quote of a link changed.
    Requoted {
        /// The item's number.
        item: i64,
        /// The item's title.
        title: String,
        /// The feedback's id.
        feedback: String,
    },
    /// The importance of a link changed.
    Reweighed {
        /// The item's number.
        item: i64,
        /// The item's title.
        title: String,
        /// The feedback's id.
        feedback: String,
        /// The new importance, as a label.
        to: String,
    },
    /// The title changed.
    Renamed {
        /// Before.
        from: String,
        /// After.
        to: String,
    },
    /// The body changed.
    Described,
    /// It was deleted.
    Deleted,
    /// It was restored after being deleted.
    Restored,
    /// The respondent added answers to a response.
    Answered,
    /// The respondent finished a partial response.
    Finished,
    /// The respondent changed the answers of a finished response.
    Reanswered,
    /// The team replied to the requester of a ticket.
    Replied,
    /// The team added a note to a ticket.
    Noted,
    /// The priority of a ticket changed; the labels.
    Prioritised {
        /// Before.
        from: String,
        /// After.
        to: String,
    },
    /// The requester of a ticket wrote again.
    Wrote,
    /// The requester marked a ticket as solved.
    Solved,
    /// The requester reopened a ticket.
    Reopened,
    /// The requester's link to a ticket was renewed.
    LinkRenewed,
    /// Written by a later version of the program.
    #[serde(other)]
    Unknown,
}

/// Kinds of entries about a link rather than the item itself.
pub const LINK_KINDS: [&str; 4] = ["linked", "unlinked", "requoted", "reweighed"];

impl HistoryChange {
    /// The stored name of the variant, as in `what` of the JSON: queries select by it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Status { .. } => "status",
            Self::Assigned { .. } => "assigned",
            Self::Tagged { .. } => "tagged",
            Self::Commented => "commented",
            Self::Linked { .. } => "linked",
            Self::Unlinked { .. } => "unlinked",
            Self::Requoted { .. } => "requoted",
            Self::Reweighed { .. } => "reweighed",
            Self::Renamed { .. } => "renamed",
            Self::Described => "described",
            Self::Deleted => "deleted",
            Self::Restored => "restored",
            Self::Answered => "answered",
            Self::Finished => "finished",
            Self::Reanswered => "reanswered",
            Self::Replied => "replied",
            Self::Noted => "noted",
            Self::Prioritised { .. } => "prioritised",
            Self::Wrote => "wrote",
            Self::Solved => "solved",
            Self::Reopened => "reopened",
            Self::LinkRenewed => "link_renewed",
            Self::Unknown => "unknown",
        }
    }

    /// The actor to show if it was not a team member.
    #[must_use]
    pub fn external_actor(&self) -> &'static str {
        match self {
            Self::Answered | Self::Finished | Self::Reanswered => "The respondent",
            Self::Wrote | Self::Solved | Self::Reopened => "The requester",
            Self::Replied | Self::Noted => "A program",
            _ => "Earshot",
        }
    }

    /// The change as a phrase after the actor's name: `changed the status from New to Triaged`.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Created => "created this".into(),
            Self::Status { from, to } => format!("changed the status from {from} to {to}"),
            Self::Assigned { to: Some(to), .. } => format!("assigned this to {to}"),
            Self::Assigned { from, to: None } => format!("unassigned this from {}", from.as_deref().unwrap_or("its assignee")),
            Self::Tagged { added, removed } => match (added.is_empty(), removed.is_empty()) {
                (false, false) => format!("added the tag {} and removed {}", added.join(", "), removed.join(", ")),
                (false, true) => format!("added the tag {}", added.join(", ")),
                _ => format!("removed the tag {}", removed.join(", ")),
            },
            Self::Commented => "commented".into(),
            Self::Linked { item, title, .. } => format!("linked feedback to #{item} {title}"),
            Self::Unlinked { item, title, .. } => format!("unlinked feedback from #{item} {title}"),
            Self::Requoted { item, title, .. } => format!("changed the quote of #{item} {title}"),
            Self::Reweighed { item, title, to, .. } => format!("changed the importance of #{item} {title} to {to}"),
            Self::Renamed { from, .. } => format!("changed the title from “{from}”"),
            Self::Described => "changed the description".into(),
            Self::Deleted => "deleted this".into(),
            Self::Restored => "restored this".into(),
            Self::Answered => "added answers".into(),
            Self::Finished => "finished the survey".into(),
            Self::Reanswered => "changed the answers".into(),
            Self::Replied => "replied to the requester".into(),
            Self::Noted => "added a note".into(),
            Self::Prioritised { from, to } => format!("changed the priority from {from} to {to}"),
            Self::Wrote => "wrote again".into(),
            Self::Solved => "closed this as solved".into(),
            Self::Reopened => "reopened this".into(),
            Self::LinkRenewed => "renewed the requester’s link".into(),
            Self::Unknown => "changed this".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each variant, except the one for later versions.
    fn one_of_each() -> Vec<HistoryChange> {
        let (from, to) = (|| "a".to_owned(), || "b".to_owned());
        let (item, title, feedback) = (3, || "Export".to_owned(), || "f".to_owned());
        vec![
            HistoryChange::Created,
            HistoryChange::Status { from: from(), to: to() },
            HistoryChange::Assigned { from: None, to: None },
            HistoryChange::Tagged { added: vec![], removed: vec![] },
            HistoryChange::Commented,
            HistoryChange::Linked { item, title: title(), feedback: feedback() },
            HistoryChange::Unlinked { item, title: title(), feedback: feedback() },
            HistoryChange::Requoted { item, title: title(), feedback: feedback() },
            HistoryChange::Reweighed { item, title: title(), feedback: feedback(), to: to() },
            HistoryChange::Renamed { from: from(), to: to() },
            HistoryChange::Described,
            HistoryChange::Deleted,
            HistoryChange::Restored,
            HistoryChange::Answered,
            HistoryChange::Finished,
            HistoryChange::Reanswered,
            HistoryChange::Replied,
            HistoryChange::Noted,
            HistoryChange::Prioritised { from: from(), to: to() },
            HistoryChange::Wrote,
            HistoryChange::Solved,
            HistoryChange::Reopened,
            HistoryChange::LinkRenewed,
        ]
    }

    #[test]
    fn the_column_and_the_json_name_the_same_kind() {
        let kinds: Vec<&str> = one_of_each().iter().map(HistoryChange::kind).collect();
        for change in one_of_each() {
            assert_eq!(serde_json::to_value(&change).unwrap()["what"], change.kind());
        }
        for kind in LINK_KINDS {
            assert!(kinds.contains(&kind), "{kind}");
        }
    }

    #[test]
    fn changes_are_told_and_later_ones_are_no_fault() {
        let change = HistoryChange::Status { from: "New".into(), to: "Triaged".into() };
        let json = serde_json::to_string(&change).unwrap();
        assert_eq!(serde_json::from_str::<HistoryChange>(&json).unwrap(), change);
        assert_eq!(change.sentence(), "changed the status from New to Triaged");
        assert_eq!((change.external_actor(), HistoryChange::Answered.external_actor()), ("Earshot", "The respondent"));
        let link = HistoryChange::Requoted { item: 3, title: "Export".into(), feedback: "f".into() };
        assert_eq!(link.sentence(), "changed the quote of #3 Export");
        assert_eq!(serde_json::from_str::<HistoryChange>(r#"{"what":"merged","with":3}"#).unwrap(), HistoryChange::Unknown);
    }
}
