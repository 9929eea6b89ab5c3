//! Set-up, sign-in, sessions, members and invitations, through the router.

use axum::{
    body::Body,
    http::{Method, StatusCode, header},
};

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
    // The old one is worth nothing any more.
    let page = t.anonymous().send(Method::GET, "/", &[("cookie", &format!("earshot={first}"))], Body::empty()).await;
    assert_eq!(page.location(), "/sign-in");
    // An id that somebody planted is not taken over.
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
    // From two addresses' worth of budget each: the eleventh attempt is refused in the same way for both.
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
    // Even the right password waits.
    let page = try_sign_in(&client, "owner@example.com", PASSWORD).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(page.headers[header::RETRY_AFTER], "90");
    assert!(page.body.contains("Try again in 2 minutes"), "{}", page.body);
    t.clock.advance_ms(91_000);
    assert_eq!(try_sign_in(&client, "owner@example.com", PASSWORD).await.status, StatusCode::SEE_OTHER);
    // A right password costs nothing.
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

const SETUP: [(&str, &str); 5] = [
    ("name", "Ada"),
    ("email", "Ada@Example.com"),
    ("password", PASSWORD),
    ("project", "Web shop"),
    ("origins", "https://www.example.com/"),
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
    let stale = server::accounts::setup::offer(&t.app).await.unwrap().unwrap();
    let token = server::accounts::setup::offer(&t.app).await.unwrap().unwrap();
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
    assert_eq!(project.origins, ["https://www.example.com"]);

    // It is over: for the owner, for strangers, and for the next start.
    assert_eq!(client.get(&format!("/setup?token={token}")).await.location(), "/");
    assert_eq!(set_up(&t.anonymous(), &token, &[("email", "eve@example.com")]).await.location(), "/");
    assert!(t.app.store.staff_by_email("eve@example.com").await.unwrap().is_none());
    assert!(server::accounts::setup::offer(&t.app).await.unwrap().is_none());
    assert!(!server::accounts::setup::fits(&t.app, &token).await.unwrap());
    assert_eq!(try_sign_in(&t.anonymous(), "ada@example.com", PASSWORD).await.status, StatusCode::SEE_OTHER);
});

on_both!(of_two_set_ups_at_once_one_wins, |t: TestApp| async move {
    let token = server::accounts::setup::offer(&t.app).await.unwrap().unwrap();
    let (one, two) = (t.anonymous(), t.anonymous());
    let one = set_up(&one, &token, &[]);
    let two = set_up(&two, &token, &[("email", "b@example.com")]);
    let (one, two) = tokio::join!(one, two);
    let won = [&one, &two].iter().filter(|p| p.location().starts_with("/p/")).count();
    assert_eq!(won, 1, "{} {}", one.status, two.status);
    assert_eq!(t.app.store.all_projects().await.unwrap().len(), 1);
});

on_both!(the_command_line_makes_owners_and_projects, |t: TestApp| async move {
    server::accounts::setup::offer(&t.app).await.unwrap().unwrap();
    let owner = server::accounts::owner::create(&t.app, "Op@example.com", "", PASSWORD).await.unwrap();
    assert!(owner.created && owner.projects == 0);
    let project = server::projects::create_for_operators(&t.app, "Web shop", vec![]).await.unwrap();
    let again = server::projects::create_for_operators(&t.app, "Web shop", vec![]).await.unwrap();
    assert_eq!((project.slug.as_str(), again.slug.as_str()), ("web-shop", "web-shop-2"));
    // The set-up link is dead, and the owner is one of both projects.
    assert_eq!(t.app.store.setup_token_hash().await.unwrap(), None);
    let actor = t.app.store.actor(owner.staff).await.unwrap();
    assert_eq!(actor.roles.len(), 2);
    // An existing account is promoted, gets the password, and is signed out everywhere.
    let (_, viewer) = t.member(&project, "v@example.com", domain::accounts::Role::Viewer).await;
    let promoted = server::accounts::owner::create(&t.app, "v@example.com", "", "another good password").await.unwrap();
    assert!(!promoted.created && promoted.projects == 2);
    assert_eq!(viewer.get("/").await.location(), "/sign-in");
    assert_eq!(try_sign_in(&t.anonymous(), "v@example.com", "another good password").await.status, StatusCode::SEE_OTHER);

    for text in [project.id.to_string(), "web-shop".into()] {
        assert_eq!(server::projects::by_name_or_id(&t.app, &text).await.unwrap().id, project.id);
    }
    assert!(server::projects::by_name_or_id(&t.app, "WEB SHOP").await.is_err(), "two have this name");
    assert!(server::projects::by_name_or_id(&t.app, "nowhere").await.is_err());
});
