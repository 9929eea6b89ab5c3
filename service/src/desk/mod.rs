//! Desk report: recent waiting times and current backlog.

use domain::{
    Timestamp,
    accounts::{Role, Scope},
    desk::DurationStats,
};
use store::desk::OpenTicketCount;

use crate::{error::Result, state::App};

/// Days covered by the report.
pub const REPORT_DAYS: i64 = 30;

/// The report.
#[derive(Debug, Clone)]
pub struct DeskReport {
    /// Total tickets ever, excluding spam.
    pub total: i64,
    /// Tickets written in the last [`REPORT_DAYS`].
    pub written: i64,
    /// Waiting times of tickets first answered in that period.
    pub first_response: DurationStats,
    /// Durations of tickets closed in that period.
    pub resolution: DurationStats,
    /// Open tickets by state and age.
    pub open: Vec<OpenTicketCount>,
    /// Number of open tickets without an answer.
    pub unanswered: i64,
    /// When the oldest unanswered one was written.
    pub oldest_unanswered: Option<Timestamp>,
}

/// Returns the current report on a project's tickets.
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
