//! The first visit of an empty installation: the first owner and project, behind a one-time token from the log.

use crate::{error::Result, state::App};

/// Whether nobody has an account yet.
///
/// # Errors
/// When the database fails.
pub async fn is_empty(app: &App) -> Result<bool> {
    Ok(!app.store.any_staff().await?)
}
