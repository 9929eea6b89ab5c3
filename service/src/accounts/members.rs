//! Roles of a project's members.

use domain::{
    DomainError as Refusal,
    accounts::{
        Role, Scope,
        rules::{may_change, may_grant, may_remove},
    },
    ids::StaffId,
};
use store::Act;

use super::offboarding::{OffboardingDecisions, OffboardingOutcome, OffboardingResources, settle};
use crate::{error::Result, state::App};

/// Changes a member's role. Whatever acts with more authority than the new role is revoked or turned off, unless `decisions` hands it over.
///
/// # Errors
/// See [`may_change`]; [`Refusal::NotFound`] if they are not a member; [`Refusal::Forbidden`] if someone below owner hands something over.
pub async fn change_role(
    app: &App,
    scope: &Scope,
    staff: StaffId,
    to: Role,
    decisions: OffboardingDecisions,
) -> Result<OffboardingOutcome> {
    let supplies = OffboardingResources::new(app, scope).await?;
    let settled = app
        .store
        .act(app.context(scope), move |act| {
            Box::pin(async move {
                let (project, now) = (act.project(), act.now());
                // Check the rules against the current state, not the rendered page; two owners cannot demote each other at once.
                act.lock_project(project).await?;
                let actor = acting(act).await?;
                actor.ge(&Role::Admin).then_some(()).ok_or(Refusal::Forbidden)?;
                let from = act.role_of(project, staff).await?.ok_or(Refusal::NotFound)?;
                may_change(actor, from, to, act.owners(project).await?)?;
                let settled = settle(act, actor, (staff, Some(to)), &decisions, supplies).await?;
                act.set_role(project, staff, to, now).await?;
                Ok(settled)
            })
        })
        .await?;
    app.wake_jobs();
    Ok(settled)
}

/// Removes a person from a project and returns their former role. Whatever acts with their authority is revoked or turned off, unless
/// `decisions` hands it over.
///
/// # Errors
/// See [`may_remove`]; [`Refusal::NotFound`] if they are not a member; [`Refusal::Forbidden`] if someone below owner hands something over.
pub async fn remove(app: &App, scope: &Scope, staff: StaffId, decisions: OffboardingDecisions) -> Result<(Role, OffboardingOutcome)> {
    let supplies = OffboardingResources::new(app, scope).await?;
    let done = app
        .store
        .act(app.context(scope), move |act| {
            Box::pin(async move {
                let project = act.project();
                act.lock_project(project).await?;
                let actor = acting(act).await?;
                let is_me = act.scope().staff() == Some(staff);
                if actor < Role::Admin && !is_me {
                    return Err(Refusal::Forbidden.into());
                }
                let held = act.role_of(project, staff).await?.ok_or(Refusal::NotFound)?;
                may_remove(actor, held, act.owners(project).await?, is_me)?;
                let settled = settle(act, actor, (staff, None), &decisions, supplies).await?;
                act.delete_membership(project, staff).await?;
                Ok((held, settled))
            })
        })
        .await?;
    app.wake_jobs();
    Ok(done)
}

/// Returns the actor's present role.
async fn acting(act: &mut Act<'_, '_>) -> Result<Role> {
    let (project, actor, now) = (act.project(), act.actor_id().ok_or(Refusal::Forbidden)?, act.now());
    act.present_role(project, actor, now).await?.ok_or_else(|| Refusal::NotFound.into())
}

/// The signed text proving that an undo matches a recent removal.
fn restore_text(scope: &Scope, staff: StaffId, role: Role, until: i64) -> String {
    format!("{}:{staff}:{role}:{until}", scope.project())
}

/// How long a removal can be undone.
const UNDO_MS: i64 = 10 * 60_000;

/// Returns the fields of the form that undoes a removal.
///
/// # Errors
/// Never in practice.
pub fn restore_fields(app: &App, scope: &Scope, staff: StaffId, role: Role) -> Result<Vec<(String, String)>> {
    let until = app.now().plus_ms(UNDO_MS).0;
    let proof = app.sign("restore-member", &restore_text(scope, staff, role, until))?;
    let fields = [("staff", staff.to_string()), ("role", role.to_string()), ("until", until.to_string()), ("proof", proof)];
    Ok(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Undoes a removal. `proof` shows that this person was a member with this role a moment ago, so that a guessed id cannot
/// add anyone.
///
/// # Errors
/// Returns an error if the proof is wrong or expired, or the actor may not grant the role.
pub async fn restore(app: &App, scope: &Scope, staff: StaffId, role: Role, until: i64, proof: &str) -> Result<()> {
    may_grant(scope.role(), role)?;
    if !app.verify("restore-member", &restore_text(scope, staff, role, until), proof)? {
        return Err(Refusal::NotFound.into());
    }
    if app.now().0 > until {
        return Err(Refusal::Conflict("It is too late to undo this. Invite the person again.".into()).into());
    }
    let me = scope.staff().ok_or(Refusal::Forbidden)?;
    app.store
        .act(app.context(scope), move |act| {
            Box::pin(async move {
                let (project, now) = (act.project(), act.now());
                act.lock_project(project).await?;
                may_grant(act.role_of(project, me).await?.ok_or(Refusal::NotFound)?, role)?;
                // They may have been added again meanwhile, with another role.
                if act.role_of(project, staff).await?.is_none() {
                    act.set_role(project, staff, role, now).await?;
                }
                Ok(())
            })
        })
        .await
}
