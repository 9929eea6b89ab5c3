//! `/api/v1/me`: the key itself.

use axum::http::HeaderMap;
use domain::{Timestamp, accounts::Role};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{answer, caller::Caller, problem::Answered};

/// The key that a request was made with.
#[derive(Debug, Serialize, ToSchema)]
pub struct Key {
    id: Uuid,
    /// The program that uses it, as it was named; the history of what it changes shows this.
    #[schema(example = "Nightly export")]
    name: String,
    /// How the key begins.
    #[schema(example = "eas_3f9Qx1Lk")]
    prefix: String,
    /// `read`, `write` or `admin`: what it may do now. Less than it was made for when the person it acts for may do less.
    scope: Access,
    /// The one project that it reaches.
    project_id: Uuid,
    #[schema(format = DateTime)]
    created_at: String,
    /// Until when it works; null: until it is revoked.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// What a key may do; each includes those before it.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Reads everything in the project.
    Read,
    /// Also writes feedback, responses, backlog items and tickets.
    Write,
    /// All that an admin may do.
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
/// What the key is called, what it may do, and until when it works. A good first request.
#[utoipa::path(get, path = "/api/v1/me", operation_id = "read_key", tag = "Key", responses((status = 200, description = "The key.", body = Key)))]
pub async fn read_key(caller: Caller, headers: HeaderMap) -> Answered {
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
    answer::found(&headers, &view)
}
