//! The Earshot program: HTTP, the command line, configuration. See ARCHITECTURE.md for the map.

// A page's type is as deep as its elements.
#![recursion_limit = "512"]

pub mod backup;
pub mod cli;
pub mod config;
pub mod demo;
pub mod doctor;
pub mod http;

use service::{
    error::{self, Result},
    jobs,
};
use tokio::net::TcpListener;

/// Serves requests and runs background jobs until `shutdown` resolves. Then waits for running requests to end and for jobs to reach a safe
/// stopping point, and closes the search index.
///
/// # Errors
/// Returns an error if the listener fails, or another process uses the data directory.
pub async fn serve(listener: TcpListener, web: http::WebState, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<()> {
    web.app.search.start().await.map_err(error::from_search)?;
    let search = web.app.search.clone();
    let jobs = jobs::Runner::start(&web.app);
    let served = http::serve::serve(listener, web, shutdown).await;
    jobs.stop().await;
    search.stop().await;
    served
}
