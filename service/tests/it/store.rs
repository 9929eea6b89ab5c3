//! The store's contract, identical on both databases.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
};

use domain::{
    accounts::{Role, Scope},
    feedback::Feedback,
    ids::{FeedbackId, ProjectId, StaffId},
};
use futures_util::{FutureExt, future::join_all};
use service::{job_handler, jobs, state::AppState};
use sqlx::Connection;
use store::{Fingerprint, IdempotencyScope, IdempotentWrite, jobs::PurgeTarget};

use testing::{Database, TestApp, on_both, on_one, sample};

fn feedback(app: &AppState, project: ProjectId, text: &str, tags: &[&str]) -> Feedback {
    Feedback {
        score: Some(4.5),
        score_max: Some(5.0),
        page_url: Some("https://a.example/x?y=ü".into()),
        tags: tags.iter().map(|t| (*t).to_owned()).collect(),
        spam_reasons: vec!["links".into()],
        ..sample(app, project, text)
    }
}

async fn insert(app: &AppState, item: &Feedback, key: Option<&'static str>) -> bool {
    let item = item.clone();
    app.store.write(move |tx| Box::pin(async move { tx.insert_feedback(&item, key).await })).await.unwrap()
}

on_both!(feedback_comes_back_as_it_went_in, |t: TestApp| async move {
    let project = service::projects::create(&t.app, "P", vec![], None).await.unwrap();
    let texts = ["plain", "Ünïcödé — 日本語 🦀", "line\nbreak\ttab", "'; DROP TABLE feedback; --", "%_\\", ""];
    let mut ids: Vec<FeedbackId> = Vec::new();
    for text in texts {
        let item = feedback(&t.app, project.id, text, &["a", "ä"]);
        assert!(insert(&t.app, &item, None).await);
        ids.push(item.id);
        let read = t.app.store.feedback_by_ids(&Scope::system(project.id), &[item.id]).await.unwrap();
        assert_eq!(read, vec![item]);
    }
    ids.reverse();
    let read = t.app.store.feedback_by_ids(&Scope::system(project.id), &ids).await.unwrap();
    assert_eq!(read.iter().map(|f| f.id).collect::<Vec<_>>(), ids, "in the order asked");
});

on_both!(another_projects_ids_do_not_exist, |t: TestApp| async move {
    let mine = service::projects::create(&t.app, "Mine", vec![], None).await.unwrap();
    let other = service::projects::create(&t.app, "Other", vec![], None).await.unwrap();
    let item = feedback(&t.app, mine.id, "x", &[]);
    insert(&t.app, &item, None).await;
    assert!(t.app.store.feedback_by_ids(&Scope::system(other.id), &[item.id]).await.unwrap().is_empty());
});

on_both!(a_source_key_counts_once_in_each_project, |t: TestApp| async move {
    let one = service::projects::create(&t.app, "One", vec![], None).await.unwrap();
    let two = service::projects::create(&t.app, "Two", vec![], None).await.unwrap();
    assert!(insert(&t.app, &feedback(&t.app, one.id, "x", &[]), Some("k")).await);
    assert!(!insert(&t.app, &feedback(&t.app, one.id, "x", &[]), Some("k")).await);
    assert!(insert(&t.app, &feedback(&t.app, two.id, "x", &[]), Some("k")).await);
    assert!(insert(&t.app, &feedback(&t.app, one.id, "x", &[]), None).await);
    assert!(insert(&t.app, &feedback(&t.app, one.id, "x", &[]), None).await, "no key is never the same key");
});

on_both!(only_the_members_that_are_asked_for_are_read, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let other = t.member(&project, "other@example.com", Role::Viewer).await;
    let elsewhere = service::projects::create(&t.app, "Two", vec![], None).await.unwrap();
    let named = async |project: ProjectId, emails: &[&str]| {
        let emails: Vec<String> = emails.iter().map(|email| (*email).to_owned()).collect();
        t.app.store.members_with_email(&Scope::system(project), &emails).await.unwrap()
    };
    assert_eq!(named(project.id, &["other@example.com", "nobody@example.com"]).await, [(other, "other@example.com".to_owned())]);
    assert_eq!(named(project.id, &["owner@example.com"]).await, [(owner, "owner@example.com".to_owned())]);
    assert_eq!(named(elsewhere.id, &["owner@example.com"]).await, []);
});

on_both!(concurrent_twins_do_the_work_once, |t: TestApp| async move {
    let runs = Arc::new(AtomicUsize::new(0));
    let calls = (0..20).map(|n| {
        let runs = Arc::clone(&runs);
        t.app.store.write_idempotent(
            IdempotentWrite::form(&IdempotencyScope::PasswordReset("twins".into()), "the-same-key", Fingerprint::of(["x"])),
            t.app.now(),
            move |_| {
                Box::pin(async move {
                    runs.fetch_add(1, Ordering::SeqCst);
                    Ok(n)
                })
            },
        )
    });
    let answers: Vec<i32> = join_all(calls).await.into_iter().map(|a| a.unwrap()).collect();
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    assert!(answers.iter().all(|a| *a == answers[0]), "{answers:?}");
});

on_both!(a_refused_attempt_may_be_repeated_with_its_key, |t: TestApp| async move {
    let attempt = |fails: bool| {
        t.app.store.write_idempotent(
            IdempotentWrite::form(&IdempotencyScope::PasswordReset("again".into()), "the-same-key", Fingerprint::of(["x"])),
            t.app.now(),
            move |_| Box::pin(async move { if fails { Err(domain::DomainError::Forbidden.into()) } else { Ok(7) } }),
        )
    };
    assert!(attempt(true).await.is_err());
    assert_eq!(attempt(false).await.unwrap(), 7);
});

on_both!(committed_changes_to_feedback_wake_those_who_follow, |t: TestApp| async move {
    let project = service::projects::create(&t.app, "P", vec![], None).await.unwrap();
    let mut changes = t.app.store.changes();
    changes.mark_unchanged();
    insert(&t.app, &feedback(&t.app, project.id, "x", &[]), None).await;
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    let now = t.app.now();
    t.app.store.write(move |tx| Box::pin(async move { tx.insert_staff("a@b.example", "A", "x", now).await })).await.unwrap();
    assert!(!changes.has_changed().unwrap(), "other writes do not wake the index");
});

on_both!(a_panic_in_a_write_is_that_writes_own, |t: TestApp| async move {
    let now = t.app.now();
    let job = |n: usize| {
        t.app.store.write(move |tx| {
            Box::pin(async move {
                tx.insert_staff(&format!("p{n}@example.com"), "P", "x", now).await?;
                assert!(n % 3 != 1, "a bug");
                Ok(())
            })
        })
    };
    let results = join_all((0..9).map(job)).await;
    for (n, result) in results.iter().enumerate() {
        let there = t.app.store.staff_by_email(&format!("p{n}@example.com")).await.unwrap().is_some();
        assert_eq!(there, n % 3 != 1, "p{n}");
        assert_eq!(result.is_ok(), there, "{result:?}");
    }
    assert!(matches!(&results[1], Err(service::error::Error::Internal(text)) if text.contains("a bug")), "{:?}", results[1]);
    job(9).await.unwrap();
});

on_both!(a_full_queue_is_busy_and_loses_nothing_it_took, |t: TestApp| async move {
    let writers = t.busy_writers().await;
    let now = t.app.now();
    let (mut waiting, mut results) = (Vec::new(), Vec::new());
    for n in 0..1500 {
        let job = t.app.store.write(move |tx| Box::pin(async move { tx.insert_staff(&format!("q{n}@example.com"), "Q", "x", now).await }));
        let mut job = job.map(move |result| (n, result)).boxed();
        // Polled once, every job is either queued or rejected.
        match futures_util::poll!(&mut job) {
            Poll::Ready(refused) => results.push(refused),
            Poll::Pending => waiting.push(job),
        }
    }
    // PostgreSQL also counts running jobs.
    assert_eq!(waiting.len(), if t.database == Database::Sqlite { 1024 } else { 1024 - writers.count() });
    assert!(results.iter().all(|(_, r)| matches!(r.as_ref().unwrap_err().refusal(), Some(domain::DomainError::Busy(_)))));
    writers.release().await;
    let done = join_all(waiting).await;
    // On PostgreSQL a queued job times out after some seconds, which a slow machine may exceed with this many.
    let is_busy = |r: &service::error::Result<Option<StaffId>>| {
        matches!(r.as_ref().map_err(|e| e.refusal()), Err(Some(domain::DomainError::Busy(_))))
    };
    assert!(done.iter().all(|(_, result)| result.is_ok() || t.database == Database::Postgres && is_busy(result)));
    assert!(done.iter().any(|(_, result)| result.is_ok()));
    results.extend(done);
    for (n, result) in results {
        let there = t.app.store.staff_by_email(&format!("q{n}@example.com")).await.unwrap().is_some();
        assert_eq!(there, result.is_ok(), "q{n}");
    }
});

/// Runs when it is dropped.
struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(|run| run());
    }
}

on_one!(a_database_that_is_held_refuses_all_that_wait_at_once, Sqlite, |t: TestApp| async move {
    let file = format!("sqlite://{}", t.app.settings.data.join("earshot.db").display());
    let mut holder = sqlx::AnyConnection::connect(&file).await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut holder).await.unwrap();
    async fn write(app: AppState, n: usize, with: impl Send + 'static) -> service::error::Result<Option<StaffId>> {
        let now = app.now();
        let insert = app.store.write(move |tx| {
            Box::pin(async move {
                let _with = with;
                tx.insert_staff(&format!("h{n}@example.com"), "H", "x", now).await
            })
        });
        insert.await
    }
    // The first rejected job releases the database and retries before the others are rejected.
    let (app, (sender, again)) = (t.app.clone(), tokio::sync::oneshot::channel());
    let first = OnDrop(Some(move || {
        drop(holder);
        let mut job = write(app, 9, ()).boxed();
        assert!((&mut job).now_or_never().is_none(), "it waits in the queue");
        assert!(sender.send(job).is_ok());
    }));
    let jobs = std::iter::once(write(t.app.clone(), 0, first).boxed()).chain((1..5).map(|n| write(t.app.clone(), n, ()).boxed()));
    // All of them after the first one's wait: separate waits would find the database free and store the others.
    let refused = join_all(jobs.map(|job| async move { job.await.unwrap_err() })).await;
    assert!(refused.iter().all(|error| matches!(error.refusal(), Some(domain::DomainError::Busy(_)))));
    assert!(again.await.unwrap().await.unwrap().is_some(), "it heals by itself, and who asks again is not refused with the others");
    for n in 0..5 {
        assert!(t.app.store.staff_by_email(&format!("h{n}@example.com")).await.unwrap().is_none());
    }
});

/// Inserts `n` expired rows of each kind, and one unexpired row of each.
async fn old_rows(t: &TestApp, n: usize) {
    let project = service::projects::create(&t.app, "Old", vec![], None).await.unwrap().id;
    let (young, mark) = (t.app.now().plus_days(1).0, t.app.now().plus_days(-8).0);
    let many = format!("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {n}) ");
    // `a` names the row, `at` is its time.
    let each = |insert: &str, a: &str, at: &str| insert.replace("{a}", a).replace("{at}", at).replace("{p}", &project.to_string());
    let place = match t.database {
        Database::Sqlite => "0, (SELECT MAX(seq) FROM feedback_changes)",
        Database::Postgres => "CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT) + 1, 0",
    };
    let bytes = if t.database == Database::Sqlite { "x'00'" } else { "CAST(CHR(92) || 'x00' AS BYTEA)" };
    let tables = [
        "INSERT INTO sessions (id_hash, data, created_at, seen_at, expires_at) SELECT {a}, '{}', 1, 1, {at}",
        "INSERT INTO idempotency (scope, key, outcome, created_at) SELECT 'purge', {a}, '', {at}",
        "INSERT INTO jobs (id, kind, payload, state, attempts, failures, run_at, created_at, finished_at) SELECT {a}, 'purge', '{}', 'done', 1, 0, 1, 1, {at}",
        "INSERT INTO limits (key, tokens, at) SELECT {a}, 1, {at}",
        "INSERT INTO password_resets (token_hash, staff_id, letter_id, created_at, expires_at) SELECT {a}, (SELECT MIN(id) FROM accounts), 'x', 1, {at}",
        "INSERT INTO letters (id, project_id, kind, recipient, subject, content, link, state, created_at, updated_at) \
         SELECT {a}, '{p}', 'ticket_reply', 'a@x.test', 'x', 'x', 'x', 'sent', 1, {at}",
        "INSERT INTO imports (id, project_id, name, source, file_hash, mapping, status, bytes_total, bytes_done, rows_added, rows_known, rows_bad, \
         created_at, updated_at) SELECT {a}, '{p}', 'x', 'upload', '', '', 'ready', 0, 0, 0, 0, 0, 1, {at}",
        "INSERT INTO import_chunks (import_id, n, bytes) SELECT {a}, 0, {bytes}",
        "INSERT INTO import_chunks (import_id, n, bytes) SELECT {a}, 1, {bytes}",
        "INSERT INTO attachments (id, project_id, held_for, name, media_type, size, created_at) SELECT {a}, '{p}', 'x', 'x', 'text/plain', 1, {at}",
        "INSERT INTO attachment_chunks (attachment_id, n, bytes) SELECT {a}, 0, {bytes}",
        "INSERT INTO attachment_chunks (attachment_id, n, bytes) SELECT {a}, 1, {bytes}",
        "INSERT INTO webhook_events (id, project_id, kind, body, created_at) SELECT {a}, '{p}', 'webhook.test', '{}', {at}",
        "INSERT INTO webhook_deliveries (event_id, endpoint_id, project_id, kind, state, next_at, created_at) \
         SELECT {a}, 'hook', '{p}', 'webhook.test', 'delivered', 1, {at}",
        "INSERT INTO webhook_attempts (event_id, endpoint_id, n, at, took_ms, excerpt) SELECT {a}, 'hook', 1, 1, 1, ''",
        "INSERT INTO webhook_attempts (event_id, endpoint_id, n, at, took_ms, excerpt) SELECT {a}, 'hook', 2, 1, 1, ''",
    ];
    let mut sql = vec![
        each(
            "INSERT INTO webhook_endpoints (id, project_id, url, note, kinds, secret, enabled, created_at, updated_at, version) \
             VALUES ('hook', '{p}', 'https://x.test', '', ',', 'x', 0, 1, 1, 1)",
            "",
            "",
        ),
        "INSERT INTO actors (id, kind, name, created_at) VALUES ('old', 'person', '', 1)".into(),
        "INSERT INTO accounts (id, email, password_hash) VALUES ('old', 'old@x.test', '')".into(),
    ];
    for insert in tables {
        let insert = insert.replace("{bytes}", bytes);
        sql.push(format!("{many}{} FROM n", each(&insert, "'old-' || CAST(i AS TEXT)", "i")));
        sql.push(each(&insert, "'young'", &young.to_string()));
    }
    let change = "INSERT INTO feedback_changes (feedback_id, project_id) SELECT '0199aaaa-0000-7000-8000-000000000000', '{p}'";
    sql.push(format!("{many}{} FROM n", each(change, "", "")));
    sql.push(format!("INSERT INTO change_marks (at, tx, seq, pruned) SELECT {mark}, {place}, 0"));
    t.app
        .store
        .write(move |tx| {
            Box::pin(async move {
                for sql in sql {
                    sqlx::query(sqlx::AssertSqlSafe(sql)).execute(tx.conn()).await?;
                }
                Ok(())
            })
        })
        .await
        .unwrap();
}

/// Counts a kind's rows in its tables.
async fn rows_of(t: &TestApp, what: PurgeTarget) -> i64 {
    let tables: &[&str] = match what {
        PurgeTarget::Sessions => &["sessions"],
        PurgeTarget::Keys => &["idempotency WHERE scope = 'purge'"],
        PurgeTarget::Jobs => &["jobs WHERE kind = 'purge' AND payload = '{}'"],
        PurgeTarget::Limits => &["limits"],
        PurgeTarget::Mail => &["letters", "password_resets"],
        PurgeTarget::Changes => &["feedback_changes"],
        PurgeTarget::Attachments => &["attachments", "attachment_chunks"],
        PurgeTarget::Imports => &["imports", "import_chunks"],
        PurgeTarget::Webhooks => &["webhook_events", "webhook_deliveries", "webhook_attempts"],
    };
    let mut sum = 0;
    for table in tables {
        let sql = format!("SELECT COUNT(*) FROM {table}");
        sum += sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(sql)).fetch_one(t.app.store.reader()).await.unwrap();
    }
    sum
}

on_both!(the_clean_up_works_in_bounded_pieces_to_its_end, |t: TestApp| async move {
    const MANY: usize = 2_300;
    old_rows(&t, MANY).await;
    let now = t.app.now();
    // One batch deletes at most its given number.
    for (what, usual) in PurgeTarget::ALL {
        assert!((1..=1_000).contains(&usual));
        let before = rows_of(&t, what).await;
        assert!(before >= 2_300, "{what:?}: {before}");
        let touched = t.app.store.write(move |tx| Box::pin(async move { tx.purge(what, now, 7).await })).await.unwrap();
        assert_eq!(touched, 7, "{what:?}");
        let left = rows_of(&t, what).await;
        assert!(left >= before - 7, "{what:?}: {before} {left}");
    }
    // Stop between two batches.
    let asked = AtomicUsize::new(0);
    let stop = || asked.fetch_add(1, Ordering::SeqCst) >= 3;
    assert_eq!(jobs::purge(&t.app, &stop).await.unwrap(), job_handler::JobOutcome::Stopped);
    let left = rows_of(&t, PurgeTarget::Keys).await;
    assert!(rows_of(&t, PurgeTarget::Sessions).await <= 1 + 7 && left > 2_000, "{left}");
    // The next run finishes, in as many transactions as necessary.
    let asked = AtomicUsize::new(0);
    let count = || {
        asked.fetch_add(1, Ordering::SeqCst);
        false
    };
    assert_eq!(jobs::purge(&t.app, &count).await.unwrap(), job_handler::JobOutcome::Done);
    let pieces = asked.load(Ordering::SeqCst);
    assert!(pieces > 3 * MANY / 64, "{pieces}");
    for (what, young) in [
        (PurgeTarget::Sessions, 1),
        (PurgeTarget::Keys, 1),
        (PurgeTarget::Jobs, 1),
        (PurgeTarget::Limits, 1),
        (PurgeTarget::Mail, 2),
        (PurgeTarget::Attachments, 3),
        (PurgeTarget::Imports, 3),
        (PurgeTarget::Webhooks, 4),
    ] {
        assert_eq!(rows_of(&t, what).await, young, "{what:?}");
    }
    let changes = rows_of(&t, PurgeTarget::Changes).await;
    assert!(changes <= 1, "{changes}");
});
