//! Counts of the answers to a survey.
//!
//! A response is spam if triage marked its feedback as spam; without feedback, if it has spam signals of its own.

use domain::{
    Day, Timestamp, Zone,
    accounts::Scope,
    clock::DAY_MS,
    ids::{FeedbackId, ResponseId, SurveyId, VersionId},
};
use sqlx::FromRow;

use super::{Dialect, Store, id, optional_id};
use crate::error::Result;

/// SQL condition: true for spam, for a response `r` with its feedback `f`.
macro_rules! is_spam {
    () => {
        "(CASE WHEN f.id IS NULL THEN r.spam_reasons <> '[]' ELSE f.status = 'spam' END)"
    };
}

/// SQL selection of the responses of survey $2 in project $1 that began from $3 until before $4, joined with another table if one is given.
macro_rules! in_range {
    () => {
        in_range!("")
    };
    ($join:literal) => {
        concat!(
            " FROM responses r ",
            $join,
            " LEFT JOIN feedback f ON f.response_id = r.id \
             WHERE r.project_id = $1 AND r.survey_id = $2 AND r.started_at >= $3 AND r.started_at < $4 "
        )
    };
}

/// A half-open time range: includes the start, excludes the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeRange {
    /// Start, inclusive.
    pub from: Timestamp,
    /// End, exclusive.
    pub until: Timestamp,
}

/// Number of responses in a range.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromRow)]
pub struct ResponseCounts {
    /// Started, without spam.
    pub started: i64,
    /// Of these, completed.
    pub finished: i64,
    /// Excluded as suspected spam.
    pub spam: i64,
    /// When the first one began, without spam.
    pub first: Option<i64>,
}

/// Responses that began on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayCount {
    /// The day.
    pub day: Day,
    /// Started.
    pub started: i64,
    /// Of these, completed by now.
    pub finished: i64,
}

/// A response in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedResponse {
    /// Its id.
    pub id: ResponseId,
    /// The version that was answered.
    pub version: VersionId,
    /// The contact's name, e-mail address or external id, if known.
    pub contact: Option<String>,
    /// The feedback created from it.
    pub feedback: Option<FeedbackId>,
    /// `widget`, `page`, …
    pub source: String,
    /// Language of the texts shown.
    pub language: String,
    /// The page on which it was submitted.
    pub page_url: Option<String>,
    /// The release it refers to.
    pub release: Option<String>,
    /// The environment it comes from.
    pub environment: Option<String>,
    /// Whether it is classified as spam.
    pub is_spam: bool,
    /// Why it is suspected as spam.
    pub spam_reasons: Vec<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was completed; `None` while partial.
    pub finished_at: Option<Timestamp>,
}

#[derive(FromRow)]
struct ListedResponseRow {
    id: String,
    version_id: String,
    name: Option<String>,
    email: Option<String>,
    external_id: Option<String>,
    feedback_id: Option<String>,
    source: String,
    language: String,
    page_url: Option<String>,
    release: Option<String>,
    environment: Option<String>,
    spam: i64,
    spam_reasons: String,
    started_at: i64,
    finished_at: Option<i64>,
}

impl TryFrom<ListedResponseRow> for ListedResponse {
    type Error = crate::error::Error;

    fn try_from(row: ListedResponseRow) -> Result<Self> {
        let known = |text: Option<String>| text.filter(|t| !t.is_empty());
        Ok(Self {
            id: id(&row.id)?,
            version: id(&row.version_id)?,
            contact: known(row.name).or(known(row.email)).or(known(row.external_id)),
            feedback: optional_id(row.feedback_id.as_deref())?,
            source: row.source,
            language: row.language,
            page_url: row.page_url,
            release: row.release,
            environment: row.environment,
            is_spam: row.spam != 0,
            spam_reasons: serde_json::from_str(&row.spam_reasons).unwrap_or_default(),
            started_at: Timestamp(row.started_at),
            finished_at: row.finished_at.map(Timestamp),
        })
    }
}

/// The columns of `ListedResponseRow`.
macro_rules! response_where {
    ($rest:literal) => {
        concat!(
            "SELECT r.id, r.version_id, c.name, c.email, c.external_id, f.id AS feedback_id, r.source, r.language, r.page_url, r.release, \
             r.environment, CAST(CASE WHEN ",
            is_spam!(),
            " THEN 1 ELSE 0 END AS BIGINT) AS spam, r.spam_reasons, r.started_at, r.finished_at \
             FROM responses r LEFT JOIN feedback f ON f.response_id = r.id LEFT JOIN contacts c ON c.id = r.contact_id \
             WHERE r.project_id = $1 AND r.survey_id = $2 ",
            $rest
        )
    };
}

/// Cursor of a page of responses: start time and id of the last response before it.
pub type ResponseCursor = (Timestamp, ResponseId);

impl Store {
    /// Counts the responses that began in a range.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn response_counts(&self, scope: &Scope, survey: SurveyId, range: TimeRange) -> Result<ResponseCounts> {
        Ok(sqlx::query_as(concat!(
            "SELECT COUNT(CASE WHEN NOT ",
            is_spam!(),
            " THEN 1 END) AS started, COUNT(CASE WHEN NOT ",
            is_spam!(),
            " THEN r.finished_at END) AS finished, COUNT(CASE WHEN ",
            is_spam!(),
            " THEN 1 END) AS spam, MIN(CASE WHEN NOT ",
            is_spam!(),
            " THEN r.started_at END) AS first",
            in_range!()
        ))
        .bind(scope.project().to_string())
        .bind(survey.to_string())
        .bind(range.from.0)
        .bind(range.until.0)
        .fetch_one(self.reader())
        .await?)
    }

    /// Counts the responses that began on each day of a time zone, without spam; omits days without responses.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn responses_by_day(&self, scope: &Scope, survey: SurveyId, range: TimeRange, zone: &Zone) -> Result<Vec<DayCount>> {
        let mut days: Vec<DayCount> = Vec::new();
        // Between two clock changes, all days have the same length.
        for part in zone.offset_spans(range.from, range.until) {
            let rows: Vec<(i64, i64, i64)> = sqlx::query_as(concat!(
                "SELECT (r.started_at + $6) / $5 AS day, COUNT(*) AS started, COUNT(r.finished_at) AS finished",
                in_range!(),
                "AND NOT ",
                is_spam!(),
                " GROUP BY 1 ORDER BY 1"
            ))
            .bind(scope.project().to_string())
            .bind(survey.to_string())
            .bind(part.from.0)
            .bind(part.until.0)
            .bind(DAY_MS)
            .bind(part.offset_ms)
            .fetch_all(self.reader())
            .await?;
            for (day, started, finished) in rows {
                match days.iter_mut().rev().take(2).find(|known| known.day.0 == day) {
                    Some(known) => (known.started, known.finished) = (known.started + started, known.finished + finished),
                    None => days.push(DayCount { day: Day(day), started, finished }),
                }
            }
        }
        Ok(days)
    }

    /// Counts the answers of a range, without spam: question, stored value, count. All texts of a text question count as one value, `None`.
    ///
    /// No value is parsed here: a question never changes its type, and numbers have a column of their own. So one unreadable value does
    /// not make the statement fail.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn answer_counts(
        &self,
        scope: &Scope,
        survey: SurveyId,
        range: TimeRange,
        text_questions: &[&str],
    ) -> Result<Vec<(String, Option<String>, i64)>> {
        macro_rules! counted {
            ($ids:literal) => {
                concat!(
                    "SELECT a.question_id, CASE WHEN a.number IS NULL AND a.question_id IN (",
                    $ids,
                    ") THEN NULL ELSE a.value END AS value, COUNT(*)",
                    in_range!("JOIN answers a ON a.response_id = r.id"),
                    "AND NOT ",
                    is_spam!(),
                    " GROUP BY 1, 2 ORDER BY 1, 2"
                )
            };
        }
        let sql = match self.dialect() {
            Dialect::Sqlite => counted!("SELECT value FROM json_each($5)"),
            Dialect::Postgres => counted!("SELECT json_array_elements_text(CAST($5 AS json))"),
        };
        Ok(sqlx::query_as(sql)
            .bind(scope.project().to_string())
            .bind(survey.to_string())
            .bind(range.from.0)
            .bind(range.until.0)
            .bind(serde_json::to_string(text_questions)?)
            .fetch_all(self.reader())
            .await?)
    }

    /// Returns the newest answers to a text question in a range, without spam: response, stored value, time.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn answer_texts(
        &self,
        scope: &Scope,
        survey: SurveyId,
        range: TimeRange,
        question: &str,
        limit: i64,
    ) -> Result<Vec<(ResponseId, String, Timestamp)>> {
        let rows: Vec<(String, String, i64)> = sqlx::query_as(concat!(
            "SELECT a.response_id, a.value, a.answered_at",
            in_range!("JOIN answers a ON a.response_id = r.id"),
            "AND a.question_id = $5 AND a.number IS NULL AND NOT ",
            is_spam!(),
            " ORDER BY a.answered_at DESC, a.response_id DESC LIMIT $6"
        ))
        .bind(scope.project().to_string())
        .bind(survey.to_string())
        .bind(range.from.0)
        .bind(range.until.0)
        .bind(question.to_owned())
        .bind(limit)
        .fetch_all(self.reader())
        .await?;
        rows.into_iter().map(|(response, value, at)| Ok((id(&response)?, value, Timestamp(at)))).collect()
    }

    /// Returns responses of a range, newest first: either only spam or only the rest.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn responses_page(
        &self,
        scope: &Scope,
        survey: SurveyId,
        range: TimeRange,
        spam: bool,
        after: Option<ResponseCursor>,
        limit: i64,
    ) -> Result<Vec<ListedResponse>> {
        let sql = if spam {
            concat!(
                response_where!(
                    "AND r.started_at >= $3 AND r.started_at < $4 AND (r.started_at < $5 OR (r.started_at = $5 AND r.id < $6)) AND "
                ),
                is_spam!(),
                " ORDER BY r.started_at DESC, r.id DESC LIMIT $7"
            )
        } else {
            concat!(
                response_where!(
                    "AND r.started_at >= $3 AND r.started_at < $4 AND (r.started_at < $5 OR (r.started_at = $5 AND r.id < $6)) AND NOT "
                ),
                is_spam!(),
                " ORDER BY r.started_at DESC, r.id DESC LIMIT $7"
            )
        };
        let rows: Vec<ListedResponseRow> = sqlx::query_as(sql)
            .bind(scope.project().to_string())
            .bind(survey.to_string())
            .bind(range.from.0)
            .bind(range.until.0)
            .bind(after.map_or(i64::MAX, |(at, _)| at.0))
            .bind(after.map(|(_, response)| response.to_string()).unwrap_or_default())
            .bind(limit)
            .fetch_all(self.reader())
            .await?;
        rows.into_iter().map(ListedResponse::try_from).collect()
    }

    /// Returns one response to a survey of the scope's project.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn response_row(&self, scope: &Scope, survey: SurveyId, response: ResponseId) -> Result<Option<ListedResponse>> {
        let row: Option<ListedResponseRow> = sqlx::query_as(response_where!("AND r.id = $3"))
            .bind(scope.project().to_string())
            .bind(survey.to_string())
            .bind(response.to_string())
            .fetch_optional(self.reader())
            .await?;
        row.map(ListedResponse::try_from).transpose()
    }

    /// Returns the stored answers of these responses: response, question, value.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn answers_of(&self, scope: &Scope, responses: &[ResponseId]) -> Result<Vec<(ResponseId, String, String)>> {
        let sql = match self.dialect() {
            Dialect::Sqlite => {
                "SELECT a.response_id, a.question_id, a.value FROM json_each($2) j CROSS JOIN answers a ON a.response_id = j.value WHERE a.project_id = $1"
            }
            Dialect::Postgres => {
                "SELECT a.response_id, a.question_id, a.value FROM answers a JOIN json_array_elements_text(CAST($2 AS json)) j ON a.response_id = j \
                 WHERE a.project_id = $1"
            }
        };
        let rows: Vec<(String, String, String)> =
            sqlx::query_as(sql).bind(scope.project().to_string()).bind(serde_json::to_string(responses)?).fetch_all(self.reader()).await?;
        rows.into_iter().map(|(response, question, value)| Ok((id(&response)?, question, value))).collect()
    }
}
