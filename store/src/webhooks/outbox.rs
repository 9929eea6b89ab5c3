//! The outbox: events are stored in the transaction of the change itself, with a delivery for each subscribed endpoint.

use domain::{
    Timestamp,
    ids::{EndpointId, EventId, FeedbackId, ProjectId},
    webhooks::EventKind,
};
use schemas::{Event, EventData};
use serde::Serialize;

use crate::{Dialect, Store, Tx, error::Result, id};

/// An event not stored yet.
#[derive(Debug, Clone, Serialize)]
pub struct NewEvent {
    /// Its project.
    pub project: ProjectId,
    /// Its kind.
    pub kind: String,
    /// The payload.
    pub body: String,
    /// Time of the event, in milliseconds.
    pub at: i64,
}

/// An event in the form in which a statement takes it.
#[derive(Serialize)]
struct EventRow<'a> {
    id: EventId,
    #[serde(flatten)]
    event: &'a NewEvent,
}

impl NewEvent {
    /// Creates an event about something that has a page at `url`.
    ///
    /// # Errors
    /// When the payload cannot be serialized.
    pub fn new(project: ProjectId, url: Option<String>, what: EventData, now: Timestamp) -> Result<Self> {
        let kind = what.kind().as_str().to_owned();
        Ok(Self { project, kind, body: serde_json::to_string(&Event::new(project, url, what, now))?, at: now.0 })
    }
}

impl Store {
    /// Returns the projects with a subscription to feedback events.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn projects_with_feedback_webhooks(&self) -> Result<Vec<ProjectId>> {
        let rows: Vec<String> =
            sqlx::query_scalar("SELECT DISTINCT project_id FROM webhook_endpoints WHERE enabled = 1 AND kinds LIKE '%,feedback.%'")
                .fetch_all(self.reader())
                .await?;
        rows.iter().map(|text| id(text)).collect()
    }

    /// Returns the last announced position in the change sequence: transaction and sequence number.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn webhook_cursor(&self) -> Result<(i64, i64)> {
        Ok(sqlx::query_as("SELECT tx, seq FROM webhook_cursor WHERE id = 1").fetch_one(self.reader()).await?)
    }

    /// Returns those of these records that come from an import.
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
    /// Returns the slug of the project if one of its webhooks receives events of this kind. Without a subscriber, an event costs only this
    /// query of a small table. Not called for feedback, whose events come from the change sequence.
    pub(crate) async fn project_that_listens(&mut self, project: ProjectId, kind: EventKind) -> Result<Option<String>> {
        let sql = "SELECT p.slug FROM projects p WHERE p.id = $1 AND EXISTS \
                   (SELECT 1 FROM webhook_endpoints e WHERE e.project_id = p.id AND e.enabled = 1 AND e.kinds LIKE '%,' || $2 || ',%')";
        Ok(sqlx::query_scalar(sql).bind(project.to_string()).bind(kind.as_str()).fetch_optional(self.conn()).await?)
    }

    /// Returns the slug of a project.
    pub(crate) async fn project_slug(&mut self, project: ProjectId) -> Result<Option<String>> {
        let sql = "SELECT slug FROM projects WHERE id = $1";
        Ok(sqlx::query_scalar(sql).bind(project.to_string()).fetch_optional(self.conn()).await?)
    }

    /// Stores events and queues their delivery to every subscribed endpoint.
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
        let rows: Vec<_> = events.iter().map(|event| EventRow { id: self.id(), event }).collect();
        sqlx::query(sql).bind(serde_json::to_string(&rows)?).execute(self.conn()).await?;
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
        let ids: Vec<EventId> = rows.iter().map(|row| row.id).collect();
        sqlx::query(sql).bind(serde_json::to_string(&ids)?).execute(self.conn()).await?;
        Ok(())
    }

    /// Stores an event for one endpoint only, whatever its subscriptions. Returns its id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_event_for(&mut self, event: &NewEvent, endpoint: EndpointId) -> Result<EventId> {
        let id: EventId = self.id();
        sqlx::query("INSERT INTO webhook_events (id, project_id, kind, body, created_at) VALUES ($1, $2, $3, $4, $5)")
            .bind(id.to_string())
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
        .bind(id.to_string())
        .bind(endpoint.to_string())
        .bind(event.project.to_string())
        .bind(event.kind.clone())
        .bind(event.at)
        .execute(self.conn())
        .await?;
        Ok(id)
    }

    /// Advances the last announced position; `false` if another node did so first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn advance_webhook_cursor(&mut self, from: (i64, i64), to: (i64, i64)) -> Result<bool> {
        let done = sqlx::query("UPDATE webhook_cursor SET tx = $3, seq = $4 WHERE id = 1 AND tx = $1 AND seq = $2")
            .bind(from.0)
            .bind(from.1)
            .bind(to.0)
            .bind(to.1)
            .execute(self.conn())
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Call this before an endpoint is created or enabled: without a subscriber to feedback events so far, announcing starts at the current
    /// position and not where it once ended.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn start_feedback_events(&mut self) -> Result<()> {
        // A concurrent second caller waits here, and then sees the endpoint of the first.
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
}
