//! Acts: operations of one actor in one project at one moment, in one transaction.
//!
//! An [`Act`] is a transaction that carries its actor's scope and its time; like every [`Tx`], it makes the ids of new rows itself. A use case
//! states only the changes; the act fills in the project, the actor, the time and the ids.

use std::ops::{Deref, DerefMut};

use domain::{
    Timestamp,
    accounts::{Role, Scope},
    feedback::{Feedback, FeedbackChange, NewFeedback},
    history::HistoryChange,
    ids::{ActorId, CommentId, ContactId, FeedbackId, MailId, MessageId, ProjectId, TicketId, UndoId},
    mail::MailMessage,
    responses::ClaimedContact,
    tickets::{MessageAuthor, Ticket},
};
use futures_util::future::BoxFuture;
use serde::{Serialize, de::DeserializeOwned};

use crate::{IdempotentWrite, Store, Tx, error::Result, undo::StoredUndo};

/// The actor and time of an act.
#[derive(Debug, Clone, Copy)]
pub struct ActContext {
    /// The actor's access scope.
    pub scope: Scope,
    /// Time of the act.
    pub now: Timestamp,
}

/// A transaction of one actor: everything in [`Tx`], plus the operations that need the actor.
pub struct Act<'a, 'c> {
    tx: &'a mut Tx<'c>,
    context: ActContext,
}

impl<'c> Deref for Act<'_, 'c> {
    type Target = Tx<'c>;

    fn deref(&self) -> &Self::Target {
        self.tx
    }
}

impl DerefMut for Act<'_, '_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.tx
    }
}

impl Store {
    /// Same as [`Store::write`], for an act.
    ///
    /// # Errors
    /// Same as [`Store::write`].
    pub async fn act<T, F>(&self, context: ActContext, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Act<'_, '_>) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        self.write(move |tx| Box::pin(async move { work(&mut Act { tx, context }).await })).await
    }

    /// Same as [`Store::write_idempotent`], for an act.
    ///
    /// # Errors
    /// Same as [`Store::write_idempotent`].
    pub async fn act_once<T, F>(&self, context: ActContext, once: IdempotentWrite, work: F) -> Result<T>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        F: for<'t> FnOnce(&'t mut Act<'_, '_>) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        let now = context.now;
        self.write_idempotent(once, now, move |tx| Box::pin(async move { work(&mut Act { tx, context }).await })).await
    }
}

impl Act<'_, '_> {
    /// The actor's access scope.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.context.scope
    }

    /// The project of the act.
    #[must_use]
    pub fn project(&self) -> ProjectId {
        self.context.scope.project()
    }

    /// The actor's id, to which the rows of this act refer; `None` for visitors and for the system itself.
    #[must_use]
    pub fn actor_id(&self) -> Option<ActorId> {
        self.context.scope.actor_id()
    }

    /// Time of the act; constant throughout the transaction.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.context.now
    }

    /// Fails if the actor has lost the role since the request began.
    ///
    /// # Errors
    /// Same as [`Tx::ensure_authorized`].
    pub async fn ensure_authorized(&mut self, role: Role) -> Result<()> {
        let (scope, now) = (self.scope(), self.now());
        self.tx.ensure_authorized(&scope, role, now).await
    }

    /// Returns feedback of the actor's project, locked until the transaction ends.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn feedback_for_update(&mut self, feedback: FeedbackId) -> Result<Option<Feedback>> {
        let scope = self.scope();
        self.tx.feedback_for_update(&scope, feedback).await
    }

    /// Returns a ticket of the actor's project and its feedback, both locked until the transaction ends.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lock_ticket(&mut self, ticket: TicketId) -> Result<Option<(Ticket, Feedback)>> {
        let scope = self.scope();
        self.tx.lock_ticket(&scope, ticket).await
    }

    /// Adds feedback to the project; `None` if feedback with this `source_key` exists. [`Act::record`] adds the history entry.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_feedback(&mut self, new: NewFeedback, source_key: Option<&str>) -> Result<Option<Feedback>> {
        let feedback = self.tx.identify(new, self.context.scope.project(), self.context.now);
        Ok(self.tx.insert_feedback(&feedback, source_key).await?.then_some(feedback))
    }

    /// Queues an e-mail; see [`Tx::queue_mail`].
    ///
    /// # Errors
    /// When the database fails.
    pub async fn queue_mail(&mut self, message: &MailMessage) -> Result<Option<MailId>> {
        let now = self.now();
        self.tx.queue_mail(message, now).await
    }

    /// Adds an entry to the history of a backlog item, canned reply or other object of the project.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record(&mut self, subject: impl ToString + Send, change: &HistoryChange) -> Result<()> {
        let (project, actor, now) = (self.project(), self.actor_id(), self.now());
        self.tx.insert_history(project, subject, actor, change, now).await
    }

    /// Applies one change to locked feedback, including its side effects. Returns the new version.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn change_feedback(&mut self, held: &mut Feedback, change: &FeedbackChange) -> Result<i64> {
        let (actor, now) = (self.actor_id(), self.now());
        self.tx.change_feedback(held, actor, now, change).await
    }

    /// Writes the status and assignee of locked feedback, with the next version and a history entry. Returns the new version.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record_on_feedback(&mut self, held: &mut Feedback, change: &HistoryChange) -> Result<i64> {
        let (actor, now) = (self.actor_id(), self.now());
        self.tx.update_feedback_with_history(held, actor, now, change).await
    }

    /// Adds a comment by the actor. [`Act::record_on_feedback`] adds the history entry.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_comment(&mut self, on: &Feedback, by: ActorId, body: &str) -> Result<CommentId> {
        let now = self.now();
        self.tx.insert_comment(on, by, body, now).await
    }

    /// Adds a message to a ticket. The actor is the author of staff messages.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_ticket_message(&mut self, ticket: &Ticket, author: MessageAuthor, body: &str) -> Result<MessageId> {
        let (actor, now) = (self.actor_id(), self.now());
        self.tx.insert_ticket_message(ticket, author, actor, body, now).await
    }

    /// Returns the contact that a claim identifies, and creates it if it is new.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn resolve_contact(&mut self, person: &ClaimedContact) -> Result<ContactId> {
        let (scope, now) = (self.scope(), self.now());
        self.tx.resolve_contact(&scope, person, now).await
    }

    /// Stores the undo data of this act for seven days: `steps` in the format of the capability `kind`. When an act spans several
    /// transactions, later parts name the first one. Returns `None` and stores nothing for acts of the program itself.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn keep_undo(
        &mut self,
        kind: &'static str,
        steps: &(impl Serialize + Sync),
        follows: Option<UndoId>,
    ) -> Result<Option<UndoId>> {
        let Some(actor) = self.actor_id() else { return Ok(None) };
        let (project, now) = (self.project(), self.now());
        let stored = StoredUndo { kind: kind.to_owned(), steps: serde_json::to_string(steps)? };
        let id = self.tx.insert_undo(follows, (project, actor), &stored, now).await?;
        Ok(Some(follows.unwrap_or(id)))
    }

    /// Claims the next part of one of this actor's acts for undo, each once; `None` when none is left.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_undo(&mut self, undo: UndoId) -> Result<Option<StoredUndo>> {
        let Some(actor) = self.actor_id() else { return Ok(None) };
        let (project, now) = (self.project(), self.now());
        self.tx.take_undo(undo, (project, actor), now).await
    }
}
