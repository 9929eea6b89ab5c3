//! Posts of both portal forms: checks, files held for the next attempt, and error messages.

use app::{
    portal::{PortalFormFooter, texts},
    respond::RespondentPageContext,
};
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use domain::{
    DomainError as Refusal, FieldErrors,
    accounts::Scope,
    ids::AttachmentId,
    projects::Project,
    tickets::files::{MAX_BYTES, MAX_FILES},
};
use service::{
    error::{Error, Result},
    limits::{SubmissionQuota, budget::QuotaOwner},
    state::App,
    tickets::{self, files::is_room},
};
use store::tickets::NewAttachment;

use super::visit::PortalRequest;
use crate::http::{
    address::ClientAddress,
    attachments::{FilePolicy, FormWithFiles},
    error,
    forms::Form,
};

/// `Retry-After` in seconds for files for which there is no storage space.
const FILES_AGAIN: u64 = 3600;

/// State of a form that is shown again.
#[derive(Default)]
pub(super) struct PortalFormState {
    /// The submitted fields; empty for a new form.
    pub(super) form: Form,
    /// Its idempotency key, unless it needs a new one.
    pub(super) key: Option<String>,
    pub(super) errors: FieldErrors,
    pub(super) message: Option<String>,
}

impl PortalFormState {
    pub(super) async fn tail(self, app: &App, project: &Project, place: &str) -> Result<PortalFormFooter> {
        let held = match &self.key {
            Some(key) => {
                let form = tickets::pending_form_key(project, place, key);
                app.store.pending_attachments(&Scope::system(project.id), &form, app.now()).await?
            }
            None => Vec::new(),
        };
        let started = self.form.get("started");
        let started = if started.is_empty() { tickets::start_token(app, project, app.now())? } else { started.to_owned() };
        let key = self.key.unwrap_or_else(|| app.ids.uuid().to_string());
        Ok(PortalFormFooter { started, key, held, errors: self.errors, message: self.message })
    }
}

/// Status, message and `Retry-After` of a refusal that does not concern a field.
fn refusal_response(error: &Error, words: &'static texts::PortalTexts) -> (StatusCode, String, Option<u64>) {
    error::log(error);
    match error.refusal() {
        Some(Refusal::RateLimited(seconds)) => {
            (StatusCode::TOO_MANY_REQUESTS, words.wait.replace("{seconds}", &seconds.to_string()), Some(*seconds))
        }
        Some(Refusal::Busy(seconds)) => (StatusCode::SERVICE_UNAVAILABLE, words.again.to_owned(), Some(*seconds)),
        Some(Refusal::Conflict(_)) => (StatusCode::CONFLICT, words.full.to_owned(), None),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, words.again.to_owned(), None),
    }
}

/// Puts a refusal's messages into the form; returns status and `Retry-After`.
fn refusal(
    status: Option<StatusCode>,
    error: &Error,
    words: &'static texts::PortalTexts,
    back: &mut PortalFormState,
) -> (StatusCode, Option<u64>) {
    if let Some(Refusal::Invalid(errors)) = error.refusal() {
        back.errors = words.translate(errors);
        let status = status.unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
        let pause = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::INSUFFICIENT_STORAGE).then_some(FILES_AGAIN);
        return (status, pause);
    }
    let (own, message, after) = refusal_response(error, words);
    back.message = Some(message);
    (status.unwrap_or(own), after)
}

pub(super) fn with_retry_after(mut response: Response, seconds: Option<u64>) -> Response {
    if let Some(seconds) = seconds {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Decides whether to keep files before they arrive: a rate-limited sender gets only the text back, and their files take no memory.
pub(super) async fn file_policy(app: &App, project: &Project, address: ClientAddress, counted: &Result<()>) -> Result<FilePolicy> {
    if counted.is_err() {
        return Ok(FilePolicy::Ignored);
    }
    let is_room = is_room(app, project.id, QuotaOwner::Stranger(address.bucket())).await?;
    Ok(if is_room { FilePolicy::Kept } else { FilePolicy::NoRoom })
}

/// A posted message, with its files ready to be stored.
pub(super) struct PostedMessage<'a> {
    pub(super) key: String,
    pub(super) files: Vec<NewAttachment>,
    /// Files held from earlier attempts that belong to the message.
    pub(super) pending_files: Vec<AttachmentId>,
    pub(super) quota: SubmissionQuota<'a>,
}

/// Results of checks that do not need the files.
pub(super) struct MessageChecks {
    /// Errors in the fields.
    pub(super) faults: Option<Refusal>,
    /// Whether it looks automated: its files are not held for a retry.
    pub(super) is_suspicious: bool,
}

/// Runs all checks of a post, cheap ones first: images are decoded only for a form that would otherwise be accepted, or that does not look
/// automated and is shown again.
pub(super) async fn check_post<'a>(
    app: &'a App,
    visit: &PortalRequest,
    project: &Project,
    (place, address): (&str, ClientAddress),
    counted: Result<()>,
    words: MessageChecks,
    got: &mut FormWithFiles,
) -> std::result::Result<PostedMessage<'a>, (Option<StatusCode>, Error)> {
    if visit.is_foreign(app) {
        return Err((Some(StatusCode::FORBIDDEN), Refusal::Forbidden.into()));
    }
    let own = |error| (None, error);
    let key = got.form.idempotency_key().map(ToOwned::to_owned).map_err(|error| (Some(StatusCode::UNPROCESSABLE_ENTITY), error))?;
    counted.map_err(own)?;
    if let Some((status, error)) = got.refused.take() {
        return Err((Some(status), error));
    }
    if let Some(faults) = words.faults.as_ref().filter(|_| words.is_suspicious) {
        return Err((None, choose_again(faults.clone(), got.files.count() > 0).into()));
    }
    // Held files count as well; files that are no longer ticked are dropped.
    let form = tickets::pending_form_key(project, place, &key);
    let keep: Vec<AttachmentId> = got.form.all("keep").filter_map(|id| id.parse().ok()).collect();
    let held = tickets::retain_pending_files(app, project, &form, &keep).await.map_err(own)?;
    let waiting: i64 = held.iter().map(|file| file.size).sum();
    if held.len() + got.files.count() > MAX_FILES {
        return Err((None, Refusal::field("files", "too_many", "Choose fewer files.").into()));
    }
    if usize::try_from(waiting).unwrap_or(usize::MAX).saturating_add(got.files.bytes()) > MAX_BYTES && got.files.count() > 0 {
        return Err((Some(StatusCode::PAYLOAD_TOO_LARGE), Refusal::field("files", "too_large", "Choose fewer files.").into()));
    }
    if words.faults.is_none() {
        app.count_text(address.bucket(), got.form.bytes()).await.map_err(own)?;
    }
    // Refunded if nothing is stored, so that rejected posts do not use up the project's limit.
    let quota = app.limits.portal(project.id, app.now()).await.map_err(own)?;
    let payer = QuotaOwner::Stranger(address.bucket());
    let had_files = got.files.count() > 0;
    let files = std::mem::take(&mut got.files).prepare(app, payer).await;
    let refused = match (words.faults, files) {
        (None, Ok(files)) => return Ok(PostedMessage { key, files, pending_files: keep, quota }),
        (Some(faults), Ok(files)) => {
            let is_held = tickets::store_pending_files(app, payer, project, &form, files).await;
            is_held.map(|is_held| choose_again(faults, had_files && !is_held).into()).unwrap_or_else(|error| error)
        }
        // Report both at once.
        (Some(Refusal::Invalid(faults)), Err(Error::Domain(Refusal::Invalid(more)))) => {
            Refusal::Invalid(FieldErrors(faults.0.into_iter().chain(more.0).collect())).into()
        }
        (_, Err(error)) => error,
    };
    quota.refund();
    Err((status_of(&refused), refused))
}

/// Adds a request to choose the files again, if they are lost.
fn choose_again(faults: Refusal, are_lost: bool) -> Refusal {
    match faults {
        Refusal::Invalid(mut errors) if are_lost => {
            errors.add("files", "choose_again", "Choose your files again.");
            Refusal::Invalid(errors)
        }
        faults => faults,
    }
}

/// Whether the files of a refused post are lost without a message about them.
pub(super) fn loses_files(error: &Error) -> bool {
    match error.refusal() {
        Some(Refusal::Invalid(errors)) => errors.message_for("idempotency_key").is_some(),
        _ => true,
    }
}

/// The status of a file refusal that is due to earlier uploads.
fn status_of(error: &Error) -> Option<StatusCode> {
    let Some(Refusal::Invalid(errors)) = error.refusal() else { return None };
    errors.0.iter().any(|error| error.code == "files_later").then_some(StatusCode::TOO_MANY_REQUESTS)
}

/// As [`refusal`], also for the special refusals of [`check_post`].
pub(super) fn post_refusal(
    status: Option<StatusCode>,
    error: &Error,
    look: &RespondentPageContext,
    words: &'static texts::PortalTexts,
    back: &mut PortalFormState,
) -> (StatusCode, Option<u64>) {
    match error.refusal() {
        Some(Refusal::Forbidden) => {
            back.message = Some(words.foreign.into());
            (StatusCode::FORBIDDEN, None)
        }
        Some(Refusal::Invalid(errors)) if errors.message_for("idempotency_key").is_some() => {
            back.message = Some(words.stale.into());
            back.form.0.retain(|(name, _)| name != "started");
            (StatusCode::UNPROCESSABLE_ENTITY, None)
        }
        Some(Refusal::Invalid(errors)) if errors.0.iter().any(|e| e.code == "incomplete") => {
            back.message = Some(format!("{}. {}", look.texts.busy_title, words.again));
            (status.unwrap_or(StatusCode::BAD_REQUEST), None)
        }
        _ => refusal(status, error, words, back),
    }
}
