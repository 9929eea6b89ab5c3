//! The Earshot program: HTTP, use cases, jobs. See ARCHITECTURE.md for the map.

// A page's type is as deep as its elements.
#![recursion_limit = "512"]

pub mod accounts;
pub mod backlog;
pub mod backup;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod desk;
pub mod doctor;
pub mod error;
pub mod export;
pub mod http;
pub mod identity;
pub mod imports;
pub mod jobs;
pub mod keys;
pub mod limits;
pub mod machine;
pub mod mail;
pub mod metrics;
pub mod projects;
pub mod replies;
pub mod responses;
pub mod signing;
pub mod state;
pub mod surveys;
pub mod tickets;
pub mod triage;
pub mod webhooks;

use tokio::net::TcpListener;

/// Serves and works on background jobs until `shutdown` resolves, then lets running requests end and jobs come to a good place to
/// stop, and closes the search index.
///
/// # Errors
/// When the listener fails, or another process uses the data directory.
pub async fn serve(listener: TcpListener, app: state::AppState, shutdown: impl Future<Output = ()> + Send + 'static) -> error::Result<()> {
    app.search.start().await.map_err(error::of_search)?;
    let search = app.search.clone();
    let jobs = jobs::Runner::start(&app);
    let served = http::serve::serve(listener, app, shutdown).await;
    jobs.stop().await;
    search.stop().await;
    served
}
