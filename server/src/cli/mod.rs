//! The command line. Each subcommand is a variant of `Command` with a file of its own; all of them open the program with [`open`].

mod admin;
mod backup;
mod doctor;
mod export;
pub mod import;
mod reindex;
mod serve;

use std::{process::ExitCode, sync::Arc};

use clap::{Args, Parser, Subcommand};
use domain::Secret;
use service::{
    clock::{SystemClock, SystemIds},
    error::{Error, Result},
    images::worker::{self, WorkerLimits},
    state::{App, AppState},
};
use store::Store;

use self::{export::ExportArgs, import::ImportArgs};
use crate::config::{Config, ServeArgs, StoreArgs};

/// Earshot closes the feedback loop: surveys on your site, one searchable inbox, a backlog that knows who asked.
#[derive(Debug, Parser)]
#[command(name = "earshot", version, about, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    store: StoreArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the console, the surveys and the widget
    Serve(ServeArgs),
    /// Import a CSV file of feedback; importing the same file again adds nothing
    Import(ImportArgs),
    /// Export all feedback, responses or backlog items as CSV, an Excel workbook or JSON Lines; works while the server runs
    Export(ExportArgs),
    /// Manage owners, passwords, projects, signing secrets and API keys from the command line
    #[command(subcommand)]
    Admin(admin::AdminCommand),
    /// Delete the search index and rebuild it from the database; stop the server first
    Reindex,
    /// Back up everything to one file; works while the server runs; for the embedded database only
    Backup(backup::BackupArgs),
    /// Report problems and how to fix them; takes the settings of serve, changes nothing
    Doctor(ServeArgs),
    /// Restore a backup; stop the server first
    Restore(backup::RestoreArgs),
    /// Decode an image from standard input; the server runs this for each image
    #[command(hide = true)]
    DecodePicture(DecodePictureArgs),
}

/// The limits of one picture's process.
#[derive(Debug, Args)]
struct DecodePictureArgs {
    /// Bytes of memory beside the program itself
    #[arg(long)]
    memory: u64,
    /// Seconds of processor time
    #[arg(long)]
    seconds: u64,
}

impl Cli {
    /// Resource limits for `decode-picture`; `None` for other subcommands. Image decoding needs none of the program's other parts.
    #[must_use]
    pub fn picture(&self) -> Option<WorkerLimits> {
        if let Command::DecodePicture(means) = &self.command {
            Some(WorkerLimits { memory: means.memory, seconds: means.seconds })
        } else {
            None
        }
    }

    /// Runs the subcommand and returns the exit code.
    ///
    /// # Errors
    /// Returns an error whose text is meant for the person at the terminal.
    pub async fn run(self) -> Result<ExitCode> {
        let Self { store, command } = self;
        match command {
            Command::Serve(args) => {
                let site = args.demo.then(|| args.demo_listen.unwrap_or(crate::demo::LISTEN));
                serve::run(Config::load(store, args)?, site).await.map(|()| ExitCode::SUCCESS)
            }
            Command::Admin(admin) => {
                let config = quiet(store)?;
                let app = open(&config).await?;
                admin.run(&app).await.map(|()| ExitCode::SUCCESS)
            }
            Command::Import(args) => {
                let config = quiet(store)?;
                import::run(&open(&config).await?, args).await
            }
            Command::Export(args) => {
                let config = quiet(store)?;
                export::run(&open(&config).await?, args).await.map(|()| ExitCode::SUCCESS)
            }
            Command::Reindex => {
                let config = quiet(store)?;
                let app = open(&config).await?;
                reindex::run(&app).await.map(|()| ExitCode::SUCCESS)
            }
            Command::Doctor(args) => {
                let mut store = store;
                store.log.get_or_insert_with(|| "error".into());
                let config = Config::load(store, args)?;
                config.start_log();
                Ok(doctor::run(&config).await)
            }
            Command::Backup(args) => backup::back_up(&quiet(store)?, args).await.map(|()| ExitCode::SUCCESS),
            Command::DecodePicture(DecodePictureArgs { memory, seconds }) => worker::serve(WorkerLimits { memory, seconds })
                .map_err(|error| Error::internal("picture", error))
                .map(|()| ExitCode::SUCCESS),
            Command::Restore(args) => backup::restore(&quiet(store)?, args).await.map(|()| ExitCode::SUCCESS),
        }
    }
}

/// Settings of a subcommand that is not a server: it logs only warnings and errors by default.
fn quiet(mut store: StoreArgs) -> Result<Config> {
    store.log.get_or_insert_with(|| "warn".into());
    let config = Config::load(store, ServeArgs::default())?;
    config.start_log();
    Ok(config)
}

/// Opens the application over its database.
///
/// # Errors
/// Returns an error if the database cannot be opened or migrated.
pub async fn open(config: &Config) -> Result<AppState> {
    let ids = Arc::new(SystemIds);
    let store = match &config.database_url {
        Some(Secret(url)) => Store::open_postgres(url, ids).await?,
        None => Store::open_sqlite(&config.settings.data, ids).await?,
    };
    App::new(config.settings.clone(), store, Arc::new(SystemClock)).await
}
