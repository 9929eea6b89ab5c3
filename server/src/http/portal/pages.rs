//! The form, the conversation, and what is posted from them.

use app::{
    portal::{Conversation, ConversationPage, PortalPage, Tail, TicketForm, texts},
    render,
    respond::{HONEYPOT, Look, Mode, NoticePage, texts as respond},
};
use axum::{
    body::Body,
    extract::{Path, Query, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{Html, IntoResponse, Redirect, Response},
};
use domain::{
    Error as Refusal, FieldErrors,
    accounts::Scope,
    ids::AttachmentId,
    projects::{DEFAULT_ACCENT, Project, ThemeMode},
    responses::tidy,
    tickets::{
        Author, Message, NewTicket, Ticket, check_message,
        files::{MAX_BYTES, MAX_FILES},
    },
};
use leptos::prelude::*;
use serde::Deserialize;
use service::{
    error::{Error, Result},
    limits::{Intake, budget::Payer},
    state::{App, AppState},
    tickets::{self, Addition, Context, Submission, files::is_room},
};
use store::tickets::NewAttachment;

use crate::http::{
    Web,
    address::{BaseUrl, ClientAddress},
    assets,
    attachments::{self, Files, Received, receive},
    error::{self, PageResult},
    forms::Form,
    limits::InFlight,
    respond::{is_own, user_agent, web_address},
    security::Nonce,
    upload::Upload,
};

/// When to come back with files for which there is no room now, in seconds.
const FILES_AGAIN: u64 = 3600;
/// Most messages, and bytes of what they say, on one page of a conversation; one is shown however long it is.
const PAGE_MESSAGES: usize = 50;
const PAGE_BYTES: usize = 100_000;

/// How a page is asked for.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    /// The language of our texts.
    lang: Option<String>,
    /// The page that led here, as the widget says.
    page_url: Option<String>,
    /// The release in use there.
    release: Option<String>,
    /// The environment.
    environment: Option<String>,
    /// Set after a ticket was sent.
    sent: Option<String>,
    /// Only messages of a conversation before this one.
    before: Option<String>,
}

/// Put into the extensions of answers that are pages of the portal, whatever their status.
#[derive(Clone, Copy)]
struct OwnPage;

/// What a request says of its reader and where it came from.
pub struct Visit {
    nonce: Nonce,
    headers: HeaderMap,
    asked: Asked,
}

impl axum::extract::FromRequestParts<Web> for Visit {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, web: &Web) -> std::result::Result<Self, Self::Rejection> {
        let asked = Query::<Asked>::try_from_uri(&parts.uri).map(|Query(asked)| asked).unwrap_or_default();
        Ok(Self { nonce: Nonce::from_request_parts(parts, web).await?, headers: parts.headers.clone(), asked })
    }
}

impl Visit {
    /// The looks of a page of this project; `language` is the reader's, where it is known.
    fn look(&self, project: &Project, language: Option<&str>) -> Look {
        let accept = self.headers.get(header::ACCEPT_LANGUAGE).and_then(|h| h.to_str().ok());
        let texts = respond::pick_for_reader(self.asked.lang.as_deref().or(language), accept, &project.language);
        Look {
            mode: Mode::Hosted,
            accent: project.accent.clone(),
            theme: project.theme,
            language: texts.code.into(),
            texts,
            nonce: self.nonce.0.clone(),
            css: assets::url("portal.css"),
            js: String::new(),
        }
    }

    /// Whether a page of another site sent this form. Pages without a referrer send no origin with their forms (`null`); those are behind a
    /// secret that no other site has.
    fn is_foreign(&self, app: &App) -> bool {
        let text = |name: &str| self.headers.get(name).and_then(|h| h.to_str().ok());
        if let Some(site) = text("sec-fetch-site") {
            return !matches!(site, "same-origin" | "none");
        }
        let Some(origin) = text("origin").filter(|origin| *origin != "null") else { return false };
        !is_own(app, origin, &self.headers)
    }
}

/// The project of a portal.
///
/// # Errors
/// Not found, also where the portal is off.
pub async fn project(app: &App, slug: &str) -> Result<Project> {
    let project = named(app, slug).await?;
    if project.portal { Ok(project) } else { Err(Refusal::NotFound.into()) }
}

/// The project of a name, whether or not its portal takes new tickets.
async fn named(app: &App, slug: &str) -> Result<Project> {
    // What cannot be a slug is not looked up: PostgreSQL would fault on NUL.
    if !slug.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Refusal::NotFound.into());
    }
    Ok(app.store.project_by_slug(slug).await?.ok_or(Refusal::NotFound)?)
}

fn page<V: IntoView + 'static>(status: StatusCode, view: impl FnOnce() -> V) -> Response {
    (axum::Extension(OwnPage), (status, Html(render::document(view)))).into_response()
}

/// Nothing about a conversation leaves it: no referrer, no index of a search engine, no cache.
fn secret(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex, nofollow"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    response
}

/// Gives every failure that is no page of ours the looks of one, in the reader's language: people without an account have no use for the
/// console's pages.
pub async fn dress(nonce: Nonce, request: Request, next: Next) -> Response {
    let asked = Query::<Asked>::try_from_uri(request.uri()).map(|Query(asked)| asked).unwrap_or_default();
    let accept = request.headers().get(header::ACCEPT_LANGUAGE).cloned();
    let is_post = *request.method() == Method::POST;
    let is_secret = request.uri().path().split('/').nth(3) == Some("t");
    let mut response = next.run(request).await;
    let status = response.status();
    if (status.is_client_error() || status.is_server_error()) && response.extensions().get::<OwnPage>().is_none() {
        let texts = respond::pick_for_reader(asked.lang.as_deref(), accept.as_ref().and_then(|h| h.to_str().ok()), "");
        let words = texts::of(texts.code);
        let look = Look {
            mode: Mode::Hosted,
            accent: DEFAULT_ACCENT.into(),
            theme: ThemeMode::Auto,
            language: texts.code.into(),
            texts,
            nonce: nonce.0,
            css: assets::url("portal.css"),
            js: String::new(),
        };
        let (title, text) = match status {
            StatusCode::NOT_FOUND => (words.missing_title, words.missing),
            StatusCode::FORBIDDEN => (texts.busy_title, words.foreign),
            StatusCode::PAYLOAD_TOO_LARGE => (words.too_large_title, words.too_large),
            _ if is_post => (texts.busy_title, words.busy),
            _ => (texts.busy_title, texts.fault),
        };
        let html = render::document(move || view! { <NoticePage look=look title=title text=text /> });
        let (mut parts, _) = response.into_parts();
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        response = Response::from_parts(parts, Body::from(html));
    }
    if is_secret { secret(response) } else { response }
}

/// What a form holds that comes back.
#[derive(Default)]
struct Back {
    /// What was posted; empty for a fresh form.
    form: Form,
    /// Its key, unless it needs a new one.
    key: Option<String>,
    errors: FieldErrors,
    message: Option<String>,
}

impl Back {
    async fn tail(self, app: &App, project: &Project, place: &str) -> Result<Tail> {
        let held = match &self.key {
            Some(key) => {
                let form = tickets::held_for(project, place, key);
                app.store.held_files(&Scope::system(project.id), &form, app.now()).await?
            }
            None => Vec::new(),
        };
        let started = self.form.get("started");
        let started = if started.is_empty() { tickets::start_token(app, project, app.now())? } else { started.to_owned() };
        let key = self.key.unwrap_or_else(|| app.ids.uuid().to_string());
        Ok(Tail { started, key, held, errors: self.errors, message: self.message })
    }
}

fn typed(form: &Form) -> NewTicket {
    let text = |name: &str| form.get(name).to_owned();
    NewTicket { subject: text("subject"), message: text("message"), email: text("email"), name: text("name") }
}

/// Where the person came from: from the address at first, from the form afterwards.
fn carried(asked: &Asked, form: &Form) -> Vec<(&'static str, String)> {
    let of = |name: &'static str, asked: Option<&String>| {
        let value = Some(form.get(name)).filter(|value| !value.is_empty()).or(asked.map(String::as_str))?;
        let value = if name == "page_url" { web_address(value) } else { tidy(value, 100) }?;
        Some((name, value))
    };
    let all =
        [of("page_url", asked.page_url.as_ref()), of("release", asked.release.as_ref()), of("environment", asked.environment.as_ref())];
    all.into_iter().flatten().collect()
}

async fn form_page(app: &App, visit: &Visit, project: &Project, status: StatusCode, back: Back) -> Result<Response> {
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
pub async fn portal(State(app): State<AppState>, Path(slug): Path<String>, visit: Visit) -> PageResult {
    let project = project(&app, &slug).await?;
    Ok(form_page(&app, &visit, &project, StatusCode::OK, Back::default()).await?)
}

/// Status, words and pause for what was not taken and is not about a field.
fn trouble(error: &Error, words: &'static texts::Texts) -> (StatusCode, String, Option<u64>) {
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

/// What the form says about a refusal, and with which status.
fn refusal(status: Option<StatusCode>, error: &Error, words: &'static texts::Texts, back: &mut Back) -> (StatusCode, Option<u64>) {
    if let Some(Refusal::Invalid(errors)) = error.refusal() {
        back.errors = words.translate(errors);
        let status = status.unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
        let pause = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::INSUFFICIENT_STORAGE).then_some(FILES_AGAIN);
        return (status, pause);
    }
    let (own, message, after) = trouble(error, words);
    back.message = Some(message);
    (status.unwrap_or(own), after)
}

fn after(mut response: Response, seconds: Option<u64>) -> Response {
    if let Some(seconds) = seconds {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// What becomes of files, as far as that can be told before they come: who writes too often gets the words back, and takes no room with files.
async fn wanted(app: &App, project: &Project, address: ClientAddress, counted: &Result<()>) -> Result<Files> {
    if counted.is_err() {
        return Ok(Files::Ignored);
    }
    let is_room = is_room(app, project.id, Payer::Stranger(address.bucket())).await?;
    Ok(if is_room { Files::Kept } else { Files::NoRoom })
}

/// A message as it was posted, with its files ready to be stored.
struct Posted {
    key: String,
    files: Vec<NewAttachment>,
    /// Files that wait for the form and are to come along.
    kept: Vec<AttachmentId>,
    intake: Intake,
}

/// What a post says of itself before anything is done with its files.
struct Words {
    /// What is wrong with the fields.
    faults: Option<Refusal>,
    /// Whether it looks like the work of a program: its files do not wait for it.
    is_suspicious: bool,
}

/// Everything that may go wrong with a post, the cheap before the dear: pictures are decoded only for a form that would be taken otherwise, or
/// comes back to somebody who has seen it.
async fn ready(
    app: &App,
    visit: &Visit,
    project: &Project,
    (place, address): (&str, ClientAddress),
    counted: Result<()>,
    words: Words,
    got: &mut Received,
) -> std::result::Result<Posted, (Option<StatusCode>, Error)> {
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
    // Files that waited count as well; those that are not ticked any more go.
    let form = tickets::held_for(project, place, &key);
    let keep: Vec<AttachmentId> = got.form.all("keep").filter_map(|id| id.parse().ok()).collect();
    let held = tickets::keep_held(app, project, &form, &keep).await.map_err(own)?;
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
    // Given back when nothing is stored: who sends what is not taken closes no project.
    let intake = app.limits.portal(project.id, app.now()).await.map_err(own)?;
    let payer = Payer::Stranger(address.bucket());
    let had_files = got.files.count() > 0;
    let files = std::mem::take(&mut got.files).prepare(app, payer).await;
    let refused = match (words.faults, files) {
        (None, Ok(files)) => return Ok(Posted { key, files, kept: keep, intake }),
        (Some(faults), Ok(files)) => {
            let is_held = tickets::hold_files(app, payer, project, &form, files).await;
            is_held.map(|is_held| choose_again(faults, had_files && !is_held).into()).unwrap_or_else(|error| error)
        }
        // Both are told at once.
        (Some(Refusal::Invalid(faults)), Err(Error::Refused(Refusal::Invalid(more)))) => {
            Refusal::Invalid(FieldErrors(faults.0.into_iter().chain(more.0).collect())).into()
        }
        (_, Err(error)) => error,
    };
    intake.was_refused(&app.limits);
    Err((status_of(&refused), refused))
}

/// The faults, and that files are to be chosen again.
fn choose_again(faults: Refusal, are_lost: bool) -> Refusal {
    match faults {
        Refusal::Invalid(mut errors) if are_lost => {
            errors.add("files", "choose_again", "Choose your files again.");
            Refusal::Invalid(errors)
        }
        faults => faults,
    }
}

/// Whether a refusal says nothing of the files that came, and they do not wait either.
fn loses_files(error: &Error) -> bool {
    match error.refusal() {
        Some(Refusal::Invalid(errors)) => errors.at("idempotency_key").is_some(),
        _ => true,
    }
}

/// The status of a refusal at the files that is about what was sent before.
fn status_of(error: &Error) -> Option<StatusCode> {
    let Some(Refusal::Invalid(errors)) = error.refusal() else { return None };
    errors.0.iter().any(|error| error.code == "files_later").then_some(StatusCode::TOO_MANY_REQUESTS)
}

/// `POST /p/{slug}`
pub async fn submit(
    State(app): State<AppState>,
    Path(slug): Path<String>,
    address: ClientAddress,
    visit: Visit,
    room: InFlight,
    body: Upload,
) -> PageResult {
    // Counted before anything is looked up; only the form comes back then, with what was filled in.
    let counted = app.limits.address(address.bucket(), app.now()).await;
    let project = project(&app, &slug).await?;
    let mut got = receive(&room, body, wanted(&app, &project, address, &counted).await?).await;
    let lang = got.form.get("lang").to_owned();
    let look = visit.look(&project, Some(&lang).filter(|l| !l.is_empty()).map(String::as_str));
    let words = texts::of(look.texts.code);
    let ticket = typed(&got.form);
    let honeypot = !got.form.get(HONEYPOT).trim().is_empty();
    let signals = tickets::signals(&app, &project, got.form.get("started"), honeypot);
    let said =
        Words { faults: ticket.clone().checked().err().map(Refusal::Invalid), is_suspicious: signals.honeypot || signals.forged_start };
    let posted = ready(&app, &visit, &project, ("new", address), counted, said, &mut got).await;
    let (key, status, error) = match posted {
        Ok(Posted { key, files, kept, intake }) => {
            let find = |name: &str| carried(&Asked::default(), &got.form).into_iter().find(|(n, _)| *n == name).map(|(_, value)| value);
            let context = Context {
                language: look.texts.code.into(),
                page_url: find("page_url"),
                release: find("release"),
                environment: find("environment"),
                user_agent: user_agent(&visit.headers),
            };
            // Without mail there is no letter to count.
            let without_letter = match &app.settings.mail {
                None => false,
                Some(_) => match app.limits.letter(project.id, address.bucket(), app.now()).await {
                    Err(error) if !matches!(error.refusal(), Some(Refusal::RateLimited(_))) => return Err(error.into()),
                    counted => counted.is_err(),
                },
            };
            let submission = Submission { ticket, files, kept, signals: Some(signals), context, without_letter };
            match tickets::submit(&app, &project, &key, submission).await {
                Ok(made) => {
                    // A retry of what was sent before its link was renewed. Whoever knows the key of a form gets no newer link by it.
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
                    intake.was_refused(&app.limits);
                    (Some(key), None, error)
                }
            }
        }
        Err((status, error)) => (got.form.idempotency_key().ok().map(ToOwned::to_owned), status, error),
    };
    let mut back = Back { form: std::mem::take(&mut got.form), key, ..Back::default() };
    let (status, pause) = told(status, &error, &look, words, &mut back);
    if got.had_files && loses_files(&error) {
        back.errors.add("files", "choose_again", words.choose_again);
    }
    Ok(after(form_page(&app, &visit, &project, status, back).await?, pause))
}

/// As [`refusal`], for what [`ready`] refuses in its own ways too.
fn told(
    status: Option<StatusCode>,
    error: &Error,
    look: &Look,
    words: &'static texts::Texts,
    back: &mut Back,
) -> (StatusCode, Option<u64>) {
    match error.refusal() {
        Some(Refusal::Forbidden) => {
            back.message = Some(words.foreign.into());
            (StatusCode::FORBIDDEN, None)
        }
        Some(Refusal::Invalid(errors)) if errors.at("idempotency_key").is_some() => {
            back.message = Some(words.stale.into());
            back.form.0.retain(|(name, _)| name != "started");
            (StatusCode::UNPROCESSABLE_ENTITY, None)
        }
        Some(Refusal::Invalid(errors)) if errors.0.iter().any(|e| e.code == "incomplete") => {
            back.message = Some(format!("{} {}", look.texts.busy_title, words.again));
            (status.unwrap_or(StatusCode::BAD_REQUEST), None)
        }
        _ => refusal(status, error, words, back),
    }
}

async fn find(app: &App, slug: &str, token: &str) -> Result<(Project, Ticket)> {
    // Conversations go on when the portal takes no new tickets.
    let project = named(app, slug).await?;
    let ticket = tickets::by_token(app, &project, token).await?;
    Ok((project, ticket))
}

async fn conversation_page(
    app: &App,
    visit: &Visit,
    base: &str,
    (project, ticket): (&Project, Ticket),
    status: StatusCode,
    back: Back,
) -> Result<Response> {
    let look = visit.look(project, Some(ticket.language.as_str()));
    let token = tickets::link_token(app, ticket.id, ticket.link_generation)?;
    let path = format!("/p/{}/t/{token}", project.slug);
    let link = format!("{base}{path}");
    let place = ticket.id.to_string();
    let typed = back.form.get("message").to_owned();
    let conversation = tickets::public_conversation(app, ticket).await?;
    let ticket = conversation.ticket;
    let MessagePage { messages, earlier, newest } = MessagePage::new(conversation.messages, visit.asked.before.as_deref(), &path);
    let view = Conversation {
        project: project.name.clone(),
        zone: project.zone.clone(),
        portal: project.portal.then(|| format!("/p/{}", project.slug)),
        messages: with_link(messages, &link),
        earlier,
        newest,
        link,
        path,
        preview: false,
        back: String::new(),
        number: ticket.number,
        subject: ticket.subject,
        just_sent: visit.asked.sent.is_some() && status == StatusCode::OK,
        state: ticket.state,
        typed,
        tail: back.tail(app, project, &place).await?,
    };
    Ok(page(status, move || view! { <ConversationPage look=look view=view /> }))
}

/// The messages of one page of a conversation, and where its neighbours are.
struct MessagePage {
    messages: Vec<Message>,
    earlier: Option<String>,
    newest: Option<String>,
}

impl MessagePage {
    /// The newest messages of the conversation at `here`, or those before the message `before`. Bounded, so that a long conversation that is
    /// read slowly holds little memory.
    fn new(mut messages: Vec<Message>, before: Option<&str>, here: &str) -> Self {
        let end = before.and_then(|id| messages.iter().position(|message| message.id.to_string() == id));
        messages.truncate(end.unwrap_or(messages.len()));
        let mut bytes = 0;
        let fits = |message: &&Message| {
            bytes += message.body.len();
            bytes <= PAGE_BYTES
        };
        let shown = messages.iter().rev().take(PAGE_MESSAGES).take_while(fits).count().max(1);
        let hidden = messages.len().saturating_sub(shown);
        let messages = messages.split_off(hidden);
        let earlier = messages.first().filter(|_| hidden > 0).map(|first| format!("{here}?before={}", first.id));
        Self { messages, earlier, newest: end.map(|_| here.to_owned()) }
    }
}

/// The messages with the requester's link where the team's answers name it.
fn with_link(mut messages: Vec<Message>, link: &str) -> Vec<Message> {
    for message in messages.iter_mut().filter(|message| message.author == Author::Staff) {
        message.body = message.body.replace(tickets::LINK_PLACEHOLDER, link);
    }
    messages
}

/// The conversation as its requester sees it, for a member of the team: without the secret, and nothing can be written. `item` is the page
/// that they came from; below it are the files.
///
/// # Errors
/// When the database fails.
pub async fn preview(app: &App, visit: &Visit, project: &Project, ticket: Ticket, item: String) -> Result<Response> {
    let look = visit.look(project, Some(ticket.language.as_str()));
    let conversation = tickets::public_conversation(app, ticket).await?;
    let ticket = conversation.ticket;
    let here = format!("{item}/as-requester");
    let MessagePage { messages, earlier, newest } = MessagePage::new(conversation.messages, visit.asked.before.as_deref(), &here);
    let view = Conversation {
        project: project.name.clone(),
        zone: project.zone.clone(),
        portal: project.portal.then(|| format!("/p/{}", project.slug)),
        earlier,
        newest,
        link: String::new(),
        path: item.clone(),
        number: ticket.number,
        subject: ticket.subject,
        preview: true,
        back: item,
        just_sent: false,
        state: ticket.state,
        messages,
        typed: String::new(),
        tail: Tail::default(),
    };
    Ok(page(StatusCode::OK, move || view! { <ConversationPage look=look view=view /> }))
}

/// `GET /p/{slug}/t/{token}`
pub async fn conversation(
    State(app): State<AppState>,
    Path((slug, token)): Path<(String, String)>,
    BaseUrl(base): BaseUrl,
    visit: Visit,
) -> PageResult {
    let (project, ticket) = find(&app, &slug, &token).await?;
    Ok(conversation_page(&app, &visit, &base, (&project, ticket), StatusCode::OK, Back::default()).await?)
}

/// `GET /p/{slug}/t/{token}/files/{id}`: a file of the conversation, for whoever has its link.
pub async fn file(State(app): State<AppState>, Path((slug, token, id)): Path<(String, String, String)>) -> PageResult {
    let (project, ticket) = find(&app, &slug, &token).await?;
    Ok(attachments::send(&app, &Scope::system(project.id), ticket.id, &id, false).await?)
}

/// A reload of the address that a form was posted to.
pub async fn to_conversation(State(app): State<AppState>, Path((slug, token)): Path<(String, String)>) -> PageResult {
    find(&app, &slug, &token).await?;
    Ok(Redirect::to(&format!("/p/{slug}/t/{token}")).into_response())
}

/// `POST /p/{slug}/t/{token}`: the requester writes again.
pub async fn answer(
    State(app): State<AppState>,
    Path((slug, token)): Path<(String, String)>,
    address: ClientAddress,
    BaseUrl(base): BaseUrl,
    visit: Visit,
    room: InFlight,
    body: Upload,
) -> PageResult {
    let counted = app.limits.address(address.bucket(), app.now()).await;
    let (project, ticket) = find(&app, &slug, &token).await?;
    let mut got = receive(&room, body, wanted(&app, &project, address, &counted).await?).await;
    let look = visit.look(&project, Some(ticket.language.as_str()));
    let words = texts::of(look.texts.code);
    let place = ticket.id.to_string();
    let said = Words { faults: check_message(got.form.get("message"), true).err(), is_suspicious: false };
    let (key, status, error) = match ready(&app, &visit, &project, (&place, address), counted, said, &mut got).await {
        Ok(Posted { key, files, kept, intake }) => {
            let addition = Addition { body: got.form.get("message").to_owned(), files, kept };
            match tickets::requester_reply(&app, &project, ticket.id, &key, addition).await {
                Ok(()) => return Ok(Redirect::to(&format!("/p/{slug}/t/{token}")).into_response()),
                Err(error) => {
                    intake.was_refused(&app.limits);
                    (Some(key), None, error)
                }
            }
        }
        Err((status, error)) => (got.form.idempotency_key().ok().map(ToOwned::to_owned), status, error),
    };
    let mut back = Back { form: std::mem::take(&mut got.form), key, ..Back::default() };
    let (status, pause) = told(status, &error, &look, words, &mut back);
    if got.had_files && loses_files(&error) {
        back.errors.add("files", "choose_again", words.choose_again);
    }
    Ok(after(conversation_page(&app, &visit, &base, (&project, ticket), status, back).await?, pause))
}

async fn turn(app: &App, path: (String, String), address: ClientAddress, visit: &Visit, close: bool) -> Result<Response> {
    app.limits.address(address.bucket(), app.now()).await?;
    let (project, ticket) = find(app, &path.0, &path.1).await?;
    if visit.is_foreign(app) {
        return Err(Refusal::Forbidden.into());
    }
    if close {
        tickets::requester_close(app, &project, ticket.id).await?;
    } else {
        tickets::requester_reopen(app, &project, ticket.id).await?;
    }
    Ok(Redirect::to(&format!("/p/{}/t/{}", path.0, path.1)).into_response())
}

/// `POST /p/{slug}/t/{token}/close`: the requester says that it is solved.
pub async fn close(State(app): State<AppState>, Path(path): Path<(String, String)>, address: ClientAddress, visit: Visit) -> PageResult {
    Ok(turn(&app, path, address, &visit, true).await?)
}

/// `POST /p/{slug}/t/{token}/reopen`
pub async fn reopen(State(app): State<AppState>, Path(path): Path<(String, String)>, address: ClientAddress, visit: Visit) -> PageResult {
    Ok(turn(&app, path, address, &visit, false).await?)
}
