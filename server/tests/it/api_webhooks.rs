//! Webhooks through the API: creating and changing them, their secrets, and their deliveries.

use axum::http::{Method, StatusCode};
use domain::{
    accounts::{Role, Scope, key::Access},
    ids::EndpointId,
};
use serde_json::{Value, json};

use crate::{
    api::{both, patch, places, post, tag},
    api_members::key_of,
    keys::Program,
    on_both,
    support::TestApp,
};

const UNPROCESSABLE: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;

fn hook() -> Value {
    json!({ "url": "https://hooks.example.com/a", "name": "Chat", "events": ["feedback.created", "ticket.created"] })
}

on_both!(a_webhook_is_made_changed_and_deleted_and_its_secret_shown_when_it_is_new, |t: TestApp| async move {
    let (_, _, program) = both(&t, Access::Admin).await;
    let made = post(&program, "/api/v1/webhooks", "key-number-1", hook()).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let secret = made.json()["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("whsec_"));
    assert_eq!((&made.json()["name"], &made.json()["events"]), (&json!("Chat"), &json!(["feedback.created", "ticket.created"])));
    let again = post(&program, "/api/v1/webhooks", "key-number-1", hook()).await;
    assert_eq!((&again.body, again.headers["idempotency-replayed"].to_str().unwrap()), (&made.body, "true"));
    let path = made.location().to_owned();
    let read = program.get(&path).await;
    let list = program.get("/api/v1/webhooks").await;
    assert_eq!(list.json()["items"], json!([read.json()]));
    assert!(!read.body.contains(&secret) && !list.body.contains(&secret));

    let change = json!({ "url": "https://hooks.example.com/b", "events": ["backlog_item.updated"], "enabled": false });
    let without = program.send(Method::PATCH, &path, &[], &change.to_string()).await;
    assert_eq!(places(&without, StatusCode::PRECONDITION_REQUIRED), ["If-Match"]);
    let done = patch(&program, &path, &tag(&read), change.clone()).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.body);
    let now = done.json();
    assert_eq!((&now["url"], &now["name"], &now["enabled"]), (&json!("https://hooks.example.com/b"), &json!("Chat"), &json!(false)));
    assert_eq!(now["events"], json!(["backlog_item.updated"]));
    assert_eq!(patch(&program, &path, &tag(&read), change).await.status, StatusCode::PRECONDITION_FAILED);
    // A disabled webhook gets no deliveries.
    for (n, action) in ["test", "retry"].iter().enumerate() {
        let page = post(&program, &format!("{path}/{action}"), &format!("while-off-{n}"), json!({})).await;
        assert_eq!(page.status, StatusCode::CONFLICT, "{}", page.body);
    }
    assert_eq!(patch(&program, &path, &tag(&done), json!({ "enabled": true })).await.json()["enabled"], true);

    let rotate = format!("{path}/rotate-secret");
    let without = program.send(Method::POST, &rotate, &[], "").await;
    assert_eq!(places(&without, StatusCode::BAD_REQUEST), ["Idempotency-Key"]);
    let rotated = post(&program, &rotate, "key-number-2", json!({})).await;
    let fresh = rotated.json()["secret"].as_str().unwrap().to_owned();
    assert!(rotated.status == StatusCode::OK && fresh != secret && rotated.json()["previous_secret_until"].is_string());
    assert_eq!(post(&program, &rotate, "key-number-2", json!({})).await.body, rotated.body, "a retry rotates nothing");

    for status in [StatusCode::NO_CONTENT, StatusCode::NOT_FOUND] {
        assert_eq!(program.send(Method::DELETE, &path, &[], "").await.status, status);
    }
    places(&program.get(&path).await, StatusCode::NOT_FOUND);
});

on_both!(deliveries_are_listed_read_and_sent_again, |t: TestApp| async move {
    let (_, _, program) = both(&t, Access::Admin).await;
    let path = post(&program, "/api/v1/webhooks", "key-number-1", hook()).await.location().to_owned();
    let mut events = Vec::new();
    for n in 0..3 {
        t.clock.advance_ms(5);
        let sent = post(&program, &format!("{path}/test"), &format!("test-key-{n}"), json!({})).await;
        assert_eq!(sent.status, StatusCode::CREATED, "{}", sent.body);
        assert_eq!((&sent.json()["event"], &sent.json()["state"]), (&json!("webhook.test"), &json!("pending")));
        assert_eq!(program.get(sent.location()).await.json(), sent.json());
        events.push(sent.json()["event_id"].as_str().unwrap().to_owned());
    }
    events.reverse();
    let deliveries = format!("{path}/deliveries");
    let first = program.get(&format!("{deliveries}?limit=2&state=pending")).await.json();
    let rest = program.get(&format!("{deliveries}?limit=2&state=pending&cursor={}", first["next_cursor"].as_str().unwrap())).await.json();
    let listed: Vec<&Value> = first["items"].as_array().unwrap().iter().chain(rest["items"].as_array().unwrap()).collect();
    assert_eq!(listed.iter().map(|d| d["event_id"].as_str().unwrap()).collect::<Vec<_>>(), events);
    assert_eq!(rest["next_cursor"], Value::Null);
    assert_eq!(program.get(&format!("{deliveries}?state=failed")).await.json()["items"], json!([]));
    assert_eq!(places(&program.get(&format!("{deliveries}?state=dead")).await, UNPROCESSABLE), ["state"]);

    // Disabling it cancels pending deliveries.
    assert_eq!(patch(&program, &path, "*", json!({ "enabled": false })).await.status, StatusCode::OK);
    assert_eq!(program.get(&format!("{deliveries}?state=failed")).await.json()["items"].as_array().unwrap().len(), 3);
    assert_eq!(patch(&program, &path, "*", json!({ "enabled": true })).await.status, StatusCode::OK);
    let one = format!("{deliveries}/{}", events[0]);
    let retried = post(&program, &format!("{one}/retry"), "retry-key-1", json!({})).await;
    assert_eq!((retried.status, &retried.json()["state"]), (StatusCode::OK, &json!("pending")), "{}", retried.body);
    assert_eq!(post(&program, &format!("{one}/retry"), "retry-key-1", json!({})).await.body, retried.body);
    assert_eq!(retried.json()["payload"]["type"], "webhook.test");
    assert_eq!(post(&program, &format!("{path}/retry"), "retry-key-2", json!({})).await.json(), json!({ "deliveries": 2 }));
    places(&post(&program, &format!("{deliveries}/{}/retry", t.app.ids.uuid()), "retry-key-3", json!({})).await, StatusCode::NOT_FOUND);
});

on_both!(what_does_not_fit_a_webhook_is_refused_at_its_place, |t: TestApp| async move {
    let (_, _, program) = both(&t, Access::Admin).await;
    let url = "https://hooks.example.com/a";
    for (n, (body, place)) in [
        (json!({ "events": ["feedback.created"] }), "/url"),
        (json!({ "url": "http://hooks.example.com", "events": ["feedback.created"] }), "/url"),
        (json!({ "url": "https://127.0.0.1/", "events": ["feedback.created"] }), "/url"),
        (json!({ "url": url }), "/events"),
        (json!({ "url": url, "events": [] }), "/events"),
        (json!({ "url": url, "events": ["webhook.test"] }), "/events/0"),
        (json!({ "url": url, "events": ["feedback.created"], "name": "x".repeat(201) }), "/name"),
        (json!({ "url": url, "events": ["feedback.created"], "secret": "whsec_mine" }), "/secret"),
    ]
    .into_iter()
    .enumerate()
    {
        let page = post(&program, "/api/v1/webhooks", &format!("wrong-key-{n}"), body.clone()).await;
        assert_eq!(places(&page, UNPROCESSABLE), [place], "{body}");
    }
    let made = post(&program, "/api/v1/webhooks", "key-number-1", hook()).await;
    for (change, place) in
        [(json!({ "url": "ftp://a" }), "/url"), (json!({ "events": [] }), "/events"), (json!({ "enabled": null }), "/enabled")]
    {
        assert_eq!(places(&patch(&program, made.location(), "*", change.clone()).await, UNPROCESSABLE), [place], "{change}");
    }
});

on_both!(only_admins_see_webhooks_and_only_those_of_their_project, |t: TestApp| async move {
    let (project, other, admin) = both(&t, Access::Admin).await;
    let foreign = Program::new(&t, &other, Access::Admin).await;
    let path = post(&admin, "/api/v1/webhooks", "key-number-1", hook()).await.location().to_owned();
    let delivery = post(&admin, &format!("{path}/test"), "key-number-2", json!({})).await.location().to_owned();
    let (reader, writer) = (Program::new(&t, &project, Access::Read).await, Program::new(&t, &project, Access::Write).await);
    for path in [path.clone(), format!("{path}/deliveries"), delivery.clone()] {
        places(&foreign.get(&path).await, StatusCode::NOT_FOUND);
        places(&reader.get(&path).await, StatusCode::FORBIDDEN);
        places(&writer.get(&path).await, StatusCode::FORBIDDEN);
    }
    places(&writer.get("/api/v1/webhooks").await, StatusCode::FORBIDDEN);
    assert_eq!(foreign.get("/api/v1/webhooks").await.json()["items"], json!([]));
    let writes = [
        (Method::PATCH, path.clone(), json!({ "enabled": false })),
        (Method::DELETE, path.clone(), json!({})),
        (Method::POST, format!("{path}/rotate-secret"), json!({})),
        (Method::POST, format!("{path}/test"), json!({})),
        (Method::POST, format!("{path}/retry"), json!({})),
        (Method::POST, format!("{delivery}/retry"), json!({})),
    ];
    for (n, (method, path, body)) in writes.iter().enumerate() {
        let once = format!("write-key-{n}");
        let headers = [("idempotency-key", once.as_str()), ("if-match", "*")];
        places(&foreign.send(method.clone(), path, &headers, &body.to_string()).await, StatusCode::NOT_FOUND);
        places(&writer.send(method.clone(), path, &headers, &body.to_string()).await, StatusCode::FORBIDDEN);
    }
    places(&post(&writer, "/api/v1/webhooks", "write-key-9", hook()).await, StatusCode::FORBIDDEN);
    assert_eq!(admin.get(&path).await.json()["enabled"], true);
});

on_both!(a_webhook_that_a_key_made_ends_with_the_person_behind_the_key, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let (staff, client) = t.member(&project, "adm@example.com", Role::Admin).await;
    let program = key_of(&t, &client, "admin").await;
    let made = post(&program, "/api/v1/webhooks", "key-number-1", hook()).await.json();
    assert_eq!(made["acts_for_id"], program.get("/api/v1/me").await.json()["id"]);
    let id: EndpointId = made["id"].as_str().unwrap().parse().unwrap();
    let staff = staff.to_string();
    let page = owner.get(&format!("/p/my-app/members/remove?staff={staff}")).await;
    assert!(page.body.contains("https://hooks.example.com/a"), "{}", page.body);
    owner.post("/p/my-app/members/remove", &[("staff", &staff), ("confirmed", "yes")]).await;
    let endpoint = t.app.store.endpoint(&Scope::system(project.id), id).await.unwrap().unwrap();
    assert!(!endpoint.enabled && endpoint.secret.0 != made["secret"].as_str().unwrap());
    assert_eq!(program.get("/api/v1/webhooks").await.status, StatusCode::UNAUTHORIZED);
});
