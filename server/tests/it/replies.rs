//! Canned replies, through the router.

use axum::http::StatusCode;
use domain::accounts::{Role, Scope};

use crate::{
    on_both,
    support::{Client, Page, TestApp},
};

/// Sends the first undo form of a page, with its fields.
async fn undo(client: &Client, answer: &Page) -> Page {
    let page = client.get(answer.location()).await;
    let field = |name: &str| {
        let from = page.body.find(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("no {name}")) + name.len() + 15;
        page.body[from..].split('"').next().unwrap().to_owned()
    };
    client.post("/p/my-app/undo", &[("token", &field("token")), ("return_to", "/p/my-app/replies")]).await
}

on_both!(a_reply_is_written_changed_deleted_and_taken_back, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let (_, ann) = t.member(&project, "ann@example.com", Role::Triager).await;
    let scope = Scope::system(project.id);
    let first = owner.get("/p/my-app/replies").await;
    assert!(first.body.contains("No canned replies yet"), "{}", first.body);

    let form = [("name", "  On the   way "), ("body", "Hello {name}, soon. {nmae}"), ("idempotency_key", "one-key-for-it")];
    let made = ann.post("/p/my-app/replies", &form).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.body);
    // A double click.
    assert_eq!(ann.post("/p/my-app/replies", &form).await.status, StatusCode::SEE_OTHER);
    let listed = t.app.store.replies(&scope).await.unwrap();
    assert_eq!(listed.iter().map(|r| r.name.as_str()).collect::<Vec<_>>(), ["On the way"]);
    let page = owner.get("/p/my-app/replies").await;
    assert!(page.body.contains("On the way") && page.body.contains("{nmae} is not a placeholder"), "{}", page.body);

    // The same name again, in any case; the text is kept.
    let twice = ann.post("/p/my-app/replies", &[("name", "on the WAY"), ("body", "Typed text")]).await;
    assert_eq!(twice.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(twice.body.contains("Another reply already has this name") && twice.body.contains("Typed text"), "{}", twice.body);

    let own = format!("/p/my-app/replies/{}", listed[0].id);
    let edited = ann.post(&own, &[("version", "1"), ("name", "On the way"), ("body", "Hello {name}, tomorrow.")]).await;
    assert_eq!(edited.status, StatusCode::SEE_OTHER);
    // A form that was opened with the first version.
    let stale = owner.post(&own, &[("version", "1"), ("name", "Late"), ("body", "My own words")]).await;
    assert_eq!(stale.status, StatusCode::CONFLICT);
    assert!(stale.body.contains("changed this reply") && stale.body.contains("My own words"), "{}", stale.body);
    assert!(stale.body.contains("name=\"version\" value=\"2\""), "saving again is made from what was seen");

    let back = undo(&ann, &edited).await;
    assert_eq!(back.status, StatusCode::SEE_OTHER);
    assert_eq!(t.app.store.replies(&scope).await.unwrap()[0].body, "Hello {name}, soon. {nmae}");

    let gone = owner.post(&format!("{own}/delete"), &[]).await;
    assert_eq!(gone.location(), "/p/my-app/replies");
    assert!(t.app.store.replies(&scope).await.unwrap().is_empty());
    undo(&owner, &gone).await;
    let again = t.app.store.replies(&scope).await.unwrap();
    assert_eq!((again.len(), again[0].id, again[0].name.as_str()), (1, listed[0].id, "On the way"));
    let sentences: Vec<String> =
        t.app.store.history_entries(&scope, again[0].id).await.unwrap().iter().map(|h| h.change.sentence()).collect();
    assert_eq!(sentences, ["restored this", "deleted this", "changed the description", "changed the description", "created this"]);
});

on_both!(replies_belong_to_their_project_and_viewers_only_read, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let (_, viewer) = t.member(&project, "vera@example.com", Role::Viewer).await;
    let other = service::projects::create(&t.app, "Other", vec![], None).await.unwrap();
    let (_, stranger) = t.member(&other, "sam@example.com", Role::Owner).await;
    owner.post("/p/my-app/replies", &[("name", "Secret"), ("body", "Inside words")]).await;
    let id = t.app.store.replies(&Scope::system(project.id)).await.unwrap()[0].id;

    let seen = viewer.get("/p/my-app/replies").await;
    assert!(seen.body.contains("Inside words") && !seen.body.contains("Save reply"), "{}", seen.body);
    assert_eq!(viewer.post("/p/my-app/replies", &[("name", "a"), ("body", "b")]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(viewer.get(&format!("/p/my-app/replies/{id}")).await.status, StatusCode::FORBIDDEN);
    let edit = [("version", "1"), ("name", "a"), ("body", "b")];
    assert_eq!(viewer.post(&format!("/p/my-app/replies/{id}"), &edit).await.status, StatusCode::FORBIDDEN);
    assert_eq!(viewer.post(&format!("/p/my-app/replies/{id}/delete"), &[]).await.status, StatusCode::FORBIDDEN);

    // Neither through their own project's URL nor through ours.
    for slug in ["my-app", "other"] {
        let own = format!("/p/{slug}/replies/{id}");
        assert_eq!(stranger.get(&own).await.status, StatusCode::NOT_FOUND);
        assert_eq!(stranger.post(&own, &edit).await.status, StatusCode::NOT_FOUND);
        assert_eq!(stranger.post(&format!("{own}/delete"), &[]).await.status, StatusCode::NOT_FOUND);
    }
    assert!(!stranger.get("/p/other/replies").await.body.contains("Inside words"));
    assert_eq!(t.app.store.replies(&Scope::system(project.id)).await.unwrap().len(), 1);
    assert_eq!(owner.get("/p/my-app/replies/no-id").await.status, StatusCode::NOT_FOUND);
});
