//! The installation's single row, and its signing secrets.

use domain::Timestamp;
use sqlx::FromRow;
use uuid::Uuid;

use super::{Store, Tx};
use crate::error::Result;

/// Identity of the installation.
#[derive(Debug, Clone, FromRow)]
pub struct Installation {
    /// Distinguishes this database from others, so that an index of another one is not used.
    pub instance: String,
    /// SHA-256 of the one-time setup token, until setup is complete.
    pub setup_token_hash: Option<String>,
}

/// A secret for signing links and forms, as stored.
#[derive(Debug, Clone, FromRow)]
pub struct SigningSecret {
    /// Increasing number; the newest active generation signs.
    pub generation: i64,
    /// URL-safe base64.
    pub secret: String,
    /// Proof of the additional key file; `None` if none is needed.
    pub sealed: Option<String>,
    /// When it starts to sign, in milliseconds. Before that it only verifies.
    pub active_from: i64,
}

impl Store {
    /// Returns all accepted secrets, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn signing_secrets(&self) -> Result<Vec<SigningSecret>> {
        Ok(sqlx::query_as("SELECT generation, secret, sealed, active_from FROM signing_secrets ORDER BY generation")
            .fetch_all(self.reader())
            .await?)
    }

    /// Returns the installation's row; creates it with a new instance id if it does not exist.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn installation(&self, now: Timestamp) -> Result<Installation> {
        self.write(move |tx| {
            Box::pin(async move {
                // The secret is in a table of its own; this column is from an earlier version.
                sqlx::query("INSERT INTO installation (id, instance, secret, created_at) VALUES (1, $1, '', $2) ON CONFLICT DO NOTHING")
                    .bind(tx.id::<Uuid>().to_string())
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
    /// Returns the hash of the one-time setup token, until setup is complete.
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
    /// Adds a secret; `false` if this generation exists.
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

    /// Returns the newest generation; 0 if there is none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn newest_generation(&mut self) -> Result<i64> {
        Ok(sqlx::query_scalar("SELECT COALESCE(MAX(generation), 0) FROM signing_secrets").fetch_one(self.conn()).await?)
    }

    /// Deletes all secrets except the newest; returns the number deleted.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn retire_signing_secrets(&mut self) -> Result<u64> {
        // Older versions stored the first secret here.
        sqlx::query("UPDATE installation SET secret = '' WHERE id = 1").execute(self.conn()).await?;
        let done = sqlx::query("DELETE FROM signing_secrets WHERE generation < (SELECT MAX(s.generation) FROM signing_secrets s)")
            .execute(self.conn())
            .await?;
        Ok(done.rows_affected())
    }

    /// Gives the database a new instance id, so that its index is rebuilt.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn renew_instance(&mut self) -> Result<()> {
        sqlx::query("UPDATE installation SET instance = $1 WHERE id = 1").bind(self.id::<Uuid>().to_string()).execute(self.conn()).await?;
        Ok(())
    }

    /// Replaces the setup token's hash.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_setup_token(&mut self, hash: Option<String>) -> Result<()> {
        sqlx::query("UPDATE installation SET setup_token_hash = $1 WHERE id = 1").bind(hash).execute(self.conn()).await?;
        Ok(())
    }

    /// Consumes the setup token; `false` if it is not this one. Of two concurrent calls, one returns `true`.
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
