//! Idempotency keys: a retry is the same action, and other content with the same key is never accepted and then dropped.

use axum::http::StatusCode;
use domain::{
    DomainError as Refusal,
    accounts::{Role, Scope},
};
use service::error::Result;
use store::{Fingerprint, IdempotencyScope, IdempotentWrite};

use crate::{
    on_both,
    support::{Client, Page, TestApp, sample},
};

async fn count(t: &TestApp, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(t.app.store.reader()).await.unwrap()
}

/// A scope whose stored form is `name`.
fn scope(name: &str) -> IdempotencyScope {
    IdempotencyScope::PasswordReset(name.into())
}

async fn write(t: &TestApp, once: IdempotentWrite, value: i32) -> Result<i32> {
    t.app.store.write_idempotent(once, t.app.now(), move |_| Box::pin(async move { Ok(value) })).await
}

on_both!(a_key_stands_for_its_content, |t: TestApp| async move {
    let form = |content: &str| IdempotentWrite::form(&scope("forms"), "one-old-key", Fingerprint::of([content]));
    assert_eq!(write(&t, form("a"), 1).await.unwrap(), 1);
    assert_eq!(write(&t, form("a"), 2).await.unwrap(), 1, "a retry");
    assert_eq!(write(&t, form("b"), 3).await.unwrap(), 3, "another act");
    assert_eq!(write(&t, form("b"), 4).await.unwrap(), 3, "a retry of that");
    assert_eq!(write(&t, form("a"), 5).await.unwrap(), 1);
    // A rejected write stores no key.
    let refused = t.app.store.write_idempotent(form("c"), t.app.now(), |_| Box::pin(async { Err::<i32, _>(Refusal::Forbidden.into()) }));
    assert!(refused.await.is_err());
    assert_eq!(write(&t, form("c"), 6).await.unwrap(), 6);

    let program = |content: &str| IdempotentWrite::program(&scope("programs"), "one-old-key", Fingerprint::of([content]));
    assert_eq!(write(&t, program("a"), 7).await.unwrap(), 7);
    assert_eq!(write(&t, program("a"), 8).await.unwrap(), 7);
    assert_eq!(write(&t, program("b"), 9).await.unwrap_err().refusal(), Some(&Refusal::KeyReused));

    // Of concurrent writes with two different contents, each content is written once.
    let calls =
        (0..20).map(|n| write(&t, IdempotentWrite::form(&scope("twins"), "the-same-key", Fingerprint::of([(n % 2).to_string()])), n));
    let mut answers: Vec<i32> = futures_util::future::join_all(calls).await.into_iter().map(Result::unwrap).collect();
    answers.sort_unstable();
    answers.dedup();
    assert!(answers.len() == 2 && answers[0] % 2 != answers[1] % 2, "{answers:?}");
});

on_both!(a_key_from_before_fingerprints_answers_any_repeat, |t: TestApp| async move {
    let old = t.app.store.write(|tx| {
        Box::pin(async move {
            sqlx::query("INSERT INTO idempotency (scope, key, outcome, created_at) VALUES ('old', 'an-old-key', '41', 0)")
                .execute(tx.conn())
                .await?;
            Ok(())
        })
    });
    old.await.unwrap();
    for content in ["a", "b"] {
        assert_eq!(write(&t, IdempotentWrite::form(&scope("old"), "an-old-key", Fingerprint::of([content])), 1).await.unwrap(), 41);
        assert_eq!(write(&t, IdempotentWrite::program(&scope("old"), "an-old-key", Fingerprint::of([content])), 1).await.unwrap(), 41);
    }
});

/// A form of the console, and the number of rows it creates.
struct Console {
    path: String,
    fixed: Vec<(&'static str, &'static str)>,
    /// The field that is changed after going back, and its two values.
    typed: (&'static str, &'static str, &'static str),
    rows: &'static str,
}

impl Console {
    async fn send(&self, client: &Client, content: &str) -> Page {
        let mut fields = self.fixed.clone();
        fields.extend([(self.typed.0, content), ("idempotency_key", "the-key-of-the-form")]);
        client.post(&self.path, &fields).await
    }
}

on_both!(what_a_person_writes_after_going_back_is_written, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let record = sample(&t.app, project.id, "The map stays empty. Nothing is drawn.");
    let feedback = record.id;
    t.app.store.write(move |tx| Box::pin(async move { tx.insert_feedback(&record, None).await })).await.unwrap();
    let made = service::tickets::submit(&t.app, &project, "key-00000001", testing::submission("Till", "It beeps.")).await.unwrap();
    let form = |path: String, fixed: &[(&'static str, &'static str)], typed, rows| Console { path, fixed: fixed.to_vec(), typed, rows };
    let forms = [
        form(format!("/p/my-app/feedback/{feedback}/comments"), &[], ("body", "First", "Second"), "SELECT COUNT(*) FROM comments"),
        form(
            format!("/p/my-app/feedback/{}/note", made.feedback),
            &[],
            ("note", "First", "Second"),
            "SELECT COUNT(*) FROM ticket_messages WHERE author = 'note'",
        ),
        form("/p/my-app/backlog".into(), &[("body", "")], ("title", "First", "Second"), "SELECT COUNT(*) FROM backlog_items"),
        form(
            format!("/p/my-app/feedback/{feedback}/backlog"),
            &[("quote", ""), ("importance", "normal")],
            ("title", "Third", "Fourth"),
            "SELECT COUNT(*) - 2 FROM backlog_items",
        ),
        form("/p/my-app/replies".into(), &[("name", "Thanks")], ("body", "First", "Second"), "SELECT COUNT(*) FROM canned_replies"),
        form("/p/my-app/keys".into(), &[("scope", "read"), ("days", "")], ("name", "First", "Second"), "SELECT COUNT(*) FROM api_keys"),
        form(
            "/p/my-app/members".into(),
            &[("role", "viewer")],
            ("email", "first@example.com", "second@example.com"),
            "SELECT COUNT(*) FROM invitations",
        ),
        form(
            "/p/my-app/webhooks".into(),
            &[("url", "https://receiver.example/hook"), ("kinds", "feedback.created")],
            ("note", "First", "Second"),
            "SELECT COUNT(*) FROM webhook_endpoints",
        ),
        form("/p/my-app/surveys/new".into(), &[("template", "blank")], ("name", "First", "Second"), "SELECT COUNT(*) FROM surveys"),
        form("/projects/new".into(), &[("origins", "")], ("name", "First", "Second"), "SELECT COUNT(*) - 1 FROM projects"),
    ];
    for form in forms {
        let (_, first, second) = form.typed;
        // Names of replies are unique, so the second form is rejected and creates nothing, which is not the subject of this test.
        let refuses = form.path.ends_with("/replies");
        for (content, rows) in [(first, 1), (first, 1), (second, if refuses { 1 } else { 2 }), (second, if refuses { 1 } else { 2 })] {
            let page = form.send(&owner, content).await;
            let refused = refuses && content == second;
            assert_eq!(page.status == StatusCode::UNPROCESSABLE_ENTITY, refused, "{}: {} {}", form.path, page.status, page.body);
            assert!(page.status.is_success() || page.status == StatusCode::SEE_OTHER || refused, "{}: {}", form.path, page.status);
            assert!(!refused || page.body.contains("Second"), "what was typed stays: {}", page.body);
            assert_eq!(count(&t, form.rows).await, rows, "{} {content}", form.path);
        }
    }
});

on_both!(of_each_address_one_invitation_is_open, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let (_, _) = t.member(&project, "ann@example.com", Role::Admin).await;
    let link = |page: &Page| -> String {
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        let from = page.body.find("/invite/").unwrap_or_else(|| panic!("no link: {}", page.body));
        page.body[from..].split(['<', '"', '&']).next().unwrap().to_owned()
    };
    let mut links = Vec::new();
    for (n, address) in ["New.User@Example.Test", "new.user@example.test", " new.user@example.test "].iter().enumerate() {
        let page = owner.post("/p/my-app/members", &[("role", "triager"), ("email", address)]).await;
        assert_eq!(page.body.contains("It replaces the earlier invitation for this address"), n > 0, "{}", page.body);
        assert_eq!(page.body.matches("Revoke the invitation for new.user@example.test").count(), 1, "{}", page.body);
        links.push(link(&page));
    }
    let last = links.pop().unwrap();
    for old in &links {
        assert_eq!(t.anonymous().get(old).await.status, StatusCode::NOT_FOUND, "an old link is dead");
    }
    assert_eq!(t.anonymous().get(&last).await.status, StatusCode::OK);
    // Invitations without an address, for other addresses and in other projects stay.
    for email in ["", "", "other@example.test"] {
        let page = owner.post("/p/my-app/members", &[("role", "viewer"), ("email", email)]).await;
        assert!(!page.body.contains("It replaces"), "{}", page.body);
    }
    let scope = Scope::system(project.id);
    assert_eq!(t.app.store.open_invitations(&scope, t.app.now()).await.unwrap().len(), 4);
    owner.post("/projects/new", &[("name", "Second"), ("origins", "")]).await;
    let page = owner.post("/p/second/members", &[("role", "viewer"), ("email", "new.user@example.test")]).await;
    assert!(!page.body.contains("It replaces"), "{}", page.body);
    assert_eq!(t.anonymous().get(&last).await.status, StatusCode::OK);
    // An expired invitation is replaced without a notice.
    t.clock.advance_ms(8 * 86_400_000);
    let page = owner.post("/p/my-app/members", &[("role", "triager"), ("email", "new.user@example.test")]).await;
    assert!(!page.body.contains("It replaces") && page.status == StatusCode::OK, "{}", page.body);
    let twins =
        (0..6).map(|n| {
            let (owner, key) = (&owner, format!("at-once-{n}"));
            async move {
                owner.post("/p/my-app/members", &[("role", "viewer"), ("email", "twin@example.test"), ("idempotency_key", &key)]).await
            }
        });
    futures_util::future::join_all(twins).await;
    let open = t.app.store.open_invitations(&scope, t.app.now()).await.unwrap();
    assert_eq!(open.iter().filter(|i| i.email.as_deref() == Some("twin@example.test")).count(), 1);
});

on_both!(an_import_form_takes_another_file_or_says_no, |t: TestApp| async move {
    let (_, owner) = t.owner().await;
    let send = async |name: &str, text: &str| {
        let body = format!(
            "--x\r\nContent-Disposition: form-data; name=\"idempotency_key\"\r\n\r\nimport-key-1\r\n--x\r\n\
             Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n{text}\r\n--x--\r\n"
        );
        let headers = [("content-type", "multipart/form-data; boundary=x"), ("sec-fetch-site", "same-origin")];
        owner.send(axum::http::Method::POST, "/p/my-app/imports", &headers, axum::body::Body::from(body)).await
    };
    let first = send("a.csv", "text\none\n").await;
    assert_eq!(first.status, StatusCode::SEE_OTHER, "{}", first.body);
    assert_eq!(send("a.csv", "text\none\n").await.location(), first.location());
    let second = send("12%22 b.csv", "text\ntwo\n").await;
    assert!(second.status == StatusCode::SEE_OTHER && second.location() != first.location(), "{}", second.body);
    assert!(owner.get(second.location()).await.body.contains("12\" b.csv"));
    let refused = send("a.csv", "text\nthree\n").await;
    assert!(refused.status == StatusCode::UNPROCESSABLE_ENTITY && refused.body.contains("This upload was already used for another file"));
    assert_eq!(count(&t, "SELECT COUNT(*) FROM imports").await, 2);
});
