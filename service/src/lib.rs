//! Earshot's use cases over database and search, with jobs, mail, webhooks and limits. Independent of pages and HTTP requests.

pub mod accounts;
pub mod backlog;
pub mod clock;
pub mod desk;
pub mod error;
pub mod export;
pub mod identity;
pub mod imports;
pub mod jobs;
pub mod keys;
pub mod limits;
pub mod mail;
pub mod metrics;
pub mod projects;
pub mod replies;
pub mod responses;
pub mod settings;
pub mod signing;
pub mod state;
pub mod surveys;
pub mod system_resources;
pub mod tickets;
pub mod triage;
pub mod undo;
pub mod webhooks;
