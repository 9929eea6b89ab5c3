//! The desk, through the router: the team replies to tickets in the console.

use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use domain::{
    Secret,
    accounts::{Role, Scope},
    clock::DAY_MS,
    feedback::FeedbackStatus,
    ids::FeedbackId,
    projects::Project,
    tickets::{MessageAuthor, Priority, Ticket, TicketState},
};
use server::config::Config;
use service::{
    settings::MailSettings,
    tickets::{self, TicketReceipt},
};
use testing::{adding, submission};

use crate::{
    on_both,
    support::{Client, Database, Page, TestApp},
};

/// A ticket submitted as through the portal.
async fn written(t: &TestApp, project: &Project, key: &str, subject: &str, message: &str) -> TicketReceipt {
    tickets::submit(&t.app, project, key, submission(subject, message)).await.unwrap()
}

/// A file in a form: its name and bytes.
type File<'a> = (&'a str, &'a [u8]);

/// Sends the reply form.
async fn answer(client: &Client, feedback: FeedbackId, fields: &[(&str, &str)], files: &[File<'_>]) -> Page {
    let mut body = Vec::new();
    let mut part = |head: String, bytes: &[u8]| {
        body.extend_from_slice(format!("--limit\r\nContent-Disposition: form-data; {head}\r\n\r\n").as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    };
    for (name, value) in fields {
        part(format!("name=\"{name}\""), value.as_bytes());
    }
    for (name, bytes) in files {
        part(format!("name=\"files\"; filename=\"{name}\""), bytes);
    }
    body.extend_from_slice(b"--limit--\r\n");
    let headers = [("content-type", "multipart/form-data; boundary=limit"), ("sec-fetch-site", "same-origin")];
    client.send(Method::POST, &format!("/p/my-app/feedback/{feedback}/answer"), &headers, Body::from(body)).await
}

async fn now(t: &TestApp, project: &Project, of: &TicketReceipt) -> Ticket {
    t.app.store.ticket(&Scope::system(project.id), of.ticket).await.unwrap().unwrap()
}

async fn bodies(t: &TestApp, project: &Project, of: &TicketReceipt) -> Vec<(MessageAuthor, String)> {
    let all = t.app.store.ticket_messages(&Scope::system(project.id), of.ticket, true).await.unwrap();
    all.into_iter().map(|m| (m.author, m.body)).collect()
}

async fn version(t: &TestApp, project: &Project, of: &TicketReceipt) -> String {
    t.app.store.feedback_by_ids(&Scope::system(project.id), &[of.feedback]).await.unwrap()[0].version.to_string()
}

/// The value of the first hidden field of that name.
fn hidden(page: &Page, name: &str) -> String {
    let at = page.body.find(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("no {name}: {}", page.body)) + name.len() + 15;
    page.body[at..].split('"').next().unwrap().to_owned()
}

on_both!(a_ticket_is_answered_noted_and_closed, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let (_, ann) = t.member(&project, "ann@example.com", Role::Triager).await;
    let made = written(&t, &project, "key-00000001", "The till jams", "It <b>beeps</b> twice.").await;
    let own = format!("/p/my-app/feedback/{}", made.feedback);
    t.clock.advance_ms(125 * 60_000);

    let page = ann.get(&own).await;
    assert!(page.body.contains("No reply yet, for 2 h 5 min") && page.body.contains("It &lt;b&gt;beeps&lt;/b&gt; twice."), "{}", page.body);
    let noted = ann.post(&format!("{own}/note"), &[("version", "1"), ("note", "The spring again, see the SECRET list")]).await;
    assert_eq!((noted.status, noted.location()), (StatusCode::SEE_OTHER, own.as_str()));
    let seen = version(&t, &project, &made).await;
    let sent = [("idempotency_key", "answer-key-1"), ("version", seen.as_str()), ("message", "Please open the lid."), ("do", "send")];
    let files: [File<'_>; 1] = [("note.txt", b"How to open it")];
    let done = answer(&ann, made.feedback, &sent, &files).await;
    assert_eq!((done.status, done.location()), (StatusCode::SEE_OTHER, own.as_str()), "{}", done.body);
    // A double click.
    assert_eq!(answer(&ann, made.feedback, &sent, &files).await.status, StatusCode::SEE_OTHER);
    assert_eq!(
        bodies(&t, &project, &made).await,
        [
            (MessageAuthor::Requester, "It <b>beeps</b> twice.".to_owned()),
            (MessageAuthor::Note, "The spring again, see the SECRET list".to_owned()),
            (MessageAuthor::Staff, "Please open the lid.".to_owned())
        ]
    );
    // After going back, other text is another reply.
    let other = [("idempotency_key", "answer-key-1"), ("version", seen.as_str()), ("message", "Gently."), ("do", "send")];
    assert_eq!(answer(&ann, made.feedback, &other, &[]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(bodies(&t, &project, &made).await.last().unwrap().1, "Gently.");
    let page = owner.get(&own).await;
    for words in ["Internal note", "First reply after 2 h 5 min", "Waiting for requester", "note.txt"] {
        assert!(page.body.contains(words), "{words}: {}", page.body);
    }
    // The file is a download in which nothing runs.
    let at = page.body.find(&format!("{own}/files/")).unwrap();
    let file = page.body[at..].split('"').next().unwrap().to_owned();
    let got = owner.get(&file).await;
    assert_eq!((got.status, got.body.as_str()), (StatusCode::OK, "How to open it"));
    assert!(got.headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
    assert!(got.headers["content-security-policy"].to_str().unwrap().contains("sandbox"));

    t.clock.advance_ms(DAY_MS);
    let seen = version(&t, &project, &made).await;
    let last = [("idempotency_key", "answer-key-2"), ("version", seen.as_str()), ("message", "We send a new one."), ("do", "close")];
    assert_eq!(answer(&owner, made.feedback, &last, &[]).await.status, StatusCode::SEE_OTHER);
    let ticket = now(&t, &project, &made).await;
    assert_eq!((ticket.state, ticket.resolution_ms()), (TicketState::Closed, Some(DAY_MS + 125 * 60_000)));
    assert!(owner.get(&own).await.body.contains("Closed after 1 day 2 h"));
    // Reopened, and the reopening undone.
    let seen = version(&t, &project, &made).await;
    let again = owner.post(&format!("{own}/reopen"), &[("version", seen.as_str()), ("return_to", own.as_str())]).await;
    assert_eq!(now(&t, &project, &made).await.state, TicketState::Open);
    let flash = owner.get(again.location()).await;
    assert!(flash.body.contains("Reopened."), "{}", flash.body);
    let seen = version(&t, &project, &made).await;
    owner.post(&format!("{own}/status"), &[("version", seen.as_str()), ("status", "resolved")]).await;
    assert_eq!(now(&t, &project, &made).await.state, TicketState::Closed);
    // Undoing the close restores the state of the conversation: it waits for the requester.
    let seen = version(&t, &project, &made).await;
    owner.post(&format!("{own}/status"), &[("version", seen.as_str()), ("status", "triaged")]).await;
    assert_eq!(now(&t, &project, &made).await.state, TicketState::Answered);

    // The requester's page contains no note, nor does any page except the item.
    let ticket = now(&t, &project, &made).await;
    let public = tickets::public_conversation(&t.app, ticket.clone()).await.unwrap();
    assert!(public.messages.iter().all(|m| !m.body.contains("SECRET")));
    let portal = t.anonymous().get(&format!("/p/my-app/t/{}", tickets::token(&t.app, ticket.id).unwrap())).await;
    assert!(!portal.body.contains("SECRET"));
    assert!(t.app.search.wait_until_caught_up(std::time::Duration::from_secs(20)).await);
    let found = owner.get("/p/my-app/inbox?q=SECRET").await;
    assert!(!found.body.contains("The till jams"), "notes are no part of what is searched");
    assert!(owner.get("/p/my-app/inbox?q=lid+OR").await.status.is_success());
});

on_both!(an_answer_is_not_sent_over_words_nobody_read, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let (_, ann) = t.member(&project, "ann@example.com", Role::Triager).await;
    let made = written(&t, &project, "key-00000001", "The till jams", "It beeps.").await;
    let own = format!("/p/my-app/feedback/{}", made.feedback);
    let first = version(&t, &project, &made).await;
    tickets::requester_reply(&t.app, &project, made.ticket, "more-000001", adding("Now it burns.")).await.unwrap();

    let stale = [("idempotency_key", "answer-key-1"), ("version", first.as_str()), ("message", "My long draft"), ("do", "send")];
    let refused = answer(&ann, made.feedback, &stale, &[("photo.txt", b"bytes")]).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    for words in ["Not sent yet", "The requester wrote again", "My long draft", "Now it burns.", "Already attached", "photo.txt"] {
        assert!(refused.body.contains(words), "{words}: {}", refused.body);
    }
    assert_eq!(bodies(&t, &project, &made).await.len(), 2);
    // Sent from the rejected form: the same key, the current version, and the file uploaded before.
    let at = refused.body.find("id=\"answer-form\"").unwrap();
    let form = Page { status: refused.status, headers: refused.headers.clone(), body: refused.body[at..].to_owned() };
    let (key, seen) = (hidden(&form, "idempotency_key"), hidden(&form, "version"));
    let again = [("idempotency_key", key.as_str()), ("version", seen.as_str()), ("message", "My long draft"), ("do", "send")];
    assert_eq!(answer(&ann, made.feedback, &again, &[]).await.status, StatusCode::SEE_OTHER);
    let page = owner.get(&own).await;
    assert!(page.body.contains("My long draft") && page.body.contains("photo.txt"), "{}", page.body);

    // A colleague replied first.
    let late = [("idempotency_key", "answer-key-2"), ("version", seen.as_str()), ("message", "Me too"), ("do", "close")];
    let refused = answer(&owner, made.feedback, &late, &[]).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.body.contains("ann replied to the requester"), "{}", refused.body);
    // A tag added meanwhile does not block a reply.
    let seen = version(&t, &project, &made).await;
    ann.post(&format!("{own}/tags"), &[("version", seen.as_str()), ("create", "till")]).await;
    let fine = [("idempotency_key", "answer-key-3"), ("version", seen.as_str()), ("message", "Me too"), ("do", "send")];
    assert_eq!(answer(&owner, made.feedback, &fine, &[]).await.status, StatusCode::SEE_OTHER);

    // An empty reply.
    let seen = version(&t, &project, &made).await;
    let empty = [("idempotency_key", "answer-key-4"), ("version", seen.as_str()), ("message", " "), ("do", "send")];
    let refused = answer(&owner, made.feedback, &empty, &[]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.body.contains("Enter a message."));
    assert_eq!(owner.post(&format!("{own}/note"), &[("version", "1"), ("note", "")]).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    // An invalid image.
    let broken = [("idempotency_key", "answer-key-5"), ("version", seen.as_str()), ("message", "Look"), ("do", "send")];
    let refused = answer(&owner, made.feedback, &broken, &[("a.png", b"\x89PNG\r\n\x1a\nno picture")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.body.contains("cannot be read") && refused.body.contains(">Look</textarea>"), "{}", refused.body);
});

on_both!(a_canned_reply_is_put_into_the_answer_without_sending, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let made = written(&t, &project, "key-00000001", "The till jams", "It beeps.").await;
    owner.post("/p/my-app/replies", &[("name", "Soon"), ("body", "Hello {name}, #{number} “{subject}”: {link} {me}")]).await;
    let reply = t.app.store.replies(&Scope::system(project.id)).await.unwrap()[0].id.to_string();
    let fields =
        [("idempotency_key", "answer-key-1"), ("version", "1"), ("message", "First line"), ("reply", reply.as_str()), ("do", "insert")];
    let page = answer(&owner, made.feedback, &fields, &[("kept.txt", b"bytes")]).await;
    assert_eq!(page.status, StatusCode::OK);
    // The link is inserted when the reply is shown to the requester; the team does not see it.
    assert!(page.body.contains("First line\n\nHello Ann, #1 “The till jams”: {link} Olga Owner</textarea>"), "{}", page.body);
    assert!(page.body.contains("kept.txt"), "a file that was chosen is kept");
    assert_eq!(bodies(&t, &project, &made).await.len(), 1, "nothing was sent");
    let none = [("idempotency_key", "answer-key-1"), ("version", "1"), ("message", "First line"), ("reply", ""), ("do", "insert")];
    let page = answer(&owner, made.feedback, &none, &[]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.body.contains("Choose a canned reply first.") && page.body.contains("First line"), "{}", page.body);
    // In the inbox, the list stays visible.
    let back = format!("/p/my-app/inbox?q=kind%3Aticket&item={}", made.feedback);
    let fields = [
        ("idempotency_key", "answer-key-1"),
        ("version", "1"),
        ("message", ""),
        ("reply", reply.as_str()),
        ("do", "insert"),
        ("return_to", &back),
    ];
    let page = answer(&owner, made.feedback, &fields, &[]).await;
    assert!(page.body.contains("id=\"inbox-list\"") && page.body.contains("{link}"), "{}", page.body);
});

on_both!(viewers_read_and_strangers_do_not, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let (_, viewer) = t.member(&project, "vera@example.com", Role::Viewer).await;
    let other = service::projects::create(&t.app, "Other", vec![], None).await.unwrap();
    let (_, stranger) = t.member(&other, "sam@example.com", Role::Owner).await;
    let made = written(&t, &project, "key-00000001", "The till jams", "It beeps.").await;
    let own = format!("/p/my-app/feedback/{}", made.feedback);
    let fields = [("idempotency_key", "answer-key-1"), ("version", "1"), ("message", "Hello"), ("do", "send")];
    let sent = answer(&owner, made.feedback, &fields, &[("plan.txt", b"A plan")]).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER);
    let page = viewer.get(&own).await;
    assert!(page.body.contains("It beeps.") && !page.body.contains("answer-form") && !page.body.contains("note-form"), "{}", page.body);
    let at = page.body.find(&format!("{own}/files/")).unwrap();
    let file = page.body[at..].split('"').next().unwrap().to_owned();
    assert_eq!(viewer.get(&file).await.status, StatusCode::OK);

    let forms: [(&str, &[(&str, &str)]); 3] =
        [("note", &[("note", "x")]), ("priority", &[("priority", "urgent"), ("version", "9")]), ("reopen", &[("version", "9")])];
    for (form, fields) in forms {
        assert_eq!(viewer.post(&format!("{own}/{form}"), fields).await.status, StatusCode::FORBIDDEN, "{form}");
        assert_eq!(stranger.post(&format!("{own}/{form}"), fields).await.status, StatusCode::NOT_FOUND, "{form}");
        let by_theirs = format!("/p/other/feedback/{}/{form}", made.feedback);
        assert_eq!(stranger.post(&by_theirs, fields).await.status, StatusCode::NOT_FOUND, "{form}");
    }
    assert_eq!(answer(&viewer, made.feedback, &fields, &[]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(answer(&stranger, made.feedback, &fields, &[]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(stranger.get(&file).await.status, StatusCode::NOT_FOUND);
    assert_eq!(stranger.get(&file.replace("my-app", "other")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(t.anonymous().get(&file).await.status, StatusCode::SEE_OTHER, "asks to sign in");
    assert!(!stranger.get("/p/other/tickets").await.body.contains("The till jams"));
    // Feedback of other kinds has no conversation.
    let plain = crate::support::sample(&t.app, project.id, "Just words");
    let id = plain.id;
    t.app.store.write(move |tx| Box::pin(async move { tx.insert_feedback(&plain, None).await })).await.unwrap();
    assert_eq!(owner.post(&format!("/p/my-app/feedback/{id}/note"), &[("note", "x")]).await.status, StatusCode::NOT_FOUND);
});

on_both!(priority_is_set_contested_taken_back_and_found, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let (_, ann) = t.member(&project, "ann@example.com", Role::Triager).await;
    let made = written(&t, &project, "key-00000001", "The till jams", "It beeps.").await;
    written(&t, &project, "key-00000002", "A question", "Where is it?").await;
    let path = format!("/p/my-app/feedback/{}/priority", made.feedback);
    let set = ann.post(&path, &[("version", "1"), ("priority", "urgent")]).await;
    assert_eq!(set.status, StatusCode::SEE_OTHER);
    assert_eq!(now(&t, &project, &made).await.priority, Priority::Urgent);
    // A change based on an older version is reported, and overwrites nothing.
    let stale = owner.post(&path, &[("version", "1"), ("priority", "low")]).await;
    assert!(owner.get(stale.location()).await.body.contains("Your change was not applied."));
    assert_eq!(now(&t, &project, &made).await.priority, Priority::Urgent);
    assert_eq!(owner.post(&path, &[("version", "2"), ("priority", "whatever")]).await.status, StatusCode::UNPROCESSABLE_ENTITY);

    assert!(t.app.search.wait_until_caught_up(std::time::Duration::from_secs(20)).await);
    let urgent = owner.get("/p/my-app/inbox?q=kind%3Aticket+priority%3Aurgent").await;
    assert!(
        urgent.body.contains("#1 ") && urgent.body.contains("The till jams") && !urgent.body.contains("Where is it?"),
        "{}",
        urgent.body
    );
    // The filter is shown for tickets only.
    assert!(owner.get("/p/my-app/inbox?q=kind%3Aticket").await.body.contains(">Priority<"));
    assert!(!owner.get("/p/my-app/inbox").await.body.contains(">Priority<"));
    // Found by number and by a later message, and linked like any feedback.
    assert!(owner.get("/p/my-app/inbox?q=%232").await.body.contains("A question"));
    tickets::requester_reply(&t.app, &project, made.ticket, "more-000001", adding("It smells of lavender now.")).await.unwrap();
    assert!(t.app.search.wait_until_caught_up(std::time::Duration::from_secs(20)).await);
    assert!(owner.get("/p/my-app/inbox?q=lavender").await.body.contains("The till jams"));
    // Undone, by the button in the message.
    let page = ann.get(set.location()).await;
    let token = [("priority", hidden(&page, "priority")), ("version", "2".to_owned())];
    assert_eq!(token[0].1, "normal");
    ann.post(&path, &token.each_ref().map(|(n, v)| (*n, v.as_str()))).await;
    assert_eq!(now(&t, &project, &made).await.priority, Priority::Normal);
    // It also works without an index.
    let bulk = [("item", format!("{}:{}", made.feedback, version(&t, &project, &made).await)), ("do", "status:resolved".to_owned())];
    let done = owner.post("/p/my-app/feedback/bulk", &bulk.each_ref().map(|(n, v)| (*n, v.as_str()))).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER);
    assert_eq!(now(&t, &project, &made).await.state, TicketState::Closed, "a change to many closes tickets as well");
});

on_both!(the_report_counts_and_admits_when_it_has_too_few, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let empty = owner.get("/p/my-app/tickets").await;
    assert!(empty.body.contains("No tickets yet") && empty.body.contains("http://earshot.test/p/my-app"), "{}", empty.body);
    let scope = Scope::system(project.id);
    for n in 0..6_i64 {
        let made = written(&t, &project, &format!("key-0000000{n}"), "A thing", "It broke.").await;
        t.clock.advance_ms(60_000 * (n + 1));
        if n < 5 {
            let seen = version(&t, &project, &made).await;
            let key = format!("answer-key-{n}");
            let close = if n < 4 { "close" } else { "send" };
            let fields = [("idempotency_key", key.as_str()), ("version", seen.as_str()), ("message", "Mended."), ("do", close)];
            assert_eq!(answer(&owner, made.feedback, &fields, &[]).await.status, StatusCode::SEE_OTHER);
        }
    }
    // Spam does not count.
    let spam = written(&t, &project, "key-spam-0001", "Buy", "Cheap").await;
    owner.post(&format!("/p/my-app/feedback/{}/status", spam.feedback), &[("version", "1"), ("status", "spam")]).await;
    assert_eq!(t.app.store.feedback_by_ids(&scope, &[spam.feedback]).await.unwrap()[0].status, FeedbackStatus::Spam);
    t.clock.advance_ms(2 * DAY_MS);
    let report = service::desk::report(&t.app, &scope).await.unwrap();
    assert_eq!((report.total, report.written, report.unanswered), (6, 6, 1));
    assert_eq!((report.first_response.n, report.first_response.median, report.first_response.p90), (5, Some(3 * 60_000), None));
    assert_eq!((report.resolution.n, report.resolution.median), (4, None));
    let open: Vec<_> = report.open.iter().map(|o| (o.state, o.age, o.count, o.unassigned)).collect();
    assert_eq!(open.len(), 2);
    assert!(open.contains(&(TicketState::Open, 1, 1, 1)) && open.contains(&(TicketState::Answered, 1, 1, 1)), "{open:?}");
    let page = owner.get("/p/my-app/tickets").await;
    for words in ["6 tickets were created", "3 min", "too few", "before%3A1d+after%3A3d"] {
        assert!(page.body.contains(words), "{words}: {}", page.body);
    }
    // Events before the period of the report.
    t.clock.advance_ms(40 * DAY_MS);
    let report = service::desk::report(&t.app, &scope).await.unwrap();
    assert_eq!((report.total, report.written, report.first_response.n, report.resolution.n), (6, 0, 0, 0));
    assert_eq!(report.open.iter().filter(|o| o.age == 4).map(|o| o.count).sum::<i64>(), 2);
});

/// E-mails about a ticket are queued with their content, and the item shows their delivery state.
async fn letters(database: Database) {
    let with_mail = |config: &mut Config| {
        config.settings.mail = Some(MailSettings {
            server: Secret("smtp://127.0.0.1:1".into()),
            from: "feedback@example.com".parse().unwrap(),
            base: "https://earshot.test".into(),
            exposed: false,
            authorities: Vec::new(),
        });
    };
    let Some(t) = TestApp::with_settings(database, with_mail).await else { return };
    let (project, owner) = t.owner().await;
    let scope = Scope::system(project.id);
    let made = written(&t, &project, "key-00000001", "The till jams", "It beeps.").await;
    let own = format!("/p/my-app/feedback/{}", made.feedback);
    owner.post(&format!("{own}/note"), &[("note", "The SECRET spring")]).await;
    let seen = version(&t, &project, &made).await;
    let fields = [("idempotency_key", "answer-key-1"), ("version", seen.as_str()), ("message", "Open the lid."), ("do", "close")];
    answer(&owner, made.feedback, &fields, &[]).await;
    answer(&owner, made.feedback, &fields, &[]).await;
    let letters = t.app.store.mail_messages_about(&scope, made.ticket.0).await.unwrap();
    assert_eq!(letters.iter().map(|l| l.kind.as_str()).collect::<Vec<_>>(), ["ticket_confirmation", "ticket_reply"]);
    // Links are signed when the e-mail is sent: the queue contains no secret.
    let link = format!("https://earshot.test/p/my-app/t/{}", made.ticket.0.simple());
    for letter in &letters {
        assert_eq!((letter.recipient.as_str(), letter.link.as_str(), letter.state.as_str()), ("ann@example.com", link.as_str(), "queued"));
        assert!(!letter.content.contains("SECRET"));
    }
    assert!(letters[1].content.contains("Open the lid.") && letters[0].subject.contains("#1"), "{letters:?}");
    // Another project cannot see them.
    let other = service::projects::create(&t.app, "Other", vec![], None).await.unwrap();
    assert!(t.app.store.mail_messages_about(&Scope::system(other.id), made.ticket.0).await.unwrap().is_empty());

    assert!(!owner.get(&own).await.body.contains("E-mail is off"));
    let (id, now) = (letters[1].id().unwrap(), t.app.now());
    t.app.store.write(move |tx| Box::pin(async move { tx.mark_mail_dead(id, "No such mailbox.", now).await })).await.unwrap();
    let page = owner.get(&own).await;
    assert!(page.body.contains("was not delivered: No such mailbox.") && page.body.contains("the link they have"), "{}", page.body);

    // Suspected spam gets no e-mail: its sender address is probably forged.
    let mut spam = submission("Buy", "Cheap");
    spam.signals = Some(domain::spam::SpamSignals { honeypot: true, ..Default::default() });
    let spam = tickets::submit(&t.app, &project, "key-spam-0001", spam).await.unwrap();
    assert!(t.app.store.mail_messages_about(&scope, spam.ticket.0).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_go_with_what_they_tell_about_sqlite() {
    letters(Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_go_with_what_they_tell_about_postgres() {
    letters(Database::Postgres).await;
}

on_both!(without_mail_the_item_says_so_and_nothing_is_queued, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let made = written(&t, &project, "key-00000001", "The till jams", "It beeps.").await;
    assert!(owner.get(&format!("/p/my-app/feedback/{}", made.feedback)).await.body.contains("E-mail is off"));
    assert!(t.app.store.mail_messages_about(&Scope::system(project.id), made.ticket.0).await.unwrap().is_empty());
});
