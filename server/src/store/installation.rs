//! The installation's one row: its identity and secret.

use domain::Timestamp;
use sqlx::FromRow;

use super::Store;
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
