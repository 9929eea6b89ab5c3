//! API keys: access levels, format and names.

use super::Role;
use crate::{
    DomainError, FieldErrors,
    text::{require, spaced},
    words::words,
};

words! {
    /// The access level of a key; each includes those before it.
    Access {
        /// Reads everything in the project.
        Read = "read" / "Read",
        /// Also writes feedback, responses, backlog items and tickets.
        Write = "write" / "Write",
        /// Also does what is reserved for admins.
        Admin = "admin" / "Admin",
    }
}

impl Access {
    /// The role that a key acts with.
    #[must_use]
    pub fn role(self) -> Role {
        match self {
            Self::Read => Role::Viewer,
            Self::Write => Role::Triager,
            Self::Admin => Role::Admin,
        }
    }
}

/// Prefix of every key, so that a leaked key is recognisable.
pub const KEY_PREFIX: &str = "eas_";
/// Number of characters of a key that stay readable, to tell keys apart.
pub const VISIBLE_KEY_LENGTH: usize = 12;
/// Longest name, in characters.
pub const MAX_NAME: usize = 60;

/// A key's name as stored, on one line.
///
/// # Errors
/// Returns an error if the name is empty or too long.
pub fn check_name(name: &str) -> Result<String, DomainError> {
    let mut errors = FieldErrors::default();
    let name = spaced(name);
    require(&mut errors, "name", &name, MAX_NAME, "Enter the name of the program that will use the key.");
    errors.into_result(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_line_and_short() {
        assert_eq!(check_name("  Nightly \n export\u{7}").unwrap(), "Nightly export");
        for bad in ["", " \u{7} ", &"x".repeat(61)] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn access_is_a_role() {
        assert_eq!(Access::parse("write").map(Access::role), Some(Role::Triager));
        assert!(Access::ALL.is_sorted_by_key(|access| access.role()));
        assert_eq!(Access::parse("owner"), None);
    }
}
