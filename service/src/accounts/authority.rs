//! Long work asks again who it is done for: a role may have been taken away since it began.

use domain::{
    DomainError as Refusal,
    accounts::{Role, Scope},
};

use crate::{error::Result, state::App};

/// Who long work is done for.
#[derive(Debug, Clone)]
pub struct Authority {
    scope: Scope,
    /// Hash of the session that it was asked for in; see `store::sessions::session_hash`.
    session: Option<String>,
}

impl Authority {
    /// The authority behind `scope`; in a session, it ends with that session too.
    #[must_use]
    pub fn new(scope: &Scope, session: Option<String>) -> Self {
        Self { scope: *scope, session }
    }

    /// Whether it still reaches `need`.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`] when it does not; when the database fails.
    pub async fn ensure_role(&self, app: &App, need: Role) -> Result<()> {
        let Some(who) = self.scope.staff() else { return Ok(()) };
        let now = app.now();
        let role = app.store.present_role(self.scope.project(), who, now).await?;
        let mut holds = role.is_some_and(|role| role >= need);
        if let Some(session) = self.session.as_ref().filter(|_| holds) {
            holds = app.store.sessions_of(who, now).await?.iter().any(|s| s.id_hash == *session);
        }
        if holds { Ok(()) } else { Err(Refusal::Forbidden.into()) }
    }
}
