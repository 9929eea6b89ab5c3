//! The user interface: pages and components as functions of plain view models, and the console's islands.
//!
//! Pages are rendered on the server only ([`render`], feature `ssr`); nothing here fetches data, so a page is a pure function
//! of its arguments. Built for wasm32 with the feature `hydrate`, the same crate is the browser half of the console, which `app-wasm` builds
//! as a library: it contains the islands, and the linker removes everything else. Respondent pages ship no wasm.

// Each page is one deeply nested type.
#![recursion_limit = "512"]
// The island macro makes a public wasm export that cannot carry a doc comment of its own.
#![cfg_attr(feature = "hydrate", allow(missing_docs))]

pub mod accounts;
pub mod api;
pub mod backlog;
pub mod components;
pub mod desk;
pub mod export;
pub mod identity;
pub mod imports;
pub mod inbox;
pub mod islands;
pub mod keys;
pub mod operator;
pub mod portal;
pub mod projects;
#[cfg(feature = "ssr")]
pub mod render;
pub mod replies;
pub mod respond;
pub mod shell;
pub mod surveys;
pub mod webhooks;
