//! The messages of a ticket. A note looks different from a reply and is labelled as a note.

use domain::tickets::MessageAuthor;
use leptos::prelude::*;

use super::{FileView, MailDeliveryState, MessageView, TicketView, priority_tone, state_label, state_tone};
use crate::{
    components::{badges::Badge, feedback_text::Marked, forms::ActionFields, layout::PageHead},
    islands::copy::Copy,
    projects::CopyBox,
};

/// State and priority.
#[component]
pub fn TicketBadges(
    /// The ticket.
    ticket: TicketView,
) -> impl IntoView {
    view! {
        <Badge label=state_label(ticket.state) tone=state_tone(ticket.state) />
        {priority_tone(ticket.priority).map(|tone| view! { <Badge label=ticket.priority.label() tone=tone /> })}
    }
    .into_any()
}

/// The requester and the response times.
#[component]
pub fn TicketFacts(
    /// The ticket.
    ticket: TicketView,
) -> impl IntoView {
    let named = ticket.requester != ticket.email;
    view! {
        <p class="ticket-facts small muted">
            <span>"From " {named.then(|| view! { <strong>{ticket.requester.clone()}</strong> " " })}<span class="ticket-email">{ticket.email}</span></span>
            <span>{ticket.first_response}</span>
            {ticket.resolution.map(|took| view! { <span>{took}</span> })}
        </p>
    }
    .into_any()
}

/// A warning if the requester is not notified of replies.
#[component]
pub fn DeliveryNotice(
    /// The ticket.
    ticket: TicketView,
) -> impl IntoView {
    match ticket.delivery {
        MailDeliveryState::Fine => ().into_any(),
        MailDeliveryState::Off => view! {
            <p class="notice notice-warn small">"E-mail is off: the requester can see replies only through the link they were given."</p>
        }
        .into_any(),
        MailDeliveryState::Waiting(why) => view! {
            <p class="notice notice-warn small">"The last e-mail to the requester has not been sent yet and will be retried: " {why}</p>
        }
        .into_any(),
        MailDeliveryState::Failed(why) => view! {
            <p class="notice notice-bad small">"An e-mail to the requester was not delivered: " {why} " They can see the reply only through the link they have."</p>
        }
        .into_any(),
    }
}

/// A preview of the requester's page, and a new link. The link is the requester's secret, so the team does not see it by default.
#[component]
pub fn RequesterLink(
    /// The ticket.
    ticket: TicketView,
    /// The item's URL.
    base: String,
    /// A fresh idempotency key.
    form_key: String,
    /// The version shown.
    version: i64,
    /// Where the response redirects to.
    return_to: String,
) -> impl IntoView {
    let TicketView { preview, mail, .. } = ticket;
    let says = if mail {
        "The requester’s current link stops working immediately. Send them the new one, or show it and share it yourself."
    } else {
        "The requester’s current link stops working immediately. E-mail is off: share the new one yourself."
    };
    view! {
        <div class="cluster small">
            <a href=preview target="_blank" rel="noopener">"View as requester"</a>
            <details class="new-link">
                <summary class="button button-small">"New link"</summary>
                <form method="post" action=format!("{base}/new-link") class="stack-s" id="new-link-form">
                    <ActionFields key=format!("{form_key}-link") version=version return_to=return_to />
                    <p>{says}</p>
                    <div class="cluster">
                        {mail.then(|| view! { <button type="submit" name="do" value="mail" class="button button-small">"Send a new link"</button> })}
                        <button type="submit" name="do" value="show" class="button button-small">"Show a new link"</button>
                    </div>
                </form>
            </details>
        </div>
    }
    .into_any()
}

/// A new link; shown once.
#[component]
pub fn NewLinkPage(
    /// The ticket's number.
    number: i64,
    /// The link.
    link: String,
    /// The ticket's page.
    back: String,
) -> impl IntoView {
    view! {
        <div class="narrow stack">
            <PageHead title=format!("New link to ticket #{number}") />
            <div class="notice notice-good" role="status">
                <p>"Send it to the requester. Anyone with this link can read this ticket and write as the requester. It is shown only now; earlier links no longer work."</p>
                <CopyBox id="ticket-link" label="Link to the ticket" text=link rows=2 />
            </div>
            <p><a href=back>"Back to the ticket"</a></p>
        </div>
        <Copy />
    }
}

/// The messages, oldest first.
#[component]
pub fn Conversation(
    /// In display order.
    messages: Vec<MessageView>,
) -> impl IntoView {
    view! {
        <ol class="messages" aria-label="Conversation">
            {messages.into_iter().map(|message| view! { <Message message=message /> }).collect_view()}
        </ol>
    }
    .into_any()
}

#[component]
fn Message(message: MessageView) -> impl IntoView {
    let (class, says) = match message.author {
        MessageAuthor::Requester if message.by_link => ("message message-requester", "Requester, via link"),
        MessageAuthor::Requester => ("message message-requester", "Requester"),
        MessageAuthor::Staff => ("message message-staff", "Team"),
        MessageAuthor::Note => ("message message-note", "Internal note"),
    };
    // Only the requester's messages can be quoted, because only they are in the item's text.
    let quotable = (message.author == MessageAuthor::Requester).then_some("");
    let empty = message.body.is_empty();
    view! {
        <li class=class id=format!("message-{}", message.id)>
            <p class="message-head small">
                <strong>{message.name}</strong>
                <span class="message-author">{says}</span>
                <time class="muted" datetime=message.at>{message.age}</time>
            </p>
            {(!empty).then(|| view! { <div class="message-body" data-quote-source=quotable><Marked pieces=message.body /></div> })}
            {(!message.files.is_empty()).then(|| view! {
                <ul class="files">{message.files.into_iter().map(|file| view! { <File file=file /> }).collect_view()}</ul>
            })}
        </li>
    }
    .into_any()
}

#[component]
fn File(file: FileView) -> impl IntoView {
    let FileView { name, url, size, is_picture } = file;
    view! {
        <li>
            {is_picture.then(|| view! {
                <a class="file-picture" href=url.clone() target="_blank" rel="noopener"><img src=url.clone() alt=format!("Picture {name}") loading="lazy" /></a>
            })}
            <a href=url target="_blank" rel="noopener">{name}</a> " " <span class="muted small">{size}</span>
        </li>
    }
    .into_any()
}
