//! What the team does to feedback: changes with their history, comments, and what can be taken back.

use std::collections::HashMap;

use domain::{
    Timestamp,
    accounts::Scope,
    feedback::{Feedback, FeedbackChange, FeedbackKind, FeedbackStatus},
    history,
    identity::Claim,
    ids::{CommentId, EventId, FeedbackId, HistoryId, ProjectId, StaffId, SurveyId},
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

/// Something that happened to feedback after a version.
#[derive(Debug, Clone)]
pub struct FeedbackEvent {
    /// Who; `None`: the program.
    pub by: Option<StaffId>,
    /// Their name.
    pub name: String,
    /// What.
    pub change: history::HistoryChange,
    /// When.
    pub at: Timestamp,
}

/// A member of the project, to be assigned to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignable {
    /// Who.
    pub id: StaffId,
    /// Their name.
    pub name: String,
    /// Their address.
    pub email: String,
}

/// A remark of the team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Identity.
    pub id: CommentId,
    /// Who wrote it.
    pub name: String,
    /// The text.
    pub body: String,
    /// When.
    pub at: Timestamp,
}

/// Who gave the feedback, as far as known.
#[derive(Debug, Clone, FromRow, PartialEq, Eq)]
pub struct FeedbackContact {
    /// The site's own id of them.
    pub external_id: Option<String>,
    /// Their address.
    pub email: Option<String>,
    /// Their name.
    pub name: Option<String>,
    /// JSON object.
    pub attributes: String,
    /// Bits of what is verified: 1 id, 2 address, 4 name, 8 properties.
    #[sqlx(rename = "verified")]
    pub verified_bits: i64,
    /// What the claim was worth, as stored.
    pub identity: Option<String>,
    /// JSON object of what an unverified claim said otherwise.
    pub claimed: Option<String>,
}

impl FeedbackContact {
    /// The names of what is verified.
    #[must_use]
    pub fn verified(&self) -> Vec<&'static str> {
        verified_names(self.verified_bits)
    }

    /// What the claim behind this feedback is worth.
    #[must_use]
    pub fn claim(&self, feedback: &Feedback) -> Claim {
        claim_of_feedback(feedback, self.identity.as_deref())
    }
}

/// The names of the bits of what is verified of a contact.
#[must_use]
pub fn verified_names(bits: i64) -> Vec<&'static str> {
    ["id", "email", "name", "attributes"].into_iter().enumerate().filter(|(n, _)| bits >> n & 1 == 1).map(|(_, name)| name).collect()
}

/// What the claim behind feedback is worth. Without a response it came by the API or an import, or is a ticket, whose requester nobody checked.
#[must_use]
pub fn claim_of_feedback(feedback: &Feedback, stored: Option<&str>) -> Claim {
    let by_team = feedback.response.is_none() && feedback.kind != FeedbackKind::Ticket;
    stored.and_then(Claim::parse).unwrap_or(if by_team { Claim::Team } else { Claim::Unsigned })
}

/// The response behind a piece of feedback: the version that was asked, and the answers by question id.
#[derive(Debug, Clone)]
pub struct FeedbackResponse {
    /// What was asked.
    pub body: SurveyBody,
    /// Answers by question id.
    pub answers: HashMap<String, Answer>,
    /// Whether it was finished.
    pub finished: bool,
    /// `User-Agent` of the browser.
    pub user_agent: Option<String>,
}

/// One step of something done that can be taken back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FeedbackUndo {
    /// Whose change.
    pub feedback: FeedbackId,
    /// The item's version after it.
    pub version: i64,
    /// What was done.
    pub change: FeedbackChange,
}

/// The state that a live event reports.
#[derive(Debug, Clone)]
pub struct FeedbackHead {
    /// Which feedback.
    pub id: FeedbackId,
    /// Its version.
    pub version: i64,
    /// Who changed it last; `None` when nothing happened to it since it was made.
    pub by: Option<String>,
}

impl Store {
    /// Members of the scope's project, by name: whom feedback can be assigned to.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn assignable(&self, scope: &Scope) -> Result<Vec<Assignable>> {
        let rows: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT s.id, s.name, s.email FROM staff s JOIN memberships m ON m.staff_id = s.id WHERE m.project_id = $1 ORDER BY s.name, s.id",
        )
        .bind(scope.project().to_string())
        .fetch_all(self.reader())
        .await?;
        rows.into_iter().map(|(staff, name, email)| Ok(Assignable { id: id(&staff)?, name, email })).collect()
    }

    /// Names of the scope's surveys.
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

    /// The tags in use, in the order of the alphabet; the first of them, if there are very many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tags_in_use(&self, scope: &Scope) -> Result<Vec<String>> {
        // From tag to tag through the index, not through all that have them.
        let sql = "WITH RECURSIVE used (tag) AS (SELECT MIN(tag) FROM feedback_tags WHERE project_id = $1 UNION ALL \
                   SELECT (SELECT MIN(t.tag) FROM feedback_tags t WHERE t.project_id = $1 AND t.tag > used.tag) FROM used WHERE used.tag IS NOT NULL) \
                   SELECT tag FROM used WHERE tag IS NOT NULL LIMIT 500";
        Ok(sqlx::query_scalar(sql).bind(scope.project().to_string()).fetch_all(self.reader()).await?)
    }

    /// The tags in use with how much feedback has each, in the order of their bytes, after one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tag_counts(&self, scope: &Scope, after: &str, limit: i64) -> Result<Vec<(String, i64)>> {
        // One order on both databases, whatever the collation: that of the cursor.
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

    /// Whether any feedback has this tag.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn has_tag(&self, scope: &Scope, tag: &str) -> Result<bool> {
        let sql = "SELECT tag FROM feedback_tags WHERE project_id = $1 AND tag = $2 LIMIT 1";
        let found: Option<String> =
            sqlx::query_scalar(sql).bind(scope.project().to_string()).bind(tag.to_owned()).fetch_optional(self.reader()).await?;
        Ok(found.is_some())
    }

    /// Who gave this feedback.
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

    /// Of feedback with a contact: bits of what is verified of them, what the claim was worth, and JSON of what it said otherwise.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn identities_of(&self, ids: &[FeedbackId]) -> Result<HashMap<FeedbackId, (i64, Option<String>, Option<String>)>> {
        let sql = match self.dialect() {
            Dialect::Sqlite => {
                "SELECT f.id, c.verified, r.identity, r.claimed FROM json_each($1) j CROSS JOIN feedback f ON f.id = j.value \
                 JOIN contacts c ON c.id = f.contact_id LEFT JOIN responses r ON r.id = f.response_id"
            }
            Dialect::Postgres => {
                "SELECT f.id, c.verified, r.identity, r.claimed FROM json_array_elements_text(CAST($1 AS json)) j JOIN feedback f ON f.id = j \
                 JOIN contacts c ON c.id = f.contact_id LEFT JOIN responses r ON r.id = f.response_id"
            }
        };
        let rows: Vec<(String, i64, Option<String>, Option<String>)> =
            sqlx::query_as(sql).bind(serde_json::to_string(ids)?).fetch_all(self.reader()).await?;
        rows.into_iter().map(|(feedback, verified, identity, claimed)| Ok((id(&feedback)?, (verified, identity, claimed)))).collect()
    }

    /// The response behind this feedback.
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
            // An answer that cannot be read is shown as none.
            if let Some(answer) = or_none("answer", serde_json::from_str(&value).ok()) {
                answers.insert(question, answer);
            }
        }
        // Without its survey's text, feedback is shown as it was understood when it came.
        let Some(body) = or_none("survey", serde_json::from_str(&body).ok()) else { return Ok(None) };
        Ok(Some(FeedbackResponse { body, answers, finished: finished.is_some(), user_agent }))
    }

    /// The comments on this feedback, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn comments_on(&self, scope: &Scope, feedback: FeedbackId) -> Result<Vec<Comment>> {
        let rows: Vec<(String, String, String, i64)> = sqlx::query_as(
            "SELECT c.id, s.name, c.body, c.created_at FROM comments c JOIN staff s ON s.id = c.staff_id \
             WHERE c.feedback_id = $1 AND c.project_id = $2 ORDER BY c.created_at, c.id",
        )
        .bind(feedback.to_string())
        .bind(scope.project().to_string())
        .fetch_all(self.reader())
        .await?;
        rows.into_iter().map(|(own, name, body, at)| Ok(Comment { id: id(&own)?, name, body, at: Timestamp(at) })).collect()
    }

    /// Version and last author of these items, for live events; ids that are not in the scope are left out.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn feedback_heads(&self, scope: &Scope, ids: &[FeedbackId]) -> Result<Vec<FeedbackHead>> {
        // Without the row of its making: what only just came was changed by nobody.
        let sql = match self.dialect() {
            Dialect::Sqlite => {
                "SELECT f.id, f.version, h.change, s.name FROM json_each($2) j CROSS JOIN feedback f ON f.id = j.value \
                 LEFT JOIN history h ON h.subject_id = f.id AND h.id = (SELECT n.id FROM history n WHERE n.subject_id = f.id ORDER BY n.at DESC, n.id DESC LIMIT 1) \
                 LEFT JOIN staff s ON s.id = h.staff_id WHERE f.project_id = $1"
            }
            Dialect::Postgres => {
                "SELECT f.id, f.version, h.change, s.name FROM feedback f JOIN json_array_elements_text(CAST($2 AS json)) j ON f.id = j \
                 LEFT JOIN history h ON h.subject_id = f.id AND h.id = (SELECT n.id FROM history n WHERE n.subject_id = f.id ORDER BY n.at DESC, n.id DESC LIMIT 1) \
                 LEFT JOIN staff s ON s.id = h.staff_id WHERE f.project_id = $1"
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
    /// One record as it is now, held against other transactions until this one ends.
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

    /// What happened to this feedback after `version`, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn history_since(&mut self, project: ProjectId, feedback: FeedbackId, version: i64) -> Result<Vec<FeedbackEvent>> {
        let rows: Vec<(Option<String>, Option<String>, String, i64)> = sqlx::query_as(
            "SELECT h.staff_id, s.name, h.change, h.at FROM history h LEFT JOIN staff s ON s.id = h.staff_id \
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

    /// Makes one change to feedback that is held ([`Tx::feedback_for_update`]), with all that belongs to it. Gives the new version.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn change_feedback(
        &mut self,
        held: &mut Feedback,
        by: Option<StaffId>,
        entry: HistoryId,
        at: Timestamp,
        change: &FeedbackChange,
    ) -> Result<i64> {
        let mut names = HashMap::new();
        match change {
            FeedbackChange::Status { to, .. } => held.status = *to,
            FeedbackChange::Assigned { from, to } => {
                held.assignee = *to;
                for staff in [from, to].into_iter().flatten() {
                    names.insert(*staff, self.staff_name(Some(*staff)).await?.unwrap_or_default());
                }
            }
            FeedbackChange::Tagged { added, removed } => {
                for tag in removed {
                    sqlx::query("DELETE FROM feedback_tags WHERE feedback_id = $1 AND tag = $2")
                        .bind(held.id.to_string())
                        .bind(tag.clone())
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
        let told = change.to_history(|staff| names.get(&staff).cloned().unwrap_or_default());
        self.update_feedback_with_history(held, by, entry, at, &told).await
    }

    /// Writes status and assignee of feedback that is held, a version more, an entry of its history and the change sequence.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn update_feedback_with_history(
        &mut self,
        held: &mut Feedback,
        by: Option<StaffId>,
        entry: HistoryId,
        at: Timestamp,
        told: &history::HistoryChange,
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
            // Each entry of the history moves a ticket once at most, so its id names what is told as well.
            self.sync_ticket_state(held, EventId(entry.0), at).await?;
        }
        self.insert_history(entry, held.project, held.id, by, told, at).await?;
        self.record_feedback_change(held.project, held.id).await?;
        Ok(held.version)
    }

    /// Adds the row of a comment; the note on the feedback is [`Tx::update_feedback_with_history`]'s.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_comment(&mut self, comment: CommentId, on: &Feedback, by: StaffId, body: &str, at: Timestamp) -> Result<()> {
        sqlx::query("INSERT INTO comments (id, project_id, feedback_id, staff_id, body, created_at) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(comment.to_string())
            .bind(on.project.to_string())
            .bind(on.id.to_string())
            .bind(by.to_string())
            .bind(body.to_owned())
            .bind(at.0)
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// Whether a person belongs to a project.
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
