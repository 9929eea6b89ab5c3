//! Submission of a ticket: the form's content, its spam signals, and the stored records.

use domain::{
    DomainError as Refusal, Timestamp,
    accounts::Scope,
    feedback::{FeedbackKind, FeedbackStatus, NewFeedback},
    history::HistoryChange,
    ids::{AttachmentId, FeedbackId, TicketId},
    projects::Project,
    responses::ClaimedContact,
    spam::{SpamSignals, ticket_spam_reasons},
    tickets::{MessageAuthor, NewTicket},
};
use search::language;
use serde::{Deserialize, Serialize};
use store::{
    IdempotencyScope, IdempotentWrite,
    tickets::{NewAttachment, TicketChange},
};

use super::{
    fingerprint,
    held_files::{keep_files, pending_form_key},
    links::{mail_about, unsigned_path},
};
use crate::{
    error::{Error, Result},
    mail::{TicketMailBuilder, ticket_confirmation},
    responses::is_signed_start,
    state::App,
};

/// Where a ticket was written; unverified data from the page, truncated.
#[derive(Debug, Clone, Default)]
pub struct TicketContext {
    /// The portal's display language.
    pub language: String,
    /// The page that linked here.
    pub page_url: Option<String>,
    /// The release in use there.
    pub release: Option<String>,
    /// The environment.
    pub environment: Option<String>,
    /// The browser.
    pub user_agent: Option<String>,
}

/// A submitted ticket.
#[derive(Debug, Clone, Default)]
pub struct TicketSubmission {
    /// The form's content, as typed.
    pub ticket: NewTicket,
    /// Its files.
    pub files: Vec<NewAttachment>,
    /// Held files of this form to include; see [`store_pending_files`](super::store_pending_files).
    pub pending_files: Vec<AttachmentId>,
    /// Signals for the portal's spam rules. `None`: sent by a program with a key, to which those rules do not apply.
    pub signals: Option<SpamSignals>,
    /// Where it was written.
    pub context: TicketContext,
    /// Whether to send no confirmation: this stranger's network, or this project, triggered too many e-mails recently.
    pub without_email: bool,
}

/// An accepted ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketReceipt {
    /// Its id.
    pub ticket: TicketId,
    /// Its number.
    pub number: i64,
    /// The id of its feedback.
    pub feedback: FeedbackId,
}

/// Returns a signed timestamp for a project's portal: when its form was rendered.
///
/// # Errors
/// Never in practice.
pub fn start_token(app: &App, project: &Project, now: Timestamp) -> Result<String> {
    Ok(format!("{}.{}", now.0, app.sign("ticket-started", &format!("{} {}", project.id, now.0))?))
}

/// Returns a form's spam signals: its signed time, and the hidden field.
#[must_use]
pub fn signals(app: &App, project: &Project, start: &str, honeypot: bool) -> SpamSignals {
    let at = start.split_once('.').and_then(|(ms, _)| ms.parse().ok()).map(Timestamp);
    let genuine = at.filter(|at| is_signed_start(app, "ticket-started", &format!("{} {}", project.id, at.0), start));
    SpamSignals { honeypot, forged_start: genuine.is_none(), elapsed_ms: genuine.map(|at| app.now().0 - at.0) }
}

/// Accepts a ticket, once for each `key` and content: a retry gets the first result, and another message from the same form becomes another
/// ticket. Suspected spam is stored as such.
///
/// # Errors
/// A message for each invalid field.
pub async fn submit(app: &App, project: &Project, key: &str, submission: TicketSubmission) -> Result<TicketReceipt> {
    let TicketSubmission { ticket, files, pending_files, signals, context, without_email } = submission;
    let new = ticket.checked().map_err(Refusal::Invalid)?;
    let reasons = signals.map(|signals| ticket_spam_reasons(signals, &new)).unwrap_or_default();
    let place = [&context.page_url, &context.release, &context.environment].map(|of| of.clone().unwrap_or_default());
    let words = [&new.subject, &new.message, &new.email, &new.name].map(Clone::clone);
    let content = fingerprint([words.to_vec(), place.to_vec()].concat(), &pending_files, &files).await?;
    let once = IdempotentWrite::form(&IdempotencyScope::Ticket(project.id), key, content);
    let act_context = app.context(&Scope::system(project.id));
    let now = act_context.now;
    let text = new.text();
    let form = pending_form_key(project, "new", key);
    let person = ClaimedContact {
        email: Some(new.email.clone()),
        name: Some(new.name.clone()).filter(|name| !name.is_empty()),
        ..ClaimedContact::default()
    };
    let mut feedback = NewFeedback {
        kind: FeedbackKind::Ticket,
        language: language::detect(&text, &project.language),
        text,
        score: None,
        score_max: None,
        contact: None,
        survey: None,
        response: None,
        page_url: context.page_url.map(|address| project.sanitize_page_url(&address)),
        release: context.release,
        environment: context.environment,
        status: if reasons.is_empty() { FeedbackStatus::New } else { FeedbackStatus::Spam },
        tags: Vec::new(),
        spam_reasons: reasons,
        created_at: now,
    };
    // Suspected spam gets no e-mail: the named sender most likely knows nothing of it.
    let post = TicketMailBuilder::new(&app.settings, project, &context.language)
        .filter(|_| feedback.status != FeedbackStatus::Spam && !without_email);
    let project = project.clone();
    let taken = app
        .store
        .act_once(act_context, once, move |act| {
            Box::pin(async move {
                feedback.contact = Some(act.resolve_contact(&person).await?);
                let feedback = act.add_feedback(feedback, None).await?.ok_or_else(|| Error::internal("ticket", "its feedback exists"))?;
                let ticket = act.open_ticket(feedback.id, &new, context.language, context.user_agent).await?;
                let message = act.insert_ticket_message(&ticket, MessageAuthor::Requester, &new.message).await?;
                keep_files(act, &ticket, message, (&form, pending_files.len()), &files, now).await?;
                act.record(feedback.id, &HistoryChange::Created).await?;
                if let Some(post) = post {
                    let path = unsigned_path(&project, ticket.id);
                    act.queue_mail(&ticket_confirmation(&post, mail_about(&ticket, &path))).await?;
                }
                act.ticket_event(&ticket, TicketChange::Created(message)).await?;
                Ok(TicketReceipt { ticket: ticket.id, number: ticket.number, feedback: feedback.id })
            })
        })
        .await?;
    app.wake_jobs();
    Ok(taken)
}
