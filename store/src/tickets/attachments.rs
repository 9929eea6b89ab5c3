//! Files of messages, stored in chunks, and pending files of a form that is not submitted yet.

use domain::{
    Timestamp,
    accounts::Scope,
    ids::{AttachmentId, MessageId, ProjectId, TicketId},
    tickets::{Ticket, TicketAttachment},
};

use crate::{Store, Tx, error::Result, id};

/// A file to store.
#[derive(Debug, Clone)]
pub struct NewAttachment {
    /// Its name, sanitized.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// Its size in bytes.
    pub size: i64,
    /// Its bytes.
    pub bytes: bytes::Bytes,
}

/// Size of a file's chunk in bytes, which a reader holds in memory at a time.
pub const ATTACHMENT_CHUNK_BYTES: usize = 256 << 10;
/// How long a pending file can still be attached, in milliseconds…
const HELD_MS: i64 = 3_600_000;
/// …and how much longer it is kept for a process whose clock is slow.
const HELD_MARGIN_MS: i64 = 600_000;

impl Store {
    /// Returns a file of a ticket; files of notes only with `notes`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn attachment(&self, scope: &Scope, ticket: TicketId, file: AttachmentId, notes: bool) -> Result<Option<TicketAttachment>> {
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
        Ok(row.map(|(name, media_type, size)| TicketAttachment { id: file, name, media_type, size }))
    }

    /// Returns the n-th chunk of a file; `None` after the last.
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

    /// Returns the total size of all files of each project, in bytes.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn file_bytes(&self) -> Result<Vec<(ProjectId, i64)>> {
        let rows: Vec<(String, i64)> = sqlx::query_as("SELECT project_id, CAST(SUM(size) AS BIGINT) FROM attachments GROUP BY project_id")
            .fetch_all(self.reader())
            .await?;
        rows.into_iter().map(|(project, bytes)| Ok((id(&project)?, bytes))).collect()
    }

    /// Returns the pending files of a form.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn pending_attachments(&self, scope: &Scope, form: &str, now: Timestamp) -> Result<Vec<TicketAttachment>> {
        let rows: Vec<(String, String, String, i64)> = sqlx::query_as(
            "SELECT id, name, media_type, size FROM attachments \
             WHERE held_for = $1 AND project_id = $2 AND message_id IS NULL AND created_at > $3 ORDER BY created_at, id",
        )
        .bind(form.to_owned())
        .bind(scope.project().to_string())
        .bind(now.plus_ms(-HELD_MS).0)
        .fetch_all(self.reader())
        .await?;
        rows.into_iter().map(|(own, name, media_type, size)| Ok(TicketAttachment { id: id(&own)?, name, media_type, size })).collect()
    }
}

impl Tx<'_> {
    /// Stores a file of a message, or, without one, a pending file of the form with the key `held_for`.
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
        let id: AttachmentId = self.id();
        sqlx::query(
            "INSERT INTO attachments (id, project_id, ticket_id, message_id, held_for, name, media_type, size, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(id.to_string())
        .bind(project.to_string())
        .bind(of.map(|(ticket, _)| ticket.to_string()))
        .bind(of.map(|(_, message)| message.to_string()))
        .bind(held_for.map(ToOwned::to_owned))
        .bind(new.name.clone())
        .bind(new.media_type.clone())
        .bind(new.size)
        .bind(at.0)
        .execute(self.conn())
        .await?;
        for (n, chunk) in new.bytes.chunks(ATTACHMENT_CHUNK_BYTES).enumerate() {
            sqlx::query("INSERT INTO attachment_chunks (attachment_id, n, bytes) VALUES ($1, $2, $3)")
                .bind(id.to_string())
                .bind(i64::try_from(n).unwrap_or(i64::MAX))
                .bind(chunk.to_vec())
                .execute(self.conn())
                .await?;
        }
        Ok(())
    }

    /// Returns the total size of all pending files, in bytes.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn pending_attachment_bytes(&mut self) -> Result<i64> {
        Ok(sqlx::query_scalar("SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM attachments WHERE message_id IS NULL")
            .fetch_one(self.conn())
            .await?)
    }

    /// Attaches the pending files of a form to its message.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn attach_pending_files(&mut self, ticket: &Ticket, message: MessageId, form: &str, now: Timestamp) -> Result<u64> {
        // Only those that no concurrent purge can delete.
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

    /// Deletes a pending file.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_pending_attachment(&mut self, scope: &Scope, file: AttachmentId) -> Result<()> {
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

    /// Deletes up to `at_most` chunks of files whose form was never submitted, and files without chunks. Returns the number of rows
    /// deleted.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn purge_attachments(&mut self, now: Timestamp, at_most: i64) -> Result<u64> {
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
