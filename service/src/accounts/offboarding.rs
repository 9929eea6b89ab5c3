//! Offboarding: what happens to keys, webhooks and invitations that act with a person's authority when they leave or lose rights.

use std::{collections::HashMap, sync::Arc};

use domain::{
    DomainError as Refusal, IdSource,
    accounts::{
        Role, Scope,
        authority::{AuthoritySource, Successor},
        rules::may_grant,
    },
    ids::{ActorId, StaffId},
};
use store::{Act, invitations::Invitation, keys::ApiKey, webhooks::Endpoint};
use uuid::Uuid;

use crate::{
    error::Result,
    state::App,
    tickets::{self, LinkMailBuilder},
    webhooks::sign::new_secret,
};

/// Items that a departing person leaves behind.
#[derive(Debug, Clone, Default)]
pub struct OffboardingItems {
    /// Keys that act for them.
    pub keys: Vec<ApiKey>,
    /// Enabled webhooks that act for them.
    pub webhooks: Vec<Endpoint>,
    /// Their unused invitations.
    pub invitations: Vec<Invitation>,
    /// Number of tickets whose links team members, including this person, may have seen.
    pub links: i64,
}

impl OffboardingItems {
    /// Whether there is nothing to decide.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.webhooks.is_empty() && self.invitations.is_empty() && self.links == 0
    }
}

/// Whether a key loses access if its person gets the role `to`; `None`: they leave.
fn key_loses(key: &ApiKey, to: Option<Role>) -> bool {
    to.is_none_or(|to| key.access.role() > to)
}

fn webhook_loses(to: Option<Role>) -> bool {
    to.is_none_or(|to| to < Role::Admin)
}

fn invitation_loses(offered: Role, to: Option<Role>) -> bool {
    to.is_none_or(|to| may_grant(to, offered).is_err())
}

/// Returns the items a member would leave behind by getting the role `to`, or by leaving.
///
/// # Errors
/// When the database fails.
pub async fn offboarding_items(app: &App, scope: &Scope, staff: StaffId, to: Option<Role>) -> Result<OffboardingItems> {
    let now = app.now();
    let mut keys = app.store.api_keys(scope).await?;
    keys.retain(|key| matches!(key.backing, AuthoritySource::Person(who, _) if who == staff));
    // Items created by one of their keys act for that key, and so for them.
    let theirs: Vec<ActorId> = std::iter::once(staff.into()).chain(keys.iter().map(|key| ActorId::from(key.id))).collect();
    keys.retain(|key| key.is_active(now) && key_loses(key, to));
    let hooks = |hook: &Endpoint| hook.enabled && hook.answers_to.is_some_and(|who| theirs.contains(&who)) && webhook_loses(to);
    let webhooks = app.store.endpoints(scope).await?.into_iter().filter(hooks).collect();
    let open = |invitation: &Invitation| theirs.contains(&invitation.by) && invitation_loses(invitation.role, to);
    let invitations = app.store.open_invitations(scope, now).await?.into_iter().filter(open).collect();
    // With a lower role, a member can still see tickets.
    let links = if to.is_none() { app.store.count_exposed_links(scope).await? } else { 0 };
    Ok(OffboardingItems { keys, webhooks, invitations, links })
}

/// The decisions for each item, by id. Items without a decision are revoked.
#[derive(Debug, Clone, Default)]
pub struct OffboardingDecisions {
    /// Items to hand over, with their new authority.
    pub heirs: HashMap<Uuid, Successor>,
    /// Whether to renew the ticket links that the team may have seen.
    pub renew_links: bool,
}

/// The result of offboarding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OffboardingOutcome {
    /// Number of revoked keys.
    pub keys: usize,
    /// Number of webhooks turned off.
    pub webhooks: usize,
    /// Number of revoked invitations.
    pub invitations: usize,
    /// Number of items handed over.
    pub handed_over: usize,
    /// Number of renewed ticket links.
    pub links: u64,
}

impl OffboardingOutcome {
    /// A sentence for the user with a leading space; empty if nothing happened.
    #[must_use]
    pub fn sentence(&self) -> String {
        let count = |n: usize, one: &str, many: &str, done: &str| match n {
            0 => None,
            1 => Some(format!("1 {one} {done}")),
            n => Some(format!("{n} {many} {done}")),
        };
        let links = usize::try_from(self.links).unwrap_or(usize::MAX);
        let parts = [
            count(self.keys, "API key", "API keys", "revoked"),
            count(self.webhooks, "webhook", "webhooks", "turned off"),
            count(self.invitations, "invitation", "invitations", "revoked"),
            (self.handed_over > 0).then(|| format!("{} handed over", self.handed_over)),
            count(links, "ticket link", "ticket links", "renewed"),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() { String::new() } else { format!(" {}.", parts.join(", ")) }
    }
}

/// Resources for the transaction, created before it begins: randomness for the secrets of webhooks, and what is needed to e-mail requesters.
pub(super) struct OffboardingResources {
    ids: Arc<dyn IdSource>,
    post: LinkMailBuilder,
}

impl OffboardingResources {
    /// # Errors
    /// When the database fails.
    pub(super) async fn new(app: &App, scope: &Scope) -> Result<Self> {
        Ok(Self { ids: Arc::clone(&app.ids), post: LinkMailBuilder::new(app, scope).await? })
    }
}

/// Applies the decisions, inside the transaction that changes the membership. `to` is the person's new role.
///
/// # Errors
/// [`Refusal::Forbidden`] if someone below owner hands something over; [`Refusal::Invalid`] if a successor is not an admin.
pub(super) async fn settle(
    act: &mut Act<'_, '_>,
    actor: Role,
    (staff, to): (StaffId, Option<Role>),
    decisions: &OffboardingDecisions,
    OffboardingResources { ids, post }: OffboardingResources,
) -> Result<OffboardingOutcome> {
    let (scope, project, now) = (act.scope(), act.project(), act.now());
    for heir in decisions.heirs.values() {
        if actor < Role::Owner {
            return Err(Refusal::Forbidden.into());
        }
        if let Successor::Member(heir) = heir
            && (*heir == staff || act.role_of(project, *heir).await?.is_none_or(|role| role < Role::Admin))
        {
            let text = "Only an admin or owner of this project can take this over. Choose someone else.";
            return Err(Refusal::field("heir", "role", text).into());
        }
    }
    let heir = |id: Uuid| decisions.heirs.get(&id).copied();
    let mut done = OffboardingOutcome::default();
    for key in act.api_keys_of(project, staff, now).await? {
        match heir(key.id.0) {
            Some(heir) => done.handed_over += usize::from(act.hand_over_api_key(project, key.id, heir).await?),
            // A lower role limits the key without revoking it.
            None if to.is_none() => done.keys += usize::from(act.revoke_api_key(project, key.id, now).await?),
            None => {}
        }
    }
    if webhook_loses(to) {
        let name = act.actor_name(Some(staff.into())).await?.unwrap_or_default();
        for endpoint in act.endpoints_of(project, staff).await? {
            let fresh = new_secret(ids.as_ref());
            match heir(endpoint.0) {
                Some(heir) => {
                    act.hand_over_endpoint(&scope, endpoint, heir, fresh, now).await?;
                    done.handed_over += 1;
                }
                None => {
                    act.disable_orphaned_endpoint(&scope, endpoint, &name, fresh, now).await?;
                    done.webhooks += 1;
                }
            }
        }
    }
    for (invitation, offered) in act.invitations_of(project, staff.into(), now).await? {
        if !invitation_loses(offered, to) {
            continue;
        }
        if let Some(Successor::Member(heir)) = heir(invitation.0) {
            act.hand_over_invitation(project, invitation, heir).await?;
            done.handed_over += 1;
        } else if act.revoke_invitation(project, invitation, now).await? {
            act.discard_mail_about(invitation.0, now).await?;
            done.invitations += 1;
        }
    }
    if decisions.renew_links && actor >= Role::Admin {
        done.links = tickets::renew_shown_links(act, post).await?;
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_is_told_in_words() {
        assert_eq!(OffboardingOutcome::default().sentence(), "");
        let some = OffboardingOutcome { keys: 2, webhooks: 1, ..OffboardingOutcome::default() };
        assert_eq!(some.sentence(), " 2 API keys revoked, 1 webhook turned off.");
    }
}
