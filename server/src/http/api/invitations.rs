//! `/api/v1/invitations`: links for joining the project.

use axum::{extract::State, http::HeaderMap, response::Response};
use domain::{
    DomainError as Refusal,
    accounts::{Role, Scope},
    ids::InvitationId,
};
use serde::{Deserialize, Serialize};
use service::{
    accounts::invitations::{self, CreatedInvitation},
    state::{App, AppState},
};
use store::invitations::Invitation as Stored;
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::{
    caller::ApiCaller,
    lists::{self, PageParams},
    members::{GrantableRole, MemberRole},
    problem::ApiHandlerResult,
    request::{EmptyBody, PathIds, QueryParams, WriteRequest},
    write_outcome::{self, WriteOutcome, use_case_key},
};
use crate::http::address::BaseUrl;

/// An invitation that nobody has used yet.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Invitation {
    id: Uuid,
    /// The role that it gives.
    role: MemberRole,
    /// Whom it is for; null if it is for anyone who has the link.
    email: Option<String>,
    /// The name of the member or key that created it.
    #[schema(example = "Ann Archer")]
    invited_by: String,
    #[schema(format = DateTime)]
    expires_at: String,
}

/// An invitation with its link.
#[derive(Debug, Serialize, ToSchema)]
pub struct InvitationWithLink {
    #[serde(flatten)]
    invitation: Invitation,
    /// The link to join, which works once. Earshot does not store it: it is null in the response to a retry.
    link: Option<String>,
}

/// One page of invitations, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct InvitationList {
    items: Vec<Invitation>,
    /// Cursor for the next page; null on the last page.
    next_cursor: Option<String>,
}

impl From<Stored> for Invitation {
    fn from(invitation: Stored) -> Self {
        Self {
            id: invitation.id.0,
            role: invitation.role.into(),
            email: invitation.email,
            invited_by: invitation.by_name,
            expires_at: invitation.expires_at.rfc3339(),
        }
    }
}

async fn one(app: &App, scope: &Scope, id: InvitationId) -> ApiHandlerResult<Invitation> {
    let open = app.store.open_invitations(scope, app.now()).await?;
    Ok(open.into_iter().find(|invitation| invitation.id == id).ok_or(Refusal::NotFound)?.into())
}

/// List open invitations
#[utoipa::path(get, path = "/api/v1/invitations", operation_id = "list_invitations", tag = "Members", params(PageParams),
    responses((status = 200, description = "One page.", body = InvitationList)))]
pub async fn list_invitations(
    State(app): State<AppState>,
    caller: ApiCaller,
    QueryParams(asked): QueryParams<PageParams>,
    headers: HeaderMap,
) -> ApiHandlerResult {
    let scope = caller.scope(Role::Admin)?;
    let open = app.store.open_invitations(&scope, app.now()).await?;
    // All are valid for the same time, so the newest expire last.
    let end = |invitation: &Stored| (invitation.expires_at, invitation.id.0);
    lists::respond(&headers, (&asked, "/api/v1/invitations"), open, end, |open, next_cursor| InvitationList {
        items: open.into_iter().map(Invitation::from).collect(),
        next_cursor,
    })
}

/// Read an open invitation
#[utoipa::path(get, path = "/api/v1/invitations/{invitation_id}", operation_id = "read_invitation", tag = "Members",
    params(("invitation_id" = Uuid, Path, description = "The invitation.")),
    responses((status = 200, description = "The invitation.", body = Invitation)))]
pub async fn read_invitation(
    State(app): State<AppState>,
    caller: ApiCaller,
    PathIds([id]): PathIds<1>,
    headers: HeaderMap,
) -> ApiHandlerResult {
    write_outcome::conditional_response(&headers, &one(&app, &caller.scope(Role::Admin)?, InvitationId(id)).await?)
}

/// An invitation to create.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewInvitation {
    role: GrantableRole,
    /// Whom it is for. They get an e-mail with the link if the installation sends e-mail. If omitted, the link is for anyone who has it.
    #[serde(default)]
    #[validate(length(max = super::request::chars(domain::email::MAX_EMAIL)))]
    #[schema(format = "email", max_length = 254, example = "ann@example.com")]
    email: Option<String>,
}

/// Invite someone
///
/// Creates a link that works once, for seven days, as long as this key still has the scope `admin`. An open invitation for the same e-mail
/// address is replaced. The response contains the link; nothing returns it again.
#[utoipa::path(post, path = "/api/v1/invitations", operation_id = "create_invitation", tag = "Members", request_body = NewInvitation,
    responses((status = 201, description = "The new invitation, with its link.", body = InvitationWithLink)))]
pub async fn create_invitation(
    State(app): State<AppState>,
    BaseUrl(base): BaseUrl,
    sent: WriteRequest<NewInvitation>,
) -> ApiHandlerResult<Response> {
    let (sent, body) = sent.open();
    let (scope, key) = (sent.caller.scope(Role::Admin)?, use_case_key(&sent)?);
    write_outcome::idempotent(&app, &sent, async {
        let email = body.email.as_deref().unwrap_or_default();
        let CreatedInvitation { id, token, .. } = invitations::create(&app, &scope, body.role.into(), email, &key).await?;
        let stored = InvitationWithLink { invitation: one(&app, &scope, id).await?, link: None };
        let link = token.map(|token| format!("{base}/invite/{token}"));
        let first = InvitationWithLink { invitation: stored.invitation.clone(), link };
        Ok(WriteOutcome::created(format!("/api/v1/invitations/{id}"), &stored)?.shown_once(&first)?)
    })
    .await
}

/// Revoke an invitation
///
/// Its link no longer works.
#[utoipa::path(delete, path = "/api/v1/invitations/{invitation_id}", operation_id = "revoke_invitation", tag = "Members",
    params(("invitation_id" = Uuid, Path, description = "The invitation.")),
    responses((status = 204, description = "The invitation is revoked.")))]
pub async fn revoke_invitation(
    State(app): State<AppState>,
    PathIds([id]): PathIds<1>,
    sent: WriteRequest<EmptyBody>,
) -> ApiHandlerResult<Response> {
    let (sent, EmptyBody {}) = sent.open();
    let scope = sent.caller.scope(Role::Admin)?;
    write_outcome::delete(&app, &sent, invitations::revoke(&app, &scope, InvitationId(id))).await
}
