//! `/api/v1/keys`: the API keys of the project. People create and revoke them in the console: a key lends its person's authority, which no
//! program can give or take.

use axum::{extract::State, http::HeaderMap};
use domain::{Timestamp, accounts::Role};
use serde::Serialize;
use service::state::AppState;
use store::keys::ApiKey as Stored;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    caller::ApiCaller,
    lists::{self, PageParams},
    me::Access,
    problem::ApiHandlerResult,
    request::QueryParams,
};

/// An API key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApiKey {
    id: Uuid,
    /// The name of the program that uses it.
    #[schema(example = "Nightly export")]
    name: String,
    /// Its first characters.
    #[schema(example = "eas_3f9Qx1Lk")]
    prefix: String,
    /// The scope that it was created with.
    scope: Access,
    /// The scope that it has now; null if the person it acts for is no longer a member, and then it does not work.
    current_scope: Option<Access>,
    /// Who created it; null if the command line did.
    created_by: Option<String>,
    /// The member that it acts for; null if it acts for the project.
    acts_for: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    /// When it expires; null if it is valid until revoked.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    #[schema(format = DateTime)]
    last_used_at: Option<String>,
    #[schema(format = DateTime)]
    revoked_at: Option<String>,
}

/// One page of API keys, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApiKeyList {
    items: Vec<ApiKey>,
    /// Cursor for the next page; null on the last page.
    next_cursor: Option<String>,
}

impl From<Stored> for ApiKey {
    fn from(key: Stored) -> Self {
        Self {
            id: key.id.0,
            scope: key.access.role().into(),
            current_scope: key.role().map(Access::from),
            name: key.name,
            prefix: key.prefix,
            created_by: key.by,
            acts_for: key.backer,
            created_at: key.created_at.rfc3339(),
            expires_at: key.expires_at.map(Timestamp::rfc3339),
            last_used_at: key.used_at.map(Timestamp::rfc3339),
            revoked_at: key.revoked_at.map(Timestamp::rfc3339),
        }
    }
}

/// List API keys
///
/// Expired and revoked ones too, up to 500.
#[utoipa::path(get, path = "/api/v1/keys", operation_id = "list_keys", tag = "Key", params(PageParams),
    responses((status = 200, description = "One page.", body = ApiKeyList)))]
pub async fn list_keys(
    State(app): State<AppState>,
    caller: ApiCaller,
    QueryParams(asked): QueryParams<PageParams>,
    headers: HeaderMap,
) -> ApiHandlerResult {
    let scope = caller.scope(Role::Admin)?;
    let keys = app.store.api_keys(&scope).await?;
    let end = |key: &Stored| (key.created_at, key.id.0);
    lists::respond(&headers, (&asked, "/api/v1/keys"), keys, end, |keys, next_cursor| ApiKeyList {
        items: keys.into_iter().map(ApiKey::from).collect(),
        next_cursor,
    })
}
