//! Tests that this version reads data stored by older versions.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;

use domain::{
    Timestamp,
    accounts::{Actor, Role, Scope},
    feedback::FeedbackStatus,
    ids::{ActorId, FeedbackId, ProjectId, StaffId, TicketId},
};
use sqlx::{AnyPool, migrate::Migrator};
use store::{ActContext, Store, migrate};

use testing::{TestIds, fresh_postgres};

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
    check(&Store::open_sqlite(dir.path(), ids()).await.unwrap()).await;
    // A second start has nothing left to do.
    check(&Store::open_sqlite(dir.path(), ids()).await.unwrap()).await;
}

#[tokio::test]
async fn the_first_release_is_brought_forward_postgres() {
    let Some(url) = fresh_postgres().await else { return };
    first_release(&url, "postgres").await;
    check(&Store::open_postgres(&url, ids()).await.unwrap()).await;
    check(&Store::open_postgres(&url, ids()).await.unwrap()).await;
}

const ANN: &str = "01990000-0000-7000-8000-00000000000a";
const BOB: &str = "01990000-0000-7000-8000-00000000000b";
const KEY: &str = "01990000-0000-7000-8000-00000000000c";
const TICKET: &str = "01990000-0000-7000-8000-00000000000d";
const UNDO: &str = "01990000-0000-7000-8000-00000000000e";

/// A database of the version that stored API keys as members of the team, with what two people, a key and the system did.
async fn before_actors(url: &str, all: &Migrator) {
    let pool = AnyPool::connect(url).await.unwrap();
    Migrator::with_migrations(all.iter().filter(|m| m.version < 23).cloned().collect()).run(&pool).await.unwrap();
    let rows = format!(
        "INSERT INTO projects (id, slug, name, public_key, accent, created_at) VALUES ('{PROJECT}', 'old', 'Old', 'key', '#000000', 1); \
         INSERT INTO staff (id, email, name, password_hash, theme, operator, created_at) VALUES \
         ('{ANN}', 'ann@x.test', 'Ann', 'hash of Ann', 'dark', 1, 2), ('{BOB}', 'bob@x.test', '', 'hash of Bob', 'auto', 0, 3), \
         ('{KEY}', 'key:{KEY}', 'Importer', '', 'auto', 0, 4); \
         INSERT INTO memberships (project_id, staff_id, role, created_at) VALUES \
         ('{PROJECT}', '{ANN}', 'owner', 2), ('{PROJECT}', '{BOB}', 'triager', 3); \
         INSERT INTO sessions (id_hash, staff_id, data, created_at, seen_at, expires_at) VALUES ('s', '{ANN}', '{{}}', 2, 2, 99), ('t', NULL, '{{}}', 2, 2, 99); \
         INSERT INTO password_resets (token_hash, staff_id, letter_id, created_at, expires_at) VALUES ('reset', '{BOB}', 'letter', 3, 99); \
         INSERT INTO api_keys (id, project_id, prefix, token_hash, access, created_by, created_at) \
         VALUES ('{KEY}', '{PROJECT}', 'eas_abc', 'hash of the key', 'write', '{ANN}', 4); \
         INSERT INTO invitations (id, project_id, role, token_hash, created_by, created_at, expires_at) \
         VALUES ('01990000-0000-7000-8000-000000000010', '{PROJECT}', 'viewer', 'invitation', '{KEY}', 5, 99); \
         INSERT INTO webhook_endpoints (id, project_id, url, note, kinds, secret, enabled, created_by, created_at, updated_at, version) \
         VALUES ('01990000-0000-7000-8000-000000000011', '{PROJECT}', 'https://x.test', '', ',', 's', 1, '{KEY}', 5, 5, 1); \
         INSERT INTO surveys (id, project_id, name, status, draft, draft_revision, draft_position, last_number, created_by, created_at, updated_by, updated_at) \
         VALUES ('{SURVEY}', '{PROJECT}', 'Old', 'draft', '{{}}', 1, 0, 1, '{ANN}', 2, '{KEY}', 2); \
         INSERT INTO survey_drafts (survey_id, position, body, step, staff_id, saved_at) VALUES ('{SURVEY}', 0, '{{}}', 'edit', '{KEY}', 2); \
         INSERT INTO backlog_items (id, project_id, number, title, body, search, status, created_by, created_at, updated_at, version) VALUES \
         ('i1', '{PROJECT}', 1, 'By Ann', '', '', 'open', '{ANN}', 5, 5, 1), ('i2', '{PROJECT}', 2, 'By the key', '', '', 'open', '{KEY}', 5, 5, 1), \
         ('i3', '{PROJECT}', 3, 'By the command line', '', '', 'open', NULL, 5, 5, 1); \
         INSERT INTO feedback (id, project_id, kind, text, language, status, assignee, created_at, updated_at, version) \
         VALUES ('{WORDS}', '{PROJECT}', 'ticket', 'Help', 'en', 'new', '{BOB}', 5, 5, 4); \
         INSERT INTO tickets (id, project_id, number, feedback_id, subject, email, language, priority, state, created_at, updated_at) \
         VALUES ('{TICKET}', '{PROJECT}', 1, '{WORDS}', 'Help', 'c@x.test', 'en', 'normal', 'open', 5, 5); \
         INSERT INTO ticket_messages (id, project_id, ticket_id, author, staff_id, body, created_at) VALUES \
         ('01990000-0000-7000-8000-000000000012', '{PROJECT}', '{TICKET}', 'requester', NULL, 'Help', 5), \
         ('01990000-0000-7000-8000-000000000013', '{PROJECT}', '{TICKET}', 'staff', '{KEY}', 'Done', 6); \
         INSERT INTO comments (id, project_id, feedback_id, staff_id, body, created_at) VALUES \
         ('01990000-0000-7000-8000-000000000014', '{PROJECT}', '{WORDS}', '{ANN}', 'A', 6), \
         ('01990000-0000-7000-8000-000000000015', '{PROJECT}', '{WORDS}', '{KEY}', 'B', 7); \
         INSERT INTO history (id, project_id, subject_id, staff_id, kind, change, version, at) VALUES \
         ('h1', '{PROJECT}', '{WORDS}', NULL, 'created', '{{\"what\":\"created\"}}', 1, 5), \
         ('h2', '{PROJECT}', '{WORDS}', '{ANN}', 'commented', '{{\"what\":\"commented\"}}', 2, 6), \
         ('h3', '{PROJECT}', '{WORDS}', '{KEY}', 'commented', '{{\"what\":\"commented\"}}', 3, 7), \
         ('h4', '{PROJECT}', '{WORDS}', '{BOB}', 'commented', '{{\"what\":\"commented\"}}', 4, 8); \
         INSERT INTO undo_operations (id, project_id, staff_id, kind, changes, created_at) VALUES ('{UNDO}', '{PROJECT}', '{KEY}', 'feedback', '[]', 7);"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(rows)).execute(&pool).await.unwrap();
    pool.close().await;
}

fn texts(found: &[Option<String>]) -> Vec<&str> {
    found.iter().map(|text| text.as_deref().unwrap_or("-")).collect()
}

/// All of it is there, and no key is a person any more.
async fn check_actors(store: &Store) {
    let project = PROJECT.parse::<ProjectId>().unwrap();
    let scope = Scope::system(project);
    let (ann, bob) = (ANN.parse::<StaffId>().unwrap(), BOB.parse::<StaffId>().unwrap());
    let (key, words) = (KEY.parse::<ActorId>().unwrap(), WORDS.parse::<FeedbackId>().unwrap());
    let all = async |sql: &'static str| -> Vec<String> { sqlx::query_scalar(sql).fetch_all(store.reader()).await.unwrap() };
    assert_eq!(
        all("SELECT kind || ' ' || name || ' ' || CAST(created_at AS TEXT) FROM actors ORDER BY id").await,
        ["person Ann 2", "person  3", "api_key Importer 4"]
    );
    assert_eq!(
        all("SELECT email || ' ' || password_hash || ' ' || theme || ' ' || CAST(operator AS TEXT) FROM accounts ORDER BY id").await,
        ["ann@x.test hash of Ann dark 1", "bob@x.test hash of Bob auto 0"]
    );

    // What they did still says who did it.
    let history = store.history_entries(&scope, words).await.unwrap();
    let by: Vec<Option<String>> = history.into_iter().map(|entry| entry.by).collect();
    assert_eq!(texts(&by), ["bob@x.test", "Importer", "Ann", "-"]);
    let comments = store.comments_on(&scope, words).await.unwrap();
    assert_eq!(comments.iter().map(|c| (c.name.as_str(), c.body.as_str())).collect::<Vec<_>>(), [("Ann", "A"), ("Importer", "B")]);
    let messages = store.ticket_messages(&scope, TICKET.parse::<TicketId>().unwrap(), true).await.unwrap();
    assert_eq!(messages.iter().map(|m| (m.by, m.by_name.as_deref())).collect::<Vec<_>>(), [(None, None), (Some(key), Some("Importer"))]);
    let created: Vec<Option<String>> = store.export_items(&scope, 0, 9).await.unwrap().into_iter().map(|item| item.created_by).collect();
    assert_eq!(texts(&created), ["ann@x.test", &format!("key:{KEY}"), "-"]);
    assert_eq!(all("SELECT actor_id FROM survey_drafts").await, [KEY]);
    assert_eq!(all("SELECT created_by || ' ' || updated_by FROM surveys").await, [format!("{ANN} {KEY}")]);
    let assignee = store.feedback_by_ids(&scope, &[words]).await.unwrap()[0].assignee;
    assert_eq!(assignee, Some(bob));

    // What acts for them still does.
    let keys = store.api_keys(&scope).await.unwrap();
    let [own] = keys.as_slice() else { panic!("{keys:?}") };
    assert_eq!((own.name.as_str(), own.by.as_deref(), own.backer.as_deref()), ("Importer", Some("Ann"), Some("Ann")));
    assert_eq!(store.present_role(project, key, Timestamp(9)).await.unwrap(), Some(Role::Triager));
    assert_eq!(store.api_key_by_hash("hash of the key").await.unwrap().map(|found| found.id), Some(own.id));
    let invitation = store.invitation_by_token("invitation", Timestamp(9)).await.unwrap().unwrap();
    assert_eq!((invitation.by, invitation.by_name.as_str()), (key, "Importer"));
    assert_eq!(store.endpoints(&scope).await.unwrap()[0].answers_to, Some(key));
    assert_eq!(store.sessions_of(ann, Timestamp(9)).await.unwrap().len(), 1);
    assert_eq!(store.password_reset("reset", Timestamp(9)).await.unwrap(), Some(bob));

    // Lists of people hold people.
    let members = store.members(&scope).await.unwrap();
    assert_eq!(
        members.iter().map(|m| (m.staff, m.name.as_str(), m.role)).collect::<Vec<_>>(),
        [(ann, "Ann", Role::Owner), (bob, "", Role::Triager)]
    );
    assert_eq!(store.assignable(&scope).await.unwrap().into_iter().map(|who| who.id).collect::<Vec<_>>(), [bob, ann]);
    assert!(store.staff_by_id(StaffId(key.0)).await.unwrap().is_none());
    assert!(store.staff_by_email(&format!("key:{KEY}")).await.unwrap().is_none());
    let row = store.staff_by_email("ann@x.test").await.unwrap().unwrap();
    assert_eq!((row.name.as_str(), row.password_hash.as_str(), row.theme.as_str(), row.operator), ("Ann", "hash of Ann", "dark", 1));
    assert!(store.is_operator(ann).await.unwrap() && !store.is_operator(bob).await.unwrap());
}

fn ids() -> Arc<TestIds> {
    Arc::new(TestIds::starting_at(1 << 32))
}

/// A person and the key go on where they were.
async fn go_on(store: &Store) {
    let project = PROJECT.parse::<ProjectId>().unwrap();
    let (ann, key, words) = (ANN.parse().unwrap(), KEY.parse().unwrap(), WORDS.parse::<FeedbackId>().unwrap());
    let context = |actor: Actor, now: i64| {
        let scope = actor.scope(project, Some(Role::Triager), Role::Triager).unwrap();
        ActContext { scope, now: Timestamp(now) }
    };
    for (actor, now) in [(Actor::Person(ann), 20), (Actor::ApiKey(key), 21)] {
        let undone = store
            .act(context(actor, now), move |act| {
                Box::pin(async move {
                    let held = act.feedback_for_update(words).await?.unwrap();
                    act.insert_comment(&held, actor.id().unwrap(), "More").await?;
                    act.record(words, &domain::history::HistoryChange::Commented).await?;
                    act.take_undo(UNDO.parse().unwrap()).await
                })
            })
            .await
            .unwrap();
        assert_eq!(undone.is_some(), actor == Actor::ApiKey(key), "{actor:?} undoes what the key did");
    }
    let scope = Scope::system(project);
    let names: Vec<String> = store.comments_on(&scope, words).await.unwrap().into_iter().map(|comment| comment.name).collect();
    assert_eq!(names[names.len() - 2..], ["Ann", "Importer"]);
    let newest: Vec<Option<String>> =
        store.history_entries(&scope, words).await.unwrap().into_iter().map(|entry| entry.by).take(2).collect();
    assert_eq!(texts(&newest), ["Importer", "Ann"]);
    // The database itself keeps keys out of what only people have.
    let as_member =
        store.write(move |tx| Box::pin(async move { tx.set_role(project, StaffId(key.0), Role::Owner, Timestamp(22)).await })).await;
    assert!(as_member.is_err());
}

#[tokio::test]
async fn keys_stop_being_staff_and_nothing_is_lost_sqlite() {
    sqlx::any::install_default_drivers();
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", dir.path().join("earshot.db").display());
    before_actors(&url, &migrate::SQLITE).await;
    let store = Store::open_sqlite(dir.path(), ids()).await.unwrap();
    let check = async |sql: &'static str| -> Vec<String> { sqlx::query_scalar(sql).fetch_all(store.reader()).await.unwrap() };
    assert_eq!(check("PRAGMA integrity_check").await, ["ok"]);
    assert_eq!(check("SELECT \"table\" FROM pragma_foreign_key_check").await, [""; 0]);
    assert_eq!(check("SELECT name FROM sqlite_schema WHERE name LIKE 'moving_%' OR sql LIKE '%REFERENCES staff%'").await, [""; 0]);
    let query = "SELECT name FROM sqlite_schema WHERE name IN ('memberships_staff', 'sessions_staff', 'sessions_expiry', 'password_resets_staff', \
                'invitations_project', 'api_keys_project') OR name = 'history' AND sql LIKE '%WITHOUT ROWID' ORDER BY name";
    assert_eq!(check(query).await.len(), 7);
    check_actors(&store).await;
    go_on(&store).await;
}

#[tokio::test]
async fn keys_stop_being_staff_and_nothing_is_lost_postgres() {
    let Some(url) = fresh_postgres().await else { return };
    before_actors(&url, &migrate::POSTGRES).await;
    let store = Store::open_postgres(&url, ids()).await.unwrap();
    check_actors(&store).await;
    go_on(&store).await;
}

#[tokio::test]
async fn a_node_of_the_version_with_keys_as_staff_runs_on_beside_this_one() {
    let Some(url) = fresh_postgres().await else { return };
    before_actors(&url, &migrate::POSTGRES).await;
    let store = Store::open_postgres(&url, ids()).await.unwrap();
    let old = AnyPool::connect(&url).await.unwrap();
    let read = async |sql: String| -> Vec<String> { sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_all(&old).await.unwrap() };
    let write = async |sql: String| sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&old).await.unwrap().rows_affected();

    // Its statements find people and keys, and what they did before and since.
    let key = "SELECT n.name || ' ' || s.name FROM api_keys k JOIN staff n ON n.id = k.id LEFT JOIN staff s ON s.id = k.created_by \
               WHERE k.token_hash = 'hash of the key'";
    assert_eq!(read(key.into()).await, ["Importer Ann"]);
    assert_eq!(read("SELECT name FROM staff WHERE email = 'ann@x.test' AND password_hash <> ''".into()).await, ["Ann"]);
    assert_eq!(read("SELECT id FROM staff WHERE password_hash <> '' ORDER BY id".into()).await, [ANN, BOB]);
    go_on(&store).await;
    let comments = "SELECT s.name || ' ' || c.body FROM comments c JOIN staff s ON s.id = c.staff_id ORDER BY c.created_at, c.id";
    assert_eq!(read(comments.into()).await, ["Ann A", "Importer B", "Ann More", "Importer More"]);
    let history = "SELECT COALESCE(s.name, '-') FROM history h LEFT JOIN staff s ON s.id = h.staff_id ORDER BY h.at, h.id";
    assert_eq!(read(history.into()).await, ["-", "Ann", "Importer", "", "Ann", "Importer"]);

    // What it writes has its actor here.
    let rows = [
        format!(
            "INSERT INTO comments (id, project_id, feedback_id, staff_id, body, created_at) \
                 VALUES ('01990000-0000-7000-8000-000000000020', '{PROJECT}', '{WORDS}', '{KEY}', 'Old', 30)"
        ),
        format!(
            "INSERT INTO history (id, project_id, subject_id, staff_id, kind, change, at, version) \
                 VALUES ('h8', '{PROJECT}', '{WORDS}', '{ANN}', 'commented', '{{\"what\":\"commented\"}}', 30, 5)"
        ),
        format!(
            "INSERT INTO history (id, project_id, subject_id, staff_id, kind, change, at, version) \
                 VALUES ('h9', '{PROJECT}', '{WORDS}', NULL, 'answered', '{{\"what\":\"answered\"}}', 31, 6)"
        ),
        format!(
            "INSERT INTO undo_operations (id, project_id, staff_id, kind, changes, created_at) VALUES ('u', '{PROJECT}', '{BOB}', 'feedback', '[]', 30)"
        ),
        format!(
            "INSERT INTO survey_drafts (survey_id, position, body, step, staff_id, saved_at) VALUES ('{SURVEY}', 1, '{{}}', 'edit', '{BOB}', 30)"
        ),
        format!(
            "INSERT INTO ticket_messages (id, project_id, ticket_id, author, staff_id, body, created_at) \
                 VALUES ('m', '{PROJECT}', '{TICKET}', 'note', '{BOB}', 'Old', 30)"
        ),
    ];
    for row in rows {
        assert_eq!(write(row.clone()).await, 1, "{row}");
    }
    for (table, actor) in [("comments", KEY), ("undo_operations", BOB), ("survey_drafts", BOB), ("ticket_messages", BOB)] {
        let at = if table == "survey_drafts" { "saved_at" } else { "created_at" };
        assert_eq!(read(format!("SELECT actor_id FROM {table} WHERE {at} = 30")).await, [actor], "{table}");
    }
    assert_eq!(read("SELECT COALESCE(actor_id, '-') FROM history WHERE at >= 30 ORDER BY at".into()).await, [ANN, "-"]);
    let nobody =
        format!("INSERT INTO comments (id, project_id, feedback_id, body, created_at) VALUES ('c', '{PROJECT}', '{WORDS}', 'Old', 30)");
    assert!(sqlx::query(sqlx::AssertSqlSafe(nobody)).execute(&old).await.is_err());

    // A password, a name and a theme that it changes are changed.
    assert_eq!(write(format!("UPDATE staff SET password_hash = 'new hash' WHERE id = '{ANN}'")).await, 1);
    assert_eq!(write(format!("UPDATE staff SET name = 'Anna' WHERE id = '{ANN}'")).await, 1);
    assert_eq!(write(format!("UPDATE staff SET theme = 'light' WHERE id = '{ANN}'")).await, 1);
    assert_eq!(write(format!("UPDATE staff SET operator = 1 WHERE id = '{BOB}'")).await, 1);
    let row = store.staff_by_email("ann@x.test").await.unwrap().unwrap();
    assert_eq!((row.name.as_str(), row.password_hash.as_str(), row.theme.as_str()), ("Anna", "new hash", "light"));
    assert!(store.is_operator(BOB.parse().unwrap()).await.unwrap());
}
