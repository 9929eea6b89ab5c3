//! Redirects back to the page that a form came from, with a message.

use std::time::Duration;

use app::shell::Flash;
use axum::response::Response;
use domain::ids::FeedbackId;
use service::{error::Result, triage::FeedbackEditOutcome};

use super::inbox_url;
use crate::http::{console::ConsoleRequest, forms::Form, return_to::return_to};

/// Maximum wait for the index, so that the list after the redirect is up to date.
pub(super) const INDEX_WAIT: Duration = Duration::from_secs(2);

/// Redirects back once the index is up to date, with a message and the undo of `outcome`.
pub(super) async fn back(
    console: &ConsoleRequest,
    form: &Form,
    on: Option<FeedbackId>,
    message: &str,
    outcome: Option<&FeedbackEditOutcome>,
) -> Result<Response> {
    console.app.search.wait_until_caught_up(INDEX_WAIT).await;
    let to = target(console, form, on)?;
    let undo = console.undo(outcome.and_then(|o| o.undo), &to)?;
    let flash = Flash { message: message.to_owned(), is_error: false, undo };
    Ok(console.redirect(&to, &flash))
}

/// Redirects back with the reason why nothing was changed.
pub(super) fn redirect_with_error(console: &ConsoleRequest, form: &Form, on: Option<FeedbackId>, why: &str) -> Result<Response> {
    let flash = Flash { message: why.to_owned(), is_error: true, undo: None };
    Ok(console.redirect(&target(console, form, on)?, &flash))
}

pub(super) fn target(console: &ConsoleRequest, form: &Form, on: Option<FeedbackId>) -> Result<String> {
    let slug = &console.project()?.slug;
    let own = || on.map_or_else(|| inbox_url(slug, &[]), |id| format!("/p/{slug}/feedback/{id}"));
    Ok(return_to(slug, form.get("return_to")).unwrap_or_else(own))
}
