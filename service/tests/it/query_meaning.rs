//! A query has one meaning: [`domain::triage::QueryConditions`] defines it. These tests generate records and queries, and check that the
//! search index and the list read from the database return what it says.
//!
//! Only words may differ. The index also finds other forms of a word, words that start with it, and typing errors. It also searches the
//! contact, the page and the tags. Excluding a word excludes its other forms, too. The list finds a word inside longer words.
//!
//! - The words of the first test are unrelated, so the results must be equal.
//! - The words of the second test resemble each other. A query for words may return more than the domain says. A query that excludes words may
//!   return less.

use std::collections::BTreeSet;

use domain::{
    Timestamp, Zone,
    accounts::{Role, Scope},
    feedback::{Feedback, FeedbackKind, FeedbackStatus},
    ids::{FeedbackId, ProjectId, StaffId},
    tickets::Priority,
    triage::{FeedbackFacts, HasFlag, MatchContext, ProjectNames, QueryTerm, TriageQuery},
};
use proptest::{
    option,
    prelude::*,
    sample::{select, subsequence},
    strategy::ValueTree,
    test_runner::TestRunner,
};
use search::{MAX_PAGE_SIZE, SearchRequest, Sort};
use service::triage::list;
use testing::{
    PASSWORD, TestApp,
    feedback::{INDEX_TIMEOUT, add},
    on_both,
};
use uuid::Uuid;

/// Unrelated words: no common stem or prefix, and no word that is a typing error of another.
const DISTINCT: [&str; 6] = ["zebra", "mango", "cloud", "piano", "fjord", "tulip"];
/// Words that the index confuses: by stem, by prefix or as typing errors.
const ALIKE: [&str; 8] = ["card", "cards", "cardinal", "carf", "wait", "waiting", "delivery", "delivry"];
/// Punctuation: part of a query, but not searchable.
const MARKS: &str = "—";

const TAGS: [&str; 4] = ["billing", "card-arrival", "top-up", "ärger"];
const SCORES: [f64; 9] = [0.0, -0.0, 0.3, 0.1 + 0.2, 3.0, 6.0, 6.5, 10.0, -5.0];
const RELEASES: [&str; 5] = ["2.4.1", "2.4.1 beta", " 2.4.1 \t beta ", "the \"big\" one", "  "];
const LANGUAGES: [&str; 4] = ["en", "de", "ja", ""];

/// The number of queries to generate: 20 times as many in a long run.
fn cases(ordinary: usize) -> usize {
    #[expect(clippy::disallowed_methods, reason = "how long to test is told by the environment")]
    let long = std::env::var_os("EARSHOT_TEST_LONG").is_some();
    if long { 20 * ordinary } else { ordinary }
}

/// The stored data of a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ContactRow {
    Anonymous,
    BlankName,
    Named,
    External,
}

/// A piece of feedback, with its data in other tables.
#[derive(Debug, Clone)]
struct Record {
    feedback: Feedback,
    priority: Option<Priority>,
    linked: bool,
    commented: bool,
    contact: Option<ContactRow>,
}

impl Record {
    fn facts(&self) -> FeedbackFacts<'_> {
        FeedbackFacts {
            feedback: &self.feedback,
            priority: self.priority,
            linked: self.linked,
            commented: self.commented,
            contact_known: matches!(self.contact, Some(ContactRow::Named | ContactRow::External)),
        }
    }

    /// Returns whether the text contains a word, or a phrase as adjacent words.
    fn contains(&self, term: &QueryTerm) -> bool {
        let (QueryTerm::Word(asked) | QueryTerm::Phrase(asked)) = term else { panic!("{term} is no word or phrase") };
        let words = |text: &str| text.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>();
        let (text, asked) = (words(&self.feedback.text), words(asked));
        text.windows(asked.len()).any(|there| there == asked)
    }
}

/// A project with generated records.
struct World {
    project: ProjectId,
    me: StaffId,
    now: Timestamp,
    zone: Zone,
    names: ProjectNames,
    records: Vec<Record>,
    /// All filters that queries are generated from.
    filters: Vec<String>,
}

impl World {
    async fn new(t: &TestApp, words: &'static [&'static str]) -> Self {
        let (project, me) = t.owner().await;
        let other = t.member(&project, "other@bücher.example", Role::Triager).await;
        let former = service::accounts::create_staff(&t.app, "former@example.com", "", PASSWORD).await.unwrap();
        let scope = t.app.store.team_member(me).await.unwrap().scope(project.id, Role::Owner).unwrap();
        let mut surveys = Vec::new();
        for (n, name) in ["After checkout", "NPS", "nps"].into_iter().enumerate() {
            let id = service::surveys::create(&t.app, &scope, "blank", name, &format!("survey-key-{n}")).await.unwrap();
            surveys.push((id, name.to_owned()));
        }
        service::backlog::create(&t.app, &scope, "item-key-1", "An item", "").await.unwrap();
        let members = vec![(me, "owner@example.com".to_owned()), (other, "other@bücher.example".to_owned())];
        let now = t.app.now();
        let mut world = Self {
            project: project.id,
            me,
            now,
            zone: Zone::parse("Europe/Berlin").unwrap(),
            names: ProjectNames { members, surveys },
            records: Vec::new(),
            filters: Vec::new(),
        };
        world.filters = world.filters(former);
        let strategy = world.record(words, [me, other, former]);
        let mut runner = TestRunner::deterministic();
        for _ in 0..240 {
            let mut record = strategy.new_tree(&mut runner).unwrap().current();
            (record.feedback.id, record.feedback.project) = (t.id(), project.id);
            world.records.push(record);
        }
        world.store(t).await;
        world
    }

    /// Creation times of records: at each time limit used in queries, and one millisecond before and after it.
    fn times(&self) -> Vec<Timestamp> {
        let day = self.zone.start_of_day(self.zone.day(self.now.plus_days(-10)));
        let limits = [self.now, self.now.plus_days(-1), self.now.plus_days(-7), self.now.plus_days(-90), day];
        limits.iter().flat_map(|at| [-1, 0, 1].map(|ms| at.plus_ms(ms))).collect()
    }

    fn filters(&self, former: StaffId) -> Vec<String> {
        let mut filters: Vec<String> = Vec::new();
        let mut add = |field: &str, values: &[&str]| filters.extend(values.iter().map(|value| format!("{field}:\"{value}\"")));
        add("status", &FeedbackStatus::ALL.iter().map(|status| status.as_str()).collect::<Vec<_>>());
        add("is", &["spam", "new"]);
        add("kind", &FeedbackKind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>());
        add("priority", &Priority::ALL.iter().map(|priority| priority.as_str()).collect::<Vec<_>>());
        add("has", &HasFlag::ALL.iter().map(|flag| flag.as_str()).collect::<Vec<_>>());
        add("tag", &["billing", "Card arrival", "top-up", "Ärger", "no-such"]);
        let scores =
            ["0", "=-0", ">=0", "<0", "<=-0", ">-0", "0.3", "0.30000000000000004", "3", "6.5", "<6", "<=6", ">6", ">=6.5", "3..6.5"];
        add("score", &scores);
        add("score", &["6..6", ">100"]);
        add("assignee", &["me", "none", "OWNER@example.com", "other@xn--bcher-kva.example", "former@example.com", "nobody@example.com"]);
        add("survey", &["after  CHECKOUT", "nps", "No such"]);
        for id in [former.0, self.names.members[1].0.0] {
            add("assignee", &[&id.to_string(), &id.simple().to_string().to_uppercase()]);
        }
        for id in [self.names.surveys[0].0.0, self.names.surveys[1].0.0] {
            add("survey", &[&id.to_string().to_uppercase(), &id.simple().to_string()]);
        }
        let day = self.zone.day(self.now.plus_days(-10)).to_string();
        for field in ["before", "after"] {
            add(field, &["0d", "1d", "7d", "1w", "3m", &day]);
        }
        add("release", &["2.4.1", "2.4.1  beta", "the big one", "none"]);
        add("release", &[&"r".repeat(250), &"r".repeat(200), &"r".repeat(199)]);
        add("env", &["production", "test", "none"]);
        add("lang", &["en", "de", "de-AT", "fr"]);
        filters
    }

    fn record(&self, words: &'static [&'static str], staff: [StaffId; 3]) -> impl Strategy<Value = Record> + use<> {
        let word = (select(words), any::<bool>()).prop_map(|(word, upper)| if upper { word.to_uppercase() } else { word.to_owned() });
        let text = prop::collection::vec(word, 0..5).prop_map(|words| words.join(" "));
        let releases = RELEASES.iter().map(|release| (*release).to_owned()).chain([250, 200].map(|n| "r".repeat(n))).collect::<Vec<_>>();
        let surveys: Vec<_> = self.names.surveys.iter().map(|(id, _)| *id).collect();
        let triage =
            (select(FeedbackStatus::ALL), select(FeedbackKind::ALL), subsequence(TAGS.to_vec(), 0..3), option::of(select(SCORES.to_vec())));
        let from = (option::of(select(surveys)), option::of(select(staff.to_vec())), select(self.times()));
        let context = (option::of(select(releases)), option::of(select(vec!["production", "test", " "])), select(LANGUAGES.to_vec()));
        let contacts = [ContactRow::Anonymous, ContactRow::BlankName, ContactRow::Named, ContactRow::External];
        let beside = (option::of(select(Priority::ALL)), any::<bool>(), any::<bool>(), option::of(select(contacts.to_vec())));
        (text, triage, from, context, beside).prop_map(|(text, triage, from, context, beside)| {
            let (status, kind, tags, score) = triage;
            let (survey, assignee, created_at) = from;
            let (release, environment, language) = context;
            let (priority, linked, commented, contact) = beside;
            let mut tags: Vec<String> = tags.into_iter().map(str::to_owned).collect();
            tags.sort();
            let feedback = Feedback {
                id: Uuid::nil().into(),
                project: Uuid::nil().into(),
                kind,
                text,
                score,
                score_max: None,
                contact: None,
                survey,
                response: None,
                page_url: None,
                release,
                environment: environment.map(str::to_owned),
                language: language.to_owned(),
                status,
                assignee,
                tags,
                spam_reasons: vec![],
                created_at,
                updated_at: created_at,
                version: 1,
            };
            Record { feedback, priority: priority.filter(|_| kind == FeedbackKind::Ticket), linked, commented, contact }
        })
    }

    /// Stores the records with their data in other tables, in several commits, and waits until the index has all of them.
    async fn store(&mut self, t: &TestApp) {
        let project = self.project;
        for record in &mut self.records {
            let Some(row) = record.contact else { continue };
            let id = t.id::<Uuid>();
            record.feedback.contact = Some(id.into());
            let (external, name) = match row {
                ContactRow::Anonymous => (None, None),
                ContactRow::BlankName => (None, Some(String::new())),
                ContactRow::Named => (None, Some("Ann".to_owned())),
                ContactRow::External => (Some(id.to_string()), None),
            };
            let insert = "INSERT INTO contacts (id, project_id, external_id, name, created_at, seen_at) VALUES ($1, $2, $3, $4, 1, 1)";
            let work = t.app.store.write(move |tx| {
                Box::pin(async move {
                    let row = sqlx::query(insert).bind(id.to_string()).bind(project.to_string()).bind(external).bind(name);
                    Ok(row.execute(tx.conn()).await?)
                })
            });
            work.await.unwrap();
        }
        for records in self.records.chunks(100) {
            add(t, records.iter().map(|record| record.feedback.clone()).collect()).await;
            for record in records {
                self.store_beside(t, record).await;
            }
            assert!(t.app.search.ready(INDEX_TIMEOUT).await && t.app.search.wait_until_caught_up(INDEX_TIMEOUT).await);
        }
    }

    /// Stores the ticket, link and comment of a record.
    async fn store_beside(&self, t: &TestApp, record: &Record) {
        const TICKET: &str = "INSERT INTO tickets (id, project_id, number, feedback_id, subject, email, language, priority, state, created_at, updated_at) \
                              VALUES ($1, $2, (SELECT COUNT(*) FROM tickets), $3, '', '', 'en', $4, 'open', 1, 1)";
        const LINK: &str = "INSERT INTO links (id, project_id, feedback_id, backlog_id, created_at) VALUES ($1, $2, $3, (SELECT id FROM backlog_items), 1)";
        const COMMENT: &str =
            "INSERT INTO comments (id, project_id, feedback_id, actor_id, body, created_at) VALUES ($1, $2, $3, $4, 'x', 1)";
        let (project, me, record, id) = (self.project, self.me, record.clone(), t.id::<Uuid>());
        let work = t.app.store.write(move |tx| {
            Box::pin(async move {
                let feedback = record.feedback.id;
                let ids = [id.to_string(), project.to_string(), feedback.to_string()];
                if let Some(priority) = record.priority {
                    let [id, project, feedback] = ids.clone();
                    sqlx::query(TICKET).bind(id).bind(project).bind(feedback).bind(priority.as_str()).execute(tx.conn()).await?;
                }
                if record.linked {
                    let [id, project, feedback] = ids.clone();
                    sqlx::query(LINK).bind(id).bind(project).bind(feedback).execute(tx.conn()).await?;
                }
                if record.commented {
                    let [id, project, feedback] = ids;
                    sqlx::query(COMMENT).bind(id).bind(project).bind(feedback).bind(me.to_string()).execute(tx.conn()).await?;
                }
                tx.record_feedback_change(project, feedback).await
            })
        });
        work.await.unwrap();
    }

    /// Returns the records that match according to the domain.
    fn expected(&self, query: &TriageQuery) -> BTreeSet<FeedbackId> {
        let context =
            MatchContext { now: self.now, zone: &self.zone, me: Some(self.me), names: &self.names, is_searchable: |text| text != MARKS };
        let conditions = query.conditions(&context);
        let matching = self.records.iter().filter(|record| conditions.matches(&record.facts(), |term| record.contains(term)));
        matching.map(|record| record.feedback.id).collect()
    }

    /// Returns the records on all pages of the inbox.
    async fn listed(&self, t: &TestApp, query: &TriageQuery, without_index: bool) -> BTreeSet<FeedbackId> {
        let (mut ids, mut cursor) = (BTreeSet::new(), None);
        loop {
            let ask = SearchRequest {
                query: query.clone(),
                me: Some(self.me),
                zone: self.zone.clone(),
                sort: Sort::Newest,
                cursor,
                limit: MAX_PAGE_SIZE,
            };
            let page = list::page(&t.app, &Scope::system(self.project), ask).await.unwrap();
            assert_eq!(page.without_index.is_some(), without_index);
            for item in page.items {
                assert!(ids.insert(item.id), "{query} lists {} twice", item.id);
            }
            cursor = page.next;
            if cursor.is_none() {
                return ids;
            }
        }
    }

    /// Describes the first missing and the first unexpected record; `None` if the results agree as far as required.
    async fn difference(&self, t: &TestApp, query: &TriageQuery, without_index: bool, allowed: Allowed) -> Option<String> {
        let (expected, listed) = (self.expected(query), self.listed(t, query, without_index).await);
        let first = |of: &BTreeSet<FeedbackId>, but: &BTreeSet<FeedbackId>| {
            self.records.iter().find(|record| of.contains(&record.feedback.id) && !but.contains(&record.feedback.id))
        };
        let missing = first(&expected, &listed).filter(|_| allowed != Allowed::Fewer);
        let extra = first(&listed, &expected).filter(|_| allowed != Allowed::More);
        let differs = missing.is_some() || extra.is_some();
        differs.then(|| format!("{query} (without the index: {without_index})\nleaves out {missing:#?}\nand lists {extra:#?}"))
    }
}

/// The differences from the expected result that a test accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Allowed {
    Nothing,
    More,
    Fewer,
}

/// Generates a word, a phrase, or punctuation.
fn text(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop_oneof![
        6 => select(words).prop_map(str::to_owned),
        1 => select(words).prop_map(str::to_uppercase),
        2 => (select(words), select(words)).prop_map(|(one, other)| format!("\"{one} {other}\"")),
        1 => Just(MARKS.to_owned()),
    ]
}

/// Generates alternatives, joined with OR.
fn alternatives(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::collection::vec(text(words), 2..4).prop_map(|texts| texts.join(" OR "))
}

/// Generates a query. `negated` decides whether it excludes all its words; `None` mixes both.
fn query(words: &'static [&'static str], filters: Vec<String>, negated: Option<bool>) -> BoxedStrategy<String> {
    let sign = |negated: bool| if negated { "-" } else { "" };
    let negation = match negated {
        Some(negated) => Just(negated).boxed(),
        None => any::<bool>().boxed(),
    };
    let word = (text(words), negation).prop_map(move |(text, negated)| format!("{}{text}", sign(negated)));
    let filter = (select(filters), prop::bool::weighted(0.3)).prop_map(move |(filter, negated)| format!("{}{filter}", sign(negated)));
    let texts = if negated == Some(true) { word.boxed() } else { prop_oneof![4 => word, 1 => alternatives(words)].boxed() };
    prop::collection::vec(prop_oneof![2 => texts, 3 => filter], 0..5).prop_map(|parts| parts.join(" ")).boxed()
}

/// Compares the results of generated queries. Fails with the shortest query that shows a difference.
async fn compare(t: &TestApp, world: &World, texts: &BoxedStrategy<String>, cases: usize, without_index: bool, allowed: Allowed) {
    let mut runner = TestRunner::deterministic();
    let mut telling = 0;
    for _ in 0..cases {
        let mut tree = texts.new_tree(&mut runner).unwrap();
        let mut failure = None;
        loop {
            let query = TriageQuery::parse(&tree.current()).unwrap_or_else(|error| panic!("{}: {error:?}", tree.current()));
            let matches = world.expected(&query).len();
            telling += usize::from(0 < matches && matches < world.records.len());
            let found = world.difference(t, &query, without_index, allowed).await;
            let goes_on = match (&found, &failure) {
                (None, None) => false,
                (Some(_), _) => tree.simplify(),
                (None, Some(_)) => tree.complicate(),
            };
            failure = found.or(failure);
            if !goes_on {
                break;
            }
        }
        if let Some(failure) = failure {
            panic!("{failure}");
        }
    }
    assert!(telling > cases / 4, "only {telling} of {cases} queries match some records and not all");
}

on_both!(distinct_words_and_all_filters_mean_the_same_everywhere, |t: TestApp| async move {
    let world = World::new(&t, &DISTINCT).await;
    let texts = query(&DISTINCT, world.filters.clone(), None);
    let alone: Vec<String> = world.filters.iter().flat_map(|filter| [filter.clone(), format!("-{filter}")]).collect();
    for without_index in [false, true] {
        if without_index {
            t.app.search.stop().await;
        }
        // First each filter alone, then random combinations.
        for text in &alone {
            let query = TriageQuery::parse(text).unwrap();
            assert_eq!(world.difference(&t, &query, without_index, Allowed::Nothing).await, None);
        }
        compare(&t, &world, &texts, cases(150), without_index, Allowed::Nothing).await;
    }
});

on_both!(words_that_are_alike_find_more_or_exclude_more, |t: TestApp| async move {
    let world = World::new(&t, &ALIKE).await;
    for without_index in [false, true] {
        if without_index {
            t.app.search.stop().await;
        }
        for (negated, allowed) in [(false, Allowed::More), (true, Allowed::Fewer)] {
            let texts = query(&ALIKE, world.filters.clone(), Some(negated));
            compare(&t, &world, &texts, cases(50), without_index, allowed).await;
        }
    }
});
