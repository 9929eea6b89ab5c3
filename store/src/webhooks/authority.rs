//! Webhook endpoints and the authority they act with: secret rotation, handover, disabling.

use domain::{
    Secret, Timestamp,
    accounts::{Scope, authority::Successor},
    ids::EndpointId,
    webhooks::PREVIOUS_SECRET_DAYS,
};

use crate::{Tx, error::Result, webhooks::Endpoint};

impl Endpoint {
    /// Rotates the secret. The old one stays valid for [`PREVIOUS_SECRET_DAYS`], so that the receiver has time to update.
    pub fn rotate_endpoint_secret(&mut self, fresh: Secret<String>, now: Timestamp) {
        let old = std::mem::replace(&mut self.secret, fresh);
        self.old_secret = Some((old, now.plus_days(PREVIOUS_SECRET_DAYS)));
    }
}

impl Tx<'_> {
    /// Disables an endpoint because the person it acts for is no longer an admin, and sets a new secret unknown to them. `name` is that
    /// person's name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn disable_orphaned_endpoint(
        &mut self,
        scope: &Scope,
        endpoint: EndpointId,
        name: &str,
        fresh: Secret<String>,
        now: Timestamp,
    ) -> Result<()> {
        let Some(mut held) = self.lock_endpoint(scope, endpoint).await?.filter(|held| held.enabled) else { return Ok(()) };
        held.enabled = false;
        held.disabled_reason =
            Some(format!("{name}, for whom it acted, is no longer an admin of this project. It will act for the person who turns it on."));
        (held.secret, held.old_secret) = (fresh, None);
        (held.failures, held.failing_since) = (0, None);
        self.update_endpoint(&held, now).await?;
        self.stop_deliveries(endpoint).await
    }

    /// Makes an endpoint act for `to`, and rotates its secret.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn hand_over_endpoint(
        &mut self,
        scope: &Scope,
        endpoint: EndpointId,
        to: Successor,
        fresh: Secret<String>,
        now: Timestamp,
    ) -> Result<()> {
        let Some(mut held) = self.lock_endpoint(scope, endpoint).await? else { return Ok(()) };
        held.answers_to = match to {
            Successor::Project => None,
            Successor::Member(staff) => Some(staff.into()),
        };
        held.rotate_endpoint_secret(fresh, now);
        self.update_endpoint(&held, now).await
    }
}
