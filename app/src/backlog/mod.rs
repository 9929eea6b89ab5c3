//! The backlog: list and item with its evidence.
