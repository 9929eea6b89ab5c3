//! What was said in a ticket. A note looks different from an answer, and says that it is one.

use domain::tickets::Author;
use leptos::prelude::*;

use super::{Delivery, FileView, MessageView, TicketView, priority_tone, state_label, state_tone};
use crate::{components::badges::Badge, inbox::Marked};

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

/// Who asks, and how long it takes.
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

/// Whether the requester hears of answers, where that is not so.
#[component]
pub fn DeliveryNotice(
    /// The ticket.
    ticket: TicketView,
) -> impl IntoView {
    match ticket.delivery {
        Delivery::Fine => ().into_any(),
        Delivery::Off => view! {
            <p class="notice notice-warn small">"Mail is off: the requester sees answers only through " <a href=ticket.link>"their link"</a> "."</p>
        }
        .into_any(),
        Delivery::Waiting(why) => view! {
            <p class="notice notice-warn small">"The last letter to the requester did not go out yet and is tried again: " {why}</p>
        }
        .into_any(),
        Delivery::Failed(why) => view! {
            <p class="notice notice-bad small">"A letter to the requester was not delivered: " {why} " They see the answer only through " <a href=ticket.link>"their link"</a> "."</p>
        }
        .into_any(),
    }
}

/// The messages, oldest first.
#[component]
pub fn Conversation(
    /// In order.
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
        Author::Requester => ("message message-requester", "Requester"),
        Author::Staff => ("message message-staff", "Team"),
        Author::Note => ("message message-note", "Internal note"),
    };
    // Only what the requester said can be quoted: it is what the item's text holds.
    let quotable = (message.author == Author::Requester).then_some("");
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
