//! Forgotten passwords: the request for an e-mail, and the page behind its link.

use domain::{FieldErrors, email::MAX_EMAIL};
use leptos::prelude::*;

use super::signed_out_frame::SignedOutFrame;
use crate::components::forms::{ErrorSummary, IdempotencyKey, TextField};

/// Asks for the address. If e-mail is off, names a contact instead.
#[component]
pub fn ForgotPage(
    /// Whether e-mail is configured.
    mail: bool,
    /// The address typed before.
    email: String,
    /// Validation errors.
    errors: FieldErrors,
    /// Idempotency key of the form.
    idempotency_key: String,
) -> impl IntoView {
    if !mail {
        return view! {
            <SignedOutFrame title="Forgot your password?">
                <div class="card stack">
                    <p>"This installation does not send e-mail. Ask the person who runs it to set a new password for you with"</p>
                    <pre class="mono">"earshot admin set-password"</pre>
                    <p><a class="button" href="/sign-in">"Back to sign-in"</a></p>
                </div>
            </SignedOutFrame>
        }
        .into_any();
    }
    view! {
        <SignedOutFrame title="Forgot your password?" lead="Enter your e-mail address and we will send you a link to set a new one.">
            <ErrorSummary errors=errors.clone() />
            <form method="post" action="/forgot">
                <IdempotencyKey key=idempotency_key />
                <TextField name="email" label="E-mail address" kind="email" value=email required=true autocomplete="username" maxlength=MAX_EMAIL errors=errors />
                <div class="form-actions"><button type="submit" class="button button-primary">"Send the link"</button></div>
            </form>
            <p><a href="/sign-in">"Back to sign-in"</a></p>
        </SignedOutFrame>
    }
    .into_any()
}

/// The same response whether or not the address is known.
#[component]
pub fn ForgotSentPage() -> impl IntoView {
    view! {
        <SignedOutFrame title="Check your inbox">
            <div class="card stack">
                <p>"If there is an account with this address, we are sending an e-mail with a link. The link works once and expires after an hour; only the newest link works."</p>
                <p class="muted">"Nothing after a few minutes? Check your spam folder and the address. Otherwise, ask the person who runs this installation."</p>
                <p class="cluster"><a class="button" href="/sign-in">"Back to sign-in"</a><a href="/forgot">"Try another address"</a></p>
            </div>
        </SignedOutFrame>
    }
}

/// Sets a new password. Opening the page does not use up the link, because mail scanners open links too.
#[component]
pub fn ResetPage(
    /// The link's secret part.
    token: String,
    /// The account's e-mail address.
    email: String,
    /// Validation errors.
    errors: FieldErrors,
    /// Idempotency key of the form.
    idempotency_key: String,
) -> impl IntoView {
    view! {
        <SignedOutFrame title="Set a new password" lead=format!("For {email}. This signs you out everywhere.")>
            <ErrorSummary errors=errors.clone() />
            <form method="post" action=format!("/reset/{token}")>
                <IdempotencyKey key=idempotency_key />
                // For password managers, which store a new password under the user name next to it.
                <input type="email" class="visually-hidden" name="email" value=email autocomplete="username" readonly tabindex="-1" aria-hidden="true" />
                <TextField name="password" label="New password" kind="password" required=true autocomplete="new-password" minlength=10
                    hint="10 characters or more. A few words make a good password." errors=errors />
                <div class="form-actions"><button type="submit" class="button button-primary">"Set password"</button></div>
            </form>
        </SignedOutFrame>
    }
}

/// Shown when the link does not work.
#[component]
pub fn ResetGone() -> impl IntoView {
    view! {
        <SignedOutFrame title="This link no longer works">
            <div class="card stack">
                <p>"It was already used, a newer one was sent, the password has changed since, or it is more than an hour old."</p>
                <p class="cluster"><a class="button button-primary" href="/forgot">"Get a new link"</a><a href="/sign-in">"Sign in"</a></p>
            </div>
        </SignedOutFrame>
    }
}
