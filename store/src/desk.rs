//! Desk queries over tickets, apart from their conversations: summaries for lists, and waiting times.

use std::collections::HashMap;

use domain::{
    Timestamp,
    accounts::Scope,
    desk::AGE_GROUPS,
    ids::FeedbackId,
    tickets::{Priority, TicketState},
};
use sqlx::FromRow;

use super::{Dialect, Store, id, or_instead};
use crate::error::Result;

/// A ticket in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketSummary {
    /// Its number in the project.
    pub number: i64,
    /// Its subject.
    pub subject: String,
    /// The priority set by the team.
    pub priority: Priority,
    /// Its state: whose turn it is.
    pub state: TicketState,
}

/// Number of open tickets in one state and one age group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenTicketCount {
    /// Ticket state: whose turn it is.
    pub state: TicketState,
    /// Index into [`AGE_GROUPS`].
    pub age: usize,
    /// Number of tickets.
    pub count: i64,
    /// Unassigned tickets among these.
    pub unassigned: i64,
    /// Urgent tickets among these.
    pub urgent: i64,
}

/// Data for the desk report, without spam.
#[derive(Debug, Clone, Default)]
pub struct DeskMetrics {
    /// All tickets ever created.
    pub total: i64,
    /// Tickets created in the reporting period.
    pub written: i64,
    /// Waiting times of tickets first answered in the period, in milliseconds.
    pub first_response: Vec<i64>,
    /// Resolution times of tickets closed in the period, in milliseconds.
    pub resolution: Vec<i64>,
    /// Open tickets.
    pub open: Vec<OpenTicketCount>,
    /// Number of open tickets without a first response, and the creation time of the oldest.
    pub unanswered: (i64, Option<Timestamp>),
}

/// Maximum number of times read for the report: the newest.
const MOST_TIMES: i64 = 100_000;

#[derive(FromRow)]
struct TicketSummaryRow {
    feedback_id: String,
    number: i64,
    subject: String,
    priority: String,
    state: String,
}

impl Store {
    /// Returns the tickets of these pieces of feedback in the scope's project, by feedback id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ticket_summaries(&self, scope: &Scope, ids: &[FeedbackId]) -> Result<HashMap<FeedbackId, TicketSummary>> {
        let sql = match self.dialect() {
            Dialect::Sqlite => {
                "SELECT t.feedback_id, t.number, t.subject, t.priority, t.state FROM json_each($2) j CROSS JOIN tickets t ON t.feedback_id = j.value \
                 WHERE t.project_id = $1"
            }
            Dialect::Postgres => {
                "SELECT t.feedback_id, t.number, t.subject, t.priority, t.state FROM tickets t \
                 JOIN json_array_elements_text(CAST($2 AS json)) j ON t.feedback_id = j WHERE t.project_id = $1"
            }
        };
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let rows: Vec<TicketSummaryRow> =
            sqlx::query_as(sql).bind(scope.project().to_string()).bind(serde_json::to_string(ids)?).fetch_all(self.reader()).await?;
        let head = |row: TicketSummaryRow| {
            let head = TicketSummary {
                number: row.number,
                subject: row.subject,
                priority: or_instead("priority", Priority::parse(&row.priority), Priority::Normal),
                state: state(&row.state)?,
            };
            Ok((id(&row.feedback_id)?, head))
        };
        rows.into_iter().map(head).collect()
    }

    /// Returns the desk metrics: times of events since `since`, and the open tickets at `now`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn desk_metrics(&self, scope: &Scope, since: Timestamp, now: Timestamp) -> Result<DeskMetrics> {
        let project = scope.project().to_string();
        let (total, written): (i64, i64) = sqlx::query_as(
            "SELECT COUNT(*), COALESCE(SUM(CASE WHEN t.created_at >= $2 THEN 1 ELSE 0 END), 0) FROM tickets t \
             JOIN feedback f ON f.id = t.feedback_id WHERE t.project_id = $1 AND f.status <> 'spam'",
        )
        .bind(project.clone())
        .bind(since.0)
        .fetch_one(self.reader())
        .await?;
        let first_response: Vec<i64> = sqlx::query_scalar(
            "SELECT t.first_response_at - t.created_at FROM tickets t JOIN feedback f ON f.id = t.feedback_id \
             WHERE t.project_id = $1 AND f.status <> 'spam' AND t.first_response_at >= $2 ORDER BY t.first_response_at DESC LIMIT $3",
        )
        .bind(project.clone())
        .bind(since.0)
        .bind(MOST_TIMES)
        .fetch_all(self.reader())
        .await?;
        let resolution: Vec<i64> = sqlx::query_scalar(
            "SELECT t.resolved_at - t.created_at FROM tickets t JOIN feedback f ON f.id = t.feedback_id \
             WHERE t.project_id = $1 AND f.status <> 'spam' AND t.resolved_at >= $2 ORDER BY t.resolved_at DESC LIMIT $3",
        )
        .bind(project.clone())
        .bind(since.0)
        .bind(MOST_TIMES)
        .fetch_all(self.reader())
        .await?;
        let unanswered: (i64, Option<i64>) = sqlx::query_as(
            "SELECT COUNT(*), MIN(t.created_at) FROM tickets t JOIN feedback f ON f.id = t.feedback_id \
             WHERE t.project_id = $1 AND f.status <> 'spam' AND t.state <> 'closed' AND t.first_response_at IS NULL",
        )
        .bind(project.clone())
        .fetch_one(self.reader())
        .await?;
        let [_, one, two, three, four] = AGE_GROUPS.map(|(_, age)| now.plus_ms(-age).0);
        let open: Vec<(String, i64, i64, i64, i64)> = sqlx::query_as(
            "SELECT o.state, o.age, COUNT(*), SUM(o.unassigned), SUM(o.urgent) FROM (SELECT t.state AS state, \
             CAST(CASE WHEN t.created_at <= $5 THEN 4 WHEN t.created_at <= $4 THEN 3 WHEN t.created_at <= $3 THEN 2 WHEN t.created_at <= $2 THEN 1 \
             ELSE 0 END AS BIGINT) AS age, \
             CASE WHEN f.assignee IS NULL THEN 1 ELSE 0 END AS unassigned, CASE WHEN t.priority = 'urgent' THEN 1 ELSE 0 END AS urgent \
             FROM tickets t JOIN feedback f ON f.id = t.feedback_id WHERE t.project_id = $1 AND f.status <> 'spam' AND t.state <> 'closed') o \
             GROUP BY o.state, o.age ORDER BY o.state, o.age",
        )
        .bind(project)
        .bind(one)
        .bind(two)
        .bind(three)
        .bind(four)
        .fetch_all(self.reader())
        .await?;
        let group = |(word, age, count, unassigned, urgent): (String, i64, i64, i64, i64)| {
            Ok(OpenTicketCount { state: state(&word)?, age: usize::try_from(age).unwrap_or_default(), count, unassigned, urgent })
        };
        Ok(DeskMetrics {
            total,
            written,
            first_response,
            resolution,
            open: open.into_iter().map(group).collect::<Result<_>>()?,
            unanswered: (unanswered.0, unanswered.1.map(Timestamp)),
        })
    }
}

fn state(word: &str) -> Result<TicketState> {
    Ok(or_instead("state of a ticket", TicketState::parse(word), TicketState::Open))
}
