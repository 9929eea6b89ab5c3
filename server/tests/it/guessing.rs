//! Limits for strangers: sign-in attempts and e-mails. And the passwords that they try first.

use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use server::config::TrustedProxies;

use crate::{
    on_both,
    support::{Client, PASSWORD, Page, TestApp},
};

const OWNER: &str = "owner@example.com";

fn behind_a_proxy(config: &mut server::config::Config) {
    config.http.trusted_proxies = TrustedProxies::Hops(1);
}

async fn post_from(client: &Client, address: &str, path: &str, fields: &[(&str, &str)]) -> Page {
    let form = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .append_pair("idempotency_key", &format!("key-{address}-{path}"))
        .finish();
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "same-origin"), ("x-forwarded-for", address)];
    client.send(Method::POST, path, &headers, Body::from(form)).await
}

async fn guess(client: &Client, address: &str, password: &str) -> StatusCode {
    post_from(client, address, "/sign-in", &[("email", OWNER), ("password", password)]).await.status
}

on_both!(one_ipv6_customer_locks_nobody_out, behind_a_proxy, |t: TestApp| async move {
    t.owner().await;
    // Twenty /64 of one /48, ten wrong passwords each: as many as an account allows in total.
    let stranger = t.anonymous();
    let mut last = StatusCode::OK;
    for network in 0..20 {
        for _ in 0..10 {
            last = guess(&stranger, &format!("2001:db8:7:{network:x}::1"), "wrong").await;
        }
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS, "the network itself is stopped");
    assert_eq!(guess(&t.anonymous(), "198.51.100.7", PASSWORD).await, StatusCode::SEE_OTHER);
});

on_both!(a_browser_that_signed_in_before_has_attempts_of_its_own, behind_a_proxy, |t: TestApp| async move {
    t.owner().await;
    let known = t.anonymous();
    assert_eq!(guess(&known, "198.51.100.7", PASSWORD).await, StatusCode::SEE_OTHER);
    assert_eq!(known.post("/sign-out", &[]).await.status, StatusCode::SEE_OTHER);
    // Many machines use up the account's limit.
    let stranger = t.anonymous();
    for n in 0..200 {
        assert_eq!(guess(&stranger, &format!("203.0.113.{n}"), "wrong").await, StatusCode::UNPROCESSABLE_ENTITY, "{n}");
    }
    assert_eq!(
        guess(&t.anonymous(), "198.51.100.8", PASSWORD).await,
        StatusCode::TOO_MANY_REQUESTS,
        "a control: the account is at its limit"
    );
    assert_eq!(guess(&known, "198.51.100.9", PASSWORD).await, StatusCode::SEE_OTHER);
    // The device is still known after the secret was rotated.
    t.app.rotate_secret().await.unwrap();
    t.clock.advance_ms(service::state::SECRET_ACTIVATION_DELAY_MS);
    assert_eq!(known.post("/sign-out", &[]).await.status, StatusCode::SEE_OTHER);
    for n in 0..200 {
        guess(&stranger, &format!("203.0.113.{n}"), "wrong").await;
    }
    assert_eq!(guess(&t.anonymous(), "198.51.100.8", PASSWORD).await, StatusCode::TOO_MANY_REQUESTS, "a control: still at its limit");
    assert_eq!(guess(&known, "198.51.100.9", PASSWORD).await, StatusCode::SEE_OTHER);
    // It does not bypass the limit: such a browser gets ten attempts, for its own account only.
    for _ in 0..10 {
        assert_eq!(guess(&known, "198.51.100.9", "wrong").await, StatusCode::UNPROCESSABLE_ENTITY);
    }
    assert_eq!(guess(&known, "198.51.100.9", PASSWORD).await, StatusCode::TOO_MANY_REQUESTS);
    let other = [("email", "other@example.com"), ("password", "wrong")];
    for n in 0..12 {
        let status = post_from(&known, "198.51.100.9", "/sign-in", &other).await.status;
        assert_eq!(status, if n < 10 { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::TOO_MANY_REQUESTS }, "{n}");
    }
});

on_both!(a_signed_in_person_can_change_their_password_while_strangers_guess, behind_a_proxy, |t: TestApp| async move {
    let (_, owner) = t.owner().await;
    let stranger = t.anonymous();
    for n in 0..200 {
        guess(&stranger, &format!("203.0.113.{n}"), "wrong").await;
    }
    let changed = [("current", PASSWORD), ("password", "eleven green bottles")];
    assert_eq!(owner.post("/account/password", &changed).await.status, StatusCode::SEE_OTHER);
    // The account page limits attempts too.
    let mut last = StatusCode::OK;
    for _ in 0..11 {
        last = owner.post("/account/password", &[("current", "wrong"), ("password", "seven wooden horses")]).await.status;
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
});

on_both!(passwords_that_are_tried_first_are_refused_wherever_one_is_set, |t: TestApp| async move {
    let token = service::accounts::setup::offer(&t.app).await.unwrap().unwrap();
    let visitor = t.anonymous();
    let setup = |password: &'static str| {
        let token = token.clone();
        let visitor = &visitor;
        async move {
            let fields = [
                ("token", token.as_str()),
                ("name", "Ada Lovelace"),
                ("email", "ada@engine.test"),
                ("password", password),
                ("project", "Difference"),
            ];
            visitor.post("/setup", &fields).await
        }
    };
    for (password, why) in [
        ("1234567890", "This password is common"),
        ("Password12", "This password is common"),
        ("ada@engine.test", "based on your name"),
        ("AdaLovelace1", "based on your name"),
        ("difference2026", "based on your name"),
    ] {
        let page = setup(password).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{password}");
        assert!(page.body.contains(why) && page.body.contains("a few unrelated words"), "{password}: {}", page.body);
    }
    assert_eq!(setup(PASSWORD).await.status, StatusCode::SEE_OTHER);
    // The account page also rejects project names.
    let ada = t.anonymous();
    assert_eq!(ada.post("/sign-in", &[("email", "ada@engine.test"), ("password", PASSWORD)]).await.status, StatusCode::SEE_OTHER);
    for password in ["1234567890", "lovelace1815", "Difference-1"] {
        let page = ada.post("/account/password", &[("current", PASSWORD), ("password", password)]).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{password}");
    }
    // On the command line.
    assert!(service::accounts::create_staff(&t.app, "eve@engine.test", "Eve", "Password12").await.is_err());
    assert!(service::accounts::owner::set_password(&t.app, "ada@engine.test", "lovelace1815").await.is_err());
    // With an invitation.
    let invited = ada.post("/p/difference/members", &[("role", "viewer"), ("email", "")]).await;
    let link = invited.body.split("/invite/").nth(1).unwrap().split(['"', '<', '&']).next().unwrap().to_owned();
    let join = |password: &'static str| {
        let (guest, link) = (t.anonymous(), format!("/invite/{link}"));
        async move { guest.post(&link, &[("name", "Bob"), ("email", "bob@mill.test"), ("password", password)]).await.status }
    };
    assert_eq!(join("bob@mill.test").await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(join("password12").await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(join(PASSWORD).await, StatusCode::SEE_OTHER);
});

on_both!(
    posts_with_the_public_url_as_origin_are_ours,
    |c: &mut server::config::Config| c.settings.public_url = Some("http://intranet.test:4280".into()),
    |t: TestApp| async move {
        let client = t.anonymous();
        // As forwarded by a proxy that drops the port from Host, over plain HTTP, where browsers send no Sec-Fetch-Site.
        let sent = async |origin: &str| {
            let headers = [("content-type", "application/x-www-form-urlencoded"), ("host", "intranet.test"), ("origin", origin)];
            client.send(Method::POST, "/sign-in", &headers, Body::from("idempotency_key=12345678&email=a%40b.test&password=x")).await.status
        };
        assert_eq!(sent("http://intranet.test:4280").await, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(sent("http://intranet.test:9999").await, StatusCode::FORBIDDEN);
        assert_eq!(sent("http://evil.test").await, StatusCode::FORBIDDEN);
        assert_eq!(sent("null").await, StatusCode::FORBIDDEN);
    }
);

on_both!(
    https_is_told_for_subdomains_too,
    |c: &mut server::config::Config| c.settings.public_url = Some("https://earshot.test".into()),
    |t: TestApp| async move {
        let page = t.anonymous().get("/sign-in").await;
        assert_eq!(page.headers["strict-transport-security"], "max-age=31536000; includeSubDomains");
    }
);

on_both!(
    a_proxy_that_is_not_named_is_not_believed,
    |c: &mut server::config::Config| c.http.trusted_proxies = "10.0.0.0/8".parse().unwrap(),
    |t: TestApp| async move {
        t.owner().await;
        // The tests connect from 127.0.0.1, which is not a trusted proxy here: the header grants no fresh limit.
        let stranger = t.anonymous();
        let mut through = 0;
        for n in 0..20 {
            through += usize::from(guess(&stranger, &format!("203.0.113.{n}"), "wrong").await == StatusCode::UNPROCESSABLE_ENTITY);
        }
        assert_eq!(through, 10);
    }
);
