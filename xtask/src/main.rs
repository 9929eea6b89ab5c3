//! `cargo xtask`: the only tool needed to run, build and test Earshot.

mod audit;
mod bench;
mod build;
mod chromium;
mod dev;
mod firefox;
mod http;
mod npm;
mod paths;
mod postgres;
mod process;
mod python;
mod run;
mod site;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::paths::Paths;

/// Any error; shown to the person as one line.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Runs, builds and tests Earshot. Installs what is missing on the way.",
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Builds everything and serves on http://127.0.0.1:3000 with SQLite in ./data
    Run(run::Args),
    /// Like run, and rebuilds and restarts whenever a source file changes
    Dev(run::Args),
    /// Builds one self-contained program: target/release/earshot with --release
    Build {
        /// Optimised, minified, with compressed assets inside
        #[arg(long)]
        release: bool,
    },
    /// Runs every check and every test, in stages; installs PostgreSQL, Chromium and npm packages if they are missing
    Test(test::Args),
    /// Measures the release program against bare baselines; writes docs/benchmarks.md and docs/benchmarks.svg
    Bench(bench::Args),
    /// Checks licences, sources, bans and known vulnerabilities of all dependencies (cargo-deny)
    Audit,
    /// Saves a screenshot of every page, light and dark, at 1280 and 360 px, to target/shots
    Shots {
        /// Use the existing release program without building
        #[arg(long)]
        no_build: bool,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = Paths::find().and_then(|paths| match cli.command {
        Command::Run(args) => run::run(&paths, &args),
        Command::Dev(args) => dev::dev(&paths, &args),
        Command::Build { release } => build::program(&paths, release).map(|program| {
            println!("built {}", program.display());
            ExitCode::SUCCESS
        }),
        Command::Test(args) => test::test(&paths, &args),
        Command::Bench(args) => bench::bench(&paths, &args),
        Command::Audit => audit::audit(&paths),
        Command::Shots { no_build } => test::browser::shots(&paths, !no_build),
    });
    done.unwrap_or_else(|error| {
        eprintln!("xtask: {error}");
        ExitCode::FAILURE
    })
}
