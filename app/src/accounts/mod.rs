//! Pages of people: set-up, sign-in, account, members, invitations.
