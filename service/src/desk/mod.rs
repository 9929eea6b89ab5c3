//! How the desk is doing: how long people waited of late, and what waits now.

use domain::{
    Timestamp,
    accounts::{Role, Scope},
    desk::DurationStats,
};
use store::desk::OpenTicketCount;

use crate::{error::Result, state::App};

/// Days that the report looks back.
pub const REPORT_DAYS: i64 = 30;

/// The report.
#[derive(Debug, Clone)]
pub struct DeskReport {
    /// Tickets that there ever were, spam aside.
    pub total: i64,
    /// Written in the last [`REPORT_DAYS`].
    pub written: i64,
    /// How long those waited that were first answered in that time.
    pub first_response: DurationStats,
    /// How long those took that were closed in that time.
    pub resolution: DurationStats,
    /// What is open, by state and age.
    pub open: Vec<OpenTicketCount>,
    /// How many open tickets nobody has answered yet.
    pub unanswered: i64,
    /// When the oldest of them was written.
    pub oldest_unanswered: Option<Timestamp>,
}

/// The report on a project's tickets as they are now.
///
/// # Errors
/// When the database fails.
pub async fn report(app: &App, scope: &Scope) -> Result<DeskReport> {
    scope.require(Role::Viewer)?;
    let now = app.now();
    let numbers = app.store.desk_metrics(scope, now.plus_days(-REPORT_DAYS), now).await?;
    Ok(DeskReport {
        total: numbers.total,
        written: numbers.written,
        first_response: DurationStats::of(numbers.first_response),
        resolution: DurationStats::of(numbers.resolution),
        open: numbers.open,
        unanswered: numbers.unanswered.0,
        oldest_unanswered: numbers.unanswered.1,
    })
}
