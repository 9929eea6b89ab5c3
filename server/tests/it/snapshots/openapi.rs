//! The API's OpenAPI document, as it is in `docs/openapi.json`.

use std::{fs, path::Path};

use axum::http::StatusCode;
use domain::{accounts::key::Access, backlog, email, feedback, identity, imports, replies, surveys, tickets, webhooks};
use serde_json::Value;

use super::accepts_changes;
use crate::{
    api::{both, places},
    support::{Database, TestApp},
};

/// The document without the URL of this installation, with sorted keys.
pub async fn document(t: &TestApp) -> Value {
    let mut document = t.anonymous().get("/api/v1/openapi.json").await.json();
    document.as_object_mut().unwrap().remove("servers").expect("the address of the installation");
    document.sort_all_objects();
    document
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_of_the_api() {
    let t = TestApp::new(Database::Sqlite).await.unwrap();
    let now = serde_json::to_string_pretty(&document(&t).await).unwrap() + "\n";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let committed = fs::read_to_string(&file).unwrap_or_default().replace("\r\n", "\n");
    if now == committed {
        return;
    }
    if accepts_changes() {
        return fs::write(&file, now).unwrap();
    }
    let differs = now
        .lines()
        .zip(committed.lines())
        .position(|(now, committed)| now != committed)
        .unwrap_or(now.lines().count().min(committed.lines().count()));
    let around = |text: &str| text.lines().skip(differs.saturating_sub(3)).take(10).collect::<Vec<_>>().join("\n");
    panic!(
        "docs/openapi.json is not what the program serves, from line {} on.\nIn the file:\n{}\n\nServed:\n{}",
        differs + 1,
        around(&committed),
        around(&now)
    );
}

/// The document's limits are literals, because its macro accepts nothing else. Each must be the limit that the program applies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_in_the_document_are_those_of_the_program() {
    let t = TestApp::new(Database::Sqlite).await.unwrap();
    let document = document(&t).await;
    let schemas = &document["components"]["schemas"];
    for (schema, property, rule, limit) in [
        ("NewBacklogItem", "title", "maxLength", backlog::MAX_TITLE),
        ("NewBacklogItem", "body", "maxLength", backlog::MAX_BODY),
        ("BacklogPatch", "title", "maxLength", backlog::MAX_TITLE),
        ("BacklogPatch", "body", "maxLength", backlog::MAX_BODY),
        ("NewLink", "quote", "maxLength", backlog::MAX_QUOTE),
        ("NewCannedReply", "name", "maxLength", replies::MAX_NAME),
        ("NewCannedReply", "body", "maxLength", replies::MAX_BODY),
        ("CannedReplyPatch", "name", "maxLength", replies::MAX_NAME),
        ("CannedReplyPatch", "body", "maxLength", replies::MAX_BODY),
        ("NewComment", "body", "maxLength", feedback::MAX_COMMENT),
        ("NewContact", "id", "maxLength", identity::MAX_ID),
        ("NewContact", "email", "maxLength", email::MAX_EMAIL),
        ("NewFeedback", "text", "maxLength", imports::MAX_TEXT),
        ("NewFeedback", "tags", "maxItems", service::triage::add::MAX_TAGS),
        ("FeedbackPatch", "tags", "maxItems", service::triage::add::MAX_TAGS),
        ("NewInvitation", "email", "maxLength", email::MAX_EMAIL),
        ("NewResponse", "answers", "maxItems", surveys::MAX_QUESTIONS),
        ("NewAnswer", "text", "maxLength", surveys::question::MAX_ANSWER),
        ("NewAnswer", "other", "maxLength", surveys::answer::MAX_OTHER),
        ("NewAnswer", "choices", "maxItems", surveys::question::MAX_CHOICES),
        ("NewSurvey", "name", "maxLength", surveys::draft::MAX_TITLE),
        ("NewSurvey", "questions", "maxItems", surveys::MAX_QUESTIONS),
        ("SurveyDraftPatch", "name", "maxLength", surveys::draft::MAX_TITLE),
        ("SurveyDraftPatch", "questions", "maxItems", surveys::MAX_QUESTIONS),
        ("DraftChoiceQuestion", "choices", "maxItems", surveys::question::MAX_CHOICES),
        ("NewTicket", "subject", "maxLength", tickets::MAX_SUBJECT),
        ("NewTicket", "message", "maxLength", tickets::MAX_MESSAGE),
        ("NewTicket", "email", "maxLength", email::MAX_EMAIL),
        ("NewTicket", "name", "maxLength", tickets::MAX_NAME),
        ("NewMessage", "body", "maxLength", tickets::MAX_MESSAGE),
        ("NewWebhook", "url", "maxLength", webhooks::MAX_URL),
        ("NewWebhook", "name", "maxLength", webhooks::MAX_NOTE),
        ("WebhookPatch", "url", "maxLength", webhooks::MAX_URL),
        ("WebhookPatch", "name", "maxLength", webhooks::MAX_NOTE),
    ] {
        assert_eq!(schemas[schema]["properties"][property][rule], limit, "{schema}.{property}");
    }
    let (.., program) = both(&t, Access::Admin).await;
    for (path, item) in document["paths"].as_object().unwrap() {
        let Some(limit) = item["get"]["parameters"].as_array().and_then(|all| all.iter().find(|one| one["name"] == "limit")) else {
            continue;
        };
        if path.contains('{') {
            continue;
        }
        let most = limit["schema"]["maximum"].as_u64().unwrap();
        assert_eq!(program.get(&format!("{path}?limit={most}")).await.status, StatusCode::OK, "{path}");
        let more = program.get(&format!("{path}?limit={}", most + 1)).await;
        assert_eq!(places(&more, StatusCode::UNPROCESSABLE_ENTITY), ["limit"], "{path}");
    }
}
