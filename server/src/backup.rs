//! Backup and restore of an installation with the embedded database.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};

use domain::{IdSource, Timestamp};
use service::{
    error::{Error, Result},
    state,
};
use store::{
    Store,
    backup::{self, BackupContents},
    files,
};

/// File name of the database in the data directory.
const DATABASE: &str = "earshot.db";

/// Writes a backup of the installation in `data` into `file`. The server may be running meanwhile.
///
/// Writes under a temporary name, reads the copy from end to end, and renames it only once it is complete and on disk.
///
/// # Errors
/// Returns an error if there is no database to copy, `file` exists, or it cannot be written.
pub async fn back_up(data: &Path, file: &Path) -> Result<BackupContents> {
    let from = data.join(DATABASE);
    if !from.is_file() {
        return Err(Error::internal("nothing to back up", format_args!("{} does not exist; check --data", from.display())));
    }
    if file.exists() {
        return Err(Error::internal("the file already exists", format_args!("{}; choose another name", file.display())));
    }
    let part = with_suffix(file, ".part");
    // Replaces a leftover of an interrupted backup.
    files::private_file(&part).map_err(|e| fault(file, &e))?;
    let made = async {
        backup::copy(&from, &part).await?;
        let contents = backup::check(&part).await?;
        File::open(&part).and_then(|f| f.sync_all()).map_err(|e| fault(&part, &e))?;
        fs::rename(&part, file).map_err(|e| fault(file, &e))?;
        sync_directory(file)?;
        Ok(contents)
    }
    .await;
    if made.is_err() {
        drop(fs::remove_file(&part));
    }
    made
}

/// Result of a restore.
#[derive(Debug, Clone)]
pub struct RestoreOutcome {
    /// Contents of the restored database.
    pub contents: BackupContents,
    /// New path of the previous database, if there was one.
    pub set_aside: Option<PathBuf>,
}

/// Replaces the installation's database in `data` with the backup `file`. With `replace`, moves an existing database aside; never deletes
/// it. The search index rebuilds itself at the next start.
///
/// # Errors
/// Returns an error if a server uses the directory, the backup is damaged or newer than this program, or there is a database and `replace`
/// is not set.
pub async fn restore(data: &Path, file: &Path, replace: bool, ids: Arc<dyn IdSource>, now: Timestamp) -> Result<RestoreOutcome> {
    backup::check(file).await?;
    let lock = state::lock_data_dir(data)?;
    let place = data.join(DATABASE);
    if place.exists() && !replace {
        let hint = format_args!("{}; use --replace to move it aside and put the backup in its place", place.display());
        return Err(Error::internal("there is already a database", hint));
    }
    // Complete and on disk before anything is moved.
    let part = with_suffix(&place, ".part");
    files::private_file(&part).map_err(|e| fault(&part, &e))?;
    // Not a plain file copy: if the file was moved aside after a crash, its newest writes are in the write-ahead log beside it.
    backup::copy(file, &part).await?;
    File::open(&part).and_then(|f| f.sync_all()).map_err(|e| fault(&part, &e))?;
    let mut set_aside = None;
    if place.exists() {
        let aside = data.join(format!("earshot-before-restore-{}.db", now.0));
        for suffix in ["-wal", "-shm", ""] {
            let from = with_suffix(&place, suffix);
            if from.exists() {
                fs::rename(&from, with_suffix(&aside, suffix)).map_err(|e| fault(&from, &e))?;
            }
        }
        set_aside = Some(aside);
    }
    fs::rename(&part, &place).map_err(|e| fault(&place, &e))?;
    sync_directory(&place)?;
    // A new identity, so that an index of the previous database is not continued.
    let store = Store::open_sqlite(data, ids).await?;
    store.write(|tx| Box::pin(async move { tx.renew_instance().await })).await?;
    drop(lock);
    Ok(RestoreOutcome { contents: backup::check(&place).await?, set_aside })
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Syncs the parent directory: a renamed file survives a crash only if its directory is on disk.
fn sync_directory(file: &Path) -> Result<()> {
    let parent = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    #[cfg(unix)]
    File::open(parent).and_then(|d| d.sync_all()).map_err(|e| fault(parent, &e))?;
    #[cfg(not(unix))]
    let _ = parent;
    Ok(())
}

fn fault(path: &Path, error: &std::io::Error) -> Error {
    Error::Internal(format!("{} cannot be written: {error}", path.display()))
}
