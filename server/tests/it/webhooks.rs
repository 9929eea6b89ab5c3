//! Webhooks, through the router and against a receiver on this machine.

use std::{
    collections::VecDeque,
    io,
    net::IpAddr,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use domain::{
    Secret,
    accounts::{Role, Scope, key::Access},
    feedback::{Feedback, FeedbackStatus},
    ids::{EndpointId, EventId},
    projects::Project,
    spam::SpamSignals,
    tickets::NewTicket,
    webhooks::{DeliveryState, EventKind, address::IpNetwork},
};
use service::{
    backlog,
    tickets::TicketSubmission,
    webhooks::{
        self, EndpointInput,
        client::{HostResolver, SystemHostResolver, WebhookClient, WebhookHeaders},
        deliver::deliver_due,
        feed, sign,
    },
};
use store::webhooks::Endpoint;

use crate::{
    keys::Program,
    on_both,
    respond::setup,
    support::{TestApp, sample},
};

type Request = (HeaderMap, String);

/// A program that receives webhooks.
#[derive(Clone, Default)]
struct Receiver {
    got: Arc<Mutex<Vec<Request>>>,
    answers: Arc<Mutex<VecDeque<Response>>>,
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> Response {
    receiver.got.lock().unwrap().push((headers, String::from_utf8(body.to_vec()).unwrap()));
    receiver.answers.lock().unwrap().pop_front().unwrap_or_else(|| StatusCode::NO_CONTENT.into_response())
}

impl Receiver {
    /// Listens on an address of this machine; returns the receiver and its port.
    async fn on(address: &str) -> (Self, u16) {
        let listener = tokio::net::TcpListener::bind((address, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let receiver = Self::default();
        let router = Router::new().fallback(receive).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (receiver, port)
    }

    fn answer(&self, answer: impl IntoResponse) {
        self.answers.lock().unwrap().push_back(answer.into_response());
    }

    fn take(&self) -> Vec<Request> {
        std::mem::take(&mut self.got.lock().unwrap())
    }
}

fn blocks(list: &[&str]) -> Vec<IpNetwork> {
    list.iter().map(|b| IpNetwork::parse(b).unwrap()).collect()
}

fn sender(allowed: &[&str]) -> WebhookClient {
    WebhookClient::new(&blocks(allowed), Arc::new(SystemHostResolver))
}

/// A project and its scope.
async fn open(t: &TestApp) -> (Project, Scope) {
    let (project, _) = t.owner().await;
    let scope = Scope::system(project.id);
    (project, scope)
}

async fn local(database: crate::support::Database) -> Option<TestApp> {
    TestApp::with_settings(database, |config| config.settings.webhook_allow = blocks(&["127.0.0.1"])).await
}

fn input(url: &str, kinds: &[EventKind]) -> EndpointInput {
    EndpointInput { url: url.into(), note: "Chat".into(), kinds: kinds.iter().map(|k| k.as_str().to_owned()).collect() }
}

async fn endpoint(t: &TestApp, scope: &Scope, port: u16, kinds: &[EventKind]) -> EndpointId {
    let key = t.app.token();
    webhooks::create(&t.app, scope, &key, &input(&format!("http://127.0.0.1:{port}/hook"), kinds)).await.unwrap()
}

async fn stored(t: &TestApp, scope: &Scope, id: EndpointId) -> Endpoint {
    t.app.store.endpoint(scope, id).await.unwrap().unwrap()
}

async fn feedback(t: &TestApp, project: &Project, text: &str, status: FeedbackStatus) -> Feedback {
    let feedback = Feedback { status, ..sample(&t.app, project.id, text) };
    let added = feedback.clone();
    t.app.store.write(move |tx| Box::pin(async move { tx.insert_feedback(&added, None).await })).await.unwrap();
    feedback
}

fn json(request: &Request) -> serde_json::Value {
    serde_json::from_str(&request.1).unwrap()
}

fn head<'r>(request: &'r Request, name: &str) -> &'r str {
    request.0.get(name).unwrap().to_str().unwrap()
}

/// As [`on_both`], with a program that may send requests to this machine.
macro_rules! on_both_local {
    ($name:ident, $body:expr) => {
        mod $name {
            use super::*;
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                let run = $body;
                run(local(crate::support::Database::Sqlite).await.unwrap()).await;
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                let run = $body;
                if let Some(t) = local(crate::support::Database::Postgres).await {
                    run(t).await;
                }
            }
        }
    };
}

/// How long other tests' transactions on the same PostgreSQL may delay feedback events.
mod events;
mod schema;

const SETTLED: std::time::Duration = std::time::Duration::from_secs(20);

/// As [`deliver_due`], once all changes can be published.
async fn deliver_settled(app: &service::state::AppState, sender: &WebhookClient) -> service::error::Result<usize> {
    assert!(app.search.wait_until_caught_up(SETTLED).await);
    deliver_due(app, sender).await
}

on_both_local!(feedback_is_told_once_signed_and_as_it_is, |t: TestApp| async move {
    let (project, scope) = open(&t).await;
    let (receiver, port) = Receiver::on("127.0.0.1").await;
    feedback(&t, &project, "Before anybody listened", FeedbackStatus::New).await;
    let id = endpoint(&t, &scope, port, &[EventKind::FeedbackCreated, EventKind::FeedbackUpdated]).await;
    let sender = sender(&["127.0.0.1"]);
    assert_eq!(deliver_settled(&t.app, &sender).await.unwrap(), 0);
    let said = feedback(&t, &project, "The export fails “always” \u{1f600}", FeedbackStatus::New).await;
    feedback(&t, &project, "Buy pills", FeedbackStatus::Spam).await;
    assert_eq!(deliver_settled(&t.app, &sender).await.unwrap(), 1);
    let got = receiver.take();
    assert_eq!(got.len(), 1);
    let event = json(&got[0]);
    assert_eq!((event["type"].as_str(), event["data"]["id"].as_str()), (Some("feedback.created"), Some(said.id.to_string().as_str())));
    assert_eq!(event["data"]["text"], said.text);
    // The receiver can verify the sender.
    let secret = stored(&t, &scope, id).await.secret;
    let seconds: i64 = head(&got[0], "webhook-timestamp").parse().unwrap();
    assert_eq!(seconds, t.app.now().0 / 1000);
    assert_eq!(head(&got[0], "webhook-signature"), sign::sign(&secret, head(&got[0], "webhook-id"), seconds, &got[0].1).unwrap());
    assert_eq!(head(&got[0], "content-type"), "application/json");
    // Changes are sent too, several at once as one event; no change is sent twice.
    for _ in 0..2 {
        let (project, id) = (project.id, said.id);
        t.app.store.write(move |tx| Box::pin(async move { tx.record_feedback_change(project, id).await })).await.unwrap();
    }
    assert_eq!(deliver_settled(&t.app, &sender).await.unwrap(), 1);
    assert_eq!(json(&receiver.take()[0])["type"], "feedback.updated");
    assert_eq!(deliver_settled(&t.app, &sender).await.unwrap(), 0);
    // Two nodes that publish concurrently send each event once.
    for n in 0..20 {
        feedback(&t, &project, &format!("Number {n}"), FeedbackStatus::New).await;
    }
    assert!(t.app.search.wait_until_caught_up(SETTLED).await);
    let (one, two) = tokio::join!(feed::publish_next_batch(&t.app), feed::publish_next_batch(&t.app));
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(deliver_settled(&t.app, &sender).await.unwrap(), 20);
});

on_both_local!(a_submission_is_told_as_created_and_then_as_updated, |t: TestApp| async move {
    let s = setup(t, &[]).await;
    let (receiver, port) = Receiver::on("127.0.0.1").await;
    let kinds = [EventKind::FeedbackCreated, EventKind::FeedbackUpdated];
    endpoint(&s.t, &Scope::system(s.project.id), port, &kinds).await;
    let sender = sender(&["127.0.0.1"]);
    let receipt = s.post(&s.input("submission-1", &serde_json::json!([["q1", "9"]]), false)).await;
    assert!(receipt.status.is_success(), "{}", receipt.body);
    assert_eq!(deliver_settled(&s.t.app, &sender).await.unwrap(), 1);
    let event = json(&receiver.take()[0]);
    assert_eq!((event["type"].as_str(), event["data"]["score"]["value"].as_f64()), (Some("feedback.created"), Some(9.0)), "{event}");
    let more = s.put(&receipt.json(), &s.input("submission-2", &serde_json::json!([["q1", "9"], ["q2", "Slow"]]), true)).await;
    assert!(more.status.is_success(), "{}", more.body);
    assert_eq!(deliver_settled(&s.t.app, &sender).await.unwrap(), 1);
    let event = json(&receiver.take()[0]);
    assert_eq!((event["type"].as_str(), event["data"]["text"].as_str()), (Some("feedback.updated"), Some("Slow")), "{event}");
});

on_both_local!(the_backlog_tells_in_its_own_transaction, |t: TestApp| async move {
    let (_, scope) = open(&t).await;
    let (receiver, port) = Receiver::on("127.0.0.1").await;
    endpoint(&t, &scope, port, &[EventKind::BacklogItemCreated, EventKind::BacklogItemUpdated]).await;
    let number = backlog::create(&t.app, &scope, "a-key-of-mine", "Faster export", "").await.unwrap();
    let again = backlog::create(&t.app, &scope, "a-key-of-mine", "Faster export", "").await.unwrap();
    assert_eq!(number, again);
    backlog::edit(&t.app, &scope, number, 1, "Much faster export", "").await.unwrap();
    assert!(backlog::edit(&t.app, &scope, number, 1, "Refused", "").await.is_err());
    let sender = sender(&["127.0.0.1"]);
    assert_eq!(deliver_due(&t.app, &sender).await.unwrap(), 2);
    let mut got: Vec<_> = receiver.take().iter().map(json).collect();
    got.sort_by_key(|event| event["type"].as_str().unwrap().to_owned());
    assert_eq!((got[0]["type"].as_str(), got[0]["data"]["title"].as_str()), (Some("backlog_item.created"), Some("Faster export")));
    assert_eq!((got[1]["type"].as_str(), got[1]["data"]["title"].as_str()), (Some("backlog_item.updated"), Some("Much faster export")));
    // Another project's webhook gets none of it.
    let other = service::projects::create(&t.app, "Other", vec![], None).await.unwrap();
    let foreign = Scope::system(other.id);
    endpoint(&t, &foreign, port, &[EventKind::BacklogItemCreated]).await;
    backlog::create(&t.app, &scope, "another-key", "Mine alone", "").await.unwrap();
    assert_eq!(deliver_due(&t.app, &sender).await.unwrap(), 1);
});

on_both_local!(an_item_that_goes_with_its_undo_is_announced_as_deleted, |t: TestApp| async move {
    let (project, scope) = open(&t).await;
    let (receiver, port) = Receiver::on("127.0.0.1").await;
    endpoint(&t, &scope, port, &[EventKind::BacklogItemDeleted]).await;
    let feedback = sample(&t.app, project.id, "Dark mode");
    let said = feedback.id;
    t.app.store.write(move |tx| Box::pin(async move { tx.insert_feedback(&feedback, None).await })).await.unwrap();
    let quoting = || backlog::LinkInput { quote: String::new(), importance: domain::backlog::Importance::Normal };
    let made = backlog::create_from(&t.app, &scope, "key-00001", said, "", quoting()).await.unwrap();
    let sender = sender(&["127.0.0.1"]);
    // Removing only the link keeps the item.
    backlog::unlink(&t.app, &scope, said, made.number, backlog::UnlinkOptions::default()).await.unwrap();
    assert_eq!(deliver_due(&t.app, &sender).await.unwrap(), 0);
    backlog::link(&t.app, &scope, said, made.number, quoting()).await.unwrap();
    t.clock.advance_ms(1000);
    let undo = backlog::UnlinkOptions { restore: Some(made.before), with_item: true };
    assert!(backlog::unlink(&t.app, &scope, said, made.number, undo).await.unwrap().gone);
    assert_eq!(deliver_due(&t.app, &sender).await.unwrap(), 1);
    let event = json(&receiver.take()[0]);
    assert_eq!((event["type"].as_str(), event["data"]["number"].as_i64()), (Some("backlog_item.deleted"), Some(made.number)), "{event}");
    assert!(event["data"]["updated_at"].as_str() > event["data"]["created_at"].as_str(), "{event}");
});

on_both_local!(a_ticket_that_triage_closes_or_opens_is_told_as_from_the_desk, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let scope = Scope::system(project.id);
    let (receiver, port) = Receiver::on("127.0.0.1").await;
    endpoint(&t, &scope, port, &[EventKind::TicketClosed, EventKind::TicketReopened]).await;
    let sender = sender(&["127.0.0.1"]);
    let mut tickets = Vec::new();
    for n in 0..3 {
        let ticket =
            NewTicket { subject: format!("Till {n}"), message: "It beeps.".into(), email: "ann@example.com".into(), name: String::new() };
        let submission = TicketSubmission {
            ticket,
            signals: Some(SpamSignals { elapsed_ms: Some(60_000), ..SpamSignals::default() }),
            ..TicketSubmission::default()
        };
        tickets.push(service::tickets::submit(&t.app, &project, &format!("ticket-key-{n}"), submission).await.unwrap());
    }
    let ticket_events = async || -> Vec<(String, i64, String)> {
        deliver_due(&t.app, &sender).await.unwrap();
        let mut ticket_events: Vec<_> = receiver.take().iter().map(json).collect();
        ticket_events.sort_by_key(|event| event["data"]["number"].as_i64());
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        ticket_events.iter().map(|e| (text(&e["type"]), e["data"]["number"].as_i64().unwrap(), text(&e["data"]["state"]))).collect()
    };
    let version = async |n: usize| {
        let id = tickets[n].feedback;
        t.app.store.feedback_by_ids(&scope, &[id]).await.unwrap()[0].version
    };
    let set = async |n: usize, status: &str| {
        let seen = version(n).await.to_string();
        let done =
            owner.post(&format!("/p/my-app/feedback/{}/status", tickets[n].feedback), &[("status", status), ("version", &seen)]).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
    };
    assert!(ticket_events().await.is_empty());
    // One by its status, …
    set(0, "triaged").await;
    assert!(ticket_events().await.is_empty(), "triaged is not closed");
    set(0, "resolved").await;
    assert_eq!(ticket_events().await, [("ticket.closed".into(), 1, "closed".into())]);
    set(0, "new").await;
    assert_eq!(ticket_events().await, [("ticket.reopened".into(), 1, "open".into())]);
    // … several at once, …
    let items = [format!("{}:{}", tickets[1].feedback, version(1).await), format!("{}:{}", tickets[2].feedback, version(2).await)];
    let done = owner.post("/p/my-app/feedback/bulk", &[("item", &items[0]), ("item", &items[1]), ("do", "status:resolved")]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
    assert_eq!(ticket_events().await, [("ticket.closed".into(), 2, "closed".into()), ("ticket.closed".into(), 3, "closed".into())]);
    // … and the desk, which sends a single event, as before.
    service::tickets::close(&t.app, &scope, tickets[0].ticket).await.unwrap();
    assert_eq!(ticket_events().await, [("ticket.closed".into(), 1, "closed".into())]);
    service::tickets::reopen(&t.app, &scope, tickets[0].ticket).await.unwrap();
    assert_eq!(ticket_events().await, [("ticket.reopened".into(), 1, "open".into())]);
    let close = service::tickets::patch::TicketUpdate { closed: Some(true), ..Default::default() };
    service::tickets::patch::patch(&t.app, &scope, tickets[0].ticket, version(0).await, close).await.unwrap();
    assert_eq!(ticket_events().await, [("ticket.closed".into(), 1, "closed".into())]);
});

on_both_local!(failures_are_tried_again_and_then_given_up, |t: TestApp| async move {
    let (_, scope) = open(&t).await;
    let (receiver, port) = Receiver::on("127.0.0.1").await;
    let id = endpoint(&t, &scope, port, &[EventKind::FeedbackCreated]).await;
    let sender = sender(&["127.0.0.1"]);
    let event = webhooks::test(&t.app, &scope, "test-key-1", id).await.unwrap();
    let mut tries = 0;
    for _ in 0..40 {
        receiver.answer((StatusCode::INTERNAL_SERVER_ERROR, "out of order"));
        tries += deliver_due(&t.app, &sender).await.unwrap();
        assert_eq!(deliver_due(&t.app, &sender).await.unwrap(), 0, "not before the pause is over");
        t.clock.advance_ms(3_600_000);
    }
    assert_eq!(tries, 8);
    let (delivery, body, attempts) = t.app.store.delivery(&scope, id, event).await.unwrap().unwrap();
    assert_eq!((delivery.state, delivery.attempts, delivery.last_status), (DeliveryState::Dead, 8, Some(500)));
    assert_eq!((attempts.len(), attempts[0].excerpt.as_str()), (8, "out of order"));
    // Each attempt has the same id and the same bytes, but a new signature.
    let got = receiver.take();
    assert!(got.iter().all(|r| r.1 == body && head(r, "webhook-id") == event.to_string()));
    assert_ne!(head(&got[0], "webhook-signature"), head(&got[1], "webhook-signature"));
    // A manual retry starts over.
    receiver.answers.lock().unwrap().clear();
    assert_eq!(webhooks::send_again(&t.app, &scope, "again-key-0", id, None).await.unwrap(), 1);
    assert_eq!(deliver_due(&t.app, &sender).await.unwrap(), 1);
    let (delivery, _, _) = t.app.store.delivery(&scope, id, event).await.unwrap().unwrap();
    assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Delivered, 9));
    assert_eq!(stored(&t, &scope, id).await.failures, 0);
    assert_eq!(webhooks::send_again(&t.app, &scope, "again-key-1", id, None).await.unwrap(), 0);
    // A successful delivery can be sent again too.
    assert_eq!(webhooks::send_again(&t.app, &scope, "again-key-2", id, Some(event)).await.unwrap(), 1);
    assert_eq!(deliver_due(&t.app, &sender).await.unwrap(), 1);
    // Retrying that form sends nothing more.
    assert_eq!(webhooks::send_again(&t.app, &scope, "again-key-2", id, Some(event)).await.unwrap(), 1);
    assert_eq!(deliver_due(&t.app, &sender).await.unwrap(), 0);
});

on_both_local!(receivers_say_when_and_that_they_are_gone, |t: TestApp| async move {
    let (_, scope) = open(&t).await;
    let (receiver, port) = Receiver::on("127.0.0.1").await;
    let id = endpoint(&t, &scope, port, &[EventKind::FeedbackCreated]).await;
    let sender = sender(&["127.0.0.1"]);
    let event = webhooks::test(&t.app, &scope, "test-key-1", id).await.unwrap();
    receiver.answer((StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "7200")]));
    deliver_due(&t.app, &sender).await.unwrap();
    let (delivery, _, _) = t.app.store.delivery(&scope, id, event).await.unwrap().unwrap();
    assert_eq!(delivery.next_at, t.app.now().plus_ms(7_200_000));
    let other = webhooks::test(&t.app, &scope, "test-key-2", id).await.unwrap();
    receiver.answer(StatusCode::GONE);
    deliver_due(&t.app, &sender).await.unwrap();
    let gone = stored(&t, &scope, id).await;
    assert!(!gone.enabled && gone.disabled_reason.unwrap().contains("410"));
    for event in [event, other] {
        let (delivery, _, _) = t.app.store.delivery(&scope, id, event).await.unwrap().unwrap();
        assert_eq!(delivery.state, DeliveryState::Dead);
    }
    // While it is disabled, no events are queued for it, and tests are rejected.
    assert!(webhooks::test(&t.app, &scope, "test-key-3", id).await.is_err());
    webhooks::set_enabled(&t.app, &scope, id, true).await.unwrap();
    let on = stored(&t, &scope, id).await;
    assert!(on.enabled && on.disabled_reason.is_none() && on.failures == 0);
});

on_both_local!(days_of_failures_turn_an_endpoint_off, |t: TestApp| async move {
    let (_, scope) = open(&t).await;
    let (receiver, port) = Receiver::on("127.0.0.1").await;
    let id = endpoint(&t, &scope, port, &[EventKind::FeedbackCreated]).await;
    let sender = sender(&["127.0.0.1"]);
    for day in 0..7 {
        if stored(&t, &scope, id).await.enabled {
            webhooks::test(&t.app, &scope, &format!("test-key-{day}"), id).await.unwrap();
        }
        for _ in 0..24 {
            receiver.answers.lock().unwrap().resize_with(8, || StatusCode::BAD_GATEWAY.into_response());
            deliver_due(&t.app, &sender).await.unwrap();
            t.clock.advance_ms(3_600_000);
        }
        assert_eq!(stored(&t, &scope, id).await.enabled, day < 5, "day {day}");
    }
    assert!(stored(&t, &scope, id).await.disabled_reason.unwrap().contains("failed"));
});

/// The e-mails: recipient and content.
async fn letters(t: &TestApp) -> Vec<(String, String, String)> {
    sqlx::query_as("SELECT recipient, content, link FROM letters WHERE kind = 'webhook_off' ORDER BY recipient")
        .fetch_all(t.app.store.reader())
        .await
        .unwrap()
}

async fn admins_hear_of_it(database: crate::support::Database) {
    let mail = server::config::mail_for_tests(9).unwrap();
    let mailing = TestApp::with_settings(database, |config| {
        config.settings.webhook_allow = blocks(&["127.0.0.1"]);
        config.settings.mail = Some(mail);
    });
    let Some(t) = mailing.await else { return };
    let (project, _) = t.owner().await;
    let other = service::projects::create(&t.app, "Other", vec![], None).await.unwrap();
    t.member(&project, "ada@example.com", Role::Admin).await;
    t.member(&project, "tim@example.com", Role::Triager).await;
    t.member(&other, "sam@example.com", Role::Owner).await;
    let scope = Scope::system(project.id);
    let (receiver, port) = Receiver::on("127.0.0.1").await;
    let sender = sender(&["127.0.0.1"]);
    let id = endpoint(&t, &scope, port, &[EventKind::FeedbackCreated]).await;
    // A single failure causes no e-mail.
    receiver.answer(StatusCode::BAD_GATEWAY);
    webhooks::test(&t.app, &scope, "test-key-1", id).await.unwrap();
    deliver_due(&t.app, &sender).await.unwrap();
    assert!(letters(&t).await.is_empty());
    // Two concurrent deliveries disable it only once.
    t.clock.advance_ms(24 * 3_600_000);
    webhooks::test(&t.app, &scope, "test-key-2", id).await.unwrap();
    receiver.answer(StatusCode::GONE);
    receiver.answer(StatusCode::GONE);
    deliver_due(&t.app, &sender).await.unwrap();
    assert!(!stored(&t, &scope, id).await.enabled);
    let mails = letters(&t).await;
    assert_eq!(mails.iter().map(|l| l.0.as_str()).collect::<Vec<_>>(), ["ada@example.com", "owner@example.com"]);
    assert!(mails.iter().all(|l| l.1.contains("410 Gone") && l.1.contains("127.0.0.1") && !l.1.contains("/hook")), "{mails:?}");
    assert!(mails.iter().all(|l| l.2.ends_with(&format!("/p/my-app/webhooks/{id}"))), "{mails:?}");

    // Another endpoint, which fails for days.
    let id = endpoint(&t, &scope, port, &[EventKind::FeedbackCreated]).await;
    for day in 0..7 {
        if stored(&t, &scope, id).await.enabled {
            webhooks::test(&t.app, &scope, &format!("day-key-{day}"), id).await.unwrap();
        }
        for _ in 0..24 {
            receiver.answers.lock().unwrap().resize_with(8, || StatusCode::BAD_GATEWAY.into_response());
            deliver_due(&t.app, &sender).await.unwrap();
            t.clock.advance_ms(3_600_000);
        }
    }
    assert!(!stored(&t, &scope, id).await.enabled);
    let mails = letters(&t).await;
    assert_eq!(mails.len(), 4);
    assert_eq!(mails.iter().filter(|l| l.1.contains("attempts since")).count(), 2, "{mails:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn admins_hear_of_an_endpoint_that_is_turned_off_sqlite() {
    admins_hear_of_it(crate::support::Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn admins_hear_of_an_endpoint_that_is_turned_off_postgres() {
    admins_hear_of_it(crate::support::Database::Postgres).await;
}

on_both_local!(a_new_secret_signs_beside_the_old_one_for_a_day, |t: TestApp| async move {
    let (_, scope) = open(&t).await;
    let (receiver, port) = Receiver::on("127.0.0.1").await;
    let id = endpoint(&t, &scope, port, &[EventKind::FeedbackCreated]).await;
    let sender = sender(&["127.0.0.1"]);
    let old = stored(&t, &scope, id).await.secret;
    webhooks::rotate(&t.app, &scope, "rotate-key", id).await.unwrap();
    // A double click creates one new secret.
    webhooks::rotate(&t.app, &scope, "rotate-key", id).await.unwrap();
    let new = stored(&t, &scope, id).await.secret;
    assert!(new.0.starts_with("whsec_") && new.0 != old.0);
    let signatures = |request: &Request, secrets: &[&Secret<String>]| {
        let seconds = head(request, "webhook-timestamp").parse().unwrap();
        let all = secrets.iter().map(|s| sign::sign(s, head(request, "webhook-id"), seconds, &request.1).unwrap());
        all.collect::<Vec<_>>().join(" ")
    };
    webhooks::test(&t.app, &scope, "test-key-1", id).await.unwrap();
    deliver_due(&t.app, &sender).await.unwrap();
    let got = receiver.take();
    assert_eq!(head(&got[0], "webhook-signature"), signatures(&got[0], &[&new, &old]));
    t.clock.advance_ms(25 * 3_600_000);
    webhooks::test(&t.app, &scope, "test-key-2", id).await.unwrap();
    deliver_due(&t.app, &sender).await.unwrap();
    let got = receiver.take();
    assert_eq!(head(&got[0], "webhook-signature"), signatures(&got[0], &[&new]));
});

on_both_local!(what_was_told_a_month_ago_is_forgotten, |t: TestApp| async move {
    let (_, scope) = open(&t).await;
    let (_receiver, port) = Receiver::on("127.0.0.1").await;
    let id = endpoint(&t, &scope, port, &[EventKind::FeedbackCreated]).await;
    let event = webhooks::test(&t.app, &scope, "test-key-1", id).await.unwrap();
    deliver_due(&t.app, &sender(&["127.0.0.1"])).await.unwrap();
    t.clock.advance_ms(29 * 86_400_000);
    service::jobs::purge(&t.app, &|| false).await.unwrap();
    assert!(t.app.store.delivery(&scope, id, event).await.unwrap().is_some());
    t.clock.advance_ms(2 * 86_400_000);
    service::jobs::purge(&t.app, &|| false).await.unwrap();
    assert!(t.app.store.delivery(&scope, id, event).await.unwrap().is_none());
    webhooks::delete(&t.app, &scope, id).await.unwrap();
    assert!(t.app.store.endpoint(&scope, id).await.unwrap().is_none());
});

fn to_head() -> WebhookHeaders {
    WebhookHeaders { id: "id".into(), seconds: 1, signature: "v1,x".into() }
}

/// A resolver with scripted answers, one per lookup.
struct Script(Mutex<VecDeque<Vec<IpAddr>>>);

impl Script {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        Arc::new(Self(Mutex::new(answers.iter().map(|list| list.iter().map(|a| a.parse().unwrap()).collect()).collect())))
    }
}

#[async_trait]
impl HostResolver for Script {
    async fn lookup(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        self.0.lock().unwrap().pop_front().ok_or_else(|| io::Error::other("no such host"))
    }
}

#[tokio::test]
async fn this_machine_is_called_only_if_the_operator_allows() {
    let (receiver, port) = Receiver::on("127.0.0.1").await;
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"] {
        for scheme in ["http", "https"] {
            let answer = sender(&[]).send(&format!("{scheme}://{host}:{port}/"), &to_head(), "{}".into()).await;
            assert!(answer.status.is_none() && answer.error.is_some(), "{scheme}://{host}: {answer:?}");
        }
    }
    assert!(receiver.take().is_empty());
    // Control: with the setting, the same request arrives.
    let answer = sender(&["127.0.0.0/8"]).send(&format!("http://127.0.0.1:{port}/"), &to_head(), "{}".into()).await;
    assert_eq!(answer.status, Some(204), "{answer:?}");
    assert_eq!(receiver.take().len(), 1);
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_later_is_checked_each_time() {
    let (allowed, port) = Receiver::on("127.0.0.1").await;
    let (inner, inner_port) = Receiver::on("127.0.0.2").await;
    let script =
        Script::new(&[&["127.0.0.1"], &["127.0.0.2"], &["127.0.0.2", "10.0.0.1", "::1", "169.254.169.254"], &["127.0.0.2", "127.0.0.1"]]);
    let sender = WebhookClient::new(&blocks(&["127.0.0.1"]), script);
    let send = |port: u16| {
        let (sender, url) = (&sender, format!("http://rebind.example:{port}/"));
        async move { sender.send(&url, &to_head(), "{}".into()).await }
    };
    assert_eq!(send(port).await.status, Some(204));
    for _ in 0..2 {
        let answer = send(inner_port).await;
        assert!(answer.status.is_none() && answer.error.as_deref().unwrap().starts_with("Not sent"), "{answer:?}");
    }
    // Of several addresses, only allowed ones are used.
    assert_eq!(send(port).await.status, Some(204));
    assert_eq!(allowed.take().len(), 2);
    assert!(inner.take().is_empty());
    // A name without an address is reported as an error, not as a blocked address.
    assert!(send(port).await.error.unwrap().contains("no such host"));
}

#[tokio::test]
async fn a_public_name_over_plain_http_is_not_called() {
    let sender = WebhookClient::new(&blocks(&["127.0.0.1"]), Script::new(&[&["8.8.8.8"]]));
    let answer = sender.send("http://public.example/", &to_head(), "{}".into()).await;
    assert!(answer.error.unwrap().contains("https"));
}

#[tokio::test]
async fn redirects_are_not_followed_and_long_answers_are_cut() {
    let (receiver, port) = Receiver::on("127.0.0.1").await;
    let sender = sender(&["127.0.0.1"]);
    receiver.answer((StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, format!("http://127.0.0.1:{port}/elsewhere"))]));
    let answer = sender.send(&format!("http://127.0.0.1:{port}/"), &to_head(), "{}".into()).await;
    assert_eq!((answer.status, receiver.take().len()), (Some(307), 1));
    receiver.answer((StatusCode::OK, "\0é".repeat(1_000_000)));
    let answer = sender.send(&format!("http://127.0.0.1:{port}/"), &to_head(), "{}".into()).await;
    assert_eq!(answer.status, Some(200));
    assert!(answer.excerpt.len() <= 3 * 1024 && !answer.excerpt.contains('\0'));
}

on_both!(only_admins_and_only_of_the_project_may, |t: TestApp| async move {
    let (project, _) = t.owner().await;
    let good = input("https://example.com/hook", &[EventKind::FeedbackCreated]);
    for role in [Role::Viewer, Role::Triager] {
        let (staff, _) = t.member(&project, &format!("{role}@example.com"), role).await;
        let scope = t.app.store.team_member(staff).await.unwrap().scope(project.id, Role::Viewer).unwrap();
        assert!(webhooks::create(&t.app, &scope, "some-key-1", &good).await.is_err());
    }
    let scope = Scope::system(project.id);
    let id = webhooks::create(&t.app, &scope, "some-key-1", &good).await.unwrap();
    assert_eq!(webhooks::create(&t.app, &scope, "some-key-1", &good).await.unwrap(), id);
    for (url, kinds) in [
        ("http://example.com/", &[EventKind::FeedbackCreated][..]),
        ("https://169.254.169.254/", &[EventKind::FeedbackCreated]),
        ("https://example.com/", &[]),
        ("https://example.com/", &[EventKind::Test]),
    ] {
        assert!(webhooks::create(&t.app, &scope, "some-key-2", &input(url, kinds)).await.is_err(), "{url}");
    }
    let foreign = Scope::system(service::projects::create(&t.app, "Other", vec![], None).await.unwrap().id);
    assert!(t.app.store.endpoint(&foreign, id).await.unwrap().is_none());
    assert!(webhooks::edit(&t.app, &foreign, id, 1, &good).await.is_err());
    assert!(webhooks::set_enabled(&t.app, &foreign, id, false).await.is_err());
    assert!(webhooks::rotate(&t.app, &foreign, "some-key-3", id).await.is_err());
    assert!(webhooks::test(&t.app, &foreign, "some-key-4", id).await.is_err());
    assert!(webhooks::send_again(&t.app, &foreign, "again-key-1", id, None::<EventId>).await.is_err());
    assert!(webhooks::delete(&t.app, &foreign, id).await.is_err());
    let other = |note: &str| EndpointInput { note: note.into(), ..good.clone() };
    webhooks::edit(&t.app, &scope, id, 1, &other("Ours")).await.unwrap();
    assert!(webhooks::edit(&t.app, &scope, id, 1, &other("Theirs")).await.is_err(), "an old version");
    webhooks::edit(&t.app, &scope, id, 1, &other("Ours")).await.unwrap();
    assert!(!format!("{:?}", stored(&t, &scope, id).await).contains("whsec_"));
});

on_both_local!(pages_make_try_and_change_webhooks, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let (receiver, port) = Receiver::on("127.0.0.1").await;
    let base = format!("/p/{}/webhooks", project.slug);
    assert!(owner.get(&base).await.body.contains("No webhooks yet"));
    let refused = owner.post(&base, &[("url", "https://10.0.0.1/"), ("note", "Chat")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.body.contains("private or reserved network") && refused.body.contains("Choose at least one event."));
    let url = format!("http://127.0.0.1:{port}/hook");
    let made = owner.post(&base, &[("url", &url), ("note", "Chat"), ("kinds", "feedback.created"), ("kinds", "ticket.closed")]).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.body);
    let here = made.location().to_owned();
    let page = owner.get(&here).await;
    assert!(page.body.contains("whsec_") && page.body.contains("Nothing sent yet"), "{}", page.body);
    assert!(owner.get(&base).await.body.contains("Chat"));
    // A test delivery arrives, and the page shows it.
    assert_eq!(owner.post(&format!("{here}/test"), &[]).await.location(), here);
    assert!(owner.get(&here).await.body.contains("Pending"));
    receiver.answer((StatusCode::OK, "thanks <b>a lot</b>"));
    assert_eq!(deliver_due(&t.app, &sender(&["127.0.0.1"])).await.unwrap(), 1);
    let got = receiver.take();
    assert_eq!(json(&got[0])["type"], "webhook.test");
    let delivery = format!("{here}/deliveries/{}", head(&got[0], "webhook-id"));
    let page = owner.get(&delivery).await;
    assert!(page.body.contains("thanks &lt;b&gt;a lot") && page.body.contains("Response 200"), "{}", page.body);
    assert_eq!(owner.post(&format!("{delivery}/again"), &[]).await.location(), delivery);
    assert_eq!(deliver_due(&t.app, &sender(&["127.0.0.1"])).await.unwrap(), 1);
    // While disabled, it cannot be tested; the secret can be rotated; an outdated form is shown again.
    owner.post(&format!("{here}/enabled"), &[("on", "no")]).await;
    assert!(!owner.get(&here).await.body.contains("Send a test"));
    owner.post(&format!("{here}/rotate"), &[]).await;
    assert!(owner.get(&here).await.body.contains("previous secret stays valid until"));
    let stale = owner.post(&here, &[("url", &url), ("version", "1"), ("kinds", "feedback.created")]).await;
    assert_eq!(stale.status, StatusCode::CONFLICT);
    // Other people have no access.
    let (_, triager) = t.member(&project, "triager@example.com", Role::Triager).await;
    assert_eq!(triager.get(&here).await.status, StatusCode::FORBIDDEN);
    assert!(!triager.get(&base).await.body.contains(&url));
    let other = service::projects::create(&t.app, "Other", vec![], None).await.unwrap();
    let (_, stranger) = t.member(&other, "stranger@example.com", Role::Owner).await;
    let id = here.rsplit('/').next().unwrap();
    assert_eq!(stranger.get(&format!("/p/{}/webhooks/{id}", other.slug)).await.status, StatusCode::NOT_FOUND);
    assert_eq!(stranger.get(&delivery).await.status, StatusCode::NOT_FOUND);
    assert_eq!(owner.post(&format!("{here}/delete"), &[]).await.location(), base);
    assert_eq!(owner.get(&here).await.status, StatusCode::NOT_FOUND);
});

/// A ticket that the portal's rules classify as spam.
fn suspicious(subject: &str) -> TicketSubmission {
    let ticket = NewTicket { subject: subject.into(), message: "It beeps.".into(), email: "ann@example.com".into(), name: String::new() };
    TicketSubmission { ticket, signals: Some(SpamSignals { honeypot: true, ..SpamSignals::default() }), ..TicketSubmission::default() }
}

on_both_local!(spam_that_is_set_free_is_told_once_and_nothing_before, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let scope = Scope::system(project.id);
    let (receiver, port) = Receiver::on("127.0.0.1").await;
    let kinds: Vec<EventKind> = EventKind::ALL.iter().copied().filter(|kind| kind.is_offered()).collect();
    endpoint(&t, &scope, port, &kinds).await;
    let sender = sender(&["127.0.0.1"]);
    let heard = async || -> Vec<(String, String)> {
        deliver_settled(&t.app, &sender).await.unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let what = |event: &serde_json::Value| match &event["data"]["message"] {
            serde_json::Value::Null => text(&event["data"]["state"]),
            message => text(&message["body"]),
        };
        let mut all: Vec<_> = receiver.take().iter().map(json).map(|event| (text(&event["type"]), what(&event))).collect();
        all.sort();
        all
    };
    let pair = |kind: &str, what: &str| (kind.to_owned(), what.to_owned());
    let set = async |id: domain::ids::FeedbackId, status: &str| {
        let seen = t.app.store.feedback_by_ids(&scope, &[id]).await.unwrap()[0].version.to_string();
        let done = owner.post(&format!("/p/my-app/feedback/{id}/status"), &[("status", status), ("version", &seen)]).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
    };
    let tag = async |id: domain::ids::FeedbackId, tag: &str| {
        let seen = t.app.store.feedback_by_ids(&scope, &[id]).await.unwrap()[0].version;
        let edit = service::triage::FeedbackEdit::Tags { add: vec![tag.to_owned()], remove: vec![] };
        service::triage::edit(&t.app, &scope, &[service::triage::ItemVersion { id, version: seen }], edit).await.unwrap();
    };

    // Feedback: created as spam, changed, released, changed, marked as spam again, released again.
    let spam = feedback(&t, &project, "Buy pills", FeedbackStatus::Spam).await.id;
    assert!(heard().await.is_empty());
    tag(spam, "pills").await;
    assert!(heard().await.is_empty(), "nothing is told of what was not told of");
    set(spam, "new").await;
    assert_eq!(heard().await, [pair("feedback.created", "")]);
    tag(spam, "health").await;
    set(spam, "spam").await;
    set(spam, "triaged").await;
    assert_eq!(heard().await, [pair("feedback.updated", "")]);
    // Marked as spam before any event was sent: as if created as spam.
    let quick = feedback(&t, &project, "Buy more", FeedbackStatus::New).await.id;
    set(quick, "spam").await;
    assert!(heard().await.is_empty());
    set(quick, "new").await;
    assert_eq!(heard().await, [pair("feedback.created", "")]);

    // A ticket: its requester's actions are not sent while the ticket itself is not.
    let made = service::tickets::submit(&t.app, &project, "ticket-key-1", suspicious("Till")).await.unwrap();
    let more = service::tickets::RequesterReply { body: "Hello?".into(), ..Default::default() };
    service::tickets::requester_reply(&t.app, &project, made.ticket, "answer-key-1", more).await.unwrap();
    service::tickets::requester_close(&t.app, &project, made.ticket).await.unwrap();
    service::tickets::requester_reopen(&t.app, &project, made.ticket).await.unwrap();
    assert!(heard().await.is_empty());
    set(made.feedback, "new").await;
    assert_eq!(heard().await, [pair("feedback.created", ""), pair("ticket.created", "It beeps."), pair("ticket.message_added", "Hello?")]);
    set(made.feedback, "spam").await;
    set(made.feedback, "new").await;
    assert_eq!(heard().await, [pair("feedback.updated", "")], "and once only");

    // Released by a reply, or by closing it: first the creation, then that event.
    let made = service::tickets::submit(&t.app, &project, "ticket-key-2", suspicious("Map")).await.unwrap();
    let reply = service::tickets::StaffReply { body: "Which one?".into(), ..Default::default() };
    service::tickets::staff_reply(&t.app, &scope, made.ticket, "reply-key-1", reply).await.unwrap();
    assert_eq!(
        heard().await,
        [pair("feedback.created", ""), pair("ticket.created", "It beeps."), pair("ticket.message_added", "Which one?")]
    );
    for (key, by_status) in [("ticket-key-3", true), ("ticket-key-4", false)] {
        let made = service::tickets::submit(&t.app, &project, key, suspicious("Door")).await.unwrap();
        if by_status {
            set(made.feedback, "resolved").await;
        } else {
            service::tickets::close(&t.app, &scope, made.ticket).await.unwrap();
        }
        assert_eq!(heard().await, [pair("feedback.created", ""), pair("ticket.closed", "closed"), pair("ticket.created", "It beeps.")]);
    }
});

on_both_local!(a_response_taken_for_spam_is_told_when_it_is_set_free, |t: TestApp| async move {
    let s = setup(t, &[]).await;
    let (receiver, port) = Receiver::on("127.0.0.1").await;
    let scope = Scope::system(s.project.id);
    endpoint(&s.t, &scope, port, &[EventKind::FeedbackCreated, EventKind::FeedbackUpdated]).await;
    let sender = sender(&["127.0.0.1"]);
    let links = serde_json::json!([["q1", "9"], ["q2", "http://a http://b http://c http://d"]]);
    let receipt = s.post(&s.input("submission-1", &links, false)).await;
    assert!(receipt.status.is_success(), "{}", receipt.body);
    let more = s.put(&receipt.json(), &s.input("submission-2", &links, true)).await;
    assert!(more.status.is_success(), "{}", more.body);
    assert_eq!(deliver_settled(&s.t.app, &sender).await.unwrap(), 0);
    let id = s.feedback().await[0].id;
    let seen = service::triage::ItemVersion { id, version: s.feedback().await[0].version };
    service::triage::edit(&s.t.app, &scope, &[seen], service::triage::FeedbackEdit::Status(FeedbackStatus::New)).await.unwrap();
    assert_eq!(deliver_settled(&s.t.app, &sender).await.unwrap(), 1);
    assert_eq!(json(&receiver.take()[0])["type"], "feedback.created");
});
