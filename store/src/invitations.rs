//! Invitations of members by link. Only the hash of the link's secret is stored.

use domain::{
    Timestamp,
    accounts::{Role, Scope},
    ids::{ActorId, InvitationId, ProjectId, StaffId},
};
use sqlx::FromRow;

use super::{Act, Store, Tx, id, or_instead};
use crate::error::Result;

/// An open invitation.
#[derive(Debug, Clone)]
pub struct Invitation {
    /// Its id.
    pub id: InvitationId,
    /// The project it is for.
    pub project: ProjectId,
    /// That project's name.
    pub project_name: String,
    /// The role it grants.
    pub role: Role,
    /// The invited address, if restricted to one.
    pub email: Option<String>,
    /// Its creator: a person or a program.
    pub by: ActorId,
    /// The creator's name.
    pub by_name: String,
    /// When it expires.
    pub expires_at: Timestamp,
}

/// A revoked invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevokedInvitation {
    /// Its id.
    pub id: InvitationId,
    /// Whether its link was valid until then.
    pub was_open: bool,
}

#[derive(FromRow)]
struct InvitationRow {
    id: String,
    project_id: String,
    project_name: String,
    role: String,
    email: Option<String>,
    created_by: String,
    by_name: String,
    expires_at: i64,
}

impl TryFrom<InvitationRow> for Invitation {
    type Error = crate::error::Error;

    fn try_from(row: InvitationRow) -> Result<Self> {
        Ok(Self {
            id: id(&row.id)?,
            project: id(&row.project_id)?,
            project_name: row.project_name,
            role: or_instead("role of an invitation", row.role.parse().ok(), Role::Viewer),
            email: row.email,
            by: id(&row.created_by)?,
            by_name: row.by_name,
            expires_at: Timestamp(row.expires_at),
        })
    }
}

impl Store {
    /// Returns a project's open invitations, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn open_invitations(&self, scope: &Scope, now: Timestamp) -> Result<Vec<Invitation>> {
        let rows: Vec<InvitationRow> = sqlx::query_as(
            "SELECT i.id, i.project_id, p.name AS project_name, i.role, i.email, i.created_by, a.name AS by_name, i.expires_at \
             FROM invitations i JOIN projects p ON p.id = i.project_id JOIN actors a ON a.id = i.created_by \
             WHERE i.project_id = $1 AND i.used_at IS NULL AND i.revoked_at IS NULL AND i.expires_at > $2 ORDER BY i.created_at DESC, i.id DESC",
        )
        .bind(scope.project().to_string())
        .bind(now.0)
        .fetch_all(self.reader())
        .await?;
        rows.into_iter().map(Invitation::try_from).collect()
    }

    /// Returns the open invitation of a link.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn invitation_by_token(&self, token_hash: &str, now: Timestamp) -> Result<Option<Invitation>> {
        let row: Option<InvitationRow> = sqlx::query_as(
            "SELECT i.id, i.project_id, p.name AS project_name, i.role, i.email, i.created_by, a.name AS by_name, i.expires_at \
             FROM invitations i JOIN projects p ON p.id = i.project_id JOIN actors a ON a.id = i.created_by \
             WHERE i.token_hash = $1 AND i.used_at IS NULL AND i.revoked_at IS NULL AND i.expires_at > $2",
        )
        .bind(token_hash.to_owned())
        .bind(now.0)
        .fetch_optional(self.reader())
        .await?;
        row.map(Invitation::try_from).transpose()
    }
}

impl Tx<'_> {
    /// Returns the open invitations of a project that an actor, or a key acting for them, created, with the role of each.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn invitations_of(&mut self, project: ProjectId, by: ActorId, now: Timestamp) -> Result<Vec<(InvitationId, Role)>> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT id, role FROM invitations WHERE project_id = $1 AND (created_by = $2 OR created_by IN (SELECT k.id FROM api_keys k \
             WHERE k.project_id = $1 AND COALESCE(k.handed_to, k.created_by) = $2)) AND used_at IS NULL AND revoked_at IS NULL \
             AND expires_at > $3 ORDER BY id",
        )
        .bind(project.to_string())
        .bind(by.to_string())
        .bind(now.0)
        .fetch_all(self.conn())
        .await?;
        rows.into_iter().map(|(own, role)| Ok((id(&own)?, or_instead("role of an invitation", role.parse().ok(), Role::Viewer)))).collect()
    }

    /// Transfers an open invitation to another person.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn hand_over_invitation(&mut self, project: ProjectId, invitation: InvitationId, to: StaffId) -> Result<()> {
        sqlx::query("UPDATE invitations SET created_by = $3 WHERE id = $1 AND project_id = $2")
            .bind(invitation.to_string())
            .bind(project.to_string())
            .bind(to.to_string())
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// Consumes an invitation for `staff`; `false` if it is not valid (any more). Of two concurrent calls, one returns `true`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn consume_invitation(&mut self, invitation: InvitationId, staff: StaffId, now: Timestamp) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE invitations SET used_by = $2, used_at = $3 \
             WHERE id = $1 AND used_at IS NULL AND revoked_at IS NULL AND expires_at > $3",
        )
        .bind(invitation.to_string())
        .bind(staff.to_string())
        .bind(now.0)
        .execute(self.conn())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Revokes the unused invitations of this project for an address.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn revoke_invitations_of(&mut self, project: ProjectId, email: &str, now: Timestamp) -> Result<Vec<RevokedInvitation>> {
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "UPDATE invitations SET revoked_at = $3 WHERE project_id = $1 AND email = $2 AND used_at IS NULL AND revoked_at IS NULL \
             RETURNING id, expires_at",
        )
        .bind(project.to_string())
        .bind(email.to_owned())
        .bind(now.0)
        .fetch_all(self.conn())
        .await?;
        rows.iter().map(|(own, expires_at)| Ok(RevokedInvitation { id: id(own)?, was_open: *expires_at > now.0 })).collect()
    }

    /// Revokes an unused invitation of this project; `false` if there is none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn revoke_invitation(&mut self, project: ProjectId, invitation: InvitationId, now: Timestamp) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE invitations SET revoked_at = $3 WHERE id = $1 AND project_id = $2 AND used_at IS NULL AND revoked_at IS NULL",
        )
        .bind(invitation.to_string())
        .bind(project.to_string())
        .bind(now.0)
        .execute(self.conn())
        .await?;
        Ok(done.rows_affected() == 1)
    }
}

impl Act<'_, '_> {
    /// Stores an invitation by an actor.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_invitation(
        &mut self,
        by: ActorId,
        role: Role,
        email: Option<&str>,
        token_hash: &str,
        expires_at: Timestamp,
    ) -> Result<InvitationId> {
        let id: InvitationId = self.id();
        sqlx::query(
            "INSERT INTO invitations (id, project_id, role, email, token_hash, created_by, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(id.to_string())
        .bind(self.project().to_string())
        .bind(role.as_str())
        .bind(email.map(ToOwned::to_owned))
        .bind(token_hash.to_owned())
        .bind(by.to_string())
        .bind(self.now().0)
        .bind(expires_at.0)
        .execute(self.conn())
        .await?;
        Ok(id)
    }
}
