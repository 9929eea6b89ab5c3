//! Survey results: all answers across all versions, in a range of days.

use std::collections::HashMap;

use domain::{
    Day, DomainError as Refusal, FieldErrors, Timestamp, Zone,
    accounts::{Role, Scope},
    ids::{ResponseId, SurveyId},
    surveys::{
        Answer, Question,
        stats::{QuestionTally, all_questions},
    },
};
use store::{
    results::{DayCount, ListedResponse, ResponseCounts, ResponseCursor, TimeRange},
    surveys::Survey,
};

use crate::{error::Result, state::App};

/// Texts shown per question.
const TEXTS: i64 = 5;
/// Maximum days that a chart extends before the first response.
const MOST_DAYS: i64 = 3660;
/// Above this many days, the chart counts by week.
const BY_WEEK: i64 = 92;

/// The range of days shown by a results page, as given in its address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DayRange {
    /// First day, `2026-11-23`; empty: from the beginning.
    pub from: String,
    /// Last day; empty: today.
    pub to: String,
    /// The last so many days, instead of both.
    pub last: Option<i64>,
}

impl DayRange {
    /// Converts the range to timestamps in a zone; invalid days are reported and ignored.
    #[must_use]
    pub fn range(&self, now: Timestamp, zone: &Zone) -> (TimeRange, FieldErrors) {
        let mut errors = FieldErrors::default();
        let tomorrow = zone.day(now).plus(1);
        // Another machine's clock may be ahead of ours.
        let mut range = TimeRange { from: Timestamp(0), until: zone.start_of_day(tomorrow.plus(1)) };
        if let Some(days) = self.last {
            range.from = zone.start_of_day(tomorrow.plus(-days.clamp(1, 36_500)));
            return (range, errors);
        }
        let mut day = |name: &str, text: &str| {
            let text = text.trim();
            let day = Day::parse(text);
            if day.is_none() && !text.is_empty() {
                errors.add(name, "date", "Enter a date like 2026-11-23.");
            }
            day
        };
        if let Some(from) = day("from", &self.from) {
            range.from = zone.start_of_day(from);
        }
        if let Some(to) = day("to", &self.to) {
            range.until = zone.start_of_day(to.plus(1));
        }
        if range.until <= range.from {
            errors.add("to", "order", "The end date is before the start date.");
        }
        (range, errors)
    }
}

/// A text answer.
#[derive(Debug, Clone)]
pub struct TextAnswer {
    /// The response it belongs to.
    pub response: ResponseId,
    /// The text.
    pub text: String,
    /// When it was written.
    pub at: Timestamp,
}

/// One question with its answers.
#[derive(Debug, Clone)]
pub struct QuestionResult {
    /// Its newest wording, with the choices of all versions.
    pub question: Question,
    /// Whether the newest version asks it.
    pub is_asked: bool,
    /// The answer counts.
    pub tally: QuestionTally,
    /// The newest text answers.
    pub texts: Vec<TextAnswer>,
}

/// One column of the response chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChartColumn {
    /// Its first day.
    pub day: Day,
    /// Number of responses begun.
    pub started: i64,
    /// Number of these finished.
    pub finished: i64,
}

/// All results of a range.
#[derive(Debug, Clone)]
pub struct SurveyResults {
    /// The survey.
    pub survey: Survey,
    /// Response counts.
    pub counts: ResponseCounts,
    /// Days or weeks without gaps.
    pub columns: Vec<ChartColumn>,
    /// Whether a column is a week.
    pub by_week: bool,
    /// In survey order, with questions that are no longer asked last.
    pub questions: Vec<QuestionResult>,
}

async fn survey(app: &App, scope: &Scope, id: SurveyId) -> Result<Survey> {
    scope.require(Role::Viewer)?;
    // Results stay readable even if the draft is not.
    app.store.listed_survey(scope, id).await?.ok_or_else(|| Refusal::NotFound.into())
}

/// Computes all results of a range, by the days of a zone.
///
/// # Errors
/// Not found.
pub async fn results(app: &App, scope: &Scope, id: SurveyId, range: TimeRange, zone: &Zone) -> Result<SurveyResults> {
    let survey = survey(app, scope, id).await?;
    let store = &app.store;
    let counts = store.response_counts(scope, id, range).await?;
    let versions = store.survey_versions(scope, id).await?;
    let all = all_questions(versions.iter().map(|v| v.body.questions.as_slice()));
    let takes_text = |question: &Question| question.kind.max_chars().is_some();
    let text_questions: Vec<&str> = all.iter().map(|(question, _)| question).filter(|q| takes_text(q)).map(|q| q.id.as_str()).collect();
    let mut answers: HashMap<String, Vec<(Option<String>, u64)>> = HashMap::new();
    for (question, value, n) in store.answer_counts(scope, id, range, &text_questions).await? {
        answers.entry(question).or_default().push((value, u64::try_from(n).unwrap_or(0)));
    }
    let mut questions = Vec::new();
    for (question, is_asked) in all {
        if !question.kind.takes_answer() {
            continue;
        }
        let mut tally = QuestionTally::new(&question);
        for (value, times) in answers.remove(&question.id).unwrap_or_default() {
            // All texts together have no value.
            let answer = value.map_or_else(|| Some(Answer::Text(String::new())), |value| read(&value));
            match answer {
                Some(answer) => tally.add(&question, &answer, times),
                None => tally.unfit += times,
            }
        }
        let mut texts = Vec::new();
        if takes_text(&question) && tally.n > 0 {
            for (response, value, at) in store.answer_texts(scope, id, range, &question.id, TEXTS).await? {
                if let Some(Answer::Text(text)) = read(&value) {
                    texts.push(TextAnswer { response, text, at });
                }
            }
        }
        questions.push(QuestionResult { question, is_asked, tally, texts });
    }
    questions.sort_by_key(|q| !q.is_asked);
    let (columns, by_week) = match counts.first.map(Timestamp) {
        None => (Vec::new(), false),
        Some(first) => {
            let until = range.until.min(app.now().plus_ms(1)).max(first.plus_ms(1));
            let days = store.responses_by_day(scope, id, TimeRange { from: first, until }, zone).await?;
            let last = zone.day(until.plus_ms(-1));
            // A chart that starts centuries before the first response is useless.
            let from = if last.0 - zone.day(range.from).0 > MOST_DAYS { first } else { range.from };
            columns(&days, zone.day(from), last)
        }
    };
    Ok(SurveyResults { survey, counts, columns, by_week, questions })
}

/// Parses a stored answer.
fn read(value: &str) -> Option<Answer> {
    serde_json::from_str(value).ok()
}

/// Returns every day (or week, starting on Monday) of the range, including those without responses.
fn columns(days: &[DayCount], mut first: Day, mut last: Day) -> (Vec<ChartColumn>, bool) {
    if let (Some(a), Some(b)) = (days.first(), days.last()) {
        (first, last) = (first.min(a.day), last.max(b.day));
    }
    let by_week = last.0 - first.0 >= BY_WEEK;
    let start = |day: Day| if by_week { day.monday() } else { day };
    let step = if by_week { 7 } else { 1 };
    let mut columns: Vec<ChartColumn> = Vec::new();
    let mut at = start(first);
    // Bounds a range of centuries.
    while at <= last && columns.len() < 1500 {
        columns.push(ChartColumn { day: at, started: 0, finished: 0 });
        at = at.plus(step);
    }
    for day in days {
        let place = usize::try_from((start(day.day).0 - start(first).0) / step).ok();
        if let Some(column) = place.and_then(|p| columns.get_mut(p)) {
            column.started += day.started;
            column.finished += day.finished;
        }
    }
    (columns, by_week)
}

/// A response with its answers as text, in question order.
#[derive(Debug, Clone)]
pub struct AnsweredResponse {
    /// The response.
    pub row: ListedResponse,
    /// Question and answer; `None` for an unreadable answer.
    pub answers: Vec<(String, Option<String>)>,
}

/// A page of responses with the cursor of the next one.
#[derive(Debug, Clone)]
pub struct ResponsesPage {
    /// The survey.
    pub survey: Survey,
    /// Newest first.
    pub responses: Vec<AnsweredResponse>,
    /// Cursor of the next page.
    pub next: Option<ResponseCursor>,
}

/// Returns one page of individual responses.
///
/// # Errors
/// Not found.
pub async fn responses(
    app: &App,
    scope: &Scope,
    id: SurveyId,
    range: TimeRange,
    spam: bool,
    after: Option<ResponseCursor>,
    limit: usize,
) -> Result<ResponsesPage> {
    let survey = survey(app, scope, id).await?;
    let wanted = i64::try_from(limit).unwrap_or(50);
    let mut rows = app.store.responses_page(scope, id, range, spam, after, wanted + 1).await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|r| (r.started_at, r.id));
    Ok(ResponsesPage { responses: in_words(app, scope, id, rows).await?, survey, next })
}

/// Returns one response.
///
/// # Errors
/// Not found.
pub async fn response(app: &App, scope: &Scope, id: SurveyId, response: ResponseId) -> Result<(Survey, AnsweredResponse)> {
    let survey = survey(app, scope, id).await?;
    let row = app.store.response_row(scope, id, response).await?.ok_or(Refusal::NotFound)?;
    let answered = in_words(app, scope, id, vec![row]).await?.pop().ok_or(Refusal::NotFound)?;
    Ok((survey, answered))
}

async fn in_words(app: &App, scope: &Scope, id: SurveyId, rows: Vec<ListedResponse>) -> Result<Vec<AnsweredResponse>> {
    let versions = app.store.survey_versions(scope, id).await?;
    let ids: Vec<ResponseId> = rows.iter().map(|r| r.id).collect();
    let stored = app.store.answers_of(scope, &ids).await?;
    let known = all_questions(versions.iter().map(|v| v.body.questions.as_slice()));
    let answered = |row: ListedResponse| {
        let own: Vec<(&str, &str)> = stored.iter().filter(|(r, ..)| *r == row.id).map(|(_, q, v)| (q.as_str(), v.as_str())).collect();
        let asked = versions.iter().find(|v| v.id == row.version).map(|v| v.body.questions.as_slice()).unwrap_or_default();
        let mut answers: Vec<(String, Option<String>)> = Vec::new();
        let here = |q: &str| asked.iter().any(|a| a.id == q);
        let others = known.iter().map(|(q, _)| q).filter(|q| !here(&q.id));
        for question in asked.iter().chain(others) {
            if let Some((_, value)) = own.iter().find(|(q, _)| *q == question.id) {
                let words = serde_json::from_str::<Answer>(value).ok().map(|answer| answer.display(question));
                answers.push((question.title.clone(), words));
            }
        }
        AnsweredResponse { row, answers }
    };
    Ok(rows.into_iter().map(answered).collect())
}

#[cfg(test)]
mod tests {
    use domain::zone::UTC;

    use super::*;

    #[test]
    fn days_that_are_none_are_named() {
        let now = Timestamp::parse("2026-11-23T10:00:00Z").unwrap();
        let days = |from: &str, to: &str| DayRange { from: from.into(), to: to.into(), last: None };
        let (range, errors) = days("2026-11-01", "2026-11-02").range(now, &UTC);
        assert!(errors.is_empty());
        assert_eq!((range.until.0 - range.from.0) / 3_600_000, 48);
        assert!(days("2026-11-02", "2026-11-01").range(now, &UTC).1.message_for("to").is_some());
        assert!(days("tomorrow", "").range(now, &UTC).1.message_for("from").is_some());
        let (range, _) = DayRange { last: Some(7), ..DayRange::default() }.range(now, &UTC);
        assert_eq!(range.from.rfc3339(), "2026-11-17T00:00:00Z");
        // In Tokyo it is seven in the evening; in Kiritimati it is already the next day.
        let from = |zone: &str| DayRange { last: Some(1), ..DayRange::default() }.range(now, &Zone::parse(zone).unwrap()).0.from.rfc3339();
        assert_eq!([from("Asia/Tokyo"), from("Pacific/Kiritimati")], ["2026-11-22T15:00:00Z", "2026-11-23T10:00:00Z"]);
        let (range, _) = days("2026-03-29", "2026-03-29").range(now, &Zone::parse("Europe/Berlin").unwrap());
        assert_eq!((range.until.0 - range.from.0) / 3_600_000, 23);
    }

    #[test]
    fn the_chart_has_no_gaps_and_counts_weeks_from_monday() {
        let day = |text: &str| Day::parse(text).unwrap();
        let count = |text: &str| DayCount { day: day(text), started: 2, finished: 1 };
        let (list, by_week) = columns(&[count("2026-11-20"), count("2026-11-23")], day("2026-11-20"), day("2026-11-23"));
        assert!(!by_week);
        assert_eq!(list.iter().map(|c| c.started).collect::<Vec<_>>(), [2, 0, 0, 2]);
        let (list, by_week) = columns(&[count("2026-11-22"), count("2026-11-23")], day("2026-01-01"), day("2026-11-23"));
        assert!(by_week);
        let tail: Vec<_> = list.iter().rev().take(2).map(|c| (c.day.to_string(), c.started)).collect();
        assert_eq!(tail, [("2026-11-23".to_owned(), 2), ("2026-11-16".to_owned(), 2)]);
    }
}
