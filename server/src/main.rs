//! The binary `earshot`.

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    match server::cli::Cli::parse().run().await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("earshot: {error}");
            ExitCode::FAILURE
        }
    }
}
