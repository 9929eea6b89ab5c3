//! Signed identity: the secrets that a site signs with, and how unsigned claims are handled.

use domain::identity::UnsignedClaimPolicy;
use leptos::prelude::*;

use crate::{
    components::{
        forms::IdempotencyKey,
        layout::{Empty, PageHead},
    },
    islands::copy::Copy,
    projects::{CopyBox, SettingsTab, SettingsTabs},
};

/// A secret in the list.
#[derive(Debug, Clone)]
pub struct SecretView {
    /// Its id.
    pub id: String,
    /// Its last characters.
    pub ending: String,
    /// Its creator and creation time.
    pub made: String,
    /// When it was retired, for display; `None` while it is valid.
    pub retired: Option<String>,
}

/// View model of the page.
#[derive(Debug, Clone)]
pub struct IdentityView {
    /// For URLs.
    pub slug: String,
    /// Newest first.
    pub secrets: Vec<SecretView>,
    /// Whether another secret can be created.
    pub has_room: bool,
    /// Whether the current user can see and create secrets.
    pub may_manage: bool,
    /// The secret just created; shown once.
    pub made: Option<String>,
    /// How unsigned claims are handled.
    pub unsigned: UnsignedClaimPolicy,
}

/// The page.
#[component]
pub fn IdentityPage(
    /// Its content.
    model: IdentityView,
    /// Base of the idempotency keys of its forms.
    idempotency_key: String,
) -> impl IntoView {
    let IdentityView { slug, secrets, has_room, may_manage, made, unsigned } = model;
    let base = format!("/p/{slug}/identity");
    let key = |form: &str| format!("{idempotency_key}-{form}");
    view! {
        <div id="identity" data-part class="narrow">
            <PageHead title="Identity" lead="Your server signs the identity of its visitors. Only signed claims add or replace contact details." />
            <SettingsTabs slug=slug current=SettingsTab::Identity />
            {made.map(|secret| view! {
                <div class="notice notice-good stack" role="status">
                    <p><strong>"Here is the new secret."</strong>" It is shown only now. Store it with your server’s other secrets; never send it to a browser."</p>
                    <CopyBox id="identity-secret" label="Identity secret" text=secret rows=1 />
                </div>
            }.into_any())}
            {if !may_manage {
                view! { <p class="notice">"Only admins and owners can see and create secrets."</p> }.into_any()
            } else if secrets.is_empty() {
                view! { <Empty title="No secrets yet" text="Without a secret, everything a page says about its visitor is shown as unverified. docs/identity.md explains how your server signs, with examples for Node.js, Python, Ruby, PHP and Go." /> }.into_any()
            } else {
                view! {
                    <div class="table-wrap">
                        <table class="table table-cards">
                            <thead><tr>
                                <th scope="col">"Secret"</th><th scope="col">"Created"</th>
                                <th scope="col"><span class="visually-hidden">"Action"</span></th>
                            </tr></thead>
                            <tbody>{secrets.into_iter().map(|secret| row(secret, &base, &idempotency_key)).collect_view()}</tbody>
                        </table>
                    </div>
                }.into_any()
            }}
            {may_manage.then(|| view! {
                <section class="card stack" aria-labelledby="new-secret">
                    <h2 id="new-secret">"New secret"</h2>
                    <p>"Two secrets can be valid at a time. To replace one, create another, switch your servers to it, then retire the old one."</p>
                    {if has_room {
                        view! {
                            <form method="post" action=base.clone() data-enhance>
                                <IdempotencyKey key=key("new") />
                                <button type="submit" class="button button-primary">"Create secret"</button>
                            </form>
                        }.into_any()
                    } else {
                        view! { <p class="muted">"Two secrets are valid. Retire one before you create another."</p> }.into_any()
                    }}
                </section>
                <section class="card stack" aria-labelledby="unsigned-claims">
                    <h2 id="unsigned-claims">"Unsigned claims"</h2>
                    <form method="post" action=format!("{base}/unsigned") data-enhance>
                        <IdempotencyKey key=key("unsigned") />
                        <fieldset class="stack">
                            <legend>"When a page identifies its visitor without a valid signature"</legend>
                            <div class="check-list">
                                {UnsignedClaimPolicy::ALL.iter().map(|choice| view! {
                                    <label class="check">
                                        <input type="radio" name="unsigned" value=choice.as_str() checked=*choice == unsigned />
                                        <span>{choice.label()}</span>
                                    </label>
                                }).collect_view()}
                            </div>
                        </fieldset>
                        <div class="form-actions"><button type="submit" class="button">"Save"</button></div>
                    </form>
                </section>
            }.into_any())}
        </div>
        <Copy />
    }
}

fn row(secret: SecretView, base: &str, idempotency_key: &str) -> AnyView {
    let SecretView { id, ending, made, retired } = secret;
    let (action, form_key, valid) = (format!("{base}/retire"), format!("{idempotency_key}-{id}"), retired.is_none());
    view! {
        <tr class:key-ended=!valid>
            <th scope="row"><span class="mono">{format!("eis_…{ending}")}</span>{retired.map(|at| view! { " "<span class="badge">{at}</span> })}</th>
            <td data-label="Created">{made}</td>
            <td class="key-action">{valid.then(|| view! {
                <details class="key-revoke">
                    <summary class="button button-small" aria-label=format!("Retire the secret that ends in {ending}")>"Retire"</summary>
                    <form method="post" action=action data-enhance>
                        <IdempotencyKey key=form_key />
                        <input type="hidden" name="secret" value=id />
                        <p>"Retire this secret? From then on, claims signed with it count as unverified. This cannot be undone."</p>
                        <button type="submit" class="button button-small button-danger">"Retire permanently"</button>
                    </form>
                </details>
            })}</td>
        </tr>
    }
    .into_any()
}
