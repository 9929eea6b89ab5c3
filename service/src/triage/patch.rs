//! Atomic API update of several properties of a piece of feedback: all or none, and only if nothing else changed it.

use domain::{
    DomainError as Refusal,
    accounts::{Role, Scope},
    feedback::{Feedback, FeedbackChange, FeedbackStatus},
    ids::{FeedbackId, StaffId},
};
use store::Act;

use crate::{error::Result, state::App};

/// New values; `None` leaves a property unchanged.
#[derive(Debug, Clone, Default)]
pub struct FeedbackUpdate {
    /// The status.
    pub status: Option<FeedbackStatus>,
    /// The assignee, or none.
    pub assignee: Option<Option<StaffId>>,
    /// All tags, as stored.
    pub tags: Option<Vec<String>>,
}

/// Updates feedback at `version`.
///
/// # Errors
/// A role too low; not found; [`Refusal::Conflict`] at another version; a message for each invalid property.
pub async fn patch(app: &App, scope: &Scope, feedback: FeedbackId, version: i64, patch: FeedbackUpdate) -> Result<()> {
    scope.require(Role::Triager)?;
    app.store
        .act(app.context(scope), move |act| {
            Box::pin(async move {
                let mut held = act.feedback_for_update(feedback).await?.ok_or(Refusal::NotFound)?;
                fits(act, &held, version, patch.assignee).await?;
                let mut changes = Vec::new();
                if let Some(to) = patch.status {
                    if to == FeedbackStatus::Linked && held.status != to {
                        return Err(Refusal::field("status", "linked", "To set linked, link the feedback to a backlog item.").into());
                    }
                    changes.push(FeedbackChange::Status { from: held.status, to });
                }
                if let Some(to) = patch.assignee {
                    changes.push(FeedbackChange::Assigned { from: held.assignee, to });
                }
                if let Some(tags) = patch.tags {
                    let removed = held.tags.iter().filter(|tag| !tags.contains(tag)).cloned().collect();
                    changes.push(FeedbackChange::Tagged { added: tags, removed });
                }
                for change in changes {
                    if let Some(change) = change.rebased(&held) {
                        act.change_feedback(&mut held, &change).await?;
                    }
                }
                Ok(())
            })
        })
        .await
}

/// Checks common to all patches: nothing else changed `held`, and the assignee is a member of the project.
pub(crate) async fn fits(act: &mut Act<'_, '_>, held: &Feedback, version: i64, assignee: Option<Option<StaffId>>) -> Result<()> {
    let project = act.project();
    if held.version != version {
        return Err(Refusal::Conflict("This has changed since you read it. Fetch it again and retry.".into()).into());
    }
    if let Some(Some(staff)) = assignee
        && !act.is_member(project, staff).await?
    {
        return Err(Refusal::field("assignee_id", "unknown", "This person is not a member of the project.").into());
    }
    Ok(())
}
