//! Operator pages: e-mails that were not delivered and background jobs that failed.

use leptos::prelude::*;

use crate::components::{
    forms::IdempotencyKey,
    layout::{Empty, PageHead},
};

/// An e-mail in the list.
#[derive(Debug, Clone)]
pub struct MailMessageView {
    /// Its id.
    pub id: String,
    /// Its purpose.
    pub kind: String,
    /// Its project's name.
    pub project: Option<String>,
    /// The recipient.
    pub to: String,
    /// Why it was not delivered.
    pub why: Option<String>,
    /// Attempts so far.
    pub attempts: i64,
    /// The next attempt, as RFC 3339 and for display.
    pub next: Option<(String, String)>,
    /// When it was queued, as RFC 3339 and for display.
    pub written: (String, String),
    /// Whether sending it still makes sense.
    pub sendable: bool,
}

/// View model of the e-mail page.
#[derive(Debug, Clone, Default)]
pub struct MailListView {
    /// Whether a mail server is configured.
    pub mail: bool,
    /// Failed, newest first; the list may be truncated.
    pub dead: Vec<MailMessageView>,
    /// Queued, newest first; the list may be truncated.
    pub queued: Vec<MailMessageView>,
    /// Total number of failed e-mails.
    pub dead_count: i64,
    /// Total number of queued e-mails.
    pub queued_count: i64,
}

/// The tabs of the operator pages.
#[component]
fn OperatorTabs(jobs: bool) -> impl IntoView {
    let current = |is: bool| is.then_some("page");
    view! {
        <nav class="tabs" aria-label="Operations"><ul>
            <li><a href="/operator/mail" aria-current=current(!jobs)>"E-mail"</a></li>
            <li><a href="/operator/jobs" aria-current=current(jobs)>"Background jobs"</a></li></ul>
        </nav>
    }
}

/// E-mails that are queued or have failed.
#[component]
pub fn MailPage(
    /// Its content.
    model: MailListView,
    /// Base of the idempotency keys of its forms.
    idempotency_key: String,
) -> impl IntoView {
    let MailListView { mail, dead, queued, dead_count, queued_count } = model;
    let nothing = dead.is_empty() && queued.is_empty();
    let key = idempotency_key.clone();
    view! {
        <div id="operator-mail" data-part>
            <PageHead title="E-mail" lead="E-mails of all projects that have not been delivered." />
            <OperatorTabs jobs=false />
            {(!mail).then(|| view! {
                <p class="notice notice-warn">"No mail server is configured, so no e-mail is sent. Start the program with "<code>"EARSHOT_SMTP_URL"</code>" and "<code>"EARSHOT_MAIL_FROM"</code>"."</p>
            })}
            {nothing.then(|| view! {
                <Empty title="No undelivered e-mails" text="E-mails are listed here while the mail server does not accept them, and when it rejects them permanently. You can send them again or discard them." />
            })}
            {(!dead.is_empty()).then(|| view! {
                <section class="stack" aria-labelledby="mail-dead">
                    <h2 id="mail-dead">{format!("Failed ({dead_count})")}</h2>
                    <MailTable messages=dead dead=true key=key />
                </section>
            })}
            {(!queued.is_empty()).then(|| view! {
                <section class="stack" aria-labelledby="mail-queued">
                    <h2 id="mail-queued">{format!("Queued ({queued_count})")}</h2>
                    <MailTable messages=queued dead=false key=idempotency_key />
                </section>
            })}
        </div>
    }
}

#[component]
fn MailTable(messages: Vec<MailMessageView>, dead: bool, key: String) -> impl IntoView {
    view! {
        <div class="table-wrap">
            <table class="table table-cards">
                <thead><tr>
                    <th scope="col">"To"</th><th scope="col">"E-mail"</th><th scope="col">"Why it was not delivered"</th><th scope="col">"Created"</th>
                    <th scope="col"><span class="visually-hidden">"Action"</span></th>
                </tr></thead>
                <tbody>{messages.into_iter().map(|l| {
                    let again = if dead { "Send again" } else { "Try now" };
                    let form = |action: &'static str, part: &str, label: &'static str, class: &'static str| view! {
                        <form method="post" action=format!("/operator/mail/{action}") data-enhance>
                            <IdempotencyKey key=format!("{key}-{}-{part}", l.id) />
                            <input type="hidden" name="message" value=l.id.clone() />
                            <button type="submit" class=class aria-label=format!("{label}: {} to {}", l.kind, l.to)>{label}</button>
                        </form>
                    };
                    let again = l.sendable.then(|| form("retry", "again", again, "button button-small"));
                    let discard = form("discard", "discard", "Discard", "button button-small button-danger");
                    let attempts = match l.attempts {
                        0 => String::new(),
                        1 => "1 attempt.".to_owned(),
                        n => format!("{n} attempts."),
                    };
                    view! {
                        <tr>
                            <th scope="row">{l.to.clone()}</th>
                            <td data-label="E-mail">{l.kind.clone()}{l.project.map(|p| view! { <div class="muted small">{p}</div> })}</td>
                            <td data-label="Why">
                                {l.why.unwrap_or_else(|| "Not tried yet.".into())}
                                <div class="muted small">
                                    {attempts}
                                    {l.next.map(|(at, words)| view! { " Next: "<time datetime=at>{words}</time>"." })}
                                    {(!l.sendable).then_some(" The link in it no longer works.")}
                                </div>
                            </td>
                            <td data-label="Created"><time datetime=l.written.0>{l.written.1}</time></td>
                            <td class="num"><div class="cluster">{again}{discard}</div></td>
                        </tr>
                    }.into_any()
                }).collect_view()}</tbody>
            </table>
        </div>
    }
}

/// A job in the list.
#[derive(Debug, Clone)]
pub struct JobView {
    /// Its id.
    pub id: String,
    /// Its kind, for display.
    pub kind: String,
    /// Why it failed.
    pub why: String,
    /// The number of attempts.
    pub attempts: i64,
    /// When it failed, as RFC 3339 and for display.
    pub at: (String, String),
}

/// Background jobs that failed permanently.
#[component]
pub fn JobsPage(
    /// Newest first.
    jobs: Vec<JobView>,
    /// Base of the idempotency keys of its forms.
    idempotency_key: String,
) -> impl IntoView {
    view! {
        <div id="operator-jobs" data-part>
            <PageHead title="Background jobs" lead="Jobs that failed after several attempts." />
            <OperatorTabs jobs=true />
            {if jobs.is_empty() {
                view! { <Empty title="No failed jobs" text="Background jobs that keep failing, such as an import or the hourly cleanup, are listed here with the reason. You can run them again." /> }.into_any()
            } else {
                view! {
                    <div class="table-wrap">
                        <table class="table table-cards">
                            <thead><tr>
                                <th scope="col">"Job"</th><th scope="col">"Why it failed"</th><th scope="col">"When"</th>
                                <th scope="col"><span class="visually-hidden">"Action"</span></th>
                            </tr></thead>
                            <tbody>{jobs.into_iter().map(|job| view! {
                                <tr>
                                    <th scope="row">{job.kind.clone()}</th>
                                    <td data-label="Why">{job.why}<div class="muted small">{format!("Tried {} times.", job.attempts)}</div></td>
                                    <td data-label="When"><time datetime=job.at.0>{job.at.1}</time></td>
                                    <td class="num">
                                        <form method="post" action="/operator/jobs/retry" data-enhance>
                                            <IdempotencyKey key=format!("{idempotency_key}-{}", job.id) />
                                            <input type="hidden" name="job" value=job.id.clone() />
                                            <button type="submit" class="button button-small" aria-label=format!("Run again: {}", job.kind)>"Run again"</button>
                                        </form>
                                    </td>
                                </tr>
                            }.into_any()).collect_view()}</tbody>
                        </table>
                    </div>
                }.into_any()
            }}
        </div>
    }
}
