//! Use cases through the real router, on SQLite and on PostgreSQL.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

mod accounts;
mod api;
mod api_imports;
mod api_lists;
mod api_members;
mod api_settings;
mod api_surveys;
mod api_triage;
mod api_webhooks;
mod authority;
mod backlog;
mod backup;
mod compatibility;
mod compression;
mod contents;
mod demo;
mod desk;
mod export;
mod foundation;
mod fuzz;
mod guessing;
mod identity;
mod imports;
mod inbox;
mod key_scopes;
mod keys;
mod mail;
mod matrix;
mod negatives;
mod nodes;
mod once;
mod paging;
mod poison;
mod portal;
mod refusals;
mod replies;
mod respond;
mod results;
mod scopes;
mod search_cases;
mod smtp;
mod snapshots;
mod surveys;
mod tls;
mod upgrade;
mod webhooks;
mod widget;
mod zones;
