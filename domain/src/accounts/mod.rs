//! Actors and their permissions.

mod actor;
pub mod authority;
pub mod device;
pub mod key;
pub mod rules;
pub mod throttle;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

pub use actor::{Actor, ActorKind};

use crate::{
    DomainError,
    ids::{ActorId, ProjectId, StaffId},
};

/// Maximum length of a team member's name, in characters.
pub const MAX_NAME: usize = 80;

/// The permissions of a team member in one project; each role includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads everything.
    Viewer,
    /// Also triages feedback and maintains the backlog.
    Triager,
    /// Also edits surveys, settings, imports and members.
    Admin,
    /// Also adds and removes owners.
    Owner,
}

impl Role {
    /// All roles, lowest first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Triager, Self::Admin, Self::Owner];

    /// The label on the screen.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Viewer => "Viewer",
            Self::Triager => "Triager",
            Self::Admin => "Admin",
            Self::Owner => "Owner",
        }
    }

    /// The stored word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Triager => "triager",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = DomainError;
    fn from_str(text: &str) -> Result<Self, DomainError> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| DomainError::field("role", "unknown", "Choose viewer, triager, admin or owner."))
    }
}

/// A team member with their role in each project.
#[derive(Debug, Clone)]
pub struct TeamMember {
    /// The staff member.
    pub staff: StaffId,
    /// The projects they belong to.
    pub roles: Vec<(ProjectId, Role)>,
}

impl TeamMember {
    /// Their role in a project.
    #[must_use]
    pub fn role(&self, project: ProjectId) -> Option<Role> {
        self.roles.iter().find(|(id, _)| *id == project).map(|(_, role)| *role)
    }

    /// Returns whether they administer any project, and may therefore create another one.
    #[must_use]
    pub fn runs_a_project(&self) -> bool {
        self.roles.iter().any(|(_, role)| *role >= Role::Admin)
    }

    /// The capability to work in `project` with at least the role `need`.
    ///
    /// # Errors
    /// [`DomainError::NotFound`] for a project they do not belong to, [`DomainError::Forbidden`] if the role is too low.
    pub fn scope(&self, project: ProjectId, need: Role) -> Result<Scope, DomainError> {
        Actor::Person(self.staff).scope(project, self.role(project), need)
    }
}

/// Proof that the holder may read one project's data; every query that reads personal data requires it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    project: ProjectId,
    role: Role,
    actor: Actor,
}

impl Scope {
    /// The program itself acting on a project (a respondent's submission, a background job, the command line).
    #[must_use]
    pub fn system(project: ProjectId) -> Self {
        Self { project, role: Role::Owner, actor: Actor::System }
    }

    /// The one project in scope.
    #[must_use]
    pub fn project(&self) -> ProjectId {
        self.project
    }

    /// The actor.
    #[must_use]
    pub fn actor(&self) -> Actor {
        self.actor
    }

    /// The actor's id, to which rows refer; `None` for the system itself.
    #[must_use]
    pub fn actor_id(&self) -> Option<ActorId> {
        self.actor.id()
    }

    /// The acting person; `None` for programs.
    #[must_use]
    pub fn staff(&self) -> Option<StaffId> {
        self.actor.person()
    }

    /// The role of the scope.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// Requires at least the role `need`.
    ///
    /// # Errors
    /// [`DomainError::Forbidden`] if the role is lower.
    pub fn require(&self, need: Role) -> Result<(), DomainError> {
        if self.role < need { Err(DomainError::Forbidden) } else { Ok(()) }
    }
}

/// Returns a local path to redirect to after sign-in; anything else becomes `/`. Browsers treat two leading slashes, of either kind, as
/// another site.
#[must_use]
pub fn safe_redirect_path(path: &str) -> &str {
    let second = path.chars().nth(1);
    let fits = path.starts_with('/') && !matches!(second, Some('/' | '\\')) && path.chars().all(|c| !c.is_control() && c != '\\');
    if fits && path.len() <= 2000 { path } else { "/" }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn next_stays_on_this_site() {
        for path in ["/", "/p/a/inbox?q=status:open", "/account"] {
            assert_eq!(safe_redirect_path(path), path);
        }
        for path in ["", "//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nb", "javascript:alert(1)", "/\t/evil.example"]
        {
            assert_eq!(safe_redirect_path(path), "/");
        }
    }

    #[test]
    fn scope_hides_foreign_projects_and_refuses_low_roles() {
        let (mine, other) = (ProjectId(Uuid::from_u128(1)), ProjectId(Uuid::from_u128(2)));
        let member = TeamMember { staff: StaffId(Uuid::from_u128(3)), roles: vec![(mine, Role::Triager)] };
        assert!(member.scope(mine, Role::Triager).is_ok());
        assert_eq!(member.scope(mine, Role::Admin), Err(DomainError::Forbidden));
        assert_eq!(member.scope(other, Role::Viewer), Err(DomainError::NotFound));
    }
}
