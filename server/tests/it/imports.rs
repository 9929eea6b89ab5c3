//! Imports and background jobs.

use std::sync::Arc;

use domain::{
    accounts::Scope,
    ids::{ImportId, JobId, ProjectId},
    imports::{ImportStatus, Mapping},
};
use server::{
    imports,
    jobs::{self, Job, Outcome},
    state::AppState,
    store::imports::Import,
};

use crate::{on_both, support::TestApp};

/// The real file that the requirements speak of, where it is at hand.
const REAL: &str = "EARSHOT_TEST_QUERIES";

async fn project(app: &AppState) -> Scope {
    Scope::system(server::projects::create(app, "My app", vec![], None).await.unwrap().id)
}

async fn uploaded(app: &AppState, scope: &Scope, name: &str, bytes: &[u8]) -> Import {
    let key = format!("key-{}", app.ids.uuid());
    let mut upload = imports::begin_upload(app, scope, name, &key).await.unwrap();
    for piece in bytes.chunks(10_000) {
        upload.push(app, piece).await.unwrap();
    }
    let id = upload.finish(app, scope).await.unwrap();
    imports::find(app, scope, id).await.unwrap()
}

async fn imported(app: &AppState, scope: &Scope, map: &str, bytes: &[u8]) -> Import {
    let import = uploaded(app, scope, "file.csv", bytes).await;
    imports::start(app, scope, &import, Mapping::parse(map).unwrap()).await.unwrap();
    jobs::run_due(app).await.unwrap();
    imports::find(app, scope, import.id).await.unwrap()
}

async fn texts(app: &AppState, scope: &Scope) -> Vec<String> {
    sqlx::query_scalar("SELECT text FROM feedback WHERE project_id = $1 ORDER BY text")
        .bind(scope.project().to_string())
        .fetch_all(app.store.reader())
        .await
        .unwrap()
}

async fn count(app: &AppState, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(app.store.reader()).await.unwrap()
}

fn counts(import: &Import) -> (i64, i64, i64) {
    (import.added, import.known, import.bad)
}

/// Rows shaped like real ones: commas and line ends in quotes, twins, several labels.
fn rows(n: usize) -> String {
    let mut out = String::from("text,category\n");
    for i in 0..n {
        match i % 5 {
            0 => out.push_str(&format!("\"Where is my card, number {i}?\nI need it.\",card_arrival\n")),
            1 => out.push_str("I am still waiting on my card?,card_arrival\n"),
            2 => out.push_str(&format!("\"It said \"\"declined\"\" {i} times\",declined_card\n")),
            _ => out.push_str(&format!("How do I top up by transfer {i}?,top_up;transfer\n")),
        }
    }
    out
}

on_both!(a_file_goes_in_once_however_often_it_comes, |t: TestApp| async move {
    let (app, scope) = (&t.app, project(&t.app).await);
    let file = rows(1_203);
    let first = imported(app, &scope, "text=text,tag=category", file.as_bytes()).await;
    assert_eq!((first.status, counts(&first)), (ImportStatus::Done, (1_203, 0, 0)));
    assert_eq!(first.bytes_done, file.len() as i64);
    let again = imported(app, &scope, "text=text,tag=category", file.as_bytes()).await;
    assert_eq!(counts(&again), (0, 1_203, 0));
    // Another mapping and other line ends and a byte order mark make no other rows of them.
    let other = format!("\u{feff}{}", file.replace('\n', "\r\n"));
    let again = imported(app, &scope, "text=text", other.as_bytes()).await;
    assert_eq!(counts(&again), (0, 1_203, 0));
    assert_eq!(texts(app, &scope).await.len(), 1_203);
    // More rows at the end: only those go in.
    let longer = format!("{file}One more,new\n");
    assert_eq!(counts(&imported(app, &scope, "text=text,tag=category", longer.as_bytes()).await), (1, 1_203, 0));
    assert_eq!(count(app, "SELECT COUNT(*) FROM feedback_tags WHERE tag = 'transfer'").await, 480);
    assert_eq!(count(app, "SELECT COUNT(*) FROM import_chunks").await, 0);
    assert_eq!(count(app, "SELECT COUNT(*) FROM feedback_changes").await, 1_204);
});

on_both!(bad_lines_are_named_and_good_ones_go_in, |t: TestApp| async move {
    let (app, scope) = (&t.app, project(&t.app).await);
    let mut file = b"\xef\xbb\xbfNote;Stars;When\r\nGood one;5;2026-01-02\r\n;3;\r\n\"two\r\nlines\";9;\r\n".to_vec();
    file.extend(b"M\xfcller;1;\r\nslipped;1\r\n\r\nnul\0inside;2;2026-01-02T10:00:00Z\r\nlater;1;2999-01-01");
    let import = imported(app, &scope, "text=note,score=stars,score_max=5,created_at=when", &file).await;
    assert_eq!((import.status, counts(&import)), (ImportStatus::Done, (2, 0, 5)));
    let bad = app.store.bad_lines(&scope, import.id, 0, 100).await.unwrap();
    assert_eq!(bad.iter().map(|b| b.line).collect::<Vec<_>>(), [3, 4, 6, 7, 10]);
    assert_eq!(bad[0].reason, "The text is empty.");
    assert!(bad[2].reason.contains("UTF-8") && bad[3].reason.contains("2 fields"), "{bad:?}");
    assert_eq!(texts(app, &scope).await, ["Good one", "nulinside"]);
    let foreign = Scope::system(server::projects::create(app, "Other", vec![], None).await.unwrap().id);
    assert!(app.store.bad_lines(&foreign, import.id, 0, 100).await.unwrap().is_empty());
    assert!(imports::find(app, &foreign, import.id).await.is_err());
});

on_both!(people_in_a_file_are_found_again, |t: TestApp| async move {
    let (app, scope) = (&t.app, project(&t.app).await);
    let file = b"id,text,email,name\n1,First,ann@example.com,Ann\n2,Second,ANN@example.com,\n3,Third,,\n2,Twin,,\n";
    let map = "external_id=id,text=text,contact_email=email,contact_name=name";
    assert_eq!(counts(&imported(app, &scope, map, file).await), (3, 1, 0));
    assert_eq!(count(app, "SELECT COUNT(*) FROM contacts WHERE email = 'ann@example.com' AND name = 'Ann'").await, 1);
    assert_eq!(count(app, "SELECT COUNT(DISTINCT contact_id) FROM feedback").await, 1);
    // Known by its id, even when the text was corrected.
    let corrected = b"id,text,email,name\n1,First (corrected),,\n4,Fourth,,\n";
    assert_eq!(counts(&imported(app, &scope, map, corrected).await), (1, 1, 0));
});

on_both!(an_interrupted_import_is_carried_on, |t: TestApp| async move {
    let (app, scope) = (&t.app, project(&t.app).await);
    let import = uploaded(app, &scope, "f.csv", rows(1_800).as_bytes()).await;
    imports::start(app, &scope, &import, Mapping::parse("text=text").unwrap()).await.unwrap();
    let stopped = imports::run(app, &scope, import.id, |p| p.added + p.known >= 1_000).await.unwrap();
    assert_eq!(stopped, Outcome::Stopped);
    let half = imports::find(app, &scope, import.id).await.unwrap();
    assert_eq!((half.status, counts(&half)), (ImportStatus::Running, (1_000, 0, 0)));
    // A worker that holds the lease dies; when the lease ends, another carries on.
    assert!(jobs::claim(app).await.unwrap().is_some());
    assert_eq!(jobs::run_due(app).await.unwrap(), 0);
    t.clock.advance_ms(jobs::LEASE_MS + 1);
    assert_eq!(jobs::run_due(app).await.unwrap(), 1);
    let done = imports::find(app, &scope, import.id).await.unwrap();
    assert_eq!((done.status, counts(&done)), (ImportStatus::Done, (1_800, 0, 0)));
    assert_eq!(texts(app, &scope).await.len(), 1_800);
});

on_both!(two_that_run_the_same_import_do_its_rows_once, |t: TestApp| async move {
    let (app, scope) = (&t.app, project(&t.app).await);
    let import = uploaded(app, &scope, "f.csv", rows(1_500).as_bytes()).await;
    imports::start(app, &scope, &import, Mapping::parse("text=text").unwrap()).await.unwrap();
    let (one, two) = tokio::join!(imports::run(app, &scope, import.id, |_| false), imports::run(app, &scope, import.id, |_| false));
    one.unwrap();
    two.unwrap();
    let done = imports::find(app, &scope, import.id).await.unwrap();
    assert_eq!((done.status, counts(&done)), (ImportStatus::Done, (1_500, 0, 0)));
});

on_both!(a_stopped_import_keeps_its_rows_and_can_go_on, |t: TestApp| async move {
    let (app, scope) = (&t.app, project(&t.app).await);
    let import = uploaded(app, &scope, "f.csv", rows(1_100).as_bytes()).await;
    imports::start(app, &scope, &import, Mapping::parse("text=text").unwrap()).await.unwrap();
    imports::run(app, &scope, import.id, |_| true).await.unwrap();
    assert!(imports::cancel(app, &scope, &import).await.unwrap());
    jobs::run_due(app).await.unwrap();
    let stopped = imports::find(app, &scope, import.id).await.unwrap();
    assert_eq!((stopped.status, counts(&stopped)), (ImportStatus::Cancelled, (500, 0, 0)));
    imports::resume(app, &scope, &stopped).await.unwrap();
    jobs::run_due(app).await.unwrap();
    let done = imports::find(app, &scope, import.id).await.unwrap();
    assert_eq!((done.status, counts(&done)), (ImportStatus::Done, (1_100, 0, 0)));
    // One that never ran is removed with its file.
    let ready = uploaded(app, &scope, "g.csv", b"text\nx\n").await;
    assert!(!imports::cancel(app, &scope, &ready).await.unwrap());
    assert!(imports::find(app, &scope, ready.id).await.is_err());
});

on_both!(what_is_no_csv_file_is_refused_with_a_reason, |t: TestApp| async move {
    let (app, scope) = (&t.app, project(&t.app).await);
    for (bytes, word) in [(&b"\xff\xfet\0e\0"[..], "UTF-16"), (b"PK\x03\x04rest", "workbook"), (&[0; 64], "text file"), (b"\n\n", "empty")]
    {
        let mut upload = imports::begin_upload(app, &scope, "f", &format!("key-{word}-0000")).await.unwrap();
        upload.push(app, bytes).await.unwrap();
        let error = upload.finish(app, &scope).await.unwrap_err();
        let Some(domain::Error::Invalid(errors)) = error.refusal() else { panic!("{error}") };
        assert!(errors.at("file").unwrap().contains(word), "{errors:?}");
    }
    assert!(app.store.imports(&scope, 10).await.unwrap().is_empty());
});

on_both!(the_real_file_has_10003_rows, |t: TestApp| async move {
    let Ok(path) = std::env::var(REAL) else { return };
    let bytes = std::fs::read(path).unwrap();
    let (app, scope) = (&t.app, project(&t.app).await);
    assert_eq!(counts(&imported(app, &scope, "text=text,tag=category", &bytes).await), (10_003, 0, 0));
    assert_eq!(counts(&imported(app, &scope, "text=text,tag=category", &bytes).await), (0, 10_003, 0));
});

// Background jobs.

fn broken() -> Job {
    Job::Import { project: ProjectId(uuid::Uuid::nil()), import: ImportId(uuid::Uuid::nil()) }
}

async fn enqueued(app: &AppState, job: Job) -> JobId {
    let (id, now) = (app.id::<JobId>(), app.now());
    app.store.write(move |tx| Box::pin(async move { tx.enqueue(id, &job, now, now).await })).await.unwrap();
    id
}

on_both!(a_refused_job_is_kept_as_dead, |t: TestApp| async move {
    let id = enqueued(&t.app, broken()).await;
    assert_eq!(jobs::run_due(&t.app).await.unwrap(), 1);
    let job = t.app.store.job(id).await.unwrap().unwrap();
    assert_eq!((job.state.as_str(), job.last_error.as_deref()), ("dead", Some("not found")));
    t.clock.advance_ms(100 * 86_400_000);
    assert_eq!(jobs::run_due(&t.app).await.unwrap(), 0);
});

on_both!(a_failing_job_is_tried_again_later_and_given_up_at_last, |t: TestApp| async move {
    let (id, now) = (t.app.id::<JobId>(), t.app.now());
    // A payload that no version of the program understands.
    t.app.store.write(move |tx| Box::pin(async move { tx.insert_job(id, "import", "{}", now, now).await })).await.unwrap();
    let mut pauses = Vec::new();
    for _ in 1..jobs::MAX_FAILURES {
        assert_eq!(jobs::run_due(&t.app).await.unwrap(), 1);
        let job = t.app.store.job(id).await.unwrap().unwrap();
        assert_eq!(job.state, "waiting");
        assert_eq!(jobs::run_due(&t.app).await.unwrap(), 0);
        pauses.push(job.run_at - t.app.now().0);
        t.clock.advance_ms(job.run_at - t.app.now().0);
    }
    for (n, pause) in pauses.iter().enumerate() {
        let base = 5_000 << n;
        assert!((base..=base * 3 / 2).contains(pause), "{pauses:?}");
    }
    assert_eq!(jobs::run_due(&t.app).await.unwrap(), 1);
    assert_eq!(t.app.store.job(id).await.unwrap().unwrap().state, "dead");
});

on_both!(a_job_that_ends_its_worker_each_time_is_given_up, |t: TestApp| async move {
    let id = enqueued(&t.app, Job::Purge {}).await;
    for _ in 0..jobs::MAX_FAILURES {
        assert!(jobs::claim(&t.app).await.unwrap().is_some());
        assert!(jobs::claim(&t.app).await.unwrap().is_none());
        t.clock.advance_ms(jobs::LEASE_MS + 1);
    }
    assert!(jobs::claim(&t.app).await.unwrap().is_none());
    assert_eq!(t.app.store.job(id).await.unwrap().unwrap().state, "dead");
});

on_both!(no_job_is_claimed_twice, |t: TestApp| async move {
    for _ in 0..20 {
        enqueued(&t.app, Job::Purge {}).await;
    }
    let workers = (0..8).map(|_| {
        let app = Arc::clone(&t.app);
        tokio::spawn(async move {
            let mut mine = Vec::new();
            while let Some(job) = jobs::claim(&app).await.unwrap() {
                mine.push(job.id);
            }
            mine
        })
    });
    let mut all = Vec::new();
    for worker in workers.collect::<Vec<_>>() {
        all.extend(worker.await.unwrap());
    }
    let claimed = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!((claimed, all.len()), (20, 20));
});

on_both!(one_who_lost_the_lease_cannot_end_the_job, |t: TestApp| async move {
    enqueued(&t.app, Job::Purge {}).await;
    let late = jobs::claim(&t.app).await.unwrap().unwrap();
    t.clock.advance_ms(jobs::LEASE_MS + 1);
    let held = jobs::claim(&t.app).await.unwrap().unwrap();
    let now = t.app.now();
    let ended = t
        .app
        .store
        .write(move |tx| {
            Box::pin(
                async move { Ok((tx.finish_job(&late, now).await?, tx.renew_job(&late, now).await?, tx.renew_job(&held, now).await?)) },
            )
        })
        .await
        .unwrap();
    assert_eq!(ended, (false, false, true));
});

on_both!(the_runner_works_and_stops, |t: TestApp| async move {
    let (app, scope) = (&t.app, project(&t.app).await);
    let runner = jobs::Runner::start(app);
    let import = uploaded(app, &scope, "f.csv", rows(700).as_bytes()).await;
    imports::start(app, &scope, &import, Mapping::parse("text=text").unwrap()).await.unwrap();
    let mut changes = app.store.changes();
    while imports::find(app, &scope, import.id).await.unwrap().status == ImportStatus::Running {
        let _ = tokio::time::timeout(std::time::Duration::from_millis(20), changes.changed()).await;
    }
    runner.stop().await;
    assert_eq!(counts(&imports::find(app, &scope, import.id).await.unwrap()), (700, 0, 0));
    assert_eq!(count(app, "SELECT COUNT(*) FROM jobs WHERE kind = 'purge'").await, 1);
});

on_both!(what_has_served_its_time_goes, |t: TestApp| async move {
    let (app, scope) = (&t.app, project(&t.app).await);
    uploaded(app, &scope, "forgotten.csv", b"text\nx\n").await;
    let now = app.now();
    app.store.write_once("test", "key-00001", now, |_| Box::pin(async { Ok(1) })).await.unwrap();
    t.clock.advance_ms(8 * 86_400_000);
    enqueued(app, Job::Purge {}).await;
    assert_eq!(jobs::run_due(app).await.unwrap(), 1);
    assert_eq!(count(app, "SELECT COUNT(*) FROM idempotency").await, 0);
    assert_eq!(count(app, "SELECT COUNT(*) FROM imports").await, 0);
    assert_eq!(count(app, "SELECT COUNT(*) FROM import_chunks").await, 0);
});
