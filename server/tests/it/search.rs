//! Search, through the router.
