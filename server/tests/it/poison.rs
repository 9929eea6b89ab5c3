//! One row that nobody can read must not take a page, a chart, a search or an export with it.

use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use domain::accounts::{Role, Scope, key::Access};
use service::keys::ApiKeyInput;

use crate::{
    matrix::{Filled, routes},
    on_both,
    support::{TestApp, sample},
};

/// What is written over one row of a table: column and value.
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
    ("surveys", "draft", "{}"),
    ("history", "change", "nothing known"),
    ("tickets", "priority", "!"),
    ("tickets", "state", "!"),
    ("ticket_messages", "author", "!"),
    ("imports", "status", "!"),
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
    ("invitations", "role", "!"),
    ("attachments", "media_type", "!"),
    ("comments", "body", "\u{202e}<script>alert(1)</script>"),
    ("projects", "origins", "["),
    ("projects", "theme", "!"),
    ("projects", "language", ""),
    ("projects", "accent", "!"),
    ("survey_versions", "body", "]["),
];

on_both!(one_row_that_cannot_be_read_breaks_nothing_else, |t: TestApp| async move {
    let own = Filled::new(&t, "pelican").await;
    let (admin, client) = t.member(&own.project, "admin@x.test", Role::Admin).await;
    t.app
        .store
        .write(move |tx| {
            Box::pin(async move {
                let operator = sqlx::query("UPDATE staff SET operator = 1 WHERE id = $1").bind(admin.to_string());
                Ok(operator.execute(tx.conn()).await?)
            })
        })
        .await
        .unwrap();
    let wanted = ApiKeyInput { name: "A reader", access: Access::Write, days: None };
    let key = service::keys::create(&t.app, &Scope::system(own.project.id), &wanted, "poison-key").await.unwrap().unwrap().secret;
    let (key, program) = (format!("Bearer {key}"), t.anonymous());
    let document = program.get("/api/v1/openapi.json").await.json();
    let mut api: Vec<String> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, methods)| methods.get("get").is_some())
        .map(|(path, _)| own.path(path, &own.ids))
        .collect();
    api.extend(["/api/v1/projects".to_owned(), format!("/api/v1/projects/{}", own.project.id)]);
    api.retain(|path| !path.contains("0192aaaa"));
    let whole = sample(&t.app, own.project.id, "The whole one");
    t.app.store.write(move |tx| Box::pin(async move { tx.insert_feedback(&whole, None).await })).await.unwrap();
    assert!(t.app.search.wait_until_caught_up(std::time::Duration::from_secs(20)).await);
    let pages: Vec<String> = routes()
        .iter()
        .filter(|(method, path)| method == "GET" && path.starts_with("/p/{slug}/") && !path.ends_with("/events") && !path.contains("/t/"))
        .map(|(_, path)| own.path(path, &own.ids))
        .collect();
    assert!(pages.len() > 25 && api.len() > 12, "{} {}", pages.len(), api.len());
    let mut operator = ["/operator/mail?show=dead", "/operator/mail", "/operator/jobs", "/account"].map(ToOwned::to_owned).to_vec();
    operator.push(format!("/embed/v1/{}/config", own.project.key));
    let read = async |path: &String| match path.starts_with("/api/") {
        true => program.send(Method::GET, path, &[("authorization", &key)], Body::empty()).await,
        false => client.get(path).await,
    };
    let all: Vec<String> = pages.iter().chain(&api).chain(&operator).cloned().collect();
    for path in &all {
        let page = read(path).await;
        assert!(page.status.is_success() || page.status.is_redirection(), "{path}: {}", page.status);
    }
    let mut wrong = Vec::new();
    for (table, column, value) in POISON {
        let value = value.replace('\0', "");
        let set = format!("UPDATE {table} SET {column} = $1");
        let before: Vec<(String, Option<String>)> =
            sqlx::query_as(sqlx::AssertSqlSafe(format!("SELECT CAST({} AS TEXT), {column} FROM {table}", key_of(table))))
                .fetch_all(t.app.store.reader())
                .await
                .unwrap();
        // All rows but the whole piece of feedback.
        let spare = if *table == "feedback" { " WHERE text <> 'The whole one'" } else { "" };
        let sql = format!("{set}{spare}");
        let poison = value.clone();
        t.app
            .store
            .write(move |tx| Box::pin(async move { Ok(sqlx::query(sqlx::AssertSqlSafe(sql)).bind(poison).execute(tx.conn()).await?) }))
            .await
            .unwrap();
        for page in &all {
            let answered = read(page).await;
            // What is about the row alone may fail: without a draft there is no editor, without a version nothing to preview or to add up.
            let about_it = match *table {
                "surveys" => page.contains(&own.ids["survey"]),
                "survey_versions" => page.contains(&own.ids["survey"]) || page.contains(&own.ids["response"]),
                // A key whose access cannot be read may do the least there is.
                "api_keys" => page.contains("/export/") && answered.status == StatusCode::FORBIDDEN,
                _ => false,
            };
            if !(about_it || answered.status.is_success() || answered.status.is_redirection()) {
                wrong.push(format!("{page} with {table}.{column} = {value:?}: {}", answered.status));
            }
        }
        let list = client.get(&format!("/p/{}/inbox?q=", own.project.slug)).await;
        assert!(list.body.contains("The whole one"), "{table}.{column} = {value:?}");
        for (id, was) in before {
            let sql = format!("{set} WHERE CAST({} AS TEXT) = $2", key_of(table));
            t.app
                .store
                .write(move |tx| {
                    Box::pin(async move { Ok(sqlx::query(sqlx::AssertSqlSafe(sql)).bind(was).bind(id).execute(tx.conn()).await?) })
                })
                .await
                .unwrap();
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // The index is built from such rows, too.
    let sql = "UPDATE feedback SET kind = '!', status = '!', spam_reasons = '!' WHERE text <> 'The whole one'";
    t.app.store.write(move |tx| Box::pin(async move { Ok(sqlx::query(sql).execute(tx.conn()).await?) })).await.unwrap();
    t.app.search.stop().await;
    std::fs::remove_dir_all(t.app.settings.data.join("index")).unwrap();
    t.app.search.start().await.unwrap();
    assert!(t.app.search.ready(std::time::Duration::from_secs(20)).await);
    let found = client.get(&format!("/p/{}/inbox?q=whole", own.project.slug)).await;
    assert!(found.status == StatusCode::OK && found.body.contains("<mark>whole</mark>"));
    let found = client.get(&format!("/p/{}/inbox?q=pelican", own.project.slug)).await;
    assert!(found.status == StatusCode::OK && found.body.contains("<mark>pelican</mark>"), "they are found all the same");
});

/// What tells the rows of a table apart.
fn key_of(table: &str) -> &'static str {
    match table {
        "answers" => "response_id || question_id",
        "webhook_deliveries" => "event_id || endpoint_id",
        _ => "id",
    }
}
