//! Use cases through the real router, on SQLite and on PostgreSQL.

mod support;

mod accounts;
mod backlog;
mod foundation;
mod imports;
mod inbox;
mod respond;
mod search;
mod store;
mod surveys;
