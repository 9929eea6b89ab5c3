//! Authority is checked at the time of use: keys, webhooks, invitations, links, exports and undo use their person's current role.

use std::sync::Arc;

use axum::{
    body::BodyDataStream,
    http::{Method, StatusCode},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{
    Secret,
    accounts::{Role, Scope, TeamMember, key::Access},
    ids::{EndpointId, StaffId},
    projects::Project,
    tickets::NewTicket,
    webhooks::{EventKind, address::IpNetwork},
};
use futures_util::StreamExt;
use hmac::{Hmac, KeyInit, Mac};
use service::{
    keys::ApiKeyInput,
    state::SECRET_ACTIVATION_DELAY_MS,
    tickets::{self, TicketSubmission},
    webhooks::{
        self, EndpointInput,
        client::{SystemHostResolver, WebhookClient},
        deliver::deliver_due,
    },
};
use store::{keys::ApiKey, webhooks::Endpoint};

use crate::{
    keys::Program,
    on_both, on_one,
    support::{Client, Page, TestApp, sample},
};

/// The text after a mark in a page, up to the next quote.
fn value_of<'p>(page: &'p str, mark: &str) -> &'p str {
    page.split(mark).nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_else(|| panic!("no {mark} in {page}"))
}

/// A member's scope at the beginning of a request.
fn scope_of(staff: StaffId, project: &Project, role: Role) -> Scope {
    TeamMember { staff, roles: vec![(project.id, role)] }.scope(project.id, Role::Viewer).unwrap()
}

async fn set_role(t: &TestApp, project: &Project, staff: StaffId, role: Option<Role>) {
    let (project, now) = (project.id, t.app.now());
    let work = t.app.store.write(move |tx| {
        Box::pin(async move {
            match role {
                Some(role) => tx.set_role(project, staff, role, now).await,
                None => tx.delete_membership(project, staff).await,
            }
        })
    });
    work.await.unwrap();
}

/// A key created on the page.
async fn make_key(client: &Client, name: &str, scope: &str) -> String {
    let page = client.post("/p/my-app/keys", &[("name", name), ("scope", scope), ("days", "")]).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    let start = page.body.find("eas_").expect("a key is shown");
    page.body[start..].chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')).collect()
}

async fn key_named(t: &TestApp, project: &Project, name: &str) -> ApiKey {
    let all = t.app.store.api_keys(&Scope::system(project.id)).await.unwrap();
    all.into_iter().find(|key| key.name == name).unwrap()
}

async fn make_hook(t: &TestApp, client: &Client, url: &str) -> EndpointId {
    let page = client.post("/p/my-app/webhooks", &[("url", url), ("note", "Chat"), ("kinds", "ticket.created")]).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.body);
    let _ = t;
    page.location().rsplit('/').next().unwrap().parse().unwrap()
}

async fn hook(t: &TestApp, project: &Project, id: EndpointId) -> Endpoint {
    t.app.store.endpoint(&Scope::system(project.id), id).await.unwrap().unwrap()
}

async fn write_feedback(program: &Program, key: &str) -> Page {
    program.send(Method::POST, "/api/v1/feedback", &[("idempotency-key", key)], r#"{"text":"Said by a program"}"#).await
}

on_both!(a_key_does_no_more_than_its_person_may_now, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let (staff, admin) = t.member(&project, "adm@example.com", Role::Admin).await;
    let program = Program::with(&t, &make_key(&admin, "Nightly", "admin").await);
    let machine = Program::new(&t, &project, Access::Write).await;
    assert_eq!(program.get("/api/v1/me").await.json()["scope"], "admin");
    assert_eq!(write_feedback(&program, "feedback-0001").await.status, StatusCode::CREATED);

    // A lower role needs confirmation first, because something uses the higher one.
    let staff = staff.to_string();
    let asked = owner.post("/p/my-app/members/role", &[("staff", &staff), ("role", "viewer")]).await;
    assert_eq!(asked.location(), format!("/p/my-app/members/role?staff={staff}&role=viewer"));
    let page = owner.get(asked.location()).await;
    assert!(
        page.body.contains("Nightly") && page.body.contains("with more permissions than the role Viewer has: 1 API key."),
        "{}",
        page.body
    );
    assert_eq!(write_feedback(&program, "feedback-0002").await.status, StatusCode::CREATED, "nothing was changed by asking");
    let done = owner.post("/p/my-app/members/role", &[("staff", &staff), ("role", "viewer"), ("confirmed", "yes")]).await;
    assert_eq!(done.location(), "/p/my-app/members");

    assert_eq!(program.get("/api/v1/feedback").await.status, StatusCode::OK, "a viewer reads");
    assert_eq!(program.get("/api/v1/me").await.json()["scope"], "read");
    let refused = write_feedback(&program, "feedback-0003").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.body.contains("the role of the person it acts for"), "{}", refused.body);
    assert_eq!(program.get("/api/v1/export/feedback").await.status, StatusCode::FORBIDDEN);
    assert!(owner.get("/p/my-app/keys").await.body.contains("Limited: adm is now Viewer"));
    // With the role restored, the key works again.
    assert_eq!(owner.post("/p/my-app/members/role", &[("staff", &staff), ("role", "triager")]).await.location(), "/p/my-app/members");
    assert_eq!(write_feedback(&program, "feedback-0004").await.status, StatusCode::CREATED);
    // A key created by the command line acts for no person.
    assert_eq!(write_feedback(&machine, "feedback-0005").await.status, StatusCode::CREATED);
});

on_both!(removal_shows_what_is_left_behind_and_revokes_it, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let (staff, admin) = t.member(&project, "adm@example.com", Role::Admin).await;
    let program = Program::with(&t, &make_key(&admin, "Nightly", "admin").await);
    let owners_program = Program::with(&t, &make_key(&owner, "The owner’s", "read").await);
    let hook_id = make_hook(&t, &admin, "https://hooks.example.com/a").await;
    let secret = hook(&t, &project, hook_id).await.secret.0;
    let invited = admin.post("/p/my-app/members", &[("role", "viewer"), ("email", "")]).await;
    let token = value_of(&invited.body, "http://earshot.test/invite/").split('<').next().unwrap().to_owned();
    let invite = format!("/invite/{token}");
    assert_eq!(t.anonymous().get(&invite).await.status, StatusCode::OK);

    let staff = staff.to_string();
    let asked = owner.post("/p/my-app/members/remove", &[("staff", &staff)]).await;
    assert_eq!(asked.location(), format!("/p/my-app/members/remove?staff={staff}"));
    let page = owner.get(asked.location()).await;
    for text in ["1 API key, 1 webhook and 1 open invitation", "Nightly", "https://hooks.example.com/a", "Anyone with the link"] {
        assert!(page.body.contains(text), "{text}: {}", page.body);
    }
    assert!(!page.body.contains("The owner’s"));
    assert_eq!(program.get("/api/v1/me").await.status, StatusCode::OK, "nothing was changed by asking");

    let done = owner.post("/p/my-app/members/remove", &[("staff", &staff), ("confirmed", "yes")]).await;
    assert_eq!(done.location(), "/p/my-app/members");
    let page = owner.get("/p/my-app/members").await;
    assert!(page.body.contains("Member removed. 1 API key revoked, 1 webhook turned off, 1 invitation revoked."), "{}", page.body);
    assert_eq!(program.get("/api/v1/export/feedback").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(t.anonymous().get(&invite).await.status, StatusCode::NOT_FOUND);
    let stopped = hook(&t, &project, hook_id).await;
    assert!(!stopped.enabled && stopped.secret.0 != secret && stopped.old_secret.is_none());
    assert!(stopped.disabled_reason.unwrap().contains("adm"));
    assert_eq!(owners_program.get("/api/v1/me").await.status, StatusCode::OK);
    // The person who enables it becomes responsible for it.
    owner.post(&format!("/p/my-app/webhooks/{hook_id}/enabled"), &[("on", "yes")]).await;
    let on = hook(&t, &project, hook_id).await;
    let me = t.app.store.staff_by_email("owner@example.com").await.unwrap().unwrap().id().unwrap();
    assert!(on.enabled && on.answers_to == Some(me.into()));
});

on_both!(an_owner_hands_over_what_is_to_go_on, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let (staff, admin) = t.member(&project, "adm@example.com", Role::Admin).await;
    let (second, other) = t.member(&project, "two@example.com", Role::Admin).await;
    let (viewer, _) = t.member(&project, "vi@example.com", Role::Viewer).await;
    let program = Program::with(&t, &make_key(&admin, "Nightly", "admin").await);
    let hook_id = make_hook(&t, &admin, "https://hooks.example.com/a").await;
    let secret = hook(&t, &project, hook_id).await.secret.0;
    let (staff, key) = (staff.to_string(), format!("hand:{}", key_named(&t, &project, "Nightly").await.id));
    let (endpoint, second_id, viewer) = (format!("hand:{hook_id}"), second.to_string(), viewer.to_string());
    // An admin can remove an admin, but hand over nothing.
    let page = other.get(&format!("/p/my-app/members/remove?staff={staff}")).await;
    assert!(page.body.contains("Only an owner of the project can hand these over") && !page.body.contains("<select name=\"hand:"));
    assert!(owner.get(&format!("/p/my-app/members/remove?staff={staff}")).await.body.contains("<select name=\"hand:"));
    let fields = [("staff", staff.as_str()), ("confirmed", "yes"), (key.as_str(), "project")];
    assert_eq!(other.post("/p/my-app/members/remove", &fields).await.status, StatusCode::FORBIDDEN);
    // Only an admin can take it over; the form keeps the choices.
    let fields = [("staff", staff.as_str()), ("confirmed", "yes"), (key.as_str(), "project"), (endpoint.as_str(), viewer.as_str())];
    let page = owner.post("/p/my-app/members/remove", &fields).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.body.contains("Only an admin or owner") && page.body.contains("<option value=\"project\" selected"), "{}", page.body);
    assert_eq!(admin.get("/p/my-app/keys").await.status, StatusCode::OK, "still a member");

    let fields = [("staff", staff.as_str()), ("confirmed", "yes"), (key.as_str(), "project"), (endpoint.as_str(), second_id.as_str())];
    assert_eq!(owner.post("/p/my-app/members/remove", &fields).await.location(), "/p/my-app/members");
    assert_eq!(program.get("/api/v1/me").await.json()["scope"], "admin");
    assert!(owner.get("/p/my-app/keys").await.body.contains("Handed over to the project"));
    let handed = hook(&t, &project, hook_id).await;
    assert!(handed.enabled && handed.answers_to == Some(second.into()) && handed.secret.0 != secret);
    assert_eq!(handed.old_secret.unwrap().0.0, secret, "the receiver has a day to change over");
    // It now acts for the second admin, and ends with their membership.
    let page = owner.get(&format!("/p/my-app/members/remove?staff={second_id}")).await;
    assert!(page.body.contains("Acting for two: 1 webhook.") && !page.body.contains("Nightly"), "{}", page.body);
});

on_both!(what_acted_for_somebody_who_left_before_has_stopped, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let (staff, admin) = t.member(&project, "adm@example.com", Role::Admin).await;
    let program = Program::with(&t, &make_key(&admin, "Nightly", "read").await);
    assert_eq!(program.get("/api/v1/me").await.status, StatusCode::OK);
    // As earlier versions removed members: only the membership is deleted.
    set_role(&t, &project, staff, None).await;
    let stopped = program.get("/api/v1/me").await;
    assert_eq!((stopped.status, stopped.json()["code"].as_str()), (StatusCode::UNAUTHORIZED, Some("key_stopped")));
    assert!(stopped.headers.contains_key("www-authenticate") && stopped.body.contains("hand it over"));
    assert!(owner.get("/p/my-app/keys").await.body.contains("Stopped: adm is no longer a member"));

    let (_, other) = t.member(&project, "two@example.com", Role::Admin).await;
    let key = key_named(&t, &project, "Nightly").await.id.to_string();
    assert!(!other.get("/p/my-app/keys").await.body.contains("Hand over"));
    assert_eq!(other.post("/p/my-app/keys/hand-over", &[("key", &key)]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(owner.post("/p/my-app/keys/hand-over", &[("key", &key)]).await.location(), "/p/my-app/keys");
    assert_eq!(program.get("/api/v1/me").await.status, StatusCode::OK);
    assert_eq!(owner.post("/p/my-app/keys/revoke", &[("key", &key)]).await.location(), "/p/my-app/keys");
    assert_eq!(program.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
});

on_both!(new_keys_are_given_ninety_days_unless_chosen_otherwise, |t: TestApp| async move {
    let (_, owner) = t.owner().await;
    let page = owner.get("/p/my-app/keys").await;
    assert!(page.body.contains("<option value=\"90\" selected"), "{}", page.body);
    assert!(page.body.contains(">Never</option>"));
});

on_both!(
    a_webhook_is_silent_once_its_person_is_no_admin,
    |config| config.settings.webhook_allow = vec![IpNetwork::parse("127.0.0.1").unwrap()],
    |t: TestApp| async move {
        let (project, _) = t.owner().await;
        let (staff, _) = t.member(&project, "adm@example.com", Role::Admin).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let receiver = axum::Router::new().fallback(|| async { StatusCode::NO_CONTENT });
        tokio::spawn(async move { axum::serve(listener, receiver).await.unwrap() });
        let sender = WebhookClient::new(&t.app.settings.webhook_allow, Arc::new(SystemHostResolver));
        let scope = scope_of(staff, &project, Role::Admin);
        let input = EndpointInput {
            url: format!("http://127.0.0.1:{port}/hook"),
            note: String::new(),
            kinds: vec![EventKind::TicketCreated.as_str().to_owned()],
        };
        let id = webhooks::create(&t.app, &scope, "hook-key-0001", &input).await.unwrap();
        ticket(&t, &project, "ticket-key-1").await;
        assert_eq!(deliver_due(&t.app, &sender).await.unwrap(), 1);
        set_role(&t, &project, staff, Some(Role::Triager)).await;
        ticket(&t, &project, "ticket-key-2").await;
        assert_eq!(deliver_due(&t.app, &sender).await.unwrap(), 0);
        let stopped = hook(&t, &project, id).await;
        assert!(!stopped.enabled && stopped.disabled_reason.unwrap().contains("no longer an admin"));
    }
);

async fn ticket(t: &TestApp, project: &Project, key: &str) -> tickets::TicketReceipt {
    let ticket =
        NewTicket { subject: "The till jams".into(), message: "It beeps.".into(), email: "ann@example.com".into(), name: "Ann".into() };
    tickets::submit(&t.app, project, key, TicketSubmission { ticket, ..TicketSubmission::default() }).await.unwrap()
}

/// Reads a stream to its end; returns the number of bytes, and whether it ended without an error.
async fn drain(mut body: BodyDataStream) -> (usize, bool) {
    let mut bytes = 0;
    loop {
        match body.next().await {
            None => return (bytes, true),
            Some(Ok(piece)) => bytes += piece.len(),
            Some(Err(_)) => return (bytes, false),
        }
    }
}

async fn fill(t: &TestApp, project: &Project, count: usize) {
    let all: Vec<_> = (0..count).map(|n| sample(&t.app, project.id, &format!("Said {n}"))).collect();
    let work = t.app.store.write(move |tx| {
        Box::pin(async move {
            for feedback in &all {
                tx.insert_feedback(feedback, None).await?;
            }
            Ok(())
        })
    });
    work.await.unwrap();
}

on_both!(an_export_breaks_off_when_its_authority_ends, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    fill(&t, &project, 1200).await;
    let (staff, triager) = t.member(&project, "tri@example.com", Role::Triager).await;
    let file = "/p/my-app/export/file?what=feedback&format=jsonl";
    let whole = drain(triager.open(file, &[]).await.into_body().into_data_stream()).await;
    assert!(whole.1, "with its authority it comes whole");
    // The end of a role, of a session, and of a key: each aborts a running export.
    let first_part = async |response: axum::response::Response| {
        assert_eq!(response.status(), StatusCode::OK);
        let mut body = response.into_body().into_data_stream();
        let first = body.next().await.unwrap().unwrap().len();
        (first, body)
    };
    let (first, rest) = first_part(triager.open(file, &[]).await).await;
    set_role(&t, &project, staff, Some(Role::Viewer)).await;
    let (more, ended_well) = drain(rest).await;
    assert!(!ended_well && first + more < whole.0 / 2 + 1000, "{first} + {more} of {}", whole.0);

    set_role(&t, &project, staff, Some(Role::Triager)).await;
    let (_, rest) = first_part(triager.open(file, &[]).await).await;
    triager.post("/sign-out", &[]).await;
    assert!(!drain(rest).await.1, "the session ended");

    let program = Program::new(&t, &project, Access::Write).await;
    let key = key_named(&t, &project, "Night train").await.id.to_string();
    let bearer = format!("Bearer {}", program.secret);
    let open = async || t.anonymous().open("/api/v1/export/feedback", &[("authorization", bearer.as_str())]).await;
    assert!(drain(open().await.into_body().into_data_stream()).await.1);
    let (_, rest) = first_part(open().await).await;
    owner.post("/p/my-app/keys/revoke", &[("key", &key)]).await;
    assert!(!drain(rest).await.1, "the key was revoked");
});

on_both!(what_takes_long_asks_again_when_it_commits, |t: TestApp| async move {
    let (project, _) = t.owner().await;
    let (staff, admin) = t.member(&project, "adm@example.com", Role::Admin).await;
    let made = ticket(&t, &project, "ticket-key-1").await;
    // The scopes of requests that began before the role was lowered.
    let (stale, undone) = (scope_of(staff, &project, Role::Admin), format!("/p/my-app/feedback/{}/status", made.feedback));
    let mut upload = service::imports::begin_upload(&t.app, &stale, "a.csv", "import-key-1").await.unwrap();
    upload.push(&t.app, &stale, b"text\nSaid\n").await.unwrap();
    let moved = admin.post(&undone, &[("version", "1"), ("status", "triaged")]).await;
    let toast = admin.get(moved.location()).await.body;
    let token = value_of(&toast, "name=\"token\" value=\"").parse().unwrap();
    set_role(&t, &project, staff, Some(Role::Viewer)).await;

    let forbidden = |error: service::error::Error| matches!(error.refusal(), Some(domain::DomainError::Forbidden));
    assert!(forbidden(upload.finish(&t.app, &stale).await.unwrap_err()));
    assert!(forbidden(service::undo::undo(&t.app, &stale, token).await.unwrap_err()));
    let reply = tickets::StaffReply { body: "Open the lid.".into(), ..tickets::StaffReply::default() };
    assert!(forbidden(tickets::staff_reply(&t.app, &stale, made.ticket, "answer-key-1", reply.clone()).await.unwrap_err()));
    // With the role restored they succeed, so the missing role was the reason.
    set_role(&t, &project, staff, Some(Role::Admin)).await;
    assert_eq!(service::undo::undo(&t.app, &stale, token).await.unwrap().changed, 1);
    tickets::staff_reply(&t.app, &stale, made.ticket, "answer-key-1", reply).await.unwrap();
});

/// A link as signed by earlier versions: directly with the installation's first secret.
async fn old_token(t: &TestApp, ticket: domain::ids::TicketId) -> String {
    let secret: String =
        sqlx::query_scalar("SELECT secret FROM signing_secrets WHERE generation = 1").fetch_one(t.app.store.reader()).await.unwrap();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&URL_SAFE_NO_PAD.decode(secret).unwrap()).unwrap();
    mac.update(format!("ticket\0{ticket}").as_bytes());
    format!("{}-{}", ticket.0.simple(), URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

on_both!(a_tickets_link_is_renewed_and_seen_by_nobody_of_the_team_in_passing, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let (_, triager) = t.member(&project, "tri@example.com", Role::Triager).await;
    let (_, viewer) = t.member(&project, "vi@example.com", Role::Viewer).await;
    let made = ticket(&t, &project, "ticket-key-1").await;
    let first = format!("/p/my-app/t/{}", tickets::token(&t.app, made.ticket).unwrap());
    let old = format!("/p/my-app/t/{}", old_token(&t, made.ticket).await);
    let anyone = t.anonymous();
    for link in [&first, &old] {
        assert_eq!(anyone.get(link).await.status, StatusCode::OK, "{link}");
    }
    let item = format!("/p/my-app/feedback/{}", made.feedback);
    for page in [&item, &format!("{item}/as-requester"), &format!("/p/my-app/inbox?item={}", made.feedback)] {
        let seen = triager.get(page).await;
        assert_eq!(seen.status, StatusCode::OK, "{page}");
        assert!(!seen.body.contains("/my-app/t/"), "{page} shows the link");
    }
    // The preview shows the requester's page without the reply form.
    let preview = viewer.get(&format!("{item}/as-requester")).await;
    assert!(preview.body.contains("It beeps.") && !preview.body.contains("<form"), "{}", preview.body);
    assert!(preview.body.contains("Preview for the team.") && preview.body.contains(&format!("href=\"{item}\"")), "{}", preview.body);
    assert!(!anyone.get(&first).await.body.contains("Preview for the team."));

    assert_eq!(viewer.post(&format!("{item}/new-link"), &[("do", "show")]).await.status, StatusCode::FORBIDDEN);
    let refused = triager.post(&format!("{item}/new-link"), &[("do", "mail")]).await;
    assert_eq!(refused.status, StatusCode::SEE_OTHER);
    assert!(!owner.get(&item).await.body.contains("renewed the requester"), "without mail nothing is sent, so nothing is renewed");
    let shown = triager.post(&format!("{item}/new-link"), &[("do", "show"), ("idempotency_key", "link-key-0001")]).await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.body);
    let fresh = format!("/p/my-app/t/{}", value_of(&shown.body, "http://earshot.test/p/my-app/t/").split('<').next().unwrap());
    assert_ne!(fresh, first);
    // A repeated submission renews it only once.
    let again = triager.post(&format!("{item}/new-link"), &[("do", "show"), ("idempotency_key", "link-key-0001")]).await;
    assert!(again.body.contains(&fresh));
    assert_eq!(anyone.get(&fresh).await.status, StatusCode::OK);
    for link in [&first, &old] {
        assert_eq!(anyone.get(link).await.status, StatusCode::NOT_FOUND, "{link} was renewed");
        assert_eq!(anyone.post(&format!("{link}/close"), &[]).await.status, StatusCode::NOT_FOUND);
    }
    assert!(owner.get(&item).await.body.contains("renewed the requester’s link"));
    // A link has only one valid spelling.
    let renewed = anyone.get(&first.replacen(&made.ticket.0.simple().to_string(), &format!("{}.01", made.ticket.0.simple()), 1)).await;
    assert_eq!(renewed.status, StatusCode::NOT_FOUND);
    // The signature covers the generation.
    let forged = fresh.replace(".1-", ".2-");
    assert_ne!(forged, fresh);
    assert_eq!(anyone.get(&forged).await.status, StatusCode::NOT_FOUND);
    let other = service::projects::create(&t.app, "Other", vec![], None).await.unwrap();
    assert_eq!(anyone.get(&fresh.replace("/my-app/", &format!("/{}/", other.slug))).await.status, StatusCode::NOT_FOUND);
});

on_both!(messages_through_the_link_say_so, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let made = ticket(&t, &project, "ticket-key-1").await;
    let item = format!("/p/my-app/feedback/{}", made.feedback);
    assert!(!owner.get(&item).await.body.contains("via link"));
    let addition = tickets::RequesterReply { body: "Still beeps.".into(), ..tickets::RequesterReply::default() };
    tickets::requester_reply(&t.app, &project, made.ticket, "answer-key-1", addition).await.unwrap();
    let page = owner.get(&item).await;
    assert_eq!(page.body.matches("Requester, via link").count(), 1, "{}", page.body);
});

on_both!(links_that_the_team_saw_are_renewed_with_a_removal, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let (staff, _) = t.member(&project, "tri@example.com", Role::Triager).await;
    let (made, other_ticket) = (ticket(&t, &project, "ticket-key-1").await, ticket(&t, &project, "ticket-key-2").await);
    // As a ticket of an older installation, which showed the link.
    let id = made.ticket.to_string();
    let work = t.app.store.write(move |tx| {
        Box::pin(async move {
            sqlx::query("UPDATE tickets SET link_shown = 1 WHERE id = $1").bind(id).execute(tx.conn()).await?;
            Ok(())
        })
    });
    work.await.unwrap();
    let link = |of: &tickets::TicketReceipt| format!("/p/my-app/t/{}", tickets::token(&t.app, of.ticket).unwrap());
    // Shown links require confirmation for a removal, but not for a role change.
    let role = [("staff", staff.to_string()), ("role", "viewer".into())];
    let role: Vec<_> = role.iter().map(|(n, v)| (*n, v.as_str())).collect();
    assert_eq!(owner.post("/p/my-app/members/role", &role).await.location(), "/p/my-app/members");
    let asked = owner.post("/p/my-app/members/remove", &[("staff", &staff.to_string())]).await;
    assert_eq!(asked.location(), format!("/p/my-app/members/remove?staff={staff}"));
    let page = owner.get(&format!("/p/my-app/members/remove?staff={staff}")).await;
    assert!(page.body.contains("secret link of 1 ticket"), "{}", page.body);
    let fields = [("staff", staff.to_string()), ("confirmed", "yes".into()), ("renew_links", "yes".into())];
    let fields: Vec<_> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
    owner.post("/p/my-app/members/remove", &fields).await;
    assert!(owner.get("/p/my-app/members").await.body.contains("1 ticket link renewed."));
    assert_eq!(t.anonymous().get(&link(&made)).await.status, StatusCode::NOT_FOUND);
    assert_eq!(t.anonymous().get(&link(&other_ticket)).await.status, StatusCode::OK, "nobody saw this one");
});

on_both!(a_new_secret_signs_and_the_old_ones_end_when_they_are_retired, |t: TestApp| async move {
    let (project, _) = t.owner().await;
    let made = ticket(&t, &project, "ticket-key-1").await;
    let link = || format!("/p/my-app/t/{}", tickets::token(&t.app, made.ticket).unwrap());
    let (before, older) = (link(), format!("/p/my-app/t/{}", old_token(&t, made.ticket).await));
    assert_eq!(t.app.rotate_secret().await.unwrap(), 2);
    assert_eq!(link(), before, "other processes have not looked yet");
    t.clock.advance_ms(SECRET_ACTIVATION_DELAY_MS);
    let after = link();
    assert_ne!(after, before);
    for link in [&older, &before, &after] {
        assert_eq!(t.anonymous().get(link).await.status, StatusCode::OK, "{link}");
    }
    assert_eq!(t.app.retire_secrets().await.unwrap(), 1);
    assert_eq!(t.anonymous().get(&after).await.status, StatusCode::OK);
    for link in [&older, &before] {
        assert_eq!(t.anonymous().get(link).await.status, StatusCode::NOT_FOUND, "{link}");
    }
    let secret: String = sqlx::query_scalar("SELECT secret FROM installation").fetch_one(t.app.store.reader()).await.unwrap();
    assert_eq!(secret, "", "no copy of it stays");
});

on_one!(another_process_takes_a_new_secret_over, Postgres, |t: TestApp| async move {
    let (project, _) = t.owner().await;
    let made = ticket(&t, &project, "ticket-key-1").await;
    let beside = t.beside(1_000_000).await;
    t.app.rotate_secret().await.unwrap();
    t.clock.advance_ms(SECRET_ACTIVATION_DELAY_MS);
    let link = format!("/p/my-app/t/{}", tickets::token(&t.app, made.ticket).unwrap());
    assert_eq!(beside.anonymous().get(&link).await.status, StatusCode::NOT_FOUND, "it has not looked");
    beside.app.reload_secrets().await.unwrap();
    assert_eq!(beside.anonymous().get(&link).await.status, StatusCode::OK);
});

on_both!(
    a_secret_file_is_needed_beside_the_database,
    |config| config.settings.secret = Some(Secret(b"a secret of forty characters or even more".to_vec())),
    |t: TestApp| async move {
        let sealed: Option<String> =
            sqlx::query_scalar("SELECT sealed FROM signing_secrets").fetch_one(t.app.store.reader()).await.unwrap();
        assert!(sealed.is_some());
        let (project, _) = t.owner().await;
        let made = ticket(&t, &project, "ticket-key-1").await;
        let own = format!("/p/my-app/t/{}", tickets::token(&t.app, made.ticket).unwrap());
        assert_eq!(t.anonymous().get(&own).await.status, StatusCode::OK);
        // The database alone is not enough to create a valid link.
        let forged = service::signing::Keyring::default();
        let mut stored = t.app.store.signing_secrets().await.unwrap();
        stored[0].sealed = None;
        forged.load(stored, None).unwrap();
        let proof = forged.sign("ticket", &made.ticket.to_string(), t.app.now()).unwrap();
        let link = format!("/p/my-app/t/{}-{proof}", made.ticket.0.simple());
        assert_eq!(t.anonymous().get(&link).await.status, StatusCode::NOT_FOUND);
    }
);

on_both!(an_invitation_for_an_address_is_for_that_address, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let invite = async |email: &str| {
        let page = owner.post("/p/my-app/members", &[("role", "viewer"), ("email", email)]).await;
        format!("/invite/{}", value_of(&page.body, "http://earshot.test/invite/").split('<').next().unwrap())
    };
    let bound = invite("bob@example.com").await;
    let page = t.anonymous().get(&bound).await;
    let field = page.body.split("id=\"email\"").nth(1).unwrap().split('>').next().unwrap();
    assert!(field.contains("readonly") && field.contains("value=\"bob@example.com\""), "{field}");
    // Signed in as a different person.
    let (stranger, signed_in) = t.member(&project, "cfo@bigcorp.test", Role::Viewer).await;
    set_role(&t, &project, stranger, None).await;
    let refused = signed_in.post(&bound, &[]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.body.contains("for a different e-mail address"), "{}", refused.body);
    // Another address typed into the form is ignored, and the response does not reveal whether it has an account.
    let fields = [("name", "Bob"), ("email", "owner@example.com"), ("password", crate::support::PASSWORD)];
    let joined = t.anonymous().post(&bound, &fields).await;
    assert_eq!(joined.location(), "/p/my-app/inbox", "{}", joined.body);
    let members = t.app.store.members(&Scope::system(project.id)).await.unwrap();
    assert!(members.iter().any(|m| m.email == "bob@example.com" && m.name == "Bob"));
    // Without an address, anyone with the link can join.
    let open = invite("").await;
    assert_eq!(signed_in.post(&open, &[]).await.location(), "/p/my-app/inbox");
});

on_both!(
    cookies_are_for_one_person_and_go_for_good,
    |config| config.settings.public_url = Some("https://earshot.test".into()),
    |t: TestApp| async move {
        let (project, owner) = t.owner().await;
        let (_, other) = t.member(&project, "adm@example.com", Role::Admin).await;
        let set = |page: &Page, name: &str| {
            let all = page.headers.get_all("set-cookie").iter().map(|v| v.to_str().unwrap().to_owned());
            all.filter(|c| c.starts_with(&format!("{name}="))).collect::<Vec<_>>()
        };
        let done = owner.post("/account", &[("name", "Olga")]).await;
        let flash = set(&done, "__Host-earshot_flash").pop().expect("a flash");
        assert!(flash.contains("; Path=/;") && flash.contains("; Secure") && !flash.contains("Domain"), "{flash}");
        let pair = flash.split(';').next().unwrap().to_owned();
        // The session of another account in the same browser.
        let with = async |client: &Client, cookie: &str| {
            let page = client.get_with_cookie("/account", cookie).await;
            page.body.contains("Name saved.")
        };
        assert!(!with(&other, &pair).await, "another person's");
        assert!(with(&owner, &pair).await);
        t.clock.advance_ms(60_001);
        assert!(!with(&owner, &pair).await, "expired");

        let seen = other.get("/p/my-app/inbox").await;
        let last = set(&seen, "__Host-earshot_project").pop().expect("the project");
        assert!(last.contains("; Secure") && last.contains("; Path=/;"), "{last}");
        let out = owner.post("/sign-out", &[]).await;
        assert_eq!(out.headers["clear-site-data"], "\"cache\", \"storage\"");
        let gone = set(&out, "__Host-earshot");
        assert_eq!(gone.len(), 1, "{gone:?}");
        for attribute in ["Secure", "Path=/", "Max-Age=0", "SameSite=Lax", "HttpOnly"] {
            assert!(gone[0].contains(attribute), "{attribute}: {}", gone[0]);
        }
    }
);

on_both!(what_the_command_line_made_is_nobodys, |t: TestApp| async move {
    let (project, _) = t.owner().await;
    let wanted = ApiKeyInput { name: "Machine", access: Access::Admin, days: None };
    let made = service::keys::create(&t.app, &Scope::system(project.id), &wanted, "machine-0001").await.unwrap().unwrap();
    assert_eq!(made.key.role(), Some(Role::Admin));
    assert_eq!(key_named(&t, &project, "Machine").await.role(), Some(Role::Admin));
});
