//! One page of the inbox: from the index, or from the database if the index is not available.

use std::collections::HashMap;

use domain::{
    Timestamp,
    accounts::{Role, Scope},
    feedback::{Feedback, FeedbackStatus},
    ids::{StaffId, SurveyId},
    triage::{Assignee, FieldFilter, HasFlag, QueryTerm, ScoreFilter, TriageQuery, is_same_name},
};
use search::{self, Facet, SearchRequest, Sort, tokenizer};
use store::feedback::ListedFeedback;

use crate::{
    error::{Result, from_search},
    state::App,
};

/// One page of the inbox.
#[derive(Debug, Clone)]
pub struct FeedbackPage {
    /// The items in order.
    pub items: Vec<Feedback>,
    /// Total number of items; unknown without the index.
    pub total: Option<usize>,
    /// Counts by field; none without the index.
    pub facets: Vec<Facet>,
    /// The cursor of the next page.
    pub next: Option<String>,
    /// The cursor of the previous page.
    pub prev: Option<String>,
    /// The index status, if this page was built without it.
    pub without_index: Option<search::IndexStatus>,
    /// Without the index: whether this page continues another.
    pub goes_on: bool,
}

/// Records read at once by a database scan.
const BATCH: i64 = 200;
/// Maximum records read by a database scan.
pub const MAX_SCANNED_RECORDS: usize = 4000;
/// Prefix of cursors of pages without the index.
const PLAIN: &str = "plain.";

/// Returns one page of the scope's project. An invalid cursor returns the first page.
///
/// # Errors
/// When the database fails.
pub async fn list(app: &App, scope: &Scope, ask: SearchRequest) -> Result<FeedbackPage> {
    let mut ask = ask;
    if ask.cursor.as_deref().is_some_and(|c| c.starts_with(PLAIN)) && app.search.status() == search::IndexStatus::Ready {
        ask.cursor = None;
    }
    match page(app, scope, ask.clone()).await {
        Err(error) if ask.cursor.is_some() && matches!(error.refusal(), Some(domain::DomainError::Invalid(_))) => {
            ask.cursor = None;
            page(app, scope, ask).await
        }
        found => found,
    }
}

/// Returns one page of the scope's project, for programs: a cursor only continues the listing that returned it.
///
/// # Errors
/// [`domain::DomainError::Invalid`] for an invalid cursor; an error if the database fails.
pub async fn page(app: &App, scope: &Scope, ask: SearchRequest) -> Result<FeedbackPage> {
    scope.require(Role::Viewer)?;
    // A listing begun without the index continues without it.
    if ask.cursor.as_deref().is_some_and(|c| c.starts_with(PLAIN)) {
        return plain(app, scope, &ask).await;
    }
    match app.search.search(scope, ask.clone()).await {
        Ok(found) => {
            let items = app.store.feedback_by_ids(scope, &found.ids).await?;
            Ok(FeedbackPage {
                items,
                total: Some(found.total),
                facets: found.facets,
                next: found.next,
                prev: found.prev,
                without_index: None,
                goes_on: false,
            })
        }
        Err(error) if matches!(error.refusal(), Some(domain::DomainError::SearchUnavailable)) => plain(app, scope, &ask).await,
        Err(error) => Err(from_search(error)),
    }
}

/// Builds the page by a database scan: newest first (or oldest), each record matched against the query.
async fn plain(app: &App, scope: &Scope, ask: &SearchRequest) -> Result<FeedbackPage> {
    // A query without anything to search for has no results.
    if search::matches_nothing(&ask.query) {
        let without_index = Some(app.search.status());
        return Ok(FeedbackPage {
            items: Vec::new(),
            total: None,
            facets: Vec::new(),
            next: None,
            prev: None,
            without_index,
            goes_on: false,
        });
    }
    let newest = ask.sort != Sort::Oldest;
    let members = app.store.assignable(scope).await?;
    let surveys = app.store.survey_names(scope).await?;
    let holder =
        RecordMatcher { ask, now: app.now(), members: members.iter().map(|m| (m.id, m.email.as_str())).collect(), surveys: &surveys };
    let mut after = ask.cursor.as_deref().and_then(|c| c.strip_prefix(PLAIN)).and_then(|c| {
        let (at, id) = c.split_once('.')?;
        Some((at.parse::<i64>().ok()?, id.to_owned()))
    });
    let goes_on = after.is_some();
    let (mut items, mut next, mut read) = (Vec::new(), None, 0);
    loop {
        let batch = app.store.list_feedback(scope, newest, after.clone(), BATCH).await?;
        let complete = i64::try_from(batch.len()).unwrap_or(BATCH) < BATCH;
        for listed in batch {
            read += 1;
            if items.len() == ask.limit {
                next = after.as_ref().map(|(at, id)| format!("{PLAIN}{at}.{id}"));
                break;
            }
            after = Some((listed.feedback.created_at.0, listed.feedback.id.to_string()));
            if holder.holds(&listed) {
                items.push(listed.feedback);
            }
        }
        if next.is_some() || complete {
            break;
        }
        if read >= MAX_SCANNED_RECORDS {
            next = after.as_ref().map(|(at, id)| format!("{PLAIN}{at}.{id}"));
            break;
        }
    }
    Ok(FeedbackPage { items, total: None, facets: Vec::new(), next, prev: None, without_index: Some(app.search.status()), goes_on })
}

/// Matches a query against single records. Compares words as written, ignoring case, accents and Unicode form.
struct RecordMatcher<'a> {
    ask: &'a SearchRequest,
    now: Timestamp,
    members: Vec<(StaffId, &'a str)>,
    surveys: &'a HashMap<SurveyId, String>,
}

impl RecordMatcher<'_> {
    fn holds(&self, listed: &ListedFeedback) -> bool {
        let item = &listed.feedback;
        if item.status == FeedbackStatus::Spam && !self.ask.query.wants_spam() {
            return false;
        }
        let said = tokenizer::normalize(&item.text);
        let mut by_field: HashMap<&str, bool> = HashMap::new();
        for part in &self.ask.query.parts {
            match &part.what {
                QueryTerm::Word(_) | QueryTerm::Phrase(_) | QueryTerm::Any(_) => {
                    if says(&said, &part.what) == part.negated {
                        return false;
                    }
                }
                QueryTerm::Test(FieldFilter::Score(_)) if !part.negated => {}
                QueryTerm::Test(test) => {
                    let holds = self.passes(listed, test);
                    if part.negated && holds {
                        return false;
                    }
                    if !part.negated {
                        *by_field.entry(test.field().as_str()).or_insert(false) |= holds;
                    }
                }
            }
        }
        let score = |range: &Vec<ScoreFilter>| item.score.is_some_and(|n| range.iter().all(|s| s.holds(n)));
        by_field.values().all(|any| *any) && self.ask.query.score_ranges().is_none_or(|ranges| ranges.iter().any(score))
    }

    fn passes(&self, listed: &ListedFeedback, test: &FieldFilter) -> bool {
        let item = &listed.feedback;
        // Compare values as the index does.
        let same = |have: Option<&str>, asked: &str| have.is_some_and(|have| search::value(have) == search::value(asked));
        match test {
            FieldFilter::Status(status) => item.status == *status,
            FieldFilter::Kind(kind) => item.kind == *kind,
            FieldFilter::Priority(priority) => listed.priority == Some(*priority),
            FieldFilter::Tag(tag) => item.tags.contains(tag),
            FieldFilter::Score(score) => item.score.is_some_and(|n| score.holds(n)),
            FieldFilter::Assignee(Assignee::Me) => item.assignee.is_some() && item.assignee == self.ask.me,
            FieldFilter::Assignee(Assignee::Nobody) => item.assignee.is_none(),
            FieldFilter::Assignee(Assignee::Member(who)) => item.assignee.is_some_and(|a| {
                a.to_string() == *who || self.members.iter().any(|(id, email)| *id == a && email.eq_ignore_ascii_case(who))
            }),
            FieldFilter::Has(HasFlag::Link) => listed.linked,
            FieldFilter::Has(HasFlag::Comment) => listed.commented,
            FieldFilter::Has(HasFlag::Contact) => listed.contact_known,
            FieldFilter::Has(HasFlag::Text) => !item.text.trim().is_empty(),
            FieldFilter::Has(HasFlag::Score) => item.score.is_some(),
            FieldFilter::Has(HasFlag::Tag) => !item.tags.is_empty(),
            FieldFilter::Survey(asked) => {
                item.survey.is_some_and(|s| s.to_string() == *asked || self.surveys.get(&s).is_some_and(|name| is_same_name(name, asked)))
            }
            FieldFilter::Before(when) => item.created_at < when.at(self.now, &self.ask.zone),
            FieldFilter::After(when) => item.created_at >= when.at(self.now, &self.ask.zone),
            FieldFilter::Release(release) => same(item.release.as_deref(), release),
            FieldFilter::Env(env) => same(item.environment.as_deref(), env),
            FieldFilter::Lang(lang) => same(Some(&item.language), lang),
        }
    }
}

/// Whether a normalized text contains a word, a phrase, or one of several.
fn says(said: &str, what: &QueryTerm) -> bool {
    match what {
        QueryTerm::Word(words) | QueryTerm::Phrase(words) => said.contains(&tokenizer::normalize(words)),
        QueryTerm::Any(any) => any.iter().any(|what| says(said, what)),
        QueryTerm::Test(_) => false,
    }
}

/// Returns the parts of a query that can be dropped, each with the remaining query.
#[must_use]
pub fn relaxed_queries(query: &TriageQuery) -> Vec<(String, TriageQuery)> {
    let without = |n: usize| {
        let mut rest = query.clone();
        rest.parts.remove(n);
        rest
    };
    query.parts.iter().enumerate().map(|(n, part)| (part.to_string(), without(n))).collect()
}
