//! `/api/v1/identity-secrets`: secrets with which a site's servers sign who a visitor is.

use axum::{extract::State, http::HeaderMap, response::Response};
use domain::{
    DomainError as Refusal, Timestamp,
    accounts::{Role, Scope},
    ids::IdentitySecretId,
};
use serde::Serialize;
use service::{
    identity,
    state::{App, AppState},
};
use store::identity::IdentitySecret as Stored;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    caller::ApiCaller,
    lists::{self, PageParams},
    problem::ApiHandlerResult,
    request::{EmptyBody, PathIds, QueryParams, WriteRequest},
    write_outcome::{self, WriteOutcome, use_case_key},
};

/// A secret that signs identities. What it signed counts as verified until it is retired.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct IdentitySecret {
    id: Uuid,
    /// Its last characters.
    #[schema(example = "x7Qe")]
    ending: String,
    /// Who created it; null if the command line did.
    created_by: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was retired; null while it is valid.
    #[schema(format = DateTime)]
    retired_at: Option<String>,
}

/// A new identity secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct IdentitySecretWithValue {
    #[serde(flatten)]
    secret: IdentitySecret,
    /// The secret itself. Nothing returns it again, so it is null in the response to a retry.
    #[schema(example = "eis_…")]
    value: Option<String>,
}

/// One page of identity secrets, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct IdentitySecretList {
    items: Vec<IdentitySecret>,
    /// Cursor for the next page; null on the last page.
    next_cursor: Option<String>,
}

impl From<Stored> for IdentitySecret {
    fn from(secret: Stored) -> Self {
        Self {
            id: secret.id.0,
            ending: secret.ending,
            created_by: secret.by,
            created_at: secret.created_at.rfc3339(),
            retired_at: secret.retired_at.map(Timestamp::rfc3339),
        }
    }
}

async fn one(app: &App, scope: &Scope, id: Uuid) -> ApiHandlerResult<IdentitySecret> {
    let found = app.store.identity_secrets(scope).await?.into_iter().find(|secret| secret.id.0 == id);
    Ok(found.ok_or(Refusal::NotFound)?.into())
}

/// List identity secrets
///
/// Retired ones too.
#[utoipa::path(get, path = "/api/v1/identity-secrets", operation_id = "list_identity_secrets", tag = "Identity", params(PageParams),
    responses((status = 200, description = "One page.", body = IdentitySecretList)))]
pub async fn list_identity_secrets(
    State(app): State<AppState>,
    caller: ApiCaller,
    QueryParams(asked): QueryParams<PageParams>,
    headers: HeaderMap,
) -> ApiHandlerResult {
    let scope = caller.scope(Role::Admin)?;
    let secrets = app.store.identity_secrets(&scope).await?;
    let end = |secret: &Stored| (secret.created_at, secret.id.0);
    lists::respond(&headers, (&asked, "/api/v1/identity-secrets"), secrets, end, |secrets, next_cursor| IdentitySecretList {
        items: secrets.into_iter().map(IdentitySecret::from).collect(),
        next_cursor,
    })
}

/// Read an identity secret
///
/// Does not return the secret itself.
#[utoipa::path(get, path = "/api/v1/identity-secrets/{secret_id}", operation_id = "read_identity_secret", tag = "Identity",
    params(("secret_id" = Uuid, Path, description = "The secret.")),
    responses((status = 200, description = "The secret.", body = IdentitySecret)))]
pub async fn read_identity_secret(
    State(app): State<AppState>,
    caller: ApiCaller,
    PathIds([id]): PathIds<1>,
    headers: HeaderMap,
) -> ApiHandlerResult {
    write_outcome::conditional_response(&headers, &one(&app, &caller.scope(Role::Admin)?, id).await?)
}

/// Create an identity secret
///
/// The response contains the secret; nothing returns it again. At most two are valid at a time, so that one can replace the other: a third
/// is refused with 409.
#[utoipa::path(post, path = "/api/v1/identity-secrets", operation_id = "create_identity_secret", tag = "Identity",
    responses((status = 201, description = "The new secret.", body = IdentitySecretWithValue)))]
pub async fn create_identity_secret(State(app): State<AppState>, sent: WriteRequest<EmptyBody>) -> ApiHandlerResult<Response> {
    let (sent, EmptyBody {}) = sent.open();
    let (scope, key) = (sent.caller.scope(Role::Admin)?, use_case_key(&sent)?);
    write_outcome::idempotent(&app, &sent, async {
        let Some((id, value)) = identity::create(&app, &scope, &key).await? else {
            // A retry after a crash that lost the first response.
            let why =
                "This secret was already created, and its value is lost. Retire it and create another one with a new Idempotency-Key.";
            return Err(Refusal::Conflict(why.into()).into());
        };
        let stored = IdentitySecretWithValue { secret: one(&app, &scope, id.0).await?, value: None };
        let first = IdentitySecretWithValue { secret: stored.secret.clone(), value: Some(value) };
        Ok(WriteOutcome::created(format!("/api/v1/identity-secrets/{}", stored.secret.id), &stored)?.shown_once(&first)?)
    })
    .await
}

/// Retire an identity secret
///
/// Revokes it permanently: what it signed counts as unverified from now on. It stays in the list.
#[utoipa::path(post, path = "/api/v1/identity-secrets/{secret_id}/retire", operation_id = "retire_identity_secret", tag = "Identity",
    params(("secret_id" = Uuid, Path, description = "The secret.")),
    responses((status = 200, description = "The retired secret.", body = IdentitySecret)))]
pub async fn retire_identity_secret(
    State(app): State<AppState>,
    PathIds([id]): PathIds<1>,
    sent: WriteRequest<EmptyBody>,
) -> ApiHandlerResult<Response> {
    let (sent, EmptyBody {}) = sent.open();
    let scope = sent.caller.scope(Role::Admin)?;
    sent.once()?;
    write_outcome::idempotent(&app, &sent, async {
        // Retiring it again changes nothing.
        if one(&app, &scope, id).await?.retired_at.is_none() {
            identity::retire(&app, &scope, IdentitySecretId(id)).await?;
        }
        Ok(WriteOutcome::changed(&one(&app, &scope, id).await?)?)
    })
    .await
}
