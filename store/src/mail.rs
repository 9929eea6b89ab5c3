//! Outgoing e-mails, and password reset links.

use domain::{
    Timestamp,
    accounts::Scope,
    ids::JobId,
    ids::{MailId, StaffId},
    jobs::Job,
    mail::{MailContent, MailKind, MailMessage},
};
use sqlx::FromRow;
use uuid::Uuid;

use super::{Store, Tx, id};
use crate::error::{Error, Result};

/// An e-mail, as stored.
#[derive(Debug, Clone, FromRow)]
pub struct MailMessageRow {
    /// Its id; see [`MailMessageRow::id`].
    pub id: String,
    /// Name of its kind.
    pub kind: String,
    /// Recipient address.
    pub recipient: String,
    /// Its subject line.
    pub subject: String,
    /// JSON of [`MailContent`]; empty once deleted.
    pub content: String,
    /// Its link; empty if it has none or once deleted.
    pub link: String,
    /// `queued`, `sent`, `dead` (failed permanently) or `discarded`.
    pub state: String,
    /// Number of failed attempts.
    #[sqlx(rename = "tries")]
    pub attempts: i64,
    /// Error of the last attempt, for display.
    pub last_error: Option<String>,
    /// Time of the next attempt.
    pub next_at: Option<i64>,
    /// Time after which it is obsolete.
    pub not_after: Option<i64>,
    /// When it was created.
    pub created_at: i64,
    /// When its state last changed.
    pub updated_at: i64,
    /// Name of its project.
    pub project_name: Option<String>,
}

impl MailMessageRow {
    /// Returns the typed id.
    ///
    /// # Errors
    /// When the stored text is not a UUID.
    pub fn id(&self) -> Result<MailId> {
        id(&self.id)
    }

    /// Returns the typed kind.
    ///
    /// # Errors
    /// When the stored kind is unknown.
    pub fn kind(&self) -> Result<MailKind> {
        MailKind::parse(&self.kind).ok_or_else(|| Error::internal("stored kind of an e-mail", &self.kind))
    }

    /// Returns its content.
    ///
    /// # Errors
    /// When the content was deleted.
    pub fn content(&self) -> Result<MailContent> {
        Ok(serde_json::from_str(&self.content)?)
    }
}

/// Number of e-mails by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MailCounts {
    /// Waiting for the first attempt or a retry.
    pub queued: i64,
    /// Failed permanently.
    pub dead: i64,
}

impl Store {
    /// Returns an e-mail by id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn mail_message(&self, message: MailId) -> Result<Option<MailMessageRow>> {
        Ok(sqlx::query_as(
            "SELECT l.id, l.kind, l.recipient, l.subject, l.content, l.link, l.state, l.tries, l.last_error, l.next_at, l.not_after, \
             l.created_at, l.updated_at, p.name AS project_name FROM letters l LEFT JOIN projects p ON p.id = l.project_id WHERE l.id = $1",
        )
        .bind(message.to_string())
        .fetch_optional(self.reader())
        .await?)
    }

    /// Returns the e-mails of a project about one ticket or invitation, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn mail_messages_about(&self, scope: &Scope, about: Uuid) -> Result<Vec<MailMessageRow>> {
        Ok(sqlx::query_as(
            "SELECT l.id, l.kind, l.recipient, l.subject, l.content, l.link, l.state, l.tries, l.last_error, l.next_at, l.not_after, \
             l.created_at, l.updated_at, p.name AS project_name FROM letters l JOIN projects p ON p.id = l.project_id \
             WHERE l.about = $1 AND l.project_id = $2 ORDER BY l.created_at, l.id",
        )
        .bind(about.to_string())
        .bind(scope.project().to_string())
        .fetch_all(self.reader())
        .await?)
    }

    /// Returns all e-mails in a state, across all projects, latest change first: for operators.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn mail_messages_in_state(&self, state: &str, limit: i64) -> Result<Vec<MailMessageRow>> {
        Ok(sqlx::query_as(
            "SELECT l.id, l.kind, l.recipient, l.subject, l.content, l.link, l.state, l.tries, l.last_error, l.next_at, l.not_after, \
             l.created_at, l.updated_at, p.name AS project_name FROM letters l LEFT JOIN projects p ON p.id = l.project_id \
             WHERE l.state = $1 ORDER BY l.updated_at DESC, l.id DESC LIMIT $2",
        )
        .bind(state.to_owned())
        .bind(limit)
        .fetch_all(self.reader())
        .await?)
    }

    /// Counts waiting and failed e-mails across all projects: for operators.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn mail_counts(&self) -> Result<MailCounts> {
        let rows: Vec<(String, i64)> =
            sqlx::query_as("SELECT state, COUNT(*) FROM letters WHERE state IN ('queued', 'dead') GROUP BY state")
                .fetch_all(self.reader())
                .await?;
        let of = |state: &str| rows.iter().find(|(s, _)| s == state).map_or(0, |(_, n)| *n);
        Ok(MailCounts { queued: of("queued"), dead: of("dead") })
    }

    /// Returns the person whose password a link resets, while it is valid.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn password_reset(&self, token_hash: &str, now: Timestamp) -> Result<Option<StaffId>> {
        let found: Option<String> = sqlx::query_scalar("SELECT staff_id FROM password_resets WHERE token_hash = $1 AND expires_at > $2")
            .bind(token_hash.to_owned())
            .bind(now.0)
            .fetch_optional(self.reader())
            .await?;
        found.as_deref().map(id).transpose()
    }
}

impl Tx<'_> {
    async fn insert_mail_message(&mut self, message: &MailMessage, now: Timestamp) -> Result<MailId> {
        let id: MailId = self.id();
        sqlx::query(
            "INSERT INTO letters (id, project_id, kind, about, recipient, subject, content, link, state, not_after, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'queued', $9, $10, $10)",
        )
        .bind(id.to_string())
        .bind(message.project.map(|p| p.to_string()))
        .bind(message.kind.as_str())
        .bind(message.about.map(|a| a.to_string()))
        .bind(message.to.clone())
        .bind(message.subject.clone())
        .bind(serde_json::to_string(&message.content)?)
        .bind(message.link.clone())
        .bind(message.not_after.map(|t| t.0))
        .bind(now.0)
        .execute(self.conn())
        .await?;
        Ok(id)
    }

    /// Counts the e-mails of a kind written to an address since a given time, in any state.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_mail_since(&mut self, kind: &str, recipient: &str, since: Timestamp) -> Result<i64> {
        Ok(sqlx::query_scalar("SELECT COUNT(*) FROM letters WHERE recipient = $1 AND kind = $2 AND created_at > $3")
            .bind(recipient.to_owned())
            .bind(kind.to_owned())
            .bind(since.0)
            .fetch_one(self.conn())
            .await?)
    }

    /// Returns an e-mail by id, locked until this transaction ends.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lock_mail_message(&mut self, message: MailId) -> Result<Option<MailMessageRow>> {
        // On PostgreSQL the update locks the row until the end of the transaction; SQLite has only one writer.
        sqlx::query("UPDATE letters SET id = id WHERE id = $1").bind(message.to_string()).execute(self.conn()).await?;
        Ok(sqlx::query_as(
            "SELECT l.id, l.kind, l.recipient, l.subject, l.content, l.link, l.state, l.tries, l.last_error, l.next_at, l.not_after, \
             l.created_at, l.updated_at, p.name AS project_name FROM letters l LEFT JOIN projects p ON p.id = l.project_id WHERE l.id = $1",
        )
        .bind(message.to_string())
        .fetch_optional(self.conn())
        .await?)
    }

    /// Marks an e-mail as accepted by the mail server. Deletes its link, which may contain a secret.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn mark_mail_sent(&mut self, message: MailId, now: Timestamp) -> Result<()> {
        sqlx::query("UPDATE letters SET state = 'sent', link = '', last_error = NULL, next_at = NULL, updated_at = $2 WHERE id = $1")
            .bind(message.to_string())
            .bind(now.0)
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// Marks an e-mail to an address without an account. Kept without content, because it counts towards the address's limit.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn mark_mail_undeliverable(&mut self, message: MailId, now: Timestamp) -> Result<()> {
        sqlx::query("UPDATE letters SET state = 'sent', content = '', link = '', next_at = NULL, updated_at = $2 WHERE id = $1 AND state = 'queued'")
            .bind(message.to_string())
            .bind(now.0)
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// Records a failed attempt and schedules the next one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn schedule_mail_retry(&mut self, message: MailId, attempts: i64, why: &str, next: Timestamp, now: Timestamp) -> Result<()> {
        sqlx::query("UPDATE letters SET tries = $2, last_error = $3, next_at = $4, updated_at = $5 WHERE id = $1 AND state = 'queued'")
            .bind(message.to_string())
            .bind(attempts)
            .bind(why.to_owned())
            .bind(next.0)
            .bind(now.0)
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// Marks an unsent e-mail as failed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn mark_mail_dead(&mut self, message: MailId, why: &str, now: Timestamp) -> Result<()> {
        sqlx::query(
            "UPDATE letters SET state = 'dead', tries = tries + 1, last_error = $2, next_at = NULL, given_up_at = $3, updated_at = $3 \
             WHERE id = $1 AND state = 'queued'",
        )
        .bind(message.to_string())
        .bind(why.to_owned())
        .bind(now.0)
        .execute(self.conn())
        .await?;
        Ok(())
    }

    /// Requeues a failed e-mail and resets its attempts.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn retry_dead_mail(&mut self, message: MailId, now: Timestamp) -> Result<()> {
        sqlx::query(
            "UPDATE letters SET state = 'queued', tries = 0, next_at = $2, given_up_at = NULL, updated_at = $2 WHERE id = $1 AND state = 'dead'",
        )
        .bind(message.to_string())
        .bind(now.0)
        .execute(self.conn())
        .await?;
        Ok(())
    }

    /// Discards a waiting or failed e-mail; `false` if it is neither.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn discard_mail(&mut self, message: MailId, now: Timestamp) -> Result<bool> {
        let done = sqlx::query("UPDATE letters SET state = 'discarded', updated_at = $2 WHERE id = $1 AND state IN ('queued', 'dead')")
            .bind(message.to_string())
            .bind(now.0)
            .execute(self.conn())
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Discards unsent e-mails about an object that was revoked, for good: they cannot be restored.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn discard_mail_about(&mut self, about: Uuid, now: Timestamp) -> Result<()> {
        sqlx::query(
            "UPDATE letters SET state = 'discarded', content = '', link = '', updated_at = $2 \
             WHERE about = $1 AND state IN ('queued', 'dead', 'discarded')",
        )
        .bind(about.to_string())
        .bind(now.0)
        .execute(self.conn())
        .await?;
        Ok(())
    }

    /// Restores a discarded e-mail to its previous state; `false` if there is none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn restore_mail(&mut self, message: MailId, now: Timestamp) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE letters SET state = CASE WHEN given_up_at IS NULL THEN 'queued' ELSE 'dead' END, updated_at = $2 \
             WHERE id = $1 AND state = 'discarded' AND content <> ''",
        )
        .bind(message.to_string())
        .bind(now.0)
        .execute(self.conn())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Stores a password reset link, by the hash of its secret. Links of other e-mails stay valid until one of them is used: a third party
    /// who requests an e-mail must not invalidate the link that the owner is about to follow. `false` if the e-mail is no longer queued.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_password_reset(
        &mut self,
        token_hash: &str,
        staff: StaffId,
        message: MailId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool> {
        let done = sqlx::query(
            "INSERT INTO password_resets (token_hash, staff_id, letter_id, created_at, expires_at) \
             SELECT $1, $2, l.id, $4, $5 FROM letters l WHERE l.id = $3 AND l.state = 'queued'",
        )
        .bind(token_hash.to_owned())
        .bind(staff.to_string())
        .bind(message.to_string())
        .bind(now.0)
        .bind(until.0)
        .execute(self.conn())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Consumes a link and returns the person whose password it resets; `None` if it is not valid (any more). Only one of two concurrent
    /// calls gets it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn consume_password_reset(&mut self, token_hash: &str, now: Timestamp) -> Result<Option<StaffId>> {
        let found: Option<String> =
            sqlx::query_scalar("DELETE FROM password_resets WHERE token_hash = $1 AND expires_at > $2 RETURNING staff_id")
                .bind(token_hash.to_owned())
                .bind(now.0)
                .fetch_optional(self.conn())
                .await?;
        found.as_deref().map(id).transpose()
    }

    /// Deletes the contents of e-mails a week after they were sent or discarded, expired links at once, and e-mails after three months.
    ///
    /// # Errors
    /// When the database fails.
    pub(super) async fn purge_mail(&mut self, now: Timestamp, at_most: i64) -> Result<u64> {
        let statements = [
            (
                "DELETE FROM password_resets WHERE token_hash IN (SELECT token_hash FROM password_resets WHERE expires_at <= $1 LIMIT $2)",
                now,
            ),
            (
                "UPDATE letters SET content = '', link = '' WHERE id IN (SELECT id FROM letters WHERE state IN ('sent', 'discarded') \
                 AND content <> '' AND updated_at <= $1 LIMIT $2) AND state <> 'queued'",
                now.plus_days(-7),
            ),
            ("UPDATE letters SET link = '' WHERE id IN (SELECT id FROM letters WHERE link <> '' AND not_after <= $1 LIMIT $2)", now),
            // Addresses without an account, or mistyped by a visitor, are kept no longer than necessary.
            (
                "DELETE FROM letters WHERE id IN (SELECT id FROM letters WHERE kind = 'password_reset' AND state IN ('sent', 'discarded') \
                 AND updated_at <= $1 LIMIT $2) AND state <> 'queued'",
                now.plus_days(-1),
            ),
            (
                "DELETE FROM letters WHERE id IN (SELECT id FROM letters WHERE state <> 'queued' AND updated_at <= $1 LIMIT $2) AND state <> 'queued'",
                now.plus_days(-90),
            ),
        ];
        self.purge_by(&statements, at_most).await
    }
}

impl Tx<'_> {
    /// Queues an e-mail, to be sent after this transaction commits; then call the program's `wake_jobs` for immediate sending. Returns
    /// `None` and queues nothing if this address has reached its limit for this kind. A wrong address is no error here: the e-mail later
    /// fails visibly, and the change that it reports is unaffected.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn queue_mail(&mut self, message: &MailMessage, now: Timestamp) -> Result<Option<MailId>> {
        if let Some(limit) = message.kind.hourly_limit()
            && self.count_mail_since(message.kind.as_str(), &message.to, now.plus_ms(-3_600_000)).await? >= limit
        {
            return Ok(None);
        }
        let message = self.insert_mail_message(message, now).await?;
        // The job uses the e-mail's id, so there is never a second one.
        self.enqueue_once(JobId(message.0), &Job::Mail { message }, now, now).await?;
        Ok(Some(message))
    }
}
