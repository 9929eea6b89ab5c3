//! `/operator/mail` and `/operator/jobs`, for operators of the installation; not found for anyone else.

use app::{
    operator::{JobView, JobsPage, MailListView, MailMessageView, MailPage},
    shell::{Flash, Nav, Undo},
};
use axum::{
    Router,
    routing::{get, post},
};
use domain::{
    Timestamp,
    ids::{JobId, MailId},
    jobs::Job,
    zone::UTC,
};
use leptos::prelude::*;
use service::{error::Result, jobs, mail::MailKind, mail_queue};
use store::mail::MailMessageRow;

use super::{console::ConsoleRequest, error::PageResult, forms::Form};
use crate::http::WebState;

/// Maximum rows of a list: it is meant to be emptied, not paged through.
const SHOWN: i64 = 100;

/// This capability's routes.
pub fn routes() -> Router<WebState> {
    Router::new()
        .route("/operator/mail", get(mail_page))
        .route("/operator/mail/retry", post(retry_mail))
        .route("/operator/mail/discard", post(discard))
        .route("/operator/mail/restore", post(restore))
        .route("/operator/jobs", get(given_up))
        .route("/operator/jobs/retry", post(retry_job))
}

fn shown(ms: i64) -> (String, String) {
    (Timestamp(ms).rfc3339(), UTC.readable(Timestamp(ms)))
}

fn mail_view(row: MailMessageRow, now: Timestamp) -> MailMessageView {
    MailMessageView {
        kind: MailKind::parse(&row.kind).map_or(row.kind, |kind| kind.label().to_owned()),
        project: row.project_name,
        to: row.recipient,
        why: row.last_error,
        attempts: row.attempts,
        next: row.next_at.filter(|_| row.attempts > 0).map(shown),
        written: shown(row.created_at),
        sendable: row.not_after.is_none_or(|until| until > now.0),
        id: row.id,
    }
}

async fn mail_page(console: ConsoleRequest) -> PageResult {
    console.operator()?;
    let (store, now) = (&console.app.store, console.app.now());
    let counts = store.mail_counts().await?;
    let list = async |state: &str| -> Result<Vec<MailMessageView>> {
        Ok(store.mail_messages_in_state(state, SHOWN).await?.into_iter().map(|row| mail_view(row, now)).collect())
    };
    let model = MailListView {
        mail: console.app.settings.mail.is_some(),
        dead: list("dead").await?,
        queued: list("queued").await?,
        dead_count: counts.dead,
        queued_count: counts.queued,
    };
    let key = console.form_key();
    Ok(console.page("Mail", Nav::Account, move || view! { <MailPage model=model idempotency_key=key /> }))
}

fn id<T: std::str::FromStr>(text: &str) -> Result<T> {
    text.parse().map_err(|_| domain::DomainError::NotFound.into())
}

async fn retry_mail(console: ConsoleRequest, form: Form) -> PageResult {
    console.operator()?;
    form.idempotency_key()?;
    mail_queue::retry(&console.app, id::<MailId>(form.get("message"))?).await?;
    Ok(console.redirect_with_message("/operator/mail", "The e-mail is being sent again. If it fails, it is listed here with the reason."))
}

async fn discard(console: ConsoleRequest, form: Form) -> PageResult {
    console.operator()?;
    form.idempotency_key()?;
    let message = id::<MailId>(form.get("message"))?;
    mail_queue::discard(&console.app, message).await?;
    let undo = Undo { url: "/operator/mail/restore".into(), fields: vec![("message".into(), message.to_string())] };
    Ok(console.redirect("/operator/mail", &Flash { message: "E-mail discarded.".into(), is_error: false, undo: Some(undo) }))
}

async fn restore(console: ConsoleRequest, form: Form) -> PageResult {
    console.operator()?;
    form.idempotency_key()?;
    mail_queue::restore(&console.app, id::<MailId>(form.get("message"))?).await?;
    Ok(console.redirect_with_message("/operator/mail", "E-mail restored."))
}

async fn given_up(console: ConsoleRequest) -> PageResult {
    console.operator()?;
    let rows = console.app.store.dead_jobs(SHOWN).await?;
    let jobs = rows
        .into_iter()
        .map(|row| JobView {
            kind: Job::label(&row.kind).to_owned(),
            why: row.last_error.unwrap_or_default(),
            attempts: row.attempts,
            at: shown(row.finished_at.unwrap_or(row.run_at)),
            id: row.id,
        })
        .collect();
    let key = console.form_key();
    Ok(console.page("Background jobs", Nav::Account, move || view! { <JobsPage jobs=jobs idempotency_key=key /> }))
}

async fn retry_job(console: ConsoleRequest, form: Form) -> PageResult {
    console.operator()?;
    form.idempotency_key()?;
    jobs::retry_dead_job(&console.app, id::<JobId>(form.get("job"))?).await?;
    Ok(console.redirect_with_message("/operator/jobs", "The job is running again. If it fails, it is listed here with the reason."))
}
