//! The Earshot program: HTTP, use cases, store, search, jobs. See ARCHITECTURE.md for the map.

pub mod accounts;
pub mod backlog;
pub mod clock;
pub mod config;
pub mod error;
pub mod http;
pub mod imports;
pub mod jobs;
pub mod language;
pub mod projects;
pub mod responses;
pub mod search;
pub mod state;
pub mod store;
pub mod surveys;
pub mod triage;

use std::net::SocketAddr;

use tokio::net::TcpListener;

/// Serves until `shutdown` resolves, then lets running requests end.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, app: state::AppState, shutdown: impl Future<Output = ()> + Send + 'static) -> error::Result<()> {
    let service = http::router(app).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(shutdown).await.map_err(|e| error::Error::internal("serve", e))
}
