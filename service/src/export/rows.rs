//! The rows of an export.

use std::{collections::HashMap, sync::Arc, time::Duration};

use domain::{
    DomainError as Refusal, Timestamp, Zone,
    accounts::Scope,
    ids::SurveyId,
    surveys::{Question, SurveyBody, answer::Answer},
    triage::TriageQuery,
};
use search::{MAX_PAGE_SIZE, SearchRequest, Sort};
use serde_json::{Map, Value, json};
use store::export::{ExportCursor, ExportedFeedback, ExportedItem, ExportedResponse};

use super::{ExportRow, ExportSubject};
use crate::{
    error::{Result, from_search},
    state::AppState,
};

/// Rows per page.
const PAGE: i64 = 500;
/// How long a query export waits for the index to catch up.
const INDEX_WAIT: Duration = Duration::from_secs(10);

const FEEDBACK: [&str; 24] = [
    "id",
    "kind",
    "text",
    "score",
    "score_max",
    "status",
    "tags",
    "assignee",
    "contact_id",
    "contact_external_id",
    "contact_name",
    "contact_email",
    "survey",
    "survey_id",
    "response_id",
    "backlog",
    "ticket",
    "page_url",
    "release",
    "environment",
    "language",
    "spam_reasons",
    "created_at",
    "updated_at",
];
const RESPONSE: [&str; 17] = [
    "id",
    "version",
    "finished",
    "contact_id",
    "contact_external_id",
    "contact_name",
    "contact_email",
    "feedback_id",
    "source",
    "language",
    "page_url",
    "referrer",
    "release",
    "environment",
    "spam_reasons",
    "started_at",
    "finished_at",
];
/// Answers to questions that no readable version contains.
const OTHER: &str = "other_answers";
const ITEM: [&str; 9] = ["id", "number", "title", "body", "status", "feedback", "created_by", "created_at", "updated_at"];

/// Reads an export's rows page by page.
pub(super) struct RowReader {
    app: AppState,
    scope: Scope,
    /// The time zone for timestamps.
    zone: Zone,
    what: ExportSubject,
    after: ExportCursor,
    /// For a query: the cursor of the next page; `None` after the last one.
    found: Option<Option<String>>,
    columns: Vec<String>,
    survey: SurveyColumns,
}

/// The questions of a survey over all its versions.
#[derive(Default)]
struct SurveyColumns {
    /// Question ids with their column names, newest version first.
    columns: Vec<(String, String)>,
    /// The questions of each version, used to read its answers.
    versions: HashMap<String, Vec<Question>>,
}

impl SurveyColumns {
    /// Skips unreadable versions: their answers are exported without labels.
    fn read(versions: Vec<(String, String)>) -> Self {
        let mut survey = Self::default();
        for (id, body) in versions {
            let Ok(body) = serde_json::from_str::<SurveyBody>(&body) else { continue };
            for question in body.questions.iter().filter(|q| q.kind.takes_answer()) {
                if !survey.columns.iter().any(|(id, _)| *id == question.id) {
                    survey.columns.push((question.id.clone(), format!("{} [{}]", question.title, question.id)));
                }
            }
            survey.versions.insert(id, body.questions);
        }
        survey
    }
}

impl RowReader {
    pub(super) async fn open(app: &AppState, scope: &Scope, what: ExportSubject) -> Result<Self> {
        let mut survey = SurveyColumns::default();
        let columns = match what {
            ExportSubject::Feedback | ExportSubject::Matching(_) => FEEDBACK.map(String::from).to_vec(),
            ExportSubject::Backlog => ITEM.map(String::from).to_vec(),
            ExportSubject::Responses(id) => {
                survey = Self::survey(app, scope, id).await?;
                let questions = survey.columns.iter().map(|(_, name)| name.clone());
                RESPONSE.map(String::from).into_iter().chain(questions).chain([OTHER.to_owned()]).collect()
            }
        };
        if matches!(what, ExportSubject::Matching(_)) {
            // Everything that exists when the export begins must appear, so the index has to catch up first.
            // Otherwise nothing is exported: a partial result would look complete.
            if !app.search.wait_until_caught_up(INDEX_WAIT).await {
                return Err(Refusal::SearchUnavailable.into());
            }
        }
        let after = (i64::MIN, String::new());
        let zone = app.store.zone(scope).await?;
        Ok(Self { app: Arc::clone(app), scope: *scope, zone, what, after, found: Some(None), columns, survey })
    }

    async fn survey(app: &AppState, scope: &Scope, id: SurveyId) -> Result<SurveyColumns> {
        let known = app.store.export_surveys(scope).await?.iter().any(|(survey, _)| *survey == id);
        if !known {
            return Err(Refusal::NotFound.into());
        }
        Ok(SurveyColumns::read(app.store.export_versions(scope, id).await?))
    }

    /// Returns the column names.
    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Returns the next rows; empty at the end.
    pub(super) async fn page(&mut self) -> Result<Vec<ExportRow>> {
        match &self.what {
            ExportSubject::Feedback => self.feedback().await,
            ExportSubject::Matching(query) => self.matching(query.clone()).await,
            ExportSubject::Responses(survey) => self.responses(*survey).await,
            ExportSubject::Backlog => self.items().await,
        }
    }

    /// Pairs values with their column names.
    fn named(&self, values: Vec<Value>) -> ExportRow {
        self.columns.iter().cloned().zip(values).collect()
    }

    async fn feedback(&mut self) -> Result<Vec<ExportRow>> {
        let rows = self.app.store.export_feedback(&self.scope, &self.after, PAGE).await?;
        let Some(last) = rows.last() else { return Ok(Vec::new()) };
        self.after = (last.created_at, last.id.clone());
        self.with_tags_and_links(rows).await
    }

    /// Returns the next page of query results. Deleted records make it shorter, but never empty before the end.
    async fn matching(&mut self, query: TriageQuery) -> Result<Vec<ExportRow>> {
        while let Some(cursor) = self.found.take() {
            let ask = SearchRequest {
                query: query.clone(),
                me: self.scope.staff(),
                zone: self.zone.clone(),
                sort: Sort::Oldest,
                cursor,
                limit: MAX_PAGE_SIZE,
            };
            let found = self.app.search.search(&self.scope, ask).await.map_err(from_search)?;
            self.found = found.next.map(Some);
            let ids: Vec<String> = found.ids.iter().map(ToString::to_string).collect();
            let rows = self.app.store.export_feedback_by_ids(&self.scope, &ids).await?;
            if !rows.is_empty() {
                return self.with_tags_and_links(rows).await;
            }
        }
        Ok(Vec::new())
    }

    async fn with_tags_and_links(&self, rows: Vec<ExportedFeedback>) -> Result<Vec<ExportRow>> {
        let ids: Vec<&str> = rows.iter().map(|r| r.id.as_str()).collect();
        let mut tags: HashMap<String, Vec<String>> = HashMap::new();
        for (feedback, tag) in self.app.store.export_tags(&self.scope, &ids).await? {
            tags.entry(feedback).or_default().push(tag);
        }
        let mut links: HashMap<String, Vec<i64>> = HashMap::new();
        for (feedback, _, number) in self.app.store.export_links(&self.scope, &ids).await? {
            links.entry(feedback).or_default().push(number);
        }
        let rows = rows.into_iter().map(|r| {
            let (tags, links) = (tags.remove(&r.id).unwrap_or_default(), links.remove(&r.id).unwrap_or_default());
            self.named(feedback(r, tags, links, &self.zone))
        });
        Ok(rows.collect())
    }

    async fn responses(&mut self, survey: SurveyId) -> Result<Vec<ExportRow>> {
        let rows = self.app.store.export_responses(&self.scope, survey, &self.after, PAGE).await?;
        let Some(last) = rows.last() else { return Ok(Vec::new()) };
        self.after = (last.started_at, last.id.clone());
        let ids: Vec<&str> = rows.iter().map(|r| r.id.as_str()).collect();
        let mut answers: HashMap<String, Vec<(String, String)>> = HashMap::new();
        for (response, question, value) in self.app.store.export_answers(&self.scope, &ids).await? {
            answers.entry(response).or_default().push((question, value));
        }
        let rows = rows.into_iter().map(|r| {
            let answers = answers.remove(&r.id).unwrap_or_default();
            self.named(response(r, answers, &self.survey, &self.zone))
        });
        Ok(rows.collect())
    }

    async fn items(&mut self) -> Result<Vec<ExportRow>> {
        let rows = self.app.store.export_items(&self.scope, self.after.0, PAGE).await?;
        let Some(last) = rows.last() else { return Ok(Vec::new()) };
        self.after = (last.number, String::new());
        let ids: Vec<&str> = rows.iter().map(|r| r.id.as_str()).collect();
        let mut links: HashMap<String, Vec<String>> = HashMap::new();
        for (feedback, item, _) in self.app.store.export_links(&self.scope, &ids).await? {
            links.entry(item).or_default().push(feedback);
        }
        let rows = rows.into_iter().map(|r| {
            let links = links.remove(&r.id).unwrap_or_default();
            self.named(item(r, links, &self.zone))
        });
        Ok(rows.collect())
    }
}

/// Formats a timestamp in the project's time zone, with its UTC offset.
fn time(at: i64, zone: &Zone) -> Value {
    zone.rfc3339(Timestamp(at)).into()
}

/// Parses a stored list of texts; anything else is shown as stored.
fn list(stored: String) -> Value {
    serde_json::from_str::<Vec<String>>(&stored).map_or_else(|_| unreadable(&stored), Value::from)
}

/// Formats stored data that cannot be read.
fn unreadable(stored: &str) -> Value {
    format!("(not readable) {stored}").into()
}

fn feedback(r: ExportedFeedback, tags: Vec<String>, links: Vec<i64>, zone: &Zone) -> Vec<Value> {
    vec![
        r.id.into(),
        r.kind.into(),
        r.text.into(),
        json!(r.score),
        json!(r.score_max),
        r.status.into(),
        tags.into(),
        json!(r.assignee),
        json!(r.contact_id),
        json!(r.contact_external),
        json!(r.contact_name),
        json!(r.contact_email),
        json!(r.survey),
        json!(r.survey_id),
        json!(r.response_id),
        links.into(),
        json!(r.ticket),
        json!(r.page_url),
        json!(r.release),
        json!(r.environment),
        r.language.into(),
        list(r.spam_reasons),
        time(r.created_at, zone),
        time(r.updated_at, zone),
    ]
}

fn response(r: ExportedResponse, answers: Vec<(String, String)>, survey: &SurveyColumns, zone: &Zone) -> Vec<Value> {
    let mut values = vec![
        r.id.into(),
        json!(r.version),
        if r.finished_at.is_some() { "yes" } else { "no" }.into(),
        json!(r.contact_id),
        json!(r.contact_external),
        json!(r.contact_name),
        json!(r.contact_email),
        json!(r.feedback_id),
        r.source.into(),
        r.language.into(),
        json!(r.page_url),
        json!(r.referrer),
        json!(r.release),
        json!(r.environment),
        list(r.spam_reasons),
        time(r.started_at, zone),
        r.finished_at.map_or(Value::Null, |at| time(at, zone)),
    ];
    let questions = survey.versions.get(&r.version_id).map_or(&[][..], Vec::as_slice);
    let read = |id: &str, stored: &str| match serde_json::from_str::<Answer>(stored) {
        Err(_) => unreadable(stored),
        Ok(Answer::Number(n)) => n.into(),
        Ok(Answer::Text(text)) => text.into(),
        Ok(Answer::Choices { chosen, other }) => {
            let choices = questions.iter().find(|q| q.id == id).and_then(|q| q.kind.choices()).map_or(&[][..], |(all, _)| all);
            let label = |id: String| choices.iter().find(|c| c.id == id).map_or(id, |c| c.label.clone());
            chosen.into_iter().map(label).chain(other).collect::<Vec<_>>().into()
        }
    };
    for (id, _) in &survey.columns {
        values.push(answers.iter().find(|(question, _)| question == id).map_or(Value::Null, |(_, stored)| read(id, stored)));
    }
    let rest: Map<String, Value> = answers
        .iter()
        .filter(|(question, _)| !survey.columns.iter().any(|(id, _)| id == question))
        .map(|(question, stored)| (question.clone(), read(question, stored)))
        .collect();
    values.push(if rest.is_empty() { Value::Null } else { rest.into() });
    values
}

fn item(r: ExportedItem, links: Vec<String>, zone: &Zone) -> Vec<Value> {
    vec![
        r.id.into(),
        r.number.into(),
        r.title.into(),
        r.body.into(),
        r.status.into(),
        links.into(),
        json!(r.created_by),
        time(r.created_at, zone),
        time(r.updated_at, zone),
    ]
}
