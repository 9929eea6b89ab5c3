//! Settings of password hashes.

use argon2::Params;

/// Work factor of password hashes (argon2id with one lane, RFC 9106). Each stored hash records its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordCost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
}

impl PasswordCost {
    /// OWASP's recommendation (Password Storage Cheat Sheet).
    pub const OWASP: Self = Self { memory_kib: 19_456, passes: 2 };
    /// The least that argon2 accepts, for tests.
    pub(super) const MINIMAL: Self = Self { memory_kib: Params::MIN_M_COST, passes: Params::MIN_T_COST };
}
