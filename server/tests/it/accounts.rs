//! Setup, sign-in, sessions, members and invitations, through the router.

use axum::{
    body::Body,
    http::{Method, StatusCode, header},
};

use domain::accounts::Role;

use crate::{
    on_both,
    support::{Client, PASSWORD, Page, TestApp},
};

const MINUTE: i64 = 60_000;

async fn try_sign_in(client: &Client, email: &str, password: &str) -> Page {
    client.post("/sign-in", &[("email", email), ("password", password)]).await
}

fn session_cookie(page: &Page) -> Option<String> {
    let cookies = page.headers.get_all(header::SET_COOKIE).iter().map(|c| c.to_str().unwrap());
    cookies.filter_map(|c| c.strip_prefix("earshot=")).map(|c| c.split(';').next().unwrap().to_owned()).next()
}

on_both!(sign_in_leads_to_the_page_asked_for_and_sign_out_ends_it, |t: TestApp| async move {
    let (project, _) = t.owner().await;
    let client = t.anonymous();
    assert_eq!(client.get("/").await.location(), "/sign-in");
    let asked = client.get("/backlog?q=a%20b").await;
    assert_eq!(asked.location(), "/sign-in?next=%2Fbacklog%3Fq%3Da%2520b");
    // A form returns to the page that it was sent from, if that is one of our own.
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("sec-fetch-site", "same-origin"),
        ("referer", "http://earshot.test/p/my-app/backlog/3"),
    ];
    let sent = t.anonymous().send(Method::POST, "/account", &headers, Body::from("idempotency_key=key-00001")).await;
    assert_eq!(sent.location(), "/sign-in?next=%2Fp%2Fmy-app%2Fbacklog%2F3");
    let page = client.get(asked.location()).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains(r#"value="/backlog?q=a%20b""#), "{}", page.body);

    let fields = [("email", " Owner@Example.com "), ("password", PASSWORD), ("next", "/backlog?q=a%20b")];
    let page = client.post("/sign-in", &fields).await;
    assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, "/backlog?q=a%20b"));
    let cookie = page.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    assert_eq!(client.get("/").await.location(), format!("/p/{}/inbox", project.slug));
    assert_eq!(client.get("/backlog?q=a%20b").await.location(), format!("/p/{}/backlog?q=a%20b", project.slug));

    assert_eq!(client.post("/sign-out", &[]).await.location(), "/sign-in");
    assert_eq!(client.get("/").await.location(), "/sign-in");
});

on_both!(next_never_leaves_this_site, |t: TestApp| async move {
    t.owner().await;
    let fields = [("email", "owner@example.com"), ("password", PASSWORD), ("next", "//evil.example/")];
    assert_eq!(t.anonymous().post("/sign-in", &fields).await.location(), "/");
});

on_both!(the_session_id_is_new_after_sign_in, |t: TestApp| async move {
    t.owner().await;
    let client = t.anonymous();
    let first = session_cookie(&try_sign_in(&client, "owner@example.com", PASSWORD).await).unwrap();
    let second = session_cookie(&try_sign_in(&client, "owner@example.com", PASSWORD).await).unwrap();
    assert_ne!(first, second);
    // The old session is no longer valid.
    let page = t.anonymous().send(Method::GET, "/", &[("cookie", &format!("earshot={first}"))], Body::empty()).await;
    assert_eq!(page.location(), "/sign-in");
    // A session id set by an attacker is not adopted (session fixation).
    let planted = "AAAAAAAAAAAAAAAAAAAAAA";
    let headers = [("cookie", "earshot=AAAAAAAAAAAAAAAAAAAAAA"), ("content-type", "application/x-www-form-urlencoded")];
    let body = format!("idempotency_key=12345678&email=owner%40example.com&password={}", PASSWORD.replace(' ', "+"));
    let page = t.anonymous().send(Method::POST, "/sign-in", &headers, Body::from(body)).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    assert_ne!(session_cookie(&page).unwrap(), planted);
});

on_both!(sessions_end_after_two_weeks_without_use, |t: TestApp| async move {
    let (_, client) = t.owner().await;
    t.clock.advance_ms(13 * 24 * 60 * MINUTE);
    assert_ne!(client.get("/").await.location(), "/sign-in");
    t.clock.advance_ms(2 * 24 * 60 * MINUTE);
    assert_eq!(client.get("/").await.location(), "/sign-in");
});

on_both!(a_wrong_password_and_an_unknown_account_look_the_same, |t: TestApp| async move {
    t.owner().await;
    let strip = |page: &Page, email: &str| {
        let nonce =
            page.body.split("idempotency_key\" value=\"").nth(1).map(|s| s.split('"').next().unwrap().to_owned()).unwrap_or_default();
        page.body.replace(email, "EMAIL").replace(&nonce, "KEY")
    };
    let without_nonce = |body: String| {
        let mut parts = body.split("nonce=\"");
        let first = parts.next().unwrap().to_owned();
        parts.fold(first, |all, part| all + part.split_once('"').unwrap().1)
    };
    let (known, unknown) = ("owner@example.com", "nobody@example.com");
    // The eleventh attempt is rejected in the same way for both addresses.
    for n in 0..12 {
        let a = try_sign_in(&t.anonymous(), known, "not the password").await;
        let b = try_sign_in(&t.anonymous(), unknown, "not the password").await;
        let expected = if n < 10 { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::TOO_MANY_REQUESTS };
        assert_eq!((a.status, b.status), (expected, expected), "attempt {n}");
        assert_eq!(a.headers.get(header::RETRY_AFTER), b.headers.get(header::RETRY_AFTER));
        assert_eq!(without_nonce(strip(&a, known)), without_nonce(strip(&b, unknown)));
    }
});

on_both!(sign_in_is_throttled_by_the_clock, |t: TestApp| async move {
    t.owner().await;
    let client = t.anonymous();
    for _ in 0..10 {
        assert_eq!(try_sign_in(&client, "owner@example.com", "wrong").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    // Even the correct password is rejected.
    let page = try_sign_in(&client, "owner@example.com", PASSWORD).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(page.headers[header::RETRY_AFTER], "90");
    assert!(page.body.contains("Try again in 2 minutes"), "{}", page.body);
    t.clock.advance_ms(91_000);
    assert_eq!(try_sign_in(&client, "owner@example.com", PASSWORD).await.status, StatusCode::SEE_OTHER);
    // A correct password does not count as an attempt.
    t.clock.advance_ms(15 * MINUTE);
    for _ in 0..15 {
        assert_eq!(try_sign_in(&client, "owner@example.com", PASSWORD).await.status, StatusCode::SEE_OTHER);
    }
});

on_both!(a_post_from_another_site_is_refused, |t: TestApp| async move {
    let (_, client) = t.owner().await;
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "cross-site")];
    let page = client.send(Method::POST, "/sign-out", &headers, Body::from("idempotency_key=12345678")).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert_ne!(client.get("/").await.location(), "/sign-in");
});

const SETUP: [(&str, &str); 6] = [
    ("name", "Ada"),
    ("email", "Ada@Example.com"),
    ("password", PASSWORD),
    ("project", "Web shop"),
    ("origins", "https://www.example.com/"),
    ("time_zone", "America/New_York"),
];

async fn set_up(client: &Client, token: &str, changed: &[(&str, &str)]) -> Page {
    let pick = |name: &'static str, value: &'static str| changed.iter().find(|(n, _)| *n == name).map_or((name, value), |c| (name, c.1));
    let mut fields: Vec<_> = SETUP.iter().map(|(n, v)| pick(n, v)).collect();
    fields.push(("token", token));
    client.post("/setup", &fields).await
}

on_both!(set_up_needs_the_token_once, |t: TestApp| async move {
    let client = t.anonymous();
    for path in ["/", "/sign-in"] {
        assert_eq!(client.get(path).await.location(), "/setup", "{path}");
    }
    assert_eq!(client.get("/setup").await.status, StatusCode::FORBIDDEN);
    let stale = service::accounts::setup::offer(&t.app).await.unwrap().unwrap();
    let token = service::accounts::setup::offer(&t.app).await.unwrap().unwrap();
    assert_eq!(client.get(&format!("/setup?token={stale}")).await.status, StatusCode::FORBIDDEN);
    let page = client.get(&format!("/setup?token={token}")).await;
    assert!(page.status == StatusCode::OK && page.body.contains(&token), "{}", page.body);

    assert_eq!(set_up(&client, &stale, &[]).await.status, StatusCode::FORBIDDEN);
    let page = set_up(&client, &token, &[("password", "short"), ("project", ""), ("email", "ada")]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    for id in ["email-error", "password-error", "project-error"] {
        assert!(page.body.contains(id), "{id}: {}", page.body);
    }
    assert!(page.body.contains("value=\"Ada\"") && !page.body.contains("short\""));
    assert_eq!(client.get("/").await.location(), "/setup");

    let page = set_up(&client, &token, &[]).await;
    assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, "/p/web-shop/surveys"));
    assert_eq!(client.get("/").await.location(), "/p/web-shop/inbox");
    let project = t.app.store.all_projects().await.unwrap().remove(0);
    assert_eq!((project.origins, project.zone.name()), (vec!["https://www.example.com".to_owned()], "America/New_York"));

    // Setup is over: for the owner, for strangers, and after the next start.
    assert_eq!(client.get(&format!("/setup?token={token}")).await.location(), "/");
    assert_eq!(set_up(&t.anonymous(), &token, &[("email", "eve@example.com")]).await.location(), "/");
    assert!(t.app.store.staff_by_email("eve@example.com").await.unwrap().is_none());
    assert!(service::accounts::setup::offer(&t.app).await.unwrap().is_none());
    assert!(!service::accounts::setup::is_setup_token(&t.app, &token).await.unwrap());
    assert_eq!(try_sign_in(&t.anonymous(), "ada@example.com", PASSWORD).await.status, StatusCode::SEE_OTHER);
});

on_both!(of_two_set_ups_at_once_one_wins, |t: TestApp| async move {
    let token = service::accounts::setup::offer(&t.app).await.unwrap().unwrap();
    let (one, two) = (t.anonymous(), t.anonymous());
    let one = set_up(&one, &token, &[]);
    let two = set_up(&two, &token, &[("email", "b@example.com")]);
    let (one, two) = tokio::join!(one, two);
    let won = [&one, &two].iter().filter(|p| p.location().starts_with("/p/")).count();
    assert_eq!(won, 1, "{} {}", one.status, two.status);
    assert_eq!(t.app.store.all_projects().await.unwrap().len(), 1);
});

on_both!(the_command_line_makes_owners_and_projects, |t: TestApp| async move {
    service::accounts::setup::offer(&t.app).await.unwrap().unwrap();
    let owner = service::accounts::owner::create(&t.app, "Op@example.com", "", PASSWORD, false).await.unwrap();
    assert!(owner.created && owner.projects == 0);
    let project = service::projects::create_for_operators(&t.app, "Web shop", vec![]).await.unwrap();
    let again = service::projects::create_for_operators(&t.app, "Web shop", vec![]).await.unwrap();
    assert_eq!((project.slug.as_str(), again.slug.as_str()), ("web-shop", "web-shop-2"));
    // The setup link is invalid, and the owner is an owner of both projects.
    assert_eq!(t.app.store.setup_token_hash().await.unwrap(), None);
    let actor = t.app.store.team_member(owner.staff).await.unwrap();
    assert_eq!(actor.roles.len(), 2);
    // Setting a new password ends all sessions and changes no role.
    let (staff, viewer) = t.member(&project, "v@example.com", Role::Viewer).await;
    service::accounts::owner::set_password(&t.app, "V@example.com", "a new good password").await.unwrap();
    assert_eq!(viewer.get("/").await.location(), "/sign-in");
    assert_eq!(try_sign_in(&t.anonymous(), "v@example.com", "a new good password").await.status, StatusCode::SEE_OTHER);
    let roles = t.app.store.team_member(staff).await.unwrap().roles;
    assert_eq!(roles, [(project.id, Role::Viewer)]);
    assert!(service::accounts::owner::set_password(&t.app, "nobody@example.com", PASSWORD).await.is_err());
    assert!(service::accounts::owner::set_password(&t.app, "v@example.com", "short").await.is_err());

    // An existing account becomes an owner only on request; it gets the password and is signed out everywhere.
    assert!(service::accounts::owner::create(&t.app, "v@example.com", "", "another good password", false).await.is_err());
    assert_eq!(t.app.store.team_member(staff).await.unwrap().roles.len(), 1);
    let again = service::accounts::owner::create(&t.app, "op@example.com", "", PASSWORD, false).await.unwrap();
    assert!(!again.created, "who runs it already may be named again");
    let (_, viewer) = (staff, t.anonymous());
    assert_eq!(try_sign_in(&viewer, "v@example.com", "a new good password").await.status, StatusCode::SEE_OTHER);
    let promoted = service::accounts::owner::create(&t.app, "v@example.com", "", "another good password", true).await.unwrap();
    assert!(!promoted.created && promoted.projects == 2);
    assert_eq!(viewer.get("/").await.location(), "/sign-in");
    assert_eq!(try_sign_in(&t.anonymous(), "v@example.com", "another good password").await.status, StatusCode::SEE_OTHER);

    for text in [project.id.to_string(), "web-shop".into()] {
        assert_eq!(service::projects::by_name_or_id(&t.app, &text).await.unwrap().id, project.id);
    }
    assert!(service::projects::by_name_or_id(&t.app, "WEB SHOP").await.is_err(), "two have this name");
    assert!(service::projects::by_name_or_id(&t.app, "nowhere").await.is_err());
});

fn value_of<'b>(body: &'b str, before: &str) -> &'b str {
    body.split(before).nth(1).unwrap_or_else(|| panic!("{before} is not in {body}")).split('"').next().unwrap()
}

on_both!(sessions_are_listed_and_revoked, |t: TestApp| async move {
    let (_, here) = t.owner().await;
    let there = t.anonymous();
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"),
    ];
    let body = format!("idempotency_key=12345678&email=owner%40example.com&password={}", PASSWORD.replace(' ', "+"));
    there.send(Method::POST, "/sign-in", &headers, Body::from(body)).await;
    let third = t.anonymous();
    try_sign_in(&third, "owner@example.com", PASSWORD).await;

    let page = here.get("/account").await;
    assert_eq!(page.body.matches("This session").count(), 1);
    assert!(page.body.contains("Firefox on Linux") && page.body.contains("127.0.0.1"), "{}", page.body);
    // The page contains no session secret: its ids cannot be used to sign in.
    let id = value_of(page.body.split("Firefox on Linux").nth(1).unwrap(), "name=\"session\" value=\"").to_owned();
    let forged = t.anonymous().send(Method::GET, "/account", &[("cookie", &format!("earshot={id}"))], Body::empty()).await;
    assert_eq!(forged.status, StatusCode::SEE_OTHER);

    // Another person cannot end the session.
    let project = t.app.store.all_projects().await.unwrap().remove(0);
    let (_, other) = t.member(&project, "other@example.com", Role::Owner).await;
    assert_eq!(other.post("/account/sessions/end", &[("session", &id)]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(there.get("/account").await.status, StatusCode::OK);

    assert_eq!(here.post("/account/sessions/end", &[("session", &id)]).await.location(), "/account");
    assert_eq!(there.get("/account").await.location(), "/sign-in?next=%2Faccount");
    assert_eq!(third.get("/account").await.status, StatusCode::OK);
    here.post("/account/sessions/end-others", &[]).await;
    assert_eq!(third.get("/account").await.status, StatusCode::SEE_OTHER);
    assert_eq!(here.get("/account").await.status, StatusCode::OK);
    assert_eq!(other.get("/account").await.status, StatusCode::OK);
});

on_both!(a_new_password_ends_the_other_sessions, |t: TestApp| async move {
    let (_, here) = t.owner().await;
    let there = t.anonymous();
    try_sign_in(&there, "owner@example.com", PASSWORD).await;
    let change = async |current: &str, new: &str| here.post("/account/password", &[("current", current), ("password", new)]).await;
    let page = change("wrong", "a new good password").await;
    assert!(page.status == StatusCode::UNPROCESSABLE_ENTITY && page.body.contains("current-error"), "{}", page.body);
    let page = change(PASSWORD, "short").await;
    assert!(page.status == StatusCode::UNPROCESSABLE_ENTITY && page.body.contains("password-error"), "{}", page.body);
    assert_eq!(there.get("/account").await.status, StatusCode::OK);

    let page = change(PASSWORD, "a new good password").await;
    assert_eq!(page.location(), "/account", "{}", page.body);
    assert!(session_cookie(&page).is_some(), "the session that stays has a new id");
    assert_eq!(here.get("/account").await.status, StatusCode::OK);
    assert_eq!(there.get("/account").await.status, StatusCode::SEE_OTHER);
    assert_eq!(try_sign_in(&t.anonymous(), "owner@example.com", PASSWORD).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(try_sign_in(&t.anonymous(), "owner@example.com", "a new good password").await.status, StatusCode::SEE_OTHER);
});

on_both!(name_and_theme_are_kept, |t: TestApp| async move {
    let (_, client) = t.owner().await;
    assert_eq!(client.post("/account", &[("name", " ")]).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    client.post("/account", &[("name", "Olga <O>")]).await;
    assert_eq!(client.post("/account/theme", &[("theme", "dark")]).await.location(), "/account");
    let page = client.get("/account").await;
    assert!(page.body.contains("data-theme=\"dark\"") && page.body.contains("Olga &lt;O&gt;"), "{}", page.body);
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("referer", "https://earshot.test/p/my-app/members?a=b")];
    let page = client.send(Method::POST, "/account/theme", &headers, Body::from("idempotency_key=12345678&theme=light")).await;
    assert_eq!(page.location(), "/p/my-app/members?a=b");
});

async fn invite(client: &Client, slug: &str, role: &str) -> Page {
    client.post(&format!("/p/{slug}/members"), &[("role", role), ("email", "")]).await
}

fn link(page: &Page) -> String {
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    let token = page.body.split("http://earshot.test/invite/").nth(1).unwrap().split('<').next().unwrap();
    format!("/invite/{token}")
}

on_both!(an_invitation_works_once_and_only_by_post, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let key = [("role", "triager"), ("email", "new@example.com"), ("idempotency_key", "invite-key-1")];
    let page = owner.post("/p/my-app/members", &key).await;
    let link = link(&page);
    // Submitting the same form again creates no second invitation, and does not show the link again.
    let again = owner.post("/p/my-app/members", &key).await;
    assert_eq!(again.status, StatusCode::SEE_OTHER);
    let list = owner.get("/p/my-app/members").await;
    assert!(list.body.matches("Revoke the invitation for new@example.com").count() == 1 && !list.body.contains(&link));

    let new = t.anonymous();
    for _ in 0..3 {
        let page = new.get(&link).await;
        assert!(page.status == StatusCode::OK && page.body.contains("Olga Owner") && page.body.contains("My app"), "{}", page.body);
        assert!(page.body.contains("value=\"new@example.com\""));
    }
    let fields = [("name", "Nora"), ("email", "nora@example.com"), ("password", PASSWORD)];
    let page = new.post(&link, &[("name", ""), ("email", "x"), ("password", "y")]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    let page = new.post(&link, &fields).await;
    assert_eq!(page.location(), "/p/my-app/inbox", "{}", page.body);
    assert_eq!(new.get("/").await.location(), "/p/my-app/inbox");
    // The invitation is bound to an address, so the account gets that address, whatever the form says.
    assert!(t.app.store.staff_by_email("nora@example.com").await.unwrap().is_none());
    let nora = t.app.store.staff_by_email("new@example.com").await.unwrap().unwrap();
    assert_eq!(t.app.store.team_member(nora.id().unwrap()).await.unwrap().role(project.id), Some(Role::Triager));

    // It cannot be used twice.
    let late = t.anonymous();
    assert_eq!(late.get(&link).await.status, StatusCode::NOT_FOUND);
    assert_eq!(
        late.post(&link, &[("name", "Late"), ("email", "late@example.com"), ("password", PASSWORD)]).await.status,
        StatusCode::NOT_FOUND
    );
    assert!(t.app.store.staff_by_email("late@example.com").await.unwrap().is_none(), "no account is left behind");
});

on_both!(of_two_who_use_one_invitation_one_gets_in, |t: TestApp| async move {
    let (_, owner) = t.owner().await;
    let link = link(&invite(&owner, "my-app", "viewer").await);
    let (a, b) = (t.anonymous(), t.anonymous());
    let (fields_a, fields_b) = (
        [("name", "A"), ("email", "a@example.com"), ("password", PASSWORD)],
        [("name", "B"), ("email", "b@example.com"), ("password", PASSWORD)],
    );
    let (a, b) = tokio::join!(a.post(&link, &fields_a), b.post(&link, &fields_b));
    let mut statuses = [a.status, b.status];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::SEE_OTHER, StatusCode::NOT_FOUND]);
});

on_both!(invitations_end_by_time_by_revoking_and_with_their_makers_role, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let old = link(&invite(&owner, "my-app", "viewer").await);
    t.clock.advance_ms(7 * 24 * 60 * MINUTE - 1000);
    assert_eq!(t.anonymous().get(&old).await.status, StatusCode::OK);
    t.clock.advance_ms(2000);
    assert_eq!(t.anonymous().get(&old).await.status, StatusCode::NOT_FOUND);
    assert_eq!(t.anonymous().get("/invite/nonsense").await.status, StatusCode::NOT_FOUND);

    let revoked = link(&invite(&owner, "my-app", "viewer").await);
    let list = owner.get("/p/my-app/members").await;
    let id = value_of(&list.body, "name=\"invitation\" value=\"").to_owned();
    // The owner of another project cannot do it.
    service::projects::create(&t.app, "Other", vec![], None).await.unwrap();
    let other = t.app.store.all_projects().await.unwrap().into_iter().find(|p| p.slug == "other").unwrap();
    let (_, stranger) = t.member(&other, "stranger@example.com", Role::Owner).await;
    assert_eq!(stranger.post("/p/other/members/revoke", &[("invitation", &id)]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(stranger.post("/p/my-app/members/revoke", &[("invitation", &id)]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(t.anonymous().get(&revoked).await.status, StatusCode::OK);
    assert_eq!(owner.post("/p/my-app/members/revoke", &[("invitation", &id)]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(t.anonymous().get(&revoked).await.status, StatusCode::NOT_FOUND);

    // A link joins only its own project, also for members of another, and never lowers a role.
    let viewer = link(&invite(&owner, "my-app", "viewer").await);
    assert_eq!(stranger.post(&viewer, &[]).await.location(), "/p/my-app/inbox");
    let row = t.app.store.staff_by_email("stranger@example.com").await.unwrap().unwrap();
    let roles = t.app.store.team_member(row.id().unwrap()).await.unwrap();
    assert_eq!((roles.role(project.id), roles.role(other.id)), (Some(Role::Viewer), Some(Role::Owner)));
    let viewer = link(&invite(&owner, "my-app", "viewer").await);
    assert_eq!(owner.post(&viewer, &[]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(owner.get("/p/my-app/members").await.status, StatusCode::OK);

    // An admin's link becomes invalid when the admin loses the role.
    let (admin, admin_client) = t.member(&project, "admin@example.com", Role::Admin).await;
    let link = link(&invite(&admin_client, "my-app", "admin").await);
    owner.post("/p/my-app/members/role", &[("staff", &admin.to_string()), ("role", "viewer"), ("confirmed", "yes")]).await;
    let fields = [("name", "Eve"), ("email", "eve@example.com"), ("password", PASSWORD)];
    assert_eq!(t.anonymous().post(&link, &fields).await.status, StatusCode::NOT_FOUND);
});

on_both!(projects_are_made_by_those_who_run_one, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let (_, admin) = t.member(&project, "a@example.com", Role::Admin).await;
    let (triager, low) = t.member(&project, "t@example.com", Role::Triager).await;
    let make =
        async |client: &Client, key: &str| client.post("/projects/new", &[("name", "Another"), ("idempotency_key", key)]).await.status;
    assert_eq!(make(&admin, "key-00001").await, StatusCode::SEE_OTHER);
    assert_eq!(make(&low, "key-00002").await, StatusCode::FORBIDDEN);
    let page = low.get("/projects/new").await;
    assert!(page.status == StatusCode::FORBIDDEN && page.body.contains("ask one of its admins"));
    assert!(!low.get("/p/my-app/inbox").await.body.contains("/projects/new"));
    assert!(owner.get("/p/my-app/inbox").await.body.contains("/projects/new"));
    // Nor can an account without any project.
    assert_eq!(owner.post("/p/my-app/members/remove", &[("staff", &triager.to_string())]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(make(&low, "key-00003").await, StatusCode::FORBIDDEN);
    assert_eq!(t.app.store.all_projects().await.unwrap().len(), 2);
});

on_both!(roles_decide_who_manages_members, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let (target, _) = t.member(&project, "target@example.com", Role::Viewer).await;
    let (boss, _) = t.member(&project, "boss@example.com", Role::Owner).await;
    let (target, boss) = (target.to_string(), boss.to_string());
    for (role, email) in [(Role::Viewer, "v@example.com"), (Role::Triager, "t@example.com"), (Role::Admin, "a@example.com")] {
        let (_, client) = t.member(&project, email, role).await;
        let admin = role == Role::Admin;
        let expect = |ok: bool| if ok { StatusCode::SEE_OTHER } else { StatusCode::FORBIDDEN };
        let set = async |staff: &str, to: &str| client.post("/p/my-app/members/role", &[("staff", staff), ("role", to)]).await.status;
        assert_eq!(set(&target, "triager").await, expect(admin), "{role}");
        assert_eq!(set(&target, "owner").await, StatusCode::FORBIDDEN, "{role} makes no owner");
        assert_eq!(set(&boss, "viewer").await, StatusCode::FORBIDDEN, "{role} changes no owner");
        assert_eq!(client.post("/p/my-app/members/remove", &[("staff", &boss)]).await.status, StatusCode::FORBIDDEN, "{role}");
        let allowed = if admin { StatusCode::OK } else { StatusCode::FORBIDDEN };
        assert_eq!(invite(&client, "my-app", "admin").await.status, allowed, "{role} invites");
        assert_eq!(invite(&client, "my-app", "owner").await.status, StatusCode::FORBIDDEN, "{role} invites no owner");
        assert_eq!(client.get("/p/my-app/members").await.status, StatusCode::OK);
        let page = client.get("/p/my-app/settings").await;
        let seen = value_of(&page.body, "name=\"seen\" value=\"");
        let fields = [("name", "X"), ("language", "en"), ("accent", "#000000"), ("theme", "auto"), ("seen", seen)];
        let settings = client.post("/p/my-app/settings", &fields).await;
        assert_eq!(settings.status, expect(admin), "{role} changes settings");
    }
    let set = async |staff: &str, to: &str| owner.post("/p/my-app/members/role", &[("staff", staff), ("role", to)]).await.status;
    assert_eq!(set(&target, "owner").await, StatusCode::SEE_OTHER);
    assert_eq!(set(&boss, "viewer").await, StatusCode::SEE_OTHER);
    assert_eq!(set(&boss, "emperor").await, StatusCode::UNPROCESSABLE_ENTITY);
    // Projects and people of others return 404.
    service::projects::create(&t.app, "Other", vec![], None).await.unwrap();
    for path in ["/p/other/members", "/p/other/settings", "/p/other/embed", "/p/nowhere/embed"] {
        assert_eq!(owner.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let stranger = service::accounts::create_staff(&t.app, "s@example.com", "", PASSWORD).await.unwrap().to_string();
    assert_eq!(set(&stranger, "viewer").await, StatusCode::NOT_FOUND);
    let forged = [("staff", stranger.as_str()), ("role", "viewer"), ("until", "9999999999999"), ("proof", "x")];
    assert_eq!(owner.post("/p/my-app/members/restore", &forged).await.status, StatusCode::NOT_FOUND);
});

on_both!(the_last_owner_stays, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let me = t.app.store.staff_by_email("owner@example.com").await.unwrap().unwrap().id;
    for page in [
        owner.post("/p/my-app/members/role", &[("staff", &me), ("role", "admin")]).await,
        owner.post("/p/my-app/members/remove", &[("staff", &me), ("confirmed", "yes")]).await,
    ] {
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(page.body.contains("only owner"), "{}", page.body);
    }
    // Two owners demote each other at the same time: one of them stays owner.
    let (second, second_client) = t.member(&project, "second@example.com", Role::Owner).await;
    let second = second.to_string();
    let (fields_a, fields_b) = ([("staff", second.as_str()), ("role", "admin")], [("staff", me.as_str()), ("role", "admin")]);
    let (a, b) = tokio::join!(owner.post("/p/my-app/members/role", &fields_a), second_client.post("/p/my-app/members/role", &fields_b));
    let done = [&a, &b].iter().filter(|p| p.status == StatusCode::SEE_OTHER).count();
    assert_eq!(done, 1, "{} {}", a.status, b.status);
    let scope = domain::accounts::Scope::system(project.id);
    let owners = t.app.store.members(&scope).await.unwrap().into_iter().filter(|m| m.role == Role::Owner).count();
    assert_eq!(owners, 1);
});

on_both!(who_leaves_is_asked_first_and_told_what_is_left, |t: TestApp| async move {
    let (project, _) = t.owner().await;
    let (staff, client) = t.member(&project, "member@example.com", Role::Viewer).await;
    let staff = staff.to_string();
    let page = client.post("/p/my-app/members/remove", &[("staff", &staff)]).await;
    assert_eq!(page.location(), format!("/p/my-app/members/remove?staff={staff}"));
    let page = client.get(page.location()).await;
    assert!(page.body.contains("Only an admin of this project can invite you again."), "{}", page.body);
    assert!(!page.body.contains("hand them over"), "{}", page.body);
    let page = client.post("/p/my-app/members/remove", &[("staff", &staff), ("confirmed", "yes")]).await;
    assert_eq!(client.get(page.location()).await.location(), "/projects/new");
    // Without any project, the page cannot refer to a menu.
    let page = client.get("/projects/new").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.body.contains("<h1>Projects</h1>") && page.body.contains("You are not a member of any project"), "{}", page.body);
    assert!(page.body.contains("You left My app.") && !page.body.contains("in the menu above"), "{}", page.body);
});

on_both!(a_removed_member_is_out_at_once_and_back_by_undo, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let (staff, client) = t.member(&project, "member@example.com", Role::Admin).await;
    assert_eq!(client.get("/p/my-app/members").await.status, StatusCode::OK);
    let page = owner.post("/p/my-app/members/remove", &[("staff", &staff.to_string())]).await;
    assert_eq!(page.location(), "/p/my-app/members");
    assert_eq!(client.get("/p/my-app/members").await.status, StatusCode::NOT_FOUND);
    assert_eq!(client.get("/").await.location(), "/projects/new");
    let page = owner.get("/p/my-app/members").await;
    let toast = page.body.split("Member removed.").nth(1).unwrap();
    let field = |name: &str| value_of(toast, &format!("name=\"{name}\" value=\"")).to_owned();
    let (role, until, proof) = (field("role"), field("until"), field("proof"));
    let staff = staff.to_string();
    let undo =
        |role: &'static str| [("staff", staff.clone()), ("role", role.to_owned()), ("until", until.clone()), ("proof", proof.clone())];
    assert_eq!(role, "admin");
    let post = async |fields: [(&str, String); 4]| {
        let fields: Vec<_> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
        owner.post("/p/my-app/members/restore", &fields).await.status
    };
    assert_eq!(post(undo("owner")).await, StatusCode::NOT_FOUND, "the proof is for the role that was held");
    assert_eq!(post(undo("admin")).await, StatusCode::SEE_OTHER);
    assert_eq!(client.get("/p/my-app/members").await.status, StatusCode::OK);
    // Members can leave by themselves.
    assert_eq!(client.post("/p/my-app/members/remove", &[("staff", &staff), ("confirmed", "yes")]).await.location(), "/");
    t.clock.advance_ms(11 * MINUTE);
    assert_eq!(post(undo("admin")).await, StatusCode::CONFLICT);
});

on_both!(projects_are_made_once_and_set_up, |t: TestApp| async move {
    let (_, owner) = t.owner().await;
    let fields = [("name", "Web shop"), ("origins", "https://a.example"), ("idempotency_key", "project-key")];
    for _ in 0..2 {
        assert_eq!(owner.post("/projects/new", &fields).await.location(), "/p/web-shop/surveys");
    }
    assert_eq!(t.app.store.all_projects().await.unwrap().len(), 2);
    let page = owner.post("/projects/new", &[("name", " "), ("origins", "nonsense")]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.body.contains("name-error") && page.body.contains("origins-error") && page.body.contains("nonsense"));
    let page = owner.post("/projects/new", &[("name", "X"), ("origins", "</textarea><img src=x>")]).await;
    assert!(page.body.contains("&lt;/textarea&gt;&lt;img") && !page.body.contains("<img"), "{}", page.body);

    let seen = owner.get("/p/web-shop/settings").await.body;
    let settings = [
        ("seen", value_of(&seen, "name=\"seen\" value=\"")),
        ("name", "Shop"),
        ("origins", "https://b.example\nhttp://localhost:8080/"),
        ("language", "de"),
        ("accent", "#FFFF00"),
        ("theme", "dark"),
    ];
    assert_eq!(owner.post("/p/web-shop/settings", &settings).await.location(), "/p/web-shop/settings");
    let project = t.app.store.all_projects().await.unwrap().into_iter().find(|p| p.slug == "web-shop").unwrap();
    assert_eq!((project.name.as_str(), project.language.as_str(), project.accent.as_str()), ("Shop", "de", "#ffff00"));
    assert_eq!(project.origins, ["https://b.example", "http://localhost:8080"]);
    assert!(!owner.get("/p/web-shop/settings").await.body.contains("hard to see"));
    // From a page older than these settings: nothing is overwritten, the form keeps its values, and a second submission is accepted.
    let mut bright = settings;
    bright[5] = ("theme", "auto");
    let page = owner.post("/p/web-shop/settings", &bright).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.body.contains("Someone else changed the settings. The current value is: dark."), "{}", page.body);
    bright[0] = ("seen", value_of(&page.body, "name=\"seen\" value=\""));
    assert_eq!(owner.post("/p/web-shop/settings", &bright).await.status, StatusCode::SEE_OTHER);
    assert!(owner.get("/p/web-shop/settings").await.body.contains("hard to see on a white page"));
    // The colour must be visible on the light and on the dark theme. The default colour is.
    for (accent, remark) in [("#14306a", Some("hard to see on a dark page")), (domain::projects::DEFAULT_ACCENT, None)] {
        let page = owner.get("/p/web-shop/settings").await.body;
        let mut fields = bright;
        fields[0] = ("seen", value_of(&page, "name=\"seen\" value=\""));
        fields[4] = ("accent", accent);
        assert_eq!(owner.post("/p/web-shop/settings", &fields).await.status, StatusCode::SEE_OTHER);
        let page = owner.get("/p/web-shop/settings").await.body;
        assert!(page.contains(accent) && page.contains("hard to see") == remark.is_some(), "{accent}");
        assert!(remark.is_none_or(|text| page.contains(text)), "{accent}");
    }
    let bad = [("name", ""), ("origins", "x"), ("language", "??"), ("accent", "red"), ("theme", "auto")];
    let page = owner.post("/p/web-shop/settings", &bad).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    for id in ["name-error", "origins-error", "language-error", "accent-error"] {
        assert!(page.body.contains(id), "{id}");
    }

    // Too large for any form: the response is a page that says so.
    let huge = "x".repeat(300_000);
    let page = owner.post("/p/web-shop/settings", &[("name", &huge)]).await;
    assert_eq!(page.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(page.body.contains("<title>Too large") && page.body.contains("This is larger than the form allows."), "{:.300}", page.body);

    let page = owner.get("/p/web-shop/embed").await;
    let line = format!("&lt;script async src=\"http://earshot.test/embed.js\" data-project=\"{}\"&gt;&lt;/script&gt;", project.key);
    assert!(page.body.contains(&line), "{}", page.body);
    assert!(page.body.contains("script-src http://earshot.test; connect-src http://earshot.test; frame-src http://earshot.test"));
});

on_both!(a_busy_database_is_said_to_be_busy, |t: TestApp| async move {
    let (project, client) = t.owner().await;
    let busy = |page: &Page, what: &str| {
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{what}: {}", page.body);
        assert!(page.headers.contains_key("retry-after") && page.body.contains("try again"), "{what}: {}", page.body);
    };
    let nothing_selected = format!("/p/{}/feedback/bulk", project.slug);
    let right = [("email", "owner@example.com"), ("password", PASSWORD)];
    // The session is due for renewal, so even a post that changes nothing writes to the database after the handler.
    t.clock.advance_ms(2 * 3_600_000);
    let full = t.full_queue().await;
    busy(&client.post("/account", &[("name", "Olga")]).await, "a form");
    busy(&client.post(&nothing_selected, &[("do", "status:spam")]).await, "a form that writes only the session");
    busy(&client.post("/sign-out", &[]).await, "sign-out");
    busy(&t.anonymous().post("/sign-in", &right).await, "sign-in");
    assert_eq!(client.get(&format!("/p/{}/inbox", project.slug)).await.status, StatusCode::OK, "reading goes on");
    full.release().await;
    assert_eq!(client.post(&nothing_selected, &[("do", "status:spam")]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(t.anonymous().post("/sign-in", &right).await.status, StatusCode::SEE_OTHER);
    t.app.store.reader().close().await;
    busy(&client.get(&format!("/p/{}/inbox", project.slug)).await, "a page without a database");
});
