//! Respond, through the router.
