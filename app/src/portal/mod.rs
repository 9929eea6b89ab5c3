//! The public ticket portal: a form to contact the team, and the conversation behind its secret link. Respondents' pages: no wasm and no
//! scripts.

pub mod texts;

use domain::{
    FieldErrors, Zone,
    email::MAX_EMAIL,
    spam::HONEYPOT,
    tickets::{MAX_MESSAGE, MAX_NAME, MAX_SUBJECT, Message, MessageAuthor, NewTicket, TicketAttachment, TicketState},
};
use leptos::prelude::*;

pub use texts::PortalTexts;

use crate::{
    components::forms::textarea_text,
    respond::{RespondDocument, RespondentPageContext},
};

/// The form for a new ticket, empty or with the submitted values.
#[derive(Debug, Clone, Default)]
pub struct TicketForm {
    /// The project's name.
    pub project: String,
    /// The URL it posts to.
    pub action: String,
    /// Whether replies are also e-mailed.
    pub mail: bool,
    /// The submitted values.
    pub typed: NewTicket,
    /// Hidden fields that carry the page's context.
    pub carried: Vec<(&'static str, String)>,
    /// The common fields at its end.
    pub tail: PortalFormFooter,
}

/// The common fields of the portal's forms.
#[derive(Debug, Clone, Default)]
pub struct PortalFormFooter {
    /// When the page was rendered, signed.
    pub started: String,
    /// Idempotency key: a repeated post creates one message.
    pub key: String,
    /// Files already uploaded for this form.
    pub held: Vec<TicketAttachment>,
    /// Validation errors, in the page's language.
    pub errors: FieldErrors,
    /// An error that does not concern a field.
    pub message: Option<String>,
}

/// A conversation, as the requester sees it.
#[derive(Debug, Clone)]
pub struct ConversationView {
    /// The project's name.
    pub project: String,
    /// The portal's URL, while the portal is on.
    pub portal: Option<String>,
    /// This page's path, secret included.
    pub path: String,
    /// This page's full URL.
    pub link: String,
    /// The ticket's number.
    pub number: i64,
    /// Its subject.
    pub subject: String,
    /// Whether it is the team's preview, which is read-only.
    pub preview: bool,
    /// Where the preview links back to.
    pub back: String,
    /// Whether it was just sent.
    pub just_sent: bool,
    /// Who has to reply next.
    pub state: TicketState,
    /// The time zone of the project.
    pub zone: Zone,
    /// URL of the earlier messages, if there are any.
    pub earlier: Option<String>,
    /// URL of the newest messages, if these are older ones.
    pub newest: Option<String>,
    /// The messages, without notes.
    pub messages: Vec<Message>,
    /// The reply as typed.
    pub typed: String,
    /// The common fields at the end of the form.
    pub tail: PortalFormFooter,
}

/// `12 KB`, `3.4 MB`.
fn size(bytes: i64) -> String {
    if bytes < 1_000_000 { format!("{} KB", (bytes / 1000).max(1)) } else { format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10) }
}

fn error_at(errors: &FieldErrors, name: &'static str) -> Option<impl IntoView + use<>> {
    errors.message_for(name).map(|text| view! { <p class="error" id=format!("{name}-error")>{text.to_owned()}</p> })
}

fn described(errors: &FieldErrors, name: &str, has_hint: bool) -> Option<String> {
    let ids: Vec<String> = [(has_hint, "hint"), (errors.message_for(name).is_some(), "error")]
        .into_iter()
        .filter(|(is, _)| *is)
        .map(|(_, part)| format!("{name}-{part}"))
        .collect();
    (!ids.is_empty()).then(|| ids.join(" "))
}

fn invalid(errors: &FieldErrors, name: &str) -> Option<&'static str> {
    errors.message_for(name).map(|_| "true")
}

/// The errors at the top of the page, with links to the fields.
fn summary(tail: &PortalFormFooter, problem: &'static str, labels: &[(&str, &'static str)]) -> impl IntoView + use<> {
    let message = tail.message.clone().map(|text| view! { <p class="problem" role="alert">{text}</p> });
    let items: Vec<_> = tail
        .errors
        .0
        .iter()
        .map(|e| {
            let label = labels.iter().find(|(name, _)| *name == e.field).map_or("", |(_, label)| label);
            view! { <li><a href=format!("#{}", e.field)>{label}": "{e.message.clone()}</a></li> }
        })
        .collect();
    let list = (!items.is_empty()).then(|| view! { <div class="problem" role="alert"><h2>{problem}</h2><ul>{items}</ul></div> });
    view! { {message}{list} }
}

/// The message field of a form.
fn message_field(
    label: &'static str,
    hint: Option<&'static str>,
    typed: &str,
    tail: &PortalFormFooter,
    required: bool,
) -> impl IntoView + use<> {
    let errors = &tail.errors;
    let rows = if hint.is_some() { 8 } else { 5 };
    view! {
        <div class="field">
            <label for="message">{label}</label>
            {hint.map(|hint| view! { <p class="hint" id="message-hint">{hint}</p> })}
            {error_at(errors, "message")}
            <textarea id="message" name="message" rows=rows maxlength=MAX_MESSAGE required=required
                aria-describedby=described(errors, "message", hint.is_some()) aria-invalid=invalid(errors, "message")
            >{textarea_text(typed)}</textarea>
        </div>
    }
}

/// The end of every form: honeypot, idempotency key and files. Files come last, so that the text is read even if they fail.
fn tail_fields(look: &RespondentPageContext, words: &'static PortalTexts, tail: &PortalFormFooter) -> impl IntoView + use<> {
    let held: Vec<_> = tail
        .held
        .iter()
        .map(|file| {
            view! {
                <li><label class="choice">
                    <input type="checkbox" name="keep" value=file.id.to_string() checked />
                    <span>{file.name.clone()}" "<small>"("{size(file.size)}")"</small></span>
                </label></li>
            }
        })
        .collect();
    let held = (!held.is_empty()).then(|| view! { <p class="hint">{words.held}</p><ul class="held">{held}</ul> });
    view! {
        <input type="hidden" name="started" value=tail.started.clone() />
        <input type="hidden" name="idempotency_key" value=tail.key.clone() />
        <input type="hidden" name="lang" value=look.texts.code />
        <p class="trap" aria-hidden="true">
            <label>{look.texts.leave_empty}<input type="text" name=HONEYPOT tabindex="-1" autocomplete="off" /></label>
        </p>
        <div class="field">
            <label for="files">{words.files}" "<span class="req">"("{words.optional}")"</span></label>
            <p class="hint" id="files-hint">{words.files_hint}</p>
            {error_at(&tail.errors, "files")}
            {held}
            <input type="file" id="files" name="files" multiple
                aria-describedby=described(&tail.errors, "files", true) aria-invalid=invalid(&tail.errors, "files") />
        </div>
    }
}

/// The page for a new ticket.
#[component]
pub fn PortalPage(
    /// Theme and language.
    look: RespondentPageContext,
    /// The form.
    form: TicketForm,
) -> impl IntoView {
    let words = texts::of(look.texts.code);
    let TicketForm { project, action, mail, typed, carried, tail } = form;
    let title = words.title.replace("{project}", &project);
    let labels =
        [("subject", words.subject), ("message", words.message), ("email", words.email), ("name", words.name), ("files", words.files)];
    let errors = &tail.errors;
    let content = view! {
        <form method="post" action=action enctype="multipart/form-data">
            <header>
                <h1>{title.clone()}</h1>
                <p class="intro">{words.lead}</p>
            </header>
            {summary(&tail, look.texts.problem, &labels)}
            {carried.into_iter().map(|(name, value)| view! { <input type="hidden" name=name value=value /> }).collect_view()}
            <div class="field">
                <label for="subject">{words.subject}</label>
                <p class="hint" id="subject-hint">{words.subject_hint}</p>
                {error_at(errors, "subject")}
                <input type="text" id="subject" name="subject" value=typed.subject maxlength=MAX_SUBJECT required
                    aria-describedby=described(errors, "subject", true) aria-invalid=invalid(errors, "subject") />
            </div>
            {message_field(words.message, Some(words.message_hint), &typed.message, &tail, true)}
            <div class="field">
                <label for="email">{words.email}</label>
                <p class="hint" id="email-hint">{if mail { words.email_hint } else { words.email_hint_without_mail }}</p>
                {error_at(errors, "email")}
                <input type="email" id="email" name="email" value=typed.email maxlength=MAX_EMAIL autocomplete="email" required
                    aria-describedby=described(errors, "email", true) aria-invalid=invalid(errors, "email") />
            </div>
            <div class="field">
                <label for="name">{words.name}" "<span class="req">"("{words.optional}")"</span></label>
                {error_at(errors, "name")}
                <input type="text" id="name" name="name" value=typed.name maxlength=MAX_NAME autocomplete="name"
                    aria-describedby=described(errors, "name", false) aria-invalid=invalid(errors, "name") />
            </div>
            {tail_fields(&look, words, &tail)}
            <div class="actions"><button type="submit" class="primary">{words.send}</button></div>
        </form>
    };
    view! { <RespondDocument look=look title=title scripted=false>{content}</RespondDocument> }
}

fn file(path: &str, words: &'static PortalTexts, file: TicketAttachment) -> impl IntoView + use<> {
    let href = format!("{path}/files/{}", file.id);
    if file.is_picture() {
        let alt = format!("{}: {}", words.picture, file.name);
        view! { <li><a href=href.clone()><img src=href.clone() alt=alt loading="lazy" /></a></li> }.into_any()
    } else {
        let name = file.name.clone();
        view! { <li><a href=href download=name.clone() aria-label=format!("{}: {name}", words.download)>{name.clone()}</a>" "<small>{size(file.size)}</small></li> }.into_any()
    }
}

fn message(view: &ConversationView, words: &'static PortalTexts, message: Message) -> impl IntoView + use<> {
    let own = message.author == MessageAuthor::Requester;
    let who = if own { words.you.to_owned() } else { message.by_name.unwrap_or_else(|| words.team.replace("{project}", &view.project)) };
    let files: Vec<_> = message.attachments.into_iter().map(|own| file(&view.path, words, own)).collect();
    view! {
        <li class=if own { "message" } else { "message team" } id=format!("m-{}", message.id)>
            <h3 class="who">{who}<time datetime=message.created_at.rfc3339()>{words.moment(&view.zone, message.created_at)}</time></h3>
            {(!message.body.is_empty()).then(|| view! { <p class="body" dir="auto">{message.body.clone()}</p> })}
            {(!files.is_empty()).then(|| view! { <ul class="files">{files}</ul> })}
        </li>
    }
}

/// The page behind the secret link.
#[component]
pub fn ConversationPage(
    /// Theme and language.
    look: RespondentPageContext,
    /// The conversation.
    view: ConversationView,
) -> impl IntoView {
    let words = texts::of(look.texts.code);
    let (state, explanation) = words.state(view.state);
    let closed = view.state == TicketState::Closed;
    let title = format!("{} · {}", words.ticket.replace("{n}", &view.number.to_string()), view.subject);
    let messages: Vec<_> = view.messages.clone().into_iter().map(|one| message(&view, words, one)).collect();
    let labels = [("message", words.message), ("files", words.files)];
    let sent = view.just_sent.then(|| {
        view! {
            <section class="sent" role="status">
                <h2>{words.sent_title}": "{words.ticket.replace("{n}", &view.number.to_string())}</h2>
                <p>{words.sent}</p>
                <label class="vh" for="link">{words.link}</label>
                <input type="text" id="link" readonly value=view.link.clone() />
            </section>
        }
    });
    // For the team, so in the console's language.
    let preview = view.preview.then(|| {
        view! {
            <p class="sent" lang="en" role="note">
                <strong>"Preview for the team."</strong>" The requester sees the same page, with a reply form below. "
                <a href=view.back.clone()>"Back to the ticket"</a>
            </p>
        }
    });
    let turn = if closed { ("reopen", words.reopen) } else { ("close", words.close) };
    let answer = (!view.preview).then(|| {
        view! {
            <section class="answer" aria-labelledby="answer">
                <h2 id="answer">{if closed { words.answer_closed } else { words.answer }}</h2>
                <form method="post" action=view.path.clone() enctype="multipart/form-data">
                    {message_field(words.message, None, &view.typed, &view.tail, false)}
                    {tail_fields(&look, words, &view.tail)}
                    <div class="actions"><button type="submit" class="primary">{words.send_answer}</button></div>
                </form>
                <form method="post" action=format!("{}/{}", view.path, turn.0) class="close">
                    <input type="hidden" name="idempotency_key" value=view.tail.key.clone() />
                    <button type="submit">{turn.1}</button>
                </form>
                {view.portal.clone().map(|portal| view! { <p><a href=portal>{words.new_ticket}</a></p> })}
            </section>
        }
    });
    let content = view! {
        <header>
            <p class="where">{words.ticket.replace("{n}", &view.number.to_string())}" · "{view.project.clone()}</p>
            <h1>{view.subject.clone()}</h1>
            <p class="state" id="state"><strong>{state}</strong>{explanation}</p>
        </header>
        {preview}
        {sent}
        {summary(&view.tail, look.texts.problem, &labels)}
        <h2 class="vh">{words.messages}</h2>
        {view.earlier.clone().map(|earlier| view! { <p class="more"><a href=earlier>{words.earlier}</a></p> })}
        <ol class="messages">{messages}</ol>
        {view.newest.clone().map(|newest| view! { <p class="more"><a href=newest>{words.newest}</a></p> })}
        {answer}
    };
    view! { <RespondDocument look=look title=title scripted=false>{content}</RespondDocument> }
}
