//! Tickets, their messages and files.

mod attachments;
mod messages;

use domain::{
    Timestamp,
    accounts::Scope,
    feedback::{Feedback, FeedbackStatus},
    ids::{FeedbackId, MessageId, ProjectId, TicketId},
    tickets::{NewTicket, Priority, Ticket, TicketState},
    webhooks::EventKind,
};
use sqlx::FromRow;

pub use attachments::{ATTACHMENT_CHUNK_BYTES, NewAttachment};

use crate::{
    Act, Store, Tx,
    error::{Error, Result},
    id,
    numbers::NumberSequence,
    or_instead,
};

/// The columns of `TicketRow`.
macro_rules! columns {
    () => {
        "id, project_id, number, feedback_id, subject, email, name, language, user_agent, priority, state, link_generation, first_response_at, \
         resolved_at, created_at, updated_at"
    };
}

#[derive(FromRow)]
struct TicketRow {
    id: String,
    project_id: String,
    number: i64,
    feedback_id: String,
    subject: String,
    email: String,
    name: Option<String>,
    language: String,
    user_agent: Option<String>,
    priority: String,
    state: String,
    first_response_at: Option<i64>,
    resolved_at: Option<i64>,
    link_generation: i64,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<TicketRow> for Ticket {
    type Error = Error;

    fn try_from(row: TicketRow) -> Result<Self> {
        Ok(Self {
            id: id(&row.id)?,
            project: id(&row.project_id)?,
            number: row.number,
            feedback: id(&row.feedback_id)?,
            subject: row.subject,
            email: row.email,
            name: row.name,
            language: row.language,
            user_agent: row.user_agent,
            priority: or_instead("priority", Priority::parse(&row.priority), Priority::Normal),
            state: or_instead("state of a ticket", TicketState::parse(&row.state), TicketState::Open),
            first_response_at: row.first_response_at.map(Timestamp),
            resolved_at: row.resolved_at.map(Timestamp),
            link_generation: row.link_generation,
            created_at: Timestamp(row.created_at),
            updated_at: Timestamp(row.updated_at),
        })
    }
}

impl Store {
    /// Returns a ticket of the scope's project.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ticket(&self, scope: &Scope, ticket: TicketId) -> Result<Option<Ticket>> {
        let row: Option<TicketRow> = sqlx::query_as(concat!("SELECT ", columns!(), " FROM tickets WHERE id = $1 AND project_id = $2"))
            .bind(ticket.to_string())
            .bind(scope.project().to_string())
            .fetch_optional(self.reader())
            .await?;
        row.map(Ticket::try_from).transpose()
    }

    /// Returns the ticket of feedback of the scope's project; `None` for imported feedback of that kind.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ticket_for_feedback(&self, scope: &Scope, feedback: FeedbackId) -> Result<Option<Ticket>> {
        let row: Option<TicketRow> =
            sqlx::query_as(concat!("SELECT ", columns!(), " FROM tickets WHERE feedback_id = $1 AND project_id = $2"))
                .bind(feedback.to_string())
                .bind(scope.project().to_string())
                .fetch_optional(self.reader())
                .await?;
        row.map(Ticket::try_from).transpose()
    }

    /// Returns how often the link of a ticket was renewed; `None` if there is no such ticket.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn link_generation(&self, ticket: TicketId) -> Result<Option<i64>> {
        Ok(sqlx::query_scalar("SELECT link_generation FROM tickets WHERE id = $1")
            .bind(ticket.to_string())
            .fetch_optional(self.reader())
            .await?)
    }

    /// Counts the tickets of the scope's project whose link may have been seen by members of the team.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_exposed_links(&self, scope: &Scope) -> Result<i64> {
        Ok(sqlx::query_scalar("SELECT COUNT(*) FROM tickets WHERE project_id = $1 AND link_shown = 1")
            .bind(scope.project().to_string())
            .fetch_one(self.reader())
            .await?)
    }

    /// Returns tickets, newest first, of one state or any, after a cursor (time and id).
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tickets_page(
        &self,
        scope: &Scope,
        state: Option<TicketState>,
        after: Option<(i64, String)>,
        limit: i64,
    ) -> Result<Vec<Ticket>> {
        let (at, id) = after.unwrap_or((i64::MAX, String::new()));
        let rows: Vec<TicketRow> = sqlx::query_as(concat!(
            "SELECT ",
            columns!(),
            " FROM tickets WHERE project_id = $1 AND ($2 = '' OR state = $2) AND (created_at < $3 OR (created_at = $3 AND id < $4)) \
             ORDER BY created_at DESC, id DESC LIMIT $5"
        ))
        .bind(scope.project().to_string())
        .bind(state.map_or("", TicketState::as_str))
        .bind(at)
        .bind(id)
        .bind(limit)
        .fetch_all(self.reader())
        .await?;
        rows.into_iter().map(Ticket::try_from).collect()
    }
}

/// What happened to a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TicketChange {
    /// It was opened with this message.
    Created(MessageId),
    /// The requester or the team added this message.
    MessageAdded(MessageId),
    /// It was closed.
    Closed,
    /// It was reopened.
    Reopened,
}

impl TicketChange {
    /// The event that tells of it.
    #[must_use]
    pub fn kind(self) -> EventKind {
        match self {
            Self::Created(_) => EventKind::TicketCreated,
            Self::MessageAdded(_) => EventKind::TicketMessageAdded,
            Self::Closed => EventKind::TicketClosed,
            Self::Reopened => EventKind::TicketReopened,
        }
    }
}

impl Tx<'_> {
    /// Returns a ticket and its feedback, locked until this transaction ends; locks the feedback first, as everywhere.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lock_ticket(&mut self, scope: &Scope, ticket: TicketId) -> Result<Option<(Ticket, Feedback)>> {
        let feedback: Option<String> = sqlx::query_scalar("SELECT feedback_id FROM tickets WHERE id = $1 AND project_id = $2")
            .bind(ticket.to_string())
            .bind(scope.project().to_string())
            .fetch_optional(self.conn())
            .await?;
        let Some(feedback) = feedback else { return Ok(None) };
        let Some(held) = self.feedback_for_update(scope, id(&feedback)?).await? else { return Ok(None) };
        let row: TicketRow = sqlx::query_as(concat!("SELECT ", columns!(), " FROM tickets WHERE id = $1 AND project_id = $2"))
            .bind(ticket.to_string())
            .bind(scope.project().to_string())
            .fetch_one(self.conn())
            .await?;
        Ok(Some((row.try_into()?, held)))
    }

    /// Returns the ticket of locked feedback.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lock_ticket_of_feedback(&mut self, feedback: &Feedback) -> Result<Option<Ticket>> {
        let row: Option<TicketRow> =
            sqlx::query_as(concat!("SELECT ", columns!(), " FROM tickets WHERE feedback_id = $1 AND project_id = $2"))
                .bind(feedback.id.to_string())
                .bind(feedback.project.to_string())
                .fetch_optional(self.conn())
                .await?;
        row.map(Ticket::try_from).transpose()
    }

    /// Sets the link generation of a locked ticket; `shown`: whether it is displayed to a member of the team.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_link(&mut self, ticket: &Ticket, generation: i64, shown: bool) -> Result<()> {
        sqlx::query("UPDATE tickets SET link_generation = $3, link_shown = $4 WHERE id = $1 AND project_id = $2")
            .bind(ticket.id.to_string())
            .bind(ticket.project.to_string())
            .bind(generation)
            .bind(i64::from(shown))
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// Renews the links of a project that members of the team may have seen. Returns the updated tickets.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn renew_exposed_links(&mut self, project: ProjectId) -> Result<Vec<Ticket>> {
        let rows: Vec<TicketRow> = sqlx::query_as(concat!(
            "UPDATE tickets SET link_generation = link_generation + 1, link_shown = 0 WHERE project_id = $1 AND link_shown = 1 RETURNING ",
            columns!()
        ))
        .bind(project.to_string())
        .fetch_all(self.conn())
        .await?;
        rows.into_iter().map(Ticket::try_from).collect()
    }

    /// Writes the mutable fields of a locked ticket.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn update_ticket(&mut self, ticket: &Ticket) -> Result<()> {
        sqlx::query(
            "UPDATE tickets SET priority = $3, state = $4, first_response_at = $5, resolved_at = $6, updated_at = $7 WHERE id = $1 AND project_id = $2",
        )
        .bind(ticket.id.to_string())
        .bind(ticket.project.to_string())
        .bind(ticket.priority.as_str())
        .bind(ticket.state.as_str())
        .bind(ticket.first_response_at.map(|t| t.0))
        .bind(ticket.resolved_at.map(|t| t.0))
        .bind(ticket.updated_at.0)
        .execute(self.conn())
        .await?;
        Ok(())
    }

    /// Synchronizes a ticket's state with the status of its feedback: a ticket is closed exactly if its feedback is resolved (except spam,
    /// which says nothing about the conversation). Returns the ticket that this closed or reopened, if it did.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sync_ticket_state(&mut self, feedback: &Feedback, at: Timestamp) -> Result<Option<(Ticket, TicketChange)>> {
        let sql = match feedback.status {
            FeedbackStatus::Spam => return Ok(None),
            FeedbackStatus::Resolved => {
                concat!(
                    "UPDATE tickets SET state = 'closed', resolved_at = $3, updated_at = $3 WHERE feedback_id = $1 AND project_id = $2 AND state <> 'closed' RETURNING ",
                    columns!()
                )
            }
            _ => {
                // The last author decides whose turn it is.
                concat!(
                    "UPDATE tickets SET state = CASE WHEN 'staff' = (SELECT m.author FROM ticket_messages m WHERE m.ticket_id = tickets.id \
                 AND m.author <> 'note' ORDER BY m.created_at DESC, m.id DESC LIMIT 1) THEN 'answered' ELSE 'open' END, \
                 resolved_at = NULL, updated_at = $3 WHERE feedback_id = $1 AND project_id = $2 AND state = 'closed' RETURNING ",
                    columns!()
                )
            }
        };
        let moved: Option<TicketRow> = sqlx::query_as(sql)
            .bind(feedback.id.to_string())
            .bind(feedback.project.to_string())
            .bind(at.0)
            .fetch_optional(self.conn())
            .await?;
        let Some(moved) = moved else { return Ok(None) };
        let ticket: Ticket = moved.try_into()?;
        let change = if ticket.state == TicketState::Closed { TicketChange::Closed } else { TicketChange::Reopened };
        Ok(Some((ticket, change)))
    }

    /// Appends the requester's message to the searchable text.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn extend_feedback_text(&mut self, held: &mut Feedback, more: &str) -> Result<()> {
        held.text.push_str("\n\n");
        held.text.push_str(more);
        sqlx::query("UPDATE feedback SET text = $3 WHERE id = $1 AND project_id = $2")
            .bind(held.id.to_string())
            .bind(held.project.to_string())
            .bind(held.text.clone())
            .execute(self.conn())
            .await?;
        Ok(())
    }
}

impl Act<'_, '_> {
    /// Opens a ticket for existing feedback, under the project's next number. [`Act::insert_ticket_message`] adds its message.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn open_ticket(
        &mut self,
        feedback: FeedbackId,
        new: &NewTicket,
        language: String,
        user_agent: Option<String>,
    ) -> Result<Ticket> {
        let (id, project, now) = (self.id(), self.project(), self.now());
        let ticket = Ticket {
            id,
            project,
            number: self.next_number(project, NumberSequence::Ticket).await?,
            feedback,
            subject: new.subject.clone(),
            email: new.email.clone(),
            name: Some(new.name.clone()).filter(|name| !name.is_empty()),
            language,
            user_agent,
            priority: Priority::Normal,
            state: TicketState::Open,
            first_response_at: None,
            resolved_at: None,
            link_generation: 0,
            created_at: now,
            updated_at: now,
        };
        sqlx::query(
            "INSERT INTO tickets (id, project_id, number, feedback_id, subject, email, name, language, user_agent, priority, state, created_at, updated_at, link_shown) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0)",
        )
        .bind(ticket.id.to_string())
        .bind(ticket.project.to_string())
        .bind(ticket.number)
        .bind(ticket.feedback.to_string())
        .bind(ticket.subject.clone())
        .bind(ticket.email.clone())
        .bind(ticket.name.clone())
        .bind(ticket.language.clone())
        .bind(ticket.user_agent.clone())
        .bind(ticket.priority.as_str())
        .bind(ticket.state.as_str())
        .bind(ticket.created_at.0)
        .bind(ticket.updated_at.0)
        .execute(self.conn())
        .await?;
        Ok(ticket)
    }
}
