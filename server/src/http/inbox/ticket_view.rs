//! What the team sees of the ticket of an inbox item.

use app::desk::{AnswerDraft, FileView, MailDeliveryState, MessageView, TicketView, size};
use domain::{
    Timestamp,
    accounts::Scope,
    desk::format_duration,
    feedback::Feedback,
    tickets::{Message, MessageAuthor, Ticket, TicketState},
    triage::TriageQuery,
};
use search::highlight;
use service::{
    error::Result,
    tickets::{self, TicketConversation},
};

use super::pieces;
use crate::http::{console::ConsoleRequest, replies};

/// The ticket of feedback; `None` if it has none.
pub(super) async fn view(console: &ConsoleRequest, scope: &Scope, item: &Feedback, query: &TriageQuery) -> Result<Option<TicketView>> {
    let app = &console.app;
    let Some(TicketConversation { ticket, messages }) = tickets::read(app, scope, item.id).await? else { return Ok(None) };
    let slug = &console.project()?.slug;
    let present = console.present();
    let marked = |text: &str| pieces(text, &highlight(query, text, &item.language));
    let requester = requester(&ticket);
    let file_base = format!("/p/{slug}/feedback/{}/files", item.id);
    let first = messages.first().map(|message| message.id);
    let message = |message: Message| MessageView {
        // The first message came with the form; later ones came through the link.
        by_link: message.author == MessageAuthor::Requester && Some(message.id) != first,
        id: message.id.to_string(),
        name: match message.author {
            MessageAuthor::Requester => requester.clone(),
            MessageAuthor::Staff | MessageAuthor::Note => message.by_name.unwrap_or_else(|| "A program".into()),
        },
        author: message.author,
        body: marked(&message.body),
        files: message
            .attachments
            .into_iter()
            .map(|file| FileView {
                url: format!("{file_base}/{}", file.id),
                size: size(file.size),
                is_picture: file.is_picture(),
                name: file.name,
            })
            .collect(),
        age: present.ago(message.created_at),
        at: message.created_at.rfc3339(),
    };
    Ok(Some(TicketView {
        number: ticket.number,
        subject: marked(&ticket.subject),
        state: ticket.state,
        priority: ticket.priority,
        email: ticket.email.clone(),
        preview: format!("/p/{slug}/feedback/{}/as-requester", item.id),
        mail: app.settings.mail.is_some(),
        first_response: first_response(&ticket, present.now),
        resolution: ticket.resolution_ms().map(|ms| format!("Closed after {}", format_duration(ms))),
        messages: messages.into_iter().map(message).collect(),
        replies: replies::options(app, scope).await?,
        delivery: delivery(console, scope, &ticket).await?,
        typed: AnswerDraft::default(),
        requester,
    }))
}

fn requester(ticket: &Ticket) -> String {
    ticket.name.clone().filter(|name| !name.is_empty()).unwrap_or_else(|| ticket.email.clone())
}

fn first_response(ticket: &Ticket, now: Timestamp) -> String {
    match ticket.first_response_ms() {
        Some(ms) => format!("First reply after {}", format_duration(ms)),
        None if ticket.state == TicketState::Closed => "Closed without a reply".into(),
        None => format!("No reply yet, for {}", format_duration(now.0 - ticket.created_at.0)),
    }
}

/// E-mail delivery to the requester: outcome of the last attempted e-mail.
async fn delivery(console: &ConsoleRequest, scope: &Scope, ticket: &Ticket) -> Result<MailDeliveryState> {
    if console.app.settings.mail.is_none() {
        return Ok(MailDeliveryState::Off);
    }
    let messages = console.app.store.mail_messages_about(scope, ticket.id.0).await?;
    let last = messages.into_iter().rev().find(|message| matches!(message.state.as_str(), "sent" | "dead") || message.attempts > 0);
    Ok(match last {
        Some(message) if message.state == "dead" => {
            MailDeliveryState::Failed(message.last_error.unwrap_or_else(|| "the mail server did not give a reason.".into()))
        }
        Some(message) if message.state == "queued" => MailDeliveryState::Waiting(message.last_error.unwrap_or_default()),
        _ => MailDeliveryState::Fine,
    })
}
