//! The contact list of a project.

use domain::{Timestamp, accounts::Scope, ids::ContactId};
use sqlx::FromRow;

use crate::{Store, error::Result, id, like_pattern, triage::verified_names};

/// A contact as shown to the team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedContact {
    /// Its id.
    pub id: ContactId,
    /// The site's own id for the contact.
    pub external_id: Option<String>,
    /// E-mail address, in lower case.
    pub email: Option<String>,
    /// Display name.
    pub name: Option<String>,
    /// A JSON object of further attributes.
    pub attributes: String,
    /// Names of the verified fields.
    pub verified: Vec<&'static str>,
    /// When the contact was first seen.
    pub created_at: Timestamp,
    /// When the contact last gave feedback.
    pub seen_at: Timestamp,
}

/// Filter for contacts; empty fields match all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContactFilter {
    /// Part of the name, the address or the site's id.
    pub words: String,
    /// The full address.
    pub email: String,
    /// The site's full id.
    pub external_id: String,
}

#[derive(FromRow)]
struct Row {
    id: String,
    external_id: Option<String>,
    email: Option<String>,
    name: Option<String>,
    attributes: String,
    verified: i64,
    created_at: i64,
    seen_at: i64,
}

impl Row {
    fn read(self) -> Result<ListedContact> {
        Ok(ListedContact {
            id: id(&self.id)?,
            external_id: self.external_id,
            email: self.email,
            name: self.name,
            attributes: self.attributes,
            verified: verified_names(self.verified),
            created_at: Timestamp(self.created_at),
            seen_at: Timestamp(self.seen_at),
        })
    }
}

impl Store {
    /// Returns identifiable contacts of the scope's project, newest first, after a given id. Omits anonymous contacts.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn contacts_page(
        &self,
        scope: &Scope,
        filter: &ContactFilter,
        after: Option<ContactId>,
        limit: i64,
    ) -> Result<Vec<ListedContact>> {
        // Ids grow with time, so this order needs no extra index, which every submission would have to update.
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, external_id, email, name, attributes, verified, created_at, seen_at FROM contacts WHERE project_id = $1 \
             AND (external_id IS NOT NULL OR email IS NOT NULL OR name IS NOT NULL) \
             AND ($2 = '' OR email = $2) AND ($3 = '' OR external_id = $3) AND ($4 = '' OR id < $4) \
             AND ($5 = '%%' OR LOWER(COALESCE(name, '')) LIKE $5 ESCAPE '\\' OR LOWER(COALESCE(email, '')) LIKE $5 ESCAPE '\\' \
             OR LOWER(COALESCE(external_id, '')) LIKE $5 ESCAPE '\\') ORDER BY id DESC LIMIT $6",
        )
        .bind(scope.project().to_string())
        .bind(filter.email.clone())
        .bind(filter.external_id.clone())
        .bind(after.map(|id| id.to_string()).unwrap_or_default())
        .bind(like_pattern(&filter.words.trim().to_lowercase()))
        .bind(limit)
        .fetch_all(self.reader())
        .await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// Returns one contact of the scope's project.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn contact(&self, scope: &Scope, contact: ContactId) -> Result<Option<ListedContact>> {
        let row: Option<Row> = sqlx::query_as(
            "SELECT id, external_id, email, name, attributes, verified, created_at, seen_at FROM contacts WHERE id = $1 AND project_id = $2",
        )
        .bind(contact.to_string())
        .bind(scope.project().to_string())
        .fetch_optional(self.reader())
        .await?;
        row.map(Row::read).transpose()
    }
}
