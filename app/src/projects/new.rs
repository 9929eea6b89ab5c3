//! A new project.

use domain::{FieldErrors, projects::MAX_NAME};
use leptos::prelude::*;

use crate::components::{
    forms::{BrowserZone, ErrorSummary, IdempotencyKey, TextArea, TextField},
    layout::{Empty, PageHead},
};

/// View model of the page.
#[derive(Debug, Clone, Default)]
pub struct NewProjectView {
    /// The name as typed.
    pub name: String,
    /// The origins as typed.
    pub origins: String,
    /// The request's CSP nonce.
    pub nonce: String,
    /// Validation errors.
    pub errors: FieldErrors,
}

/// Creates a project.
#[component]
pub fn NewProjectPage(
    /// Its content.
    model: NewProjectView,
    /// Idempotency key of the form.
    idempotency_key: String,
) -> impl IntoView {
    let NewProjectView { name, origins, nonce, errors } = model;
    view! {
        <div class="narrow">
            <PageHead title="New project" lead="A product you collect feedback about. It has its own surveys, inbox, backlog and members." />
            <ErrorSummary errors=errors.clone() />
            <form method="post" action="/projects/new" class="card">
                <IdempotencyKey key=idempotency_key />
                <BrowserZone nonce=nonce />
                <TextField name="name" label="Name" value=name required=true maxlength=MAX_NAME errors=errors.clone() />
                <TextArea name="origins" label="Allowed sites (optional)" value=origins rows=3
                    hint="Sites that can show its surveys, one per line, like https://www.example.com. Leave empty to allow any." errors=errors />
                <div class="form-actions"><button type="submit" class="button button-primary">"Create project"</button></div>
            </form>
        </div>
    }
}

/// Shown to people who cannot create projects and may not be a member of any.
#[component]
pub fn NoProject(
    /// Whether they are a member of any project.
    is_member: bool,
) -> impl IntoView {
    let (title, text) = if is_member {
        (
            "Only admins can create projects",
            "You are a member of the projects in the menu above. To join another one, ask one of its admins for an invitation. Admins and owners of a project can also create new ones.",
        )
    } else {
        (
            "You are not a member of any project",
            "Ask an admin of a project for an invitation. Admins and owners of a project can also create new ones.",
        )
    };
    view! {
        <div class="narrow">
            <PageHead title="Projects" />
            <Empty title=title text=text>
                <a class="button" href="/account">"Your account"</a>
            </Empty>
        </div>
    }
}
