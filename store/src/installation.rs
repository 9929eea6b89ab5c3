//! The installation's one row, and the secrets that it signs with.

use domain::Timestamp;
use sqlx::FromRow;

use super::{Store, Tx};
use crate::error::Result;

/// What the installation is.
#[derive(Debug, Clone, FromRow)]
pub struct Installation {
    /// Tells this database from another, so that an index of another is not followed.
    pub instance: String,
    /// SHA-256 of the one-time set-up token, until set-up is done.
    pub setup_token_hash: Option<String>,
}

/// A secret that links and forms are signed with, as stored.
#[derive(Debug, Clone, FromRow)]
pub struct SigningSecret {
    /// Counts up; the newest that is active signs.
    pub generation: i64,
    /// URL-safe base64.
    pub secret: String,
    /// Proof of the file that is needed besides; `None`: none is.
    pub sealed: Option<String>,
    /// From when it signs, in milliseconds. It verifies before.
    pub active_from: i64,
}

impl Store {
    /// All secrets that are accepted, the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn signing_secrets(&self) -> Result<Vec<SigningSecret>> {
        Ok(sqlx::query_as("SELECT generation, secret, sealed, active_from FROM signing_secrets ORDER BY generation")
            .fetch_all(self.reader())
            .await?)
    }

    /// The installation's row, made from the arguments when there is none yet.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn installation(&self, instance: &str, now: Timestamp) -> Result<Installation> {
        let instance = instance.to_owned();
        self.write(move |tx| {
            Box::pin(async move {
                // The secret lies in a table of its own; this column is from before.
                sqlx::query("INSERT INTO installation (id, instance, secret, created_at) VALUES (1, $1, '', $2) ON CONFLICT DO NOTHING")
                    .bind(instance)
                    .bind(now.0)
                    .execute(tx.conn())
                    .await?;
                Ok(sqlx::query_as("SELECT instance, setup_token_hash FROM installation WHERE id = 1").fetch_one(tx.conn()).await?)
            })
        })
        .await
    }
}

impl Store {
    /// The hash of the one-time set-up token, until set-up is done.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn setup_token_hash(&self) -> Result<Option<String>> {
        let hash: Option<Option<String>> =
            sqlx::query_scalar("SELECT setup_token_hash FROM installation WHERE id = 1").fetch_optional(self.reader()).await?;
        Ok(hash.flatten())
    }
}

impl Tx<'_> {
    /// Adds a secret; `false` when there is one of this generation.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_signing_secret(&mut self, new: &SigningSecret, now: Timestamp) -> Result<bool> {
        let done = sqlx::query(
            "INSERT INTO signing_secrets (generation, secret, sealed, active_from, created_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        )
        .bind(new.generation)
        .bind(new.secret.clone())
        .bind(new.sealed.clone())
        .bind(new.active_from)
        .bind(now.0)
        .execute(self.conn())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// The newest generation; 0 when there is none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn newest_generation(&mut self) -> Result<i64> {
        Ok(sqlx::query_scalar("SELECT COALESCE(MAX(generation), 0) FROM signing_secrets").fetch_one(self.conn()).await?)
    }

    /// Removes all secrets but the newest; gives how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn retire_signing_secrets(&mut self) -> Result<u64> {
        // Older programs kept the first one here.
        sqlx::query("UPDATE installation SET secret = '' WHERE id = 1").execute(self.conn()).await?;
        let done = sqlx::query("DELETE FROM signing_secrets WHERE generation < (SELECT MAX(s.generation) FROM signing_secrets s)")
            .execute(self.conn())
            .await?;
        Ok(done.rows_affected())
    }

    /// Gives the database another identity; its index is built again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_instance(&mut self, instance: &str) -> Result<()> {
        sqlx::query("UPDATE installation SET instance = $1 WHERE id = 1").bind(instance.to_owned()).execute(self.conn()).await?;
        Ok(())
    }

    /// Puts a set-up token's hash in place of any earlier one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_setup_token(&mut self, hash: Option<String>) -> Result<()> {
        sqlx::query("UPDATE installation SET setup_token_hash = $1 WHERE id = 1").bind(hash).execute(self.conn()).await?;
        Ok(())
    }

    /// Uses the set-up token up; `false` when this is not it. Of two at once, one gets `true`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn consume_setup_token(&mut self, hash: &str) -> Result<bool> {
        let done = sqlx::query("UPDATE installation SET setup_token_hash = NULL WHERE id = 1 AND setup_token_hash = $1")
            .bind(hash.to_owned())
            .execute(self.conn())
            .await?;
        Ok(done.rows_affected() == 1)
    }
}
