//! Rules for changing memberships.

use super::Role;
use crate::DomainError;

/// A project must always have an owner.
fn last_owner() -> DomainError {
    DomainError::field("role", "last_owner", "This is the project's only owner. Make someone else an owner first.")
}

/// Checks that `actor` may grant the role `offered`: admins and owners may, up to their own role.
///
/// # Errors
/// [`DomainError::Forbidden`] if not.
pub fn may_grant(actor: Role, offered: Role) -> Result<(), DomainError> {
    if actor >= Role::Admin && offered <= actor { Ok(()) } else { Err(DomainError::Forbidden) }
}

/// Checks that `actor` may change a member from `from` to `to`, in a project with `owners` owners.
///
/// # Errors
/// [`DomainError::Forbidden`] if the actor may not, [`DomainError::Invalid`] if no owner would remain.
pub fn may_change(actor: Role, from: Role, to: Role, owners: usize) -> Result<(), DomainError> {
    may_grant(actor, to)?;
    if from > actor {
        return Err(DomainError::Forbidden);
    }
    if from == Role::Owner && to != Role::Owner && owners <= 1 {
        return Err(last_owner());
    }
    Ok(())
}

/// Checks that `actor` may remove a membership with the role `held`. Everyone may leave.
///
/// # Errors
/// As [`may_change`].
pub fn may_remove(actor: Role, held: Role, owners: usize, is_self: bool) -> Result<(), DomainError> {
    if !is_self && (actor < Role::Admin || held > actor) {
        return Err(DomainError::Forbidden);
    }
    if held == Role::Owner && owners <= 1 {
        return Err(last_owner());
    }
    Ok(())
}

/// The role after accepting an invitation: a role already held is never lowered.
#[must_use]
pub fn joined_role(held: Option<Role>, offered: Role) -> Role {
    held.map_or(offered, |held| held.max(offered))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_grants_above_their_own_role_and_only_admins_grant_at_all() {
        for actor in Role::ALL {
            for offered in Role::ALL {
                let fits = actor >= Role::Admin && offered <= actor;
                assert_eq!(may_grant(actor, offered).is_ok(), fits, "{actor} grants {offered}");
            }
        }
    }

    #[test]
    fn only_owners_touch_owners_and_one_stays() {
        for actor in Role::ALL {
            for from in Role::ALL {
                for to in Role::ALL {
                    let fits = actor >= Role::Admin && from <= actor && to <= actor;
                    assert_eq!(may_change(actor, from, to, 2).is_ok(), fits, "{actor}: {from} to {to}");
                    let last = from == Role::Owner && to != Role::Owner;
                    assert_eq!(may_change(actor, from, to, 1).is_ok(), fits && !last, "{actor}: last {from} to {to}");
                }
                assert_eq!(may_remove(actor, from, 2, false).is_ok(), actor >= Role::Admin && from <= actor, "{actor} removes {from}");
            }
            assert!(may_remove(actor, actor, 2, true).is_ok(), "{actor} leaves");
        }
        assert!(matches!(may_remove(Role::Owner, Role::Owner, 1, true), Err(DomainError::Invalid(_))));
        assert!(matches!(may_change(Role::Admin, Role::Owner, Role::Viewer, 1), Err(DomainError::Forbidden)));
    }

    #[test]
    fn an_invitation_never_lowers_a_role() {
        assert_eq!(joined_role(None, Role::Viewer), Role::Viewer);
        assert_eq!(joined_role(Some(Role::Admin), Role::Viewer), Role::Admin);
        assert_eq!(joined_role(Some(Role::Viewer), Role::Admin), Role::Admin);
    }
}
