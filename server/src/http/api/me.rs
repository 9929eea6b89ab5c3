//! `/api/v1/me`: the key itself.

use axum::http::HeaderMap;
use domain::{Timestamp, accounts::Role};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{caller::ApiCaller, problem::ApiHandlerResult, write_outcome};

/// The API key of the request.
#[derive(Debug, Serialize, ToSchema)]
pub struct Key {
    id: Uuid,
    /// The name of the program that uses the key; the history shows it for the program's changes.
    #[schema(example = "Nightly export")]
    name: String,
    /// The first characters of the key.
    #[schema(example = "eas_3f9Qx1Lk")]
    prefix: String,
    /// The current scope: `read`, `write` or `admin`. It is lower than the scope the key was created with if the person it acts for has a lower role.
    scope: Access,
    /// The only project that the key can access.
    project_id: Uuid,
    #[schema(format = DateTime)]
    created_at: String,
    /// When it expires; null if it is valid until revoked.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// The scope of a key; each includes the ones before it.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Reads everything in the project.
    Read,
    /// Also writes feedback, responses, backlog items and tickets.
    Write,
    /// Everything that an admin can do.
    Admin,
}

impl From<Role> for Access {
    fn from(role: Role) -> Self {
        match role {
            Role::Viewer => Self::Read,
            Role::Triager => Self::Write,
            Role::Admin | Role::Owner => Self::Admin,
        }
    }
}

/// The key of this request
///
/// The key's name, scope and expiry. A good first request.
#[utoipa::path(get, path = "/api/v1/me", operation_id = "read_current_key", tag = "Key", responses((status = 200, description = "The key.", body = Key)))]
pub async fn read_current_key(caller: ApiCaller, headers: HeaderMap) -> ApiHandlerResult {
    let role = caller.scope(Role::Viewer)?.role();
    let key = caller.key;
    let view = Key {
        id: key.id.0,
        name: key.name,
        prefix: key.prefix,
        scope: role.into(),
        project_id: key.project.0,
        created_at: key.created_at.rfc3339(),
        expires_at: key.expires_at.map(Timestamp::rfc3339),
    };
    write_outcome::conditional_response(&headers, &view)
}
