//! Normalization of contacts' e-mail addresses stored before the canonical form was introduced.

use domain::ids::ContactId;

use crate::{Store, Tx, error::Result, id};

impl Store {
    /// Returns contacts after a given id whose address may not be canonical, in the order of their ids: addresses with non-ASCII letters or
    /// a punycode domain.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn addresses_to_normalize(&self, after: &str, limit: i64) -> Result<Vec<(String, String)>> {
        Ok(sqlx::query_as(
            "SELECT id, email FROM contacts WHERE id > $1 AND email IS NOT NULL AND (OCTET_LENGTH(email) <> LENGTH(email) OR email LIKE '%xn--%') \
             ORDER BY id LIMIT $2",
        )
        .bind(after.to_owned())
        .bind(limit)
        .fetch_all(self.reader())
        .await?)
    }
}

impl Tx<'_> {
    /// Converts a contact's address to its canonical form. A contact without another identifier is merged into the oldest with that
    /// address, and so is its feedback.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn normalize_address(&mut self, contact: ContactId, was: &str, is: &str) -> Result<()> {
        let row: Option<(String, Option<String>)> =
            sqlx::query_as("SELECT project_id, external_id FROM contacts WHERE id = $1 AND email = $2")
                .bind(contact.to_string())
                .bind(was.to_owned())
                .fetch_optional(self.conn())
                .await?;
        let Some((project, external)) = row else { return Ok(()) };
        let other: Option<String> = sqlx::query_scalar(
            "SELECT id FROM contacts WHERE project_id = $1 AND email = $2 AND id <> $3 ORDER BY verified & 2 DESC, created_at, id LIMIT 1",
        )
        .bind(project)
        .bind(is.to_owned())
        .bind(contact.to_string())
        .fetch_optional(self.conn())
        .await?;
        let Some(other) = other.filter(|_| external.is_none()) else {
            self.record_contact_changes(&[contact]).await?;
            sqlx::query("UPDATE contacts SET email = $2 WHERE id = $1")
                .bind(contact.to_string())
                .bind(is.to_owned())
                .execute(self.conn())
                .await?;
            return Ok(());
        };
        // The deleted contact's data fills gaps in the remaining one.
        sqlx::query(
            "UPDATE contacts SET name = COALESCE(name, (SELECT c.name FROM contacts c WHERE c.id = $1)), \
             attributes = CASE WHEN attributes = '{}' THEN (SELECT c.attributes FROM contacts c WHERE c.id = $1) ELSE attributes END \
             WHERE id = $2",
        )
        .bind(contact.to_string())
        .bind(other.clone())
        .execute(self.conn())
        .await?;
        self.record_contact_changes(&[contact, id(&other)?]).await?;
        for sql in [
            "UPDATE feedback SET contact_id = $2 WHERE contact_id = $1",
            "UPDATE responses SET contact_id = $2 WHERE contact_id = $1",
            "DELETE FROM contacts WHERE id = $1 AND id <> $2",
        ] {
            sqlx::query(sql).bind(contact.to_string()).bind(other.clone()).execute(self.conn()).await?;
        }
        Ok(())
    }
}
