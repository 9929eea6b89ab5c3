//! How the desk is doing: how long people waited of late, and what waits now.

use domain::{
    Timestamp,
    accounts::{Role, Scope},
    desk::Times,
};
use store::desk::OpenTickets;

use crate::{error::Result, state::App};

/// Days that the report looks back.
pub const DAYS: i64 = 30;

/// The report.
#[derive(Debug, Clone)]
pub struct Report {
    /// Tickets that there ever were, spam aside.
    pub total: i64,
    /// Written in the last [`DAYS`].
    pub written: i64,
    /// How long those waited that were first answered in that time.
    pub first_response: Times,
    /// How long those took that were closed in that time.
    pub resolution: Times,
    /// What is open, by state and age.
    pub open: Vec<OpenTickets>,
    /// How many open tickets nobody has answered yet.
    pub unanswered: i64,
    /// When the oldest of them was written.
    pub oldest_unanswered: Option<Timestamp>,
}

/// The report on a project's tickets as they are now.
///
/// # Errors
/// When the database fails.
pub async fn report(app: &App, scope: &Scope) -> Result<Report> {
    scope.require(Role::Viewer)?;
    let now = app.now();
    let numbers = app.store.desk_numbers(scope, now.plus_days(-DAYS), now).await?;
    Ok(Report {
        total: numbers.total,
        written: numbers.written,
        first_response: Times::of(numbers.first_response),
        resolution: Times::of(numbers.resolution),
        open: numbers.open,
        unanswered: numbers.unanswered.0,
        oldest_unanswered: numbers.unanswered.1,
    })
}
