//! Backlog, through the router.
