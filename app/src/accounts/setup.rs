//! The setup page of an empty installation.

use domain::{FieldErrors, accounts::MAX_NAME, email::MAX_EMAIL, projects};
use leptos::prelude::*;

use super::signed_out_frame::SignedOutFrame;
use crate::components::forms::{BrowserZone, ErrorSummary, IdempotencyKey, TextField};

/// View model of the setup page. The password is never sent back.
#[derive(Debug, Clone, Default)]
pub struct SetupForm {
    /// The one-time token.
    pub token: String,
    /// The owner's name.
    pub name: String,
    /// The owner's e-mail address.
    pub email: String,
    /// The first project.
    pub project: String,
    /// The site that will show surveys.
    pub origins: String,
    /// The browser's time zone, if known.
    pub time_zone: String,
    /// The request's CSP nonce.
    pub nonce: String,
    /// Validation errors.
    pub errors: FieldErrors,
}

/// Creates the owner and the first project.
#[component]
pub fn SetupPage(
    /// Its content.
    model: SetupForm,
    /// Idempotency key of the form.
    idempotency_key: String,
) -> impl IntoView {
    let SetupForm { token, name, email, project, origins, time_zone, nonce, errors } = model;
    view! {
        <SignedOutFrame title="Set up Earshot" lead="Create your account and the first project. You can change the project’s settings later.">
            <ErrorSummary errors=errors.clone() />
            <form method="post" action="/setup">
                <IdempotencyKey key=idempotency_key />
                <input type="hidden" name="token" value=token />
                <TextField name="name" label="Your name" value=name required=true autocomplete="name" maxlength=MAX_NAME errors=errors.clone() />
                <TextField name="email" label="E-mail address" kind="email" value=email required=true autocomplete="username" maxlength=MAX_EMAIL
                    hint="You use it to sign in. We don’t send a confirmation e-mail." errors=errors.clone() />
                <TextField name="password" label="Password" kind="password" required=true autocomplete="new-password" minlength=10
                    hint="10 characters or more. A few words make a good password." errors=errors.clone() />
                <TextField name="project" label="First project" value=project required=true maxlength=projects::MAX_NAME
                    hint="The product you collect feedback about, like “Web shop”." errors=errors.clone() />
                <TextField name="origins" label="Address of the site that will show surveys (optional)" value=origins
                    hint="Like https://www.example.com. Leave empty to allow any site." errors=errors />
                <BrowserZone value=time_zone nonce=nonce />
                <div class="form-actions"><button type="submit" class="button button-primary">"Set up"</button></div>
            </form>
        </SignedOutFrame>
    }
}

/// Shown without a valid token.
#[component]
pub fn SetupLocked() -> impl IntoView {
    view! {
        <SignedOutFrame title="Set up Earshot">
            <div class="card stack">
                <p>"There are no accounts here yet. To set up Earshot, use the link that the program wrote to its log when it started:"</p>
                <pre class="mono">"Set up at http://…/setup?token=…"</pre>
                <p class="muted">"Only the newest link works. Each start of the program writes a new one."</p>
            </div>
        </SignedOutFrame>
    }
}
