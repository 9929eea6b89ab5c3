//! Inbox, through the router.
