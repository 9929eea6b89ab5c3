//! `/api/v1` through the router: requests and responses of each resource, and every error.

use axum::http::{Method, StatusCode, header};
use domain::{
    accounts::{Role, Scope, key::Access},
    ids::FeedbackId,
    projects::Project,
};
use serde_json::{Value, json};

use crate::{
    keys::Program,
    on_both,
    support::{Page, TestApp},
};

/// A project, another one, and a program with a key for the first.
pub async fn both(t: &TestApp, access: Access) -> (Project, Project, Program) {
    let (project, _) = t.owner().await;
    let other = service::projects::create(&t.app, "Other", vec![], None).await.unwrap();
    let program = Program::new(t, &project, access).await;
    (project, other, program)
}

pub async fn post(program: &Program, path: &str, once: &str, body: Value) -> Page {
    program.send(Method::POST, path, &[("idempotency-key", once)], &body.to_string()).await
}

pub async fn patch(program: &Program, path: &str, tag: &str, body: Value) -> Page {
    program.send(Method::PATCH, path, &[("if-match", tag)], &body.to_string()).await
}

pub fn tag(page: &Page) -> String {
    page.headers[header::ETAG].to_str().unwrap().to_owned()
}

/// Checks a problem document and returns the locations of its errors.
pub fn places(page: &Page, status: StatusCode) -> Vec<String> {
    assert_eq!(page.status, status, "{}", page.body);
    assert_eq!(page.headers[header::CONTENT_TYPE], "application/problem+json");
    let problem = page.json();
    assert_eq!(problem["status"], status.as_u16());
    assert_eq!(problem["type"], format!("urn:earshot:problem:{}", problem["code"].as_str().unwrap()));
    let place = |e: &Value| e.get("pointer").or(e.get("parameter")).or(e.get("header")).unwrap().as_str().unwrap().to_owned();
    problem["errors"].as_array().unwrap().iter().map(place).collect()
}

/// Waits for the index.
async fn until_found(program: &Program, query: &str, total: u64) -> Page {
    let found = async {
        loop {
            let page = program.get(&format!("/api/v1/feedback?q={query}")).await;
            if page.json()["total"] == total {
                return page;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    let found = tokio::time::timeout(std::time::Duration::from_secs(20), found).await;
    found.unwrap_or_else(|_| panic!("{query} never had {total} hits"))
}

on_both!(feedback_is_added_once_found_read_and_triaged, |t: TestApp| async move {
    let (project, _, program) = both(&t, Access::Write).await;
    let (ann, _) = t.member(&project, "ann@example.com", Role::Triager).await;
    let body = json!({
        "text": "The export forgets the last column.", "score": { "value": 3, "max": 10 }, "tags": ["Billing", "two words"],
        "contact": { "id": "u81", "email": "Bob@Example.com", "name": "Bob", "attributes": { "plan": "pro", "seats": 5 } },
        "page_url": "https://shop.example/cart", "release": "2.4.1",
    });
    let made = post(&program, "/api/v1/feedback", "key-number-1", body.clone()).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let item = made.json();
    assert_eq!((&item["kind"], &item["status"], &item["tags"]), (&json!("api"), &json!("new"), &json!(["billing", "two-words"])));
    assert_eq!(
        item["contact"],
        json!({ "id": "u81", "email": "bob@example.com", "name": "Bob", "attributes": { "plan": "pro", "seats": 5 },
            "verified": ["id", "email", "name", "attributes"], "identity": "team", "claimed": null })
    );
    let path = made.location().to_owned();
    assert_eq!(path, format!("/api/v1/feedback/{}", item["id"].as_str().unwrap()));

    // The same request returns the first response; another body with the same key is rejected.
    let again = post(&program, "/api/v1/feedback", "key-number-1", body).await;
    assert_eq!((again.status, &again.body, tag(&again)), (StatusCode::CREATED, &made.body, tag(&made)));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    let other = post(&program, "/api/v1/feedback", "key-number-1", json!({ "text": "Something else" })).await;
    assert_eq!(places(&other, StatusCode::UNPROCESSABLE_ENTITY), ["Idempotency-Key"]);
    let found = until_found(&program, "export", 1).await;
    assert_eq!(found.json()["items"][0]["id"], item["id"]);
    assert_eq!(found.json()["facets"]["tag"], json!({ "billing": 1, "two-words": 1 }));

    let read = program.get(&path).await;
    assert_eq!((read.status, tag(&read)), (StatusCode::OK, tag(&made)));
    assert_eq!(read.headers[header::CACHE_CONTROL], "private, no-cache");
    let known = program.send(Method::GET, &path, &[("if-none-match", &tag(&read))], "").await;
    assert_eq!((known.status, known.body.as_str()), (StatusCode::NOT_MODIFIED, ""));

    let change = json!({ "status": "triaged", "assignee_id": ann, "tags": ["billing", "new"] });
    let without = program.send(Method::PATCH, &path, &[], &change.to_string()).await;
    assert_eq!(places(&without, StatusCode::PRECONDITION_REQUIRED), ["If-Match"]);
    assert!(places(&patch(&program, &path, "\"other\"", change.clone()).await, StatusCode::PRECONDITION_FAILED).is_empty());
    let done = patch(&program, &path, &tag(&read), change.clone()).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.body);
    let now = done.json();
    assert_eq!((&now["status"], &now["tags"], &now["assignee_id"]), (&json!("triaged"), &json!(["billing", "new"]), &json!(ann)));
    // The version read before is stale now.
    assert_eq!(patch(&program, &path, &tag(&read), change).await.status, StatusCode::PRECONDITION_FAILED);
    let freed = patch(&program, &path, &tag(&done), json!({ "assignee_id": null })).await;
    assert_eq!((freed.status, &freed.json()["assignee_id"]), (StatusCode::OK, &Value::Null));
    // The history names the program.
    let id: FeedbackId = item["id"].as_str().unwrap().parse().unwrap();
    let history = t.app.store.history_entries(&Scope::system(project.id), id).await.unwrap();
    assert_eq!(history.len(), 5);
    assert!(history.iter().all(|entry| entry.by.as_deref() == Some("Night train")));
});

on_both!(what_does_not_fit_is_refused_at_its_place_and_changes_nothing, |t: TestApp| async move {
    let (project, _, program) = both(&t, Access::Write).await;
    let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
    for (n, (body, place)) in [
        (json!({}), "/text"),
        (json!({ "text": " \n" }), "/text"),
        (json!({ "text": "\u{19}" }), "/text"),
        (json!({ "text": "a", "contact": { "id": "\u{19}" } }), "/contact/id"),
        (json!({ "text": 7 }), "/text"),
        // An array is not an object, although its elements would match the fields in order.
        (json!([]), ""),
        (json!(["a"]), ""),
        (json!({ "text": "a", "score": [9, 10] }), "/score"),
        (json!({ "text": "a", "contact": ["u-1"] }), "/contact"),
        (json!({ "text": "x".repeat(20_001) }), "/text"),
        (json!({ "text": "a", "tags": ["ok", "a:b"] }), "/tags/1"),
        (json!({ "text": "a", "tags": ["ok", 3] }), "/tags/1"),
        (json!({ "text": "a", "score": { "value": 11, "max": 10 } }), "/score/value"),
        (json!({ "text": "a", "score": { "value": 1, "max": 10.5 } }), "/score/max"),
        (json!({ "text": "a", "page_url": "javascript:alert(1)" }), "/page_url"),
        (json!({ "text": "a", "contact": { "email": "nobody" } }), "/contact/email"),
        (json!({ "text": "a", "contact": { "attributes": { "a": [1] } } }), "/contact/attributes"),
        (json!({ "text": "a", "language": "English" }), "/language"),
        (json!({ "text": "a\u{0}b" }), ""),
        // Clients cannot set the fields that the server sets.
        (json!({ "text": "a", "id": "0199" }), "/id"),
        (json!({ "text": "a", "status": "resolved" }), "/status"),
        (json!({ "text": "a", "kind": "ticket" }), "/kind"),
        (json!({ "text": "a", "project_id": project.id }), "/project_id"),
        (json!({ "text": "a", "version": 9 }), "/version"),
        (json!({ "text": "a", "kind": "idea" }), "/kind"),
        (json!({ "text": "a", "contact": { "name": "A", "x/y": 1 } }), "/contact/x~1y"),
    ]
    .into_iter()
    .enumerate()
    {
        let page = post(&program, "/api/v1/feedback", &format!("wrong-key-{n}"), body.clone()).await;
        assert_eq!(places(&page, unprocessable), [place], "{body}");
    }
    let send = async |headers: &[(&str, &str)], body: &str| program.send(Method::POST, "/api/v1/feedback", headers, body).await;
    let once = ("idempotency-key", "key-number-1");
    assert_eq!(places(&send(&[], r#"{"text":"a"}"#).await, StatusCode::BAD_REQUEST), ["Idempotency-Key"]);
    assert_eq!(places(&send(&[("idempotency-key", "short")], r#"{"text":"a"}"#).await, unprocessable), ["Idempotency-Key"]);
    for broken in ["{", "nul", "{\"text\":\"a\"} x", "\u{feff}{}", &"[".repeat(10_000), &"{\"a\":".repeat(10_000)] {
        assert!(places(&send(&[once], broken).await, StatusCode::BAD_REQUEST).is_empty(), "{}", &broken[..broken.len().min(20)]);
    }
    assert_eq!(places(&send(&[once], r#"{"text":"a","text":"b"}"#).await, unprocessable), ["/text"]);
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/problem+json"] {
        places(&send(&[once, ("content-type", kind)], r#"{"text":"a"}"#).await, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let long = format!(r#"{{"text":"{}"}}"#, "x".repeat(300_000));
    places(&send(&[once], &long).await, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(program.get("/api/v1/feedback").await.json()["items"], json!([]));
    // None of these rejected requests used up the key.
    assert_eq!(send(&[once], r#"{"text":"a"}"#).await.status, StatusCode::CREATED);
});

on_both!(what_is_not_there_is_a_problem_too, |t: TestApp| async move {
    let (_, _, program) = both(&t, Access::Read).await;
    for path in ["/api/v1", "/api/v1/", "/api/v1/nothing", "/api/v1/feedback/", "/api/v1/feedback/nonsense", "/api/v1/feedback/%00"] {
        places(&program.get(path).await, StatusCode::NOT_FOUND);
    }
    let not_so = program.send(Method::DELETE, "/api/v1/feedback", &[], "").await;
    places(&not_so, StatusCode::METHOD_NOT_ALLOWED);
    let allowed = not_so.headers[header::ALLOW].to_str().unwrap();
    assert!(allowed.contains("GET") && allowed.contains("POST"), "{allowed}");
    for (path, place) in [
        ("/api/v1/feedback?q=status:what", "q"),
        ("/api/v1/feedback?limit=0", "limit"),
        ("/api/v1/feedback?limit=101", "limit"),
        ("/api/v1/feedback?limit=x", "limit"),
        ("/api/v1/feedback?sort=worst", "sort"),
        ("/api/v1/feedback?query=x", "query"),
        ("/api/v1/feedback?q=a&q=b", "q"),
        ("/api/v1/feedback?q=%00", "q"),
        ("/api/v1/backlog?status=done", "status"),
    ] {
        assert_eq!(places(&program.get(path).await, StatusCode::UNPROCESSABLE_ENTITY), [place], "{path}");
    }
    // The position in a query counts characters.
    let page = program.get("/api/v1/feedback?q=%C3%A9%C3%A9%20status:what").await;
    assert_eq!(page.json()["errors"][0]["position"], 10);
    for path in ["/api/v1/feedback", "/api/v1/backlog", "/api/v1/surveys", "/api/v1/tickets"] {
        for cursor in ["x", "", "bm9uc2Vuc2U", "na00"] {
            assert_eq!(
                places(&program.get(&format!("{path}?cursor={cursor}")).await, StatusCode::NOT_FOUND),
                ["cursor"],
                "{path} {cursor}"
            );
        }
    }
    // The document needs no key, and neither response sets a cookie.
    let document = t.anonymous().get("/api/v1/openapi.json").await;
    assert_eq!(document.status, StatusCode::OK);
    assert!(t.anonymous().get("/api/v1/feedback").await.headers.get(header::SET_COOKIE).is_none());
});

on_both!(a_key_reaches_its_scope_and_its_project_only, |t: TestApp| async move {
    let (project, other, admin) = both(&t, Access::Admin).await;
    let foreign = Program::new(&t, &other, Access::Admin).await;
    let made = post(&admin, "/api/v1/feedback", "key-number-1", json!({ "text": "Ours alone" })).await;
    let item = post(&admin, "/api/v1/backlog", "key-number-2", json!({ "title": "Ours alone" })).await;
    let ticket =
        post(&admin, "/api/v1/tickets", "key-number-3", json!({ "subject": "Ours alone", "message": "Help", "email": "a@b.example" }))
            .await;
    let survey = service::surveys::create(&t.app, &Scope::system(project.id), "nps", "Survey", "survey-key").await.unwrap();
    until_found(&admin, "ours", 2).await;
    let (feedback_path, item_path, ticket_path) = (made.location(), item.location(), ticket.location());
    let (feedback_id, item_id) = (made.json()["id"].as_str().unwrap().to_owned(), item.json()["id"].as_str().unwrap().to_owned());
    let link = format!("{item_path}/links/{feedback_id}");
    let paths = [
        feedback_path.to_owned(),
        item_path.to_owned(),
        format!("{item_path}/links"),
        ticket_path.to_owned(),
        format!("/api/v1/projects/{}", project.id),
        format!("/api/v1/surveys/{survey}"),
        format!("/api/v1/surveys/{survey}/responses"),
    ];
    for path in &paths {
        assert_eq!(admin.get(path).await.status, StatusCode::OK, "{path}");
        // Other projects' objects and nonexistent ones return the same response.
        assert!(places(&foreign.get(path).await, StatusCode::NOT_FOUND).is_empty(), "{path}");
    }
    for path in ["/api/v1/feedback?q=ours", "/api/v1/backlog", "/api/v1/tickets", "/api/v1/surveys"] {
        let page = foreign.get(path).await;
        assert_eq!(page.json()["items"], json!([]), "{path}");
        assert!(!page.body.contains("Ours"), "{path}");
    }
    let writes = [
        (Method::PATCH, feedback_path.to_owned(), json!({ "status": "spam" })),
        (Method::PATCH, item_path.to_owned(), json!({ "title": "Theirs" })),
        (Method::PATCH, ticket_path.to_owned(), json!({ "state": "closed" })),
        (Method::POST, format!("{ticket_path}/messages"), json!({ "kind": "reply", "body": "Hi" })),
        (Method::POST, format!("/api/v1/surveys/{survey}/responses"), json!({ "answers": [] })),
        (Method::PUT, link.clone(), json!({})),
        (Method::DELETE, link.clone(), json!({})),
    ];
    for (n, (method, path, body)) in writes.iter().enumerate() {
        let (once, headers) = (format!("foreign-key-{n}"), "*");
        let headers = [("idempotency-key", once.as_str()), ("if-match", headers)];
        let page = foreign.send(method.clone(), path, &headers, &body.to_string()).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{method} {path} {}", page.body);
    }
    // Feedback of one project cannot be linked to an item of another.
    let own = post(&foreign, "/api/v1/backlog", "key-number-4", json!({ "title": "Theirs" })).await;
    let mixed = foreign.send(Method::PUT, &format!("{}/links/{feedback_id}", own.location()), &[], "{}").await;
    assert_eq!(mixed.status, StatusCode::NOT_FOUND);
    // A read-only key is rejected before the body is validated.
    let reader = Program::new(&t, &project, Access::Read).await;
    for path in &paths {
        assert_eq!(reader.get(path).await.status, StatusCode::OK, "{path}");
    }
    let more = [(Method::POST, "/api/v1/feedback"), (Method::POST, "/api/v1/backlog"), (Method::POST, "/api/v1/tickets")];
    let more = more.map(|(method, path)| (method, path.to_owned(), json!({})));
    for (method, path, _) in writes.iter().chain(&more) {
        assert!(places(&reader.send(method.clone(), path, &[], "{").await, StatusCode::FORBIDDEN).is_empty(), "{method} {path}");
    }
    let after = admin.get(item_path).await.json();
    assert_eq!((&after["title"], &after["id"]), (&json!("Ours alone"), &json!(item_id)));
});

on_both!(backlog_items_are_made_changed_linked_and_listed, |t: TestApp| async move {
    let (_, _, program) = both(&t, Access::Write).await;
    let feedback = post(&program, "/api/v1/feedback", "key-number-1", json!({ "text": "Please keep all columns." })).await.json();
    let feedback_id = feedback["id"].as_str().unwrap();
    let body = json!({ "title": "  Keep   columns ", "body": "All of them" });
    let made = post(&program, "/api/v1/backlog", "key-number-2", body.clone()).await;
    assert_eq!((made.status, &made.json()["title"], &made.json()["number"]), (StatusCode::CREATED, &json!("Keep columns"), &json!(1)));
    assert_eq!(post(&program, "/api/v1/backlog", "key-number-2", body).await.body, made.body);
    let path = made.location();
    let link = format!("{path}/links/{feedback_id}");
    let put = async |body: &str| program.send(Method::PUT, &link, &[], body).await;
    let linked = put(r#"{"quote":"all columns","importance":"critical"}"#).await;
    assert_eq!((linked.status, &linked.json()["is_new"]), (StatusCode::OK, &json!(true)), "{}", linked.body);
    assert_eq!(put("").await.json()["is_new"], false);
    assert_eq!(places(&put(r#"{"quote":"no such words"}"#).await, StatusCode::UNPROCESSABLE_ENTITY), ["/quote"]);
    let links = program.get(&format!("{path}/links")).await.json();
    assert_eq!((&links["items"][0]["quote"], &links["items"][0]["feedback_id"]), (&json!("all columns"), &json!(feedback_id)));
    assert_eq!(program.get(&format!("/api/v1/feedback/{feedback_id}")).await.json()["status"], "linked");
    let read = program.get(path).await;
    assert_eq!(read.json()["evidence"], json!({ "people": 1, "feedback": 1, "critical": 0 }));

    let change = json!({ "title": "Keep every column", "body": "", "status": "in_progress" });
    let done = patch(&program, path, &tag(&read), change.clone()).await;
    assert_eq!(
        (done.status, &done.json()["status"], &done.json()["title"]),
        (StatusCode::OK, &json!("in_progress"), &json!("Keep every column"))
    );
    assert_eq!(patch(&program, path, &tag(&read), change).await.status, StatusCode::PRECONDITION_FAILED);
    for (body, place) in [
        (json!({ "title": "" }), "/title"),
        (json!({ "title": "\u{19}\t" }), "/title"),
        (json!({ "title": null }), "/title"),
        (json!({ "number": 7 }), "/number"),
        (json!({ "status": "done" }), "/status"),
    ] {
        assert_eq!(places(&patch(&program, path, "*", body).await, StatusCode::UNPROCESSABLE_ENTITY), [place]);
    }
    // A retry of a change returns the first response, although the version has changed since.
    let headers = [("if-match", tag(&done)), ("idempotency-key", "key-number-3".to_owned())];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let first = program.send(Method::PATCH, path, &headers, r#"{"status":"shipped"}"#).await;
    let retried = program.send(Method::PATCH, path, &headers, r#"{"status":"shipped"}"#).await;
    assert_eq!((first.status, &first.body), (StatusCode::OK, &retried.body));
    assert_eq!(retried.status, StatusCode::OK);

    for _ in 0..2 {
        assert_eq!(program.send(Method::DELETE, &link, &[], "").await.status, StatusCode::NO_CONTENT);
    }
    assert_eq!(program.get(&format!("/api/v1/feedback/{feedback_id}")).await.json()["status"], "triaged");

    for n in 0..4 {
        t.clock.advance_ms(if n == 2 { 0 } else { 5 });
        post(&program, "/api/v1/backlog", &format!("many-key-{n}"), json!({ "title": format!("Item {n}") })).await;
    }
    // Small pages return every item exactly once.
    let (mut numbers, mut url) = (Vec::new(), "/api/v1/backlog?limit=2".to_owned());
    loop {
        let page = program.get(&url).await;
        let list = page.json();
        numbers.extend(list["items"].as_array().unwrap().iter().map(|item| item["number"].as_i64().unwrap()));
        let Some(next) = page.headers.get(header::LINK) else {
            assert_eq!(list["next_cursor"], Value::Null);
            break;
        };
        let next = next.to_str().unwrap().strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap();
        assert!(next.contains(list["next_cursor"].as_str().unwrap()));
        url = next.to_owned();
    }
    assert_eq!(numbers, [5, 4, 3, 2, 1]);
    assert_eq!(program.get("/api/v1/backlog?q=Item&status=open&limit=100").await.json()["items"].as_array().unwrap().len(), 4);
});

on_both!(feedback_pages_join_up, |t: TestApp| async move {
    let (_, _, program) = both(&t, Access::Write).await;
    for n in 0..5 {
        t.clock.advance_ms(5);
        post(&program, "/api/v1/feedback", &format!("many-key-{n}"), json!({ "text": format!("Pear number {n}") })).await;
    }
    until_found(&program, "pear", 5).await;
    let (mut texts, mut url) = (Vec::new(), "/api/v1/feedback?q=pear&sort=oldest&limit=2".to_owned());
    loop {
        let page = program.get(&url).await;
        texts.extend(page.json()["items"].as_array().unwrap().iter().map(|item| item["text"].as_str().unwrap().to_owned()));
        let Some(next) = page.headers.get(header::LINK) else { break };
        url = next.to_str().unwrap().strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned();
    }
    assert_eq!(texts, (0..5).map(|n| format!("Pear number {n}")).collect::<Vec<_>>());
});

on_both!(surveys_are_read_and_answered, |t: TestApp| async move {
    let (project, _, program) = both(&t, Access::Write).await;
    let scope = Scope::system(project.id);
    let survey = service::surveys::create(&t.app, &scope, "nps", "Survey", "survey-key").await.unwrap();
    let path = format!("/api/v1/surveys/{survey}");
    let draft = program.get(&path).await.json();
    assert_eq!((&draft["status"], &draft["version_id"]), (&json!("draft"), &Value::Null));
    let questions = draft["questions"].as_array().unwrap().clone();
    assert_eq!((&questions[0]["type"], &questions[0]["max"]), (&json!("nps"), &json!(10)));
    let (score, words) = (questions[0]["id"].as_str().unwrap(), questions[1]["id"].as_str().unwrap());
    let answers = json!({
        "answers": [{ "question_id": score, "number": 9 }, { "question_id": words, "text": "Because it is quick" }],
        "contact": { "email": "ann@example.com" },
    });
    let responses = format!("{path}/responses");
    let early = post(&program, &responses, "key-number-1", answers.clone()).await;
    assert_eq!(early.status, StatusCode::CONFLICT, "{}", early.body);
    let revision = t.app.store.survey(&scope, survey).await.unwrap().unwrap().revision;
    service::surveys::publish(&t.app, &scope, survey, revision, "publish-key").await.unwrap();
    assert_eq!(program.get(&path).await.json()["status"], "live");
    // In JSON, 9.0 equals 9.
    let answers = json!({ "answers": [{ "question_id": score, "number": 9.0 }, answers["answers"][1]], "contact": answers["contact"] });
    let made = post(&program, &responses, "key-number-2", answers.clone()).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let response = made.json();
    assert_eq!(
        (&response["answers"][0]["number"], &response["source"], &response["contact"]),
        (&json!(9), &json!("api"), &json!("ann@example.com"))
    );
    assert_eq!(post(&program, &responses, "key-number-2", answers).await.body, made.body);
    assert_eq!(program.get(made.location()).await.json(), response);
    let list = program.get(&responses).await.json();
    assert_eq!(list["items"], json!([response]));
    assert_eq!(program.get(&format!("{responses}?spam=only")).await.json()["items"], json!([]));
    let feedback = program.get(&format!("/api/v1/feedback/{}", response["feedback_id"].as_str().unwrap())).await.json();
    assert_eq!((&feedback["kind"], &feedback["text"]), (&json!("survey_response"), &json!("Because it is quick")));
    for (n, (answers, place)) in [
        (json!([{ "question_id": "q99", "number": 9 }]), "/answers/0/question_id"),
        (json!([{ "question_id": score, "number": 9 }, { "question_id": score, "number": 8 }]), "/answers/1/question_id"),
        (json!([{ "question_id": score, "text": "9" }]), "/answers/0"),
        (json!([{ "question_id": score, "number": 9.5 }]), "/answers/0/number"),
        (json!([{ "question_id": score, "number": -1 }]), "/answers/0/number"),
        (json!([{ "question_id": words, "text": "a" }, { "question_id": score, "number": 11 }]), "/answers/1"),
        (json!([]), "/answers"),
    ]
    .into_iter()
    .enumerate()
    {
        let page = post(&program, &responses, &format!("wrong-key-{n}"), json!({ "answers": answers })).await;
        assert_eq!(places(&page, StatusCode::UNPROCESSABLE_ENTITY), [place], "{answers}");
    }
});

on_both!(tickets_are_opened_answered_and_closed, |t: TestApp| async move {
    let (project, _, program) = both(&t, Access::Write).await;
    let (ann, _) = t.member(&project, "ann@example.com", Role::Triager).await;
    let body = json!({ "subject": "Refund", "message": "I was charged twice.", "email": "Bob@Example.com", "name": "Bob" });
    let made = post(&program, "/api/v1/tickets", "key-number-1", body.clone()).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    assert_eq!(post(&program, "/api/v1/tickets", "key-number-1", body).await.body, made.body);
    let ticket = made.json();
    assert_eq!(
        (&ticket["number"], &ticket["state"], &ticket["requester"]["email"]),
        (&json!(1), &json!("open"), &json!("bob@example.com"))
    );
    let path = made.location();
    let messages = format!("{path}/messages");
    let note = post(&program, &messages, "key-number-2", json!({ "kind": "note", "body": "Looks right" })).await;
    assert_eq!((note.status, &note.json()["state"]), (StatusCode::CREATED, &json!("open")));
    let reply = json!({ "kind": "reply", "body": "Refunded." });
    let answered = post(&program, &messages, "key-number-3", reply.clone()).await;
    assert_eq!(post(&program, &messages, "key-number-3", reply).await.body, answered.body);
    let now = answered.json();
    assert_eq!(now["state"], "answered");
    let said: Vec<(&str, &str)> =
        now["messages"].as_array().unwrap().iter().map(|m| (m["author"].as_str().unwrap(), m["body"].as_str().unwrap())).collect();
    assert_eq!(said, [("requester", "I was charged twice."), ("note", "Looks right"), ("staff", "Refunded.")]);
    assert_eq!(now["messages"][2]["author_name"], "Night train");
    assert!(now["first_response_at"].is_string());

    let change = json!({ "priority": "high", "state": "closed", "assignee_id": ann });
    let done = patch(&program, path, &tag(&answered), change.clone()).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.body);
    let now = done.json();
    assert_eq!((&now["priority"], &now["state"], &now["assignee_id"]), (&json!("high"), &json!("closed"), &json!(ann)));
    assert_eq!(program.get(&format!("/api/v1/feedback/{}", now["feedback_id"].as_str().unwrap())).await.json()["status"], "resolved");
    assert_eq!(patch(&program, path, &tag(&answered), change).await.status, StatusCode::PRECONDITION_FAILED);
    // If one field is invalid, nothing is changed.
    let stranger = json!({ "priority": "low", "assignee_id": project.id });
    assert_eq!(places(&patch(&program, path, "*", stranger).await, StatusCode::UNPROCESSABLE_ENTITY), ["/assignee_id"]);
    assert_eq!(program.get(path).await.json(), now);
    for (body, place) in
        [(json!({ "state": "answered" }), "/state"), (json!({ "number": 7 }), "/number"), (json!({ "email": "x@y.example" }), "/email")]
    {
        assert_eq!(places(&patch(&program, path, "*", body).await, StatusCode::UNPROCESSABLE_ENTITY), [place]);
    }
    assert_eq!(patch(&program, path, "*", json!({ "state": "open" })).await.json()["state"], "open");
    assert_eq!(program.get("/api/v1/tickets?state=open").await.json()["items"].as_array().unwrap().len(), 1);
    assert_eq!(program.get("/api/v1/tickets?state=closed").await.json()["items"], json!([]));
});

on_both!(a_program_with_a_key_is_not_judged_by_the_portals_rules, |t: TestApp| async move {
    let (_, _, program) = both(&t, Access::Write).await;
    let links = "http://a.example http://b.example http://c.example http://d.example";
    let body = json!({ "subject": "Broken links", "message": links, "email": "bob@example.com" });
    let made = post(&program, "/api/v1/tickets", "key-number-1", body.clone()).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let feedback = program.get(&format!("/api/v1/feedback/{}", made.json()["feedback_id"].as_str().unwrap())).await.json();
    assert_eq!(feedback["status"], "new", "{feedback}");
    // The same key with other content is rejected, and does not return the first ticket.
    let other = json!({ "subject": "Broken links", "message": links, "email": "eve@example.com" });
    let refused = post(&program, "/api/v1/tickets", "key-number-1", other).await;
    assert!(refused.status == StatusCode::UNPROCESSABLE_ENTITY && refused.body.contains("reused"), "{}", refused.body);
    assert!(!refused.body.contains(made.json()["id"].as_str().unwrap()));
    // A closing note closes only once, as the reference says.
    let messages = format!("{}/messages", made.location());
    for _ in 0..2 {
        let note = post(&program, &messages, "key-number-2", json!({ "kind": "note", "body": "Solved by phone", "close": true })).await;
        assert_eq!((note.status, &note.json()["state"]), (StatusCode::CREATED, &json!("closed")), "{}", note.body);
        assert_eq!(note.json()["messages"].as_array().unwrap().len(), 2);
    }
});

on_both!(programs_need_no_origin_and_a_browser_on_another_site_gets_nothing, |t: TestApp| async move {
    let (_, _, program) = both(&t, Access::Write).await;
    let headers = [("idempotency-key", "key-number-1"), ("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")];
    // A request with a key is accepted from any origin; without CORS, browsers on other sites cannot read the response.
    let page = program.send(Method::POST, "/api/v1/feedback", &headers, r#"{"text":"a"}"#).await;
    assert_eq!(page.status, StatusCode::CREATED);
    assert!(page.headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN).is_none());
    let preflight = program.send(Method::OPTIONS, "/api/v1/feedback", &headers, "").await;
    assert_eq!(preflight.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(preflight.headers.get(header::ACCESS_CONTROL_ALLOW_METHODS).is_none());
});

on_both!(a_key_is_told_what_is_left_and_stopped_when_nothing_is, |config| config.settings.rate_per_api_key = 3, |t: TestApp| async move {
    let (project, _, program) = both(&t, Access::Read).await;
    for left in [2, 1, 0] {
        let page = program.get("/api/v1/me").await;
        assert_eq!(page.status, StatusCode::OK);
        assert_eq!(page.headers["ratelimit-policy"], "\"key\";q=3;w=60");
        assert!(page.headers["ratelimit"].to_str().unwrap().starts_with(&format!("\"key\";r={left};t=")));
    }
    let page = program.get("/api/v1/me").await;
    places(&page, StatusCode::TOO_MANY_REQUESTS);
    let wait: i64 = page.headers[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=20).contains(&wait), "{wait}");
    assert!(page.headers["ratelimit"].to_str().unwrap().starts_with("\"key\";r=0;"));
    // Another key of the same project has its own limit.
    assert_eq!(Program::new(&t, &project, Access::Read).await.get("/api/v1/me").await.status, StatusCode::OK);
    t.clock.advance_ms(wait * 1000);
    assert_eq!(program.get("/api/v1/me").await.status, StatusCode::OK);
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_operation_of_the_document_is_served_and_each_asks_for_a_key() {
    let t = TestApp::new(crate::support::Database::Sqlite).await.unwrap();
    let (_, _, program) = both(&t, Access::Admin).await;
    let document = t.anonymous().get("/api/v1/openapi.json").await.json();
    assert_eq!(document["openapi"].as_str().map(|v| &v[..3]), Some("3.1"));
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() >= 14);
    let id = "01990000-0000-7000-8000-000000000001";
    for (path, item) in paths {
        let mut real = path.clone();
        while let (Some(start), Some(end)) = (real.find('{'), real.find('}')) {
            real.replace_range(start..=end, id);
        }
        for method in ["get", "post", "put", "patch", "delete"] {
            let verb = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let anonymous = t.anonymous().send(verb.clone(), &real, &[], axum::body::Body::empty()).await;
            assert_eq!(anonymous.status, StatusCode::UNAUTHORIZED, "{method} {path}");
            let known = program.send(verb, &real, &[("if-match", "*"), ("idempotency-key", "key-number-1")], "").await;
            let described = &item[method];
            assert_eq!(known.status == StatusCode::METHOD_NOT_ALLOWED, described.is_null(), "{method} {path}");
            if !described.is_null() {
                assert!(described["responses"][known.status.as_str()].is_object(), "{method} {path}: {} is not described", known.status);
                assert!(described["summary"].is_string() && described["tags"].is_array(), "{method} {path}");
            }
        }
    }
}

on_both!(what_the_document_forbids_is_refused, |t: TestApp| async move {
    let (_, _, program) = both(&t, Access::Write).await;
    let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
    for (path, most) in [("/api/v1/backlog", 300), ("/api/v1/feedback", 2000), ("/api/v1/export/feedback", 2000)] {
        // Lengths count characters, as in the document.
        let fits = program.get(&format!("{path}?q={}", "%C3%A9".repeat(most))).await;
        assert_eq!(fits.status, StatusCode::OK, "{path}: {}", fits.body);
        let long = program.get(&format!("{path}?q={}", "%C3%A9".repeat(most + 1))).await;
        assert_eq!(places(&long, unprocessable), ["q"], "{path}");
        let document = t.anonymous().get("/api/v1/openapi.json").await.json();
        let parameters = document["paths"][path]["get"]["parameters"].as_array().unwrap().clone();
        let q = parameters.into_iter().find(|p| p["name"] == "q").unwrap();
        assert_eq!(q["schema"]["maxLength"], most, "{path}");
    }
    let made = post(&program, "/api/v1/backlog", "key-number-1", json!({ "title": "One" })).await;
    for no_tag in ["mine", "", "\"open", "W/", "*, \"a\""] {
        let page = patch(&program, made.location(), no_tag, json!({ "title": "Two" })).await;
        assert_eq!(places(&page, unprocessable), ["If-Match"], "{no_tag:?}");
    }
    // An invalid `If-None-Match` is ignored, as HTTP requires.
    let read = program.send(Method::GET, made.location(), &[("if-none-match", "mine")], "").await;
    assert_eq!((read.status, &read.json()["title"]), (StatusCode::OK, &json!("One")));
    let several = format!("\"a\", W/{}", tag(&read));
    let known = program.send(Method::GET, made.location(), &[("if-none-match", &several)], "").await;
    assert_eq!(known.status, StatusCode::NOT_MODIFIED);
    assert_eq!(patch(&program, made.location(), &format!("\"a\", {}", tag(&read)), json!({ "title": "Two" })).await.status, StatusCode::OK);
});

/// A nonexistent id.
const ANY: &str = "01990000-0000-7000-8000-000000000000";

/// The texts in a schema: the location, the maximum length, and a surrounding body with null in its place. Skips lists of words (tags,
/// choices), which are validated separately.
fn texts(document: &Value, schema: &Value) -> Vec<(String, usize, Value)> {
    if let Some(name) = schema["$ref"].as_str() {
        return texts(document, document.pointer(name.trim_start_matches('#')).unwrap());
    }
    let around = |part: &str, schema: &Value, wrap: &dyn Fn(Value) -> Value| -> Vec<(String, usize, Value)> {
        let inner = texts(document, schema).into_iter();
        inner.map(|(place, most, body)| (format!("/{part}{place}"), most, wrap(body))).collect()
    };
    let mut found: Vec<_> =
        schema["maxLength"].as_u64().map(|most| (String::new(), usize::try_from(most).unwrap(), Value::Null)).into_iter().collect();
    found.extend(["oneOf", "anyOf", "allOf"].iter().filter_map(|of| schema[of].as_array()).flatten().flat_map(|one| texts(document, one)));
    let with_required = |name: &str, body: Value| {
        let others = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).filter(|other| *other != name);
        let others = others.map(|other| (other.to_owned(), least(document, &schema["properties"][other])));
        Value::Object(others.chain([(name.to_owned(), body)]).collect())
    };
    found.extend(
        schema["properties"].as_object().into_iter().flatten().flat_map(|(name, one)| around(name, one, &|body| with_required(name, body))),
    );
    if schema["items"]["type"] != "string" && schema["items"].is_object() {
        found.extend(around("0", &schema["items"], &|body| json!([body])));
    }
    found
}

/// The shortest value of a schema's type.
fn least(document: &Value, schema: &Value) -> Value {
    if let Some(name) = schema["$ref"].as_str() {
        return least(document, document.pointer(name.trim_start_matches('#')).unwrap());
    }
    if let Some(one) = ["oneOf", "anyOf", "allOf"].iter().find_map(|of| schema[of].get(0)) {
        return least(document, one);
    }
    match (schema["enum"].get(0), schema["type"].as_str().or_else(|| schema["type"][0].as_str())) {
        (Some(word), _) => word.clone(),
        (_, Some("array")) => (0..schema["minItems"].as_u64().unwrap_or(0)).map(|_| least(document, &schema["items"])).collect(),
        (_, Some("object")) => {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
            // Where one of several properties must be given, the first one.
            let at_least = usize::from(schema["minProperties"] == 1);
            let first = schema["properties"].as_object().into_iter().flat_map(|all| all.keys().take(at_least).cloned());
            let names: std::collections::BTreeSet<_> = required.chain(first).collect();
            Value::Object(names.into_iter().map(|name| (name.clone(), least(document, &schema["properties"][&name]))).collect())
        }
        (_, Some("integer" | "number")) => json!(1),
        (_, Some("boolean")) => json!(true),
        _ => json!("x"),
    }
}

on_both!(lengths_are_those_of_what_was_sent, |t: TestApp| async move {
    let (_, _, program) = both(&t, Access::Write).await;
    let document = t.anonymous().get("/api/v1/openapi.json").await.json();
    let mut seen = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (verb, operation) in item.as_object().unwrap() {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            for (place, most, body) in texts(&document, schema) {
                // Characters that are dropped or trimmed before storing count too.
                let send = async |text: String| {
                    let body = body.to_string().replace("null", &json!(text).to_string());
                    let path = path.split('/').map(|part| if part.starts_with('{') { ANY } else { part }).collect::<Vec<_>>().join("/");
                    program
                        .send(verb.to_uppercase().parse().unwrap(), &path, &[("idempotency-key", "key-number-1"), ("if-match", "*")], &body)
                        .await
                };
                let long = send(format!("\u{1}{} ", "é".repeat(most - 1))).await;
                assert_eq!(places(&long, StatusCode::UNPROCESSABLE_ENTITY), [place.as_str()], "{path}");
                assert_eq!(long.json()["errors"][0]["code"], "too_long", "{path}");
                let fits = send("é".repeat(most)).await;
                assert!(!fits.body.contains("too_long"), "{path} {place}: {}", fits.body);
                seen.push(format!("{path}{place}"));
            }
        }
    }
    assert!(seen.len() > 25, "{seen:?}");
    assert!(
        seen.iter().any(|place| place.ends_with("/answers/0/text")) && seen.iter().any(|place| place.ends_with("/contact/name")),
        "{seen:?}"
    );
});

on_both!(what_can_never_be_done_is_refused_before_the_state_is_looked_at, |t: TestApp| async move {
    let (_, _, program) = both(&t, Access::Write).await;
    let item = post(&program, "/api/v1/backlog", "key-number-1", json!({ "title": "One" })).await;
    let feedback = post(&program, "/api/v1/feedback", "key-number-2", json!({ "text": "One" })).await;
    let bad = [
        (item.location(), json!({ "title": "\u{1} " }), "/title"),
        (feedback.location(), json!({ "tags": ["fine", "\"odd\""] }), "/tags/1"),
        (feedback.location(), json!({ "tags": ["a\tb"] }), "/tags/0"),
        (feedback.location(), json!({ "tags": [format!("a{}b", " ".repeat(59))] }), "/tags/0"),
    ];
    for (path, body, place) in bad {
        let page = patch(&program, path, "\"other\"", body).await;
        assert_eq!(places(&page, StatusCode::UNPROCESSABLE_ENTITY), [place]);
    }
    for (path, body) in [(item.location(), json!({ "title": "Two" })), (feedback.location(), json!({ "tags": ["fine"] }))] {
        assert_eq!(patch(&program, path, "\"other\"", body).await.status, StatusCode::PRECONDITION_FAILED);
    }
});

/// Reads a list to its end in small pages, calling `meanwhile` between them. Returns the ids.
async fn all_pages(program: &Program, first: &str, mut meanwhile: impl AsyncFnMut(usize)) -> Vec<String> {
    let (mut ids, mut url) = (Vec::new(), first.to_owned());
    for n in 0..100 {
        let page = program.get(&url).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        ids.extend(page.json()["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        let Some(next) = page.headers.get(header::LINK) else { return ids };
        url = next.to_str().unwrap().strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned();
        meanwhile(n).await;
    }
    panic!("the pages of {first} have no end");
}

on_both!(pages_miss_and_repeat_nothing_while_more_arrives, |t: TestApp| async move {
    let (_, _, program) = both(&t, Access::Write).await;
    for kind in ["feedback", "backlog", "tickets"] {
        let body = |n: usize| match kind {
            "feedback" => json!({ "text": format!("Pear {n}") }),
            "backlog" => json!({ "title": format!("Item {n}") }),
            _ => json!({ "subject": format!("Ticket {n}"), "message": "Help", "email": "a@b.example" }),
        };
        let path = format!("/api/v1/{kind}");
        let mut before = Vec::new();
        for n in 0..7 {
            // Some in the same millisecond, so that the time alone does not determine the position.
            t.clock.advance_ms(i64::from(n % 3 == 0));
            let made = post(&program, &path, &format!("{kind}-key-{n}"), body(n)).await;
            before.push(made.json()["id"].as_str().unwrap().to_owned());
        }
        if kind == "feedback" {
            until_found(&program, "pear", 7).await;
        }
        let orders: &[&str] = if kind == "feedback" { &["&q=pear&sort=newest", "&q=pear&sort=oldest"] } else { &[""] };
        for (round, order) in orders.iter().enumerate() {
            let ids = all_pages(&program, &format!("{path}?limit=2{order}"), async |n| {
                t.clock.advance_ms(1);
                let once = format!("{kind}-late-{round}-{n}");
                // Limited, because a list sorted oldest first would otherwise never end.
                if n < 3 {
                    assert_eq!(post(&program, &path, &once, body(100 + n)).await.status, StatusCode::CREATED);
                    t.app.search.wait_until_caught_up(std::time::Duration::from_secs(10)).await;
                }
            })
            .await;
            for id in &before {
                assert_eq!(ids.iter().filter(|other| *other == id).count(), 1, "{kind}{order}: {id}");
            }
            let once: std::collections::HashSet<_> = ids.iter().collect();
            assert_eq!(once.len(), ids.len(), "{kind}{order}: something came twice");
        }
    }
});

on_both!(facets_are_those_of_the_console, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let program = Program::new(&t, &project, Access::Write).await;
    for n in 0..9 {
        let tags: &[&str] = if n % 3 == 0 { &["billing"] } else { &["billing", "export"] };
        let body = json!({ "text": format!("Pear {n}"), "tags": tags, "release": if n < 4 { "2.4.1" } else { "2.5.0" } });
        let made = post(&program, "/api/v1/feedback", &format!("facet-key-{n}"), body).await;
        if n % 4 == 0 {
            assert_eq!(patch(&program, made.location(), &tag(&made), json!({ "status": "triaged" })).await.status, StatusCode::OK);
        }
    }
    until_found(&program, "pear%20status:triaged", 3).await;
    for query in ["pear", "pear%20tag:export", "pear%20status:triaged"] {
        let list = program.get(&format!("/api/v1/feedback?q={query}")).await.json();
        let console = owner.get(&format!("/p/my-app/inbox?q={query}")).await.body;
        assert!(console.contains(&format!("{} item", list["total"])), "{query}: {console}");
        let facets = list["facets"].as_object().unwrap();
        let mut compared = 0;
        for (field, label) in [("status", None), ("tag", Some("")), ("release", Some(""))] {
            for (value, count) in facets[field].as_object().unwrap() {
                let name = if label.is_none() { value[..1].to_uppercase() + &value[1..] } else { value.clone() };
                let says = format!("aria-label=\"{name}, {count} item{}", if count == 1 { "" } else { "s" });
                assert!(console.contains(&says), "{query}: the console does not say {says}");
                compared += 1;
            }
        }
        assert!(compared >= 3, "{query}: {list}");
    }
});

on_both!(feedback_of_another_system_keeps_its_time_and_its_id, |t: TestApp| async move {
    let (_, _, program) = both(&t, Access::Write).await;
    let body = json!({ "text": "From the old help desk.", "created_at": "2026-05-04T11:30:00+02:00", "external_id": "desk-4711" });
    let made = post(&program, "/api/v1/feedback", "move-key-0001", body.clone()).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    assert_eq!((&made.json()["created_at"], &made.json()["external_id"]), (&json!("2026-05-04T09:30:00Z"), &json!("desk-4711")));
    assert_eq!(program.get(made.location()).await.json()["external_id"], "desk-4711");
    // A retry with a fresh key, from a program that lost the first one, creates no second record.
    let again = post(&program, "/api/v1/feedback", "move-key-0002", body).await;
    assert_eq!(places(&again, StatusCode::UNPROCESSABLE_ENTITY), ["/external_id"]);
    for (at, place) in [
        (json!({ "text": "x", "created_at": "2127-01-01T00:00:00Z" }), "/created_at"),
        (json!({ "text": "x", "created_at": "yesterday" }), "/created_at"),
        (json!({ "text": "x", "created_at": "1969-12-31T23:59:59Z" }), "/created_at"),
        (json!({ "text": "x", "external_id": " \u{7}" }), "/external_id"),
    ] {
        let refused = post(&program, "/api/v1/feedback", &format!("move-key-{at}").replace(' ', "")[..40], at.clone()).await;
        assert_eq!(places(&refused, StatusCode::UNPROCESSABLE_ENTITY), [place], "{at}");
    }
    let found = until_found(&program, "desk%20before:2026-06-01", 1).await.json();
    assert_eq!(found["items"][0]["id"], made.json()["id"]);
    let without = post(&program, "/api/v1/feedback", "move-key-0003", json!({ "text": "Now" })).await.json();
    assert_eq!(without["external_id"], Value::Null);
});
