//! Identity claims: the signed message, and the trust in a claim. `docs/identity.md` explains how sites sign.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{Timestamp, clock::DAY_MS, email::MAX_EMAIL, text::clean_line, words::words};

words! {
    /// The trust in a claim about a contact.
    #[derive(Default)]
    Claim {
        #[default]
        /// Not signed: from the page, a form, or anyone with the public key.
        Unsigned = "unsigned" / "Not verified",
        /// Signed by the project's own server.
        Verified = "verified" / "Verified by a signature",
        /// Made by the team: with an API key, or in an import.
        Team = "team" / "Provided by your team",
        /// Signed, but the signature has expired.
        Expired = "expired" / "Not verified: the signature has expired",
        /// Signed, but the signature does not match.
        Wrong = "wrong" / "Not verified: the signature does not match",
    }
}

impl Claim {
    /// Returns whether it may fill in missing properties of a contact.
    #[must_use]
    pub fn is_trusted(self) -> bool {
        matches!(self, Self::Verified | Self::Team)
    }
}

words! {
    /// The handling of claims without a valid signature.
    #[derive(Default)]
    UnsignedClaimPolicy {
        #[default]
        /// They are stored separately and marked as unverified.
        Shown = "shown" / "Show them as unverified",
        /// They are dropped; the answer is kept as anonymous.
        Off = "off" / "Ignore them",
    }
}

/// Longest external id of a person, in characters.
pub const MAX_ID: usize = 200;
/// The longest validity of a signature, in days: without an expiry, it would be a password for anyone who sees it once.
pub const MAX_SIGNATURE_DAYS: i64 = 30;
/// The first bytes of every signed message.
const HEAD: &[u8] = b"earshot-identity-v1\n";

/// A claim with its signature, not checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedClaim {
    /// The message to verify.
    pub message: Vec<u8>,
    /// The signature; empty if it is unusable.
    pub signature: Vec<u8>,
    /// Expiry; `None` if it cannot be read.
    pub expires: Option<Timestamp>,
}

impl SignedClaim {
    /// Reads the object that a page passed to `identify`; `None` if it has no signature.
    #[must_use]
    pub fn of(contact: &Map<String, Value>) -> Option<Self> {
        let signature = contact.get("signature").filter(|value| !value.is_null())?;
        let expires = contact.get("expires").and_then(|value| match value {
            Value::String(text) => text.parse::<i64>().ok(),
            other => other.as_i64(),
        });
        // Otherwise two ids that differ only in characters that are not stored would become the same.
        let is_stored = |name: &str, max: usize| {
            contact.get(name).and_then(Value::as_str).is_none_or(|text| clean_line(text, max).unwrap_or_default() == text)
        };
        let is_exact = is_stored("id", MAX_ID) && is_stored("email", MAX_EMAIL);
        Some(Self {
            message: message(contact),
            signature: signature.as_str().filter(|_| is_exact).and_then(unhex).unwrap_or_default(),
            expires: expires.and_then(|seconds| seconds.checked_mul(1000)).map(Timestamp),
        })
    }

    /// The trust in a claim with a matching signature at `now`.
    #[must_use]
    pub fn claim_at(&self, now: Timestamp) -> Claim {
        match self.expires {
            Some(end) if end.0 <= now.0 => Claim::Expired,
            Some(end) if end.0 <= now.0.saturating_add(MAX_SIGNATURE_DAYS * DAY_MS) => Claim::Verified,
            _ => Claim::Wrong,
        }
    }
}

/// The message to sign: each field as `LENGTH:NAME,LENGTH:VALUE,` (lengths in bytes of UTF-8), sorted by the bytes of the names. The fields
/// are `id`, `email`, `name`, `expires` and each property as `attributes.NAME`; absent and null fields are left out.
#[must_use]
pub fn message(contact: &Map<String, Value>) -> Vec<u8> {
    let mut fields = BTreeMap::new();
    for name in ["id", "email", "name", "expires"] {
        fields.extend(contact.get(name).and_then(plain).map(|value| (name.to_owned(), value)));
    }
    if let Some(attributes) = contact.get("attributes").and_then(Value::as_object) {
        fields.extend(attributes.iter().filter_map(|(name, value)| Some((format!("attributes.{name}"), plain(value)?))));
    }
    let mut out = HEAD.to_vec();
    for text in fields.into_iter().flat_map(|(name, value)| [name, value]) {
        out.extend_from_slice(format!("{}:{text},", text.len()).as_bytes());
    }
    out
}

/// A value as text: numbers as JSON writes them. Lists and objects are not values of a claim, and are not stored either.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(is) => Some(is.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    (0..64).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_signature_counts_only_for_what_is_stored() {
        let signed =
            |id: &str, email: &str| SignedClaim::of(&object(json!({ "id": id, "email": email, "signature": "0".repeat(64) }))).unwrap();
        let long = format!("{}@example.com", "a".repeat(242));
        for (id, email) in [("ceo", "a@example.com"), ("", &long), (&"i".repeat(200), "")] {
            assert!(!signed(id, email).signature.is_empty(), "{id} {email}");
        }
        for (id, email) in [("ceo ", ""), ("ceo\0", ""), (&"i".repeat(201), ""), ("", &format!("a{long}")), ("", "a@example.com\n")] {
            assert!(signed(id, email).signature.is_empty(), "{id:?} {email:?}");
        }
    }

    #[test]
    fn the_signed_text_is_the_same_whatever_the_order_of_the_fields() {
        let one = object(json!({ "id": 42, "name": "Zoë", "email": "zoe@example.com", "expires": 1_800_000_000,
            "attributes": { "plan": "pro", "seats": 5, "trial": false, "left": null }, "signature": "x", "other": "y" }));
        let text = "earshot-identity-v1\n15:attributes.plan,3:pro,16:attributes.seats,1:5,16:attributes.trial,5:false,\
                    5:email,15:zoe@example.com,7:expires,10:1800000000,2:id,2:42,4:name,4:Zoë,";
        assert_eq!(String::from_utf8(message(&one)).unwrap(), text);
        let same = object(json!({ "attributes": { "trial": false, "seats": "5", "plan": "pro" }, "expires": "1800000000",
            "email": "zoe@example.com", "name": "Zoë", "id": "42" }));
        assert_eq!(message(&same), message(&one));
    }

    #[test]
    fn two_claims_never_have_the_same_text() {
        let texts = [
            json!({ "id": "1", "name": "2:id,1:2," }),
            json!({ "id": "1", "name": "2" }),
            json!({ "id": "12" }),
            json!({ "id": "1", "attributes": { "name": "2" } }),
            json!({ "id": "1", "name": "" }),
            json!({ "id": "1" }),
            json!({ "id": "1", "attributes": { "id": "1" } }),
        ];
        let texts: std::collections::BTreeSet<_> = texts.into_iter().map(|value| message(&object(value))).collect();
        assert_eq!(texts.len(), 7);
    }

    #[test]
    fn a_signature_has_an_end_and_no_late_one() {
        let now = Timestamp(1_800_000_000_000);
        let worth = |expires: Value| {
            let claim = object(json!({ "id": "1", "signature": "ab".repeat(32), "expires": expires }));
            SignedClaim::of(&claim).unwrap().claim_at(now)
        };
        assert_eq!(worth(json!(1_800_000_001)), Claim::Verified);
        assert_eq!(worth(json!("1800003600")), Claim::Verified);
        assert_eq!(worth(json!(1_800_000_000)), Claim::Expired);
        assert_eq!(worth(json!(1_800_000_000 + 31 * 86_400)), Claim::Wrong);
        for none in [json!(null), json!("soon"), json!(1.5), json!([1]), json!(i64::MAX)] {
            assert_eq!(worth(none), Claim::Wrong);
        }
        assert!(SignedClaim::of(&object(json!({ "id": "1" }))).is_none());
        for broken in [json!(7), json!("abc"), json!("zz".repeat(32)), json!("é".repeat(32))] {
            assert!(SignedClaim::of(&object(json!({ "signature": broken }))).unwrap().signature.is_empty());
        }
    }
}
