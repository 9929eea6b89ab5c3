//! E-mails: queued with their content, sent over TCP to a mail server, retried, dead-lettered, managed by operators.

use axum::http::StatusCode;
use domain::{DomainError as Refusal, accounts::Scope, ids::MailId, projects::Project};
use mail_parser::Message;
use service::{
    jobs,
    mail::{self, SmtpOutcome, TicketMailBuilder, TicketMailDetails},
    mail_queue::{self, RETRY_DELAYS_MS},
};
use store::mail::MailMessageRow;

use crate::{
    smtp::{Next, Smtp},
    support::{Client, Database, PASSWORD, Page, TestApp},
};

/// A program that sends mail to the test's mail server.
async fn mailing(database: Database) -> Option<(TestApp, Smtp)> {
    let smtp = Smtp::start().await;
    let mail = server::config::mail_for_tests(smtp.port).unwrap();
    Some((TestApp::with_settings(database, |config| config.settings.mail = Some(mail)).await?, smtp))
}

/// Declares a test for both databases with mail on: `mailing!(name, |t: TestApp, smtp: Smtp| async move { … })`.
macro_rules! mailing {
    ($name:ident, $body:expr) => {
        mod $name {
            use super::*;
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                let run = $body;
                let (t, smtp) = mailing(Database::Sqlite).await.unwrap();
                run(t, smtp).await;
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                let run = $body;
                if let Some((t, smtp)) = mailing(Database::Postgres).await {
                    run(t, smtp).await;
                }
            }
        }
    };
}

const ANN: &str = "ann@example.com";

/// Queues the team's reply to a ticket.
async fn reply(t: &TestApp, project: &Project, to: &str, subject: &str, body: &str) -> MailId {
    let about = TicketMailDetails { ticket: t.app.ids.uuid(), number: 12, subject, to, path: &format!("/p/{}/t/secret", project.slug) };
    let post = TicketMailBuilder::new(&t.app.settings, project, "").unwrap();
    let letter = mail::ticket_reply(&post, about, "Olga Owner", body, false);
    let now = t.app.now();
    t.app.store.write(move |tx| Box::pin(async move { tx.queue_mail(&letter, now).await })).await.unwrap().unwrap()
}

async fn run(t: &TestApp) {
    jobs::run_due(&t.app).await.unwrap();
}

async fn row(t: &TestApp, id: MailId) -> MailMessageRow {
    t.app.store.mail_message(id).await.unwrap().unwrap()
}

/// The first link in an e-mail's text.
fn link(letter: &Message<'_>) -> String {
    let text = letter.body_text(0).unwrap();
    text.split_whitespace().find(|word| word.starts_with("http://earshot.test/")).unwrap().replace("http://earshot.test", "")
}

mailing!(a_letter_arrives_as_a_letter, |t: TestApp, smtp: Smtp| async move {
    let (project, _) = t.owner().await;
    let id = reply(&t, &project, ANN, "Where is the <export>?", "Hello Ann,\nit is under “Data”.\n<b>Bold</b> & so on").await;
    assert!(smtp.letters().is_empty(), "nothing leaves before the job");
    run(&t).await;
    let letters = smtp.letters();
    let [letter] = letters.as_slice() else { panic!("{} letters", letters.len()) };
    assert_eq!(smtp.raw()[0].0, [ANN]);
    assert_eq!(letter.subject(), Some("[My app #12] Re: Where is the <export>?"));
    let from = letter.from().unwrap().first().unwrap();
    assert_eq!((from.name(), from.address()), (Some("My app"), Some("feedback@earshot.test")));
    assert_eq!(letter.message_id(), Some(format!("{id}@earshot.test").as_str()));
    assert!(letter.references().as_text().unwrap().starts_with("ticket-"));
    assert_eq!(letter.references().as_text(), letter.in_reply_to().as_text());
    assert_eq!(letter.header_raw("Auto-Submitted").map(str::trim), Some("auto-generated"));
    assert_eq!(letter.header_raw("X-Auto-Response-Suppress").map(str::trim), Some("All"));
    assert_eq!(link(letter), format!("/p/{}/t/secret", project.slug));
    assert!(letter.body_text(0).unwrap().contains("> it is under “Data”."));
    let html = letter.body_html(0).unwrap();
    assert!(html.contains("&lt;b&gt;Bold&lt;/b&gt; &amp; so on") && !html.contains("<img") && !html.contains("<b>"), "{html}");
    let stored = row(&t, id).await;
    assert_eq!((stored.state.as_str(), stored.link.as_str(), stored.attempts), ("sent", "", 0));
    run(&t).await;
    assert_eq!(smtp.letters().len(), 1);
});

mailing!(what_fails_for_now_is_tried_again, |t: TestApp, smtp: Smtp| async move {
    let (project, _) = t.owner().await;
    smtp.next([Next::Answer(451), Next::HangUp, Next::Answer(535)]);
    let id = reply(&t, &project, ANN, "A", "B").await;
    for (n, words) in
        ["responded with 451: 5.1.1 so said the server", "closed the connection", "rejected the sign-in (535)"].iter().enumerate()
    {
        run(&t).await;
        let stored = row(&t, id).await;
        assert_eq!((stored.state.as_str(), stored.attempts), ("queued", i64::try_from(n).unwrap() + 1));
        let why = stored.last_error.unwrap();
        assert!(why.contains(words), "{why}");
        assert_eq!(stored.next_at, Some(t.app.now().0 + RETRY_DELAYS_MS[n]));
        // Not a moment earlier.
        t.clock.advance_ms(RETRY_DELAYS_MS[n] - 1);
        let before = smtp.connections();
        run(&t).await;
        assert_eq!(smtp.connections(), before);
        t.clock.advance_ms(1);
    }
    run(&t).await;
    assert_eq!(row(&t, id).await.state, "sent");
    assert_eq!(smtp.letters().len(), 1);
});

mailing!(after_a_day_a_letter_is_given_up_and_sent_by_hand, |t: TestApp, smtp: Smtp| async move {
    let (project, _) = t.owner().await;
    let id = reply(&t, &project, ANN, "A", "B").await;
    smtp.next(vec![Next::Answer(450); RETRY_DELAYS_MS.len() + 1]);
    for pause in RETRY_DELAYS_MS {
        run(&t).await;
        assert_eq!(row(&t, id).await.state, "queued");
        t.clock.advance_ms(pause);
    }
    run(&t).await;
    let stored = row(&t, id).await;
    assert_eq!((stored.state.as_str(), stored.next_at), ("dead", None));
    assert!(RETRY_DELAYS_MS.iter().sum::<i64>() > 24 * 3_600_000);
    t.clock.advance_ms(30 * 24 * 3_600_000);
    run(&t).await;
    assert!(smtp.letters().is_empty());

    mail_queue::retry(&t.app, id).await.unwrap();
    run(&t).await;
    assert_eq!(row(&t, id).await.state, "sent");
    assert_eq!(smtp.letters().len(), 1);
    // A sent e-mail is never sent again, however often it is retried.
    assert!(mail_queue::retry(&t.app, id).await.is_err());
});

mailing!(what_is_refused_for_good_is_given_up_at_once, |t: TestApp, smtp: Smtp| async move {
    let (project, _) = t.owner().await;
    smtp.next([Next::Answer(550)]);
    let id = reply(&t, &project, ANN, "A", "B").await;
    // Other e-mails are not delayed.
    let other = reply(&t, &project, "bob@example.com", "A", "B").await;
    run(&t).await;
    let stored = row(&t, id).await;
    assert_eq!(
        (stored.state.as_str(), stored.last_error.as_deref()),
        ("dead", Some("The mail server responded with 550: 5.1.1 so said the server."))
    );
    assert_eq!(row(&t, other).await.state, "sent");
});

mailing!(a_letter_that_was_sent_and_not_noted_comes_again_under_the_same_id, |t: TestApp, smtp: Smtp| async move {
    let (project, _) = t.owner().await;
    let id = reply(&t, &project, ANN, "A", "B").await;
    // A worker claims the job, sends the e-mail, and is killed before it can record that.
    let claimed = jobs::claim(&t.app).await.unwrap().unwrap();
    assert_eq!(claimed.id.0, id.0);
    let (mail, mailer) = (t.app.settings.mail.as_ref().unwrap(), t.app.mailer.as_ref().unwrap());
    assert_eq!(mail_queue::transmit(&t.app, mail, mailer, &row(&t, id).await).await.unwrap(), SmtpOutcome::Accepted);
    run(&t).await;
    assert_eq!(smtp.letters().len(), 1, "its lease holds");
    t.clock.advance_ms(jobs::LEASE_MS);
    // And the server accepts the next one without acknowledging it.
    smtp.next([Next::TakeAndHangUp]);
    run(&t).await;
    t.clock.advance_ms(RETRY_DELAYS_MS[0]);
    run(&t).await;
    assert_eq!(row(&t, id).await.state, "sent");
    let letters = smtp.letters();
    let ids: Vec<_> = letters.iter().map(|l| l.message_id().unwrap().to_owned()).collect();
    assert_eq!(ids, vec![format!("{id}@earshot.test"); 3]);
});

mailing!(nobody_writes_headers, |t: TestApp, smtp: Smtp| async move {
    let (mut project, _) = t.owner().await;
    project.name = "Shop\r\nBcc: eve@evil.example".into();
    let evil = "Hi\r\nBcc: eve@evil.example\r\n\r\n<script>alert(1)</script>\0";
    let sent = reply(&t, &project, ANN, evil, ".\r\nRCPT TO:<eve@evil.example>\r\n.\r\n").await;
    let mut dead = Vec::new();
    for to in [
        "ann@example.com\r\nBcc: eve@evil.example",
        "ann@example.com>\r\nRCPT TO:<eve@evil.example",
        "a,b@example.com, eve@evil.example",
        "nobody",
    ] {
        dead.push(reply(&t, &project, to, "A", "B").await);
    }
    run(&t).await;
    assert_eq!(row(&t, sent).await.state, "sent");
    for id in dead {
        let stored = row(&t, id).await;
        assert_eq!(stored.state, "dead", "{}", stored.recipient);
        assert!(stored.last_error.unwrap().contains("is not an address that e-mail can be sent to"));
    }
    let raw = smtp.raw();
    assert_eq!(raw.len(), 1);
    assert_eq!(raw[0].0, [ANN]);
    let letters = smtp.letters();
    let names: Vec<&str> = letters[0].headers_raw().map(|(name, _)| name).collect();
    assert!(!names.iter().any(|name| name.eq_ignore_ascii_case("bcc")), "{names:?}");
    assert!(letters[0].subject().unwrap().contains("Hi Bcc: eve@evil.example"));
    assert!(letters[0].body_text(0).unwrap().contains("RCPT TO:<eve@evil.example>"));
});

mailing!(addresses_of_the_world, |t: TestApp, smtp: Smtp| async move {
    let (project, _) = t.owner().await;
    let fits = reply(&t, &project, "ann@bücher.example", "Grüße", "Schöne Grüße").await;
    let cannot = reply(&t, &project, "jürgen@example.com", "A", "B").await;
    run(&t).await;
    assert_eq!(row(&t, fits).await.state, "sent");
    assert_eq!(smtp.raw()[0].0, ["ann@xn--bcher-kva.example"]);
    assert!(smtp.letters()[0].body_text(0).unwrap().contains("Schöne Grüße"));
    let stored = row(&t, cannot).await;
    assert_eq!(stored.state, "dead");
    assert!(stored.last_error.as_deref().unwrap().contains("SMTPUTF8"), "{:?}", stored.last_error);
});

mailing!(what_is_rolled_back_is_not_told, |t: TestApp, smtp: Smtp| async move {
    let (project, _) = t.owner().await;
    let about = TicketMailDetails { ticket: t.app.ids.uuid(), number: 1, subject: "A", to: ANN, path: "/x" };
    let letter = mail::ticket_confirmation(&TicketMailBuilder::new(&t.app.settings, &project, "").unwrap(), about);
    let now = t.app.now();
    let failed: service::error::Result<()> = t
        .app
        .store
        .write(move |tx| {
            Box::pin(async move {
                tx.queue_mail(&letter, now).await?;
                Err(domain::DomainError::NotFound.into())
            })
        })
        .await;
    assert!(failed.is_err());
    run(&t).await;
    assert_eq!(smtp.connections(), 0);
    assert_eq!(t.app.store.mail_counts().await.unwrap(), store::mail::MailCounts::default());
});

mailing!(nobody_is_flooded_by_those_who_type_their_address, |t: TestApp, smtp: Smtp| async move {
    let (project, _) = t.owner().await;
    let mut queued = 0;
    for n in 0..30 {
        let about = TicketMailDetails { ticket: t.app.ids.uuid(), number: n, subject: "A", to: ANN, path: "/x" };
        let letter = mail::ticket_confirmation(&TicketMailBuilder::new(&t.app.settings, &project, "").unwrap(), about);
        let now = t.app.now();
        let sent = t.app.store.write(move |tx| Box::pin(async move { tx.queue_mail(&letter, now).await })).await.unwrap();
        queued += usize::from(sent.is_some());
    }
    run(&t).await;
    assert_eq!((queued, smtp.letters().len()), (10, 10));
    // It contains no text written by a stranger.
    assert!(!smtp.raw()[0].1.contains("Re: A"));
});

mailing!(while_the_server_is_down_one_letter_asks_for_all, |t: TestApp, smtp: Smtp| async move {
    let (project, _) = t.owner().await;
    smtp.next([Next::HangUp]);
    for _ in 0..5 {
        reply(&t, &project, ANN, "A", "B").await;
    }
    run(&t).await;
    assert_eq!(smtp.connections(), 1);
    t.clock.advance_ms(RETRY_DELAYS_MS[0]);
    run(&t).await;
    assert_eq!(smtp.letters().len(), 5);
});

mailing!(texts_and_letters_are_forgotten_in_time, |t: TestApp, smtp: Smtp| async move {
    let (project, _) = t.owner().await;
    let id = reply(&t, &project, ANN, "A", "Something private").await;
    run(&t).await;
    assert_eq!(smtp.letters().len(), 1);
    let purge = async || {
        jobs::purge(&t.app, &|| false).await.unwrap();
    };
    purge().await;
    assert!(row(&t, id).await.content.contains("Something private"));
    t.clock.advance_ms(7 * 86_400_000);
    purge().await;
    assert_eq!(row(&t, id).await.content, "");
    t.clock.advance_ms(83 * 86_400_000 + 1);
    purge().await;
    t.clock.advance_ms(8 * 86_400_000);
    purge().await;
    assert!(t.app.store.mail_message(id).await.unwrap().is_none());
});

// Forgotten passwords.

async fn forgot(client: &Client, email: &str) -> Page {
    client.post("/forgot", &[("email", email)]).await
}

async fn ask_for_link(t: &TestApp, smtp: &Smtp, visitor: &Client, email: &str) -> String {
    let before = smtp.letters().len();
    assert_eq!(forgot(visitor, email).await.location(), "/forgot/sent");
    run(t).await;
    let letters = smtp.letters();
    assert_eq!(letters.len(), before + 1);
    assert_eq!(letters[before].subject(), Some("Reset your Earshot password"));
    link(&letters[before])
}

const NEW: &str = "eleven green bottles";

async fn signs_in(t: &TestApp, email: &str, password: &str) -> bool {
    t.anonymous().post("/sign-in", &[("email", email), ("password", password)]).await.status == StatusCode::SEE_OTHER
}

mailing!(a_forgotten_password_is_set_by_the_link, |t: TestApp, smtp: Smtp| async move {
    let (_, owner) = t.owner().await;
    let mail = "owner@example.com";
    let visitor = t.anonymous();
    let link = ask_for_link(&t, &smtp, &visitor, "  Owner@Example.com ").await;
    // Opening the link does not use it up, and the secret is not sent to other sites.
    for _ in 0..3 {
        let page = visitor.get(&link).await;
        assert!(page.status == StatusCode::OK && page.body.contains("Set a new password"), "{}", page.body);
        assert_eq!(page.headers["referrer-policy"], "same-origin");
    }
    assert_eq!(visitor.post(&link, &[("password", "short")]).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(signs_in(&t, mail, PASSWORD).await);
    assert_eq!(owner.get("/account").await.status, StatusCode::OK);
    let done = visitor.post(&link, &[("password", NEW)]).await;
    assert_eq!((done.status, done.location()), (StatusCode::SEE_OTHER, "/sign-in?changed"));
    assert!(visitor.get("/sign-in?changed").await.body.contains("Your new password is set."));
    assert!(!signs_in(&t, mail, PASSWORD).await);
    assert!(signs_in(&t, mail, NEW).await);
    // All sessions ended.
    assert_eq!(owner.get("/account").await.status, StatusCode::SEE_OTHER);
    // The link works only once.
    assert_eq!(visitor.post(&link, &[("password", "another long password")]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(visitor.get(&link).await.status, StatusCode::NOT_FOUND);
    assert!(signs_in(&t, mail, NEW).await);
    run(&t).await;
    assert_eq!(smtp.letters().last().unwrap().subject(), Some("Your Earshot password was changed"));
    // No valid secret is stored.
    let token = link.rsplit('/').next().unwrap().to_owned();
    for letter in t.app.store.mail_messages_in_state("sent", 100).await.unwrap() {
        assert!(!letter.content.contains(&token) && letter.link.is_empty());
    }
});

mailing!(links_end_with_time_and_when_one_of_them_is_used, |t: TestApp, smtp: Smtp| async move {
    let (_, owner) = t.owner().await;
    let (mail, visitor) = ("owner@example.com", t.anonymous());
    let first = ask_for_link(&t, &smtp, &visitor, mail).await;
    let second = ask_for_link(&t, &smtp, &visitor, mail).await;
    // Requesting another link does not invalidate the first.
    assert_eq!(visitor.get(&first).await.status, StatusCode::OK);
    assert_eq!(visitor.get(&second).await.status, StatusCode::OK);
    t.clock.advance_ms(3_600_000);
    assert_eq!(visitor.get(&second).await.status, StatusCode::NOT_FOUND);
    assert_eq!(visitor.post(&second, &[("password", NEW)]).await.status, StatusCode::NOT_FOUND);
    assert!(signs_in(&t, mail, PASSWORD).await);

    t.clock.advance_ms(3_600_000);
    let third = ask_for_link(&t, &smtp, &visitor, mail).await;
    // A link that is not sent yet becomes invalid too.
    assert_eq!(forgot(&visitor, mail).await.location(), "/forgot/sent");
    let changed = owner.post("/account/password", &[("current", PASSWORD), ("password", NEW)]).await;
    assert_eq!(changed.status, StatusCode::SEE_OTHER, "{}", changed.body);
    assert_eq!(visitor.get(&third).await.status, StatusCode::NOT_FOUND);
    let before = smtp.letters().len();
    run(&t).await;
    let subjects: Vec<String> = smtp.letters()[before..].iter().map(|l| l.subject().unwrap().to_owned()).collect();
    assert_eq!(subjects, ["Your Earshot password was changed"]);
    assert_eq!(visitor.get("/reset/guessed").await.status, StatusCode::NOT_FOUND);
    assert!(signs_in(&t, mail, NEW).await);
});

mailing!(the_answer_tells_nobody_who_has_an_account, |t: TestApp, smtp: Smtp| async move {
    t.owner().await;
    let visitor = t.anonymous();
    for n in 0..3 {
        let (known, unknown) = (forgot(&visitor, "owner@example.com").await, forgot(&visitor, "nobody@example.com").await);
        let seen = |p: &Page| (p.status, p.location().to_owned(), p.body.clone());
        assert_eq!(seen(&known), seen(&unknown), "{n}");
        assert_eq!(known.status, StatusCode::SEE_OTHER);
        let rows = t.app.store.mail_messages_in_state("queued", 100).await.unwrap();
        let of = |who: &str| rows.iter().filter(|r| r.recipient == who).count();
        assert_eq!(of("owner@example.com"), of("nobody@example.com"));
        run(&t).await;
    }
    assert_eq!(smtp.letters().len(), 3);
    assert!(smtp.raw().iter().all(|(to, _)| to == &["owner@example.com"]));
    assert_eq!(t.app.store.mail_counts().await.unwrap().dead, 0);
    assert_eq!(forgot(&visitor, "no address").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    // Each network has a limit, the same for known and unknown addresses.
    for email in ["owner@example.com", "nobody@example.com"] {
        let page = forgot(&visitor, email).await;
        assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
        assert!(page.body.contains("Try again in 20 minutes"), "{}", page.body);
    }
    // Sign-in is not affected.
    assert!(signs_in(&t, "owner@example.com", PASSWORD).await);
});

mailing!(a_link_that_came_too_late_is_not_sent, |t: TestApp, smtp: Smtp| async move {
    t.owner().await;
    smtp.next([Next::Answer(451), Next::Answer(451), Next::Answer(451), Next::Answer(451)]);
    forgot(&t.anonymous(), "owner@example.com").await;
    for pause in &RETRY_DELAYS_MS[..4] {
        run(&t).await;
        t.clock.advance_ms(*pause);
    }
    t.clock.advance_ms(3_600_000);
    run(&t).await;
    assert!(smtp.letters().is_empty());
    let dead = t.app.store.mail_messages_in_state("dead", 10).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert!(mail_queue::retry(&t.app, dead[0].id().unwrap()).await.is_err());
});

crate::on_both!(without_a_mail_server_nothing_is_queued_and_pages_say_so, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    assert!(TicketMailBuilder::new(&t.app.settings, &project, "").is_none());
    let page = t.anonymous().get("/forgot").await;
    assert!(page.body.contains("earshot admin set-password") && !page.body.contains("<form"), "{}", page.body);
    assert_eq!(forgot(&t.anonymous(), "owner@example.com").await.status, StatusCode::NOT_FOUND);
    let members = format!("/p/{}/members", project.slug);
    let made = owner.post(&members, &[("role", "viewer"), ("email", ANN)]).await;
    assert!(made.body.contains("Send it to the person yourself."), "{}", made.body);
    owner.post("/account/password", &[("current", PASSWORD), ("password", NEW)]).await;
    for state in ["queued", "sent", "dead"] {
        assert!(t.app.store.mail_messages_in_state(state, 10).await.unwrap().is_empty());
    }
});

mailing!(an_invitation_is_mailed, |t: TestApp, smtp: Smtp| async move {
    let (project, owner) = t.owner().await;
    let members = format!("/p/{}/members", project.slug);
    let made = owner.post(&members, &[("role", "viewer"), ("email", ANN)]).await;
    assert!(made.body.contains("We are e-mailing the invitation to") && made.body.contains("/invite/"), "{}", made.body);
    run(&t).await;
    let letters = smtp.letters();
    assert_eq!(letters[0].subject(), Some("Olga Owner invited you to My app"));
    let page = t.anonymous().get(&link(&letters[0])).await;
    assert!(page.status == StatusCode::OK && page.body.contains("Join My app"));

    // A failed e-mail is shown where the invitation was created.
    smtp.next([Next::Answer(550)]);
    owner.post(&members, &[("role", "viewer"), ("email", "bob@example.com")]).await;
    run(&t).await;
    assert!(owner.get(&members).await.body.contains("This e-mail was not delivered: The mail server responded with 550"));

    // The e-mail of a revoked invitation is not sent, nor can an operator restore it, whether it was discarded before or not.
    let scope = Scope::system(project.id);
    let other = service::projects::create(&t.app, "Other", vec![], None).await.unwrap();
    for (address, is_discarded) in [("carl@example.com", false), ("dora@example.com", true)] {
        owner.post(&members, &[("role", "viewer"), ("email", address)]).await;
        let open = t.app.store.open_invitations(&scope, t.app.now()).await.unwrap();
        let invitation = open.iter().find(|i| i.email.as_deref() == Some(address)).unwrap();
        let about = async || t.app.store.mail_messages_about(&scope, invitation.id.0).await.unwrap();
        if is_discarded {
            mail_queue::discard(&t.app, about().await[0].id().unwrap()).await.unwrap();
        }
        owner.post(&format!("{members}/revoke"), &[("invitation", &invitation.id.to_string())]).await;
        let letters = about().await;
        assert_eq!((letters.len(), letters[0].state.as_str(), letters[0].link.as_str()), (1, "discarded", ""));
        let restored = mail_queue::restore(&t.app, letters[0].id().unwrap()).await;
        assert_eq!(restored.unwrap_err().refusal(), Some(&Refusal::NotFound));
        let before = smtp.letters().len();
        run(&t).await;
        assert_eq!(smtp.letters().len(), before);
        // Another project cannot see them.
        assert!(t.app.store.mail_messages_about(&Scope::system(other.id), invitation.id.0).await.unwrap().is_empty());
    }
});

/// A project, and the browser of its owner, who is also an operator.
async fn operator(t: &TestApp) -> (Project, Client) {
    let (project, owner) = t.owner().await;
    let staff = t.app.store.staff_by_email("owner@example.com").await.unwrap().unwrap().id().unwrap();
    t.app.store.write(move |tx| Box::pin(async move { tx.set_operator(staff).await })).await.unwrap();
    (project, owner)
}

mailing!(operators_see_letters_and_send_them_again, |t: TestApp, smtp: Smtp| async move {
    let (project, operator) = operator(&t).await;
    let empty = operator.get("/operator/mail").await;
    assert!(empty.body.contains("No undelivered e-mails"), "{}", empty.body);
    smtp.next([Next::Answer(550), Next::Answer(451)]);
    let refused = reply(&t, &project, "<i>@example.com", "A", "Something private").await;
    let dead = reply(&t, &project, ANN, "A", "Something private").await;
    let waits = reply(&t, &project, "bob@example.com", "A", "Something private").await;
    run(&t).await;
    let page = operator.get("/operator/mail").await;
    assert!(page.body.contains("Failed (2)") && page.body.contains("Queued (1)"), "{}", page.body);
    assert!(page.body.contains("The mail server responded with 550") && page.body.contains("The mail server responded with 451"));
    assert!(!page.body.contains("Something private") && !page.body.contains("<i>@"), "texts are nobody's business");

    let letter = dead.to_string();
    let field = [("message", letter.as_str())];
    assert_eq!(operator.post("/operator/mail/discard", &field).await.location(), "/operator/mail");
    let page = operator.get("/operator/mail").await;
    assert!(page.body.contains("Failed (1)") && page.body.contains("/operator/mail/restore"), "{}", page.body);
    assert_eq!(operator.post("/operator/mail/discard", &field).await.status, StatusCode::CONFLICT);
    assert_eq!(operator.post("/operator/mail/restore", &field).await.location(), "/operator/mail");
    assert_eq!(row(&t, dead).await.state, "dead");
    assert_eq!(operator.post("/operator/mail/retry", &field).await.location(), "/operator/mail");
    operator.post("/operator/mail/retry", &[("message", &waits.to_string())]).await;
    run(&t).await;
    assert_eq!((row(&t, dead).await.state.as_str(), row(&t, waits).await.state.as_str()), ("sent", "sent"));
    assert_eq!(row(&t, refused).await.state, "dead");
    assert_eq!(operator.post("/operator/mail/retry", &[("message", "nonsense")]).await.status, StatusCode::NOT_FOUND);

    // A queued e-mail that is discarded is not sent; restored, it is.
    let late = reply(&t, &project, "carl@example.com", "A", "B").await;
    let letter = late.to_string();
    operator.post("/operator/mail/discard", &[("message", &letter)]).await;
    run(&t).await;
    assert_eq!(smtp.letters().len(), 2);
    operator.post("/operator/mail/restore", &[("message", &letter)]).await;
    run(&t).await;
    assert_eq!(smtp.letters().len(), 3);
});

crate::on_both!(operators_run_jobs_again_that_were_given_up, |t: TestApp| async move {
    let (_, operator) = operator(&t).await;
    assert!(operator.get("/operator/jobs").await.body.contains("No failed jobs"));
    let (id, now) = (t.id::<domain::ids::JobId>(), t.app.now());
    t.app.store.write(move |tx| Box::pin(async move { tx.enqueue_once(id, &jobs::Job::Purge {}, now, now).await })).await.unwrap();
    let claimed = jobs::claim(&t.app).await.unwrap().unwrap();
    t.app.store.write(move |tx| Box::pin(async move { tx.mark_job_dead(&claimed, "The disk was <full>.", now).await })).await.unwrap();
    let page = operator.get("/operator/jobs").await;
    assert!(page.body.contains("Hourly cleanup") && page.body.contains("The disk was &lt;full&gt;."), "{}", page.body);
    let job = id.to_string();
    assert_eq!(operator.post("/operator/jobs/retry", &[("job", &job)]).await.location(), "/operator/jobs");
    run(&t).await;
    assert_eq!(t.app.store.job(id).await.unwrap().unwrap().state, "done");
    assert_eq!(operator.post("/operator/jobs/retry", &[("job", &job)]).await.status, StatusCode::CONFLICT);
});

crate::on_both!(operators_carry_an_import_on_that_was_given_up, |t: TestApp| async move {
    use domain::imports::{ColumnMapping, ImportStatus};
    use service::imports;
    let (project, operator) = operator(&t).await;
    let scope = Scope::system(project.id);
    let mut upload = imports::begin_upload(&t.app, &scope, "file.csv", "upload-key").await.unwrap();
    upload.push(&t.app, &scope, b"text\nThe first\nThe second\n").await.unwrap();
    let id = upload.finish(&t.app, &scope).await.unwrap();
    let find = async || imports::find(&t.app, &scope, id).await.unwrap();
    imports::start(&t.app, &scope, &find().await, ColumnMapping::parse("text=text").unwrap()).await.unwrap();
    // Eight workers die while running it.
    let mut job = None;
    for _ in 0..8 {
        job = Some(jobs::claim(&t.app).await.unwrap().unwrap().id);
        t.clock.advance_ms(jobs::LEASE_MS + 1);
    }
    assert!(jobs::claim(&t.app).await.unwrap().is_none());
    assert_eq!(find().await.status, ImportStatus::Failed);
    let job = job.unwrap();
    let page = operator.get("/operator/jobs").await;
    assert!(page.body.contains("File import") && page.body.contains("Run again"), "{}", page.body);
    let field = [("job", job.to_string())];
    let field: Vec<(&str, &str)> = field.iter().map(|(n, v)| (*n, v.as_str())).collect();
    assert_eq!(operator.post("/operator/jobs/retry", &field).await.location(), "/operator/jobs");
    assert_eq!(find().await.status, ImportStatus::Running);
    run(&t).await;
    let done = find().await;
    assert_eq!((done.status, done.added), (ImportStatus::Done, 2));
    assert!(operator.get("/operator/jobs").await.body.contains("No failed jobs"));

    // A failed undo can be retried too.
    imports::revert(&t.app, &scope, &done).await.unwrap();
    let claimed = jobs::claim(&t.app).await.unwrap().unwrap();
    let (back, now) = (claimed.id.to_string(), t.app.now());
    let bury = t.app.store.write(move |tx| {
        Box::pin(async move {
            tx.mark_job_dead(&claimed, "The disk was full.", now).await?;
            tx.fail_revert(&scope, id, "The disk was full.", now).await
        })
    });
    bury.await.unwrap();
    assert_eq!(operator.post("/operator/jobs/retry", &[("job", &back)]).await.location(), "/operator/jobs");
    run(&t).await;
    assert_eq!(t.app.store.job(back.parse().unwrap()).await.unwrap().unwrap().state, "done");
    assert!(!t.app.store.has_non_spam(&scope).await.unwrap(), "all of it is gone again");

    // A job with nothing left to do cannot be retried, and stays in the list.
    let (lost, now, project) = (t.id::<domain::ids::JobId>(), t.app.now(), project.id);
    let work = jobs::Job::Import { project, import: id };
    t.app.store.write(move |tx| Box::pin(async move { tx.enqueue_once(lost, &work, now, now).await })).await.unwrap();
    let claimed = jobs::claim(&t.app).await.unwrap().unwrap();
    t.app.store.write(move |tx| Box::pin(async move { tx.mark_job_dead(&claimed, "No.", now).await })).await.unwrap();
    let refused = operator.post("/operator/jobs/retry", &[("job", &lost.to_string())]).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert_eq!(t.app.store.job(lost).await.unwrap().unwrap().state, "dead");
});

crate::on_both!(only_operators_see_the_operation, |t: TestApp| async move {
    // Not even an owner, unless they are an operator.
    let (_, owner) = t.owner().await;
    assert!(!owner.get("/account").await.body.contains("/operator/mail"));
    for path in ["/operator/mail", "/operator/jobs"] {
        assert_eq!(owner.get(path).await.status, StatusCode::NOT_FOUND);
        assert_eq!(t.anonymous().get(path).await.status, StatusCode::SEE_OTHER);
    }
    for path in ["/operator/mail/retry", "/operator/mail/discard", "/operator/mail/restore", "/operator/jobs/retry"] {
        let id = t.app.ids.uuid().to_string();
        assert_eq!(owner.post(path, &[("message", &id), ("job", &id)]).await.status, StatusCode::NOT_FOUND);
    }
});
