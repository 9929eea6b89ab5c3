//! The person who gave feedback, as an API client provides it.

use std::collections::BTreeMap;

use domain::{
    DomainError as Refusal, FieldErrors, email,
    identity::Claim,
    responses::ClaimedContact,
    text::{line, too_long},
};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use validator::Validate;

use crate::http::respond::web_address;

/// The person who gave the feedback. Existing details of a contact are kept; new ones are added and count as verified by your team.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewContact {
    /// Your own ID for the person. Feedback with the same ID belongs to the same contact.
    #[serde(default)]
    #[validate(length(max = super::request::chars(domain::identity::MAX_ID)))]
    #[schema(min_length = 1, max_length = 200, example = "user-81")]
    id: Option<String>,
    #[serde(default)]
    #[validate(length(max = super::request::chars(domain::email::MAX_EMAIL)))]
    #[schema(format = "email", max_length = 254, example = "ann@example.com")]
    email: Option<String>,
    #[serde(default)]
    #[validate(length(max = 200))]
    #[schema(max_length = 200, example = "Ann Archer")]
    name: Option<String>,
    /// Up to 30 additional properties: strings of up to 500 characters, numbers, true or false.
    #[serde(default)]
    #[schema(value_type = Object, example = json!({ "plan": "pro", "seats": 5 }))]
    attributes: BTreeMap<String, Value>,
}

/// A web address without a password; anything other than http(s) is refused at its place.
pub fn address(errors: &mut FieldErrors, field: &str, text: Option<&str>) -> Option<String> {
    let text = text?;
    let read = web_address(text);
    if read.is_none() {
        errors.add(field, "url", "Use a URL that begins with http:// or https://.");
    }
    read
}

impl NewContact {
    /// The person; errors are reported at `place/…`.
    pub fn read(self, place: &str, errors: &mut FieldErrors) -> Option<ClaimedContact> {
        let Self { id, email, name, attributes } = self;
        let email = email.as_deref().and_then(line);
        let external_id = id.as_deref().and_then(line);
        if id.is_some() && external_id.is_none() {
            errors.add(&format!("{place}/id"), "required", "Omit the ID, or use one with visible characters.");
        }
        let person = ClaimedContact {
            external_id,
            email: email.as_deref().and_then(email::read),
            name: name.as_deref().and_then(line),
            attributes: (!attributes.is_empty()).then(|| serde_json::to_string(&attributes).unwrap_or_default()),
            claim: Claim::Team,
        };
        if email.is_some() && person.email.is_none() {
            errors.add(&format!("{place}/email"), "email", "Use an e-mail address like name@example.com.");
        }
        let fits = |(name, value): (&String, &Value)| {
            let value = match value {
                Value::String(text) => too_long(text, 500).is_none(),
                Value::Number(_) | Value::Bool(_) => true,
                _ => false,
            };
            value && (1..=100).contains(&name.chars().count())
        };
        if attributes.len() > 30 || !attributes.iter().all(fits) {
            errors.add(
                &format!("{place}/attributes"),
                "malformed",
                "Use at most 30 properties, with names of 1 to 100 characters and values that are numbers, true, false or strings of up to 500 characters.",
            );
        }
        (person.external_id.is_some() || person.email.is_some() || person.name.is_some() || person.attributes.is_some()).then_some(person)
    }
}

/// Fails if parsing an input reported errors.
///
/// # Errors
/// Returns an error if there are any.
pub fn all_fits(errors: FieldErrors) -> Result<(), Refusal> {
    errors.into_result(())
}
