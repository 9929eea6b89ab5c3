//! Tickets: actions of requester and team, and the consistency between ticket and feedback.

use domain::{
    DomainError as Refusal,
    accounts::{Role, Scope, TeamMember},
    feedback::FeedbackStatus,
    ids::{FeedbackId, StaffId, TicketId},
    projects::Project,
    spam::SpamSignals,
    tickets::{MessageAuthor, Priority, Ticket, TicketState},
};
use service::{
    tickets::{self, StaffReply, TicketReceipt, TicketSubmission},
    triage::{FeedbackEdit, ItemVersion},
};

use testing::{TestApp, adding, on_both, submission};

async fn ticket(t: &TestApp, project: &Project, key: &str) -> TicketReceipt {
    tickets::submit(&t.app, project, key, submission("The map stays empty", "Nothing is drawn on my telephone.")).await.unwrap()
}

async fn now(t: &TestApp, project: &Project, of: &TicketReceipt) -> (Ticket, FeedbackStatus, String) {
    let scope = Scope::system(project.id);
    let ticket = t.app.store.ticket(&scope, of.ticket).await.unwrap().unwrap();
    let feedback = t.app.store.feedback_by_ids(&scope, &[of.feedback]).await.unwrap().remove(0);
    (ticket, feedback.status, feedback.text)
}

async fn staff_scope(t: &TestApp, project: &Project, staff: StaffId, role: Role) -> Scope {
    t.app.store.team_member(staff).await.unwrap().scope(project.id, role).unwrap()
}

async fn histories(t: &TestApp, project: &Project, feedback: FeedbackId) -> Vec<String> {
    let mut all = t.app.store.history_entries(&Scope::system(project.id), feedback).await.unwrap();
    all.reverse();
    all.into_iter().map(|e| format!("{} {}", e.by.unwrap_or_else(|| e.change.external_actor().into()), e.change.sentence())).collect()
}

fn reply(body: &str) -> StaffReply {
    StaffReply { body: body.into(), ..StaffReply::default() }
}

on_both!(a_conversation_from_beginning_to_end, |t: TestApp| async move {
    let (project, _) = t.owner().await;
    let bob = t.member(&project, "bob@example.com", Role::Triager).await;
    let scope = staff_scope(&t, &project, bob, Role::Triager).await;
    let made = ticket(&t, &project, "key-00000001").await;
    assert_eq!(made.number, 1);
    let (at_first, status, text) = now(&t, &project, &made).await;
    assert_eq!((at_first.state, at_first.priority, status), (TicketState::Open, Priority::Normal, FeedbackStatus::New));
    assert_eq!((at_first.email.as_str(), at_first.name.as_deref()), ("ann@example.com", Some("Ann")));
    assert_eq!(text, "The map stays empty\n\nNothing is drawn on my telephone.");

    t.clock.advance_ms(60_000);
    tickets::add_note(&t.app, &scope, made.ticket, "note-0000001", "Known since Monday.", vec![]).await.unwrap();
    t.clock.advance_ms(60_000);
    tickets::staff_reply(&t.app, &scope, made.ticket, "reply-000001", reply("Which telephone is it?")).await.unwrap();
    let (answered, status, _) = now(&t, &project, &made).await;
    assert_eq!((answered.state, status, answered.first_response_ms()), (TicketState::Answered, FeedbackStatus::Triaged, Some(120_000)));

    tickets::requester_reply(&t.app, &project, made.ticket, "answer-00001", adding("A very old one.")).await.unwrap();
    let (open, _, text) = now(&t, &project, &made).await;
    assert_eq!(open.state, TicketState::Open);
    assert!(text.ends_with("\n\nA very old one."));

    t.clock.advance_ms(60_000);
    let last = StaffReply { close: true, ..reply("Mended.") };
    tickets::staff_reply(&t.app, &scope, made.ticket, "reply-000002", last).await.unwrap();
    let (closed, status, _) = now(&t, &project, &made).await;
    assert_eq!((closed.state, status, closed.resolution_ms()), (TicketState::Closed, FeedbackStatus::Resolved, Some(180_000)));
    assert_eq!(closed.first_response_ms(), Some(120_000), "the first answer stays the first");

    tickets::requester_reply(&t.app, &project, made.ticket, "answer-00002", adding("Still empty.")).await.unwrap();
    let (again, status, _) = now(&t, &project, &made).await;
    assert_eq!((again.state, status, again.resolution_ms()), (TicketState::Open, FeedbackStatus::New, None));
    tickets::requester_close(&t.app, &project, made.ticket).await.unwrap();
    tickets::requester_close(&t.app, &project, made.ticket).await.unwrap();
    assert_eq!(now(&t, &project, &made).await.1, FeedbackStatus::Resolved);
    tickets::requester_reopen(&t.app, &project, made.ticket).await.unwrap();
    assert!(tickets::close(&t.app, &scope, made.ticket).await.unwrap());
    assert!(!tickets::close(&t.app, &scope, made.ticket).await.unwrap());
    assert!(tickets::reopen(&t.app, &scope, made.ticket).await.unwrap());
    assert!(tickets::set_priority(&t.app, &scope, made.ticket, Priority::Urgent).await.unwrap());
    assert!(!tickets::set_priority(&t.app, &scope, made.ticket, Priority::Urgent).await.unwrap());
    let (end, status, _) = now(&t, &project, &made).await;
    assert_eq!((end.state, end.priority, status), (TicketState::Open, Priority::Urgent, FeedbackStatus::Triaged));

    let history = histories(&t, &project, made.feedback).await;
    assert_eq!(
        history,
        [
            "Earshot created this",
            "bob added a note",
            "bob replied to the requester",
            "bob changed the status from New to Triaged",
            "The requester wrote again",
            "bob replied to the requester",
            "bob changed the status from Triaged to Resolved",
            "The requester wrote again",
            "Earshot changed the status from Resolved to New",
            "The requester closed this as solved",
            "Earshot changed the status from New to Resolved",
            "The requester reopened this",
            "Earshot changed the status from Resolved to New",
            "bob changed the status from New to Resolved",
            "bob changed the status from Resolved to Triaged",
            "bob changed the priority from Normal to Urgent",
        ]
    );

    // The team reads everything; the requester's view has no notes.
    let whole = tickets::read(&t.app, &scope, made.feedback).await.unwrap().unwrap();
    assert_eq!(whole.messages.len(), 6);
    assert_eq!(whole.messages.iter().filter(|m| m.author == MessageAuthor::Note).count(), 1);
    let public = tickets::public_conversation(&t.app, whole.ticket).await.unwrap();
    assert_eq!(public.messages.len(), 5);
    assert!(public.messages.iter().all(|m| m.author != MessageAuthor::Note && !m.body.contains("Known since")));
});

on_both!(triage_and_conversation_stay_in_step, |t: TestApp| async move {
    let (project, _) = t.owner().await;
    let bob = t.member(&project, "bob@example.com", Role::Triager).await;
    let scope = staff_scope(&t, &project, bob, Role::Triager).await;
    let made = ticket(&t, &project, "key-00000001").await;
    let edit = async |status: FeedbackStatus| {
        let version = t.app.store.feedback_by_ids(&scope, &[made.feedback]).await.unwrap()[0].version;
        service::triage::edit(&t.app, &scope, &[ItemVersion { id: made.feedback, version }], FeedbackEdit::Status(status)).await.unwrap()
    };
    let done = edit(FeedbackStatus::Resolved).await;
    assert_eq!(now(&t, &project, &made).await.0.state, TicketState::Closed);
    service::undo::undo(&t.app, &scope, done.undo.unwrap()).await.unwrap();
    let (ticket, status, _) = now(&t, &project, &made).await;
    assert_eq!((ticket.state, ticket.resolved_at, status), (TicketState::Open, None, FeedbackStatus::New));
    // A reply to suspected spam marks it as not spam.
    edit(FeedbackStatus::Spam).await;
    tickets::staff_reply(&t.app, &scope, made.ticket, "reply-000001", reply("Hello.")).await.unwrap();
    assert_eq!(now(&t, &project, &made).await.1, FeedbackStatus::Triaged);
    // A linked ticket stays linked while it is open.
    let item = service::backlog::create(&t.app, &scope, "item-0000001", "Draw the map", "").await.unwrap();
    let quoting = service::backlog::LinkInput { quote: String::new(), importance: domain::backlog::Importance::Normal };
    service::backlog::link(&t.app, &scope, made.feedback, item, quoting).await.unwrap();
    tickets::close(&t.app, &scope, made.ticket).await.unwrap();
    tickets::requester_reply(&t.app, &project, made.ticket, "answer-00001", adding("No.")).await.unwrap();
    assert_eq!(now(&t, &project, &made).await.1, FeedbackStatus::Linked);
});

on_both!(a_repeated_key_is_one_ticket_and_numbers_have_no_gaps_or_doubles, |t: TestApp| async move {
    let (project, _) = t.owner().await;
    let other = service::projects::create(&t.app, "Other", vec![], None).await.unwrap();
    let first = ticket(&t, &project, "key-00000001").await;
    assert_eq!(ticket(&t, &project, "key-00000001").await, first);
    let all = futures_util::future::join_all((2..22).map(|n| {
        let (t, project) = (&t, &project);
        async move { ticket(t, project, &format!("key-{n:08}")).await.number }
    }));
    let mut numbers = all.await;
    numbers.sort_unstable();
    assert_eq!(numbers, (2..22).collect::<Vec<i64>>());
    assert_eq!(ticket(&t, &other, "key-00000001").await.number, 1, "another project counts by itself");
    // Replies and notes too are stored once for each key.
    let scope = Scope::system(project.id);
    for _ in 0..2 {
        tickets::staff_reply(&t.app, &scope, first.ticket, "reply-000001", reply("Hello.")).await.unwrap();
        tickets::add_note(&t.app, &scope, first.ticket, "note-0000001", "Note.", vec![]).await.unwrap();
        tickets::requester_reply(&t.app, &project, first.ticket, "answer-00001", adding("Hello.")).await.unwrap();
    }
    assert_eq!(tickets::read(&t.app, &scope, first.feedback).await.unwrap().unwrap().messages.len(), 4);
});

on_both!(refusals_of_the_team, |t: TestApp| async move {
    let (project, _) = t.owner().await;
    let other = service::projects::create(&t.app, "Other", vec![], None).await.unwrap();
    let bob = t.member(&project, "bob@example.com", Role::Triager).await;
    let eve = t.member(&project, "eve@example.com", Role::Viewer).await;
    let (bob, eve) = (staff_scope(&t, &project, bob, Role::Triager).await, staff_scope(&t, &project, eve, Role::Viewer).await);
    let (made, foreign) = (ticket(&t, &project, "key-00000001").await, ticket(&t, &other, "key-00000001").await);
    let is = |result: service::error::Result<()>, wanted: &Refusal| assert_eq!(result.unwrap_err().refusal(), Some(wanted));
    let nothing: TicketId = t.id();
    for (scope, ticket, wanted) in
        [(&eve, made.ticket, Refusal::Forbidden), (&bob, foreign.ticket, Refusal::NotFound), (&bob, nothing, Refusal::NotFound)]
    {
        is(tickets::staff_reply(&t.app, scope, ticket, "reply-000001", reply("x")).await.map(|_| ()), &wanted);
        is(tickets::add_note(&t.app, scope, ticket, "note-0000001", "x", vec![]).await.map(|_| ()), &wanted);
        is(tickets::set_priority(&t.app, scope, ticket, Priority::Low).await.map(|_| ()), &wanted);
        is(tickets::close(&t.app, scope, ticket).await.map(|_| ()), &wanted);
        is(tickets::reopen(&t.app, scope, ticket).await.map(|_| ()), &wanted);
    }
    assert!(tickets::read(&t.app, &eve, made.feedback).await.unwrap().is_some(), "a viewer reads");
    assert!(tickets::read(&t.app, &bob, foreign.feedback).await.unwrap().is_none());
    assert!(t.app.store.ticket_messages(&bob, foreign.ticket, true).await.unwrap().is_empty());
    // A reply must not ignore unread messages.
    let seen = StaffReply { seen: Some(1), ..reply("Hello.") };
    tickets::requester_reply(&t.app, &project, made.ticket, "answer-00001", adding("One more thing.")).await.unwrap();
    let refused = tickets::staff_reply(&t.app, &bob, made.ticket, "reply-000002", seen.clone()).await.unwrap_err();
    assert!(matches!(refused.refusal(), Some(Refusal::Conflict(why)) if why.starts_with("The requester wrote again")), "{refused}");
    tickets::staff_reply(&t.app, &bob, made.ticket, "reply-000003", StaffReply { seen: Some(2), ..seen }).await.unwrap();
    let long = tickets::staff_reply(&t.app, &bob, made.ticket, "reply-000004", reply(&"x".repeat(10_001))).await.unwrap_err();
    assert!(matches!(long.refusal(), Some(Refusal::Invalid(_))));
    let actor = TeamMember { staff: t.id(), roles: vec![] };
    assert!(actor.scope(project.id, Role::Viewer).is_err());
});

on_both!(a_token_leads_to_one_ticket_of_one_project, |t: TestApp| async move {
    let (project, _) = t.owner().await;
    let other = service::projects::create(&t.app, "Other", vec![], None).await.unwrap();
    let (made, second) = (ticket(&t, &project, "key-00000001").await, ticket(&t, &project, "key-00000002").await);
    let token = tickets::token(&t.app, made.ticket).unwrap();
    assert_eq!(tickets::by_token(&t.app, &project, &token).await.unwrap().id, made.ticket);
    let proof = token.split_once('-').unwrap().1;
    let id = made.ticket.0.simple();
    let wrong = [
        String::new(),
        id.to_string(),
        format!("{id}-"),
        format!("{}-{proof}", second.ticket.0.simple()),
        format!("{id}-{proof}x"),
        token[..token.len() - 1].to_owned(),
    ];
    for wrong in wrong {
        assert!(tickets::by_token(&t.app, &project, &wrong).await.is_err(), "{wrong}");
    }
    assert!(tickets::by_token(&t.app, &other, &token).await.is_err());
});

on_both!(suspected_spam_is_kept_as_spam, |t: TestApp| async move {
    let (project, _) = t.owner().await;
    let bot = TicketSubmission {
        signals: Some(SpamSignals { honeypot: true, ..SpamSignals::default() }),
        ..submission("Buy", "http://a http://b http://c http://d")
    };
    let made = tickets::submit(&t.app, &project, "key-00000001", bot).await.unwrap();
    let feedback = t.app.store.feedback_by_ids(&Scope::system(project.id), &[made.feedback]).await.unwrap().remove(0);
    assert_eq!((feedback.status, feedback.spam_reasons.join(" ").as_str()), (FeedbackStatus::Spam, "honeypot links"));
    tickets::requester_reply(&t.app, &project, made.ticket, "answer-00001", adding("Hello?")).await.unwrap();
    tickets::requester_close(&t.app, &project, made.ticket).await.unwrap();
    assert_eq!(now(&t, &project, &made).await.1, FeedbackStatus::Spam);
});
