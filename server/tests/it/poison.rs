//! One unreadable row must not break a page, a chart, a search or an export: other rows are shown as before, and so is the readable part of
//! that row.

use std::collections::{BTreeMap, BTreeSet};

use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use domain::accounts::{Role, Scope, key::Access};
use service::keys::ApiKeyInput;

use crate::{
    matrix::{Filled, routes},
    on_both,
    support::{Page, TestApp},
};

/// Invalid values written to each row of a table: table, column and value.
const POISON: &[(&str, &str, &str)] = &[
    ("feedback", "kind", "a kind that never was"),
    ("feedback", "status", ""),
    ("feedback", "spam_reasons", "{not json"),
    ("feedback", "language", "\u{202e}\u{0}xx"),
    ("feedback", "page_url", "javascript:alert(1)"),
    ("feedback", "text", "\u{feff}\u{200b}\u{202e}<script>alert(1)</script>=1+1"),
    ("answers", "value", "{\"Text\": 7}"),
    ("answers", "value", "]["),
    ("responses", "spam_reasons", "7"),
    ("responses", "source", ""),
    ("contacts", "attributes", "[[["),
    ("contacts", "name", "=cmd|' /C calc'!A0"),
    ("contacts", "email", "no address"),
    ("responses", "identity", "!"),
    ("responses", "claimed", "]["),
    ("responses", "language", ""),
    ("surveys", "draft", "{}"),
    ("surveys", "status", "!"),
    ("surveys", "live_version_id", "!"),
    ("history", "change", "nothing known"),
    ("tickets", "priority", "!"),
    ("tickets", "state", "!"),
    ("ticket_messages", "author", "!"),
    ("tickets", "language", "!"),
    ("tickets", "email", "no address"),
    ("imports", "status", "!"),
    ("imports", "encoding", "!"),
    ("imports", "source", "!"),
    ("imports", "mapping", "!"),
    ("canned_replies", "body", "{unknown} {name"),
    ("undo_operations", "changes", "!"),
    ("backlog_items", "status", "!"),
    ("links", "importance", "!"),
    ("links", "quote", "words that were never said"),
    ("webhook_endpoints", "kinds", "{}"),
    ("webhook_endpoints", "url", "javascript:alert(1)"),
    ("webhook_deliveries", "state", "!"),
    ("webhook_deliveries", "kind", "!"),
    ("webhook_events", "body", "]["),
    ("letters", "kind", "!"),
    ("letters", "state", "!"),
    ("letters", "content", "]["),
    ("jobs", "kind", "!"),
    ("jobs", "payload", "]["),
    ("api_keys", "access", "!"),
    ("api_keys", "handed_to", "!"),
    ("webhook_endpoints", "handed_to", "!"),
    ("memberships", "role", "!"),
    ("accounts", "theme", "!"),
    ("identity_secrets", "secret", "!"),
    ("invitations", "role", "!"),
    ("attachments", "media_type", "!"),
    ("comments", "body", "\u{202e}<script>alert(1)</script>"),
    ("projects", "origins", "["),
    ("projects", "theme", "!"),
    ("projects", "language", ""),
    ("projects", "accent", "!"),
    ("projects", "time_zone", "!"),
    ("projects", "unsigned_identity", "!"),
    ("projects", "kept_parameters", "!"),
    ("survey_versions", "body", "]["),
];

/// Pages that list rows: path, and the text shown for each of the two data sets of the project.
const LISTS: [(&str, &str); 24] = [
    ("/p/{slug}/inbox?q=", "A text with {word}"),
    ("/p/{slug}/inbox?q=", "I say {word}"),
    ("/p/{slug}/inbox?q=", "Subject {word}"),
    ("/p/{slug}/inbox?q=text+with", "A text with {word}"),
    ("/p/{slug}/backlog", "Item {word}"),
    ("/p/{slug}/surveys", "Survey {word}"),
    ("/p/{slug}/embed", "Survey {word}"),
    ("/p/{slug}/export", "Survey {word}"),
    ("/p/{slug}/imports", "{word}.csv"),
    ("/p/{slug}/replies", "Reply {word}"),
    ("/p/{slug}/webhooks", "Hook {word}"),
    ("/p/{slug}/members", "Filler {word}"),
    ("/p/{slug}/members", "guest-{word}@x.test"),
    ("/p/{slug}/keys", "Key {word}"),
    ("/p/{slug}/export/file?what=feedback&format=csv", "A text with {word}"),
    ("/p/{slug}/export/file?what=feedback&format=jsonl", "I say {word}"),
    ("/p/{slug}/export/file?what=backlog&format=csv", "Item {word}"),
    ("/operator/mail?show=dead", "{word}@example.com"),
    ("/operator/jobs", "Failed: {word}"),
    ("/api/v1/feedback", "A text with {word}"),
    ("/api/v1/feedback", "I say {word}"),
    ("/api/v1/backlog", "Item {word}"),
    ("/api/v1/tickets", "Subject {word}"),
    ("/api/v1/surveys", "Survey {word}"),
];

/// Pages about one object: path, and the text shown for its rows.
const OF_ONE: [(&str, &str); 12] = [
    ("/p/{slug}/feedback/{id}", "A text with {word}"),
    ("/p/{slug}/feedback/{id}", "A word: {word}"),
    ("/p/{slug}/feedback/{id}", "Item {word}"),
    ("/p/{slug}/feedback/{id}/as-requester", "Message {word}"),
    ("/p/{slug}/feedback/{id}/as-requester", "{word}.txt"),
    ("/p/{slug}/t/{token}", "Message {word}"),
    ("/p/{slug}/backlog/{number}", "A text with {word}"),
    ("/p/{slug}/surveys/{id}/results/responses", "I say {word}"),
    ("/p/{slug}/webhooks/{id}", "hooks.example.com/{word}"),
    ("/p/{slug}/replies/{id}", "Reply {word}"),
    ("/p/{slug}/imports/{id}", "{word}.csv"),
    ("/p/{slug}/members/remove?staff=", "Filler {word}"),
];

/// Whether a page may omit its text if this column is invalid.
fn may_miss(table: &str, column: &str, page: &str) -> bool {
    match (table, column) {
        // The text itself was overwritten.
        ("feedback", "text") | ("webhook_endpoints", "url") | ("comments", "body") => true,
        ("contacts", "email") => page.contains("/operator/"),
        // Lists filtered by state cannot include a row without a valid state.
        ("letters" | "jobs", "state") => page.starts_with("/operator/"),
        // An unreadable answer is shown only as such.
        ("answers", _) => page.ends_with("/results/responses"),
        // Without its question, an answer is counted but not shown.
        ("survey_versions", "body") if page.ends_with("/results/responses") => true,
        // A survey without a valid status is not offered for responses.
        ("surveys", "status" | "live_version_id") | ("survey_versions", _) => page.ends_with("/embed"),
        // A message with an unknown author could be an internal note.
        ("ticket_messages", "author") => page.ends_with("/as-requester") || page.contains("/t/"),
        _ => false,
    }
}

/// The unique key of a table's rows.
fn key_of(table: &str) -> &'static str {
    match table {
        "answers" => "response_id || question_id",
        "webhook_deliveries" => "event_id || endpoint_id",
        "memberships" => "project_id || staff_id",
        _ => "id",
    }
}

/// The rows of a table: the key, and the value of a column.
async fn rows_of(t: &TestApp, table: &str, column: &str) -> Vec<(String, Option<String>)> {
    let sql = format!("SELECT CAST({} AS TEXT), {column} FROM {table}", key_of(table));
    sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(t.app.store.reader()).await.unwrap()
}

async fn write(t: &TestApp, (table, column): (&str, &str), value: Option<String>, key: &str) {
    let sql = format!("UPDATE {table} SET {column} = $1 WHERE CAST({} AS TEXT) = $2", key_of(table));
    let key = key.to_owned();
    t.app
        .store
        .write(move |tx| Box::pin(async move { Ok(sqlx::query(sqlx::AssertSqlSafe(sql)).bind(value).bind(key).execute(tx.conn()).await?) }))
        .await
        .unwrap();
}

on_both!(one_row_that_cannot_be_read_breaks_nothing_else, |t: TestApp| async move {
    let own = Filled::new(&t, "pelican").await;
    // Only existing rows are made invalid.
    let mut spoiled = BTreeMap::<&str, BTreeSet<String>>::new();
    for (table, column, _) in POISON {
        spoiled.insert(table, rows_of(&t, table, column).await.into_iter().map(|(key, _)| key).collect());
        assert!(!spoiled[table].is_empty(), "{table} has no rows");
    }
    let whole = Filled::within(&t, own.project.clone(), "heron").await;
    let (admin, client) = t.member(&own.project, "admin@x.test", Role::Admin).await;
    t.run(&format!("UPDATE accounts SET operator = 1 WHERE id = '{admin}'")).await;
    let wanted = ApiKeyInput { name: "A reader", access: Access::Admin, days: None };
    let key = service::keys::create(&t.app, &Scope::system(own.project.id), &wanted, "poison-key").await.unwrap().unwrap().secret;
    let (key, program) = (format!("Bearer {key}"), t.anonymous());
    let document = program.get("/api/v1/openapi.json").await.json();
    let gets = document["paths"].as_object().unwrap().iter().filter(|(_, methods)| methods.get("get").is_some());
    let api: Vec<String> = gets.map(|(path, _)| own.path(path, &own.ids)).collect();
    assert!(t.app.search.wait_until_caught_up(std::time::Duration::from_secs(20)).await);
    let pages: Vec<String> = routes()
        .iter()
        .filter(|(method, path)| method == "GET" && path.starts_with("/p/{slug}/") && !path.ends_with("/events") && !path.contains("/t/"))
        .map(|(_, path)| own.path(path, &own.ids))
        .collect();
    assert!(pages.len() > 25 && api.len() > 12, "{} {}", pages.len(), api.len());
    let mut others = ["/operator/mail?show=dead", "/operator/mail", "/operator/jobs", "/account"].map(ToOwned::to_owned).to_vec();
    others.push(format!("/embed/v1/{}/config", own.project.key));
    let read = async |path: &str| match path.starts_with("/api/") {
        true => program.send(Method::GET, path, &[("authorization", &key)], Body::empty()).await,
        false => client.get(path).await,
    };
    let all: Vec<&String> = pages.iter().chain(&api).chain(&others).collect();
    for path in &all {
        let page = read(path).await;
        assert!(page.status.is_success() || page.status.is_redirection(), "{path}: {}", page.status);
    }
    // Each page once, with its texts for both data sets.
    let mut shown = BTreeMap::<String, Vec<(&str, String)>>::new();
    for (filled, word) in [(&own, "pelican"), (&whole, "heron")] {
        for (pattern, text) in LISTS.iter().chain(&OF_ONE) {
            let mut path = filled.path(pattern, &filled.ids);
            if path.ends_with("?staff=") {
                path.push_str(&filled.ids["staff"]);
            }
            shown.entry(path).or_default().push((word, text.replace("{word}", word)));
        }
    }
    // The search marks matches; exports and JSON are plain text.
    let holds = |page: &Page, text: &str| page.body.replace("<mark>", "").replace("</mark>", "").contains(text);
    for (path, texts) in &shown {
        let page = read(path).await;
        for (_, text) in texts {
            assert!(holds(&page, text), "{path} does not show {text:?} from the start: {} {}", page.status, page.body);
        }
    }
    let mut wrong = Vec::new();
    for (table, column, value) in POISON {
        let value = value.replace('\0', "");
        let before: Vec<_> = rows_of(&t, table, column).await.into_iter().filter(|(key, _)| spoiled[table].contains(key)).collect();
        for (key, _) in &before {
            write(&t, (table, column), Some(value.clone()), key).await;
        }
        let about = format!("{table}.{column} = {value:?}");
        for path in &all {
            let answered = read(path).await;
            // Pages about the row itself may fail: without a draft there is no editor, without a version no preview. But responses
            // are shown.
            let about_it = match *table {
                "surveys" | "survey_versions" => path.contains(&own.ids["survey"]) && !path.contains("/results"),
                _ => false,
            };
            // A key with unreadable access gets the lowest.
            let least = *table == "api_keys" && path.contains("/export/") && answered.status == StatusCode::FORBIDDEN;
            let fails = about_it && matches!(answered.status, StatusCode::INTERNAL_SERVER_ERROR | StatusCode::NOT_FOUND);
            if !(fails || least || answered.status.is_success() || answered.status.is_redirection()) {
                wrong.push(format!("{path} with {about}: {}", answered.status));
            }
        }
        for (path, texts) in &shown {
            let page = read(path).await;
            for (word, text) in texts {
                if !holds(&page, text) && (*word == "heron" || !may_miss(table, column, path)) {
                    wrong.push(format!("{path} with {about} does not show {text:?}: {}", page.status));
                }
            }
        }
        for (key, was) in before {
            write(&t, (table, column), was, &key).await;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // The index can also be built from such rows.
    t.run("UPDATE feedback SET kind = '!', status = '!', spam_reasons = '!' WHERE text NOT LIKE '%heron%'").await;
    t.app.search.stop().await;
    std::fs::remove_dir_all(t.app.settings.data.join("index")).unwrap();
    t.app.search.start().await.unwrap();
    assert!(t.app.search.ready(std::time::Duration::from_secs(20)).await);
    for word in ["heron", "pelican"] {
        let found = client.get(&format!("/p/{}/inbox?q={word}", own.project.slug)).await;
        assert!(found.status == StatusCode::OK && found.body.contains(&format!("<mark>{word}</mark>")), "{word}: {}", found.body);
    }
});
