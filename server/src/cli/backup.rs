//! `earshot backup` and `earshot restore`.

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use domain::Clock;
use serde_json::json;
use service::{
    clock::{SystemClock, SystemIds},
    error::{Error, Result},
};

use crate::{backup, config::Config};

/// Arguments of `earshot backup`.
#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// The file to write the backup to; it must not exist yet
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Arguments of `earshot restore`.
#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    /// A file that `earshot backup` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Move an existing database aside and put the backup in its place
    #[arg(long)]
    replace: bool,
}

/// Refuses PostgreSQL, which has better backup tools of its own.
fn embedded(config: &Config, tool: &str) -> Result<()> {
    match &config.database_url {
        None => Ok(()),
        Some(_) => Err(Error::Internal(format!(
            "the data is in PostgreSQL: use {tool} (https://www.postgresql.org/docs/current/backup.html). The search index needs no backup."
        ))),
    }
}

pub(super) async fn back_up(config: &Config, args: BackupArgs) -> Result<()> {
    embedded(config, "pg_dump")?;
    let contents = backup::back_up(&config.settings.data, &args.file).await?;
    println!("{}", json!({ "file": args.file, "projects": contents.projects, "feedback": contents.feedback }));
    Ok(())
}

pub(super) async fn restore(config: &Config, args: RestoreArgs) -> Result<()> {
    embedded(config, "pg_restore")?;
    let done = backup::restore(&config.settings.data, &args.file, args.replace, Arc::new(SystemIds), SystemClock.now()).await?;
    let contents = done.contents;
    println!("{}", json!({ "projects": contents.projects, "feedback": contents.feedback, "set_aside": done.set_aside }));
    Ok(())
}
