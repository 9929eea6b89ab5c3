//! Surveys through the API: creating them, editing drafts, publishing, pausing and closing.

use axum::http::{Method, StatusCode};
use domain::accounts::{Scope, key::Access};
use serde_json::{Value, json};

use crate::{
    api::{both, patch, places, post, tag},
    keys::Program,
    on_both,
    support::TestApp,
};

const UNPROCESSABLE: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;

fn questions() -> Value {
    json!([
        { "type": "nps", "title": "Would you recommend us?", "required": true, "low": "No", "high": "Yes" },
        { "type": "single_choice", "title": "Why?", "choices": [{ "label": "Price" }, { "label": "Service" }], "other": true },
    ])
}

on_both!(a_survey_is_made_edited_published_and_closed, |t: TestApp| async move {
    let (project, _, program) = both(&t, Access::Admin).await;
    let body =
        json!({ "name": " After checkout ", "title": "How was it?", "questions": questions(), "launch": { "on": "delay", "seconds": 5 } });
    let made = post(&program, "/api/v1/surveys", "key-number-1", body.clone()).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    assert_eq!((&made.json()["name"], &made.json()["status"]), (&json!("After checkout"), &json!("draft")));
    let again = post(&program, "/api/v1/surveys", "key-number-1", body).await;
    assert_eq!((&again.body, again.headers["idempotency-replayed"].to_str().unwrap()), (&made.body, "true"));
    assert_eq!(program.get("/api/v1/surveys").await.json()["items"].as_array().unwrap().len(), 1);
    let path = made.location().to_owned();
    assert_eq!(program.get(&path).await.json(), made.json());

    let draft_path = format!("{path}/draft");
    let read = program.get(&draft_path).await;
    let draft = read.json();
    assert_eq!((&draft["revision"], &draft["has_changes"], &draft["language"]), (&json!(1), &json!(true), &json!("en")));
    assert_eq!(draft["launch"], json!({ "on": "delay", "seconds": 5 }));
    assert_eq!((&draft["questions"][0]["id"], &draft["questions"][1]["choices"][1]["id"]), (&json!("q1"), &json!("c4")), "{draft}");

    // A modified draft is sent back: existing ids stay, new entries get one.
    let mut all = draft["questions"].clone();
    all[1]["choices"].as_array_mut().unwrap().push(json!({ "label": "Something new" }));
    all[1]["type"] = json!("multiple_choice");
    all.as_array_mut().unwrap().insert(0, json!({ "type": "statement", "title": "Welcome" }));
    let change = json!({ "name": "After paying", "questions": all });
    let without = program.send(Method::PATCH, &draft_path, &[], &change.to_string()).await;
    assert_eq!(places(&without, StatusCode::PRECONDITION_REQUIRED), ["If-Match"]);
    let done = patch(&program, &draft_path, &tag(&read), change.clone()).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.body);
    let now = done.json();
    let ids: Vec<&str> = now["questions"].as_array().unwrap().iter().map(|q| q["id"].as_str().unwrap()).collect();
    assert_eq!((ids, &now["questions"][2]["choices"][2]["id"]), (vec!["q5", "q1", "q2"], &json!("c6")));
    assert_eq!((&now["revision"], &now["name"], &now["title"]), (&json!(2), &json!("After paying"), &json!("How was it?")));
    assert_eq!(patch(&program, &draft_path, &tag(&read), change).await.status, StatusCode::PRECONDITION_FAILED);

    // The status cannot be set before the first publication, and publication needs the revision of the draft.
    let early = patch(&program, &path, "*", json!({ "status": "paused" })).await;
    assert_eq!(places(&early, UNPROCESSABLE), ["/status"]);
    let publish = format!("{path}/publish");
    let stale = post(&program, &publish, "key-number-2", json!({ "revision": 1 })).await;
    assert_eq!(stale.status, StatusCode::CONFLICT, "{}", stale.body);
    let published = post(&program, &publish, "key-number-3", json!({ "revision": 2 })).await;
    assert_eq!((published.status, &published.json()["number"], &published.json()["is_new"]), (StatusCode::OK, &json!(1), &json!(true)));
    assert_eq!(post(&program, &publish, "key-number-3", json!({ "revision": 2 })).await.body, published.body);
    let same = post(&program, &publish, "key-number-4", json!({ "revision": 2 })).await.json();
    assert_eq!((&same["is_new"], &same["version_id"]), (&json!(false), &published.json()["version_id"]));
    assert_eq!(program.get(&draft_path).await.json()["has_changes"], false);

    let live = program.get(&path).await;
    assert_eq!((&live.json()["status"], &live.json()["version_id"]), (&json!("live"), &published.json()["version_id"]));
    let paused = patch(&program, &path, &tag(&live), json!({ "status": "paused" })).await;
    assert_eq!((paused.status, &paused.json()["status"]), (StatusCode::OK, &json!("paused")), "{}", paused.body);
    assert_eq!(patch(&program, &path, &tag(&live), json!({ "status": "closed" })).await.status, StatusCode::PRECONDITION_FAILED);
    for status in ["closed", "live"] {
        assert_eq!(patch(&program, &path, "*", json!({ "status": status })).await.json()["status"], status);
    }

    let versions = program.get(&format!("{path}/versions")).await.json();
    assert_eq!(versions["items"].as_array().unwrap().len(), 1);
    let version = &versions["items"][0];
    assert_eq!((&version["id"], &version["published_by"]), (&published.json()["version_id"], &json!("Night train")));
    let one = program.get(&format!("{path}/versions/{}", version["id"].as_str().unwrap())).await;
    assert_eq!(one.json(), *version);

    let copy = post(&program, &format!("{path}/duplicate"), "key-number-5", json!({})).await;
    assert_eq!((copy.status, &copy.json()["name"]), (StatusCode::CREATED, &json!("After paying (copy)")), "{}", copy.body);
    assert_eq!(post(&program, &format!("{path}/duplicate"), "key-number-5", json!({})).await.body, copy.body);
    assert_eq!(program.get(copy.location()).await.json()["status"], "draft");
    assert_eq!(t.app.store.surveys(&Scope::system(project.id)).await.unwrap().len(), 2);
});

on_both!(a_survey_starts_from_a_template_in_the_language_of_the_project, |t: TestApp| async move {
    let (_, _, program) = both(&t, Access::Admin).await;
    let made = post(&program, "/api/v1/surveys", "key-number-1", json!({ "name": "Score", "template": "nps", "thanks": "Bye" })).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    assert_eq!(made.json()["questions"][0]["type"], "nps");
    let draft = program.get(&format!("{}/draft", made.location())).await.json();
    assert_eq!((&draft["thanks"], &draft["language"]), (&json!("Bye"), &json!("en")));
    let empty = post(&program, "/api/v1/surveys", "key-number-2", json!({ "name": "Empty" })).await;
    assert_eq!(empty.json()["questions"], json!([]));
    // Without an idempotency key, nothing is created.
    let without = program.send(Method::POST, "/api/v1/surveys", &[], r#"{"name":"None"}"#).await;
    assert_eq!(places(&without, StatusCode::BAD_REQUEST), ["Idempotency-Key"]);
});

on_both!(what_does_not_fit_into_a_survey_is_refused_at_its_place, |t: TestApp| async move {
    let (_, _, program) = both(&t, Access::Admin).await;
    let question = |question: Value| json!({ "name": "A", "questions": [question] });
    for (n, (body, place)) in [
        (json!({}), "/name"),
        (json!({ "name": " \u{7}" }), "/name"),
        (json!({ "name": "x".repeat(121) }), "/name"),
        (json!({ "name": "A", "template": "none" }), "/template"),
        (json!({ "name": "A", "status": "live" }), "/status"),
        (json!({ "name": "A", "title": null }), "/title"),
        (question(json!({ "title": "Why?" })), "/questions/0/type"),
        (question(json!({ "type": "essay", "title": "Why?" })), "/questions/0"),
        (question(json!({ "type": "long_text" })), "/questions/0/title"),
        (question(json!({ "type": "long_text", "title": "Why?", "max": 3 })), "/questions/0/max"),
        (question(json!({ "type": "rating", "title": "Stars", "max": 4.5 })), "/questions/0"),
        (question(json!({ "type": "long_text", "title": "Why?", "id": "q1" })), "/questions/0/id"),
        (json!({ "name": "A", "launch": { "on": "delay" } }), "/launch/seconds"),
        (json!({ "name": "A", "launch": { "on": "code", "label": "x" } }), "/launch/label"),
    ]
    .into_iter()
    .enumerate()
    {
        let page = post(&program, "/api/v1/surveys", &format!("wrong-key-{n}"), body.clone()).await;
        assert_eq!(places(&page, UNPROCESSABLE), [place], "{body}: {}", page.body);
    }
    assert_eq!(program.get("/api/v1/surveys").await.json()["items"], json!([]));

    let made = post(&program, "/api/v1/surveys", "key-number-1", json!({ "name": "A", "questions": questions() })).await;
    let (draft, publish) = (format!("{}/draft", made.location()), format!("{}/publish", made.location()));
    for (change, place) in [
        (json!({ "questions": [{ "type": "long_text", "title": "Why?", "id": "q9" }] }), "/questions/0/id"),
        (json!({ "questions": [{ "type": "long_text", "title": "Why?", "id": "q1" }] }), "/questions/0/type"),
        (json!({ "name": "" }), "/name"),
        (json!({ "revision": 7 }), "/revision"),
    ] {
        let page = patch(&program, &draft, "*", change.clone()).await;
        assert_eq!(places(&page, UNPROCESSABLE), [place], "{change}");
    }
    assert_eq!(program.get(&draft).await.json()["revision"], 1);
    for (n, revision) in [json!(0), json!(1.5), json!("1"), json!(null)].into_iter().enumerate() {
        let page = post(&program, &publish, &format!("wrong-revision-{n}"), json!({ "revision": revision })).await;
        assert_eq!(places(&page, UNPROCESSABLE), ["/revision"], "{revision}");
    }
    // A draft may be incomplete; publishing it is rejected with the locations in the draft.
    let gaps = json!({ "title": "", "launch": { "on": "button", "label": "" }, "questions": [
        { "type": "statement", "title": "Welcome" },
        { "type": "single_choice", "title": "", "choices": [{ "label": "A" }, { "label": "a" }] },
    ] });
    assert_eq!(patch(&program, &draft, "*", gaps).await.status, StatusCode::OK);
    let refused = post(&program, &publish, "key-number-2", json!({ "revision": 2.0 })).await;
    assert_eq!(places(&refused, UNPROCESSABLE), ["/title", "/questions/1/title", "/questions/1/choices/1/label", "/launch/label"]);
    assert_eq!(program.get(made.location()).await.json()["status"], "draft");
});

on_both!(only_admins_write_surveys_and_only_those_of_their_project, |t: TestApp| async move {
    let (project, other, admin) = both(&t, Access::Admin).await;
    let foreign = Program::new(&t, &other, Access::Admin).await;
    let made = post(&admin, "/api/v1/surveys", "key-number-1", json!({ "name": "Ours alone", "template": "nps" })).await;
    let path = made.location().to_owned();
    let published = post(&admin, &format!("{path}/publish"), "key-number-2", json!({ "revision": 1 })).await.json();
    let version = format!("{path}/versions/{}", published["version_id"].as_str().unwrap());
    let reads = [format!("{path}/draft"), format!("{path}/versions"), version];
    let writes = [
        (Method::PATCH, path.clone(), json!({ "status": "closed" })),
        (Method::PATCH, format!("{path}/draft"), json!({ "title": "Theirs" })),
        (Method::POST, format!("{path}/publish"), json!({ "revision": 1 })),
        (Method::POST, format!("{path}/duplicate"), json!({})),
    ];
    let send = async |program: &Program, n: usize, (method, path, body): &(Method, String, Value)| {
        let once = format!("write-key-{n}");
        program.send(method.clone(), path, &[("idempotency-key", once.as_str()), ("if-match", "*")], &body.to_string()).await
    };
    let (reader, writer) = (Program::new(&t, &project, Access::Read).await, Program::new(&t, &project, Access::Write).await);
    for path in &reads {
        assert_eq!(reader.get(path).await.status, StatusCode::OK, "{path}");
        places(&foreign.get(path).await, StatusCode::NOT_FOUND);
    }
    for (n, write) in writes.iter().enumerate() {
        places(&send(&foreign, n, write).await, StatusCode::NOT_FOUND);
        for low in [&reader, &writer] {
            places(&send(low, n, write).await, StatusCode::FORBIDDEN);
        }
    }
    let create = (Method::POST, "/api/v1/surveys".to_owned(), json!({ "name": "Theirs" }));
    for low in [&reader, &writer] {
        places(&send(low, 9, &create).await, StatusCode::FORBIDDEN);
    }
    // A version belongs to one survey only.
    let second = post(&admin, "/api/v1/surveys", "key-number-3", json!({ "name": "Second" })).await;
    let mixed = format!("{}/versions/{}", second.location(), published["version_id"].as_str().unwrap());
    places(&admin.get(&mixed).await, StatusCode::NOT_FOUND);
    let now = admin.get(&path).await.json();
    assert_eq!((&now["status"], &now["name"]), (&json!("live"), &json!("Ours alone")));
});
