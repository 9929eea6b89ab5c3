//! Keys, bulk selection and live arrival in the inbox.
//!
//! Everything works by event delegation on parts that are replaced under way: rows are found by id each time. What the person is at (the
//! cursor) and has checked is remembered here and put back after each load.

#[cfg(feature = "hydrate")]
mod keys;
#[cfg(feature = "hydrate")]
mod live;

use leptos::prelude::*;

/// The island. Draws nothing.
#[island]
pub fn InboxKeys() -> impl IntoView {
    #[cfg(feature = "hydrate")]
    Effect::new(|_| {
        keys::start();
        live::start();
    });
}
