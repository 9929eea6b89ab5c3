//! Snapshots of pages as HTML. One test for each part of the product, with only the data that its pages show.

use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use domain::{
    accounts::{Role, Scope, key::Access},
    backlog::Importance,
    clock::DAY_MS,
    ids::{FeedbackId, SurveyId},
    projects::Project,
    surveys::{LaunchTrigger, Question, QuestionKind, QuestionType, SurveyBody, SurveyStatus},
};
use serde_json::{Value, json};
use service::{
    backlog::{self, LinkInput},
    surveys, tickets,
};
use testing::feedback::INDEX_TIMEOUT;

use super::{
    SnapshotSet,
    html::{pretty, redact},
};
use crate::{
    keys::Program,
    smtp::{Next, Smtp},
    support::{Client, Database, Page, TestApp},
};

/// A project with its owner's browser, and the snapshots of its pages.
struct World {
    t: TestApp,
    project: Project,
    scope: Scope,
    owner: Client,
    snapshots: SnapshotSet,
}

impl World {
    async fn new() -> Self {
        Self::over(TestApp::new(Database::Sqlite).await.unwrap()).await
    }

    async fn over(t: TestApp) -> Self {
        let (project, owner) = t.owner().await;
        Self { scope: Scope::system(project.id), t, project, owner, snapshots: SnapshotSet::default() }
    }

    /// Takes a snapshot of a page that must exist.
    fn page(&mut self, name: &str, page: &Page) {
        assert_eq!(page.status, StatusCode::OK, "{name}: {}", page.body);
        // Differs for each project.
        let body = page.body.replace(&self.project.key, "[project-key]");
        self.snapshots.add(name, redact(&pretty(&body)));
    }

    /// Takes a snapshot of a page that shows a form again with its errors.
    fn refused(&mut self, name: &str, page: Page) {
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{name}: {}", page.body);
        self.page(name, &Page { status: StatusCode::OK, ..page });
    }

    /// Takes a snapshot of a page of the owner's console.
    async fn console(&mut self, name: &str, path: &str) {
        let page = self.owner.get(&format!("/p/my-app/{path}")).await;
        self.page(name, &page);
    }

    fn compare(self) {
        self.snapshots.compare("pages");
    }

    fn minutes(&self, n: i64) {
        self.t.clock.advance_ms(n * 60_000);
    }
}

/// The value of a hidden field.
fn hidden(page: &Page, name: &str) -> String {
    let from = page.body.find(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("no {name}: {}", page.body));
    page.body[from..].split('"').nth(3).unwrap().to_owned()
}

/// Sends a form as a browser sends one with file fields.
pub async fn multipart(client: &Client, path: &str, fields: &[(&str, &str)]) -> Page {
    let part = |(name, value): &(&str, &str)| format!("--end\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    let body = fields.iter().map(part).collect::<String>() + "--end--\r\n";
    client.send(Method::POST, path, &[("content-type", "multipart/form-data; boundary=end")], Body::from(body)).await
}

/// Creates a ticket through the portal, and returns the redirect's location.
pub async fn write_ticket(t: &TestApp, language: &str, subject: &str, message: &str) -> String {
    let visitor = t.anonymous();
    let form = visitor.get(&format!("/p/my-app?lang={language}")).await;
    t.clock.advance_ms(60_000);
    let (started, key) = (hidden(&form, "started"), hidden(&form, "idempotency_key"));
    let fields = [
        ("lang", language),
        ("subject", subject),
        ("message", message),
        ("email", "ann@example.com"),
        ("name", "Ann Archer"),
        ("started", started.as_str()),
        ("idempotency_key", key.as_str()),
    ];
    let sent = multipart(&visitor, "/p/my-app", &fields).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.body);
    sent.location().to_owned()
}

/// The ticket for a URL of the portal.
pub async fn ticket_at(t: &TestApp, project: &Project, location: &str) -> domain::tickets::Ticket {
    let token = location.split('?').next().unwrap().rsplit('/').next().unwrap();
    tickets::by_token(&t.app, project, token).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_signing_in() {
    let fresh = TestApp::new(Database::Sqlite).await.unwrap();
    let token = service::accounts::setup::offer(&fresh.app).await.unwrap().unwrap();
    let set_up = fresh.anonymous().get(&format!("/setup?token={token}")).await;
    let mut w = World::new().await;
    w.page("set-up", &set_up);
    w.page("sign-in", &w.t.anonymous().get("/sign-in").await);
    let wrong = w.t.anonymous().post("/sign-in", &[("email", "owner@example.com"), ("password", "wrong password")]).await;
    w.refused("sign-in-refused", wrong);
    w.compare();
}

/// Creates feedback through the API; returns its id.
async fn say(w: &World, program: &Program, once: &str, body: Value) -> FeedbackId {
    w.minutes(7);
    let made = program.send(Method::POST, "/api/v1/feedback", &[("idempotency-key", once)], &body.to_string()).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    made.json()["id"].as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inbox() {
    let mut w = World::new().await;
    w.console("inbox-empty", "inbox").await;
    let (ada, _) = w.t.member(&w.project, "ada@example.com", Role::Triager).await;
    let program = Program::new(&w.t, &w.project, Access::Write).await;
    let export = say(&w, &program, "say-key-01", json!({
        "text": "The export forgets the last column.\nIt does so <always>.", "score": { "value": 3, "max": 10 }, "tags": ["billing", "export"],
        "contact": { "id": "u81", "email": "bob@example.com", "name": "Bob", "attributes": { "plan": "pro", "seats": 5 } },
        "page_url": "https://shop.example/cart", "release": "2.4.1", "environment": "production",
    }))
    .await;
    say(&w, &program, "say-key-02", json!({ "text": "Die Karte lädt seit dem letzten Update viel zu langsam.", "release": "2.4.1" })).await;
    say(&w, &program, "say-key-03", json!({ "text": "Everything is fine & fast.", "score": { "value": 9, "max": 10 } })).await;
    let location = write_ticket(&w.t, "en", "The map stays empty", "Nothing <b>is</b> drawn.\n\nSince Monday.").await;
    let ticket = ticket_at(&w.t, &w.project, &location).await;

    let item = backlog::create(&w.t.app, &w.scope, "item-key-1", "Export every column", "All of them").await.unwrap();
    let quoting = LinkInput { quote: "forgets the last column".into(), importance: Importance::Critical };
    backlog::link(&w.t.app, &w.scope, export, item, quoting).await.unwrap();
    w.minutes(5);
    let page = format!("/p/my-app/feedback/{export}");
    let version = || async { hidden(&w.owner.get(&page).await, "version") };
    let assigned = w.owner.post(&format!("{page}/assign"), &[("assignee", &ada.to_string()), ("version", &version().await)]).await;
    assert_eq!(assigned.status, StatusCode::SEE_OTHER, "{}", assigned.body);
    let commented = w.owner.post(&format!("{page}/comments"), &[("body", "Seen it too.\nOn two machines.")]).await;
    assert_eq!(commented.status, StatusCode::SEE_OTHER, "{}", commented.body);

    w.minutes(40);
    let reply = tickets::StaffReply { body: "Which browser do you use?".into(), ..tickets::StaffReply::default() };
    let staff = w.t.app.store.staff_by_email("owner@example.com").await.unwrap().unwrap().id().unwrap();
    let team = w.t.app.store.team_member(staff).await.unwrap().scope(w.project.id, Role::Triager).unwrap();
    tickets::staff_reply(&w.t.app, &team, ticket.id, "reply-key-1", reply).await.unwrap();
    w.minutes(2);
    tickets::add_note(&w.t.app, &team, ticket.id, "note-key-01", "Probably the old <canvas> bug.", vec![]).await.unwrap();
    w.minutes(90);
    let conversation = location.split('?').next().unwrap();
    let answer = [("message", "Firefox."), ("idempotency_key", "answer-key-1")];
    assert_eq!(multipart(&w.t.anonymous(), conversation, &answer).await.status, StatusCode::SEE_OTHER);
    assert!(w.t.app.search.wait_until_caught_up(INDEX_TIMEOUT).await);

    w.console("inbox", "inbox").await;
    w.console("inbox-search", "inbox?q=export%20tag:billing").await;
    w.console("inbox-nothing-found", "inbox?q=giraffe").await;
    let wrong = w.owner.get("/p/my-app/inbox?q=status:what").await;
    w.refused("inbox-query-refused", wrong);
    w.console("feedback", &format!("feedback/{export}")).await;
    w.console("ticket", &format!("feedback/{}", ticket.feedback)).await;
    w.console("tickets", "tickets").await;
    w.compare();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backlog_pages() {
    let mut w = World::new().await;
    w.console("backlog-empty", "backlog").await;
    let program = Program::new(&w.t, &w.project, Access::Write).await;
    let bob = json!({ "id": "u81", "email": "bob@example.com", "name": "Bob" });
    let one = say(&w, &program, "say-key-01", json!({ "text": "The export forgets the last column.", "contact": bob })).await;
    let two = say(&w, &program, "say-key-02", json!({ "text": "Please keep <all> columns." })).await;
    let columns =
        backlog::create(&w.t.app, &w.scope, "item-key-1", "Export every column", "All of them.\n\nIn **any** order.").await.unwrap();
    for (feedback, quote, importance) in [(one, "forgets the last column", Importance::Critical), (two, "", Importance::Normal)] {
        w.minutes(1);
        backlog::link(&w.t.app, &w.scope, feedback, columns, LinkInput { quote: quote.into(), importance }).await.unwrap();
    }
    w.minutes(1);
    backlog::create(&w.t.app, &w.scope, "item-key-2", "Dark <mode>", "").await.unwrap();
    assert!(w.t.app.search.wait_until_caught_up(INDEX_TIMEOUT).await);
    w.console("backlog", "backlog").await;
    w.console("backlog-item", &format!("backlog/{columns}")).await;
    w.compare();
}

/// A survey with one question of each type: `q1`, `q2`, …
fn every_question() -> SurveyBody {
    let question = |(n, kind): (usize, &QuestionType)| Question {
        id: format!("q{}", n + 1),
        title: format!("Question of the type {}?", kind.as_str()),
        hint: if n % 2 == 0 { String::new() } else { "A hint <for> it.".into() },
        required: n == 0,
        kind: QuestionKind::new(*kind),
    };
    SurveyBody {
        title: "How is it going?".into(),
        intro: "Two minutes & ten questions.".into(),
        questions: QuestionType::ALL.iter().enumerate().map(question).collect(),
        thanks: "Thanks a lot.".into(),
        language: "en".into(),
        launch: LaunchTrigger::Button { label: "Feedback".into() },
    }
}

/// A live survey with every type of question.
async fn published(w: &World) -> SurveyId {
    let survey = surveys::create_with(&w.t.app, &w.scope, "Everything", every_question(), "survey-key-1").await.unwrap();
    let revision = w.t.app.store.survey(&w.scope, survey).await.unwrap().unwrap().revision;
    surveys::publish(&w.t.app, &w.scope, survey, revision, "publish-key-1").await.unwrap();
    survey
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn survey_pages() {
    let mut w = World::new().await;
    w.console("surveys-empty", "surveys").await;
    w.console("survey-templates", "surveys/new").await;
    let survey = published(&w).await;
    w.minutes(1);
    surveys::create(&w.t.app, &w.scope, "nps", "A <draft>", "survey-key-2").await.unwrap();
    w.minutes(1);
    let paused = surveys::create(&w.t.app, &w.scope, "csat", "Paused", "survey-key-3").await.unwrap();
    surveys::publish(&w.t.app, &w.scope, paused, 1, "publish-key-3").await.unwrap();
    surveys::set_status(&w.t.app, &w.scope, paused, None, SurveyStatus::Paused).await.unwrap();

    let public = format!("/s/{survey}");
    for (n, (score, why)) in [("9", "It is quick."), ("3", "The <export> is slow."), ("7", "")].into_iter().enumerate() {
        w.t.clock.advance_ms(DAY_MS);
        let visitor = w.t.anonymous();
        let page = visitor.get(&public).await;
        w.minutes(1);
        let (version, started, key) = (hidden(&page, "version"), hidden(&page, "started"), hidden(&page, "idempotency_key"));
        let email = format!("visitor{n}@example.com");
        let mut fields = vec![("version", &*version), ("started", &*started), ("idempotency_key", &*key), ("website", ""), ("q1", score)];
        if !why.is_empty() {
            let more = [("q2", "4"), ("q3", "6"), ("q4", "5"), ("q5", "c1"), ("q6", "c1"), ("q6", "c2"), ("q7", "A word"), ("q8", why)];
            fields.extend(more);
            fields.push(("q9", &email));
        }
        let done = visitor.post(&public, &fields).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
    }
    w.console("surveys", "surveys").await;
    w.console("survey-editor", &format!("surveys/{survey}/edit")).await;
    w.console("survey-results", &format!("surveys/{survey}/results")).await;
    w.console("survey-responses", &format!("surveys/{survey}/results/responses")).await;
    w.compare();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn respondents_pages() {
    let mut w = World::new().await;
    let survey = published(&w).await;
    let visitor = w.t.anonymous();
    for language in ["en", "de"] {
        let page = visitor.get(&format!("/s/{survey}?lang={language}")).await;
        w.page(&format!("respond-{language}"), &page);
        let refused =
            visitor.post(&format!("/s/{survey}?lang={language}"), &[("version", &hidden(&page, "version")), ("q9", "nobody")]).await;
        w.refused(&format!("respond-{language}-refused"), refused);
        w.page(&format!("respond-{language}-thanks"), &visitor.get(&format!("/s/{survey}/thanks?lang={language}")).await);
    }
    w.compare();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn portal() {
    let mut w = World::new().await;
    let visitor = w.t.anonymous();
    for language in ["en", "de"] {
        w.page(&format!("portal-{language}"), &visitor.get(&format!("/p/my-app?lang={language}")).await);
        let location = write_ticket(&w.t, language, "The map stays empty", "Nothing <b>is</b> drawn.").await;
        w.page(&format!("portal-{language}-sent"), &visitor.get(&location).await);
        let ticket = ticket_at(&w.t, &w.project, &location).await;
        w.minutes(30);
        let staff = w.t.app.store.staff_by_email("owner@example.com").await.unwrap().unwrap().id().unwrap();
        let team = w.t.app.store.team_member(staff).await.unwrap().scope(w.project.id, Role::Triager).unwrap();
        let reply = tickets::StaffReply { body: "Which browser?\nIs it <old>?".into(), ..tickets::StaffReply::default() };
        tickets::staff_reply(&w.t.app, &team, ticket.id, &format!("reply-key-{language}"), reply).await.unwrap();
        let conversation = location.split('?').next().unwrap();
        let page = visitor.get(conversation).await;
        w.page(&format!("portal-{language}-conversation"), &page);
    }
    w.compare();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_pages() {
    let mut w = World::new().await;
    w.console("api-keys-empty", "keys").await;
    w.console("webhooks-empty", "webhooks").await;
    w.t.member(&w.project, "ada@example.com", Role::Admin).await;
    w.t.member(&w.project, "tim@example.com", Role::Viewer).await;
    let invited = w.owner.post("/p/my-app/members", &[("role", "triager"), ("email", "new@example.com")]).await;
    w.page("members-invited", &invited);
    w.console("members", "members").await;

    let made = w.owner.post("/p/my-app/keys", &[("name", "Night <train>"), ("scope", "write"), ("days", "90")]).await;
    w.page("api-keys-created", &made);
    w.console("api-keys", "keys").await;

    let hook = [("url", "https://hooks.example.com/earshot"), ("note", "Chat"), ("kinds", "feedback.created"), ("kinds", "ticket.closed")];
    let made = w.owner.post("/p/my-app/webhooks", &hook).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.body);
    w.console("webhooks", "webhooks").await;
    let one = w.owner.get(made.location()).await;
    w.page("webhook", &one);

    w.console("settings", "settings").await;
    w.console("embed", "embed").await;
    w.page("account", &w.owner.get("/account").await);
    w.compare();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_mail() {
    let smtp = Smtp::start().await;
    let mail = server::config::mail_for_tests(smtp.port).unwrap();
    let t = TestApp::with_settings(Database::Sqlite, |config| config.settings.mail = Some(mail)).await.unwrap();
    let mut w = World::over(t).await;
    let staff = w.t.app.store.staff_by_email("owner@example.com").await.unwrap().unwrap().id().unwrap();
    w.t.app.store.write(move |tx| Box::pin(async move { tx.set_operator(staff).await })).await.unwrap();
    w.page("operator-mail-empty", &w.owner.get("/operator/mail").await);
    // One fails permanently; the next waits for a retry.
    for answer in [550, 451] {
        smtp.next([Next::Answer(answer)]);
        write_ticket(&w.t, "en", "Not on the page", "Not on the page either").await;
        service::jobs::run_due(&w.t.app).await.unwrap();
    }
    let page = w.owner.get("/operator/mail").await;
    assert!(!page.body.contains("Not on the page"));
    w.page("operator-mail", &page);
    w.compare();
}
