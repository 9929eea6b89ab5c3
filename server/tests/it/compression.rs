//! Compression of responses: a response with a secret is never compressed (BREACH).

use axum::{
    body::Body,
    http::{Method, StatusCode, header},
};
use domain::accounts::Role;

use crate::{
    keys::Program,
    matrix::{Filled, routes},
    on_both,
    support::{Client, TestApp},
};

async fn fetch(client: &Client, path: &str, encoding: &str) -> crate::support::Page {
    client.send(Method::GET, path, &[("accept-encoding", encoding)], Body::empty()).await
}

on_both!(no_page_that_shows_a_secret_is_compressed, |t: TestApp| async move {
    let filled = Filled::new(&t, "Zebra").await;
    let (_, admin) = t.member(&filled.project, "admin@example.com", Role::Owner).await;
    let token = filled.ids["token"].as_str();
    let (mut compressed, mut secret) = (Vec::new(), Vec::new());
    for (_, pattern) in routes().into_iter().filter(|(method, _)| method == "GET") {
        // Live events do not end. The API may compress its secrets: a page on another site cannot make a browser send an API key.
        if pattern.ends_with("/events") || pattern.starts_with("/api/") {
            continue;
        }
        let path = filled.path(&pattern, &filled.ids);
        let plain = fetch(&admin, &path, "identity").await;
        assert!(!plain.headers.contains_key(header::CONTENT_ENCODING), "{path}");
        let squeezed = fetch(&admin, &path, "gzip").await;
        let is_compressed = squeezed.headers.contains_key(header::CONTENT_ENCODING);
        let shows = ["whsec_", "/invite/", "/reset/", token].iter().any(|mark| plain.body.contains(mark));
        assert!(!(shows && is_compressed), "{path} shows a secret and is compressed");
        if shows {
            secret.push(pattern);
        } else if is_compressed && plain.status == StatusCode::OK {
            assert_eq!(squeezed.headers[header::VARY], "accept-encoding", "{path}");
            compressed.push(pattern);
        }
    }
    for page in ["/p/{slug}/webhooks/{id}", "/p/{slug}/t/{token}"] {
        assert!(secret.iter().any(|p| p == page), "{page} was not seen to show its secret: {secret:?}");
    }
    for page in ["/p/{slug}/inbox", "/p/{slug}/backlog", "/s/{survey}"] {
        assert!(compressed.iter().any(|p| p == page), "{page} is not compressed: {compressed:?}");
    }
});

on_both!(the_page_with_a_new_key_is_not_compressed, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let form = "name=Train&scope=read&days=&idempotency_key=key-00000001";
    let headers =
        [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "same-origin"), ("accept-encoding", "gzip, br")];
    let page = owner.send(Method::POST, &format!("/p/{}/keys", project.slug), &headers, Body::from(form)).await;
    assert!(page.body.contains("eas_") && !page.headers.contains_key(header::CONTENT_ENCODING), "{}", page.body);
});

on_both!(a_refusal_that_gets_another_page_is_sent_as_what_it_is, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let headers =
        [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "same-origin"), ("accept-encoding", "gzip, br")];
    // Without an idempotency key, a form counts as outdated.
    let form = "name=Greeting&body=Good+morning+to+you";
    let page = owner.send(Method::POST, &format!("/p/{}/replies", project.slug), &headers, Body::from(form)).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", page.body);
    assert!(page.body.contains("This form is out of date") && page.body.contains("Good morning to you"), "{}", page.body);
    assert!(!page.headers.contains_key(header::CONTENT_ENCODING), "{:?}", page.headers);
});

on_both!(the_api_is_compressed_for_those_who_ask, |t: TestApp| async move {
    let (project, _) = t.owner().await;
    let program = Program::new(&t, &project, domain::accounts::key::Access::Read).await;
    for (encoding, expected) in [("gzip", Some("gzip")), ("br", Some("br")), ("identity", None)] {
        let page = program.send(Method::GET, "/api/v1/openapi.json", &[("accept-encoding", encoding)], "").await;
        let sent = page.headers.get(header::CONTENT_ENCODING).map(|value| value.to_str().unwrap());
        assert_eq!((page.status, sent), (StatusCode::OK, expected));
    }
});
