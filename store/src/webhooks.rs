//! Webhooks: endpoints, what happened (events), and its way to each endpoint (deliveries, attempts).

use domain::{
    Secret, Timestamp,
    accounts::{
        Role, Scope,
        authority::{Backing, Heir},
    },
    ids::{EndpointId, EventId, FeedbackId, ProjectId, StaffId},
    webhooks::{DeliveryState, EventKind},
};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::FromRow;

use super::{
    Dialect, Store, Tx,
    authority::{backing, heir},
    id, or_instead,
};
use crate::error::Result;

/// An address that is told what happens in a project.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Identity.
    pub id: EndpointId,
    /// Whose.
    pub project: ProjectId,
    /// Where to.
    pub url: String,
    /// What the team calls it; may be empty.
    pub note: String,
    /// What it wants to hear of.
    pub kinds: Vec<EventKind>,
    /// The secret that signs, `whsec_…`.
    pub secret: Secret<String>,
    /// The one before, and until when it signs along.
    pub old_secret: Option<(Secret<String>, Timestamp)>,
    /// Whether anything is sent.
    pub enabled: bool,
    /// Why the program itself turned it off.
    pub disabled_reason: Option<String>,
    /// Tries in a row that failed.
    pub failures: i64,
    /// Since when.
    pub failing_since: Option<Timestamp>,
    /// Whose authority it acts with: a person who must be an admin, or the project.
    pub answers_to: Option<StaffId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Grows with each change by a person.
    pub version: i64,
}

/// The columns of [`EndpointRow`].
macro_rules! columns {
    () => {
        "id, project_id, url, note, kinds, secret, old_secret, old_secret_until, enabled, disabled_reason, failures, failing_since, \
         created_by, handed_to, created_at, version"
    };
}

#[derive(FromRow)]
struct EndpointRow {
    id: String,
    project_id: String,
    url: String,
    note: String,
    kinds: String,
    secret: String,
    old_secret: Option<String>,
    old_secret_until: Option<i64>,
    enabled: i64,
    disabled_reason: Option<String>,
    failures: i64,
    failing_since: Option<i64>,
    created_by: Option<String>,
    handed_to: Option<String>,
    created_at: i64,
    version: i64,
}

impl EndpointRow {
    fn read(self) -> Result<Endpoint> {
        let answers_to = match backing(self.handed_to.as_deref().or(self.created_by.as_deref()), None)? {
            Backing::Project => None,
            Backing::Person(staff, _) => Some(staff),
        };
        Ok(Endpoint {
            answers_to,
            id: id(&self.id)?,
            project: id(&self.project_id)?,
            url: self.url,
            note: self.note,
            kinds: self.kinds.split(',').filter_map(EventKind::parse).collect(),
            secret: Secret(self.secret),
            old_secret: self.old_secret.map(Secret).zip(self.old_secret_until.map(Timestamp)),
            enabled: self.enabled != 0,
            disabled_reason: self.disabled_reason,
            failures: self.failures,
            failing_since: self.failing_since.map(Timestamp),
            created_at: Timestamp(self.created_at),
            version: self.version,
        })
    }
}

/// The kinds as stored: a comma before and after each, so that one pattern finds one kind.
fn joined(kinds: &[EventKind]) -> String {
    kinds.iter().fold(",".to_owned(), |list, kind| format!("{list}{},", kind.as_str()))
}

/// One event on its way to one endpoint, as people see it.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The event; also the `webhook-id` that the receiver sees.
    pub event: EventId,
    /// What happened.
    pub kind: Option<EventKind>,
    /// How far it has come.
    pub state: DeliveryState,
    /// Tries so far.
    pub tries: i64,
    /// When the next try is due.
    pub next_at: Timestamp,
    /// When the last try was.
    pub last_at: Option<Timestamp>,
    /// What the receiver answered last.
    pub last_status: Option<i64>,
    /// Why the last try failed.
    pub last_error: Option<String>,
    /// When it happened.
    pub created_at: Timestamp,
}

#[derive(FromRow)]
struct DeliveryRow {
    event_id: String,
    kind: String,
    state: String,
    tries: i64,
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
            tries: self.tries,
            next_at: Timestamp(self.next_at),
            last_at: self.last_at.map(Timestamp),
            last_status: self.last_status,
            last_error: self.last_error,
            created_at: Timestamp(self.created_at),
        })
    }
}

/// One try, as people see it.
#[derive(Debug, Clone, FromRow)]
pub struct Attempt {
    /// The how-manieth.
    pub n: i64,
    /// When, in milliseconds.
    pub at: i64,
    /// How long it took.
    pub took_ms: i64,
    /// What was answered.
    pub status: Option<i64>,
    /// Why it failed.
    pub error: Option<String>,
    /// The beginning of the answer.
    pub excerpt: String,
}

/// A delivery that this worker sends now.
#[derive(Debug, Clone)]
pub struct ClaimedDelivery {
    /// The event.
    pub event: EventId,
    /// Where to.
    pub endpoint: EndpointId,
    /// What is sent.
    pub body: String,
    /// Which claim this is: tells this holder from a later one.
    pub claim: i64,
    /// Tries before this one.
    pub tries: i64,
    /// Failed tries since it was last put on its way.
    pub failures: i64,
}

#[derive(FromRow)]
struct ClaimedRow {
    event_id: String,
    endpoint_id: String,
    claims: i64,
    tries: i64,
    failures: i64,
    body: String,
}

/// How one try went.
#[derive(Debug, Clone)]
pub struct Tried {
    /// When it began.
    pub at: Timestamp,
    /// How long it took.
    pub took_ms: i64,
    /// What was answered.
    pub status: Option<u16>,
    /// Why it failed; `None` for success.
    pub error: Option<String>,
    /// The beginning of the answer.
    pub excerpt: String,
}

/// Something that happened, not stored yet.
#[derive(Debug, Clone, Serialize)]
pub struct NewEvent {
    /// Identity.
    pub id: EventId,
    /// Whose.
    pub project: ProjectId,
    /// What.
    pub kind: String,
    /// What is sent.
    pub body: String,
    /// When.
    pub at: i64,
}

impl NewEvent {
    /// An event with its payload `{type, timestamp, data}`.
    #[must_use]
    pub fn new(id: EventId, project: ProjectId, kind: EventKind, data: &Value, now: Timestamp) -> Self {
        let body = json!({ "type": kind.as_str(), "timestamp": now.rfc3339(), "data": data }).to_string();
        Self { id, project, kind: kind.as_str().to_owned(), body, at: now.0 }
    }
}

/// What a delivery to one endpoint is, of a try that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// The receiver has it.
    Delivered,
    /// It is tried again then.
    Again(Timestamp),
    /// It is given up.
    GivenUp,
}

impl Store {
    /// The endpoints of the scope's project, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn endpoints(&self, scope: &Scope) -> Result<Vec<Endpoint>> {
        let rows: Vec<EndpointRow> =
            sqlx::query_as(concat!("SELECT ", columns!(), " FROM webhook_endpoints WHERE project_id = $1 ORDER BY created_at, id"))
                .bind(scope.project().to_string())
                .fetch_all(self.reader())
                .await?;
        rows.into_iter().map(EndpointRow::read).collect()
    }

    /// One endpoint of the scope's project.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn endpoint(&self, scope: &Scope, endpoint: EndpointId) -> Result<Option<Endpoint>> {
        let row: Option<EndpointRow> =
            sqlx::query_as(concat!("SELECT ", columns!(), " FROM webhook_endpoints WHERE project_id = $1 AND id = $2"))
                .bind(scope.project().to_string())
                .bind(endpoint.to_string())
                .fetch_optional(self.reader())
                .await?;
        row.map(EndpointRow::read).transpose()
    }

    /// How many deliveries of each endpoint of the scope's project are in each state.
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

    /// Deliveries to an endpoint of the scope's project, newest first, in one state or all, after one (its time and event).
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

    /// One delivery with what was sent and its tries, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delivery(&self, scope: &Scope, endpoint: EndpointId, event: EventId) -> Result<Option<(Delivery, String, Vec<Attempt>)>> {
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
        // It may have been purged since the row above was read.
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

    /// The endpoints, of all projects, that have something due.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn endpoints_due(&self, now: Timestamp) -> Result<Vec<Endpoint>> {
        let rows: Vec<EndpointRow> = sqlx::query_as(concat!(
            "SELECT ",
            columns!(),
            " FROM webhook_endpoints e WHERE e.enabled = 1 AND EXISTS (SELECT 1 FROM webhook_deliveries d \
             WHERE d.endpoint_id = e.id AND d.state = 'pending' AND d.next_at <= $1)"
        ))
        .bind(now.0)
        .fetch_all(self.reader())
        .await?;
        rows.into_iter().map(EndpointRow::read).collect()
    }

    /// The projects in which somebody wants to hear of feedback.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn projects_telling_feedback(&self) -> Result<Vec<ProjectId>> {
        let rows: Vec<String> =
            sqlx::query_scalar("SELECT DISTINCT project_id FROM webhook_endpoints WHERE enabled = 1 AND kinds LIKE '%,feedback.%'")
                .fetch_all(self.reader())
                .await?;
        rows.iter().map(|text| id(text)).collect()
    }

    /// How far the change sequence was told: transaction and sequence number.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn webhook_cursor(&self) -> Result<(i64, i64)> {
        Ok(sqlx::query_as("SELECT tx, seq FROM webhook_cursor WHERE id = 1").fetch_one(self.reader()).await?)
    }

    /// Those of these records that an import brought.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn imported_among(&self, ids: &[FeedbackId]) -> Result<Vec<FeedbackId>> {
        let sql = match self.dialect() {
            Dialect::Sqlite => "SELECT f.id FROM json_each($1) j CROSS JOIN feedback f ON f.id = j.value WHERE f.import_id IS NOT NULL",
            Dialect::Postgres => {
                "SELECT f.id FROM feedback f JOIN json_array_elements_text(CAST($1 AS json)) j ON f.id = j WHERE f.import_id IS NOT NULL"
            }
        };
        let rows: Vec<String> = sqlx::query_scalar(sql).bind(serde_json::to_string(ids)?).fetch_all(self.reader()).await?;
        rows.iter().map(|text| id(text)).collect()
    }
}

impl Tx<'_> {
    /// Tells the project's webhooks that something happened, once this transaction commits. `data` is what the receiver gets under `data`.
    /// Costs one look at a small table where nobody listens. For feedback nobody calls this: its events come from the change sequence.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn event(&mut self, event: EventId, project: ProjectId, kind: EventKind, data: &Value, now: Timestamp) -> Result<()> {
        let listens: Option<i64> = sqlx::query_scalar(
            "SELECT CAST(1 AS BIGINT) FROM webhook_endpoints WHERE project_id = $1 AND enabled = 1 AND kinds LIKE '%,' || $2 || ',%' LIMIT 1",
        )
        .bind(project.to_string())
        .bind(kind.as_str())
        .fetch_optional(self.conn())
        .await?;
        if listens.is_none() {
            return Ok(());
        }
        self.insert_events(&[NewEvent::new(event, project, kind, data, now)]).await
    }

    /// Stores events and puts them on their way to every endpoint that wants them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_events(&mut self, events: &[NewEvent]) -> Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        let sql = match self.dialect() {
            Dialect::Sqlite => {
                "INSERT INTO webhook_events (id, project_id, kind, body, created_at) \
                 SELECT j.value ->> 'id', j.value ->> 'project', j.value ->> 'kind', j.value ->> 'body', j.value ->> 'at' FROM json_each($1) j"
            }
            Dialect::Postgres => {
                "INSERT INTO webhook_events (id, project_id, kind, body, created_at) SELECT j.id, j.project, j.kind, j.body, j.at \
                 FROM json_to_recordset(CAST($1 AS json)) AS j (id TEXT, project TEXT, kind TEXT, body TEXT, at BIGINT)"
            }
        };
        sqlx::query(sql).bind(serde_json::to_string(events)?).execute(self.conn()).await?;
        let sql = match self.dialect() {
            Dialect::Sqlite => {
                "INSERT INTO webhook_deliveries (event_id, endpoint_id, project_id, kind, state, next_at, created_at) \
                 SELECT v.id, e.id, e.project_id, v.kind, 'pending', v.created_at, v.created_at FROM json_each($1) j \
                 CROSS JOIN webhook_events v ON v.id = j.value JOIN webhook_endpoints e ON e.project_id = v.project_id \
                 WHERE e.enabled = 1 AND e.kinds LIKE '%,' || v.kind || ',%'"
            }
            Dialect::Postgres => {
                "INSERT INTO webhook_deliveries (event_id, endpoint_id, project_id, kind, state, next_at, created_at) \
                 SELECT v.id, e.id, e.project_id, v.kind, 'pending', v.created_at, v.created_at \
                 FROM webhook_events v JOIN json_array_elements_text(CAST($1 AS json)) j ON v.id = j \
                 JOIN webhook_endpoints e ON e.project_id = v.project_id WHERE e.enabled = 1 AND e.kinds LIKE '%,' || v.kind || ',%'"
            }
        };
        let ids: Vec<EventId> = events.iter().map(|e| e.id).collect();
        sqlx::query(sql).bind(serde_json::to_string(&ids)?).execute(self.conn()).await?;
        Ok(())
    }

    /// Stores an event for one endpoint alone, whatever it listens to.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_event_for(&mut self, event: &NewEvent, endpoint: EndpointId) -> Result<()> {
        sqlx::query("INSERT INTO webhook_events (id, project_id, kind, body, created_at) VALUES ($1, $2, $3, $4, $5)")
            .bind(event.id.to_string())
            .bind(event.project.to_string())
            .bind(event.kind.clone())
            .bind(event.body.clone())
            .bind(event.at)
            .execute(self.conn())
            .await?;
        sqlx::query(
            "INSERT INTO webhook_deliveries (event_id, endpoint_id, project_id, kind, state, next_at, created_at) \
             VALUES ($1, $2, $3, $4, 'pending', $5, $5)",
        )
        .bind(event.id.to_string())
        .bind(endpoint.to_string())
        .bind(event.project.to_string())
        .bind(event.kind.clone())
        .bind(event.at)
        .execute(self.conn())
        .await?;
        Ok(())
    }

    /// Moves the place up to which feedback was told; `false` when another node did so meanwhile.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn move_webhook_cursor(&mut self, from: (i64, i64), to: (i64, i64)) -> Result<bool> {
        let done = sqlx::query("UPDATE webhook_cursor SET tx = $3, seq = $4 WHERE id = 1 AND tx = $1 AND seq = $2")
            .bind(from.0)
            .bind(from.1)
            .bind(to.0)
            .bind(to.1)
            .execute(self.conn())
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Before an endpoint is made, or turned on: if nobody listened to feedback until now, telling begins here and not where it once ended.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin_telling(&mut self) -> Result<()> {
        // Whoever comes second waits here, and then sees the endpoint of the first.
        sqlx::query("UPDATE webhook_cursor SET seq = seq WHERE id = 1").execute(self.conn()).await?;
        let listening: Option<String> =
            sqlx::query_scalar("SELECT id FROM webhook_endpoints WHERE enabled = 1 AND kinds LIKE '%,feedback.%' LIMIT 1")
                .fetch_optional(self.conn())
                .await?;
        if listening.is_none() {
            let (tx, seq) = self.last_settled().await?.unwrap_or_default();
            sqlx::query("UPDATE webhook_cursor SET tx = $1, seq = $2 WHERE id = 1").bind(tx).bind(seq).execute(self.conn()).await?;
        }
        Ok(())
    }

    /// How many endpoints a project has.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn endpoint_count(&mut self, project: ProjectId) -> Result<i64> {
        Ok(sqlx::query_scalar("SELECT COUNT(*) FROM webhook_endpoints WHERE project_id = $1")
            .bind(project.to_string())
            .fetch_one(self.conn())
            .await?)
    }

    /// Adds an endpoint.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_endpoint(&mut self, scope: &Scope, endpoint: &Endpoint) -> Result<()> {
        sqlx::query(
            "INSERT INTO webhook_endpoints (id, project_id, url, note, kinds, secret, enabled, created_by, created_at, updated_at, version) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10)",
        )
        .bind(endpoint.id.to_string())
        .bind(endpoint.project.to_string())
        .bind(endpoint.url.clone())
        .bind(endpoint.note.clone())
        .bind(joined(&endpoint.kinds))
        .bind(endpoint.secret.0.clone())
        .bind(i64::from(endpoint.enabled))
        .bind(scope.staff().map(|s| s.to_string()))
        .bind(endpoint.created_at.0)
        .bind(endpoint.version)
        .execute(self.conn())
        .await?;
        Ok(())
    }

    /// The endpoints of a project that are on and act with the authority of `staff`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn endpoints_of(&mut self, project: ProjectId, staff: StaffId) -> Result<Vec<EndpointId>> {
        let rows: Vec<String> = sqlx::query_scalar(
            "SELECT id FROM webhook_endpoints WHERE project_id = $1 AND COALESCE(handed_to, created_by) = $2 AND enabled = 1 ORDER BY id",
        )
        .bind(project.to_string())
        .bind(staff.to_string())
        .fetch_all(self.conn())
        .await?;
        rows.iter().map(|text| id(text)).collect()
    }

    /// Whether whoever an endpoint acts for is an admin of its project now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn endpoint_is_backed(&mut self, endpoint: &Endpoint, now: Timestamp) -> Result<bool> {
        let Some(staff) = endpoint.answers_to else { return Ok(true) };
        Ok(self.present_role(endpoint.project, staff, now).await?.is_some_and(|role| role >= Role::Admin))
    }

    /// An endpoint of the scope's project, held until this transaction ends.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn hold_endpoint(&mut self, scope: &Scope, endpoint: EndpointId) -> Result<Option<Endpoint>> {
        let sql = match self.dialect() {
            Dialect::Sqlite => concat!("SELECT ", columns!(), " FROM webhook_endpoints WHERE project_id = $1 AND id = $2"),
            Dialect::Postgres => concat!("SELECT ", columns!(), " FROM webhook_endpoints WHERE project_id = $1 AND id = $2 FOR UPDATE"),
        };
        let row: Option<EndpointRow> =
            sqlx::query_as(sql).bind(scope.project().to_string()).bind(endpoint.to_string()).fetch_optional(self.conn()).await?;
        row.map(EndpointRow::read).transpose()
    }

    /// Writes an endpoint that is held and was changed by a person.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn update_endpoint(&mut self, endpoint: &Endpoint, now: Timestamp) -> Result<()> {
        let (old, until) = endpoint.old_secret.as_ref().map(|(s, t)| (s.0.clone(), t.0)).unzip();
        sqlx::query(
            "UPDATE webhook_endpoints SET url = $3, note = $4, kinds = $5, secret = $6, old_secret = $7, old_secret_until = $8, enabled = $9, \
             disabled_reason = $10, failures = $11, failing_since = $12, updated_at = $13, handed_to = $14, version = version + 1 \
             WHERE id = $1 AND project_id = $2",
        )
        .bind(endpoint.id.to_string())
        .bind(endpoint.project.to_string())
        .bind(endpoint.url.clone())
        .bind(endpoint.note.clone())
        .bind(joined(&endpoint.kinds))
        .bind(endpoint.secret.0.clone())
        .bind(old)
        .bind(until)
        .bind(i64::from(endpoint.enabled))
        .bind(endpoint.disabled_reason.clone())
        .bind(endpoint.failures)
        .bind(endpoint.failing_since.map(|t| t.0))
        .bind(now.0)
        .bind(heir(endpoint.answers_to.map_or(Heir::Project, Heir::Member)))
        .execute(self.conn())
        .await?;
        Ok(())
    }

    /// Removes an endpoint with its deliveries; events that nobody else gets go with the next tidying up.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_endpoint(&mut self, scope: &Scope, endpoint: EndpointId) -> Result<bool> {
        for sql in [
            "DELETE FROM webhook_attempts WHERE endpoint_id = $1 AND EXISTS \
             (SELECT 1 FROM webhook_endpoints e WHERE e.id = webhook_attempts.endpoint_id AND e.project_id = $2)",
            "DELETE FROM webhook_deliveries WHERE endpoint_id = $1 AND project_id = $2",
        ] {
            sqlx::query(sql).bind(endpoint.to_string()).bind(scope.project().to_string()).execute(self.conn()).await?;
        }
        let done = sqlx::query("DELETE FROM webhook_endpoints WHERE id = $1 AND project_id = $2")
            .bind(endpoint.to_string())
            .bind(scope.project().to_string())
            .execute(self.conn())
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Takes deliveries of one endpoint that are due, and leases them until `until`.
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
        let rows: Vec<ClaimedRow> =
            sqlx::query_as(sql).bind(endpoint.to_string()).bind(now.0).bind(until.0).bind(limit).fetch_all(self.conn()).await?;
        rows.into_iter()
            .map(|row| {
                Ok(ClaimedDelivery {
                    event: id(&row.event_id)?,
                    endpoint: id(&row.endpoint_id)?,
                    body: row.body,
                    claim: row.claims,
                    tries: row.tries,
                    failures: row.failures,
                })
            })
            .collect()
    }

    /// Writes down how a try went and what follows; `false` when another worker has the delivery by now, or a person ended it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn settle_delivery(&mut self, delivery: &ClaimedDelivery, tried: &Tried, after: After) -> Result<bool> {
        let (state, next_at) = match after {
            After::Delivered => (DeliveryState::Delivered, tried.at),
            After::Again(at) => (DeliveryState::Pending, at),
            After::GivenUp => (DeliveryState::Dead, tried.at),
        };
        let failed = i64::from(after != After::Delivered);
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
        .bind(delivery.tries + 1)
        .bind(tried.at.0)
        .bind(tried.took_ms)
        .bind(tried.status.map(i64::from))
        .bind(tried.error.clone())
        .bind(tried.excerpt.clone())
        .execute(self.conn())
        .await?;
        Ok(true)
    }

    /// Counts a try for its endpoint: success ends a row of failures. Gives the failures in a row and since when.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_try(&mut self, endpoint: EndpointId, succeeded: bool, now: Timestamp) -> Result<(i64, Timestamp)> {
        if succeeded {
            sqlx::query("UPDATE webhook_endpoints SET failures = 0, failing_since = NULL WHERE id = $1 AND failures > 0")
                .bind(endpoint.to_string())
                .execute(self.conn())
                .await?;
            return Ok((0, now));
        }
        let row: Option<(i64, i64)> = sqlx::query_as(
            "UPDATE webhook_endpoints SET failures = failures + 1, failing_since = COALESCE(failing_since, $2) WHERE id = $1 \
             RETURNING failures, failing_since",
        )
        .bind(endpoint.to_string())
        .bind(now.0)
        .fetch_optional(self.conn())
        .await?;
        Ok(row.map_or((0, now), |(failures, since)| (failures, Timestamp(since))))
    }

    /// Turns an endpoint off on the program's own account, and gives up what was on its way; `false` when it was off already.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn disable_endpoint(&mut self, endpoint: EndpointId, reason: &str, now: Timestamp) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE webhook_endpoints SET enabled = 0, disabled_reason = $2, updated_at = $3, version = version + 1 \
             WHERE id = $1 AND enabled <> 0",
        )
        .bind(endpoint.to_string())
        .bind(reason.to_owned())
        .bind(now.0)
        .execute(self.conn())
        .await?;
        self.stop_deliveries(endpoint).await?;
        Ok(done.rows_affected() == 1)
    }

    /// Gives up everything that is on its way to an endpoint.
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

    /// Puts one delivery, or all that were given up, on their way once more. Gives how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn send_again(&mut self, scope: &Scope, endpoint: EndpointId, event: Option<EventId>, now: Timestamp) -> Result<u64> {
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

    /// Removes up to `at_most` tries, deliveries and events that are older than `before`. Gives how many.
    ///
    /// # Errors
    /// When the database fails.
    pub(super) async fn purge_webhooks(&mut self, before: Timestamp, at_most: i64) -> Result<u64> {
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
