//! What every page shares.

use crate::on_both;
use axum::http::StatusCode;

on_both!(unknown_pages_are_404_with_a_way_on, |t: crate::support::TestApp| async move {
    let page = t.anonymous().get("/nowhere").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert!(page.body.contains("Go to the start"));
    let csp = page.headers["content-security-policy"].to_str().unwrap();
    assert!(csp.contains("default-src 'none'") && csp.contains("frame-ancestors 'none'"), "{csp}");
});

on_both!(a_retry_with_the_same_key_writes_once, |t: crate::support::TestApp| async move {
    let (app, now) = (&t.app, t.app.now());
    let once = async |name: &str| {
        let (id, name) = (app.id::<domain::ids::StaffId>(), name.to_owned());
        app.store
            .write_once("test", "key-00001", now, move |tx| {
                Box::pin(async move {
                    assert!(tx.insert_staff(id, &format!("{name}@example.com"), &name, "x", now).await?);
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
        let id = app.id::<domain::ids::StaffId>();
        app.store.write(move |tx| {
            Box::pin(async move {
                tx.insert_staff(id, &format!("p{n}@example.com"), "P", "x", now).await?;
                if n % 2 == 0 { Err(domain::Error::Forbidden.into()) } else { Ok(()) }
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

on_both!(readiness_tells_whether_work_can_be_done, |t: crate::support::TestApp| async move {
    let ask = async || t.anonymous().get("/readyz").await;
    assert!(t.app.search.ready(std::time::Duration::from_secs(20)).await);
    let page = ask().await;
    assert_eq!((page.status, page.body.as_str()), (StatusCode::OK, r#"{"database":"ready","search":"ready"}"#));
    // A queue without room, then one that has run empty.
    let full = t.full_queue().await;
    let page = ask().await;
    assert_eq!((page.status, page.headers["retry-after"].to_str().unwrap()), (StatusCode::SERVICE_UNAVAILABLE, "5"));
    assert!(page.body.contains(r#""database":"unavailable""#));
    full.release().await;
    assert_eq!(ask().await.status, StatusCode::OK);
    // An index that is not there is no reason to send people away, a database is.
    t.app.search.stop().await;
    let page = ask().await;
    assert!(page.status == StatusCode::OK && page.body.contains(r#""search":"off""#));
    t.app.store.reader().close().await;
    assert_eq!(ask().await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(t.anonymous().get("/healthz").await.body, "ok", "the process runs all the same");
});
