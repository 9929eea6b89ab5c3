//! Webhooks and their deliveries.

use domain::{
    FieldErrors,
    webhooks::{DeliveryState, MAX_NOTE, MAX_URL},
};
use leptos::prelude::*;

use crate::{
    components::{
        badges::Badge,
        forms::{ErrorSummary, IdempotencyKey, TextField},
        layout::{Empty, PageHead, Pager},
    },
    islands::{copy::Copy, poll::Poll},
    projects::{CopyBox, SettingsTab, SettingsTabs},
};

/// A webhook in the list.
#[derive(Debug, Clone)]
pub struct WebhookRow {
    /// Its page.
    pub href: String,
    /// Its name, or its host.
    pub name: String,
    /// The target URL.
    pub url: String,
    /// Its health.
    pub health: EndpointHealth,
    /// Pending deliveries.
    pub pending: i64,
    /// Successful deliveries.
    pub delivered: i64,
    /// Failed deliveries.
    pub dead: i64,
}

/// Health of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointHealth {
    /// Deliveries succeed.
    Good,
    /// The last attempts failed.
    Failing,
    /// A person turned it off.
    Off,
    /// Earshot turned it off.
    TurnedOff,
}

impl EndpointHealth {
    fn badge(self) -> (&'static str, &'static str) {
        match self {
            Self::Good => ("On", "good"),
            Self::Failing => ("Failing", "warn"),
            Self::Off => ("Off", "neutral"),
            Self::TurnedOff => ("Turned off", "bad"),
        }
    }
}

/// The form of an endpoint, with the stored or the submitted values.
#[derive(Debug, Clone, Default)]
pub struct WebhookForm {
    /// The target URL.
    pub url: String,
    /// Its name, for the team.
    pub note: String,
    /// Event name, label, and whether it is selected.
    pub kinds: Vec<(&'static str, &'static str, bool)>,
    /// The version that the form was loaded from.
    pub version: i64,
    /// Validation errors.
    pub errors: FieldErrors,
    /// Message about a concurrent change.
    pub conflict: Option<String>,
}

/// All webhooks of a project.
#[derive(Debug, Clone)]
pub struct WebhooksView {
    /// For URLs.
    pub slug: String,
    /// Whether the user can see and change them.
    pub may_manage: bool,
    /// The webhooks.
    pub rows: Vec<WebhookRow>,
    /// The form for a new one.
    pub form: WebhookForm,
    /// Idempotency key of the form.
    pub form_key: String,
}

/// A delivery in a list.
#[derive(Debug, Clone)]
pub struct DeliveryRow {
    /// Its page.
    pub href: String,
    /// The event.
    pub kind: String,
    /// Its status.
    pub state: DeliveryState,
    /// Outcome of the last attempt.
    pub last: String,
    /// When it happened, for display and machine-readable.
    pub at: (String, String),
}

/// One webhook.
#[derive(Debug, Clone)]
pub struct WebhookView {
    /// For URLs.
    pub slug: String,
    /// Its URL.
    pub url: String,
    /// Its name, or its host.
    pub name: String,
    /// Its health.
    pub health: EndpointHealth,
    /// Why Earshot turned it off, or since when attempts have failed.
    pub trouble: Option<String>,
    /// The person it acts for; `None`: the project.
    pub acts_for: Option<String>,
    /// Whether the current user can hand it over to the project.
    pub can_be_handed_over: bool,
    /// The signing secret.
    pub secret: String,
    /// Until when the previous secret stays valid.
    pub old_until: Option<String>,
    /// The settings form.
    pub form: WebhookForm,
    /// The status tabs: label, URL, count, whether it is current.
    pub tabs: Vec<(&'static str, String, i64, bool)>,
    /// Deliveries, newest first.
    pub rows: Vec<DeliveryRow>,
    /// Failed deliveries.
    pub dead: i64,
    /// Whether a delivery is pending.
    pub is_moving: bool,
    /// URL of older deliveries.
    pub older: Option<String>,
    /// Base of the forms' idempotency keys.
    pub form_key: String,
}

/// One delivery attempt.
#[derive(Debug, Clone)]
pub struct AttemptView {
    /// Its number, starting at 1.
    pub n: i64,
    /// When, for display and machine-readable.
    pub at: (String, String),
    /// The outcome.
    pub outcome: String,
    /// Whether it succeeded.
    pub is_good: bool,
    /// The beginning of the response.
    pub excerpt: String,
}

/// One delivery.
#[derive(Debug, Clone)]
pub struct DeliveryView {
    /// Its URL.
    pub url: String,
    /// The webhook's URL and name.
    pub hook: (String, String),
    /// The event.
    pub kind: String,
    /// Its status.
    pub state: DeliveryState,
    /// The next step, for display.
    pub next: Option<String>,
    /// `webhook-id`.
    pub id: String,
    /// The payload, formatted for reading.
    pub body: String,
    /// Newest first.
    pub attempts: Vec<AttemptView>,
    /// Whether it can be sent again.
    pub can_send: bool,
    /// Base of the forms' idempotency keys.
    pub form_key: String,
}

fn tone(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Pending => "info",
        DeliveryState::Delivered => "good",
        DeliveryState::Dead => "bad",
    }
}

#[component]
fn Fields(form: WebhookForm) -> impl IntoView {
    let kinds_error = form.errors.message_for("kinds").map(ToOwned::to_owned);
    view! {
        <TextField name="url" label="URL" value=form.url kind="url" required=true maxlength=MAX_URL
            hint="Where events are sent. Must begin with https://." errors=form.errors.clone() />
        <TextField name="note" label="Name" value=form.note maxlength=MAX_NOTE hint="Optional. For your team only." errors=form.errors.clone() />
        <fieldset class="fieldset" id="kinds">
            <legend>"Events"</legend>
            {kinds_error.map(|error| view! { <p class="field-error">{error}</p> })}
            <div class="check-list">
                {form.kinds.into_iter().map(|(word, label, checked)| view! {
                    <label class="check"><input type="checkbox" name="kinds" value=word checked=checked /><span>{label}" "<span class="muted small mono">{word}</span></span></label>
                }).collect_view()}
            </div>
        </fieldset>
    }
    .into_any()
}

/// All webhooks of a project.
#[component]
pub fn WebhooksPage(
    /// Its content.
    view: WebhooksView,
) -> impl IntoView {
    let WebhooksView { slug, may_manage, rows, form, form_key } = view;
    let action = format!("/p/{slug}/webhooks");
    let open = !form.errors.is_empty();
    let first = rows.is_empty();
    view! {
        <div id="webhooks" data-part class="narrow">
            <PageHead title="Webhooks" lead="Send events to other systems in real time. Messages are signed as specified by Standard Webhooks." />
            <SettingsTabs slug=slug current=SettingsTab::Webhooks />
            <ErrorSummary errors=form.errors.clone() />
            {if !may_manage {
                view! { <p class="notice">"Only admins and owners can see and create webhooks."</p> }.into_any()
            } else {
                view! {
                    {if rows.is_empty() {
                        view! { <Empty title="No webhooks yet" text="A webhook sends each event to a URL of yours: a chat, an issue tracker, or your own program. Create the first one below, then send it a test." /> }.into_any()
                    } else {
                        view! { <HookRows rows=rows /> }.into_any()
                    }}
                    {if first {
                        view! { <section class="card"><h2>"New webhook"</h2><NewHook action=action form=form form_key=form_key /></section> }.into_any()
                    } else {
                        view! {
                            <details class="card" open=open>
                                <summary class="button">"New webhook"</summary>
                                <NewHook action=action form=form form_key=form_key />
                            </details>
                        }.into_any()
                    }}
                }.into_any()
            }}
        </div>
    }
}

#[component]
fn NewHook(action: String, form: WebhookForm, form_key: String) -> impl IntoView {
    view! {
        <form method="post" action=action class="stack" data-enhance>
            <IdempotencyKey key=form_key />
            <Fields form=form />
            <div class="form-actions"><button type="submit" class="button button-primary">"Create webhook"</button></div>
        </form>
    }
}

#[component]
fn HookRows(rows: Vec<WebhookRow>) -> impl IntoView {
    view! {
        <div class="table-wrap">
            <table class="table table-cards">
                <thead><tr>
                    <th scope="col">"Webhook"</th><th scope="col">"Status"</th>
                    <th scope="col" class="num">"Delivered"</th><th scope="col" class="num">"Pending"</th><th scope="col" class="num">"Failed"</th>
                </tr></thead>
                <tbody>
                    {rows.into_iter().map(|row| {
                        let (label, tone) = row.health.badge();
                        view! {
                            <tr>
                                <th scope="row"><a href=row.href data-row>{row.name}</a><div class="muted small mono hook-url">{row.url}</div></th>
                                <td data-label="Status"><Badge label=label tone=tone /></td>
                                <td class="num" data-label="Delivered">{row.delivered}</td>
                                <td class="num" data-label="Pending">{row.pending}</td>
                                <td class="num" data-label="Failed">{row.dead}</td>
                            </tr>
                        }
                    }).collect_view()}
                </tbody>
            </table>
        </div>
    }
    .into_any()
}

/// One webhook.
#[component]
pub fn WebhookPage(
    /// Its content.
    view: WebhookView,
) -> impl IntoView {
    let WebhookView {
        slug,
        url,
        name,
        health,
        trouble,
        acts_for,
        can_be_handed_over,
        secret,
        old_until,
        form,
        tabs,
        rows,
        dead,
        is_moving,
        older,
        form_key,
    } = view;
    let (label, tone) = health.badge();
    let is_on = matches!(health, EndpointHealth::Good | EndpointHealth::Failing);
    let post = |path: &str| format!("{url}/{path}");
    view! {
        <nav aria-label="Breadcrumb" class="small"><a href=format!("/p/{slug}/webhooks")>"Webhooks"</a></nav>
        <div id="webhook" data-part data-poll=is_moving.then_some("") class="narrow stack">
            <PageHead title=name><Badge label=label tone=tone /></PageHead>
            <ErrorSummary errors=form.errors.clone() />
            {form.conflict.clone().map(|text| view! { <p class="notice notice-warn" role="alert">{text}</p> })}
            {trouble.map(|text| view! { <p class="notice notice-bad">{text}</p> })}
            <div class="cluster">
                {is_on.then(|| view! {
                    <form method="post" action=post("test") data-enhance>
                        <IdempotencyKey key=format!("{form_key}-test") />
                        <button id="send-test" type="submit" class="button button-primary">"Send a test"</button>
                    </form>
                })}
                <form method="post" action=post("enabled") data-enhance>
                    <IdempotencyKey key=format!("{form_key}-on") />
                    <input type="hidden" name="on" value=if is_on { "no" } else { "yes" } />
                    <button id="turn" type="submit" class="button">{if is_on { "Turn off" } else { "Turn on" }}</button>
                </form>
                {(is_on && dead > 0).then(|| view! {
                    <form method="post" action=post("again") data-enhance>
                        <IdempotencyKey key=format!("{form_key}-again") />
                        <button id="send-all" type="submit" class="button">{if dead == 1 { "Retry 1 failed delivery".to_owned() } else { format!("Retry {dead} failed deliveries") }}</button>
                    </form>
                })}
            </div>
            <Deliveries tabs=tabs rows=rows older=older is_moving=is_moving />
            <section class="card stack" aria-labelledby="secret-title">
                <h2 id="secret-title">"Signing secret"</h2>
                <p>"The receiver uses it to check the webhook-signature header, which proves that a message comes from Earshot."</p>
                <details>
                    <summary>"Show the secret"</summary>
                    <CopyBox id="secret" label="Signing secret" text=secret rows=1 />
                </details>
                {old_until.map(|until| view! { <p class="muted small">{format!("The previous secret stays valid until {until}.")}</p> })}
                <form method="post" action=post("rotate") data-enhance>
                    <IdempotencyKey key=format!("{form_key}-rotate") />
                    <button id="rotate" type="submit" class="button">"Rotate the secret"</button>
                </form>
                <p class="hint">"The old secret stays valid for 24 hours so you can update the receiver."</p>
            </section>
            {acts_for.map(|name| view! {
                <section class="card stack" aria-labelledby="authority-title">
                    <h2 id="authority-title">"Acts for "{name.clone()}</h2>
                    <p>{format!("It is turned off when {name} leaves this project or is no longer an admin.")}</p>
                    {can_be_handed_over.then(|| view! {
                        <form method="post" action=post("hand-over") data-enhance>
                            <IdempotencyKey key=format!("{form_key}-over") />
                            <button id="hand-over" type="submit" class="button">"Hand over to the project"</button>
                        </form>
                    })}
                </section>
            })}
            <section class="card" aria-labelledby="edit-title">
                <h2 id="edit-title">"Settings"</h2>
                <form method="post" action=url.clone() class="stack" data-enhance>
                    <IdempotencyKey key=form_key.clone() />
                    <input type="hidden" name="version" value=form.version.to_string() />
                    <Fields form=form />
                    <div class="form-actions"><button type="submit" class="button button-primary">"Save"</button></div>
                </form>
            </section>
            <details class="card">
                <summary>"Delete this webhook"</summary>
                <form method="post" action=post("delete") class="stack">
                    <p>"No more events are sent, and its delivery history is permanently deleted."</p>
                    <IdempotencyKey key=format!("{form_key}-delete") />
                    <button id="delete" type="submit" class="button button-danger">"Delete permanently"</button>
                </form>
            </details>
        </div>
        <Copy />
        <Poll />
    }
}

#[component]
fn Deliveries(
    tabs: Vec<(&'static str, String, i64, bool)>,
    rows: Vec<DeliveryRow>,
    older: Option<String>,
    is_moving: bool,
) -> impl IntoView {
    let nothing = tabs.iter().all(|(_, _, count, _)| *count == 0);
    view! {
        <section class="stack" aria-labelledby="deliveries-title">
            <h2 id="deliveries-title">"Deliveries"</h2>
            {is_moving.then(|| view! { <noscript><meta http-equiv="refresh" content="5" /></noscript> })}
            {if nothing {
                view! { <Empty title="Nothing sent yet" text="Each event that is sent to this webhook is listed here for 30 days with the receiver’s response. Send a test to see the first one." /> }.into_any()
            } else {
                view! {
                    <nav aria-label="Delivery status">
                        <ul class="tabs">
                            {tabs.into_iter().map(|(label, href, count, current)| view! {
                                <li><a href=href aria-current=current.then_some("page") data-enhance data-waits="webhook">{label}" "<span class="muted">{count}</span></a></li>
                            }).collect_view()}
                        </ul>
                    </nav>
                    {rows.is_empty().then(|| view! { <p class="muted">"None."</p> })}
                    {(!rows.is_empty()).then(|| view! {
                        <div class="table-wrap">
                            <table class="table table-cards">
                                <thead><tr><th scope="col">"Event"</th><th scope="col">"Status"</th><th scope="col">"Last attempt"</th><th scope="col" class="num">"When"</th></tr></thead>
                                <tbody>
                                    {rows.into_iter().map(|row| view! {
                                        <tr>
                                            <th scope="row"><a href=row.href data-row class="mono">{row.kind}</a></th>
                                            <td data-label="Status"><Badge label=row.state.label() tone=tone(row.state) /></td>
                                            <td data-label="Last attempt">{row.last}</td>
                                            <td class="num muted" data-label="When"><time datetime=row.at.1>{row.at.0}</time></td>
                                        </tr>
                                    }).collect_view()}
                                </tbody>
                            </table>
                        </div>
                    })}
                }.into_any()
            }}
            <Pager back=None next=older waits="webhook" next_label="Older deliveries" label="Pages of deliveries" />
        </section>
    }
    .into_any()
}

/// One delivery.
#[component]
pub fn DeliveryPage(
    /// Its content.
    view: DeliveryView,
) -> impl IntoView {
    let DeliveryView { url, hook, kind, state, next, id, body, attempts, can_send, form_key } = view;
    let is_moving = state == DeliveryState::Pending;
    view! {
        <nav aria-label="Breadcrumb" class="small"><a href=hook.0>{hook.1}</a></nav>
        <div id="delivery" data-part data-poll=is_moving.then_some("") class="narrow stack">
            <PageHead title=kind><Badge label=state.label() tone=tone(state) /></PageHead>
            {is_moving.then(|| view! { <noscript><meta http-equiv="refresh" content="5" /></noscript> })}
            {next.map(|next| view! { <p role="status">{next}</p> })}
            {can_send.then(|| view! {
                <form method="post" action=format!("{url}/again") data-enhance>
                    <IdempotencyKey key=form_key />
                    <button id="send-again" type="submit" class="button">"Send again"</button>
                </form>
            })}
            <section class="stack" aria-labelledby="attempts-title">
                <h2 id="attempts-title">"Attempts"</h2>
                {attempts.is_empty().then(|| view! { <p class="muted">"None yet."</p> })}
                <ol class="timeline">
                    {attempts.into_iter().map(|t| view! {
                        <li>
                            <p><Badge label=format!("Attempt {}", t.n) tone=if t.is_good { "good" } else { "bad" } />" "{t.outcome}" "<time class="muted small" datetime=t.at.1>{t.at.0}</time></p>
                            {(!t.excerpt.is_empty()).then(|| view! { <pre class="hook-text small" tabindex="0" role="region" aria-label=format!("Response to attempt {}", t.n)>{t.excerpt}</pre> })}
                        </li>
                    }).collect_view()}
                </ol>
            </section>
            <section class="stack" aria-labelledby="body-title">
                <h2 id="body-title">"Payload"</h2>
                <p class="muted small">"webhook-id: "<span class="mono">{id}</span></p>
                <pre class="hook-text small" tabindex="0" role="region" aria-labelledby="body-title">{body}</pre>
            </section>
        </div>
        <Poll />
    }
}
