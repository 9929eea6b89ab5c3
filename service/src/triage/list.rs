//! One page of the inbox: from the index, or from the database while there is none.

use std::collections::HashMap;

use domain::{
    Timestamp,
    accounts::{Role, Scope},
    feedback::{Feedback, Status},
    ids::{StaffId, SurveyId},
    triage::{Assignee, Flag, Score, Test, TriageQuery, What, is_same_name},
};
use search::{self, Ask, Facet, Sort, text};
use store::feedback::Listed;

use crate::{
    error::{Result, of_search},
    state::App,
};

/// One page of the inbox.
#[derive(Debug, Clone)]
pub struct Page {
    /// The items in order.
    pub items: Vec<Feedback>,
    /// How many on all pages; unknown without the index.
    pub total: Option<usize>,
    /// Counts by field; none without the index.
    pub facets: Vec<Facet>,
    /// The cursor of the page after.
    pub next: Option<String>,
    /// The cursor of the page before.
    pub prev: Option<String>,
    /// How the index is doing, when this page comes without it.
    pub without_index: Option<search::Status>,
    /// Without the index: whether this page goes on from another.
    pub goes_on: bool,
}

/// Records read at once, when the database is searched by reading.
const BATCH: i64 = 200;
/// Records read at most, when the database is searched by reading.
pub const MOST: usize = 4000;
/// What cursors of pages without the index begin with.
const PLAIN: &str = "plain.";

/// One page of the scope's project. A cursor that does not fit gives the first page.
///
/// # Errors
/// When the database fails.
pub async fn list(app: &App, scope: &Scope, ask: Ask) -> Result<Page> {
    let mut ask = ask;
    if ask.cursor.as_deref().is_some_and(|c| c.starts_with(PLAIN)) && app.search.status() == search::Status::Ready {
        ask.cursor = None;
    }
    match page(app, scope, ask.clone()).await {
        Err(error) if ask.cursor.is_some() && matches!(error.refusal(), Some(domain::Error::Invalid(_))) => {
            ask.cursor = None;
            page(app, scope, ask).await
        }
        found => found,
    }
}

/// One page of the scope's project, for programs: a cursor goes on where it was given, and nowhere else.
///
/// # Errors
/// [`domain::Error::Invalid`] for a cursor that does not fit; when the database fails.
pub async fn page(app: &App, scope: &Scope, ask: Ask) -> Result<Page> {
    scope.require(Role::Viewer)?;
    // What was begun without the index goes on without it.
    if ask.cursor.as_deref().is_some_and(|c| c.starts_with(PLAIN)) {
        return plain(app, scope, &ask).await;
    }
    match app.search.search(scope, ask.clone()).await {
        Ok(found) => {
            let items = app.store.feedback_by_ids(scope, &found.ids).await?;
            Ok(Page {
                items,
                total: Some(found.total),
                facets: found.facets,
                next: found.next,
                prev: found.prev,
                without_index: None,
                goes_on: false,
            })
        }
        Err(error) if matches!(error.refusal(), Some(domain::Error::SearchUnavailable)) => plain(app, scope, &ask).await,
        Err(error) => Err(of_search(error)),
    }
}

/// The page by reading: newest first (or oldest), each record held against the query.
async fn plain(app: &App, scope: &Scope, ask: &Ask) -> Result<Page> {
    // Nothing to look for is found nowhere.
    if search::is_void(&ask.query) {
        let without_index = Some(app.search.status());
        return Ok(Page { items: Vec::new(), total: None, facets: Vec::new(), next: None, prev: None, without_index, goes_on: false });
    }
    let newest = ask.sort != Sort::Oldest;
    let members = app.store.assignable(scope).await?;
    let surveys = app.store.survey_names(scope).await?;
    let holder = Holder { ask, now: app.now(), members: members.iter().map(|m| (m.id, m.email.as_str())).collect(), surveys: &surveys };
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
        if read >= MOST {
            next = after.as_ref().map(|(at, id)| format!("{PLAIN}{at}.{id}"));
            break;
        }
    }
    Ok(Page { items, total: None, facets: Vec::new(), next, prev: None, without_index: Some(app.search.status()), goes_on })
}

/// A query held against one record at a time. Words are looked for as written, but for case, accents and how characters are encoded.
struct Holder<'a> {
    ask: &'a Ask,
    now: Timestamp,
    members: Vec<(StaffId, &'a str)>,
    surveys: &'a HashMap<SurveyId, String>,
}

impl Holder<'_> {
    fn holds(&self, listed: &Listed) -> bool {
        let item = &listed.feedback;
        if item.status == Status::Spam && !self.ask.query.wants_spam() {
            return false;
        }
        let said = text::plain(&item.text);
        let mut by_field: HashMap<&str, bool> = HashMap::new();
        for part in &self.ask.query.parts {
            match &part.what {
                What::Word(_) | What::Phrase(_) | What::Any(_) => {
                    if says(&said, &part.what) == part.negated {
                        return false;
                    }
                }
                What::Test(Test::Score(_)) if !part.negated => {}
                What::Test(test) => {
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
        let score = |range: &Vec<Score>| item.score.is_some_and(|n| range.iter().all(|s| s.holds(n)));
        by_field.values().all(|any| *any) && self.ask.query.score_ranges().is_none_or(|ranges| ranges.iter().any(score))
    }

    fn passes(&self, listed: &Listed, test: &Test) -> bool {
        let item = &listed.feedback;
        // As the index has them.
        let same = |have: Option<&str>, asked: &str| have.is_some_and(|have| search::value(have) == search::value(asked));
        match test {
            Test::Status(status) => item.status == *status,
            Test::Kind(kind) => item.kind == *kind,
            Test::Priority(priority) => listed.priority == Some(*priority),
            Test::Tag(tag) => item.tags.contains(tag),
            Test::Score(score) => item.score.is_some_and(|n| score.holds(n)),
            Test::Assignee(Assignee::Me) => item.assignee.is_some() && item.assignee == self.ask.me,
            Test::Assignee(Assignee::Nobody) => item.assignee.is_none(),
            Test::Assignee(Assignee::Member(who)) => item.assignee.is_some_and(|a| {
                a.to_string() == *who || self.members.iter().any(|(id, email)| *id == a && email.eq_ignore_ascii_case(who))
            }),
            Test::Has(Flag::Link) => listed.linked,
            Test::Has(Flag::Comment) => listed.commented,
            Test::Has(Flag::Contact) => listed.contact_known,
            Test::Has(Flag::Text) => !item.text.trim().is_empty(),
            Test::Has(Flag::Score) => item.score.is_some(),
            Test::Has(Flag::Tag) => !item.tags.is_empty(),
            Test::Survey(asked) => {
                item.survey.is_some_and(|s| s.to_string() == *asked || self.surveys.get(&s).is_some_and(|name| is_same_name(name, asked)))
            }
            Test::Before(when) => item.created_at < when.at(self.now, &self.ask.zone),
            Test::After(when) => item.created_at >= when.at(self.now, &self.ask.zone),
            Test::Release(release) => same(item.release.as_deref(), release),
            Test::Env(env) => same(item.environment.as_deref(), env),
            Test::Lang(lang) => same(Some(&item.language), lang),
        }
    }
}

/// Whether a text, made plain, has a word, a phrase, or any of several.
fn says(said: &str, what: &What) -> bool {
    match what {
        What::Word(words) | What::Phrase(words) => said.contains(&text::plain(words)),
        What::Any(any) => any.iter().any(|what| says(said, what)),
        What::Test(_) => false,
    }
}

/// The parts of a query that can be left out, each with what is left.
#[must_use]
pub fn without_each(query: &TriageQuery) -> Vec<(String, TriageQuery)> {
    let without = |n: usize| {
        let mut rest = query.clone();
        rest.parts.remove(n);
        rest
    };
    query.parts.iter().enumerate().map(|(n, part)| (part.to_string(), without(n))).collect()
}
