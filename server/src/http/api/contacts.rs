//! `/api/v1/contacts`: the people who gave feedback.

use std::collections::BTreeMap;

use axum::{extract::State, http::HeaderMap};
use domain::{DomainError as Refusal, accounts::Role, email, ids::ContactId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use service::state::AppState;
use store::contacts::{ContactFilter, ListedContact};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::{
    caller::ApiCaller,
    page,
    problem::ApiHandlerResult,
    request::{self, PathIds, QueryParams},
    write_outcome,
};

/// A person who gave feedback, with everything that is known of them.
#[derive(Debug, Serialize, ToSchema)]
pub struct ContactRecord {
    /// Earshot’s ID for the person: the `contact_id` of their feedback.
    id: Uuid,
    /// Your own ID for the person.
    #[schema(example = "user-81")]
    external_id: Option<String>,
    #[schema(example = "ann@example.com")]
    email: Option<String>,
    #[schema(example = "Ann Archer")]
    name: Option<String>,
    /// Additional properties.
    #[schema(value_type = Object)]
    attributes: BTreeMap<String, Value>,
    /// Which of these are verified by a signed claim or by your team: any of `id`, `email`, `name`, `attributes`.
    verified: Vec<&'static str>,
    #[schema(format = DateTime)]
    created_at: String,
    /// When they gave feedback last.
    #[schema(format = DateTime)]
    seen_at: String,
}

/// One page of contacts, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct ContactList {
    items: Vec<ContactRecord>,
    /// Cursor for the next page; null on the last page.
    next_cursor: Option<String>,
}

impl From<ListedContact> for ContactRecord {
    fn from(contact: ListedContact) -> Self {
        Self {
            id: contact.id.0,
            external_id: contact.external_id,
            email: contact.email,
            name: contact.name,
            attributes: serde_json::from_str(&contact.attributes).unwrap_or_default(),
            verified: contact.verified,
            created_at: contact.created_at.rfc3339(),
            seen_at: contact.seen_at.rfc3339(),
        }
    }
}

/// Query parameters of the list.
#[derive(Debug, Deserialize, IntoParams, Validate)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListContactsParams {
    /// Part of the name, the e-mail address or your own ID.
    #[serde(default)]
    #[validate(length(max = 200))]
    #[param(max_length = 200, example = "archer")]
    q: String,
    /// Only contacts with this e-mail address.
    #[serde(default)]
    #[validate(length(max = super::request::chars(domain::email::MAX_EMAIL)))]
    #[param(max_length = 254, pattern = "^[^\\u0000]*$")]
    email: String,
    /// Only the contact with this ID of yours.
    #[serde(default)]
    #[validate(length(max = super::request::chars(domain::identity::MAX_ID)))]
    #[param(max_length = 200, pattern = "^[^\\u0000]*$")]
    external_id: String,
    /// Number of contacts per page.
    #[serde(default = "request::page", deserialize_with = "request::limit")]
    #[param(minimum = 1, maximum = 100, default = 25)]
    limit: usize,
    /// `next_cursor` from the previous page.
    #[param(max_length = 200)]
    cursor: Option<String>,
}

/// List and search contacts
///
/// Newest first. People who never said who they are, by name, e-mail address or ID, are left out.
#[utoipa::path(get, path = "/api/v1/contacts", operation_id = "list_contacts", tag = "Contacts", params(ListContactsParams),
    responses((status = 200, description = "One page.", body = ContactList)))]
pub async fn list_contacts(
    State(app): State<AppState>,
    caller: ApiCaller,
    QueryParams(asked): QueryParams<ListContactsParams>,
    headers: HeaderMap,
) -> ApiHandlerResult {
    let scope = caller.scope(Role::Viewer)?;
    let after = match page::place(asked.cursor.as_deref())? {
        None => None,
        Some((_, id)) => Some(id.parse::<ContactId>().map_err(|_| page::invalid_cursor())?),
    };
    let filter = ContactFilter {
        words: asked.q.clone(),
        // Normalized like stored addresses.
        email: email::read(&asked.email).unwrap_or_else(|| email::lower_case(&asked.email)),
        external_id: asked.external_id.trim().to_owned(),
    };
    let mut contacts = app.store.contacts_page(&scope, &filter, after, page::fetch_limit(asked.limit)).await?;
    let next_cursor = page::split_page(&mut contacts, asked.limit, |contact| (contact.created_at, contact.id.0));
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    let questions = [
        ("q", given(asked.q)),
        ("email", given(asked.email)),
        ("external_id", given(asked.external_id)),
        ("limit", Some(asked.limit.to_string())),
    ];
    let next = page::next("/api/v1/contacts", next_cursor.as_deref(), &questions);
    write_outcome::page(&headers, &ContactList { items: contacts.into_iter().map(ContactRecord::from).collect(), next_cursor }, next)
}

/// Read a contact
///
/// To find their feedback, search it for `contact:` and their e-mail address or your own ID.
#[utoipa::path(get, path = "/api/v1/contacts/{contact_id}", operation_id = "read_contact", tag = "Contacts",
    params(("contact_id" = Uuid, Path, description = "The contact.")),
    responses((status = 200, description = "The contact.", body = ContactRecord)))]
pub async fn read_contact(
    State(app): State<AppState>,
    caller: ApiCaller,
    PathIds([id]): PathIds<1>,
    headers: HeaderMap,
) -> ApiHandlerResult {
    let scope = caller.scope(Role::Viewer)?;
    let contact = app.store.contact(&scope, ContactId(id)).await?.ok_or(Refusal::NotFound)?;
    write_outcome::conditional_response(&headers, &ContactRecord::from(contact))
}
