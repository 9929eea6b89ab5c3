//! Setup, sign-in, account, members and invitations.

pub mod account;
pub mod door;
pub mod invitation;
pub mod leaving;
pub mod members;
pub mod reset;
pub mod setup;
pub mod sign_in;
