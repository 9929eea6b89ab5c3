//! What handlers work with.

use std::sync::Arc;

use axum::extract::FromRef;
use service::state::AppState;
use tokio::sync::watch;

use super::{connections::ConnectionLimiter, streams::EventStreams};
use crate::config::HttpConfig;

/// The state of the router. A handler that needs no more than the use cases do takes `State<AppState>`.
#[derive(Clone)]
pub struct WebState {
    /// What use cases work with.
    pub app: AppState,
    /// The settings of HTTP.
    pub http: Arc<HttpConfig>,
    /// The connections that are open.
    pub door: Arc<ConnectionLimiter>,
    /// Streams of live events that are open.
    pub streams: Arc<EventStreams>,
    /// Turns true when the program stops: what never ends by itself ends then.
    pub closing: watch::Sender<bool>,
}

impl WebState {
    /// The state for a program and the settings of HTTP.
    #[must_use]
    pub fn new(app: AppState, http: HttpConfig) -> Self {
        let door = ConnectionLimiter::new(http.trusted_proxies.is_none().then_some(http.connections_per_address));
        Self { app, http: Arc::new(http), door, streams: Arc::default(), closing: watch::Sender::new(false) }
    }
}

impl FromRef<WebState> for AppState {
    fn from_ref(web: &WebState) -> Self {
        Self::clone(&web.app)
    }
}
