//! `/api/v1/desk/report`: waiting times and open tickets.

use axum::{extract::State, http::HeaderMap};
use domain::{
    Timestamp,
    accounts::Role,
    clock::DAY_MS,
    desk::{AGE_GROUPS, DurationStats},
};
use schemas::TicketState;
use serde::Serialize;
use service::{desk, state::AppState};
use utoipa::ToSchema;

use super::{caller::ApiCaller, problem::ApiHandlerResult, write_outcome};

/// How the desk is doing: open tickets, and waiting times of the last days. Spam is left out.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeskReport {
    /// How many days `opened`, `first_response` and `resolution` cover.
    days: i64,
    /// All tickets ever.
    total: i64,
    /// Tickets opened in these days.
    opened: i64,
    /// Waiting times of the tickets that were first answered in these days.
    first_response: DurationSummary,
    /// Durations of the tickets that were closed in these days.
    resolution: DurationSummary,
    /// Tickets that are not closed now, by state and age; groups without tickets are left out.
    open: Vec<OpenTickets>,
    /// Open tickets that nobody has answered.
    unanswered: i64,
    /// When the oldest of them was opened.
    #[schema(format = DateTime)]
    oldest_unanswered_at: Option<String>,
}

/// Durations in milliseconds. What too few tickets would say nothing about is null.
#[derive(Debug, Serialize, ToSchema)]
pub struct DurationSummary {
    tickets: usize,
    /// With five tickets or more.
    median_ms: Option<i64>,
    /// Lower end of the median's 95 % confidence interval.
    median_low_ms: Option<i64>,
    /// Upper end of the median's 95 % confidence interval.
    median_high_ms: Option<i64>,
    /// The duration that 90 % of the tickets did not exceed, with twenty tickets or more.
    p90_ms: Option<i64>,
}

/// Open tickets in one state and of one age.
#[derive(Debug, Serialize, ToSchema)]
pub struct OpenTickets {
    state: TicketState,
    /// Minimum age in days.
    age_from_days: i64,
    /// The age in days that they have not reached; null for the oldest group.
    age_to_days: Option<i64>,
    tickets: i64,
    /// How many have no assignee.
    unassigned: i64,
    /// How many are urgent.
    urgent: i64,
}

impl From<DurationStats> for DurationSummary {
    fn from(stats: DurationStats) -> Self {
        let (median_low_ms, median_high_ms) = stats.median_between.unzip();
        Self { tickets: stats.n, median_ms: stats.median, median_low_ms, median_high_ms, p90_ms: stats.p90 }
    }
}

/// Read the desk report
///
/// Open tickets by state and age, and how long requesters waited in the last 30 days.
#[utoipa::path(get, path = "/api/v1/desk/report", operation_id = "read_desk_report", tag = "Tickets",
    responses((status = 200, description = "The report.", body = DeskReport)))]
pub async fn read_desk_report(State(app): State<AppState>, caller: ApiCaller, headers: HeaderMap) -> ApiHandlerResult {
    let report = desk::report(&app, &caller.scope(Role::Viewer)?).await?;
    let days = |group: usize| AGE_GROUPS.get(group).map(|(_, from)| from / DAY_MS);
    let view = DeskReport {
        days: desk::REPORT_DAYS,
        total: report.total,
        opened: report.written,
        first_response: report.first_response.into(),
        resolution: report.resolution.into(),
        open: report
            .open
            .into_iter()
            .map(|group| OpenTickets {
                state: group.state.into(),
                age_from_days: days(group.age).unwrap_or_default(),
                age_to_days: days(group.age + 1),
                tickets: group.count,
                unassigned: group.unassigned,
                urgent: group.urgent,
            })
            .collect(),
        unanswered: report.unanswered,
        oldest_unanswered_at: report.oldest_unanswered.map(Timestamp::rfc3339),
    };
    write_outcome::conditional_response(&headers, &view)
}
