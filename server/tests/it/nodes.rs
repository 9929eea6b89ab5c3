//! Several processes on one PostgreSQL: they share state and limits, and do work only once.

use std::time::Duration;

use axum::http::StatusCode;
use domain::{DomainError as Refusal, accounts::Scope, ids::JobId, triage::TriageQuery};
use search::{SearchRequest, Sort};
use service::jobs::{Job, Runner};

use crate::support::{Database, PASSWORD, TestApp, sample};

/// Two nodes on one database; `None` without PostgreSQL.
async fn two(change: impl FnOnce(&mut server::config::Config)) -> Option<(TestApp, TestApp)> {
    let one = TestApp::with_settings(Database::Postgres, change).await?;
    let other = one.beside(1 << 40).await;
    Some((one, other))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_holds_over_all_nodes() {
    let Some((one, other)) = two(|c| c.settings.rate_per_address = 60).await else { return };
    let address = "203.0.113.9".parse().unwrap();
    let mut through = 0;
    for n in 0..200 {
        let node = if n % 2 == 0 { &one } else { &other };
        match node.app.limits.address(address, node.app.now()).await {
            Ok(()) => through += 1,
            Err(error) => assert!(matches!(error.refusal(), Some(Refusal::RateLimited(_))), "{error}"),
        }
    }
    assert_eq!(through, 60, "what one node let through, the other does not let through again");
    // Other addresses are not affected, and the limit expires.
    assert!(other.app.limits.address("203.0.113.10".parse().unwrap(), other.app.now()).await.is_ok());
    one.clock.advance_ms(61_000);
    assert!(one.app.limits.address(address, one.app.now()).await.is_ok());
    assert!(other.app.limits.address(address, other.app.now()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_requests_at_once_take_no_more_than_there_is() {
    let Some((one, other)) = two(|c| c.settings.rate_per_key = 100).await else { return };
    let project = one.id();
    let all = (0..400).map(|n| {
        let node = if n % 2 == 0 { &one } else { &other };
        async move { node.app.limits.project(project, node.app.now()).await.is_ok() }
    });
    let through = futures_util::future::join_all(all).await.into_iter().filter(|ok| *ok).count();
    assert_eq!(through, 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_came_earlier_and_is_counted_later_is_let_through() {
    let Some((one, _other)) = two(|_| {}).await else { return };
    let (project, now) = (one.id(), one.app.now());
    one.app.limits.project(project, now.plus_ms(1)).await.unwrap();
    one.app.limits.project(project, now).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guessing_at_two_nodes_is_one_guessing() {
    let Some((one, other)) = two(|_| {}).await else { return };
    one.owner().await;
    let guess = |node: usize, password: &'static str| {
        let client = if node == 0 { one.anonymous() } else { other.anonymous() };
        async move { client.post("/sign-in", &[("email", "owner@example.com"), ("password", password)]).await.status }
    };
    for n in 0..10 {
        assert_eq!(guess(n % 2, "not the password").await, StatusCode::UNPROCESSABLE_ENTITY, "{n}");
    }
    assert_eq!(guess(0, PASSWORD).await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(guess(1, PASSWORD).await, StatusCode::TOO_MANY_REQUESTS);
    one.clock.advance_ms(15 * 60_000);
    for n in 0..12 {
        assert_eq!(guess(n % 2, PASSWORD).await, StatusCode::SEE_OTHER, "a right password costs nothing: {n}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_one_at_all_nodes() {
    let Some((one, other)) = two(|_| {}).await else { return };
    let (project, client) = one.owner().await;
    let inbox = format!("/p/{}/inbox", project.slug);
    let there = other.with_cookies_of(&client);
    assert_eq!(there.get(&inbox).await.status, StatusCode::OK);
    assert_eq!(client.post("/sign-out", &[]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(there.get(&inbox).await.status, StatusCode::SEE_OTHER, "signed out is signed out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_node_finds_what_the_other_took_in() {
    let Some((one, other)) = two(|_| {}).await else { return };
    let project = service::projects::create(&one.app, "P", vec![], None).await.unwrap();
    let scope = Scope::system(project.id);
    for (n, (from, to)) in [(&one, &other), (&other, &one)].into_iter().enumerate() {
        let item = sample(&from.app, project.id, &format!("Number {n}: the pelican has landed"));
        let id = item.id;
        assert!(from.app.store.write(move |tx| Box::pin(async move { tx.insert_feedback(&item, None).await })).await.unwrap());
        let found = async {
            loop {
                // Searches again whenever that node's index has new records.
                let mut arrivals = to.app.search.subscribe_new_records();
                let ask = SearchRequest {
                    query: TriageQuery::parse("pelican").unwrap(),
                    me: None,
                    zone: domain::Zone::default(),
                    sort: Sort::Oldest,
                    cursor: None,
                    limit: 10,
                };
                let found = to.app.search.search(&scope, ask).await;
                if found.is_ok_and(|found| found.ids.contains(&id)) {
                    return;
                }
                drop(tokio::time::timeout(Duration::from_millis(100), arrivals.recv()).await);
            }
        };
        tokio::time::timeout(Duration::from_secs(20), found).await.expect("the other node found it");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_in_the_background_is_done_once() {
    let Some((one, other)) = two(|_| {}).await else { return };
    let now = one.app.now();
    let jobs: Vec<JobId> = (0..40).map(|_| one.id()).collect();
    let all = jobs.clone();
    let added = one.app.store.write(move |tx| {
        Box::pin(async move {
            for job in all {
                tx.enqueue_once(job, &Job::Purge {}, now, now).await?;
            }
            Ok(())
        })
    });
    added.await.unwrap();
    let runners = [Runner::start(&one.app), Runner::start(&other.app)];
    let done = async {
        for job in &jobs {
            while one.app.store.job(*job).await.unwrap().is_none_or(|row| row.state != "done") {
                tokio::task::yield_now().await;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), done).await.expect("all is done");
    for job in &jobs {
        let row = one.app.store.job(*job).await.unwrap().unwrap();
        assert_eq!((row.state.as_str(), row.attempts), ("done", 1), "nobody took it a second time");
    }
    for runner in runners {
        runner.stop().await;
    }
}
