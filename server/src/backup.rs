//! Backup and restore of an installation with the embedded database.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use domain::Timestamp;
use service::{
    error::{Error, Result},
    state,
};
use store::{
    Store,
    backup::{self, BackupContents},
    files,
};

/// The database in its directory.
const DATABASE: &str = "earshot.db";

/// Writes a backup of the installation in `data` into `file`. The server may be serving meanwhile.
///
/// The copy is made under another name, read from end to end, and takes its name only when it is whole and on disk.
///
/// # Errors
/// When there is nothing to copy, `file` exists, or it cannot be written.
pub async fn back_up(data: &Path, file: &Path) -> Result<BackupContents> {
    let from = data.join(DATABASE);
    if !from.is_file() {
        return Err(Error::internal("nothing to back up", format_args!("{} does not exist; check --data", from.display())));
    }
    if file.exists() {
        return Err(Error::internal("the file already exists", format_args!("{}; choose another name", file.display())));
    }
    let part = with_suffix(file, ".part");
    // In the place of a leftover of a backup that was cut off.
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

/// What a restore did.
#[derive(Debug, Clone)]
pub struct RestoreOutcome {
    /// What is there now.
    pub contents: BackupContents,
    /// Where the database that was there before is now.
    pub set_aside: Option<PathBuf>,
}

/// Puts the backup `file` in the place of the installation's database in `data`. With `replace`, one that is there is set aside, never deleted.
/// The search index builds itself again at the next start.
///
/// # Errors
/// When a server uses the directory, the backup is damaged or newer than this program, or there is a database and `replace` is not set.
pub async fn restore(data: &Path, file: &Path, replace: bool, instance: &str, now: Timestamp) -> Result<RestoreOutcome> {
    backup::check(file).await?;
    let lock = state::lock_data_dir(data)?;
    let place = data.join(DATABASE);
    if place.exists() && !replace {
        let hint = format_args!("{}; use --replace to move it aside and put the backup in its place", place.display());
        return Err(Error::internal("there is already a database", hint));
    }
    // Whole and on disk before anything is moved.
    let part = with_suffix(&place, ".part");
    files::private_file(&part).map_err(|e| fault(&part, &e))?;
    // Not the file's bytes: of a database that was set aside after a crash, the newest writes stand in the log beside it.
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
    // Another identity: an index of what was here before is not followed.
    let store = Store::open_sqlite(data).await?;
    let instance = instance.to_owned();
    store.write(move |tx| Box::pin(async move { tx.set_instance(&instance).await })).await?;
    drop(lock);
    Ok(RestoreOutcome { contents: backup::check(&place).await?, set_aside })
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// A name is on disk only when its directory is.
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
