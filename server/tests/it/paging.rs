//! Pagination is complete under concurrent writes: nothing is missing, nothing is repeated.

use std::collections::{BTreeMap, BTreeSet};

use domain::{accounts::Scope, accounts::key::Access, feedback::FeedbackStatus, ids::FeedbackId, projects::Project};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use service::triage::{FeedbackEdit, ItemVersion, edit};
use testing::feedback::{INDEX_TIMEOUT, add};

use crate::{
    keys::Program,
    on_both,
    support::{Client, Database, TestApp, sample},
};

const CALM: fn(&mut server::config::Config) = |config| {
    (config.settings.rate_per_address, config.settings.rate_per_key) = (u32::MAX, u32::MAX);
};

async fn settled(t: &TestApp) {
    assert!(t.app.search.ready(INDEX_TIMEOUT).await && t.app.search.wait_until_caught_up(INDEX_TIMEOUT).await);
}

/// Adds records that contain a word, some of them several times, and in texts of different length.
async fn zebras(t: &TestApp, project: &Project, count: usize) -> Vec<FeedbackId> {
    let mut items = Vec::new();
    for n in 0..count {
        t.clock.advance_ms(1000);
        let text = format!("page item {n} {}{}", "zebra ".repeat(1 + n % 3), "and more ".repeat(n % 7));
        items.push(sample(&t.app, project.id, &text));
    }
    let ids = items.iter().map(|item| item.id).collect();
    add(t, items).await;
    settled(t).await;
    ids
}

async fn say(t: &TestApp, project: &Project, text: &str) -> FeedbackId {
    t.clock.advance_ms(1000);
    let item = sample(&t.app, project.id, text);
    let id = item.id;
    add(t, vec![item]).await;
    settled(t).await;
    id
}

async fn reword(t: &TestApp, project: &Project, id: FeedbackId, text: &str) {
    t.clock.advance_ms(1000);
    let (project, text) = (project.id, text.to_owned());
    t.app
        .store
        .write(move |tx| {
            Box::pin(async move {
                let sql = "UPDATE feedback SET text = $2, version = version + 1 WHERE id = $1";
                sqlx::query(sql).bind(id.to_string()).bind(text.clone()).execute(tx.conn()).await?;
                tx.record_feedback_change(project, id).await
            })
        })
        .await
        .unwrap();
    settled(t).await;
}

async fn change(t: &TestApp, project: &Project, id: FeedbackId, what: FeedbackEdit) {
    t.clock.advance_ms(1000);
    let scope = Scope::system(project.id);
    let held = t.app.store.feedback_by_ids(&scope, &[id]).await.unwrap();
    edit(&t.app, &scope, &[ItemVersion { id, version: held[0].version }], what).await.unwrap();
    settled(t).await;
}

/// One page of the API: the ids, the total, and the next cursor.
async fn api(program: &Program, query: &str, cursor: Option<&str>) -> (Vec<FeedbackId>, usize, Option<String>) {
    let cursor = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
    let page = program.get(&format!("/api/v1/feedback?q={query}&limit=10{cursor}")).await;
    assert_eq!(page.status.as_u16(), 200, "{}", page.body);
    let page = page.json();
    let ids = page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().parse().unwrap()).collect();
    (ids, page["total"].as_u64().unwrap() as usize, page["next_cursor"].as_str().map(ToOwned::to_owned))
}

/// One page of the console.
async fn console(client: &Client, path: &str) -> (Vec<FeedbackId>, usize, Option<String>) {
    let page = client.get(path).await;
    assert_eq!(page.status.as_u16(), 200, "{}", page.body);
    let ids = page.body.split("id=\"row-").skip(1).map(|row| row[..36].parse().unwrap()).collect();
    let count =
        page.body.split("id=\"inbox-count\"").nth(1).unwrap().split('>').nth(1).unwrap().split(" item").next().unwrap().parse().unwrap();
    let next = page.body.split("<a ").find(|link| link.contains("rel=\"next\"")).map(|link| {
        let url = link.split("href=\"").nth(1).unwrap().split('"').next().unwrap();
        url.replace("&amp;", "&")
    });
    (ids, count, next)
}

/// The number of occurrences of each id.
fn counted(given: &[FeedbackId]) -> BTreeMap<FeedbackId, usize> {
    let mut counts = BTreeMap::new();
    for id in given {
        *counts.entry(*id).or_default() += 1;
    }
    counts
}

// H08, as reported: a record without the word arrives after the second page; then one in another project.
on_both!(what_arrives_moves_nothing, CALM, |t: TestApp| async move {
    let (project, client) = t.owner().await;
    let other = service::projects::create(&t.app, "Other", vec![], None).await.unwrap();
    let program = Program::new(&t, &project, Access::Read).await;
    let ids: BTreeSet<FeedbackId> = zebras(&t, &project, 60).await.into_iter().collect();
    for (whose, text) in [(&project, "something unrelated"), (&other, "something unrelated"), (&other, "a zebra elsewhere")] {
        let (mut given, mut cursor, mut page) = (Vec::new(), None, 0);
        loop {
            let (ids, total, next) = api(&program, "zebra", cursor.as_deref()).await;
            assert_eq!(total, 60);
            given.extend(ids);
            cursor = next;
            page += 1;
            if cursor.is_none() {
                break;
            }
            if page == 2 {
                say(&t, whose, text).await;
            }
        }
        assert_eq!((page, given.len(), given.into_iter().collect::<BTreeSet<_>>()), (6, 60, ids.clone()));
    }
    // The console: the second page completes the count shown on the first.
    let (first, count, next) = console(&client, &format!("/p/{}/inbox?q=zebra", project.slug)).await;
    say(&t, &project, "one more thing").await;
    say(&t, &other, "zebra zebra zebra").await;
    let (second, still, end) = console(&client, &next.unwrap()).await;
    assert_eq!((first.len(), second.len(), count, still, end), (50, 10, 60, 60, None));
    assert_eq!(first.into_iter().chain(second).collect::<BTreeSet<_>>(), ids);
});

// All kinds of writes between two pages, in any order.
on_both!(whatever_is_written_between_pages_they_are_whole, CALM, |t: TestApp| async move {
    let (project, _) = t.owner().await;
    let other = service::projects::create(&t.app, "Other", vec![], None).await.unwrap();
    let program = Program::new(&t, &project, Access::Read).await;
    let ids = zebras(&t, &project, 60).await;
    for seed in 0..4 {
        let mut random = StdRng::seed_from_u64(seed);
        let (mut given, mut cursor, mut reworded, mut arrived) = (Vec::new(), None, BTreeSet::new(), BTreeSet::new());
        loop {
            let (page, total, next) = api(&program, "zebra", cursor.as_deref()).await;
            assert_eq!(total, ids.len() + arrived.len() + before(&t, &ids, &arrived).await);
            given.extend(page);
            cursor = next;
            if cursor.is_none() {
                break;
            }
            for _ in 0..2 {
                let any = *ids.choose(&mut random).unwrap();
                match random.random_range(0..7) {
                    0 => _ = say(&t, &project, "nothing of the sort").await,
                    1 => _ = say(&t, &other, "zebra zebra").await,
                    2 => _ = arrived.insert(say(&t, &project, "a new zebra").await),
                    3 => {
                        change(
                            &t,
                            &project,
                            any,
                            FeedbackEdit::Status(*[FeedbackStatus::Triaged, FeedbackStatus::New].choose(&mut random).unwrap()),
                        )
                        .await
                    }
                    4 => {
                        change(&t, &project, any, FeedbackEdit::Tags { add: vec!["zebra".into(), format!("t{seed}")], remove: vec![] })
                            .await
                    }
                    5 => change(&t, &project, any, FeedbackEdit::Tags { add: vec![], remove: vec!["zebra".into()] }).await,
                    _ => {
                        let text = format!("{} {}", "zebra ".repeat(random.random_range(1..9)), "more ".repeat(random.random_range(0..30)));
                        reword(&t, &project, any, &text).await;
                        reworded.insert(any);
                    }
                }
            }
        }
        let counts = counted(&given);
        for id in &ids {
            let count = counts.get(id).copied().unwrap_or_default();
            // A listed record whose text then changes is listed once more, with its current text.
            let most = if reworded.contains(id) { 2 } else { 1 };
            assert!((1..=most).contains(&count), "seed {seed}: {id} came {count} times, reworded: {}", reworded.contains(id));
        }
        for (id, count) in counts {
            assert!(count == 1 || reworded.contains(&id), "seed {seed}: {id} came {count} times");
        }
    }
});

/// The number of zebras from earlier rounds, without `ids` and `arrived`.
async fn before(t: &TestApp, ids: &[FeedbackId], arrived: &BTreeSet<FeedbackId>) -> usize {
    let all: Vec<String> = sqlx::query_scalar(
        "SELECT f.id FROM feedback f JOIN projects p ON p.id = f.project_id WHERE p.name = 'My app' AND f.text LIKE '%zebra%'",
    )
    .fetch_all(t.app.store.reader())
    .await
    .unwrap();
    all.iter().filter(|id| id.parse().is_ok_and(|id| !ids.contains(&id) && !arrived.contains(&id))).count()
}

// A record whose text changes is not missing, whatever its new rank; if it was already listed, it is listed again at the end.
on_both!(what_is_reworded_comes_at_the_end, CALM, |t: TestApp| async move {
    let (project, _) = t.owner().await;
    let program = Program::new(&t, &project, Access::Read).await;
    let ids = zebras(&t, &project, 30).await;
    let (first, _, next) = api(&program, "zebra", None).await;
    let unseen: Vec<FeedbackId> = ids.iter().copied().filter(|id| !first.contains(id)).collect();
    // One that would now rank first, one that would rank last, and one that no longer matches.
    reword(&t, &project, unseen[0], "zebra zebra zebra zebra zebra").await;
    reword(&t, &project, first[0], &format!("zebra {}", "far from it ".repeat(40))).await;
    reword(&t, &project, unseen[1], "no more of that").await;
    let (second, total, next) = api(&program, "zebra", next.as_deref()).await;
    let (third, _, next) = api(&program, "zebra", next.as_deref()).await;
    assert_eq!((total, next), (29, None));
    assert_eq!(third[third.len() - 2..].iter().collect::<BTreeSet<_>>(), [&unseen[0], &first[0]].into());
    let counts = counted(&[first.clone(), second, third].concat());
    assert!(
        ids.iter()
            .all(|id| counts.get(id).copied().unwrap_or_default() == if *id == unseen[1] { 0 } else { 1 + usize::from(*id == first[0]) })
    );
    // A new search ranks it by its current text.
    assert_eq!(api(&program, "zebra", None).await.0[0], unseen[0]);
});

// A cursor is self-contained: the program may restart, and another node may answer.
on_both!(pages_go_on_after_a_restart_and_on_another_node, CALM, |t: TestApp| async move {
    let (project, _) = t.owner().await;
    let program = Program::new(&t, &project, Access::Read).await;
    let ids: BTreeSet<FeedbackId> = zebras(&t, &project, 30).await.into_iter().collect();
    let (first, _, next) = api(&program, "zebra", None).await;
    t.app.search.stop().await;
    for n in 0..50 {
        add(&t, vec![sample(&t.app, project.id, &format!("about something else {n}"))]).await;
    }
    t.app.search.start().await.unwrap();
    settled(&t).await;
    let (second, _, next) = api(&program, "zebra", next.as_deref()).await;
    let third = if t.database == Database::Postgres {
        let beside = t.beside(1 << 40).await;
        settled(&beside).await;
        api(&Program::with(&beside, &program.secret), "zebra", next.as_deref()).await
    } else {
        // As after an upgrade that rebuilds the index.
        t.app.search.rebuild();
        settled(&t).await;
        api(&program, "zebra", next.as_deref()).await
    };
    assert_eq!(third.2, None);
    let given = [first, second, third.0].concat();
    assert_eq!((given.len(), given.into_iter().collect::<BTreeSet<_>>()), (30, ids));
});

// So many that most are skipped unread because their score cannot be high enough, in segments whose text lengths differ from the overall
// average.
on_both!(pages_of_thousands_are_whole, CALM, |t: TestApp| async move {
    let (project, _) = t.owner().await;
    let program = Program::new(&t, &project, Access::Read).await;
    let mut random = StdRng::seed_from_u64(3);
    for longest in [4, 120, 12] {
        let mut items = Vec::new();
        for _ in 0..1000 {
            let zebras = random.random_range(1..4);
            let others = random.random_range(0..longest) + if random.random_bool(0.1) { 60 } else { 0 };
            items.push(sample(&t.app, project.id, &format!("{}{}", "zebra ".repeat(zebras), "horse ".repeat(others))));
        }
        add(&t, items).await;
        settled(&t).await;
    }
    for query in ["zebra", "zebra+horse", "zebra+OR+horse", "%22zebra+horse%22"] {
        let (mut given, mut cursor, mut total) = (Vec::new(), None::<String>, None);
        loop {
            let place = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
            let page = program.get(&format!("/api/v1/feedback?q={query}&limit=100{place}")).await.json();
            given.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()));
            total = total.or(page["total"].as_u64());
            cursor = page["next_cursor"].as_str().map(ToOwned::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        let distinct = given.iter().collect::<BTreeSet<_>>().len();
        assert_eq!((given.len(), Some(distinct as u64)), (distinct, total), "{query}");
    }
});

// The same for the links of an item: concurrent linking and unlinking shifts nothing.
on_both!(links_are_listed_whole_while_others_link, CALM, |t: TestApp| async move {
    use axum::http::Method;
    let (project, _) = t.owner().await;
    let program = Program::new(&t, &project, Access::Write).await;
    let ids = zebras(&t, &project, 30).await;
    let made = program.send(Method::POST, "/api/v1/backlog", &[("idempotency-key", "key-number-1")], r#"{"title":"Zebras"}"#).await;
    let path = made.location().to_owned();
    let link = async |id: FeedbackId, method: Method| {
        t.clock.advance_ms(1000);
        let done = program.send(method, &format!("{path}/links/{id}"), &[], "").await;
        assert!(done.status.is_success(), "{}", done.body);
    };
    for id in &ids[..25] {
        link(*id, Method::PUT).await;
    }
    let (mut given, mut cursor) = (Vec::<FeedbackId>::new(), None::<String>);
    loop {
        let place = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let page = program.get(&format!("{path}/links?limit=10{place}")).await.json();
        given.extend(
            page["items"].as_array().unwrap().iter().map(|item| item["feedback_id"].as_str().unwrap().parse::<FeedbackId>().unwrap()),
        );
        cursor = page["next_cursor"].as_str().map(ToOwned::to_owned);
        match given.len() {
            // More links are added, and later some of the listed ones are removed.
            10 => {
                link(ids[28], Method::PUT).await;
                link(ids[29], Method::PUT).await;
            }
            20 => {
                for id in &given[..3] {
                    link(*id, Method::DELETE).await;
                }
            }
            _ => {}
        }
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!((given.len(), given.into_iter().collect::<BTreeSet<_>>()), (25, ids[..25].iter().copied().collect()));
});
