//! Inbox, through the router.

use axum::http::StatusCode;
use domain::{
    DomainError as Refusal,
    accounts::{Role, Scope},
    feedback::{Feedback, FeedbackStatus},
    history::HistoryChange,
    ids::{FeedbackId, ProjectId, StaffId},
    projects::Project,
};
use futures_util::StreamExt;
use service::{
    triage::{self, FeedbackEdit, ItemVersion},
    undo,
};
use sqlx::Connection;

use crate::{
    on_both,
    support::{Database, TestApp, sample},
};

/// Adds feedback, changed by `change`, and returns its id.
async fn said(t: &TestApp, project: ProjectId, text: &str, change: impl FnOnce(&mut Feedback)) -> FeedbackId {
    let mut item = sample(&t.app, project, text);
    change(&mut item);
    let id = item.id;
    assert!(t.app.store.write(move |tx| Box::pin(async move { tx.insert_feedback(&item, None).await })).await.unwrap());
    id
}

/// A member of the project without a browser, and the scope to act as them.
async fn person(t: &TestApp, project: &Project, name: &str, role: Role) -> (StaffId, Scope) {
    let staff = service::accounts::create_staff(&t.app, &format!("{name}@example.com"), name, crate::support::PASSWORD).await.unwrap();
    let (id, now) = (project.id, t.app.now());
    t.app.store.write(move |tx| Box::pin(async move { tx.set_role(id, staff, role, now).await })).await.unwrap();
    let actor = t.app.store.team_member(staff).await.unwrap();
    (staff, actor.scope(project.id, Role::Viewer).unwrap())
}

async fn project(t: &TestApp) -> Project {
    service::projects::create(&t.app, "My app", vec![], None).await.unwrap()
}

async fn now(t: &TestApp, scope: &Scope, id: FeedbackId) -> Feedback {
    t.app.store.feedback_by_ids(scope, &[id]).await.unwrap().remove(0)
}

fn refused<T: std::fmt::Debug>(result: service::error::Result<T>) -> Refusal {
    result.unwrap_err().refusal().expect("a refusal").clone()
}

fn seen(id: FeedbackId, version: i64) -> [ItemVersion; 1] {
    [ItemVersion { id, version }]
}

on_both!(each_change_is_kept_with_its_history, |t: TestApp| async move {
    let project = project(&t).await;
    let (ann, scope) = person(&t, &project, "Ann", Role::Triager).await;
    let id = said(&t, project.id, "It is slow", |_| {}).await;
    t.clock.advance_ms(1000);
    triage::edit(&t.app, &scope, &seen(id, 1), FeedbackEdit::Status(FeedbackStatus::Triaged)).await.unwrap();
    triage::edit(&t.app, &scope, &seen(id, 2), FeedbackEdit::Assign(Some(ann))).await.unwrap();
    let tags = FeedbackEdit::Tags { add: vec!["Slow Page, billing".into()], remove: vec![] };
    triage::edit(&t.app, &scope, &seen(id, 3), tags).await.unwrap();
    let tags = FeedbackEdit::Tags { add: vec![], remove: vec!["billing".into()] };
    triage::edit(&t.app, &scope, &seen(id, 4), tags).await.unwrap();
    triage::comment(&t.app, &scope, id, " Known. ", "key-00001").await.unwrap();
    triage::comment(&t.app, &scope, id, " Known. ", "key-00001").await.unwrap();
    let item = now(&t, &scope, id).await;
    assert_eq!((item.status, item.assignee, item.version), (FeedbackStatus::Triaged, Some(ann), 6));
    assert_eq!(item.tags, ["slow-page"]);
    assert_eq!(item.updated_at, t.app.now());
    let comments = t.app.store.comments_on(&scope, id).await.unwrap();
    assert_eq!(comments.iter().map(|c| (c.name.as_str(), c.body.as_str())).collect::<Vec<_>>(), [("Ann", "Known.")]);
    let mut history: Vec<HistoryChange> = t.app.store.history_entries(&scope, id).await.unwrap().into_iter().map(|e| e.change).collect();
    history.reverse();
    assert_eq!(
        history,
        [
            HistoryChange::Status { from: "New".into(), to: "Triaged".into() },
            HistoryChange::Assigned { from: None, to: Some("Ann".into()) },
            HistoryChange::Tagged { added: vec!["billing".into(), "slow-page".into()], removed: vec![] },
            HistoryChange::Tagged { added: vec![], removed: vec!["billing".into()] },
            HistoryChange::Commented,
        ]
    );
});

on_both!(what_another_person_did_is_never_overwritten, |t: TestApp| async move {
    let project = project(&t).await;
    let (_, ann) = person(&t, &project, "Ann", Role::Triager).await;
    let (_, bob) = person(&t, &project, "Bob", Role::Admin).await;
    let id = said(&t, project.id, "x", |_| {}).await;
    triage::edit(&t.app, &ann, &seen(id, 1), FeedbackEdit::Status(FeedbackStatus::Resolved)).await.unwrap();
    t.clock.advance_ms(120_000);
    let why = refused(triage::edit(&t.app, &bob, &seen(id, 1), FeedbackEdit::Status(FeedbackStatus::Spam)).await);
    assert_eq!(why, Refusal::Conflict("Ann changed the status from New to Resolved 2 min ago. Your change was not applied.".into()));
    assert_eq!(now(&t, &bob, id).await.status, FeedbackStatus::Resolved);
    let made_up = refused(triage::edit(&t.app, &bob, &seen(id, 999), FeedbackEdit::Status(FeedbackStatus::Spam)).await);
    assert!(matches!(made_up, Refusal::Conflict(_)), "a version that there has not been proves nothing");
    // Setting the same value or another field is no conflict, tags and comments merge, and people can change their own work.
    let outcome = triage::edit(&t.app, &bob, &seen(id, 1), FeedbackEdit::Status(FeedbackStatus::Resolved)).await.unwrap();
    assert_eq!((outcome.changed, outcome.same), (0, 1));
    triage::edit(&t.app, &bob, &seen(id, 1), FeedbackEdit::Assign(bob.staff())).await.unwrap();
    triage::edit(&t.app, &bob, &seen(id, 1), FeedbackEdit::Tags { add: vec!["b".into()], remove: vec![] }).await.unwrap();
    triage::edit(&t.app, &ann, &seen(id, 1), FeedbackEdit::Tags { add: vec!["a".into()], remove: vec![] }).await.unwrap();
    triage::edit(&t.app, &ann, &seen(id, 1), FeedbackEdit::Status(FeedbackStatus::Triaged)).await.unwrap();
    let item = now(&t, &ann, id).await;
    assert_eq!((item.status, item.tags.len(), item.assignee), (FeedbackStatus::Triaged, 2, bob.staff()));
});

on_both!(many_at_once_and_taken_back, |t: TestApp| async move {
    let project = project(&t).await;
    let (_, ann) = person(&t, &project, "Ann", Role::Triager).await;
    let (_, bob) = person(&t, &project, "Bob", Role::Triager).await;
    let mut items = Vec::new();
    for n in 0..20 {
        let status = if n % 2 == 0 { FeedbackStatus::New } else { FeedbackStatus::Triaged };
        let id = said(&t, project.id, &format!("item {n}"), |item| item.status = status).await;
        items.push(ItemVersion { id, version: 1 });
    }
    // Bob resolves one before Ann's bulk change arrives: her change skips it and reports the conflict.
    triage::edit(&t.app, &bob, &items[..1], FeedbackEdit::Status(FeedbackStatus::Resolved)).await.unwrap();
    let outcome = triage::edit(&t.app, &ann, &items, FeedbackEdit::Status(FeedbackStatus::Spam)).await.unwrap();
    assert_eq!((outcome.changed, outcome.conflicts.len()), (19, 1));
    let token = outcome.undo.unwrap();
    assert_eq!(refused(undo::undo(&t.app, &bob, token).await), Refusal::NotFound, "not his to take back");
    // Bob restores one of them: undo keeps his change.
    triage::edit(&t.app, &bob, &[ItemVersion { id: items[1].id, version: 2 }], FeedbackEdit::Status(FeedbackStatus::New)).await.unwrap();
    let outcome = undo::undo(&t.app, &ann, token).await.unwrap();
    assert_eq!((outcome.changed, outcome.conflicts.len()), (18, 1));
    let statuses: Vec<FeedbackStatus> = {
        let ids: Vec<FeedbackId> = items.iter().map(|s| s.id).collect();
        t.app.store.feedback_by_ids(&ann, &ids).await.unwrap().into_iter().map(|f| f.status).collect()
    };
    assert_eq!(statuses[..4], [FeedbackStatus::Resolved, FeedbackStatus::New, FeedbackStatus::New, FeedbackStatus::Triaged]);
    assert_eq!(refused(undo::undo(&t.app, &ann, token).await), Refusal::NotFound, "only once");
    // An undo that would overwrite another person's change is rejected, and changes nothing.
    let one = [ItemVersion { id: items[4].id, version: 3 }];
    let token = triage::edit(&t.app, &ann, &one, FeedbackEdit::Status(FeedbackStatus::Resolved)).await.unwrap().undo.unwrap();
    triage::edit(&t.app, &bob, &[ItemVersion { id: one[0].id, version: 4 }], FeedbackEdit::Status(FeedbackStatus::Triaged)).await.unwrap();
    let why = refused(undo::undo(&t.app, &ann, token).await);
    assert!(matches!(why, Refusal::Conflict(text) if text.contains("Bob changed the status from Resolved to Triaged")));
    assert_eq!(now(&t, &ann, one[0].id).await.status, FeedbackStatus::Triaged);
});

on_both!(roles_and_foreign_items_are_respected, |t: TestApp| async move {
    let mine = project(&t).await;
    let other = service::projects::create(&t.app, "Other", vec![], None).await.unwrap();
    let (_, ann) = person(&t, &mine, "Ann", Role::Triager).await;
    let (_, vic) = person(&t, &mine, "Vic", Role::Viewer).await;
    let (eve, _) = person(&t, &other, "Eve", Role::Owner).await;
    let id = said(&t, mine.id, "x", |_| {}).await;
    let foreign = said(&t, other.id, "y", |_| {}).await;
    let edit = || FeedbackEdit::Status(FeedbackStatus::Spam);
    assert_eq!(refused(triage::edit(&t.app, &vic, &seen(id, 1), edit()).await), Refusal::Forbidden);
    assert_eq!(refused(triage::comment(&t.app, &vic, id, "x", "key-00001").await), Refusal::Forbidden);
    assert_eq!(refused(undo::undo(&t.app, &vic, t.id()).await), Refusal::Forbidden);
    assert_eq!(refused(triage::edit(&t.app, &ann, &seen(foreign, 1), edit()).await), Refusal::NotFound);
    let both = [seen(id, 1)[0], seen(foreign, 1)[0]];
    assert_eq!(refused(triage::edit(&t.app, &ann, &both, edit()).await), Refusal::NotFound);
    assert_eq!(now(&t, &ann, id).await.status, FeedbackStatus::New, "all or nothing");
    assert_eq!(refused(triage::comment(&t.app, &ann, foreign, "x", "key-00002").await), Refusal::NotFound);
    assert!(matches!(refused(triage::edit(&t.app, &ann, &seen(id, 1), FeedbackEdit::Assign(Some(eve))).await), Refusal::Invalid(_)));
    assert!(matches!(
        refused(triage::edit(&t.app, &ann, &seen(id, 1), FeedbackEdit::Status(FeedbackStatus::Linked)).await),
        Refusal::Invalid(_)
    ));
    let tag = FeedbackEdit::Tags { add: vec!["a:b".into()], remove: vec![] };
    assert!(matches!(refused(triage::edit(&t.app, &ann, &seen(id, 1), tag).await), Refusal::Invalid(_)));
});

// ---- Through the router ----

/// Waits until everything written is in the lists.
async fn searchable(t: &TestApp) {
    assert!(t.app.search.ready(std::time::Duration::from_secs(20)).await, "{:?}", t.app.search.status());
    assert!(t.app.search.wait_until_caught_up(std::time::Duration::from_secs(20)).await);
}

/// The undo token in a page.
fn undo_token(page: &str) -> String {
    let toast = page.split("class=\"toasts\"").nth(1).expect("a toast");
    toast.split("name=\"token\" value=\"").nth(1).expect("an undo").split('"').next().unwrap().to_owned()
}

on_both!(actions_come_back_to_where_they_were_and_can_be_undone, |t: TestApp| async move {
    let (project, client) = t.owner().await;
    let slug = &project.slug;
    let id = said(&t, project.id, "It is slow", |_| {}).await;
    let here = format!("/p/{slug}/inbox?q=slow&item={id}");
    let base = format!("/p/{slug}/feedback/{id}");
    let done = client.post(&format!("{base}/status"), &[("status", "resolved"), ("version", "1"), ("return_to", &here)]).await;
    assert_eq!((done.status, done.location()), (StatusCode::SEE_OTHER, here.as_str()));
    let page = client.get(&format!("/p/{slug}/inbox?item={id}")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("Status set to Resolved.") && page.body.contains("from New to Resolved"), "{}", page.body);
    let token = undo_token(&page.body);
    let undone = client.post(&format!("/p/{slug}/undo"), &[("token", &token), ("return_to", &here)]).await;
    assert_eq!((undone.status, undone.location()), (StatusCode::SEE_OTHER, here.as_str()));
    let page = client.get(&base).await;
    assert!(page.body.contains("Undone.") && page.body.contains("from Resolved to New"));
    // Undoing again: an error says that nothing is left to undo.
    client.post(&format!("/p/{slug}/undo"), &[("token", &token)]).await;
    assert!(client.get(&base).await.body.contains("nothing left to undo"));
    // The other forms of the page.
    let staff = t.app.store.staff_by_email("owner@example.com").await.unwrap().unwrap().id;
    client.post(&format!("{base}/assign"), &[("assignee", &staff), ("version", "3"), ("return_to", &base)]).await;
    // New tags need confirmation, so that keystrokes that land in the field by accident create none.
    let slip = client.post(&format!("{base}/tags"), &[("add", "speed, web"), ("version", "3"), ("return_to", &base)]).await;
    assert_eq!(slip.status, StatusCode::UNPROCESSABLE_ENTITY);
    let asked = ["There are no tags “speed”, “web” yet.", "name=\"create\" value=\"speed, web\"", "Create tags “speed, web”"];
    assert!(asked.iter().all(|words| slip.body.contains(words)), "{}", slip.body);
    client.post(&format!("{base}/tags"), &[("create", "speed, web"), ("add", "speed, web"), ("version", "3"), ("return_to", &base)]).await;
    client.post(&format!("{base}/tags"), &[("remove", "web"), ("version", "3"), ("return_to", &base)]).await;
    client.post(&format!("{base}/comments"), &[("body", "Looking into it"), ("version", "3"), ("return_to", &base)]).await;
    let page = client.get(&base).await.body;
    for words in ["assigned this to Olga Owner", "speed", "removed the tag web", "Looking into it", "Olga Owner commented"] {
        assert!(page.contains(words), "{words}");
    }
    // A rejected tag or comment keeps its text.
    let refused = client.post(&format!("{base}/tags"), &[("add", "a:b"), ("version", "9"), ("return_to", &here)]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.body.contains("value=\"a:b\"") && refused.body.contains("id=\"add-error\""));
    let refused = client.post(&format!("{base}/comments"), &[("body", "  "), ("version", "9")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.body.contains("Enter a comment first."));
});

on_both!(two_people_on_one_item_hear_of_each_other, |t: TestApp| async move {
    let (project, olga) = t.owner().await;
    let (_, ann) = t.member(&project, "ann@example.com", Role::Triager).await;
    let id = said(&t, project.id, "x", |_| {}).await;
    let base = format!("/p/{}/feedback/{id}", project.slug);
    olga.post(&format!("{base}/status"), &[("status", "resolved"), ("version", "1")]).await;
    let late = ann.post(&format!("{base}/status"), &[("status", "spam"), ("version", "1")]).await;
    assert_eq!((late.status, late.location()), (StatusCode::SEE_OTHER, base.as_str()));
    let page = ann.get(&base).await.body;
    assert!(page.contains("toast-error") && page.contains("Your change was not applied."), "{page}");
    assert!(page.contains("from New to Resolved") && !page.contains("from Resolved to "), "{page}");
    // Linking also counts as a status change.
    let id = said(&t, project.id, "y", |_| {}).await;
    let base = format!("/p/{}/feedback/{id}", project.slug);
    let linked = olga.post(&format!("{base}/backlog"), &[("title", "Faster"), ("return_to", &base)]).await;
    assert_eq!(linked.status, StatusCode::SEE_OTHER, "{}", linked.body);
    ann.post(&format!("{base}/status"), &[("status", "spam"), ("version", "1")]).await;
    assert!(ann.get(&base).await.body.contains("from New to Linked just now. Your change was not applied."));
});

on_both!(a_form_without_javascript_changes_many, |t: TestApp| async move {
    let (project, client) = t.owner().await;
    let slug = &project.slug;
    let mut values = Vec::new();
    for n in 0..3 {
        values.push(format!("{}:1", said(&t, project.id, &format!("item {n}"), |_| {}).await));
    }
    searchable(&t).await;
    let page = client.get(&format!("/p/{slug}/inbox")).await;
    for value in &values {
        assert!(page.body.contains(&format!("name=\"item\" value=\"{value}\"")), "{}", page.body);
    }
    assert!(page.body.contains("value=\"status:resolved\""));
    let mut fields = [("item", values[0].as_str()), ("item", &values[1]), ("do", "tag"), ("tag", "Bulk tag")];
    // A new tag needs confirmation; the selection is kept.
    let asked = client.post(&format!("/p/{slug}/feedback/bulk"), &fields).await;
    assert_eq!(asked.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(asked.body.contains("There is no tag “bulk-tag” yet.") && asked.body.contains("Create tag “bulk-tag”"), "{}", asked.body);
    for (value, selected) in values.iter().zip([true, true, false]) {
        let at = asked.body.find(&format!("value=\"{value}\"")).unwrap();
        let tag = &asked.body[at..at + asked.body[at..].find('>').unwrap()];
        assert_eq!(tag.contains(" checked"), selected, "{tag}");
    }
    fields[2] = ("create", "Bulk tag");
    let done = client.post(&format!("/p/{slug}/feedback/bulk"), &fields).await;
    assert_eq!((done.status, done.location()), (StatusCode::SEE_OTHER, format!("/p/{slug}/inbox").as_str()));
    let page = client.get(&format!("/p/{slug}/inbox")).await.body;
    assert!(page.contains("2 items tagged.") && page.matches("<span class=\"tag\">bulk-tag").count() == 2, "{page}");
    let token = undo_token(&page);
    client.post(&format!("/p/{slug}/undo"), &[("token", &token)]).await;
    let page = client.get(&format!("/p/{slug}/inbox")).await.body;
    assert!(page.contains("Undone.") && !page.contains("<span class=\"tag\">bulk-tag"));
    // No selection, an unknown action, and an unknown item.
    client.post(&format!("/p/{slug}/feedback/bulk"), &[("do", "status:spam")]).await;
    assert!(client.get(&format!("/p/{slug}/inbox")).await.body.contains("Select at least one item."));
    let path = format!("/p/{slug}/feedback/bulk");
    assert_eq!(client.post(&path, &[("item", &values[0]), ("do", "burn")]).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let foreign = format!("{}:1", t.id::<FeedbackId>());
    assert_eq!(client.post(&path, &[("item", &foreign), ("do", "status:spam")]).await.status, StatusCode::NOT_FOUND);
});

on_both!(a_long_query_does_not_cost_the_message_and_its_undo, |t: TestApp| async move {
    let (project, client) = t.owner().await;
    let slug = &project.slug;
    let id = said(&t, project.id, "移动端很慢", |_| {}).await;
    let text = "移动端".repeat(100);
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("q", &text).append_pair("item", &id.to_string()).finish();
    let here = format!("/p/{slug}/inbox?{query}");
    assert!((2_700..4_000).contains(&here.len()), "{}", here.len());
    let fields = [("status", "resolved"), ("version", "1"), ("return_to", here.as_str())];
    let done = client.post(&format!("/p/{slug}/feedback/{id}/status"), &fields).await;
    assert_eq!((done.status, done.location()), (StatusCode::SEE_OTHER, here.as_str()));
    let flash: Vec<_> = done.headers.get_all("set-cookie").iter().filter(|c| c.to_str().unwrap().contains("flash")).collect();
    assert_eq!(flash.len(), 1);
    assert!(flash[0].len() < 4096, "a browser drops it: {}", flash[0].len());
    let page = client.get(&here).await.body;
    assert!(page.contains("Status set to Resolved."), "{page}");
    let undone = client.post(&format!("/p/{slug}/undo"), &[("token", &undo_token(&page))]).await;
    assert_eq!((undone.status, undone.location()), (StatusCode::SEE_OTHER, format!("/p/{slug}/inbox").as_str()));
    assert_eq!(now_status(&t, &Scope::system(project.id), id).await, FeedbackStatus::New);
    // User text in messages is shortened too, such as a conflict that names the person and the change.
    let item = said(&t, project.id, "x", |_| {}).await;
    let wide = "慢".repeat(domain::feedback::MAX_TAG);
    let tags = (0..9).map(|n| format!("{n}{}", &wide[..wide.len() - 3])).collect::<Vec<_>>().join(",");
    let done = client.post(&format!("/p/{slug}/feedback/{item}/tags"), &[("create", &tags), ("version", "1"), ("return_to", &here)]).await;
    assert!(done.headers.get_all("set-cookie").iter().all(|c| c.len() < 4096));
});

on_both!(viewers_read_and_strangers_find_nothing, |t: TestApp| async move {
    let (project, _) = t.owner().await;
    let (_, viewer) = t.member(&project, "vic@example.com", Role::Viewer).await;
    let id = said(&t, project.id, "Readable", |_| {}).await;
    let base = format!("/p/{}/feedback/{id}", project.slug);
    searchable(&t).await;
    let page = viewer.get(&format!("/p/{}/inbox?item={id}", project.slug)).await;
    assert!(page.body.contains("Readable") && !page.body.contains("id=\"status-form\"") && !page.body.contains("row-check"));
    for (path, fields) in
        [("status", ("status", "spam")), ("assign", ("assignee", "")), ("tags", ("add", "x")), ("comments", ("body", "x"))]
    {
        let refused = viewer.post(&format!("{base}/{path}"), &[fields, ("version", "1")]).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(viewer.post(&format!("/p/{}/undo", project.slug), &[("token", "x")]).await.status, StatusCode::FORBIDDEN);
    // A member of another project, and this item's id under their own project.
    let other = service::projects::create(&t.app, "Other", vec![], None).await.unwrap();
    let (_, eve) = t.member(&other, "eve@example.com", Role::Owner).await;
    for path in
        [base.clone(), format!("/p/{}/inbox", project.slug), format!("/p/{}/events", project.slug), format!("/p/other/feedback/{id}")]
    {
        assert_eq!(eve.get(&path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let status = eve.post(&format!("/p/other/feedback/{id}/status"), &[("status", "spam"), ("version", "1")]).await.status;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(!eve.get(&format!("/p/other/inbox?item={id}")).await.body.contains("Readable"));
});

on_both!(what_people_say_stays_text, |t: TestApp| async move {
    let (project, client) = t.owner().await;
    let evil = "<script>alert(1)</script> \"><img src=x onerror=alert(2)> '; -- {{7*7}}";
    let tag = "\u{3c}b>x".to_owned();
    let id = said(&t, project.id, evil, |item| {
        item.tags = vec![tag];
        item.page_url = Some("javascript:alert(3)//https://a.example".into());
        item.release = Some(evil.into());
        item.environment = Some(evil.into());
    })
    .await;
    let base = format!("/p/{}/feedback/{id}", project.slug);
    client.post(&format!("{base}/comments"), &[("body", evil)]).await;
    searchable(&t).await;
    let query = url::form_urlencoded::byte_serialize("alert \"<img\"".as_bytes()).collect::<String>();
    for path in [base.clone(), format!("/p/{}/inbox?item={id}", project.slug), format!("/p/{}/inbox?q={query}&item={id}", project.slug)] {
        let page = client.get(&path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert!(page.body.contains("alert"), "{path}");
        for raw in ["<script>alert", "<img src=x", "<b>x", "href=\"javascript:"] {
            assert!(!page.body.contains(raw), "{raw} in {path}");
        }
    }
    let page = client.get(&format!("/p/{}/inbox?q=alert", project.slug)).await.body;
    assert!(page.contains("&lt;script&gt;<mark>alert</mark>"), "{page}");
    let safe = said(&t, project.id, "x", |item| item.page_url = Some("https://a.example/?a=1&b=\"2".into())).await;
    let page = client.get(&format!("/p/{}/feedback/{safe}", project.slug)).await.body;
    assert!(page.contains("href=\"https://a.example/?a=1&amp;b=&quot;2\"") && page.contains("noopener"), "{page}");
});

on_both!(a_query_that_is_not_understood_says_where, |t: TestApp| async move {
    let (project, client) = t.owner().await;
    said(&t, project.id, "x", |_| {}).await;
    let page = client.get(&format!("/p/{}/inbox?q=slow+status%3Adone+fast", project.slug)).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.body.contains("id=\"q-error\"") && page.body.contains("value=\"slow status:done fast\""));
    assert!(page.body.contains("slow <mark>") || page.body.contains("status:<mark>"), "{}", page.body);
    assert!(!page.body.contains("No results"));
});

on_both!(empty_inboxes_teach, |t: TestApp| async move {
    let (project, client) = t.owner().await;
    let page = client.get(&format!("/p/{}/inbox", project.slug)).await.body;
    assert!(page.contains("No feedback yet") && page.contains(&format!("/p/{}/surveys", project.slug)));
    said(&t, project.id, "x", |_| {}).await;
    searchable(&t).await;
    let page = client.get(&format!("/p/{}/inbox?q=nowhere+status%3Anew", project.slug)).await.body;
    assert!(page.contains("No results") && page.contains(&format!("/p/{}/inbox?q=status%3Anew", project.slug)), "{page}");
});

on_both!(pages_hold_every_item_once, |t: TestApp| async move {
    let (project, client) = t.owner().await;
    let mut ids = std::collections::BTreeSet::new();
    for n in 0..120 {
        t.clock.advance_ms(n % 3);
        ids.insert(said(&t, project.id, &format!("item {n}"), |_| {}).await.to_string());
    }
    searchable(&t).await;
    for sort in ["newest", "oldest"] {
        let (mut seen, mut url, mut pages) = (Vec::new(), Some(format!("/p/{}/inbox?sort={sort}", project.slug)), 0);
        while let Some(here) = url {
            let page = client.get(&here).await.body;
            seen.extend(page.split("id=\"row-").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()));
            let next = page.split("href=\"").skip(1).find(|rest| rest.split('>').next().unwrap().contains("data-page=\"next\""));
            url = next.map(|rest| rest.split('"').next().unwrap().replace("&amp;", "&"));
            pages += 1;
            assert!(pages < 9);
        }
        assert_eq!(seen.len(), 120, "{sort}");
        assert_eq!(seen.into_iter().collect::<std::collections::BTreeSet<_>>(), ids, "{sort}");
    }
    // An invalid cursor shows the first page.
    let page = client.get(&format!("/p/{}/inbox?cursor=nonsense", project.slug)).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("id=\"row-"));
});

on_both!(only_pages_of_the_project_are_come_back_to, |t: TestApp| async move {
    let (project, client) = t.owner().await;
    let id = said(&t, project.id, "x", |_| {}).await;
    let base = format!("/p/{}/feedback/{id}", project.slug);
    for evil in ["https://evil.example/", "//evil.example/p", "/p/other/inbox", "/\\evil.example", "javascript:alert(1)"] {
        let page = client.post(&format!("{base}/assign"), &[("assignee", ""), ("version", "1"), ("return_to", evil)]).await;
        assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, base.as_str()), "{evil}");
    }
});

/// The next part of an event stream; fails if none arrives in time.
async fn heard(events: &mut axum::body::BodyDataStream) -> String {
    let next = tokio::time::timeout(std::time::Duration::from_secs(10), events.next()).await.expect("an event in time");
    String::from_utf8(next.expect("an open stream").unwrap().to_vec()).unwrap()
}

on_both!(open_inboxes_hear_what_happens, |t: TestApp| async move {
    let (project, client) = t.owner().await;
    let other = service::projects::create(&t.app, "Other", vec![], None).await.unwrap();
    let path = format!("/p/{}/events", project.slug);
    let answer = client.open(&path, &[]).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut events = answer.into_body().into_data_stream();
    assert!(heard(&mut events).await.contains("listening"));
    said(&t, other.id, "not for these ears", |_| {}).await;
    let id = said(&t, project.id, "new", |_| {}).await;
    let new = heard(&mut events).await;
    assert!(new.contains("event: changed") && new.contains(&format!("data: {id} 1 new")) && new.contains("id: "), "{new}");
    client.post(&format!("/p/{}/feedback/{id}/status", project.slug), &[("status", "resolved"), ("version", "1")]).await;
    let changed = heard(&mut events).await;
    assert!(changed.contains(&format!("data: {id} 2 known Olga Owner")), "{changed}");
    // An item that changed before its first event is still reported as new: a response started and finished within a moment.
    let grown = said(&t, project.id, "grown", |item| item.version = 3).await;
    let new = heard(&mut events).await;
    assert!(new.contains(&format!("data: {grown} 3 new")), "{new}");
    // A client that missed events is told to reload.
    let mut again = client.open(&path, &[("last-event-id", "0.1")]).await.into_body().into_data_stream();
    assert!(heard(&mut again).await.contains("event: resync"));
    // Shutdown does not wait for open streams.
    t.web.closing.send_replace(true);
    let end = async { while events.next().await.is_some() {} };
    tokio::time::timeout(std::time::Duration::from_secs(10), end).await.expect("an end");
    // The stream requires sign-in.
    assert_eq!(t.anonymous().open(&path, &[]).await.status(), StatusCode::SEE_OTHER);
});

on_both!(search_marks_filters_and_counts, |t: TestApp| async move {
    let (project, client) = t.owner().await;
    let slug = &project.slug;
    let slow = said(&t, project.id, "The checkout is slow on my phone", |item| item.tags = vec!["speed".into()]).await;
    said(&t, project.id, "Please add a dark mode", |item| item.status = FeedbackStatus::Triaged).await;
    said(&t, project.id, "win money slow", |item| item.status = FeedbackStatus::Spam).await;
    searchable(&t).await;
    let page = client.get(&format!("/p/{slug}/inbox?q=slow")).await.body;
    assert!(page.contains("<mark>slow</mark>") && page.contains("1 item") && !page.contains("win money"), "{page}");
    assert!(!page.contains("being rebuilt"));
    let facet = format!("/p/{slug}/inbox?q=slow+tag%3Aspeed");
    assert!(page.contains(&format!("href=\"{facet}\"")), "{page}");
    let page = client.get(&facet).await.body;
    assert!(
        page.contains(&format!("row-{slow}"))
            && page.contains("active; remove this filter")
            && page.contains(&format!("href=\"/p/{slug}/inbox?q=slow\""))
    );
    // After the redirect, the list no longer contains the resolved item.
    let here = format!("/p/{slug}/inbox?q=status%3Anew");
    client.post(&format!("/p/{slug}/feedback/{slow}/status"), &[("status", "resolved"), ("version", "1"), ("return_to", &here)]).await;
    searchable(&t).await;
    assert!(!client.get(&here).await.body.contains(&format!("row-{slow}")));
});

on_both!(streams_end_with_the_session_and_with_the_membership, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let (vic, signed_out) = t.member(&project, "vic@example.com", Role::Viewer).await;
    let (max, removed) = t.member(&project, "max@example.com", Role::Viewer).await;
    let path = format!("/p/{}/events", project.slug);
    let mut streams = Vec::new();
    for client in [&owner, &signed_out, &removed] {
        let mut events = client.open(&path, &[]).await.into_body().into_data_stream();
        assert!(heard(&mut events).await.contains("listening"));
        streams.push(events);
    }
    t.app.store.write(move |tx| Box::pin(async move { tx.delete_sessions(vic, None).await })).await.unwrap();
    let page = owner.post(&format!("/p/{}/members/remove", project.slug), &[("staff", &max.to_string())]).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.body);
    // The next event reaches only people who are still allowed to see it.
    let id = said(&t, project.id, "new", |_| {}).await;
    assert!(heard(&mut streams[0]).await.contains(&id.to_string()));
    for events in &mut streams[1..] {
        let next = tokio::time::timeout(std::time::Duration::from_secs(10), events.next()).await.expect("an end in time");
        assert!(next.is_none(), "{next:?}");
    }
});

/// The URL of the first link in a page that contains `part`.
fn link_with(page: &str, part: &str) -> String {
    let found = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).find(|url| url.contains(part));
    found.unwrap_or_else(|| panic!("no link with {part} in {page}")).replace("&amp;", "&")
}

on_both!(without_the_index_nothing_is_called_absent_before_all_is_read, |t: TestApp| async move {
    let (project, client) = t.owner().await;
    let needle = said(&t, project.id, "A needle", |_| {}).await;
    let (own, now) = (project.id.to_string(), t.app.now().0);
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4100) \
                INSERT INTO feedback (id, project_id, kind, text, language, status, created_at, updated_at, version) \
                SELECT '00000000-0000-7000-8000-' || CAST(100000000000 + i AS TEXT), $1, 'api', 'hay', 'en', 'new', CAST($2 AS BIGINT) + i, 0, 1 FROM n";
    t.app
        .store
        .write(move |tx| Box::pin(async move { Ok(sqlx::query(many).bind(own).bind(now).execute(tx.conn()).await?) }))
        .await
        .unwrap();
    t.app.search.stop().await;
    let first = format!("/p/{}/inbox?q=needle", project.slug);
    let page = client.get(&first).await.body;
    assert!(page.contains("Nothing in the newest 4,000 yet") && !page.contains("No results"), "{page}");
    let page = client.get(&link_with(&page, "cursor=")).await.body;
    assert!(page.contains(&format!("row-{needle}")), "{page}");
    // A word without any match is reported once everything is read.
    let page = client.get(&format!("/p/{}/inbox?q=pin", project.slug)).await.body;
    let page = client.get(&link_with(&page, "cursor=")).await.body;
    assert!(page.contains("No more results") && !page.contains("No results"), "{page}");
    assert_eq!(link_with(&page, "q=pin"), format!("/p/{}/inbox?q=pin", project.slug));
    // In the opposite order, the match comes first.
    let page = client.get(&format!("{first}&sort=oldest")).await.body;
    assert!(page.contains(&format!("row-{needle}")));
    let page = client.get(&format!("/p/{}/inbox?q=pin&sort=oldest", project.slug)).await.body;
    assert!(page.contains("Nothing in the oldest 4,000 yet"), "{page}");
});

on_both!(an_inbox_of_nothing_but_spam_says_so, |t: TestApp| async move {
    let (project, client) = t.owner().await;
    let id = said(&t, project.id, "win money", |item| item.status = FeedbackStatus::Spam).await;
    searchable(&t).await;
    for _ in 0..2 {
        let page = client.get(&format!("/p/{}/inbox", project.slug)).await.body;
        assert!(page.contains("Only suspected spam") && !page.contains("No results"), "{page}");
        assert!(client.get(&link_with(&page, "q=status%3Aspam")).await.body.contains(&format!("row-{id}")));
        t.app.search.stop().await;
    }
});

on_both!(what_is_refused_at_an_item_keeps_the_list_around_it, |t: TestApp| async move {
    let (project, client) = t.owner().await;
    let slug = &project.slug;
    let id = said(&t, project.id, "The printer jams", |item| item.score = Some(4.0)).await;
    said(&t, project.id, "The printer is loud", |item| item.score = Some(4.0)).await;
    assert!(t.app.search.wait_until_caught_up(std::time::Duration::from_secs(10)).await);
    let here = format!("/p/{slug}/inbox?q=printer+score%3A3..5&item={id}");
    let long = "x".repeat(domain::feedback::MAX_TAG + 1);
    for (action, fields, why) in [
        ("tags", [("add", long.as_str()), ("version", "1")], "Tags can be up to 60 characters"),
        ("comments", [("body", " "), ("version", "1")], "Enter a comment first."),
    ] {
        let url = format!("/p/{slug}/feedback/{id}/{action}");
        let [first, second] = fields;
        let page = client.post(&url, &[first, second, ("return_to", &here)]).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{action}");
        assert!(page.body.contains(why), "{action}: {}", page.body);
        // The list, its query and the link back are shown, and the corrected form returns here.
        assert!(page.body.contains("inbox-list") && page.body.contains("is loud") && page.body.contains("Back to the list"), "{action}");
        assert!(page.body.contains(&format!("name=\"return_to\" value=\"{}\"", here.replace('&', "&amp;"))), "{action}: {}", page.body);
        // Sent from the item's own page, the response is that page.
        let page = client.post(&url, &[first, second]).await;
        assert!(
            page.status == StatusCode::UNPROCESSABLE_ENTITY && page.body.contains(why) && !page.body.contains("inbox-list"),
            "{action}"
        );
    }
    let fits = "x".repeat(domain::feedback::MAX_TAG);
    let done = client.post(&format!("/p/{slug}/feedback/{id}/tags"), &[("create", &fits), ("version", "1"), ("return_to", &here)]).await;
    assert_eq!((done.status, done.location()), (StatusCode::SEE_OTHER, here.as_str()));
    // All tag fields have the same maximum length.
    let page = client.get(&here).await;
    assert_eq!(page.body.matches("maxlength=\"60\"").count(), 2, "{}", page.body);
    let page = client.get(&format!("/p/{slug}/inbox?q=tag%3A{long}")).await;
    assert!(page.body.contains("up to 60 characters"), "{}", page.body);
});

on_both!(all_that_match_are_changed_and_taken_back_in_one, |t: TestApp| async move {
    let (project, client) = t.owner().await;
    let slug = &project.slug;
    let scope = Scope::system(project.id);
    let items: Vec<Feedback> = (0..604)
        .map(|n| Feedback {
            status: if n % 2 == 0 { FeedbackStatus::New } else { FeedbackStatus::Triaged },
            ..sample(&t.app, project.id, &format!("The printer jams, number {n}"))
        })
        .collect();
    let ids: Vec<FeedbackId> = items.iter().map(|i| i.id).collect();
    t.app
        .store
        .write(move |tx| {
            Box::pin(async move {
                for item in &items {
                    tx.insert_feedback(item, None).await?;
                }
                Ok(())
            })
        })
        .await
        .unwrap();
    let other = said(&t, project.id, "Something else", |_| {}).await;
    assert!(t.app.search.wait_until_caught_up(std::time::Duration::from_secs(30)).await);
    let here = format!("/p/{slug}/inbox?q=printer");
    let page = client.get(&here).await;
    assert!(page.body.contains("Select all 604 that match") && page.body.contains("Select all on this page"), "{}", page.body);
    // Bob changes one meanwhile: a change by query applies to the current matches.
    let (_, bob) = person(&t, &project, "Bob", Role::Triager).await;
    triage::edit(&t.app, &bob, &seen(ids[0], 1), FeedbackEdit::Status(FeedbackStatus::Spam)).await.unwrap();
    triage::edit(&t.app, &bob, &seen(ids[1], 1), FeedbackEdit::Status(FeedbackStatus::New)).await.unwrap();
    let fields = [("all", "1"), ("q", "printer"), ("do", "status:resolved"), ("return_to", here.as_str())];
    let done = client.post(&format!("/p/{slug}/feedback/bulk"), &fields).await;
    assert_eq!((done.status, done.location()), (StatusCode::SEE_OTHER, here.as_str()), "{}", done.body);
    let page = client.get(&here).await;
    assert!(page.body.contains("603 items set to Resolved."), "{}", page.body);
    let count = async |status: FeedbackStatus| {
        let items = t.app.store.feedback_by_ids(&scope, &ids).await.unwrap();
        items.into_iter().filter(|i| i.status == status).count()
    };
    assert_eq!((count(FeedbackStatus::Resolved).await, now_status(&t, &scope, other).await), (603, FeedbackStatus::New));

    // One undo for all of them, except those changed since.
    triage::edit(&t.app, &bob, &seen(ids[2], 2), FeedbackEdit::Status(FeedbackStatus::Triaged)).await.unwrap();
    let token = undo_token(&page.body);
    let undone = client.post(&format!("/p/{slug}/undo"), &[("token", &token), ("return_to", &here)]).await;
    assert!(client.get(undone.location()).await.body.contains("Undone for 602."));
    assert_eq!(
        [count(FeedbackStatus::New).await, count(FeedbackStatus::Triaged).await, count(FeedbackStatus::Resolved).await],
        [301, 302, 0]
    );
    let again = client.post(&format!("/p/{slug}/undo"), &[("token", &token), ("return_to", &here)]).await;
    assert!(client.get(again.location()).await.body.contains("nothing left to undo"));

    // Rejected as a whole: an invalid query, no matches, an invalid tag.
    let bulk = async |q: &str, tag: &str| {
        let fields = [("all", "1"), ("q", q), ("create", tag), ("return_to", here.as_str())];
        client.post(&format!("/p/{slug}/feedback/bulk"), &fields).await
    };
    assert_eq!(bulk("score:x", "a").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    for (q, tag, why) in [("nothinglikeit", "a", "Nothing matches"), ("printer", "a:b", "Tags can be")] {
        let page = bulk(q, tag).await;
        assert!(client.get(page.location()).await.body.contains(why), "{why}");
    }
    let (_, viewer) = t.member(&project, "viewer@example.com", Role::Viewer).await;
    assert_eq!(viewer.post(&format!("/p/{slug}/feedback/bulk"), &fields).await.status, StatusCode::FORBIDDEN);
    // While the index is stale, a change by query would use outdated matches.
    if t.database == Database::Postgres {
        let mut slow = sqlx::AnyConnection::connect(t.url.as_deref().unwrap()).await.unwrap();
        sqlx::raw_sql("BEGIN; SELECT CAST(pg_current_xact_id() AS TEXT)").execute(&mut slow).await.unwrap();
        let late = said(&t, project.id, "One more printer", |_| {}).await;
        let page = bulk("printer", "late").await;
        assert!(client.get(page.location()).await.body.contains("not up to date, so nothing was changed"));
        sqlx::raw_sql("ROLLBACK").execute(&mut slow).await.unwrap();
        assert!(client.get(bulk("printer", "late").await.location()).await.body.contains("604 items tagged"));
        assert_eq!(now(&t, &scope, late).await.tags, ["late"]);
    }
});

async fn now_status(t: &TestApp, scope: &Scope, id: FeedbackId) -> FeedbackStatus {
    now(t, scope, id).await.status
}
