//! Shortcuts, bulk selection and live updates in the inbox.
//!
//! Everything uses event delegation, because parts of the page are replaced at any time: rows are looked up by id each time. The current
//! row (the cursor) and the checked items are remembered here and restored after each load.

#[cfg(feature = "hydrate")]
mod keys;
#[cfg(feature = "hydrate")]
mod live;

use leptos::prelude::*;

/// The island. Renders nothing.
#[island]
pub fn InboxKeys() -> impl IntoView {
    #[cfg(feature = "hydrate")]
    Effect::new(|_| {
        keys::start();
        live::start();
    });
}
