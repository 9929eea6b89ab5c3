//! Respondents: pages without JavaScript, the embed API, and the processing of responses.

use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use domain::{
    accounts::{Role, Scope},
    feedback::{Feedback, FeedbackStatus},
    ids::{FeedbackId, ProjectId, ResponseId, SurveyId, VersionId},
    projects::Project,
    surveys::{Choice, LaunchTrigger, Question, QuestionKind, SurveyBody},
};
use search::{SearchRequest, Sort};
use serde_json::{Value, json};
use server::http::respond::SUBMISSION_LIMIT;
use service::{responses::CountedSubmission, triage::list::list};
use store::responses::ResponseUpdate;

use crate::{
    identity::{EXPIRES, signed},
    on_both,
    support::{Database, Page, TestApp},
};

const SITE: &str = "https://site.example";

fn body() -> SurveyBody {
    let question = |id: &str, title: &str, required: bool, kind: QuestionKind| Question {
        id: id.into(),
        title: title.into(),
        hint: String::new(),
        required,
        kind,
    };
    SurveyBody {
        title: "How is it going?".into(),
        intro: "Two minutes.".into(),
        questions: vec![
            question("q1", "Would you recommend us?", true, QuestionKind::Nps { low: "No".into(), high: "Yes".into() }),
            question("q2", "Why?", false, QuestionKind::LongText),
            question(
                "q3",
                "What do you use?",
                false,
                QuestionKind::MultipleChoice {
                    choices: vec![Choice { id: "c1".into(), label: "Maps".into() }, Choice { id: "c2".into(), label: "Lists".into() }],
                    other: true,
                },
            ),
            question("q4", "Your address", false, QuestionKind::Email),
        ],
        thanks: "Thanks a lot.".into(),
        language: "en".into(),
        launch: LaunchTrigger::Button { label: "Feedback".into() },
    }
}

pub struct Setup {
    pub t: TestApp,
    pub project: Project,
    pub survey: SurveyId,
    version: VersionId,
}

pub async fn setup(t: TestApp, origins: &[&str]) -> Setup {
    let origins = origins.iter().map(|o| (*o).to_owned()).collect();
    let project = service::projects::create(&t.app, "My app", origins, None).await.unwrap();
    let survey: SurveyId = t.id();
    let (id, now) = (project.id, t.app.now().0);
    let draft = serde_json::to_string(&body()).unwrap();
    t.app
        .store
        .write(move |tx| {
            Box::pin(async move {
                sqlx::query(
                    "INSERT INTO surveys (id, project_id, name, status, draft, draft_revision, draft_position, last_number, created_at, updated_at) \
                     VALUES ($1, $2, 'S', 'draft', $4, 1, 1, 0, $3, $3)",
                )
                .bind(survey.to_string())
                .bind(id.to_string())
                .bind(now)
                .bind(draft)
                .execute(tx.conn())
                .await?;
                Ok(())
            })
        })
        .await
        .unwrap();
    let version = publish(&t, project.id, survey, 1, &body()).await;
    Setup { t, project, survey, version }
}

async fn publish(t: &TestApp, project: ProjectId, survey: SurveyId, number: i64, body: &SurveyBody) -> VersionId {
    let version: VersionId = t.id();
    let (text, now) = (serde_json::to_string(body).unwrap(), t.app.now().0);
    t.app
        .store
        .write(move |tx| {
            Box::pin(async move {
                sqlx::query(
                    "INSERT INTO survey_versions (id, project_id, survey_id, number, body, published_at) VALUES ($1, $2, $3, $4, $5, $6)",
                )
                .bind(version.to_string())
                .bind(project.to_string())
                .bind(survey.to_string())
                .bind(number)
                .bind(text)
                .bind(now)
                .execute(tx.conn())
                .await?;
                sqlx::query("UPDATE surveys SET live_version_id = $2, status = 'live' WHERE id = $1")
                    .bind(survey.to_string())
                    .bind(version.to_string())
                    .execute(tx.conn())
                    .await?;
                Ok(())
            })
        })
        .await
        .unwrap();
    version
}

impl Setup {
    async fn status(&self, status: &'static str) {
        let survey = self.survey.to_string();
        self.t
            .app
            .store
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query("UPDATE surveys SET status = $2 WHERE id = $1").bind(survey).bind(status).execute(tx.conn()).await?;
                    Ok(())
                })
            })
            .await
            .unwrap();
    }

    pub async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(self.t.app.store.reader()).await.unwrap()
    }

    /// The history of the first feedback, newest first.
    async fn history(&self) -> Vec<String> {
        let id = self.feedback().await[0].id;
        let entries = self.t.app.store.history_entries(&Scope::system(self.project.id), id).await.unwrap();
        entries.iter().map(|e| format!("{} {}", e.by.as_deref().unwrap_or(e.change.external_actor()), e.change.sentence())).collect()
    }

    pub async fn feedback(&self) -> Vec<Feedback> {
        let ids: Vec<String> =
            sqlx::query_scalar("SELECT id FROM feedback ORDER BY created_at, id").fetch_all(self.t.app.store.reader()).await.unwrap();
        let ids: Vec<FeedbackId> = ids.iter().map(|id| id.parse().unwrap()).collect();
        self.t.app.store.feedback_by_ids(&Scope::system(self.project.id), &ids).await.unwrap()
    }

    pub fn url(&self, rest: &str) -> String {
        format!("/embed/v1/{}/{rest}", self.project.key)
    }

    pub fn input(&self, key: &str, answers: &Value, finished: bool) -> Value {
        json!({
            "survey": self.survey, "version": self.version, "answers": answers, "finished": finished, "idempotency_key": key,
            "source": "popover", "context": { "page_url": "https://site.example/cart", "release": "1.2.3", "environment": "production" },
        })
    }

    pub async fn post(&self, input: &Value) -> Page {
        self.t.anonymous().json(Method::POST, &self.url("responses"), &[("origin", SITE)], input).await
    }

    pub async fn put(&self, receipt: &Value, input: &Value) -> Page {
        let mut input = input.clone();
        input["token"] = receipt["token"].clone();
        let url = self.url(&format!("responses/{}", receipt["id"].as_str().unwrap()));
        self.t.anonymous().json(Method::PUT, &url, &[("origin", SITE)], &input).await
    }
}

/// The value of a hidden field of a page.
fn hidden(page: &Page, name: &str) -> String {
    let at = page.body.find(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("no {name} in {}", page.body));
    page.body[at..].split('"').nth(3).unwrap().to_owned()
}

on_both!(a_plain_form_becomes_feedback, |t: TestApp| async move {
    let s = setup(t, &[]).await;
    let client = s.t.anonymous();
    let page = client.get(&format!("/s/{}", s.survey)).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("Would you recommend us?") && !page.body.contains("wasm"), "{}", page.body);
    assert_eq!(s.count("SELECT COUNT(*) FROM responses").await, 0, "looking writes nothing");
    s.t.clock.advance_ms(20_000);
    let (version, started, key) = (hidden(&page, "version"), hidden(&page, "started"), hidden(&page, "idempotency_key"));
    let mut fields = vec![
        ("version", version.as_str()),
        ("started", &started),
        ("idempotency_key", &key),
        ("website", ""),
        ("q2", "The map is\r\ntoo slow\0"),
        ("q3", "c2"),
        ("q3", "other"),
        ("q3_other", "Charts & <graphs>"),
    ];
    let url = format!("/s/{}?lang=en", s.survey);
    let refused = client.post(&url, &fields).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.body.contains("This question needs an answer.") && refused.body.contains("too slow"), "{}", refused.body);
    assert!(refused.body.contains("Charts &amp; &lt;graphs&gt;"));
    assert_eq!(hidden(&refused, "idempotency_key"), key);
    fields.push(("q1", "3"));
    for _ in 0..2 {
        let done = client.post(&url, &fields).await;
        assert_eq!((done.status, done.location()), (StatusCode::SEE_OTHER, format!("/s/{}/thanks?lang=en", s.survey).as_str()));
        assert!(client.get(done.location()).await.body.contains("Thanks a lot."));
    }
    let feedback = s.feedback().await;
    assert_eq!(feedback.len(), 1);
    assert_eq!(feedback[0].text, "The map is\ntoo slow\n\nCharts & <graphs>");
    assert_eq!((feedback[0].score, feedback[0].score_max, feedback[0].status), (Some(3.0), Some(10.0), FeedbackStatus::New));
    assert_eq!(s.count("SELECT COUNT(*) FROM responses WHERE finished_at IS NOT NULL AND source = 'link'").await, 1);
    assert_eq!(s.count("SELECT COUNT(*) FROM history").await, 1);
    assert!(s.count("SELECT COUNT(*) FROM feedback_changes").await >= 1);
});

on_both!(a_response_grows_and_is_finished, |t: TestApp| async move {
    let s = setup(t, &[SITE]).await;
    let receipt = s.post(&s.input("key-000001", &json!([["q1", "2"]]), false)).await;
    assert_eq!(receipt.status, StatusCode::CREATED, "{}", receipt.body);
    let receipt = receipt.json();
    let first = s.feedback().await;
    assert_eq!((first[0].text.as_str(), first[0].version), ("", 1));
    assert_eq!(first[0].page_url.as_deref(), Some("https://site.example/cart"));
    assert_eq!(first[0].release.as_deref(), Some("1.2.3"));

    let more = s.input("", &json!([["q1", 2], ["q2", "Die Karte lädt seit dem letzten Update viel zu langsam."]]), false);
    assert_eq!(s.put(&receipt, &more).await.status, StatusCode::OK);
    let second = s.feedback().await;
    assert_eq!((second.len(), second[0].version, second[0].language.as_str()), (1, 2, "de"));
    assert_eq!(s.history().await, ["The respondent added answers", "Earshot created this"]);
    // Consecutive updates by the respondent are one history entry.
    s.t.clock.advance_ms(5_000);
    assert_eq!(s.put(&receipt, &more).await.status, StatusCode::OK);
    assert_eq!(s.history().await.len(), 2);
    assert_eq!(s.count("SELECT MAX(version) FROM history").await, 3);

    // A started response can be continued after the survey was paused; a new one cannot be started.
    s.status("paused").await;
    assert_eq!(s.post(&s.input("key-000002", &json!([["q1", "2"]]), false)).await.status, StatusCode::CONFLICT);
    let last = s.input("", &json!([["q1", "2"], ["q2", "Slow"], ["q4", "Ann@Site.example"]]), true);
    let done = s.put(&receipt, &last).await;
    assert_eq!((done.status, done.json()["finished"].clone()), (StatusCode::OK, json!(true)));
    let third = s.feedback().await;
    assert_eq!((third[0].text.as_str(), third[0].version), ("Slow", 4));
    assert_eq!(s.history().await[0], "The respondent finished the survey");
    assert_eq!(s.count("SELECT COUNT(*) FROM answers").await, 3);
    assert_eq!(s.count("SELECT COUNT(*) FROM contacts WHERE email = 'ann@site.example'").await, 1);
    // A late update changes nothing any more.
    assert_eq!(s.put(&receipt, &more).await.json()["finished"], json!(true));
    assert_eq!(s.feedback().await[0].version, 4);
});

on_both!(suspicion_that_comes_later_is_told_in_the_history, |t: TestApp| async move {
    let s = setup(t, &[]).await;
    let receipt = s.post(&s.input("key-000001", &json!([["q1", "2"]]), false)).await.json();
    let scope = Scope::system(s.project.id);
    let id = s.feedback().await[0].id;
    assert_eq!(s.t.app.store.feedback_heads(&scope, &[id]).await.unwrap()[0].by, None, "it only came");
    s.t.clock.advance_ms(1_000);
    s.put(&receipt, &s.input("", &json!([["q1", "2"], ["q2", "fine"]]), false)).await;
    let head = s.t.app.store.feedback_heads(&scope, &[id]).await.unwrap().remove(0);
    assert_eq!((head.version, head.by.as_deref()), (2, Some("The respondent")));
    s.t.clock.advance_ms(1_000);
    s.put(&receipt, &s.input("", &json!([["q1", "2"], ["q2", "http://a http://b http://c http://d"]]), false)).await;
    assert_eq!(s.feedback().await[0].status, FeedbackStatus::Spam);
    assert_eq!(s.history().await[0], "Earshot changed the status from New to Spam");
    // A person who last saw it as new gets a conflict that names the change.
    let staff = service::accounts::create_staff(&s.t.app, "ann@example.com", "Ann", crate::support::PASSWORD).await.unwrap();
    let (project, now) = (s.project.id, s.t.app.now());
    s.t.app.store.write(move |tx| Box::pin(async move { tx.set_role(project, staff, Role::Triager, now).await })).await.unwrap();
    let ann = s.t.app.store.team_member(staff).await.unwrap().scope(project, Role::Triager).unwrap();
    let seen = [service::triage::ItemVersion { id, version: 1 }];
    let refused =
        service::triage::edit(&s.t.app, &ann, &seen, service::triage::FeedbackEdit::Status(FeedbackStatus::Resolved)).await.unwrap_err();
    assert!(refused.to_string().contains("Earshot changed the status from New to Spam"), "{refused}");
});

on_both!(nothing_is_written_to_another_projects_response, |t: TestApp| async move {
    let s = setup(t, &[]).await;
    let receipt = s.post(&s.input("key-000001", &json!([["q1", "2"], ["q2", "Mine"]]), false)).await.json();
    let response: ResponseId = receipt["id"].as_str().unwrap().parse().unwrap();
    let other = Scope::system(service::projects::create(&s.t.app, "Other", vec![], None).await.unwrap().id);
    let (survey, feedback, now) = (s.survey, s.feedback().await.remove(0), s.t.app.now());
    let contact = feedback.contact.unwrap();
    let digest = domain::responses::digest(&body(), &[]);
    s.t.app
        .store
        .write(move |tx| {
            Box::pin(async move {
                assert!(tx.lock_response(&other, response).await?.is_none());
                assert!(tx.feedback_of_response(&other, response).await?.is_none());
                let update = ResponseUpdate { contact, language: "xx", spam_reasons: &[], now };
                tx.update_response(&other, response, update, Some(now)).await?;
                tx.replace_answers(&other, survey, response, &[], now).await?;
                tx.update_feedback_of_response(&other, feedback.id, update, &digest, FeedbackStatus::Spam).await
            })
        })
        .await
        .unwrap();
    assert_eq!(s.count("SELECT COUNT(*) FROM answers").await, 2);
    assert_eq!(s.count("SELECT COUNT(*) FROM responses WHERE finished_at IS NULL AND language = 'en'").await, 1);
    assert_eq!((s.feedback().await[0].status, s.feedback().await[0].version), (FeedbackStatus::New, 1));
});

on_both!(only_who_began_a_response_adds_to_it, |t: TestApp| async move {
    let s = setup(t, &[]).await;
    let receipt = s.post(&s.input("key-000001", &json!([["q1", "2"]]), false)).await.json();
    let mut forged = receipt.clone();
    forged["token"] = json!("x");
    let other = service::projects::create(&s.t.app, "Other", vec![], None).await.unwrap();
    assert_eq!(s.put(&forged, &s.input("", &json!([]), true)).await.status, StatusCode::NOT_FOUND);
    let mut input = s.input("", &json!([]), true);
    input["token"] = receipt["token"].clone();
    let url = format!("/embed/v1/{}/responses/{}", other.key, receipt["id"].as_str().unwrap());
    assert_eq!(s.t.anonymous().json(Method::PUT, &url, &[], &input).await.status, StatusCode::NOT_FOUND);
    let elsewhere = format!("/embed/v1/{}/responses", other.key);
    assert_eq!(
        s.t.anonymous().json(Method::POST, &elsewhere, &[], &s.input("key-000009", &json!([]), false)).await.status,
        StatusCode::NOT_FOUND
    );
});

on_both!(retries_make_one_response, |t: TestApp| async move {
    let s = setup(t, &[]).await;
    let input = s.input("key-000001", &json!([["q1", "9"]]), true);
    let answers = futures_util::future::join_all((0..12).map(|_| s.post(&input))).await;
    let first = answers[0].json();
    for answer in &answers {
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        assert_eq!(answer.json(), first);
    }
    s.status("closed").await;
    assert_eq!(s.post(&input).await.json(), first, "also after it was closed");
    for sql in ["SELECT COUNT(*) FROM responses", "SELECT COUNT(*) FROM feedback", "SELECT COUNT(*) FROM contacts"] {
        assert_eq!(s.count(sql).await, 1, "{sql}");
    }
});

on_both!(only_allowed_origins_may_send, |t: TestApp| async move {
    let s = setup(t, &[SITE]).await;
    let client = s.t.anonymous();
    let input = s.input("key-000001", &json!([["q1", "9"]]), true);
    for origin in ["https://evil.example", "null", "https://site.example.evil.example", "http://site.example"] {
        let page = client.json(Method::POST, &s.url("responses"), &[("origin", origin)], &input).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{origin}");
        assert!(!page.headers.contains_key("access-control-allow-origin"));
        assert_eq!(client.send(Method::GET, &s.url("config"), &[("origin", origin)], Body::empty()).await.status, StatusCode::FORBIDDEN);
        let form = client
            .send(
                Method::POST,
                &format!("/s/{}", s.survey),
                &[("origin", origin), ("content-type", "application/x-www-form-urlencoded")],
                Body::from("idempotency_key=12345678&q1=3"),
            )
            .await;
        assert_eq!(form.status, StatusCode::FORBIDDEN, "{origin}");
    }
    assert_eq!(s.count("SELECT COUNT(*) FROM responses").await, 0);
    let page = s.post(&input).await;
    assert_eq!((page.status, page.headers["access-control-allow-origin"].to_str().unwrap()), (StatusCode::CREATED, SITE));
    assert!(page.headers.get_all("vary").iter().any(|v| v == "origin"));
    assert!(!page.headers.contains_key("access-control-allow-credentials") && !page.headers.contains_key("set-cookie"));
    // Our own page, and a client that sends no origin.
    for headers in [&[("origin", "http://earshot.test")][..], &[]] {
        let page = client.json(Method::POST, &s.url("responses"), headers, &input).await;
        assert_eq!(page.status, StatusCode::CREATED, "{}", page.body);
    }
    let preflight = client.send(Method::OPTIONS, &s.url("responses"), &[("origin", SITE)], Body::empty()).await;
    assert_eq!((preflight.status, preflight.headers["access-control-allow-origin"].to_str().unwrap()), (StatusCode::NO_CONTENT, SITE));
    assert!(preflight.headers["access-control-allow-methods"].to_str().unwrap().contains("POST"));
    let page = client.get(&format!("/s/{}", s.survey)).await;
    let csp = page.headers["content-security-policy"].to_str().unwrap();
    assert!(csp.contains("frame-ancestors 'self' https://site.example;"), "{csp}");
    assert!(!page.headers.contains_key("x-frame-options"));
});

on_both!(the_config_is_small_cacheable_and_current, |t: TestApp| async move {
    let s = setup(t, &[]).await;
    let client = s.t.anonymous();
    let page = client.send(Method::GET, &s.url("config"), &[("origin", SITE)], Body::empty()).await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.headers["access-control-allow-origin"], "*");
    assert_eq!(page.headers["cache-control"], "public, max-age=60");
    assert!(page.body.len() < 400, "{}", page.body);
    assert_eq!(page.json()["surveys"][0]["launch"], json!({ "on": "button", "label": "Feedback" }));
    let tag = page.headers["etag"].to_str().unwrap().to_owned();
    let again = client.send(Method::GET, &s.url("config"), &[("if-none-match", &tag)], Body::empty()).await;
    assert_eq!((again.status, again.body.as_str()), (StatusCode::NOT_MODIFIED, ""));
    s.status("paused").await;
    let paused = client.send(Method::GET, &s.url("config"), &[("if-none-match", &tag)], Body::empty()).await;
    assert_eq!((paused.status, paused.json()["surveys"].clone()), (StatusCode::OK, json!([])));
    assert_eq!(client.get("/embed/v1/pk_nobody/config").await.status, StatusCode::NOT_FOUND);
});

on_both!(what_does_not_fit_is_named, |t: TestApp| async move {
    let s = setup(t, &[]).await;
    let answers = json!([["q1", "11"], ["q4", "nobody"]]);
    let mut input = s.input("key-000001", &answers, false);
    input["language"] = json!("de");
    let page = s.post(&input).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(page.headers["content-type"], "application/problem+json");
    assert_eq!(page.headers["access-control-allow-origin"], "*");
    let errors = page.json()["errors"].clone();
    assert_eq!((errors[0]["pointer"].clone(), errors[0]["code"].clone()), (json!("/answers/q1"), json!("range")));
    assert_eq!(errors[0]["detail"], json!("Wählen Sie eine Zahl von 0 bis 10."));
    assert_eq!(errors[1]["pointer"], json!("/answers/q4"));
    let missing = s.post(&s.input("key-000001", &json!([["q2", "x"]]), true)).await;
    assert_eq!(missing.json()["errors"][0]["code"], json!("required"));
    let mut keyless = s.input("", &json!([]), false);
    keyless.as_object_mut().unwrap().remove("idempotency_key");
    assert_eq!(s.post(&keyless).await.json()["errors"][0]["pointer"], json!("/idempotency_key"));
    assert_eq!(s.count("SELECT COUNT(*) FROM responses").await, 0);
});

on_both!(answers_point_to_the_version_they_were_given_to, |t: TestApp| async move {
    let s = setup(t, &[]).await;
    let receipt = s.post(&s.input("key-000001", &json!([["q1", "9"]]), false)).await.json();
    let mut changed = body();
    changed.questions.remove(0);
    let second = publish(&s.t, s.project.id, s.survey, 2, &changed).await;
    // A response started before, and a page loaded before, are validated against the first version.
    assert_eq!(s.put(&receipt, &s.input("", &json!([["q1", "8"]]), true)).await.status, StatusCode::OK);
    assert_eq!(s.post(&s.input("key-000002", &json!([["q1", "7"]]), true)).await.status, StatusCode::CREATED);
    let mut input = s.input("key-000003", &json!([["q2", "new"]]), true);
    input["version"] = json!(second);
    assert_eq!(s.post(&input).await.status, StatusCode::CREATED);
    let mut versions: Vec<(String, i64)> = sqlx::query_as("SELECT version_id, COUNT(*) FROM responses GROUP BY version_id ORDER BY 2")
        .fetch_all(s.t.app.store.reader())
        .await
        .unwrap();
    versions.sort();
    assert_eq!(versions, vec![(s.version.to_string(), 2), (second.to_string(), 1)]);
    // A nonexistent version.
    input["version"] = json!(s.survey);
    input["idempotency_key"] = json!("key-000004");
    assert_eq!(s.post(&input).await.status, StatusCode::NOT_FOUND);
});

on_both!(suspected_spam_is_kept_with_its_reasons, |t: TestApp| async move {
    let s = setup(t, &[]).await;
    let mut input = s.input("key-000001", &json!([["q1", "9"], ["q2", "http://a http://b http://c http://d"]]), true);
    input["honeypot"] = json!("Acme Inc");
    input["elapsed_ms"] = json!(300);
    let page = s.post(&input).await;
    assert_eq!(page.status, StatusCode::CREATED, "answered like any other");
    let feedback = s.feedback().await;
    assert_eq!(feedback[0].status, FeedbackStatus::Spam);
    assert_eq!(feedback[0].spam_reasons, ["honeypot", "too_fast", "links"]);

    // The signed time of the page overrides the time measured by the page.
    let client = s.t.anonymous();
    let started = hidden(&client.get(&format!("/s/{}", s.survey)).await, "started");
    let mut quick = s.input("key-000002", &json!([["q1", "9"], ["q2", "fine"]]), true);
    quick["started"] = json!(started);
    quick["elapsed_ms"] = json!(60_000);
    s.post(&quick).await;
    assert_eq!(s.feedback().await[1].spam_reasons, ["too_fast"]);
    quick["started"] = json!(format!("1{started}"));
    quick["idempotency_key"] = json!("key-000003");
    s.post(&quick).await;
    assert_eq!(s.feedback().await[2].spam_reasons, ["forged_start"]);
});

on_both!(a_person_is_one_contact, |t: TestApp| async move {
    let s = setup(t, &[]).await;
    let mut input = s.input("key-000001", &json!([["q1", "9"]]), true);
    input["context"]["contact"] =
        json!({ "id": 42, "email": "Bo@Site.example", "name": "Bo", "attributes": { "plan": "pro", "deep": {} } });
    s.post(&input).await;
    input["idempotency_key"] = json!("key-000002");
    // Anyone can claim to be 42: known data stays, including properties.
    input["context"]["contact"] = json!({ "id": "42", "name": "Eve", "email": "eve@site.example", "attributes": { "plan": "free" } });
    s.post(&input).await;
    // Identified only by the e-mail address in an answer.
    s.post(&s.input("key-000003", &json!([["q1", "1"], ["q4", "bo@site.example"]]), true)).await;
    let row: Vec<(String, String, String, String)> =
        sqlx::query_as("SELECT external_id, email, name, attributes FROM contacts").fetch_all(s.t.app.store.reader()).await.unwrap();
    let expected = ("42".into(), "bo@site.example".into(), "Bo".into(), r#"{"plan":"pro"}"#.into());
    assert_eq!(row, vec![expected]);
    // Anonymous at first, then identified as Bo: the anonymous contact is removed.
    let receipt = s.post(&s.input("key-000004", &json!([["q1", "5"]]), false)).await.json();
    assert_eq!(s.count("SELECT COUNT(*) FROM contacts").await, 2);
    s.put(&receipt, &s.input("", &json!([["q1", "5"], ["q4", "bo@site.example"]]), true)).await;
    assert_eq!(s.count("SELECT COUNT(*) FROM contacts").await, 1);
    assert_eq!(s.count("SELECT COUNT(DISTINCT contact_id) FROM feedback").await, 1);
});

on_both!(what_a_person_said_before_is_found_by_their_new_name, |t: TestApp| async move {
    let s = setup(t, &[]).await;
    let mut input = s.input("key-000001", &json!([["q1", "9"]]), true);
    input["context"]["contact"] = json!({ "id": "42" });
    s.post(&input).await;
    let first = s.feedback().await[0].id.to_string();
    let count_changes = async || {
        let sql = "SELECT COUNT(*) FROM feedback_changes WHERE feedback_id = $1";
        sqlx::query_scalar::<_, i64>(sql).bind(first.clone()).fetch_one(s.t.app.store.reader()).await.unwrap()
    };
    assert_eq!(count_changes().await, 1);
    s.t.clock.advance_ms(1_000);
    input["idempotency_key"] = json!("key-000002");
    let (_, secret) = service::identity::create(&s.t.app, &Scope::system(s.project.id), "secret-key-1").await.unwrap().unwrap();
    let claim = json!({ "id": "42", "name": "Bo", "email": "bo@site.example", "expires": EXPIRES });
    input["context"]["contact"] = signed(&secret, claim);
    s.post(&input).await;
    assert_eq!(count_changes().await, 2, "its search document holds the name");
    // The same data again changes nothing.
    input["idempotency_key"] = json!("key-000003");
    s.post(&input).await;
    assert_eq!(count_changes().await, 2);
    assert_eq!(s.feedback().await.len(), 3);
});

on_both!(too_large_is_413, |t: TestApp| async move {
    let s = setup(t, &[]).await;
    let page = s.post(&s.input("key-000001", &json!([["q2", "x".repeat(SUBMISSION_LIMIT)]]), true)).await;
    assert_eq!(page.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(page.json()["code"], json!("too_large"));
    let many = vec![json!(["q2", "x"]); 50_000];
    let page = s.post(&s.input("key-000002", &json!(many), true)).await;
    assert_eq!((page.status, page.json()["code"].clone()), (StatusCode::PAYLOAD_TOO_LARGE, json!("too_large")));
    let form = "q2=x&".repeat(20_000);
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let page = s.t.anonymous().send(Method::POST, &format!("/s/{}", s.survey), &headers, Body::from(form)).await;
    assert_eq!(page.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(s.count("SELECT COUNT(*) FROM responses").await, 0);
});

on_both!(the_longest_legal_answers_arrive, |t: TestApp| async move {
    let s = setup(t, &[]).await;
    let mut long = body();
    let question = long.questions[1].clone();
    long.questions.extend((0..30).map(|n| Question { id: format!("q{}", 10 + n), ..question.clone() }));
    let version = publish(&s.t, s.project.id, s.survey, 2, &long).await.to_string();
    let key = "key-000001";
    // Three bytes per character, nine in a URL-encoded form.
    let answer = "字".repeat(10_000);
    let mut fields = vec![("version", version.as_str()), ("idempotency_key", key), ("q1", "3"), ("q2", &answer)];
    let names: Vec<String> = (10..40).map(|n| format!("q{n}")).collect();
    fields.extend(names.iter().map(|name| (name.as_str(), answer.as_str())));
    let done = s.t.anonymous().post(&format!("/s/{}", s.survey), &fields).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{:.300}", done.body);
    // Each response uses nearly all of the storage that an address has per hour.
    s.t.clock.advance_ms(3_600_000);
    let pairs: Vec<_> = names.iter().map(|name| json!([name, "😀".repeat(10_000)])).chain([json!(["q1", "3"])]).collect();
    let mut input = s.input("key-000002", &json!(pairs), true);
    input["version"] = json!(version);
    assert_eq!(s.post(&input).await.status, StatusCode::CREATED);
    // One more character is rejected, with an error at its question.
    let refused = s.t.anonymous().post(&format!("/s/{}", s.survey), &[("q1", "3"), ("q2", &format!("{answer}字"))]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.body.contains("Use at most 10000 characters.") && refused.body.contains(&answer));
});

/// Checks for a page that the project's sites may frame, without links to the console.
fn is_for_respondents(page: &Page) {
    assert!(!page.headers.contains_key("x-frame-options"), "{:?}", page.headers);
    let csp = page.headers["content-security-policy"].to_str().unwrap();
    assert!(!csp.contains("frame-ancestors 'none'"), "{csp}");
    assert!(page.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(page.body.contains("<main id=\"earshot\">") && !page.body.contains("href=\"/\""), "{}", page.body);
}

on_both!(refusals_are_pages_for_respondents_in_their_language, |t: TestApp| async move {
    let s = setup(t, &[SITE]).await;
    let client = s.t.anonymous();
    let form = ("content-type", "application/x-www-form-urlencoded");
    let missing = client.send(Method::GET, "/s/nothing?embed=1", &[("accept-language", "de-AT, en;q=0.5")], Body::empty()).await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    is_for_respondents(&missing);
    assert!(missing.body.contains("Umfrage nicht gefunden") && missing.body.contains("class=\"embedded\""), "{}", missing.body);

    let url = format!("/s/{}?lang=de&embed=1", s.survey);
    let foreign = client.send(Method::POST, &url, &[form, ("origin", "https://evil.example")], Body::from("q1=3")).await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    is_for_respondents(&foreign);
    assert!(foreign.headers["content-security-policy"].to_str().unwrap().contains("frame-ancestors 'self' https://site.example;"));
    assert!(foreign.body.contains("Diese Website darf"), "{}", foreign.body);

    let large = client.send(Method::POST, &url, &[form], Body::from("x".repeat(SUBMISSION_LIMIT + 1))).await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
    is_for_respondents(&large);
    assert!(large.body.contains("Ihre Antworten sind zu lang"), "{}", large.body);

    let unreadable = client.send(Method::POST, &url, &[("content-type", "text/plain")], Body::from("q1=3")).await;
    assert_eq!(unreadable.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    is_for_respondents(&unreadable);

    // A form without its key is shown again with its values and a fresh key.
    let stale = client.post(&url, &[("idempotency_key", ""), ("q1", "3"), ("q2", "Do not lose me")]).await;
    assert_eq!(stale.status, StatusCode::UNPROCESSABLE_ENTITY);
    is_for_respondents(&stale);
    assert!(stale.body.contains("Diese Seite war veraltet") && stale.body.contains("Do not lose me"), "{}", stale.body);
    let key = hidden(&stale, "idempotency_key");
    let done = client.post(&url, &[("idempotency_key", &key), ("q1", "3"), ("q2", "Do not lose me")]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER);

    // An internal error.
    s.t.app.store.reader().close().await;
    let broken = client.get(&url).await;
    assert!(broken.status.is_server_error(), "{}", broken.status);
    is_for_respondents(&broken);
    assert!(broken.body.contains("Diese Seite kann gerade nicht"), "{}", broken.body);
});

on_both!(hostile_input_is_refused_and_never_a_fault, |t: TestApp| async move {
    let s = setup(t, &[]).await;
    let client = s.t.anonymous();
    let good = s.input("key-000001", &json!([["q1", "9"]]), false);
    let odd = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1e300),
        json!("\u{0}"),
        json!([]),
        json!({}),
        json!([[]]),
        json!([["q1"]]),
        json!([[1, 2]]),
        json!([["q1", null]]),
        json!([["q1", {"a": 1}]]),
        json!("x".repeat(5000)),
        json!([["q2", "\u{0}\u{202e}\u{fffe}"]]),
        json!("' OR 1=1 --"),
    ];
    let mut n = 0;
    for field in good.as_object().unwrap().keys() {
        for value in &odd {
            n += 1;
            let mut input = good.clone();
            input["idempotency_key"] = json!(format!("hostile-{n}"));
            input[field] = value.clone();
            let page = s.post(&input).await;
            assert!(page.status.as_u16() < 500, "{field} = {value}: {}", page.body);
            let mut nested = good.clone();
            nested["idempotency_key"] = json!(format!("nested-{n}"));
            nested["context"] =
                json!({ "page_url": value, "release": value, "contact": { "id": value, "email": value, "attributes": value } });
            assert_eq!(s.post(&nested).await.status, StatusCode::CREATED, "context never costs an answer: {value}");
        }
    }
    let deep = "[".repeat(100_000);
    for raw in ["", "{", "[]", "null", "\u{feff}{}", "{\"answers\":[[\"q2\",\"\\ud800\"]]}", &deep[..60_000]] {
        let page =
            client.send(Method::POST, &s.url("responses"), &[("content-type", "application/json")], Body::from(raw.to_owned())).await;
        assert_eq!(page.status.as_u16() / 100, 4, "{raw:.40}: {}", page.body);
    }
    let bytes = client.send(Method::POST, &s.url("responses"), &[], Body::from(vec![0xff, 0xfe, 0])).await;
    assert_eq!(bytes.status, StatusCode::BAD_REQUEST);
    assert_eq!(s.count("SELECT COUNT(*) FROM responses WHERE page_url LIKE 'javascript%'").await, 0);
    for path in ["/s/x", "/s/00000000-0000-0000-0000-000000000000", "/s/%00", "/embed/v1/%00/config"] {
        assert_eq!(client.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
});

on_both!(a_survey_that_takes_no_answers_says_so, |t: TestApp| async move {
    let s = setup(t, &[]).await;
    let client = s.t.anonymous();
    let url = format!("/s/{}", s.survey);
    s.status("paused").await;
    assert!(client.get(&url).await.body.contains("This survey is paused"));
    s.status("closed").await;
    assert!(client.get(&format!("{url}?lang=de")).await.body.contains("Diese Umfrage ist beendet"));
    assert_eq!(client.post(&url, &[("q1", "3")]).await.status, StatusCode::CONFLICT);
    s.status("draft").await;
    assert_eq!(client.get(&url).await.status, StatusCode::NOT_FOUND);
    assert_eq!(s.count("SELECT COUNT(*) FROM responses").await, 0);
});

on_both!(pages_speak_the_asked_language, |t: TestApp| async move {
    let s = setup(t, &[]).await;
    let client = s.t.anonymous();
    let page = client.get(&format!("/s/{}?lang=de&embed=1&parent={SITE}", s.survey)).await;
    assert!(page.body.contains("Absenden") && page.body.contains("<html lang=\"de\" dir=\"ltr\" data-theme=\"auto\">"), "{}", page.body);
    assert!(
        page.body.contains("<header lang=\"en\" dir=\"ltr\">") && page.body.contains("<title lang=\"en\">How is it going?"),
        "{}",
        page.body
    );
    assert!(page.body.contains("class=\"req\" lang=\"de\"") || page.body.contains("lang=\"de\" class=\"req\""), "{}", page.body);
    assert!(page.body.contains("class=\"embedded\"") && page.body.contains("data-parent=\"https://site.example\""));
    let page = client.get(&format!("/s/{}?parent=https://site.example/path", s.survey)).await;
    assert!(!page.body.contains("data-parent"));
});

on_both!(a_page_is_marked_with_the_language_it_is_in, |t: TestApp| async move {
    let s = setup(t, &[]).await;
    let client = s.t.anonymous();
    let opens = |page: &Page, language: &str| {
        assert!(page.body.contains(&format!("<html lang=\"{language}\"")), "{language}: {}", page.body);
    };
    // Of the survey and the built-in texts, what is not in the page's language is marked.
    let thanks = client.get(&format!("/s/{}/thanks?lang=de", s.survey)).await;
    opens(&thanks, "de");
    assert!(thanks.body.contains("<h1 lang=\"en\" dir=\"ltr\">Thanks a lot."), "{}", thanks.body);
    let arabic = SurveyBody { language: "ar".into(), thanks: String::new(), ..body() };
    publish(&s.t, s.project.id, s.survey, 2, &arabic).await;
    let page = client.get(&format!("/s/{}", s.survey)).await;
    opens(&page, "ar");
    assert!(page.body.contains("dir=\"rtl\" data-theme") && page.body.contains(&format!("action=\"/s/{}\"", s.survey)), "{}", page.body);
    assert!(page.body.contains("<h2 tabindex=\"-1\" lang=\"en\">Thank you."), "{}", page.body);
    let page = client.get(&format!("/s/{}?lang=de", s.survey)).await;
    opens(&page, "de");
    assert!(
        page.body.contains("<header lang=\"ar\" dir=\"rtl\">") && page.body.contains("<h2 tabindex=\"-1\">Vielen Dank."),
        "{}",
        page.body
    );
    // Notices are built-in texts, whatever the survey's language.
    let origin = [("origin", "https://elsewhere.example"), ("content-type", "application/x-www-form-urlencoded")];
    s.t.run("UPDATE projects SET origins = '[\"https://site.example\"]'").await;
    let foreign = client.send(Method::POST, &format!("/s/{}", s.survey), &origin, Body::from("q1=3")).await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    opens(&foreign, "en");
});

#[tokio::test]
async fn too_many_submissions_wait() {
    let t = TestApp::with_settings(Database::Sqlite, |c| c.settings.rate_per_address = 3).await.unwrap();
    let s = setup(t, &[]).await;
    for n in 0..3 {
        assert_eq!(s.post(&s.input(&format!("key-{n:06}"), &json!([["q1", "9"]]), true)).await.status, StatusCode::CREATED);
    }
    let page = s.post(&s.input("key-000009", &json!([["q1", "9"]]), true)).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    let seconds: u64 = page.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=21).contains(&seconds), "{seconds}");
    assert_eq!(page.headers["access-control-allow-origin"], "*");
    // A forwarded address is ignored while no proxy is trusted.
    let headers = [("x-forwarded-for", "203.0.113.9")];
    let spoofed = s.t.anonymous().json(Method::POST, &s.url("responses"), &headers, &s.input("key-000010", &json!([]), true)).await;
    assert_eq!(spoofed.status, StatusCode::TOO_MANY_REQUESTS);
    // The form is shown again with its values and the same key.
    let fields = [("q1", "3"), ("q2", "Do not lose me"), ("idempotency_key", "key-of-the-form")];
    let waits = s.t.anonymous().post(&format!("/s/{}?lang=de", s.survey), &fields).await;
    assert_eq!(waits.status, StatusCode::TOO_MANY_REQUESTS);
    is_for_respondents(&waits);
    assert!(waits.headers.contains_key("retry-after") && waits.body.contains("Do not lose me"), "{}", waits.body);
    assert!(waits.body.contains("Zu viele Antworten") && waits.body.contains("Sekunden"));
    assert_eq!(hidden(&waits, "idempotency_key"), "key-of-the-form");
}

#[tokio::test]
async fn behind_a_proxy_the_client_does_not_choose_the_address_that_is_counted() {
    let t = TestApp::with_settings(Database::Sqlite, |c| {
        c.settings.rate_per_address = 1;
        c.http.trusted_proxies = server::config::TrustedProxies::Hops(1);
    });
    let s = setup(t.await.unwrap(), &[]).await;
    let mut statuses = Vec::new();
    for (n, said) in ["198.51.100.1, 203.0.113.9:5001", "198.51.100.2, 203.0.113.9:5002", "198.51.100.2, 203.0.113.10"].iter().enumerate() {
        let input = s.input(&format!("key-{n:06}"), &json!([["q1", "9"]]), true);
        let page = s.t.anonymous().json(Method::POST, &s.url("responses"), &[("x-forwarded-for", *said)], &input).await;
        statuses.push(page.status);
    }
    assert_eq!(statuses, [StatusCode::CREATED, StatusCode::TOO_MANY_REQUESTS, StatusCode::CREATED]);
}

#[tokio::test]
async fn a_sender_that_hangs_up_stays_charged() {
    let t = TestApp::with_settings(Database::Sqlite, |c| c.settings.rate_per_key = 1).await.unwrap();
    let s = setup(t, &[]).await;
    let (project, address) = (s.project.id, std::net::IpAddr::from([192, 0, 2, 1]));
    let count = async || CountedSubmission::begin(&s.t.app, address).await.unwrap();
    // The writer may store a submission whose sender no longer waits for it.
    let mut hangs_up = Box::pin(count().await.store(project, std::future::pending::<service::error::Result<()>>()));
    assert!(futures_util::poll!(&mut hangs_up).is_pending());
    drop(hangs_up);
    let next = count().await.store(project, async { Ok::<_, service::error::Error>(()) }).await;
    assert!(matches!(next.unwrap_err().refusal(), Some(domain::DomainError::RateLimited(_))));
}

#[tokio::test]
async fn one_project_does_not_use_up_anothers_limit() {
    let t = TestApp::with_settings(Database::Sqlite, |c| c.settings.rate_per_key = 2).await.unwrap();
    let s = setup(t, &[]).await;
    for n in 0..3 {
        let page = s.post(&s.input(&format!("key-{n:06}"), &json!([["q1", "9"]]), true)).await;
        assert_eq!(page.status == StatusCode::TOO_MANY_REQUESTS, n == 2, "{n}");
    }
    let other = service::projects::create(&s.t.app, "Other", vec![], None).await.unwrap();
    let url = format!("/embed/v1/{}/responses", other.key);
    let page = s.t.anonymous().json(Method::POST, &url, &[], &s.input("key-000009", &json!([]), true)).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND, "its own budget is whole");
}

on_both!(
    a_project_is_closed_by_what_is_stored_alone,
    |c| (c.settings.rate_per_key, c.http.trusted_proxies) = (3, server::config::TrustedProxies::Hops(1)),
    |t: TestApp| async move {
        let s = setup(t, &[]).await;
        let from = async |address: &str, input: &Value| {
            s.t.anonymous().json(Method::POST, &s.url("responses"), &[("x-forwarded-for", address)], input).await.status
        };
        let good = |key: &str| s.input(key, &json!([["q1", "9"]]), true);
        // Invalid requests, and invalid answers, before and after the survey is cached.
        for round in 0..2 {
            for n in 0..5 {
                let address = format!("192.0.2.{n}");
                assert_eq!(from(&address, &json!({})).await, StatusCode::UNPROCESSABLE_ENTITY);
                let wrong = s.input(&format!("key-wrong-{round}-{n}"), &json!([["q1", "99"]]), true);
                assert_eq!(from(&address, &wrong).await, StatusCode::UNPROCESSABLE_ENTITY);
                let form = s.t.anonymous().post(&format!("/s/{}", s.survey), &[("q1", "99")]).await;
                assert_eq!(form.status, StatusCode::UNPROCESSABLE_ENTITY);
            }
            if round == 0 {
                assert_eq!(from("192.0.2.9", &good("key-000001")).await, StatusCode::CREATED);
            }
        }
        assert_eq!(from("192.0.2.9", &good("key-000002")).await, StatusCode::CREATED);
        assert_eq!(from("192.0.2.9", &good("key-000003")).await, StatusCode::CREATED);
        // Control: stored responses count.
        assert_eq!(from("192.0.2.9", &good("key-000004")).await, StatusCode::TOO_MANY_REQUESTS);
    }
);

on_both!(
    a_network_is_counted_as_a_whole,
    |c| (c.settings.rate_per_address, c.settings.rate_per_key, c.http.trusted_proxies) = (3, 20, server::config::TrustedProxies::Hops(1)),
    |t: TestApp| async move {
        let s = setup(t, &[]).await;
        let from = async |address: String, n: u32| {
            let input = s.input(&format!("key-{n:06}"), &json!([["q1", "9"]]), true);
            s.t.anonymous().json(Method::POST, &s.url("responses"), &[("x-forwarded-for", &address)], &input).await.status
        };
        let mut taken = 0;
        for n in 0..30 {
            taken += u32::from(from(format!("2001:db8:1:{n:x}::1"), n).await == StatusCode::CREATED);
        }
        assert_eq!(taken, 10, "half of what the project takes");
        assert_eq!(from("2001:db8:2:1::1".into(), 100).await, StatusCode::CREATED);
        assert_eq!(from("192.0.2.1".into(), 101).await, StatusCode::CREATED);
    }
);

on_both!(
    what_the_head_tells_is_judged_before_the_body,
    |c| (c.settings.rate_per_address, c.http.trusted_proxies) = (5, server::config::TrustedProxies::Hops(1)),
    |t: TestApp| async move {
        let s = setup(t, &[SITE]).await;
        let input = s.input("key-000001", &json!([["q1", "9"]]), true).to_string();
        let post = async |path: &str, address: &str, more: &[(&str, &str)], length: Option<u64>| {
            let asked = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
            let (seen, text) = (asked.clone(), input.clone());
            let stream = futures_util::stream::once(async move {
                seen.store(true, std::sync::atomic::Ordering::SeqCst);
                Ok::<_, std::io::Error>(text)
            });
            let mut headers = vec![("content-type", "application/json"), ("x-forwarded-for", address)];
            headers.extend_from_slice(more);
            let body = Body::new(Announced { body: Body::from_stream(stream), length });
            let page = s.t.anonymous().send(Method::POST, path, &headers, body).await;
            (page.status, asked.load(std::sync::atomic::Ordering::SeqCst))
        };
        let own = s.url("responses");
        // Control: the body of an accepted request is read.
        assert_eq!(post(&own, "192.0.2.1", &[], None).await, (StatusCode::CREATED, true));
        assert_eq!(post("/embed/v1/nokey/responses", "192.0.2.1", &[], None).await, (StatusCode::NOT_FOUND, false));
        assert_eq!(post("/s/nothing", "192.0.2.1", &[], None).await, (StatusCode::NOT_FOUND, false));
        let foreign = [("origin", "https://evil.example")];
        assert_eq!(post(&own, "192.0.2.2", &foreign, Some(6 << 20)).await, (StatusCode::FORBIDDEN, false));
        // No survey of this project needs six megabytes.
        assert_eq!(post(&own, "192.0.2.2", &[], Some(6 << 20)).await, (StatusCode::PAYLOAD_TOO_LARGE, false));
        for _ in 0..5 {
            post(&own, "192.0.2.3", &[], None).await;
        }
        assert_eq!(post(&own, "192.0.2.3", &[], None).await, (StatusCode::TOO_MANY_REQUESTS, false));
    }
);

/// A body that announces the given length, whatever its real one.
struct Announced {
    body: Body,
    length: Option<u64>,
}

impl hyper::body::Body for Announced {
    type Data = bytes::Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<bytes::Bytes>, axum::Error>>> {
        std::pin::Pin::new(&mut self.body).poll_frame(context)
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        self.length.map_or_else(hyper::body::SizeHint::default, hyper::body::SizeHint::with_exact)
    }
}

on_both!(a_full_queue_asks_the_widget_to_come_back, |t: TestApp| async move {
    let s = setup(t, &[]).await;
    let input = s.input("full-queue", &json!([["q1", "9"]]), false);
    let full = s.t.full_queue().await;
    let page = s.post(&input).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{}", page.body);
    assert!(page.headers.contains_key("retry-after") && page.json()["code"] == "busy", "{}", page.body);
    // The form is shown again with its values and the same key.
    let (url, client) = (format!("/s/{}?lang=de", s.survey), s.t.anonymous());
    let fields = [("q1", "3"), ("q2", "Do not lose me"), ("idempotency_key", "key-of-the-form")];
    let page = client.post(&url, &fields).await;
    assert!(page.status == StatusCode::SERVICE_UNAVAILABLE && page.headers.contains_key("retry-after"), "{}", page.body);
    is_for_respondents(&page);
    assert!(page.body.contains("Do not lose me") && page.body.contains("Sie stehen noch hier"), "{}", page.body);
    assert_eq!(hidden(&page, "idempotency_key"), "key-of-the-form");
    full.release().await;
    assert_eq!(s.post(&input).await.status, StatusCode::CREATED, "nothing of the refused attempt is in the way");
    assert_eq!(client.post(&url, &fields).await.status, StatusCode::SEE_OTHER);
});

on_both!(a_score_is_no_text_and_nobody_is_no_contact, |t: TestApp| async move {
    let s = setup(t, &[SITE]).await;
    for (key, answers) in [
        ("only-a-score", json!([["q1", "10"]])),
        ("with-words", json!([["q1", "3"], ["q2", "Ten out of 10 would wait again"]])),
        ("with-an-address", json!([["q1", "9"], ["q4", "ann@site.example"]])),
        ("only-an-address", json!([["q4", "bob@site.example"]])),
    ] {
        assert_eq!(s.post(&s.input(key, &answers, false)).await.status, StatusCode::CREATED, "{key}");
        s.t.clock.advance_ms(1000);
    }
    let ids: Vec<FeedbackId> = s.feedback().await.iter().map(|f| f.id).collect();
    assert_eq!(ids.len(), 4);
    let (app, scope) = (&s.t.app, Scope::system(s.project.id));
    let soon = std::time::Duration::from_secs(20);
    assert!(app.search.ready(soon).await && app.search.wait_until_caught_up(soon).await);
    // With the index and without it: the same results.
    for with_index in [true, false] {
        for (query, expected) in [
            ("has:contact", vec![2, 3]),
            ("-has:contact", vec![0, 1]),
            ("has:text", vec![1]),
            ("has:score", vec![0, 1, 2]),
            ("10", vec![1]),
            ("score:10", vec![0]),
        ] {
            let query = domain::triage::TriageQuery::parse(query).unwrap();
            let ask = SearchRequest {
                query: query.clone(),
                me: None,
                zone: domain::Zone::default(),
                sort: Sort::Oldest,
                cursor: None,
                limit: 50,
            };
            let page = list(app, &scope, ask).await.unwrap();
            assert_eq!(page.without_index.is_none(), with_index);
            let found: Vec<usize> = page.items.iter().map(|f| ids.iter().position(|id| *id == f.id).unwrap()).collect();
            assert_eq!(found, expected, "{query} with index: {with_index}");
        }
        app.search.stop().await;
    }
});

on_both!(scores_kept_as_texts_become_scores, |t: TestApp| async move {
    let s = setup(t, &[SITE]).await;
    s.post(&s.input("only-a-score", &json!([["q1", "10"]]), false)).await;
    s.t.clock.advance_ms(1000);
    s.post(&s.input("words-like-it", &json!([["q1", "10"], ["q2", "10 / 10"]]), false)).await;
    // As stored by earlier versions.
    let migration = match s.t.database {
        Database::Sqlite => include_str!("../../../migrations/sqlite/0002_marks_and_scores.sql"),
        Database::Postgres => include_str!("../../../migrations/postgres/0002_marks_and_scores.sql"),
    };
    let update = &migration[migration.find("UPDATE feedback").unwrap()..];
    s.t.app
        .store
        .write(move |tx| {
            Box::pin(async move {
                sqlx::query("UPDATE feedback SET text = '10 / 10'").execute(tx.conn()).await?;
                sqlx::raw_sql(update).execute(tx.conn()).await?;
                Ok(())
            })
        })
        .await
        .unwrap();
    let texts: Vec<String> = s.feedback().await.into_iter().map(|f| f.text).collect();
    assert_eq!(texts, ["", "10 / 10"]);
});

on_both!(answers_changed_after_going_back_change_the_response, |t: TestApp| async move {
    let s = setup(t, &[]).await;
    let client = s.t.anonymous();
    let page = client.get(&format!("/s/{}", s.survey)).await;
    s.t.clock.advance_ms(20_000);
    let (version, started, key) = (hidden(&page, "version"), hidden(&page, "started"), hidden(&page, "idempotency_key"));
    let url = format!("/s/{}?lang=en", s.survey);
    let put = async |score: &str, why: &str| {
        let fields = [("version", version.as_str()), ("started", &started), ("idempotency_key", &key), ("q1", score), ("q2", why)];
        client.post(&url, &fields).await
    };
    let thanked =
        |page: &Page| assert_eq!((page.status, page.location().contains("/thanks")), (StatusCode::SEE_OTHER, true), "{}", page.body);
    for (score, why) in
        [("7", "first words"), ("7", "first words"), ("3", "quite other words"), ("3", "quite other words"), ("7", "first words")]
    {
        thanked(&put(score, why).await);
        let feedback = s.feedback().await;
        assert_eq!((feedback.len(), feedback[0].text.as_str()), (1, why));
        assert_eq!(feedback[0].score, score.parse().ok());
        s.t.clock.advance_ms(1_000);
    }
    let changed = "The respondent changed the answers";
    assert_eq!(s.history().await, [changed, changed, "Earshot created this"]);
    assert_eq!(s.count("SELECT COUNT(*) FROM responses").await, 1);
    assert_eq!(s.count("SELECT COUNT(*) FROM responses WHERE finished_at < updated_at").await, 1, "finished when it was first");
    // After the survey was closed, a retry is still acknowledged, and a change is rejected as too late.
    s.status("closed").await;
    thanked(&put("7", "first words").await);
    let late = put("0", "too late").await;
    assert!(late.status == StatusCode::CONFLICT && late.body.contains("This survey is closed"), "{} {}", late.status, late.body);
    assert_eq!(s.feedback().await[0].text, "first words");
});

on_both!(a_key_alone_gives_nobody_another_persons_response, |t: TestApp| async move {
    let s = setup(t, &[]).await;
    let client = s.t.anonymous();
    let page = async || {
        let page = client.get(&format!("/s/{}", s.survey)).await;
        s.t.clock.advance_ms(20_000);
        hidden(&page, "started")
    };
    let from = |started: &str, answers: Value, finished: bool| {
        let mut input = s.input("key-000001", &answers, finished);
        input["started"] = json!(started);
        input
    };
    let (mine, other) = (page().await, page().await);
    let first = s.post(&from(&mine, json!([["q1", "9"]]), false)).await.json();
    // Another page creates its own response, with the same answers or not; its retry does not create another.
    for answers in [json!([["q1", "9"]]), json!([["q1", "2"]])] {
        let others = s.post(&from(&other, answers.clone(), false)).await;
        assert_eq!(others.status, StatusCode::CREATED, "{}", others.body);
        assert_ne!(others.json()["id"], first["id"]);
        assert_ne!(others.json()["token"], first["token"]);
    }
    // Without a valid page token, other answers are rejected, and the error reveals nothing about the response.
    for started in ["", "1.made-up"] {
        let refused = s.post(&from(started, json!([["q1", "1"]]), false)).await;
        assert_eq!(
            (refused.status, refused.json()["code"].clone()),
            (StatusCode::UNPROCESSABLE_ENTITY, json!("reused")),
            "{}",
            refused.body
        );
        assert!(!refused.body.contains(first["id"].as_str().unwrap()));
    }
    // The same page is the same person, whose first attempt seemed to fail, and who added answers meanwhile.
    let more = s.post(&from(&mine, json!([["q1", "9"], ["q2", "Fast"]]), true)).await.json();
    assert_eq!(
        (more["id"].clone(), more["token"].clone(), more["finished"].clone()),
        (first["id"].clone(), first["token"].clone(), json!(true))
    );
    let texts: Vec<String> = s.feedback().await.into_iter().map(|f| f.text).collect();
    assert_eq!(texts.iter().filter(|text| *text == "Fast").count(), 1);
    // A delayed first attempt removes nothing.
    let late = s.post(&from(&mine, json!([["q1", "9"]]), false)).await.json();
    assert_eq!((late["id"].clone(), late["finished"].clone()), (first["id"].clone(), json!(true)));
    assert_eq!(s.feedback().await.into_iter().filter(|f| f.text == "Fast").count(), 1);
    // A finished response that is finished again with other answers is changed, as when the first response was lost.
    let changed = s.put(&first, &s.input("", &json!([["q1", "1"], ["q2", "Slow"]]), true)).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.body);
    assert_eq!(s.feedback().await.into_iter().filter(|f| f.text == "Slow").count(), 1);
});

on_both!(what_is_remembered_of_a_survey_is_never_believed_blindly, |t: TestApp| async move {
    let s = setup(t, &[]).await;
    let client = s.t.anonymous();
    let run = async |sql: &'static str| {
        let change = s.t.app.store.write(move |tx| {
            Box::pin(async move {
                sqlx::query(sql).execute(tx.conn()).await?;
                Ok(())
            })
        });
        change.await.unwrap();
    };
    let send = async |key: &'static str| {
        let path = format!("/embed/v1/{}/responses", s.project.key);
        let headers = [("idempotency-key", key), ("origin", SITE)];
        let body = json!({ "survey": s.survey, "answers": [["q1", "9"]], "finished": true });
        client.json(Method::POST, &path, &headers, &body).await.status
    };
    assert_eq!(send("first-key-1").await, StatusCode::CREATED);
    assert!(s.t.app.surveys.get(s.survey).is_some(), "else this tests nothing");
    assert_eq!(send("first-key-2").await, StatusCode::CREATED);
    // As another process would, so that this one does not notice.
    run("UPDATE surveys SET status = 'paused'").await;
    assert_eq!(send("second-key").await, StatusCode::CONFLICT);
    assert_eq!(send("first-key-2").await, StatusCode::CREATED, "a retry gets the first answer");
    run("UPDATE surveys SET status = 'live'").await;
    assert_eq!(send("second-key").await, StatusCode::CREATED);
    run("UPDATE projects SET origins = '[\"https://other.example\"]'").await;
    assert_eq!(send("third-key").await, StatusCode::FORBIDDEN);
    run("UPDATE projects SET origins = '[]'").await;
    assert_eq!(send("third-key").await, StatusCode::CREATED);
    run("UPDATE projects SET public_key = 'another'").await;
    assert_eq!(send("fourth-key").await, StatusCode::NOT_FOUND);
    assert_eq!(s.count("SELECT COUNT(*) FROM responses").await, 4);
});
