//! API keys. Only the hash of a key is stored.

use domain::{
    Timestamp,
    accounts::{
        Actor, Role, Scope,
        authority::{AuthoritySource, Successor},
        key::Access,
    },
    ids::{ApiKeyId, ProjectId, StaffId},
};
use sqlx::FromRow;

use super::{
    Act, Store, Tx,
    authority::{backing, heir},
    id, or_instead,
};
use crate::error::{Error, Result};

/// A key as displayed.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// The only project it can access.
    pub project: ProjectId,
    /// Name of the program that uses it.
    pub name: String,
    /// Its first characters.
    pub prefix: String,
    /// Its access level.
    pub access: Access,
    /// Its creator; `None` for the command line.
    pub by: Option<String>,
    /// The source of its role.
    pub backing: AuthoritySource,
    /// Name of the person behind it.
    pub backer: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it expires; `None` if it is valid until revoked.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// A key to store.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// Name of the program that will use it.
    pub name: String,
    /// Its first characters.
    pub prefix: String,
    /// Hash of its secret.
    pub hash: String,
    /// Its access level.
    pub access: Access,
    /// When it expires; `None` if it is valid until revoked.
    pub expires_at: Option<Timestamp>,
}

impl ApiKey {
    /// Returns whether it is valid at `now`.
    #[must_use]
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }

    /// Returns its effective role; `None` if it is inactive because its person is no longer a member.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        self.backing.effective_role(self.access.role())
    }
}

#[derive(FromRow)]
struct ApiKeyRow {
    id: String,
    project_id: String,
    name: String,
    prefix: String,
    access: String,
    by_name: Option<String>,
    backer_id: Option<String>,
    backer_name: Option<String>,
    backer_role: Option<String>,
    created_at: i64,
    expires_at: Option<i64>,
    used_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl TryFrom<ApiKeyRow> for ApiKey {
    type Error = Error;

    fn try_from(row: ApiKeyRow) -> Result<Self> {
        Ok(Self {
            id: id(&row.id)?,
            project: id(&row.project_id)?,
            name: row.name,
            prefix: row.prefix,
            access: or_instead("access of a key", Access::parse(&row.access), Access::Read),
            by: row.by_name,
            backing: backing(row.backer_id.as_deref(), row.backer_role.as_deref()),
            backer: row.backer_name,
            created_at: Timestamp(row.created_at),
            expires_at: row.expires_at.map(Timestamp),
            used_at: row.used_at.map(Timestamp),
            revoked_at: row.revoked_at.map(Timestamp),
        })
    }
}

macro_rules! key_where {
    ($rest:literal) => {
        concat!(
            "SELECT k.id, k.project_id, n.name, k.prefix, k.access, s.name AS by_name, k.created_at, k.expires_at, k.used_at, k.revoked_at, \
             COALESCE(k.handed_to, k.created_by) AS backer_id, b.name AS backer_name, m.role AS backer_role \
             FROM api_keys k JOIN actors n ON n.id = k.id LEFT JOIN actors s ON s.id = k.created_by \
             LEFT JOIN actors b ON b.id = COALESCE(k.handed_to, k.created_by) \
             LEFT JOIN memberships m ON m.project_id = k.project_id AND m.staff_id = COALESCE(k.handed_to, k.created_by) WHERE ",
            $rest
        )
    };
}

impl Store {
    /// Returns the key with this hash, valid or not.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn api_key_by_hash(&self, hash: &str) -> Result<Option<ApiKey>> {
        let row: Option<ApiKeyRow> =
            sqlx::query_as(key_where!("k.token_hash = $1")).bind(hash.to_owned()).fetch_optional(self.reader()).await?;
        row.map(ApiKey::try_from).transpose()
    }

    /// Returns the keys of the scope's project, revoked ones last.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn api_keys(&self, scope: &Scope) -> Result<Vec<ApiKey>> {
        let rows: Vec<ApiKeyRow> = sqlx::query_as(key_where!(
            "k.project_id = $1 ORDER BY CASE WHEN k.revoked_at IS NULL THEN 0 ELSE 1 END, k.created_at DESC, k.id DESC LIMIT 500"
        ))
        .bind(scope.project().to_string())
        .fetch_all(self.reader())
        .await?;
        rows.into_iter().map(ApiKey::try_from).collect()
    }
}

impl Tx<'_> {
    /// Returns the valid keys of a project that act with the role of `staff`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn api_keys_of(&mut self, project: ProjectId, staff: StaffId, now: Timestamp) -> Result<Vec<ApiKey>> {
        let rows: Vec<ApiKeyRow> = sqlx::query_as(key_where!(
            "k.project_id = $1 AND COALESCE(k.handed_to, k.created_by) = $2 AND k.revoked_at IS NULL \
             AND (k.expires_at IS NULL OR k.expires_at > $3) ORDER BY k.created_at, k.id"
        ))
        .bind(project.to_string())
        .bind(staff.to_string())
        .bind(now.0)
        .fetch_all(self.conn())
        .await?;
        rows.into_iter().map(ApiKey::try_from).collect()
    }

    /// Transfers a key of this project to the authority of `to`; `false` if there is no unrevoked key with this id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn hand_over_api_key(&mut self, project: ProjectId, key: ApiKeyId, to: Successor) -> Result<bool> {
        let done = sqlx::query("UPDATE api_keys SET handed_to = $3 WHERE id = $1 AND project_id = $2 AND revoked_at IS NULL")
            .bind(key.to_string())
            .bind(project.to_string())
            .bind(heir(to))
            .execute(self.conn())
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Records a use of a key.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record_api_key_use(&mut self, key: ApiKeyId, at: Timestamp) -> Result<()> {
        sqlx::query("UPDATE api_keys SET used_at = $2 WHERE id = $1 AND (used_at IS NULL OR used_at < $2)")
            .bind(key.to_string())
            .bind(at.0)
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// Revokes a key of this project; `false` if there is no unrevoked key with this id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn revoke_api_key(&mut self, project: ProjectId, key: ApiKeyId, now: Timestamp) -> Result<bool> {
        let done = sqlx::query("UPDATE api_keys SET revoked_at = $3 WHERE id = $1 AND project_id = $2 AND revoked_at IS NULL")
            .bind(key.to_string())
            .bind(project.to_string())
            .bind(now.0)
            .execute(self.conn())
            .await?;
        Ok(done.rows_affected() == 1)
    }
}

impl Act<'_, '_> {
    /// Stores a key and its actor. The key acts for `by`, or for the project.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_api_key(&mut self, new: &NewApiKey, by: Option<StaffId>) -> Result<ApiKeyId> {
        let (id, now): (ApiKeyId, _) = (self.id(), self.now());
        self.insert_actor(Actor::ApiKey(id), &new.name, now).await?;
        sqlx::query(
            "INSERT INTO api_keys (id, project_id, prefix, token_hash, access, created_by, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(id.to_string())
        .bind(self.project().to_string())
        .bind(new.prefix.clone())
        .bind(new.hash.clone())
        .bind(new.access.as_str())
        .bind(by.map(|staff| staff.to_string()))
        .bind(now.0)
        .bind(new.expires_at.map(|end| end.0))
        .execute(self.conn())
        .await?;
        Ok(id)
    }
}
