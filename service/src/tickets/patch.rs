//! Atomic API update of several properties of a ticket: all or none, and only if nothing else changed it.

use domain::{
    DomainError as Refusal,
    accounts::{Role, Scope},
    feedback,
    history::HistoryChange,
    ids::{StaffId, TicketId},
    tickets::{Priority, TicketState, status_after_reply},
};
use store::tickets::TicketChange;

use super::note;
use crate::{error::Result, state::App, triage::patch::fits};

/// New values; `None` leaves a property unchanged.
#[derive(Debug, Clone, Default)]
pub struct TicketUpdate {
    /// The priority.
    pub priority: Option<Priority>,
    /// Whether it is closed.
    pub closed: Option<bool>,
    /// The assignee, or none.
    pub assignee: Option<Option<StaffId>>,
}

/// Updates a ticket whose feedback is at `version`.
///
/// # Errors
/// A role too low; not found; [`Refusal::Conflict`] at another version; an assignee who is not a member of the project.
pub async fn patch(app: &App, scope: &Scope, ticket: TicketId, version: i64, patch: TicketUpdate) -> Result<()> {
    scope.require(Role::Triager)?;
    app.store
        .act(app.context(scope), move |act| {
            Box::pin(async move {
                let now = act.now();
                let (mut ticket, mut held) = act.lock_ticket(ticket).await?.ok_or(Refusal::NotFound)?;
                fits(act, &held, version, patch.assignee).await?;
                if let Some(to) = patch.assignee
                    && let Some(change) = (feedback::FeedbackChange::Assigned { from: held.assignee, to }).rebased(&held)
                {
                    act.change_feedback(&mut held, &change).await?;
                }
                if let Some(to) = patch.priority.filter(|to| *to != ticket.priority) {
                    let change = HistoryChange::Prioritised { from: ticket.priority.label().into(), to: to.label().into() };
                    (ticket.priority, ticket.updated_at) = (to, now);
                    act.update_ticket(&ticket).await?;
                    act.record_on_feedback(&mut held, &change).await?;
                }
                if let Some(closed) = patch.closed.filter(|closed| *closed != (ticket.state == TicketState::Closed)) {
                    let linked = act.link_count(held.id).await? > 0;
                    let status = status_after_reply(held.status, linked, closed);
                    ticket.state = if closed { TicketState::Closed } else { TicketState::Open };
                    (ticket.resolved_at, ticket.updated_at) = (closed.then_some(now), now);
                    note(act, &ticket, &mut held, None, status).await?;
                    let change = if closed { TicketChange::Closed } else { TicketChange::Reopened };
                    act.ticket_event(&ticket, change).await?;
                }
                Ok(())
            })
        })
        .await
}
