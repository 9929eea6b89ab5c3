//! `/api/v1/members`: members of the project and their roles.

use axum::{extract::State, http::HeaderMap, response::Response};
use domain::{
    DomainError as Refusal, Timestamp,
    accounts::{Role, Scope},
    ids::StaffId,
};
use serde::{Deserialize, Serialize};
use service::{
    accounts::{members, offboarding::OffboardingDecisions},
    state::{App, AppState},
};
use store::staff::Member as Stored;
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::{
    caller::ApiCaller,
    lists::{self, PageParams},
    problem::ApiHandlerResult,
    request::{EmptyBody, PathIds, QueryParams, WriteRequest},
    write_outcome::{self, WriteOutcome},
};

/// What a member may do; each role includes the ones before it.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemberRole {
    /// Reads everything in the project.
    Viewer,
    /// Also triages feedback, answers tickets and keeps the backlog.
    Triager,
    /// Also edits surveys, settings, imports, webhooks and members.
    Admin,
    /// Also makes and removes owners.
    Owner,
}

impl From<Role> for MemberRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Viewer => Self::Viewer,
            Role::Triager => Self::Triager,
            Role::Admin => Self::Admin,
            Role::Owner => Self::Owner,
        }
    }
}

/// A role that can be given. A key acts as an admin at most, and so makes no owners.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GrantableRole {
    /// Reads everything in the project.
    Viewer,
    /// Also triages feedback, answers tickets and keeps the backlog.
    Triager,
    /// Also edits surveys, settings, imports, webhooks and members.
    Admin,
}

impl From<GrantableRole> for Role {
    fn from(role: GrantableRole) -> Self {
        match role {
            GrantableRole::Viewer => Self::Viewer,
            GrantableRole::Triager => Self::Triager,
            GrantableRole::Admin => Self::Admin,
        }
    }
}

/// Someone who works in the project.
#[derive(Debug, Serialize, ToSchema)]
pub struct Member {
    /// Also the `assignee_id` of what is assigned to them.
    id: Uuid,
    #[schema(example = "Ann Archer")]
    name: String,
    #[schema(example = "ann@example.com")]
    email: String,
    role: MemberRole,
}

/// One page of members, newest account first.
#[derive(Debug, Serialize, ToSchema)]
pub struct MemberList {
    items: Vec<Member>,
    /// Cursor for the next page; null on the last page.
    next_cursor: Option<String>,
}

impl From<Stored> for Member {
    fn from(member: Stored) -> Self {
        Self { id: member.staff.0, name: member.name, email: member.email, role: member.role.into() }
    }
}

async fn one(app: &App, scope: &Scope, id: Uuid) -> ApiHandlerResult<Member> {
    let found = app.store.members(scope).await?.into_iter().find(|member| member.staff.0 == id);
    Ok(found.ok_or(Refusal::NotFound)?.into())
}

/// List members
#[utoipa::path(get, path = "/api/v1/members", operation_id = "list_members", tag = "Members", params(PageParams),
    responses((status = 200, description = "One page.", body = MemberList)))]
pub async fn list_members(
    State(app): State<AppState>,
    caller: ApiCaller,
    QueryParams(asked): QueryParams<PageParams>,
    headers: HeaderMap,
) -> ApiHandlerResult {
    let scope = caller.scope(Role::Viewer)?;
    let members = app.store.members(&scope).await?;
    // IDs grow with time, so they alone order by age.
    let end = |member: &Stored| (Timestamp(0), member.staff.0);
    lists::respond(&headers, (&asked, "/api/v1/members"), members, end, |members, next_cursor| MemberList {
        items: members.into_iter().map(Member::from).collect(),
        next_cursor,
    })
}

/// Read a member
#[utoipa::path(get, path = "/api/v1/members/{member_id}", operation_id = "read_member", tag = "Members",
    params(("member_id" = Uuid, Path, description = "The member.")),
    responses((status = 200, description = "The member.", body = Member)))]
pub async fn read_member(
    State(app): State<AppState>,
    caller: ApiCaller,
    PathIds([id]): PathIds<1>,
    headers: HeaderMap,
) -> ApiHandlerResult {
    write_outcome::conditional_response(&headers, &one(&app, &caller.scope(Role::Viewer)?, id).await?)
}

/// Fields to change.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct MemberPatch {
    role: GrantableRole,
}

/// Change a member’s role
///
/// Needs a key with the scope `admin`. The role of an owner cannot be changed. API keys that act for the member do no more than the new role
/// allows; below admin, the member’s webhooks are turned off and their open invitations revoked.
#[utoipa::path(patch, path = "/api/v1/members/{member_id}", operation_id = "update_member", tag = "Members", request_body = MemberPatch,
    params(("member_id" = Uuid, Path, description = "The member.")),
    responses((status = 200, description = "The updated member.", body = Member)))]
pub async fn update_member(
    State(app): State<AppState>,
    PathIds([id]): PathIds<1>,
    sent: WriteRequest<MemberPatch>,
) -> ApiHandlerResult<Response> {
    let (sent, body) = sent.open();
    let scope = sent.caller.scope(Role::Admin)?;
    write_outcome::idempotent(&app, &sent, async {
        write_outcome::require_if_match(&sent.headers, &one(&app, &scope, id).await?)?;
        members::change_role(&app, &scope, StaffId(id), body.role.into(), OffboardingDecisions::default()).await?;
        Ok(WriteOutcome::changed(&one(&app, &scope, id).await?)?)
    })
    .await
}

/// Remove a member
///
/// Needs a key with the scope `admin`. An owner cannot be removed. What acts for the member ends: their API keys and open invitations are
/// revoked, and their webhooks turned off. Their account and what they did stay.
#[utoipa::path(delete, path = "/api/v1/members/{member_id}", operation_id = "remove_member", tag = "Members",
    params(("member_id" = Uuid, Path, description = "The member.")),
    responses((status = 204, description = "They are not a member.")))]
pub async fn remove_member(
    State(app): State<AppState>,
    PathIds([id]): PathIds<1>,
    sent: WriteRequest<EmptyBody>,
) -> ApiHandlerResult<Response> {
    let (sent, EmptyBody {}) = sent.open();
    let scope = sent.caller.scope(Role::Admin)?;
    write_outcome::delete(&app, &sent, members::remove(&app, &scope, StaffId(id), OffboardingDecisions::default())).await
}
