//! Set-up, sign-in and out, account, members, invitations.

use axum::Router;

use crate::state::AppState;

/// This capability's routes.
pub fn routes() -> Router<AppState> {
    Router::new()
}
