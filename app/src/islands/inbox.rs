//! Keys, bulk selection and live arrival in the inbox.

use leptos::prelude::*;

/// The island. Draws nothing.
#[island]
pub fn InboxKeys() -> impl IntoView {}
