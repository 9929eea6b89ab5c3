//! `earshot serve`.

use std::net::SocketAddr;

use service::{
    accounts::setup,
    error::{Error, Result},
    state,
};
use tokio::signal;

use super::open;
use crate::{
    config::{Config, unknown_variables},
    demo,
    http::{self, WebState},
};

/// Serves until a signal asks it to stop; with the demonstration if its site has an address.
pub(super) async fn run(config: Config, demo_site: Option<SocketAddr>) -> Result<()> {
    config.start_log();
    for name in unknown_variables() {
        tracing::warn!("{name} is not a setting and has no effect; see earshot serve --help");
    }
    let asked = config.http.listen;
    let listener =
        http::serve::listen(asked).map_err(|e| Error::Internal(format!("cannot listen on {asked} (--listen, EARSHOT_LISTEN): {e}")))?;
    // Lock before opening the database, which may change it while another server uses it. Held until serving begins, which takes the same
    // lock for good.
    let claimed = state::lock_data_dir(&config.settings.data)?;
    let app = open(&config).await?;
    let mut address = listener.local_addr().map_err(|e| Error::internal("listen", e))?;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    let base = config.settings.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
    tracing::info!("Earshot {} is serving {base}", env!("CARGO_PKG_VERSION"));
    if config.settings.is_https() && config.http.trusted_proxies.is_none() {
        tracing::warn!(
            "The public URL is https, which implies a reverse proxy, but --trusted-proxies (EARSHOT_TRUSTED_PROXIES) is not set: \
             all visitors appear as one address and share its limits. Set it to the proxy's address, like 127.0.0.1."
        );
    }
    if let Some(site) = demo_site {
        demo::offer(&app, &base, site).await?;
    }
    if let Some(token) = setup::offer(&app).await? {
        // The only secret that belongs in the log: reading it proves access to the server.
        tracing::info!("There are no accounts yet. Set up at {base}/setup?token={token}");
    }
    drop(claimed);
    crate::serve(listener, WebState::new(app, config.http), stop()).await?;
    tracing::info!("Stopped.");
    Ok(())
}

/// Resolves at SIGINT or SIGTERM.
async fn stop() {
    let interrupted = async {
        if signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminated = async {
        match signal::unix::signal(signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();
    tokio::select! {
        () = interrupted => {}
        () = terminated => {}
    }
    tracing::info!("Stopping: waiting for running requests to finish.");
}
