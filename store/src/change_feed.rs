//! Input of the search index: the change sequence, and records with their related data from other tables.
//!
//! These functions take no scope: they serve the index, which holds all projects and itself requires a scope for queries.

use std::collections::HashMap;

use domain::{
    Timestamp,
    feedback::Feedback,
    ids::{FeedbackId, ProjectId},
    tickets::Priority,
};
use sqlx::FromRow;

use super::{
    Dialect, Store, Tx,
    feedback::{FeedbackTableRow, feedback_columns},
    id,
};
use crate::error::Result;

/// One entry of the change sequence.
#[derive(Debug, Clone, Copy)]
pub struct ChangeEntry {
    /// Id of the writing transaction; 0 on SQLite, where sequence numbers alone are in commit order.
    pub tx: i64,
    /// The sequence number.
    pub seq: i64,
    /// The project.
    pub project: ProjectId,
    /// The feedback that changed.
    pub feedback: FeedbackId,
    /// Whether this change created the feedback.
    pub made: bool,
}

/// A record with the related data for its search document.
#[derive(Debug, Clone)]
pub struct IndexRow {
    /// The record.
    pub feedback: Feedback,
    /// Whether it is linked to the backlog.
    pub linked: bool,
    /// Whether it has a staff comment.
    pub commented: bool,
    /// Name of the contact.
    pub contact_name: Option<String>,
    /// E-mail address of the contact.
    pub contact_email: Option<String>,
    /// The site's own id of the contact.
    pub contact_external: Option<String>,
    /// For a ticket: its number and priority.
    pub ticket: Option<(i64, Priority)>,
}

#[derive(FromRow)]
struct IndexRowColumns {
    #[sqlx(flatten)]
    row: FeedbackTableRow,
    linked: i64,
    commented: i64,
    contact_name: Option<String>,
    contact_email: Option<String>,
    contact_external: Option<String>,
    ticket_number: Option<i64>,
    ticket_priority: Option<String>,
}

/// The set of changes to consider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeVisibility {
    /// All committed changes.
    Committed,
    /// Changes before which no further change can appear.
    Settled,
}

/// Minimum retention of changes, in days: an index that is further behind is rebuilt.
const CHANGES_DAYS: i64 = 7;

/// On PostgreSQL, the transactions that run in other databases of the server: they write nothing to the change sequence and may take hours,
/// so they must not delay readers. Queried before the snapshot that `unsettled!` uses: a transaction that starts in between is newer than
/// every committed one, so a settled change stays settled.
const ELSEWHERE: &str = "SELECT COALESCE(string_agg(CAST(a.backend_xid AS TEXT), ','), '') FROM pg_stat_get_activity(NULL) a \
     WHERE a.backend_xid IS NOT NULL AND a.datid <> (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())";

/// On PostgreSQL, the oldest transaction that may still write to the change sequence, or the next one to begin: older changes are settled.
/// The parameter is the result of [`ELSEWHERE`].
macro_rules! unsettled {
    ($elsewhere:literal) => {
        concat!(
            "COALESCE((SELECT x FROM pg_snapshot_xip(pg_current_snapshot()) AS x WHERE CAST(CAST(x AS xid) AS TEXT) <> ALL (string_to_array(",
            $elsewhere,
            ", ',')) ORDER BY x LIMIT 1), pg_snapshot_xmax(pg_current_snapshot()))"
        )
    };
}

const LAST: &str = "SELECT 0, seq FROM feedback_changes ORDER BY seq DESC LIMIT 1";
const LAST_COMMITTED: &str = "SELECT CAST(CAST(xid AS TEXT) AS BIGINT), seq FROM feedback_changes ORDER BY xid DESC, seq DESC LIMIT 1";
const LAST_SETTLED: &str = concat!(
    "SELECT CAST(CAST(xid AS TEXT) AS BIGINT), seq FROM feedback_changes WHERE xid < ",
    unsettled!("$1"),
    " ORDER BY xid DESC, seq DESC LIMIT 1"
);

impl Tx<'_> {
    /// Returns the last position in the change sequence before which no further change can appear.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn last_settled(&mut self) -> Result<Option<(i64, i64)>> {
        if self.dialect() == Dialect::Sqlite {
            return Ok(sqlx::query_as(LAST).fetch_optional(self.conn()).await?);
        }
        let elsewhere: String = sqlx::query_scalar(ELSEWHERE).fetch_one(self.conn()).await?;
        Ok(sqlx::query_as(LAST_SETTLED).bind(elsewhere).fetch_optional(self.conn()).await?)
    }

    /// Deletes up to `at_most` old changes, and records the position reached. Keeps the changes of the last week and always the last one,
    /// which marks the position of the sequence. Returns the number deleted.
    ///
    /// # Errors
    /// When the database fails.
    pub(super) async fn prune_changes(&mut self, now: Timestamp, at_most: i64) -> Result<u64> {
        if let Some((tx, seq)) = self.last_settled().await? {
            // One mark a day is enough.
            sqlx::query(
                "INSERT INTO change_marks (at, tx, seq, pruned) SELECT CAST($1 AS BIGINT), CAST($2 AS BIGINT), CAST($3 AS BIGINT), 0 \
                 WHERE NOT EXISTS (SELECT 1 FROM change_marks WHERE at > $4)",
            )
            .bind(now.0)
            .bind(tx)
            .bind(seq)
            .bind(now.plus_days(-1).0)
            .execute(self.conn())
            .await?;
        }
        // Marked before the first deletion: a follower that is further behind must not continue from the remaining changes.
        let old: Option<i64> = sqlx::query_scalar("SELECT at FROM change_marks WHERE at <= $1 AND pruned = 0 ORDER BY at DESC LIMIT 1")
            .bind(now.plus_days(-CHANGES_DAYS).0)
            .fetch_optional(self.conn())
            .await?;
        if let Some(at) = old {
            sqlx::query("UPDATE change_marks SET pruned = 1 WHERE at = $1").bind(at).execute(self.conn()).await?;
            sqlx::query("DELETE FROM change_marks WHERE at < $1").bind(at).execute(self.conn()).await?;
        }
        let begin: Option<(i64, i64)> = sqlx::query_as(CHANGES_BEGIN).fetch_optional(self.conn()).await?;
        let Some((tx, seq)) = begin else { return Ok(0) };
        let gone = match self.dialect() {
            Dialect::Sqlite => {
                let sql =
                    "DELETE FROM feedback_changes WHERE seq IN (SELECT seq FROM feedback_changes WHERE seq < $1 ORDER BY seq LIMIT $2)";
                sqlx::query(sql).bind(seq).bind(at_most).execute(self.conn()).await?
            }
            Dialect::Postgres => {
                let sql = "DELETE FROM feedback_changes WHERE seq IN (SELECT seq FROM feedback_changes \
                           WHERE (xid, seq) < (CAST(CAST($1 AS TEXT) AS xid8), CAST($2 AS BIGINT)) ORDER BY xid, seq LIMIT $3)";
                sqlx::query(sql).bind(tx.to_string()).bind(seq).bind(at_most).execute(self.conn()).await?
            }
        };
        Ok(gone.rows_affected())
    }
}

/// The position before which changes are deleted.
const CHANGES_BEGIN: &str = "SELECT tx, seq FROM change_marks WHERE pruned = 1 ORDER BY at DESC LIMIT 1";

impl Store {
    /// Returns the position before which changes were deleted: transaction and sequence number, both 0 if none were.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn changes_begin(&self) -> Result<(i64, i64)> {
        Ok(sqlx::query_as(CHANGES_BEGIN).fetch_optional(self.reader()).await?.unwrap_or_default())
    }

    /// Returns the feedback that the change with this sequence number is about.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn change_about(&self, seq: i64) -> Result<Option<FeedbackId>> {
        let found: Option<String> =
            sqlx::query_scalar("SELECT feedback_id FROM feedback_changes WHERE seq = $1").bind(seq).fetch_optional(self.reader()).await?;
        found.as_deref().map(id).transpose()
    }

    /// Returns changes after a position, in commit order. On PostgreSQL a transaction that began to write earlier may commit later, so this
    /// returns only changes that no running transaction can precede, ordered by transaction.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn changes_after(&self, tx: i64, seq: i64, limit: i64) -> Result<Vec<ChangeEntry>> {
        let rows: Vec<(i64, i64, String, String, i64)> = match self.dialect() {
            Dialect::Sqlite => {
                sqlx::query_as("SELECT 0, seq, project_id, feedback_id, made FROM feedback_changes WHERE seq > $1 ORDER BY seq LIMIT $2")
                    .bind(seq)
                    .bind(limit)
                    .fetch_all(self.reader())
                    .await?
            }
            Dialect::Postgres => {
                let elsewhere: String = sqlx::query_scalar(ELSEWHERE).fetch_one(self.reader()).await?;
                sqlx::query_as(concat!(
                    "SELECT CAST(CAST(xid AS TEXT) AS BIGINT), seq, project_id, feedback_id, made FROM feedback_changes \
                     WHERE (xid, seq) > (CAST(CAST($1 AS TEXT) AS xid8), CAST($2 AS BIGINT)) AND xid < ",
                    unsettled!("$4"),
                    " ORDER BY xid, seq LIMIT $3"
                ))
                .bind(tx.to_string())
                .bind(seq)
                .bind(limit)
                .bind(elsewhere)
                .fetch_all(self.reader())
                .await?
            }
        };
        rows.into_iter()
            .map(|(tx, seq, project, feedback, made)| {
                Ok(ChangeEntry { tx, seq, project: id(&project)?, feedback: id(&feedback)?, made: made != 0 })
            })
            .collect()
    }

    /// Renews changes that carry transaction ids of another PostgreSQL server, as after restoring a dump: on this server such ids are still
    /// in the future, so no follower would read the changes. Returns their number.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn repair_change_sequence(&self) -> Result<u64> {
        if self.dialect() == Dialect::Sqlite {
            return Ok(0);
        }
        self.write(|tx| {
            Box::pin(async move {
                let foreign = "DELETE FROM change_marks WHERE tx > CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT)";
                sqlx::query(foreign).execute(tx.conn()).await?;
                let cursor = "UPDATE webhook_cursor SET tx = CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT) \
                              WHERE tx > CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT)";
                sqlx::query(cursor).execute(tx.conn()).await?;
                let sql = "UPDATE feedback_changes SET xid = pg_current_xact_id() WHERE xid > pg_current_xact_id()";
                Ok(sqlx::query(sql).execute(tx.conn()).await?.rows_affected())
            })
        })
        .await
    }

    /// Returns the last position in the change sequence: transaction and sequence number, both 0 when it is empty.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn last_change(&self, seen: ChangeVisibility) -> Result<(i64, i64)> {
        let last = match (self.dialect(), seen) {
            (Dialect::Sqlite, _) => sqlx::query_as(LAST).fetch_optional(self.reader()).await?,
            (Dialect::Postgres, ChangeVisibility::Committed) => sqlx::query_as(LAST_COMMITTED).fetch_optional(self.reader()).await?,
            (Dialect::Postgres, ChangeVisibility::Settled) => {
                let elsewhere: String = sqlx::query_scalar(ELSEWHERE).fetch_one(self.reader()).await?;
                sqlx::query_as(LAST_SETTLED).bind(elsewhere).fetch_optional(self.reader()).await?
            }
        };
        Ok(last.unwrap_or_default())
    }

    /// Returns the records of some consecutive changes (each an id, and whether the change created it), in their state after the last of
    /// those changes or in their current state; omits deleted records.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn changed_rows(&self, changes: &[(FeedbackId, bool)]) -> Result<Vec<IndexRow>> {
        let mut times = HashMap::<FeedbackId, u32>::with_capacity(changes.len());
        for (feedback, _) in changes {
            *times.entry(*feedback).or_default() += 1;
        }
        // A record created and not changed again within these changes need not be read back. A later change delivers it again.
        let just_made = changes.iter().filter(|(feedback, made)| *made && times.get(feedback) == Some(&1)).map(|(feedback, _)| *feedback);
        let mut rows = self.committed.take(just_made);
        for row in &rows {
            times.remove(&row.feedback.id);
        }
        if !times.is_empty() {
            rows.extend(self.index_rows(&times.into_keys().collect::<Vec<_>>()).await?);
        }
        Ok(rows)
    }

    /// Returns the current state of the records with these ids; omits deleted records.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn index_rows(&self, ids: &[FeedbackId]) -> Result<Vec<IndexRow>> {
        let sql = match self.dialect() {
            Dialect::Sqlite => concat!(
                "SELECT ",
                feedback_columns!(),
                ", EXISTS (SELECT 1 FROM links l WHERE l.feedback_id = f.id) AS linked, ",
                "EXISTS (SELECT 1 FROM comments m WHERE m.feedback_id = f.id) AS commented, c.name AS contact_name, c.email AS contact_email, c.external_id AS contact_external, k.number AS ticket_number, k.priority AS ticket_priority ",
                "FROM feedback f JOIN json_each($1) j ON f.id = j.value LEFT JOIN contacts c ON c.id = f.contact_id LEFT JOIN tickets k ON f.kind = 'ticket' AND k.feedback_id = f.id ORDER BY f.id",
            ),
            Dialect::Postgres => concat!(
                "SELECT ",
                feedback_columns!(),
                ", CAST(EXISTS (SELECT 1 FROM links l WHERE l.feedback_id = f.id) AS INT)::BIGINT AS linked, ",
                "CAST(EXISTS (SELECT 1 FROM comments m WHERE m.feedback_id = f.id) AS INT)::BIGINT AS commented, c.name AS contact_name, c.email AS contact_email, c.external_id AS contact_external, k.number AS ticket_number, k.priority AS ticket_priority ",
                "FROM feedback f JOIN json_array_elements_text(CAST($1 AS json)) j ON f.id = j LEFT JOIN contacts c ON c.id = f.contact_id LEFT JOIN tickets k ON f.kind = 'ticket' AND k.feedback_id = f.id ORDER BY f.id",
            ),
        };
        let rows: Vec<IndexRowColumns> = sqlx::query_as(sql).bind(serde_json::to_string(ids)?).fetch_all(self.reader()).await?;
        self.with_tags(rows).await
    }

    /// Returns records in the order of their ids, after a given id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn index_rows_after(&self, after: Option<FeedbackId>, limit: i64) -> Result<Vec<IndexRow>> {
        let ids: Vec<(String,)> = sqlx::query_as("SELECT id FROM feedback WHERE id > $1 ORDER BY id LIMIT $2")
            .bind(after.map(|id| id.to_string()).unwrap_or_default())
            .bind(limit)
            .fetch_all(self.reader())
            .await?;
        let ids = ids.iter().map(|(text,)| id(text)).collect::<Result<Vec<FeedbackId>>>()?;
        if ids.is_empty() { Ok(Vec::new()) } else { self.index_rows(&ids).await }
    }

    /// Counts the records of all projects.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn feedback_total(&self) -> Result<i64> {
        Ok(sqlx::query_scalar("SELECT COUNT(*) FROM feedback").fetch_one(self.reader()).await?)
    }

    async fn with_tags(&self, rows: Vec<IndexRowColumns>) -> Result<Vec<IndexRow>> {
        let list = serde_json::to_string(&rows.iter().map(|r| r.row.id.as_str()).collect::<Vec<_>>())?;
        let sql = match self.dialect() {
            Dialect::Sqlite => {
                "SELECT t.feedback_id, t.tag FROM feedback_tags t JOIN json_each($1) j ON t.feedback_id = j.value ORDER BY t.feedback_id, t.tag"
            }
            Dialect::Postgres => {
                "SELECT t.feedback_id, t.tag FROM feedback_tags t JOIN json_array_elements_text(CAST($1 AS json)) j ON t.feedback_id = j ORDER BY t.feedback_id, t.tag"
            }
        };
        let tags: Vec<(String, String)> = sqlx::query_as(sql).bind(list).fetch_all(self.reader()).await?;
        let mut tags_of = HashMap::<String, Vec<String>>::new();
        for (feedback, tag) in tags {
            tags_of.entry(feedback).or_default().push(tag);
        }
        rows.into_iter()
            .map(|joined| {
                let tags = tags_of.remove(&joined.row.id).unwrap_or_default();
                Ok(IndexRow {
                    feedback: joined.row.with_tags(tags)?,
                    linked: joined.linked > 0,
                    commented: joined.commented > 0,
                    contact_name: joined.contact_name,
                    contact_email: joined.contact_email,
                    contact_external: joined.contact_external,
                    ticket: joined.ticket_number.zip(joined.ticket_priority.as_deref().and_then(Priority::parse)),
                })
            })
            .collect()
    }
}
