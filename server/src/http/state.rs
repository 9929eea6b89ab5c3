//! State of the router.

use std::sync::Arc;

use axum::extract::FromRef;
use service::state::AppState;
use tokio::sync::watch;

use super::{connections::ConnectionLimiter, streams::EventStreams};
use crate::config::HttpConfig;

/// The state of the router. A handler that needs only the use cases takes `State<AppState>`.
#[derive(Clone)]
pub struct WebState {
    /// State of the use cases.
    pub app: AppState,
    /// Settings of HTTP.
    pub http: Arc<HttpConfig>,
    /// Open connections.
    pub connections: Arc<ConnectionLimiter>,
    /// Open streams of live events.
    pub streams: Arc<EventStreams>,
    /// Becomes true at shutdown, and ends the requests that never end by themselves.
    pub closing: watch::Sender<bool>,
}

impl WebState {
    /// Combines the application with the settings of HTTP.
    #[must_use]
    pub fn new(app: AppState, http: HttpConfig) -> Self {
        let connections = ConnectionLimiter::new(http.trusted_proxies.is_none().then_some(http.connections_per_address));
        Self { app, http: Arc::new(http), connections, streams: Arc::default(), closing: watch::Sender::new(false) }
    }
}

impl FromRef<WebState> for AppState {
    fn from_ref(web: &WebState) -> Self {
        Self::clone(&web.app)
    }
}
