//! Triage of feedback: changes with their history, comments, and undo.

use std::collections::HashMap;

use domain::{
    Timestamp,
    accounts::Scope,
    feedback::{Feedback, FeedbackChange, FeedbackKind, FeedbackStatus},
    history,
    identity::Claim,
    ids::{ActorId, CommentId, FeedbackId, ProjectId, StaffId, SurveyId},
    surveys::{Answer, SurveyBody},
};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use super::{
    Dialect, Store, Tx,
    feedback::{FeedbackTableRow, feedback_columns},
    id, optional_id, or_none,
};
use crate::error::Result;

/// An event in the history of feedback after a version.
#[derive(Debug, Clone)]
pub struct FeedbackEvent {
    /// The author; `None` for the system itself and for visitors.
    pub by: Option<ActorId>,
    /// The author's name.
    pub name: String,
    /// The change.
    pub change: history::HistoryChange,
    /// Time of the change.
    pub at: Timestamp,
}

/// A member of the project to whom feedback can be assigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignable {
    /// Their id.
    pub id: StaffId,
    /// Their name.
    pub name: String,
    /// Their address.
    pub email: String,
}

/// A comment by a staff member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Its id.
    pub id: CommentId,
    /// The author's name.
    pub name: String,
    /// The text.
    pub body: String,
    /// When it was written.
    pub at: Timestamp,
}

/// The contact behind feedback, as far as known.
#[derive(Debug, Clone, FromRow, PartialEq, Eq)]
pub struct FeedbackContact {
    /// The site's own id for the contact.
    pub external_id: Option<String>,
    /// Their address.
    pub email: Option<String>,
    /// Their name.
    pub name: Option<String>,
    /// A JSON object of further attributes.
    pub attributes: String,
    /// Bits of the verified fields: 1 id, 2 address, 4 name, 8 attributes.
    #[sqlx(rename = "verified")]
    pub verified_bits: i64,
    /// Trust level of the identity claim, as stored.
    pub identity: Option<String>,
    /// JSON object of conflicting data in an unverified claim.
    pub claimed: Option<String>,
}

impl FeedbackContact {
    /// Returns the names of the verified fields.
    #[must_use]
    pub fn verified(&self) -> Vec<&'static str> {
        verified_names(self.verified_bits)
    }

    /// Returns the trust level of the identity claim behind this feedback.
    #[must_use]
    pub fn claim(&self, feedback: &Feedback) -> Claim {
        claim_of_feedback(feedback, self.identity.as_deref())
    }

    /// Returns the contact as programs read it.
    #[must_use]
    pub fn described(self, feedback: &Feedback) -> schemas::Contact {
        schemas::Contact {
            attributes: serde_json::from_str(&self.attributes).unwrap_or_default(),
            verified: self.verified(),
            identity: self.claim(feedback).as_str(),
            claimed: self.claimed.as_deref().and_then(|json| serde_json::from_str(json).ok()),
            id: self.external_id,
            email: self.email,
            name: self.name,
        }
    }
}

/// Returns the names of a contact's verified fields from their bits.
#[must_use]
pub(crate) fn verified_names(bits: i64) -> Vec<&'static str> {
    ["id", "email", "name", "attributes"].into_iter().enumerate().filter(|(n, _)| bits >> n & 1 == 1).map(|(_, name)| name).collect()
}

/// Returns the trust level of the identity claim behind feedback. Without a response, feedback comes from the API or an import, or is a
/// ticket, whose requester is not verified.
fn claim_of_feedback(feedback: &Feedback, stored: Option<&str>) -> Claim {
    let by_team = feedback.response.is_none() && feedback.kind != FeedbackKind::Ticket;
    stored.and_then(Claim::parse).unwrap_or(if by_team { Claim::Team } else { Claim::Unsigned })
}

/// The response behind a piece of feedback: its survey version, and its answers.
#[derive(Debug, Clone)]
pub struct FeedbackResponse {
    /// The survey content.
    pub body: SurveyBody,
    /// Answers by question id.
    pub answers: HashMap<String, Answer>,
    /// Whether the response is complete.
    pub finished: bool,
    /// The browser's `User-Agent` header.
    pub user_agent: Option<String>,
}

/// One step of an undoable act.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FeedbackUndo {
    /// The changed feedback.
    pub feedback: FeedbackId,
    /// The version after the change.
    pub version: i64,
    /// The change.
    pub change: FeedbackChange,
}

/// The state that a live event reports.
#[derive(Debug, Clone)]
pub struct FeedbackHead {
    /// Its id.
    pub id: FeedbackId,
    /// Its version.
    pub version: i64,
    /// The person who last changed it; `None` if it is unchanged since its creation.
    pub by: Option<String>,
}

impl Store {
    /// Returns members of the scope's project to whom feedback can be assigned, by name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn assignable(&self, scope: &Scope) -> Result<Vec<Assignable>> {
        let rows: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT s.id, a.name, s.email FROM accounts s JOIN actors a ON a.id = s.id JOIN memberships m ON m.staff_id = s.id \
             WHERE m.project_id = $1 ORDER BY a.name, s.id",
        )
        .bind(scope.project().to_string())
        .fetch_all(self.reader())
        .await?;
        rows.into_iter().map(|(staff, name, email)| Ok(Assignable { id: id(&staff)?, name, email })).collect()
    }

    /// Returns the members of the scope's project with one of these e-mail addresses.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn members_with_email(&self, scope: &Scope, emails: &[String]) -> Result<Vec<(StaffId, String)>> {
        let sql = match self.dialect() {
            Dialect::Sqlite => {
                "SELECT s.id, s.email FROM json_each($2) j CROSS JOIN accounts s ON s.email = j.value \
                 JOIN memberships m ON m.staff_id = s.id WHERE m.project_id = $1"
            }
            Dialect::Postgres => {
                "SELECT s.id, s.email FROM json_array_elements_text(CAST($2 AS json)) j JOIN accounts s ON s.email = j \
                 JOIN memberships m ON m.staff_id = s.id WHERE m.project_id = $1"
            }
        };
        let rows: Vec<(String, String)> =
            sqlx::query_as(sql).bind(scope.project().to_string()).bind(serde_json::to_string(emails)?).fetch_all(self.reader()).await?;
        rows.into_iter().map(|(staff, email)| Ok((id(&staff)?, email))).collect()
    }

    /// Returns the names of the scope's surveys.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn survey_names(&self, scope: &Scope) -> Result<HashMap<SurveyId, String>> {
        let rows: Vec<(String, String)> = sqlx::query_as("SELECT id, name FROM surveys WHERE project_id = $1")
            .bind(scope.project().to_string())
            .fetch_all(self.reader())
            .await?;
        rows.into_iter().map(|(survey, name)| Ok((id(&survey)?, name))).collect()
    }

    /// Returns the tags in use, in alphabetical order; only the first ones if there are very many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tags_in_use(&self, scope: &Scope) -> Result<Vec<String>> {
        // Steps from tag to tag through the index, instead of reading every row.
        let sql = "WITH RECURSIVE used (tag) AS (SELECT MIN(tag) FROM feedback_tags WHERE project_id = $1 UNION ALL \
                   SELECT (SELECT MIN(t.tag) FROM feedback_tags t WHERE t.project_id = $1 AND t.tag > used.tag) FROM used WHERE used.tag IS NOT NULL) \
                   SELECT tag FROM used WHERE tag IS NOT NULL LIMIT 500";
        Ok(sqlx::query_scalar(sql).bind(scope.project().to_string()).fetch_all(self.reader()).await?)
    }

    /// Returns the tags in use with the number of feedback records, in byte order, after a tag.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tag_counts(&self, scope: &Scope, after: &str, limit: i64) -> Result<Vec<(String, i64)>> {
        // The cursor needs the same order on both databases, whatever the collation.
        let sql = match self.dialect() {
            Dialect::Sqlite => {
                "SELECT tag, COUNT(*) FROM feedback_tags WHERE project_id = $1 AND tag > $2 GROUP BY tag ORDER BY tag LIMIT $3"
            }
            Dialect::Postgres => {
                "SELECT tag, COUNT(*) FROM feedback_tags WHERE project_id = $1 AND tag COLLATE \"C\" > $2 GROUP BY tag ORDER BY tag COLLATE \"C\" LIMIT $3"
            }
        };
        Ok(sqlx::query_as(sql).bind(scope.project().to_string()).bind(after.to_owned()).bind(limit).fetch_all(self.reader()).await?)
    }

    /// Returns whether any feedback has this tag.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn has_tag(&self, scope: &Scope, tag: &str) -> Result<bool> {
        let sql = "SELECT tag FROM feedback_tags WHERE project_id = $1 AND tag = $2 LIMIT 1";
        let found: Option<String> =
            sqlx::query_scalar(sql).bind(scope.project().to_string()).bind(tag.to_owned()).fetch_optional(self.reader()).await?;
        Ok(found.is_some())
    }

    /// Returns the contact of this feedback.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn contact_of_feedback(&self, scope: &Scope, feedback: &Feedback) -> Result<Option<FeedbackContact>> {
        let Some(contact) = feedback.contact else { return Ok(None) };
        Ok(sqlx::query_as(
            "SELECT c.external_id, c.email, c.name, c.attributes, c.verified, r.identity, r.claimed FROM contacts c \
             LEFT JOIN responses r ON r.id = $3 AND r.project_id = $2 WHERE c.id = $1 AND c.project_id = $2",
        )
        .bind(contact.to_string())
        .bind(scope.project().to_string())
        .bind(feedback.response.map(|response| response.to_string()).unwrap_or_default())
        .fetch_optional(self.reader())
        .await?)
    }

    /// Returns the response behind this feedback.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn response_of_feedback(&self, scope: &Scope, feedback: &Feedback) -> Result<Option<FeedbackResponse>> {
        let Some(response) = feedback.response else { return Ok(None) };
        let head: Option<(String, Option<i64>, Option<String>)> = sqlx::query_as(
            "SELECT v.body, r.finished_at, r.user_agent FROM responses r JOIN survey_versions v ON v.id = r.version_id \
             WHERE r.id = $1 AND r.project_id = $2",
        )
        .bind(response.to_string())
        .bind(scope.project().to_string())
        .fetch_optional(self.reader())
        .await?;
        let Some((body, finished, user_agent)) = head else { return Ok(None) };
        let rows: Vec<(String, String)> =
            sqlx::query_as("SELECT question_id, value FROM answers WHERE response_id = $1 AND project_id = $2")
                .bind(response.to_string())
                .bind(scope.project().to_string())
                .fetch_all(self.reader())
                .await?;
        let mut answers = HashMap::with_capacity(rows.len());
        for (question, value) in rows {
            // An unreadable answer is omitted.
            if let Some(answer) = or_none("answer", serde_json::from_str(&value).ok()) {
                answers.insert(question, answer);
            }
        }
        // If the survey's content is unreadable, feedback is shown as interpreted when it was submitted.
        let Some(body) = or_none("survey", serde_json::from_str(&body).ok()) else { return Ok(None) };
        Ok(Some(FeedbackResponse { body, answers, finished: finished.is_some(), user_agent }))
    }

    /// Returns the comments on this feedback, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn comments_on(&self, scope: &Scope, feedback: FeedbackId) -> Result<Vec<Comment>> {
        let rows: Vec<(String, String, String, i64)> = sqlx::query_as(
            "SELECT c.id, a.name, c.body, c.created_at FROM comments c JOIN actors a ON a.id = c.actor_id \
             WHERE c.feedback_id = $1 AND c.project_id = $2 ORDER BY c.created_at, c.id",
        )
        .bind(feedback.to_string())
        .bind(scope.project().to_string())
        .fetch_all(self.reader())
        .await?;
        rows.into_iter().map(|(own, name, body, at)| Ok(Comment { id: id(&own)?, name, body, at: Timestamp(at) })).collect()
    }

    /// Returns version and last author of these items, for live events; omits ids outside the scope.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn feedback_heads(&self, scope: &Scope, ids: &[FeedbackId]) -> Result<Vec<FeedbackHead>> {
        // Ignores the entry of its creation: a new record has not been changed yet.
        let sql = match self.dialect() {
            Dialect::Sqlite => {
                "SELECT f.id, f.version, h.change, a.name FROM json_each($2) j CROSS JOIN feedback f ON f.id = j.value \
                 LEFT JOIN history h ON h.subject_id = f.id AND h.id = (SELECT n.id FROM history n WHERE n.subject_id = f.id ORDER BY n.at DESC, n.id DESC LIMIT 1) \
                 LEFT JOIN actors a ON a.id = h.actor_id WHERE f.project_id = $1"
            }
            Dialect::Postgres => {
                "SELECT f.id, f.version, h.change, a.name FROM feedback f JOIN json_array_elements_text(CAST($2 AS json)) j ON f.id = j \
                 LEFT JOIN history h ON h.subject_id = f.id AND h.id = (SELECT n.id FROM history n WHERE n.subject_id = f.id ORDER BY n.at DESC, n.id DESC LIMIT 1) \
                 LEFT JOIN actors a ON a.id = h.actor_id WHERE f.project_id = $1"
            }
        };
        let rows: Vec<(String, i64, Option<String>, Option<String>)> =
            sqlx::query_as(sql).bind(scope.project().to_string()).bind(serde_json::to_string(ids)?).fetch_all(self.reader()).await?;
        let head = |(own, version, change, name): (String, i64, Option<String>, Option<String>)| {
            let change = change.map(|text| serde_json::from_str(&text).unwrap_or(history::HistoryChange::Unknown));
            let change = change.filter(|change| *change != history::HistoryChange::Created);
            Ok(FeedbackHead { id: id(&own)?, version, by: change.map(|change| name.unwrap_or_else(|| change.external_actor().into())) })
        };
        rows.into_iter().map(head).collect()
    }
}

impl Tx<'_> {
    /// Returns one record, locked until this transaction ends.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn feedback_for_update(&mut self, scope: &Scope, feedback: FeedbackId) -> Result<Option<Feedback>> {
        let sql = match self.dialect() {
            Dialect::Sqlite => concat!("SELECT ", feedback_columns!(), " FROM feedback f WHERE f.id = $1 AND f.project_id = $2"),
            Dialect::Postgres => {
                concat!("SELECT ", feedback_columns!(), " FROM feedback f WHERE f.id = $1 AND f.project_id = $2 FOR UPDATE")
            }
        };
        let row: Option<FeedbackTableRow> =
            sqlx::query_as(sql).bind(feedback.to_string()).bind(scope.project().to_string()).fetch_optional(self.conn()).await?;
        let Some(row) = row else { return Ok(None) };
        let tags: Vec<String> = sqlx::query_scalar("SELECT tag FROM feedback_tags WHERE feedback_id = $1 ORDER BY tag")
            .bind(feedback.to_string())
            .fetch_all(self.conn())
            .await?;
        row.with_tags(tags).map(Some)
    }

    /// Returns the history of this feedback after `version`, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn history_since(&mut self, project: ProjectId, feedback: FeedbackId, version: i64) -> Result<Vec<FeedbackEvent>> {
        let rows: Vec<(Option<String>, Option<String>, String, i64)> = sqlx::query_as(
            "SELECT h.actor_id, a.name, h.change, h.at FROM history h LEFT JOIN actors a ON a.id = h.actor_id \
             WHERE h.subject_id = $1 AND h.project_id = $2 AND h.version > $3 ORDER BY h.version DESC",
        )
        .bind(feedback.to_string())
        .bind(project.to_string())
        .bind(version)
        .fetch_all(self.conn())
        .await?;
        let event = |(by, name, change, at): (Option<String>, Option<String>, String, i64)| {
            let change = serde_json::from_str(&change).unwrap_or(history::HistoryChange::Unknown);
            let name = name.unwrap_or_else(|| change.external_actor().into());
            Ok(FeedbackEvent { by: optional_id(by.as_deref())?, name, change, at: Timestamp(at) })
        };
        rows.into_iter().map(event).collect()
    }

    /// Applies one change to locked feedback ([`Tx::feedback_for_update`]), including its side effects. Returns the new version.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn change_feedback(
        &mut self,
        held: &mut Feedback,
        by: Option<ActorId>,
        at: Timestamp,
        change: &FeedbackChange,
    ) -> Result<i64> {
        let mut names = HashMap::new();
        match change {
            FeedbackChange::Status { to, .. } => held.status = *to,
            FeedbackChange::Assigned { from, to } => {
                held.assignee = *to;
                for staff in [from, to].into_iter().flatten() {
                    names.insert(*staff, self.actor_name(Some((*staff).into())).await?.unwrap_or_default());
                }
            }
            FeedbackChange::Tagged { added, removed } => {
                for tag in removed {
                    sqlx::query("DELETE FROM feedback_tags WHERE feedback_id = $1 AND tag = $2 AND project_id = $3")
                        .bind(held.id.to_string())
                        .bind(tag.clone())
                        .bind(held.project.to_string())
                        .execute(self.conn())
                        .await?;
                }
                for tag in added {
                    sqlx::query("INSERT INTO feedback_tags (feedback_id, project_id, tag) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
                        .bind(held.id.to_string())
                        .bind(held.project.to_string())
                        .bind(tag.clone())
                        .execute(self.conn())
                        .await?;
                }
                held.tags.retain(|tag| !removed.contains(tag));
                held.tags.extend(added.iter().cloned());
                held.tags.sort();
                held.tags.dedup();
            }
        }
        let entry = change.to_history(|staff| names.get(&staff).cloned().unwrap_or_default());
        self.update_feedback_with_history(held, by, at, &entry).await
    }

    /// Writes the status and assignee of locked feedback, with the next version, a history entry and a change sequence entry.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn update_feedback_with_history(
        &mut self,
        held: &mut Feedback,
        by: Option<ActorId>,
        at: Timestamp,
        change: &history::HistoryChange,
    ) -> Result<i64> {
        held.version += 1;
        held.updated_at = at;
        sqlx::query("UPDATE feedback SET status = $3, assignee = $4, version = $5, updated_at = $6 WHERE id = $1 AND project_id = $2")
            .bind(held.id.to_string())
            .bind(held.project.to_string())
            .bind(held.status.as_str())
            .bind(held.assignee.map(|a| a.to_string()))
            .bind(held.version)
            .bind(at.0)
            .execute(self.conn())
            .await?;
        if held.kind == FeedbackKind::Ticket {
            if held.status != FeedbackStatus::Spam {
                self.publish_withheld_ticket(held, at).await?;
            }
            if let Some((ticket, change)) = self.sync_ticket_state(held, at).await? {
                self.ticket_event(&ticket, change, at).await?;
            }
        }
        self.insert_history(held.project, held.id, by, change, at).await?;
        self.record_feedback_change(held.project, held.id).await?;
        Ok(held.version)
    }

    /// Adds the row of a comment; [`Tx::update_feedback_with_history`] records it on the feedback.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_comment(&mut self, on: &Feedback, by: ActorId, body: &str, at: Timestamp) -> Result<CommentId> {
        let comment: CommentId = self.id();
        sqlx::query("INSERT INTO comments (id, project_id, feedback_id, actor_id, body, created_at) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(comment.to_string())
            .bind(on.project.to_string())
            .bind(on.id.to_string())
            .bind(by.to_string())
            .bind(body.to_owned())
            .bind(at.0)
            .execute(self.conn())
            .await?;
        Ok(comment)
    }

    /// Returns whether a person is a member of a project.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn is_member(&mut self, project: ProjectId, staff: StaffId) -> Result<bool> {
        let row: Option<String> = sqlx::query_scalar("SELECT role FROM memberships WHERE project_id = $1 AND staff_id = $2")
            .bind(project.to_string())
            .bind(staff.to_string())
            .fetch_optional(self.conn())
            .await?;
        Ok(row.is_some())
    }
}
