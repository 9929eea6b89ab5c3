//! New responses, stored in batches.
//!
//! All submissions waiting when the writer becomes free share its transaction, with one statement per table. Each still has its own
//! outcome: a repeated key, a closed survey or an invalid row does not affect the others. A single submission is a batch of one.

use std::{
    collections::{HashMap, HashSet},
    ops::Deref,
};

use domain::{
    Timestamp,
    feedback::{Feedback, NewFeedback},
    history::HistoryChange,
    identity::{Claim, UnsignedClaimPolicy},
    ids::{ContactId, FeedbackId, HistoryId, ProjectId, ResponseId, SurveyId, VersionId},
    responses::{ResponseContext, ResponseReceipt},
    surveys::{Answer, SurveyStatus},
};

use super::{
    Dialect, NewChangeRow, Tx,
    bulk_insert::{BulkInsert, rows},
    change_feed::IndexRow,
    contacts::{ContactSighting, KnownContact},
    feedback::{FeedbackInsert, NewFeedbackRow},
    id,
    idempotency::{Fingerprint, ScopedKey},
    projects,
    responses::ResponseAnswers,
    withheld_events::WithheldRow,
};
use crate::error::{Error, Result};

/// A new response with all its related records, prepared before its transaction.
#[derive(Debug, Clone)]
pub struct ResponseSubmission {
    /// Its key: the same key with the same content returns the first outcome again.
    pub place: ScopedKey,
    /// Fingerprint of the content submitted with the key.
    pub fingerprint: Fingerprint,
    /// The snapshot it was checked against, if that came from a cache.
    pub checked: Option<SurveySnapshot>,
    /// Whether the survey accepted responses when it was read.
    pub is_live: bool,
    /// Its project.
    pub project: ProjectId,
    /// The survey it answers.
    pub survey: SurveyId,
    /// The version it answers.
    pub version: VersionId,
    /// Its source and contact.
    pub context: ResponseContext,
    /// The answers.
    pub answers: Vec<(String, Answer)>,
    /// The language of the answers.
    pub language: String,
    /// Why it is suspected as spam.
    pub spam_reasons: Vec<String>,
    /// Whether the response is complete.
    pub finished: bool,
    /// The feedback for the inbox, without its response and contact; `None` before the first answer.
    pub feedback: Option<NewFeedback>,
    /// Time of the submission.
    pub now: Timestamp,
}

/// A submission with the id of its response, which tells whether a key was claimed for it or belongs to an earlier one.
#[derive(Debug)]
pub(super) struct IdentifiedSubmission {
    pub(super) id: ResponseId,
    pub(super) new: ResponseSubmission,
}

impl Deref for IdentifiedSubmission {
    type Target = ResponseSubmission;

    fn deref(&self) -> &Self::Target {
        &self.new
    }
}

/// Survey data that a submission is checked against before its transaction, and that must not have changed since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SurveySnapshot {
    /// Whether the survey accepts responses.
    pub status: SurveyStatus,
    /// The live version.
    pub live: VersionId,
    /// The public key of its project.
    pub key: String,
    /// The origins allowed to embed it.
    pub origins: Vec<String>,
    /// The query parameters to keep.
    pub kept_parameters: Vec<String>,
    /// The policy for unsigned claims.
    pub unsigned_identity: UnsignedClaimPolicy,
}

/// Outcome of a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubmissionOutcome {
    /// It is stored, possibly earlier under the same key.
    Stored(ResponseReceipt),
    /// The key belongs to a response with other content; nothing was changed.
    KeyConflict {
        /// That response, as it was when the key was used.
        receipt: ResponseReceipt,
        /// Whether both were submitted from the same page, and therefore by the same person.
        same_page: bool,
    },
    /// The survey accepts no responses.
    Closed,
    /// The snapshot it was checked against is stale: read it again.
    StaleSnapshot,
}

impl Tx<'_> {
    /// Stores submissions in order, and returns the outcome of each.
    ///
    /// # Errors
    /// When the database fails, or one of them cannot be stored: then none is stored.
    pub(super) async fn insert_submissions(&mut self, batch: &[IdentifiedSubmission]) -> Result<Vec<SubmissionOutcome>> {
        let refused = self.refusals(batch).await?;
        let known = self.claim_all(batch, &refused).await?;
        let is_new = |(s, known): &(&IdentifiedSubmission, &Option<SubmissionOutcome>)| matches!(known, Some(SubmissionOutcome::Stored(receipt)) if receipt.id == s.id);
        let new: Vec<&IdentifiedSubmission> = batch.iter().zip(&known).filter(is_new).map(|(s, _)| s).collect();
        self.insert_responses(&new).await?;
        // A stale snapshot must be read again, whatever response the key belongs to.
        let outcome = |(known, refused): (Option<SubmissionOutcome>, Option<SubmissionOutcome>)| match (known, refused) {
            (Some(SubmissionOutcome::KeyConflict { .. }), Some(SubmissionOutcome::StaleSnapshot)) => Some(SubmissionOutcome::StaleSnapshot),
            (known, refused) => known.or(refused),
        };
        known
            .into_iter()
            .zip(refused)
            .map(outcome)
            .collect::<Option<_>>()
            .ok_or_else(|| Error::internal("submission", "neither stored nor refused"))
    }

    /// Returns why each submission is refused, unless its key already has an outcome.
    async fn refusals(&mut self, batch: &[IdentifiedSubmission]) -> Result<Vec<Option<SubmissionOutcome>>> {
        let remembered: HashSet<SurveyId> = batch.iter().filter(|s| s.checked.is_some()).map(|s| s.survey).collect();
        let now = self.checks(&remembered).await?;
        let refused = |s: &IdentifiedSubmission| match &s.checked {
            Some(checked) if now.get(&s.survey) != Some(checked) => Some(SubmissionOutcome::StaleSnapshot),
            _ if !s.is_live => Some(SubmissionOutcome::Closed),
            _ => None,
        };
        Ok(batch.iter().map(refused).collect())
    }

    async fn checks(&mut self, surveys: &HashSet<SurveyId>) -> Result<HashMap<SurveyId, SurveySnapshot>> {
        if surveys.is_empty() {
            return Ok(HashMap::new());
        }
        let sql = match self.dialect() {
            Dialect::Sqlite => {
                "SELECT s.id, s.status, s.live_version_id, p.public_key, p.origins, p.kept_parameters, p.unsigned_identity FROM json_each($1) j CROSS JOIN surveys s ON s.id = j.value \
                 JOIN projects p ON p.id = s.project_id WHERE s.live_version_id IS NOT NULL"
            }
            Dialect::Postgres => {
                "SELECT s.id, s.status, s.live_version_id, p.public_key, p.origins, p.kept_parameters, p.unsigned_identity FROM json_array_elements_text(CAST($1 AS json)) j \
                 JOIN surveys s ON s.id = j JOIN projects p ON p.id = s.project_id WHERE s.live_version_id IS NOT NULL"
            }
        };
        let rows: Vec<(String, String, String, String, String, String, String)> =
            sqlx::query_as(sql).bind(serde_json::to_string(surveys)?).fetch_all(self.conn()).await?;
        rows.into_iter()
            .map(|(survey, status, live, key, origins, parameters, unsigned)| {
                let status = SurveyStatus::parse(&status).ok_or_else(|| Error::internal("stored status", &status))?;
                let (origins, unsigned_identity) = (projects::origins(&origins), projects::unsigned(&unsigned));
                let kept_parameters = projects::kept_parameters(&parameters);
                Ok((id(&survey)?, SurveySnapshot { status, live: id(&live)?, key, origins, kept_parameters, unsigned_identity }))
            })
            .collect()
    }

    /// Claims the keys of submissions that are not refused, each for the first with that key. Returns the outcome of each key.
    async fn claim_all(
        &mut self,
        batch: &[IdentifiedSubmission],
        refused: &[Option<SubmissionOutcome>],
    ) -> Result<Vec<Option<SubmissionOutcome>>> {
        let mut first = HashMap::new();
        for (submission, refused) in batch.iter().zip(refused) {
            if refused.is_none() {
                first.entry(&submission.place).or_insert(submission);
            }
        }
        // In one order everywhere, so that two nodes that claim the same keys cannot deadlock.
        let mut claims: Vec<&IdentifiedSubmission> = first.into_values().collect();
        claims.sort_by_key(|s| &s.place);
        let rows = claims.iter().map(|s| NewIdempotencyRow::of(s)).collect::<Result<Vec<_>>>()?;
        let claimed = self.insert_rows(&rows).await?;
        if claims.len() == batch.len() && usize::try_from(claimed).is_ok_and(|n| n == rows.len()) {
            return Ok(batch.iter().map(|s| Some(SubmissionOutcome::Stored(s.receipt()))).collect());
        }
        let known = self.known_outcomes(batch).await?;
        let stands_for = |s: &IdentifiedSubmission| {
            known.get(&s.place).map(|(receipt, fingerprint)| {
                if s.fingerprint.matches(fingerprint) {
                    SubmissionOutcome::Stored(*receipt)
                } else {
                    SubmissionOutcome::KeyConflict { receipt: *receipt, same_page: s.fingerprint.shares_page(fingerprint) }
                }
            })
        };
        Ok(batch.iter().map(stands_for).collect())
    }

    /// Returns the stored outcomes of the submissions' keys: the response, and the fingerprint of its content.
    async fn known_outcomes(&mut self, batch: &[IdentifiedSubmission]) -> Result<HashMap<ScopedKey, (ResponseReceipt, String)>> {
        let keys: Vec<[&str; 2]> = batch.iter().map(|s| [s.place.scope.as_str(), s.place.key.as_str()]).collect();
        let sql = match self.dialect() {
            Dialect::Sqlite => {
                "SELECT i.scope, i.key, i.outcome, i.fingerprint FROM json_each($1) j \
                 CROSS JOIN idempotency i ON i.scope = j.value ->> 0 AND i.key = j.value ->> 1"
            }
            Dialect::Postgres => {
                "SELECT i.scope, i.key, i.outcome, i.fingerprint FROM json_array_elements(CAST($1 AS json)) j \
                 JOIN idempotency i ON i.scope = j ->> 0 AND i.key = j ->> 1"
            }
        };
        let rows: Vec<(String, String, String, String)> =
            sqlx::query_as(sql).bind(serde_json::to_string(&keys)?).fetch_all(self.conn()).await?;
        rows.into_iter()
            .map(|(scope, key, outcome, fingerprint)| Ok((ScopedKey { scope, key }, (serde_json::from_str(&outcome)?, fingerprint))))
            .collect()
    }

    async fn insert_responses(&mut self, new: &[&IdentifiedSubmission]) -> Result<()> {
        let sightings: Vec<ContactSighting<'_>> =
            new.iter().map(|s| ContactSighting { project: s.project, person: &s.context.contact, known: None, at: s.now }).collect();
        let contacts = self.resolve_contacts(&sightings).await?;
        let mut made = Vec::new();
        for (submission, contact) in new.iter().zip(&contacts) {
            if let Some(feedback) = &submission.feedback {
                let new = NewFeedback { contact: Some(contact.id), response: Some(submission.id), ..feedback.clone() };
                made.push(just_made(self.identify(new, submission.project, submission.now), contact));
            }
        }
        let mut all = BulkInsert::default();
        all.add(&new.iter().zip(&contacts).map(|(s, contact)| NewResponseRow::of(s, contact)).collect::<Result<Vec<_>>>()?)?;
        all.add(&new.iter().flat_map(|s| s.answers_of().rows()).collect::<Result<Vec<_>>>()?)?;
        let feedback: Vec<_> = made.iter().map(|row| FeedbackInsert { feedback: &row.feedback, source_key: None, import: None }).collect();
        all.add(&feedback.iter().map(NewFeedbackRow::of).collect::<Result<Vec<_>>>()?)?;
        all.add(&feedback.iter().flat_map(|new| WithheldRow::of(new.feedback, new.import.is_some())).collect::<Vec<_>>())?;
        all.add(&made.iter().map(|row| NewChangeRow::made(&row.feedback)).collect::<Vec<_>>())?;
        let change = serde_json::to_string(&HistoryChange::Created)?;
        all.add(&made.iter().map(|row| NewHistoryRow::of(&row.feedback, self.id(), &change)).collect::<Vec<_>>())?;
        self.insert_all_new(all, "submissions").await?;
        self.effects.feedback_changed |= !made.is_empty();
        // On PostgreSQL a later change may come first in the sequence, so a record kept from its creation may be outdated.
        if self.dialect() == Dialect::Sqlite {
            self.effects.made.extend(made);
        }
        Ok(())
    }
}

/// Returns the feedback of a submission in the form that the index needs.
fn just_made(feedback: Feedback, contact: &KnownContact) -> IndexRow {
    IndexRow {
        feedback,
        linked: false,
        commented: false,
        contact_name: contact.name.clone(),
        contact_email: contact.email.clone(),
        contact_external: contact.external_id.clone(),
        ticket: None,
    }
}

impl IdentifiedSubmission {
    fn answers_of(&self) -> ResponseAnswers<'_> {
        ResponseAnswers { project: self.project, survey: self.survey, response: self.id, answers: &self.answers, now: self.now }
    }

    fn receipt(&self) -> ResponseReceipt {
        ResponseReceipt { id: self.id, finished: self.finished }
    }
}

rows! {
    /// A key with its outcome.
    struct NewIdempotencyRow<'a> in "idempotency" {
        scope: &'a str as "TEXT",
        key: &'a str as "TEXT",
        outcome: String as "TEXT",
        created_at: i64 as "BIGINT",
        fingerprint: &'a str as "TEXT",
    }
}

impl<'a> NewIdempotencyRow<'a> {
    fn of(s: &'a IdentifiedSubmission) -> Result<Self> {
        Ok(Self {
            scope: &s.place.scope,
            key: &s.place.key,
            outcome: serde_json::to_string(&s.receipt())?,
            created_at: s.now.0,
            fingerprint: s.fingerprint.as_str(),
        })
    }
}

rows! {
    /// A new response.
    struct NewResponseRow<'a> in "responses" {
        id: ResponseId as "TEXT",
        project_id: ProjectId as "TEXT",
        survey_id: SurveyId as "TEXT",
        version_id: VersionId as "TEXT",
        contact_id: ContactId as "TEXT",
        source: &'a str as "TEXT",
        language: &'a str as "TEXT",
        page_url: Option<&'a str> as "TEXT",
        referrer: Option<&'a str> as "TEXT",
        release: Option<&'a str> as "TEXT",
        environment: Option<&'a str> as "TEXT",
        user_agent: Option<&'a str> as "TEXT",
        spam_reasons: String as "TEXT",
        started_at: i64 as "BIGINT",
        updated_at: i64 as "BIGINT",
        finished_at: Option<i64> as "BIGINT",
        identity: Option<&'static str> as "TEXT",
        claimed: Option<String> as "TEXT",
    }
}

impl<'a> NewResponseRow<'a> {
    fn of(s: &'a IdentifiedSubmission, contact: &KnownContact) -> Result<Self> {
        let person = &s.context.contact;
        Ok(Self {
            id: s.id,
            project_id: s.project,
            survey_id: s.survey,
            version_id: s.version,
            contact_id: contact.id,
            source: &s.context.source,
            language: &s.language,
            page_url: s.context.page_url.as_deref(),
            referrer: s.context.referrer.as_deref(),
            release: s.context.release.as_deref(),
            environment: s.context.environment.as_deref(),
            user_agent: s.context.user_agent.as_deref(),
            spam_reasons: serde_json::to_string(&s.spam_reasons)?,
            started_at: s.now.0,
            updated_at: s.now.0,
            finished_at: s.finished.then_some(s.now.0),
            identity: person.identity().map(Claim::as_str),
            claimed: contact.conflicting_claims(person),
        })
    }
}

rows! {
    /// The first entry of a record's history.
    struct NewHistoryRow<'a> in "history" {
        id: HistoryId as "TEXT",
        project_id: ProjectId as "TEXT",
        subject_id: FeedbackId as "TEXT",
        kind: &'a str as "TEXT",
        change: &'a str as "TEXT",
        at: i64 as "BIGINT",
        version: i64 as "BIGINT",
    }
}

impl<'a> NewHistoryRow<'a> {
    fn of(feedback: &Feedback, id: HistoryId, change: &'a str) -> Self {
        let (project_id, subject_id) = (feedback.project, feedback.id);
        Self {
            id,
            project_id,
            subject_id,
            kind: HistoryChange::Created.kind(),
            change,
            at: feedback.created_at.0,
            version: feedback.version,
        }
    }
}
