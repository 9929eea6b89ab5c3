//! Identity claims: signed identity, and one contact for each person.

use std::process::Command;

use axum::http::{Method, StatusCode};
use domain::{
    accounts::{Role, Scope, key::Access},
    backlog::Importance,
    identity::message,
    ids::{ContactId, FeedbackId},
    projects::Project,
};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use service::{backlog, job_handler, jobs, keys::ApiKeyInput};
use sha2::Sha256;

use crate::{
    on_both,
    support::{Client, Page, TestApp, skipped},
};

/// A project with a live survey, and its owner.
struct Place<'a> {
    t: &'a TestApp,
    project: Project,
    owner: Client,
    survey: String,
}

/// Expiry of claims: an hour after the test clock.
pub const EXPIRES: i64 = 1_800_003_600;

impl<'a> Place<'a> {
    async fn new(t: &'a TestApp) -> Self {
        let (project, owner) = t.owner().await;
        let scope = Scope::system(project.id);
        let survey = service::surveys::create(&t.app, &scope, "nps", "How is it?", "survey-key-1").await.unwrap();
        let draft = t.app.store.survey(&scope, survey).await.unwrap().unwrap();
        service::surveys::publish(&t.app, &scope, survey, draft.revision, "publish-key-1").await.unwrap();
        Self { t, project, owner, survey: survey.to_string() }
    }

    fn scope(&self) -> Scope {
        Scope::system(self.project.id)
    }

    /// Submits a response as the widget does.
    async fn answer(&self, key: &str, contact: &Value) -> Page {
        let body = json!({ "survey": self.survey, "answers": [["q1", "9"], ["q2", format!("Said by {key}")]], "finished": true,
            "idempotency_key": format!("answer-{key}"), "elapsed_ms": 60_000, "context": { "contact": contact } });
        let url = format!("/embed/v1/{}/responses", self.project.key);
        self.t.anonymous().json(Method::POST, &url, &[], &body).await
    }

    /// Starts a response, or continues the one with this id and token.
    async fn put(&self, key: &str, receipt: Option<(&str, &str)>, contact: &Value) -> Page {
        let mut body = json!({ "survey": self.survey, "answers": [["q1", "9"]], "finished": receipt.is_some(),
            "idempotency_key": format!("answer-{key}"), "elapsed_ms": 60_000, "context": { "contact": contact } });
        let url = format!("/embed/v1/{}/responses", self.project.key);
        match receipt {
            None => self.t.anonymous().json(Method::POST, &url, &[], &body).await,
            Some((id, token)) => {
                body["token"] = token.into();
                self.t.anonymous().json(Method::PUT, &format!("{url}/{id}"), &[], &body).await
            }
        }
    }

    /// As [`Place::answer`], which must be accepted; returns the feedback.
    async fn said(&self, key: &str, contact: &Value) -> FeedbackId {
        let page = self.answer(key, contact).await;
        assert_eq!(page.status, StatusCode::CREATED, "{}", page.body);
        let response = page.json()["id"].as_str().unwrap().parse().unwrap();
        self.t.app.store.feedback_of(self.project.id, response).await.unwrap().unwrap()
    }

    async fn rows(&self, sql: &'static str) -> Vec<String> {
        sqlx::query_scalar(sql).fetch_all(self.t.app.store.reader()).await.unwrap()
    }

    /// Id, address, name, properties and verified fields of all identified contacts.
    async fn contacts(&self) -> Vec<String> {
        self.rows(
            "SELECT COALESCE(external_id, '-') || ' ' || COALESCE(email, '-') || ' ' || COALESCE(name, '-') || ' ' || attributes || ' ' || \
             CAST(verified AS TEXT) FROM contacts WHERE external_id IS NOT NULL OR email IS NOT NULL ORDER BY created_at, id",
        )
        .await
    }

    /// The outcome of the claim, and the claim itself if it was not verified.
    async fn claim(&self, feedback: FeedbackId) -> (Option<String>, Option<Value>) {
        let row: (Option<String>, Option<String>) =
            sqlx::query_as("SELECT r.identity, r.claimed FROM responses r JOIN feedback f ON f.response_id = r.id WHERE f.id = $1")
                .bind(feedback.to_string())
                .fetch_one(self.t.app.store.reader())
                .await
                .unwrap();
        (row.0, row.1.map(|json| serde_json::from_str(&json).unwrap()))
    }

    /// Creates a secret on the page, which shows it once.
    async fn secret(&self, key: &str) -> String {
        let url = format!("/p/{}/identity", self.project.slug);
        let page = self.owner.post(&url, &[("idempotency_key", key)]).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        let secret = page.body.split("eis_").skip(1).map(|rest| rest.split('<').next().unwrap()).find(|rest| rest.len() > 30);
        let secret = format!("eis_{}", secret.unwrap());
        let again = self.owner.post(&url, &[("idempotency_key", key)]).await;
        assert!(again.status == StatusCode::SEE_OTHER && !self.owner.get(&url).await.body.contains(&secret), "it is shown once");
        secret
    }
}

/// A claim, signed as by a site's server.
pub fn signed(secret: &str, mut claim: Value) -> Value {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(&message(claim.as_object().unwrap()));
    let signature: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    claim["signature"] = signature.into();
    claim
}

on_both!(only_what_is_signed_fills_or_replaces_what_is_known, |t: TestApp| async move {
    let p = Place::new(&t).await;
    let secret = p.secret("secret-key-1").await;
    // An attacker claims id 42 before its owner does, with the attacker's own address.
    let planted = json!({ "id": "42", "email": "attacker@evil.test", "name": "x", "attributes": { "plan": "free" } });
    p.said("planted", &planted).await;
    assert_eq!(p.contacts().await, ["42 attacker@evil.test x {\"plan\":\"free\"} 0"]);
    // The owner's claim is signed: it replaces all unverified data.
    let own = json!({ "id": "42", "email": "Ann@Example.com", "name": "Ann", "attributes": { "plan": "enterprise" }, "expires": EXPIRES });
    let verified = p.said("verified", &signed(&secret, own.clone())).await;
    let ann = ["42 ann@example.com Ann {\"plan\":\"enterprise\"} 15"];
    assert_eq!(p.contacts().await, ann);
    assert_eq!(p.claim(verified).await, (Some("verified".into()), None));
    // Claims with any other signature change none of it, and no response is lost.
    let evil = json!({ "id": "42", "email": "attacker@evil.test", "attributes": { "plan": "fraudster" } });
    let expired = json!({ "id": "42", "email": "old@example.com", "expires": 1_799_999_999 });
    let mut stolen = signed(&secret, own);
    stolen["email"] = "attacker@evil.test".into();
    let mut items = Vec::new();
    for (key, contact, worth) in [
        ("unsigned", evil.clone(), "unsigned"),
        ("expired", signed(&secret, expired), "expired"),
        ("tampered", stolen, "wrong"),
        ("foreign", signed("eis_a-secret-of-somebody-else-entirely", json!({ "id": "42", "name": "Evil", "expires": EXPIRES })), "wrong"),
        ("endless", signed(&secret, json!({ "id": "42", "name": "Evil", "expires": EXPIRES + 40 * 86_400 })), "wrong"),
        ("noend", signed(&secret, json!({ "id": "42", "name": "Evil" })), "wrong"),
        ("rubbish", json!({ "id": "42", "name": "Evil", "signature": { "a": 1 }, "expires": [] }), "wrong"),
    ] {
        let item = p.said(key, &contact).await;
        assert_eq!(p.contacts().await, ann, "{key}");
        let (identity, claimed) = p.claim(item).await;
        assert_eq!(identity.as_deref(), Some(worth), "{key}");
        assert!(claimed.is_some(), "{key}: what it said is kept apart");
        items.push(item);
    }
    assert_eq!(p.claim(items[0]).await.1, Some(json!({ "email": "attacker@evil.test", "attributes": { "plan": "fraudster" } })));

    // The inbox marks it, …
    let open = async |item: FeedbackId| p.owner.get(&format!("/p/{}/feedback/{item}", p.project.slug)).await.body;
    let page = open(items[0]).await;
    for text in [
        "Not verified",
        "Claimed e-mail (not verified)",
        "attacker@evil.test",
        "Claimed plan (not verified)",
        "fraudster",
        "ann@example.com",
    ] {
        assert!(page.contains(text), "{text}");
    }
    assert!(open(items[1]).await.contains("Not verified: the signature has expired"));
    assert!(open(items[2]).await.contains("Not verified: the signature does not match"));
    let page = open(verified).await;
    assert!(page.contains("Verified by a signature") && !page.contains("Claimed"), "{page}");
    // … so does the API, …
    let wanted = ApiKeyInput { name: "A reader", access: Access::Read, days: None };
    let key = service::keys::create(&t.app, &p.scope(), &wanted, "api-key-1").await.unwrap().unwrap().secret;
    let authorization = format!("Bearer {key}");
    let read = async |item: FeedbackId| {
        let path = format!("/api/v1/feedback/{item}");
        t.anonymous().send(Method::GET, &path, &[("authorization", &authorization)], axum::body::Body::empty()).await.json()["contact"]
            .clone()
    };
    let contact = read(items[0]).await;
    assert_eq!((&contact["identity"], &contact["email"]), (&json!("unsigned"), &json!("ann@example.com")), "{contact}");
    assert_eq!(contact["claimed"], json!({ "email": "attacker@evil.test", "attributes": { "plan": "fraudster" } }));
    assert_eq!(contact["verified"], json!(["id", "email", "name", "attributes"]));
    let contact = read(verified).await;
    assert_eq!((&contact["identity"], &contact["claimed"]), (&json!("verified"), &Value::Null), "{contact}");
    // … and webhooks.
    let input = service::webhooks::EndpointInput {
        url: "https://hooks.example.com/in".into(),
        note: String::new(),
        kinds: vec!["feedback.created".into()],
    };
    service::webhooks::create(&t.app, &p.scope(), "hook-key-1", &input).await.unwrap();
    p.said("told", &evil).await;
    let delivered_event = async || {
        while service::webhooks::feed::publish_next_batch(&t.app).await.unwrap() {}
        let bodies = p.rows("SELECT body FROM webhook_events WHERE kind = 'feedback.created'").await;
        bodies
            .iter()
            .map(|body| serde_json::from_str::<Value>(body).unwrap())
            .find(|e| e["data"]["text"].as_str().unwrap().contains("told"))
    };
    let event = delivered_event().await.unwrap();
    let contact = &event["data"]["contact"];
    assert_eq!((&contact["identity"], &contact["claimed"]["email"]), (&json!("unsigned"), &json!("attacker@evil.test")), "{event}");
});

on_both!(two_secrets_are_valid_while_servers_change_over, |t: TestApp| async move {
    let p = Place::new(&t).await;
    let (first, second) = (p.secret("secret-key-1").await, p.secret("secret-key-2").await);
    let url = format!("/p/{}/identity", p.project.slug);
    let third = p.owner.post(&url, &[]).await;
    assert!(third.status == StatusCode::CONFLICT && third.body.contains("Retire one"), "{}", third.body);
    let worth = async |key: &str, secret: &str| {
        let item = p.said(key, &signed(secret, json!({ "id": key, "expires": EXPIRES }))).await;
        p.claim(item).await.0.unwrap()
    };
    assert_eq!((worth("a", &first).await, worth("b", &second).await), ("verified".into(), "verified".into()));
    let all = t.app.store.identity_secrets(&p.scope()).await.unwrap();
    let old = all.iter().find(|secret| first.ends_with(&secret.ending)).unwrap().id.to_string();
    assert_eq!(p.owner.post(&format!("{url}/retire"), &[("secret", &old)]).await.status, StatusCode::SEE_OTHER);
    assert_eq!((worth("c", &first).await, worth("d", &second).await), ("wrong".into(), "verified".into()));
    assert_eq!(p.owner.post(&format!("{url}/retire"), &[("secret", &old)]).await.status, StatusCode::NOT_FOUND);
    p.secret("secret-key-3").await;
    // Another project's secret verifies nothing here, and only admins see the page's content.
    let other = service::projects::create(&t.app, "Other", vec![], None).await.unwrap();
    let (_, foreign) = service::identity::create(&t.app, &Scope::system(other.id), "secret-key-4").await.unwrap().unwrap();
    assert_eq!(worth("e", &foreign).await, "wrong");
    let (_, triager) = t.member(&p.project, "tom@example.com", Role::Triager).await;
    assert!(!triager.get(&url).await.body.contains("eis_"));
    assert_eq!(triager.post(&url, &[]).await.status, StatusCode::FORBIDDEN);
});

on_both!(unsigned_claims_can_be_turned_off_and_no_answer_is_lost, |t: TestApp| async move {
    let p = Place::new(&t).await;
    let secret = p.secret("secret-key-1").await;
    // Stored under the previous setting.
    p.said("before", &json!({ "id": "1", "name": "Shown" })).await;
    let url = format!("/p/{}/identity/unsigned", p.project.slug);
    assert_eq!(p.owner.post(&url, &[("unsigned", "off")]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(p.owner.post(&url, &[("unsigned", "maybe")]).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let dropped = p.said("dropped", &json!({ "id": "1", "name": "Hidden", "email": "h@example.com" })).await;
    assert_eq!(p.claim(dropped).await, (None, None));
    assert_eq!(p.contacts().await, ["1 - Shown {} 0"]);
    let page = p.owner.get(&format!("/p/{}/feedback/{dropped}", p.project.slug)).await.body;
    assert!(page.contains("Anonymous") && page.contains("Said by dropped") && !page.contains("Hidden"), "{page}");
    p.said("signed", &signed(&secret, json!({ "id": "1", "name": "Ann", "expires": EXPIRES }))).await;
    assert_eq!(p.contacts().await, ["1 - Ann {} 5"]);
});

on_both!(what_was_known_before_stays_and_a_proven_response_keeps_its_owner, |t: TestApp| async move {
    let p = Place::new(&t).await;
    let secret = p.secret("secret-key-1").await;
    let (id, project) = (t.id::<ContactId>().to_string(), p.project.id.to_string());
    t.app
        .store
        .write(move |tx| {
            Box::pin(async move {
                let sql = "INSERT INTO contacts (id, project_id, external_id, name, created_at, seen_at) VALUES ($1, $2, '7', 'Bea', 1, 1)";
                Ok(sqlx::query(sql).bind(id).bind(project).execute(tx.conn()).await?)
            })
        })
        .await
        .unwrap();
    p.said("unsigned", &json!({ "id": "7", "name": "Evil", "email": "evil@example.com" })).await;
    assert_eq!(p.contacts().await, ["7 - Bea {} 0"], "an unsigned claim fills nothing");
    p.said("signed", &signed(&secret, json!({ "id": "7", "email": "bea@example.com", "expires": EXPIRES }))).await;
    assert_eq!(p.contacts().await, ["7 bea@example.com Bea {} 3"], "a signed one does, and what was known stays");

    // A response started by a verified person is not moved to another contact by a later claim of the page.
    let url = format!("/embed/v1/{}/responses", p.project.key);
    let body = |key: &str, finished: bool, contact: &Value| {
        json!({ "survey": p.survey, "answers": [["q1", "9"]], "finished": finished, "idempotency_key": key, "elapsed_ms": 60_000,
            "context": { "contact": contact } })
    };
    let claim = signed(&secret, json!({ "id": "7", "expires": EXPIRES }));
    let receipt = t.anonymous().json(Method::POST, &url, &[], &body("begin-0001", false, &claim)).await;
    assert_eq!(receipt.status, StatusCode::CREATED, "{}", receipt.body);
    let receipt = receipt.json();
    let mut more = body("more-00001", true, &json!({ "id": "8", "name": "Somebody else" }));
    more["token"] = receipt["token"].clone();
    let put = format!("{url}/{}", receipt["id"].as_str().unwrap());
    let page = t.anonymous().json(Method::PUT, &put, &[], &more).await;
    assert!(page.status.is_success(), "{}", page.body);
    let owners = p
        .rows("SELECT c.external_id || ' ' || r.identity FROM responses r JOIN contacts c ON c.id = r.contact_id ORDER BY r.started_at DESC, r.id DESC LIMIT 1")
        .await;
    assert_eq!(owners, ["7 verified"]);
});

on_both!(a_claim_proves_nothing_of_whom_an_unsigned_one_named, |t: TestApp| async move {
    let p = Place::new(&t).await;
    let secret = p.secret("secret-key-1").await;
    let owner =
        json!({ "id": "ceo", "email": "ceo@corp.example", "name": "Carla", "attributes": { "plan": "enterprise" }, "expires": EXPIRES });
    let known = "ceo ceo@corp.example Carla {\"plan\":\"enterprise\"} 15";
    p.said("owner", &signed(&secret, owner)).await;
    assert_eq!(p.contacts().await, [known]);
    // A stranger starts as the owner, without a signature, and continues with their own claim, which names no one or another person.
    for (n, claim) in [
        json!({ "email": "mallory@evil.example", "name": "Mallory", "attributes": { "plan": "free" }, "expires": EXPIRES }),
        json!({ "name": "Mallory", "expires": EXPIRES }),
        json!({ "attributes": { "theme": "dark" }, "expires": EXPIRES }),
    ]
    .into_iter()
    .enumerate()
    {
        let key = format!("mallory-{n}");
        let receipt = p.put(&key, None, &json!({ "id": "ceo" })).await;
        assert_eq!(receipt.status, StatusCode::CREATED, "{}", receipt.body);
        let receipt = receipt.json();
        let id = receipt["id"].as_str().unwrap().to_owned();
        let went_on = p.put(&key, Some((&id, receipt["token"].as_str().unwrap())), &signed(&secret, claim)).await;
        assert_eq!(went_on.status, StatusCode::OK, "{}", went_on.body);
        assert_eq!(p.contacts().await[0], known, "{n}");
        let (identity, email): (Option<String>, Option<String>) =
            sqlx::query_as("SELECT r.identity, c.email FROM responses r JOIN contacts c ON c.id = r.contact_id WHERE r.id = $1")
                .bind(id)
                .fetch_one(t.app.store.reader())
                .await
                .unwrap();
        assert!(identity.as_deref() != Some("verified") || email.as_deref() == Some("mallory@evil.example"), "{n}: {identity:?} {email:?}");
    }
    // The signed value must equal the stored value: an id that normalization would change verifies nothing.
    for (n, id) in ["ceo\u{0}", " ceo", "ceo\n", "ceo\u{a0}"].into_iter().enumerate() {
        let claim = signed(&secret, json!({ "id": id, "email": "m2@evil.example", "name": "Mallory", "expires": EXPIRES }));
        let said = p.said(&format!("odd-{n}"), &claim).await;
        assert_eq!(p.claim(said).await.0.as_deref(), Some("wrong"), "{id:?}");
        assert_eq!(p.contacts().await[0], known, "{id:?}");
    }
});

on_both!(one_person_is_one_contact_however_their_address_is_written, |t: TestApp| async move {
    let p = Place::new(&t).await;
    let number = backlog::create(&t.app, &p.scope(), "item-key-1", "An item", "").await.unwrap();
    let wanted = ApiKeyInput { name: "A writer", access: Access::Write, days: None };
    let key = service::keys::create(&t.app, &p.scope(), &wanted, "api-key-1").await.unwrap().unwrap().secret;
    let authorization = format!("Bearer {key}");
    let pairs = [("user@bücher.example", "USER@xn--bcher-kva.example"), ("jos\u{e9}@a.example", "jose\u{301}@a.example")];
    for (n, (one, other)) in pairs.iter().enumerate() {
        let by_widget = p.said(&format!("widget-{n}"), &json!({ "email": other })).await;
        let headers = [("authorization", authorization.as_str()), ("idempotency-key", &format!("feedback-{n}-key"))];
        let body = json!({ "text": format!("By the API {n}"), "contact": { "email": one } });
        let by_api = t.anonymous().json(Method::POST, "/api/v1/feedback", &headers, &body).await;
        assert_eq!(by_api.status, StatusCode::CREATED, "{}", by_api.body);
        let by_api: FeedbackId = by_api.json()["id"].as_str().unwrap().parse().unwrap();
        let ticket = domain::tickets::NewTicket {
            subject: "Help".into(),
            message: "By the portal".into(),
            email: (*other).to_owned(),
            name: String::new(),
        };
        let submission = service::tickets::TicketSubmission { ticket, ..service::tickets::TicketSubmission::default() };
        let by_portal = service::tickets::submit(&t.app, &p.project, &format!("ticket-{n}-key"), submission).await.unwrap().feedback;
        for item in [by_widget, by_api, by_portal] {
            let quoting = backlog::LinkInput { quote: String::new(), importance: Importance::Normal };
            backlog::link(&t.app, &p.scope(), item, number, quoting).await.unwrap();
        }
    }
    let emails = p.rows("SELECT email FROM contacts WHERE email IS NOT NULL ORDER BY email").await;
    assert_eq!(emails, ["jos\u{e9}@a.example", "user@bücher.example"]);
    let item = t.app.store.backlog_item(&p.scope(), number).await.unwrap().unwrap();
    let evidence = t.app.store.backlog_evidence(&p.scope(), &item).await.unwrap();
    assert_eq!((evidence.people, evidence.said), (2, 6));

    // Data stored by an earlier version is normalized, and two contacts of one person are merged.
    let (project, ids): (String, Vec<String>) = (p.project.id.to_string(), (0..3).map(|_| t.id::<ContactId>().to_string()).collect());
    let rows = [
        (ids[0].clone(), "user@xn--bcher-kva.example", None),
        (ids[1].clone(), "zo\u{65}\u{308}@b.example", None),
        (ids[2].clone(), "zo\u{eb}@b.example", Some("9")),
    ];
    let said = p.said("late", &json!({})).await.to_string();
    let (first, said_by, named) = (ids[0].clone(), said.clone(), ids[1].clone());
    t.app
        .store
        .write(move |tx| {
            Box::pin(async move {
                for (id, email, external) in rows {
                    sqlx::query(
                        "INSERT INTO contacts (id, project_id, external_id, email, name, attributes, created_at, seen_at) \
                         VALUES ($1, $2, $3, $4, $5, $6, 5, 5)",
                    )
                    .bind(id.clone())
                    .bind(project.clone())
                    .bind(external.map(ToOwned::to_owned))
                    .bind(email.to_owned())
                    .bind((id == named).then_some("Zo\u{eb}"))
                    .bind(if id == named { r#"{"plan":"pro"}"# } else { "{}" })
                    .execute(tx.conn())
                    .await?;
                }
                Ok(sqlx::query("UPDATE feedback SET contact_id = $1 WHERE id = $2").bind(first).bind(said_by).execute(tx.conn()).await?)
            })
        })
        .await
        .unwrap();
    assert_eq!(jobs::normalize_addresses(&t.app, &|| false).await.unwrap(), job_handler::JobOutcome::Done);
    let emails = p.rows("SELECT email FROM contacts WHERE email IS NOT NULL ORDER BY email").await;
    assert_eq!(emails, ["jos\u{e9}@a.example", "user@bücher.example", "zo\u{eb}@b.example"]);
    let whose: Vec<String> = sqlx::query_scalar("SELECT c.email FROM feedback f JOIN contacts c ON c.id = f.contact_id WHERE f.id = $1")
        .bind(said)
        .fetch_all(t.app.store.reader())
        .await
        .unwrap();
    assert_eq!(whose, ["user@bücher.example"]);

    // The merged contact keeps the data that only one of the two had.
    let known: Vec<(Option<String>, String)> = sqlx::query_as("SELECT name, attributes FROM contacts WHERE id IN ($1, $2)")
        .bind(ids[1].clone())
        .bind(ids[2].clone())
        .fetch_all(t.app.store.reader())
        .await
        .unwrap();
    assert_eq!(known, [(Some("Zo\u{eb}".to_owned()), r#"{"plan":"pro"}"#.to_owned())]);
});

/// The code examples of the documentation that this machine can run: language, heading, command, text before and after.
const EXAMPLES: [(&str, &str, &str, &str, &str); 5] = [
    (
        "js",
        "Node.js",
        "node",
        "",
        "const v = JSON.parse(require('fs').readFileSync(process.argv[2]));\nconsole.log(v.cases.map((c) => sign(v.secret, c.claim)).join('\\n'));",
    ),
    (
        "python",
        "Python",
        "python3",
        "",
        "import sys\nv = json.load(open(sys.argv[1], encoding='utf-8'))\nprint('\\n'.join(sign(v['secret'], c['claim']) for c in v['cases']))",
    ),
    (
        "ruby",
        "Ruby",
        "ruby",
        "require 'json'\n",
        "v = JSON.parse(File.read(ARGV[0], encoding: 'utf-8'))\nputs v['cases'].map { |c| sign(v['secret'], c['claim']) }",
    ),
    (
        "php",
        "PHP",
        "php",
        "<?php\n",
        "$v = json_decode(file_get_contents($argv[1]), true);\nforeach ($v['cases'] as $c) { echo sign($v['secret'], $c['claim']), \"\\n\"; }",
    ),
    (
        "go",
        "Go",
        "go",
        "",
        "func main() {\n\tfile, _ := os.Open(os.Args[1])\n\tdecoder := json.NewDecoder(file)\n\tdecoder.UseNumber()\n\
         \tvar v struct { Secret string; Cases []struct{ Claim map[string]any } }\n\
         \tif err := decoder.Decode(&v); err != nil { panic(err) }\n\
         \tfor _, c := range v.Cases { fmt.Println(Sign(v.Secret, c.Claim)) }\n}",
    ),
];

#[test]
fn the_documented_programs_sign_as_documented() {
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let page = std::fs::read_to_string(docs.join("identity.md")).unwrap();
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(docs.join("identity-vectors.json")).unwrap()).unwrap();
    let wanted: Vec<&str> = vectors["cases"].as_array().unwrap().iter().map(|case| case["signature"].as_str().unwrap()).collect();
    let mut ran = 0;
    for (language, heading, command, before, after) in EXAMPLES {
        let section = page.split(&format!("## {heading}\n")).nth(1).unwrap();
        let program = section.split(&format!("```{language}\n")).nth(1).unwrap().split("```").next().unwrap();
        let mut program = format!("{before}{program}\n{after}\n");
        let dir = tempfile::tempdir().unwrap();
        if language == "go" {
            program = program.replacen("import (\n", "import (\n\t\"encoding/json\"\n\t\"os\"\n", 1);
        }
        let file = dir.path().join(format!("sign.{}", if language == "python" { "py" } else { language }));
        std::fs::write(&file, program).unwrap();
        let mut run = Command::new(command);
        if language == "go" {
            run.arg("run").env("GOCACHE", dir.path().join("cache"));
        }
        let Ok(output) = run.arg(&file).arg(docs.join("identity-vectors.json")).output() else {
            skipped(&format!("the example for {heading}"), &format!("{command} is not installed"));
            continue;
        };
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(said.split_whitespace().collect::<Vec<_>>(), wanted, "{heading}: {}", String::from_utf8_lossy(&output.stderr));
        ran += 1;
    }
    assert!(ran > 0, "none of the programs ran");
}
