//! Contacts: the people who gave feedback. Matches persons to contacts, one at a time or a batch at once.
//!
//! Anyone with the public key may claim any identity. So only a claim signed by a project's server, or made by the team, adds to a
//! contact's data, and only a signed one replaces it. Conflicting data from an unsigned claim stays with its response.

mod addresses;
mod list;
mod matching;

use std::borrow::Cow;

use domain::{
    Timestamp,
    accounts::Scope,
    ids::{ContactId, ProjectId},
    responses::ClaimedContact,
};
use serde::Serialize;
use sqlx::FromRow;

pub use self::list::{ContactFilter, ListedContact};
use self::matching::{BatchContact, ContactBatch};
use crate::{
    Dialect, Tx,
    bulk_insert::rows,
    error::{Error, Result},
};

/// A person at the time of a submission.
#[derive(Debug, Clone, Copy)]
pub struct ContactSighting<'a> {
    /// The project.
    pub project: ProjectId,
    /// The claim about the person.
    pub person: &'a ClaimedContact,
    /// The person's contact, if already determined.
    pub known: Option<ContactId>,
    /// Time of the submission: data newer than the contact's takes precedence, older data only fills gaps.
    pub at: Timestamp,
}

/// Current data of a contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownContact {
    /// Its id.
    pub id: ContactId,
    /// Display name.
    pub name: Option<String>,
    /// E-mail address, in lower case.
    pub email: Option<String>,
    /// The site's own id for the contact.
    pub external_id: Option<String>,
    /// A JSON object of further attributes.
    pub attributes: String,
}

impl KnownContact {
    /// Returns the conflicting fields of an untrusted claim as JSON; `None` if nothing conflicts.
    #[must_use]
    pub fn conflicting_claims(&self, person: &ClaimedContact) -> Option<String> {
        if person.claim.is_trusted() {
            return None;
        }
        let person = person.canonical();
        let mut claims = serde_json::Map::new();
        for (name, known, value) in
            [("id", &self.external_id, &person.external_id), ("email", &self.email, &person.email), ("name", &self.name, &person.name)]
        {
            if let Some(value) = value.as_ref().filter(|_| known != value) {
                claims.insert(name.into(), value.clone().into());
            }
        }
        if let Some(attributes) = person.attributes.as_deref().filter(|claims| *claims != self.attributes) {
            claims.insert("attributes".into(), serde_json::from_str(attributes).unwrap_or_default());
        }
        (!claims.is_empty()).then(|| serde_json::Value::Object(claims).to_string())
    }
}

/// Maximum attempts when concurrent transactions insert the same persons.
const LOOKS: usize = 3;

impl Tx<'_> {
    /// Returns the contact of a person: by the site's id, else by e-mail address, else a new one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn resolve_contact(&mut self, scope: &Scope, person: &ClaimedContact, at: Timestamp) -> Result<ContactId> {
        Ok(self.resolve_sighting(ContactSighting { project: scope.project(), person, known: None, at }).await?.id)
    }

    /// Same as [`Tx::resolve_contact`], for a response that already has a contact: an anonymous contact becomes the person identified
    /// later. `is_proven`: whether a trusted claim led to that contact. Otherwise anyone may have named it, and a trusted claim does not
    /// apply to it unless it names the same id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn reassign_contact(
        &mut self,
        scope: &Scope,
        (current, is_proven): (ContactId, bool),
        person: &ClaimedContact,
        at: Timestamp,
    ) -> Result<(ContactId, Option<KnownContact>)> {
        if person.is_anonymous() {
            return Ok((current, None));
        }
        let may_be_somebody_else = person.claim.is_trusted() && !is_proven;
        let person = &person.canonical();
        let (external, email): (Option<String>, Option<String>) =
            sqlx::query_as("SELECT external_id, email FROM contacts WHERE id = $1 AND project_id = $2")
                .bind(current.to_string())
                .bind(scope.project().to_string())
                .fetch_one(self.conn())
                .await?;
        let same = external.is_some() && (external == person.external_id || (person.external_id.is_none() && !may_be_somebody_else));
        let anonymous = external.is_none() && email.is_none();
        let sighting = ContactSighting { project: scope.project(), person, known: None, at };
        let stays = same || (anonymous && self.known_contacts(&[sighting]).await?.is_empty());
        let known = self.resolve_sighting(ContactSighting { known: stays.then_some(current), ..sighting }).await?;
        Ok((known.id, Some(known)))
    }

    async fn resolve_sighting(&mut self, sighting: ContactSighting<'_>) -> Result<KnownContact> {
        let known = self.resolve_contacts(&[sighting]).await?.pop();
        known.ok_or_else(|| Error::internal("contact", "no contact for a sighting"))
    }

    /// Returns the contacts of several persons, as if processed one after the other.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn resolve_contacts(&mut self, sightings: &[ContactSighting<'_>]) -> Result<Vec<KnownContact>> {
        // Addresses from all sources are compared in canonical form.
        let people: Vec<Cow<'_, ClaimedContact>> = sightings.iter().map(|sighting| sighting.person.canonical()).collect();
        let sightings: Vec<ContactSighting<'_>> =
            sightings.iter().zip(&people).map(|(sighting, person)| ContactSighting { person, ..*sighting }).collect();
        let sightings = sightings.as_slice();
        for _ in 0..LOOKS {
            let mut batch = ContactBatch::of(self.known_contacts(sightings).await?)?;
            let places: Vec<usize> = sightings.iter().map(|sighting| batch.resolve(sighting, || self.id())).collect();
            // A fixed order, so that two transactions that insert the same people cannot deadlock.
            let mut named: Vec<&BatchContact> = batch.contacts.iter().filter(|c| c.is_new && c.external_id.is_some()).collect();
            named.sort_by_key(|c| (c.project, &c.external_id));
            if self.insert_contacts(&named).await? < named.len() {
                // On PostgreSQL a concurrent transaction inserted one of them; the next attempt finds it.
                continue;
            }
            let unnamed: Vec<&BatchContact> = batch.contacts.iter().filter(|c| c.is_new && c.external_id.is_none()).collect();
            self.insert_contacts(&unnamed).await?;
            let changed: Vec<&BatchContact> = batch.contacts.iter().filter(|c| c.is_changed && !c.is_new).collect();
            self.update_contacts(&changed).await?;
            let renamed: Vec<ContactId> = changed.iter().filter(|c| c.is_renamed).map(|c| c.id).collect();
            self.record_contact_changes(&renamed).await?;
            return Ok(places.into_iter().map(|at| batch.contacts[at].known()).collect());
        }
        Err(domain::DomainError::Busy(1).into())
    }

    /// Returns the existing contacts of these persons, locked until this transaction ends.
    async fn known_contacts(&mut self, sightings: &[ContactSighting<'_>]) -> Result<Vec<ContactRow>> {
        let (mut external, mut email, mut known) = (Vec::new(), Vec::new(), Vec::new());
        for sighting in sightings {
            match (sighting.known, &sighting.person.external_id, &sighting.person.email) {
                (Some(id), ..) => known.push(id),
                (_, Some(value), _) => external.push(ContactKey { project: sighting.project, value }),
                (_, _, Some(value)) => email.push(ContactKey { project: sighting.project, value }),
                (None, None, None) => {}
            }
        }
        if external.is_empty() && email.is_empty() && known.is_empty() {
            return Ok(Vec::new());
        }
        let sql = match self.dialect() {
            Dialect::Sqlite => {
                "SELECT id, project_id, external_id, email, name, attributes, verified, created_at, seen_at FROM contacts WHERE id IN (\
                 SELECT c.id FROM jsonb_each($1) j CROSS JOIN contacts c ON c.project_id = j.value ->> 'project' AND c.external_id = j.value ->> 'value' \
                 UNION SELECT (SELECT c.id FROM contacts c WHERE c.project_id = j.value ->> 'project' AND c.email = j.value ->> 'value' \
                 ORDER BY c.verified & 2 DESC, c.created_at, c.id LIMIT 1) FROM jsonb_each($2) j \
                 UNION SELECT j.value FROM json_each($3) j) ORDER BY id"
            }
            Dialect::Postgres => {
                "SELECT id, project_id, external_id, email, name, attributes, verified, created_at, seen_at FROM contacts WHERE id IN (\
                 SELECT c.id FROM json_to_recordset(CAST($1 AS json)) AS j (project TEXT, value TEXT) \
                 JOIN contacts c ON c.project_id = j.project AND c.external_id = j.value \
                 UNION SELECT (SELECT c.id FROM contacts c WHERE c.project_id = j.project AND c.email = j.value \
                 ORDER BY c.verified & 2 DESC, c.created_at, c.id LIMIT 1) FROM json_to_recordset(CAST($2 AS json)) AS j (project TEXT, value TEXT) \
                 UNION SELECT json_array_elements_text(CAST($3 AS json))) ORDER BY id FOR NO KEY UPDATE"
            }
        };
        Ok(sqlx::query_as(sql)
            .bind(serde_json::to_string(&external)?)
            .bind(serde_json::to_string(&email)?)
            .bind(serde_json::to_string(&known)?)
            .fetch_all(self.conn())
            .await?)
    }

    async fn insert_contacts(&mut self, contacts: &[&BatchContact]) -> Result<usize> {
        let rows: Vec<NewContactRow<'_>> = contacts
            .iter()
            .map(|c| NewContactRow {
                id: c.id,
                project_id: c.project,
                external_id: c.external_id.as_deref(),
                email: c.email.as_deref(),
                name: c.name.as_deref(),
                attributes: &c.attributes,
                verified: c.verified,
                created_at: c.created_at,
                seen_at: c.seen_at,
            })
            .collect();
        Ok(usize::try_from(self.insert_rows(&rows).await?).unwrap_or_default())
    }

    async fn update_contacts(&mut self, contacts: &[&BatchContact]) -> Result<()> {
        if contacts.is_empty() {
            return Ok(());
        }
        let sql = match self.dialect() {
            Dialect::Sqlite => {
                "UPDATE contacts SET external_id = j.value ->> 'external_id', email = j.value ->> 'email', name = j.value ->> 'name', \
                 attributes = j.value ->> 'attributes', verified = j.value ->> 'verified', seen_at = j.value ->> 'seen_at' FROM jsonb_each($1) j WHERE contacts.id = j.value ->> 'id'"
            }
            Dialect::Postgres => {
                "UPDATE contacts SET external_id = j.external_id, email = j.email, name = j.name, attributes = j.attributes, verified = j.verified, \
                 seen_at = j.seen_at \
                 FROM json_to_recordset(CAST($1 AS json)) AS j (id TEXT, external_id TEXT, email TEXT, name TEXT, attributes TEXT, verified BIGINT, seen_at BIGINT) \
                 WHERE contacts.id = j.id"
            }
        };
        sqlx::query(sql).bind(serde_json::to_string(contacts)?).execute(self.conn()).await?;
        Ok(())
    }

    /// Deletes an anonymous contact that no row references any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_orphaned_contact(&mut self, scope: &Scope, contact: ContactId) -> Result<()> {
        sqlx::query(
            "DELETE FROM contacts WHERE id = $1 AND project_id = $2 AND external_id IS NULL AND email IS NULL \
             AND NOT EXISTS (SELECT 1 FROM responses WHERE contact_id = $1) AND NOT EXISTS (SELECT 1 FROM feedback WHERE contact_id = $1)",
        )
        .bind(contact.to_string())
        .bind(scope.project().to_string())
        .execute(self.conn())
        .await?;
        Ok(())
    }
}

/// Lookup key of a person.
#[derive(Serialize)]
struct ContactKey<'a> {
    project: ProjectId,
    value: &'a str,
}

rows! {
    /// A new contact.
    struct NewContactRow<'a> in "contacts" {
        id: ContactId as "TEXT",
        project_id: ProjectId as "TEXT",
        external_id: Option<&'a str> as "TEXT",
        email: Option<&'a str> as "TEXT",
        name: Option<&'a str> as "TEXT",
        attributes: &'a str as "TEXT",
        verified: i64 as "BIGINT",
        created_at: i64 as "BIGINT",
        seen_at: i64 as "BIGINT",
    }
}

#[derive(FromRow)]
struct ContactRow {
    id: String,
    project_id: String,
    external_id: Option<String>,
    email: Option<String>,
    name: Option<String>,
    attributes: String,
    verified: i64,
    created_at: i64,
    seen_at: i64,
}
