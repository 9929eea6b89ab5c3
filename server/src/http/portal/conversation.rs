//! The conversation of a ticket, and its requester's actions.

use app::portal::{ConversationPage, ConversationView, PortalFormFooter, texts};
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use domain::{
    DomainError as Refusal,
    accounts::Scope,
    projects::Project,
    tickets::{Message, MessageAuthor, Ticket, check_message},
};
use leptos::prelude::*;
use service::{
    error::Result,
    state::{App, AppState},
    tickets::{self, RequesterReply},
};

use super::{
    pages::page,
    post::{MessageChecks, PortalFormState, PostedMessage, check_post, file_policy, loses_files, post_refusal, with_retry_after},
    visit::{PortalRequest, project_of},
};
use crate::http::{
    address::{BaseUrl, ClientAddress},
    attachments::{self, receive},
    error::PageResult,
    limits::BodyMemory,
    upload::MultipartForm,
};

/// Maximum messages, and bytes of their texts, on one page of a conversation; at least one message is shown.
const PAGE_MESSAGES: usize = 50;
const PAGE_BYTES: usize = 100_000;

async fn find(app: &App, slug: &str, token: &str) -> Result<(Project, Ticket)> {
    // Conversations continue even if the portal accepts no new tickets.
    let project = project_of(app, slug).await?;
    let ticket = tickets::by_token(app, &project, token).await?;
    Ok((project, ticket))
}

async fn conversation_page(
    app: &App,
    visit: &PortalRequest,
    base: &str,
    (project, ticket): (&Project, Ticket),
    status: StatusCode,
    back: PortalFormState,
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
    let view = ConversationView {
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

/// One page of a conversation's messages, with links to the neighbouring pages.
struct MessagePage {
    messages: Vec<Message>,
    earlier: Option<String>,
    newest: Option<String>,
}

impl MessagePage {
    /// The newest messages of the conversation at `here`, or those before the message `before`. Bounded, so that a long conversation with a
    /// slow reader uses little memory.
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

/// Replaces the placeholder in the team's replies by the requester's link.
fn with_link(mut messages: Vec<Message>, link: &str) -> Vec<Message> {
    for message in messages.iter_mut().filter(|message| message.author == MessageAuthor::Staff) {
        message.body = message.body.replace(tickets::LINK_PLACEHOLDER, link);
    }
    messages
}

/// The conversation as its requester sees it, for a member of the team: read-only and without the secret. `item` is the URL of the
/// feedback page, and the prefix of file URLs.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn preview(app: &App, visit: &PortalRequest, project: &Project, ticket: Ticket, item: String) -> Result<Response> {
    let look = visit.look(project, Some(ticket.language.as_str()));
    let conversation = tickets::public_conversation(app, ticket).await?;
    let ticket = conversation.ticket;
    let here = format!("{item}/as-requester");
    let MessagePage { messages, earlier, newest } = MessagePage::new(conversation.messages, visit.asked.before.as_deref(), &here);
    let view = ConversationView {
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
        tail: PortalFormFooter::default(),
    };
    Ok(page(StatusCode::OK, move || view! { <ConversationPage look=look view=view /> }))
}

/// `GET /p/{slug}/t/{token}`
pub async fn conversation(
    State(app): State<AppState>,
    Path((slug, token)): Path<(String, String)>,
    BaseUrl(base): BaseUrl,
    visit: PortalRequest,
) -> PageResult {
    let (project, ticket) = find(&app, &slug, &token).await?;
    Ok(conversation_page(&app, &visit, &base, (&project, ticket), StatusCode::OK, PortalFormState::default()).await?)
}

/// `GET /p/{slug}/t/{token}/files/{id}`: a file of the conversation, for anyone with its link.
pub async fn file(State(app): State<AppState>, Path((slug, token, id)): Path<(String, String, String)>) -> PageResult {
    let (project, ticket) = find(&app, &slug, &token).await?;
    Ok(attachments::send(&app, &Scope::system(project.id), ticket.id, &id, false).await?)
}

/// Redirects a reload of a form's POST address.
pub async fn to_conversation(State(app): State<AppState>, Path((slug, token)): Path<(String, String)>) -> PageResult {
    find(&app, &slug, &token).await?;
    Ok(Redirect::to(&format!("/p/{slug}/t/{token}")).into_response())
}

/// `POST /p/{slug}/t/{token}`: adds a message of the requester.
pub async fn answer(
    State(app): State<AppState>,
    Path((slug, token)): Path<(String, String)>,
    address: ClientAddress,
    BaseUrl(base): BaseUrl,
    visit: PortalRequest,
    room: BodyMemory,
    body: MultipartForm,
) -> PageResult {
    let counted = app.limits.address(address.bucket(), app.now()).await;
    let (project, ticket) = find(&app, &slug, &token).await?;
    let mut got = receive(&room, body, file_policy(&app, &project, address, &counted).await?).await;
    let look = visit.look(&project, Some(ticket.language.as_str()));
    let words = texts::of(look.texts.code);
    let place = ticket.id.to_string();
    let said = MessageChecks { faults: check_message(got.form.get("message"), true).err(), is_suspicious: false };
    let (key, status, error) = match check_post(&app, &visit, &project, (&place, address), counted, said, &mut got).await {
        Ok(PostedMessage { key, files, pending_files, quota }) => {
            let addition = RequesterReply { body: got.form.get("message").to_owned(), files, pending_files };
            match tickets::requester_reply(&app, &project, ticket.id, &key, addition).await {
                Ok(()) => return Ok(Redirect::to(&format!("/p/{slug}/t/{token}")).into_response()),
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
    Ok(with_retry_after(conversation_page(&app, &visit, &base, (&project, ticket), status, back).await?, pause))
}

async fn turn(app: &App, path: (String, String), address: ClientAddress, visit: &PortalRequest, close: bool) -> Result<Response> {
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

/// `POST /p/{slug}/t/{token}/close`: the requester closes the ticket as solved.
pub async fn close(
    State(app): State<AppState>,
    Path(path): Path<(String, String)>,
    address: ClientAddress,
    visit: PortalRequest,
) -> PageResult {
    Ok(turn(&app, path, address, &visit, true).await?)
}

/// `POST /p/{slug}/t/{token}/reopen`
pub async fn reopen(
    State(app): State<AppState>,
    Path(path): Path<(String, String)>,
    address: ClientAddress,
    visit: PortalRequest,
) -> PageResult {
    Ok(turn(&app, path, address, &visit, false).await?)
}
