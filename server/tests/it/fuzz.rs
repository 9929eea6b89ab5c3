//! Thousands of generated inputs (a million each with `cargo xtask test --long`): a clear error message, never a fault.

use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use domain::{
    accounts::Scope,
    imports::ColumnMapping,
    triage::{QueryField, QueryTerm, TriageQuery},
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use search::highlight;
use service::{imports, jobs};

use crate::{
    matrix::Filled,
    support::{Database, TestApp},
};

/// The number of inputs.
fn inputs(ordinary: usize) -> usize {
    #[expect(clippy::disallowed_methods, reason = "how long to test is told by the environment")]
    let long = std::env::var_os("EARSHOT_TEST_LONG").is_some();
    if long { 1_000_000 } else { ordinary }
}

/// Reports the outcomes of the inputs.
fn note(text: &str) {
    #[expect(clippy::disallowed_methods, reason = "where to write is told by the environment")]
    if let Some(file) = std::env::var_os("EARSHOT_TEST_NOTES") {
        let mut file = std::fs::File::options().append(true).create(true).open(file).unwrap();
        std::io::Write::write_all(&mut file, format!("{text}\n").as_bytes()).unwrap();
    }
}

/// Changes a text like a careless or hostile user: replaces, removes and duplicates bytes, and inserts meaningful pieces.
fn spoil(random: &mut StdRng, seed: &[u8], pieces: &[&str]) -> Vec<u8> {
    let mut text = seed.to_vec();
    for _ in 0..random.random_range(1..6) {
        let at = random.random_range(0..=text.len());
        match random.random_range(0..5) {
            0 if at < text.len() => text[at] = random.random(),
            1 => {
                let end = random.random_range(at..=text.len());
                text.drain(at..end.min(at + 12));
            }
            2 => {
                let end = random.random_range(at..=text.len()).min(at + 200);
                let again = text[at..end].to_vec();
                text.splice(at..at, again);
            }
            _ => {
                let piece = pieces.choose(random).copied().unwrap_or_default();
                text.splice(at..at, piece.bytes());
            }
        }
    }
    text
}

#[test]
fn any_query_is_understood_or_refused_with_its_place() {
    const SEEDS: [&str; 8] = [
        "card tag:billing -status:resolved",
        "\"never came\" score:<=6 after:2026-01-01",
        "assignee:me kind:ticket priority:urgent",
        "delivery OR \"top up\" has:contact",
        "release:2.4 before:7d lang:de -env:test",
        "https://shop.example/a?b=c C:\\dir std::vector --flag",
        "survey:“After checkout” score:7..9 is:spam",
        "",
    ];
    const PIECES: [&str; 24] = [
        "(",
        ")",
        "\"",
        ":",
        "-",
        " OR ",
        " AND ",
        "<=",
        ">",
        "..",
        "*",
        "~",
        "\\",
        "\u{0}",
        "é",
        "届",
        "\u{202e}",
        "tag:",
        "score:",
        "9e999",
        "after:",
        "2026-13-45",
        "🙂",
        "\u{feff}",
    ];
    let asks_for = |query: &TriageQuery, field: QueryField| {
        let of = |what: &QueryTerm| matches!(what, QueryTerm::Test(test) if test.field() == field);
        query.parts.iter().any(|part| of(&part.what))
    };
    // `is:` is a synonym for a status filter.
    let fields: Vec<QueryField> = QueryField::ALL.iter().copied().filter(|field| *field != QueryField::Is).collect();
    for seed in SEEDS {
        assert!(TriageQuery::parse(seed).is_ok(), "{seed}");
    }
    let mut random = StdRng::seed_from_u64(7);
    let (mut understood, mut refused, mut by_field) = (0, 0, vec![0; fields.len()]);
    for n in 0..inputs(100_000) {
        let text = String::from_utf8_lossy(&spoil(&mut random, SEEDS[n % SEEDS.len()].as_bytes(), &PIECES)).into_owned();
        match TriageQuery::parse(&text) {
            Ok(query) => {
                understood += 1;
                for (field, n) in fields.iter().zip(&mut by_field) {
                    *n += usize::from(asks_for(&query, *field));
                }
                if n % 16 == 0 {
                    drop(highlight(&query, "I am still waiting on my card? 届かない", "en"));
                }
            }
            Err(error) => {
                refused += 1;
                assert!(!error.to_string().is_empty(), "{text:?}");
            }
        }
    }
    note(&format!("generated queries: {understood} understood, {refused} refused"));
    let all = understood + refused;
    assert!(understood > all / 3 && refused > all / 20, "both happen, and often: {understood}, {refused}");
    // A seed of an outdated grammar would be rejected, as would everything derived from it.
    for (field, n) in fields.iter().zip(by_field) {
        assert!(n > all / 100, "{field:?} was understood {n} times of {all}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_submission_is_taken_or_refused() {
    let t = TestApp::with_settings(Database::Sqlite, |c| (c.settings.rate_per_address, c.settings.rate_per_key) = (u32::MAX, u32::MAX))
        .await
        .unwrap();
    let own = Filled::new(&t, "pelican").await;
    let (key, survey) = (&own.project.key, &own.ids["survey"]);
    let json = format!(
        r#"{{"survey":"{survey}","finished":true,"idempotency_key":"0123456789abcdef","answers":[["q1","9"],["q2","a text"]],"context":{{"page_url":"https://x.example/a","release":"1.2","contact":{{"id":"7","email":"a@x.example","attributes":{{"plan":"pro"}}}}}}}}"#
    );
    let form = "idempotency_key=0123456789abcdef&q1=9&q2=a+text&website=";
    const PIECES: [&str; 26] = [
        "null",
        "true",
        "-1",
        "1e400",
        "[]",
        "{}",
        "[[",
        "\"\"",
        ",",
        "\\u0000",
        "\\ud800",
        "\u{0}",
        "é",
        "🙂",
        "q1",
        "q99",
        "&",
        "=",
        "%",
        "%00",
        "%ff",
        "../",
        "'; DROP TABLE feedback; --",
        "<script>",
        "99999999999999999999",
        "\u{202e}",
    ];
    let client = t.anonymous();
    let mut random = StdRng::seed_from_u64(8);
    let mut seen = std::collections::BTreeMap::<u16, usize>::new();
    for n in 0..inputs(4_000) {
        let (method, path, kind, seed) = match n % 5 {
            0 | 1 => (Method::POST, format!("/embed/v1/{key}/responses"), "application/json", json.as_str()),
            2 => (Method::PUT, format!("/embed/v1/{key}/responses/{}", own.ids["response"]), "application/json", json.as_str()),
            3 => (Method::POST, format!("/s/{survey}"), "application/x-www-form-urlencoded", form),
            _ => (Method::GET, format!("/embed/v1/{key}/config"), "text/plain", "v=1&lang=en"),
        };
        let spoiled = spoil(&mut random, seed.as_bytes(), &PIECES);
        let (path, body) = if method == Method::GET {
            let query: String = url::form_urlencoded::byte_serialize(&spoiled).collect();
            (format!("{path}?{query}"), Vec::new())
        } else {
            (path, spoiled)
        };
        let shown = String::from_utf8_lossy(&body).into_owned();
        let page = client.send(method.clone(), &path, &[("content-type", kind)], Body::from(body)).await;
        assert!(page.status.as_u16() < 500, "{method} {path} {shown:?}: {} {}", page.status, page.body);
        *seen.entry(page.status.as_u16()).or_default() += 1;
    }
    note(&format!("generated submissions, by status: {seen:?}"));
    assert!(seen.keys().any(|s| *s < 400) && seen.keys().any(|s| *s >= 400), "some are taken, some are refused: {seen:?}");
    assert_eq!(client.get(&format!("/s/{survey}")).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_file_is_imported_or_refused() {
    let t = TestApp::new(Database::Sqlite).await.unwrap();
    let project = service::projects::create(&t.app, "P", vec![], None).await.unwrap();
    let scope = Scope::system(project.id);
    const PIECES: [&str; 20] = [
        "\"",
        "\"\"",
        ",",
        ";",
        "\t",
        "\n",
        "\r\n",
        "\r",
        "\u{0}",
        "\u{feff}",
        "=1+1",
        "2026-01-02",
        "99/99/9999",
        "NaN",
        "-0",
        "1e308",
        "é",
        "🙂",
        "a,b,c,d,e,f,g",
        "\u{fffd}",
    ];
    let mut random = StdRng::seed_from_u64(9);
    let lines = inputs(8_000);
    let in_file = 500;
    let (mut added, mut bad, mut refused) = (0, 0, 0);
    for n in 0..lines / in_file {
        let mut file = b"text,score,created,email\n".to_vec();
        for line in 0..in_file {
            let seed = format!("text {n} {line},{},2026-03-0{},a{line}@x.example\n", line % 11, line % 9 + 1);
            let mut spoiled = if random.random_bool(0.5) { spoil(&mut random, seed.as_bytes(), &PIECES) } else { seed.into_bytes() };
            if random.random_bool(0.02) {
                spoiled.retain(|b| *b != b'\n');
            }
            file.extend(spoiled);
        }
        if n % 4 == 3 {
            let whole = file.len().min(2000);
            let head = spoil(&mut random, &file[..whole], &PIECES);
            file.splice(..whole, head);
        }
        let mut upload = imports::begin_upload(&t.app, &scope, "f.csv", &format!("fuzz-{n:08}")).await.unwrap();
        upload.push(&t.app, &scope, &file).await.unwrap();
        let id = match upload.finish(&t.app, &scope).await {
            Ok(id) => id,
            Err(error) => {
                assert!(error.refusal().is_some(), "{error}");
                refused += 1;
                continue;
            }
        };
        let import = imports::find(&t.app, &scope, id).await.unwrap();
        let mapping = ColumnMapping::parse("text=text,score=score,created_at=created,contact_email=email").unwrap();
        if let Err(error) = imports::preview(&t.app, &scope, &import, Some(mapping.clone())).await {
            assert!(error.refusal().is_some(), "{error}");
        }
        if let Err(error) = imports::start(&t.app, &scope, &import, mapping).await {
            assert!(error.refusal().is_some(), "{error}");
            refused += 1;
            continue;
        }
        jobs::run_due(&t.app).await.unwrap();
        let import = imports::find(&t.app, &scope, id).await.unwrap();
        assert!(import.status != domain::imports::ImportStatus::Running, "it came to an end");
        added += import.added;
        bad += import.bad;
    }
    note(&format!("generated lines of CSV: {lines}, {added} added, {bad} bad, {refused} files refused"));
    assert!(added > 0 && bad > 0, "both happen: {added} added, {bad} bad, {refused} files refused");
}
