//! Canned replies.

use domain::{
    Timestamp,
    accounts::Scope,
    ids::{CannedReplyId, ProjectId},
    replies::CannedReply,
};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use super::{Act, Dialect, Store, Tx, id};
use crate::error::Result;

/// The columns of `ReplyRow`: listed by name, so that a column added by a later version affects no statement.
macro_rules! columns {
    () => {
        "id, project_id, name, body, created_at, updated_at, version"
    };
}

#[derive(FromRow)]
struct ReplyRow {
    id: String,
    project_id: String,
    name: String,
    body: String,
    created_at: i64,
    updated_at: i64,
    version: i64,
}

impl ReplyRow {
    fn reply(self) -> Result<CannedReply> {
        Ok(CannedReply {
            id: id(&self.id)?,
            project: id(&self.project_id)?,
            name: self.name,
            body: self.body,
            created_at: Timestamp(self.created_at),
            updated_at: Timestamp(self.updated_at),
            version: self.version,
        })
    }
}

/// An undoable operation on a reply.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum ReplyUndo {
    /// The reply was changed.
    Changed {
        /// Its id.
        id: CannedReplyId,
        /// Its version after the change.
        version: i64,
        /// The name before.
        name: String,
        /// The text before.
        body: String,
    },
    /// The reply was deleted.
    Deleted {
        /// Its id.
        id: CannedReplyId,
        /// Its name.
        name: String,
        /// Its text.
        body: String,
        /// When it was created.
        created_at: Timestamp,
        /// Its last version.
        version: i64,
    },
}

/// Returns the form of a name that must be unique in a project.
fn key(name: &str) -> String {
    name.to_lowercase()
}

impl Store {
    /// Returns the replies of the scope's project, by name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn replies(&self, scope: &Scope) -> Result<Vec<CannedReply>> {
        let rows: Vec<ReplyRow> =
            sqlx::query_as(concat!("SELECT ", columns!(), " FROM canned_replies WHERE project_id = $1 ORDER BY name_key, id"))
                .bind(scope.project().to_string())
                .fetch_all(self.reader())
                .await?;
        rows.into_iter().map(ReplyRow::reply).collect()
    }

    /// Returns one reply of the scope's project.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn reply(&self, scope: &Scope, reply: CannedReplyId) -> Result<Option<CannedReply>> {
        let row: Option<ReplyRow> =
            sqlx::query_as(concat!("SELECT ", columns!(), " FROM canned_replies WHERE project_id = $1 AND id = $2"))
                .bind(scope.project().to_string())
                .bind(reply.to_string())
                .fetch_optional(self.reader())
                .await?;
        row.map(ReplyRow::reply).transpose()
    }
}

impl Tx<'_> {
    /// Returns one reply, locked until this transaction ends.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lock_reply(&mut self, project: ProjectId, reply: CannedReplyId) -> Result<Option<CannedReply>> {
        let sql = match self.dialect() {
            Dialect::Sqlite => concat!("SELECT ", columns!(), " FROM canned_replies WHERE project_id = $1 AND id = $2"),
            Dialect::Postgres => concat!("SELECT ", columns!(), " FROM canned_replies WHERE project_id = $1 AND id = $2 FOR UPDATE"),
        };
        let row: Option<ReplyRow> =
            sqlx::query_as(sql).bind(project.to_string()).bind(reply.to_string()).fetch_optional(self.conn()).await?;
        row.map(ReplyRow::reply).transpose()
    }

    /// Counts the replies of a project.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_replies(&mut self, project: ProjectId) -> Result<i64> {
        let counted = sqlx::query_scalar("SELECT COUNT(*) FROM canned_replies WHERE project_id = $1").bind(project.to_string());
        Ok(counted.fetch_one(self.conn()).await?)
    }

    /// Adds a reply, new or deleted earlier; `false` if another one of the project has the same name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn restore_reply(&mut self, reply: &CannedReply) -> Result<bool> {
        let done = sqlx::query(
            "INSERT INTO canned_replies (id, project_id, name, name_key, body, created_at, updated_at, version) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
        )
        .bind(reply.id.to_string())
        .bind(reply.project.to_string())
        .bind(reply.name.clone())
        .bind(key(&reply.name))
        .bind(reply.body.clone())
        .bind(reply.created_at.0)
        .bind(reply.updated_at.0)
        .bind(reply.version)
        .execute(self.conn())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Writes a locked reply; `false` if another one of the project has the same name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn update_reply(&mut self, reply: &CannedReply) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE canned_replies SET name = $3, name_key = $4, body = $5, updated_at = $6, version = $7 WHERE project_id = $1 AND id = $2 \
             AND NOT EXISTS (SELECT 1 FROM canned_replies o WHERE o.project_id = $1 AND o.name_key = $4 AND o.id <> $2)",
        )
        .bind(reply.project.to_string())
        .bind(reply.id.to_string())
        .bind(reply.name.clone())
        .bind(key(&reply.name))
        .bind(reply.body.clone())
        .bind(reply.updated_at.0)
        .bind(reply.version)
        .execute(self.conn())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Deletes a reply.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_reply(&mut self, project: ProjectId, reply: CannedReplyId) -> Result<()> {
        sqlx::query("DELETE FROM canned_replies WHERE project_id = $1 AND id = $2")
            .bind(project.to_string())
            .bind(reply.to_string())
            .execute(self.conn())
            .await?;
        Ok(())
    }
}

impl Act<'_, '_> {
    /// Adds a reply; `None` if another one of the project has the same name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_reply(&mut self, name: String, body: String) -> Result<Option<CannedReplyId>> {
        let (id, project, now) = (self.id(), self.project(), self.now());
        let reply = CannedReply { id, project, name, body, created_at: now, updated_at: now, version: 1 };
        Ok(self.restore_reply(&reply).await?.then_some(id))
    }
}
