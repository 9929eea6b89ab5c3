//! Actors: one row with the name of each person and program. History and comments refer to it. A person's credentials are in `accounts`; see
//! [`crate::staff`].

use domain::{Timestamp, accounts::Actor, ids::ActorId};

use super::{Store, Tx};
use crate::error::Result;

impl Store {
    /// Returns the name of an actor.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn actor_name(&self, actor: ActorId) -> Result<Option<String>> {
        Ok(sqlx::query_scalar("SELECT name FROM actors WHERE id = $1").bind(actor.to_string()).fetch_optional(self.reader()).await?)
    }
}

impl Tx<'_> {
    /// Inserts an actor; does nothing for the system, which has no row.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn insert_actor(&mut self, actor: Actor, name: &str, now: Timestamp) -> Result<()> {
        let Some(id) = actor.id() else { return Ok(()) };
        sqlx::query("INSERT INTO actors (id, kind, name, created_at) VALUES ($1, $2, $3, $4)")
            .bind(id.to_string())
            .bind(actor.kind().as_str())
            .bind(name.to_owned())
            .bind(now.0)
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// As [`Store::actor_name`], inside the transaction; `None` for the system too.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn actor_name(&mut self, actor: Option<ActorId>) -> Result<Option<String>> {
        let Some(actor) = actor else { return Ok(None) };
        Ok(sqlx::query_scalar("SELECT name FROM actors WHERE id = $1").bind(actor.to_string()).fetch_optional(self.conn()).await?)
    }
}
