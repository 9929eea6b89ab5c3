//! A project's settings and its identity secrets through the API.

use axum::http::{Method, StatusCode};
use domain::{
    accounts::{Scope, key::Access},
    identity::UnsignedClaimPolicy,
};
use serde_json::{Value, json};
use service::projects::{ProjectSettings, change as change_settings, settings_fingerprint};

use crate::{
    api::{both, patch, places, post, tag},
    keys::Program,
    on_both,
    support::TestApp,
};

const UNPROCESSABLE: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;

on_both!(settings_are_read_and_changed_from_the_state_that_was_read, |t: TestApp| async move {
    let (project, other, program) = both(&t, Access::Admin).await;
    let path = format!("/api/v1/projects/{}", project.id);
    let read = program.get(&path).await;
    let before = read.json();
    assert_eq!((&before["theme"], &before["portal"], &before["unsigned_identity"]), (&json!("auto"), &json!(true), &json!("shown")));
    let change = json!({
        "name": "Corner shop", "origins": ["https://Shop.example/", "https://www.shop.example"], "language": "de", "time_zone": "Asia/Tokyo",
        "accent": "#2F5fd0", "theme": "dark", "portal": false, "kept_parameters": ["utm_source", "page"], "unsigned_identity": "off",
    });
    let without = program.send(Method::PATCH, &path, &[], &change.to_string()).await;
    assert_eq!(places(&without, StatusCode::PRECONDITION_REQUIRED), ["If-Match"]);
    let done = patch(&program, &path, &tag(&read), change.clone()).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.body);
    let now = done.json();
    for (field, value) in [
        ("name", json!("Corner shop")),
        ("slug", before["slug"].clone()),
        ("origins", json!(["https://shop.example", "https://www.shop.example"])),
        ("language", json!("de")),
        ("time_zone", json!("Asia/Tokyo")),
        ("accent", json!("#2f5fd0")),
        ("theme", json!("dark")),
        ("portal", json!(false)),
        ("kept_parameters", json!(["utm_source", "page"])),
        ("unsigned_identity", json!("off")),
    ] {
        assert_eq!(now[field], value, "{field}");
    }
    assert_eq!(program.get(&path).await.json(), now);
    assert_eq!(patch(&program, &path, &tag(&read), change).await.status, StatusCode::PRECONDITION_FAILED);
    // What is omitted stays.
    let opened = patch(&program, &path, &tag(&done), json!({ "portal": true })).await.json();
    assert_eq!((&opened["portal"], &opened["origins"], &opened["theme"]), (&json!(true), &now["origins"], &now["theme"]));
    assert_eq!(opened["unsigned_identity"], "off");
    // The policy is part of the state that a change is based on, and a form without it leaves it as it is.
    let scope = Scope::system(project.id);
    let read = t.app.store.project_by_id(project.id).await.unwrap().unwrap();
    service::identity::set_unsigned(&t.app, &scope, UnsignedClaimPolicy::Shown).await.unwrap();
    let with = |unsigned_identity| ProjectSettings {
        name: read.name.clone(),
        origins: read.origins.join("\n"),
        language: read.language.clone(),
        accent: read.accent.clone(),
        theme: read.theme.as_str().into(),
        kept_parameters: read.kept_parameters.join("\n"),
        unsigned_identity,
        seen: settings_fingerprint(&read),
        ..ProjectSettings::default()
    };
    assert!(change_settings(&t.app, &scope, with(Some(UnsignedClaimPolicy::Off))).await.is_err());
    change_settings(&t.app, &scope, with(None)).await.unwrap();
    let changed = program.get(&path).await.json();
    assert_eq!((&changed["unsigned_identity"], &changed["portal"]), (&json!("shown"), &json!(true)));

    for (body, place) in [
        (json!({ "name": " " }), "/name"),
        (json!({ "name": "x".repeat(81) }), "/name"),
        (json!({ "name": "Fine", "origins": ["shop.example"] }), "/origins"),
        (json!({ "language": "German" }), "/language"),
        (json!({ "time_zone": "Mars/Olympus" }), "/time_zone"),
        (json!({ "time_zone": "" }), "/time_zone"),
        (json!({ "accent": "red" }), "/accent"),
        (json!({ "theme": "blue" }), "/theme"),
        (json!({ "portal": null }), "/portal"),
        (json!({ "kept_parameters": ["a b=c"] }), "/kept_parameters"),
        (json!({ "slug": "mine" }), "/slug"),
    ] {
        assert_eq!(places(&patch(&program, &path, "*", body.clone()).await, UNPROCESSABLE), [place], "{body}");
    }
    assert_eq!(program.get(&path).await.json(), changed, "an invalid request changes nothing");
    let writer = Program::new(&t, &project, Access::Write).await;
    places(&patch(&writer, &path, "*", json!({ "portal": false })).await, StatusCode::FORBIDDEN);
    places(&patch(&program, &format!("/api/v1/projects/{}", other.id), "*", json!({ "portal": false })).await, StatusCode::NOT_FOUND);
});

on_both!(an_identity_secret_is_shown_once_and_retired, |t: TestApp| async move {
    let (project, other, program) = both(&t, Access::Admin).await;
    let all = "/api/v1/identity-secrets";
    let made = post(&program, all, "key-number-1", json!({})).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let secret = made.json()["value"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("eis_") && secret.ends_with(made.json()["ending"].as_str().unwrap()));
    assert_eq!(made.json()["created_by"], "Night train");
    let again = post(&program, all, "key-number-1", json!({})).await;
    assert_eq!((&again.json()["id"], &again.json()["value"]), (&made.json()["id"], &Value::Null));
    let path = made.location().to_owned();
    let read = program.get(&path).await;
    assert_eq!(program.get(all).await.json()["items"], json!([read.json()]));
    assert!(!read.body.contains(&secret));
    assert_eq!(t.app.store.valid_identity_secrets(project.id).await.unwrap(), [secret]);

    t.clock.advance_ms(5);
    assert_eq!(post(&program, all, "key-number-2", json!({})).await.status, StatusCode::CREATED);
    places(&post(&program, all, "key-number-3", json!({})).await, StatusCode::CONFLICT);
    let retire = format!("{path}/retire");
    let foreign = Program::new(&t, &other, Access::Admin).await;
    places(&post(&foreign, &retire, "key-number-4", json!({})).await, StatusCode::NOT_FOUND);
    let writer = Program::new(&t, &project, Access::Write).await;
    places(&post(&writer, &retire, "key-number-4", json!({})).await, StatusCode::FORBIDDEN);
    places(&writer.get(all).await, StatusCode::FORBIDDEN);
    let retired = post(&program, &retire, "key-number-4", json!({})).await;
    assert!(retired.status == StatusCode::OK && retired.json()["retired_at"].is_string(), "{}", retired.body);
    assert_eq!(post(&program, &retire, "key-number-5", json!({})).await.json(), retired.json());
    assert_eq!(post(&program, all, "key-number-6", json!({})).await.status, StatusCode::CREATED);
    assert_eq!(program.get(all).await.json()["items"].as_array().unwrap().len(), 3);
});

on_both!(keys_are_listed_without_their_secrets, |t: TestApp| async move {
    let (project, other, program) = both(&t, Access::Admin).await;
    t.clock.advance_ms(5);
    let writer = Program::new(&t, &project, Access::Write).await;
    Program::new(&t, &other, Access::Write).await;
    places(&writer.get("/api/v1/keys").await, StatusCode::FORBIDDEN);
    let list = program.get("/api/v1/keys").await;
    let items = list.json()["items"].clone();
    assert_eq!((items.as_array().unwrap().len(), &items[0]["scope"], &items[1]["scope"]), (2, &json!("write"), &json!("admin")));
    assert_eq!(items[1]["id"], program.get("/api/v1/me").await.json()["id"]);
    assert!(!list.body.contains(&program.secret) && program.secret.starts_with(items[1]["prefix"].as_str().unwrap()));
});
