//! Every route, requested with every role: access is allowed or denied as expected, and no route reveals another project.
//!
//! The routes are read from the sources (and, for the API, from its document), so that a new route fails these tests until its required
//! role is declared here.

use std::collections::{BTreeMap, BTreeSet};

use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use domain::{
    accounts::{Role, Scope, key::Access},
    feedback::FeedbackKind,
    projects::Project,
};
use serde_json::json;
use service::keys::ApiKeyInput;
use store::tickets::NewAttachment;

use crate::{
    contents::Contents,
    on_both,
    support::{Client, PASSWORD, Page, TestApp, sample},
};

/// The required role for a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// Anyone; if there is a secret, it is in the URL.
    Anyone,
    /// People without a session; others are redirected.
    Visitor,
    /// Everyone who is signed in.
    SignedIn,
    /// Members of the project with at least this role.
    Member(Role),
    /// Owners and admins of any project.
    RunsAProject,
    /// Operators of the installation.
    Operator,
}

use Who::{Anyone, Member, Operator, RunsAProject, SignedIn, Visitor};

const VIEWER: Who = Member(Role::Viewer);
const TRIAGER: Who = Member(Role::Triager);
const ADMIN: Who = Member(Role::Admin);
const OWNER: Who = Member(Role::Owner);

/// Access rules: methods, path, required role.
const ACCESS: &[(&str, &str, Who)] = &[
    ("GET", "/healthz", Anyone),
    ("GET", "/readyz", Anyone),
    ("GET", "/metrics", Anyone),
    ("GET", "/assets/{file}", Anyone),
    ("GET", "/favicon.svg", Anyone),
    ("GET", "/robots.txt", Anyone),
    ("GET", "/embed.js", Anyone),
    ("GET OPTIONS", "/embed/v1/{key}/config", Anyone),
    ("OPTIONS GET", "/embed/v1/{key}/portal", Anyone),
    ("POST OPTIONS", "/embed/v1/{key}/responses", Anyone),
    ("PUT OPTIONS", "/embed/v1/{key}/responses/{id}", Anyone),
    ("GET POST", "/s/{survey}", Anyone),
    ("GET", "/s/{survey}/thanks", Anyone),
    ("GET POST", "/p/{slug}", Anyone),
    ("GET POST", "/p/{slug}/t/{token}", Anyone),
    ("GET POST", "/p/{slug}/t/{token}/close", Anyone),
    ("GET POST", "/p/{slug}/t/{token}/reopen", Anyone),
    ("GET", "/p/{slug}/t/{token}/files/{id}", Anyone),
    ("GET", "/api/v1/openapi.json", Anyone),
    ("GET", "/api/docs", Anyone),
    ("GET POST", "/setup", Anyone),
    ("GET POST", "/sign-in", Visitor),
    ("GET POST", "/forgot", Anyone),
    ("GET", "/forgot/sent", Anyone),
    ("GET POST", "/reset/{token}", Anyone),
    ("GET POST", "/invite/{token}", Anyone),
    ("POST", "/sign-out", Anyone),
    ("GET", "/", SignedIn),
    ("GET", "/inbox", SignedIn),
    ("GET", "/backlog", SignedIn),
    ("GET", "/surveys", SignedIn),
    ("GET POST", "/projects/new", RunsAProject),
    ("GET", "/p/{slug}/inbox", VIEWER),
    ("GET", "/p/{slug}/events", VIEWER),
    ("GET", "/p/{slug}/tickets", VIEWER),
    ("GET", "/p/{slug}/feedback/{id}", VIEWER),
    ("GET", "/p/{slug}/feedback/{id}/files/{file}", VIEWER),
    ("POST", "/p/{slug}/undo", TRIAGER),
    ("POST", "/p/{slug}/feedback/bulk", TRIAGER),
    ("POST", "/p/{slug}/feedback/{id}/status", TRIAGER),
    ("POST", "/p/{slug}/feedback/{id}/assign", TRIAGER),
    ("POST", "/p/{slug}/feedback/{id}/tags", TRIAGER),
    ("POST", "/p/{slug}/feedback/{id}/comments", TRIAGER),
    ("POST", "/p/{slug}/feedback/{id}/link", TRIAGER),
    ("GET", "/p/{slug}/feedback/{id}/link", VIEWER),
    ("POST", "/p/{slug}/feedback/{id}/unlink", TRIAGER),
    ("POST", "/p/{slug}/feedback/{id}/backlog", TRIAGER),
    ("POST", "/p/{slug}/feedback/{id}/answer", TRIAGER),
    ("GET", "/p/{slug}/feedback/{id}/as-requester", VIEWER),
    ("POST", "/p/{slug}/feedback/{id}/new-link", TRIAGER),
    ("POST", "/p/{slug}/feedback/{id}/note", TRIAGER),
    ("POST", "/p/{slug}/feedback/{id}/priority", TRIAGER),
    ("POST", "/p/{slug}/feedback/{id}/reopen", TRIAGER),
    ("POST", "/p/{slug}/feedback/{id}/close", TRIAGER),
    ("GET", "/p/{slug}/backlog", VIEWER),
    ("POST", "/p/{slug}/backlog", TRIAGER),
    ("GET", "/p/{slug}/backlog/{number}", VIEWER),
    ("POST", "/p/{slug}/backlog/{number}", TRIAGER),
    ("POST", "/p/{slug}/backlog/{number}/status", TRIAGER),
    ("GET", "/p/{slug}/surveys", VIEWER),
    ("GET POST", "/p/{slug}/surveys/new", ADMIN),
    ("GET", "/p/{slug}/surveys/{id}", VIEWER),
    ("GET", "/p/{slug}/surveys/{id}/edit", VIEWER),
    ("POST", "/p/{slug}/surveys/{id}/edit", ADMIN),
    ("GET", "/p/{slug}/surveys/{id}/preview", VIEWER),
    ("POST", "/p/{slug}/surveys/{id}/status", ADMIN),
    ("POST", "/p/{slug}/surveys/{id}/duplicate", ADMIN),
    ("GET", "/p/{slug}/surveys/{id}/results", VIEWER),
    ("GET", "/p/{slug}/surveys/{id}/results/responses", VIEWER),
    ("GET", "/p/{slug}/surveys/{id}/results/responses/{response}", VIEWER),
    ("GET", "/p/{slug}/imports", ADMIN),
    ("POST", "/p/{slug}/imports", ADMIN),
    ("GET", "/p/{slug}/imports/{id}", ADMIN),
    ("GET", "/p/{slug}/imports/{id}/preview", ADMIN),
    ("POST", "/p/{slug}/imports/{id}/preview", ADMIN),
    ("GET", "/p/{slug}/imports/{id}/start", ADMIN),
    ("POST", "/p/{slug}/imports/{id}/start", ADMIN),
    ("GET", "/p/{slug}/imports/{id}/change", ADMIN),
    ("POST", "/p/{slug}/imports/{id}/change", ADMIN),
    ("GET", "/p/{slug}/imports/{id}/continue", ADMIN),
    ("POST", "/p/{slug}/imports/{id}/continue", ADMIN),
    ("GET", "/p/{slug}/imports/{id}/cancel", ADMIN),
    ("POST", "/p/{slug}/imports/{id}/cancel", ADMIN),
    ("GET", "/p/{slug}/imports/{id}/take-back", ADMIN),
    ("POST", "/p/{slug}/imports/{id}/take-back", ADMIN),
    ("GET", "/p/{slug}/imports/{id}/bad-lines.csv", ADMIN),
    ("GET", "/p/{slug}/replies", VIEWER),
    ("POST", "/p/{slug}/replies", TRIAGER),
    ("GET", "/p/{slug}/replies/{id}", TRIAGER),
    ("POST", "/p/{slug}/replies/{id}", TRIAGER),
    ("POST", "/p/{slug}/replies/{id}/delete", TRIAGER),
    ("GET", "/p/{slug}/export", VIEWER),
    ("GET", "/p/{slug}/export/file", TRIAGER),
    ("GET", "/p/{slug}/webhooks", VIEWER),
    ("POST", "/p/{slug}/webhooks", ADMIN),
    ("GET POST", "/p/{slug}/webhooks/{id}", ADMIN),
    ("GET", "/p/{slug}/webhooks/{id}/deliveries/{event}", ADMIN),
    ("POST", "/p/{slug}/webhooks/{id}/again", ADMIN),
    ("POST", "/p/{slug}/webhooks/{id}/delete", ADMIN),
    ("POST", "/p/{slug}/webhooks/{id}/deliveries/{event}/again", ADMIN),
    ("POST", "/p/{slug}/webhooks/{id}/enabled", ADMIN),
    ("POST", "/p/{slug}/webhooks/{id}/hand-over", OWNER),
    ("POST", "/p/{slug}/webhooks/{id}/rotate", ADMIN),
    ("POST", "/p/{slug}/webhooks/{id}/test", ADMIN),
    ("GET", "/p/{slug}/settings", VIEWER),
    ("POST", "/p/{slug}/settings", ADMIN),
    ("GET", "/p/{slug}/embed", VIEWER),
    ("GET", "/p/{slug}/members", VIEWER),
    ("POST", "/p/{slug}/members", ADMIN),
    ("GET", "/p/{slug}/members/role", VIEWER),
    ("GET", "/p/{slug}/members/remove", VIEWER),
    ("POST", "/p/{slug}/members/role", ADMIN),
    ("POST", "/p/{slug}/members/remove", ADMIN),
    ("POST", "/p/{slug}/members/restore", ADMIN),
    ("POST", "/p/{slug}/members/revoke", ADMIN),
    ("GET", "/p/{slug}/identity", VIEWER),
    ("POST", "/p/{slug}/identity", ADMIN),
    ("POST", "/p/{slug}/identity/retire", ADMIN),
    ("POST", "/p/{slug}/identity/unsigned", ADMIN),
    ("GET", "/p/{slug}/keys", VIEWER),
    ("POST", "/p/{slug}/keys", ADMIN),
    ("POST", "/p/{slug}/keys/hand-over", OWNER),
    ("POST", "/p/{slug}/keys/revoke", ADMIN),
    ("GET", "/p/{slug}/keys/revoke", VIEWER),
];

/// The console's account pages: the same for everyone who is signed in.
const ACCOUNT: &str = "/account";
/// Pages for operators.
const OPERATOR: &str = "/operator";

pub fn who(method: &str, path: &str) -> Option<Who> {
    if path.starts_with(ACCOUNT) {
        return Some(SignedIn);
    }
    if path.starts_with(OPERATOR) {
        return Some(Operator);
    }
    ACCESS.iter().find(|(methods, known, _)| *known == path && methods.split(' ').any(|m| m == method)).map(|(.., who)| *who)
}

/// All routes in the sources: method and path.
pub fn routes() -> BTreeSet<(String, String)> {
    fn walk(dir: &std::path::Path, found: &mut BTreeSet<(String, String)>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                read(&std::fs::read_to_string(&path).unwrap(), found);
            }
        }
    }
    fn read(source: &str, found: &mut BTreeSet<(String, String)>) {
        // Tests in a module define their own routers.
        let source = source.split("#[cfg(test)]").next().unwrap_or_default();
        for (at, _) in source.match_indices(".route(") {
            let call = arguments(&source[at + ".route(".len()..]);
            let Some(path) = call.trim_start().strip_prefix('"').and_then(|c| c.split('"').next()) else { continue };
            let handlers = &call[call.find(',').unwrap()..];
            let mut any = false;
            for method in ["get", "post", "put", "patch", "delete", "options"] {
                let called = |before: char| !before.is_alphanumeric() && before != '_' && before != ':';
                let calls =
                    handlers.match_indices(&format!("{method}(")).any(|(i, _)| handlers[..i].chars().next_back().is_none_or(called));
                if calls {
                    any = true;
                    found.insert((method.to_uppercase(), path.to_owned()));
                }
            }
            assert!(any, "no method was recognised in {call}");
        }
    }
    /// The text up to the end of an open parenthesis.
    fn arguments(rest: &str) -> &str {
        let mut depth = 1;
        for (i, c) in rest.char_indices() {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return &rest[..i];
            }
        }
        rest
    }
    let mut found = BTreeSet::new();
    walk(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http"), &mut found);
    found
}

#[test]
fn of_every_route_it_is_said_who_may_use_it() {
    let routes = routes();
    assert!(routes.len() > 80, "{} were found", routes.len());
    let unsaid: Vec<_> = routes.iter().filter(|(method, path)| who(method, path).is_none()).collect();
    assert!(unsaid.is_empty(), "say in ACCESS who may use {unsaid:#?}");
}

/// A project with data of every kind; every text contains `word`.
pub struct Filled {
    pub project: Project,
    /// Values for the names in paths, by the preceding part.
    pub ids: BTreeMap<&'static str, String>,
}

impl Filled {
    pub async fn new(t: &TestApp, word: &str) -> Self {
        let create = || async { service::projects::create(&t.app, &format!("Project {word}"), vec![], None).await };
        // The random bytes of tests repeat after some thousands, and then the public key is taken.
        let project = match create().await {
            Ok(project) => project,
            Err(_) => create().await.unwrap(),
        };
        Self::within(t, project, word).await
    }

    /// Fills an existing project with data of every kind.
    pub async fn within(t: &TestApp, project: Project, word: &str) -> Self {
        let app = &t.app;
        let scope = Scope::system(project.id);
        let mut ids = BTreeMap::from([("project", project.id.to_string())]);
        let key = |what: &str| format!("{what}-{word}");

        let survey = service::surveys::create(app, &scope, "nps", &format!("Survey {word}"), &key("survey")).await.unwrap();
        let draft = app.store.survey(&scope, survey).await.unwrap().unwrap();
        let published = service::surveys::publish(app, &scope, survey, draft.revision, &key("publish")).await.unwrap();
        ids.insert("version", published.version.to_string());
        ids.insert("survey", survey.to_string());
        let answer = json!({ "survey": survey, "finished": true, "idempotency_key": key("answer"),
            "answers": [["q1", "3"], ["q2", format!("I say {word}")]],
            "contact": { "id": key("contact"), "email": format!("{word}@example.com"), "name": word } });
        let url = format!("/embed/v1/{}/responses", project.key);
        let sent = t.anonymous().json(Method::POST, &url, &[], &answer).await;
        assert_eq!(sent.status, StatusCode::CREATED, "{}", sent.body);
        ids.insert("response", sent.json()["id"].as_str().unwrap().to_owned());

        let mut item = sample(app, project.id, &format!("A text with {word}"));
        (item.kind, item.tags, item.page_url) = (FeedbackKind::Api, vec![word.to_lowercase()], Some(format!("https://example.com/{word}")));
        let feedback = item.id;
        app.store.write(move |tx| Box::pin(async move { tx.insert_feedback(&item, None).await })).await.unwrap();
        ids.insert("feedback", feedback.to_string());

        let number =
            service::backlog::create(app, &scope, &key("backlog"), &format!("Item {word}"), &format!("Body {word}")).await.unwrap();
        ids.insert("backlog", number.to_string());

        let mut upload = service::imports::begin_upload(app, &scope, &format!("{word}.csv"), &key("import")).await.unwrap();
        upload.push(app, &scope, format!("text\n{word} from a file\n").as_bytes()).await.unwrap();
        ids.insert("imports", upload.finish(app, &scope).await.unwrap().to_string());

        let reply = service::replies::create(app, &scope, &key("reply"), &format!("Reply {word}"), &format!("Hello {word}")).await.unwrap();
        ids.insert("replies", reply.to_string());

        let ticket = domain::tickets::NewTicket {
            subject: format!("Subject {word}"),
            message: format!("Message {word}"),
            email: format!("{}@example.com", word.to_lowercase()),
            name: word.to_owned(),
        };
        let bytes = bytes::Bytes::from(format!("File {word}"));
        let size = i64::try_from(bytes.len()).unwrap();
        let files = vec![NewAttachment { name: format!("{word}.txt"), media_type: "text/plain".into(), size, bytes }];
        let submission = service::tickets::TicketSubmission { ticket, files, ..service::tickets::TicketSubmission::default() };
        let submitted = service::tickets::submit(app, &project, &key("ticket"), submission).await.unwrap();
        let file = sqlx::query_scalar("SELECT id FROM attachments WHERE ticket_id = $1").bind(submitted.ticket.to_string());
        ids.insert("file", file.fetch_one(app.store.reader()).await.unwrap());
        ids.insert("ticket", submitted.feedback.to_string());
        ids.insert("token", service::tickets::token(app, submitted.ticket).unwrap());
        ids.insert("ticket_id", submitted.ticket.to_string());

        let input = service::webhooks::EndpointInput {
            url: format!("https://hooks.example.com/{word}"),
            note: format!("Hook {word}"),
            kinds: vec!["feedback.created".into(), "ticket.created".into()],
        };
        let hook = service::webhooks::create(app, &scope, &key("webhook"), &input).await.unwrap();
        ids.insert("webhook", hook.to_string());
        ids.insert("event", service::webhooks::test(app, &scope, &key("event"), hook).await.unwrap().to_string());

        let wanted = ApiKeyInput { name: &format!("Key {word}"), access: Access::Read, days: None };
        let made = match service::keys::create(app, &scope, &wanted, &key("key")).await {
            Ok(made) => made.unwrap(),
            // As the public key above.
            Err(_) => service::keys::create(app, &scope, &wanted, &key("key")).await.unwrap().unwrap(),
        };
        ids.insert("key", made.key.id.to_string());

        service::identity::create(app, &scope, &key("secret")).await.unwrap().unwrap();
        ids.insert("secret", app.store.identity_secrets(&scope).await.unwrap()[0].id.to_string());

        let quoting = service::backlog::LinkInput { quote: word.to_owned(), importance: domain::backlog::Importance::Normal };
        service::backlog::link(app, &scope, feedback, number, quoting).await.unwrap();
        let item = app.store.backlog_item(&scope, number).await.unwrap().unwrap();
        ids.insert("item", item.id.to_string());

        let staff =
            service::accounts::create_staff(app, &format!("filler-{word}@x.test"), &format!("Filler {word}"), PASSWORD).await.unwrap();
        ids.insert("staff", staff.to_string());
        let (id, now) = (project.id, app.now());
        app.store.write(move |tx| Box::pin(async move { tx.set_role(id, staff, Role::Admin, now).await })).await.unwrap();
        // Their changes can be undone, and objects that act for them can be handed over.
        let by = app.store.team_member(staff).await.unwrap().scope(project.id, Role::Triager).unwrap();
        let contact = app.store.feedback_by_ids(&scope, &[submitted.feedback]).await.unwrap()[0].contact.unwrap();
        ids.insert("contact", contact.to_string());
        let version = app.store.feedback_by_ids(&scope, &[feedback]).await.unwrap()[0].version;
        let seen = service::triage::ItemVersion { id: feedback, version };
        let edit = service::triage::FeedbackEdit::Tags { add: vec!["undoable".into()], remove: vec![] };
        ids.insert("undo", service::triage::edit(app, &by, &[seen], edit).await.unwrap().undo.unwrap().to_string());
        for table in ["webhook_endpoints", "api_keys"] {
            t.run(&format!("UPDATE {table} SET created_by = '{staff}' WHERE project_id = '{}'", project.id)).await;
        }
        let rows: [(&str, Vec<String>); 4] = [
            (
                "INSERT INTO comments (id, project_id, feedback_id, actor_id, body, created_at) VALUES ($1, $2, $3, $4, $5, 1)",
                vec![
                    app.ids.uuid().to_string(),
                    project.id.to_string(),
                    feedback.to_string(),
                    staff.to_string(),
                    format!("A word: {word}"),
                ],
            ),
            (
                "INSERT INTO invitations (id, project_id, role, email, token_hash, created_by, created_at, expires_at) \
                 VALUES ($1, $2, 'viewer', $3, $4, $5, 1, 9000000000000)",
                vec![
                    app.ids.uuid().to_string(),
                    project.id.to_string(),
                    format!("guest-{word}@x.test"),
                    format!("hash-{word}"),
                    staff.to_string(),
                ],
            ),
            (
                "INSERT INTO letters (id, project_id, kind, about, recipient, subject, content, link, state, created_at, updated_at, given_up_at) \
                 VALUES ($1, $2, 'ticket_confirmation', $3, $4, $5, '{}', '', 'dead', 1, 1, 1)",
                vec![
                    app.ids.uuid().to_string(),
                    project.id.to_string(),
                    submitted.ticket.to_string(),
                    format!("{word}@example.com"),
                    format!("Letter {word}"),
                ],
            ),
            (
                "INSERT INTO jobs (id, kind, payload, state, attempts, failures, run_at, last_error, created_at, finished_at) \
                 VALUES ($1, 'import', $2, 'dead', 1, 8, 1, $3, 1, 1)",
                vec![app.ids.uuid().to_string(), format!("{{\"of\":\"{word}\"}}"), format!("Failed: {word}")],
            ),
        ];
        for (n, (sql, values)) in rows.into_iter().enumerate() {
            let id = values[0].clone();
            app.store
                .write(move |tx| {
                    Box::pin(async move {
                        let query = values.into_iter().fold(sqlx::query(sql), |query, value| query.bind(value));
                        Ok(query.execute(tx.conn()).await?)
                    })
                })
                .await
                .unwrap();
            ids.insert(["comment", "invitation", "message", "job"][n], id);
        }

        assert!(
            app.search.ready(std::time::Duration::from_secs(20)).await
                && app.search.wait_until_caught_up(std::time::Duration::from_secs(20)).await
        );
        Self { project, ids }
    }

    /// A path with its names replaced; `ids` may be another project's.
    pub fn path(&self, pattern: &str, ids: &BTreeMap<&'static str, String>) -> String {
        let mut before = "";
        let parts = pattern.split('/').map(|part| {
            let value = match (before, part) {
                (_, "{slug}") => self.project.slug.clone(),
                ("v1", "{key}") => self.project.key.clone(),
                ("export", "file") => "file?what=feedback&format=csv".into(),
                (_, part) if part.starts_with('{') => {
                    named(pattern, before, part).map_or_else(|| "0192aaaa-0000-7000-8000-000000000000".into(), |name| ids[name].clone())
                }
                (_, part) => part.to_owned(),
            };
            before = part;
            value
        });
        parts.collect::<Vec<_>>().join("/")
    }
}

/// The meaning of a name in a path, from the part before it: a key of [`Filled::ids`].
pub fn named(pattern: &str, before: &str, part: &str) -> Option<&'static str> {
    // Actions on a ticket use the id of its feedback.
    let at_ticket = ["/answer", "/note", "/new-link", "/as-requester", "/priority", "/reopen", "/close", "/files/{file}"];
    Some(match (before, part) {
        ("feedback", "{id}") if at_ticket.iter().any(|end| pattern.ends_with(end)) => "ticket",
        ("feedback", "{id}") | ("feedback" | "links", "{feedback_id}") => "feedback",
        ("projects", "{project_id}") => "project",
        ("backlog", "{item_id}") => "item",
        ("backlog", "{number}") => "backlog",
        ("tickets", "{ticket_id}") => "ticket_id",
        ("surveys", "{survey_id}" | "{id}") | (_, "{survey}") => "survey",
        ("responses", "{response_id}" | "{id}") | (_, "{response}") => "response",
        ("files", "{file}" | "{id}") | ("attachments", "{attachment_id}") => "file",
        ("undo", "{undo_id}") => "undo",
        ("identity-secrets", "{secret_id}") => "secret",
        ("webhooks", "{id}" | "{webhook_id}") => "webhook",
        ("deliveries", "{event}" | "{event_id}") => "event",
        ("comments", "{comment_id}") => "comment",
        ("contacts", "{contact_id}") => "contact",
        ("versions", "{version_id}") => "version",
        ("members", "{member_id}") => "staff",
        ("invitations", "{invitation_id}") => "invitation",
        ("imports", "{id}" | "{import_id}") => "imports",
        ("replies", "{id}" | "{reply_id}") => "replies",
        ("t", "{token}") => "token",
        _ => return None,
    })
}

/// Forms that may contain files.
pub const MULTIPART: [&str; 2] = ["/answer", "/imports"];

/// Sends a request as a browser would for `method`.
pub async fn ask(client: &Client, method: &str, path: &str) -> Page {
    match method {
        "GET" => client.get(path).await,
        "POST" if MULTIPART.iter().any(|end| path.ends_with(end)) => {
            let body = "--x\r\nContent-Disposition: form-data; name=\"idempotency_key\"\r\n\r\nmatrix-000002\r\n--x--\r\n";
            let headers = [("content-type", "multipart/form-data; boundary=x"), ("sec-fetch-site", "same-origin")];
            client.send(Method::POST, path, &headers, Body::from(body)).await
        }
        "POST" => client.post(path, &[]).await,
        _ => client.json(Method::from_bytes(method.as_bytes()).unwrap(), path, &[], &json!({})).await,
    }
}

/// Fields that some form accepts, about the objects of `ids`.
fn plausible<'a>(pattern: &str, ids: &'a BTreeMap<&'static str, String>) -> Vec<(&'static str, &'a str)> {
    let status = if pattern.contains("/surveys/") { "paused" } else { "triaged" };
    let mut form: Vec<(&'static str, &'a str)> = vec![
        ("status", status),
        ("was", "live"),
        ("assignee", ""),
        ("add", "x"),
        ("tags", "x"),
        ("body", "x"),
        ("message", "x"),
        ("title", "x"),
        ("name", "x"),
        ("version", "1"),
        ("number", "1"),
        ("backlog", "1"),
        ("priority", "high"),
        ("revision", "1"),
        ("to", "paused"),
        ("url", "https://hooks.example.com/x"),
        ("kinds", "feedback.created"),
        ("on", "0"),
        ("role", "viewer"),
    ];
    form.extend(
        [("item", "backlog"), ("key", "key"), ("staff", "staff"), ("invitation", "invitation"), ("secret", "secret")]
            .map(|(name, id)| (name, ids[id].as_str())),
    );
    form
}

pub fn asks_to_sign_in(page: &Page) -> bool {
    page.status == StatusCode::UNAUTHORIZED || page.status == StatusCode::SEE_OTHER && page.location().starts_with("/sign-in")
}

/// An anonymous client, and one for each role; none of them is a member of the other project.
pub async fn people(t: &TestApp, own: &Project, other: &Project) -> Vec<(Option<Role>, Client)> {
    let mut people = vec![(None, t.anonymous())];
    for (role, email) in
        [(Role::Viewer, "viewer@x.test"), (Role::Triager, "triager@x.test"), (Role::Admin, "admin@x.test"), (Role::Owner, "owner@x.test")]
    {
        people.push((Some(role), t.member(own, email, role).await.1));
    }
    // A project without members would not be realistic.
    t.member(other, "elsewhere@x.test", Role::Owner).await;
    people
}

/// Sends a request that only a missing role can block.
async fn try_it(client: &Client, method: &str, pattern: &str, path: &str, ids: &BTreeMap<&'static str, String>) -> Page {
    match (method, MULTIPART.iter().any(|end| path.ends_with(end))) {
        ("POST", false) if pattern.contains("/backlog/") => {
            client.post(path, &[("status", "planned"), ("title", "x"), ("body", ""), ("version", "1")]).await
        }
        ("POST", false) => client.post(path, &plausible(pattern, ids)).await,
        _ => ask(client, method, path).await,
    }
}

fn may(who: Who, role: Option<Role>) -> bool {
    match who {
        Anyone | Visitor => true,
        SignedIn => role.is_some(),
        Member(need) => role.is_some_and(|role| role >= need),
        RunsAProject => role.is_some_and(|role| role >= Role::Admin),
        Operator => false,
    }
}

on_both!(everybody_gets_what_their_role_allows_and_no_more, |t: TestApp| async move {
    let (own, other) = (Filled::new(&t, "pelican").await, Filled::new(&t, "walrus").await);
    let people = people(&t, &own.project, &other.project).await;
    let routes = routes();
    let before = Contents::of(&t).await;
    let mut wrong = Vec::new();
    // First, requests without permission: they change nothing.
    for (method, pattern) in &routes {
        let who = who(method, pattern).unwrap_or(Operator);
        let path = own.path(pattern, &own.ids);
        for (role, client) in people.iter().filter(|(role, _)| !may(who, *role)) {
            let page = try_it(client, method, pattern, &path, &own.ids).await;
            let refused = match role {
                // Old URLs redirect to a page that requires sign-in.
                None if page.status == StatusCode::SEE_OTHER && method == "GET" && !asks_to_sign_in(&page) => {
                    asks_to_sign_in(&client.get(page.location()).await)
                }
                None => asks_to_sign_in(&page),
                Some(_) => page.status == StatusCode::FORBIDDEN || who == Operator && page.status == StatusCode::NOT_FOUND,
            };
            if !refused {
                wrong.push(format!("{method} {path} answered {} to {role:?}", page.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    before.assert_same(&Contents::of(&t).await, "who may not, changes nothing");
    // Then permitted reads.
    for (method, pattern) in routes.iter().filter(|(method, _)| method == "GET") {
        let who = who(method, pattern).unwrap_or(Operator);
        // A stream does not end; the inbox tests read it.
        if pattern.ends_with("/events") {
            continue;
        }
        let path = own.path(pattern, &own.ids);
        for (role, client) in people.iter().filter(|(role, _)| who != Anyone && who != Visitor && may(who, *role)) {
            let page = client.get(&path).await;
            let unknown_id = path.contains("0192aaaa");
            let answered = page.status.is_success() || page.status.is_redirection() && !asks_to_sign_in(&page);
            if !(answered || unknown_id && page.status == StatusCode::NOT_FOUND) {
                wrong.push(format!("{method} {path} answered {} to {role:?}", page.status));
            }
            assert!(!page.body.to_lowercase().contains("walrus"), "{method} {path} tells {role:?} of another project");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    before.assert_same(&Contents::of(&t).await, "reading changes nothing");
    // Finally permitted writes, which show that the rules above are not too strict.
    for (method, pattern) in routes.iter().filter(|(method, _)| method == "POST") {
        let Some(Member(need)) = who(method, pattern) else { continue };
        let (role, client) = people.iter().find(|(role, _)| *role == Some(need)).unwrap();
        let page = try_it(client, method, pattern, &own.path(pattern, &own.ids), &own.ids).await;
        if page.status == StatusCode::FORBIDDEN {
            wrong.push(format!("{method} {pattern} is refused to {role:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
});

on_both!(a_post_from_another_site_is_refused_everywhere, |t: TestApp| async move {
    let own = Filled::new(&t, "pelican").await;
    let other = Filled::new(&t, "walrus").await;
    let people = people(&t, &own.project, &other.project).await;
    let (_, owner) = people.last().unwrap();
    let before = Contents::of(&t).await;
    let mut asked = 0;
    for (method, pattern) in routes().iter().filter(|(method, _)| method != "GET" && method != "OPTIONS") {
        // Without a cookie, a page on another site has nothing to abuse.
        let cookieless = pattern.starts_with("/s/") || pattern.starts_with("/embed/") || pattern.starts_with("/api/");
        let portal = pattern == "/p/{slug}" || pattern.starts_with("/p/{slug}/t/");
        if cookieless || portal {
            continue;
        }
        let path = own.path(pattern, &own.ids);
        for headers in [
            [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "cross-site")],
            [("content-type", "application/x-www-form-urlencoded"), ("origin", "https://evil.example")],
        ] {
            let body = Body::from("idempotency_key=from-another-site");
            let page = owner.send(Method::from_bytes(method.as_bytes()).unwrap(), &path, &headers, body).await;
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{method} {path} with {headers:?}");
            asked += 1;
        }
    }
    assert!(asked > 60, "{asked}");
    before.assert_same(&Contents::of(&t).await, "another site changes nothing");
    // The same request from our own site is accepted, so the origin was the reason.
    assert_ne!(owner.post("/account", &[("name", "Olga")]).await.status, StatusCode::FORBIDDEN);
});

on_both!(what_the_server_sets_is_not_for_forms_to_set, |t: TestApp| async move {
    let (own, other) = (Filled::new(&t, "pelican").await, Filled::new(&t, "walrus").await);
    let people = people(&t, &own.project, &other.project).await;
    let by = |wanted: Role| people.iter().find(|(role, _)| *role == Some(wanted)).map(|(_, client)| client).unwrap();
    let (triager, admin) = (by(Role::Triager), by(Role::Admin));
    let foreign = other.project.id.to_string();
    let columns = [
        ("id", foreign.as_str()),
        ("project", foreign.as_str()),
        ("project_id", foreign.as_str()),
        ("project.id", foreign.as_str()),
        ("slug", other.project.slug.as_str()),
        ("staff_id", foreign.as_str()),
        ("actor_id", foreign.as_str()),
        ("created_by", foreign.as_str()),
        ("created_at", "1"),
        ("updated_at", "1"),
        ("version", "999"),
        ("number", "999"),
        ("role", "owner"),
        ("operator", "1"),
        ("spam_reasons", "[]"),
        ("source_key", "x"),
        ("public_key", "x"),
        ("secret", "x"),
    ];
    let with = |own: &[(&'static str, &'static str)]| -> Vec<(&str, &str)> {
        own.iter().copied().chain(columns.iter().copied().filter(|(name, _)| own.iter().all(|(n, _)| n != name))).collect()
    };
    let of_other = async || -> i64 {
        sqlx::query_scalar(
            "SELECT (SELECT COUNT(*) FROM feedback WHERE project_id = $1) + (SELECT COUNT(*) FROM backlog_items WHERE project_id = $1) + \
             (SELECT COUNT(*) FROM history WHERE project_id = $1) + (SELECT COUNT(*) FROM surveys WHERE project_id = $1) + \
             (SELECT COUNT(*) FROM memberships WHERE project_id = $1)",
        )
        .bind(foreign.clone())
        .fetch_one(t.app.store.reader())
        .await
        .unwrap()
    };
    let before = of_other().await;
    let slug = &own.project.slug;
    let made = triager.post(&format!("/p/{slug}/backlog"), &with(&[("title", "Mine"), ("body", "x")])).await;
    assert!(made.status.is_redirection(), "{}", made.body);
    let comments = format!("/p/{slug}/feedback/{}/comments", own.ids["feedback"]);
    let survey = format!("/s/{}", own.ids["survey"]);
    for (client, path, form) in [
        (triager, comments.as_str(), with(&[("body", "A comment")])),
        (triager, "/account", with(&[("name", "Tom")])),
        (admin, &format!("/p/{slug}/surveys/new"), with(&[("template", "nps"), ("name", "Mine")])),
        (&t.anonymous(), &survey, with(&[("q1", "9"), ("q2", "again")])),
    ] {
        let page = client.post(path, &form).await;
        assert!(page.status.is_redirection(), "{path} answered {}: {}", page.status, page.body);
    }
    assert_eq!(of_other().await, before, "nothing came to the other project");
    let numbers: Vec<i64> = sqlx::query_scalar("SELECT number FROM backlog_items WHERE project_id = $1 ORDER BY number")
        .bind(own.project.id.to_string())
        .fetch_all(t.app.store.reader())
        .await
        .unwrap();
    assert_eq!(numbers, [1, 2]);
    let old: i64 = sqlx::query_scalar("SELECT (SELECT COUNT(*) FROM backlog_items WHERE created_at = 1) + (SELECT COUNT(*) FROM feedback WHERE created_at = 1 OR version = 999)")
        .fetch_one(t.app.store.reader())
        .await
        .unwrap();
    assert_eq!(old, 0);
    let operators: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM accounts WHERE operator = 1").fetch_one(t.app.store.reader()).await.unwrap();
    let owners: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM memberships WHERE role = 'owner'").fetch_one(t.app.store.reader()).await.unwrap();
    assert_eq!((operators, owners), (0, 2), "nobody rose");
});
