//! Backup while serving, restore, and the reports of the doctor.

use std::{fs, path::Path};

use domain::accounts::Scope;
use server::{backup, config::Config};
use service::{settings::Settings, state::App};
use store::Store;

use crate::support::{Database, TestApp, TestIds, sample};

async fn say(t: &TestApp, project: domain::ids::ProjectId, text: &str) {
    let item = sample(&t.app, project, text);
    assert!(t.app.store.write(move |tx| Box::pin(async move { tx.insert_feedback(&item, None).await })).await.unwrap());
}

async fn program() -> (TestApp, domain::projects::Project) {
    let t = TestApp::new(Database::Sqlite).await.unwrap();
    let (project, _) = t.owner().await;
    (t, project)
}

fn ids(t: &TestApp) -> std::sync::Arc<dyn domain::IdSource> {
    std::sync::Arc::clone(&t.app.ids)
}

/// Number of records of `data` that a search for the word finds, after the index was opened or built.
async fn found(t: &TestApp, data: &Path, project: domain::ids::ProjectId, word: &str) -> usize {
    let store = Store::open_sqlite(data, std::sync::Arc::new(TestIds::starting_at(9_000))).await.unwrap();
    let app = App::new(Settings::for_tests(data.to_owned()), store, t.clock.clone()).await.unwrap();
    app.search.start().await.unwrap();
    assert!(app.search.ready(std::time::Duration::from_secs(20)).await);
    let ask = search::SearchRequest {
        query: domain::triage::TriageQuery::parse(word).unwrap(),
        me: None,
        zone: domain::Zone::default(),
        sort: search::Sort::default(),
        cursor: None,
        limit: 10,
    };
    let total = app.search.search(&Scope::system(project), ask).await.unwrap().total;
    app.search.stop().await;
    total
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_made_while_others_write_and_is_restored() {
    let (t, project) = program().await;
    for n in 0..20 {
        say(&t, project.id, &format!("before {n}")).await;
    }
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("today.db");
    let writing = async {
        for n in 0..50 {
            say(&t, project.id, &format!("meanwhile {n}")).await;
        }
    };
    let (made, ()) = tokio::join!(backup::back_up(&t.app.settings.data, &file), writing);
    let made = made.unwrap();
    assert!((20..=70).contains(&made.feedback) && made.projects == 1, "{made:?}");
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions()) & 0o077, 0, "others can read it");
    assert!(!out.path().join("today.db.part").exists());

    // Restored elsewhere: everything from before is there, and the search finds it.
    let other = tempfile::tempdir().unwrap();
    let done = backup::restore(other.path(), &file, false, ids(&t), t.app.now()).await.unwrap();
    assert_eq!((done.contents.feedback, done.set_aside), (made.feedback, None));
    assert_eq!(found(&t, other.path(), project.id, "before").await, 20);
    assert_eq!(found(&t, &t.app.settings.data.clone().join("nowhere"), project.id, "before").await, 0, "a search can find nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_takes_the_place_only_when_told_and_deletes_nothing() {
    let (t, project) = program().await;
    say(&t, project.id, "old words").await;
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("old.db");
    backup::back_up(&t.app.settings.data, &file).await.unwrap();
    say(&t, project.id, "new words").await;
    assert!(t.app.search.wait_until_caught_up(std::time::Duration::from_secs(20)).await);
    let data = t.app.settings.data.clone();

    let used = backup::restore(&data, &file, true, ids(&t), t.app.now()).await.unwrap_err().to_string();
    assert!(used.contains("another earshot process uses"), "{used}");
    t.app.search.stop().await;
    let there = backup::restore(&data, &file, false, ids(&t), t.app.now()).await.unwrap_err().to_string();
    assert!(there.contains("--replace"), "{there}");
    let done = backup::restore(&data, &file, true, ids(&t), t.app.now()).await.unwrap();
    assert_eq!(done.contents.feedback, 1);
    // The index with the newer words is discarded, although its position in the sequence could match by chance.
    assert_eq!((found(&t, &data, project.id, "old").await, found(&t, &data, project.id, "new").await), (1, 0));
    // The replaced data can be restored.
    let aside = done.set_aside.unwrap();
    let again = backup::restore(&data, &aside, true, ids(&t), t.app.now().plus_ms(1)).await.unwrap();
    assert_eq!(again.contents.feedback, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_and_foreign_files_are_refused_and_change_nothing() {
    let (t, project) = program().await;
    for n in 0..200 {
        say(&t, project.id, &format!("words that fill pages of the file, number {n} {}", "x".repeat(500))).await;
    }
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("b.db");
    backup::back_up(&t.app.settings.data, &file).await.unwrap();
    let twice = backup::back_up(&t.app.settings.data, &file).await.unwrap_err().to_string();
    assert!(twice.contains("already exists"), "{twice}");
    let missing = backup::back_up(&out.path().join("nothing"), &out.path().join("c.db")).await.unwrap_err().to_string();
    assert!(missing.contains("check --data"), "{missing}");

    let whole = fs::read(&file).unwrap();
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 4096].fill(0x55);
    let empty = tempfile::tempdir().unwrap();
    for (name, bytes) in
        [("damaged.db", &damaged[..]), ("half.db", &whole[..whole.len() / 2]), ("text.db", b"not a database at all"), ("empty.db", b"")]
    {
        let bad = out.path().join(name);
        fs::write(&bad, bytes).unwrap();
        let error = backup::restore(empty.path(), &bad, false, ids(&t), t.app.now()).await.unwrap_err().to_string();
        assert!(error.contains("damaged") || error.contains("not a backup of Earshot"), "{name}: {error}");
        assert!(fs::read_dir(empty.path()).unwrap().next().is_none(), "{name} left something");
    }
}

/// The problems and the successful checks.
async fn examined(config: &Config) -> (Vec<String>, Vec<String>) {
    let found = server::doctor::examine(config).await;
    let (wrong, well): (Vec<_>, Vec<_>) = found.into_iter().partition(|f| f.todo.is_some());
    (wrong.into_iter().map(|f| f.what).collect(), well.into_iter().map(|f| f.what).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_names_what_is_wrong_and_changes_nothing() {
    let (t, project) = program().await;
    say(&t, project.id, "words").await;
    let config = t.config.clone();
    let (wrong, well) = examined(&config).await;
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(well.iter().any(|w| w.contains("1 project, 1 piece of feedback")), "{well:?}");
    assert!(well.iter().any(|w| w == "A server is using the directory."), "{well:?}");

    // Settings that contradict each other.
    let mut behind = config.clone();
    behind.settings.public_url = Some("https://feedback.example".into());
    let (wrong, _) = examined(&behind).await;
    assert!(wrong.len() == 1 && wrong[0].contains("--trusted-proxies is not set"), "{wrong:?}");
    let mut open = config.clone();
    open.http.listen = "0.0.0.0:3000".parse().unwrap();
    let (wrong, _) = examined(&open).await;
    assert!(wrong.len() == 1 && wrong[0].contains("without a public URL"), "{wrong:?}");

    // Not a problem, but worth mentioning.
    let mut inside = config.clone();
    inside.settings.webhook_allow = vec![domain::webhooks::address::IpNetwork::parse("10.1.0.0/16").unwrap()];
    let (wrong, well) = examined(&inside).await;
    assert!(wrong.is_empty() && well.iter().any(|w| w.contains("lets webhooks call 10.1.0.0/16")), "{wrong:?} {well:?}");
    assert!(well.iter().any(|w| w.starts_with("E-mail is off")) && well.iter().any(|w| w.contains("MB free")), "{well:?}");

    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |bits| fs::set_permissions(&config.settings.data, fs::Permissions::from_mode(bits)).unwrap();
        mode(0o755);
        let (wrong, well) = examined(&config).await;
        assert!(wrong.len() == 1 && wrong[0].starts_with("Every account on this machine can read the data directory"), "{wrong:?}");
        assert!(well.iter().any(|w| w.starts_with("The database is healthy")), "it looks at the rest all the same");
        mode(0o700);
    }

    // Failed deliveries and jobs.
    let id = project.id.to_string();
    t.app
        .store
        .write(move |tx| {
            Box::pin(async move {
                for sql in [
                    "INSERT INTO webhook_endpoints (id, project_id, url, note, kinds, secret, enabled, disabled_reason, version, created_at, updated_at) \
                     VALUES ('on', $1, 'https://x.example/', '', '', 's', 1, NULL, 1, 0, 0), ('off', $1, 'https://y.example/', '', '', 's', 0, 'gone', 1, 0, 0)",
                    "INSERT INTO webhook_events (id, project_id, kind, body, created_at) VALUES ('event', $1, 'feedback.created', '{}', 0)",
                    "INSERT INTO webhook_deliveries (event_id, endpoint_id, project_id, kind, state, next_at, created_at) \
                     SELECT 'event', id, $1, 'feedback.created', 'dead', 0, 0 FROM webhook_endpoints",
                ] {
                    sqlx::query(sql).bind(id.clone()).execute(tx.conn()).await?;
                }
                Ok(())
            })
        })
        .await
        .unwrap();
    let given_up = ["1 webhook delivery failed permanently.", "1 webhook was turned off because every attempt failed."];
    assert_eq!(examined(&config).await.0, given_up);

    // A damaged database, and an index of another one.
    t.app.search.stop().await;
    let file = config.settings.data.join("earshot.db");
    let hurt = crate::support::private_dir();
    backup::back_up(&config.settings.data, &hurt.path().join("earshot.db")).await.unwrap();
    let mut bytes = fs::read(hurt.path().join("earshot.db")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(0x55);
    fs::write(hurt.path().join("earshot.db"), &bytes).unwrap();
    let (wrong, _) = examined(&Config::for_tests(hurt.path().to_owned())).await;
    assert!(wrong.len() == 1 && wrong[0].contains("The database cannot be used"), "{wrong:?}");
    assert_eq!(fs::read(hurt.path().join("earshot.db")).unwrap(), bytes);
    t.app.store.write(|tx| Box::pin(async move { tx.renew_instance().await })).await.unwrap();
    let (wrong, well) = examined(&config).await;
    assert!(
        wrong == given_up && well.iter().any(|w| w.contains("rebuilt at the next start (search index: it belongs to another database)")),
        "{well:?}"
    );

    // No data directory, and then no owner.
    let (wrong, _) = examined(&Config::for_tests(hurt.path().join("nowhere"))).await;
    assert!(wrong.len() == 1 && wrong[0].contains("There is no data directory"), "{wrong:?}");
    let fresh = TestApp::new(Database::Sqlite).await.unwrap();
    let (wrong, _) = examined(&fresh.config).await;
    assert_eq!(wrong, ["There are no accounts."]);
    assert!(file.exists());
}
