//! Tickets, their messages and files.

use std::collections::HashMap;

use domain::{
    Timestamp,
    accounts::Scope,
    feedback::{Feedback, Status},
    ids::{AttachmentId, EventId, FeedbackId, MessageId, ProjectId, StaffId, TicketId},
    tickets::{Attachment, Author, Message, Priority, State, Ticket},
    webhooks::EventKind,
};
use sqlx::FromRow;

use super::{Store, Tx, id, optional_id, or_instead};
use crate::error::{Error, Result};

/// The columns of [`Row`].
macro_rules! columns {
    () => {
        "id, project_id, number, feedback_id, subject, email, name, language, user_agent, priority, state, link_generation, first_response_at, \
         resolved_at, created_at, updated_at"
    };
}

#[derive(FromRow)]
struct Row {
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

impl TryFrom<Row> for Ticket {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
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
            state: or_instead("state of a ticket", State::parse(&row.state), State::Open),
            first_response_at: row.first_response_at.map(Timestamp),
            resolved_at: row.resolved_at.map(Timestamp),
            link_generation: row.link_generation,
            created_at: Timestamp(row.created_at),
            updated_at: Timestamp(row.updated_at),
        })
    }
}

/// A file that is being stored.
#[derive(Debug, Clone)]
pub struct NewAttachment {
    /// Identity, name, type and size.
    pub file: Attachment,
    /// Its bytes.
    pub bytes: bytes::Bytes,
}

/// Bytes of one row of a file: what a reader holds in memory at a time.
pub const CHUNK: usize = 256 << 10;
/// How long a file is held for a form that was not sent…
const HELD_MS: i64 = 3_600_000;
/// …and how much longer it is kept for a process whose clock is behind.
const HELD_MARGIN_MS: i64 = 600_000;

impl Store {
    /// A ticket of the scope's project.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ticket(&self, scope: &Scope, ticket: TicketId) -> Result<Option<Ticket>> {
        let row: Option<Row> = sqlx::query_as(concat!("SELECT ", columns!(), " FROM tickets WHERE id = $1 AND project_id = $2"))
            .bind(ticket.to_string())
            .bind(scope.project().to_string())
            .fetch_optional(self.reader())
            .await?;
        row.map(Ticket::try_from).transpose()
    }

    /// The ticket behind feedback of the scope's project; imported feedback of that kind has none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ticket_of(&self, scope: &Scope, feedback: FeedbackId) -> Result<Option<Ticket>> {
        let row: Option<Row> = sqlx::query_as(concat!("SELECT ", columns!(), " FROM tickets WHERE feedback_id = $1 AND project_id = $2"))
            .bind(feedback.to_string())
            .bind(scope.project().to_string())
            .fetch_optional(self.reader())
            .await?;
        row.map(Ticket::try_from).transpose()
    }

    /// How often the link of a ticket was renewed; `None` for one that is not there.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn link_generation(&self, ticket: TicketId) -> Result<Option<i64>> {
        Ok(sqlx::query_scalar("SELECT link_generation FROM tickets WHERE id = $1")
            .bind(ticket.to_string())
            .fetch_optional(self.reader())
            .await?)
    }

    /// How many tickets of the scope's project have a link that members of the team may have seen.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn shown_links(&self, scope: &Scope) -> Result<i64> {
        Ok(sqlx::query_scalar("SELECT COUNT(*) FROM tickets WHERE project_id = $1 AND link_shown = 1")
            .bind(scope.project().to_string())
            .fetch_one(self.reader())
            .await?)
    }

    /// Tickets from the newest back, of one state or any, after one (its time and id).
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tickets_page(&self, scope: &Scope, state: Option<State>, after: Option<(i64, String)>, limit: i64) -> Result<Vec<Ticket>> {
        let (at, id) = after.unwrap_or((i64::MAX, String::new()));
        let rows: Vec<Row> = sqlx::query_as(concat!(
            "SELECT ",
            columns!(),
            " FROM tickets WHERE project_id = $1 AND ($2 = '' OR state = $2) AND (created_at < $3 OR (created_at = $3 AND id < $4)) \
             ORDER BY created_at DESC, id DESC LIMIT $5"
        ))
        .bind(scope.project().to_string())
        .bind(state.map_or("", State::as_str))
        .bind(at)
        .bind(id)
        .bind(limit)
        .fetch_all(self.reader())
        .await?;
        rows.into_iter().map(Ticket::try_from).collect()
    }

    /// The messages of a ticket with their files, oldest first; notes only with `notes`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ticket_messages(&self, scope: &Scope, ticket: TicketId, notes: bool) -> Result<Vec<Message>> {
        type MessageRow = (String, String, Option<String>, Option<String>, String, i64);
        let rows: Vec<MessageRow> = sqlx::query_as(
            "SELECT m.id, m.author, m.staff_id, s.name, m.body, m.created_at FROM ticket_messages m LEFT JOIN staff s ON s.id = m.staff_id \
             WHERE m.ticket_id = $1 AND m.project_id = $2 AND ($3 = 1 OR m.author <> 'note') ORDER BY m.created_at, m.id",
        )
        .bind(ticket.to_string())
        .bind(scope.project().to_string())
        .bind(i64::from(notes))
        .fetch_all(self.reader())
        .await?;
        let files: Vec<(String, String, String, String, i64)> = sqlx::query_as(
            "SELECT message_id, id, name, media_type, size FROM attachments \
             WHERE ticket_id = $1 AND project_id = $2 AND message_id IS NOT NULL ORDER BY created_at, id",
        )
        .bind(ticket.to_string())
        .bind(scope.project().to_string())
        .fetch_all(self.reader())
        .await?;
        let mut by_message: HashMap<String, Vec<Attachment>> = HashMap::new();
        for (message, own, name, media_type, size) in files {
            by_message.entry(message).or_default().push(Attachment { id: id(&own)?, name, media_type, size });
        }
        let read = |(own, author, staff, staff_name, body, at): MessageRow| {
            Ok(Message {
                id: id(&own)?,
                author: or_instead("author of a message", Author::parse(&author), Author::Note),
                staff: optional_id(staff.as_deref())?,
                staff_name: staff_name.filter(|name| !name.is_empty()),
                body,
                created_at: Timestamp(at),
                attachments: by_message.remove(&own).unwrap_or_default(),
            })
        };
        rows.into_iter().map(read).collect()
    }

    /// A file of a ticket; those of notes only with `notes`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn attachment(&self, scope: &Scope, ticket: TicketId, file: AttachmentId, notes: bool) -> Result<Option<Attachment>> {
        let row: Option<(String, String, i64)> = sqlx::query_as(
            "SELECT a.name, a.media_type, a.size FROM attachments a JOIN ticket_messages m ON m.id = a.message_id \
             WHERE a.id = $1 AND a.ticket_id = $2 AND a.project_id = $3 AND ($4 = 1 OR m.author <> 'note')",
        )
        .bind(file.to_string())
        .bind(ticket.to_string())
        .bind(scope.project().to_string())
        .bind(i64::from(notes))
        .fetch_optional(self.reader())
        .await?;
        Ok(row.map(|(name, media_type, size)| Attachment { id: file, name, media_type, size }))
    }

    /// The n-th piece of a file's bytes; `None` after the last.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn attachment_chunk(&self, scope: &Scope, file: AttachmentId, n: i64) -> Result<Option<Vec<u8>>> {
        Ok(sqlx::query_scalar(
            "SELECT c.bytes FROM attachment_chunks c JOIN attachments a ON a.id = c.attachment_id \
             WHERE c.attachment_id = $1 AND c.n = $2 AND a.project_id = $3",
        )
        .bind(file.to_string())
        .bind(n)
        .bind(scope.project().to_string())
        .fetch_optional(self.reader())
        .await?)
    }

    /// The bytes of all files of each project.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn file_bytes(&self) -> Result<Vec<(ProjectId, i64)>> {
        let rows: Vec<(String, i64)> = sqlx::query_as("SELECT project_id, CAST(SUM(size) AS BIGINT) FROM attachments GROUP BY project_id")
            .fetch_all(self.reader())
            .await?;
        rows.into_iter().map(|(project, bytes)| Ok((id(&project)?, bytes))).collect()
    }

    /// The files that are held for a form.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn held_files(&self, scope: &Scope, form: &str, now: Timestamp) -> Result<Vec<Attachment>> {
        let rows: Vec<(String, String, String, i64)> = sqlx::query_as(
            "SELECT id, name, media_type, size FROM attachments \
             WHERE held_for = $1 AND project_id = $2 AND message_id IS NULL AND created_at > $3 ORDER BY created_at, id",
        )
        .bind(form.to_owned())
        .bind(scope.project().to_string())
        .bind(now.plus_ms(-HELD_MS).0)
        .fetch_all(self.reader())
        .await?;
        rows.into_iter().map(|(own, name, media_type, size)| Ok(Attachment { id: id(&own)?, name, media_type, size })).collect()
    }
}

impl Tx<'_> {
    /// Adds a ticket; its feedback is there already.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_ticket(&mut self, ticket: &Ticket) -> Result<()> {
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
        Ok(())
    }

    /// A ticket and its feedback as they are now, held against other transactions until this one ends; feedback first, as everybody takes them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn hold_ticket(&mut self, scope: &Scope, ticket: TicketId) -> Result<Option<(Ticket, Feedback)>> {
        let feedback: Option<String> = sqlx::query_scalar("SELECT feedback_id FROM tickets WHERE id = $1 AND project_id = $2")
            .bind(ticket.to_string())
            .bind(scope.project().to_string())
            .fetch_optional(self.conn())
            .await?;
        let Some(feedback) = feedback else { return Ok(None) };
        let Some(held) = self.feedback_for_update(scope, id(&feedback)?).await? else { return Ok(None) };
        let row: Row = sqlx::query_as(concat!("SELECT ", columns!(), " FROM tickets WHERE id = $1 AND project_id = $2"))
            .bind(ticket.to_string())
            .bind(scope.project().to_string())
            .fetch_one(self.conn())
            .await?;
        Ok(Some((row.try_into()?, held)))
    }

    /// The ticket behind feedback that is held.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ticket_behind(&mut self, feedback: &Feedback) -> Result<Option<Ticket>> {
        let row: Option<Row> = sqlx::query_as(concat!("SELECT ", columns!(), " FROM tickets WHERE feedback_id = $1 AND project_id = $2"))
            .bind(feedback.id.to_string())
            .bind(feedback.project.to_string())
            .fetch_optional(self.conn())
            .await?;
        row.map(Ticket::try_from).transpose()
    }

    /// What was said in a ticket so far, oldest first, without notes and files.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn said_in_ticket(&mut self, ticket: &Ticket) -> Result<Vec<(MessageId, Author, String)>> {
        let rows: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT id, author, body FROM ticket_messages WHERE ticket_id = $1 AND project_id = $2 AND author <> 'note' ORDER BY created_at, id",
        )
        .bind(ticket.id.to_string())
        .bind(ticket.project.to_string())
        .fetch_all(self.conn())
        .await?;
        rows.into_iter()
            .map(|(own, author, body)| Ok((id(&own)?, or_instead("author of a message", Author::parse(&author), Author::Requester), body)))
            .collect()
    }

    /// Gives the link of a ticket that is held another generation; `shown`: a member of the team sees it.
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

    /// Renews the links of a project that members of the team may have seen. Gives those tickets, as they are now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn renew_shown_links(&mut self, project: ProjectId) -> Result<Vec<Ticket>> {
        let rows: Vec<Row> = sqlx::query_as(concat!(
            "UPDATE tickets SET link_generation = link_generation + 1, link_shown = 0 WHERE project_id = $1 AND link_shown = 1 RETURNING ",
            columns!()
        ))
        .bind(project.to_string())
        .fetch_all(self.conn())
        .await?;
        rows.into_iter().map(Ticket::try_from).collect()
    }

    /// Writes what can change of a ticket that is held.
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

    /// Keeps the ticket of feedback in step with its status: resolved feedback has a closed ticket, and none other has (spam aside, which
    /// says nothing about the conversation). Where that closes or opens it, webhooks are told under `event`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ticket_follows(&mut self, feedback: &Feedback, event: EventId, at: Timestamp) -> Result<()> {
        let sql = match feedback.status {
            Status::Spam => return Ok(()),
            Status::Resolved => {
                concat!(
                    "UPDATE tickets SET state = 'closed', resolved_at = $3, updated_at = $3 WHERE feedback_id = $1 AND project_id = $2 AND state <> 'closed' RETURNING ",
                    columns!()
                )
            }
            _ => {
                // Whose turn it is is told by who spoke last.
                concat!(
                    "UPDATE tickets SET state = CASE WHEN 'staff' = (SELECT m.author FROM ticket_messages m WHERE m.ticket_id = tickets.id \
                 AND m.author <> 'note' ORDER BY m.created_at DESC, m.id DESC LIMIT 1) THEN 'answered' ELSE 'open' END, \
                 resolved_at = NULL, updated_at = $3 WHERE feedback_id = $1 AND project_id = $2 AND state = 'closed' RETURNING ",
                    columns!()
                )
            }
        };
        let moved: Option<Row> = sqlx::query_as(sql)
            .bind(feedback.id.to_string())
            .bind(feedback.project.to_string())
            .bind(at.0)
            .fetch_optional(self.conn())
            .await?;
        let Some(moved) = moved else { return Ok(()) };
        let ticket: Ticket = moved.try_into()?;
        let kind = if ticket.state == State::Closed { EventKind::TicketClosed } else { EventKind::TicketReopened };
        self.ticket_event(event, kind, &ticket, None, at).await
    }

    /// Adds what the requester said to the text that is searched.
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

    /// Adds a message to a ticket.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_ticket_message(
        &mut self,
        message: MessageId,
        ticket: &Ticket,
        author: Author,
        staff: Option<StaffId>,
        body: &str,
        at: Timestamp,
    ) -> Result<()> {
        sqlx::query("INSERT INTO ticket_messages (id, project_id, ticket_id, author, staff_id, body, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)")
            .bind(message.to_string())
            .bind(ticket.project.to_string())
            .bind(ticket.id.to_string())
            .bind(author.as_str())
            .bind(staff.map(|s| s.to_string()))
            .bind(body.to_owned())
            .bind(at.0)
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// How many messages the requester of a ticket has written.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn requester_messages(&mut self, ticket: &Ticket) -> Result<i64> {
        Ok(sqlx::query_scalar("SELECT COUNT(*) FROM ticket_messages WHERE ticket_id = $1 AND author = 'requester'")
            .bind(ticket.id.to_string())
            .fetch_one(self.conn())
            .await?)
    }

    /// Stores a file of a message, or, without one, for the form whose key is `held_for`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_attachment(
        &mut self,
        project: ProjectId,
        of: Option<(TicketId, MessageId)>,
        held_for: Option<&str>,
        new: &NewAttachment,
        at: Timestamp,
    ) -> Result<()> {
        sqlx::query(
            "INSERT INTO attachments (id, project_id, ticket_id, message_id, held_for, name, media_type, size, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(new.file.id.to_string())
        .bind(project.to_string())
        .bind(of.map(|(ticket, _)| ticket.to_string()))
        .bind(of.map(|(_, message)| message.to_string()))
        .bind(held_for.map(ToOwned::to_owned))
        .bind(new.file.name.clone())
        .bind(new.file.media_type.clone())
        .bind(new.file.size)
        .bind(at.0)
        .execute(self.conn())
        .await?;
        for (n, chunk) in new.bytes.chunks(CHUNK).enumerate() {
            sqlx::query("INSERT INTO attachment_chunks (attachment_id, n, bytes) VALUES ($1, $2, $3)")
                .bind(new.file.id.to_string())
                .bind(i64::try_from(n).unwrap_or(i64::MAX))
                .bind(chunk.to_vec())
                .execute(self.conn())
                .await?;
        }
        Ok(())
    }

    /// The bytes of all files that are held for forms.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn held_bytes(&mut self) -> Result<i64> {
        Ok(sqlx::query_scalar("SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM attachments WHERE message_id IS NULL")
            .fetch_one(self.conn())
            .await?)
    }

    /// Gives the files that are held for a form to its message.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn release_held_files(&mut self, ticket: &Ticket, message: MessageId, form: &str, now: Timestamp) -> Result<u64> {
        // Only those that no purge can be about to remove.
        let done = sqlx::query(
            "UPDATE attachments SET ticket_id = $3, message_id = $4, held_for = NULL \
             WHERE held_for = $1 AND project_id = $2 AND message_id IS NULL AND created_at > $5",
        )
        .bind(form.to_owned())
        .bind(ticket.project.to_string())
        .bind(ticket.id.to_string())
        .bind(message.to_string())
        .bind(now.plus_ms(-HELD_MS).0)
        .execute(self.conn())
        .await?;
        Ok(done.rows_affected())
    }

    /// Removes a file that waits for a form.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn drop_held_file(&mut self, scope: &Scope, file: AttachmentId) -> Result<()> {
        sqlx::query(
            "DELETE FROM attachment_chunks WHERE attachment_id = $1 \
             AND attachment_id IN (SELECT id FROM attachments WHERE id = $1 AND project_id = $2 AND message_id IS NULL)",
        )
        .bind(file.to_string())
        .bind(scope.project().to_string())
        .execute(self.conn())
        .await?;
        sqlx::query("DELETE FROM attachments WHERE id = $1 AND project_id = $2 AND message_id IS NULL")
            .bind(file.to_string())
            .bind(scope.project().to_string())
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// Removes up to `at_most` pieces of files whose form was never sent, and the files of which no piece is left. Gives how many rows.
    ///
    /// # Errors
    /// When the database fails.
    pub(super) async fn purge_attachments(&mut self, now: Timestamp, at_most: i64) -> Result<u64> {
        let before = now.plus_ms(-HELD_MS - HELD_MARGIN_MS);
        let statements = [
            (
                "DELETE FROM attachment_chunks WHERE (attachment_id, n) IN (SELECT c.attachment_id, c.n FROM attachments a \
                 JOIN attachment_chunks c ON c.attachment_id = a.id WHERE a.message_id IS NULL AND a.created_at <= $1 LIMIT $2)",
                before,
            ),
            (
                "DELETE FROM attachments WHERE id IN (SELECT a.id FROM attachments a WHERE a.message_id IS NULL AND a.created_at <= $1 \
                 AND NOT EXISTS (SELECT 1 FROM attachment_chunks c WHERE c.attachment_id = a.id) LIMIT $2) AND message_id IS NULL",
                before,
            ),
        ];
        self.purge_by(&statements, at_most).await
    }
}
