//! Data that the widget sends from other sites: invalid texts, URLs with secrets, isolated or sandboxed pages.

use axum::{
    body::Body,
    http::{Method, StatusCode, header},
};
use domain::accounts::{Scope, key::Access};
use serde_json::{Value, json};
use service::projects::{self, ProjectSettings};

use crate::{
    keys::Program,
    on_both,
    respond::{Setup, setup},
    support::{Page, TestApp},
};

/// JSON with half an emoji in place of each `✂`, as written by `JSON.stringify`.
fn cut(input: &Value) -> Body {
    Body::from(input.to_string().replace('✂', "\\ud83d"))
}

async fn post_cut(s: &Setup, method: Method, rest: &str, input: &Value) -> Page {
    s.t.anonymous().send(method, &s.url(rest), &[("content-type", "application/json")], cut(input)).await
}

on_both!(half_an_emoji_costs_no_answer, |t: TestApp| async move {
    let s = setup(t, &[]).await;
    let mut input = s.input("key-000001", &json!([["q1", "2"], ["q2", "a ✂ b"], ["q3", "other"], ["q3_other", "c ✂"]]), false);
    input["context"] = json!({
        "page_url": "https://site.example/✂", "release": "1.2 ✂", "environment": "✂ test",
        "contact": { "id": "u ✂", "name": "Ann ✂", "attributes": { "plan ✂": "pro ✂" } },
    });
    // The first request loads everything, the second uses the cache.
    for key in ["key-000001", "key-000002"] {
        input["idempotency_key"] = json!(key);
        let receipt = post_cut(&s, Method::POST, "responses", &input).await;
        assert_eq!(receipt.status, StatusCode::CREATED, "{}", receipt.body);
        let mut more = input.clone();
        more["token"] = receipt.json()["token"].clone();
        more["answers"][1][1] = json!("a ✂ b, and more");
        let id = receipt.json()["id"].as_str().unwrap().to_owned();
        let updated = post_cut(&s, Method::PUT, &format!("responses/{id}"), &more).await;
        assert_eq!(updated.status, StatusCode::OK, "{}", updated.body);
    }
    let feedback = s.feedback().await;
    assert_eq!(feedback.len(), 2);
    for item in feedback {
        assert_eq!(item.text, "a \u{FFFD} b, and more\n\nc \u{FFFD}");
        assert_eq!((item.release.as_deref(), item.environment.as_deref()), (Some("1.2 \u{FFFD}"), Some("\u{FFFD} test")));
        assert_eq!(item.page_url.as_deref(), Some("https://site.example/\u{FFFD}"));
    }
    assert_eq!(
        s.count(
            "SELECT COUNT(*) FROM contacts WHERE name = 'Ann \u{FFFD}' AND external_id = 'u \u{FFFD}' AND attributes = '{\"plan \u{FFFD}\":\"pro \u{FFFD}\"}'"
        )
        .await,
        1
    );
});

on_both!(half_an_emoji_is_taken_wherever_texts_come_in, |t: TestApp| async move {
    let s = setup(t, &[]).await;
    // As sent by clients that encode each half separately.
    let client = s.t.anonymous();
    let form = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "same-origin")];
    let url = format!("/s/{}?lang=%ED%A0%BD", s.survey);
    let body = "idempotency_key=key-000001&q1=3&q2=cut+%ED%A0%BD+here";
    assert_eq!(client.send(Method::POST, &url, &form, Body::from(body)).await.status, StatusCode::SEE_OTHER);
    assert!(s.feedback().await[0].text.starts_with("cut \u{FFFD}"));
    assert_eq!(client.get(&url).await.status, StatusCode::OK);

    let program = Program::new(&s.t, &s.project, Access::Write).await;
    let once = [("idempotency-key", "key-number-1")];
    let made = program.send(Method::POST, "/api/v1/feedback", &once, r#"{"text":"cut \ud83d here","tags":["a\ude00"]}"#).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    assert_eq!((&made.json()["text"], &made.json()["tags"][0]), (&json!("cut \u{FFFD} here"), &json!("a\u{FFFD}")));
    let whole =
        program.send(Method::POST, "/api/v1/feedback", &[("idempotency-key", "key-number-2")], r#"{"text":"whole \ud83d\ude00"}"#).await;
    assert_eq!(whole.json()["text"], "whole 😀");
    assert_eq!(program.get("/api/v1/feedback?q=%ED%A0%BD").await.status, StatusCode::OK);
    // Still invalid JSON.
    let broken = program.send(Method::POST, "/api/v1/feedback", &[("idempotency-key", "key-number-3")], r#"{"text":"\ud8"}"#).await;
    assert_eq!(broken.status, StatusCode::BAD_REQUEST);
});

const SECRET: &str = "https://ann:pw@site.example/reset?token=SECRET&plan=pro&utm_source=mail#SECRET";

async fn settings(s: &Setup, parameters: &str) -> ProjectSettings {
    let now = s.t.app.store.project_by_id(s.project.id).await.unwrap().unwrap();
    ProjectSettings {
        seen: projects::settings_fingerprint(&now),
        name: "My app".into(),
        language: "en".into(),
        accent: s.project.accent.clone(),
        kept_parameters: parameters.into(),
        ..ProjectSettings::default()
    }
}

on_both!(addresses_are_stored_without_what_may_be_secret, |t: TestApp| async move {
    let s = setup(t, &[]).await;
    let program = Program::new(&s.t, &s.project, Access::Write).await;
    let mut n = 0;
    let steps = [
        ("", "https://site.example/reset"),
        ("plan, utm_source", "https://site.example/reset?plan=pro&utm_source=mail"),
        ("plan", "https://site.example/reset?plan=pro"),
        ("", "https://site.example/reset"),
    ];
    for (parameters, stored) in steps {
        // The survey is cached with the previous project settings.
        projects::change(&s.t.app, &Scope::system(s.project.id), settings(&s, parameters).await).await.unwrap();
        n += 1;
        let mut input = s.input(&format!("key-00000{n}"), &json!([["q1", "2"]]), true);
        input["context"] = json!({ "page_url": SECRET, "referrer": SECRET });
        assert_eq!(s.post(&input).await.status, StatusCode::CREATED);
        assert_eq!(s.feedback().await.last().unwrap().page_url.as_deref(), Some(stored));
        let config = s.t.anonymous().get(&s.url("config")).await.json();
        assert_eq!(config["keep"].as_array().unwrap().len(), parameters.split(',').filter(|name| !name.is_empty()).count());

        for (path, body) in [
            ("/api/v1/feedback".to_owned(), json!({ "text": "by a program", "page_url": SECRET })),
            (
                format!("/api/v1/surveys/{}/responses", s.survey),
                json!({ "answers": [{ "question_id": "q1", "number": 3 }], "page_url": SECRET }),
            ),
        ] {
            let key = format!("key-number-{n}-{}", path.len());
            let made = program.send(Method::POST, &path, &[("idempotency-key", &key)], &body.to_string()).await;
            assert_eq!((made.status, &made.json()["page_url"]), (StatusCode::CREATED, &json!(stored)), "{}", made.body);
        }
    }
    for column in ["page_url", "referrer"] {
        let sql = match column {
            "page_url" => "SELECT COUNT(*) FROM responses WHERE page_url LIKE '%SECRET%' OR page_url LIKE '%pw%'",
            _ => "SELECT COUNT(*) FROM responses WHERE referrer IS NULL OR referrer LIKE '%SECRET%' OR referrer LIKE '%pw%'",
        };
        let without = if column == "page_url" { 0 } else { 4 };
        assert_eq!(s.count(sql).await, without, "{column}: only programs name no referrer");
    }
});

on_both!(the_parameters_to_keep_are_a_setting, |t: TestApp| async move {
    let (_, owner) = t.owner().await;
    let hidden = |page: &Page| {
        let from = page.body.find("name=\"seen\" value=\"").unwrap();
        page.body[from..].split('"').nth(3).unwrap().to_owned()
    };
    let seen = hidden(&owner.get("/p/my-app/settings").await);
    let fields = |parameters: &'static str, seen: &str| {
        [("name", "My app"), ("language", "de"), ("accent", "#3868d8"), ("kept_parameters", parameters), ("seen", seen)]
            .map(|(name, value)| (name, value.to_owned()))
    };
    let post = async |parameters: &'static str, seen: &str| {
        let fields = fields(parameters, seen);
        owner.post("/p/my-app/settings", &fields.each_ref().map(|(name, value)| (*name, value.as_str()))).await
    };
    let refused = post("plan a=b", &seen).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        refused.body.contains("“a=b” is not a valid parameter name") && refused.body.contains("value=\"plan a=b\""),
        "{}",
        refused.body
    );
    assert_eq!(post("plan utm_source plan", &seen).await.status, StatusCode::SEE_OTHER);
    let page = owner.get("/p/my-app/settings").await;
    assert!(page.body.contains("value=\"plan, utm_source\""), "{}", page.body);
    // A form opened with the previous settings does not overwrite the change silently.
    let late = post("", &seen).await;
    assert_eq!(late.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(late.body.contains("The current value is: plan, utm_source"), "{}", late.body);
    assert_eq!(post("", &hidden(&page)).await.status, StatusCode::SEE_OTHER);
});

on_both!(isolated_and_sandboxed_pages_may_load_it, |t: TestApp| async move {
    let s = setup(t, &["https://site.example"]).await;
    let client = s.t.anonymous();
    let of = |page: &Page, name: &str| page.headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    let loader = client.send(Method::GET, "/embed.js", &[("origin", "https://any.example")], Body::empty()).await;
    assert_eq!(of(&loader, "access-control-allow-origin"), "*");
    assert_eq!(of(&loader, "cross-origin-resource-policy"), "cross-origin");
    let survey = client.get(&format!("/s/{}", s.survey)).await;
    let missing = client.get("/s/00000000-0000-0000-0000-000000000000").await;
    for page in [&survey, &client.get(&format!("/s/{}/thanks", s.survey)).await, &missing] {
        assert_eq!(of(page, "cross-origin-resource-policy"), "cross-origin");
        assert_eq!(of(page, "cross-origin-embedder-policy"), "require-corp");
    }
    let assets: Vec<&str> = survey.body.split('"').filter(|part| part.starts_with("/assets/")).collect();
    assert_eq!(assets.len(), 2, "{assets:?}");
    for asset in assets {
        let file = client.get(asset).await;
        assert_eq!((file.status, of(&file, "cross-origin-resource-policy")), (StatusCode::OK, "cross-origin".into()), "{asset}");
    }
    // Console pages stay inaccessible to other sites.
    let console = client.get("/sign-in").await;
    assert_eq!(
        (of(&console, "cross-origin-resource-policy"), console.headers[header::X_FRAME_OPTIONS].to_str().unwrap()),
        (String::new(), "DENY")
    );
});
