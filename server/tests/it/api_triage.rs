//! Changes of many items and undo, reports, files and links of tickets through the API.

use std::time::Duration;

use axum::http::{Method, StatusCode, header};
use domain::{
    accounts::{Role, Scope, key::Access},
    ids::FeedbackId,
};
use serde_json::{Value, json};

use crate::{
    api::{both, patch, places, post},
    keys::Program,
    on_both,
    support::{Page, TestApp},
};

const UNPROCESSABLE: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
const BULK: &str = "/api/v1/feedback/bulk";

/// Adds feedback and returns what a selection names it by.
async fn added(program: &Program, text: &str, tags: &[&str]) -> Value {
    let made = post(program, "/api/v1/feedback", &format!("add-{text}"), json!({ "text": text, "tags": tags })).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    json!({ "id": made.json()["id"], "version": made.json()["version"] })
}

async fn read(program: &Program, item: &Value) -> Value {
    program.get(&format!("/api/v1/feedback/{}", item["id"].as_str().unwrap())).await.json()
}

on_both!(many_items_are_changed_at_once_and_changed_back, |t: TestApp| async move {
    let (project, _, program) = both(&t, Access::Write).await;
    let (ann, _) = t.member(&project, "ann@example.com", Role::Triager).await;
    let (first, second) = (added(&program, "first", &[]).await, added(&program, "second", &["old"]).await);
    let body = json!({ "selection": { "items": [first, second] }, "change": { "assignee_id": ann } });
    let done = post(&program, BULK, "key-number-1", body.clone()).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.body);
    assert_eq!((&done.json()["changed"], &done.json()["unchanged"], &done.json()["conflicts"]), (&json!(2), &json!(0), &json!([])));
    assert_eq!(post(&program, BULK, "key-number-1", body).await.body, done.body, "a retry changes nothing");
    assert_eq!(read(&program, &second).await["assignee_id"], json!(ann));
    let undo = format!("/api/v1/undo/{}", done.json()["undo_id"].as_str().unwrap());
    let stranger = Program::new(&t, &project, Access::Write).await;
    places(&post(&stranger, &undo, "undo-key-0", json!({})).await, StatusCode::NOT_FOUND);
    let undone = post(&program, &undo, "undo-key-1", json!({})).await;
    assert_eq!((undone.status, undone.json()), (StatusCode::OK, json!({ "changed": 2, "unchanged": 0, "conflicts": [] })));
    assert_eq!(post(&program, &undo, "undo-key-1", json!({})).await.body, undone.body);
    places(&post(&program, &undo, "undo-key-2", json!({})).await, StatusCode::NOT_FOUND);
    assert_eq!(read(&program, &second).await["assignee_id"], Value::Null);

    // Someone else changes one of them meanwhile.
    let theirs = format!("/api/v1/feedback/{}", first["id"].as_str().unwrap());
    assert_eq!(patch(&stranger, &theirs, "*", json!({ "status": "resolved" })).await.status, StatusCode::OK);
    let body = json!({ "selection": { "items": [first, second] }, "change": { "status": "triaged" } });
    let done = post(&program, BULK, "key-number-2", body).await.json();
    assert_eq!((&done["changed"], done["conflicts"].as_array().unwrap().len()), (&json!(1), 1));
    let body = json!({ "selection": { "items": [first] }, "change": { "status": "triaged" } });
    places(&post(&program, BULK, "key-number-3", body).await, StatusCode::CONFLICT);

    let tags = |change: Value| json!({ "selection": { "query": "second" }, "change": change });
    let done = post(&program, BULK, "key-number-4", tags(json!({ "add_tags": ["New one", "b"] }))).await;
    assert_eq!((done.status, &done.json()["changed"]), (StatusCode::OK, &json!(1)), "{}", done.body);
    assert_eq!(read(&program, &second).await["tags"], json!(["b", "new-one", "old"]));
    let done = post(&program, BULK, "key-number-5", tags(json!({ "remove_tags": ["OLD", "b"] }))).await;
    assert_eq!(done.json()["changed"], 1, "{}", done.body);
    assert_eq!(read(&program, &second).await["tags"], json!(["new-one"]));

    let history = program.get(&format!("/api/v1/feedback/{}/history", second["id"].as_str().unwrap())).await.json();
    let latest = &history["items"][0];
    assert_eq!((&latest["by"], &latest["what"]), (&json!("Night train"), &json!("removed the tag b, old")));
});

on_both!(a_change_of_many_items_that_does_not_fit_is_refused_at_its_place, |t: TestApp| async move {
    let (project, other, program) = both(&t, Access::Write).await;
    let item = added(&program, "mine", &[]).await;
    let foreign = added(&Program::new(&t, &other, Access::Write).await, "theirs", &[]).await;
    let one = json!({ "items": [item] });
    let many: Vec<_> = (0..501).map(|_| item.clone()).collect();
    for (n, (selection, change, place)) in [
        (json!({}), json!({ "status": "new" }), "/selection"),
        (json!({ "items": [item], "query": "" }), json!({ "status": "new" }), "/selection"),
        (json!({ "items": [] }), json!({ "status": "new" }), "/selection"),
        (json!({ "items": many }), json!({ "status": "new" }), "/selection"),
        (json!({ "items": [{ "id": item["id"] }] }), json!({ "status": "new" }), "/selection/items/0/version"),
        (json!({ "query": "status:nothing" }), json!({ "status": "new" }), "/selection/query"),
        (json!([]), json!({ "status": "new" }), "/selection"),
        (one.clone(), json!({}), "/change"),
        (one.clone(), json!({ "status": "new", "assignee_id": null }), "/change"),
        (one.clone(), json!({ "status": "linked" }), "/change/status"),
        (one.clone(), json!({ "assignee_id": project.id }), "/change/assignee_id"),
        (one.clone(), json!({ "add_tags": [] }), "/change/add_tags"),
        (one.clone(), json!({ "remove_tags": ["ok", "a:b"] }), "/change/remove_tags/1"),
    ]
    .into_iter()
    .enumerate()
    {
        let body = json!({ "selection": selection, "change": change });
        assert_eq!(places(&post(&program, BULK, &format!("wrong-key-{n}"), body.clone()).await, UNPROCESSABLE), [place], "{n}");
    }
    let body = json!({ "selection": { "items": [item, foreign] }, "change": { "status": "triaged" } });
    assert_eq!(places(&post(&program, BULK, "key-number-1", body.clone()).await, UNPROCESSABLE), ["/selection/items/1/id"]);
    // A refused request frees its key: the retry is not told that it is still running.
    assert_eq!(places(&post(&program, BULK, "key-number-1", body.clone()).await, UNPROCESSABLE), ["/selection/items/1/id"]);
    let nothing = json!({ "selection": { "query": "no such words" }, "change": { "status": "new" } });
    let nothing = post(&program, BULK, "key-number-3", nothing).await;
    let expected = json!({ "changed": 0, "unchanged": 0, "conflicts": [], "undo_id": null });
    assert_eq!((nothing.status, nothing.json()), (StatusCode::OK, expected), "{}", nothing.body);
    let without = program.send(Method::POST, BULK, &[], &body.to_string()).await;
    assert_eq!(places(&without, StatusCode::BAD_REQUEST), ["Idempotency-Key"]);
    assert_eq!(read(&program, &item).await["version"], item["version"]);
    let reader = Program::new(&t, &project, Access::Read).await;
    places(&post(&reader, BULK, "key-number-2", body).await, StatusCode::FORBIDDEN);
});

/// Sends a request while this item is locked, disconnects, and retries until there is a response.
async fn disconnected(t: &TestApp, program: &Program, (item, scope): (&Value, Scope), path: &str, key: &str, body: Value) -> Page {
    let id: FeedbackId = item["id"].as_str().unwrap().parse().unwrap();
    let ((locked, is_locked), (free, freed)) = (tokio::sync::oneshot::channel(), tokio::sync::oneshot::channel::<()>());
    let app = t.app.clone();
    let lock = tokio::spawn(async move {
        let held = app.store.act(app.context(&scope), move |act| {
            Box::pin(async move {
                act.feedback_for_update(id).await?;
                locked.send(()).unwrap();
                drop(freed.await);
                Ok(())
            })
        });
        let held: service::error::Result<()> = held.await;
        held.unwrap();
    });
    is_locked.await.unwrap();
    let sent = post(program, path, key, body.clone());
    assert!(tokio::time::timeout(Duration::from_millis(500), sent).await.is_err(), "it waits for the lock");
    free.send(()).unwrap();
    lock.await.unwrap();
    loop {
        let page = post(program, path, key, body.clone()).await;
        if page.status != StatusCode::CONFLICT {
            return page;
        }
        assert_eq!(page.json()["code"], "running");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

on_both!(a_change_of_many_items_is_finished_after_a_disconnect_and_made_once, |t: TestApp| async move {
    let (project, _, program) = both(&t, Access::Write).await;
    let scope = Scope::system(project.id);
    let item = added(&program, "mine", &[]).await;
    let body = json!({ "selection": { "query": "mine" }, "change": { "status": "triaged" } });
    let done = disconnected(&t, &program, (&item, scope), BULK, "key-number-0", body).await;
    assert_eq!((done.status, &done.json()["changed"]), (StatusCode::OK, &json!(1)), "{}", done.body);
    assert_eq!(done.headers["idempotency-replayed"], "true");
    let undo = format!("/api/v1/undo/{}", done.json()["undo_id"].as_str().unwrap());
    let undone = post(&program, &undo, "undo-key-1", json!({})).await;
    assert_eq!((undone.status, &undone.json()["changed"]), (StatusCode::OK, &json!(1)), "{}", undone.body);

    let body = json!({ "selection": { "query": "mine" }, "change": { "status": "resolved" } });
    let done = post(&program, BULK, "key-number-1", body).await.json();
    let undo = format!("/api/v1/undo/{}", done["undo_id"].as_str().unwrap());
    let undone = disconnected(&t, &program, (&item, scope), &undo, "undo-key-2", json!({})).await;
    assert_eq!((undone.status, &undone.json()["changed"]), (StatusCode::OK, &json!(1)), "{}", undone.body);
    assert_eq!(undone.headers["idempotency-replayed"], "true");
});

on_both!(results_are_the_numbers_of_the_page, |t: TestApp| async move {
    let (project, other, program) = both(&t, Access::Admin).await;
    let survey = post(&program, "/api/v1/surveys", "key-number-1", json!({ "name": "Lately", "template": "nps" })).await;
    let path = survey.location().to_owned();
    assert_eq!(post(&program, &format!("{path}/publish"), "key-number-2", json!({ "revision": 1 })).await.status, StatusCode::OK);
    for (n, number) in [10, 10, 9, 9, 9, 8, 7, 6, 0, 10].into_iter().enumerate() {
        let answers =
            json!({ "answers": [{ "question_id": "q1", "number": number }, { "question_id": "q2", "text": format!("Because {n}") }] });
        let made = post(&program, &format!("{path}/responses"), &format!("response-{n}"), answers).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    }
    let reader = Program::new(&t, &project, Access::Read).await;
    let results = reader.get(&format!("{path}/results")).await;
    assert_eq!(results.status, StatusCode::OK, "{}", results.body);
    let results = results.json();
    assert_eq!((&results["started"], &results["finished"], &results["spam"]), (&json!(10), &json!(10), &json!(0)));
    assert_eq!(results["periods"].as_array().unwrap().last().unwrap()["started"], 10);
    let (nps, text) = (&results["questions"][0], &results["questions"][1]);
    assert_eq!((&nps["question"]["id"], &nps["answers"], &nps["is_asked"]), (&json!("q1"), &json!(10), &json!(true)));
    // Six promoters, two detractors.
    assert_eq!((&nps["score"]["measure"], nps["score"]["value"].as_f64().unwrap().round()), (&json!("nps"), 40.0));
    assert!(nps["score"]["low"].as_f64() < Some(40.0) && nps["score"]["high"].as_f64() > Some(40.0));
    assert_eq!((&nps["numbers"][9], nps["numbers"].as_array().unwrap().len()), (&json!({ "number": 9, "count": 3 }), 11));
    assert_eq!((text["texts"].as_array().unwrap().len(), &text["score"]), (5, &Value::Null));

    let none = reader.get(&format!("{path}/results?to=2020-01-01")).await.json();
    assert_eq!((&none["started"], &none["questions"][0]["score"], &none["periods"]), (&json!(0), &Value::Null, &json!([])));
    for (query, place) in [("from=tomorrow", "from"), ("to=", "to"), ("from=2026-02-02&to=2026-02-01", "to"), ("days=7", "days")] {
        assert_eq!(places(&reader.get(&format!("{path}/results?{query}")).await, UNPROCESSABLE), [place]);
    }
    places(&Program::new(&t, &other, Access::Read).await.get(&format!("{path}/results")).await, StatusCode::NOT_FOUND);
});

/// Opens a ticket and returns its path.
async fn ticket(program: &Program) -> String {
    let body = json!({ "subject": "Refund", "message": "I was charged twice.", "email": "ann@example.com" });
    let made = post(program, "/api/v1/tickets", "ticket-key", body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    made.location().to_owned()
}

on_both!(the_desk_report_counts_open_tickets_and_waiting_times, |t: TestApp| async move {
    let (_, _, program) = both(&t, Access::Write).await;
    let path = ticket(&program).await;
    let report = program.get("/api/v1/desk/report").await.json();
    assert_eq!(
        (&report["days"], &report["total"], &report["opened"], &report["unanswered"]),
        (&json!(30), &json!(1), &json!(1), &json!(1))
    );
    let open = json!([{ "state": "open", "age_from_days": 0, "age_to_days": 1, "tickets": 1, "unassigned": 1, "urgent": 0 }]);
    assert_eq!(report["open"], open);
    t.clock.advance_ms(3_600_000);
    post(&program, &format!("{path}/messages"), "key-number-1", json!({ "kind": "reply", "body": "Done", "close": true })).await;
    let report = program.get("/api/v1/desk/report").await.json();
    assert_eq!((&report["open"], &report["oldest_unanswered_at"]), (&json!([]), &Value::Null));
    let nothing_said = json!({ "tickets": 1, "median_ms": null, "median_low_ms": null, "median_high_ms": null, "p90_ms": null });
    assert_eq!((&report["first_response"], &report["resolution"]), (&nothing_said, &nothing_said));
});

on_both!(files_are_attached_to_messages_and_downloaded, |t: TestApp| async move {
    let (_, other, program) = both(&t, Access::Write).await;
    let path = ticket(&program).await;
    let messages = format!("{path}/messages");
    let file = json!({ "name": "in/voice.txt", "content": "SGVsbG8=" });
    let reply = json!({ "kind": "reply", "body": "", "attachments": [file] });
    let sent = post(&program, &messages, "key-number-1", reply.clone()).await;
    assert_eq!(sent.status, StatusCode::CREATED, "{}", sent.body);
    assert_eq!(post(&program, &messages, "key-number-1", reply).await.body, sent.body);
    let ticket = sent.json();
    let attached = &ticket["messages"][1]["attachments"];
    assert_eq!((attached.as_array().unwrap().len(), &attached[0]["size"]), (1, &json!(5)));
    let url = format!("{path}/attachments/{}", attached[0]["id"].as_str().unwrap());
    let file = program.get(&url).await;
    assert_eq!((file.status, file.body.as_str()), (StatusCode::OK, "Hello"));
    assert_eq!(file.headers[header::CONTENT_TYPE], "application/octet-stream");
    assert_eq!(file.headers[header::CACHE_CONTROL], "private, no-store");
    assert!(file.headers[header::CONTENT_DISPOSITION].to_str().unwrap().starts_with("attachment"));
    places(&Program::new(&t, &other, Access::Write).await.get(&url).await, StatusCode::NOT_FOUND);
    // The requester does not get the file of a note; the team does.
    // Some encoders leave bits that no byte uses.
    let note = json!({ "kind": "note", "body": "See", "attachments": [{ "name": "a.txt", "content": "SGVsbG9=" }] });
    let noted = post(&program, &messages, "key-number-2", note).await.json();
    let id = noted["messages"][2]["attachments"][0]["id"].as_str().unwrap();
    assert_eq!(program.get(&format!("{path}/attachments/{id}")).await.body, "Hello");

    // Larger than other requests may be.
    let content = "QUFB".repeat(400_000);
    let large = json!({ "kind": "note", "body": "Large", "attachments": [{ "name": "a.txt", "content": content }] });
    let large = post(&program, &messages, "key-number-3", large).await;
    assert_eq!((large.status, &large.json()["messages"][3]["attachments"][0]["size"]), (StatusCode::CREATED, &json!(1_200_000)));
    let many: Vec<_> = (0..11).map(|_| json!({ "name": "a.txt", "content": "SGVsbG8=" })).collect();
    let huge: Vec<_> = (0..3).map(|_| json!({ "name": "a.txt", "content": "QUFB".repeat(1_180_000) })).collect();
    for (n, (attachments, place)) in [
        (json!([{ "name": "a.txt", "content": "SGVsbG8" }]), "/attachments/0/content"),
        (json!([{ "name": "a.txt", "content": "" }]), "/attachments/0/content"),
        (json!([{ "name": "a.txt" }]), "/attachments/0/content"),
        (json!([{ "name": "", "content": "SGVsbG8=" }]), "/attachments/0/name"),
        (json!(vec![json!({ "name": "", "content": "" }); 300_000]), "/attachments"),
        (json!(many), "/attachments"),
        (json!(huge), "/attachments"),
        (json!([]), "/body"),
    ]
    .into_iter()
    .enumerate()
    {
        let body = json!({ "kind": "reply", "body": "", "attachments": attachments });
        assert_eq!(places(&post(&program, &messages, &format!("wrong-key-{n}"), body).await, UNPROCESSABLE), [place], "{n}");
    }
    let too_large = json!({ "kind": "reply", "body": "x".repeat(16 << 20) });
    places(&post(&program, &messages, "key-number-4", too_large).await, StatusCode::PAYLOAD_TOO_LARGE);
    let gone = program.send(Method::DELETE, &messages, &[], "").await;
    places(&gone, StatusCode::METHOD_NOT_ALLOWED);
});

on_both!(a_link_is_renewed_and_shown_once, |t: TestApp| async move {
    let (project, _, program) = both(&t, Access::Write).await;
    let path = ticket(&program).await;
    let renew = format!("{path}/renew-link");
    let shown = post(&program, &renew, "key-number-1", json!({ "show": true })).await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.body);
    let link = shown.json()["link"].as_str().unwrap().to_owned();
    let page = t.anonymous().get(link.strip_prefix("http://earshot.test").unwrap()).await;
    assert!(page.status == StatusCode::OK && page.body.contains("I was charged twice."));
    let again = post(&program, &renew, "key-number-1", json!({ "show": true })).await;
    assert_eq!((again.status, &again.json()["link"]), (StatusCode::OK, &Value::Null));
    let another = post(&program, &renew, "key-number-2", json!({ "show": true })).await.json();
    assert_ne!(another["link"], json!(link));
    assert_eq!(t.anonymous().get(link.strip_prefix("http://earshot.test").unwrap()).await.status, StatusCode::NOT_FOUND);
    // This installation sends no e-mail.
    places(&post(&program, &renew, "key-number-3", json!({})).await, StatusCode::CONFLICT);
    let reader = Program::new(&t, &project, Access::Read).await;
    places(&post(&reader, &renew, "key-number-4", json!({ "show": true })).await, StatusCode::FORBIDDEN);
    let item = post(&program, "/api/v1/backlog", "key-number-5", json!({ "title": "Refunds" })).await.location().to_owned();
    let history = reader.get(&format!("{item}/history")).await.json();
    assert_eq!(history["items"][0]["what"], "created this");
});
