//! Imports of files.

use axum::Router;

use crate::state::AppState;

/// This capability's routes.
pub fn routes() -> Router<AppState> {
    Router::new()
}
