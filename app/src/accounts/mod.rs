//! Set-up, sign-in, account, members and invitations.

pub mod sign_in;
