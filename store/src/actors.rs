//! Actors: what people and programs did refers to a row here, which has their name. What a person signs in with is in `accounts`; see
//! [`crate::staff`].

use domain::{Timestamp, accounts::Actor, ids::ActorId};

use super::{Store, Tx};
use crate::error::Result;

impl Store {
    /// The name of an actor.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn actor_name(&self, actor: ActorId) -> Result<Option<String>> {
        Ok(sqlx::query_scalar("SELECT name FROM actors WHERE id = $1").bind(actor.to_string()).fetch_optional(self.reader()).await?)
    }
}

impl Tx<'_> {
    /// Adds an actor. The system has no row.
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

    /// The name of an actor, for a message.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn actor_name(&mut self, actor: Option<ActorId>) -> Result<Option<String>> {
        let Some(actor) = actor else { return Ok(None) };
        Ok(sqlx::query_scalar("SELECT name FROM actors WHERE id = $1").bind(actor.to_string()).fetch_optional(self.conn()).await?)
    }
}
