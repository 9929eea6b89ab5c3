//! Results of a survey, and individual responses.

use app::{
    shell::Nav,
    surveys::SurveyRef,
    surveys::results::{
        DayView, QuestionView, RangePreset, RangeView, ResponseDetail, ResponsePage, ResponseView, ResponsesPage, ResponsesView,
        ResultsPage, ResultsView, TextView,
    },
};
use axum::{
    Router,
    extract::{Path, Query},
    routing::get,
};
use domain::{
    DomainError as Refusal, Timestamp, ZonedNow,
    accounts::Role,
    ids::{ResponseId, SurveyId},
};
use leptos::prelude::*;
use serde::Deserialize;
use service::{
    error::Result,
    surveys::results::{self, AnsweredResponse, DayRange},
};
use store::results::ResponseCursor;

use super::{console::ConsoleRequest, error::PageResult};
use crate::http::WebState;

/// Responses per page.
const PAGE: usize = 30;

/// This capability's routes.
pub fn routes() -> Router<WebState> {
    Router::new()
        .route("/p/{slug}/surveys/{id}/results", get(summary))
        .route("/p/{slug}/surveys/{id}/results/responses", get(responses))
        .route("/p/{slug}/surveys/{id}/results/responses/{response}", get(response))
}

#[derive(Debug, Default, Deserialize)]
struct ResultsQuery {
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    days: String,
    #[serde(default)]
    spam: String,
    #[serde(default)]
    after: String,
}

impl ResultsQuery {
    fn days(&self) -> DayRange {
        DayRange { from: self.from.clone(), to: self.to.clone(), last: self.days.parse().ok().filter(|d| *d > 0) }
    }

    /// The query string that selects the same days, with its `?`, or empty.
    fn query_string(&self, more: &[(&str, &str)]) -> String {
        let mut pairs = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in [("from", self.from.as_str()), ("to", &self.to), ("days", &self.days)].iter().chain(more) {
            if !value.is_empty() {
                pairs.append_pair(name, value);
            }
        }
        let pairs = pairs.finish();
        if pairs.is_empty() { pairs } else { format!("?{pairs}") }
    }
}

fn survey_id(text: &str) -> Result<SurveyId> {
    text.parse().map_err(|_| Refusal::NotFound.into())
}

async fn summary(console: ConsoleRequest, Path((_, id)): Path<(String, String)>, Query(query): Query<ResultsQuery>) -> PageResult {
    let scope = console.scope(Role::Viewer)?;
    let (id, present) = (survey_id(&id)?, console.present());
    let days = query.days();
    let (range, errors) = days.range(present.now, &present.zone);
    let found = results::results(&console.app, &scope, id, range, &present.zone).await?;
    let base = format!("/p/{}/surveys/{id}", console.project()?.slug);
    let preset = |label: &'static str, last: Option<i64>| RangePreset {
        label,
        href: last.map_or_else(|| format!("{base}/results"), |n| format!("{base}/results?days={n}")),
        is_current: days.last == last && (last.is_some() || days.from.is_empty() && days.to.is_empty()),
    };
    let presets = vec![preset("All time", None), preset("7 days", Some(7)), preset("30 days", Some(30)), preset("90 days", Some(90))];
    let name = found.survey.name.clone();
    let view = ResultsView {
        survey: SurveyRef { slug: console.project()?.slug.clone(), id: id.to_string(), name: name.clone(), status: found.survey.status },
        query: query.query_string(&[]),
        range: RangeView { presets, from: days.from.clone(), to: days.to.clone(), zone: present.zone.to_string(), errors },
        started: found.counts.started,
        finished: found.counts.finished,
        spam: found.counts.spam,
        days: found.columns.iter().map(|c| DayView { day: c.day.to_string(), started: c.started, finished: c.finished }).collect(),
        by_week: found.by_week,
        questions: found
            .questions
            .into_iter()
            .map(|q| QuestionView {
                texts: q
                    .texts
                    .into_iter()
                    .map(|t| TextView { text: t.text, href: format!("{base}/results/responses/{}", t.response), at: present.moment(t.at) })
                    .collect(),
                question: q.question,
                is_asked: q.is_asked,
                tally: q.tally,
            })
            .collect(),
    };
    Ok(console.page(&format!("Results of {name}"), Nav::Surveys, move || view! { <ResultsPage view=view /> }))
}

/// Parses `1800000000000_<id>`; anything else is the first page.
fn cursor(text: &str) -> Option<ResponseCursor> {
    let (at, id) = text.split_once('_')?;
    Some((Timestamp(at.parse().ok()?), id.parse::<ResponseId>().ok()?))
}

fn shown(base: &str, answered: AnsweredResponse, present: &ZonedNow) -> ResponseView {
    ResponseView {
        href: format!("{base}/results/responses/{}", answered.row.id),
        contact: answered.row.contact,
        is_finished: answered.row.finished_at.is_some(),
        at: present.moment(answered.row.started_at),
        answers: answered.answers,
    }
}

async fn responses(console: ConsoleRequest, Path((_, id)): Path<(String, String)>, Query(query): Query<ResultsQuery>) -> PageResult {
    let scope = console.scope(Role::Viewer)?;
    let (id, present) = (survey_id(&id)?, console.present());
    let (range, _) = query.days().range(present.now, &present.zone);
    let is_spam = query.spam == "1";
    let after = cursor(&query.after);
    let page = results::responses(&console.app, &scope, id, range, is_spam, after, PAGE).await?;
    let base = format!("/p/{}/surveys/{id}", console.project()?.slug);
    let list = format!("{base}/results/responses");
    let spam = if is_spam { "1" } else { "" };
    let name = page.survey.name;
    let view = ResponsesView {
        results: format!("{base}/results{}", query.query_string(&[])),
        name: name.clone(),
        is_spam,
        next: page.next.map(|(at, id)| format!("{list}{}", query.query_string(&[("spam", spam), ("after", &format!("{}_{id}", at.0))]))),
        first: after.map(|_| format!("{list}{}", query.query_string(&[("spam", spam)]))),
        responses: page.responses.into_iter().map(|r| shown(&base, r, &present)).collect(),
    };
    Ok(console.page(&format!("Responses to {name}"), Nav::Surveys, move || view! { <ResponsesPage view=view /> }))
}

async fn response(console: ConsoleRequest, Path((_, id, response)): Path<(String, String, String)>) -> PageResult {
    let scope = console.scope(Role::Viewer)?;
    let (id, present) = (survey_id(&id)?, console.present());
    let response: ResponseId = response.parse().map_err(|_| Refusal::NotFound)?;
    let (survey, answered) = results::response(&console.app, &scope, id, response).await?;
    let slug = &console.project()?.slug;
    let base = format!("/p/{slug}/surveys/{id}");
    let row = answered.row.clone();
    let facts = [
        ("Language", Some(row.language)),
        ("Source", Some(row.source)),
        ("Page", row.page_url),
        ("Release", row.release),
        ("Environment", row.environment),
    ];
    let view = ResponseDetail {
        responses: format!("{base}/results/responses"),
        name: survey.name,
        response: shown(&base, answered, &present),
        facts: facts.into_iter().filter_map(|(label, value)| value.filter(|v| !v.is_empty()).map(|v| (label, v))).collect(),
        feedback: row.feedback.map(|f| format!("/p/{slug}/feedback/{f}")),
        spam: row.is_spam.then(|| match row.spam_reasons.as_slice() {
            [] => "Marked as spam: excluded from the results.".to_owned(),
            reasons => format!("Suspected spam, excluded from the results: {}.", reasons.join(", ")),
        }),
    };
    Ok(console.page("Response", Nav::Surveys, move || view! { <ResponsePage view=view /> }))
}
