//! In-memory matching of persons to contacts: the contacts in a batch, and the updates to them.

use std::collections::HashMap;

use domain::{
    Timestamp,
    identity::Claim,
    ids::{ContactId, ProjectId},
    responses::ClaimedContact,
};
use serde::Serialize;

use super::{ContactRow, ContactSighting, KnownContact};
use crate::{error::Result, id};

/// Bits of the verified fields.
const ID: i64 = 1;
const EMAIL: i64 = 2;
const NAME: i64 = 4;
const ATTRIBUTES: i64 = 8;

/// Minimum time between two updates of "last seen", in milliseconds: most people who submit again do so within minutes, and the row would
/// be written for this alone.
const SEEN_MS: i64 = 3_600_000;

/// A contact while a batch is processed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct BatchContact {
    pub(super) id: ContactId,
    #[serde(skip)]
    pub(super) project: ProjectId,
    pub(super) external_id: Option<String>,
    pub(super) email: Option<String>,
    pub(super) name: Option<String>,
    pub(super) attributes: String,
    /// Bits of the verified fields: [`ID`], [`EMAIL`], [`NAME`], [`ATTRIBUTES`].
    pub(super) verified: i64,
    #[serde(skip)]
    pub(super) created_at: i64,
    pub(super) seen_at: i64,
    #[serde(skip)]
    pub(super) is_new: bool,
    #[serde(skip)]
    pub(super) is_changed: bool,
    /// Whether a searchable field changed.
    #[serde(skip)]
    pub(super) is_renamed: bool,
}

impl BatchContact {
    pub(super) fn known(&self) -> KnownContact {
        KnownContact {
            id: self.id,
            name: self.name.clone(),
            email: self.email.clone(),
            external_id: self.external_id.clone(),
            attributes: self.attributes.clone(),
        }
    }

    /// Merges a claim about the person, as far as it is trusted: an unsigned claim adds nothing, unless the contact has neither id nor
    /// address; the team's claim fills gaps; a signed claim also replaces unverified or older values.
    fn merge(&mut self, person: &ClaimedContact, at: Timestamp) {
        let (is_trusted, is_signed) = (person.claim.is_trusted(), person.claim == Claim::Verified);
        let is_nobody = self.external_id.is_none() && self.email.is_none();
        let is_newer = self.seen_at <= at.0;
        let mut verified = self.verified;
        let mut is_more = false;
        let mut take = |known: &mut Option<String>, claimed: &Option<String>, bit: i64| {
            let Some(value) = claimed else { return false };
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
                known.clone_from(claimed);
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

/// Bits of the fields that a claim sets.
fn claimed_fields(person: &ClaimedContact) -> i64 {
    let fields = [(&person.external_id, ID), (&person.email, EMAIL), (&person.name, NAME), (&person.attributes, ATTRIBUTES)];
    fields.into_iter().filter(|(value, _)| value.is_some()).map(|(_, bit)| bit).sum()
}

/// The contacts of a batch, updated as each of its persons is processed.
#[derive(Debug, Default)]
pub(super) struct ContactBatch {
    pub(super) contacts: Vec<BatchContact>,
    by_external_id: HashMap<(ProjectId, String), usize>,
    /// The oldest contact with each address.
    by_email: HashMap<(ProjectId, String), usize>,
}

impl ContactBatch {
    pub(super) fn of(rows: Vec<ContactRow>) -> Result<Self> {
        let mut batch = Self::default();
        for row in rows {
            batch.add(BatchContact {
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
        Ok(batch)
    }

    fn add(&mut self, contact: BatchContact) -> usize {
        self.contacts.push(contact);
        let at = self.contacts.len() - 1;
        self.add_to_lookups(at);
        at
    }

    /// Adds a contact to the lookup tables.
    fn add_to_lookups(&mut self, at: usize) {
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

    fn find(&self, sighting: &ContactSighting<'_>) -> Option<usize> {
        if let Some(known) = sighting.known {
            return self.contacts.iter().position(|c| c.id == known);
        }
        match (&sighting.person.external_id, &sighting.person.email) {
            (Some(external), _) => self.by_external_id.get(&(sighting.project, external.clone())).copied(),
            (None, Some(email)) => self.by_email.get(&(sighting.project, email.clone())).copied().filter(|at| {
                // The address may have been claimed beside an arbitrary id: the signature is not about that contact.
                let contact = &self.contacts[*at];
                sighting.person.claim != Claim::Verified || contact.external_id.is_none() || contact.verified & EMAIL != 0
            }),
            (None, None) => None,
        }
    }

    /// Returns the index of the person's contact; `id` makes the id of a new one.
    pub(super) fn resolve(&mut self, sighting: &ContactSighting<'_>, id: impl FnOnce() -> ContactId) -> usize {
        let person = sighting.person;
        if let Some(at) = self.find(sighting) {
            self.contacts[at].merge(person, sighting.at);
            self.add_to_lookups(at);
            return at;
        }
        self.add(BatchContact {
            id: id(),
            project: sighting.project,
            external_id: person.external_id.clone(),
            email: person.email.clone(),
            name: person.name.clone(),
            attributes: person.attributes.clone().unwrap_or_else(|| "{}".into()),
            verified: if person.claim.is_trusted() { claimed_fields(person) } else { 0 },
            created_at: sighting.at.0,
            seen_at: sighting.at.0,
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

    fn person(external: Option<&str>, email: Option<&str>, name: Option<&str>) -> ClaimedContact {
        let text = |t: Option<&str>| t.map(ToOwned::to_owned);
        ClaimedContact { external_id: text(external), email: text(email), name: text(name), attributes: None, claim: Claim::Unsigned }
    }

    fn by(claim: Claim, person: ClaimedContact) -> ClaimedContact {
        ClaimedContact { claim, ..person }
    }

    fn resolve(batch: &mut ContactBatch, n: u128, person: &ClaimedContact) -> u128 {
        let sighting =
            ContactSighting { project: ProjectId(Uuid::from_u128(1)), person, known: None, at: Timestamp(i64::try_from(n).unwrap()) };
        let at = batch.resolve(&sighting, || ContactId(Uuid::from_u128(n)));
        batch.contacts[at].id.0.as_u128()
    }

    #[test]
    fn a_batch_meets_each_person_once_and_unsigned_claims_add_nothing() {
        let mut batch = ContactBatch::default();
        let (ann, bob) = (person(Some("a"), Some("ann@a.example"), None), person(None, Some("bob@a.example"), None));
        assert_eq!(resolve(&mut batch, 1, &ann), 1);
        assert_eq!(resolve(&mut batch, 2, &bob), 2);
        assert_eq!(resolve(&mut batch, 3, &person(Some("a"), Some("evil@a.example"), Some("Ann"))), 1);
        assert_eq!(resolve(&mut batch, 4, &person(Some("a"), None, Some("Not Ann"))), 1);
        assert_eq!(resolve(&mut batch, 5, &person(None, Some("ann@a.example"), None)), 1, "by the address that came with the id");
        assert_eq!(resolve(&mut batch, 6, &bob), 2);
        let anonymous = person(None, None, Some("Bob"));
        assert_eq!([resolve(&mut batch, 7, &anonymous), resolve(&mut batch, 8, &anonymous)], [7, 8], "a name alone is nobody");
        let ann = &batch.contacts[0];
        assert_eq!((ann.email.as_deref(), ann.name.as_deref(), ann.verified), (Some("ann@a.example"), None, 0));
        assert_eq!(ann.seen_at, 5);
        assert_eq!(batch.contacts.len(), 4);
    }

    #[test]
    fn the_team_fills_gaps_and_a_signature_also_replaces() {
        let mut batch = ContactBatch::default();
        resolve(&mut batch, 1, &person(Some("a"), Some("evil@a.example"), None));
        resolve(&mut batch, 2, &by(Claim::Team, person(Some("a"), Some("ann@a.example"), Some("Ann"))));
        let known = |batch: &ContactBatch| {
            (batch.contacts[0].email.clone().unwrap(), batch.contacts[0].name.clone().unwrap(), batch.contacts[0].verified)
        };
        assert_eq!(known(&batch), ("evil@a.example".into(), "Ann".into(), ID | NAME), "the address is still what nobody proved");
        resolve(&mut batch, 3, &by(Claim::Verified, person(Some("a"), Some("ann@a.example"), None)));
        assert_eq!(known(&batch), ("ann@a.example".into(), "Ann".into(), ID | EMAIL | NAME));
        for claim in [Claim::Unsigned, Claim::Expired, Claim::Wrong, Claim::Team] {
            resolve(&mut batch, 4, &by(claim, person(Some("a"), Some("evil@a.example"), Some("Evil"))));
            assert_eq!(known(&batch), ("ann@a.example".into(), "Ann".into(), ID | EMAIL | NAME), "{claim:?}");
        }
        // An older signed claim that arrives late does not overwrite a newer one.
        let mut late = by(Claim::Verified, person(Some("a"), Some("old@a.example"), None));
        batch.contacts[0].seen_at = 100;
        batch.contacts[0].merge(&late, Timestamp(50));
        assert_eq!(known(&batch).0, "ann@a.example");
        late.email = Some("new@a.example".into());
        batch.contacts[0].merge(&late, Timestamp(101));
        assert_eq!(known(&batch).0, "new@a.example");
    }

    #[test]
    fn properties_are_replaced_by_proof_only() {
        let with = |claim: Claim, attributes: &str| ClaimedContact {
            attributes: Some(attributes.into()),
            ..by(claim, person(Some("a"), None, None))
        };
        let mut batch = ContactBatch::default();
        resolve(&mut batch, 1, &with(Claim::Unsigned, r#"{"plan":"free"}"#));
        resolve(&mut batch, 2, &with(Claim::Verified, r#"{"plan":"enterprise"}"#));
        assert_eq!((batch.contacts[0].attributes.as_str(), batch.contacts[0].verified), (r#"{"plan":"enterprise"}"#, ID | ATTRIBUTES));
        for claim in [Claim::Unsigned, Claim::Expired, Claim::Wrong] {
            resolve(&mut batch, 3, &with(claim, r#"{"plan":"fraudster"}"#));
            assert_eq!(batch.contacts[0].attributes, r#"{"plan":"enterprise"}"#, "{claim:?}");
        }
        let claimed = batch.contacts[0].known().conflicting_claims(&with(Claim::Wrong, r#"{"plan":"fraudster"}"#));
        assert_eq!(claimed.as_deref(), Some(r#"{"attributes":{"plan":"fraudster"}}"#), "what it said is kept apart");
        assert_eq!(batch.contacts[0].known().conflicting_claims(&with(Claim::Unsigned, r#"{"plan":"enterprise"}"#)), None);
    }

    #[test]
    fn a_signed_address_is_not_whoever_claimed_it_first() {
        let mut batch = ContactBatch::default();
        resolve(&mut batch, 1, &person(Some("planted"), Some("ann@a.example"), None));
        assert_eq!(resolve(&mut batch, 2, &by(Claim::Verified, person(None, Some("ann@a.example"), Some("Ann")))), 2);
        assert_eq!(batch.contacts[0].name, None);
    }

    #[test]
    fn only_what_is_found_by_makes_a_contact_renamed() {
        let mut contact = ContactBatch::default();
        resolve(&mut contact, 1, &person(Some("a"), None, Some("Ann")));
        let known = &mut contact.contacts[0];
        known.merge(&person(Some("a"), None, Some("Other")), Timestamp(9));
        known.merge(&by(Claim::Team, person(Some("a"), None, Some("Other"))), Timestamp(9));
        assert!(!known.is_renamed);
        known.merge(&by(Claim::Team, person(Some("a"), Some("ann@a.example"), None)), Timestamp(9));
        assert!(known.is_renamed);
    }

    #[test]
    fn who_is_seen_again_soon_with_nothing_new_to_tell_is_not_written() {
        let mut batch = ContactBatch::default();
        resolve(&mut batch, 1, &person(Some("a"), None, Some("Ann")));
        let known = &mut batch.contacts[0];
        let hour = 1 + SEEN_MS;
        known.merge(&person(Some("a"), Some("ann@a.example"), Some("Ann")), Timestamp(hour - 1));
        assert!(!known.is_changed, "what nobody proves is nothing new");
        known.seen_at = 1;
        known.merge(&person(Some("a"), None, None), Timestamp(hour));
        assert!(known.is_changed);
        known.is_changed = false;
        known.merge(&by(Claim::Team, person(Some("a"), Some("ann@a.example"), None)), Timestamp(hour));
        assert!(known.is_changed, "an address is something new");
    }
}
