//! Use cases on both databases, without pages and HTTP.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod actors;
mod arrivals;
mod query_meaning;
mod search;
mod store;
mod submissions;
mod tickets;
