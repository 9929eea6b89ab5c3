//! Every operation of the API, requested with every scope of a key: it works with the scope that it requires, and is refused without.
//!
//! The operations are read from the API's document, so that a new one fails these tests until its scope is declared here and its body in
//! [`bodies`]. Each body is complete, so that a refusal can only be about the key.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use domain::accounts::{Scope, key::Access};
use service::keys::ApiKeyInput;

use crate::{
    contents::Contents,
    matrix::{Filled, people},
    on_both,
    scopes::{bodies, prepare},
    support::{Client, Page, TestApp},
};

/// The scope that an operation requires.
fn required_scope(method: &Method, pattern: &str) -> Access {
    let path = pattern.strip_prefix("/api/v1/").unwrap_or_default();
    match (method.as_str(), path.split('/').next().unwrap_or_default()) {
        // What only admins see, and what only they change.
        (_, "identity-secrets" | "imports" | "invitations" | "keys" | "webhooks") => Access::Admin,
        // Exporting a whole project is more than reading it.
        ("GET", "export") => Access::Write,
        ("GET", "backlog" | "contacts" | "desk" | "feedback" | "me" | "members") => Access::Read,
        ("GET", "projects" | "replies" | "responses" | "surveys" | "tags" | "tickets") => Access::Read,
        (_, "backlog" | "feedback" | "replies" | "tickets" | "undo") => Access::Write,
        ("POST", "surveys") if path.ends_with("/responses") => Access::Write,
        (_, "members" | "projects" | "surveys") => Access::Admin,
        _ => panic!("say which scope {method} {pattern} requires"),
    }
}

/// An operation of the API.
struct Operation {
    method: Method,
    pattern: String,
    /// Media type of its body, if it has one.
    media_type: Option<String>,
}

impl Operation {
    /// All operations of the document, which itself needs no key.
    async fn all(t: &TestApp) -> Vec<Self> {
        let document = t.anonymous().get("/api/v1/openapi.json").await.json();
        let mut all = Vec::new();
        for (pattern, methods) in document["paths"].as_object().unwrap() {
            for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                let Some(operation) = methods.get(method.as_str().to_lowercase()) else { continue };
                let media_type = operation["requestBody"]["content"].as_object().and_then(|content| content.keys().next().cloned());
                all.push(Self { method, pattern: pattern.clone(), media_type });
            }
        }
        all.retain(|operation| operation.pattern != "/api/v1/openapi.json");
        assert!(all.len() > 80, "{} operations", all.len());
        all
    }

    /// Sends a complete request about the objects of `of`, each under its own idempotency key.
    async fn send(&self, client: &Client, of: &Filled, authorization: &str) -> Page {
        static SENT: AtomicUsize = AtomicUsize::new(0);
        let once = format!("key-scopes-{}", SENT.fetch_add(1, Ordering::SeqCst));
        let mut headers = vec![("idempotency-key", once.as_str())];
        headers.extend((!authorization.is_empty()).then_some(("authorization", authorization)));
        headers.extend(self.media_type.as_deref().map(|media_type| ("content-type", media_type)));
        headers.extend((self.method == Method::PATCH).then_some(("if-match", "*")));
        let body = bodies(self.method.as_str(), &self.pattern, &of.ids).remove(0).1;
        client.send(self.method.clone(), &of.path(&self.pattern, &of.ids), &headers, Body::from(body)).await
    }
}

/// A key of a project: its `Authorization` header, and its id.
async fn key(t: &TestApp, of: &Filled, access: Access) -> (String, String) {
    let wanted = ApiKeyInput { name: "A program", access, days: None };
    let (scope, once) = (Scope::system(of.project.id), t.app.ids.uuid().to_string());
    let made = service::keys::create(&t.app, &scope, &wanted, &once).await.unwrap().unwrap();
    (format!("Bearer {}", made.secret), made.key.id.to_string())
}

on_both!(a_key_does_what_its_scope_allows_and_no_more, |t: TestApp| async move {
    let (own, other) = (Filled::new(&t, "pelican").await, Filled::new(&t, "walrus").await);
    let people = people(&t, &own.project, &other.project).await;
    let (_, owner) = people.last().unwrap();
    let mut keys = Vec::new();
    for access in Access::ALL.iter().copied() {
        keys.push((access, key(&t, &own, access).await.0));
    }
    let (foreign, _) = key(&t, &other, Access::Admin).await;
    let (operations, nobody) = (Operation::all(&t).await, t.anonymous());
    let mut wrong = Vec::new();

    // Without a key, with a key of another project, or with one of too low a scope: the request changes nothing.
    let before = Contents::of(&t).await;
    for operation in &operations {
        let (method, pattern) = (&operation.method, &operation.pattern);
        // Wrong keys are counted per address, and there are more operations than its limit allows at once.
        t.clock.advance_ms(2_000);
        for (client, authorization) in [(&nobody, ""), (owner, ""), (&nobody, "Bearer eas_nobody"), (&nobody, "Basic eas_nobody")] {
            let page = operation.send(client, &own, authorization).await;
            assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{method} {pattern} with {authorization:?}: {}", page.body);
            assert!(page.headers.contains_key("www-authenticate"));
        }
        let required = required_scope(method, pattern);
        for (access, authorization) in keys.iter().filter(|(access, _)| access.role() < required.role()) {
            let page = operation.send(&nobody, &own, authorization).await;
            if page.status != StatusCode::FORBIDDEN {
                wrong.push(format!("{method} {pattern} answers a key with the scope {access:?}: {} {}", page.status, page.body));
            }
        }
        if pattern.contains('{') {
            let page = operation.send(&nobody, &own, &foreign).await;
            if page.status != StatusCode::NOT_FOUND || page.body.to_lowercase().contains("pelican") {
                wrong.push(format!("{method} {pattern} answers another project's key: {} {}", page.status, page.body));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(before.effects(&Contents::of(&t).await), Vec::<String>::new(), "who may not, changes nothing");

    // With enough of a scope, every request succeeds. Reads change nothing, so they share a project.
    for operation in operations.iter().filter(|operation| operation.method == Method::GET) {
        t.clock.advance_ms(2_000);
        let pattern = &operation.pattern;
        let required = required_scope(&Method::GET, pattern);
        for (access, authorization) in keys.iter().filter(|(access, _)| access.role() >= required.role()) {
            let page = operation.send(&nobody, &own, authorization).await;
            if page.status != StatusCode::OK || page.body.to_lowercase().contains("walrus") {
                wrong.push(format!("GET {pattern} answers a key with the scope {access:?}: {} {}", page.status, page.body));
            }
        }
        if !pattern.contains('{') {
            let page = operation.send(&nobody, &own, &foreign).await;
            if page.status != StatusCode::OK || page.body.to_lowercase().contains("pelican") {
                wrong.push(format!("GET {pattern} answers another project's key: {} {}", page.status, page.body));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(before.effects(&Contents::of(&t).await), Vec::<String>::new(), "reading changes nothing");

    // A write about an object changes it, so it gets a project of its own; the others add to the key's project.
    for (n, operation) in operations.iter().filter(|operation| operation.method != Method::GET).enumerate() {
        t.clock.advance_ms(2_000);
        let (method, pattern) = (&operation.method, &operation.pattern);
        let access = required_scope(method, pattern);
        let fresh;
        let of = if pattern.contains('{') {
            fresh = Filled::new(&t, &format!("heron{n}")).await;
            &fresh
        } else {
            &own
        };
        let (authorization, actor) = key(&t, of, access).await;
        prepare(&t, pattern, of, &actor).await;
        let page = operation.send(&nobody, of, &authorization).await;
        if !page.status.is_success() {
            wrong.push(format!("{method} {pattern} answers a key with the scope {access:?}: {} {}", page.status, page.body));
        }
        if !pattern.contains('{') {
            let page = operation.send(&nobody, of, &foreign).await;
            if !page.status.is_success() || page.body.to_lowercase().contains("pelican") {
                wrong.push(format!("{method} {pattern} answers another project's key: {} {}", page.status, page.body));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
});
