//! Contacts: who gave feedback. Whoever says something is met here, be it one person or those of a whole batch.
//!
//! Whoever has the public key may claim to be anybody. So only a claim that a project's server signed, or that the team makes, adds to what is
//! known of a contact, and only a signed one replaces it. What an unsigned claim says otherwise stays with its response.

use std::{borrow::Cow, collections::HashMap};

use domain::{
    Timestamp,
    accounts::Scope,
    identity::Claim,
    ids::{ContactId, ProjectId},
    responses::Person,
};
use serde::Serialize;
use sqlx::FromRow;

use super::{Dialect, Store, Tx, id, rows::rows};
use crate::error::{Error, Result};

/// Somebody who says something.
#[derive(Debug, Clone, Copy)]
pub struct Met<'a> {
    /// Where.
    pub project: ProjectId,
    /// What is known of them now.
    pub person: &'a Person,
    /// The contact that they are, if that is settled already.
    pub known: Option<ContactId>,
    /// Their id if they are new.
    pub new: ContactId,
    /// When they said it: what is newer than all we have of them counts, what is older only fills gaps.
    pub at: Timestamp,
}

/// A contact as they are known now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Who.
    pub id: ContactId,
    /// What they are called.
    pub name: Option<String>,
    /// In lower case.
    pub email: Option<String>,
    /// The site's own id of them.
    pub external_id: Option<String>,
    /// A JSON object of further properties.
    pub attributes: String,
}

impl Known {
    /// JSON of what an unproven claim says otherwise; `None` when it says nothing else.
    #[must_use]
    pub fn not_known(&self, person: &Person) -> Option<String> {
        if person.claim.is_trusted() {
            return None;
        }
        let person = person.canonical();
        let mut said = serde_json::Map::new();
        for (name, known, value) in
            [("id", &self.external_id, &person.external_id), ("email", &self.email, &person.email), ("name", &self.name, &person.name)]
        {
            if let Some(value) = value.as_ref().filter(|_| known != value) {
                said.insert(name.into(), value.clone().into());
            }
        }
        if let Some(attributes) = person.attributes.as_deref().filter(|said| *said != self.attributes) {
            said.insert("attributes".into(), serde_json::from_str(attributes).unwrap_or_default());
        }
        (!said.is_empty()).then(|| serde_json::Value::Object(said).to_string())
    }
}

/// Bits of what is verified.
const ID: i64 = 1;
const EMAIL: i64 = 2;
const NAME: i64 = 4;
const ATTRIBUTES: i64 = 8;

/// How much later somebody has to be seen again for it to be noted, in milliseconds: most who say something more say it within minutes, and
/// the row would be written for nothing else.
const SEEN_MS: i64 = 3_600_000;
/// How often we look again for persons that others add at the same moment.
const LOOKS: usize = 3;

impl Tx<'_> {
    /// The contact that a person is: by the site's id, else by e-mail address, else a new one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn contact_for(&mut self, scope: &Scope, person: &Person, new: ContactId, at: Timestamp) -> Result<ContactId> {
        Ok(self.meet_one(Met { project: scope.project(), person, known: None, new, at }).await?.id)
    }

    /// As [`Tx::contact_for`], for a response that has a contact: an anonymous one becomes the person they turn out to be. `is_proven`: whether
    /// a claim that can be trusted led to that contact. Otherwise anybody may have named it, and a trusted claim says nothing of it unless it
    /// names the same id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn contact_again(
        &mut self,
        scope: &Scope,
        (current, is_proven): (ContactId, bool),
        person: &Person,
        new: ContactId,
        at: Timestamp,
    ) -> Result<(ContactId, Option<Known>)> {
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
        let met = Met { project: scope.project(), person, known: None, new, at };
        let stays = same || (anonymous && self.known_contacts(&[met]).await?.is_empty());
        let known = self.meet_one(Met { known: stays.then_some(current), ..met }).await?;
        Ok((known.id, Some(known)))
    }

    async fn meet_one(&mut self, met: Met<'_>) -> Result<Known> {
        let known = self.contacts_for(&[met]).await?.pop();
        known.ok_or_else(|| Error::internal("contact", "met nobody"))
    }

    /// The contacts of several persons, as if they were met one after the other.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn contacts_for(&mut self, met: &[Met<'_>]) -> Result<Vec<Known>> {
        // Addresses are compared in one form, wherever they come from.
        let people: Vec<Cow<'_, Person>> = met.iter().map(|met| met.person.canonical()).collect();
        let met: Vec<Met<'_>> = met.iter().zip(&people).map(|(met, person)| Met { person, ..*met }).collect();
        let met = met.as_slice();
        for _ in 0..LOOKS {
            let mut book = Book::of(self.known_contacts(met).await?)?;
            let places: Vec<usize> = met.iter().map(|met| book.meet(met)).collect();
            // In one order everywhere, so that two transactions that add the same people wait for each other only one way.
            let mut named: Vec<&Contact> = book.contacts.iter().filter(|c| c.is_new && c.external_id.is_some()).collect();
            named.sort_by_key(|c| (c.project, &c.external_id));
            if self.insert_contacts(&named).await? < named.len() {
                // On PostgreSQL somebody else added one of them meanwhile. Now they are known.
                continue;
            }
            let unnamed: Vec<&Contact> = book.contacts.iter().filter(|c| c.is_new && c.external_id.is_none()).collect();
            self.insert_contacts(&unnamed).await?;
            let changed: Vec<&Contact> = book.contacts.iter().filter(|c| c.is_changed && !c.is_new).collect();
            self.update_contacts(&changed).await?;
            let renamed: Vec<ContactId> = changed.iter().filter(|c| c.is_renamed).map(|c| c.id).collect();
            self.contacts_changed(&renamed).await?;
            return Ok(places.into_iter().map(|at| book.contacts[at].known()).collect());
        }
        Err(domain::Error::Busy(1).into())
    }

    /// What we have of those who are met; held until this transaction ends.
    async fn known_contacts(&mut self, met: &[Met<'_>]) -> Result<Vec<Row>> {
        let (mut external, mut email, mut known) = (Vec::new(), Vec::new(), Vec::new());
        for met in met {
            match (met.known, &met.person.external_id, &met.person.email) {
                (Some(id), ..) => known.push(id),
                (_, Some(value), _) => external.push(Wanted { project: met.project, value }),
                (_, _, Some(value)) => email.push(Wanted { project: met.project, value }),
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

    async fn insert_contacts(&mut self, contacts: &[&Contact]) -> Result<usize> {
        let rows: Vec<NewRow<'_>> = contacts
            .iter()
            .map(|c| NewRow {
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

    async fn update_contacts(&mut self, contacts: &[&Contact]) -> Result<()> {
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

    /// Takes away an anonymous contact that nothing points to any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_anonymous(&mut self, scope: &Scope, contact: ContactId) -> Result<()> {
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

impl Store {
    /// Contacts after one whose address may not be in its one form, in the order of their ids: those with letters beyond ASCII or with a
    /// domain in punycode.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn addresses_to_fold(&self, after: &str, limit: i64) -> Result<Vec<(String, String)>> {
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
    /// Puts a contact's address into its one form. A contact that is known by nothing else joins the oldest with that address: what they said
    /// is one person's from then on.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn fold_address(&mut self, contact: ContactId, was: &str, is: &str) -> Result<()> {
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
            self.contacts_changed(&[contact]).await?;
            sqlx::query("UPDATE contacts SET email = $2 WHERE id = $1")
                .bind(contact.to_string())
                .bind(is.to_owned())
                .execute(self.conn())
                .await?;
            return Ok(());
        };
        // What is known of the one that goes fills what is not known of the one that stays.
        sqlx::query(
            "UPDATE contacts SET name = COALESCE(name, (SELECT c.name FROM contacts c WHERE c.id = $1)), \
             attributes = CASE WHEN attributes = '{}' THEN (SELECT c.attributes FROM contacts c WHERE c.id = $1) ELSE attributes END \
             WHERE id = $2",
        )
        .bind(contact.to_string())
        .bind(other.clone())
        .execute(self.conn())
        .await?;
        self.contacts_changed(&[contact, id(&other)?]).await?;
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

/// A person that is looked for.
#[derive(Serialize)]
struct Wanted<'a> {
    project: ProjectId,
    value: &'a str,
}

rows! {
    /// A new contact.
    struct NewRow<'a> in "contacts" {
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
struct Row {
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

/// A contact while a batch is worked on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Contact {
    id: ContactId,
    #[serde(skip)]
    project: ProjectId,
    external_id: Option<String>,
    email: Option<String>,
    name: Option<String>,
    attributes: String,
    /// Which of this is verified: [`ID`], [`EMAIL`], [`NAME`], [`ATTRIBUTES`].
    verified: i64,
    #[serde(skip)]
    created_at: i64,
    seen_at: i64,
    #[serde(skip)]
    is_new: bool,
    #[serde(skip)]
    is_changed: bool,
    /// What searches find them by changed.
    #[serde(skip)]
    is_renamed: bool,
}

impl Contact {
    fn known(&self) -> Known {
        Known {
            id: self.id,
            name: self.name.clone(),
            email: self.email.clone(),
            external_id: self.external_id.clone(),
            attributes: self.attributes.clone(),
        }
    }

    /// Takes over what a person is said to be, as far as the claim goes: one that nobody proves adds nothing, unless nothing tells yet who
    /// this is; the team's fills gaps; a signed one also replaces what is unverified or older.
    fn learn(&mut self, person: &Person, at: Timestamp) {
        let (is_trusted, is_signed) = (person.claim.is_trusted(), person.claim == Claim::Verified);
        let is_nobody = self.external_id.is_none() && self.email.is_none();
        let is_newer = self.seen_at <= at.0;
        let mut verified = self.verified;
        let mut is_more = false;
        let mut take = |known: &mut Option<String>, said: &Option<String>, bit: i64| {
            let Some(value) = said else { return false };
            let is_other = known.as_ref() != Some(value);
            let may = match known {
                None => is_trusted || is_nobody,
                Some(_) if is_other => is_signed && (is_newer || verified & bit == 0),
                Some(_) => is_trusted,
            };
            if !may {
                return false;
            }
            if is_trusted && verified & bit == 0 {
                verified |= bit;
                is_more = true;
            }
            if is_other {
                known.clone_from(said);
                is_more = true;
            }
            is_other
        };
        take(&mut self.external_id, &person.external_id, ID);
        let is_readdressed = take(&mut self.email, &person.email, EMAIL);
        self.is_renamed |= take(&mut self.name, &person.name, NAME) || is_readdressed;
        if let Some(attributes) = &person.attributes {
            let is_empty = self.attributes == "{}";
            let may = match () {
                () if is_signed => is_newer || verified & ATTRIBUTES == 0,
                () => (is_trusted || is_nobody) && (is_newer || is_empty),
            };
            if may {
                is_more |= *attributes != self.attributes;
                self.attributes.clone_from(attributes);
                if is_trusted && verified & ATTRIBUTES == 0 {
                    verified |= ATTRIBUTES;
                    is_more = true;
                }
            }
        }
        self.verified = verified;
        self.is_changed |= is_more || at.0 >= self.seen_at.saturating_add(SEEN_MS);
        self.seen_at = self.seen_at.max(at.0);
    }
}

/// Which of its fields a claim says something in.
fn said(person: &Person) -> i64 {
    let fields = [(&person.external_id, ID), (&person.email, EMAIL), (&person.name, NAME), (&person.attributes, ATTRIBUTES)];
    fields.into_iter().filter(|(value, _)| value.is_some()).map(|(_, bit)| bit).sum()
}

/// The contacts that a batch is about, as they are after each of its persons was met.
#[derive(Debug, Default)]
struct Book {
    contacts: Vec<Contact>,
    by_external_id: HashMap<(ProjectId, String), usize>,
    /// The oldest of those with the address.
    by_email: HashMap<(ProjectId, String), usize>,
}

impl Book {
    fn of(rows: Vec<Row>) -> Result<Self> {
        let mut book = Self::default();
        for row in rows {
            book.add(Contact {
                id: id(&row.id)?,
                project: id(&row.project_id)?,
                external_id: row.external_id,
                email: row.email,
                name: row.name,
                attributes: row.attributes,
                verified: row.verified,
                created_at: row.created_at,
                seen_at: row.seen_at,
                is_new: false,
                is_changed: false,
                is_renamed: false,
            });
        }
        Ok(book)
    }

    fn add(&mut self, contact: Contact) -> usize {
        self.contacts.push(contact);
        let at = self.contacts.len() - 1;
        self.enter(at);
        at
    }

    /// Notes what a contact is found by.
    fn enter(&mut self, at: usize) {
        let contact = &self.contacts[at];
        if let Some(external) = &contact.external_id {
            self.by_external_id.entry((contact.project, external.clone())).or_insert(at);
        }
        if let Some(email) = &contact.email {
            let age = |at: usize| (self.contacts[at].created_at, self.contacts[at].id);
            let oldest = self.by_email.entry((contact.project, email.clone())).or_insert(at);
            if age(at) < age(*oldest) {
                *oldest = at;
            }
        }
    }

    fn find(&self, met: &Met<'_>) -> Option<usize> {
        if let Some(known) = met.known {
            return self.contacts.iter().position(|c| c.id == known);
        }
        match (&met.person.external_id, &met.person.email) {
            (Some(external), _) => self.by_external_id.get(&(met.project, external.clone())).copied(),
            (None, Some(email)) => self.by_email.get(&(met.project, email.clone())).copied().filter(|at| {
                // Somebody may have put this address beside an id of their choice: that is not who the signature is about.
                let contact = &self.contacts[*at];
                met.person.claim != Claim::Verified || contact.external_id.is_none() || contact.verified & EMAIL != 0
            }),
            (None, None) => None,
        }
    }

    /// Gives the place of the contact that they are.
    fn meet(&mut self, met: &Met<'_>) -> usize {
        let person = met.person;
        if let Some(at) = self.find(met) {
            self.contacts[at].learn(person, met.at);
            self.enter(at);
            return at;
        }
        self.add(Contact {
            id: met.new,
            project: met.project,
            external_id: person.external_id.clone(),
            email: person.email.clone(),
            name: person.name.clone(),
            attributes: person.attributes.clone().unwrap_or_else(|| "{}".into()),
            verified: if person.claim.is_trusted() { said(person) } else { 0 },
            created_at: met.at.0,
            seen_at: met.at.0,
            is_new: true,
            is_changed: false,
            is_renamed: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn person(external: Option<&str>, email: Option<&str>, name: Option<&str>) -> Person {
        let text = |t: Option<&str>| t.map(ToOwned::to_owned);
        Person { external_id: text(external), email: text(email), name: text(name), attributes: None, claim: Claim::Unsigned }
    }

    fn by(claim: Claim, person: Person) -> Person {
        Person { claim, ..person }
    }

    fn meet(book: &mut Book, n: u128, person: &Person) -> u128 {
        let met = Met {
            project: ProjectId(Uuid::from_u128(1)),
            person,
            known: None,
            new: ContactId(Uuid::from_u128(n)),
            at: Timestamp(i64::try_from(n).unwrap()),
        };
        let at = book.meet(&met);
        book.contacts[at].id.0.as_u128()
    }

    #[test]
    fn a_batch_meets_each_person_once_and_unsigned_claims_add_nothing() {
        let mut book = Book::default();
        let (ann, bob) = (person(Some("a"), Some("ann@a.example"), None), person(None, Some("bob@a.example"), None));
        assert_eq!(meet(&mut book, 1, &ann), 1);
        assert_eq!(meet(&mut book, 2, &bob), 2);
        assert_eq!(meet(&mut book, 3, &person(Some("a"), Some("evil@a.example"), Some("Ann"))), 1);
        assert_eq!(meet(&mut book, 4, &person(Some("a"), None, Some("Not Ann"))), 1);
        assert_eq!(meet(&mut book, 5, &person(None, Some("ann@a.example"), None)), 1, "by the address that came with the id");
        assert_eq!(meet(&mut book, 6, &bob), 2);
        let anonymous = person(None, None, Some("Bob"));
        assert_eq!([meet(&mut book, 7, &anonymous), meet(&mut book, 8, &anonymous)], [7, 8], "a name alone is nobody");
        let ann = &book.contacts[0];
        assert_eq!((ann.email.as_deref(), ann.name.as_deref(), ann.verified), (Some("ann@a.example"), None, 0));
        assert_eq!(ann.seen_at, 5);
        assert_eq!(book.contacts.len(), 4);
    }

    #[test]
    fn the_team_fills_gaps_and_a_signature_also_replaces() {
        let mut book = Book::default();
        meet(&mut book, 1, &person(Some("a"), Some("evil@a.example"), None));
        meet(&mut book, 2, &by(Claim::Team, person(Some("a"), Some("ann@a.example"), Some("Ann"))));
        let known =
            |book: &Book| (book.contacts[0].email.clone().unwrap(), book.contacts[0].name.clone().unwrap(), book.contacts[0].verified);
        assert_eq!(known(&book), ("evil@a.example".into(), "Ann".into(), ID | NAME), "the address is still what nobody proved");
        meet(&mut book, 3, &by(Claim::Verified, person(Some("a"), Some("ann@a.example"), None)));
        assert_eq!(known(&book), ("ann@a.example".into(), "Ann".into(), ID | EMAIL | NAME));
        for claim in [Claim::Unsigned, Claim::Expired, Claim::Wrong, Claim::Team] {
            meet(&mut book, 4, &by(claim, person(Some("a"), Some("evil@a.example"), Some("Evil"))));
            assert_eq!(known(&book), ("ann@a.example".into(), "Ann".into(), ID | EMAIL | NAME), "{claim:?}");
        }
        // What was signed before, and comes late, does not undo what was signed since.
        let mut late = by(Claim::Verified, person(Some("a"), Some("old@a.example"), None));
        book.contacts[0].seen_at = 100;
        book.contacts[0].learn(&late, Timestamp(50));
        assert_eq!(known(&book).0, "ann@a.example");
        late.email = Some("new@a.example".into());
        book.contacts[0].learn(&late, Timestamp(101));
        assert_eq!(known(&book).0, "new@a.example");
    }

    #[test]
    fn properties_are_replaced_by_proof_only() {
        let with =
            |claim: Claim, attributes: &str| Person { attributes: Some(attributes.into()), ..by(claim, person(Some("a"), None, None)) };
        let mut book = Book::default();
        meet(&mut book, 1, &with(Claim::Unsigned, r#"{"plan":"free"}"#));
        meet(&mut book, 2, &with(Claim::Verified, r#"{"plan":"enterprise"}"#));
        assert_eq!((book.contacts[0].attributes.as_str(), book.contacts[0].verified), (r#"{"plan":"enterprise"}"#, ID | ATTRIBUTES));
        for claim in [Claim::Unsigned, Claim::Expired, Claim::Wrong] {
            meet(&mut book, 3, &with(claim, r#"{"plan":"fraudster"}"#));
            assert_eq!(book.contacts[0].attributes, r#"{"plan":"enterprise"}"#, "{claim:?}");
        }
        let said = book.contacts[0].known().not_known(&with(Claim::Wrong, r#"{"plan":"fraudster"}"#));
        assert_eq!(said.as_deref(), Some(r#"{"attributes":{"plan":"fraudster"}}"#), "what it said is kept apart");
        assert_eq!(book.contacts[0].known().not_known(&with(Claim::Unsigned, r#"{"plan":"enterprise"}"#)), None);
    }

    #[test]
    fn a_signed_address_is_not_whoever_claimed_it_first() {
        let mut book = Book::default();
        meet(&mut book, 1, &person(Some("planted"), Some("ann@a.example"), None));
        assert_eq!(meet(&mut book, 2, &by(Claim::Verified, person(None, Some("ann@a.example"), Some("Ann")))), 2);
        assert_eq!(book.contacts[0].name, None);
    }

    #[test]
    fn only_what_is_found_by_makes_a_contact_renamed() {
        let mut contact = Book::default();
        meet(&mut contact, 1, &person(Some("a"), None, Some("Ann")));
        let known = &mut contact.contacts[0];
        known.learn(&person(Some("a"), None, Some("Other")), Timestamp(9));
        known.learn(&by(Claim::Team, person(Some("a"), None, Some("Other"))), Timestamp(9));
        assert!(!known.is_renamed);
        known.learn(&by(Claim::Team, person(Some("a"), Some("ann@a.example"), None)), Timestamp(9));
        assert!(known.is_renamed);
    }

    #[test]
    fn who_is_seen_again_soon_with_nothing_new_to_tell_is_not_written() {
        let mut book = Book::default();
        meet(&mut book, 1, &person(Some("a"), None, Some("Ann")));
        let known = &mut book.contacts[0];
        let hour = 1 + SEEN_MS;
        known.learn(&person(Some("a"), Some("ann@a.example"), Some("Ann")), Timestamp(hour - 1));
        assert!(!known.is_changed, "what nobody proves is nothing new");
        known.seen_at = 1;
        known.learn(&person(Some("a"), None, None), Timestamp(hour));
        assert!(known.is_changed);
        known.is_changed = false;
        known.learn(&by(Claim::Team, person(Some("a"), Some("ann@a.example"), None)), Timestamp(hour));
        assert!(known.is_changed, "an address is something new");
    }
}
