//! Members of the team: the accounts that they sign in with, and their roles. Their names are those of actors; see [`crate::Tx::actor_name`].

use std::str::FromStr;

use domain::{
    Timestamp,
    accounts::{Actor, Role, Scope, TeamMember},
    ids::{ProjectId, StaffId},
    projects::ThemeMode,
};
use sqlx::FromRow;

use super::{Store, Tx, id, or_instead, or_none};
use crate::error::Result;

/// A member of the team, as stored.
#[derive(Debug, Clone, FromRow)]
pub struct StaffRow {
    /// Its id; see [`StaffRow::id`].
    pub id: String,
    /// Lower case.
    pub email: String,
    /// Display name.
    pub name: String,
    /// argon2id hash of the password, as a PHC string.
    pub password_hash: String,
    /// `auto`, `light` or `dark`.
    pub theme: String,
    /// 1 for an operator of the installation.
    pub operator: i64,
}

impl StaffRow {
    /// Returns the typed id.
    ///
    /// # Errors
    /// When the stored text is not a UUID.
    pub fn id(&self) -> Result<StaffId> {
        id(&self.id)
    }
}

/// A person's membership of a project.
#[derive(Debug, Clone)]
pub struct Member {
    /// Id of the person.
    pub staff: StaffId,
    /// Their address.
    pub email: String,
    /// Their name.
    pub name: String,
    /// Their role in the project.
    pub role: Role,
}

/// Parses a member's role. An unreadable one counts as the lowest, so that the member is listed and can be assigned another; see
/// [`Store::team_member`].
fn member_role(stored: &str) -> Role {
    or_instead("role of a member", stored.parse().ok(), Role::Viewer)
}

macro_rules! staff_where {
    ($rest:literal) => {
        concat!(
            "SELECT s.id, s.email, a.name, s.password_hash, s.theme, s.operator FROM accounts s JOIN actors a ON a.id = s.id WHERE ",
            $rest
        )
    };
}

impl Store {
    /// Returns the members of a project: highest role first, then by name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn members(&self, scope: &Scope) -> Result<Vec<Member>> {
        let rows: Vec<(String, String, String, String)> = sqlx::query_as(
            "SELECT s.id, s.email, a.name, m.role FROM memberships m JOIN accounts s ON s.id = m.staff_id JOIN actors a ON a.id = s.id \
             WHERE m.project_id = $1 ORDER BY a.name, s.id",
        )
        .bind(scope.project().to_string())
        .fetch_all(self.reader())
        .await?;
        let mut members = Vec::with_capacity(rows.len());
        for (staff, email, name, role) in rows {
            members.push(Member { staff: id(&staff)?, email, name, role: member_role(&role) });
        }
        members.sort_by_key(|m| std::cmp::Reverse(m.role));
        Ok(members)
    }

    /// Returns a member by id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn staff_by_id(&self, staff: StaffId) -> Result<Option<StaffRow>> {
        Ok(sqlx::query_as(staff_where!("s.id = $1")).bind(staff.to_string()).fetch_optional(self.reader()).await?)
    }

    /// Returns a member by e-mail address in lower case.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn staff_by_email(&self, email: &str) -> Result<Option<StaffRow>> {
        Ok(sqlx::query_as(staff_where!("s.email = $1")).bind(email.to_owned()).fetch_optional(self.reader()).await?)
    }

    /// Returns whether any account exists.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn has_staff(&self) -> Result<bool> {
        let one: Option<String> = sqlx::query_scalar("SELECT id FROM accounts LIMIT 1").fetch_optional(self.reader()).await?;
        Ok(one.is_some())
    }

    /// Returns a person's identity and roles, read from the database.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn team_member(&self, staff: StaffId) -> Result<TeamMember> {
        let rows: Vec<(String, String)> = sqlx::query_as("SELECT project_id, role FROM memberships WHERE staff_id = $1")
            .bind(staff.to_string())
            .fetch_all(self.reader())
            .await?;
        let mut roles = Vec::with_capacity(rows.len());
        for (project, role) in rows {
            // An unreadable role grants nothing, and does not affect other projects.
            if let Some(role) = or_none("role", Role::from_str(&role).ok()) {
                roles.push((id::<ProjectId>(&project)?, role));
            }
        }
        Ok(TeamMember { staff, roles })
    }

    /// Returns whether a person is an operator of the installation.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn is_operator(&self, staff: StaffId) -> Result<bool> {
        let found: Option<i64> =
            sqlx::query_scalar("SELECT operator FROM accounts WHERE id = $1").bind(staff.to_string()).fetch_optional(self.reader()).await?;
        Ok(found == Some(1))
    }
}

impl Tx<'_> {
    /// Adds an account and returns its id; `None` if the address is taken.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_staff(&mut self, email: &str, name: &str, password_hash: &str, now: Timestamp) -> Result<Option<StaffId>> {
        // Looked up first: before the database deletes an actor, it reads everything that may refer to one.
        if self.staff_id_by_email(email).await?.is_some() {
            return Ok(None);
        }
        let staff: StaffId = self.id();
        self.insert_actor(Actor::Person(staff), name, now).await?;
        let done = sqlx::query("INSERT INTO accounts (id, email, password_hash) VALUES ($1, $2, $3) ON CONFLICT (email) DO NOTHING")
            .bind(staff.to_string())
            .bind(email.to_owned())
            .bind(password_hash.to_owned())
            .execute(self.conn())
            .await?;
        let is_new = done.rows_affected() == 1;
        if !is_new {
            // Another transaction took the address meanwhile.
            sqlx::query("DELETE FROM actors WHERE id = $1").bind(staff.to_string()).execute(self.conn()).await?;
        }
        Ok(is_new.then_some(staff))
    }

    /// Sets a member's role in a project.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_role(&mut self, project: ProjectId, staff: StaffId, role: Role, now: Timestamp) -> Result<()> {
        sqlx::query(
            "INSERT INTO memberships (project_id, staff_id, role, created_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (project_id, staff_id) DO UPDATE SET role = excluded.role",
        )
        .bind(project.to_string())
        .bind(staff.to_string())
        .bind(role.as_str())
        .bind(now.0)
        .execute(self.conn())
        .await?;
        Ok(())
    }

    /// Returns a member's id by e-mail address in lower case, inside the transaction.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn staff_id_by_email(&mut self, email: &str) -> Result<Option<StaffId>> {
        let found: Option<String> =
            sqlx::query_scalar("SELECT id FROM accounts WHERE email = $1").bind(email.to_owned()).fetch_optional(self.conn()).await?;
        found.as_deref().map(id).transpose()
    }

    /// Makes a person an operator of the installation.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_operator(&mut self, staff: StaffId) -> Result<()> {
        sqlx::query("UPDATE accounts SET operator = 1 WHERE id = $1").bind(staff.to_string()).execute(self.conn()).await?;
        Ok(())
    }

    /// Returns the operators of the installation.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn operators(&mut self) -> Result<Vec<StaffId>> {
        let rows: Vec<String> = sqlx::query_scalar("SELECT id FROM accounts WHERE operator = 1 ORDER BY id").fetch_all(self.conn()).await?;
        rows.iter().map(|text| id(text)).collect()
    }

    /// Returns a person's role in a project.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn role_of(&mut self, project: ProjectId, staff: StaffId) -> Result<Option<Role>> {
        let role: Option<String> = sqlx::query_scalar("SELECT role FROM memberships WHERE project_id = $1 AND staff_id = $2")
            .bind(project.to_string())
            .bind(staff.to_string())
            .fetch_optional(self.conn())
            .await?;
        Ok(role.as_deref().map(member_role))
    }

    /// Counts the owners of a project.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn owners(&mut self, project: ProjectId) -> Result<usize> {
        let n: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM memberships WHERE project_id = $1 AND role = 'owner'")
            .bind(project.to_string())
            .fetch_one(self.conn())
            .await?;
        Ok(usize::try_from(n).unwrap_or_default())
    }

    /// Deletes a membership.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_membership(&mut self, project: ProjectId, staff: StaffId) -> Result<()> {
        sqlx::query("DELETE FROM memberships WHERE project_id = $1 AND staff_id = $2")
            .bind(project.to_string())
            .bind(staff.to_string())
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// Stores a new password. Invalidates all password reset links for the account, including those in unsent e-mails.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_password(&mut self, staff: StaffId, password_hash: &str) -> Result<()> {
        sqlx::query("DELETE FROM password_resets WHERE staff_id = $1").bind(staff.to_string()).execute(self.conn()).await?;
        sqlx::query(
            "UPDATE letters SET state = 'discarded' WHERE kind = 'password_reset' AND state IN ('queued', 'dead') \
             AND recipient = (SELECT email FROM accounts WHERE id = $1)",
        )
        .bind(staff.to_string())
        .execute(self.conn())
        .await?;
        sqlx::query("UPDATE accounts SET password_hash = $2 WHERE id = $1")
            .bind(staff.to_string())
            .bind(password_hash.to_owned())
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// Changes a name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_staff_name(&mut self, staff: StaffId, name: &str) -> Result<()> {
        sqlx::query("UPDATE actors SET name = $2 WHERE id = $1").bind(staff.to_string()).bind(name.to_owned()).execute(self.conn()).await?;
        Ok(())
    }

    /// Sets a person's console theme.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_staff_theme(&mut self, staff: StaffId, theme: ThemeMode) -> Result<()> {
        sqlx::query("UPDATE accounts SET theme = $2 WHERE id = $1")
            .bind(staff.to_string())
            .bind(theme.as_str())
            .execute(self.conn())
            .await?;
        Ok(())
    }
}
