//! Exports, through the router and the command.

use std::collections::HashMap;

use axum::http::{StatusCode, header};
use domain::{
    accounts::{Role, Scope},
    feedback::Feedback,
    projects::Project,
};
use futures_util::StreamExt;
use service::{
    backlog,
    export::{ExportFormat, ExportSubject, begin},
};
use sqlx::Connection as _;

use crate::{
    on_both,
    respond::setup,
    support::{Database, Page, TestApp, sample},
};

/// Texts that a careless CSV writer would get wrong.
const EXOTIC: [&str; 12] = [
    "plain",
    "comma, \"quotes\" and\nlines\r\nof both kinds",
    "=HYPERLINK(\"http://evil.example\")",
    "+49 30 1234",
    "-1",
    "@SUM(A1:A9)",
    "\t=1",
    "naïve 日本語 \u{1f600} e\u{301}",
    "\u{202e}right to left",
    "</script><img src=x onerror=alert(1)>",
    "' already quoted",
    "",
];

async fn add(t: &TestApp, project: &Project, texts: Vec<String>) -> Vec<Feedback> {
    let all: Vec<Feedback> = texts
        .into_iter()
        .enumerate()
        .map(|(n, text)| {
            let tags = if n % 2 == 0 { vec!["billing".to_owned(), "urgent".to_owned()] } else { vec![] };
            // Several with the same time, so that the time alone does not determine the position.
            Feedback { tags, created_at: t.app.now().plus_ms(i64::try_from(n / 7).unwrap()), ..sample(&t.app, project.id, &text) }
        })
        .collect();
    for part in all.chunks(500) {
        let part = part.to_vec();
        t.app
            .store
            .write(move |tx| {
                Box::pin(async move {
                    for feedback in &part {
                        tx.insert_feedback(feedback, None).await?;
                    }
                    Ok(())
                })
            })
            .await
            .unwrap();
    }
    all
}

fn csv_rows(body: &str) -> Vec<HashMap<String, String>> {
    csv::Reader::from_reader(body.as_bytes()).deserialize().map(Result::unwrap).collect()
}

fn json_rows(body: &str) -> Vec<serde_json::Value> {
    body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn url(project: &Project, rest: &str) -> String {
    format!("/p/{}/export/file?{rest}", project.slug)
}

fn header_of(page: &Page, name: header::HeaderName) -> &str {
    page.headers.get(name).unwrap().to_str().unwrap()
}

on_both!(everything_is_in_it_once_and_as_it_was_written, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let other = service::projects::create(&t.app, "Other", vec![], None).await.unwrap();
    add(&t, &other, vec!["a secret of others".into()]).await;
    let texts: Vec<String> = (0..5_100).map(|n| EXOTIC.get(n).map_or_else(|| format!("Number {n}"), |t| (*t).to_owned())).collect();
    let all = add(&t, &project, texts).await;
    let scope = Scope::system(project.id);
    backlog::create_from(
        &t.app,
        &scope,
        "some-key-1",
        all[0].id,
        "Faster",
        backlog::LinkInput { quote: String::new(), importance: domain::backlog::Importance::Normal },
    )
    .await
    .unwrap();
    let page = owner.get(&url(&project, "what=feedback&format=csv")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(header_of(&page, header::CONTENT_TYPE).starts_with("text/csv"));
    assert!(header_of(&page, header::CONTENT_DISPOSITION).starts_with("attachment; filename=\"my-app-feedback-"));
    assert!(!page.body.contains("a secret of others"));
    let rows = csv_rows(&page.body);
    assert_eq!(rows.len(), all.len());
    let by_id: HashMap<&str, &HashMap<String, String>> = rows.iter().map(|row| (row["id"].as_str(), row)).collect();
    for feedback in &all {
        assert_eq!(by_id[feedback.id.to_string().as_str()]["text"], service::export::spreadsheet_text(&feedback.text));
    }
    let first = by_id[all[0].id.to_string().as_str()];
    assert_eq!((first["tags"].as_str(), first["backlog"].as_str(), first["status"].as_str()), ("billing, urgent", "1", "linked"));
    // JSON lines contain the same data, unchanged.
    let page = owner.get(&url(&project, "what=feedback&format=jsonl")).await;
    let rows = json_rows(&page.body);
    assert_eq!(rows.len(), all.len());
    let texts: HashMap<&str, &str> = rows.iter().map(|r| (r["id"].as_str().unwrap(), r["text"].as_str().unwrap())).collect();
    assert!(all.iter().all(|f| texts[f.id.to_string().as_str()] == f.text));
    // It arrives in several parts.
    let app = t.app.clone();
    let pieces: Vec<_> =
        begin(&app, &scope, ExportSubject::Feedback, ExportFormat::Csv).await.unwrap().map(|p| p.unwrap().len()).collect().await;
    assert!(pieces.len() > 10 && pieces.iter().all(|n| *n < page.body.len() / 5), "{pieces:?}");
    let page = owner.get(&url(&project, "what=backlog&format=jsonl")).await;
    let rows = json_rows(&page.body);
    assert_eq!(
        (rows.len(), rows[0]["title"].as_str(), rows[0]["feedback"][0].as_str()),
        (1, Some("Faster"), Some(all[0].id.to_string().as_str()))
    );
});

on_both!(responses_have_a_column_for_each_question, |t: TestApp| async move {
    let s = setup(t, &[]).await;
    for n in 0..3 {
        let answers = serde_json::json!([["q1", "9"], ["q2", "=cmd()"], ["q3", "c1"], ["q3", "c2"]]);
        let page = s.post(&s.input(&format!("submission-{n}"), &answers, true)).await;
        assert!(page.status.is_success(), "{}", page.body);
    }
    // One answer in an unknown format, and one to a question that no version has.
    s.t.app
        .store
        .write(|tx| {
            Box::pin(async move {
                let sql = "UPDATE answers SET value = '{broken' WHERE question_id = 'q2' AND response_id = (SELECT MIN(id) FROM responses)";
                sqlx::query(sql).execute(tx.conn()).await?;
                let sql = "INSERT INTO answers (response_id, project_id, survey_id, question_id, value, answered_at) \
                           SELECT MAX(id), project_id, survey_id, 'q99', '{\"text\":\"old\"}', 1 FROM responses GROUP BY project_id, survey_id";
                sqlx::query(sql).execute(tx.conn()).await?;
                sqlx::query("UPDATE responses SET spam_reasons = 'no list'").execute(tx.conn()).await?;
                Ok(())
            })
        })
        .await
        .unwrap();
    let (admin, scope) = (s.t.member(&s.project, "admin@example.com", Role::Admin).await.1, Scope::system(s.project.id));
    let page = admin.get(&url(&s.project, &format!("what=responses&survey={}&format=csv", s.survey))).await;
    let rows = csv_rows(&page.body);
    assert_eq!(rows.len(), 3);
    let mut whys: Vec<&str> = rows.iter().map(|r| r["Why? [q2]"].as_str()).collect();
    whys.sort_unstable();
    assert_eq!(whys, ["'=cmd()", "'=cmd()", "(not readable) {broken"]);
    assert!(rows.iter().all(|r| r["Would you recommend us? [q1]"] == "9" && r["What do you use? [q3]"] == "Maps, Lists"));
    assert!(rows.iter().all(|r| r["spam_reasons"] == "(not readable) no list" && r["finished"] == "yes"));
    assert_eq!(rows.iter().filter(|r| r["other_answers"] == "{\"q99\":\"old\"}").count(), 1);
    let page = admin.get(&url(&s.project, &format!("what=responses&survey={}&format=jsonl", s.survey))).await;
    let rows = json_rows(&page.body);
    assert_eq!((rows.len(), &rows[0]["What do you use? [q3]"]), (3, &serde_json::json!(["Maps", "Lists"])));
    // A survey of another project, or a nonexistent one.
    let other = service::projects::create(&s.t.app, "Other", vec![], None).await.unwrap();
    let foreign = Scope::system(other.id);
    assert!(begin(&s.t.app, &foreign, ExportSubject::Responses(s.survey), ExportFormat::Csv).await.is_err());
    assert!(begin(&s.t.app, &scope, ExportSubject::Responses(s.t.id()), ExportFormat::Csv).await.is_err());
});

on_both!(viewers_and_strangers_export_nothing, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    add(&t, &project, vec!["A secret".into()]).await;
    let (_, viewer) = t.member(&project, "viewer@example.com", Role::Viewer).await;
    let (_, triager) = t.member(&project, "triager@example.com", Role::Triager).await;
    let other = service::projects::create(&t.app, "Other", vec![], None).await.unwrap();
    let (_, stranger) = t.member(&other, "stranger@example.com", Role::Owner).await;
    let file = url(&project, "what=feedback&format=csv");
    assert_eq!(triager.get(&file).await.status, StatusCode::OK);
    assert_eq!(viewer.get(&file).await.status, StatusCode::FORBIDDEN);
    assert_eq!(stranger.get(&file).await.status, StatusCode::NOT_FOUND);
    assert_ne!(t.anonymous().get(&file).await.status, StatusCode::OK);
    let page = viewer.get(&format!("/p/{}/export", project.slug)).await;
    assert!(page.status == StatusCode::OK && !page.body.contains("export/file"));
    assert!(owner.get(&format!("/p/{}/export", project.slug)).await.body.contains("export/file"));
    for wrong in ["", "what=feedback", "what=people&format=csv", "what=responses&format=csv", "what=feedback&format=xml"] {
        assert_eq!(owner.get(&url(&project, wrong)).await.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
    }
});

on_both!(a_failure_on_the_way_does_not_look_like_the_end, |t: TestApp| async move {
    let (project, _) = t.owner().await;
    add(&t, &project, (0..600).map(|n| format!("Number {n}")).collect()).await;
    let scope = Scope::system(project.id);
    for format in [ExportFormat::Csv, ExportFormat::Jsonl] {
        let mut pieces = Box::pin(begin(&t.app, &scope, ExportSubject::Feedback, format).await.unwrap());
        if format == ExportFormat::Csv {
            pieces.next().await.unwrap().unwrap();
        }
        pieces.next().await.unwrap().unwrap();
        t.app
            .store
            .write(|tx| {
                Box::pin(async move {
                    sqlx::query("ALTER TABLE feedback_tags RENAME TO feedback_tags_away").execute(tx.conn()).await?;
                    Ok(())
                })
            })
            .await
            .unwrap();
        let rest: Vec<_> = pieces.collect().await;
        assert!(rest.last().unwrap().is_err(), "the connection breaks off");
        if format == ExportFormat::Jsonl {
            assert!(String::from_utf8_lossy(rest[0].as_ref().unwrap()).starts_with("{\"error\""));
        }
        t.app
            .store
            .write(|tx| {
                Box::pin(async move {
                    sqlx::query("ALTER TABLE feedback_tags_away RENAME TO feedback_tags").execute(tx.conn()).await?;
                    Ok(())
                })
            })
            .await
            .unwrap();
    }
});

on_both!(what_a_search_finds_is_exported_completely_and_in_pieces, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let other = service::projects::create(&t.app, "Other", vec![], None).await.unwrap();
    add(&t, &other, vec!["A pear of others".into()]).await;
    // More than two pages of search results, and as many items that do not match.
    let texts: Vec<String> = (0..900).map(|n| if n % 2 == 0 { format!("Pear {n}") } else { format!("Plum {n}") }).collect();
    let all = add(&t, &project, texts).await;
    let wanted: Vec<String> = all.iter().filter(|f| f.text.starts_with("Pear")).map(|f| f.id.to_string()).collect();
    let page = owner.get(&url(&project, "what=feedback&format=jsonl&q=pear")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    let found: Vec<String> = json_rows(&page.body).iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    // Everything that existed at the start, oldest first, exactly once, and nothing else. (The test did not wait for the index.)
    assert_eq!(found, wanted);
    let csv = owner.get(&url(&project, "what=feedback&format=csv&q=pear+tag:billing")).await;
    let rows = csv_rows(&csv.body);
    assert_eq!(rows.len(), 450);
    assert!(rows.iter().all(|row| row["text"].starts_with("Pear") && row["tags"] == "billing, urgent"));
    let scope = Scope::system(project.id);
    let query = domain::triage::TriageQuery::parse("pear").unwrap();
    let pieces = begin(&t.app, &scope, ExportSubject::Matching(query), ExportFormat::Jsonl).await.unwrap();
    let mut pieces = Box::pin(pieces);
    let mut lines = String::from_utf8(pieces.next().await.unwrap().unwrap().to_vec()).unwrap();
    assert!((1..400).contains(&lines.lines().count()), "not all at once");
    // Items that arrive during the export cause no gaps and no duplicates.
    add(&t, &project, (0..40).map(|n| format!("Late pear {n}")).collect()).await;
    assert!(t.app.search.wait_until_caught_up(std::time::Duration::from_secs(10)).await);
    while let Some(piece) = pieces.next().await {
        lines.push_str(std::str::from_utf8(&piece.unwrap()).unwrap());
    }
    let sent: Vec<String> = json_rows(&lines).iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    assert!(wanted.iter().all(|id| sent.iter().filter(|s| *s == id).count() == 1));
    assert_eq!(sent.iter().collect::<std::collections::HashSet<_>>().len(), sent.len());

    // Through the API.
    let program = crate::keys::Program::new(&t, &project, domain::accounts::key::Access::Write).await;
    let by_key = program.get("/api/v1/export/feedback?q=plum").await;
    assert_eq!(json_rows(&by_key.body).len(), 450);
    let refused = program.get("/api/v1/export/feedback?q=plum+status:what").await;
    assert_eq!((refused.status, &refused.json()["errors"][0]["parameter"]), (StatusCode::UNPROCESSABLE_ENTITY, &serde_json::json!("q")));
    assert_eq!(refused.json()["errors"][0]["position"], 12);
    let wrong = owner.get(&url(&project, "what=feedback&format=csv&q=status:what")).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);

    // The inbox links to the export with its query, but only for people who can export.
    let inbox = owner.get("/p/my-app/inbox?q=pear+tag%3Abilling").await;
    assert!(inbox.body.contains("href=\"/p/my-app/export?q=pear+tag%3Abilling\""), "{}", inbox.body);
    let form = owner.get("/p/my-app/export?q=pear+tag%3Abilling").await;
    assert!(form.body.contains("name=\"q\"") && form.body.contains("value=\"pear tag:billing\""), "{}", form.body);
    assert!(!owner.get("/p/my-app/inbox").await.body.contains("Export results"));
    let (_, viewer) = t.member(&project, "vera@example.com", Role::Viewer).await;
    assert!(!viewer.get("/p/my-app/inbox?q=pear").await.body.contains("Export results"));
    // Without an index, or with a stale one, the export would be incomplete, so it is rejected.
    if t.database == Database::Postgres {
        // Changes of an older open transaction are still pending.
        let mut slow = sqlx::AnyConnection::connect(t.url.as_deref().unwrap()).await.unwrap();
        sqlx::raw_sql("BEGIN; SELECT CAST(pg_current_xact_id() AS TEXT)").execute(&mut slow).await.unwrap();
        add(&t, &project, vec!["One more pear".into()]).await;
        assert_eq!(owner.get(&url(&project, "what=feedback&format=csv&q=pear")).await.status, StatusCode::SERVICE_UNAVAILABLE);
        sqlx::raw_sql("ROLLBACK").execute(&mut slow).await.unwrap();
        assert!(owner.get(&url(&project, "what=feedback&format=csv&q=pear")).await.body.contains("One more pear"));
    }
    t.app.search.rebuild();
    let unready =
        begin(&t.app, &scope, ExportSubject::Matching(domain::triage::TriageQuery::parse("pear").unwrap()), ExportFormat::Csv).await;
    assert!(unready.is_err_and(|error| matches!(error.refusal(), Some(domain::DomainError::SearchUnavailable))));
});

/// The cells of a workbook's first sheet, as text.
fn workbook(bytes: Vec<u8>) -> Vec<Vec<String>> {
    use calamine::Reader as _;
    let mut book: calamine::Xlsx<_> = calamine::open_workbook_from_rs(std::io::Cursor::new(bytes)).unwrap();
    let sheet = book.worksheet_range_at(0).unwrap().unwrap();
    assert!(book.worksheet_formula(&book.sheet_names()[0].clone()).unwrap().used_cells().next().is_none(), "no cell holds a formula");
    sheet.rows().map(|row| row.iter().map(ToString::to_string).collect()).collect()
}

async fn bytes_of(t: &TestApp, scope: &Scope, what: ExportSubject, format: ExportFormat) -> Vec<u8> {
    let pieces: Vec<_> = begin(&t.app, scope, what, format).await.unwrap().collect().await;
    pieces.into_iter().flat_map(|piece| piece.unwrap().to_vec()).collect()
}

on_both!(a_workbook_holds_every_text_as_it_was_written, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let texts: Vec<String> = (0..1_200).map(|n| EXOTIC.get(n).map_or_else(|| format!("Number {n}"), |t| (*t).to_owned())).collect();
    let all = add(&t, &project, texts).await;
    let rows = workbook(bytes_of(&t, &Scope::system(project.id), ExportSubject::Feedback, ExportFormat::Xlsx).await);
    assert_eq!(rows.len(), all.len() + 1);
    let (id, text) = (rows[0].iter().position(|name| name == "id").unwrap(), rows[0].iter().position(|name| name == "text").unwrap());
    let by_id: HashMap<&str, &str> = rows[1..].iter().map(|row| (row[id].as_str(), row[text].as_str())).collect();
    for feedback in &all {
        // XML readers normalize line ends.
        assert_eq!(by_id[feedback.id.to_string().as_str()].replace("\r\n", "\n"), feedback.text.replace("\r\n", "\n"));
    }
    let page = owner.get(&url(&project, "what=feedback&format=xlsx")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(header_of(&page, header::CONTENT_TYPE).contains("spreadsheetml"));
    assert!(header_of(&page, header::CONTENT_DISPOSITION).ends_with(".xlsx\""));
    // Without data: a file with only the header row.
    assert_eq!(workbook(bytes_of(&t, &Scope::system(project.id), ExportSubject::Backlog, ExportFormat::Xlsx).await).len(), 1);
});

on_both!(csv_is_safe_where_the_semicolon_separates, |t: TestApp| async move {
    let (project, _) = t.owner().await;
    add(&t, &project, ["x;=cmd|' /C calc'!A0;", "y;+1", "z\n@SUM(A1)", "w;\"=1"].map(String::from).to_vec()).await;
    let scope = Scope::system(project.id);
    let file = bytes_of(&t, &scope, ExportSubject::Feedback, ExportFormat::Csv).await;
    for delimiter in *b",;\t|" {
        let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).has_headers(false).from_reader(&file[..]);
        for cell in reader.records().flat_map(|record| record.unwrap().iter().map(ToOwned::to_owned).collect::<Vec<_>>()) {
            assert!(!cell.trim_start_matches([' ', '"']).starts_with(['=', '+', '-', '@']), "{cell:?}");
        }
    }
    let with_mark = bytes_of(&t, &scope, ExportSubject::Feedback, ExportFormat::CsvBom).await;
    assert_eq!(with_mark, [b"\xef\xbb\xbf".as_slice(), &file].concat());
});
