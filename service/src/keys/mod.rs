//! API keys: creating and revoking them, and authenticating requests.

use domain::{
    DomainError as Refusal,
    accounts::{
        Actor, Role, Scope,
        authority::{AuthoritySource, Successor},
        key::{Access, KEY_PREFIX, VISIBLE_KEY_LENGTH, check_name},
    },
    ids::{ApiKeyId, ProjectId},
};
use store::{
    Fingerprint, FirstOutcome, IdempotencyScope, IdempotentWrite,
    hash::hash_token,
    keys::{ApiKey, NewApiKey},
};

use crate::{error::Result, key_use_tracker::USE_MS, state::App};

/// Lifetimes offered for a key, in days, besides no expiry.
pub const LIFETIME_CHOICES: [i64; 3] = [30, 90, 365];
/// Default lifetime of a new key, in days.
pub const DEFAULT_LIFETIME_DAYS: i64 = 90;
/// A new key with its secret, which is returned only once.
#[derive(Debug, Clone)]
pub struct CreatedApiKey {
    /// The key.
    pub key: ApiKey,
    /// The secret that programs send.
    pub secret: String,
}

/// Properties of a new key.
#[derive(Debug, Clone)]
pub struct ApiKeyInput<'a> {
    /// The program that will use it.
    pub name: &'a str,
    /// Its permissions.
    pub access: Access,
    /// Lifetime in days; `None`: until it is revoked.
    pub days: Option<i64>,
}

/// Creates a key, once for each `once`; `None` on a retry: the secret is returned only once.
///
/// # Errors
/// [`Refusal::Forbidden`] below admin and for programs, [`Refusal::Invalid`] for an invalid name.
pub async fn create(app: &App, scope: &Scope, wanted: &ApiKeyInput<'_>, once: &str) -> Result<Option<CreatedApiKey>> {
    scope.require(Role::Admin)?;
    let name = check_name(wanted.name)?;
    let by = match scope.actor() {
        Actor::Person(staff) => Some(staff),
        Actor::System => None,
        // Only people lend their role: a key of another program would outlive that program's own person.
        Actor::ApiKey(_) | Actor::Rule(_) | Actor::Integration(_) => return Err(Refusal::Forbidden.into()),
    };
    let (secret, context) = (format!("{KEY_PREFIX}{}", app.token()), app.context(scope));
    let new = NewApiKey {
        name,
        prefix: secret.get(..VISIBLE_KEY_LENGTH).unwrap_or_default().to_owned(),
        hash: hash_token(&secret),
        access: wanted.access,
        expires_at: wanted.days.map(|days| context.now.plus_days(days)),
    };
    let whose = by.map_or(IdempotencyScope::ApiKeyOfProject(scope.project()), IdempotencyScope::ApiKeyOfPerson);
    let days = wanted.days.map(|days| days.to_string()).unwrap_or_default();
    let content = Fingerprint::of([scope.project().to_string().as_str(), &new.name, wanted.access.as_str(), &days]);
    let stored = new.clone();
    let made = app
        .store
        .act_once(context, IdempotentWrite::form(&whose, once, content), move |act| {
            Box::pin(async move { Ok(FirstOutcome::of(act.insert_api_key(&stored, by).await?)) })
        })
        .await?;
    let key = ApiKey {
        id: made.value,
        project: scope.project(),
        name: new.name,
        prefix: new.prefix,
        access: new.access,
        by: None,
        backing: by.map_or(AuthoritySource::Project, |staff| AuthoritySource::Person(staff, Some(scope.role()))),
        backer: None,
        created_at: context.now,
        expires_at: new.expires_at,
        used_at: None,
        revoked_at: None,
    };
    Ok(made.is_first.then_some(CreatedApiKey { key, secret }))
}

/// Revokes a key of this project, and the open invitations that it created. Its other actions are kept.
///
/// # Errors
/// [`Refusal::Forbidden`] below admin, [`Refusal::NotFound`] if there is no such active key.
pub async fn revoke(app: &App, scope: &Scope, key: ApiKeyId) -> Result<()> {
    scope.require(Role::Admin)?;
    let done = app
        .store
        .act(app.context(scope), move |act| {
            Box::pin(async move {
                let (project, now) = (act.project(), act.now());
                let done = act.revoke_api_key(project, key, now).await?;
                if done {
                    for (invitation, _) in act.invitations_of(project, key.into(), now).await? {
                        act.revoke_invitation(project, invitation, now).await?;
                        act.discard_mail_about(invitation.0, now).await?;
                    }
                }
                Ok(done)
            })
        })
        .await?;
    if done { Ok(()) } else { Err(Refusal::NotFound.into()) }
}

/// Makes a key act for the project instead of a person, so that it keeps working after that person leaves.
///
/// # Errors
/// [`Refusal::Forbidden`] below owner, [`Refusal::NotFound`] if there is no such key or it was revoked.
pub async fn hand_over(app: &App, scope: &Scope, key: ApiKeyId) -> Result<()> {
    scope.require(Role::Owner)?;
    app.store
        .act(app.context(scope), move |act| {
            Box::pin(async move {
                act.ensure_authorized(Role::Owner).await?;
                let project = act.project();
                let done = act.hand_over_api_key(project, key, Successor::Project).await?;
                done.then_some(()).ok_or_else(|| Refusal::NotFound.into())
            })
        })
        .await
}

/// Returns the key for a secret. Always computes one hash and looks up one row, so timing reveals nothing.
///
/// # Errors
/// [`Refusal::SignedOut`] if the secret is not valid (any more). A key without a current role, see [`ApiKey::role`], is found.
pub async fn find(app: &App, secret: &str) -> Result<ApiKey> {
    let key = app.store.api_key_by_hash(&hash_token(secret)).await?;
    let key = key.filter(|key| key.is_active(app.now())).ok_or(Refusal::SignedOut)?;
    if key.role().is_some() {
        note_use(app, &key);
    }
    Ok(key)
}

/// Returns the scope of a key in `project` with at least the role `need`: the access it was created with, limited to its person's current
/// role.
///
/// # Errors
/// [`Refusal::NotFound`] for another project, [`Refusal::Forbidden`] if the role is too low.
pub fn scope(key: &ApiKey, project: ProjectId, need: Role) -> Result<Scope, Refusal> {
    Actor::ApiKey(key.id).scope(project, key.role().filter(|_| key.project == project), need)
}

/// Records the use of a key in the background: no request waits for it or fails because of it.
fn note_use(app: &App, key: &ApiKey) {
    let (id, now) = (key.id, app.now());
    let recent = key.used_at.is_some_and(|at| now.0 - at.0 < USE_MS);
    if recent || !app.key_uses.is_due(id, now) {
        return;
    }
    let store = app.store.clone();
    tokio::spawn(async move {
        let noted = store.write(move |tx| Box::pin(async move { tx.record_api_key_use(id, now).await })).await;
        if let Err(error) = noted {
            tracing::warn!(error = %error, "the last use of an API key could not be recorded");
        }
    });
}
