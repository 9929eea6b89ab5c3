//! What respondents and the widget talk to: survey pages, `embed.js`, `/embed/v1`.

use axum::Router;

use crate::state::AppState;

/// This capability's routes.
pub fn routes() -> Router<AppState> {
    Router::new()
}
