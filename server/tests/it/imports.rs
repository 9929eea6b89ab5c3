//! Imports, through the router.
