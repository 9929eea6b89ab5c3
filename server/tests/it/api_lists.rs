//! Contacts, tags, comments and canned replies through the API.

use axum::http::{Method, StatusCode, header};
use domain::accounts::key::Access;
use serde_json::{Value, json};

use crate::{
    api::{both, patch, places, post, tag},
    keys::Program,
    on_both,
    support::TestApp,
};

const UNPROCESSABLE: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;

/// The values of a field on all pages of a list.
async fn all(program: &Program, path: &str, field: &str) -> Vec<String> {
    let (mut found, mut url) = (Vec::new(), path.to_owned());
    loop {
        let page = program.get(&url).await;
        assert_eq!(page.status, StatusCode::OK, "{url}: {}", page.body);
        found.extend(page.json()["items"].as_array().unwrap().iter().map(|item| item[field].as_str().unwrap().to_owned()));
        let Some(next) = page.headers.get(header::LINK) else { return found };
        url = next.to_str().unwrap().strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned();
    }
}

on_both!(contacts_are_listed_searched_and_read, |t: TestApp| async move {
    let (project, other, program) = both(&t, Access::Write).await;
    let foreign = Program::new(&t, &other, Access::Admin).await;
    let give = async |program: &Program, n: usize, contact: Value| {
        t.clock.advance_ms(5);
        let made = post(program, "/api/v1/feedback", &format!("give-key-{n}"), json!({ "text": "Hello", "contact": contact })).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
        made.json()
    };
    let ann = json!({ "id": "u_81", "email": "Ann@Example.com", "name": "Ann Archer", "attributes": { "plan": "pro" } });
    let said = give(&program, 1, ann).await;
    give(&program, 2, json!({ "email": "bob@example.com" })).await;
    give(&program, 3, json!({ "name": "Cy 100%" })).await;
    give(&foreign, 4, json!({ "email": "ann@example.com", "name": "Another Ann" })).await;
    // An anonymous contact is not listed.
    post(&program, "/api/v1/feedback", "give-key-5", json!({ "text": "Hello" })).await;

    let list = program.get("/api/v1/contacts").await.json();
    let first: Vec<&Value> = list["items"].as_array().unwrap().iter().map(|c| &c["name"]).collect();
    assert_eq!(first, [&json!("Cy 100%"), &Value::Null, &json!("Ann Archer")]);
    assert_eq!(all(&program, "/api/v1/contacts?limit=1", "id").await.len(), 3);
    let known = &list["items"][2];
    assert_eq!((&known["id"], &known["email"]), (&said["contact_id"], &json!("ann@example.com")));
    assert_eq!((&known["external_id"], &known["attributes"]), (&json!("u_81"), &json!({ "plan": "pro" })));
    assert_eq!(known["verified"], json!(["id", "email", "name", "attributes"]));
    let path = format!("/api/v1/contacts/{}", known["id"].as_str().unwrap());
    assert_eq!(program.get(&path).await.json(), *known);
    places(&foreign.get(&path).await, StatusCode::NOT_FOUND);
    let reader = Program::new(&t, &project, Access::Read).await;
    assert_eq!(reader.get(&path).await.status, StatusCode::OK);

    for (query, count) in [
        ("q=archer", 1),
        ("q=EXAMPLE", 2),
        ("q=u_8", 1),
        ("q=u%258", 0),
        ("q=100%25", 1),
        ("q=_", 1),
        ("email=ANN%40example.com", 1),
        ("email=ann", 0),
        ("external_id=u_81", 1),
        ("external_id=u_81&email=bob%40example.com", 0),
        ("q=nobody", 0),
    ] {
        let found = program.get(&format!("/api/v1/contacts?{query}")).await;
        assert_eq!(found.json()["items"].as_array().unwrap().len(), count, "{query}: {}", found.body);
    }
    assert_eq!(places(&program.get("/api/v1/contacts?cursor=x").await, StatusCode::NOT_FOUND), ["cursor"]);
    assert_eq!(places(&program.get("/api/v1/contacts?name=x").await, UNPROCESSABLE), ["name"]);
    let once = [("idempotency-key", "key-number-1")];
    assert_eq!(program.send(Method::POST, "/api/v1/contacts", &once, "{}").await.status, StatusCode::METHOD_NOT_ALLOWED);
});

on_both!(tags_are_counted, |t: TestApp| async move {
    let (_, other, program) = both(&t, Access::Write).await;
    let foreign = Program::new(&t, &other, Access::Write).await;
    for (n, tags) in [json!(["billing"]), json!(["billing", "api"]), json!(["étude", "zoo"]), json!([])].iter().enumerate() {
        post(&program, "/api/v1/feedback", &format!("give-key-{n}"), json!({ "text": "Hello", "tags": tags })).await;
    }
    post(&foreign, "/api/v1/feedback", "give-key-9", json!({ "text": "Hello", "tags": ["theirs", "billing"] })).await;
    let list = program.get("/api/v1/tags").await.json();
    assert_eq!(
        list["items"],
        json!([{ "name": "api", "feedback": 1 }, { "name": "billing", "feedback": 2 }, { "name": "zoo", "feedback": 1 },
            { "name": "étude", "feedback": 1 }])
    );
    assert_eq!(all(&program, "/api/v1/tags?limit=1", "name").await, ["api", "billing", "zoo", "étude"]);
    for cursor in ["x", "", "bm9uc2Vuc2U"] {
        assert_eq!(places(&program.get(&format!("/api/v1/tags?cursor={cursor}")).await, StatusCode::NOT_FOUND), ["cursor"]);
    }
});

on_both!(comments_are_written_once_and_read, |t: TestApp| async move {
    let (project, other, program) = both(&t, Access::Write).await;
    let made = post(&program, "/api/v1/feedback", "key-number-1", json!({ "text": "Hello" })).await;
    let path = format!("{}/comments", made.location());
    assert_eq!(program.get(&path).await.json(), json!({ "items": [], "next_cursor": null }));
    let body = json!({ "body": "Three customers asked for this." });
    let comment = post(&program, &path, "key-number-2", body.clone()).await;
    assert_eq!((comment.status, &comment.json()["author_name"]), (StatusCode::CREATED, &json!("Night train")), "{}", comment.body);
    assert_eq!(post(&program, &path, "key-number-2", body).await.body, comment.body);
    assert_eq!(program.get(comment.location()).await.json(), comment.json());
    t.clock.advance_ms(5);
    post(&program, &path, "key-number-3", json!({ "body": "Four now." })).await;
    assert_eq!(all(&program, &format!("{path}?limit=1"), "body").await, ["Four now.", "Three customers asked for this."]);
    for (n, (body, place)) in
        [(json!({}), "/body"), (json!({ "body": " \u{7}" }), "/body"), (json!({ "body": "x".repeat(10_001) }), "/body")]
            .into_iter()
            .enumerate()
    {
        assert_eq!(places(&post(&program, &path, &format!("wrong-key-{n}"), body).await, UNPROCESSABLE), [place]);
    }
    let foreign = Program::new(&t, &other, Access::Admin).await;
    for path in [path.as_str(), comment.location()] {
        places(&foreign.get(path).await, StatusCode::NOT_FOUND);
    }
    places(&post(&foreign, &path, "key-number-4", json!({ "body": "Theirs" })).await, StatusCode::NOT_FOUND);
    // A comment can only be accessed through its own feedback.
    let second = post(&program, "/api/v1/feedback", "key-number-5", json!({ "text": "Hello" })).await;
    let id = comment.json()["id"].as_str().unwrap().to_owned();
    places(&program.get(&format!("{}/comments/{id}", second.location())).await, StatusCode::NOT_FOUND);
    let reader = Program::new(&t, &project, Access::Read).await;
    assert_eq!(reader.get(&path).await.status, StatusCode::OK);
    places(&post(&reader, &path, "key-number-6", json!({ "body": "No" })).await, StatusCode::FORBIDDEN);
});

on_both!(canned_replies_are_kept, |t: TestApp| async move {
    let (project, other, program) = both(&t, Access::Write).await;
    let body = json!({ "name": " Refund  sent ", "body": "Hi {name}, done." });
    let made = post(&program, "/api/v1/replies", "key-number-1", body.clone()).await;
    assert_eq!((made.status, &made.json()["name"]), (StatusCode::CREATED, &json!("Refund sent")), "{}", made.body);
    assert_eq!(post(&program, "/api/v1/replies", "key-number-1", body).await.body, made.body);
    let path = made.location();
    let read = program.get(path).await;
    assert_eq!(program.get("/api/v1/replies").await.json()["items"], json!([read.json()]));
    let change = json!({ "body": "Hi {name}, paid back." });
    assert_eq!(places(&program.send(Method::PATCH, path, &[], &change.to_string()).await, StatusCode::PRECONDITION_REQUIRED), ["If-Match"]);
    let done = patch(&program, path, &tag(&read), change.clone()).await;
    assert_eq!((done.status, &done.json()["name"], &done.json()["version"]), (StatusCode::OK, &json!("Refund sent"), &json!(2)));
    assert_eq!(patch(&program, path, &tag(&read), change).await.status, StatusCode::PRECONDITION_FAILED);
    let second = post(&program, "/api/v1/replies", "key-number-2", json!({ "name": "Other", "body": "Text" })).await;
    assert_eq!(places(&patch(&program, second.location(), "*", json!({ "name": "refund sent" })).await, UNPROCESSABLE), ["/name"]);
    for (n, (body, place)) in [
        (json!({ "name": "A" }), "/body"),
        (json!({ "name": "\u{7}", "body": "x" }), "/name"),
        (json!({ "name": "A", "body": "\u{7} " }), "/body"),
        (json!({ "name": "OTHER", "body": "x" }), "/name"),
        (json!({ "name": "x".repeat(81), "body": "x" }), "/name"),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(
            places(&post(&program, "/api/v1/replies", &format!("wrong-key-{n}"), body.clone()).await, UNPROCESSABLE),
            [place],
            "{body}"
        );
    }
    let (foreign, reader) = (Program::new(&t, &other, Access::Admin).await, Program::new(&t, &project, Access::Read).await);
    places(&foreign.get(path).await, StatusCode::NOT_FOUND);
    places(&patch(&foreign, path, "*", json!({ "name": "Theirs" })).await, StatusCode::NOT_FOUND);
    places(&foreign.send(Method::DELETE, path, &[], "").await, StatusCode::NOT_FOUND);
    assert_eq!(reader.get(path).await.status, StatusCode::OK);
    places(&reader.send(Method::DELETE, path, &[], "").await, StatusCode::FORBIDDEN);
    let gone = async || program.send(Method::DELETE, path, &[("idempotency-key", "key-number-3")], "").await.status;
    assert_eq!((gone().await, gone().await), (StatusCode::NO_CONTENT, StatusCode::NO_CONTENT));
    places(&program.get(path).await, StatusCode::NOT_FOUND);
});
