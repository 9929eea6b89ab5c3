//! Several properties of one ticket changed at once, for programs: all or none, and only if nothing else changed it.

use domain::{
    DomainError as Refusal,
    accounts::{Role, Scope},
    feedback,
    history::HistoryChange,
    ids::{HistoryId, StaffId, TicketId},
    tickets::{Priority, TicketState, status_after_reply},
    webhooks::EventKind,
};

use super::{TicketHistoryIds, note};
use crate::{error::Result, state::App, triage::patch::fits};

/// What becomes different; `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct TicketUpdate {
    /// How urgent it is.
    pub priority: Option<Priority>,
    /// Whether it is closed.
    pub closed: Option<bool>,
    /// Who takes care of it, or nobody.
    pub assignee: Option<Option<StaffId>>,
}

/// Changes a ticket whose feedback is at `version`.
///
/// # Errors
/// A role too low; not found; [`Refusal::Conflict`] at another version; an assignee who does not work in the project.
pub async fn patch(app: &App, scope: &Scope, ticket: TicketId, version: i64, patch: TicketUpdate) -> Result<()> {
    scope.require(Role::Triager)?;
    let (scope, now, entries) = (*scope, app.now(), TicketHistoryIds::new(app));
    let (assigned, prioritised): (HistoryId, HistoryId) = (app.id(), app.id());
    app.store
        .write(move |tx| {
            Box::pin(async move {
                let (mut ticket, mut held) = tx.lock_ticket(&scope, ticket).await?.ok_or(Refusal::NotFound)?;
                fits(tx, &scope, &held, version, patch.assignee).await?;
                if let Some(to) = patch.assignee
                    && let Some(change) = (feedback::FeedbackChange::Assigned { from: held.assignee, to }).rebased(&held)
                {
                    tx.change_feedback(&mut held, scope.staff(), assigned, now, &change).await?;
                }
                if let Some(to) = patch.priority.filter(|to| *to != ticket.priority) {
                    let change = HistoryChange::Prioritised { from: ticket.priority.label().into(), to: to.label().into() };
                    (ticket.priority, ticket.updated_at) = (to, now);
                    tx.update_ticket(&ticket).await?;
                    tx.update_feedback_with_history(&mut held, scope.staff(), prioritised, now, &change).await?;
                }
                if let Some(closed) = patch.closed.filter(|closed| *closed != (ticket.state == TicketState::Closed)) {
                    let linked = tx.link_count(held.id).await? > 0;
                    let status = status_after_reply(held.status, linked, closed);
                    ticket.state = if closed { TicketState::Closed } else { TicketState::Open };
                    (ticket.resolved_at, ticket.updated_at) = (closed.then_some(now), now);
                    note(tx, &scope, &ticket, &mut held, entries, None, status, now).await?;
                    let kind = if closed { EventKind::TicketClosed } else { EventKind::TicketReopened };
                    tx.ticket_event(entries.told[0], kind, &ticket, None, now).await?;
                }
                Ok(())
            })
        })
        .await
}
