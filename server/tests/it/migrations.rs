//! What older programs have stored is read by this one.

use domain::{
    accounts::Scope,
    feedback::Status,
    ids::{FeedbackId, ProjectId},
};
use server::store::Store;
use sqlx::{AnyPool, migrate::Migrator};

use crate::support::fresh_postgres;

const PROJECT: &str = "01990000-0000-7000-8000-000000000001";
const SCORE: &str = "01990000-0000-7000-8000-000000000002";
const WORDS: &str = "01990000-0000-7000-8000-000000000003";

/// The schema of the first release, with a project and two pieces of feedback.
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
         ('{WORDS}', '{PROJECT}', 'api', 'The export fails', NULL, NULL, 'en', 'new', 7, 7, 1);"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(rows)).execute(&pool).await.unwrap();
    pool.close().await;
}

async fn check(store: &Store) {
    let scope = Scope::system(PROJECT.parse::<ProjectId>().unwrap());
    let ids: Vec<FeedbackId> = [SCORE, WORDS].iter().map(|id| id.parse().unwrap()).collect();
    let found = store.feedback_by_ids(&scope, &ids).await.unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].text.as_str(), found[0].score, found[0].status, found[0].version), ("", Some(9.0), Status::Triaged, 3));
    assert_eq!((found[1].text.as_str(), found[1].created_at.0), ("The export fails", 7));
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
