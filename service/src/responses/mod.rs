//! Use cases of respondents: begin a response, add to it, finish it. Each is one transaction: contact, response, answers, feedback, history,
//! change sequence.

mod counted_submission;

pub use counted_submission::CountedSubmission;

use std::sync::Arc;

use domain::{
    DomainError as Refusal, Timestamp,
    accounts::Scope,
    feedback::{FeedbackKind, FeedbackStatus, NewFeedback},
    history::HistoryChange,
    identity::{Claim, UnsignedClaimPolicy},
    ids::{ContactId, ProjectId, ResponseId, SurveyId, VersionId},
    projects::Project,
    responses::{ClaimedContact, ResponseContext, ResponseReceipt, ResponseSummary, digest},
    spam::{SpamSignals, spam_reasons},
    surveys::{Answer, SurveyStatus},
};
use search::language;
use store::{
    Tx,
    idempotency::{Fingerprint, IdempotencyScope, ScopedKey},
    responses::ResponseUpdate,
    submissions::{ResponseSubmission as NewResponse, SubmissionOutcome, SurveySnapshot},
};

use crate::{
    error::{Error, Result},
    identity,
    state::App,
    survey_cache::SurveyTarget,
};

/// A respondent's submission.
#[derive(Debug, Clone, Default)]
pub struct ResponseInput {
    /// All answers so far, as form pairs.
    pub pairs: Vec<(String, String)>,
    /// Whether the response is complete.
    pub finished: bool,
    /// The signed time at which the page was served, as sent (see [`start_token`]).
    pub started: Option<String>,
    /// Milliseconds that the page measured; counts only without a signed time.
    pub elapsed_ms: Option<i64>,
    /// Whether the field that people do not see was filled in.
    pub honeypot: bool,
    /// Page and contact.
    pub context: ResponseContext,
}

impl ResponseInput {
    /// The signals for the spam rules.
    fn signals(&self, app: &App, survey: SurveyId) -> SpamSignals {
        let honeypot = self.honeypot;
        let Some(start) = self.start() else { return SpamSignals { honeypot, forged_start: false, elapsed_ms: self.elapsed_ms } };
        let at = start.split_once('.').and_then(|(ms, _)| ms.parse().ok()).map(Timestamp);
        let genuine = at.filter(|at| is_signed_start(app, "started", &format!("{survey} {}", at.0), start));
        SpamSignals { honeypot, forged_start: genuine.is_none(), elapsed_ms: genuine.map(|at| app.now().0 - at.0) }
    }

    fn start(&self) -> Option<&str> {
        self.started.as_deref().filter(|start| !start.is_empty())
    }
}

/// A submission as it arrives: it names a survey, which may belong to another project or not exist.
#[derive(Debug, Clone)]
pub struct NewSubmission {
    /// The public key of the project.
    pub project_key: String,
    /// The survey.
    pub survey: SurveyId,
    /// The version that its page showed; `None`: the live one.
    pub version: Option<VersionId>,
    /// The idempotency key.
    pub key: String,
    /// The answers.
    pub input: ResponseInput,
}

/// More answers to a response, from the client that began it.
#[derive(Debug, Clone)]
pub struct SubmissionUpdate {
    /// The public key of the project.
    pub project_key: String,
    /// The response.
    pub response: ResponseId,
    /// The proof that the sender began it (see [`token`]).
    pub token: String,
    /// All answers so far.
    pub input: ResponseInput,
}

/// A submission that was not stored.
#[derive(Debug)]
pub struct RejectedSubmission {
    /// Why.
    pub error: Error,
    /// The survey that it was checked against, if it was found.
    pub target: Option<Arc<SurveyTarget>>,
}

impl<E: Into<Error>> From<E> for RejectedSubmission {
    fn from(error: E) -> Self {
        Self { error: error.into(), target: None }
    }
}

/// A stored submission, with the survey that it was checked against.
pub type StoredSubmission = (ResponseReceipt, Arc<SurveyTarget>);

/// Returns the token that lets the respondent add to their own response.
///
/// # Errors
/// Never in practice.
pub fn token(app: &App, response: ResponseId) -> Result<String> {
    app.sign("response", &response.to_string())
}

/// Returns a signed timestamp for a survey: when its page was rendered.
///
/// # Errors
/// Never in practice.
pub fn start_token(app: &App, survey: SurveyId, now: Timestamp) -> Result<String> {
    Ok(format!("{}.{}", now.0, app.sign("started", &format!("{survey} {}", now.0))?))
}

/// Whether the part of `start` after the dot is a valid signature of `text`.
pub(crate) fn is_signed_start(app: &App, purpose: &str, text: &str, start: &str) -> bool {
    start.split_once('.').is_some_and(|(_, proof)| app.verify(purpose, text, proof).unwrap_or_default())
}

/// Returns a survey with the version used to read new answers: the given one, or the live one.
///
/// # Errors
/// Not found for a survey never published, or a version of another survey.
pub async fn target(app: &App, survey: SurveyId, version: Option<VersionId>) -> Result<SurveyTarget> {
    let public = app.store.public_survey(survey).await?.filter(|s| s.status != SurveyStatus::Draft).ok_or(Refusal::NotFound)?;
    let project = app.store.project_by_id(public.project).await?.ok_or(Refusal::NotFound)?;
    let mut target =
        SurveyTarget { survey, project, status: public.status, live: public.version, version: public.version, body: public.body };
    if let Some(version) = version.filter(|v| *v != target.version) {
        let scope = Scope::system(target.project.id);
        let named = app.store.survey_version(&scope, version).await?.filter(|v| v.survey == survey).ok_or(Refusal::NotFound)?;
        target.version = version;
        target.body = named.body;
    }
    Ok(target)
}

/// Returns the id of the project with a public key, cached.
///
/// # Errors
/// Not found for an unknown key.
pub async fn project_id(app: &App, key: &str) -> Result<ProjectId> {
    match app.surveys.project(key) {
        Some(id) => Ok(id),
        None => Ok(project(app, key).await?.id),
    }
}

/// Returns the project with a public key, read from the database.
///
/// # Errors
/// Not found for an unknown key.
pub async fn project(app: &App, key: &str) -> Result<Project> {
    // PostgreSQL refuses NUL in a text, so what cannot be a key is not looked up.
    if !key.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Refusal::NotFound.into());
    }
    let project = app.store.project_by_key(key).await?.ok_or(Refusal::NotFound)?;
    app.surveys.put_project(key, project.id);
    Ok(project)
}

/// Stores a new submission; see [`begin`].
///
/// The survey comes from the cache when it is there, and the transaction checks that it has not changed. Whatever the cache would refuse is
/// looked up and checked again: no submission is refused because of an outdated survey. `admits` says whether a project takes submissions
/// from the page that sent this one.
///
/// # Errors
/// As [`begin`]; not found for a survey of another project; [`Refusal::Forbidden`] when the project does not admit the page.
pub async fn submit(
    app: &App,
    new: &NewSubmission,
    admits: impl Fn(&Project) -> bool + Send + Sync,
) -> Result<StoredSubmission, RejectedSubmission> {
    let fits = |target: &SurveyTarget| target.project.key == new.project_key && new.version.is_none_or(|version| version == target.version);
    if let Some(cached) = app.surveys.get(new.survey).filter(|target| fits(target) && admits(&target.project))
        && let Some(receipt) = begin_cached(app, &cached, &new.key, &new.input).await?
    {
        return Ok((receipt, cached));
    }
    let target = Arc::new(target(app, new.survey, new.version).await?);
    check_sender(&target, &new.project_key, admits)?;
    match begin(app, &target, &new.key, &new.input).await {
        Ok(receipt) => {
            app.surveys.put(&target);
            Ok((receipt, target))
        }
        Err(error) => Err(RejectedSubmission { error, target: Some(target) }),
    }
}

/// Stores more answers to a response; see [`update`].
///
/// # Errors
/// As [`update`]; not found for another project or a wrong token; [`Refusal::Forbidden`] when the project does not admit the page.
pub async fn submit_update(
    app: &App,
    more: &SubmissionUpdate,
    admits: impl Fn(&Project) -> bool + Send + Sync,
) -> Result<StoredSubmission, RejectedSubmission> {
    if !app.verify("response", &more.response.to_string(), &more.token)? {
        return Err(Refusal::NotFound.into());
    }
    let scope = Scope::system(project_id(app, &more.project_key).await?);
    let (survey, version) = app.store.version_of_response(&scope, more.response).await?.ok_or(Refusal::NotFound)?;
    let target = Arc::new(target(app, survey, Some(version)).await?);
    check_sender(&target, &more.project_key, admits)?;
    match update(app, &target, more.response, &more.input).await {
        Ok(receipt) => Ok((receipt, target)),
        Err(error) => Err(RejectedSubmission { error, target: Some(target) }),
    }
}

fn check_sender(target: &SurveyTarget, key: &str, admits: impl Fn(&Project) -> bool) -> Result<(), Refusal> {
    match &target.project {
        project if project.key != key => Err(Refusal::NotFound),
        project if !admits(project) => Err(Refusal::Forbidden),
        _ => Ok(()),
    }
}

/// Begins a response, once for each `key` and content: a retry gets the first result. Other answers from the same page come from the same
/// person, who went back or thought that the first attempt had failed: they replace the earlier ones. Other answers from another page come
/// from someone else and become a separate response.
///
/// # Errors
/// A message for each invalid answer; [`Refusal::Conflict`] if the survey takes no answers; [`Refusal::KeyReused`] for other answers
/// without a page of ours.
pub async fn begin(app: &App, target: &SurveyTarget, key: &str, submission: &ResponseInput) -> Result<ResponseReceipt> {
    let mut place = place(target, key);
    loop {
        let SubmissionAttempt { outcome, fingerprint, is_from_our_page } = attempt(app, target, &place, submission, None).await?;
        match outcome {
            SubmissionOutcome::Stored(receipt) => return Ok(receipt),
            SubmissionOutcome::Closed | SubmissionOutcome::StaleSnapshot => return Err(closed().into()),
            SubmissionOutcome::KeyConflict { receipt, same_page: true } => {
                return change(app, target, receipt.id, place, fingerprint, submission).await;
            }
            SubmissionOutcome::KeyConflict { .. } if is_from_our_page => place.key = fingerprint.derived_key(&place.key),
            SubmissionOutcome::KeyConflict { .. } => return Err(Refusal::KeyReused.into()),
        }
    }
}

fn closed() -> Refusal {
    Refusal::Conflict("This survey is not accepting responses.".into())
}

fn place(target: &SurveyTarget, key: &str) -> ScopedKey {
    ScopedKey::new(&IdempotencyScope::Response(target.survey), key)
}

/// As [`begin`], for a cached survey. `None`: the survey has changed since, does not take the answers, or the key was used for other answers,
/// so the survey must be looked up.
async fn begin_cached(app: &App, target: &SurveyTarget, key: &str, submission: &ResponseInput) -> Result<Option<ResponseReceipt>> {
    let project = &target.project;
    let checked = SurveySnapshot {
        status: target.status,
        live: target.live,
        key: project.key.clone(),
        origins: project.origins.clone(),
        kept_parameters: project.kept_parameters.clone(),
        unsigned_identity: project.unsigned_identity,
    };
    match attempt(app, target, &place(target, key), submission, Some(checked)).await {
        Ok(SubmissionAttempt { outcome: SubmissionOutcome::Stored(receipt), .. }) => Ok(Some(receipt)),
        Ok(_) | Err(Error::Domain(Refusal::Invalid(_))) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The store's outcome, and the data for a second attempt.
struct SubmissionAttempt {
    outcome: SubmissionOutcome,
    fingerprint: Fingerprint,
    is_from_our_page: bool,
}

async fn attempt(
    app: &App,
    target: &SurveyTarget,
    place: &ScopedKey,
    submission: &ResponseInput,
    checked: Option<SurveySnapshot>,
) -> Result<SubmissionAttempt> {
    let write = ResponseWrite::new(app, target, submission).await?;
    let (fingerprint, is_from_our_page) = (write.fingerprint()?, write.page.is_some());
    let new = write.into_new(place.clone(), fingerprint.clone(), checked);
    Ok(SubmissionAttempt { outcome: app.store.submit(new).await?, fingerprint, is_from_our_page })
}

/// Replaces the answers stored under a key with other answers from the same page.
async fn change(
    app: &App,
    target: &SurveyTarget,
    response: ResponseId,
    place: ScopedKey,
    fingerprint: Fingerprint,
    submission: &ResponseInput,
) -> Result<ResponseReceipt> {
    let write = ResponseWrite::new(app, target, submission).await?;
    app.store
        .write(move |tx| {
            Box::pin(async move {
                let receipt = write.update(tx, response).await?;
                tx.replace_fingerprint(&place, &fingerprint).await?;
                Ok(receipt)
            })
        })
        .await
}

/// Replaces all answers. A finished response changes only through answers that are finished too: others arrived late.
///
/// # Errors
/// A message for each invalid answer; [`Refusal::Conflict`] if a finished response would change and the survey takes no answers.
pub async fn update(app: &App, target: &SurveyTarget, response: ResponseId, submission: &ResponseInput) -> Result<ResponseReceipt> {
    let write = ResponseWrite::new(app, target, submission).await?;
    app.store.write(move |tx| Box::pin(async move { write.update(tx, response).await })).await
}

/// Everything a transaction needs, prepared before it begins.
struct ResponseWrite {
    now: Timestamp,
    scope: Scope,
    survey: SurveyId,
    version: VersionId,
    survey_language: String,
    answers: Vec<(String, Answer)>,
    digest: ResponseSummary,
    person: ClaimedContact,
    context: ResponseContext,
    reasons: Vec<String>,
    /// The signed time of the page, if it is genuine: the sender opened that page.
    page: Option<String>,
    finished: bool,
    is_live: bool,
}

impl ResponseWrite {
    async fn new(app: &App, target: &SurveyTarget, submission: &ResponseInput) -> Result<Self> {
        let (finished, mut context) = (submission.finished, submission.context.clone());
        let signals = submission.signals(app, target.survey);
        for address in [&mut context.page_url, &mut context.referrer] {
            *address = address.take().map(|address| target.project.sanitize_page_url(&address));
        }
        let answers = target.body.read_answers(&submission.pairs, finished).map_err(Refusal::Invalid)?;
        // An invalid signature must not cost a person their answers: the claim then counts as unsigned.
        if let Some(signed) = context.signed.take() {
            context.contact.claim = identity::judge(app, target.project.id, &signed).await?;
        }
        let digest = digest(&target.body, &answers);
        let mut person = context.contact.clone();
        // The identity from the site takes precedence over an answer, and nothing is added to a signed identity.
        if person.email.is_none() && !person.claim.is_trusted() {
            person.email.clone_from(&digest.email);
        }
        if target.project.unsigned_identity == UnsignedClaimPolicy::Off && !person.claim.is_trusted() {
            person = ClaimedContact { claim: person.claim, ..ClaimedContact::default() };
        }
        Ok(Self {
            now: app.now(),
            scope: Scope::system(target.project.id),
            survey: target.survey,
            version: target.version,
            survey_language: target.body.language.clone(),
            reasons: spam_reasons(signals, &answers, finished),
            page: submission.start().filter(|_| !signals.forged_start).map(ToOwned::to_owned),
            answers,
            digest,
            person,
            context,
            finished,
            is_live: target.status == SurveyStatus::Live,
        })
    }

    /// Fingerprint of the answers and, if the page is genuine, of that page and its version. The page's data about itself and its visitor
    /// does not count as content: it changes between two attempts.
    fn fingerprint(&self) -> Result<Fingerprint> {
        let version = self.version.to_string();
        let answers = serde_json::to_string(&self.answers)?;
        let content = Fingerprint::of([version.as_str(), if self.finished { "finished" } else { "" }, &answers]);
        Ok(match &self.page {
            Some(page) => content.from_page(&format!("{page} {version}")),
            None => content,
        })
    }

    /// Builds a new response.
    fn into_new(self, place: ScopedKey, fingerprint: Fingerprint, checked: Option<SurveySnapshot>) -> NewResponse {
        let language = language::detect(&self.digest.text, &self.survey_language);
        let feedback = (!self.answers.is_empty()).then(|| self.feedback(None, None, &self.reasons, &language));
        NewResponse {
            place,
            fingerprint,
            checked,
            is_live: self.is_live,
            project: self.scope.project(),
            survey: self.survey,
            version: self.version,
            context: ResponseContext { contact: self.person, ..self.context },
            answers: self.answers,
            language,
            spam_reasons: self.reasons,
            finished: self.finished,
            feedback,
            now: self.now,
        }
    }

    async fn update(self, tx: &mut Tx<'_>, id: ResponseId) -> Result<ResponseReceipt> {
        let before = tx.lock_response(&self.scope, id).await?.ok_or(Refusal::NotFound)?;
        if before.finished_at.is_some() {
            // Answers already in flight when the last one was sent, or a retry of it.
            if !self.finished || tx.has_same_answers(&self.scope, id, &self.answers).await? {
                return Ok(ResponseReceipt { id, finished: true });
            }
            if !self.is_live {
                return Err(closed().into());
            }
        }
        let finished_at = before.finished_at.or(self.finished.then_some(self.now));
        // A proven respondent stays the same person even if a page claims otherwise.
        let was_proven = before.identity.is_some_and(Claim::is_trusted);
        let is_settled = was_proven && !self.person.claim.is_trusted();
        let (contact, known) = if is_settled {
            (before.contact, None)
        } else {
            tx.reassign_contact(&self.scope, (before.contact, was_proven), &self.person, self.now).await?
        };
        let gained = self.reasons.iter().any(|r| !before.spam_reasons.contains(r));
        let mut reasons = before.spam_reasons.clone();
        reasons.extend(self.reasons.iter().filter(|r| !before.spam_reasons.contains(r)).cloned());
        let language = language::detect(&self.digest.text, &self.survey_language);
        let update = ResponseUpdate { contact, language: &language, spam_reasons: &reasons, now: self.now };
        tx.update_response(&self.scope, id, update, finished_at).await?;
        // A claim without a name proves nothing about the person named by another claim.
        let names_nobody = self.person.is_anonymous() && self.person.claim.is_trusted() && !was_proven;
        if let Some(identity) = self.person.identity().filter(|_| !is_settled && !names_nobody) {
            let claimed = known.and_then(|known| known.conflicting_claims(&self.person));
            tx.set_identity(&self.scope, id, identity, claimed).await?;
        }
        tx.replace_answers(&self.scope, self.survey, id, &self.answers, self.now).await?;
        match tx.feedback_of_response(&self.scope, id).await? {
            None if self.answers.is_empty() => {}
            None => {
                let feedback = tx.identify(self.feedback(Some(id), Some(contact), &reasons, &language), self.scope.project(), self.now);
                tx.insert_feedback(&feedback, None).await?;
                tx.insert_history(feedback.project, feedback.id, None, &HistoryChange::Created, self.now).await?;
            }
            Some((feedback, status)) => {
                // Suspicion only changes the status of untriaged feedback.
                let suspected = gained && status == FeedbackStatus::New;
                let now_status = if suspected { FeedbackStatus::Spam } else { status };
                tx.update_feedback_of_response(&self.scope, feedback, update, &self.digest, now_status).await?;
                let project = self.scope.project();
                if before.finished_at.is_some() {
                    tx.insert_history(project, feedback, None, &HistoryChange::Reanswered, self.now).await?;
                } else if self.finished {
                    tx.insert_history(project, feedback, None, &HistoryChange::Finished, self.now).await?;
                } else {
                    tx.record_additional_answers(&self.scope, feedback, self.now).await?;
                }
                if suspected {
                    let change = HistoryChange::Status { from: status.label().into(), to: now_status.label().into() };
                    tx.insert_history(project, feedback, None, &change, self.now).await?;
                }
                tx.record_feedback_change(project, feedback).await?;
            }
        }
        // The initial anonymous contact may be orphaned now.
        if contact != before.contact {
            tx.delete_orphaned_contact(&self.scope, before.contact).await?;
        }
        Ok(ResponseReceipt { id, finished: self.finished })
    }

    fn feedback(&self, response: Option<ResponseId>, contact: Option<ContactId>, reasons: &[String], language: &str) -> NewFeedback {
        NewFeedback {
            kind: FeedbackKind::SurveyResponse,
            text: self.digest.text.clone(),
            score: self.digest.score,
            score_max: self.digest.score_max,
            contact,
            survey: Some(self.survey),
            response,
            page_url: self.context.page_url.clone(),
            release: self.context.release.clone(),
            environment: self.context.environment.clone(),
            language: language.to_owned(),
            status: if reasons.is_empty() { FeedbackStatus::New } else { FeedbackStatus::Spam },
            tags: Vec::new(),
            spam_reasons: reasons.to_vec(),
            created_at: self.now,
        }
    }
}
