//! Repeated permission checks during long-running work: a role may have been revoked since the work began.

use domain::{
    DomainError as Refusal,
    accounts::{Role, Scope},
};

use crate::{error::Result, state::App};

/// The identity and session that long-running work acts for.
#[derive(Debug, Clone)]
pub struct Authority {
    scope: Scope,
    /// Hash of the session that started the work; see `store::sessions::session_hash`.
    session: Option<String>,
}

impl Authority {
    /// Returns the authority behind `scope`; with a session, it ends together with that session.
    #[must_use]
    pub fn new(scope: &Scope, session: Option<String>) -> Self {
        Self { scope: *scope, session }
    }

    /// Checks that the authority still has the role `need`.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`] if it does not; an error if the database fails.
    pub async fn ensure_role(&self, app: &App, need: Role) -> Result<()> {
        let Some(who) = self.scope.actor_id() else { return Ok(()) };
        let now = app.now();
        let role = app.store.present_role(self.scope.project(), who, now).await?;
        let mut holds = role.is_some_and(|role| role >= need);
        if let Some((session, staff)) = self.session.as_ref().zip(self.scope.staff()).filter(|_| holds) {
            holds = app.store.sessions_of(staff, now).await?.iter().any(|s| s.id_hash == *session);
        }
        if holds { Ok(()) } else { Err(Refusal::Forbidden.into()) }
    }
}
