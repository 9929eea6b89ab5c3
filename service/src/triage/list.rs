//! One page of the inbox: from the index, or from the database if the index is not available.

use std::{cell::LazyCell, collections::HashMap};

use domain::{
    DomainError as Refusal,
    accounts::{Role, Scope},
    feedback::Feedback,
    ids::FeedbackId,
    triage::{FeedbackFacts, MatchContext, QueryConditions, QueryTerm, TriageQuery},
};
use search::{self, Facet, SearchRequest, Sort, tokenizer};
use store::feedback::ListedFeedback;

use crate::{
    document_source::names,
    error::{Result, from_search},
    state::App,
};

/// One page of the inbox.
#[derive(Debug, Clone, Default)]
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
    if goes_on_without_index(&ask) && app.search.status() == search::IndexStatus::Ready {
        ask.cursor = None;
    }
    match page(app, scope, ask.clone()).await {
        Err(error) if ask.cursor.is_some() && matches!(error.refusal(), Some(Refusal::Invalid(_))) => {
            ask.cursor = None;
            page(app, scope, ask).await
        }
        found => found,
    }
}

/// Returns one page of the scope's project, for programs: a cursor only continues the listing that returned it.
///
/// # Errors
/// [`Refusal::Invalid`] for an invalid cursor; an error if the database fails.
pub async fn page(app: &App, scope: &Scope, ask: SearchRequest) -> Result<FeedbackPage> {
    scope.require(Role::Viewer)?;
    // A listing begun without the index continues without it.
    if goes_on_without_index(&ask) {
        return plain(app, scope, &ask).await;
    }
    match app.search.search(scope, ask.clone()).await {
        Ok(found) => {
            let items = app.store.feedback_by_ids(scope, &found.ids).await?;
            let (total, facets) = (Some(found.total), found.facets);
            Ok(FeedbackPage { items, total, facets, next: found.next, prev: found.prev, ..FeedbackPage::default() })
        }
        Err(error) if matches!(error.refusal(), Some(Refusal::SearchUnavailable)) => plain(app, scope, &ask).await,
        Err(error) => Err(from_search(error)),
    }
}

/// Whether the page continues a listing begun without the index.
fn goes_on_without_index(ask: &SearchRequest) -> bool {
    ask.cursor.as_deref().is_some_and(|cursor| cursor.starts_with(PLAIN))
}

/// Builds the page by a database scan: newest first (or oldest), each record matched against the query.
async fn plain(app: &App, scope: &Scope, ask: &SearchRequest) -> Result<FeedbackPage> {
    let names = names(&app.store, scope, &ask.query).await?;
    let context = MatchContext { now: app.now(), zone: &ask.zone, me: ask.me, names: &names, is_searchable: search::is_searchable };
    let conditions = ask.query.conditions(&context);
    if conditions.matches_nothing {
        return Ok(FeedbackPage { without_index: Some(app.search.status()), ..FeedbackPage::default() });
    }
    let texts = NormalizedTexts::of(&conditions);
    let newest = ask.sort != Sort::Oldest;
    let mut after = ask.cursor.as_deref().map(plain_position).transpose()?;
    let goes_on = after.is_some();
    let cursor = |after: &Option<(i64, String)>| after.as_ref().map(|(at, id)| format!("{PLAIN}{at}.{id}"));
    let (mut items, mut next, mut read) = (Vec::new(), None, 0);
    loop {
        let batch = app.store.list_feedback(scope, newest, after.clone(), BATCH).await?;
        let complete = i64::try_from(batch.len()).unwrap_or(BATCH) < BATCH;
        for listed in batch {
            read += 1;
            if items.len() == ask.limit {
                next = cursor(&after);
                break;
            }
            after = Some((listed.feedback.created_at.0, listed.feedback.id.to_string()));
            if conditions.matches(&facts(&listed), texts.in_text(&listed.feedback.text)) {
                items.push(listed.feedback);
            }
        }
        if next.is_some() || complete {
            break;
        }
        if read >= MAX_SCANNED_RECORDS {
            next = cursor(&after);
            break;
        }
    }
    Ok(FeedbackPage { items, next, without_index: Some(app.search.status()), goes_on, ..FeedbackPage::default() })
}

/// Reads the position in a cursor of a page without the index.
fn plain_position(cursor: &str) -> Result<(i64, String), Refusal> {
    let position = cursor.strip_prefix(PLAIN).and_then(|cursor| cursor.split_once('.'));
    let position = position.and_then(|(at, id)| Some((at.parse().ok()?, id.parse::<FeedbackId>().ok()?.to_string())));
    position.ok_or_else(|| Refusal::field("cursor", "invalid", "This page link is no longer valid. Start again from the first page."))
}

/// A record's facts, as the fields of a query see them.
fn facts(listed: &ListedFeedback) -> FeedbackFacts<'_> {
    let ListedFeedback { feedback, linked, commented, contact_known, priority } = listed;
    FeedbackFacts { feedback, priority: *priority, linked: *linked, commented: *commented, contact_known: *contact_known }
}

/// The words and phrases of a query, as they are looked for without the index: as written, but for case, accents and how characters are
/// encoded.
struct NormalizedTexts<'a>(HashMap<&'a str, String>);

impl<'a> NormalizedTexts<'a> {
    fn of(conditions: &QueryConditions<'a>) -> Self {
        let terms = conditions.texts.iter().flat_map(|condition| condition.any.iter().copied());
        Self(terms.filter_map(text).map(|text| (text, tokenizer::normalize(text))).collect())
    }

    /// Whether a text contains a word or phrase.
    fn in_text(&self, said: &str) -> impl FnMut(&QueryTerm) -> bool {
        let said = LazyCell::new(|| tokenizer::normalize(said));
        move |term| text(term).and_then(|text| self.0.get(text)).is_some_and(|wanted| said.contains(wanted))
    }
}

/// The text of a single word or phrase.
fn text(term: &QueryTerm) -> Option<&str> {
    match term {
        QueryTerm::Word(text) | QueryTerm::Phrase(text) => Some(text),
        QueryTerm::Any(_) | QueryTerm::Test(_) => None,
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
