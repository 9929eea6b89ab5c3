//! The id of another project's object returns the same response as a nonexistent id, in every request.
//!
//! Each case has a control: the same request about the own project's object succeeds. Without it, a form rejected for another reason would
//! look like a project check.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use domain::accounts::{Role, Scope, key::Access};
use service::keys::ApiKeyInput;

use crate::{
    contents::Contents,
    keys::Program,
    matrix::{Filled, Who, named, routes, who},
    on_both,
    support::{Client, Page, TestApp},
};

pub type Ids = BTreeMap<&'static str, String>;

/// Forms whose response is not "not found"; they must not change anything either.
const ANSWERED_OTHERWISE: [(&str, &str); 2] = [
    // "There is nothing left to undo", as for a used token.
    ("/p/{slug}/undo", "undo"),
    // The id of a non-member is a validation error.
    ("/p/{slug}/feedback/{id}/assign", "staff"),
];

/// Forms that write nothing: they only redirect.
const WRITES_NOTHING: [&str; 1] = ["/p/{slug}/imports/{id}/preview"];

/// The ids in a request: in its path, and in its form.
fn names(method: &str, pattern: &str) -> Vec<&'static str> {
    let mut before = "";
    let mut all = Vec::new();
    for part in pattern.split('/') {
        if part.starts_with('{') && part != "{slug}" {
            all.push(named(pattern, before, part).unwrap_or_else(|| panic!("{pattern}: what is {part}?")));
        }
        before = part;
    }
    let in_form = match pattern.strip_prefix("/p/{slug}/").unwrap_or_default() {
        _ if method != "POST" => None,
        "undo" => Some("undo"),
        "feedback/bulk" => Some("feedback"),
        "feedback/{id}/assign" | "members/role" | "members/remove" | "members/restore" => Some("staff"),
        "members/revoke" => Some("invitation"),
        "identity/retire" => Some("secret"),
        "keys/revoke" | "keys/hand-over" => Some("key"),
        _ => None,
    };
    all.extend(in_form);
    all
}

/// Each id replaced alone by the other project's, then all of them.
fn mixes(names: &[&'static str], own: &Ids, other: &Ids) -> Vec<(String, Ids)> {
    let with = |foreign: &[&'static str]| {
        let mut ids = own.clone();
        ids.extend(foreign.iter().map(|name| (*name, other[name].clone())));
        (foreign.join(" and "), ids)
    };
    let mut all: Vec<_> = names.iter().map(|name| with(&[name])).collect();
    if names.len() > 1 {
        all.push(with(names));
    }
    all
}

/// Puts an object into a state in which the request can succeed.
pub async fn prepare(t: &TestApp, pattern: &str, of: &Filled, actor: &str) {
    let import = |status: &str| format!("UPDATE imports SET status = '{status}', mapping = '{{}}' WHERE id = '{}'", of.ids["imports"]);
    let staff = &of.ids["staff"];
    let sql = match pattern.strip_prefix("/p/{slug}/").or_else(|| pattern.strip_prefix("/api/v1/")).unwrap_or_default() {
        "undo" | "undo/{undo_id}" => format!("UPDATE undo_operations SET actor_id = '{actor}' WHERE id = '{}'", of.ids["undo"]),
        "feedback/{id}/reopen" => format!("UPDATE tickets SET state = 'closed' WHERE id = '{}'", of.ids["ticket_id"]),
        "imports/{id}/change" | "imports/{id}/take-back" | "imports/{import_id}/reopen" | "imports/{import_id}/revert" => import("done"),
        "imports/{id}/continue" | "imports/{import_id}/resume" => import("failed"),
        "imports/{import_id}/cancel" => import("running"),
        "imports/{id}/cancel" | "imports/{id}/preview" | "imports/{id}/start" => import("ready"),
        "webhooks/{id}/again" | "webhooks/{id}/deliveries/{event}/again" => {
            format!("UPDATE webhook_deliveries SET state = 'dead' WHERE endpoint_id = '{}'", of.ids["webhook"])
        }
        "members/restore" => format!("DELETE FROM memberships WHERE staff_id = '{staff}'"),
        _ => return,
    };
    t.run(&sql).await;
}

/// The fields of a form about the objects of `ids`, as its page would send them; `of` is their owner.
async fn form(t: &TestApp, pattern: &str, of: &Filled, ids: &Ids) -> Vec<(String, String)> {
    let version =
        async |table: &str, column: &str, id: &str| t.number(&format!("SELECT {column} FROM {table} WHERE id = '{id}'")).await.to_string();
    let action = pattern.strip_prefix("/p/{slug}/").unwrap_or_default();
    let about = if action.ends_with("/priority") { "ticket" } else { "feedback" };
    let feedback = version("feedback", "version", &ids[about]).await;
    let set = |pairs: &[(&str, &str)]| pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    match action {
        "undo" => set(&[("token", &ids["undo"])]),
        "feedback/bulk" => set(&[("do", "status:triaged"), ("item", &format!("{}:{feedback}", ids["feedback"]))]),
        "feedback/{id}/status" => set(&[("status", "triaged"), ("version", &feedback)]),
        "feedback/{id}/assign" => set(&[("assignee", &ids["staff"]), ("version", &feedback)]),
        "feedback/{id}/tags" => set(&[("create", "fresh"), ("version", &feedback)]),
        "feedback/{id}/comments" => set(&[("body", "A comment")]),
        "feedback/{id}/link" => set(&[("item", "1"), ("quote", ""), ("importance", "critical")]),
        "feedback/{id}/unlink" => set(&[("item", "1")]),
        "feedback/{id}/backlog" => set(&[("title", "An item"), ("quote", ""), ("importance", "normal")]),
        "feedback/{id}/answer" => set(&[("message", "An answer"), ("do", "send"), ("version", "1")]),
        "feedback/{id}/new-link" => set(&[("do", "show")]),
        "feedback/{id}/note" => set(&[("note", "A note")]),
        "feedback/{id}/priority" => set(&[("priority", "high"), ("version", &feedback)]),
        "backlog/{number}" | "backlog/{number}/status" => {
            let sql = format!("SELECT version FROM backlog_items WHERE number = {} AND project_id = '{}'", ids["backlog"], of.project.id);
            set(&[("title", "Other words"), ("body", "x"), ("status", "planned"), ("version", &t.number(&sql).await.to_string())])
        }
        "surveys/{id}/edit" => {
            let revision = version("surveys", "draft_revision", &ids["survey"]).await;
            set(&[("whole", "1"), ("revision", &revision), ("name", "Another name"), ("action", "save")])
        }
        "surveys/{id}/status" => set(&[("was", "live"), ("status", "paused")]),
        "imports/{id}/preview" | "imports/{id}/start" => set(&[("text", "text")]),
        "replies/{id}" => {
            let version = version("canned_replies", "version", &ids["replies"]).await;
            set(&[("name", "Another name"), ("body", "Other words"), ("version", &version)])
        }
        "webhooks/{id}" => {
            let version = version("webhook_endpoints", "version", &ids["webhook"]).await;
            set(&[("url", "https://hooks.example.com/x"), ("kinds", "feedback.created"), ("version", &version)])
        }
        "webhooks/{id}/enabled" => set(&[("on", "no")]),
        "members/role" => set(&[("staff", &ids["staff"]), ("role", "viewer"), ("confirmed", "yes")]),
        "members/remove" => set(&[("staff", &ids["staff"]), ("confirmed", "yes")]),
        "members/restore" => {
            let (scope, staff) = (Scope::system(of.project.id), ids["staff"].parse().unwrap());
            service::accounts::members::restore_fields(&t.app, &scope, staff, Role::Triager).unwrap()
        }
        "members/revoke" => set(&[("invitation", &ids["invitation"])]),
        "identity/retire" => set(&[("secret", &ids["secret"])]),
        "keys/revoke" | "keys/hand-over" => set(&[("key", &ids["key"])]),
        // These forms have no fields.
        "feedback/{id}/reopen"
        | "feedback/{id}/close"
        | "surveys/{id}/duplicate"
        | "imports/{id}/change"
        | "imports/{id}/continue"
        | "imports/{id}/cancel"
        | "imports/{id}/take-back"
        | "replies/{id}/delete"
        | "webhooks/{id}/again"
        | "webhooks/{id}/delete"
        | "webhooks/{id}/deliveries/{event}/again"
        | "webhooks/{id}/hand-over"
        | "webhooks/{id}/rotate"
        | "webhooks/{id}/test" => Vec::new(),
        other => panic!("say what the form of {other} holds"),
    }
}

async fn send(client: &Client, method: &str, path: &str, form: &[(String, String)]) -> Page {
    if method == "GET" {
        let page = client.get(path).await;
        // Old URLs redirect to the object's current URL.
        return if page.status == StatusCode::SEE_OTHER { client.get(page.location()).await } else { page };
    }
    if path.ends_with("/answer") {
        let key = format!("scopes-{path}");
        let fields = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain([("idempotency_key", &key[key.len() - 40..])]);
        let part = |(name, value)| format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        let body = format!("{}--x--\r\n", fields.map(part).collect::<String>());
        let headers = [("content-type", "multipart/form-data; boundary=x"), ("sec-fetch-site", "same-origin")];
        return client.send(Method::POST, path, &headers, Body::from(body)).await;
    }
    let fields: Vec<(&str, &str)> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    client.post(path, &fields).await
}

/// Why a write cannot serve as a test: it also fails or changes nothing for an object of its own project. Each control uses a separate
/// project, which it may change.
async fn control(t: &TestApp, n: usize, pattern: &str, need: Role, (actor, client): (&str, &Client)) -> Option<String> {
    let own = Filled::new(t, &format!("heron{n}")).await;
    let (id, now, staff) = (own.project.id, t.app.now(), actor.parse().unwrap());
    t.app.store.write(move |tx| Box::pin(async move { tx.set_role(id, staff, need, now).await })).await.unwrap();
    prepare(t, pattern, &own, actor).await;
    let fields = form(t, pattern, &own, &own.ids).await;
    let before = Contents::of(t).await;
    let page = send(client, "POST", &own.path(pattern, &own.ids), &fields).await;
    if !(page.status.is_success() || page.status.is_redirection()) {
        return Some(format!("{pattern} cannot fail: it is answered {} in its own project, too: {}", page.status, page.body));
    }
    if !WRITES_NOTHING.contains(&pattern) && before.effects(&Contents::of(t).await).is_empty() {
        let flash = page.headers.get("set-cookie");
        return Some(format!("{pattern} cannot fail: it changes nothing in its own project, too: {flash:?} {}", page.body));
    }
    None
}

on_both!(another_projects_things_are_not_there, |t: TestApp| async move {
    let (own, mut other) = (Filled::new(&t, "pelican").await, Filled::new(&t, "walrus").await);
    // Each project numbers its items separately, so this uses a number that only the other project has.
    let second = service::backlog::create(&t.app, &Scope::system(other.project.id), "second-item", "Second walrus", "").await.unwrap();
    other.ids.insert("backlog", second.to_string());
    let mut people = Vec::new();
    for role in [Role::Viewer, Role::Triager, Role::Admin, Role::Owner] {
        people.push((role, t.member(&own.project, &format!("{role}@x.test"), role).await));
    }
    let (pat, of_controls) = t.member(&own.project, "pat@x.test", Role::Owner).await;
    let pat = pat.to_string();
    let (mut asked, mut wrong) = (0, Vec::new());
    for (n, (method, pattern)) in routes().iter().enumerate() {
        let Some(Who::Member(need)) = who(method, pattern) else { continue };
        // The lowest permitted role, and the highest.
        let may = people.iter().filter(|(role, _)| *role == need || *role == Role::Owner);
        // The other project itself, for every role.
        for (role, (_, client)) in &people {
            let path = other.path(pattern, &other.ids);
            let page = if method == "GET" { client.get(&path).await } else { client.post(&path, &[]).await };
            assert_eq!(page.status, StatusCode::NOT_FOUND, "{method} {path} to {role:?}");
            assert!(!page.body.to_lowercase().contains("walrus"), "{method} {path}");
        }
        let names = names(method, pattern);
        if names.is_empty() {
            continue;
        }
        for (role, (staff, client)) in may {
            prepare(&t, pattern, &own, &staff.to_string()).await;
            prepare(&t, pattern, &other, &staff.to_string()).await;
            let before = Contents::of(&t).await;
            for (foreign, ids) in mixes(&names, &own.ids, &other.ids) {
                let path = own.path(pattern, &ids);
                let fields = if method == "POST" { form(&t, pattern, &other, &ids).await } else { Vec::new() };
                let page = send(client, method, &path, &fields).await;
                asked += 1;
                let otherwise = ANSWERED_OTHERWISE.iter().any(|(of, name)| of == pattern && foreign.ends_with(name));
                if page.status != StatusCode::NOT_FOUND && !otherwise {
                    wrong.push(format!("{method} {path} with the other's {foreign} by {role:?}: {}", page.status));
                }
                if page.body.to_lowercase().contains("walrus") {
                    wrong.push(format!("{method} {path} with the other's {foreign} tells {role:?} of the other project"));
                }
            }
            let changes = before.changes(&Contents::of(&t).await);
            if !changes.is_empty() {
                wrong.push(format!("{method} {pattern} with what is the other's by {role:?} changes {changes:?}"));
            }
            if pattern == "/p/{slug}/members/restore" {
                let back = "INSERT INTO memberships (project_id, staff_id, role, created_at) VALUES";
                for of in [&own, &other] {
                    t.run(&format!("{back} ('{}', '{}', 'admin', 1)", of.project.id, of.ids["staff"])).await;
                }
            }
        }
        if method == "POST" {
            wrong.extend(control(&t, n, pattern, need, (&pat, &of_controls)).await);
            continue;
        }
        let path = own.path(pattern, &own.ids);
        let page = send(&of_controls, method, &path, &[]).await;
        if !page.status.is_success() {
            wrong.push(format!("{method} {path} cannot fail: it is answered {} about the own thing, too", page.status));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(asked > 130, "{asked}");
});

/// Reads with an id in their query: URL, name of the id, and the text shown for it.
const ASKED_FOR: [(&str, &str, &str); 5] = [
    ("/p/{slug}/inbox?q=status%3Aspam&item=", "feedback", "A text with "),
    ("/p/{slug}/surveys/{survey}/preview?version=", "version", "data-mode=\"preview\""),
    ("/p/{slug}/export/file?what=responses&format=csv&survey=", "survey", "I say "),
    ("/p/{slug}/members/remove?staff=", "staff", "Filler "),
    ("/p/{slug}/members/role?role=viewer&staff=", "staff", "Filler "),
];

on_both!(another_projects_things_are_not_found_by_asking, |t: TestApp| async move {
    let (own, other) = (Filled::new(&t, "pelican").await, Filled::new(&t, "walrus").await);
    let (_, owner) = t.member(&own.project, "owner@x.test", Role::Owner).await;
    let before = Contents::of(&t).await;
    for (address, name, shown) in ASKED_FOR {
        let path = own.path(address, &own.ids);
        let page = owner.get(&format!("{path}{}", own.ids[name])).await;
        let shown = if shown.ends_with(' ') { format!("{shown}pelican") } else { shown.to_owned() };
        assert!(page.status == StatusCode::OK && page.body.contains(&shown), "this case cannot fail: {path} {} {}", page.status, page.body);
        let page = owner.get(&format!("{path}{}", other.ids[name])).await;
        assert!(!page.body.contains(&shown) && !page.body.to_lowercase().contains("walrus"), "{path} {}", page.body);
    }
    for query in ["walrus", "tag:walrus", "kind:api", "", "-pelican", "contact:walrus", "survey:walrus"] {
        let escaped: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
        let page = owner.get(&format!("/p/{}/inbox?q={escaped}", own.project.slug)).await;
        let shown = page.body.to_lowercase().replace(&query.to_lowercase(), "").replace(&escaped.to_lowercase(), "");
        assert!(!shown.contains("walrus"), "a search for {query}");
    }
    // A canned reply is inserted into the text of a reply.
    for (of, name) in [(&own, "pelican"), (&other, "walrus")] {
        let path = own.path("/p/{slug}/feedback/{id}/answer", &own.ids);
        let fields = [("message", ""), ("do", "insert"), ("reply", of.ids["replies"].as_str()), ("version", "1")];
        let page = send(&owner, "POST", &path, &fields.map(|(name, value)| (name.to_owned(), value.to_owned()))).await;
        assert_eq!(page.body.contains(&format!("Hello {name}")), name == "pelican", "{}", page.body);
    }
    // A ticket's secret URL is valid in its own project only.
    for (ids, status) in [(&own.ids, StatusCode::OK), (&other.ids, StatusCode::NOT_FOUND)] {
        for pattern in ["/p/{slug}/t/{token}", "/p/{slug}/t/{token}/files/{id}"] {
            assert_eq!(t.anonymous().get(&own.path(pattern, ids)).await.status, status, "{pattern}");
        }
        let mixed = Ids::from([("token", own.ids["token"].clone()), ("file", ids["file"].clone())]);
        assert_eq!(t.anonymous().get(&own.path("/p/{slug}/t/{token}/files/{id}", &mixed)).await.status, status);
    }
    before.assert_same(&Contents::of(&t).await, "reading changes nothing");
});

/// Request bodies for an operation, about the objects of `ids`; several if the body can contain ids.
pub fn bodies(method: &str, pattern: &str, ids: &Ids) -> Vec<(&'static str, String)> {
    let assign = || ("staff", format!(r#"{{"assignee_id":"{}"}}"#, ids["staff"]));
    match (method, pattern.strip_prefix("/api/v1/").unwrap_or_default()) {
        ("GET" | "DELETE", _) => vec![("", String::new())],
        ("PATCH", "feedback/{feedback_id}") => vec![("", r#"{"status":"triaged"}"#.into()), assign()],
        ("PATCH", "backlog/{item_id}") => vec![("", r#"{"title":"Other words"}"#.into())],
        ("PATCH", "tickets/{ticket_id}") => vec![("", r#"{"state":"closed"}"#.into()), assign()],
        ("PUT", "backlog/{item_id}/links/{feedback_id}") => vec![("", r#"{"importance":"critical"}"#.into())],
        ("POST", "tickets/{ticket_id}/messages") => vec![("", r#"{"kind":"reply","body":"An answer"}"#.into())],
        ("POST", "surveys/{survey_id}/responses") => vec![("", r#"{"answers":[{"question_id":"q1","number":9}]}"#.into())],
        ("POST", "feedback/{feedback_id}/comments") => vec![("", r#"{"body":"A comment"}"#.into())],
        ("PATCH", "members/{member_id}") => vec![("", r#"{"role":"viewer"}"#.into())],
        ("PATCH", "replies/{reply_id}") => vec![("", r#"{"name":"Other words"}"#.into())],
        ("PATCH", "surveys/{survey_id}") => vec![("", r#"{"status":"paused"}"#.into())],
        ("PATCH", "surveys/{survey_id}/draft") => vec![("", r#"{"title":"Other words"}"#.into())],
        ("POST", "surveys/{survey_id}/publish") => vec![("", r#"{"revision":1}"#.into())],
        ("PATCH", "projects/{project_id}") => vec![("", r#"{"name":"Other words"}"#.into())],
        ("POST", "tickets/{ticket_id}/renew-link") => vec![("", r#"{"show":true}"#.into())],
        ("POST", "imports/{import_id}/start") => vec![("", r#"{"mapping":{"columns":{"text":"text"}}}"#.into())],
        ("PATCH", "webhooks/{webhook_id}") => vec![("", r#"{"enabled":false}"#.into())],
        ("POST", "backlog") => vec![("", r#"{"title":"An item"}"#.into())],
        ("POST", "feedback") => vec![("", r#"{"text":"A text"}"#.into())],
        ("POST", "feedback/bulk") => vec![("", r#"{"selection":{"query":"status:new"},"change":{"add_tags":["fresh"]}}"#.into())],
        ("POST", "imports") => vec![("", "text\nFrom a file\n".into())],
        ("POST", "invitations") => vec![("", r#"{"role":"viewer"}"#.into())],
        ("POST", "replies") => vec![("", r#"{"name":"A name","body":"Some words"}"#.into())],
        ("POST", "surveys") => vec![("", r#"{"name":"A survey","template":"nps"}"#.into())],
        ("POST", "tickets") => vec![("", r#"{"subject":"A subject","message":"A message","email":"someone@example.com"}"#.into())],
        ("POST", "webhooks") => vec![("", r#"{"url":"https://hooks.example.com/new","events":["feedback.created"]}"#.into())],
        (
            "POST",
            "identity-secrets"
            | "surveys/{survey_id}/duplicate"
            | "webhooks/{webhook_id}/rotate-secret"
            | "webhooks/{webhook_id}/test"
            | "webhooks/{webhook_id}/retry"
            | "webhooks/{webhook_id}/deliveries/{event_id}/retry"
            | "undo/{undo_id}"
            | "identity-secrets/{secret_id}/retire"
            | "imports/{import_id}/preview"
            | "imports/{import_id}/cancel"
            | "imports/{import_id}/resume"
            | "imports/{import_id}/reopen"
            | "imports/{import_id}/revert",
        ) => vec![("", String::new())],
        _ => panic!("say what {method} {pattern} takes"),
    }
}

/// Operations without an effect on the test data: no delivery has failed, and a preview never changes anything.
const NOTHING_TO_DO: [&str; 3] = ["/{webhook_id}/retry", "/{event_id}/retry", "/preview"];

on_both!(a_key_reaches_nothing_of_another_project, |t: TestApp| async move {
    let (own, other) = (Filled::new(&t, "pelican").await, Filled::new(&t, "walrus").await);
    let key = async |of: &Filled| {
        let wanted = ApiKeyInput { name: "A program", access: Access::Admin, days: None };
        let made = service::keys::create(&t.app, &Scope::system(of.project.id), &wanted, &format!("key-of-{}", of.project.slug)).await;
        let made = made.unwrap().unwrap();
        (Program::with(&t, &made.secret), made.key.id.to_string())
    };
    let (program, actor) = key(&own).await;
    let document = t.anonymous().get("/api/v1/openapi.json").await.json();
    let (asked, mut wrong) = (AtomicUsize::new(0), Vec::new());
    for (pattern, methods) in document["paths"].as_object().unwrap() {
        for method in ["get", "post", "put", "patch", "delete"].into_iter().filter(|m| methods.get(m).is_some()) {
            let method = method.to_uppercase();
            let names = names(&method, pattern);
            if names.is_empty() {
                continue;
            }
            for of in [&own, &other] {
                prepare(&t, pattern, of, &actor).await;
            }
            let send = async |program: &Program, path: &str, body: &str| {
                let once = format!("scopes-key-{}", asked.fetch_add(1, Ordering::SeqCst));
                let mut headers = vec![("idempotency-key", once.as_str())];
                headers.extend((method == "PATCH").then_some(("if-match", "*")));
                program.send(Method::from_bytes(method.as_bytes()).unwrap(), path, &headers, body).await
            };
            for (at, (in_body, _)) in bodies(&method, pattern, &own.ids).into_iter().enumerate() {
                let mut tries = if in_body.is_empty() { mixes(&names, &own.ids, &other.ids) } else { Vec::new() };
                if !in_body.is_empty() {
                    tries.extend(mixes(&[in_body], &own.ids, &other.ids));
                }
                for (foreign, ids) in tries {
                    let (path, body) = (own.path(pattern, &ids), &bodies(&method, pattern, &ids)[at].1);
                    let before = Contents::of(&t).await;
                    let page = send(&program, &path, body).await;
                    let changes = before.effects(&Contents::of(&t).await);
                    let wanted = if in_body.is_empty() { StatusCode::NOT_FOUND } else { StatusCode::UNPROCESSABLE_ENTITY };
                    if page.status != wanted || !changes.is_empty() || page.body.to_lowercase().contains("walrus") {
                        wrong.push(format!("{method} {path} with the other's {foreign}: {} {} {changes:?}", page.status, page.body));
                    }
                }
                // Reading changes nothing, so it needs no project of its own.
                let fresh;
                let (control, its_own) = if method == "GET" {
                    (&own, &program)
                } else {
                    let filled = Filled::new(&t, &format!("heron{}", asked.load(Ordering::SeqCst))).await;
                    let (its_own, actor) = key(&filled).await;
                    prepare(&t, pattern, &filled, &actor).await;
                    fresh = (filled, its_own);
                    (&fresh.0, &fresh.1)
                };
                let (path, body) = (control.path(pattern, &control.ids), &bodies(&method, pattern, &control.ids)[at].1);
                let before = Contents::of(&t).await;
                let page = send(its_own, &path, body).await;
                assert!(page.status.is_success(), "this case cannot fail: {method} {path} {} {}", page.status, page.body);
                let changes = before.effects(&Contents::of(&t).await);
                let writes = method != "GET" && !NOTHING_TO_DO.iter().any(|end| pattern.ends_with(end));
                assert_eq!(!changes.is_empty(), writes, "this case cannot fail: {method} {path} {changes:?}");
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let asked = asked.into_inner();
    assert!(asked > 30, "{asked}");
});
