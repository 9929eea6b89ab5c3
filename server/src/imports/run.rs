//! Rows of a file going in, batch by batch: each batch and how far it came are one transaction.

use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{
    Error as Refusal, Timestamp,
    accounts::{Role, Scope},
    feedback::Feedback,
    ids::{ContactId, FeedbackId, ImportId, JobId, ProjectId},
    imports::{ImportStatus, NewContact, NewFeedback, Plan},
};
use sha2::{Digest, Sha256};

use super::{
    reader::{Bytes, FileReader},
    records::{MAX_RECORD, Record},
    stored,
};
use crate::{
    error::{Error, Result},
    jobs::{Context, Outcome},
    language,
    responses::Person,
    state::{App, AppState},
    store::{
        Tx,
        imports::{BAD_LINES_KEPT, Import},
    },
};

/// Records of one transaction: enough that commits do not count, few enough that submissions do not wait.
const BATCH: usize = 500;
/// Bytes of one transaction at most.
const BATCH_BYTES: usize = 1 << 20;

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read.
    pub bytes_done: i64,
    /// Rows that went in.
    pub added: i64,
    /// Rows that were there already.
    pub known: i64,
    /// Lines that could not go in.
    pub bad: i64,
}

/// Carries an import on from where it is, until the end of its file, until it is cancelled, or until `stop` says so after a batch.
///
/// # Errors
/// When the file cannot be read or the database fails; what went in stays.
pub async fn run(app: &AppState, scope: &Scope, import: ImportId, stop: impl Fn(&Progress) -> bool + Send) -> Result<Outcome> {
    scope.require(Role::Admin)?;
    run_from(app, scope, import, stored(app, scope, import), None, stop).await
}

/// The background job.
///
/// # Errors
/// As [`run`].
pub async fn run_job(app: &AppState, scope: &Scope, import: ImportId, context: &Context) -> Result<Outcome> {
    run_from(app, scope, import, stored(app, scope, import), Some(context.job), |_| context.should_stop()).await
}

/// As [`run`], with the file from anywhere.
pub(super) async fn run_from(
    app: &AppState,
    scope: &Scope,
    import: ImportId,
    bytes: Bytes,
    job: Option<JobId>,
    stop: impl Fn(&Progress) -> bool + Send,
) -> Result<Outcome> {
    let mut import = app.store.import(scope, import).await?.ok_or(Refusal::NotFound)?;
    if import.status != ImportStatus::Running {
        return Ok(Outcome::Done);
    }
    let project = app.store.project_by_id(scope.project()).await?.ok_or(Refusal::NotFound)?;
    let mut reader = FileReader::open(bytes).await?;
    let mapping = import.mapping.clone().ok_or_else(|| Error::internal("import", "running without a mapping"))?;
    let plan = mapping.plan(&reader.header)?;
    let mut keys = Keys::default();
    // What an earlier run dealt with is read again, for the sake of the how-manieth of equal rows.
    for _ in 0..import.added + import.known + import.bad {
        match reader.next().await? {
            Some(record) => drop(keys.of(&record)),
            None => break,
        }
    }
    loop {
        let batch = read_batch(&mut reader, &mut keys).await?;
        if batch.is_empty() {
            let (id, now) = (import.id, app.now());
            app.store.write(move |tx| Box::pin(async move { tx.finish_import(id, now).await })).await?;
            return Ok(Outcome::Done);
        }
        let rows = prepare(app, scope, &project.language, plan.clone(), batch).await?;
        let now = app.now();
        let stored = app.store.write(move |tx| Box::pin(async move { store_batch(tx, import, rows, job, now).await })).await?;
        // Cancelled, or carried on by another worker.
        let Some(after) = stored else { return Ok(Outcome::Done) };
        import = after;
        let progress = Progress { bytes_done: import.bytes_done, added: import.added, known: import.known, bad: import.bad };
        if stop(&progress) {
            return Ok(Outcome::Stopped);
        }
    }
}

pub(super) async fn read_batch(reader: &mut FileReader, keys: &mut Keys) -> Result<Vec<(Record, String)>> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while batch.len() < BATCH && bytes < BATCH_BYTES {
        let Some(record) = reader.next().await? else { break };
        bytes += record.fields.iter().flatten().map(Vec::len).sum::<usize>();
        let key = keys.of(&record);
        batch.push((record, key));
    }
    Ok(batch)
}

/// The keys of a file's rows: what a row says, and the how-manieth of its equals it is.
#[derive(Default)]
pub(super) struct Keys(HashMap<[u8; 16], u32>);

impl Keys {
    fn of(&mut self, record: &Record) -> String {
        let mut hash = Sha256::new();
        let fields = record.fields.as_deref().unwrap_or_default();
        // Neither white space around a field nor empty fields at the end change what a row says.
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

/// One row read by the plan's rules; `None` fields: it was too large to keep.
pub(super) fn read_row(plan: &Plan, fields: Option<&[Vec<u8>]>, now: Timestamp) -> Result<NewFeedback, String> {
    let Some(fields) = fields else {
        return Err(format!("The line has more than {MAX_RECORD} bytes. Perhaps a quotation mark is not closed."));
    };
    let mut texts = Vec::with_capacity(fields.len());
    for (n, field) in fields.iter().enumerate() {
        texts.push(std::str::from_utf8(field).map_err(|_| format!("Field {} is not UTF-8 text. Save the file as “CSV UTF-8”.", n + 1))?);
    }
    plan.row(&texts, now)
}

/// What became of one line.
struct Prepared {
    line: i64,
    end: i64,
    row: Line,
}

enum Line {
    Bad(String),
    Known,
    New(Box<Ready>),
}

struct Ready {
    feedback: Feedback,
    contact: Option<(Person, ContactId)>,
    key: String,
}

/// Applies the rules to a batch, off the async threads: detecting languages takes a while.
async fn prepare(app: &AppState, scope: &Scope, language: &str, plan: Plan, batch: Vec<(Record, String)>) -> Result<Vec<Prepared>> {
    let now = app.now();
    let read: Vec<_> = batch
        .into_iter()
        .map(|(record, key)| {
            let row = read_row(&plan, record.fields.as_deref(), now);
            let key = row.as_ref().ok().and_then(|row| row.external_id.as_ref()).map_or(key, |id| format!("id:{id}"));
            (record.line, record.end, key, row)
        })
        .collect();
    let keys: Vec<&str> = read.iter().filter(|(.., row)| row.is_ok()).map(|(_, _, key, _)| key.as_str()).collect();
    let known = app.store.known_feedback(scope, &keys).await?;
    let (app, language, project) = (AppState::clone(app), language.to_owned(), scope.project());
    let work = move || {
        let one = |(line, end, key, row): (u64, u64, String, Result<NewFeedback, String>)| Prepared {
            line: i64::try_from(line).unwrap_or(i64::MAX),
            end: i64::try_from(end).unwrap_or(i64::MAX),
            row: match row {
                Err(reason) => Line::Bad(reason),
                Ok(_) if known.contains(&key) => Line::Known,
                Ok(row) => Line::New(Box::new(ready(&app, &language, project, row, key, now))),
            },
        };
        read.into_iter().map(one).collect()
    };
    tokio::task::spawn_blocking(work).await.map_err(|e| Error::internal("import", e))
}

fn ready(app: &App, default_language: &str, project: ProjectId, row: NewFeedback, key: String, now: Timestamp) -> Ready {
    let language = row.language.unwrap_or_else(|| language::detect(&row.text, default_language));
    let feedback = Feedback {
        id: app.id::<FeedbackId>(),
        project,
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
        assignee: None,
        tags: row.tags,
        spam_reasons: vec![],
        created_at: row.created_at.unwrap_or(now),
        updated_at: now,
        version: 1,
    };
    let person = |NewContact { external_id, email, name }: NewContact| {
        (Person { external_id, email, name, attributes: None }, app.id::<ContactId>())
    };
    Ready { feedback, contact: row.contact.map(person), key }
}

/// Stores a batch and how far the import is with it; `None` and nothing stored when the import no longer runs from there.
async fn store_batch(tx: &mut Tx<'_>, before: Import, rows: Vec<Prepared>, job: Option<JobId>, now: Timestamp) -> Result<Option<Import>> {
    let mut after = before.clone();
    after.bytes_done = rows.last().map_or(before.bytes_done, |row| row.end);
    after.bad += i64::try_from(rows.iter().filter(|r| matches!(r.row, Line::Bad(_))).count()).unwrap_or(i64::MAX);
    // First the claim on this stretch of the file, so that of two that run the same one waits here and then finds it taken.
    if !tx.import_progress(&before, &after, now).await? {
        return Ok(None);
    }
    let (mut kept, mut brought) = (before.bad, Vec::new());
    for Prepared { line, row, .. } in rows {
        match row {
            Line::Bad(reason) => {
                if kept < BAD_LINES_KEPT {
                    tx.insert_bad_line(before.id, line, &reason).await?;
                }
                kept += 1;
            }
            Line::Known => after.known += 1,
            Line::New(ready) => {
                let Ready { mut feedback, contact, key } = *ready;
                let scope = Scope::system(feedback.project);
                if let Some((contact, fresh)) = contact {
                    // Not before it is sure that the row is new: a person without feedback is none.
                    if tx.feedback_known(feedback.project, &key).await? {
                        after.known += 1;
                        continue;
                    }
                    feedback.contact = Some(tx.contact_for(&scope, &contact, fresh, feedback.created_at).await?);
                }
                match tx.insert_feedback(&feedback, Some(&key)).await? {
                    true => {
                        after.added += 1;
                        brought.push(feedback.id);
                    }
                    false => after.known += 1,
                }
            }
        }
    }
    tx.feedback_came_with(&Scope::system(before.project), before.id, &brought).await?;
    let counted = Import { bytes_done: after.bytes_done, ..before };
    tx.import_progress(&counted, &after, now).await?;
    if let Some(job) = job {
        tx.job_progressed(job).await?;
    }
    Ok(Some(after))
}
