//! Setup, sign-in, account, members and invitations.

pub mod account;
pub mod invitation;
pub mod members;
pub mod offboarding;
pub mod reset;
pub mod setup;
pub mod sign_in;
pub mod signed_out_frame;
