//! Present role of the person or API key whose authority something runs under.

use domain::{
    DomainError as Refusal, Timestamp,
    accounts::{
        Role, Scope,
        authority::{AuthoritySource, Successor},
        key::Access,
    },
    ids::{ActorId, ProjectId, StaffId},
};
use uuid::Uuid;

use super::{Store, Tx, id, or_instead, or_none};
use crate::error::Result;

/// Returns the source of a row's authority: its new owner after a handover, else its creator; the project if empty or null.
pub(super) fn backing(backer: Option<&str>, role: Option<&str>) -> AuthoritySource {
    match backer.filter(|backer| !backer.is_empty()) {
        None => AuthoritySource::Project,
        Some(backer) => {
            // No person has the nil id, so an unreadable id grants nothing.
            let person = or_instead("person behind a key", id(backer).ok(), StaffId(Uuid::nil()));
            AuthoritySource::Person(person, role.and_then(|role| or_none("role", role.parse().ok())))
        }
    }
}

/// Value of the column `handed_to` for `to`.
pub(super) fn heir(to: Successor) -> String {
    match to {
        Successor::Project => String::new(),
        Successor::Member(staff) => staff.to_string(),
    }
}

/// A person's role, and in the same row the access of an API key with that id. Any other actor has no role.
const PRESENT: &str = "SELECT (SELECT m.role FROM memberships m WHERE m.project_id = $1 AND m.staff_id = $2) AS role, k.access, \
     COALESCE(k.handed_to, k.created_by) AS backer, \
     (SELECT m.role FROM memberships m WHERE m.project_id = $1 AND m.staff_id = COALESCE(k.handed_to, k.created_by)) AS backer_role \
     FROM (SELECT 1 AS one) o LEFT JOIN api_keys k ON k.id = $2 AND k.project_id = $1 AND k.revoked_at IS NULL \
     AND (k.expires_at IS NULL OR k.expires_at > $3)";

type Present = (Option<String>, Option<String>, Option<String>, Option<String>);

fn read((role, access, backer, backer_role): Present) -> Result<Option<Role>> {
    if let Some(role) = role {
        return Ok(or_none("role", role.parse().ok()));
    }
    let Some(access) = access.as_deref().and_then(Access::parse) else { return Ok(None) };
    Ok(backing(backer.as_deref(), backer_role.as_deref()).effective_role(access.role()))
}

impl Store {
    /// Returns the present role of an actor in a project: a person has their own, an API key at most that of its person, any other actor none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn present_role(&self, project: ProjectId, who: ActorId, now: Timestamp) -> Result<Option<Role>> {
        let row: Present =
            sqlx::query_as(PRESENT).bind(project.to_string()).bind(who.to_string()).bind(now.0).fetch_one(self.reader()).await?;
        read(row)
    }
}

impl Tx<'_> {
    /// Same as [`Store::present_role`], inside the transaction.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn present_role(&mut self, project: ProjectId, who: ActorId, now: Timestamp) -> Result<Option<Role>> {
        let row: Present =
            sqlx::query_as(PRESENT).bind(project.to_string()).bind(who.to_string()).bind(now.0).fetch_one(self.conn()).await?;
        read(row)
    }
}

impl Tx<'_> {
    /// Checks, inside the writing transaction, that the actor still has at least the role `need`.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`] if the actor does not; also when the database fails.
    pub async fn ensure_authorized(&mut self, scope: &Scope, need: Role, now: Timestamp) -> Result<()> {
        let Some(who) = scope.actor_id() else { return Ok(()) };
        let role = self.present_role(scope.project(), who, now).await?;
        if role.is_some_and(|role| role >= need) { Ok(()) } else { Err(Refusal::Forbidden.into()) }
    }
}
