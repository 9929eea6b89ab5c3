//! `/p/{slug}/members`.

use app::{
    accounts::{
        members::{InvitationView, MemberView, MembersPage, MembersView},
        offboarding::{OffboardingItemView, OffboardingPage, OffboardingView},
    },
    shell::{Flash, Nav, Undo},
};
use axum::{
    extract::Query,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use domain::{
    FieldErrors,
    accounts::{
        Role, Scope,
        authority::Successor,
        rules::{may_change, may_grant, may_remove},
    },
    ids::{InvitationId, StaffId},
};
use leptos::prelude::*;
use serde::Deserialize;
use service::{
    accounts::{
        invitations::{self, CreatedInvitation},
        members,
        offboarding::{self, OffboardingDecisions, OffboardingItems},
    },
    error::{Error, Result},
};
use store::mail::MailMessageRow;
use uuid::Uuid;

use super::super::{address::BaseUrl, console::ConsoleRequest, error::PageResult, forms::Form, webhooks};

/// Page state besides the stored members.
#[derive(Default)]
struct MembersPageState {
    link: Option<String>,
    mailed: Option<String>,
    replaced: bool,
    email: String,
    role: Option<Role>,
    errors: FieldErrors,
}

async fn page(console: &ConsoleRequest, scope: &Scope, status: StatusCode, extra: MembersPageState) -> Result<Response> {
    let (app, me, mine) = (&console.app, console.member.staff, scope.role());
    let stored = app.store.members(scope).await?;
    let owners = stored.iter().filter(|m| m.role == Role::Owner).count();
    let members = stored
        .into_iter()
        .map(|m| {
            let choices: Vec<Role> = Role::ALL.into_iter().filter(|to| may_change(mine, m.role, *to, owners).is_ok()).collect();
            MemberView {
                // A single role is not a choice.
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
        let mail = if i.email.is_some() { invitation_mail_status(app.store.mail_messages_about(scope, i.id.0).await?.pop()) } else { None };
        let expires = console.present().readable(i.expires_at);
        invitations.push(InvitationView { id: i.id.to_string(), email: i.email, role: i.role, by: i.by_name, expires, mail });
    }
    let model = MembersView {
        slug: console.project()?.slug.clone(),
        members,
        invitations,
        grantable,
        link: extra.link,
        mailed: extra.mailed,
        replaced: extra.replaced,
        mail: app.settings.mail.is_some(),
        email: extra.email,
        role: extra.role.unwrap_or(Role::Triager),
        errors: extra.errors,
    };
    let key = console.form_key();
    Ok(console.page_with(status, "Members", Nav::Settings, move || view! { <MembersPage model=model idempotency_key=key /> }))
}

/// Delivery problems or progress of an invitation's e-mail.
fn invitation_mail_status(message: Option<MailMessageRow>) -> Option<(String, bool)> {
    let message = message?;
    let why = message.last_error.unwrap_or_default();
    match message.state.as_str() {
        "dead" => Some((format!("This e-mail was not delivered: {why} Share the link yourself, or create another invitation."), true)),
        "queued" if why.is_empty() => Some(("The e-mail is being sent.".into(), false)),
        "queued" => Some((format!("The e-mail has not been sent yet: {why} Earshot will retry."), false)),
        _ => None,
    }
}

fn page_path(console: &ConsoleRequest) -> Result<String> {
    Ok(format!("/p/{}/members", console.project()?.slug))
}

fn id<T: std::str::FromStr>(text: &str) -> Result<T> {
    text.parse().map_err(|_| domain::DomainError::NotFound.into())
}

/// `GET /p/{slug}/members`.
pub(super) async fn show(console: ConsoleRequest) -> PageResult {
    let scope = console.scope(Role::Viewer)?;
    Ok(page(&console, &scope, StatusCode::OK, MembersPageState::default()).await?)
}

/// Query parameters of the pages that confirm a membership change.
#[derive(Debug, Default, Deserialize)]
pub(super) struct MembershipQuery {
    #[serde(default)]
    staff: String,
    #[serde(default)]
    role: String,
}

/// `GET /p/{slug}/members/remove`: shows what the member leaves behind. Without a member, redirects a reload of a page that shows a
/// rejected form.
pub(super) async fn remove_page(console: ConsoleRequest, Query(about): Query<MembershipQuery>) -> PageResult {
    match id::<StaffId>(&about.staff) {
        Ok(staff) => leaving_page(&console, staff, None, StatusCode::OK, &Form::default(), FieldErrors::default()).await,
        Err(_) => Ok(Redirect::to(&page_path(&console)?).into_response()),
    }
}

/// `GET /p/{slug}/members/role`: shows what a lower role ends. Otherwise as [`remove_page`].
pub(super) async fn role_page(console: ConsoleRequest, Query(about): Query<MembershipQuery>) -> PageResult {
    match (id::<StaffId>(&about.staff), about.role.parse::<Role>()) {
        (Ok(staff), Ok(role)) => leaving_page(&console, staff, Some(role), StatusCode::OK, &Form::default(), FieldErrors::default()).await,
        _ => Ok(Redirect::to(&page_path(&console)?).into_response()),
    }
}

/// Asks for confirmation of a membership change, and shows what it ends; `form`: choices made so far.
async fn leaving_page(
    console: &ConsoleRequest,
    staff: StaffId,
    to: Option<Role>,
    status: StatusCode,
    form: &Form,
    errors: FieldErrors,
) -> PageResult {
    let is_you = staff == console.member.staff;
    let scope = console.scope(if is_you && to.is_none() { Role::Viewer } else { Role::Admin })?;
    let app = &console.app;
    let members = app.store.members(&scope).await?;
    let name = members.iter().find(|m| m.staff == staff).map(|m| m.name.clone()).ok_or(domain::DomainError::NotFound)?;
    let OffboardingItems { keys, webhooks, invitations, links } = offboarding::offboarding_items(app, &scope, staff, to).await?;
    let may_hand_over = scope.role() == Role::Owner;
    let others = members.iter().filter(|m| may_hand_over && m.staff != staff && m.role >= Role::Admin);
    let people: Vec<(String, String)> = others.map(|m| (m.staff.to_string(), format!("Hand over to {}", m.name))).collect();
    let everybody: Vec<(String, String)> = may_hand_over
        .then(|| ("project".to_owned(), "Hand over to the project".to_owned()))
        .into_iter()
        .chain(people.iter().cloned())
        .collect();
    let left = |id: String, name: String, detail: String, heirs: &[(String, String)]| {
        let chosen = form.get(&format!("hand:{id}")).to_owned();
        OffboardingItemView { id, name, detail, heirs: heirs.to_vec(), chosen }
    };
    let view = OffboardingView {
        slug: console.project()?.slug.clone(),
        staff: staff.to_string(),
        name,
        is_you,
        to,
        keys: keys
            .into_iter()
            .map(|k| left(k.id.to_string(), k.name, format!("{} · {}…", k.access.label(), k.prefix), &everybody))
            .collect(),
        webhooks: webhooks.into_iter().map(|w| left(w.id.to_string(), webhooks::name(&w), w.url, &everybody)).collect(),
        invitations: invitations
            .into_iter()
            .map(|i| left(i.id.to_string(), i.email.unwrap_or_else(|| "Anyone with the link".into()), i.role.label().into(), &people))
            .collect(),
        may_hand_over,
        links: if scope.role() >= Role::Admin { links } else { 0 },
        mail: app.settings.mail.is_some(),
        errors,
    };
    let key = console.form_key();
    Ok(console.page_with(status, "Members", Nav::Settings, move || view! { <OffboardingPage view=view idempotency_key=key /> }))
}

/// Parses a form's decisions about what the member leaves behind.
fn decisions(form: &Form) -> Result<OffboardingDecisions> {
    let mut decisions = OffboardingDecisions { renew_links: form.get("renew_links") == "yes", ..OffboardingDecisions::default() };
    for (name, value) in &form.0 {
        let Some(thing) = name.strip_prefix("hand:").filter(|_| !value.is_empty()) else { continue };
        let heir = if value == "project" { Successor::Project } else { Successor::Member(id(value)?) };
        decisions.heirs.insert(id::<Uuid>(thing)?, heir);
    }
    Ok(decisions)
}

/// A redirect to the confirmation page if a change would end something; `None` if it ends nothing, or is already confirmed.
async fn confirmation_redirect(
    console: &ConsoleRequest,
    scope: &Scope,
    form: &Form,
    staff: StaffId,
    to: Option<Role>,
) -> Result<Option<Response>> {
    // A higher role ends nothing that acts for the member.
    let held = console.app.store.team_member(staff).await?.role(scope.project());
    let is_raised = to.is_some_and(|to| held.is_some_and(|held| to >= held));
    if is_raised || !form.get("confirmed").is_empty() {
        return Ok(None);
    }
    // A person who leaves needs an invitation to return, so confirm that even if nothing else ends.
    let leaves = to.is_none() && staff == console.member.staff;
    if !leaves && offboarding::offboarding_items(&console.app, scope, staff, to).await?.is_empty() {
        return Ok(None);
    }
    let page = match to {
        None => format!("{}/remove?staff={staff}", page_path(console)?),
        Some(role) => format!("{}/role?staff={staff}&role={role}", page_path(console)?),
    };
    Ok(Some(Redirect::to(&page).into_response()))
}

/// `POST /p/{slug}/members`: creates an invitation. The response is the page with the link, which is never shown again.
pub(super) async fn invite(console: ConsoleRequest, BaseUrl(base): BaseUrl, form: Form) -> PageResult {
    let scope = console.scope(Role::Admin)?;
    let key = form.idempotency_key()?;
    let made = match form.get("role").parse::<Role>() {
        Ok(role) => invitations::create(&console.app, &scope, role, form.get("email"), key).await,
        Err(error) => Err(error.into()),
    };
    match made {
        Ok(CreatedInvitation { token: Some(token), replaced, .. }) => {
            let to = form.get("email").trim();
            let mailed = (console.app.settings.mail.is_some() && !to.is_empty()).then(|| to.to_owned());
            let extra = MembersPageState { link: Some(format!("{base}/invite/{token}")), mailed, replaced, ..MembersPageState::default() };
            Ok(page(&console, &scope, StatusCode::OK, extra).await?)
        }
        Ok(CreatedInvitation { token: None, .. }) => {
            let text = "This invitation was already created, and its link was shown once. If you lost it, revoke the invitation and create another one.";
            Ok(console.redirect(&page_path(&console)?, &Flash { message: text.into(), is_error: true, undo: None }))
        }
        Err(Error::Domain(domain::DomainError::Invalid(errors))) => {
            let extra = MembersPageState {
                email: form.get("email").to_owned(),
                role: form.get("role").parse().ok(),
                errors,
                ..MembersPageState::default()
            };
            Ok(page(&console, &scope, StatusCode::UNPROCESSABLE_ENTITY, extra).await?)
        }
        Err(error) => Err(error.into()),
    }
}

/// Shows a rejected change with its message.
async fn refused(console: &ConsoleRequest, scope: &Scope, (staff, to, form): (StaffId, Option<Role>, &Form), error: Error) -> PageResult {
    match error {
        Error::Domain(domain::DomainError::Invalid(errors)) if !form.get("confirmed").is_empty() => {
            leaving_page(console, staff, to, StatusCode::UNPROCESSABLE_ENTITY, form, errors).await
        }
        Error::Domain(domain::DomainError::Invalid(errors)) => {
            Ok(page(console, scope, StatusCode::UNPROCESSABLE_ENTITY, MembersPageState { errors, ..MembersPageState::default() }).await?)
        }
        error => Err(error.into()),
    }
}

/// `POST /p/{slug}/members/role`.
pub(super) async fn change_role(console: ConsoleRequest, form: Form) -> PageResult {
    let scope = console.scope(Role::Admin)?;
    form.idempotency_key()?;
    let (staff, role) = (id::<StaffId>(form.get("staff"))?, form.get("role").parse::<Role>()?);
    if let Some(page) = confirmation_redirect(&console, &scope, &form, staff, Some(role)).await? {
        return Ok(page);
    }
    match members::change_role(&console.app, &scope, staff, role, decisions(&form)?).await {
        Ok(settled) => Ok(console.redirect_with_message(&page_path(&console)?, &format!("Role changed.{}", settled.sentence()))),
        Err(error) => refused(&console, &scope, (staff, Some(role), &form), error).await,
    }
}

/// `POST /p/{slug}/members/remove`; also for leaving a project.
pub(super) async fn remove(console: ConsoleRequest, form: Form) -> PageResult {
    // Anyone may leave; only people who may remove others can find out whether an ID belongs to a member.
    let leaves = form.get("staff") == console.member.staff.to_string();
    let scope = console.scope(if leaves { Role::Viewer } else { Role::Admin })?;
    form.idempotency_key()?;
    let staff = id::<StaffId>(form.get("staff"))?;
    if let Some(page) = confirmation_redirect(&console, &scope, &form, staff, None).await? {
        return Ok(page);
    }
    match members::remove(&console.app, &scope, staff, decisions(&form)?).await {
        Ok(_) if staff == console.member.staff => Ok(console.redirect_with_message("/", &format!("You left {}.", console.project()?.name))),
        Ok((role, settled)) => {
            let ended = settled.sentence();
            let limits = if ended.is_empty() { "" } else { " Undo restores only the membership." };
            let message = format!("Member removed.{ended}{limits}");
            let undo = Undo {
                url: format!("{}/restore", page_path(&console)?),
                fields: members::restore_fields(&console.app, &scope, staff, role)?,
            };
            Ok(console.redirect(&page_path(&console)?, &Flash { message, is_error: false, undo: Some(undo) }))
        }
        Err(error) => refused(&console, &scope, (staff, None, &form), error).await,
    }
}

/// `POST /p/{slug}/members/restore`: the undo of a removal.
pub(super) async fn restore(console: ConsoleRequest, form: Form) -> PageResult {
    let scope = console.scope(Role::Admin)?;
    form.idempotency_key()?;
    let (staff, role) = (id::<StaffId>(form.get("staff"))?, form.get("role").parse::<Role>()?);
    members::restore(&console.app, &scope, staff, role, id(form.get("until"))?, form.get("proof")).await?;
    Ok(console.redirect_with_message(&page_path(&console)?, "Member restored. What was revoked stays revoked."))
}

/// `POST /p/{slug}/members/revoke`.
pub(super) async fn revoke(console: ConsoleRequest, form: Form) -> PageResult {
    let scope = console.scope(Role::Admin)?;
    form.idempotency_key()?;
    invitations::revoke(&console.app, &scope, id::<InvitationId>(form.get("invitation"))?).await?;
    Ok(console.redirect_with_message(&page_path(&console)?, "Invitation revoked."))
}
