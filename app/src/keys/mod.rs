//! API keys: the list, and the form for a new key.

use domain::{
    FieldErrors,
    accounts::key::{Access, MAX_NAME},
};
use leptos::prelude::*;

use crate::{
    components::{
        forms::{ErrorSummary, IdempotencyKey, SelectField, TextField},
        layout::{Empty, PageHead},
    },
    islands::copy::Copy,
    projects::{CopyBox, SettingsTab, SettingsTabs},
};

/// A key in the list.
#[derive(Debug, Clone)]
pub struct KeyView {
    /// Its id.
    pub id: String,
    /// The name of the program that uses it.
    pub name: String,
    /// Its first characters.
    pub prefix: String,
    /// Its scope.
    pub access: Access,
    /// Its creator and creation time.
    pub made: String,
    /// When it was last used, for display.
    pub used: String,
    /// Why it is invalid, or when it expires; `None` if it does not expire.
    pub end: Option<String>,
    /// The person or project that it acts for, if that changed.
    pub authority: Option<String>,
    /// Whether it is valid.
    pub works: bool,
    /// Whether it can be revoked.
    pub revocable: bool,
    /// Whether the current user can hand it over to the project.
    pub can_be_handed_over: bool,
}

/// A key just created.
#[derive(Debug, Clone)]
pub struct CreatedKeyView {
    /// The name of the program that uses it.
    pub name: String,
    /// The key itself.
    pub secret: String,
    /// An example request for a shell.
    pub example: String,
}

/// View model of the page.
#[derive(Debug, Clone)]
pub struct KeysView {
    /// For URLs.
    pub slug: String,
    /// Valid keys first.
    pub keys: Vec<KeyView>,
    /// Whether the current user can see and create keys.
    pub may_manage: bool,
    /// The key just created; shown once.
    pub made: Option<CreatedKeyView>,
    /// The name as typed.
    pub name: String,
    /// The scope as chosen.
    pub access: Access,
    /// The chosen number of days; empty if it does not expire.
    pub days: String,
    /// The selectable numbers of days.
    pub lifetimes: Vec<i64>,
    /// Validation errors.
    pub errors: FieldErrors,
}

/// Value and description of a scope, for a select.
fn option(access: Access) -> (String, String) {
    let meaning = match access {
        Access::Read => "Read: everything in this project",
        Access::Write => "Write: also add and change feedback, responses, backlog and tickets",
        Access::Admin => "Admin: everything an admin can do",
    };
    (access.as_str().into(), meaning.into())
}

/// The page.
#[component]
pub fn KeysPage(
    /// Its content.
    model: KeysView,
    /// Base of the idempotency keys of its forms.
    idempotency_key: String,
) -> impl IntoView {
    let KeysView { slug, keys, may_manage, made, name, access, days, lifetimes, errors } = model;
    let base = format!("/p/{slug}/keys");
    let (action, form_key) = (base.clone(), format!("{idempotency_key}-new"));
    let lifetimes = lifetimes.into_iter().map(|n| (n.to_string(), format!("After {n} days")));
    let lifetimes = std::iter::once((String::new(), "Never".to_owned())).chain(lifetimes).collect();
    view! {
        <div id="api-keys" data-part class="narrow">
            <PageHead title="API keys" lead="Access tokens for scripts and integrations. Each key works for this project only." />
            <SettingsTabs slug=slug current=SettingsTab::Keys />
            <p>"How to use one: "<a href="/api/docs">"API reference"</a>"."</p>
            <ErrorSummary errors=errors.clone() />
            {made.map(|made| view! {
                <div class="notice notice-good stack" role="status">
                    <p><strong>{format!("Here is the key for {}.", made.name)}</strong>" It is shown only now. Store it with the program’s other secrets; anyone with this key has its permissions."</p>
                    <CopyBox id="api-key" label="API key" text=made.secret rows=1 />
                    <p>"Try it:"</p>
                    <CopyBox id="api-key-example" label="First request" text=made.example rows=2 />
                </div>
            }.into_any())}
            {if !may_manage {
                view! { <p class="notice">"Only admins and owners can see and create API keys."</p> }.into_any()
            } else if keys.is_empty() {
                view! { <Empty title="No API keys yet" text="A key lets your scripts send feedback, read it with the inbox’s search syntax, and edit the backlog. Create the first one below." /> }.into_any()
            } else {
                view! {
                    <div class="table-wrap">
                        <table class="table table-cards">
                            <thead><tr>
                                <th scope="col">"Key"</th><th scope="col">"Scope"</th><th scope="col">"Last used"</th><th scope="col">"Created"</th>
                                <th scope="col"><span class="visually-hidden">"Action"</span></th>
                            </tr></thead>
                            <tbody>{keys.into_iter().map(|key| row(key, &base, &idempotency_key)).collect_view()}</tbody>
                        </table>
                    </div>
                }.into_any()
            }}
            {may_manage.then(|| view! {
                <section class="card" aria-labelledby="new-key">
                    <h2 id="new-key">"New key"</h2>
                    <form method="post" action=action data-enhance>
                        <IdempotencyKey key=form_key />
                        <TextField name="name" label="Name" value=name required=true maxlength=MAX_NAME
                            hint="The program that will use it. The history shows this name for its changes." errors=errors.clone() />
                        <SelectField name="scope" label="Scope" options=Access::ALL.iter().copied().map(option).collect() value=access.as_str() errors=errors.clone() />
                        <SelectField name="days" label="Expires" options=lifetimes value=days errors=errors />
                        <div class="form-actions"><button type="submit" class="button button-primary">"Create key"</button></div>
                    </form>
                </section>
            }.into_any())}
        </div>
        <Copy />
    }
}

fn row(key: KeyView, base: &str, idempotency_key: &str) -> AnyView {
    let KeyView { id, name, prefix, access, made, used, end, authority, works, revocable, can_be_handed_over } = key;
    let (action, form_key) = (format!("{base}/revoke"), format!("{idempotency_key}-{id}"));
    let (over, over_key, over_id) = (format!("{base}/hand-over"), format!("{idempotency_key}-over-{id}"), id.clone());
    view! {
        <tr class:key-ended=!works>
            <th scope="row">
                {name.clone()}{end.map(|end| view! { " "<span class="badge">{end}</span> })}
                <div class="muted small mono">{prefix}"…"</div>
                {authority.map(|text| view! { <div class=if works { "muted small" } else { "field-error" }>{text}</div> })}
            </th>
            <td data-label="Scope">{access.label()}</td>
            <td data-label="Last used">{used}</td>
            <td data-label="Created">{made}</td>
            <td class="key-action">{can_be_handed_over.then(|| view! {
                <details class="key-revoke">
                    <summary class="button button-small" aria-label=format!("Hand over {name}")>"Hand over"</summary>
                    <form method="post" action=over data-enhance>
                        <IdempotencyKey key=over_key />
                        <input type="hidden" name="key" value=over_id />
                        <p>{format!("Hand “{name}” over to the project? It keeps working when the person who created it leaves or gets a lower role. Anyone who has the key can still use it.")}</p>
                        <button type="submit" class="button button-small">"Hand over to the project"</button>
                    </form>
                </details>
            })}
            {revocable.then(|| view! {
                <details class="key-revoke">
                    <summary class="button button-small" aria-label=format!("Revoke {name}")>"Revoke"</summary>
                    <form method="post" action=action data-enhance>
                        <IdempotencyKey key=form_key />
                        <input type="hidden" name="key" value=id />
                        <p>{format!("Revoke “{name}”? Programs that use it lose access immediately. This cannot be undone.")}</p>
                        <button type="submit" class="button button-small button-danger">"Revoke permanently"</button>
                    </form>
                </details>
            })}</td>
        </tr>
    }
    .into_any()
}
