//! Events are what the API returns: each kind of event, through the real delivery.

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{schema::faults, *};
use crate::api::{patch, post};

/// The URL in events of this installation.
const BASE: &str = "https://feedback.example.com";

/// A receiver of every event of a project, and a program that reads the same project.
struct Listener {
    t: TestApp,
    project: Project,
    program: Program,
    document: Value,
    receiver: Receiver,
    sender: WebhookClient,
    webhook: EndpointId,
    /// The kinds of the events so far.
    seen: BTreeSet<String>,
}

impl Listener {
    async fn new(t: TestApp) -> Self {
        t.app.store.set_public_url(BASE);
        let (project, scope) = open(&t).await;
        let (receiver, port) = Receiver::on("127.0.0.1").await;
        let kinds: Vec<EventKind> = EventKind::ALL.iter().copied().filter(|kind| kind.is_offered()).collect();
        let webhook = endpoint(&t, &scope, port, &kinds).await;
        let program = Program::new(&t, &project, Access::Admin).await;
        let document = t.anonymous().get("/api/v1/openapi.json").await.json();
        Self { t, project, program, document, receiver, sender: sender(&["127.0.0.1"]), webhook, seen: BTreeSet::new() }
    }

    /// The events since the last call, sorted by kind. Each is exactly what the document describes.
    async fn events(&mut self) -> Vec<Value> {
        deliver_settled(&self.t.app, &self.sender).await.unwrap();
        let mut events: Vec<Value> = self.receiver.take().iter().map(json).collect();
        events.sort_by_key(|event| event["type"].as_str().unwrap().to_owned());
        for event in &events {
            self.check(event);
        }
        events
    }

    /// The data of the events since the last call, which are of these kinds (sorted).
    async fn data<const N: usize>(&mut self, kinds: [&str; N]) -> [Value; N] {
        let events = self.events().await;
        let got: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
        assert_eq!(got, kinds);
        let data: Vec<Value> = events.iter().map(|event| event["data"].clone()).collect();
        data.try_into().unwrap()
    }

    fn check(&mut self, event: &Value) {
        let kind = event["type"].as_str().unwrap();
        let body = &self.document["webhooks"][kind]["post"]["requestBody"]["content"]["application/json"]["schema"];
        let wrong = |event: &Value| faults(&self.document, body, event);
        assert!(wrong(event).is_empty(), "{kind}: {:?} in {event}", wrong(event));
        // No field may be missing, and none may be added.
        for place in ["", "/data"] {
            let fields = event.pointer(place).unwrap().as_object().unwrap();
            for field in fields.keys() {
                let mut less = event.clone();
                less.pointer_mut(place).unwrap().as_object_mut().unwrap().remove(field);
                assert!(!wrong(&less).is_empty(), "{kind}: nobody misses {place}/{field}");
            }
            let mut more = event.clone();
            more.pointer_mut(place).unwrap()["project"] = json!(1);
            assert!(!wrong(&more).is_empty(), "{kind}: {place} may have any field");
        }
        assert_eq!(event["project_id"], json!(self.project.id));
        assert_eq!(event["timestamp"], json!(self.t.app.now().rfc3339()));
        let page = match kind.split('.').next().unwrap() {
            "feedback" => format!("feedback/{}", event["data"]["id"].as_str().unwrap()),
            "ticket" => format!("feedback/{}", event["data"]["feedback_id"].as_str().unwrap()),
            "backlog_item" => format!("backlog/{}", event["data"]["number"]),
            _ => format!("webhooks/{}", self.webhook),
        };
        let url = format!("{BASE}/p/{}/{page}", self.project.slug);
        assert_eq!(event["url"], if kind == "backlog_item.deleted" { Value::Null } else { json!(url) }, "{event}");
        self.seen.insert(kind.to_owned());
    }

    async fn read(&self, path: &str) -> Value {
        let page = self.program.get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.body);
        page.json()
    }

    async fn write(&self, path: &str, body: Value) -> Value {
        let done = post(&self.program, path, &self.t.app.token(), body).await;
        assert!(done.status.is_success(), "{path}: {}", done.body);
        done.json()
    }

    async fn change(&self, path: &str, body: Value) {
        let done = patch(&self.program, path, "*", body).await;
        assert_eq!(done.status, StatusCode::OK, "{path}: {}", done.body);
    }

    /// A ticket as the list has it: without its messages.
    async fn ticket(&self, id: &Value) -> Value {
        let list = self.read("/api/v1/tickets").await;
        list["items"].as_array().unwrap().iter().find(|ticket| ticket["id"] == *id).unwrap().clone()
    }

    /// A ticket with its latest message, from what the API returns.
    async fn with_message(&self, id: &Value) -> Value {
        let mut ticket = self.ticket(id).await;
        let whole = self.read(&format!("/api/v1/tickets/{}", id.as_str().unwrap())).await;
        ticket["message"] = whole["messages"].as_array().unwrap().last().unwrap().clone();
        ticket
    }
}

on_both_local!(every_event_is_what_the_api_returns, |t: TestApp| async move {
    let mut l = Listener::new(t).await;
    let scope = Scope::system(l.project.id);

    // Feedback with everything that it can have.
    let contact =
        json!({ "id": "user-81", "email": "ann@example.com", "name": "Ann", "attributes": { "plan": "pro", "seats": 5, "beta": true } });
    let body = json!({
        "text": "The export forgets the last column.", "score": { "value": 7, "max": 10 }, "contact": contact, "external_id": "desk-1",
        "page_url": "https://shop.example/cart", "release": "2.4.1", "environment": "production", "tags": ["export"],
    });
    let feedback = format!("/api/v1/feedback/{}", l.write("/api/v1/feedback", body).await["id"].as_str().unwrap());
    let [data] = l.data(["feedback.created"]).await;
    assert_eq!(data, without_links(l.read(&feedback).await));
    assert_eq!((&data["contact"]["id"], &data["external_id"]), (&json!("user-81"), &json!("desk-1")));
    l.change(&feedback, json!({ "status": "triaged", "tags": ["billing"] })).await;
    let [data] = l.data(["feedback.updated"]).await;
    assert_eq!(data, without_links(l.read(&feedback).await));
    assert_eq!(data["tags"], json!(["billing"]));

    // An item of work that is created from it, changed and removed again.
    let said = data["id"].as_str().unwrap().parse().unwrap();
    let quoting = backlog::LinkInput { quote: "the last column".into(), importance: domain::backlog::Importance::Critical };
    let made = backlog::create_from(&l.t.app, &scope, "key-00001", said, "", quoting).await.unwrap();
    let [item, linked] = l.data(["backlog_item.created", "feedback.updated"]).await;
    let path = format!("/api/v1/backlog/{}", item["id"].as_str().unwrap());
    assert_eq!(item, l.read(&path).await);
    assert_eq!(item["evidence"], json!({ "people": 1, "feedback": 1, "critical": 1 }));
    assert_eq!(linked, without_links(l.read(&feedback).await));
    assert_eq!(linked["status"], "linked");
    l.t.clock.advance_ms(1000);
    let undo = backlog::UnlinkOptions { restore: Some(made.before), with_item: true };
    assert!(backlog::unlink(&l.t.app, &scope, said, made.number, undo).await.unwrap().gone);
    let [gone, unlinked] = l.data(["backlog_item.deleted", "feedback.updated"]).await;
    let last = json!({ "evidence": { "people": 0, "feedback": 0, "critical": 0 }, "updated_at": l.t.app.now().rfc3339() });
    let mut item = item;
    item.as_object_mut().unwrap().extend(last.as_object().unwrap().clone());
    assert_eq!(gone, item);
    assert_eq!(unlinked, without_links(l.read(&feedback).await));
    assert_eq!(unlinked["status"], "triaged");
    let item = l.write("/api/v1/backlog", json!({ "title": "Faster export", "body": "By half" })).await;
    let [data] = l.data(["backlog_item.created"]).await;
    assert_eq!(data, item);
    let path = format!("/api/v1/backlog/{}", item["id"].as_str().unwrap());
    l.change(&path, json!({ "status": "planned" })).await;
    let [data] = l.data(["backlog_item.updated"]).await;
    assert_eq!(data, l.read(&path).await);

    // A conversation.
    let body = json!({ "subject": "Till", "message": "It beeps.", "email": "bea@example.com", "name": "Bea" });
    let opened = l.write("/api/v1/tickets", body).await;
    let [_, data] = l.data(["feedback.created", "ticket.created"]).await;
    assert_eq!(data, l.with_message(&opened["id"]).await);
    assert_eq!((&data["message"]["author"], &data["message"]["body"]), (&json!("requester"), &json!("It beeps.")));
    let path = format!("/api/v1/tickets/{}", opened["id"].as_str().unwrap());
    l.t.clock.advance_ms(1000);
    let file = json!({ "name": "manual.txt", "content": STANDARD.encode("Press the button.") });
    l.write(&format!("{path}/messages"), json!({ "kind": "reply", "body": "Press the button.", "attachments": [file] })).await;
    let [_, data] = l.data(["feedback.updated", "ticket.message_added"]).await;
    assert_eq!(data, l.with_message(&opened["id"]).await);
    assert_eq!((&data["message"]["author"], &data["message"]["attachments"][0]["name"]), (&json!("staff"), &json!("manual.txt")));
    assert!(data["message"]["author_name"].is_string() && data["state"] == "answered", "{data}");
    // Notes stay in the team.
    l.t.clock.advance_ms(1000);
    l.write(&format!("{path}/messages"), json!({ "kind": "note", "body": "Third time this week." })).await;
    l.data(["feedback.updated"]).await;
    for (state, kind) in [("closed", "ticket.closed"), ("open", "ticket.reopened")] {
        l.change(&path, json!({ "state": state })).await;
        let [_, data] = l.data(["feedback.updated", kind]).await;
        assert_eq!(data, l.ticket(&opened["id"]).await);
    }
    // The requester's message, and one more event for what it changes.
    l.change(&path, json!({ "state": "closed" })).await;
    l.data(["feedback.updated", "ticket.closed"]).await;
    l.t.clock.advance_ms(1000);
    let ticket = opened["id"].as_str().unwrap().parse().unwrap();
    let more = service::tickets::RequesterReply { body: "It still beeps.".into(), ..Default::default() };
    service::tickets::requester_reply(&l.t.app, &l.project, ticket, "reply-key-1", more).await.unwrap();
    let [_, said, reopened] = l.data(["feedback.updated", "ticket.message_added", "ticket.reopened"]).await;
    assert_eq!(said, l.with_message(&opened["id"]).await);
    assert_eq!(reopened, l.ticket(&opened["id"]).await);

    // A test.
    let webhook = l.webhook;
    l.write(&format!("/api/v1/webhooks/{webhook}/test"), json!({})).await;
    let [data] = l.data(["webhook.test"]).await;
    assert_eq!(data, json!({ "webhook_id": webhook }));

    let all: BTreeSet<String> = EventKind::ALL.iter().map(|kind| kind.as_str().to_owned()).collect();
    assert_eq!(l.seen, all);
});

on_both_local!(a_withheld_ticket_is_told_with_its_messages, |t: TestApp| async move {
    let mut l = Listener::new(t).await;
    let scope = Scope::system(l.project.id);
    let made = service::tickets::submit(&l.t.app, &l.project, "ticket-key-1", suspicious("Till")).await.unwrap();
    l.t.clock.advance_ms(1000);
    let more = service::tickets::RequesterReply { body: "It still beeps.".into(), ..Default::default() };
    service::tickets::requester_reply(&l.t.app, &l.project, made.ticket, "reply-key-1", more).await.unwrap();
    service::tickets::add_note(&l.t.app, &scope, made.ticket, "note-key-1", "Suspicious.", vec![]).await.unwrap();
    l.data([]).await;
    l.change(&format!("/api/v1/feedback/{}", made.feedback), json!({ "status": "new" })).await;
    let [_, created, added] = l.data(["feedback.created", "ticket.created", "ticket.message_added"]).await;
    let messages = l.read(&format!("/api/v1/tickets/{}", made.ticket)).await["messages"].clone();
    assert_eq!((&created["message"], &added["message"]), (&messages[0], &messages[1]));
    assert_eq!(messages[1]["body"], "It still beeps.");
});

on_both_local!(feedback_of_a_stranger_has_the_claim_of_the_api, |t: TestApp| async move {
    let s = setup(t, &[]).await;
    let scope = Scope::system(s.project.id);
    let (receiver, port) = Receiver::on("127.0.0.1").await;
    endpoint(&s.t, &scope, port, &[EventKind::FeedbackCreated]).await;
    let sender = sender(&["127.0.0.1"]);
    let mut input = s.input("submission-1", &json!([["q1", "9"]]), false);
    input["context"]["contact"] = json!({ "id": "user-7", "name": "Cleo" });
    let begun = s.post(&input).await;
    assert!(begun.status.is_success(), "{}", begun.body);
    deliver_settled(&s.t.app, &sender).await.unwrap();
    let event = json_of_only(&receiver);
    let program = Program::new(&s.t, &s.project, Access::Read).await;
    let read = program.get(&format!("/api/v1/feedback/{}", event["data"]["id"].as_str().unwrap())).await.json();
    assert_eq!(event["data"], without_links(read.clone()));
    assert_eq!(read["contact"]["identity"], "unsigned", "{read}");
    // Without a public URL, nothing is linked to.
    assert_eq!(event["url"], Value::Null);
});

/// Feedback as the API returns it, without what its events leave out: their size must not grow with the links.
fn without_links(mut detail: Value) -> Value {
    let links = detail.as_object_mut().unwrap().remove("links");
    assert!(links.is_some_and(|links| links.is_array()), "{detail}");
    detail
}

fn json_of_only(receiver: &Receiver) -> Value {
    let requests = receiver.take();
    assert_eq!(requests.len(), 1);
    json(&requests[0])
}
