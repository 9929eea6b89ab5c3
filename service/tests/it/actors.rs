//! Actors: an API key acts under its own name, and never counts as a person.

use domain::{
    DomainError as Refusal,
    accounts::{Actor, Role, Scope, key::Access},
    feedback::FeedbackStatus,
    ids::StaffId,
};
use service::{
    keys::{self, ApiKeyInput},
    projects,
    triage::{self, FeedbackEdit, ItemVersion},
    undo,
};

use testing::{TestApp, on_both, sample};

const WANTED: ApiKeyInput<'_> = ApiKeyInput { name: "Importer", access: Access::Admin, days: None };

on_both!(a_key_acts_under_its_own_name, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let person = t.app.store.team_member(owner).await.unwrap().scope(project.id, Role::Owner).unwrap();
    let made = keys::create(&t.app, &person, &WANTED, "key-00000001").await.unwrap().unwrap();
    let key = keys::find(&t.app, &made.secret).await.unwrap();
    let program = keys::scope(&key, project.id, Role::Triager).unwrap();
    assert_eq!((program.actor(), program.staff(), program.role()), (Actor::ApiKey(key.id), None, Role::Admin));
    let other = projects::create(&t.app, "Other", vec![], Some(owner)).await.unwrap();
    assert_eq!(keys::scope(&key, other.id, Role::Viewer), Err(Refusal::NotFound), "a key works in one project only");

    let item = sample(&t.app, project.id, "Slow");
    let id = item.id;
    t.app.store.write(move |tx| Box::pin(async move { tx.insert_feedback(&item, None).await })).await.unwrap();
    triage::comment(&t.app, &program, id, "Looks bad", "comment-00001").await.unwrap();
    assert_eq!(t.app.store.comments_on(&person, id).await.unwrap()[0].name, "Importer");
    let version = t.app.store.feedback_by_ids(&person, &[id]).await.unwrap()[0].version;
    let edit = FeedbackEdit::Status(FeedbackStatus::Triaged);
    let done = triage::edit(&t.app, &program, &[ItemVersion { id, version }], edit).await.unwrap();
    assert_eq!(t.app.store.history_entries(&person, id).await.unwrap()[0].by.as_deref(), Some("Importer"));
    // Only the key itself can undo its change.
    let undone = undo::undo(&t.app, &person, done.undo.unwrap()).await.unwrap_err();
    assert!(matches!(undone.refusal(), Some(Refusal::NotFound)), "{undone}");
    assert_eq!(undo::undo(&t.app, &program, done.undo.unwrap()).await.unwrap().changed, 1);
});

on_both!(no_list_of_people_contains_a_key, |t: TestApp| async move {
    let alone = projects::create(&t.app, "Alone", vec![], None).await.unwrap();
    keys::create(&t.app, &Scope::system(alone.id), &WANTED, "key-00000001").await.unwrap().unwrap();
    assert!(!t.app.store.has_staff().await.unwrap(), "a key is not an account");

    let (project, owner) = t.owner().await;
    let scope = t.app.store.team_member(owner).await.unwrap().scope(project.id, Role::Owner).unwrap();
    let key = keys::create(&t.app, &scope, &WANTED, "key-00000002").await.unwrap().unwrap().key;
    let as_person = StaffId(key.id.0);
    assert_eq!(t.app.store.members(&scope).await.unwrap().iter().map(|m| m.staff).collect::<Vec<_>>(), [owner]);
    assert_eq!(t.app.store.assignable(&scope).await.unwrap().iter().map(|who| who.id).collect::<Vec<_>>(), [owner]);
    assert!(t.app.store.staff_by_id(as_person).await.unwrap().is_none());
    assert!(t.app.store.staff_by_email(&format!("key:{}", key.id)).await.unwrap().is_none());
    assert!(t.app.store.team_member(as_person).await.unwrap().roles.is_empty() && !t.app.store.is_operator(as_person).await.unwrap());
    let operators = t.app.store.write(|tx| Box::pin(async move { tx.operators().await })).await.unwrap();
    assert!(operators.is_empty());
    assert_eq!(t.app.store.actor_name(key.id.into()).await.unwrap().as_deref(), Some("Importer"));
    // Feedback cannot be assigned to a key, and a key cannot create keys.
    let item = sample(&t.app, project.id, "Slow");
    let seen = ItemVersion { id: item.id, version: item.version };
    t.app.store.write(move |tx| Box::pin(async move { tx.insert_feedback(&item, None).await })).await.unwrap();
    let refused = triage::edit(&t.app, &scope, &[seen], FeedbackEdit::Assign(Some(as_person))).await.unwrap_err();
    assert!(matches!(refused.refusal(), Some(Refusal::Invalid(_))), "{refused}");
    let program = keys::scope(&key, project.id, Role::Admin).unwrap();
    let refused = keys::create(&t.app, &program, &WANTED, "key-00000003").await.unwrap_err();
    assert!(matches!(refused.refusal(), Some(Refusal::Forbidden)), "{refused}");
});
