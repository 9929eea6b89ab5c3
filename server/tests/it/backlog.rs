//! Backlog, through the router.

use axum::http::StatusCode;
use domain::{
    accounts::{Role, Scope},
    backlog::Importance,
    feedback::{Feedback, FeedbackStatus},
    ids::{ContactId, FeedbackId},
    projects::Project,
};
use service::backlog::{self, LinkInput, UnlinkOptions};

use crate::{
    on_both,
    support::{PASSWORD, TestApp, sample},
};

/// Adds feedback to a project.
async fn feedback(t: &TestApp, project: &Project, text: &str, contact: Option<ContactId>) -> FeedbackId {
    let feedback = Feedback { score: Some(3.0), score_max: Some(10.0), contact, ..sample(&t.app, project.id, text) };
    let id = feedback.id;
    t.app.store.write(move |tx| Box::pin(async move { tx.insert_feedback(&feedback, None).await })).await.unwrap();
    id
}

async fn contact(t: &TestApp, project: &Project) -> ContactId {
    let (id, project, now) = (t.id::<ContactId>(), project.id, t.app.now());
    t.app
        .store
        .write(move |tx| {
            Box::pin(async move {
                sqlx::query("INSERT INTO contacts (id, project_id, created_at, seen_at) VALUES ($1, $2, $3, $3)")
                    .bind(id.to_string())
                    .bind(project.to_string())
                    .bind(now.0)
                    .execute(tx.conn())
                    .await?;
                Ok(id)
            })
        })
        .await
        .unwrap()
}

async fn get(t: &TestApp, project: &Project, id: FeedbackId) -> Feedback {
    t.app.store.feedback_by_ids(&Scope::system(project.id), &[id]).await.unwrap().pop().unwrap()
}

fn all() -> LinkInput {
    LinkInput { quote: String::new(), importance: Importance::Normal }
}

/// A project without a signed-in user.
async fn project(t: &TestApp) -> (Project, Scope) {
    let project = service::projects::create(&t.app, "Quiet", vec![], None).await.unwrap();
    let scope = Scope::system(project.id);
    (project, scope)
}

on_both!(numbers_are_given_once_under_concurrency, |t: TestApp| async move {
    let (_, scope) = project(&t).await;
    let (_, other) = project(&t).await;
    let keys: Vec<String> = (0..20).map(|n| format!("key-{n:05}")).collect();
    let made = futures_util::future::join_all(keys.iter().map(|key| backlog::create(&t.app, &scope, key, "An item", ""))).await;
    let mut numbers: Vec<i64> = made.into_iter().map(Result::unwrap).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=20).collect::<Vec<_>>());
    // A retry returns the first result, other content with the same key creates another item, and each project has its own numbers.
    let again = backlog::create(&t.app, &scope, "key-00003", "An item", "").await.unwrap();
    assert!((1..=20).contains(&again));
    assert_eq!(backlog::create(&t.app, &scope, "key-00003", "Else", "").await.unwrap(), 21);
    assert_eq!(backlog::create(&t.app, &other, "key-00003", "First", "").await.unwrap(), 1);
});

on_both!(linking_is_idempotent_and_unlinking_restores, |t: TestApp| async move {
    let (project, scope) = project(&t).await;
    let said = feedback(&t, &project, "The export fails.\n\nAlways on Mondays.", None).await;
    let one = backlog::create(&t.app, &scope, "key-00001", "Export", "").await.unwrap();
    let two = backlog::create(&t.app, &scope, "key-00002", "Mondays", "").await.unwrap();
    let quote = LinkInput { quote: "fails. Always on".into(), importance: Importance::Critical };
    let done = backlog::link(&t.app, &scope, said, one, quote.clone()).await.unwrap();
    assert!(done.is_new && done.before == FeedbackStatus::New);
    assert_eq!(get(&t, &project, said).await.status, FeedbackStatus::Linked);
    let version = get(&t, &project, said).await.version;
    assert!(!backlog::link(&t.app, &scope, said, one, quote).await.unwrap().is_new);
    assert_eq!(get(&t, &project, said).await.version, version);
    let links = t.app.store.linked_items(&scope, said).await.unwrap();
    assert_eq!(links.len(), 1);
    assert_eq!((links[0].quote.as_deref(), links[0].importance), (Some("fails.\n\nAlways on"), Importance::Critical));

    backlog::link(&t.app, &scope, said, two, all()).await.unwrap();
    backlog::unlink(&t.app, &scope, said, one, UnlinkOptions::default()).await.unwrap();
    assert_eq!(get(&t, &project, said).await.status, FeedbackStatus::Linked, "one link is left");
    backlog::unlink(&t.app, &scope, said, two, UnlinkOptions::default()).await.unwrap();
    assert_eq!(get(&t, &project, said).await.status, FeedbackStatus::Triaged);
    assert!(!backlog::unlink(&t.app, &scope, said, two, UnlinkOptions::default()).await.unwrap().was_linked);

    // Undoing the link restores the status from before it.
    let fresh = feedback(&t, &project, "Another", None).await;
    let done = backlog::link(&t.app, &scope, fresh, one, all()).await.unwrap();
    backlog::unlink(&t.app, &scope, fresh, one, UnlinkOptions { restore: Some(done.before), with_item: false }).await.unwrap();
    assert_eq!(get(&t, &project, fresh).await.status, FeedbackStatus::New);

    let sentences: Vec<String> =
        t.app.store.history_entries(&scope, said).await.unwrap().into_iter().map(|e| e.change.sentence()).collect();
    assert!(sentences.iter().any(|s| s == "changed the status from New to Linked"), "{sentences:?}");
    assert!(sentences.iter().any(|s| s == "linked feedback to #1 Export"), "{sentences:?}");
    assert!(sentences.iter().any(|s| s == "changed the status from Linked to Triaged"), "{sentences:?}");
});

on_both!(taking_back_a_creation_takes_the_item_only_while_it_is_untouched, |t: TestApp| async move {
    let (project, scope) = project(&t).await;
    let created = async |key: &str, text: &str| {
        let said = feedback(&t, &project, text, None).await;
        (said, backlog::create_from(&t.app, &scope, key, said, "", all()).await.unwrap())
    };
    let undo = |done: &backlog::LinkOutcome| UnlinkOptions { restore: Some(done.before), with_item: true };

    let (said, done) = created("key-00001", "Dark mode").await;
    let back = backlog::unlink(&t.app, &scope, said, done.number, undo(&done)).await.unwrap();
    assert!(back.gone && back.undo.is_none());
    assert_eq!(get(&t, &project, said).await.status, FeedbackStatus::New);
    assert!(t.app.store.backlog_item(&scope, done.number).await.unwrap().is_none());

    // If the item was linked to other feedback or edited meanwhile, undo removes only the link.
    let (said, done) = created("key-00002", "Light mode").await;
    let other = feedback(&t, &project, "Me too", None).await;
    backlog::link(&t.app, &scope, other, done.number, all()).await.unwrap();
    assert!(!backlog::unlink(&t.app, &scope, said, done.number, undo(&done)).await.unwrap().gone);
    let (said, edited) = created("key-00003", "Sepia mode").await;
    backlog::edit(&t.app, &scope, edited.number, 1, "Sepia", "").await.unwrap();
    assert!(!backlog::unlink(&t.app, &scope, said, edited.number, undo(&edited)).await.unwrap().gone);
    for number in [done.number, edited.number] {
        assert!(t.app.store.backlog_item(&scope, number).await.unwrap().is_some());
    }
});

on_both!(a_number_is_never_given_to_a_second_item, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let scope = Scope::system(project.id);
    let said = feedback(&t, &project, "Dark mode, please", None).await;
    let made = backlog::create_from(&t.app, &scope, "key-00001", said, "", all()).await.unwrap();
    let undo = || UnlinkOptions { restore: Some(made.before), with_item: true };
    assert!(backlog::unlink(&t.app, &scope, said, made.number, undo()).await.unwrap().gone);
    let next = backlog::create(&t.app, &scope, "key-00002", "Something else", "").await.unwrap();
    assert_eq!((made.number, next), (1, 2), "the number of the removed item stays unused");

    // A link form opened before the removal still names #1: it is rejected, and keeps its values.
    let form = [("item", "1"), ("quote", "Dark mode"), ("importance", "critical")];
    let page = owner.post(&format!("/p/{}/feedback/{said}/link", project.slug), &form).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.body.contains("Backlog item #1 was removed") && page.body.contains("Dark mode</textarea>"), "{}", page.body);
    assert!(t.app.store.linked_items(&scope, said).await.unwrap().is_empty());
    // A repeated undo and a form for the item itself are rejected too.
    let again = backlog::unlink(&t.app, &scope, said, 1, undo()).await.unwrap_err();
    assert!(matches!(again.refusal(), Some(domain::DomainError::Conflict(text)) if text.contains("#1 was removed")), "{again}");
    let edit = [("title", "x"), ("body", ""), ("version", "1")];
    let page = owner.post(&format!("/p/{}/backlog/1", project.slug), &edit).await;
    assert!(page.status == StatusCode::NOT_FOUND || page.status == StatusCode::CONFLICT, "{}", page.status);
    // A number that was never assigned returns "not found".
    let never = backlog::link(&t.app, &scope, said, 3, all()).await.unwrap_err();
    assert!(matches!(never.refusal(), Some(domain::DomainError::NotFound)), "{never}");

    // A node of the previous version assigns the highest number plus one, and does not advance the counter.
    let (id, own) = (t.id::<uuid::Uuid>().to_string(), project.id.to_string());
    let by_the_version_before = "INSERT INTO backlog_items (id, project_id, number, title, body, search, status, created_at, updated_at, version) \
                                 SELECT $1, $2, MAX(number) + 1, 'Old', '', 'old', 'open', 1, 1, 1 FROM backlog_items WHERE project_id = $2";
    t.app
        .store
        .write(move |tx| Box::pin(async move { Ok(sqlx::query(by_the_version_before).bind(id).bind(own).execute(tx.conn()).await?) }))
        .await
        .unwrap();
    assert_eq!(backlog::create(&t.app, &scope, "key-00003", "New", "").await.unwrap(), 4);
});

on_both!(concurrent_links_of_one_pair_are_one, |t: TestApp| async move {
    let (project, scope) = project(&t).await;
    let said = feedback(&t, &project, "Slow", None).await;
    let item = backlog::create(&t.app, &scope, "key-00001", "Speed", "").await.unwrap();
    let done = futures_util::future::join_all((0..8).map(|_| backlog::link(&t.app, &scope, said, item, all()))).await;
    assert_eq!(done.into_iter().filter(|d| d.as_ref().unwrap().is_new).count(), 1);
    assert_eq!(t.app.store.linked_items(&scope, said).await.unwrap().len(), 1);
});

on_both!(the_quote_must_stand_in_the_text, |t: TestApp| async move {
    let (project, scope) = project(&t).await;
    let said = feedback(&t, &project, "The export fails.", None).await;
    let item = backlog::create(&t.app, &scope, "key-00001", "Export", "").await.unwrap();
    let wrong = LinkInput { quote: "the import".into(), importance: Importance::Normal };
    let refused = backlog::link(&t.app, &scope, said, item, wrong.clone()).await.unwrap_err();
    assert!(matches!(refused.refusal(), Some(domain::DomainError::Invalid(e)) if e.message_for("quote").is_some()), "{refused}");
    backlog::create_from(&t.app, &scope, "key-00009", said, "New", wrong).await.unwrap_err();
    assert!(t.app.store.backlog_item(&scope, 2).await.unwrap().is_none(), "a refused link leaves no item behind");
    assert_eq!(get(&t, &project, said).await.status, FeedbackStatus::New);
});

on_both!(an_item_made_from_feedback_takes_its_first_sentence, |t: TestApp| async move {
    let (project, scope) = project(&t).await;
    let said = feedback(&t, &project, "The export fails. I am sad.", None).await;
    let made = backlog::create_from(&t.app, &scope, "key-00001", said, "", all()).await.unwrap();
    assert_eq!((made.number, made.title.as_str()), (1, "The export fails"));
    let again = backlog::create_from(&t.app, &scope, "key-00001", said, "", all()).await.unwrap();
    assert_eq!(again.number, 1);
    assert!(t.app.store.backlog_item(&scope, 2).await.unwrap().is_none());
});

on_both!(evidence_counts_people_once_and_sorts_the_list, |t: TestApp| async move {
    let (project, scope) = project(&t).await;
    for (n, title) in ["One voice, thrice", "Two people", "Nobody", "Élan vital 50%"].iter().enumerate() {
        backlog::create(&t.app, &scope, &format!("key-{n:05}"), title, "").await.unwrap();
    }
    let (anna, ben) = (contact(&t, &project).await, contact(&t, &project).await);
    for _ in 0..3 {
        let said = feedback(&t, &project, "Again", Some(anna)).await;
        backlog::link(&t.app, &scope, said, 1, all()).await.unwrap();
    }
    for who in [Some(ben), None] {
        let said = feedback(&t, &project, "Me too", who).await;
        backlog::link(&t.app, &scope, said, 2, LinkInput { importance: Importance::Critical, quote: String::new() }).await.unwrap();
    }
    // Spam does not count.
    let spam = feedback(&t, &project, "Buy", None).await;
    backlog::link(&t.app, &scope, spam, 3, all()).await.unwrap();
    let id = spam.to_string();
    t.app
        .store
        .write(move |tx| {
            Box::pin(async move {
                sqlx::query("UPDATE feedback SET status = 'spam' WHERE id = $1").bind(id).execute(tx.conn()).await?;
                Ok(())
            })
        })
        .await
        .unwrap();
    let list = t.app.store.backlog_list(&scope, &backlog::filter("", None), 10, 0).await.unwrap();
    let seen: Vec<(i64, i64, i64, i64)> =
        list.iter().map(|i| (i.number, i.evidence.people, i.evidence.said, i.evidence.critical)).collect();
    assert_eq!(seen, [(2, 2, 2, 2), (1, 1, 3, 0), (4, 0, 0, 0), (3, 0, 0, 0)]);
    let found = async |text: &str| {
        let list = t.app.store.backlog_list(&scope, &backlog::filter(text, None), 10, 0).await.unwrap();
        list.into_iter().map(|i| i.number).collect::<Vec<_>>()
    };
    assert_eq!(found("elan VITAL").await, [4]);
    assert_eq!(found("50%").await, [4]);
    assert_eq!(found("%").await, [4], "a percent sign is a letter like any other");
    assert_eq!(found("#3").await, [3]);
    assert_eq!(found("nothing like it").await, Vec::<i64>::new());
});

on_both!(the_list_shows_what_is_left_to_do_and_an_item_who_asked, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let base = format!("/p/{}/backlog", project.slug);
    for title in ["Export as PDF", "Faster search", "A fax machine"] {
        owner.post(&base, &[("title", title)]).await;
    }
    let anna = contact(&t, &project).await;
    for who in [Some(anna), None] {
        let said = feedback(&t, &project, "Please", who).await;
        owner.post(&format!("/p/{}/feedback/{said}/link", project.slug), &[("item", "1")]).await;
    }
    for (number, status) in [(1, "shipped"), (3, "declined")] {
        let done = owner.post(&format!("{base}/{number}/status"), &[("status", status), ("version", "1")]).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER);
    }
    // A shipped item is not listed among the active ones, even with the most people behind it.
    let listed = |body: &str| ["Export as PDF", "Faster search", "A fax machine"].map(|title| body.contains(title));
    let active = owner.get(&base).await;
    assert_eq!(listed(&active.body), [false, true, false], "{}", active.body);
    assert!(active.body.contains("Active"), "{}", active.body);
    assert_eq!(listed(&owner.get(&format!("{base}?status=all")).await.body), [true, true, true]);
    assert_eq!(listed(&owner.get(&format!("{base}?status=shipped")).await.body), [true, false, false]);
    // A search without active matches links to all items and keeps the query.
    let none = owner.get(&format!("{base}?q=fax")).await;
    assert!(none.body.contains(&format!("{base}?status=all&amp;q=fax")), "{}", none.body);

    let item = owner.get(&format!("{base}/1")).await;
    assert_eq!(item.body.matches("Anonymous").count(), 2, "{}", item.body);
    let named = async |sql: &'static str| {
        t.app
            .store
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query(sql).execute(tx.conn()).await?;
                    Ok(())
                })
            })
            .await
            .unwrap();
        owner.get(&format!("{base}/1")).await.body
    };
    let body = named("UPDATE contacts SET email = 'anna@example.com'").await;
    assert!(body.contains("anna@example.com") && body.matches("Anonymous").count() == 1, "{body}");
    let body = named("UPDATE contacts SET name = 'Anna <b>'").await;
    assert!(body.contains("Anna &lt;b&gt;") && !body.contains("anna@example.com"), "{body}");
});

/// The token in a page's undo button.
fn undo_token(page: &str) -> String {
    let toast = page.split("id=\"toasts\"").nth(1).expect("toasts");
    toast.split("name=\"token\" value=\"").nth(1).expect("an undo").split('"').next().unwrap().to_owned()
}

on_both!(another_persons_quote_is_changed_with_history_and_undo, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let (_, other) = t.member(&project, "other@example.com", Role::Triager).await;
    let scope = Scope::system(project.id);
    let text = format!("The export fails. {} And the import too.", "Ä".repeat(1_900));
    let said = feedback(&t, &project, &text, None).await;
    let base = format!("/p/{}", project.slug);
    let (link, undo) = (format!("{base}/feedback/{said}/link"), format!("{base}/undo"));
    owner.post(&format!("{base}/backlog"), &[("title", "Export")]).await;
    owner.post(&link, &[("item", "1"), ("quote", "The export fails"), ("importance", "critical")]).await;
    let says = async || {
        let links = t.app.store.linked_items(&scope, said).await.unwrap();
        links.into_iter().map(|l| (l.quote.unwrap_or_default(), l.importance)).next()
    };
    let sentences = async || {
        let history = t.app.store.history_entries(&scope, said).await.unwrap();
        history.into_iter().map(|e| format!("{} {}", e.by.unwrap_or_default(), e.change.sentence())).collect::<Vec<_>>()
    };

    let done = other.post(&link, &[("item", "1"), ("quote", "And the import too"), ("importance", "critical")]).await;
    let page = other.get(done.location()).await;
    assert!(page.body.contains("Changed the quote of #1 Export."), "{}", page.body);
    assert_eq!(says().await, Some(("And the import too".into(), Importance::Critical)));
    assert!(sentences().await.contains(&"other changed the quote of #1 Export".to_owned()), "{:?}", sentences().await);
    let item = owner.get(&format!("{base}/backlog/1")).await;
    assert!(item.body.contains("changed the quote of feedback"), "{}", item.body);
    let token = undo_token(&page.body);
    other.post(&undo, &[("token", &token)]).await;
    assert_eq!(says().await, Some(("The export fails".into(), Importance::Critical)));

    // Changing only the importance keeps the quote.
    let done = other.post(&link, &[("item", "1"), ("importance", "nice")]).await;
    let page = other.get(done.location()).await;
    assert!(page.body.contains("Changed the importance of #1 Export."), "{}", page.body);
    assert_eq!(says().await, Some(("The export fails".into(), Importance::Nice)));
    // Sending the current values changes nothing.
    let done = owner.post(&link, &[("item", "1"), ("importance", "nice")]).await;
    assert!(owner.get(done.location()).await.body.contains("Already linked to #1 Export."));
    // Undo does not overwrite a later change.
    let token = undo_token(&page.body);
    owner.post(&link, &[("item", "1"), ("importance", "normal")]).await;
    let late = other.post(&undo, &[("token", &token)]).await;
    assert!(other.get(late.location()).await.body.contains("Nothing was undone"));
    assert_eq!(says().await, Some(("The export fails".into(), Importance::Normal)));

    // Undo restores a quote of any length with the link.
    let long = &text[..text.find(" And").unwrap()];
    owner.post(&link, &[("item", "1"), ("quote", long)]).await;
    let gone = owner.post(&format!("{base}/feedback/{said}/unlink"), &[("item", "1")]).await;
    let page = owner.get(gone.location()).await;
    assert!(says().await.is_none() && page.body.contains("Unlinked from #1 Export."), "{}", page.body);
    let token = undo_token(&page.body);
    assert!(!page.body.contains(&format!("value=\"{long}")));
    // Another person cannot undo it.
    other.post(&undo, &[("token", &token)]).await;
    assert!(says().await.is_none());
    owner.post(&undo, &[("token", &token)]).await;
    assert_eq!(says().await, Some((long.to_owned(), Importance::Normal)));
    assert_eq!(get(&t, &project, said).await.status, FeedbackStatus::Linked);
});

on_both!(an_edit_of_an_item_is_taken_back_while_it_stands, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let base = format!("/p/{}", project.slug);
    let (item, undo) = (format!("{base}/backlog/1"), format!("{base}/undo"));
    owner.post(&format!("{base}/backlog"), &[("title", "Export"), ("body", "As it was")]).await;
    let stored = async || {
        let item = t.app.store.backlog_item(&Scope::system(project.id), 1).await.unwrap().unwrap();
        (item.title, item.body, item.version)
    };
    let done = owner.post(&item, &[("title", "Exports"), ("body", ""), ("version", "1")]).await;
    let page = owner.get(done.location()).await;
    assert!(page.body.contains("Saved.") && page.body.contains("Undo"), "{}", page.body);
    let back = owner.post(&undo, &[("token", &undo_token(&page.body)), ("return_to", &item)]).await;
    assert_eq!((back.status, back.location()), (StatusCode::SEE_OTHER, item.as_str()));
    assert_eq!(stored().await, ("Export".into(), "As it was".into(), 3));
    assert!(owner.get(&item).await.body.contains("changed the title from “Exports”"));
    // The old title finds it again.
    assert!(owner.get(&format!("{base}/backlog?q=as+it+was")).await.body.contains("#1 "));
    // A later change is not undone.
    let done = owner.post(&item, &[("title", "Second"), ("body", ""), ("version", "3")]).await;
    let token = undo_token(&owner.get(done.location()).await.body);
    owner.post(&item, &[("title", "Third"), ("body", ""), ("version", "4")]).await;
    let late = owner.post(&undo, &[("token", &token), ("return_to", &item)]).await;
    assert!(owner.get(late.location()).await.body.contains("Olga Owner changed this item"));
    assert_eq!(stored().await.0, "Third");
    // Saving the current values offers no undo.
    let done = owner.post(&item, &[("title", "Third"), ("body", ""), ("version", "5")]).await;
    assert!(!owner.get(done.location()).await.body.contains("name=\"token\""));
});

on_both!(a_change_meanwhile_is_not_overwritten, |t: TestApp| async move {
    let staff = service::accounts::create_staff(&t.app, "olga@example.com", "Olga Owner", PASSWORD).await.unwrap();
    let project = service::projects::create(&t.app, "My app", vec![], Some(staff)).await.unwrap();
    let scope = t.app.store.team_member(staff).await.unwrap().scope(project.id, Role::Owner).unwrap();
    let number = backlog::create(&t.app, &scope, "key-00001", "Export", "").await.unwrap();
    backlog::edit(&t.app, &scope, number, 1, "Export as CSV", "").await.unwrap();
    let said = feedback(&t, &project, "Hm", None).await;
    t.clock.advance_ms(60_000);
    backlog::link(&t.app, &scope, said, number, all()).await.unwrap();
    t.clock.advance_ms(60_000);
    let refused = backlog::edit(&t.app, &scope, number, 1, "Export as PDF", "").await.unwrap_err();
    let Some(domain::DomainError::Conflict(text)) = refused.refusal() else { panic!("{refused}") };
    assert!(text.starts_with("Olga Owner changed this item 2 min ago"), "{text}");
    assert_eq!(t.app.store.backlog_item(&scope, number).await.unwrap().unwrap().title, "Export as CSV");
});

on_both!(roles_and_foreign_projects, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let (_, viewer) = t.member(&project, "viewer@example.com", Role::Viewer).await;
    let said = feedback(&t, &project, "The export fails. Always.", None).await;
    let base = format!("/p/{}", project.slug);
    let inbox = format!("{base}/inbox?q=export&sort=new");
    let made = owner.post(&format!("{base}/feedback/{said}/backlog"), &[("title", "Export"), ("return_to", &inbox)]).await;
    assert_eq!((made.status, made.location()), (StatusCode::SEE_OTHER, inbox.as_str()), "{}", made.body);

    let refused = viewer.post(&format!("{base}/feedback/{said}/unlink"), &[("item", "1")]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let seen = viewer.get(&format!("{base}/feedback/{said}/link")).await;
    assert!(seen.status == StatusCode::OK && seen.body.contains("Export") && !seen.body.contains("Create and link"), "{}", seen.body);

    // An invalid quote shows the form again with its values.
    let again = owner
        .post(
            &format!("{base}/feedback/{said}/link"),
            &[("item", "1"), ("quote", "not there"), ("title", "mine"), ("importance", "critical")],
        )
        .await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(again.body.contains("not there") && again.body.contains("This quote is not in the feedback") && again.body.contains("mine"));

    // Posts redirect only to pages of the project.
    for bad in ["https://evil.example/", "//evil.example/", "/p/other/inbox", "/p/my-app/\u{e9}"] {
        let done = owner.post(&format!("{base}/feedback/{said}/link"), &[("item", "1"), ("return_to", bad)]).await;
        assert_eq!(done.location(), format!("{base}/feedback/{said}"), "{bad}");
    }
    // Undoing an unlink links again.
    let gone = owner
        .post(&format!("{base}/feedback/{said}/unlink"), &[("item", "1"), ("return_to", &format!("{base}/feedback/{said}/link"))])
        .await;
    let page = owner.get(gone.location()).await;
    assert!(page.body.contains("Unlinked from #1 Export.") && page.body.contains("Undo"), "{}", page.body);

    let (foreign, scope) = self::project(&t).await;
    let theirs = feedback(&t, &foreign, "Secret", None).await;
    backlog::create(&t.app, &scope, "key-00001", "Theirs", "").await.unwrap();
    for path in [
        format!("{base}/feedback/{theirs}/link"),
        format!("/p/{}/feedback/{theirs}/link", foreign.slug),
        format!("{base}/feedback/nonsense/link"),
    ] {
        assert_eq!(owner.get(&path).await.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(owner.post(&path, &[("item", "1")]).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(owner.post(&format!("{base}/feedback/{said}/link"), &[("item", "99")]).await.status, StatusCode::NOT_FOUND);
});

on_both!(pages_of_the_backlog, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let (_, viewer) = t.member(&project, "viewer@example.com", Role::Viewer).await;
    let base = format!("/p/{}/backlog", project.slug);
    let empty = owner.get(&base).await;
    assert!(empty.body.contains("Nothing in the backlog yet") && empty.body.contains("Create item"), "{}", empty.body);
    let refused = owner.post(&base, &[("title", " "), ("body", "kept text")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.body.contains("Enter a title for the item.") && refused.body.contains("kept text"));
    let made = owner.post(&base, &[("title", "Export <b>fails</b>"), ("body", "Line one\n\nLine two")]).await;
    assert_eq!(made.location(), format!("{base}/1"));
    let said = feedback(&t, &project, "Before. The export fails, sadly. After <i>.", None).await;
    let quote = [("item", "1"), ("quote", "The export fails"), ("importance", "critical")];
    let linked = owner.post(&format!("/p/{}/feedback/{said}/link", project.slug), &quote).await;
    assert_eq!(linked.status, StatusCode::SEE_OTHER);

    let page = owner.get(&format!("{base}/1")).await;
    for part in [
        "#1 Export &lt;b&gt;fails&lt;/b&gt;",
        "<mark>The export fails</mark>",
        "1 person",
        "1 item of feedback",
        "3 of 10",
        "Critical",
        "linked feedback",
        "created this",
    ] {
        assert!(page.body.contains(part), "{part}: {}", page.body);
    }
    assert!(page.body.contains(&format!("/p/{}/feedback/{said}", project.slug)));
    let read_only = viewer.get(&format!("{base}/1")).await;
    assert!(read_only.status == StatusCode::OK && !read_only.body.contains("Change status") && !read_only.body.contains("Unlink"));
    assert_eq!(viewer.post(&base, &[("title", "No")]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(viewer.post(&format!("{base}/1/status"), &[("status", "shipped"), ("version", "1")]).await.status, StatusCode::FORBIDDEN);

    let done = owner.post(&format!("{base}/1/status"), &[("status", "planned"), ("version", "1")]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER);
    let page = owner.get(done.location()).await;
    assert!(page.body.contains("Status: Planned.") && page.body.contains("Undo"), "{}", page.body);
    owner.post(&format!("{base}/1/status"), &[("status", "open"), ("version", "2")]).await;
    assert_eq!(t.app.store.backlog_item(&Scope::system(project.id), 1).await.unwrap().unwrap().status.as_str(), "open");

    // From an old version: nothing is lost or overwritten.
    let late = owner.post(&format!("{base}/1"), &[("title", "Mine"), ("body", "my text"), ("version", "1")]).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    assert!(late.body.contains("Olga Owner changed this item") && late.body.contains("my text"), "{}", late.body);
    let saved = owner.post(&format!("{base}/1"), &[("title", "Mine"), ("body", "my text"), ("version", "3")]).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER);

    let list = owner.get(&format!("{base}?status=open&q=MINE")).await;
    assert!(list.body.contains("#1 ") && list.body.contains("1 critical"), "{}", list.body);
    assert!(owner.get(&format!("{base}?status=shipped")).await.body.contains("No items here"));
    for bad in ["/99", "/abc", "/-1", "/99999999999999999999"] {
        assert_eq!(owner.get(&format!("{base}{bad}")).await.status, StatusCode::NOT_FOUND, "{bad}");
    }
    for odd in ["?page=99", "?page=-3", "?page=x", "?status=nonsense", "?q=%25%5C_%00"] {
        assert_eq!(owner.get(&format!("{base}{odd}")).await.status, StatusCode::OK, "{odd}");
    }
});
