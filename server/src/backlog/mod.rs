//! Use cases of the backlog: items and links.
