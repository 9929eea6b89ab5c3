//! One row that nobody can read must not take a page, a chart, a search or an export with it.

use axum::http::StatusCode;
use domain::accounts::Role;

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
];

on_both!(one_row_that_cannot_be_read_breaks_nothing_else, |t: TestApp| async move {
    let own = Filled::new(&t, "pelican").await;
    let client = t.member(&own.project, "admin@x.test", Role::Admin).await.1;
    let whole = sample(&t.app, own.project.id, "The whole one");
    t.app.store.write(move |tx| Box::pin(async move { tx.insert_feedback(&whole, None).await })).await.unwrap();
    assert!(t.app.search.caught_up(std::time::Duration::from_secs(20)).await);
    let pages: Vec<String> = routes()
        .iter()
        .filter(|(method, path)| method == "GET" && path.starts_with("/p/{slug}/") && !path.ends_with("/events") && !path.contains("/t/"))
        .map(|(_, path)| own.path(path, &own.ids))
        .collect();
    assert!(pages.len() > 25);
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
        for page in &pages {
            let answered = client.get(page).await;
            // A page about the row alone may say that it is not there; without a draft there is no editor.
            let about_it = *table == "surveys" && page.contains(&own.ids["survey"]);
            assert!(
                about_it || answered.status.is_success() || answered.status.is_redirection() || answered.status == StatusCode::NOT_FOUND,
                "{page} with {table}.{column} = {value:?}: {}",
                answered.status
            );
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
    // The index is built from such rows, too.
    let sql = "UPDATE feedback SET kind = '!', status = '!', spam_reasons = '!' WHERE text <> 'The whole one'";
    t.app.store.write(move |tx| Box::pin(async move { Ok(sqlx::query(sql).execute(tx.conn()).await?) })).await.unwrap();
    t.app.search.stop().await;
    std::fs::remove_dir_all(t.app.config.data.join("index")).unwrap();
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
        _ => "id",
    }
}
