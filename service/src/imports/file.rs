//! Import of a whole local file; running it again resumes it.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use domain::{
    DomainError as Refusal,
    accounts::Scope,
    imports::{ColumnMapping, Encoding, ImportStatus, ProblemCounts},
    zone::Zone,
};
use sha2::{Digest, Sha256};
use store::imports::{Import, ImportSource, NewImport};
use tokio::io::AsyncReadExt;

use super::{
    encoding::CharsetDetector,
    hex, new_import,
    preview::Sample,
    reader::{CsvReader, FileSource, UPLOAD_CHUNK_BYTES},
    run,
};
use crate::{
    error::{Error, Result},
    state::AppState,
    triage::add::source_key,
};

/// Maximum failed lines listed in a summary.
const NAMED: usize = 20;
/// Seconds to wait for a busy database.
const PATIENCE: u32 = 60;

/// A request to import a file.
#[derive(Debug, Clone)]
pub struct FileImportRequest {
    /// Path of the file.
    pub path: PathBuf,
    /// The column mapping; date order and header rows as requested.
    pub mapping: ColumnMapping,
    /// Its encoding; detected when `None`.
    pub encoding: Option<Encoding>,
    /// Reads the whole file without changing anything.
    pub dry_run: bool,
}

/// The result of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportSummary {
    /// The encoding that the file was read in.
    pub encoding: Option<Encoding>,
    /// Row problems by kind.
    pub groups: ProblemCounts,
    /// Imported rows.
    pub added: i64,
    /// Rows that already existed.
    pub known: i64,
    /// Rows that failed.
    pub bad: i64,
    /// The first failed rows, with reasons.
    pub named: Vec<(i64, String)>,
}

/// Imports a file, or reports what would happen. Calls `watch` with the progress and the file size in bytes.
///
/// # Errors
/// Returns an error if a column does not exist, the file cannot be read, or the database fails.
pub async fn import_file(
    app: &AppState,
    scope: &Scope,
    zone: &Zone,
    file: FileImportRequest,
    watch: impl Fn(&run::ImportProgress, i64) + Send + Sync,
) -> Result<ImportSummary> {
    let FileImportRequest { path, mut mapping, encoding, dry_run } = file;
    let (hash, bytes, detected) = inspect_file(open(&path).await?).await?;
    let header_rows = mapping.header_rows;
    let from_start = async || CsvReader::open(FileSource::File(open(&path).await?), encoding.or(Some(detected)), header_rows).await;
    let mut reader = from_start().await?;
    mapping.plan(&reader.header, zone)?;
    let (_, unclear) = Sample::read(&mut reader).await?.settle(&mut mapping, &reader);
    if !unclear.is_empty() {
        let text = unclear.0.iter().map(|e| e.message.as_str()).collect::<Vec<_>>().join(" ");
        return Err(Refusal::field("dates", "required", text).into());
    }
    if dry_run {
        return try_out(app, scope, from_start().await?, mapping.plan(&reader.header, zone)?).await;
    }
    let import = match app.store.unfinished_command(scope, &hash, &mapping).await? {
        Some(import) => import,
        None => begin(app, scope, &path, mapping, hash, bytes).await?,
    };
    let mut busy = 0;
    loop {
        let show = |progress: &run::ImportProgress| {
            watch(progress, bytes);
            false
        };
        match run::run_from(app, scope, import.id, FileSource::File(open(&path).await?), None, show).await {
            Ok(_) => break,
            // A server is using the same database: let it go first.
            Err(Error::Domain(Refusal::Busy(_))) if busy < PATIENCE => {
                busy += 1;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Err(error) => return Err(error),
        }
    }
    let done = app.store.import(scope, import.id).await?.ok_or(Refusal::NotFound)?;
    let named = app.store.bad_lines(scope, import.id, 0, i64::try_from(NAMED).unwrap_or(0)).await?;
    Ok(ImportSummary {
        encoding: Some(reader.encoding),
        groups: app.store.import_problems(scope, import.id).await?,
        added: done.added,
        known: done.known,
        bad: done.bad,
        named: named.into_iter().map(|b| (b.line, b.reason)).collect(),
    })
}

async fn open(path: &Path) -> Result<tokio::fs::File> {
    tokio::fs::File::open(path).await.map_err(|e| Error::Internal(format!("cannot read {}: {e}", path.display())))
}

/// Returns the hash, size and encoding of a file.
async fn inspect_file(mut file: tokio::fs::File) -> Result<(String, i64, Encoding)> {
    let (mut hash, mut detector, mut bytes, mut piece) = (Sha256::new(), CharsetDetector::default(), 0, vec![0; UPLOAD_CHUNK_BYTES]);
    loop {
        let read = file.read(&mut piece).await.map_err(|e| Error::internal("reading the file", e))?;
        if read == 0 {
            return Ok((hex(&hash.finalize()), bytes, detector.finish()));
        }
        hash.update(&piece[..read]);
        detector.feed(&piece[..read]);
        bytes += i64::try_from(read).unwrap_or(0);
    }
}

async fn begin(app: &AppState, scope: &Scope, path: &Path, mapping: ColumnMapping, hash: String, bytes: i64) -> Result<Import> {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let import = NewImport {
        mapping: Some(mapping),
        file_hash: hash,
        bytes_total: bytes,
        ..new_import(&name, ImportSource::Command, ImportStatus::Running)
    };
    app.store.act(app.context(scope), move |act| Box::pin(async move { act.insert_import(import).await })).await
}

/// Dry run: reads everything and counts the results.
async fn try_out(app: &AppState, scope: &Scope, mut reader: CsvReader, plan: domain::imports::BoundMapping) -> Result<ImportSummary> {
    let (mut keys, now) = (run::RowKeys::default(), app.now());
    let mut summary = ImportSummary { encoding: Some(reader.encoding), ..ImportSummary::default() };
    loop {
        let batch = run::read_batch(&mut reader, &mut keys).await?;
        if batch.is_empty() {
            return Ok(summary);
        }
        let mut good = Vec::new();
        for (record, key) in batch {
            let line = i64::try_from(record.line).unwrap_or(0);
            match run::read_row(&plan, &record, now) {
                Ok(row) => {
                    row.left_out.iter().for_each(|problem| summary.groups.add(line, problem));
                    good.push(row.feedback.external_id.map_or(key, |id| source_key(&id)));
                }
                Err(problem) => {
                    summary.bad += 1;
                    summary.groups.add(line, &problem);
                    if summary.named.len() < NAMED {
                        summary.named.push((line, problem.message));
                    }
                }
            }
        }
        let keys: Vec<&str> = good.iter().map(String::as_str).collect();
        let known = app.store.existing_source_keys(scope, &keys).await?;
        let known = i64::try_from(good.iter().filter(|k| known.contains(*k)).count()).unwrap_or(0);
        summary.known += known;
        summary.added += i64::try_from(good.len()).unwrap_or(0) - known;
    }
}
