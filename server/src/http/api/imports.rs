//! `/api/v1/imports`: files whose rows become feedback.

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use domain::{
    DomainError as Refusal, Timestamp,
    accounts::{Role, Scope},
    ids::ImportId,
    imports::{ImportStatus as StoredStatus, ImportedRow, ProblemGroup, RowProblem},
    text::shorten,
};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use service::{
    error::Error,
    imports::{self, MAX_UPLOAD, UnfinishedUpload},
    limits::budget::QuotaOwner,
    state::{App, AppState},
    tickets::files::is_room,
};
use store::{Fingerprint, IdempotencyScope, IdempotentWrite, hash::hash_token, imports::Import as Stored};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::{
    caller::ApiCaller,
    import_mapping::{ImportMapping, at_mapping, faults},
    lists::{self, PageParams},
    problem::{ApiHandlerResult, ApiRejection, FieldProblem},
    request::{EmptyBody, PathIds, QueryParams, WriteRequest, idempotency_key},
    write_outcome::{self, WriteOutcome, reused},
};
use crate::http::limits::BodyMemory;

/// Largest body of an upload: one that is a little too large is read, and refused by the use case.
pub const UPLOAD_LIMIT: usize = MAX_UPLOAD + (1 << 20);
/// Maximum imports in the list.
const MAX_LISTED: i64 = 1_000;
/// Characters of a text in the preview.
const PREVIEW_TEXT: usize = 300;

/// The progress of an import.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImportStatus {
    /// The file is uploaded; start the import with a mapping.
    Ready,
    /// Rows are being imported.
    Running,
    /// All rows were read.
    Done,
    /// It was stopped; what was imported stays.
    Cancelled,
    /// It failed; it can be resumed.
    Failed,
    /// Its feedback is being removed.
    Reverting,
    /// Its feedback was removed, except what people have worked on.
    Reverted,
}

impl From<StoredStatus> for ImportStatus {
    fn from(status: StoredStatus) -> Self {
        match status {
            // An import is not shown before its file is uploaded.
            StoredStatus::Uploading | StoredStatus::Ready => Self::Ready,
            StoredStatus::Running => Self::Running,
            StoredStatus::Done => Self::Done,
            StoredStatus::Cancelled => Self::Cancelled,
            StoredStatus::Failed => Self::Failed,
            StoredStatus::TakingBack => Self::Reverting,
            StoredStatus::TakenBack => Self::Reverted,
        }
    }
}

/// An import of a file.
#[derive(Debug, Serialize, ToSchema)]
pub struct Import {
    id: Uuid,
    /// The name of the file.
    #[schema(example = "reviews.csv")]
    name: String,
    status: ImportStatus,
    /// The size of the file in bytes.
    size: i64,
    /// How many bytes have been read.
    processed: i64,
    /// Rows that were imported.
    imported: i64,
    /// Rows that had been imported before.
    duplicates: i64,
    /// Rows that could not be imported; `GET …/bad-lines` lists them.
    rejected: i64,
    /// Rows that were removed when it was reverted.
    removed: i64,
    /// Why it failed.
    error: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
    #[schema(format = DateTime)]
    finished_at: Option<String>,
}

/// An import with its mapping and problems.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportDetail {
    #[serde(flatten)]
    import: Import,
    /// The mapping of its last run; null if it has never run.
    mapping: Option<ImportMapping>,
    /// What was wrong with rows, by kind.
    problems: Vec<ImportProblem>,
}

/// Rows with the same kind of problem.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportProblem {
    /// A stable code, such as `no_text` or `date`.
    #[schema(example = "date")]
    code: String,
    /// What is wrong, for people.
    detail: String,
    rows: i64,
    /// The field that is left out of the imported rows; null if these rows are not imported.
    left_out: Option<String>,
    /// The lines of the first of these rows.
    lines: Vec<i64>,
}

/// One page of imports, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportList {
    items: Vec<Import>,
    /// Cursor for the next page; null on the last page.
    next_cursor: Option<String>,
}

impl From<Stored> for Import {
    fn from(import: Stored) -> Self {
        Self {
            id: import.id.0,
            name: import.name,
            status: import.status.into(),
            size: import.bytes_total,
            processed: import.bytes_done,
            imported: import.added,
            duplicates: import.known,
            rejected: import.bad,
            removed: import.removed,
            error: import.error,
            created_at: import.created_at.rfc3339(),
            updated_at: import.updated_at.rfc3339(),
            finished_at: import.finished_at.map(Timestamp::rfc3339),
        }
    }
}

impl From<&ProblemGroup> for ImportProblem {
    fn from(group: &ProblemGroup) -> Self {
        Self {
            code: group.fault.as_str().into(),
            detail: group.fault.label().into(),
            rows: group.rows,
            left_out: group.fault.left_out().map(Into::into),
            lines: group.examples.iter().map(|example| example.line).collect(),
        }
    }
}

/// An import of the scope's project.
pub(super) async fn find(app: &App, scope: &Scope, id: Uuid) -> ApiHandlerResult<Stored> {
    Ok(imports::find(app, scope, ImportId(id)).await?)
}

async fn detail(app: &App, scope: &Scope, id: Uuid) -> ApiHandlerResult<ImportDetail> {
    let import = find(app, scope, id).await?;
    let problems = app.store.import_problems(scope, import.id).await?;
    Ok(ImportDetail {
        mapping: import.mapping.as_ref().map(ImportMapping::from),
        problems: problems.all().iter().map(ImportProblem::from).collect(),
        import: import.into(),
    })
}

/// List imports
///
/// The latest 1,000.
#[utoipa::path(get, path = "/api/v1/imports", operation_id = "list_imports", tag = "Imports", params(PageParams),
    responses((status = 200, description = "One page.", body = ImportList)))]
pub async fn list_imports(
    State(app): State<AppState>,
    caller: ApiCaller,
    QueryParams(asked): QueryParams<PageParams>,
    headers: HeaderMap,
) -> ApiHandlerResult {
    let scope = caller.scope(Role::Admin)?;
    let all = app.store.imports(&scope, MAX_LISTED).await?;
    let end = |import: &Stored| (import.created_at, import.id.0);
    lists::respond(&headers, (&asked, "/api/v1/imports"), all, end, |all, next_cursor| ImportList {
        items: all.into_iter().map(Import::from).collect(),
        next_cursor,
    })
}

/// Read an import
///
/// Its progress, and what was wrong with its rows.
#[utoipa::path(get, path = "/api/v1/imports/{import_id}", operation_id = "read_import", tag = "Imports",
    params(("import_id" = Uuid, Path, description = "The import.")),
    responses((status = 200, description = "The import.", body = ImportDetail)))]
pub async fn read_import(
    State(app): State<AppState>,
    caller: ApiCaller,
    PathIds([id]): PathIds<1>,
    headers: HeaderMap,
) -> ApiHandlerResult {
    write_outcome::conditional_response(&headers, &detail(&app, &caller.scope(Role::Admin)?, id).await?)
}

/// Query parameters of an upload.
#[derive(Debug, Deserialize, IntoParams, Validate)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UploadParams {
    /// The name of the file.
    #[serde(default)]
    #[validate(length(max = 120))]
    #[param(max_length = 120, example = "reviews.csv")]
    name: String,
}

/// Upload a file to import
///
/// The body is a CSV file of up to 64 MB, as it is, in any common encoding. Nothing is imported yet: preview the import, then start it. A file that
/// is not started is kept for a week.
#[utoipa::path(post, path = "/api/v1/imports", operation_id = "create_import", tag = "Imports", params(UploadParams),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The file; `text/csv` is accepted too."),
    responses((status = 201, description = "The uploaded file, ready to import.", body = ImportDetail)))]
pub async fn create_import(
    State(app): State<AppState>,
    caller: ApiCaller,
    QueryParams(asked): QueryParams<UploadParams>,
    request: Request,
) -> ApiHandlerResult<Response> {
    let scope = caller.scope(Role::Admin)?;
    let (parts, body) = request.into_parts();
    let sent =
        WriteRequest { caller, once: idempotency_key(&parts.headers)?, fingerprint: String::new(), headers: parts.headers, body: () };
    let key = write_outcome::use_case_key(&sent)?;
    if !is_file(&sent.headers) {
        let detail = "Send the file as application/octet-stream or text/csv.";
        return Err(ApiRejection::outside(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type", detail));
    }
    // It is stored as it arrives.
    BodyMemory::of(&parts.extensions).by_hand();
    // The use case would take the same key with another name for another file.
    let own = IdempotentWrite::program(&IdempotencyScope::ApiImport(sent.caller.key.id), sent.once()?, Fingerprint::of([&asked.name]));
    let claimed = app.store.write_idempotent(own, app.now(), |_| Box::pin(async { Ok(()) })).await;
    claimed.map_err(|error| if matches!(error.refusal(), Some(Refusal::KeyReused)) { reused() } else { error.into() })?;
    let id = receive(&app, &scope, &asked.name, &key, body).await?;
    let import = find(&app, &scope, id.0).await?;
    let sent = WriteRequest { fingerprint: hash_token(&format!("{}\n{}", import.name, import.file_hash)), ..sent };
    write_outcome::idempotent(&app, &sent, async {
        Ok(WriteOutcome::created(format!("/api/v1/imports/{id}"), &detail(&app, &scope, id.0).await?)?)
    })
    .await
}

fn is_file(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|h| h.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    ["application/octet-stream", "text/csv"].iter().any(|known| kind.eq_ignore_ascii_case(known))
}

/// Stores a file as it arrives.
async fn receive(app: &AppState, scope: &Scope, name: &str, key: &str, body: Body) -> ApiHandlerResult<ImportId> {
    let at_body = |error: Error| match &error {
        Error::Domain(Refusal::Invalid(errors)) if errors.0.iter().any(|e| e.code == "repeated") => reused(),
        Error::Domain(Refusal::Invalid(errors)) if errors.0.iter().any(|e| e.code == "too_large") => {
            let detail = format!("The file can be up to {} MB. Split it, or use earshot import.", MAX_UPLOAD >> 20);
            ApiRejection::outside(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
        }
        _ => ApiRejection::from(error).at(|_| String::new()),
    };
    if !is_room(app, scope.project(), QuotaOwner::Team).await? {
        let detail = "There is not enough disk space for the file. Ask the operator to free some space, then try again.";
        return Err(ApiRejection::invalid(vec![FieldProblem::at("", "full", detail)]));
    }
    let mut upload = imports::begin_upload(app, scope, name, key).await.map_err(at_body)?;
    let unfinished = UnfinishedUpload::new(app, scope, upload.id);
    let received = async {
        let mut pieces = body.into_data_stream();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|_| ApiRejection::outside(StatusCode::BAD_REQUEST, "malformed", "The body could not be read."))?;
            upload.push(app, scope, &piece).await.map_err(at_body)?;
        }
        upload.finish(app, scope).await.map_err(at_body)
    };
    let received = received.await;
    unfinished.end(received.is_ok()).await;
    received
}

/// How to preview an import.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewImportPreview {
    /// By default the mapping of the last run, or one that fits the names of the columns.
    #[serde(default, deserialize_with = "super::request::object_or_null")]
    #[validate(nested)]
    mapping: Option<ImportMapping>,
}

/// What an import would do.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportPreview {
    /// The names of the file’s columns.
    columns: Vec<String>,
    /// The mapping with what was detected in the file. To use it, start the import with it.
    mapping: ImportMapping,
    /// What has to change in the mapping before the import can start.
    errors: Vec<FieldProblem>,
    /// How many rows were checked.
    checked: usize,
    /// How many of these can be imported.
    importable: usize,
    /// What is wrong with the checked rows, by kind.
    problems: Vec<ImportProblem>,
    /// The first rows; empty while the mapping has errors.
    rows: Vec<PreviewRow>,
}

/// A row of the file as it would be imported.
#[derive(Debug, Serialize, ToSchema)]
pub struct PreviewRow {
    /// The line where the row begins.
    line: u64,
    /// Why it cannot be imported.
    error: Option<String>,
    /// The beginning of the text.
    text: Option<String>,
    tags: Vec<String>,
    #[schema(format = DateTime)]
    created_at: Option<String>,
    /// Why cells of optional columns are left out.
    left_out: Vec<String>,
}

fn preview_row((line, row): (u64, Result<ImportedRow, RowProblem>)) -> PreviewRow {
    match row {
        Ok(ImportedRow { feedback, left_out }) => PreviewRow {
            line,
            error: None,
            text: Some(shorten(&feedback.text, PREVIEW_TEXT)),
            tags: feedback.tags,
            created_at: feedback.created_at.map(Timestamp::rfc3339),
            left_out: left_out.into_iter().map(|problem| problem.message).collect(),
        },
        Err(problem) => {
            PreviewRow { line, error: Some(problem.message), text: None, tags: Vec::new(), created_at: None, left_out: Vec::new() }
        }
    }
}

/// Preview an import
///
/// Reads the first rows of the file with a mapping. Changes nothing. A retry reads them again.
#[utoipa::path(post, path = "/api/v1/imports/{import_id}/preview", operation_id = "preview_import", tag = "Imports",
    request_body = Option<NewImportPreview>,
    params(("import_id" = Uuid, Path, description = "The import.")),
    responses((status = 200, description = "The preview.", body = ImportPreview)))]
pub async fn preview_import(
    State(app): State<AppState>,
    PathIds([id]): PathIds<1>,
    sent: WriteRequest<NewImportPreview>,
) -> ApiHandlerResult<Response> {
    let (sent, body) = sent.open();
    let scope = sent.caller.scope(Role::Admin)?;
    // As all POST requests, it takes a key. Its rows are personal data, so they are read again and not stored for a retry.
    sent.once()?;
    let mapping = body.mapping.map(ImportMapping::read).transpose()?;
    let import = ready(&app, &scope, id).await?;
    let preview = imports::preview(&app, &scope, &import, mapping).await?;
    let done = WriteOutcome::changed(&ImportPreview {
        mapping: ImportMapping::from(&preview.mapping),
        columns: preview.columns,
        errors: faults(preview.errors),
        checked: preview.checked,
        importable: preview.good,
        problems: preview.groups.all().iter().map(ImportProblem::from).collect(),
        rows: preview.rows.into_iter().map(preview_row).collect(),
    })?;
    Ok(done.into_response())
}

/// An import whose file is uploaded and waits for a mapping.
async fn ready(app: &App, scope: &Scope, id: Uuid) -> ApiHandlerResult<Stored> {
    let import = find(app, scope, id).await?;
    if import.status == StoredStatus::Ready { Ok(import) } else { Err(already_started()) }
}

fn already_started() -> ApiRejection {
    Refusal::Conflict("This import was already started. Reopen it to import its file with another mapping.".into()).into()
}

/// How to import a file.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewImportRun {
    #[validate(nested)]
    #[serde(deserialize_with = "super::request::object")]
    mapping: ImportMapping,
    /// Whether to start even if none of the first rows can be imported.
    #[serde(default)]
    anyway: bool,
}

/// Start an import
///
/// Imports the rows in the background. Rows that were imported before are not imported again. Refused with 409 if it was already started.
#[utoipa::path(post, path = "/api/v1/imports/{import_id}/start", operation_id = "start_import", tag = "Imports", request_body = NewImportRun,
    params(("import_id" = Uuid, Path, description = "The import.")),
    responses((status = 200, description = "The running import.", body = ImportDetail)))]
pub async fn start_import(
    State(app): State<AppState>,
    PathIds([id]): PathIds<1>,
    sent: WriteRequest<NewImportRun>,
) -> ApiHandlerResult<Response> {
    let (sent, body) = sent.open();
    let scope = sent.caller.scope(Role::Admin)?;
    sent.once()?;
    write_outcome::idempotent(&app, &sent, async {
        let mapping = body.mapping.read()?;
        let import = ready(&app, &scope, id).await?;
        let started = if body.anyway {
            imports::start_anyway(&app, &scope, &import, mapping).await
        } else {
            imports::start(&app, &scope, &import, mapping).await
        };
        if !started.map_err(at_mapping)? {
            return Err(already_started());
        }
        Ok(WriteOutcome::changed(&detail(&app, &scope, id).await?)?)
    })
    .await
}

/// Cancel an import
///
/// Stops it. What was imported stays, and it can be resumed or reverted. Refused with 409 if it is not running. To remove one that was never
/// started, delete it.
#[utoipa::path(post, path = "/api/v1/imports/{import_id}/cancel", operation_id = "cancel_import", tag = "Imports",
    params(("import_id" = Uuid, Path, description = "The import.")),
    responses((status = 200, description = "The import.", body = ImportDetail)))]
pub async fn cancel_import(
    State(app): State<AppState>,
    PathIds([id]): PathIds<1>,
    sent: WriteRequest<EmptyBody>,
) -> ApiHandlerResult<Response> {
    step(&app, id, sent, Step::Cancel).await
}

/// Resume an import
///
/// Continues one that was cancelled or failed. Refused with 409 if its file is no longer stored.
#[utoipa::path(post, path = "/api/v1/imports/{import_id}/resume", operation_id = "resume_import", tag = "Imports",
    params(("import_id" = Uuid, Path, description = "The import.")),
    responses((status = 200, description = "The import.", body = ImportDetail)))]
pub async fn resume_import(
    State(app): State<AppState>,
    PathIds([id]): PathIds<1>,
    sent: WriteRequest<EmptyBody>,
) -> ApiHandlerResult<Response> {
    step(&app, id, sent, Step::Resume).await
}

/// Reopen an import
///
/// Makes it `ready` again, to import the same file with another mapping. What was imported stays, and is not imported twice. Refused with 409
/// while it is running, and if its file is no longer stored.
#[utoipa::path(post, path = "/api/v1/imports/{import_id}/reopen", operation_id = "reopen_import", tag = "Imports",
    params(("import_id" = Uuid, Path, description = "The import.")),
    responses((status = 200, description = "The import.", body = ImportDetail)))]
pub async fn reopen_import(
    State(app): State<AppState>,
    PathIds([id]): PathIds<1>,
    sent: WriteRequest<EmptyBody>,
) -> ApiHandlerResult<Response> {
    step(&app, id, sent, Step::Reopen).await
}

/// Revert an import
///
/// Removes its feedback in the background, except what people have worked on. Refused with 409 while it is running.
#[utoipa::path(post, path = "/api/v1/imports/{import_id}/revert", operation_id = "revert_import", tag = "Imports",
    params(("import_id" = Uuid, Path, description = "The import.")),
    responses((status = 200, description = "The import.", body = ImportDetail)))]
pub async fn revert_import(
    State(app): State<AppState>,
    PathIds([id]): PathIds<1>,
    sent: WriteRequest<EmptyBody>,
) -> ApiHandlerResult<Response> {
    step(&app, id, sent, Step::Revert).await
}

/// What can be done with an import besides starting it.
#[derive(Debug, Clone, Copy)]
enum Step {
    Cancel,
    Resume,
    Reopen,
    Revert,
}

/// Takes a step with an import and responds with its new state.
async fn step(app: &App, id: Uuid, sent: WriteRequest<EmptyBody>, step: Step) -> ApiHandlerResult<Response> {
    let (sent, EmptyBody {}) = sent.open();
    let scope = sent.caller.scope(Role::Admin)?;
    sent.once()?;
    write_outcome::idempotent(app, &sent, async {
        let import = find(app, &scope, id).await?;
        match step {
            Step::Cancel => imports::stop(app, &scope, &import).await?,
            Step::Resume => imports::resume(app, &scope, &import).await?,
            Step::Reopen => imports::reopen(app, &scope, &import).await?,
            Step::Revert => imports::revert(app, &scope, &import).await?,
        }
        Ok(WriteOutcome::changed(&detail(app, &scope, id).await?)?)
    })
    .await
}

/// Delete an import
///
/// Deletes a file of which nothing was imported. Any other import is refused with 409: cancel or revert it instead.
#[utoipa::path(delete, path = "/api/v1/imports/{import_id}", operation_id = "delete_import", tag = "Imports",
    params(("import_id" = Uuid, Path, description = "The import.")),
    responses((status = 204, description = "The import is deleted.")))]
pub async fn delete_import(
    State(app): State<AppState>,
    PathIds([id]): PathIds<1>,
    sent: WriteRequest<EmptyBody>,
) -> ApiHandlerResult<Response> {
    let (sent, EmptyBody {}) = sent.open();
    let scope = sent.caller.scope(Role::Admin)?;
    write_outcome::delete(&app, &sent, async {
        let import = imports::find(&app, &scope, ImportId(id)).await?;
        imports::discard(&app, &scope, &import).await
    })
    .await
}
