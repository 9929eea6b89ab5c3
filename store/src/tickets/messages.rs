//! Messages of tickets, by the requester and the team.

use std::collections::HashMap;

use domain::{
    Timestamp,
    accounts::Scope,
    ids::{ActorId, MessageId, TicketId},
    tickets::{Message, MessageAuthor, Ticket, TicketAttachment},
};

use crate::{Store, Tx, error::Result, id, optional_id, or_instead};

impl Store {
    /// Returns the messages of a ticket with their files, oldest first; notes only with `notes`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ticket_messages(&self, scope: &Scope, ticket: TicketId, notes: bool) -> Result<Vec<Message>> {
        type MessageRow = (String, String, Option<String>, Option<String>, String, i64);
        let rows: Vec<MessageRow> = sqlx::query_as(
            "SELECT m.id, m.author, m.actor_id, a.name, m.body, m.created_at FROM ticket_messages m LEFT JOIN actors a ON a.id = m.actor_id \
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
        let mut by_message: HashMap<String, Vec<TicketAttachment>> = HashMap::new();
        for (message, own, name, media_type, size) in files {
            by_message.entry(message).or_default().push(TicketAttachment { id: id(&own)?, name, media_type, size });
        }
        let read = |(own, author, by, by_name, body, at): MessageRow| {
            Ok(Message {
                id: id(&own)?,
                author: or_instead("author of a message", MessageAuthor::parse(&author), MessageAuthor::Note),
                by: optional_id(by.as_deref())?,
                by_name: by_name.filter(|name| !name.is_empty()),
                body,
                created_at: Timestamp(at),
                attachments: by_message.remove(&own).unwrap_or_default(),
            })
        };
        rows.into_iter().map(read).collect()
    }
}

impl Tx<'_> {
    /// Returns the messages of a ticket so far, oldest first, without notes and files.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ticket_transcript(&mut self, ticket: &Ticket) -> Result<Vec<(MessageAuthor, String)>> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT author, body FROM ticket_messages WHERE ticket_id = $1 AND project_id = $2 AND author <> 'note' ORDER BY created_at, id",
        )
        .bind(ticket.id.to_string())
        .bind(ticket.project.to_string())
        .fetch_all(self.conn())
        .await?;
        let author = |word: &str| or_instead("author of a message", MessageAuthor::parse(word), MessageAuthor::Requester);
        Ok(rows.into_iter().map(|(word, body)| (author(&word), body)).collect())
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
