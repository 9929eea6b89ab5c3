//! Feedback: the rows behind the inbox.

use std::collections::HashSet;

use domain::{
    Timestamp,
    accounts::Scope,
    feedback::{Feedback, FeedbackKind, FeedbackStatus, NewFeedback},
    ids::{ContactId, FeedbackId, ImportId, ProjectId, ResponseId, StaffId, SurveyId},
    tickets::Priority,
};
use sqlx::FromRow;

use super::{Store, Tx, bulk_insert::rows, id, optional_id, or_instead, withheld_events::WithheldRow};
use crate::error::Result;

/// The columns of `FeedbackTableRow`, from the table `feedback` as `f`: listed by name, so that a column added by a later version affects
/// no statement.
macro_rules! feedback_columns {
    () => {
        "f.id, f.project_id, f.kind, f.text, f.score, f.score_max, f.contact_id, f.survey_id, f.response_id, f.page_url, f.release, f.environment, \
         f.language, f.status, f.assignee, f.spam_reasons, f.created_at, f.updated_at, f.version"
    };
}
pub(super) use feedback_columns;

#[derive(FromRow)]
pub(super) struct FeedbackTableRow {
    pub(super) id: String,
    project_id: String,
    kind: String,
    text: String,
    score: Option<f64>,
    score_max: Option<f64>,
    contact_id: Option<String>,
    survey_id: Option<String>,
    response_id: Option<String>,
    page_url: Option<String>,
    release: Option<String>,
    environment: Option<String>,
    language: String,
    status: String,
    assignee: Option<String>,
    spam_reasons: String,
    created_at: i64,
    updated_at: i64,
    version: i64,
}

impl FeedbackTableRow {
    pub(super) fn with_tags(self, tags: Vec<String>) -> Result<Feedback> {
        Ok(Feedback {
            id: id(&self.id)?,
            project: id(&self.project_id)?,
            kind: or_instead("kind of feedback", FeedbackKind::parse(&self.kind), FeedbackKind::Api),
            text: self.text,
            score: self.score,
            score_max: self.score_max,
            contact: optional_id(self.contact_id.as_deref())?,
            survey: optional_id(self.survey_id.as_deref())?,
            response: optional_id(self.response_id.as_deref())?,
            page_url: self.page_url,
            release: self.release,
            environment: self.environment,
            language: self.language,
            status: or_instead("status of feedback", FeedbackStatus::parse(&self.status), FeedbackStatus::New),
            assignee: optional_id(self.assignee.as_deref())?,
            tags,
            spam_reasons: or_instead("list of spam reasons", serde_json::from_str(&self.spam_reasons).ok(), Vec::new()),
            created_at: Timestamp(self.created_at),
            updated_at: Timestamp(self.updated_at),
            version: self.version,
        })
    }
}

#[derive(FromRow)]
struct TaggedRow {
    #[sqlx(flatten)]
    row: FeedbackTableRow,
    /// As JSON.
    tags: String,
}

/// A record with further fields for queries.
#[derive(Debug, Clone)]
pub struct ListedFeedback {
    /// The record.
    pub feedback: Feedback,
    /// Whether it is linked to the backlog.
    pub linked: bool,
    /// Whether it has a staff comment.
    pub commented: bool,
    /// Whether the contact has a name, an address or an id.
    pub contact_known: bool,
    /// For a ticket: its priority.
    pub priority: Option<Priority>,
}

#[derive(FromRow)]
struct ListedFeedbackRow {
    #[sqlx(flatten)]
    row: FeedbackTableRow,
    linked: i64,
    commented: i64,
    known: i64,
    priority: Option<String>,
}

impl Store {
    /// Returns records of the scope's project by time, after a cursor (time and id): the inbox list while there is no index.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list_feedback(
        &self,
        scope: &Scope,
        newest: bool,
        after: Option<(i64, String)>,
        limit: i64,
    ) -> Result<Vec<ListedFeedback>> {
        let sql = if newest {
            concat!(
                "SELECT ",
                feedback_columns!(),
                ", (SELECT COUNT(*) FROM links l WHERE l.feedback_id = f.id) AS linked, \
             (SELECT COUNT(*) FROM comments c WHERE c.feedback_id = f.id) AS commented, \
             (SELECT COUNT(*) FROM contacts p WHERE p.id = f.contact_id \
             AND COALESCE(p.name, '') || COALESCE(p.email, '') || COALESCE(p.external_id, '') <> '') AS known, \
             (SELECT t.priority FROM tickets t WHERE t.feedback_id = f.id) AS priority FROM feedback f \
             WHERE f.project_id = $1 AND (f.created_at < $2 OR (f.created_at = $2 AND f.id < $3)) \
             ORDER BY f.created_at DESC, f.id DESC LIMIT $4"
            )
        } else {
            concat!(
                "SELECT ",
                feedback_columns!(),
                ", (SELECT COUNT(*) FROM links l WHERE l.feedback_id = f.id) AS linked, \
             (SELECT COUNT(*) FROM comments c WHERE c.feedback_id = f.id) AS commented, \
             (SELECT COUNT(*) FROM contacts p WHERE p.id = f.contact_id \
             AND COALESCE(p.name, '') || COALESCE(p.email, '') || COALESCE(p.external_id, '') <> '') AS known, \
             (SELECT t.priority FROM tickets t WHERE t.feedback_id = f.id) AS priority FROM feedback f \
             WHERE f.project_id = $1 AND (f.created_at > $2 OR (f.created_at = $2 AND f.id > $3)) \
             ORDER BY f.created_at, f.id LIMIT $4"
            )
        };
        let (at, id) = after.unwrap_or(if newest { (i64::MAX, String::new()) } else { (i64::MIN, String::new()) });
        let rows: Vec<ListedFeedbackRow> =
            sqlx::query_as(sql).bind(scope.project().to_string()).bind(at).bind(id).bind(limit).fetch_all(self.reader()).await?;
        let ids: Vec<&str> = rows.iter().map(|r| r.row.id.as_str()).collect();
        let mut tags = self.tags_of(scope, &serde_json::to_string(&ids)?).await?;
        let listed = |r: ListedFeedbackRow| -> Result<ListedFeedback> {
            let own = tags.remove(&r.row.id).unwrap_or_default();
            Ok(ListedFeedback {
                linked: r.linked > 0,
                commented: r.commented > 0,
                contact_known: r.known > 0,
                priority: r.priority.as_deref().and_then(Priority::parse),
                feedback: r.row.with_tags(own)?,
            })
        };
        rows.into_iter().map(listed).collect()
    }

    /// Returns whether the scope's project has any feedback that is not spam.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn has_non_spam(&self, scope: &Scope) -> Result<bool> {
        let found: Option<String> = sqlx::query_scalar("SELECT id FROM feedback WHERE project_id = $1 AND status <> $2 LIMIT 1")
            .bind(scope.project().to_string())
            .bind(FeedbackStatus::Spam.as_str())
            .fetch_optional(self.reader())
            .await?;
        Ok(found.is_some())
    }

    /// Returns the tags of records, by id; `list` is a JSON list of ids.
    async fn tags_of(&self, scope: &Scope, list: &str) -> Result<std::collections::HashMap<String, Vec<String>>> {
        let sql = match self.dialect() {
            // The unary plus keeps SQLite from scanning the whole project's tags once for each record, by the index on project and tag.
            super::Dialect::Sqlite => {
                "SELECT t.feedback_id, t.tag FROM json_each($2) j CROSS JOIN feedback_tags t ON t.feedback_id = j.value WHERE +t.project_id = $1 ORDER BY t.tag"
            }
            super::Dialect::Postgres => {
                "SELECT t.feedback_id, t.tag FROM feedback_tags t JOIN json_array_elements_text(CAST($2 AS json)) j ON t.feedback_id = j WHERE t.project_id = $1 ORDER BY t.tag"
            }
        };
        let rows: Vec<(String, String)> =
            sqlx::query_as(sql).bind(scope.project().to_string()).bind(list.to_owned()).fetch_all(self.reader()).await?;
        let mut by_id: std::collections::HashMap<String, Vec<String>> = std::collections::HashMap::new();
        for (id, tag) in rows {
            by_id.entry(id).or_default().push(tag);
        }
        Ok(by_id)
    }

    /// Returns the records of the scope's project with these ids, in the given order; omits unknown ids.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn feedback_by_ids(&self, scope: &Scope, ids: &[FeedbackId]) -> Result<Vec<Feedback>> {
        // Ids are bound as one JSON list, so that the statement text is the same for any number of them.
        let list = serde_json::to_string(ids)?;
        let sql = match self.dialect() {
            // The ORDER BY makes SQLite find all rows first: rows returned one by one would each wake the reader.
            super::Dialect::Sqlite => {
                concat!(
                    "SELECT ",
                    feedback_columns!(),
                    ", (SELECT json_group_array(CAST(t.tag AS TEXT)) FROM feedback_tags t WHERE t.feedback_id = f.id) AS tags \
                 FROM json_each($2) j CROSS JOIN feedback f ON f.id = j.value WHERE f.project_id = $1 ORDER BY j.key"
                )
            }
            super::Dialect::Postgres => {
                concat!(
                    "SELECT ",
                    feedback_columns!(),
                    ", (SELECT CAST(COALESCE(json_agg(t.tag), '[]') AS TEXT) FROM feedback_tags t WHERE t.feedback_id = f.id) AS tags \
                 FROM feedback f JOIN json_array_elements_text(CAST($2 AS json)) j ON f.id = j WHERE f.project_id = $1"
                )
            }
        };
        let rows: Vec<TaggedRow> = sqlx::query_as(sql).bind(scope.project().to_string()).bind(list).fetch_all(self.reader()).await?;
        let mut by_id = std::collections::HashMap::with_capacity(rows.len());
        for row in rows {
            let mut tags: Vec<String> = serde_json::from_str(&row.tags)?;
            tags.sort_unstable();
            let feedback = row.row.with_tags(tags)?;
            by_id.insert(feedback.id, feedback);
        }
        Ok(ids.iter().filter_map(|id| by_id.remove(id)).collect())
    }
}

impl Tx<'_> {
    /// Gives a new record its id.
    #[must_use]
    pub fn identify(&self, new: NewFeedback, project: ProjectId, now: Timestamp) -> Feedback {
        new.stored(self.id(), project, now)
    }

    /// Adds a record with its tags and records the change; `false` if a record with this `source_key` exists.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_feedback(&mut self, feedback: &Feedback, source_key: Option<&str>) -> Result<bool> {
        let added = self.insert_all_feedback(&[FeedbackInsert { feedback, source_key, import: None }]).await?;
        Ok(!added.is_empty())
    }

    /// Same as [`Tx::insert_feedback`] for several records, in order. Returns the ids of the inserted ones.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_all_feedback(&mut self, new: &[FeedbackInsert<'_>]) -> Result<Vec<FeedbackId>> {
        let rows = new.iter().map(NewFeedbackRow::of).collect::<Result<Vec<_>>>()?;
        let mut added: Vec<&Feedback> = new.iter().map(|new| new.feedback).collect();
        if usize::try_from(self.insert_rows(&rows).await?).is_ok_and(|n| n < rows.len()) {
            let there = self.feedback_there(&added.iter().map(|f| f.id).collect::<Vec<_>>()).await?;
            added.retain(|feedback| there.contains(&feedback.id));
        }
        let mut tags = Vec::new();
        for feedback in &added {
            tags.extend(feedback.tags.iter().map(|tag| TagRow { feedback_id: feedback.id, project_id: feedback.project, tag }));
        }
        self.insert_rows(&tags).await?;
        let added_ids: HashSet<FeedbackId> = added.iter().map(|feedback| feedback.id).collect();
        let withheld: Vec<_> = new
            .iter()
            .filter(|new| added_ids.contains(&new.feedback.id))
            .flat_map(|new| WithheldRow::of(new.feedback, new.import.is_some()))
            .collect();
        self.insert_rows(&withheld).await?;
        self.record_new_feedback(&added.iter().map(|f| (f.project, f.id)).collect::<Vec<_>>()).await?;
        Ok(added.iter().map(|f| f.id).collect())
    }

    async fn feedback_there(&mut self, ids: &[FeedbackId]) -> Result<HashSet<FeedbackId>> {
        let sql = match self.dialect() {
            super::Dialect::Sqlite => "SELECT f.id FROM json_each($1) j CROSS JOIN feedback f ON f.id = j.value",
            super::Dialect::Postgres => "SELECT f.id FROM json_array_elements_text(CAST($1 AS json)) j JOIN feedback f ON f.id = j",
        };
        let there: Vec<String> = sqlx::query_scalar(sql).bind(serde_json::to_string(ids)?).fetch_all(self.conn()).await?;
        there.iter().map(|text| id(text)).collect()
    }
}

/// A record to add.
#[derive(Debug, Clone, Copy)]
pub struct FeedbackInsert<'a> {
    /// The record.
    pub feedback: &'a Feedback,
    /// Key for detecting duplicates in its project.
    pub source_key: Option<&'a str>,
    /// The import that adds it.
    pub import: Option<ImportId>,
}

rows! {
    /// A new record.
    struct NewFeedbackRow<'a> in "feedback" {
        id: FeedbackId as "TEXT",
        project_id: ProjectId as "TEXT",
        kind: &'a str as "TEXT",
        text: &'a str as "TEXT",
        score: Option<f64> as "DOUBLE PRECISION",
        score_max: Option<f64> as "DOUBLE PRECISION",
        contact_id: Option<ContactId> as "TEXT",
        survey_id: Option<SurveyId> as "TEXT",
        response_id: Option<ResponseId> as "TEXT",
        source_key: Option<&'a str> as "TEXT",
        page_url: Option<&'a str> as "TEXT",
        release: Option<&'a str> as "TEXT",
        environment: Option<&'a str> as "TEXT",
        language: &'a str as "TEXT",
        status: &'a str as "TEXT",
        assignee: Option<StaffId> as "TEXT",
        spam_reasons: String as "TEXT",
        created_at: i64 as "BIGINT",
        updated_at: i64 as "BIGINT",
        version: i64 as "BIGINT",
        import_id: Option<ImportId> as "TEXT",
    }
}

impl<'a> NewFeedbackRow<'a> {
    pub(super) fn of(new: &FeedbackInsert<'a>) -> Result<Self> {
        let feedback = new.feedback;
        Ok(Self {
            id: feedback.id,
            project_id: feedback.project,
            kind: feedback.kind.as_str(),
            text: &feedback.text,
            score: feedback.score,
            score_max: feedback.score_max,
            contact_id: feedback.contact,
            survey_id: feedback.survey,
            response_id: feedback.response,
            source_key: new.source_key,
            page_url: feedback.page_url.as_deref(),
            release: feedback.release.as_deref(),
            environment: feedback.environment.as_deref(),
            language: &feedback.language,
            status: feedback.status.as_str(),
            assignee: feedback.assignee,
            spam_reasons: serde_json::to_string(&feedback.spam_reasons)?,
            created_at: feedback.created_at.0,
            updated_at: feedback.updated_at.0,
            version: feedback.version,
            import_id: new.import,
        })
    }
}

rows! {
    /// A tag of a record.
    struct TagRow<'a> in "feedback_tags" {
        feedback_id: FeedbackId as "TEXT",
        project_id: ProjectId as "TEXT",
        tag: &'a str as "TEXT",
    }
}
