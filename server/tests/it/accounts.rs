//! Accounts, through the router.
