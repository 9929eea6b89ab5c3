//! Every kind of e-mail, as received by a mail server and as displayed.

use std::collections::BTreeSet;

use axum::{Router, http::StatusCode};
use domain::{accounts::Role, mail::MailKind, webhooks::address::IpNetwork};
use mail_parser::Message;
use service::{
    jobs, tickets,
    webhooks::{
        self, EndpointInput,
        client::{SystemHostResolver, WebhookClient},
        deliver::deliver_due,
    },
};

use super::{
    SnapshotSet,
    html::redact,
    pages::{ticket_at, write_ticket},
};
use crate::{
    smtp::Smtp,
    support::{Database, PASSWORD, TestApp},
};

/// An e-mail: recipients, headers, and both bodies.
fn readable(to: &[String], letter: &Message<'_>) -> String {
    let mut out = format!("RCPT TO: {}\n\n", to.join(", "));
    for (name, raw) in letter.headers_raw() {
        let value = match name {
            "Subject" => letter.subject().unwrap().to_owned(),
            "From" => {
                let from = letter.from().unwrap().first().unwrap();
                format!("{} <{}>", from.name().unwrap_or("(no name)"), from.address().unwrap())
            }
            // The boundary differs each time.
            "Content-Type" => raw.split(';').next().unwrap().trim().to_owned(),
            _ => raw.split_whitespace().collect::<Vec<_>>().join(" "),
        };
        out.push_str(&format!("{name}: {value}\n"));
    }
    assert_eq!((letter.text_body_count(), letter.html_body_count(), letter.attachment_count()), (1, 1, 0));
    let (text, html) = (letter.body_text(0).unwrap(), letter.body_html(0).unwrap());
    out.push_str(&format!("\n── text/plain\n{text}\n── text/html\n{html}"));
    redact(&out.replace("\r\n", "\n"))
}

/// The program with a mail server, and the snapshots of its e-mails.
struct Office {
    t: TestApp,
    smtp: Smtp,
    read: usize,
    snapshots: SnapshotSet,
}

impl Office {
    async fn new() -> Self {
        let smtp = Smtp::start().await;
        let mail = server::config::mail_for_tests(smtp.port).unwrap();
        let t = TestApp::with_settings(Database::Sqlite, |config| {
            config.settings.mail = Some(mail);
            config.settings.webhook_allow = vec![IpNetwork::parse("127.0.0.1").unwrap()];
        });
        Self { t: t.await.unwrap(), smtp, read: 0, snapshots: SnapshotSet::default() }
    }

    /// Takes snapshots of the e-mails sent since the last call, which must match these names.
    async fn sent(&mut self, names: &[&str]) {
        jobs::run_due(&self.t.app).await.unwrap();
        let (raw, letters) = (self.smtp.raw(), self.smtp.letters());
        assert_eq!(letters.len() - self.read, names.len(), "letters for {names:?}");
        for (name, ((to, _), letter)) in names.iter().zip(raw.iter().zip(&letters).skip(self.read)) {
            self.snapshots.add(*name, readable(to, letter));
        }
        self.read = letters.len();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind() {
    let mut o = Office::new().await;
    let (project, owner) = o.t.owner().await;
    let staff = o.t.app.store.staff_by_email("owner@example.com").await.unwrap().unwrap().id().unwrap();
    let team = o.t.app.store.team_member(staff).await.unwrap().scope(project.id, Role::Triager).unwrap();

    for language in ["en", "de"] {
        let location = write_ticket(&o.t, language, "Where is the <export>?", "I cannot find it.").await;
        o.sent(&[&format!("ticket-confirmation-{language}")]).await;
        let ticket = ticket_at(&o.t, &project, &location).await;
        o.t.clock.advance_ms(600_000);
        for (kind, body, close) in
            [("ticket-reply", "Hello Ann,\nit is under “Data”.\n\n<b>Bold</b> & so on.", false), ("ticket-reply-closed", "Fixed.", true)]
        {
            let reply = tickets::StaffReply { body: body.into(), close, ..tickets::StaffReply::default() };
            tickets::staff_reply(&o.t.app, &team, ticket.id, &format!("{kind}-{language}"), reply).await.unwrap();
            o.sent(&[&format!("{kind}-{language}")]).await;
        }
        let renewed = owner.post(&format!("/p/my-app/feedback/{}/new-link", ticket.feedback), &[("do", "mail")]).await;
        assert_eq!(renewed.status, StatusCode::SEE_OTHER, "{}", renewed.body);
        o.sent(&[&format!("ticket-link-{language}")]).await;
    }

    owner.post("/p/my-app/members", &[("role", "viewer"), ("email", "new@example.com")]).await;
    o.sent(&["invitation"]).await;
    o.t.anonymous().post("/forgot", &[("email", "owner@example.com")]).await;
    o.sent(&["password-reset"]).await;
    owner.post("/account/password", &[("current", PASSWORD), ("password", "eleven green bottles")]).await;
    o.sent(&["password-changed"]).await;

    // A receiver that responds with 410 Gone, and one that fails for days.
    let sender = WebhookClient::new(&o.t.app.settings.webhook_allow, std::sync::Arc::new(SystemHostResolver));
    for (name, answer, days) in [("webhook-off-gone", StatusCode::GONE, 1), ("webhook-off-failing", StatusCode::BAD_GATEWAY, 7)] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://127.0.0.1:{}/hook", listener.local_addr().unwrap().port());
        let receiver = Router::new().fallback(async move || answer);
        tokio::spawn(async move { axum::serve(listener, receiver).await.unwrap() });
        let input = EndpointInput { url, note: "Chat".into(), kinds: vec!["feedback.created".into()] };
        let system = domain::accounts::Scope::system(project.id);
        let endpoint = webhooks::create(&o.t.app, &system, &format!("{name}-key"), &input).await.unwrap();
        for hour in 0..days * 24 {
            if o.t.app.store.endpoint(&system, endpoint).await.unwrap().unwrap().enabled {
                if hour % 24 == 0 {
                    webhooks::test(&o.t.app, &system, &format!("{name}-{hour:04}"), endpoint).await.unwrap();
                }
                deliver_due(&o.t.app, &sender).await.unwrap();
            }
            o.t.clock.advance_ms(3_600_000);
        }
        o.sent(&[name]).await;
    }

    // Every kind must be covered, including new ones.
    let seen: Vec<String> = sqlx::query_scalar("SELECT DISTINCT kind FROM letters").fetch_all(o.t.app.store.reader()).await.unwrap();
    let seen: BTreeSet<&str> = seen.iter().map(String::as_str).collect();
    assert_eq!(seen, MailKind::ALL.iter().map(|kind| kind.as_str()).collect());
    o.snapshots.compare("letters");
}
