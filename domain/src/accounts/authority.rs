//! Whose authority something acts with that works on its own, like an API key or a webhook.

use super::Role;
use crate::ids::StaffId;

/// Where the authority comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthoritySource {
    /// The project itself: made on the command line, or handed over by an owner.
    Project,
    /// A person, with the role that they have in the project now; `None`: they are not a member any more.
    Person(StaffId, Option<Role>),
}

impl AuthoritySource {
    /// The role that is left of `wanted`: nobody lends more than they have. `None`: nothing is left.
    #[must_use]
    pub fn effective_role(self, wanted: Role) -> Option<Role> {
        match self {
            Self::Project => Some(wanted),
            Self::Person(_, role) => role.map(|role| role.min(wanted)),
        }
    }

    /// Whether it can act as someone with at least the role `need`.
    #[must_use]
    pub fn permits(self, need: Role) -> bool {
        self.effective_role(need) == Some(need)
    }
}

/// Who takes over what someone leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Successor {
    /// The project: it goes on, whoever comes and goes.
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
