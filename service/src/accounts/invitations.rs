//! Invitations: single-use links to one project, valid for a week.

use domain::{
    DomainError as Refusal, Timestamp,
    accounts::{
        Role, Scope,
        rules::{joined_role, may_grant},
    },
    email::{is_email, lower_case},
    ids::{InvitationId, StaffId},
    mail::MailMessage,
};
use store::{Fingerprint, FirstOutcome, IdempotencyScope, IdempotentWrite, Tx, hash::hash_token, invitations::Invitation};

use super::{NewStaff, require_name};
use crate::{error::Result, mail, state::App};

/// Days that a link is valid.
pub const INVITATION_DAYS: i64 = 7;

/// A newly created invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedInvitation {
    /// Its id.
    pub id: InvitationId,
    /// The link's secret, returned only once: `None` on a retry.
    pub token: Option<String>,
    /// Whether this replaced an open invitation for the same address, whose link is no longer valid.
    pub replaced: bool,
}

/// Creates an invitation, once for each `key`, and e-mails it if it has an address and mail is configured. A project has at most one open
/// invitation per address: the newest.
///
/// # Errors
/// Returns an error if the actor may not grant this role, or the address is invalid.
pub async fn create(app: &App, scope: &Scope, role: Role, email: &str, key: &str) -> Result<CreatedInvitation> {
    may_grant(scope.role(), role)?;
    let by = scope.actor_id().ok_or(Refusal::Forbidden)?;
    let email = lower_case(email);
    if !email.is_empty() && !is_email(&email) {
        return Err(Refusal::field("email", "email", "Enter an e-mail address like name@example.com, or leave it empty.").into());
    }
    let email = (!email.is_empty()).then_some(email);
    let (token, context) = (app.token(), app.context(scope));
    let (hash, expires_at) = (hash_token(&token), context.now.plus_days(INVITATION_DAYS));
    let message = match &email {
        Some(to) if app.settings.mail.is_some() => {
            let project = app.store.project_by_id(scope.project()).await?.ok_or(Refusal::NotFound)?;
            let by = app.store.actor_name(by).await?.ok_or(Refusal::NotFound)?;
            mail::invitation(&app.settings, (role, expires_at), &project, &by, to, &format!("/invite/{token}"))
        }
        _ => None,
    };
    let content = Fingerprint::of([scope.project().to_string().as_str(), role.as_str(), email.as_deref().unwrap_or_default()]);
    let done = app
        .store
        .act_once(context, IdempotentWrite::form(&IdempotencyScope::Invitation(by), key, content), move |act| {
            Box::pin(async move {
                let (project, now) = (act.project(), act.now());
                let mut replaced = false;
                if let Some(email) = &email {
                    // Two people inviting the same person at once are serialized.
                    act.lock_project(project).await?;
                    for old in act.revoke_invitations_of(project, email, now).await? {
                        act.discard_mail_about(old.id.0, now).await?;
                        replaced |= old.was_open;
                    }
                }
                let id = act.insert_invitation(by, role, email.as_deref(), &hash, expires_at).await?;
                if let Some(message) = message {
                    act.queue_mail(&MailMessage { about: Some(id.0), ..message }).await?;
                }
                Ok(FirstOutcome::of((id, replaced)))
            })
        })
        .await?;
    app.wake_jobs();
    let (id, replaced) = done.value;
    Ok(CreatedInvitation { id, token: done.is_first.then_some(token), replaced })
}

/// Returns the open invitation for a link's secret.
///
/// # Errors
/// [`Refusal::NotFound`] if the secret is not valid (any more).
pub async fn find(app: &App, token: &str) -> Result<Invitation> {
    app.store.invitation_by_token(&hash_token(token), app.now()).await?.ok_or_else(|| Refusal::NotFound.into())
}

/// Adds a signed-in person to the project. An invitation with an address can only be accepted by the account with that address.
///
/// # Errors
/// [`Refusal::NotFound`] if the invitation is not valid (any more), [`Refusal::Invalid`] if it is for someone else.
pub async fn join(app: &App, token: &str, staff: StaffId) -> Result<Invitation> {
    let invitation = find(app, token).await?;
    let own = app.store.staff_by_id(staff).await?.ok_or(Refusal::SignedOut)?.email;
    if invitation.email.as_ref().is_some_and(|email| *email != own) {
        let text = "This invitation is for a different e-mail address than yours. Sign out and open the link again, or ask for your own invitation.";
        return Err(Refusal::field("email", "other", text).into());
    }
    let now = app.now();
    app.store
        .write(move |tx| {
            Box::pin(async move {
                redeem(tx, &invitation, staff, now).await?;
                Ok(invitation)
            })
        })
        .await
}

/// Creates an account for a new person and adds them to the project, both or neither. If the invitation names an address, the account gets
/// that address, regardless of the one entered.
///
/// # Errors
/// The problems in the input; [`Refusal::NotFound`] if the invitation is not valid (any more).
pub async fn join_as_new(app: &App, token: &str, name: &str, email: &str, password: &str) -> Result<(StaffId, Invitation)> {
    let invitation = find(app, token).await?;
    require_name(name).map_err(Refusal::Invalid)?;
    let email = invitation.email.as_deref().unwrap_or(email);
    let person = NewStaff::check(app, email, name, password, Some(&invitation.project_name)).await?;
    let now = app.now();
    app.store
        .write(move |tx| {
            Box::pin(async move {
                let staff = person.insert(tx).await?;
                redeem(tx, &invitation, staff, now).await?;
                Ok((staff, invitation))
            })
        })
        .await
}

async fn redeem(tx: &mut Tx<'_>, invitation: &Invitation, staff: StaffId, now: Timestamp) -> Result<()> {
    tx.lock_project(invitation.project).await?;
    // The inviting person or key must still be allowed to grant this role: a link does not outlive the role it was created with.
    let by = tx.present_role(invitation.project, invitation.by, now).await?;
    if by.is_none_or(|by| may_grant(by, invitation.role).is_err()) || !tx.consume_invitation(invitation.id, staff, now).await? {
        return Err(Refusal::NotFound.into());
    }
    tx.discard_mail_about(invitation.id.0, now).await?;
    let held = tx.role_of(invitation.project, staff).await?;
    tx.set_role(invitation.project, staff, joined_role(held, invitation.role), now).await
}

/// Revokes an open invitation of this project.
///
/// # Errors
/// [`Refusal::Forbidden`] below admin, [`Refusal::NotFound`] if there is no such open invitation.
pub async fn revoke(app: &App, scope: &Scope, invitation: InvitationId) -> Result<()> {
    scope.require(Role::Admin)?;
    let done = app
        .store
        .act(app.context(scope), move |act| {
            Box::pin(async move {
                let (project, now) = (act.project(), act.now());
                let done = act.revoke_invitation(project, invitation, now).await?;
                if done {
                    act.discard_mail_about(invitation.0, now).await?;
                }
                Ok(done)
            })
        })
        .await?;
    if done { Ok(()) } else { Err(Refusal::NotFound.into()) }
}
