//! Actors: people, and the programs that act beside them under names of their own.

use super::{Role, Scope};
use crate::{
    DomainError,
    ids::{ActorId, ApiKeyId, IntegrationId, ProjectId, RuleId, StaffId},
    words::words,
};

words! {
    /// The kinds of actors.
    ActorKind {
        /// A member of the team.
        Person = "person" / "Person",
        /// A program that uses the API.
        ApiKey = "api_key" / "API key",
        /// Automation that the team has set up in Earshot.
        Rule = "rule" / "Rule",
        /// Another system that is connected to a project.
        Integration = "integration" / "Integration",
        /// Earshot itself.
        System = "system" / "Earshot",
    }
}

/// A person or program that acts. History, comments and undo refer to it by its [`ActorId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Actor {
    /// A member of the team.
    Person(StaffId),
    /// A program that uses the API.
    ApiKey(ApiKeyId),
    /// Automation that the team has set up in Earshot.
    Rule(RuleId),
    /// Another system that is connected to a project.
    Integration(IntegrationId),
    /// Earshot itself: a background job, the command line, or a visitor's submission.
    System,
}

impl Actor {
    /// Its kind.
    #[must_use]
    pub fn kind(self) -> ActorKind {
        match self {
            Self::Person(_) => ActorKind::Person,
            Self::ApiKey(_) => ActorKind::ApiKey,
            Self::Rule(_) => ActorKind::Rule,
            Self::Integration(_) => ActorKind::Integration,
            Self::System => ActorKind::System,
        }
    }

    /// The id that rows refer to; `None` for the system, which has no row.
    #[must_use]
    pub fn id(self) -> Option<ActorId> {
        match self {
            Self::Person(id) => Some(id.into()),
            Self::ApiKey(id) => Some(id.into()),
            Self::Rule(id) => Some(id.into()),
            Self::Integration(id) => Some(id.into()),
            Self::System => None,
        }
    }

    /// The person, if it is one.
    #[must_use]
    pub fn person(self) -> Option<StaffId> {
        match self {
            Self::Person(staff) => Some(staff),
            Self::ApiKey(_) | Self::Rule(_) | Self::Integration(_) | Self::System => None,
        }
    }

    /// Returns the scope of an actor that has `role` in `project` and needs at least `need`.
    ///
    /// # Errors
    /// [`DomainError::NotFound`] without a role, [`DomainError::Forbidden`] if the role is too low.
    pub fn scope(self, project: ProjectId, role: Option<Role>, need: Role) -> Result<Scope, DomainError> {
        match role {
            None => Err(DomainError::NotFound),
            Some(role) if role < need => Err(DomainError::Forbidden),
            Some(role) => Ok(Scope { project, role, actor: self }),
        }
    }
}

macro_rules! acts {
    ($($id:ident),+) => {$(
        impl From<$id> for ActorId {
            fn from(id: $id) -> Self {
                Self(id.0)
            }
        }
    )+};
}

acts!(StaffId, ApiKeyId, RuleId, IntegrationId);

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn only_a_person_is_a_person_and_only_the_system_has_no_id() {
        let id = Uuid::from_u128(7);
        let programs = [Actor::ApiKey(ApiKeyId(id)), Actor::Rule(RuleId(id)), Actor::Integration(IntegrationId(id))];
        for actor in programs {
            assert_eq!((actor.person(), actor.id()), (None, Some(ActorId(id))), "{actor:?}");
        }
        assert_eq!((Actor::Person(StaffId(id)).person(), Actor::Person(StaffId(id)).id()), (Some(StaffId(id)), Some(ActorId(id))));
        assert_eq!((Actor::System.person(), Actor::System.id()), (None, None));
        let kinds = [Actor::Person(StaffId(id))].into_iter().chain(programs).chain([Actor::System]).map(Actor::kind);
        assert_eq!(kinds.collect::<Vec<_>>(), ActorKind::ALL);
    }

    #[test]
    fn an_actor_reaches_what_its_role_allows() {
        let (project, key) = (ProjectId(Uuid::from_u128(1)), Actor::ApiKey(ApiKeyId(Uuid::from_u128(2))));
        assert_eq!(key.scope(project, None, Role::Viewer), Err(DomainError::NotFound));
        assert_eq!(key.scope(project, Some(Role::Viewer), Role::Triager), Err(DomainError::Forbidden));
        let scope = key.scope(project, Some(Role::Triager), Role::Triager).unwrap();
        assert_eq!((scope.actor(), scope.actor_id(), scope.staff()), (key, key.id(), None));
    }
}
