//! The page behind an invitation link.

use domain::{
    FieldErrors,
    accounts::{MAX_NAME, Role},
    email::MAX_EMAIL,
};
use leptos::prelude::*;

use super::signed_out_frame::SignedOutFrame;
use crate::components::forms::{ErrorSummary, IdempotencyKey, TextField};

/// View model of the invitation page.
#[derive(Debug, Clone)]
pub struct InvitationAcceptView {
    /// The link's secret part.
    pub token: String,
    /// The project.
    pub project: String,
    /// The inviter.
    pub by: String,
    /// The role it grants.
    pub role: Role,
    /// The signed-in person, if any.
    pub signed_in: Option<String>,
    /// The name as typed.
    pub name: String,
    /// The address as typed, or from the invitation.
    pub email: String,
    /// Whether the invitation is for this address only.
    pub bound: bool,
    /// Validation errors.
    pub errors: FieldErrors,
}

/// Shows the inviter, the role and the project; only the button joins.
#[component]
pub fn InvitationPage(
    /// Its content.
    model: InvitationAcceptView,
    /// Idempotency key of the form.
    idempotency_key: String,
) -> impl IntoView {
    let InvitationAcceptView { token, project, by, role, signed_in, name, email, bound, errors } = model;
    let action = format!("/invite/{token}");
    let may = match role {
        Role::Viewer => "read everything",
        Role::Triager => "triage feedback and edit the backlog",
        Role::Admin => "do everything except manage owners",
        Role::Owner => "do everything",
    };
    let lead = format!("{by} invited you to join as {role}. You can {may}.");
    view! {
        <SignedOutFrame title=format!("Join {project}") lead=lead>
            <ErrorSummary errors=errors.clone() />
            {match signed_in {
                Some(person) => view! {
                    <form method="post" action=action>
                        <IdempotencyKey key=idempotency_key />
                        <p>"You are signed in as "<strong>{person}</strong>"."</p>
                        <div class="form-actions"><button type="submit" class="button button-primary">"Join"</button></div>
                    </form>
                }.into_any(),
                None => view! {
                    <form method="post" action=action.clone()>
                        <IdempotencyKey key=idempotency_key />
                        <TextField name="name" label="Your name" value=name required=true autocomplete="name" maxlength=MAX_NAME errors=errors.clone() />
                        {if bound {
                            view! { <TextField name="email" label="E-mail address" kind="email" value=email readonly=true autocomplete="username"
                                hint="The invitation is for this address. You use it to sign in." errors=errors.clone() /> }.into_any()
                        } else {
                            view! { <TextField name="email" label="E-mail address" kind="email" value=email required=true autocomplete="username" maxlength=MAX_EMAIL
                                hint="You use it to sign in." errors=errors.clone() /> }.into_any()
                        }}
                        <TextField name="password" label="Password" kind="password" required=true autocomplete="new-password" minlength=10
                            hint="10 characters or more. A few words make a good password." errors=errors />
                        <div class="form-actions"><button type="submit" class="button button-primary">"Create account and join"</button></div>
                    </form>
                    <p>"Already have an account? "<a href=format!("/sign-in?next={action}")>"Sign in first"</a>"."</p>
                }.into_any(),
            }}
        </SignedOutFrame>
    }
}

/// Shown when the link does not work.
#[component]
pub fn InvitationGone() -> impl IntoView {
    view! {
        <SignedOutFrame title="This invitation is not valid">
            <div class="card stack">
                <p>"It was already used, was revoked, or is more than 7 days old. Ask for a new one."</p>
                <p><a class="button" href="/">"Go to home"</a></p>
            </div>
        </SignedOutFrame>
    }
}
