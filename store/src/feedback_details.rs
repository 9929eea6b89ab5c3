//! Feedback as programs read it, with its contact and links. The API and webhook events both read it here.

use std::collections::HashMap;

use domain::{feedback::Feedback, ids::FeedbackId};
use schemas::{FeedbackDetail, FeedbackWithContact, LinkedItem};
use sqlx::FromRow;

use crate::{
    Dialect, Store,
    backlog::{importance, status},
    error::Result,
    id,
    triage::FeedbackContact,
};

#[derive(FromRow)]
struct ContactRow {
    feedback_id: String,
    #[sqlx(flatten)]
    contact: FeedbackContact,
}

#[derive(FromRow)]
struct LinkRow {
    number: i64,
    title: String,
    status: String,
    quote: Option<String>,
    importance: String,
}

impl Store {
    /// Returns records with their contacts, in the same order. The records come from a function that takes a scope, or are for all projects.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn feedback_with_contacts(&self, records: Vec<Feedback>) -> Result<Vec<FeedbackWithContact>> {
        let ids: Vec<FeedbackId> = records.iter().map(|record| record.id).collect();
        let ids = serde_json::to_string(&ids)?;
        let mut contacts = self.contacts_of_feedback(&ids).await?;
        let mut external_ids = self.external_ids_of_feedback(&ids).await?;
        let with_contact = |feedback: Feedback| {
            let external_id = external_ids.remove(&feedback.id);
            let contact = contacts.remove(&feedback.id).map(|contact| contact.described(&feedback));
            FeedbackWithContact::new(feedback, external_id, contact)
        };
        Ok(records.into_iter().map(with_contact).collect())
    }

    /// Returns a record with its contact and links. The record comes from a function that takes a scope.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn feedback_detail(&self, record: Feedback) -> Result<Option<FeedbackDetail>> {
        let links = self.links_of_feedback(record.id).await?;
        let found = self.feedback_with_contacts(vec![record]).await?.pop();
        Ok(found.map(|feedback| FeedbackDetail::new(feedback, links)))
    }

    /// Returns the contacts of records, whose ids are a list in JSON.
    async fn contacts_of_feedback(&self, ids: &str) -> Result<HashMap<FeedbackId, FeedbackContact>> {
        let sql = match self.dialect() {
            Dialect::Sqlite => {
                "SELECT f.id AS feedback_id, c.external_id, c.email, c.name, c.attributes, c.verified, r.identity, r.claimed \
                 FROM json_each($1) j CROSS JOIN feedback f ON f.id = j.value \
                 JOIN contacts c ON c.id = f.contact_id LEFT JOIN responses r ON r.id = f.response_id"
            }
            Dialect::Postgres => {
                "SELECT f.id AS feedback_id, c.external_id, c.email, c.name, c.attributes, c.verified, r.identity, r.claimed \
                 FROM json_array_elements_text(CAST($1 AS json)) j JOIN feedback f ON f.id = j \
                 JOIN contacts c ON c.id = f.contact_id LEFT JOIN responses r ON r.id = f.response_id"
            }
        };
        let rows: Vec<ContactRow> = sqlx::query_as(sql).bind(ids.to_owned()).fetch_all(self.reader()).await?;
        rows.into_iter().map(|row| Ok((id(&row.feedback_id)?, row.contact))).collect()
    }

    /// Returns the items linked to a record, oldest link first.
    async fn links_of_feedback(&self, feedback: FeedbackId) -> Result<Vec<LinkedItem>> {
        let rows: Vec<LinkRow> = sqlx::query_as(
            "SELECT b.number, b.title, b.status, l.quote, l.importance FROM links l JOIN backlog_items b ON b.id = l.backlog_id \
             WHERE l.feedback_id = $1 ORDER BY l.created_at, l.id",
        )
        .bind(feedback.to_string())
        .fetch_all(self.reader())
        .await?;
        let item = |LinkRow { number, title, status: state, quote, importance: weight }| LinkedItem {
            number,
            title,
            status: status(&state).into(),
            quote,
            importance: importance(&weight).into(),
        };
        Ok(rows.into_iter().map(item).collect())
    }

    /// Returns the ids of records in their source systems, of those that have one.
    async fn external_ids_of_feedback(&self, ids: &str) -> Result<HashMap<FeedbackId, String>> {
        let sql = match self.dialect() {
            Dialect::Sqlite => {
                "SELECT f.id, f.source_key FROM json_each($1) j CROSS JOIN feedback f ON f.id = j.value WHERE f.source_key LIKE 'id:%'"
            }
            Dialect::Postgres => {
                "SELECT f.id, f.source_key FROM json_array_elements_text(CAST($1 AS json)) j JOIN feedback f ON f.id = j \
                 WHERE f.source_key LIKE 'id:%'"
            }
        };
        let rows: Vec<(String, String)> = sqlx::query_as(sql).bind(ids.to_owned()).fetch_all(self.reader()).await?;
        // SQLite's LIKE ignores case, unlike the prefix.
        let own = rows.iter().filter_map(|(feedback, key)| Some((feedback, key.strip_prefix("id:")?)));
        own.map(|(feedback, key)| Ok((id(feedback)?, key.to_owned()))).collect()
    }
}
