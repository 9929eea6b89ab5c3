//! `/p/{slug}/members`.

use app::{
    accounts::members::{InvitationView, MemberView, Members, MembersPage},
    shell::{Flash, Nav, Undo},
};
use axum::{
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use domain::{
    FieldErrors,
    accounts::{
        Role, Scope,
        rules::{may_change, may_grant, may_remove},
    },
    ids::{InvitationId, StaffId},
};
use leptos::prelude::*;

use super::super::{address::BaseUrl, console::Console, error::PageResult, forms::Form};
use crate::{
    accounts::{
        invitations::{self, Invited},
        members,
    },
    error::{Error, Result},
    store::mail::LetterRow,
};

/// What a rendering adds to what is stored.
#[derive(Default)]
struct Extra {
    link: Option<String>,
    mailed: Option<String>,
    replaced: bool,
    email: String,
    role: Option<Role>,
    errors: FieldErrors,
}

async fn page(console: &Console, scope: &Scope, status: StatusCode, extra: Extra) -> Result<Response> {
    let (app, me, mine) = (&console.app, console.actor.staff, scope.role());
    let stored = app.store.members(scope).await?;
    let owners = stored.iter().filter(|m| m.role == Role::Owner).count();
    let members = stored
        .into_iter()
        .map(|m| {
            let choices: Vec<Role> = Role::ALL.into_iter().filter(|to| may_change(mine, m.role, *to, owners).is_ok()).collect();
            MemberView {
                // Only one possible role is no choice.
                choices: if choices.len() > 1 { choices } else { Vec::new() },
                removable: may_remove(mine, m.role, owners, m.staff == me).is_ok(),
                is_you: m.staff == me,
                id: m.staff.to_string(),
                name: m.name,
                email: m.email,
                role: m.role,
            }
        })
        .collect();
    let grantable: Vec<Role> = Role::ALL.into_iter().filter(|role| may_grant(mine, *role).is_ok()).collect();
    let open = if grantable.is_empty() { Vec::new() } else { app.store.open_invitations(scope, app.now()).await? };
    let mut invitations = Vec::with_capacity(open.len());
    for i in open {
        let mail = if i.email.is_some() { how_it_fares(app.store.letters_of(scope, i.id.0).await?.pop()) } else { None };
        let expires = i.expires_at.readable();
        invitations.push(InvitationView { id: i.id.to_string(), email: i.email, role: i.role, by: i.by_name, expires, mail });
    }
    let model = Members {
        slug: console.project()?.slug.clone(),
        members,
        invitations,
        grantable,
        link: extra.link,
        mailed: extra.mailed,
        replaced: extra.replaced,
        mail: app.config.mail.is_some(),
        email: extra.email,
        role: extra.role.unwrap_or(Role::Triager),
        errors: extra.errors,
    };
    let key = console.form_key();
    Ok(console.page_with(status, "Members", Nav::Settings, move || view! { <MembersPage model=model idempotency_key=key /> }))
}

/// What there is to say of an invitation's letter.
fn how_it_fares(letter: Option<LetterRow>) -> Option<(String, bool)> {
    let letter = letter?;
    let why = letter.last_error.unwrap_or_default();
    match letter.state.as_str() {
        "dead" => Some((format!("This mail was not delivered: {why} Pass the link on yourself, or make another."), true)),
        "queued" if why.is_empty() => Some(("The mail is on its way.".into(), false)),
        "queued" => Some((format!("The mail has not gone out yet: {why} It is tried again."), false)),
        _ => None,
    }
}

fn here(console: &Console) -> Result<String> {
    Ok(format!("/p/{}/members", console.project()?.slug))
}

fn id<T: std::str::FromStr>(text: &str) -> Result<T> {
    text.parse().map_err(|_| domain::Error::NotFound.into())
}

/// `GET /p/{slug}/members`.
pub(super) async fn show(console: Console) -> PageResult {
    let scope = console.scope(Role::Viewer)?;
    Ok(page(&console, &scope, StatusCode::OK, Extra::default()).await?)
}

/// A reload of a page that a refused form was answered with.
pub(super) async fn home(console: Console) -> PageResult {
    Ok(Redirect::to(&here(&console)?).into_response())
}

/// `POST /p/{slug}/members`: makes an invitation. The answer is the page itself with the link, which no other answer shows again.
pub(super) async fn invite(console: Console, BaseUrl(base): BaseUrl, form: Form) -> PageResult {
    let scope = console.scope(Role::Admin)?;
    let key = form.idempotency_key()?;
    let made = match form.get("role").parse::<Role>() {
        Ok(role) => invitations::create(&console.app, &scope, role, form.get("email"), key).await,
        Err(error) => Err(error.into()),
    };
    match made {
        Ok(Some(Invited { token, replaced })) => {
            let to = form.get("email").trim();
            let mailed = (console.app.config.mail.is_some() && !to.is_empty()).then(|| to.to_owned());
            let extra = Extra { link: Some(format!("{base}/invite/{token}")), mailed, replaced, ..Extra::default() };
            Ok(page(&console, &scope, StatusCode::OK, extra).await?)
        }
        Ok(None) => {
            let text = "This invitation was made already, and its link was shown once. If you lost it, revoke it and make another.";
            Ok(console.redirect(&here(&console)?, &Flash { message: text.into(), is_error: true, undo: None }))
        }
        Err(Error::Refused(domain::Error::Invalid(errors))) => {
            let extra = Extra { email: form.get("email").to_owned(), role: form.get("role").parse().ok(), errors, ..Extra::default() };
            Ok(page(&console, &scope, StatusCode::UNPROCESSABLE_ENTITY, extra).await?)
        }
        Err(error) => Err(error.into()),
    }
}

/// A refused change as a page with the message, all else as usual.
async fn refused(console: &Console, scope: &Scope, error: Error) -> PageResult {
    match error {
        Error::Refused(domain::Error::Invalid(errors)) => {
            Ok(page(console, scope, StatusCode::UNPROCESSABLE_ENTITY, Extra { errors, ..Extra::default() }).await?)
        }
        error => Err(error.into()),
    }
}

/// `POST /p/{slug}/members/role`.
pub(super) async fn change_role(console: Console, form: Form) -> PageResult {
    let scope = console.scope(Role::Admin)?;
    form.idempotency_key()?;
    let (staff, role) = (id::<StaffId>(form.get("staff"))?, form.get("role").parse::<Role>()?);
    match members::change_role(&console.app, &scope, staff, role).await {
        Ok(()) => Ok(console.done(&here(&console)?, "Role changed.")),
        Err(error) => refused(&console, &scope, error).await,
    }
}

/// `POST /p/{slug}/members/remove`; also how somebody leaves.
pub(super) async fn remove(console: Console, form: Form) -> PageResult {
    // Everybody may leave; only who may remove others hears whether an id is somebody's.
    let leaves = form.get("staff") == console.actor.staff.to_string();
    let scope = console.scope(if leaves { Role::Viewer } else { Role::Admin })?;
    form.idempotency_key()?;
    let staff = id::<StaffId>(form.get("staff"))?;
    match members::remove(&console.app, &scope, staff).await {
        Ok(_) if staff == console.actor.staff => Ok(console.done("/", &format!("You left {}.", console.project()?.name))),
        Ok(role) => {
            let undo =
                Undo { url: format!("{}/restore", here(&console)?), fields: members::restore_fields(&console.app, &scope, staff, role)? };
            Ok(console.redirect(&here(&console)?, &Flash { message: "Member removed.".into(), is_error: false, undo: Some(undo) }))
        }
        Err(error) => refused(&console, &scope, error).await,
    }
}

/// `POST /p/{slug}/members/restore`: the undo of a removal.
pub(super) async fn restore(console: Console, form: Form) -> PageResult {
    let scope = console.scope(Role::Admin)?;
    form.idempotency_key()?;
    let (staff, role) = (id::<StaffId>(form.get("staff"))?, form.get("role").parse::<Role>()?);
    members::restore(&console.app, &scope, staff, role, id(form.get("until"))?, form.get("proof")).await?;
    Ok(console.done(&here(&console)?, "The member is back."))
}

/// `POST /p/{slug}/members/revoke`.
pub(super) async fn revoke(console: Console, form: Form) -> PageResult {
    let scope = console.scope(Role::Admin)?;
    form.idempotency_key()?;
    invitations::revoke(&console.app, &scope, id::<InvitationId>(form.get("invitation"))?).await?;
    Ok(console.done(&here(&console)?, "Invitation revoked."))
}
