//! The authority that unattended actors, such as API keys and webhooks, act with.

use super::Role;
use crate::ids::StaffId;

/// The source of the authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthoritySource {
    /// The project itself: created on the command line, or transferred by an owner.
    Project,
    /// A person, with their current role in the project; `None`: they are no longer a member.
    Person(StaffId, Option<Role>),
}

impl AuthoritySource {
    /// The role that remains of `wanted`: a grant never exceeds its source's own role. `None`: no role remains.
    #[must_use]
    pub fn effective_role(self, wanted: Role) -> Option<Role> {
        match self {
            Self::Project => Some(wanted),
            Self::Person(_, role) => role.map(|role| role.min(wanted)),
        }
    }

    /// Returns whether it can act with at least the role `need`.
    #[must_use]
    pub fn permits(self, need: Role) -> bool {
        self.effective_role(need) == Some(need)
    }
}

/// The new source of authority for what a departing member leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Successor {
    /// The project, which does not depend on any member.
    Project,
    /// Another member: it acts with their role from then on.
    Member(StaffId),
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn nobody_lends_more_than_they_have() {
        let who = StaffId(Uuid::from_u128(1));
        for wanted in Role::ALL {
            assert_eq!(AuthoritySource::Project.effective_role(wanted), Some(wanted));
            assert_eq!(AuthoritySource::Person(who, None).effective_role(wanted), None);
            assert!(!AuthoritySource::Person(who, None).permits(wanted));
            for role in Role::ALL {
                let backing = AuthoritySource::Person(who, Some(role));
                assert_eq!(backing.effective_role(wanted), Some(wanted.min(role)), "{role} lends {wanted}");
                assert_eq!(backing.permits(wanted), role >= wanted, "{role} for {wanted}");
            }
        }
    }
}
