//! The sign-in page.

use domain::{FieldErrors, email::MAX_EMAIL};
use leptos::prelude::*;

use super::signed_out_frame::SignedOutFrame;
use crate::components::forms::{ErrorSummary, IdempotencyKey, TextField};

/// View model of the sign-in page.
#[derive(Debug, Clone, Default)]
pub struct SignInView {
    /// The address typed before.
    pub email: String,
    /// Where to go afterwards.
    pub next: String,
    /// Whether the password has just been reset.
    pub changed: bool,
    /// Validation errors.
    pub errors: FieldErrors,
}

/// The sign-in page.
#[component]
pub fn SignInPage(
    /// Its content.
    model: SignInView,
    /// Idempotency key of the form.
    idempotency_key: String,
) -> impl IntoView {
    let SignInView { email, next, changed, errors } = model;
    view! {
        <SignedOutFrame title="Sign in">
            {changed.then(|| view! { <p class="notice notice-good" role="status">"Your new password is set. Sign in with it."</p> })}
            <ErrorSummary errors=errors />
            <form method="post" action="/sign-in">
                <IdempotencyKey key=idempotency_key />
                <input type="hidden" name="next" value=next />
                <TextField name="email" label="E-mail address" kind="email" value=email required=true autocomplete="username" maxlength=MAX_EMAIL />
                <TextField name="password" label="Password" kind="password" required=true autocomplete="current-password" />
                <div class="form-actions"><button type="submit" class="button button-primary">"Sign in"</button></div>
            </form>
            <p><a href="/forgot">"Forgot your password?"</a></p>
            <p class="muted small">"No account? Ask an admin of your project for an invitation."</p>
        </SignedOutFrame>
    }
}
