//! Two versions of the program on one PostgreSQL: while a newer node migrates the database, running nodes keep serving.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::http::StatusCode;
use domain::accounts::Role;
use sqlx::{
    AnyPool, AssertSqlSafe, SqlSafeStr,
    migrate::{Migration, MigrationType},
};
use store::migrate::{Migrator, POSTGRES};

use crate::{
    matrix::{Filled, routes},
    support::{Client, Database, TestApp, fresh_postgres, sample},
};

/// The migrations of this version, and one more, as in a later version.
fn and_one_more(sql: String) -> Migrator {
    let mut all: Vec<Migration> = POSTGRES.iter().cloned().collect();
    all.push(Migration::new(9_999, "later".into(), MigrationType::Simple, AssertSqlSafe(sql).into_sql_str(), false));
    Migrator::with_migrations(all)
}

async fn tables(pool: &AnyPool) -> Vec<String> {
    let sql = "SELECT CAST(table_name AS TEXT) FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE' \
               AND table_name NOT LIKE '\\_sqlx%' ORDER BY table_name";
    sqlx::query_scalar(sql).fetch_all(pool).await.unwrap()
}

/// Reads every page, so that connections have prepared the statements; returns the status of each.
async fn read(client: &Client, pages: &[String]) -> BTreeMap<String, StatusCode> {
    let mut answered = BTreeMap::new();
    for page in pages {
        answered.insert(page.clone(), client.get(page).await.status);
    }
    answered
}

/// Writes to most tables.
async fn write(t: &TestApp, own: &Filled, client: &Client, round: usize) -> Vec<(&'static str, StatusCode)> {
    let slug = &own.project.slug;
    let mut done = Vec::new();
    let comment = format!("/p/{slug}/feedback/{}/comments", own.ids["feedback"]);
    done.push(("comment", client.post(&comment, &[("body", &format!("Comment {round}"))]).await.status));
    done.push(("item", client.post(&format!("/p/{slug}/backlog"), &[("title", &format!("Item {round}")), ("body", "")]).await.status));
    let reply = [("name", format!("Reply {round}")), ("body", "Hello".into())];
    let reply: Vec<(&str, &str)> = reply.iter().map(|(n, v)| (*n, v.as_str())).collect();
    done.push(("reply", client.post(&format!("/p/{slug}/replies"), &reply).await.status));
    let answer = serde_json::json!({ "survey": own.ids["survey"], "finished": true, "idempotency_key": format!("answer-{round}-{slug}"),
        "answers": [["q1", "3"], ["q2", format!("Round {round}")]], "contact": { "id": format!("person-{round}") } });
    let url = format!("/embed/v1/{}/responses", own.project.key);
    done.push(("answer", t.anonymous().json(axum::http::Method::POST, &url, &[], &answer).await.status));
    let link = format!("/p/{slug}/feedback/{}/link", own.ids["ticket"]);
    done.push((
        "link",
        client.post(&link, &[("item", "1"), ("importance", if round.is_multiple_of(2) { "critical" } else { "normal" })]).await.status,
    ));
    done
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_node_serves_while_a_newer_one_migrates_and_beside_it() {
    let Some(old) = TestApp::new(Database::Postgres).await else { return };
    let own = Filled::new(&old, "pelican").await;
    let admin = Arc::new(old.member(&own.project, "admin@x.test", Role::Admin).await.1);
    let pages: Arc<Vec<String>> = Arc::new(
        routes()
            .iter()
            .filter(|(method, path)| method == "GET" && path.starts_with("/p/{slug}/") && !path.ends_with("/events"))
            .map(|(_, path)| own.path(path, &own.ids))
            .collect(),
    );
    for _ in 0..3 {
        read(&admin, &pages).await;
    }
    let (before, wrote) = (read(&admin, &pages).await, write(&old, &own, &admin, 0).await);
    assert!(before.values().filter(|status| status.is_success()).count() > 25, "{before:?}");
    assert!(wrote.iter().all(|(_, status)| status.is_success() || status.is_redirection()), "{wrote:?}");

    // As a later version would: one more column in every table, one of them filled, one more table, one more index.
    let pool = AnyPool::connect(old.url.as_deref().unwrap()).await.unwrap();
    let mut sql = String::from("CREATE TABLE later (id TEXT PRIMARY KEY); CREATE INDEX later_index ON feedback (updated_at);");
    let all = tables(&pool).await;
    assert!(all.len() > 25, "{all:?}");
    for table in &all {
        sql.push_str(&format!("ALTER TABLE {table} ADD COLUMN later TEXT, ADD COLUMN later_too BIGINT NOT NULL DEFAULT 7;"));
    }
    sql.push_str("UPDATE feedback SET later = 'x';");
    let migrations = and_one_more(sql);
    let over = Arc::new(AtomicBool::new(false));
    let meanwhile = {
        let (admin, pages, over) = (Arc::clone(&admin), Arc::clone(&pages), Arc::clone(&over));
        tokio::spawn(async move {
            let mut worst = BTreeSet::new();
            loop {
                let is_last = over.load(Ordering::SeqCst);
                worst.extend(read(&admin, &pages).await.into_iter().filter(|(_, status)| status.is_server_error()));
                if is_last {
                    return worst;
                }
            }
        })
    };
    let new = old.newer(1 << 40, &migrations).await;
    over.store(true, Ordering::SeqCst);
    assert_eq!(meanwhile.await.unwrap(), BTreeSet::new(), "while the newer node migrated");

    // Both nodes serve, including data written by the other.
    let newer_admin = new.with_cookies_of(&admin);
    for round in 1..4 {
        for (node, client) in [(&old, &*admin), (&new, &newer_admin)] {
            let round = if std::ptr::eq(node, &old) { round } else { round + 10 };
            let wrote = write(node, &own, client, round).await;
            assert!(wrote.iter().all(|(_, status)| status.is_success() || status.is_redirection()), "{wrote:?}");
            assert_eq!(read(client, &pages).await, before);
        }
    }
    let backlog = format!("/p/{}/backlog?status=all", own.project.slug);
    for client in [&*admin, &newer_admin] {
        let list = client.get(&backlog).await.body;
        for round in [1, 2, 3, 11, 12, 13] {
            assert!(list.contains(&format!("Item {round}<")), "Item {round} in {list}");
        }
    }
    // Numbers continue across both nodes.
    let numbers: Vec<i64> = sqlx::query_scalar("SELECT number FROM backlog_items ORDER BY number").fetch_all(&pool).await.unwrap();
    assert_eq!(numbers, (1..=8).collect::<Vec<_>>());
    // A node of the previous version does not start on the newer schema.
    let refused = store::Store::open_postgres(old.url.as_deref().unwrap(), old.app.ids.clone()).await.err().unwrap();
    assert!(refused.to_string().contains("9999"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_the_schema_outdated_is_refused_once_and_works_again() {
    let Some(t) = TestApp::new(Database::Postgres).await else { return };
    let own = Filled::new(&t, "pelican").await;
    let admin = t.member(&own.project, "admin@x.test", Role::Admin).await.1;
    let page = format!("/p/{}/replies", own.project.slug);
    // Every connection has prepared the statement.
    let all = futures_util::future::join_all((0..64).map(|_| admin.get(&page))).await;
    assert!(all.iter().all(|p| p.status == StatusCode::OK));
    let pool = AnyPool::connect(t.url.as_deref().unwrap()).await.unwrap();
    // Migrations must not do this: the statement names its columns, but now returns another type.
    sqlx::raw_sql("ALTER TABLE canned_replies ALTER COLUMN body TYPE VARCHAR(9000)").execute(&pool).await.unwrap();
    let first = admin.get(&page).await;
    assert_eq!(first.status, StatusCode::SERVICE_UNAVAILABLE, "{}", first.body);
    assert_eq!(first.headers.get("retry-after").map(|h| h.to_str().unwrap()), Some("1"));
    for _ in 0..40 {
        assert_eq!(admin.get(&page).await.status, StatusCode::OK, "no connection from before is used again");
    }
    // The same for a write.
    let item = sample(&t.app, own.project.id, "One more");
    let save = format!("{page}/{}", own.ids["replies"]);
    let form = |version| [("name", "Another name"), ("body", "Hello"), ("version", version)];
    for _ in 0..2 {
        assert!(admin.post(&save, &form("1")).await.status.is_redirection());
    }
    sqlx::raw_sql("ALTER TABLE canned_replies ALTER COLUMN body TYPE TEXT").execute(&pool).await.unwrap();
    let one = form("1");
    let answers = futures_util::future::join_all((0..8).map(|_| admin.post(&save, &one))).await;
    assert!(answers.iter().all(|p| p.status != StatusCode::INTERNAL_SERVER_ERROR));
    assert!(admin.post(&save, &form("2")).await.status.is_redirection());
    t.app.store.write(move |tx| Box::pin(async move { tx.insert_feedback(&item, None).await })).await.unwrap();
}

/// The last migration of the released version; from then on, nodes are upgraded one by one.
const RELEASED: i64 = 11;

type Column = (String, String, String);

async fn columns(pool: &AnyPool) -> BTreeMap<(String, String), (String, bool)> {
    let sql = "SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT), \
               CAST(data_type AS TEXT) || CASE WHEN is_nullable = 'YES' OR column_default IS NOT NULL OR is_identity = 'YES' THEN '' ELSE ' needed' END \
               FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE '\\_sqlx%'";
    let rows: Vec<Column> = sqlx::query_as(sql).fetch_all(pool).await.unwrap();
    rows.into_iter()
        .map(|(table, column, kind)| {
            let needed = kind.ends_with(" needed");
            ((table, column), (kind.trim_end_matches(" needed").to_owned(), needed))
        })
        .collect()
}

/// Schema changes that would break the statements of a node of the previous version.
fn breaks(before: &BTreeMap<(String, String), (String, bool)>, after: &BTreeMap<(String, String), (String, bool)>) -> Vec<String> {
    let mut wrong = Vec::new();
    let known: BTreeSet<&str> = before.keys().map(|(table, _)| table.as_str()).collect();
    for (place, (kind, _)) in before {
        match after.get(place) {
            None => wrong.push(format!("{place:?} is gone")),
            Some((now, _)) if now != kind => wrong.push(format!("{place:?} became {now}")),
            Some(_) => {}
        }
    }
    for (place, (_, needed)) in after {
        if *needed && !before.get(place).is_some_and(|(_, was)| *was) && known.contains(place.0.as_str()) {
            wrong.push(format!("{place:?} has to be filled by statements that do not know it"));
        }
    }
    wrong
}

#[tokio::test]
async fn no_migration_breaks_the_statements_of_the_version_before() {
    let Some(url) = fresh_postgres().await else { return };
    let pool = AnyPool::connect(&url).await.unwrap();
    let upto = |last: i64| Migrator::with_migrations(POSTGRES.iter().filter(|m| m.version <= last).cloned().collect());
    upto(RELEASED).run(&pool).await.unwrap();
    for migration in POSTGRES.iter().filter(|m| m.version > RELEASED) {
        let before = columns(&pool).await;
        upto(migration.version).run(&pool).await.unwrap();
        let wrong = breaks(&before, &columns(&pool).await);
        assert!(wrong.is_empty(), "migration {}: {}", migration.version, wrong.join("; "));
    }
    // Control: the check detects such changes.
    for (sql, what) in [
        ("ALTER TABLE projects DROP COLUMN accent", "is gone"),
        ("ALTER TABLE projects ALTER COLUMN name TYPE VARCHAR(80)", "became"),
        ("ALTER TABLE counters ADD COLUMN why TEXT NOT NULL", "has to be filled"),
        ("DROP TABLE counters", "is gone"),
    ] {
        let before = columns(&pool).await;
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&pool).await.unwrap();
        let wrong = breaks(&before, &columns(&pool).await);
        assert!(wrong.iter().any(|w| w.contains(what)), "{sql}: {wrong:?}");
    }
}
