//! Features that all pages share.

use axum::http::StatusCode;
use store::{Fingerprint, IdempotencyScope, IdempotentWrite};

use crate::on_both;

on_both!(unknown_pages_are_404_with_a_way_on, |t: crate::support::TestApp| async move {
    let page = t.anonymous().get("/nowhere").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert!(page.body.contains("Go to home"));
    let csp = page.headers["content-security-policy"].to_str().unwrap();
    assert!(csp.contains("default-src 'none'") && csp.contains("frame-ancestors 'none'"), "{csp}");
});

on_both!(a_retry_with_the_same_key_writes_once, |t: crate::support::TestApp| async move {
    let (app, now) = (&t.app, t.app.now());
    let once = async |name: &str| {
        let name = name.to_owned();
        let once = IdempotentWrite::form(&IdempotencyScope::PasswordReset("test".into()), "key-00001", Fingerprint::of(["x"]));
        app.store
            .write_idempotent(once, now, move |tx| {
                Box::pin(async move {
                    assert!(tx.insert_staff(&format!("{name}@example.com"), &name, "x", now).await?.is_some());
                    Ok(name)
                })
            })
            .await
            .unwrap()
    };
    assert_eq!(once("first").await, "first");
    assert_eq!(once("second").await, "first");
    assert!(app.store.staff_by_email("second@example.com").await.unwrap().is_none());
});

on_both!(a_refused_write_leaves_nothing_and_hurts_nobody_else, |t: crate::support::TestApp| async move {
    let app = &t.app;
    let now = app.now();
    let jobs = (0..50).map(|n| {
        app.store.write(move |tx| {
            Box::pin(async move {
                tx.insert_staff(&format!("p{n}@example.com"), "P", "x", now).await?;
                if n % 2 == 0 { Err(domain::DomainError::Forbidden.into()) } else { Ok(()) }
            })
        })
    });
    let results = futures_util::future::join_all(jobs).await;
    assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 25);
    for n in 0..50 {
        let there = app.store.staff_by_email(&format!("p{n}@example.com")).await.unwrap().is_some();
        assert_eq!(there, n % 2 == 1, "p{n}");
    }
});

on_both!(metrics_are_for_who_has_the_token, |t: crate::support::TestApp| async move {
    let scrape = async |t: &crate::support::TestApp, authorization: &str| {
        let headers = [("authorization", authorization)];
        t.anonymous().send(axum::http::Method::GET, "/metrics", &headers, axum::body::Body::empty()).await
    };
    assert_eq!(scrape(&t, "Bearer ").await.status, StatusCode::NOT_FOUND, "off unless set");
    let set = |c: &mut server::config::Config| c.http.metrics_token = Some(domain::Secret("a token of the operator".into()));
    let Some(t) = crate::support::TestApp::with_settings(t.database, set).await else { return };
    assert!(t.app.search.ready(std::time::Duration::from_secs(20)).await);
    for wrong in ["", "Bearer ", "Bearer a token of the operatoR", "Basic a token of the operator"] {
        assert_eq!(scrape(&t, wrong).await.status, StatusCode::NOT_FOUND, "{wrong}");
    }
    t.anonymous().get("/s/0192aaaa-0000-7000-8000-000000000000?email=ann@example.com").await;
    let weird = axum::http::Method::from_bytes(b"BREW").unwrap();
    t.anonymous().send(weird, "/healthz", &[], axum::body::Body::empty()).await;
    let page = scrape(&t, "Bearer a token of the operator").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.headers["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    for line in [
        "earshot_http_requests_total{method=\"GET\",route=\"/s/{survey}\",status=\"404\"} 1",
        "earshot_http_requests_total{method=\"other\",route=\"/healthz\",status=\"405\"} 1",
        "earshot_http_request_duration_seconds_count{route=\"/s/{survey}\"} 1",
        "earshot_database_up 1",
        "earshot_search_ready 1",
        "earshot_search_behind_changes 0",
        "earshot_jobs_dead 0",
        "# EOF",
    ] {
        assert!(page.body.lines().any(|l| l == line), "{line}\n{}", page.body);
    }
    assert!(!page.body.contains("0192aaaa") && !page.body.contains("ann@example.com") && !page.body.contains("BREW"));
    t.app.store.reader().close().await;
    let page = scrape(&t, "Bearer a token of the operator").await;
    assert!(page.status == StatusCode::OK && page.body.contains("earshot_database_up 0"), "{}", page.body);
});

on_both!(readiness_tells_whether_work_can_be_done, |t: crate::support::TestApp| async move {
    let ask = async || t.anonymous().get("/readyz").await;
    assert!(t.app.search.ready(std::time::Duration::from_secs(20)).await);
    let page = ask().await;
    assert_eq!((page.status, page.body.as_str()), (StatusCode::OK, r#"{"database":"ready","search":"ready"}"#));
    // First a full write queue, then an empty one.
    let full = t.full_queue().await;
    let page = ask().await;
    assert_eq!((page.status, page.headers["retry-after"].to_str().unwrap()), (StatusCode::SERVICE_UNAVAILABLE, "5"));
    assert!(page.body.contains(r#""database":"unavailable""#));
    full.release().await;
    assert_eq!(ask().await.status, StatusCode::OK);
    // Without an index the node is still ready, without a database it is not.
    t.app.search.stop().await;
    let page = ask().await;
    assert!(page.status == StatusCode::OK && page.body.contains(r#""search":"off""#));
    t.app.store.reader().close().await;
    assert_eq!(ask().await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(t.anonymous().get("/healthz").await.body, "ok", "the process runs all the same");
});
