//! Webhook endpoints: URLs that receive a project's events.

use domain::{
    Secret, Timestamp,
    accounts::{Role, Scope},
    ids::{ActorId, EndpointId, ProjectId, StaffId},
    webhooks::EventKind,
};
use sqlx::FromRow;
use uuid::Uuid;

use crate::{Act, Dialect, Store, Tx, error::Result, id, or_instead};

/// A webhook endpoint of a project.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Its id.
    pub id: EndpointId,
    /// Its project.
    pub project: ProjectId,
    /// The receiver's URL.
    pub url: String,
    /// The team's name for it; may be empty.
    pub note: String,
    /// The events it subscribes to.
    pub kinds: Vec<EventKind>,
    /// The signing secret, `whsec_…`.
    pub secret: Secret<String>,
    /// The previous secret, which also signs until this time.
    pub old_secret: Option<(Secret<String>, Timestamp)>,
    /// Whether deliveries are sent.
    pub enabled: bool,
    /// Why the program disabled it.
    pub disabled_reason: Option<String>,
    /// Number of consecutive failed attempts.
    pub failures: i64,
    /// Time of the first of them.
    pub failing_since: Option<Timestamp>,
    /// The person or API key whose authority it acts with, which must be an admin's; `None` for the project.
    pub answers_to: Option<ActorId>,
    /// When it was created.
    pub created_at: Timestamp,
    /// Increases with each change by a person.
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
        let backer = self.handed_to.as_deref().or(self.created_by.as_deref()).filter(|backer| !backer.is_empty());
        // No actor has the id of what cannot be read: nothing is done in its name.
        let answers_to = backer.map(|backer| or_instead("actor behind a webhook", id(backer).ok(), ActorId(Uuid::nil())));
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

/// Returns the kinds in stored form: a comma before and after each, so that one pattern finds one kind.
fn joined(kinds: &[EventKind]) -> String {
    kinds.iter().fold(",".to_owned(), |list, kind| format!("{list}{},", kind.as_str()))
}

impl Store {
    /// Returns the endpoints of the scope's project, oldest first.
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

    /// Returns one endpoint of the scope's project.
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

    /// Returns the endpoints of all projects that have due deliveries.
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
}

impl Tx<'_> {
    /// Counts the endpoints of a project.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn endpoint_count(&mut self, project: ProjectId) -> Result<i64> {
        Ok(sqlx::query_scalar("SELECT COUNT(*) FROM webhook_endpoints WHERE project_id = $1")
            .bind(project.to_string())
            .fetch_one(self.conn())
            .await?)
    }

    /// Returns the enabled endpoints of a project that act with the authority of `staff`, directly or through a key that acts for them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn endpoints_of(&mut self, project: ProjectId, staff: StaffId) -> Result<Vec<EndpointId>> {
        let rows: Vec<String> = sqlx::query_scalar(
            "SELECT id FROM webhook_endpoints WHERE project_id = $1 AND (COALESCE(handed_to, created_by) = $2 OR COALESCE(handed_to, created_by) IN \
             (SELECT k.id FROM api_keys k WHERE k.project_id = $1 AND COALESCE(k.handed_to, k.created_by) = $2)) AND enabled = 1 ORDER BY id",
        )
        .bind(project.to_string())
        .bind(staff.to_string())
        .fetch_all(self.conn())
        .await?;
        rows.iter().map(|text| id(text)).collect()
    }

    /// Returns whether the person or key that an endpoint acts for is currently an admin of its project.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn endpoint_is_backed(&mut self, endpoint: &Endpoint, now: Timestamp) -> Result<bool> {
        let Some(who) = endpoint.answers_to else { return Ok(true) };
        Ok(self.present_role(endpoint.project, who, now).await?.is_some_and(|role| role >= Role::Admin))
    }

    /// Returns an endpoint of the scope's project, locked until this transaction ends.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lock_endpoint(&mut self, scope: &Scope, endpoint: EndpointId) -> Result<Option<Endpoint>> {
        let sql = match self.dialect() {
            Dialect::Sqlite => concat!("SELECT ", columns!(), " FROM webhook_endpoints WHERE project_id = $1 AND id = $2"),
            Dialect::Postgres => concat!("SELECT ", columns!(), " FROM webhook_endpoints WHERE project_id = $1 AND id = $2 FOR UPDATE"),
        };
        let row: Option<EndpointRow> =
            sqlx::query_as(sql).bind(scope.project().to_string()).bind(endpoint.to_string()).fetch_optional(self.conn()).await?;
        row.map(EndpointRow::read).transpose()
    }

    /// Writes a locked endpoint after a change by a person.
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
        .bind(endpoint.answers_to.map(|who| who.to_string()).unwrap_or_default())
        .execute(self.conn())
        .await?;
        Ok(())
    }

    /// Deletes an endpoint with its deliveries; the next clean-up deletes events without other recipients.
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

    /// Counts an attempt for its endpoint: a success resets the failures. Returns the number of consecutive failures and the time of the
    /// first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record_endpoint_result(&mut self, endpoint: EndpointId, succeeded: bool, now: Timestamp) -> Result<(i64, Timestamp)> {
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

    /// Turns an endpoint off automatically and cancels its pending deliveries; `false` if it was already off.
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
}

impl Act<'_, '_> {
    /// Adds an endpoint, which acts for the actor.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_endpoint(&mut self, url: &str, note: &str, kinds: &[EventKind], secret: &Secret<String>) -> Result<EndpointId> {
        let id: EndpointId = self.id();
        sqlx::query(
            "INSERT INTO webhook_endpoints (id, project_id, url, note, kinds, secret, enabled, created_by, created_at, updated_at, version) \
             VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8, $8, 1)",
        )
        .bind(id.to_string())
        .bind(self.project().to_string())
        .bind(url.to_owned())
        .bind(note.to_owned())
        .bind(joined(kinds))
        .bind(secret.0.clone())
        .bind(self.actor_id().map(|actor| actor.to_string()))
        .bind(self.now().0)
        .execute(self.conn())
        .await?;
        Ok(id)
    }
}
