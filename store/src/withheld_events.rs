//! Creation events withheld because the record is suspected spam. They are sent once it is no longer spam; until then no other event about
//! it is sent either.

use std::collections::HashSet;

use domain::{
    feedback::{Feedback, FeedbackKind, FeedbackStatus},
    ids::FeedbackId,
    webhooks::EventKind,
};

use super::{Dialect, Store, Tx, bulk_insert::rows, id};
use crate::error::Result;

rows! {
    /// A withheld event.
    struct WithheldRow in "withheld_events" {
        feedback_id: FeedbackId as "TEXT",
        kind: &'static str as "TEXT",
    }
}

impl WithheldRow {
    /// Returns the withheld events of a new record: none unless it is suspected spam. Records of imports are never announced.
    pub(super) fn of(new: &Feedback, is_imported: bool) -> Vec<Self> {
        let Feedback { id: feedback_id, kind, status, .. } = *new;
        if status != FeedbackStatus::Spam || is_imported {
            return Vec::new();
        }
        let ticket = (kind == FeedbackKind::Ticket).then_some(EventKind::TicketCreated);
        let kinds = [Some(EventKind::FeedbackCreated), ticket].into_iter().flatten();
        kinds.map(|kind| Self { feedback_id, kind: kind.as_str() }).collect()
    }
}

impl Store {
    /// Returns those of these records whose `feedback.created` is withheld.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn withheld_among(&self, ids: &[FeedbackId]) -> Result<HashSet<FeedbackId>> {
        let sql = match self.dialect() {
            Dialect::Sqlite => {
                "SELECT w.feedback_id FROM json_each($1) j CROSS JOIN withheld_events w ON w.feedback_id = j.value AND w.kind = $2"
            }
            Dialect::Postgres => {
                "SELECT w.feedback_id FROM json_array_elements_text(CAST($1 AS json)) j JOIN withheld_events w ON w.feedback_id = j AND w.kind = $2"
            }
        };
        let found: Vec<String> = sqlx::query_scalar(sql)
            .bind(serde_json::to_string(ids)?)
            .bind(EventKind::FeedbackCreated.as_str())
            .fetch_all(self.reader())
            .await?;
        found.iter().map(|text| id(text)).collect()
    }
}

impl Tx<'_> {
    /// Withholds the `feedback.created` event of records.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn withhold_feedback(&mut self, records: &[FeedbackId]) -> Result<()> {
        let row = |feedback_id: &FeedbackId| WithheldRow { feedback_id: *feedback_id, kind: EventKind::FeedbackCreated.as_str() };
        self.insert_rows(&records.iter().map(row).collect::<Vec<_>>()).await?;
        Ok(())
    }

    /// Releases a withheld event; `false` if it was not withheld.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn release_event(&mut self, feedback: FeedbackId, kind: EventKind) -> Result<bool> {
        let gone = sqlx::query("DELETE FROM withheld_events WHERE feedback_id = $1 AND kind = $2")
            .bind(feedback.to_string())
            .bind(kind.as_str())
            .execute(self.conn())
            .await?;
        Ok(gone.rows_affected() > 0)
    }

    /// Returns whether an event is withheld.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn is_withheld(&mut self, feedback: FeedbackId, kind: EventKind) -> Result<bool> {
        let found: Option<String> = sqlx::query_scalar("SELECT kind FROM withheld_events WHERE feedback_id = $1 AND kind = $2")
            .bind(feedback.to_string())
            .bind(kind.as_str())
            .fetch_optional(self.conn())
            .await?;
        Ok(found.is_some())
    }
}
