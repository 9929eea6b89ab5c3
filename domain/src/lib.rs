//! Earshot's vocabulary and rules: types, parsing and validation.
//!
//! Nothing here does I/O, reads a clock or creates an id: callers pass a [`clock::Timestamp`] and ids in. The crate builds for wasm32 and
//! does not depend on tokio, sqlx, axum or leptos. One module per capability, with the same names as in the other crates.

pub mod accounts;
pub mod backlog;
pub mod clock;
pub mod colour;
pub mod desk;
pub mod email;
pub mod error;
pub mod feedback;
pub mod history;
pub mod identity;
pub mod ids;
pub mod imports;
pub mod jobs;
pub mod language;
pub mod mail;
pub mod projects;
pub mod replies;
pub mod responses;
pub mod secret;
pub mod spam;
pub mod surveys;
pub mod text;
pub mod tickets;
pub mod triage;
pub mod webhooks;
mod words;
pub mod zone;

pub use clock::{Clock, IdSource, Timestamp};
pub use error::{DomainError, FieldError, FieldErrors};
pub use secret::Secret;
pub use zone::{Day, Zone, ZonedNow};
