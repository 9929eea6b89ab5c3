//! Imports of files.

use app::{
    imports::{BadRow, DateChoice, ImportRow, ImportsPage, ImportsView, MappingPage, MappingView, PreviewRow, ProgressPage, ProgressView},
    shell::Nav,
};
use axum::{
    Router,
    extract::{DefaultBodyLimit, Path, Query, multipart::MultipartError},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use domain::{
    DomainError as Refusal, FieldErrors, Zone,
    accounts::Role,
    ids::ImportId,
    imports::{ColumnMapping, DateOrder, DateOrderEvidence, ImportStatus, ImportedRow, read_date},
    text::shorten,
};
use leptos::prelude::*;
use service::{
    error::{Error, Result},
    export::spreadsheet_text,
    imports::{self, COMMAND_TIMEOUT_MS, MAX_UPLOAD, UnfinishedUpload},
    limits::budget::QuotaOwner,
    tickets::files::is_room,
};
use store::imports::{Import, ImportSource, MAX_STORED_BAD_LINES};

use super::{
    console::ConsoleRequest,
    error::PageResult,
    forms::{Form, file_name},
    limits::BodyMemory,
    upload::MultipartForm,
};
use crate::http::WebState;

/// Rejected rows per page.
const PAGE: i64 = 100;

/// This capability's routes.
pub fn routes() -> Router<WebState> {
    Router::new()
        .route("/p/{slug}/imports", get(list))
        .route("/p/{slug}/imports/{id}", get(show))
        .route("/p/{slug}/imports/{id}/preview", get(to_import).post(preview))
        .route("/p/{slug}/imports/{id}/start", get(to_import).post(start))
        .route("/p/{slug}/imports/{id}/continue", get(to_import).post(carry_on))
        .route("/p/{slug}/imports/{id}/cancel", get(to_import).post(cancel))
        .route("/p/{slug}/imports/{id}/change", get(to_import).post(change))
        .route("/p/{slug}/imports/{id}/take-back", get(to_import).post(take_back))
        .route("/p/{slug}/imports/{id}/bad-lines.csv", get(bad_lines))
}

/// The upload route, with larger limits for size and time than other requests.
pub fn uploads() -> Router<WebState> {
    Router::new().route("/p/{slug}/imports", post(upload)).layer(DefaultBodyLimit::max(MAX_UPLOAD + (1 << 20)))
}

fn list_url(console: &ConsoleRequest) -> Result<String> {
    Ok(format!("/p/{}/imports", console.project()?.slug))
}

fn import_url(console: &ConsoleRequest, import: &Import) -> Result<String> {
    Ok(format!("{}/{}", list_url(console)?, import.id))
}

async fn list_page(console: &ConsoleRequest, status: StatusCode, errors: FieldErrors) -> Result<Response> {
    let (scope, present, url) = (console.scope(Role::Admin)?, console.present(), list_url(console)?);
    let mut rows = Vec::new();
    for import in console.app.store.imports(&scope, 100).await? {
        let by = match import.created_by {
            Some(who) => console.app.store.actor_name(who).await?.unwrap_or_default(),
            None => "by command line".into(),
        };
        rows.push(ImportRow {
            href: format!("{url}/{}", import.id),
            brought_nothing: import.is_empty_import(),
            name: import.name,
            status: import.status,
            added: import.added,
            known: import.known,
            bad: import.bad,
            at: present.moment(import.created_at),
            by,
        });
    }
    let view = ImportsView { slug: console.project()?.slug.clone(), form_key: console.form_key(), errors, rows };
    Ok(console.page_with(status, "Imports", Nav::Imports, move || view! { <ImportsPage view=view /> }))
}

async fn list(console: ConsoleRequest) -> PageResult {
    Ok(list_page(&console, StatusCode::OK, FieldErrors::default()).await?)
}

async fn upload(console: ConsoleRequest, room: BodyMemory, body: MultipartForm) -> PageResult {
    console.scope(Role::Admin)?;
    // It is stored as it arrives.
    room.by_hand();
    match receive(&console, body).await {
        Ok(id) => Ok(console.redirect_with_message(&format!("{}/{id}", list_url(&console)?), "File uploaded. Map its columns.")),
        Err(Error::Domain(Refusal::Invalid(errors))) => Ok(list_page(&console, StatusCode::UNPROCESSABLE_ENTITY, errors).await?),
        Err(other) => Err(other.into()),
    }
}

fn broken(error: &MultipartError) -> Error {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Refusal::field("file", "too_large", "The file is larger than 64 MB. Split it, or use earshot import.").into();
    }
    Refusal::field("file", "incomplete", "The file did not arrive completely. Try again.").into()
}

async fn receive(console: &ConsoleRequest, mut body: MultipartForm) -> Result<ImportId> {
    let (app, scope) = (&console.app, console.scope(Role::Admin)?);
    if !is_room(app, scope.project(), QuotaOwner::Team).await? {
        let text = "There is not enough disk space for the file. Ask the operator to free some space, then try again.";
        return Err(Refusal::field("file", "full", text).into());
    }
    let mut key = Form::default();
    while let Some(mut part) = body.next_field().await.map_err(|e| broken(&e))? {
        match part.name().as_str() {
            "idempotency_key" => {
                let mut value = Vec::new();
                while let Some(bytes) = part.chunk().await.map_err(|e| broken(&e))? {
                    // Longer than any valid key.
                    if value.len() < 1000 {
                        value.extend_from_slice(&bytes);
                    }
                }
                key.0.push(("idempotency_key".into(), String::from_utf8_lossy(&value).into_owned()));
            }
            "file" => {
                let name = file_name(part.file_name());
                let mut upload = imports::begin_upload(app, &scope, &name, key.idempotency_key()?).await?;
                let unfinished = UnfinishedUpload::new(app, &scope, upload.id);
                let received = async {
                    while let Some(bytes) = part.chunk().await.map_err(|e| broken(&e))? {
                        upload.push(app, &scope, &bytes).await?;
                    }
                    upload.finish(app, &scope).await
                };
                let received = received.await;
                unfinished.end(received.is_ok()).await;
                return received;
            }
            _ => {}
        }
    }
    Err(Refusal::field("file", "required", "Choose a CSV file that is not empty.").into())
}

async fn find(console: &ConsoleRequest, id: &str) -> Result<Import> {
    let scope = console.scope(Role::Admin)?;
    let id: ImportId = id.parse().map_err(|_| Refusal::NotFound)?;
    imports::find(&console.app, &scope, id).await
}

/// Redirects a reload of a form's POST address.
async fn to_import(console: ConsoleRequest, Path((_, id)): Path<(String, String)>) -> PageResult {
    let import = find(&console, &id).await?;
    Ok(axum::response::Redirect::to(&import_url(&console, &import)?).into_response())
}

async fn show(console: ConsoleRequest, Path((_, id)): Path<(String, String)>, Query(query): Query<Vec<(String, String)>>) -> PageResult {
    let import = find(&console, &id).await?;
    if import.status == ImportStatus::Ready {
        let pairs: Vec<_> = query.iter().filter(|(name, _)| ColumnMapping::is_field(name)).collect();
        let (mapping, errors) = ColumnMapping::read_pairs(pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())));
        let mapping = (!pairs.is_empty()).then_some(mapping);
        return Ok(mapping_page(&console, &import, mapping, None, errors, StatusCode::OK).await?);
    }
    let after = query.iter().find(|(name, _)| name == "after").and_then(|(_, n)| n.parse().ok()).unwrap_or(0);
    Ok(progress_page(&console, &import, after).await?)
}

async fn mapping_page(
    console: &ConsoleRequest,
    import: &Import,
    mapping: Option<ColumnMapping>,
    typed_tag: Option<&str>,
    mut errors: FieldErrors,
    status: StatusCode,
) -> Result<Response> {
    let (app, scope, list_url) = (&console.app, console.scope(Role::Admin)?, list_url(console)?);
    let zone = &console.present().zone;
    let preview = imports::preview(app, &scope, import, mapping).await?;
    let nothing = preview.has_no_valid_rows();
    // A detected mapping without a text column is not the person's mistake; in a submitted one, the error is shown at the field.
    if status != StatusCode::OK {
        errors.0.extend(preview.errors.0.into_iter().filter(|e| errors.message_for(&e.field).is_none()).collect::<Vec<_>>());
    }
    let before = app.store.import_of_file(&scope, &import.file_hash, import.id).await?.map(|i| zone.readable(i.created_at));
    let brought = app.store.imported_row_counts(&scope, import.id).await?;
    let view = MappingView {
        url: format!("{list_url}/{}", import.id),
        list_url,
        form_key: console.form_key(),
        name: import.name.clone(),
        bytes: import.bytes_total,
        columns: preview.columns,
        detected: preview.detected,
        dates: date_choice(&preview.order, zone),
        zone: zone.to_string(),
        add_tag: typed_tag.map(ToOwned::to_owned).or_else(|| preview.mapping.add_tag.clone()).unwrap_or_default(),
        mapping: preview.mapping,
        errors,
        rows: preview.rows.into_iter().map(|(line, row)| preview_row(line, row, zone)).collect(),
        checked: preview.checked,
        groups: preview.groups,
        nothing,
        before,
        brought: brought.touched + brought.untouched,
    };
    Ok(console.page_with(status, "Import a file", Nav::Imports, move || view! { <MappingPage view=view /> }))
}

/// Asks whether the day or the month comes first, if that makes a difference.
fn date_choice(order: &DateOrderEvidence, zone: &Zone) -> Option<DateChoice> {
    let (example, is_clear) = match order {
        DateOrderEvidence::Irrelevant => return None,
        DateOrderEvidence::Clear(_, example) => (example, true),
        DateOrderEvidence::Ambiguous(example) => (example, false),
    };
    let read = |order: DateOrder| read_date(example, Some(order), zone).ok().map(|at| (order, zone.day(at).readable()));
    let readings: Vec<_> = DateOrder::ALL.iter().copied().filter_map(read).collect();
    let differ = readings.windows(2).any(|pair| pair[0].1 != pair[1].1);
    differ.then(|| DateChoice { example: example.clone(), readings, is_clear })
}

fn preview_row(line: u64, row: Result<ImportedRow, domain::imports::RowProblem>, zone: &Zone) -> PreviewRow {
    let left_out = row.iter().flat_map(|row| &row.left_out).map(|problem| problem.message.clone()).collect();
    PreviewRow { line, row: row.map(|row| cells(row, zone)).map_err(|problem| problem.message), left_out }
}

/// The preview's cells of a row: text, tags, score, person, the rest.
fn cells(row: ImportedRow, zone: &Zone) -> [String; 5] {
    let row = row.feedback;
    let text = shorten(&row.text, 300);
    let score = match (row.score, row.score_max) {
        (Some(score), Some(max)) => format!("{score} of {max}"),
        (Some(score), None) => score.to_string(),
        _ => String::new(),
    };
    let contact = row.contact.unwrap_or_default();
    let person = [contact.name, contact.email, contact.external_id].into_iter().flatten().collect::<Vec<_>>().join(", ");
    let status = (row.status != domain::feedback::FeedbackStatus::New).then(|| row.status.label().to_owned());
    let kind = (row.kind != domain::feedback::FeedbackKind::Import).then(|| row.kind.label().to_owned());
    let date = row.created_at.map(|at| {
        let day = zone.day(at);
        if zone.start_of_day(day) == at { day.readable() } else { zone.readable(at) }
    });
    let rest = [date, row.language, kind, status, row.release, row.environment, row.page_url, row.external_id];
    [text, row.tags.join(" "), score, person, rest.into_iter().flatten().collect::<Vec<_>>().join(", ")]
}

/// A form's mapping and its errors. Its column names are those of the encoding and header that the form was rendered with; they are
/// replaced by those of the encoding and header that it requests.
async fn mapping_of(console: &ConsoleRequest, import: &Import, form: &Form) -> Result<(ColumnMapping, FieldErrors)> {
    let (mapping, errors) = ColumnMapping::read_pairs(form.0.iter().map(|(n, v)| (n.as_str(), v.as_str())));
    let (drawn, _) = ColumnMapping::read_pairs([("encoding", form.get("drawn_encoding")), ("header_rows", form.get("drawn_header_rows"))]);
    Ok((imports::renamed(&console.app, &console.scope(Role::Admin)?, import, &drawn, mapping).await?, errors))
}

async fn refused(console: &ConsoleRequest, import: &Import, form: &Form, mapping: ColumnMapping, errors: FieldErrors) -> Result<Response> {
    mapping_page(console, import, Some(mapping), Some(form.get("add_tag")), errors, StatusCode::UNPROCESSABLE_ENTITY).await
}

/// The mapping that a form requests; otherwise the response, if the import is no longer ready or the form has errors.
async fn asked(console: &ConsoleRequest, import: &Import, form: &Form) -> Result<Result<ColumnMapping, Response>> {
    form.idempotency_key()?;
    if import.status != ImportStatus::Ready {
        return Ok(Err(axum::response::Redirect::to(&import_url(console, import)?).into_response()));
    }
    let (mapping, errors) = mapping_of(console, import, form).await?;
    if errors.is_empty() { Ok(Ok(mapping)) } else { Ok(Err(refused(console, import, form, mapping, errors).await?)) }
}

/// Shows the preview with another mapping, which becomes part of the URL.
async fn preview(console: ConsoleRequest, Path((_, id)): Path<(String, String)>, form: Form) -> PageResult {
    let import = find(&console, &id).await?;
    let mapping = match asked(&console, &import, &form).await? {
        Ok(mapping) => mapping,
        Err(answer) => return Ok(answer),
    };
    let url = import_url(&console, &import)?;
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(mapping.pairs());
    if mapping.add_tag.is_none() {
        query.append_pair("add_tag", "");
    }
    Ok(axum::response::Redirect::to(&format!("{url}?{}", query.finish())).into_response())
}

async fn start(console: ConsoleRequest, Path((_, id)): Path<(String, String)>, form: Form) -> PageResult {
    let (import, scope) = (find(&console, &id).await?, console.scope(Role::Admin)?);
    let mapping = match asked(&console, &import, &form).await? {
        Ok(mapping) => mapping,
        Err(answer) => return Ok(answer),
    };
    let url = import_url(&console, &import)?;
    let started = match form.get("anyway") {
        "" => imports::start(&console.app, &scope, &import, mapping.clone()).await,
        _ => imports::start_anyway(&console.app, &scope, &import, mapping.clone()).await,
    };
    match started {
        // A second click finds it already started.
        Ok(_) => Ok(console.redirect_with_message(&url, "Import started.")),
        Err(Error::Domain(Refusal::Invalid(errors))) => Ok(refused(&console, &import, &form, mapping, errors).await?),
        Err(other) => Err(other.into()),
    }
}

async fn carry_on(console: ConsoleRequest, Path((_, id)): Path<(String, String)>, form: Form) -> PageResult {
    let (import, scope) = (find(&console, &id).await?, console.scope(Role::Admin)?);
    form.idempotency_key()?;
    imports::resume(&console.app, &scope, &import).await?;
    Ok(console.redirect_with_message(&import_url(&console, &import)?, "Import resumed."))
}

async fn cancel(console: ConsoleRequest, Path((_, id)): Path<(String, String)>, form: Form) -> PageResult {
    let (import, scope) = (find(&console, &id).await?, console.scope(Role::Admin)?);
    form.idempotency_key()?;
    let list = list_url(&console)?;
    if imports::cancel(&console.app, &scope, &import).await? {
        Ok(console.redirect_with_message(&format!("{list}/{}", import.id), "Import stopped. Imported rows are kept."))
    } else {
        Ok(console.redirect_with_message(&list, "File removed."))
    }
}

/// Returns to the mapping after a run, with the same file.
async fn change(console: ConsoleRequest, Path((_, id)): Path<(String, String)>, form: Form) -> PageResult {
    let (import, scope) = (find(&console, &id).await?, console.scope(Role::Admin)?);
    form.idempotency_key()?;
    imports::reopen(&console.app, &scope, &import).await?;
    Ok(console.redirect_with_message(&import_url(&console, &import)?, "Change the columns, then start the import again."))
}

async fn take_back(console: ConsoleRequest, Path((_, id)): Path<(String, String)>, form: Form) -> PageResult {
    let (import, scope) = (find(&console, &id).await?, console.scope(Role::Admin)?);
    form.idempotency_key()?;
    imports::revert(&console.app, &scope, &import).await?;
    Ok(console.redirect_with_message(&import_url(&console, &import)?, "The import is being undone."))
}

async fn progress_page(console: &ConsoleRequest, import: &Import, after: i64) -> Result<Response> {
    let (app, scope, list_url) = (&console.app, console.scope(Role::Admin)?, list_url(console)?);
    let mut bad = app.store.bad_lines(&scope, import.id, after, PAGE + 1).await?;
    let brought = app.store.imported_row_counts(&scope, import.id).await?;
    let problems = app.store.import_problems(&scope, import.id).await?;
    let has_file = matches!(import.status, ImportStatus::Done | ImportStatus::Cancelled | ImportStatus::Failed)
        && app.store.keeps_import_file(&scope, import.id).await?;
    let url = format!("{list_url}/{}", import.id);
    let more_url = (bad.len() > usize::try_from(PAGE).unwrap_or(usize::MAX)).then(|| {
        bad.pop();
        format!("{url}?after={}", bad.last().map_or(0, |b| b.line))
    });
    let mapping = import.mapping.clone().unwrap_or_default();
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    if let Some(tag) = &mapping.add_tag {
        query.append_pair("q", &format!("tag:{tag}"));
    }
    let inbox = format!("/p/{}/inbox?{}", console.project()?.slug, query.finish());
    let by_command = import.source == ImportSource::Command;
    let view = ProgressView {
        url,
        list_url,
        form_key: console.form_key(),
        name: import.name.clone(),
        status: import.status,
        by_command,
        is_silent: by_command && import.status == ImportStatus::Running && app.now().0 - import.updated_at.0 > COMMAND_TIMEOUT_MS,
        bytes_total: import.bytes_total,
        bytes_done: import.bytes_done,
        added: import.added,
        known: import.known,
        bad: import.bad,
        removed: import.removed,
        untouched: brought.untouched,
        touched: brought.touched,
        has_tag: mapping.add_tag.is_some(),
        error: import.error.clone(),
        mapping: mapping.labelled_settings().into_iter().map(|(label, value)| (label.to_owned(), value)).collect(),
        brought_nothing: import.is_empty_import(),
        can_change: has_file,
        failed: problems.of(true),
        left_out: problems.of(false),
        inbox_url: inbox.trim_end_matches('?').to_owned(),
        bad_rows: bad.into_iter().map(|b| BadRow { line: b.line, reason: b.reason }).collect(),
        more_url,
        is_later_page: after > 0,
    };
    Ok(console.page("Import", Nav::Imports, move || view! { <ProgressPage view=view /> }))
}

async fn bad_lines(console: ConsoleRequest, Path((_, id)): Path<(String, String)>) -> PageResult {
    let (import, scope) = (find(&console, &id).await?, console.scope(Role::Admin)?);
    let mut out = csv::Writer::from_writer(Vec::new());
    let broken = |e: csv::Error| Error::internal("csv", e);
    out.write_record(["line", "reason"]).map_err(broken)?;
    for bad in console.app.store.bad_lines(&scope, import.id, 0, MAX_STORED_BAD_LINES).await? {
        out.write_record([bad.line.to_string(), spreadsheet_text(&bad.reason)]).map_err(broken)?;
    }
    let body = out.into_inner().map_err(|e| Error::internal("csv", e))?;
    let headers =
        [(header::CONTENT_TYPE, "text/csv; charset=utf-8"), (header::CONTENT_DISPOSITION, "attachment; filename=\"bad-lines.csv\"")];
    Ok((headers, body).into_response())
}
