//! Every kind of error page, with its status, message and marker; and the submitted text, which is shown again.

use axum::{
    body::Body,
    http::{Method, StatusCode, header},
    response::IntoResponse,
};
use domain::{DomainError as Refusal, accounts::Role, error::FieldErrors};
use server::http::error::{ApiError, PageError};

use crate::{
    on_both,
    support::{Client, Page, TestApp, sample},
};

/// The message that a script shows for an error page.
fn reason(page: &Page) -> &str {
    let (_, rest) = page.body.split_once("data-refusal").unwrap_or_else(|| panic!("{}: no reason in {}", page.status, page.body));
    let (_, rest) = rest.split_once('>').unwrap();
    rest.split_once("</p>").unwrap().0
}

fn refused(page: &Page, status: StatusCode, words: &str) {
    assert_eq!(page.status, status, "{}", page.body);
    assert!(page.headers[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/html"), "{status}");
    assert!(reason(page).starts_with(words), "{status}: {}", reason(page));
    // A reload would only lose the submitted text.
    assert!(!page.body.to_lowercase().contains("reload"), "{status}: {}", page.body);
}

async fn cross_site(client: &Client, path: &str, fields: &str) -> Page {
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "cross-site")];
    client.send(Method::POST, path, &headers, Body::from(fields.to_owned())).await
}

const TYPED: &str = "Words that took\nan hour </textarea><b>to write</b>";
const SHOWN: &str = "Words that took\nan hour &lt;/textarea&gt;&lt;b&gt;to write&lt;/b&gt;</textarea>";

on_both!(every_refusal_says_why_and_keeps_what_was_typed, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let (_, viewer) = t.member(&project, "vic@example.com", Role::Viewer).await;
    let item = sample(&t.app, project.id, "Said");
    let base = format!("/p/{}/feedback/{}", project.slug, item.id);
    let ticket = item.id;
    t.app.store.write(move |tx| Box::pin(async move { tx.insert_feedback(&item, None).await })).await.unwrap();
    let comments = format!("{base}/comments");
    let comment = [("idempotency_key", "refusal-key-1"), ("version", "1"), ("body", TYPED)];

    // 403: the role was removed meanwhile.
    let page = viewer.post(&comments, &comment).await;
    refused(&page, StatusCode::FORBIDDEN, "Your role in this project does not allow this.");
    assert!(page.body.contains(SHOWN) && !page.body.contains("Send again"), "{}", page.body);
    let boundary = "----refusals";
    let part = |name: &str, value: &str| format!("--{boundary}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    let body = format!("{}{}--{boundary}--\r\n", part("idempotency_key", "refusal-key-2"), part("message", TYPED));
    let kind = format!("multipart/form-data; boundary={boundary}");
    let headers = [("content-type", kind.as_str()), ("sec-fetch-site", "same-origin")];
    let page = viewer.send(Method::POST, &format!("{base}/answer"), &headers, Body::from(body)).await;
    refused(&page, StatusCode::FORBIDDEN, "Your role in this project does not allow this.");
    assert!(page.body.contains(SHOWN), "{}", page.body);

    // 403: sent from another site. The submitted text must not be shown.
    let page = cross_site(&owner, &comments, "idempotency_key=refusal-key-3&version=1&body=smuggled").await;
    refused(&page, StatusCode::FORBIDDEN, "This form was sent from another site, so nothing was changed.");
    assert!(!page.body.contains("smuggled") && !owner.get(&base).await.body.contains("smuggled"));

    // 404: the path, or the object that it names.
    for path in ["/p/nobody/inbox", &format!("/p/{}/backlog/999", project.slug), "/nowhere"] {
        refused(&owner.get(path).await, StatusCode::NOT_FOUND, "This page does not exist");
    }
    // 405.
    refused(
        &owner.post(&format!("/p/{}/inbox", project.slug), &[]).await,
        StatusCode::METHOD_NOT_ALLOWED,
        "This address does not accept such requests.",
    );

    // 409: another person was faster.
    let made = owner.post(&format!("/p/{}/surveys/new", project.slug), &[("template", "nps"), ("name", "")]).await;
    let edit = made.location().split('?').next().unwrap().to_owned();
    let page = owner.get(&edit).await.body;
    let (_, revision) = page.split_once("name=\"revision\" value=\"").unwrap();
    let published = owner.post(&edit, &[("action", "publish"), ("revision", revision.split('"').next().unwrap())]).await;
    assert_eq!(published.status, StatusCode::SEE_OTHER, "{}", published.body);
    let page = owner.post(&edit.replace("/edit", "/status"), &[("was", "paused"), ("status", "closed")]).await;
    refused(&page, StatusCode::CONFLICT, "Someone else changed the survey: it is now live.");

    // 413: larger than the form's limit; and a body that is not a form.
    let huge = "x".repeat(300_000);
    refused(&owner.post(&comments, &[("body", &huge)]).await, StatusCode::PAYLOAD_TOO_LARGE, "This is larger than the form allows.");
    let page =
        owner.send(Method::POST, &comments, &[("content-type", "text/plain"), ("sec-fetch-site", "same-origin")], Body::from("x")).await;
    refused(&page, StatusCode::UNSUPPORTED_MEDIA_TYPE, "This form could not be read.");
    let page = owner
        .send(
            Method::POST,
            &format!("{base}/answer"),
            &[("content-type", "text/plain"), ("sec-fetch-site", "same-origin")],
            Body::from("x"),
        )
        .await;
    refused(&page, StatusCode::BAD_REQUEST, "This request could not be read.");

    // 422 without a page that shows the form again.
    let page = owner.post(&comments, &[("idempotency_key", "no"), ("version", "1"), ("body", TYPED)]).await;
    refused(&page, StatusCode::UNPROCESSABLE_ENTITY, "This form is out of date. Open the page in a new tab");
    assert!(page.body.contains(SHOWN), "{}", page.body);

    // 429: too many wrong passwords, which are never shown.
    let wrong = [("current", "not mine at all"), ("password", "neither is this one")];
    let mut page = owner.post("/account/password", &wrong).await;
    for _ in 0..50 {
        if page.status == StatusCode::TOO_MANY_REQUESTS {
            break;
        }
        page = owner.post("/account/password", &wrong).await;
    }
    refused(&page, StatusCode::TOO_MANY_REQUESTS, "Too many attempts. Try again in ");
    assert!(page.headers.contains_key(header::RETRY_AFTER));
    assert!(!page.body.contains("not mine") && !page.body.contains("neither is"), "{}", page.body);

    // 503: the page can send the form again, which takes effect once.
    let full = t.full_queue().await;
    let page = owner.post(&comments, &comment).await;
    refused(&page, StatusCode::SERVICE_UNAVAILABLE, "Earshot is too busy to accept this right now. Nothing was changed");
    assert!(
        page.headers.contains_key(header::RETRY_AFTER) && page.body.contains(SHOWN) && page.body.contains("Send again"),
        "{}",
        page.body
    );
    assert!(page.body.contains(&format!("action=\"{comments}\"")) && page.body.contains("value=\"refusal-key-1\""), "{}", page.body);
    full.release().await;
    assert_eq!(owner.post(&comments, &comment).await.status, StatusCode::SEE_OTHER);
    assert_eq!(owner.post(&comments, &comment).await.status, StatusCode::SEE_OTHER);
    let scope = domain::accounts::Scope::system(project.id);
    assert_eq!(t.app.store.comments_on(&scope, ticket).await.unwrap().len(), 1);

    // 401 on a page redirects to sign-in.
    let page = t.anonymous().post(&comments, &comment).await;
    assert_eq!((page.status, page.location().split('?').next()), (StatusCode::SEE_OTHER, Some("/sign-in")));
});

on_both!(a_bare_status_never_reaches_a_person, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    // Extractors reject invalid input with plain text, layers with an empty body.
    for path in [format!("/p/{}/inbox?q=%FF&item=%ZZ&q=1&q=2", project.slug), format!("/p/{}/feedback/%FF", project.slug)] {
        let page = owner.get(&path).await;
        assert!(page.status == StatusCode::OK || !reason(&page).is_empty(), "{path}: {} {}", page.status, page.body);
        assert!(page.headers[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/html"), "{path}");
    }
    // API clients still get JSON.
    let page = owner.get("/api/v1/me").await;
    assert_eq!((page.status, page.json()["code"].as_str()), (StatusCode::UNAUTHORIZED, Some("signed_out")));
    let page = owner.get("/api/nowhere").await;
    assert_eq!((page.status, page.json()["code"].as_str()), (StatusCode::NOT_FOUND, Some("not_found")));
});

/// A response as a page.
async fn page_of(response: axum::response::Response) -> Page {
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    Page { status: parts.status, headers: parts.headers, body: String::from_utf8_lossy(&body).into_owned() }
}

/// The index of an error in the table: the compiler requires every variant.
fn place(refusal: &Refusal) -> usize {
    match refusal {
        Refusal::Invalid(_) => 0,
        Refusal::NotFound => 1,
        Refusal::SignedOut => 2,
        Refusal::Forbidden => 3,
        Refusal::Conflict(_) => 4,
        Refusal::KeyReused => 5,
        Refusal::RateLimited(_) => 6,
        Refusal::Busy(_) => 7,
        Refusal::SearchUnavailable => 8,
    }
}

#[tokio::test]
async fn every_error_has_its_status_code_and_words() {
    let mut faults = FieldErrors::one("title", "required", "Write a title.");
    faults.add("body", "too_long", "Use at most 9 characters.");
    let table = [
        (Refusal::Invalid(faults), 422, "invalid", "Write a title. Use at most 9 characters.", None),
        (Refusal::NotFound, 404, "not_found", "This page does not exist, or you don’t have access.", None),
        (Refusal::SignedOut, 401, "signed_out", "Sign in first.", None),
        (
            Refusal::Forbidden,
            403,
            "forbidden",
            "Your role in this project does not allow this. An admin of the project can change your role.",
            None,
        ),
        (Refusal::Conflict("Ann was faster.".into()), 409, "conflict", "Ann was faster.", None),
        (
            Refusal::KeyReused,
            422,
            "reused",
            "This form was already sent with different content. Open the page in a new tab and send it from there.",
            None,
        ),
        (Refusal::RateLimited(17), 429, "rate_limited", "Too many attempts. Try again in 17 seconds.", Some("17")),
        (
            Refusal::Busy(3),
            503,
            "busy",
            "Earshot is too busy to accept this right now. Nothing was changed; try again in a moment.",
            Some("3"),
        ),
        (Refusal::SearchUnavailable, 503, "search_unavailable", "The search index is being updated. Try again in a moment.", None),
    ];
    assert_eq!(table.iter().map(|(refusal, ..)| place(refusal)).collect::<Vec<_>>(), (0..9).collect::<Vec<_>>());
    for (refusal, status, code, words, again) in table {
        let is_signed_out = refusal == Refusal::SignedOut;
        let is_invalid = matches!(refusal, Refusal::Invalid(_));
        let error = || service::error::Error::Domain(refusal.clone());
        let problem = page_of(ApiError(error()).into_response()).await;
        let body = problem.json();
        assert_eq!((problem.status.as_u16(), &body["status"], &body["code"]), (status, &status.into(), &code.into()), "{}", problem.body);
        assert_eq!((body["detail"].as_str(), body["type"].as_str()), (Some(words), Some(format!("urn:earshot:problem:{code}").as_str())));
        assert_eq!(body["errors"].as_array().unwrap().len(), if is_invalid { 2 } else { 0 });
        assert_eq!(problem.headers[header::CONTENT_TYPE], "application/problem+json");
        let page = page_of(PageError(error()).into_response()).await;
        if is_signed_out {
            assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, "/sign-in"));
            continue;
        }
        assert_eq!(reason(&page), words);
        refused(&page, StatusCode::from_u16(status).unwrap(), words);
        for answer in [&problem, &page] {
            assert_eq!(answer.headers.get(header::RETRY_AFTER).map(|h| h.to_str().unwrap()), again, "{code}");
        }
    }
}

#[tokio::test]
async fn a_row_that_must_be_there_and_is_not_is_our_fault() {
    let error = service::error::Error::from(sqlx::Error::RowNotFound);
    assert!(error.refusal().is_none(), "it is logged, and no 404");
    let page = page_of(PageError(error).into_response()).await;
    assert_eq!(page.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(reason(&page).starts_with("Something went wrong on our side."), "{}", page.body);
}
