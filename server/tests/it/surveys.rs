//! Surveys, through the router.
