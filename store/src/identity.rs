//! Secrets with which a project's own servers sign identities.

use domain::{
    Timestamp,
    accounts::Scope,
    identity::UnsignedClaimPolicy,
    ids::{IdentitySecretId, ProjectId},
};
use sqlx::FromRow;

use super::{Act, Store, Tx, id};
use crate::error::Result;

/// A secret as displayed: without the secret itself, which is shown only once.
#[derive(Debug, Clone)]
pub struct IdentitySecret {
    /// Its id.
    pub id: IdentitySecretId,
    /// Its last characters.
    pub ending: String,
    /// Its creator.
    pub by: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was retired.
    pub retired_at: Option<Timestamp>,
}

#[derive(FromRow)]
struct IdentitySecretRow {
    id: String,
    ending: String,
    by_name: Option<String>,
    created_at: i64,
    retired_at: Option<i64>,
}

impl Store {
    /// Returns the secrets of the scope's project, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn identity_secrets(&self, scope: &Scope) -> Result<Vec<IdentitySecret>> {
        let rows: Vec<IdentitySecretRow> = sqlx::query_as(
            "SELECT i.id, SUBSTR(i.secret, LENGTH(i.secret) - 3) AS ending, a.name AS by_name, i.created_at, i.retired_at \
             FROM identity_secrets i LEFT JOIN actors a ON a.id = i.created_by WHERE i.project_id = $1 ORDER BY i.created_at DESC, i.id DESC",
        )
        .bind(scope.project().to_string())
        .fetch_all(self.reader())
        .await?;
        let read = |row: IdentitySecretRow| {
            Ok(IdentitySecret {
                id: id(&row.id)?,
                ending: row.ending,
                by: row.by_name,
                created_at: Timestamp(row.created_at),
                retired_at: row.retired_at.map(Timestamp),
            })
        };
        rows.into_iter().map(read).collect()
    }

    /// Returns the valid secrets.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn valid_identity_secrets(&self, project: ProjectId) -> Result<Vec<String>> {
        Ok(sqlx::query_scalar("SELECT secret FROM identity_secrets WHERE project_id = $1 AND retired_at IS NULL ORDER BY created_at DESC")
            .bind(project.to_string())
            .fetch_all(self.reader())
            .await?)
    }
}

impl Tx<'_> {
    /// Counts the valid secrets of a project. Concurrent callers wait until this transaction ends.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_identity_secrets(&mut self, scope: &Scope) -> Result<i64> {
        let project = scope.project().to_string();
        self.hold_project(scope.project()).await?;
        Ok(sqlx::query_scalar("SELECT COUNT(*) FROM identity_secrets WHERE project_id = $1 AND retired_at IS NULL")
            .bind(project)
            .fetch_one(self.conn())
            .await?)
    }

    /// Retires a secret; `false` if there is no valid one with this id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn retire_identity_secret(&mut self, scope: &Scope, own: IdentitySecretId, now: Timestamp) -> Result<bool> {
        let done = sqlx::query("UPDATE identity_secrets SET retired_at = $3 WHERE id = $1 AND project_id = $2 AND retired_at IS NULL")
            .bind(own.to_string())
            .bind(scope.project().to_string())
            .bind(now.0)
            .execute(self.conn())
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Sets the policy for unsigned claims.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_unsigned_identity(&mut self, scope: &Scope, to: UnsignedClaimPolicy) -> Result<()> {
        sqlx::query("UPDATE projects SET unsigned_identity = $2 WHERE id = $1")
            .bind(scope.project().to_string())
            .bind(to.as_str())
            .execute(self.conn())
            .await?;
        Ok(())
    }
}

impl Act<'_, '_> {
    /// Adds a secret.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_identity_secret(&mut self, secret: &str) -> Result<IdentitySecretId> {
        let own: IdentitySecretId = self.id();
        sqlx::query("INSERT INTO identity_secrets (id, project_id, secret, created_by, created_at) VALUES ($1, $2, $3, $4, $5)")
            .bind(own.to_string())
            .bind(self.project().to_string())
            .bind(secret.to_owned())
            .bind(self.actor_id().map(|actor| actor.to_string()))
            .bind(self.now().0)
            .execute(self.conn())
            .await?;
        Ok(own)
    }
}
