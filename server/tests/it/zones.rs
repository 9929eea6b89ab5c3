//! A project's time zone (case H20), through the router: it defines the days in searches, imports, exports and pages.

use axum::{
    body::Body,
    http::{Method, StatusCode, header},
};
use domain::{Timestamp, accounts::Role, projects::Project};
use testing::feedback::{add_feedback, plain};

use crate::{
    on_both,
    support::{Client, TestApp},
};

/// Half past midnight of 23 November in Tokyo.
const EARLY: &str = "2026-11-22T15:30:00Z";
/// The last second of 22 November in Tokyo.
const LATE: &str = "2026-11-22T14:59:59Z";

async fn settings(client: &Client, project: &Project, fields: &[(&str, &str)]) -> crate::support::Page {
    let url = format!("/p/{}/settings", project.slug);
    let page = client.get(&url).await.body;
    let value = |start: &str| page.split(start).nth(1).unwrap().split('"').next().unwrap().to_owned();
    let (seen, accent) = (value("name=\"seen\" value=\""), value("name=\"accent\" value=\""));
    let known = [("seen", seen.as_str()), ("name", "Shop"), ("language", "ja"), ("accent", accent.as_str()), ("theme", "auto")];
    client.post(&url, &known.into_iter().chain(fields.iter().copied()).collect::<Vec<_>>()).await
}

async fn in_tokyo(t: &TestApp) -> (Project, Client) {
    let (project, client) = t.owner().await;
    assert_eq!(settings(&client, &project, &[("time_zone", "Asia/Tokyo")]).await.status, StatusCode::SEE_OTHER);
    (t.app.store.project_by_id(project.id).await.unwrap().unwrap(), client)
}

on_both!(h20_a_zone_is_chosen_and_a_wrong_one_is_told, |t: TestApp| async move {
    let (project, client) = in_tokyo(&t).await;
    assert_eq!(project.zone.name(), "Asia/Tokyo");
    let page = client.get(&format!("/p/{}/settings", project.slug)).await.body;
    assert!(page.contains(r#"<option value="Asia/Tokyo" selected"#) && page.contains("UTC+9 in Asia/Tokyo."), "{page}");
    let page = settings(&client, &project, &[("time_zone", "Asia/Tokio")]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.body.contains("“Asia/Tokio” is not a time zone. Choose one from the list"), "{}", page.body);
    // Older forms have no time zone and keep it; a concurrent change is reported.
    assert_eq!(settings(&client, &project, &[]).await.status, StatusCode::SEE_OTHER);
    let stale =
        [("seen", "older"), ("name", "Shop"), ("language", "ja"), ("accent", "#3868d8"), ("theme", "auto"), ("time_zone", "Asia/Seoul")];
    let page = client.post(&format!("/p/{}/settings", project.slug), &stale).await;
    assert!(page.body.contains("Someone else changed the settings. The current value is: Asia/Tokyo."), "{}", page.body);
    // Aliases of zones are accepted, and a new project gets the browser's time zone.
    let made = client.post("/projects/new", &[("name", "Mumbai"), ("origins", ""), ("time_zone", "Asia/Calcutta")]).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER);
    let made = client.post("/projects/new", &[("name", "Mars"), ("origins", ""), ("time_zone", "Mars/Olympus")]).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER);
    let zones: Vec<(String, String)> = t.app.store.all_projects().await.unwrap().into_iter().map(|p| (p.slug, p.zone.into())).collect();
    for (slug, zone) in [("mumbai", "Asia/Calcutta"), ("mars", "UTC")] {
        assert!(zones.contains(&(slug.to_owned(), zone.to_owned())), "{zones:?}");
    }
});

on_both!(h20_a_day_in_a_search_is_a_day_of_the_project, |t: TestApp| async move {
    let (project, client) = in_tokyo(&t).await;
    let at = |text: &'static str| move |f: &mut domain::feedback::Feedback| f.created_at = Timestamp::parse(text).unwrap();
    let ids = add_feedback(&t, project.id, &[("said late", &at(LATE)), ("said early", &at(EARLY)), ("said now", &plain)]).await;
    let expected = [("before:2026-11-23", [true, false]), ("after:2026-11-23", [false, true]), ("-after:2026-11-23", [true, false])];
    // With the index and without it.
    for has_index in [true, false] {
        if !has_index {
            t.app.search.stop().await;
        }
        for (query, found) in expected {
            let page = client.get(&format!("/p/{}/inbox?q={query}", project.slug)).await.body;
            assert_eq!([0, 1].map(|n: usize| page.contains(&format!("row-{}", ids[n]))), found, "{query} with an index: {has_index}");
        }
    }
    // The export page reports invalid queries too.
    let page = client.get(&format!("/p/{}/export/file?what=feedback&format=csv&q=before:soon", project.slug)).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.body.contains("id=\"q-error\"") && page.body.contains("value=\"before:soon\""), "{}", page.body);
    // A record's details use the same time zone.
    let page = client.get(&format!("/p/{}/feedback/{}", project.slug, ids[1])).await.body;
    assert!(page.contains("23 Nov 2026, 00:30 UTC+9"), "{page}");
});

on_both!(h20_files_come_and_go_in_the_zone_of_the_project, |t: TestApp| async move {
    let (project, client) = in_tokyo(&t).await;
    let scope = domain::accounts::Scope::system(project.id);
    let file = "text,created_at\nplain,2026-11-23 00:30\nserial,46349.5\nzoned,2026-11-23T00:30:00+01:00\n";
    let key = "key-00001";
    let mut upload = service::imports::begin_upload(&t.app, &scope, "file.csv", key).await.unwrap();
    upload.push(&t.app, &scope, file.as_bytes()).await.unwrap();
    let import = service::imports::find(&t.app, &scope, upload.finish(&t.app, &scope).await.unwrap()).await.unwrap();
    let page = client.get(&format!("/p/{}/imports/{}", project.slug, import.id)).await.body;
    for phrase in
        ["23 Nov 2026, 00:30 UTC+9", "23 Nov 2026, 12:00 UTC+9", "23 Nov 2026, 08:30 UTC+9", "in the project’s time zone, Asia/Tokyo"]
    {
        assert!(page.contains(phrase), "{phrase}: {page}");
    }
    let mapping = domain::imports::ColumnMapping::parse("text=text,created_at=created_at").unwrap();
    service::imports::start(&t.app, &scope, &import, mapping).await.unwrap();
    service::jobs::run_due(&t.app).await.unwrap();
    let stored: Vec<(String, i64)> =
        sqlx::query_as("SELECT text, created_at FROM feedback ORDER BY text").fetch_all(t.app.store.reader()).await.unwrap();
    let stored: Vec<(String, String)> = stored.into_iter().map(|(text, at)| (text, Timestamp(at).rfc3339())).collect();
    let expected = [("plain", EARLY), ("serial", "2026-11-23T03:00:00Z"), ("zoned", "2026-11-22T23:30:00Z")];
    assert_eq!(stored, expected.map(|(text, at)| (text.to_owned(), at.to_owned())));

    // 19:00 UTC is the next day in Tokyo.
    t.clock.advance_ms(Timestamp::parse("2027-02-01T19:00:00Z").unwrap().0 - t.app.now().0);
    let (_, triager) = t.member(&project, "tri@example.com", Role::Triager).await;
    for format in ["csv", "jsonl"] {
        let answer =
            triager.send(Method::GET, &format!("/p/{}/export/file?what=feedback&format={format}", project.slug), &[], Body::empty()).await;
        assert_eq!(answer.status, StatusCode::OK);
        let name = answer.headers[header::CONTENT_DISPOSITION].to_str().unwrap();
        assert!(name.contains(&format!("-2027-02-02.{format}")), "{name}");
        assert!(answer.body.contains("2026-11-23T00:30:00+09:00") && !answer.body.contains("00:00Z"), "{}", answer.body);
    }
});
