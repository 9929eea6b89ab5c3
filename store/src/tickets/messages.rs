//! Messages of tickets, by the requester and the team.

use std::collections::HashMap;

use domain::{
    Timestamp,
    accounts::Scope,
    ids::{ActorId, MessageId, TicketId},
    tickets::{Message, MessageAuthor, Ticket, TicketAttachment},
};

use sqlx::FromRow;

use crate::{
    Store, Tx,
    error::{Error, Result},
    id, optional_id, or_instead,
};

/// The beginning of a statement that reads messages.
macro_rules! messages {
    () => {
        "SELECT m.id, m.author, m.actor_id, a.name, m.body, m.created_at FROM ticket_messages m LEFT JOIN actors a ON a.id = m.actor_id "
    };
}

/// The beginning of a statement that reads the files of messages.
macro_rules! files {
    () => {
        "SELECT message_id, id, name, media_type, size FROM attachments "
    };
}

#[derive(FromRow)]
struct MessageRow {
    id: String,
    author: String,
    actor_id: Option<String>,
    name: Option<String>,
    body: String,
    created_at: i64,
}

#[derive(FromRow)]
struct FileRow {
    message_id: String,
    id: String,
    name: String,
    media_type: String,
    size: i64,
}

/// Returns messages with their files.
fn with_files(rows: Vec<MessageRow>, files: Vec<FileRow>) -> Result<Vec<Message>> {
    let mut by_message: HashMap<String, Vec<TicketAttachment>> = HashMap::new();
    for FileRow { message_id, id: own, name, media_type, size } in files {
        by_message.entry(message_id).or_default().push(TicketAttachment { id: id(&own)?, name, media_type, size });
    }
    let read = |row: MessageRow| {
        Ok(Message {
            id: id(&row.id)?,
            author: or_instead("author of a message", MessageAuthor::parse(&row.author), MessageAuthor::Note),
            by: optional_id(row.actor_id.as_deref())?,
            by_name: row.name.filter(|name| !name.is_empty()),
            body: row.body,
            created_at: Timestamp(row.created_at),
            attachments: by_message.remove(&row.id).unwrap_or_default(),
        })
    };
    rows.into_iter().map(read).collect()
}

impl Store {
    /// Returns the messages of a ticket with their files, oldest first; notes only with `notes`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ticket_messages(&self, scope: &Scope, ticket: TicketId, notes: bool) -> Result<Vec<Message>> {
        let rows: Vec<MessageRow> = sqlx::query_as(concat!(
            messages!(),
            "WHERE m.ticket_id = $1 AND m.project_id = $2 AND ($3 = 1 OR m.author <> 'note') ORDER BY m.created_at, m.id"
        ))
        .bind(ticket.to_string())
        .bind(scope.project().to_string())
        .bind(i64::from(notes))
        .fetch_all(self.reader())
        .await?;
        let files: Vec<FileRow> = sqlx::query_as(concat!(
            files!(),
            "WHERE ticket_id = $1 AND project_id = $2 AND message_id IS NOT NULL ORDER BY created_at, id"
        ))
        .bind(ticket.to_string())
        .bind(scope.project().to_string())
        .fetch_all(self.reader())
        .await?;
        with_files(rows, files)
    }
}

impl Tx<'_> {
    /// Returns a message of a ticket with its files.
    ///
    /// # Errors
    /// When the database fails, or the ticket has no such message.
    pub(crate) async fn ticket_message(&mut self, ticket: &Ticket, message: MessageId) -> Result<Message> {
        let rows: Vec<MessageRow> = sqlx::query_as(concat!(messages!(), "WHERE m.id = $1 AND m.ticket_id = $2 AND m.project_id = $3"))
            .bind(message.to_string())
            .bind(ticket.id.to_string())
            .bind(ticket.project.to_string())
            .fetch_all(self.conn())
            .await?;
        let files: Vec<FileRow> =
            sqlx::query_as(concat!(files!(), "WHERE message_id = $1 AND ticket_id = $2 AND project_id = $3 ORDER BY created_at, id"))
                .bind(message.to_string())
                .bind(ticket.id.to_string())
                .bind(ticket.project.to_string())
                .fetch_all(self.conn())
                .await?;
        with_files(rows, files)?.pop().ok_or_else(|| Error::internal("message of a ticket", "not found"))
    }

    /// Returns the messages of a ticket so far, oldest first, without notes.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn ticket_transcript(&mut self, ticket: &Ticket) -> Result<Vec<MessageId>> {
        let rows: Vec<String> = sqlx::query_scalar(
            "SELECT id FROM ticket_messages WHERE ticket_id = $1 AND project_id = $2 AND author <> 'note' ORDER BY created_at, id",
        )
        .bind(ticket.id.to_string())
        .bind(ticket.project.to_string())
        .fetch_all(self.conn())
        .await?;
        rows.iter().map(|own| id(own)).collect()
    }

    /// Adds a message to a ticket.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_ticket_message(
        &mut self,
        ticket: &Ticket,
        author: MessageAuthor,
        by: Option<ActorId>,
        body: &str,
        at: Timestamp,
    ) -> Result<MessageId> {
        let message: MessageId = self.id();
        sqlx::query("INSERT INTO ticket_messages (id, project_id, ticket_id, author, actor_id, body, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)")
            .bind(message.to_string())
            .bind(ticket.project.to_string())
            .bind(ticket.id.to_string())
            .bind(author.as_str())
            .bind(by.map(|actor| actor.to_string()))
            .bind(body.to_owned())
            .bind(at.0)
            .execute(self.conn())
            .await?;
        Ok(message)
    }

    /// Counts the messages that a ticket's requester has written.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn requester_messages(&mut self, ticket: &Ticket) -> Result<i64> {
        Ok(sqlx::query_scalar("SELECT COUNT(*) FROM ticket_messages WHERE ticket_id = $1 AND author = 'requester'")
            .bind(ticket.id.to_string())
            .fetch_one(self.conn())
            .await?)
    }
}
