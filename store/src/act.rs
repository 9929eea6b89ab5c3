//! Acts: what one actor does in one project at one moment, in one transaction.
//!
//! An [`Act`] is a transaction that knows the scope of its actor, its time, and the source of ids for the rows it writes. A use case states what
//! happens; who, when and under which id are the same for all of it and are filled in here.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};

use domain::{
    IdSource, Timestamp,
    accounts::{Role, Scope},
    backlog::BacklogItem,
    feedback::{Feedback, FeedbackChange},
    history::HistoryChange,
    ids::{CommentId, ContactId, FeedbackId, MessageId, ProjectId, StaffId, TicketId, UndoId},
    responses::ClaimedContact,
    tickets::{MessageAuthor, Ticket},
    webhooks::EventKind,
};
use futures_util::future::BoxFuture;
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{IdempotentWrite, Store, Tx, backlog::LinkContent, error::Result, undo::KeptUndo};

/// Who acts and when, and where ids of new rows come from.
#[derive(Clone)]
pub struct ActContext {
    /// What the actor may reach.
    pub scope: Scope,
    /// When it happens.
    pub now: Timestamp,
    /// Where ids come from.
    pub ids: Arc<dyn IdSource>,
}

/// A transaction of one actor. Everything that [`Tx`] can do, and what needs to know who acts.
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
    /// As [`Store::write`], for what somebody does.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn act<T, F>(&self, context: ActContext, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Act<'_, '_>) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        self.write(move |tx| Box::pin(async move { work(&mut Act { tx, context }).await })).await
    }

    /// As [`Store::write_idempotent`], for what somebody does.
    ///
    /// # Errors
    /// As [`Store::write_idempotent`].
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
    /// What the actor may reach.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.context.scope
    }

    /// The project that this happens in.
    #[must_use]
    pub fn project(&self) -> ProjectId {
        self.context.scope.project()
    }

    /// The member of the team who acts; `None` for visitors and for the program itself.
    #[must_use]
    pub fn staff(&self) -> Option<StaffId> {
        self.context.scope.staff()
    }

    /// When this happens: the same moment for all of it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.context.now
    }

    /// An id for a new row.
    #[must_use]
    pub fn id<T: From<Uuid>>(&self) -> T {
        T::from(self.context.ids.uuid())
    }

    /// Refuses to go on if the actor has lost the role since the request began.
    ///
    /// # Errors
    /// As [`Tx::ensure_authorized`].
    pub async fn ensure_authorized(&mut self, role: Role) -> Result<()> {
        let (scope, now) = (self.scope(), self.now());
        self.tx.ensure_authorized(&scope, role, now).await
    }

    /// Feedback of the actor's project, locked until the transaction ends.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn feedback_for_update(&mut self, feedback: FeedbackId) -> Result<Option<Feedback>> {
        let scope = self.scope();
        self.tx.feedback_for_update(&scope, feedback).await
    }

    /// A ticket of the actor's project and its feedback, locked until the transaction ends.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lock_ticket(&mut self, ticket: TicketId) -> Result<Option<(Ticket, Feedback)>> {
        let scope = self.scope();
        self.tx.lock_ticket(&scope, ticket).await
    }

    /// Adds an entry to the history of a backlog item, a canned reply or other thing of the project.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record(&mut self, subject: impl ToString + Send, change: &HistoryChange) -> Result<()> {
        let (id, project, staff, now) = (self.id(), self.project(), self.staff(), self.now());
        self.tx.insert_history(id, project, subject, staff, change, now).await
    }

    /// Makes one change to feedback that is locked, with all that belongs to it. Returns the new version.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn change_feedback(&mut self, held: &mut Feedback, change: &FeedbackChange) -> Result<i64> {
        let (staff, id, now) = (self.staff(), self.id(), self.now());
        self.tx.change_feedback(held, staff, id, now, change).await
    }

    /// Writes status and assignee of feedback that is locked, with the next version and an entry of its history. Returns the new version.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record_on_feedback(&mut self, held: &mut Feedback, change: &HistoryChange) -> Result<i64> {
        let (staff, id, now) = (self.staff(), self.id(), self.now());
        self.tx.update_feedback_with_history(held, staff, id, now, change).await
    }

    /// Adds a comment of the actor. The entry in the history is [`Act::record_on_feedback`]'s.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_comment(&mut self, on: &Feedback, by: StaffId, body: &str) -> Result<CommentId> {
        let (id, now) = (self.id(), self.now());
        self.tx.insert_comment(id, on, by, body, now).await?;
        Ok(id)
    }

    /// Links feedback to a backlog item; `false` and nothing done when the two are linked.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_link(&mut self, feedback: FeedbackId, item: &BacklogItem, says: &LinkContent) -> Result<bool> {
        let (id, staff, now) = (self.id(), self.staff(), self.now());
        self.tx.insert_link(id, feedback, item, says, staff, now).await
    }

    /// Tells other programs that a backlog item was created, changed or deleted.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn item_event(&mut self, kind: EventKind, item: &BacklogItem) -> Result<()> {
        let id = self.id();
        self.tx.item_event(id, kind, item).await
    }

    /// Tells other programs what happened to a ticket.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ticket_event(&mut self, kind: EventKind, ticket: &Ticket, said: Option<(MessageAuthor, &str)>) -> Result<()> {
        let (id, now) = (self.id(), self.now());
        self.tx.ticket_event(id, kind, ticket, said, now).await
    }

    /// Tells other programs of a ticket that is no longer taken for spam; see [`Tx::publish_withheld_ticket`].
    ///
    /// # Errors
    /// When the database fails.
    pub async fn publish_withheld_ticket(&mut self, feedback: &Feedback) -> Result<()> {
        let now = self.now();
        self.tx.publish_withheld_ticket(feedback, now).await
    }

    /// Adds a message to a ticket. Of the team's messages the actor is the author.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_ticket_message(&mut self, ticket: &Ticket, author: MessageAuthor, body: &str) -> Result<MessageId> {
        let (id, staff, now) = (self.id(), self.staff(), self.now());
        self.tx.insert_ticket_message(id, ticket, author, staff, body, now).await?;
        Ok(id)
    }

    /// The contact that a claim is about, created if it is new.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn resolve_contact(&mut self, person: &ClaimedContact) -> Result<ContactId> {
        let (id, scope, now) = (self.id(), self.scope(), self.now());
        self.tx.resolve_contact(&scope, person, id, now).await
    }

    /// Keeps what undoes this act, for seven days: `steps` in the format of the capability `kind`. A later part of an act in several
    /// transactions names the first one. What the program does by itself is not kept (`None`).
    ///
    /// # Errors
    /// When the database fails.
    pub async fn keep_undo(
        &mut self,
        kind: &'static str,
        steps: &(impl Serialize + Sync),
        follows: Option<UndoId>,
    ) -> Result<Option<UndoId>> {
        let Some(staff) = self.staff() else { return Ok(None) };
        let (id, project, now) = (self.id(), self.project(), self.now());
        let kept = KeptUndo { kind: kind.to_owned(), steps: serde_json::to_string(steps)? };
        self.tx.insert_undo(id, follows, (project, staff), &kept, now).await?;
        Ok(Some(follows.unwrap_or(id)))
    }

    /// Takes the next part of an act of this actor for undoing, each once; `None` when there is none left.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_undo(&mut self, undo: UndoId) -> Result<Option<KeptUndo>> {
        let Some(staff) = self.staff() else { return Ok(None) };
        let (project, now) = (self.project(), self.now());
        self.tx.take_undo(undo, (project, staff), now).await
    }
}
