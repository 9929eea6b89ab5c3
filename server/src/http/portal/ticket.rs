//! The form for a new ticket, and its submission.

use app::{
    portal::{PortalPage, TicketForm, texts},
    respond::NoticePage,
};
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use domain::{DomainError as Refusal, projects::Project, spam::HONEYPOT, text::clean_line, tickets::NewTicket};
use leptos::prelude::*;
use service::{
    error::Result,
    state::{App, AppState},
    tickets::{self, TicketContext, TicketSubmission},
};

use super::{
    pages::{page, secret},
    post::{MessageChecks, PortalFormState, PostedMessage, check_post, file_policy, loses_files, post_refusal, with_retry_after},
    visit::{PortalQuery, PortalRequest, project},
};
use crate::http::{
    address::ClientAddress,
    attachments::receive,
    error::PageResult,
    forms::Form,
    limits::BodyMemory,
    respond::{user_agent, web_address},
    upload::MultipartForm,
};

fn typed(form: &Form) -> NewTicket {
    let text = |name: &str| form.get(name).to_owned();
    NewTicket { subject: text("subject"), message: text("message"), email: text("email"), name: text("name") }
}

/// Context of the visit: from the URL at first, from the form afterwards.
fn carried(asked: &PortalQuery, form: &Form) -> Vec<(&'static str, String)> {
    let of = |name: &'static str, asked: Option<&String>| {
        let value = Some(form.get(name)).filter(|value| !value.is_empty()).or(asked.map(String::as_str))?;
        let value = if name == "page_url" { web_address(value) } else { clean_line(value, 100) }?;
        Some((name, value))
    };
    let all =
        [of("page_url", asked.page_url.as_ref()), of("release", asked.release.as_ref()), of("environment", asked.environment.as_ref())];
    all.into_iter().flatten().collect()
}

async fn form_page(app: &App, visit: &PortalRequest, project: &Project, status: StatusCode, back: PortalFormState) -> Result<Response> {
    let look = visit.look(project, Some(back.form.get("lang")).filter(|lang| !lang.is_empty()));
    let form = TicketForm {
        project: project.name.clone(),
        action: format!("/p/{}", project.slug),
        mail: app.settings.mail.is_some(),
        typed: typed(&back.form),
        carried: carried(&visit.asked, &back.form),
        tail: back.tail(app, project, "new").await?,
    };
    Ok(page(status, move || view! { <PortalPage look=look form=form /> }))
}

/// `GET /p/{slug}`
pub async fn portal(State(app): State<AppState>, Path(slug): Path<String>, visit: PortalRequest) -> PageResult {
    let project = project(&app, &slug).await?;
    Ok(form_page(&app, &visit, &project, StatusCode::OK, PortalFormState::default()).await?)
}

/// `POST /p/{slug}`
pub async fn submit(
    State(app): State<AppState>,
    Path(slug): Path<String>,
    address: ClientAddress,
    visit: PortalRequest,
    room: BodyMemory,
    body: MultipartForm,
) -> PageResult {
    // Counted before any look-up. Over the limit, only the form is shown again with its text.
    let counted = app.limits.address(address.bucket(), app.now()).await;
    let project = project(&app, &slug).await?;
    let mut got = receive(&room, body, file_policy(&app, &project, address, &counted).await?).await;
    let lang = got.form.get("lang").to_owned();
    let look = visit.look(&project, Some(&lang).filter(|l| !l.is_empty()).map(String::as_str));
    let words = texts::of(look.texts.code);
    let ticket = typed(&got.form);
    let honeypot = !got.form.get(HONEYPOT).trim().is_empty();
    let signals = tickets::signals(&app, &project, got.form.get("started"), honeypot);
    let said = MessageChecks {
        faults: ticket.clone().checked().err().map(Refusal::Invalid),
        is_suspicious: signals.honeypot || signals.forged_start,
    };
    let posted = check_post(&app, &visit, &project, ("new", address), counted, said, &mut got).await;
    let (key, status, error) = match posted {
        Ok(PostedMessage { key, files, pending_files, quota }) => {
            let find =
                |name: &str| carried(&PortalQuery::default(), &got.form).into_iter().find(|(n, _)| *n == name).map(|(_, value)| value);
            let context = TicketContext {
                language: look.texts.code.into(),
                page_url: find("page_url"),
                release: find("release"),
                environment: find("environment"),
                user_agent: user_agent(&visit.headers),
            };
            // Without mail there are no e-mails to count.
            let without_email = match &app.settings.mail {
                None => false,
                Some(_) => match app.limits.email(project.id, address.bucket(), app.now()).await {
                    Err(error) if !matches!(error.refusal(), Some(Refusal::RateLimited(_))) => return Err(error.into()),
                    counted => counted.is_err(),
                },
            };
            let submission = TicketSubmission { ticket, files, pending_files, signals: Some(signals), context, without_email };
            match tickets::submit(&app, &project, &key, submission).await {
                Ok(made) => {
                    // A retry of a submission whose link was renewed since. Knowing a form's key must not reveal the new link.
                    if app.store.link_generation(made.ticket).await?.is_some_and(|generation| generation > 0) {
                        return Ok(page(
                            StatusCode::OK,
                            move || view! { <NoticePage look=look title=words.sent_title text=words.renewed /> },
                        ));
                    }
                    let token = tickets::token(&app, made.ticket)?;
                    return Ok(secret(Redirect::to(&format!("/p/{}/t/{token}?sent=1", project.slug)).into_response()));
                }
                Err(error) => {
                    quota.refund();
                    (Some(key), None, error)
                }
            }
        }
        Err((status, error)) => (got.form.idempotency_key().ok().map(ToOwned::to_owned), status, error),
    };
    let mut back = PortalFormState { form: std::mem::take(&mut got.form), key, ..PortalFormState::default() };
    let (status, pause) = post_refusal(status, &error, &look, words, &mut back);
    if got.had_files && loses_files(&error) {
        back.errors.add("files", "choose_again", words.choose_again);
    }
    Ok(with_retry_after(form_page(&app, &visit, &project, status, back).await?, pause))
}
