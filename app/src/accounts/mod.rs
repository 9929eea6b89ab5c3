//! Set-up, sign-in, account, members and invitations.

pub mod door;
pub mod setup;
pub mod sign_in;
