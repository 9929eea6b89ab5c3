//! Submissions stored together: each has its own outcome.

use domain::{
    accounts::Scope,
    feedback::{FeedbackKind, FeedbackStatus, NewFeedback},
    ids::{FeedbackId, ResponseId, SurveyId, VersionId},
    projects::Project,
    responses::{ClaimedContact, ResponseContext},
    surveys::{Answer, SurveyStatus},
};
use futures_util::{FutureExt, future::join_all};
use service::error::Result;
use sqlx::Connection;
use store::{
    Fingerprint,
    change_feed::IndexRow,
    idempotency::{IdempotencyScope, ScopedKey},
    submissions::{ResponseSubmission, SubmissionOutcome, SurveySnapshot},
};

use testing::{TestApp, on_both};

struct Setup {
    t: TestApp,
    project: Project,
    survey: SurveyId,
    version: VersionId,
}

const BODY: &str = r#"{"title":"S","intro":"","questions":[{"id":"q1","title":"Why?","hint":"","required":false,"type":"long_text"}],
    "thanks":"","language":"en","launch":{"on":"button","label":"Feedback"}}"#;

async fn setup(t: TestApp) -> Setup {
    let project = service::projects::create(&t.app, "My app", vec![], None).await.unwrap();
    let setup = Setup { project, survey: t.id(), version: t.id(), t };
    let (project, survey, version) = (setup.project.id.to_string(), setup.survey.to_string(), setup.version.to_string());
    let insert = setup.t.app.store.write(move |tx| {
        Box::pin(async move {
            for sql in [
                "INSERT INTO surveys (id, project_id, name, status, draft, draft_revision, draft_position, last_number, live_version_id, created_at, updated_at) \
                 VALUES ($2, $1, 'S', 'live', '{}', 1, 1, 0, $3, 1, 1)",
                "INSERT INTO survey_versions (project_id, survey_id, id, number, body, published_at) VALUES ($1, $2, $3, 1, $4, 1)",
            ] {
                let query = sqlx::query(sql).bind(project.clone()).bind(survey.clone()).bind(version.clone());
                let query = if sql.contains("$4") { query.bind(BODY) } else { query };
                query.execute(tx.conn()).await?;
            }
            Ok(())
        })
    });
    insert.await.unwrap();
    setup
}

impl Setup {
    fn submission(&self, key: &str, text: &str) -> ResponseSubmission {
        let now = self.t.app.now();
        let feedback = NewFeedback {
            kind: FeedbackKind::SurveyResponse,
            text: text.into(),
            score: None,
            score_max: None,
            contact: None,
            survey: Some(self.survey),
            response: None,
            page_url: None,
            release: None,
            environment: None,
            language: "en".into(),
            status: FeedbackStatus::New,
            tags: vec![],
            spam_reasons: vec![],
            created_at: now,
        };
        ResponseSubmission {
            place: ScopedKey::new(&IdempotencyScope::Response(self.survey), key),
            fingerprint: Fingerprint::of(["the same"]),
            checked: None,
            is_live: true,
            project: self.project.id,
            survey: self.survey,
            version: self.version,
            context: ResponseContext { source: "api".into(), ..ResponseContext::default() },
            answers: vec![("q1".into(), Answer::Text(text.into()))],
            language: "en".into(),
            spam_reasons: vec![],
            finished: true,
            feedback: Some(feedback),
            now,
        }
    }

    fn checked(&self) -> SurveySnapshot {
        SurveySnapshot {
            status: SurveyStatus::Live,
            live: self.version,
            key: self.project.key.clone(),
            origins: self.project.origins.clone(),
            kept_parameters: Vec::new(),
            unsigned_identity: self.project.unsigned_identity,
        }
    }

    /// Returns the outcomes of submissions queued at the same time, after two others.
    async fn together(&self, batch: Vec<ResponseSubmission>) -> Vec<Result<SubmissionOutcome>> {
        let submit = |submission| {
            let store = self.t.app.store.clone();
            let mut job = async move { store.submit(submission).await }.boxed();
            assert!((&mut job).now_or_never().is_none());
            job
        };
        let warm = ["warm-up-1", "warm-up-2"].map(|key| self.submission(key, "warm"));
        let Some(url) = &self.t.url else {
            let writers = self.t.busy_writers().await;
            let waiting: Vec<_> = warm.into_iter().chain(batch).map(submit).collect();
            writers.release().await;
            return join_all(waiting).await.split_off(2);
        };
        // On PostgreSQL two batches run concurrently while the third collects: they wait for keys that another connection has locked.
        let mut holder = sqlx::AnyConnection::connect(url).await.unwrap();
        sqlx::raw_sql("BEGIN").execute(&mut holder).await.unwrap();
        for ResponseSubmission { place, .. } in &warm {
            let hold = sqlx::query("INSERT INTO idempotency (scope, key, outcome, created_at) VALUES ($1, $2, '', 0)");
            hold.bind(IdempotencyScope::Response(self.survey).to_string()).bind(place.key.clone()).execute(&mut holder).await.unwrap();
        }
        let mut waiting = Vec::new();
        for (n, submission) in warm.into_iter().enumerate() {
            waiting.push(submit(submission));
            let held = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
            while self.count(held).await <= i64::try_from(n).unwrap() {
                tokio::task::yield_now().await;
            }
        }
        waiting.extend(batch.into_iter().map(submit));
        sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();
        join_all(waiting).await.split_off(2)
    }

    async fn feedback_of(&self, response: ResponseId) -> FeedbackId {
        let sql = "SELECT id FROM feedback WHERE response_id = $1";
        let id: String = sqlx::query_scalar(sql).bind(response.to_string()).fetch_one(self.t.app.store.reader()).await.unwrap();
        id.parse().unwrap()
    }

    async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(self.t.app.store.reader()).await.unwrap()
    }

    async fn run(&self, sql: &'static str) {
        let run = self.t.app.store.write(move |tx| {
            Box::pin(async move {
                sqlx::query(sql).execute(tx.conn()).await?;
                Ok(())
            })
        });
        run.await.unwrap();
    }
}

fn stored(outcomes: &[Result<SubmissionOutcome>]) -> Vec<bool> {
    outcomes.iter().map(|outcome| matches!(outcome, Ok(SubmissionOutcome::Stored(_)))).collect()
}

fn response(outcome: &Result<SubmissionOutcome>) -> ResponseId {
    match outcome {
        Ok(SubmissionOutcome::Stored(receipt)) => receipt.id,
        other => panic!("not stored: {other:?}"),
    }
}

on_both!(a_poisoned_one_harms_nobody_else, |t: TestApp| async move {
    let s = setup(t).await;
    let mut batch: Vec<ResponseSubmission> = (0..8).map(|n| s.submission(&format!("key-{n}-long-enough"), &format!("text {n}"))).collect();
    // A version that does not exist: the database rejects the row.
    batch[3].version = s.t.id();
    let outcomes = s.together(batch.clone()).await;
    assert_eq!(stored(&outcomes), [true, true, true, false, true, true, true, true]);
    assert!(outcomes[3].as_ref().unwrap_err().refusal().is_none(), "a fault, not a refusal: {:?}", outcomes[3]);
    assert_eq!(s.count("SELECT COUNT(*) FROM responses").await, 9);
    assert_eq!(s.count("SELECT COUNT(*) FROM feedback").await, 9);
    assert_eq!(s.count("SELECT COUNT(*) FROM contacts").await, 9);
    assert_eq!(s.count("SELECT COUNT(*) FROM idempotency WHERE key = 'key-3-long-enough'").await, 0, "it may be sent again");
    batch[3].version = s.version;
    assert!(matches!(s.t.app.store.submit(batch[3].clone()).await, Ok(SubmissionOutcome::Stored(_))));
});

on_both!(the_same_key_twice_in_a_batch_is_one_response, |t: TestApp| async move {
    let s = setup(t).await;
    let batch = vec![s.submission("other-key", "x"), s.submission("the-same-key", "first"), s.submission("the-same-key", "again")];
    let outcomes = s.together(batch).await;
    let first = response(&outcomes[1]);
    assert_eq!(response(&outcomes[2]), first);
    assert_ne!(response(&outcomes[0]), first);
    assert_eq!(s.count("SELECT COUNT(*) FROM feedback WHERE text IN ('first', 'again')").await, 1);
    // And once more later, even if the survey is closed.
    let late = ResponseSubmission { is_live: false, ..s.submission("the-same-key", "late") };
    assert!(matches!(s.t.app.store.submit(late).await, Ok(SubmissionOutcome::Stored(receipt)) if receipt.id == first));
});

on_both!(a_key_with_other_content_is_told_apart, |t: TestApp| async move {
    let s = setup(t).await;
    let with = |content: &str, page: Option<&str>| {
        let fingerprint = Fingerprint::of([content]);
        let fingerprint = page.map_or(fingerprint.clone(), |page| fingerprint.from_page(page));
        ResponseSubmission { fingerprint, ..s.submission("the-same-key", content) }
    };
    let batch = vec![with("a", Some("p")), with("a", Some("p")), with("b", Some("p")), with("b", Some("q")), with("b", None)];
    let outcomes = s.together(batch).await;
    let first = response(&outcomes[0]);
    assert!(
        outcomes[..2].iter().all(|outcome| matches!(outcome, Ok(SubmissionOutcome::Stored(receipt)) if receipt.id == first)),
        "{outcomes:?}"
    );
    for (outcome, same) in outcomes[2..].iter().zip([true, false, false]) {
        assert!(
            matches!(outcome, Ok(SubmissionOutcome::KeyConflict { receipt, same_page }) if receipt.id == first && *same_page == same),
            "{outcome:?}"
        );
    }
    assert_eq!(s.count("SELECT COUNT(*) FROM feedback WHERE text IN ('a', 'b')").await, 1);
    // Also if it is closed, but not with a stale snapshot.
    let late = ResponseSubmission { is_live: false, ..with("b", Some("p")) };
    assert!(matches!(s.t.app.store.submit(late).await, Ok(SubmissionOutcome::KeyConflict { same_page: true, .. })));
    let moved = ResponseSubmission { checked: Some(SurveySnapshot { live: s.t.id(), ..s.checked() }), ..with("b", Some("p")) };
    assert!(matches!(s.t.app.store.submit(moved).await, Ok(SubmissionOutcome::StaleSnapshot)));
});

on_both!(refusals_are_each_ones_own, |t: TestApp| async move {
    let s = setup(t).await;
    let moved = SurveySnapshot { live: s.t.id(), ..s.checked() };
    let elsewhere = SurveySnapshot { origins: vec!["https://other.example".into()], ..s.checked() };
    let batch = vec![
        ResponseSubmission { checked: Some(s.checked()), ..s.submission("checked-key", "good") },
        ResponseSubmission { is_live: false, ..s.submission("closed-key", "closed") },
        ResponseSubmission { checked: Some(moved), ..s.submission("moved-key", "moved") },
        ResponseSubmission { checked: Some(elsewhere), ..s.submission("origin-key", "elsewhere") },
        s.submission("plain-key", "good"),
    ];
    let outcomes = s.together(batch).await;
    assert_eq!(stored(&outcomes), [true, false, false, false, true]);
    assert!(matches!(outcomes[1], Ok(SubmissionOutcome::Closed)));
    assert!(matches!((&outcomes[2], &outcomes[3]), (Ok(SubmissionOutcome::StaleSnapshot), Ok(SubmissionOutcome::StaleSnapshot))));
    assert_eq!(s.count("SELECT COUNT(*) FROM feedback WHERE text <> 'warm'").await, 2);
    assert_eq!(s.count("SELECT COUNT(*) FROM idempotency").await, 4, "a refused key may be sent again");
});

on_both!(a_batch_keeps_its_order, |t: TestApp| async move {
    let s = setup(t).await;
    let batch: Vec<ResponseSubmission> =
        (0..50).map(|n| s.submission(&format!("key-{}-long-enough", (n * 7) % 50), &format!("{n:02}"))).collect();
    let outcomes = s.together(batch).await;
    assert!(stored(&outcomes).iter().all(|stored| *stored));
    let texts: Vec<(String,)> = sqlx::query_as(
        "SELECT f.text FROM feedback_changes c JOIN feedback f ON f.id = c.feedback_id WHERE f.text <> 'warm' ORDER BY c.seq",
    )
    .fetch_all(s.t.app.store.reader())
    .await
    .unwrap();
    assert_eq!(texts, (0..50).map(|n| (format!("{n:02}"),)).collect::<Vec<_>>());
});

on_both!(a_batch_meets_a_person_once, |t: TestApp| async move {
    let s = setup(t).await;
    let known = ClaimedContact { external_id: Some("ann".into()), name: Some("Ann".into()), ..ClaimedContact::default() };
    let (scope, at) = (Scope::system(s.project.id), s.t.app.now());
    s.t.app.store.write(move |tx| Box::pin(async move { tx.resolve_contact(&scope, &known, at).await })).await.unwrap();
    let said_by = |key: &str, external: &str, email: Option<&str>, name: &str| {
        let mut submission = s.submission(key, "x");
        submission.context.contact = ClaimedContact {
            external_id: Some(external.into()),
            email: email.map(Into::into),
            name: Some(name.into()),
            ..ClaimedContact::default()
        };
        submission
    };
    let batch = vec![
        said_by("key-one-1", "ann", Some("ann@a.example"), "Somebody else"),
        said_by("key-two-2", "bob", None, "Bob"),
        said_by("key-three", "bob", Some("bob@a.example"), "Robert"),
        said_by("key-four4", "ann", Some("evil@a.example"), "Evil"),
    ];
    assert_eq!(stored(&s.together(batch).await), [true; 4]);
    let known: Vec<(String, String, String, i64)> = sqlx::query_as(
        "SELECT c.external_id, c.name, COALESCE(c.email, '-'), COUNT(*) FROM contacts c JOIN feedback f ON f.contact_id = c.id \
         WHERE c.external_id IS NOT NULL GROUP BY c.id, c.external_id, c.name, c.email ORDER BY c.external_id",
    )
    .fetch_all(s.t.app.store.reader())
    .await
    .unwrap();
    let row = |id: &str, name: &str, email: &str| (id.to_owned(), name.to_owned(), email.to_owned(), 2);
    assert_eq!(known, [row("ann", "Ann", "-"), row("bob", "Bob", "-")]);
});

on_both!(the_index_sees_what_was_just_made_and_never_an_older_state, |t: TestApp| async move {
    let s = setup(t).await;
    // This test acts as the index.
    s.t.app.search.stop().await;
    let store = &s.t.app.store;
    let submission = |key: &str, name: Option<&str>| {
        let mut submission = s.submission(key, "as it was made");
        submission.context.contact =
            ClaimedContact { external_id: name.map(|_| key.to_owned()), name: name.map(ToOwned::to_owned), ..ClaimedContact::default() };
        submission
    };
    let (known, anonymous) = (submission("known-1", Some("Ann")), submission("anonymous-1", None));
    let submit = async |submission| s.feedback_of(response(&store.submit(submission).await)).await;
    let ids = [submit(known).await, submit(anonymous).await];
    let seen = |rows: Vec<IndexRow>| {
        let mut seen: Vec<String> = rows.iter().map(|row| format!("{row:?}")).collect();
        seen.sort();
        seen
    };
    // Rows handed over directly equal rows read from the database.
    let made = ids.map(|id| (id, true));
    let handed_over = seen(store.changed_rows(&made).await.unwrap());
    assert_eq!(handed_over, seen(store.index_rows(&ids).await.unwrap()));
    assert_eq!(handed_over.len(), 2);
    // Handed over only once: from then on they are read.
    s.run("UPDATE feedback SET text = 'changed'").await;
    assert!(store.changed_rows(&made).await.unwrap().iter().all(|row| row.feedback.text == "changed"));
    // Rows changed after creation, or only changed, are read.
    let (one, two) = (submit(submission("again-1", None)).await, submit(submission("again-2", Some("Bob"))).await);
    s.run("UPDATE feedback SET text = 'changed again'").await;
    let rows = store.changed_rows(&[(one, true), (two, false), (one, false)]).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.feedback.text.as_str()).collect::<Vec<_>>(), ["changed again"; 2]);
});
