//! What handlers work with.

use std::sync::Arc;

use axum::extract::FromRef;
use service::state::AppState;
use tokio::sync::watch;

use super::{connections::Door, streams::Streams};
use crate::config::HttpConfig;

/// The state of the router. A handler that needs no more than the use cases do takes `State<AppState>`.
#[derive(Clone)]
pub struct Web {
    /// What use cases work with.
    pub app: AppState,
    /// The settings of HTTP.
    pub http: Arc<HttpConfig>,
    /// The connections that are open.
    pub door: Arc<Door>,
    /// Streams of live events that are open.
    pub streams: Arc<Streams>,
    /// Turns true when the program stops: what never ends by itself ends then.
    pub closing: watch::Sender<bool>,
}

impl Web {
    /// The state for a program and the settings of HTTP.
    #[must_use]
    pub fn new(app: AppState, http: HttpConfig) -> Self {
        let door = Door::new(http.trusted_proxies.is_none().then_some(http.connections_per_address));
        Self { app, http: Arc::new(http), door, streams: Arc::default(), closing: watch::Sender::new(false) }
    }
}

impl FromRef<Web> for AppState {
    fn from_ref(web: &Web) -> Self {
        Self::clone(&web.app)
    }
}
