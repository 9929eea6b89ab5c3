//! Inbox, through the router.

use domain::{
    Error as Refusal,
    accounts::{Role, Scope},
    feedback::{Feedback, Kind, Status},
    history::Change,
    ids::{FeedbackId, ProjectId, StaffId},
    projects::Project,
};
use server::triage::{self, Edit, Seen};

use crate::{on_both, support::TestApp};

/// Adds feedback, changed by `change`, and gives its id.
async fn said(t: &TestApp, project: ProjectId, text: &str, change: impl FnOnce(&mut Feedback)) -> FeedbackId {
    let mut item = Feedback {
        id: t.app.id(),
        project,
        kind: Kind::Api,
        text: text.into(),
        score: None,
        score_max: None,
        contact: None,
        survey: None,
        response: None,
        page_url: None,
        release: None,
        environment: None,
        language: "en".into(),
        status: Status::New,
        assignee: None,
        tags: vec![],
        spam_reasons: vec![],
        created_at: t.app.now(),
        updated_at: t.app.now(),
        version: 1,
    };
    change(&mut item);
    let id = item.id;
    assert!(t.app.store.write(move |tx| Box::pin(async move { tx.insert_feedback(&item, None).await })).await.unwrap());
    id
}

/// A member of the project without a browser, and the capability to act as them.
async fn person(t: &TestApp, project: &Project, name: &str, role: Role) -> (StaffId, Scope) {
    let staff = server::accounts::create_staff(&t.app, &format!("{name}@example.com"), name, crate::support::PASSWORD).await.unwrap();
    let (id, now) = (project.id, t.app.now());
    t.app.store.write(move |tx| Box::pin(async move { tx.set_role(id, staff, role, now).await })).await.unwrap();
    let actor = t.app.store.actor(staff).await.unwrap();
    (staff, actor.scope(project.id, Role::Viewer).unwrap())
}

async fn project(t: &TestApp) -> Project {
    server::projects::create(&t.app, "My app", vec![], None).await.unwrap()
}

async fn now(t: &TestApp, scope: &Scope, id: FeedbackId) -> Feedback {
    t.app.store.feedback_by_ids(scope, &[id]).await.unwrap().remove(0)
}

fn refused<T: std::fmt::Debug>(result: server::error::Result<T>) -> Refusal {
    result.unwrap_err().refusal().expect("a refusal").clone()
}

fn seen(id: FeedbackId, version: i64) -> [Seen; 1] {
    [Seen { id, version }]
}

on_both!(each_change_is_kept_with_its_history, |t: TestApp| async move {
    let project = project(&t).await;
    let (ann, scope) = person(&t, &project, "Ann", Role::Triager).await;
    let id = said(&t, project.id, "It is slow", |_| {}).await;
    t.clock.advance_ms(1000);
    triage::edit(&t.app, &scope, &seen(id, 1), Edit::Status(Status::Triaged)).await.unwrap();
    triage::edit(&t.app, &scope, &seen(id, 2), Edit::Assign(Some(ann))).await.unwrap();
    let tags = Edit::Tags { add: vec!["Slow Page, billing".into()], remove: vec![] };
    triage::edit(&t.app, &scope, &seen(id, 3), tags).await.unwrap();
    let tags = Edit::Tags { add: vec![], remove: vec!["billing".into()] };
    triage::edit(&t.app, &scope, &seen(id, 4), tags).await.unwrap();
    triage::comment(&t.app, &scope, id, " Known. ", "key-00001").await.unwrap();
    triage::comment(&t.app, &scope, id, " Known. ", "key-00001").await.unwrap();
    let item = now(&t, &scope, id).await;
    assert_eq!((item.status, item.assignee, item.version), (Status::Triaged, Some(ann), 6));
    assert_eq!(item.tags, ["slow-page"]);
    assert_eq!(item.updated_at, t.app.now());
    let comments = t.app.store.comments_on(&scope, id).await.unwrap();
    assert_eq!(comments.iter().map(|c| (c.name.as_str(), c.body.as_str())).collect::<Vec<_>>(), [("Ann", "Known.")]);
    let mut history: Vec<Change> = t.app.store.history_of(&scope, id).await.unwrap().into_iter().map(|e| e.change).collect();
    history.reverse();
    assert_eq!(
        history,
        [
            Change::Status { from: "New".into(), to: "Triaged".into() },
            Change::Assigned { from: None, to: Some("Ann".into()) },
            Change::Tagged { added: vec!["billing".into(), "slow-page".into()], removed: vec![] },
            Change::Tagged { added: vec![], removed: vec!["billing".into()] },
            Change::Commented,
        ]
    );
});

on_both!(what_another_person_did_is_never_overwritten, |t: TestApp| async move {
    let project = project(&t).await;
    let (_, ann) = person(&t, &project, "Ann", Role::Triager).await;
    let (_, bob) = person(&t, &project, "Bob", Role::Admin).await;
    let id = said(&t, project.id, "x", |_| {}).await;
    triage::edit(&t.app, &ann, &seen(id, 1), Edit::Status(Status::Resolved)).await.unwrap();
    t.clock.advance_ms(120_000);
    let why = refused(triage::edit(&t.app, &bob, &seen(id, 1), Edit::Status(Status::Spam)).await);
    assert_eq!(why, Refusal::Conflict("Ann changed the status from New to Resolved 2 min ago. Your change was not applied.".into()));
    assert_eq!(now(&t, &bob, id).await.status, Status::Resolved);
    // The same wish is no conflict, another part is none, tags and comments add up, and one's own work may be changed.
    let outcome = triage::edit(&t.app, &bob, &seen(id, 1), Edit::Status(Status::Resolved)).await.unwrap();
    assert_eq!((outcome.changed, outcome.same), (0, 1));
    triage::edit(&t.app, &bob, &seen(id, 1), Edit::Assign(bob.staff())).await.unwrap();
    triage::edit(&t.app, &bob, &seen(id, 1), Edit::Tags { add: vec!["b".into()], remove: vec![] }).await.unwrap();
    triage::edit(&t.app, &ann, &seen(id, 1), Edit::Tags { add: vec!["a".into()], remove: vec![] }).await.unwrap();
    triage::edit(&t.app, &ann, &seen(id, 1), Edit::Status(Status::Triaged)).await.unwrap();
    let item = now(&t, &ann, id).await;
    assert_eq!((item.status, item.tags.len(), item.assignee), (Status::Triaged, 2, bob.staff()));
});

on_both!(many_at_once_and_taken_back, |t: TestApp| async move {
    let project = project(&t).await;
    let (_, ann) = person(&t, &project, "Ann", Role::Triager).await;
    let (_, bob) = person(&t, &project, "Bob", Role::Triager).await;
    let mut items = Vec::new();
    for n in 0..20 {
        let status = if n % 2 == 0 { Status::New } else { Status::Triaged };
        let id = said(&t, project.id, &format!("item {n}"), |item| item.status = status).await;
        items.push(Seen { id, version: 1 });
    }
    // Bob resolves one before Ann's bulk change arrives: hers leaves it alone and says so.
    triage::edit(&t.app, &bob, &items[..1], Edit::Status(Status::Resolved)).await.unwrap();
    let outcome = triage::edit(&t.app, &ann, &items, Edit::Status(Status::Spam)).await.unwrap();
    assert_eq!((outcome.changed, outcome.conflicts.len()), (19, 1));
    let token = outcome.undo.unwrap();
    assert_eq!(refused(triage::undo(&t.app, &bob, token).await), Refusal::NotFound, "not his to take back");
    // Bob restores one of them: that stays as he set it.
    triage::edit(&t.app, &bob, &[Seen { id: items[1].id, version: 2 }], Edit::Status(Status::New)).await.unwrap();
    let outcome = triage::undo(&t.app, &ann, token).await.unwrap();
    assert_eq!((outcome.changed, outcome.conflicts.len()), (18, 1));
    let statuses: Vec<Status> = {
        let ids: Vec<FeedbackId> = items.iter().map(|s| s.id).collect();
        t.app.store.feedback_by_ids(&ann, &ids).await.unwrap().into_iter().map(|f| f.status).collect()
    };
    assert_eq!(statuses[..4], [Status::Resolved, Status::New, Status::New, Status::Triaged]);
    assert_eq!(refused(triage::undo(&t.app, &ann, token).await), Refusal::NotFound, "only once");
    // An undo that would overwrite somebody is refused, and nothing happens.
    let one = [Seen { id: items[4].id, version: 3 }];
    let token = triage::edit(&t.app, &ann, &one, Edit::Status(Status::Resolved)).await.unwrap().undo.unwrap();
    triage::edit(&t.app, &bob, &[Seen { id: one[0].id, version: 4 }], Edit::Status(Status::Triaged)).await.unwrap();
    let why = refused(triage::undo(&t.app, &ann, token).await);
    assert!(matches!(why, Refusal::Conflict(text) if text.contains("Bob changed the status from Resolved to Triaged")));
    assert_eq!(now(&t, &ann, one[0].id).await.status, Status::Triaged);
});

on_both!(roles_and_foreign_items_are_respected, |t: TestApp| async move {
    let mine = project(&t).await;
    let other = server::projects::create(&t.app, "Other", vec![], None).await.unwrap();
    let (_, ann) = person(&t, &mine, "Ann", Role::Triager).await;
    let (_, vic) = person(&t, &mine, "Vic", Role::Viewer).await;
    let (eve, _) = person(&t, &other, "Eve", Role::Owner).await;
    let id = said(&t, mine.id, "x", |_| {}).await;
    let foreign = said(&t, other.id, "y", |_| {}).await;
    let edit = || Edit::Status(Status::Spam);
    assert_eq!(refused(triage::edit(&t.app, &vic, &seen(id, 1), edit()).await), Refusal::Forbidden);
    assert_eq!(refused(triage::comment(&t.app, &vic, id, "x", "key-00001").await), Refusal::Forbidden);
    assert_eq!(refused(triage::undo(&t.app, &vic, t.app.id()).await), Refusal::Forbidden);
    assert_eq!(refused(triage::edit(&t.app, &ann, &seen(foreign, 1), edit()).await), Refusal::NotFound);
    let both = [seen(id, 1)[0], seen(foreign, 1)[0]];
    assert_eq!(refused(triage::edit(&t.app, &ann, &both, edit()).await), Refusal::NotFound);
    assert_eq!(now(&t, &ann, id).await.status, Status::New, "all or nothing");
    assert_eq!(refused(triage::comment(&t.app, &ann, foreign, "x", "key-00002").await), Refusal::NotFound);
    assert!(matches!(refused(triage::edit(&t.app, &ann, &seen(id, 1), Edit::Assign(Some(eve))).await), Refusal::Invalid(_)));
    assert!(matches!(refused(triage::edit(&t.app, &ann, &seen(id, 1), Edit::Status(Status::Linked)).await), Refusal::Invalid(_)));
    let tag = Edit::Tags { add: vec!["a:b".into()], remove: vec![] };
    assert!(matches!(refused(triage::edit(&t.app, &ann, &seen(id, 1), tag).await), Refusal::Invalid(_)));
});
