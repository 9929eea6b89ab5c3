//! Use cases of imports: upload a file, map its columns, import its rows; an import can be stopped and resumed at any time.
//!
//! Every row has a key (its own id if the file has one, otherwise a hash of its content and its ordinal among equal rows), so that
//! importing the same file again adds nothing, even after interruptions.

pub mod encoding;
pub mod file;
mod preview;
pub mod reader;
pub mod records;
mod revert;
pub mod run;

pub use preview::{ImportPreview, PREVIEW, preview, renamed};
pub(crate) use revert::RevertImportJob;
pub use revert::{COMMAND_TIMEOUT_MS, revert};
pub(crate) use run::ImportJob;
pub use run::{ImportProgress, run};

use domain::{
    DomainError as Refusal,
    accounts::{Role, Scope},
    feedback,
    ids::ImportId,
    imports::{ColumnMapping, ImportStatus},
    jobs::Job,
    text::{clean_line, cut},
};
use sha2::{Digest, Sha256};
use store::{
    Fingerprint, IdempotencyScope, IdempotentWrite,
    imports::{Import, ImportSource, NewImport, UploadedFile},
};

use self::{
    encoding::CharsetDetector,
    reader::{CsvReader, FileSource, UPLOAD_CHUNK_BYTES},
};
use crate::{
    error::{Error, Result},
    state::{App, AppState},
};

/// Largest file that a browser may upload.
pub const MAX_UPLOAD: usize = 64 << 20;
/// Maximum pending uploads per project: an upload that is not started is kept for a week and must not fill the disk.
const MAX_WAITING: i64 = 20;

/// A file being uploaded.
pub struct ImportUpload {
    /// The import's id.
    pub id: ImportId,
    hash: Sha256,
    detector: CharsetDetector,
    waiting: Vec<u8>,
    chunks: i64,
    bytes: i64,
}

/// Begins an upload; the same `key` identifies the same import.
///
/// # Errors
/// [`Refusal::Forbidden`] below admin; too many pending uploads.
pub async fn begin_upload(app: &App, scope: &Scope, name: &str, key: &str) -> Result<ImportUpload> {
    scope.require(Role::Admin)?;
    let import = new_import(name, ImportSource::Upload, ImportStatus::Uploading);
    // The content is not known yet: `finish` compares it with an earlier upload under this key.
    let once = IdempotentWrite::form(&IdempotencyScope::Import(scope.project()), key, Fingerprint::of([&import.name]));
    let id = app
        .store
        .act_once(app.context(scope), once, move |act| {
            Box::pin(async move {
                let project = act.project();
                if act.count_pending_imports(project).await? >= MAX_WAITING {
                    let text = format!("{MAX_WAITING} files are already waiting. Start or stop some of them first.");
                    return Err(Refusal::field("file", "too_many", text).into());
                }
                Ok(act.insert_import(import).await?.id)
            })
        })
        .await?;
    Ok(ImportUpload { id, hash: Sha256::new(), detector: CharsetDetector::default(), waiting: Vec::new(), chunks: 0, bytes: 0 })
}

fn new_import(name: &str, source: ImportSource, status: ImportStatus) -> NewImport {
    let name = clean_line(name.rsplit(['/', '\\']).next().unwrap_or_default(), 120).unwrap_or_else(|| "file.csv".into());
    NewImport { name, source, file_hash: String::new(), mapping: None, status, bytes_total: 0 }
}

impl ImportUpload {
    /// Adds the next bytes of the file.
    ///
    /// # Errors
    /// Returns an error if the file is too large or the database fails.
    pub async fn push(&mut self, app: &App, scope: &Scope, bytes: &[u8]) -> Result<()> {
        self.hash.update(bytes);
        self.detector.feed(bytes);
        self.bytes += i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        if self.bytes > i64::try_from(MAX_UPLOAD).unwrap_or(i64::MAX) {
            return Err(Refusal::field("file", "too_large", "The file is larger than 64 MB. Split it, or use earshot import.").into());
        }
        self.waiting.extend_from_slice(bytes);
        while self.waiting.len() >= UPLOAD_CHUNK_BYTES {
            let rest = self.waiting.split_off(UPLOAD_CHUNK_BYTES);
            let chunk = std::mem::replace(&mut self.waiting, rest);
            self.put(app, scope, chunk).await?;
        }
        Ok(())
    }

    async fn put(&mut self, app: &App, scope: &Scope, chunk: Vec<u8>) -> Result<()> {
        let (id, n) = (self.id, self.chunks);
        self.chunks += 1;
        let put = app.store.act(app.context(scope), move |act| {
            Box::pin(async move {
                act.ensure_authorized(Role::Admin).await?;
                let scope = act.scope();
                act.put_import_chunk(&scope, id, n, chunk).await
            })
        });
        let put = put.await;
        match put {
            // Repeated upload of an already uploaded file.
            Err(Error::Domain(Refusal::NotFound)) => Ok(()),
            other => other,
        }
    }

    /// Completes the upload.
    ///
    /// # Errors
    /// Returns an error if it is not a CSV file, or the database fails.
    pub async fn finish(mut self, app: &App, scope: &Scope) -> Result<ImportId> {
        if self.bytes == 0 {
            return Err(Refusal::field("file", "required", "Choose a CSV file that is not empty.").into());
        }
        let last = std::mem::take(&mut self.waiting);
        if !last.is_empty() {
            self.put(app, scope, last).await?;
        }
        let encoding = self.detector.finish();
        CsvReader::open(stored(app, scope, self.id), Some(encoding), None).await?;
        let id = self.id;
        let file = UploadedFile { hash: hex(&self.hash.finalize()), encoding, bytes: self.bytes, chunks: self.chunks };
        let sent = file.hash.clone();
        app.store
            .act(app.context(scope), move |act| {
                Box::pin(async move {
                    act.ensure_authorized(Role::Admin).await?;
                    let (scope, now) = (act.scope(), act.now());
                    act.mark_import_uploaded(&scope, id, &file, now).await
                })
            })
            .await?;
        let Some(existing) = app.store.import(scope, id).await? else {
            // An earlier request with the same key failed meanwhile, and removed it.
            return Err(Refusal::field("file", "incomplete", "The file did not arrive completely. Try again.").into());
        };
        // The same form, restored by the browser and submitted with another file: that file was not stored.
        if existing.file_hash != sent {
            return Err(Refusal::field(
                "file",
                "repeated",
                "This upload was already used for another file. Start a new upload for this one.",
            )
            .into());
        }
        Ok(id)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn stored(app: &App, scope: &Scope, import: ImportId) -> FileSource {
    FileSource::Stored { store: app.store.clone(), scope: *scope, import, next: 0 }
}

/// Returns an import, for people who may import.
///
/// # Errors
/// The same not-found error for a missing import and another project's.
pub async fn find(app: &App, scope: &Scope, import: ImportId) -> Result<Import> {
    scope.require(Role::Admin)?;
    let found = app.store.import(scope, import).await?.filter(|i| i.status != ImportStatus::Uploading);
    found.ok_or_else(|| Refusal::NotFound.into())
}

/// The error for a retry of a failed job whose import cannot be resumed.
fn nothing_to_resume() -> Error {
    Refusal::Conflict("This import was resumed from its own page, or its file is no longer stored. See the project’s imports.".into())
        .into()
}

/// Derives a tag from the file's name, so that the imported rows can be found.
fn guessed_tag(name: &str) -> Option<String> {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    feedback::normalize_tag(cut(&stem.replace(['"', ',', ':', ';', '_'], "-"), feedback::MAX_TAG))
}

/// Starts an uploaded import with a mapping. Returns `false` if it was already started: then the mapping is not used.
///
/// # Errors
/// Returns an error if the mapping does not fit the file, dates are ambiguous and no order was chosen, or none of the first rows can be
/// imported.
pub async fn start(app: &App, scope: &Scope, import: &Import, mapping: ColumnMapping) -> Result<bool> {
    let preview = preview(app, scope, import, Some(mapping)).await?;
    if preview.has_no_valid_rows() {
        let most = preview.groups.of(true).first().map(|g| format!(" Most common reason: {}.", g.fault.phrase())).unwrap_or_default();
        let text = format!("None of the first {} rows can be imported.{most} Change the columns, or start anyway.", preview.checked);
        return Err(Refusal::field("text", "nothing", text).into());
    }
    begin(app, scope, import, preview).await
}

/// As [`start`], even if none of the first rows can be imported.
///
/// # Errors
/// As [`start`].
pub async fn start_anyway(app: &App, scope: &Scope, import: &Import, mapping: ColumnMapping) -> Result<bool> {
    let preview = preview(app, scope, import, Some(mapping)).await?;
    begin(app, scope, import, preview).await
}

async fn begin(app: &App, scope: &Scope, import: &Import, preview: ImportPreview) -> Result<bool> {
    preview.errors.into_result(())?;
    start_run(app, scope, import.id, Some(preview.mapping)).await
}

/// Returns to column mapping after a run, with the same file. Imported rows stay, and count as duplicates in the next run.
///
/// # Errors
/// [`Refusal::Conflict`] if its file is no longer stored, or it is running.
pub async fn reopen(app: &App, scope: &Scope, import: &Import) -> Result<()> {
    scope.require(Role::Admin)?;
    let id = import.id;
    let reopened = app.store.act(app.context(scope), move |act| {
        let (scope, now) = (act.scope(), act.now());
        Box::pin(async move { act.reopen_import(&scope, id, now).await })
    });
    // A second click finds it already reopened.
    if !reopened.await? && app.store.import(scope, id).await?.is_none_or(|i| i.status != ImportStatus::Ready) {
        return Err(Refusal::Conflict("The file of this import is no longer stored. Upload it again to change the columns.".into()).into());
    }
    Ok(())
}

/// Resumes a stopped or failed import.
///
/// # Errors
/// [`Refusal::Conflict`] if its file is no longer stored.
pub async fn resume(app: &App, scope: &Scope, import: &Import) -> Result<()> {
    scope.require(Role::Admin)?;
    start_run(app, scope, import.id, None).await?;
    let now = app.store.import(scope, import.id).await?.map(|i| i.status);
    match now {
        Some(ImportStatus::Running | ImportStatus::Done) => Ok(()),
        _ => Err(Refusal::Conflict(
            "The file of this import is no longer stored. Upload it again: rows that were imported are not added twice.".into(),
        )
        .into()),
    }
}

async fn start_run(app: &App, scope: &Scope, import: ImportId, mapping: Option<ColumnMapping>) -> Result<bool> {
    let started = app
        .store
        .act(app.context(scope), move |act| {
            Box::pin(async move {
                let (scope, now) = (act.scope(), act.now());
                let started = act.start_import(&scope, import, mapping.as_ref(), now).await?;
                if started {
                    act.enqueue(&Job::Import { project: scope.project(), import }, now, now).await?;
                }
                Ok(started)
            })
        })
        .await?;
    app.wake_jobs();
    Ok(started)
}

/// Stops a running import (imported rows stay), or removes one that never ran. Returns whether the import still exists.
///
/// # Errors
/// When the database fails.
pub async fn cancel(app: &App, scope: &Scope, import: &Import) -> Result<bool> {
    scope.require(Role::Admin)?;
    let id = import.id;
    app.store
        .act(app.context(scope), move |act| {
            Box::pin(async move {
                let (scope, now) = (act.scope(), act.now());
                if act.discard_import(&scope, id).await? {
                    return Ok(false);
                }
                act.cancel_import(&scope, id, now).await?;
                Ok(true)
            })
        })
        .await
}

/// Stops a running import, or the choice of other columns after an earlier run. Imported rows stay.
///
/// # Errors
/// [`Refusal::Conflict`] if it was never started, or is not running.
pub async fn stop(app: &App, scope: &Scope, import: &Import) -> Result<()> {
    scope.require(Role::Admin)?;
    // Reopening keeps the mapping of the last run.
    if import.status == ImportStatus::Ready && import.mapping.is_none() {
        return Err(Refusal::Conflict("This import was never started. Delete it instead.".into()).into());
    }
    let id = import.id;
    let stopped = app.store.act(app.context(scope), move |act| {
        let (scope, now) = (act.scope(), act.now());
        Box::pin(async move { act.cancel_import(&scope, id, now).await })
    });
    if stopped.await? { Ok(()) } else { Err(Refusal::Conflict("This import is not running.".into()).into()) }
}

/// Removes an import that imported nothing, with its file.
///
/// # Errors
/// [`Refusal::Conflict`] for any other import.
pub async fn discard(app: &App, scope: &Scope, import: &Import) -> Result<()> {
    scope.require(Role::Admin)?;
    let id = import.id;
    let discarded = app.store.act(app.context(scope), move |act| {
        let scope = act.scope();
        Box::pin(async move { act.discard_import(&scope, id).await })
    });
    let why = "This import was started. Cancel or revert it instead.";
    if discarded.await? { Ok(()) } else { Err(Refusal::Conflict(why.into()).into()) }
}

/// Removes what an upload that failed has left, so that it does not count as waiting, and frees its key for a retry. Keeps a file that an
/// earlier request with the key uploaded completely.
async fn abandon(app: &App, scope: &Scope, upload: ImportId) {
    let done = app.store.act(app.context(scope), move |act| {
        Box::pin(async move {
            let scope = act.scope();
            if act.discard_upload(&scope, upload).await? {
                let outcome = serde_json::to_string(&upload)?;
                act.forget_outcome(&IdempotencyScope::Import(scope.project()), &outcome).await?;
            }
            Ok(())
        })
    });
    let done: Result<()> = done.await;
    if let Err(error) = done {
        tracing::warn!(error = %error, "a failed upload could not be removed; it is removed after a day");
    }
}

/// Abandons an upload whose request ends before [`UnfinishedUpload::end`], as it does when the client disconnects.
pub struct UnfinishedUpload {
    app: AppState,
    scope: Scope,
    id: Option<ImportId>,
}

impl UnfinishedUpload {
    /// Guards an upload.
    #[must_use]
    pub fn new(app: &AppState, scope: &Scope, id: ImportId) -> Self {
        Self { app: app.clone(), scope: *scope, id: Some(id) }
    }

    /// Ends the upload: one that failed is abandoned.
    pub async fn end(mut self, is_complete: bool) {
        if !is_complete && let Some(id) = self.id {
            abandon(&self.app, &self.scope, id).await;
        }
        self.id = None;
    }
}

impl Drop for UnfinishedUpload {
    fn drop(&mut self) {
        if let Some(id) = self.id.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (app, scope) = (self.app.clone(), self.scope);
            runtime.spawn(async move { abandon(&app, &scope, id).await });
        }
    }
}
