//! Backlog items and links.
