//! Tests that this version reads data stored by older versions.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use domain::{
    accounts::Scope,
    feedback::FeedbackStatus,
    ids::{FeedbackId, ProjectId},
};
use sqlx::{AnyPool, migrate::Migrator};
use store::Store;

use testing::fresh_postgres;

const PROJECT: &str = "01990000-0000-7000-8000-000000000001";
const SCORE: &str = "01990000-0000-7000-8000-000000000002";
const WORDS: &str = "01990000-0000-7000-8000-000000000003";
const SURVEY: &str = "01990000-0000-7000-8000-000000000004";
const VERSION: &str = "01990000-0000-7000-8000-000000000005";
const RESPONSE: &str = "01990000-0000-7000-8000-000000000006";

/// Creates the schema of the first release, with a project, two pieces of feedback, and a response with its answers and its key.
async fn first_release(url: &str, migrations: &str) {
    let from = tempfile::tempdir().unwrap();
    let all = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations").join(migrations);
    std::fs::copy(all.join("0001_foundation.sql"), from.path().join("0001_foundation.sql")).unwrap();
    let pool = AnyPool::connect(url).await.unwrap();
    Migrator::new(from.path()).await.unwrap().run(&pool).await.unwrap();
    let rows = format!(
        "INSERT INTO projects (id, slug, name, public_key, accent, created_at) VALUES ('{PROJECT}', 'old', 'Old', 'key', '#000000', 1); \
         INSERT INTO feedback (id, project_id, kind, text, score, score_max, language, status, created_at, updated_at, version) VALUES \
         ('{SCORE}', '{PROJECT}', 'survey_response', '9 / 10', 9, 10, 'en', 'triaged', 5, 6, 3), \
         ('{WORDS}', '{PROJECT}', 'api', 'The export fails', NULL, NULL, 'en', 'new', 7, 7, 1); \
         INSERT INTO surveys (id, project_id, name, status, draft, draft_revision, draft_position, last_number, created_at, updated_at) \
         VALUES ('{SURVEY}', '{PROJECT}', 'Old', 'draft', '{{}}', 1, 0, 1, 2, 2); \
         INSERT INTO survey_versions (id, project_id, survey_id, number, body, published_at) VALUES ('{VERSION}', '{PROJECT}', '{SURVEY}', 1, '{{}}', 3); \
         INSERT INTO responses (id, project_id, survey_id, version_id, source, language, started_at, updated_at) \
         VALUES ('{RESPONSE}', '{PROJECT}', '{SURVEY}', '{VERSION}', 'page', 'en', 4, 5); \
         INSERT INTO answers (response_id, project_id, survey_id, question_id, value, number, answered_at) VALUES \
         ('{RESPONSE}', '{PROJECT}', '{SURVEY}', 'q2', 'two', NULL, 5), ('{RESPONSE}', '{PROJECT}', '{SURVEY}', 'q1', 'nine', 9, 4); \
         INSERT INTO history (id, project_id, subject_id, change, version, at) VALUES \
         ('h2', '{PROJECT}', '{SCORE}', 'second', 3, 6), ('h1', '{PROJECT}', '{SCORE}', 'first', 1, 5); \
         INSERT INTO idempotency (scope, key, outcome, created_at) VALUES ('respond', 'key', 'done', 4), \
         ('backlog:p', 'new', '7', 5), ('backlog:p', 'from', '{{\"number\":8}}', 6), ('webhook:p', 'new', '\"w\"', 7), \
         ('webhook:p', 'x-test', '\"e\"', 8), ('webhook:p', 'x-rotate', 'null', 9), ('invitation:s', 'new', '\"i\"', 10); \
         INSERT INTO feedback (id, project_id, kind, text, language, status, created_at, updated_at, version) VALUES \
         ('born-spam', '{PROJECT}', 'api', 'Buy', 'en', 'spam', 8, 8, 1), ('made-spam', '{PROJECT}', 'api', 'Buy', 'en', 'spam', 9, 9, 2); \
         INSERT INTO history (id, project_id, subject_id, change, version, at) VALUES \
         ('h3', '{PROJECT}', 'made-spam', '{{\"what\":\"status\",\"from\":\"New\",\"to\":\"Spam\"}}', 2, 9);"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(rows)).execute(&pool).await.unwrap();
    pool.close().await;
}

async fn check(store: &Store) {
    let scope = Scope::system(PROJECT.parse::<ProjectId>().unwrap());
    let ids: Vec<FeedbackId> = [SCORE, WORDS].iter().map(|id| id.parse().unwrap()).collect();
    let found = store.feedback_by_ids(&scope, &ids).await.unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].text.as_str(), found[0].score, found[0].status, found[0].version), ("", Some(9.0), FeedbackStatus::Triaged, 3));
    assert_eq!((found[1].text.as_str(), found[1].created_at.0), ("The export fails", 7));
    let all = async |sql: &'static str| -> Vec<(String, i64)> { sqlx::query_as(sql).fetch_all(store.reader()).await.unwrap() };
    let rows = |rows: &[(&str, i64)]| rows.iter().map(|(text, at)| ((*text).to_owned(), *at)).collect::<Vec<_>>();
    let answers = "SELECT question_id || ' ' || value || ' ' || survey_id || ' ' || COALESCE(CAST(CAST(number AS INTEGER) AS TEXT), '-'), answered_at \
                   FROM answers ORDER BY 2";
    assert_eq!(all(answers).await, rows(&[(&format!("q1 nine {SURVEY} 9"), 4), (&format!("q2 two {SURVEY} -"), 5)]));
    assert_eq!(
        all("SELECT id || ' ' || change, version FROM history WHERE at < 9 ORDER BY at").await,
        rows(&[("h1 first", 1), ("h2 second", 3)])
    );
    // Each scope has outcomes of one type, and keys from before fingerprints match any content.
    let keys = [
        ("respond key done", 4),
        ("backlog:p new 7", 5),
        ("backlog-from:p from {\"number\":8}", 6),
        ("webhook:p new \"w\"", 7),
        ("webhook-test:p x-test \"e\"", 8),
        ("webhook-rotate:p x-rotate null", 9),
        ("invite:s new [\"i\",false]", 10),
    ];
    let stored = "SELECT scope || ' ' || key || ' ' || outcome, created_at FROM idempotency WHERE fingerprint = '' ORDER BY 2";
    assert_eq!(all(stored).await, rows(&keys));
    // Feedback that the team marked as spam was already announced; feedback that was spam from the beginning never was, and is withheld.
    let withheld = "SELECT w.feedback_id || ' ' || w.kind, f.created_at FROM withheld_events w JOIN feedback f ON f.id = w.feedback_id";
    assert_eq!(all(withheld).await, rows(&[("born-spam feedback.created", 8)]));
}

#[tokio::test]
async fn the_first_release_is_brought_forward_sqlite() {
    sqlx::any::install_default_drivers();
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", dir.path().join("earshot.db").display());
    first_release(&url, "sqlite").await;
    check(&Store::open_sqlite(dir.path()).await.unwrap()).await;
    // A second start has nothing left to do.
    check(&Store::open_sqlite(dir.path()).await.unwrap()).await;
}

#[tokio::test]
async fn the_first_release_is_brought_forward_postgres() {
    let Some(url) = fresh_postgres().await else { return };
    first_release(&url, "postgres").await;
    check(&Store::open_postgres(&url).await.unwrap()).await;
    check(&Store::open_postgres(&url).await.unwrap()).await;
}
