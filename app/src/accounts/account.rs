//! The account page: name, password, theme, sessions.

use domain::{FieldErrors, accounts::MAX_NAME};
use leptos::prelude::*;

use crate::components::{
    forms::{ErrorSummary, IdempotencyKey, TextField},
    layout::PageHead,
};

/// One of the person's sessions.
#[derive(Debug, Clone)]
pub struct SessionView {
    /// Identifies the session; not its secret.
    pub id: String,
    /// `Firefox on Linux`.
    pub device: String,
    /// Network address at sign-in.
    pub address: String,
    /// When it began, as RFC 3339 and for display.
    pub created: (String, String),
    /// When it was last used, as RFC 3339 and for display.
    pub seen: (String, String),
    /// Whether it is the current session.
    pub is_this: bool,
}

/// View model of the account page.
#[derive(Debug, Clone, Default)]
pub struct AccountView {
    /// Their e-mail address.
    pub email: String,
    /// The name, as typed.
    pub name: String,
    /// `auto`, `light` or `dark`.
    pub theme: String,
    /// Most recently used first.
    pub sessions: Vec<SessionView>,
    /// Validation errors.
    pub errors: FieldErrors,
}

/// The account page.
#[component]
pub fn AccountPage(
    /// Its content.
    model: AccountView,
    /// Base of the idempotency keys of its forms.
    idempotency_key: String,
) -> impl IntoView {
    let AccountView { email, name, theme, sessions, errors } = model;
    let key = move |part: &str| format!("{idempotency_key}-{part}");
    let others = sessions.iter().filter(|s| !s.is_this).count();
    view! {
        <div id="account" data-part class="narrow">
            <PageHead title="Account" lead=email.clone() />
            <ErrorSummary errors=errors.clone() />
            <section class="card" aria-labelledby="account-you">
                <h2 id="account-you">"Profile"</h2>
                <form method="post" action="/account">
                    <IdempotencyKey key=key("name") />
                    <TextField name="name" label="Name" value=name required=true maxlength=MAX_NAME autocomplete="name" hint="Your team sees this name next to your actions." errors=errors.clone() />
                    <div class="form-actions"><button type="submit" class="button">"Save name"</button></div>
                </form>
            </section>
            <section class="card" aria-labelledby="account-theme">
                <h2 id="account-theme">"Theme"</h2>
                <form method="post" action="/account/theme">
                    <IdempotencyKey key=key("theme-page") />
                    <fieldset class="fieldset">
                        <legend class="visually-hidden">"Theme"</legend>
                        <div class="cluster">
                            {[("auto", "System"), ("light", "Light"), ("dark", "Dark")].into_iter().map(|(value, label)| view! {
                                <label class="check"><input type="radio" name="theme" value=value checked={theme == value} />{label}</label>
                            }).collect_view()}
                        </div>
                    </fieldset>
                    <div class="form-actions"><button type="submit" class="button">"Save theme"</button></div>
                </form>
            </section>
            <section class="card" aria-labelledby="account-password">
                <h2 id="account-password">"Password"</h2>
                <form method="post" action="/account/password">
                    <IdempotencyKey key=key("password") />
                    // For password managers, which store a new password under the user name next to it.
                    <input type="email" class="visually-hidden" name="email" value=email autocomplete="username" readonly tabindex="-1" aria-hidden="true" />
                    <TextField name="current" label="Current password" kind="password" required=true autocomplete="current-password" errors=errors.clone() />
                    <TextField name="password" label="New password" kind="password" required=true autocomplete="new-password" minlength=10
                        hint="10 characters or more. This signs out your other sessions." errors=errors />
                    <div class="form-actions"><button type="submit" class="button">"Change password"</button></div>
                </form>
            </section>
            <section class="card" aria-labelledby="account-sessions">
                <div class="spread">
                    <h2 id="account-sessions">"Sessions"</h2>
                    {(others > 0).then(|| view! {
                        <form method="post" action="/account/sessions/end-others" data-enhance>
                            <IdempotencyKey key=key("others") />
                            <button type="submit" class="button button-small button-danger">"Sign out other sessions"</button>
                        </form>
                    })}
                </div>
                <div class="table-wrap">
                    <table class="table table-cards">
                        <thead><tr>
                            <th scope="col">"Device"</th><th scope="col">"Address"</th><th scope="col">"Signed in"</th><th scope="col">"Last change"</th>
                            <th scope="col"><span class="visually-hidden">"Action"</span></th>
                        </tr></thead>
                        <tbody>
                            {sessions.into_iter().map(|s| view! {
                                <tr>
                                    <th scope="row">{s.device.clone()}</th>
                                    <td class="mono" data-label="Address">{s.address}</td>
                                    <td data-label="Signed in"><time datetime=s.created.0>{s.created.1}</time></td>
                                    <td data-label="Last change"><time datetime=s.seen.0>{s.seen.1}</time></td>
                                    <td class="num">{if s.is_this {
                                        view! { <span class="badge badge-good">"This session"</span> }.into_any()
                                    } else {
                                        view! {
                                            <form method="post" action="/account/sessions/end" data-enhance>
                                                <IdempotencyKey key=key(&s.id) />
                                                <input type="hidden" name="session" value=s.id.clone() />
                                                <button type="submit" class="button button-small" aria-label=format!("Sign out {}", s.device)>"Sign out"</button>
                                            </form>
                                        }.into_any()
                                    }}</td>
                                </tr>
                            }.into_any()).collect_view()}
                        </tbody>
                    </table>
                </div>
            </section>
        </div>
    }
}
