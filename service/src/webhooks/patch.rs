//! Atomic API update of several properties of a webhook: all or none, and only if nothing else changed it.

use domain::{
    DomainError as Refusal,
    accounts::{Role, Scope},
    ids::EndpointId,
    webhooks::EventKind,
};

use super::{EndpointInput, ValidEndpoint, change, check, sign, turn};
use crate::{error::Result, state::App};

/// New values; `None` leaves a property unchanged.
#[derive(Debug, Clone, Default)]
pub struct EndpointUpdate {
    /// The URL.
    pub url: Option<String>,
    /// The team's name for it.
    pub note: Option<String>,
    /// The subscribed event kinds.
    pub kinds: Option<Vec<EventKind>>,
    /// Whether it is on; see [`super::set_enabled`].
    pub enabled: Option<bool>,
}

/// Updates an endpoint at `version`.
///
/// # Errors
/// A role too low; not found; [`Refusal::Conflict`] at another version; a message for each invalid property.
pub async fn patch(app: &App, scope: &Scope, endpoint: EndpointId, version: i64, patch: EndpointUpdate) -> Result<()> {
    scope.require(Role::Admin)?;
    let now = app.store.endpoint(scope, endpoint).await?.ok_or(Refusal::NotFound)?;
    let EndpointUpdate { url, note, kinds, enabled } = patch;
    let words = |kinds: Vec<EventKind>| kinds.into_iter().map(|kind| kind.as_str().to_owned()).collect();
    let input = EndpointInput { url: url.unwrap_or(now.url), note: note.unwrap_or(now.note), kinds: words(kinds.unwrap_or(now.kinds)) };
    let ValidEndpoint { url, note, kinds } = check(app, &input)?;
    let (me, fresh, at) = (scope.actor_id(), sign::new_secret(app.ids.as_ref()), app.now());
    change(app, scope, endpoint, move |held, backed| {
        if held.version != version {
            return Err(Refusal::Conflict("This has changed since you read it. Fetch it again and retry.".into()));
        }
        (held.url, held.note, held.kinds) = (url, note, kinds);
        if let Some(on) = enabled {
            turn(held, on, backed, me, fresh, at);
        }
        Ok(())
    })
    .await
}
