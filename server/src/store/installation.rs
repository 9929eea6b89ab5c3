//! The installation's one row: its identity and secret.

use domain::Timestamp;
use sqlx::FromRow;

use super::{Store, Tx};
use crate::error::Result;

/// What the installation is.
#[derive(Debug, Clone, FromRow)]
pub struct Installation {
    /// Tells this database from another, so that an index of another is not followed.
    pub instance: String,
    /// Signing key, URL-safe base64.
    pub secret: String,
    /// SHA-256 of the one-time set-up token, until set-up is done.
    pub setup_token_hash: Option<String>,
}

impl Store {
    /// The installation's row, made from the arguments when there is none yet.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn installation(&self, instance: &str, secret: &str, now: Timestamp) -> Result<Installation> {
        let (instance, secret) = (instance.to_owned(), secret.to_owned());
        self.write(move |tx| {
            Box::pin(async move {
                sqlx::query("INSERT INTO installation (id, instance, secret, created_at) VALUES (1, $1, $2, $3) ON CONFLICT DO NOTHING")
                    .bind(instance)
                    .bind(secret)
                    .bind(now.0)
                    .execute(tx.conn())
                    .await?;
                let row =
                    sqlx::query_as("SELECT instance, secret, setup_token_hash FROM installation WHERE id = 1").fetch_one(tx.conn()).await?;
                Ok(row)
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
    pub async fn take_setup_token(&mut self, hash: &str) -> Result<bool> {
        let done = sqlx::query("UPDATE installation SET setup_token_hash = NULL WHERE id = 1 AND setup_token_hash = $1")
            .bind(hash.to_owned())
            .execute(self.conn())
            .await?;
        Ok(done.rows_affected() == 1)
    }
}
