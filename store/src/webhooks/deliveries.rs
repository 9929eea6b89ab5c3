//! Deliveries of events to endpoints, and their attempts.

use domain::{
    Timestamp,
    accounts::Scope,
    ids::{EndpointId, EventId},
    webhooks::{DeliveryState, EventKind},
};
use sqlx::FromRow;

use crate::{Dialect, Store, Tx, error::Result, id, or_instead};

/// Delivery of one event to one endpoint, as displayed.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The event; also the receiver's `webhook-id`.
    pub event: EventId,
    /// Kind of the event.
    pub kind: Option<EventKind>,
    /// Its state.
    pub state: DeliveryState,
    /// Number of attempts so far.
    pub attempts: i64,
    /// When the next attempt is due.
    pub next_at: Timestamp,
    /// Time of the last attempt.
    pub last_at: Option<Timestamp>,
    /// Last HTTP status of the receiver.
    pub last_status: Option<i64>,
    /// Error of the last attempt.
    pub last_error: Option<String>,
    /// When the event occurred.
    pub created_at: Timestamp,
}

#[derive(FromRow)]
struct DeliveryRow {
    event_id: String,
    kind: String,
    state: String,
    #[sqlx(rename = "tries")]
    attempts: i64,
    next_at: i64,
    last_at: Option<i64>,
    last_status: Option<i64>,
    last_error: Option<String>,
    created_at: i64,
}

impl DeliveryRow {
    fn read(self) -> Result<Delivery> {
        Ok(Delivery {
            event: id(&self.event_id)?,
            kind: EventKind::parse(&self.kind),
            state: or_instead("state of a delivery", DeliveryState::parse(&self.state), DeliveryState::Dead),
            attempts: self.attempts,
            next_at: Timestamp(self.next_at),
            last_at: self.last_at.map(Timestamp),
            last_status: self.last_status,
            last_error: self.last_error,
            created_at: Timestamp(self.created_at),
        })
    }
}

/// One delivery attempt, as displayed.
#[derive(Debug, Clone, FromRow)]
pub struct DeliveryAttempt {
    /// Attempt number, starting at 1.
    pub n: i64,
    /// Time of the attempt, in milliseconds.
    pub at: i64,
    /// Duration in milliseconds.
    pub took_ms: i64,
    /// HTTP status of the response.
    pub status: Option<i64>,
    /// Why it failed.
    pub error: Option<String>,
    /// The beginning of the response body.
    pub excerpt: String,
}

/// A delivery claimed by this worker.
#[derive(Debug, Clone)]
pub struct ClaimedDelivery {
    /// The event.
    pub event: EventId,
    /// The receiving endpoint.
    pub endpoint: EndpointId,
    /// The payload.
    pub body: String,
    /// Number of the claim: distinguishes this worker's claim from a later one.
    pub claim: i64,
    /// Number of earlier attempts.
    pub attempts: i64,
    /// Failed attempts since it was last queued.
    pub failures: i64,
}

#[derive(FromRow)]
struct ClaimedDeliveryRow {
    event_id: String,
    endpoint_id: String,
    claims: i64,
    #[sqlx(rename = "tries")]
    attempts: i64,
    failures: i64,
    body: String,
}

/// Result of one attempt.
#[derive(Debug, Clone)]
pub struct AttemptResult {
    /// When it began.
    pub at: Timestamp,
    /// Duration in milliseconds.
    pub took_ms: i64,
    /// HTTP status of the response.
    pub status: Option<u16>,
    /// Why it failed; `None` for success.
    pub error: Option<String>,
    /// The beginning of the response body.
    pub excerpt: String,
}

/// State of a delivery after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// Delivered to the receiver.
    Delivered,
    /// It is retried at this time.
    RetryAt(Timestamp),
    /// It failed permanently.
    Abandoned,
}

impl Store {
    /// Counts the deliveries of each endpoint of the scope's project by state.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delivery_counts(&self, scope: &Scope) -> Result<Vec<(EndpointId, DeliveryState, i64)>> {
        let rows: Vec<(String, String, i64)> = sqlx::query_as(
            "SELECT endpoint_id, state, COUNT(*) FROM webhook_deliveries WHERE endpoint_id IN \
             (SELECT e.id FROM webhook_endpoints e WHERE e.project_id = $1) GROUP BY endpoint_id, state",
        )
        .bind(scope.project().to_string())
        .fetch_all(self.reader())
        .await?;
        rows.into_iter()
            .map(|(endpoint, state, n)| {
                let state = or_instead("state of a delivery", DeliveryState::parse(&state), DeliveryState::Dead);
                Ok((id(&endpoint)?, state, n))
            })
            .collect()
    }

    /// Returns deliveries to an endpoint of the scope's project, newest first, in one state or all, after a cursor (time and event id).
    ///
    /// # Errors
    /// When the database fails.
    pub async fn deliveries(
        &self,
        scope: &Scope,
        endpoint: EndpointId,
        state: Option<DeliveryState>,
        after: Option<(i64, String)>,
        limit: i64,
    ) -> Result<Vec<Delivery>> {
        let (at, event) = after.unwrap_or((i64::MAX, String::new()));
        let rows: Vec<DeliveryRow> = sqlx::query_as(
            "SELECT event_id, kind, state, tries, next_at, last_at, last_status, last_error, created_at FROM webhook_deliveries \
             WHERE endpoint_id = $1 AND project_id = $2 AND ($3 = '' OR state = $3) AND (created_at < $4 OR (created_at = $4 AND event_id < $5)) \
             ORDER BY created_at DESC, event_id DESC LIMIT $6",
        )
        .bind(endpoint.to_string())
        .bind(scope.project().to_string())
        .bind(state.map_or("", DeliveryState::as_str))
        .bind(at)
        .bind(event)
        .bind(limit)
        .fetch_all(self.reader())
        .await?;
        rows.into_iter().map(DeliveryRow::read).collect()
    }

    /// Returns one delivery with its payload and its attempts, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delivery(
        &self,
        scope: &Scope,
        endpoint: EndpointId,
        event: EventId,
    ) -> Result<Option<(Delivery, String, Vec<DeliveryAttempt>)>> {
        let row: Option<DeliveryRow> = sqlx::query_as(
            "SELECT event_id, kind, state, tries, next_at, last_at, last_status, last_error, created_at FROM webhook_deliveries \
             WHERE event_id = $1 AND endpoint_id = $2 AND project_id = $3",
        )
        .bind(event.to_string())
        .bind(endpoint.to_string())
        .bind(scope.project().to_string())
        .fetch_optional(self.reader())
        .await?;
        let Some(row) = row else { return Ok(None) };
        // The event may have been purged since the row above was read.
        let body: Option<String> = sqlx::query_scalar("SELECT body FROM webhook_events WHERE id = $1")
            .bind(event.to_string())
            .fetch_optional(self.reader())
            .await?;
        let Some(body) = body else { return Ok(None) };
        let attempts = sqlx::query_as(
            "SELECT n, at, took_ms, status, error, excerpt FROM webhook_attempts WHERE event_id = $1 AND endpoint_id = $2 ORDER BY n DESC LIMIT 50",
        )
        .bind(event.to_string())
        .bind(endpoint.to_string())
        .fetch_all(self.reader())
        .await?;
        Ok(Some((row.read()?, body, attempts)))
    }
}

impl Tx<'_> {
    /// Claims due deliveries of one endpoint, and leases them until `until`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim_deliveries(
        &mut self,
        endpoint: EndpointId,
        now: Timestamp,
        until: Timestamp,
        limit: i64,
    ) -> Result<Vec<ClaimedDelivery>> {
        let sql = match self.dialect() {
            Dialect::Sqlite => {
                "UPDATE webhook_deliveries SET next_at = $3, claims = claims + 1 WHERE endpoint_id = $1 AND event_id IN \
                 (SELECT d.event_id FROM webhook_deliveries d WHERE d.endpoint_id = $1 AND d.state = 'pending' AND d.next_at <= $2 \
                 ORDER BY d.next_at, d.event_id LIMIT $4) RETURNING event_id, endpoint_id, claims, tries, failures, \
                 (SELECT v.body FROM webhook_events v WHERE v.id = event_id) AS body"
            }
            Dialect::Postgres => {
                "UPDATE webhook_deliveries SET next_at = $3, claims = claims + 1 WHERE endpoint_id = $1 AND event_id IN \
                 (SELECT d.event_id FROM webhook_deliveries d WHERE d.endpoint_id = $1 AND d.state = 'pending' AND d.next_at <= $2 \
                 ORDER BY d.next_at, d.event_id FOR UPDATE SKIP LOCKED LIMIT $4) RETURNING event_id, endpoint_id, claims, tries, failures, \
                 (SELECT v.body FROM webhook_events v WHERE v.id = event_id) AS body"
            }
        };
        let rows: Vec<ClaimedDeliveryRow> =
            sqlx::query_as(sql).bind(endpoint.to_string()).bind(now.0).bind(until.0).bind(limit).fetch_all(self.conn()).await?;
        rows.into_iter()
            .map(|row| {
                Ok(ClaimedDelivery {
                    event: id(&row.event_id)?,
                    endpoint: id(&row.endpoint_id)?,
                    body: row.body,
                    claim: row.claims,
                    attempts: row.attempts,
                    failures: row.failures,
                })
            })
            .collect()
    }

    /// Records an attempt and its outcome; `false` if another worker has claimed the delivery, or a person cancelled it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record_attempt(&mut self, delivery: &ClaimedDelivery, tried: &AttemptResult, after: DeliveryOutcome) -> Result<bool> {
        let (state, next_at) = match after {
            DeliveryOutcome::Delivered => (DeliveryState::Delivered, tried.at),
            DeliveryOutcome::RetryAt(at) => (DeliveryState::Pending, at),
            DeliveryOutcome::Abandoned => (DeliveryState::Dead, tried.at),
        };
        let failed = i64::from(after != DeliveryOutcome::Delivered);
        let done = sqlx::query(
            "UPDATE webhook_deliveries SET state = $4, next_at = $5, tries = tries + 1, failures = failures + $6, last_at = $7, \
             last_status = CAST($8 AS BIGINT), last_error = $9 WHERE event_id = $1 AND endpoint_id = $2 AND claims = $3 AND state = 'pending'",
        )
        .bind(delivery.event.to_string())
        .bind(delivery.endpoint.to_string())
        .bind(delivery.claim)
        .bind(state.as_str())
        .bind(next_at.0)
        .bind(failed)
        .bind(tried.at.0)
        .bind(tried.status.map(i64::from))
        .bind(tried.error.clone())
        .execute(self.conn())
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query(
            "INSERT INTO webhook_attempts (event_id, endpoint_id, n, at, took_ms, status, error, excerpt) \
             VALUES ($1, $2, $3, $4, $5, CAST($6 AS BIGINT), $7, $8)",
        )
        .bind(delivery.event.to_string())
        .bind(delivery.endpoint.to_string())
        .bind(delivery.attempts + 1)
        .bind(tried.at.0)
        .bind(tried.took_ms)
        .bind(tried.status.map(i64::from))
        .bind(tried.error.clone())
        .bind(tried.excerpt.clone())
        .execute(self.conn())
        .await?;
        Ok(true)
    }

    /// Cancels all pending deliveries to an endpoint.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn stop_deliveries(&mut self, endpoint: EndpointId) -> Result<()> {
        sqlx::query(
            "UPDATE webhook_deliveries SET state = 'dead', last_error = 'The endpoint was turned off.' WHERE endpoint_id = $1 AND state = 'pending'",
        )
        .bind(endpoint.to_string())
        .execute(self.conn())
        .await?;
        Ok(())
    }

    /// Retries one delivery, or all failed ones. Returns the number of deliveries requeued.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn retry_deliveries(&mut self, scope: &Scope, endpoint: EndpointId, event: Option<EventId>, now: Timestamp) -> Result<u64> {
        let sql = match event {
            Some(_) => {
                "UPDATE webhook_deliveries SET state = 'pending', failures = 0, next_at = $4 \
                 WHERE endpoint_id = $1 AND project_id = $2 AND event_id = $3 AND state <> 'pending'"
            }
            None => {
                "UPDATE webhook_deliveries SET state = 'pending', failures = 0, next_at = $4 \
                 WHERE endpoint_id = $1 AND project_id = $2 AND $3 = '' AND state = 'dead'"
            }
        };
        let done = sqlx::query(sql)
            .bind(endpoint.to_string())
            .bind(scope.project().to_string())
            .bind(event.map(|e| e.to_string()).unwrap_or_default())
            .bind(now.0)
            .execute(self.conn())
            .await?;
        Ok(done.rows_affected())
    }

    /// Deletes up to `at_most` attempts, deliveries and events that are older than `before`. Returns the number of rows deleted.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn purge_webhooks(&mut self, before: Timestamp, at_most: i64) -> Result<u64> {
        let statements = [
            (
                "DELETE FROM webhook_attempts WHERE (event_id, endpoint_id, n) IN (SELECT t.event_id, t.endpoint_id, t.n FROM webhook_events e \
                 JOIN webhook_attempts t ON t.event_id = e.id WHERE e.created_at <= $1 LIMIT $2)",
                before,
            ),
            (
                "DELETE FROM webhook_deliveries WHERE (event_id, endpoint_id) IN (SELECT d.event_id, d.endpoint_id FROM webhook_events e \
                 JOIN webhook_deliveries d ON d.event_id = e.id WHERE e.created_at <= $1 AND NOT EXISTS \
                 (SELECT 1 FROM webhook_attempts t WHERE t.event_id = d.event_id AND t.endpoint_id = d.endpoint_id) LIMIT $2)",
                before,
            ),
            (
                "DELETE FROM webhook_events WHERE id IN (SELECT e.id FROM webhook_events e WHERE e.created_at <= $1 \
                 AND NOT EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.event_id = e.id) LIMIT $2)",
                before,
            ),
        ];
        self.purge_by(&statements, at_most).await
    }
}
