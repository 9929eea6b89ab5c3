//! The demonstration.

use axum::http::StatusCode;

use crate::{on_both, support::TestApp};

async fn count(t: &TestApp, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(t.app.store.reader()).await.unwrap()
}

on_both!(an_empty_installation_is_filled_once, |t: TestApp| async move {
    let demo = server::demo::prepare(&t.app).await.unwrap().unwrap();
    let password = demo.password.unwrap();
    let feedback = count(&t, "SELECT COUNT(*) FROM feedback").await;
    assert!((350..550).contains(&feedback), "{feedback}");
    for status in ["new", "triaged", "linked", "resolved", "spam"] {
        let n: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM feedback WHERE status = $1")
            .bind(status)
            .fetch_one(t.app.store.reader())
            .await
            .unwrap();
        assert!(n >= 8, "{status}: {n}");
    }
    assert_eq!(count(&t, "SELECT COUNT(DISTINCT status) FROM surveys").await, 4);
    assert_eq!(count(&t, "SELECT COUNT(*) FROM backlog_items").await, 12);
    assert_eq!(count(&t, "SELECT COUNT(DISTINCT status) FROM backlog_items").await, 5);
    assert!(count(&t, "SELECT COUNT(*) FROM links WHERE quote IS NOT NULL").await > 30);
    assert!(count(&t, "SELECT COUNT(DISTINCT language) FROM feedback").await >= 3);
    assert!(count(&t, "SELECT COUNT(*) FROM comments").await > 5);
    assert_eq!(count(&t, "SELECT COUNT(DISTINCT state) FROM tickets").await, 3);
    assert!(count(&t, "SELECT COUNT(*) FROM ticket_messages").await > 12 && count(&t, "SELECT COUNT(*) FROM canned_replies").await == 3);
    assert_eq!(count(&t, "SELECT COUNT(*) FROM letters").await, 0, "nobody in the story gets a letter");
    let (oldest, now) = (count(&t, "SELECT MIN(created_at) FROM feedback").await, t.app.now().0);
    assert!(oldest < now - 85 * 86_400_000 && count(&t, "SELECT MAX(created_at) FROM feedback").await < now);

    // Its owner signs in, and every page of the console opens.
    let client = t.anonymous();
    let page = client.post("/sign-in", &[("email", server::demo::DEMO_EMAIL), ("password", &password)]).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.body);
    for path in ["inbox", "tickets", "replies", "backlog", "backlog/1", "surveys", "imports"] {
        let page = client.get(&format!("/p/gantry/{path}")).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
    }
    assert_eq!(client.get(&format!("/s/{}", demo.survey)).await.status, StatusCode::OK);

    // Another start finds it and adds nothing.
    let again = server::demo::prepare(&t.app).await.unwrap().unwrap();
    assert!(again.password.is_none() && again.survey == demo.survey);
    assert_eq!(count(&t, "SELECT COUNT(*) FROM feedback").await, feedback);
});

on_both!(somebodys_own_installation_is_left_alone, |t: TestApp| async move {
    t.owner().await;
    assert!(server::demo::prepare(&t.app).await.unwrap().is_none());
    assert_eq!(count(&t, "SELECT COUNT(*) FROM feedback").await, 0);
});
