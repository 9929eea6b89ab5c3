//! Runs an import in batches: each batch and its progress are one transaction.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{
    DomainError as Refusal, Timestamp,
    accounts::{Role, Scope},
    feedback::{Feedback, NewFeedback},
    identity::Claim,
    ids::{ImportId, JobId},
    imports::{BoundMapping, ImportStatus, ImportedContact, ImportedRow, ProblemCounts, RowProblem},
    responses::ClaimedContact,
};
use search::language;
use sha2::{Digest, Sha256};
use store::{
    self, Tx,
    contacts::ContactSighting,
    imports::{Import, MAX_STORED_BAD_LINES},
};

use super::{
    nothing_to_resume,
    reader::{CsvReader, FileSource},
    records::{CsvRecord, QuoteError},
    stored,
};
use crate::{
    error::{Error, Result},
    job_handler::{JobContext, JobHandler, JobOutcome},
    state::AppState,
    triage::add::source_key,
};

/// Records per transaction: enough to make commit cost negligible, few enough that submissions do not wait.
const BATCH: usize = 500;
/// Maximum bytes per transaction.
const BATCH_BYTES: usize = 1 << 20;

/// Progress of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportProgress {
    /// Bytes read.
    pub bytes_done: i64,
    /// Imported rows.
    pub added: i64,
    /// Rows that already existed.
    pub known: i64,
    /// Rows that failed.
    pub bad: i64,
}

/// Resumes an import until the end of its file, until it is cancelled, or until `stop` returns `true` after a batch.
///
/// # Errors
/// Returns an error if the file cannot be read or the database fails; imported rows stay.
pub async fn run(app: &AppState, scope: &Scope, import: ImportId, stop: impl Fn(&ImportProgress) -> bool + Send) -> Result<JobOutcome> {
    scope.require(Role::Admin)?;
    run_from(app, scope, import, stored(app, scope, import), None, stop).await
}

/// The background job.
pub(crate) struct ImportJob {
    pub scope: Scope,
    pub import: ImportId,
}

#[async_trait]
impl JobHandler for ImportJob {
    async fn run(&self, app: &AppState, context: &JobContext) -> Result<JobOutcome> {
        let Self { scope, import } = self;
        run_from(app, scope, *import, stored(app, scope, *import), Some(context.job), |_| context.should_stop()).await
    }

    async fn fail(&self, tx: &mut Tx<'_>, why: &str, now: Timestamp) -> Result<()> {
        tx.fail_import(&self.scope, self.import, why, now).await
    }

    /// An import also records its own failure; it must be restarted as well, or the job would find nothing to do.
    async fn resume(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<()> {
        if tx.start_import(&self.scope, self.import, None, now).await? { Ok(()) } else { Err(nothing_to_resume()) }
    }
}

/// As [`run`], with a file from any source.
pub(super) async fn run_from(
    app: &AppState,
    scope: &Scope,
    import: ImportId,
    bytes: FileSource,
    job: Option<JobId>,
    stop: impl Fn(&ImportProgress) -> bool + Send,
) -> Result<JobOutcome> {
    let scope = *scope;
    let mut import = app.store.import(&scope, import).await?.ok_or(Refusal::NotFound)?;
    if import.status != ImportStatus::Running {
        return Ok(JobOutcome::Done);
    }
    let project = app.store.project_by_id(scope.project()).await?.ok_or(Refusal::NotFound)?;
    let mapping = import.mapping.clone().ok_or_else(|| Error::internal("import", "running without a mapping"))?;
    let mut reader = CsvReader::open(bytes, mapping.encoding.or(import.encoding), mapping.header_rows).await?;
    let plan = mapping.plan(&reader.header, &project.zone)?;
    let mut keys = RowKeys::default();
    // Rows processed by an earlier run are read again to restore the ordinals of equal rows.
    for _ in 0..import.added + import.known + import.bad {
        match reader.next().await? {
            Some(record) => drop(keys.of(&record)),
            None => break,
        }
    }
    let mut source = BatchReader { app, scope: &scope, language: &project.language, plan, reader, keys };
    let mut rows = source.next().await?;
    while !rows.is_empty() {
        let now = app.now();
        let store = app.store.write(move |tx| Box::pin(async move { store_batch(tx, &scope, import, rows, job, now).await }));
        // Read the next batch while this one is stored.
        let (stored, next) = tokio::join!(store, source.next());
        // Cancelled, or continued by another worker.
        let Some(after) = stored? else { return Ok(JobOutcome::Done) };
        import = after;
        let progress = ImportProgress { bytes_done: import.bytes_done, added: import.added, known: import.known, bad: import.bad };
        if stop(&progress) {
            return Ok(JobOutcome::Stopped);
        }
        rows = next?;
    }
    let (id, now) = (import.id, app.now());
    app.store.write(move |tx| Box::pin(async move { tx.finish_import(&scope, id, now).await })).await?;
    Ok(JobOutcome::Done)
}

/// Reads a file in batches.
struct BatchReader<'a> {
    app: &'a AppState,
    scope: &'a Scope,
    language: &'a str,
    plan: BoundMapping,
    reader: CsvReader,
    keys: RowKeys,
}

impl BatchReader<'_> {
    /// Returns the next batch; empty at the end of the file.
    async fn next(&mut self) -> Result<Vec<PreparedLine>> {
        let batch = read_batch(&mut self.reader, &mut self.keys).await?;
        if batch.is_empty() { Ok(Vec::new()) } else { prepare(self.app, self.scope, self.language, self.plan.clone(), batch).await }
    }
}

pub(super) async fn read_batch(reader: &mut CsvReader, keys: &mut RowKeys) -> Result<Vec<(CsvRecord, String)>> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while batch.len() < BATCH && bytes < BATCH_BYTES {
        let Some(record) = reader.next().await? else { break };
        bytes += record.fields.iter().flatten().map(Vec::len).sum::<usize>();
        let key = keys.of(&record);
        batch.push((record, key));
    }
    Ok(batch)
}

/// The keys of a file's rows: the content of a row and its ordinal among equal rows.
#[derive(Default)]
pub(super) struct RowKeys(HashMap<[u8; 16], u32>);

impl RowKeys {
    fn of(&mut self, record: &CsvRecord) -> String {
        let mut hash = Sha256::new();
        let fields = record.fields.as_deref().unwrap_or_default();
        // White space around fields and empty trailing fields do not change a row's meaning.
        let used = fields.iter().rposition(|f| !f.trim_ascii().is_empty()).map_or(0, |i| i + 1);
        for field in &fields[..used] {
            let field = field.trim_ascii();
            for line in field.split(|b| *b == b'\n') {
                hash.update(line.strip_suffix(b"\r").unwrap_or(line));
                hash.update(b"\n");
            }
            hash.update([0]);
        }
        let digest = hash.finalize();
        let mut short = [0; 16];
        short.copy_from_slice(&digest[..16]);
        let times = self.0.entry(short).or_default();
        *times += 1;
        format!("row:{}:{times}", URL_SAFE_NO_PAD.encode(short))
    }
}

/// Reads one row by the mapping's rules.
pub(super) fn read_row(plan: &BoundMapping, record: &CsvRecord, now: Timestamp) -> Result<ImportedRow, RowProblem> {
    let fields = record.fields.as_deref();
    match record.quote {
        Some(QuoteError::Unclosed(line)) => return Err(RowProblem::quote(line, record.last, true)),
        // A quotation mark closed within a cell is harmless unless the record spans lines and no longer has the header's number of fields.
        Some(QuoteError::Stray(line)) if record.last > line && fields.is_none_or(|fields| fields.len() != plan.width()) => {
            return Err(RowProblem::quote(line, record.last, false));
        }
        _ => {}
    }
    let Some(fields) = fields else { return Err(RowProblem::too_large(record.line, record.last)) };
    // Already decoded: nothing is replaced here.
    let texts: Vec<_> = fields.iter().map(|field| String::from_utf8_lossy(field)).collect();
    let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
    plan.row(&texts, now)
}

/// The outcome of one line.
struct PreparedLine {
    line: i64,
    end: i64,
    row: LineOutcome,
}

enum LineOutcome {
    Bad(RowProblem),
    Known,
    New(Box<PreparedFeedback>),
}

struct PreparedFeedback {
    feedback: NewFeedback,
    contact: Option<ClaimedContact>,
    key: String,
    left_out: Vec<RowProblem>,
}

/// A new line in the transaction that stores it.
struct NewLine {
    line: i64,
    feedback: Feedback,
    contact: Option<ClaimedContact>,
    key: String,
    left_out: Vec<RowProblem>,
}

/// Applies the rules to a batch, off the async threads: language detection is slow.
async fn prepare(
    app: &AppState,
    scope: &Scope,
    language: &str,
    plan: BoundMapping,
    batch: Vec<(CsvRecord, String)>,
) -> Result<Vec<PreparedLine>> {
    let now = app.now();
    let read: Vec<_> = batch
        .into_iter()
        .map(|(record, key)| {
            let row = read_row(&plan, &record, now);
            let key = row.as_ref().ok().and_then(|row| row.feedback.external_id.as_ref()).map_or(key, |id| source_key(id));
            (record.line, record.end, key, row)
        })
        .collect();
    let keys: Vec<&str> = read.iter().filter(|(.., row)| row.is_ok()).map(|(_, _, key, _)| key.as_str()).collect();
    let known = app.store.existing_source_keys(scope, &keys).await?;
    let language = language.to_owned();
    let work = move || {
        let one = |(line, end, key, row): (u64, u64, String, Result<ImportedRow, RowProblem>)| PreparedLine {
            line: i64::try_from(line).unwrap_or(i64::MAX),
            end: i64::try_from(end).unwrap_or(i64::MAX),
            row: match row {
                Err(problem) => LineOutcome::Bad(problem),
                Ok(_) if known.contains(&key) => LineOutcome::Known,
                Ok(row) => LineOutcome::New(Box::new(ready(&language, row, key, now))),
            },
        };
        read.into_iter().map(one).collect()
    };
    tokio::task::spawn_blocking(work).await.map_err(|e| Error::internal("import", e))
}

fn ready(default_language: &str, row: ImportedRow, key: String, now: Timestamp) -> PreparedFeedback {
    let ImportedRow { feedback: row, left_out } = row;
    let language = row.language.unwrap_or_else(|| language::detect(&row.text, default_language));
    let feedback = NewFeedback {
        kind: row.kind,
        text: row.text,
        score: row.score,
        score_max: row.score_max,
        contact: None,
        survey: None,
        response: None,
        page_url: row.page_url,
        release: row.release,
        environment: row.environment,
        language,
        status: row.status,
        tags: row.tags,
        spam_reasons: vec![],
        created_at: row.created_at.unwrap_or(now),
    };
    let person = |ImportedContact { external_id, email, name }: ImportedContact| ClaimedContact {
        external_id,
        email,
        name,
        attributes: None,
        claim: Claim::Team,
    };
    PreparedFeedback { feedback, contact: row.contact.map(person), key, left_out }
}

/// Stores a batch and the import's progress; `None`, and nothing stored, if the import is no longer running from this position.
async fn store_batch(
    tx: &mut Tx<'_>,
    scope: &Scope,
    before: Import,
    rows: Vec<PreparedLine>,
    job: Option<JobId>,
    now: Timestamp,
) -> Result<Option<Import>> {
    let mut after = before.clone();
    after.bytes_done = rows.last().map_or(before.bytes_done, |row| row.end);
    after.bad += i64::try_from(rows.iter().filter(|r| matches!(r.row, LineOutcome::Bad(_))).count()).unwrap_or(i64::MAX);
    // First claim this part of the file: of two workers on the same part, one waits here and then finds it claimed.
    if !tx.import_progress(scope, &before, &after, now).await? {
        return Ok(None);
    }
    let (mut bad, mut new, mut groups) = (Vec::new(), Vec::new(), ProblemCounts::default());
    for PreparedLine { line, row, .. } in rows {
        match row {
            LineOutcome::Bad(problem) => {
                groups.add(line, &problem);
                bad.push((line, problem.message));
            }
            LineOutcome::Known => after.known += 1,
            LineOutcome::New(ready) => {
                let PreparedFeedback { feedback, contact, key, left_out } = *ready;
                new.push(NewLine { line, feedback: tx.identify(feedback, before.project, now), contact, key, left_out });
            }
        }
    }
    // Create contacts only for rows that are certainly new: a contact must have feedback.
    let known = tx.known_feedback(before.project, &new.iter().map(|ready| ready.key.as_str()).collect::<Vec<_>>()).await?;
    let mut seen = HashSet::new();
    let came = new.len();
    new.retain(|ready| !known.contains(&ready.key) && seen.insert(ready.key.clone()));
    after.known += count(came - new.len());
    for (stored, lines) in store_lines(tx, before.id, &mut new).await? {
        match stored {
            Ok(added) => {
                after.added += count(added);
                after.known += count(lines.len() - added);
                for (line, left_out) in lines {
                    left_out.iter().for_each(|problem| groups.add(line, problem));
                }
            }
            Err(problem) => {
                after.bad += count(lines.len());
                for (line, _) in lines {
                    groups.add(line, &problem);
                    bad.push((line, problem.message.clone()));
                }
            }
        }
    }
    let room = usize::try_from(MAX_STORED_BAD_LINES - before.bad).unwrap_or_default();
    bad.truncate(room);
    tx.insert_bad_lines(before.id, &bad).await?;
    tx.count_problems(before.id, groups).await?;
    let counted = Import { bytes_done: after.bytes_done, ..before };
    tx.import_progress(scope, &counted, &after, now).await?;
    if let Some(job) = job {
        tx.reset_job_failures(job).await?;
    }
    Ok(Some(after))
}

fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// For a group of lines: the number stored or the reason for failure; and for each line, the values left out.
type StoredLines = (Result<usize, RowProblem>, Vec<(i64, Vec<RowProblem>)>);

/// Stores new rows together; if the database rejects them, one by one, so that only the rejected rows fail.
async fn store_lines(tx: &mut Tx<'_>, import: ImportId, new: &mut [NewLine]) -> Result<Vec<StoredLines>> {
    let mut all = Vec::new();
    let stored = store_together(tx, import, new).await?;
    if new.len() > 1
        && let Err(error) = &stored
    {
        tracing::warn!(db.error = %error, rows = new.len(), "import rows could not be stored as a batch; storing them one by one");
        for one in new.chunks_mut(1) {
            let stored = store_together(tx, import, one).await?;
            all.push((stored.map_err(refused), take_left_out(one)));
        }
        return Ok(all);
    }
    all.push((stored.map_err(refused), take_left_out(new)));
    Ok(all)
}

fn take_left_out(lines: &mut [NewLine]) -> Vec<(i64, Vec<RowProblem>)> {
    lines.iter_mut().map(|ready| (ready.line, std::mem::take(&mut ready.left_out))).collect()
}

fn refused(error: Error) -> RowProblem {
    tracing::error!(db.error = %error, "an import row could not be stored");
    RowProblem::database()
}

/// Stores rows in a savepoint. The inner error concerns the rows; the outer one the transaction, or a database that accepts no work.
async fn store_together(tx: &mut Tx<'_>, import: ImportId, new: &mut [NewLine]) -> Result<Result<usize>> {
    tx.savepoint().await?;
    let stored = insert_lines(tx, import, new).await;
    tx.end_savepoint(stored.is_ok()).await?;
    match stored {
        Err(Error::Domain(refusal)) => Err(refusal.into()),
        stored => Ok(stored),
    }
}

async fn insert_lines(tx: &mut Tx<'_>, import: ImportId, new: &mut [NewLine]) -> Result<usize> {
    let sightings: Vec<ContactSighting<'_>> = new
        .iter()
        .filter_map(|NewLine { feedback, contact, .. }| {
            Some(ContactSighting { project: feedback.project, person: contact.as_ref()?, known: None, at: feedback.created_at })
        })
        .collect();
    let mut contacts = tx.resolve_contacts(&sightings).await?.into_iter();
    for ready in new.iter_mut().filter(|ready| ready.contact.is_some()) {
        ready.feedback.contact = contacts.next().map(|known| known.id);
    }
    let rows: Vec<store::feedback::FeedbackInsert<'_>> = new
        .iter()
        .map(|NewLine { feedback, key, .. }| store::feedback::FeedbackInsert { feedback, source_key: Some(key), import: Some(import) })
        .collect();
    Ok(tx.insert_all_feedback(&rows).await?.len())
}
