//! Imports through the API: upload, preview, start, and what can be done afterwards.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use domain::accounts::key::Access;
use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::{
    api::{both, places, post},
    keys::Program,
    on_both,
    support::{Page, TestApp},
};

const UNPROCESSABLE: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
const FILE: &str = "Comment,Topic,Stars\nThe export is slow,export,2\n,empty,3\nI like it,praise,9\n";

async fn upload(program: &Program, name: &str, once: &str, file: &str) -> Page {
    let headers = [("content-type", "text/csv"), ("idempotency-key", once)];
    program.send(Method::POST, &format!("/api/v1/imports?name={name}"), &headers, file).await
}

/// Runs the jobs that are due, and reads the import.
async fn worked(t: &TestApp, program: &Program, path: &str) -> Value {
    service::jobs::run_due(&t.app).await.unwrap();
    program.get(path).await.json()
}

on_both!(a_file_is_uploaded_previewed_imported_and_reverted, |t: TestApp| async move {
    let (_, _, program) = both(&t, Access::Admin).await;
    let made = upload(&program, "reviews.csv", "key-number-1", FILE).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let path = made.location().to_owned();
    assert_eq!(
        (&made.json()["status"], &made.json()["name"], &made.json()["mapping"]),
        (&json!("ready"), &json!("reviews.csv"), &Value::Null)
    );
    assert_eq!(upload(&program, "reviews.csv", "key-number-1", FILE).await.body, made.body, "a retry uploads nothing");
    assert_eq!(places(&upload(&program, "reviews.csv", "key-number-1", "text\nother\n").await, UNPROCESSABLE), ["Idempotency-Key"]);
    assert_eq!(places(&upload(&program, "other.csv", "key-number-1", FILE).await, UNPROCESSABLE), ["Idempotency-Key"]);
    assert_eq!(program.get("/api/v1/imports").await.json()["items"].as_array().unwrap().len(), 1);

    let guessed = post(&program, &format!("{path}/preview"), "key-number-2", json!({})).await;
    assert_eq!(guessed.status, StatusCode::OK, "{}", guessed.body);
    let guessed = guessed.json();
    assert_eq!(guessed["columns"], json!(["Comment", "Topic", "Stars"]));
    let columns = &guessed["mapping"]["columns"];
    assert_eq!(
        (&columns["text"], &columns["tag"], &guessed["mapping"]["add_tag"]),
        (&json!("Comment"), &json!(["Topic"]), &json!("reviews"))
    );
    assert_eq!((&guessed["checked"], &guessed["importable"], &guessed["problems"][0]["code"]), (&json!(3), &json!(2), &json!("no_text")));
    assert_eq!((&guessed["rows"][0]["text"], &guessed["rows"][1]["line"]), (&json!("The export is slow"), &json!(3)));
    let mut mapping = guessed["mapping"].clone();
    mapping["columns"]["text"] = json!("Words");
    let wrong = post(&program, &format!("{path}/preview"), "key-number-3", json!({ "mapping": mapping })).await.json();
    assert_eq!((&wrong["errors"][0]["pointer"], &wrong["rows"]), (&json!("/mapping/columns/text"), &json!([])));
    let refused = post(&program, &format!("{path}/start"), "key-number-4", json!({ "mapping": mapping })).await;
    assert_eq!(places(&refused, UNPROCESSABLE), ["/mapping/columns/text"]);

    mapping = guessed["mapping"].clone();
    mapping["columns"]["score_max"] = json!("10");
    let started = post(&program, &format!("{path}/start"), "key-number-5", json!({ "mapping": mapping })).await;
    assert_eq!(started.status, StatusCode::OK, "{}", started.body);
    let done = worked(&t, &program, &path).await;
    assert_eq!((&done["status"], &done["imported"], &done["rejected"]), (&json!("done"), &json!(2), &json!(1)), "{done}");
    assert_eq!((&done["mapping"]["columns"]["score_max"], &done["problems"][0]["lines"]), (&json!("10"), &json!([3])));
    let bad = program.get(&format!("{path}/bad-lines")).await.json();
    assert_eq!((&bad["items"][0]["line"], bad["items"].as_array().unwrap().len(), &bad["next_cursor"]), (&json!(3), 1, &Value::Null));
    places(&program.get(&format!("{path}/bad-lines?cursor=bGluZQ")).await, StatusCode::NOT_FOUND);
    places(&post(&program, &format!("{path}/start"), "key-number-6", json!({ "mapping": mapping })).await, StatusCode::CONFLICT);
    places(&program.send(Method::DELETE, &path, &[], "").await, StatusCode::CONFLICT);

    let reopened = post(&program, &format!("{path}/reopen"), "key-number-7", json!({})).await;
    assert_eq!((reopened.status, &reopened.json()["status"]), (StatusCode::OK, &json!("ready")), "{}", reopened.body);
    // Its rows were imported, so it is not deleted; it is only not imported again.
    places(&program.send(Method::DELETE, &path, &[], "").await, StatusCode::CONFLICT);
    assert_eq!(program.get(&path).await.json()["status"], "ready", "a refusal changes nothing");
    let cancelled = post(&program, &format!("{path}/cancel"), "key-number-a", json!({})).await;
    assert_eq!((cancelled.status, &cancelled.json()["status"]), (StatusCode::OK, &json!("cancelled")), "{}", cancelled.body);
    places(&post(&program, &format!("{path}/cancel"), "key-number-b", json!({})).await, StatusCode::CONFLICT);
    assert_eq!(post(&program, &format!("{path}/reopen"), "key-number-c", json!({})).await.status, StatusCode::OK);
    assert_eq!(post(&program, &format!("{path}/start"), "key-number-8", json!({ "mapping": mapping })).await.status, StatusCode::OK);
    assert_eq!(worked(&t, &program, &path).await["duplicates"], 2);
    let reverting = post(&program, &format!("{path}/revert"), "key-number-9", json!({})).await;
    assert_eq!(reverting.status, StatusCode::OK, "{}", reverting.body);
    let reverted = worked(&t, &program, &path).await;
    assert_eq!((&reverted["status"], &reverted["removed"]), (&json!("reverted"), &json!(2)));
});

on_both!(an_import_that_was_never_started_is_deleted, |t: TestApp| async move {
    let (project, other, program) = both(&t, Access::Admin).await;
    let path = upload(&program, "", "key-number-1", FILE).await.location().to_owned();
    assert_eq!(program.get(&path).await.json()["name"], "file.csv");
    places(&post(&program, &format!("{path}/cancel"), "key-number-2", json!({})).await, StatusCode::CONFLICT);
    let foreign = Program::new(&t, &other, Access::Admin).await;
    places(&foreign.send(Method::DELETE, &path, &[], "").await, StatusCode::NOT_FOUND);
    for status in [StatusCode::NO_CONTENT, StatusCode::NOT_FOUND] {
        assert_eq!(program.send(Method::DELETE, &path, &[], "").await.status, status);
    }
    assert_eq!(places(&upload(&program, "empty.csv", "key-number-3", "").await, UNPROCESSABLE), [""]);
    let json = [("content-type", "application/json"), ("idempotency-key", "key-number-4")];
    places(&program.send(Method::POST, "/api/v1/imports", &json, "{}").await, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let without = program.send(Method::POST, "/api/v1/imports", &[("content-type", "text/csv")], FILE).await;
    assert_eq!(places(&without, StatusCode::BAD_REQUEST), ["Idempotency-Key"]);
    let writer = Program::new(&t, &project, Access::Write).await;
    places(&upload(&writer, "a.csv", "key-number-5", FILE).await, StatusCode::FORBIDDEN);
    places(&writer.get("/api/v1/imports").await, StatusCode::FORBIDDEN);
    places(&program.send(Method::PUT, "/api/v1/imports", &[], "").await, StatusCode::METHOD_NOT_ALLOWED);

    let path = upload(&program, "dates.csv", "key-number-6", "text,date\nOne,01/02/2025\n").await.location().to_owned();
    for (n, (mapping, place)) in [
        (json!({ "columns": { "text": "text", "created_at": "date" } }), "/mapping/date_order"),
        (json!({ "columns": {} }), "/mapping/columns/text"),
        (json!({ "columns": { "words": "text" } }), "/mapping/columns/words"),
        (json!({ "columns": [] }), "/mapping/columns"),
        (json!({ "columns": { "text": "text" }, "encoding": "mine" }), "/mapping/encoding"),
        (json!({ "columns": { "text": "text" }, "add_tag": "a:b," }), "/mapping/add_tag"),
        (json!({ "columns": { "text": "text" }, "header_rows": 4 }), "/mapping/header_rows"),
        (json!({ "columns": { "text": "text" }, "add_tag": "x".repeat(61) }), "/mapping/add_tag"),
        (json!({ "columns": { "text": "text", "tag": vec!["date"; 21] } }), "/mapping/columns/tag"),
    ]
    .into_iter()
    .enumerate()
    {
        let page = post(&program, &format!("{path}/start"), &format!("wrong-key-{n}"), json!({ "mapping": mapping })).await;
        assert_eq!(places(&page, UNPROCESSABLE), [place], "{mapping}");
    }
    let tag = "x".repeat(60);
    let mapping = json!({ "columns": { "text": "text", "created_at": "date" }, "date_order": "month_first", "add_tag": tag });
    let started = post(&program, &format!("{path}/start"), "key-number-7", json!({ "mapping": mapping })).await;
    assert_eq!((started.status, &started.json()["mapping"]["date_order"]), (StatusCode::OK, &json!("month_first")), "{}", started.body);
});

on_both!(failed_uploads_leave_nothing_that_waits, |t: TestApp| async move {
    let (_, _, program) = both(&t, Access::Admin).await;
    for n in 0..25 {
        let (content, status) = match n % 5 {
            0 => ("\0\0binary\0".repeat(100), UNPROCESSABLE),
            _ => (String::new(), UNPROCESSABLE),
        };
        let page = upload(&program, "a.csv", &format!("failed-key-{n}"), &content).await;
        assert_eq!(page.status, status, "{n}: {}", page.body);
    }
    let large = upload(&program, "a.csv", "large-key", &"x".repeat((64 << 20) + 1)).await;
    places(&large, StatusCode::PAYLOAD_TOO_LARGE);
    let broken = futures_util::stream::iter([Ok("text\nOne\n".to_owned()), Err(std::io::Error::other("broken connection"))]);
    let headers = [("content-type", "text/csv"), ("idempotency-key", "failed-key-0")];
    let page = program.send_body(Method::POST, "/api/v1/imports?name=a.csv", &headers, axum::body::Body::from_stream(broken)).await;
    places(&page, StatusCode::BAD_REQUEST);
    for n in 0..20 {
        let endless = futures_util::stream::once(async { Ok::<_, std::io::Error>("text\n") }).chain(futures_util::stream::pending());
        let once = format!("dropped-key-{n}");
        let headers = [("content-type", "text/csv"), ("idempotency-key", once.as_str())];
        let sent = program.send_body(Method::POST, "/api/v1/imports", &headers, axum::body::Body::from_stream(endless));
        assert!(tokio::time::timeout(Duration::from_millis(100), sent).await.is_err(), "the client disconnects");
    }
    let all_gone = async {
        let uploading = "SELECT COUNT(*) FROM imports WHERE status = 'uploading'";
        while t.number(uploading).await > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), all_gone).await.unwrap();
    // The same key works for the retry of an upload that did not arrive.
    let made = upload(&program, "a.csv", "failed-key-0", FILE).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    assert_eq!(upload(&program, "a.csv", "failed-key-0", FILE).await.body, made.body);
    assert_eq!(places(&upload(&program, "a.csv", "failed-key-0", "text\nTwo\n").await, UNPROCESSABLE), ["Idempotency-Key"]);
    assert_eq!(program.get(made.location()).await.json()["status"], "ready", "a refused retry removes nothing");
    assert_eq!(program.get("/api/v1/imports").await.json()["items"].as_array().unwrap().len(), 1);
});

on_both!(one_of_two_starts_is_refused, |t: TestApp| async move {
    let (_, _, program) = both(&t, Access::Admin).await;
    let start = format!("{}/start", upload(&program, "reviews.csv", "key-number-1", FILE).await.location());
    let with = |tag: &str| json!({ "mapping": { "columns": { "text": "Comment" }, "add_tag": tag } });
    let (first, second) =
        tokio::join!(post(&program, &start, "key-number-2", with("one")), post(&program, &start, "key-number-3", with("two")));
    let (done, refused, tag) = if first.status == StatusCode::OK { (first, second, "one") } else { (second, first, "two") };
    assert_eq!((done.status, &done.json()["mapping"]["add_tag"]), (StatusCode::OK, &json!(tag)), "{}", done.body);
    places(&refused, StatusCode::CONFLICT);
});

on_both!(a_preview_is_read_again_for_a_retry, |t: TestApp| async move {
    let (_, _, program) = both(&t, Access::Admin).await;
    let preview = format!("{}/preview", upload(&program, "reviews.csv", "key-number-1", FILE).await.location());
    places(&program.send(Method::POST, &preview, &[], "{}").await, StatusCode::BAD_REQUEST);
    for _ in 0..2 {
        let page = post(&program, &preview, "key-number-2", json!({})).await;
        assert_eq!((page.status, page.headers.get("idempotency-replayed")), (StatusCode::OK, None), "{}", page.body);
    }
});
