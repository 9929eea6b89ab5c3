//! The binary `earshot`.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use server::{
    clock::{SystemClock, SystemIds},
    config::Config,
    state::App,
    store::Store,
};

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("earshot: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> server::error::Result<()> {
    let mut config = Config::for_tests(PathBuf::from("data"));
    config.listen = std::net::SocketAddr::from(([127, 0, 0, 1], 3000));
    let store = Store::open_sqlite(&config.data).await?;
    let listener = tokio::net::TcpListener::bind(config.listen).await.map_err(|e| server::error::Error::internal("listen", e))?;
    let app = App::new(config, store, Arc::new(SystemClock), Arc::new(SystemIds)).await?;
    server::serve(listener, app, async { drop(tokio::signal::ctrl_c().await) }).await
}
