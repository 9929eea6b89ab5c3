//! `/api/v1/surveys/{survey_id}/results`: the answers to a survey, counted.

use axum::{extract::State, http::HeaderMap};
use domain::{
    accounts::Role,
    ids::SurveyId,
    surveys::{
        QuestionType,
        stats::{self, MIN_ANSWERS_FOR_SCORE, QuestionTally},
    },
};
use serde::{Deserialize, Serialize};
use service::{
    state::AppState,
    surveys::results::{self, DayRange, QuestionResult},
};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::{
    caller::ApiCaller,
    problem::{ApiHandlerResult, ApiRejection, FieldProblem},
    request::{PathIds, QueryParams},
    surveys::{Question, question},
    write_outcome,
};

/// Maximum number of different “Other” texts per question.
const MAX_OTHERS: usize = 200;

/// The answers to a survey across all its versions, without spam.
#[derive(Debug, Serialize, ToSchema)]
pub struct SurveyResults {
    survey_id: Uuid,
    /// Responses that were started.
    started: i64,
    /// How many of these were finished.
    finished: i64,
    /// Responses that are left out because they are suspected or marked as spam.
    spam: i64,
    /// Whether an entry of `periods` is a week, from Monday on. Long ranges are counted by week.
    by_week: bool,
    /// Responses by the day they started, without gaps, in the project's time zone.
    periods: Vec<ResultsPeriod>,
    /// In the survey's order; those that are no longer asked come last.
    questions: Vec<QuestionResults>,
}

/// The responses of a day or a week.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResultsPeriod {
    /// Its first day.
    #[schema(format = Date, example = "2026-11-23")]
    first_day: String,
    started: i64,
    /// How many of these were finished.
    finished: i64,
}

/// The answers to one question.
#[derive(Debug, Serialize, ToSchema)]
pub struct QuestionResults {
    /// As it was last asked, with the choices of all versions.
    question: Question,
    /// Whether the newest version asks it.
    is_asked: bool,
    /// How many answers are counted.
    answers: u64,
    /// Answers that do not fit the question as it is asked now; they are not counted.
    misfits: u64,
    /// The score; null for other types of questions, and with fewer than 10 answers.
    score: Option<QuestionScore>,
    /// How often each number was given, if the question is answered with a number.
    numbers: Vec<NumberCount>,
    /// How often each choice was selected. An answer can select several, if the question allows it.
    choices: Vec<ChoiceCount>,
    /// The most frequent texts of “Other”, up to 200.
    others: Vec<OtherCount>,
    /// The newest text answers, up to 5. List the responses for all.
    texts: Vec<TextAnswer>,
}

/// What a score measures.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScoreMeasure {
    /// Net Promoter Score, −100 to 100.
    Nps,
    /// Percentage of satisfied answers (4 and 5).
    Csat,
    /// Mean of the numbers.
    Mean,
}

/// A score with its 95 % confidence interval.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct QuestionScore {
    measure: ScoreMeasure,
    value: f64,
    /// Lower end of the interval; null if the answers do not allow one, such as when all are alike.
    low: Option<f64>,
    /// Upper end of the interval.
    high: Option<f64>,
}

/// How often a number was given.
#[derive(Debug, Serialize, ToSchema)]
pub struct NumberCount {
    number: u64,
    count: u64,
}

/// How often a choice was selected.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChoiceCount {
    /// ID of the choice; `other` for “Other”.
    id: String,
    label: String,
    count: u64,
}

/// How often a text was given as “Other”.
#[derive(Debug, Serialize, ToSchema)]
pub struct OtherCount {
    text: String,
    count: u64,
}

/// A text answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct TextAnswer {
    response_id: Uuid,
    text: String,
    #[schema(format = DateTime)]
    answered_at: String,
}

/// The score of a question of this type, if there are enough answers.
fn score(kind: QuestionType, tally: &QuestionTally, lowest: u8) -> Option<QuestionScore> {
    let (measure, estimate) = match kind {
        QuestionType::Nps => (ScoreMeasure::Nps, stats::nps(&tally.numbers).score),
        QuestionType::Csat => (ScoreMeasure::Csat, stats::csat(&tally.numbers)),
        QuestionType::Ces | QuestionType::Rating => (ScoreMeasure::Mean, stats::mean(&tally.numbers, lowest)),
        QuestionType::SingleChoice
        | QuestionType::MultipleChoice
        | QuestionType::ShortText
        | QuestionType::LongText
        | QuestionType::Email
        | QuestionType::Statement => return None,
    };
    let estimate = estimate.filter(|_| tally.n >= MIN_ANSWERS_FOR_SCORE)?;
    let (low, high) = estimate.interval.unzip();
    Some(QuestionScore { measure, value: estimate.value, low, high })
}

impl From<QuestionResult> for QuestionResults {
    fn from(result: QuestionResult) -> Self {
        let QuestionResult { question: asked, is_asked, tally, texts } = result;
        let lowest = asked.kind.scale().map_or(0, |(low, _)| low);
        let score = score(asked.kind.question_type(), &tally, lowest);
        let mut others: Vec<_> = tally.others.into_iter().map(|(text, count)| OtherCount { text, count }).collect();
        others.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.text.cmp(&b.text)));
        others.truncate(MAX_OTHERS);
        Self {
            question: question(asked),
            is_asked,
            answers: tally.n,
            misfits: tally.unfit,
            score,
            numbers: (u64::from(lowest)..).zip(tally.numbers).map(|(number, count)| NumberCount { number, count }).collect(),
            choices: tally.choices.into_iter().map(|c| ChoiceCount { id: c.id, label: c.label, count: c.count }).collect(),
            others,
            texts: texts
                .into_iter()
                .map(|answer| TextAnswer { response_id: answer.response.0, text: answer.text, answered_at: answer.at.rfc3339() })
                .collect(),
        }
    }
}

/// Query parameters of the results.
#[derive(Debug, Deserialize, IntoParams, Validate)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SurveyResultsParams {
    /// First day, in the project’s time zone; from the beginning by default.
    #[validate(length(min = 10, max = 10))]
    #[param(value_type = Option<String>, format = Date, example = "2026-11-01")]
    from: Option<String>,
    /// Last day; today by default.
    #[validate(length(min = 10, max = 10))]
    #[param(value_type = Option<String>, format = Date, example = "2026-11-30")]
    to: Option<String>,
}

/// Read the results of a survey
///
/// The numbers of the results page: counts and scores of all questions, of the responses that started on the days from `from` to `to`.
#[utoipa::path(get, path = "/api/v1/surveys/{survey_id}/results", operation_id = "read_survey_results", tag = "Surveys",
    params(("survey_id" = Uuid, Path, description = "The survey."), SurveyResultsParams),
    responses((status = 200, description = "The results.", body = SurveyResults)))]
pub async fn read_survey_results(
    State(app): State<AppState>,
    caller: ApiCaller,
    PathIds([id]): PathIds<1>,
    QueryParams(asked): QueryParams<SurveyResultsParams>,
    headers: HeaderMap,
) -> ApiHandlerResult {
    let scope = caller.scope(Role::Viewer)?;
    let zone = app.store.zone(&scope).await?;
    let days = DayRange { from: asked.from.unwrap_or_default(), to: asked.to.unwrap_or_default(), last: None };
    let (range, errors) = days.range(app.now(), &zone);
    if !errors.is_empty() {
        let faults = errors.0.into_iter().map(|e| FieldProblem::parameter(&e.field, &e.code, e.message)).collect();
        return Err(ApiRejection::invalid(faults));
    }
    let found = results::results(&app, &scope, SurveyId(id), range, &zone).await?;
    let view = SurveyResults {
        survey_id: found.survey.id.0,
        started: found.counts.started,
        finished: found.counts.finished,
        spam: found.counts.spam,
        by_week: found.by_week,
        periods: found
            .columns
            .into_iter()
            .map(|c| ResultsPeriod { first_day: c.day.to_string(), started: c.started, finished: c.finished })
            .collect(),
        questions: found.questions.into_iter().map(QuestionResults::from).collect(),
    };
    write_outcome::conditional_response(&headers, &view)
}
