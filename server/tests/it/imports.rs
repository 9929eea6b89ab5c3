//! Imports and background jobs.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use domain::{
    accounts::{Role, Scope},
    ids::{ImportId, JobId, ProjectId},
    imports::{ColumnMapping, DateOrder, Encoding, ImportStatus, ProblemKind},
};
use service::{
    imports,
    job_handler::JobOutcome,
    jobs::{self, Job},
    state::AppState,
};
use store::imports::Import;

use crate::{
    on_both,
    support::{Client, Database, Page, TestApp},
};

/// The real file that the requirements mention, if it is available.
const REAL: &str = "EARSHOT_TEST_QUERIES";

async fn project(app: &AppState) -> Scope {
    Scope::system(service::projects::create(app, "My app", vec![], None).await.unwrap().id)
}

async fn uploaded(app: &AppState, scope: &Scope, name: &str, bytes: &[u8]) -> Import {
    let key = format!("key-{}", app.ids.uuid());
    let mut upload = imports::begin_upload(app, scope, name, &key).await.unwrap();
    for piece in bytes.chunks(10_000) {
        upload.push(app, scope, piece).await.unwrap();
    }
    let id = upload.finish(app, scope).await.unwrap();
    imports::find(app, scope, id).await.unwrap()
}

async fn imported(app: &AppState, scope: &Scope, map: &str, bytes: &[u8]) -> Import {
    let import = uploaded(app, scope, "file.csv", bytes).await;
    imports::start(app, scope, &import, ColumnMapping::parse(map).unwrap()).await.unwrap();
    jobs::run_due(app).await.unwrap();
    imports::find(app, scope, import.id).await.unwrap()
}

async fn texts(app: &AppState, scope: &Scope) -> Vec<String> {
    sqlx::query_scalar("SELECT text FROM feedback WHERE project_id = $1 ORDER BY text")
        .bind(scope.project().to_string())
        .fetch_all(app.store.reader())
        .await
        .unwrap()
}

async fn count(app: &AppState, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(app.store.reader()).await.unwrap()
}

fn counts(import: &Import) -> (i64, i64, i64) {
    (import.added, import.known, import.bad)
}

/// Rows shaped like real ones: quoted commas and line ends, duplicates, several labels.
fn rows(n: usize) -> String {
    let mut out = String::from("text,category\n");
    for i in 0..n {
        match i % 5 {
            0 => out.push_str(&format!("\"Where is my card, number {i}?\nI need it.\",card_arrival\n")),
            1 => out.push_str("I am still waiting on my card?,card_arrival\n"),
            2 => out.push_str(&format!("\"It said \"\"declined\"\" {i} times\",declined_card\n")),
            _ => out.push_str(&format!("How do I top up by transfer {i}?,top_up;transfer\n")),
        }
    }
    out
}

on_both!(a_file_goes_in_once_however_often_it_comes, |t: TestApp| async move {
    let (app, scope) = (&t.app, project(&t.app).await);
    let file = rows(1_203);
    let first = imported(app, &scope, "text=text,tag=category", file.as_bytes()).await;
    assert_eq!((first.status, counts(&first)), (ImportStatus::Done, (1_203, 0, 0)));
    assert_eq!(first.bytes_done, file.len() as i64);
    let again = imported(app, &scope, "text=text,tag=category", file.as_bytes()).await;
    assert_eq!(counts(&again), (0, 1_203, 0));
    // Another mapping, other line ends and a byte order mark do not make the rows new.
    let other = format!("\u{feff}{}", file.replace('\n', "\r\n"));
    let again = imported(app, &scope, "text=text", other.as_bytes()).await;
    assert_eq!(counts(&again), (0, 1_203, 0));
    assert_eq!(texts(app, &scope).await.len(), 1_203);
    // More rows at the end: only these are imported.
    let longer = format!("{file}One more,new\n");
    assert_eq!(counts(&imported(app, &scope, "text=text,tag=category", longer.as_bytes()).await), (1, 1_203, 0));
    assert_eq!(count(app, "SELECT COUNT(*) FROM feedback_tags WHERE tag = 'transfer'").await, 480);
    assert_eq!(count(app, "SELECT COUNT(*) FROM import_chunks").await, 0);
    assert_eq!(count(app, "SELECT COUNT(*) FROM feedback_changes").await, 1_204);
});

on_both!(bad_lines_are_named_and_good_ones_go_in, |t: TestApp| async move {
    let (app, scope) = (&t.app, project(&t.app).await);
    // The byte order mark declares UTF-8, so one character in another encoding fails its row only.
    let mut file = b"\xef\xbb\xbfNote;Stars;When\r\nGood one;5;2026-01-02\r\n;3;\r\n\"two\r\nlines\";9;\r\n".to_vec();
    file.extend(b"M\xfcller;1;\r\nslipped;1\r\n\r\nnul\0inside;2;2026-01-02T10:00:00Z\r\nlater;1;2999-01-01");
    let import = imported(app, &scope, "text=note,score=stars,score_max=5,created_at=when", &file).await;
    assert_eq!((import.status, counts(&import)), (ImportStatus::Done, (5, 0, 2)));
    let bad = app.store.bad_lines(&scope, import.id, 0, 100).await.unwrap();
    assert_eq!(bad.iter().map(|b| b.line).collect::<Vec<_>>(), [3, 6]);
    assert_eq!(bad[0].reason, "The text is empty.");
    assert!(bad[1].reason.contains("encoding"), "{bad:?}");
    assert_eq!(texts(app, &scope).await, ["Good one", "later", "nulinside", "slipped", "two\nlines"]);
    let problems = app.store.import_problems(&scope, import.id).await.unwrap();
    let named = |lost| problems.of(lost).iter().map(|g| (g.fault, g.rows, g.examples[0].line)).collect::<Vec<_>>();
    assert_eq!(named(true), [(ProblemKind::NoText, 1, 3), (ProblemKind::Encoding, 1, 6)]);
    assert_eq!(named(false), [(ProblemKind::Future, 1, 10), (ProblemKind::ScoreRange, 1, 4)]);
    let foreign = Scope::system(service::projects::create(app, "Other", vec![], None).await.unwrap().id);
    assert!(app.store.bad_lines(&foreign, import.id, 0, 100).await.unwrap().is_empty());
    assert!(imports::find(app, &foreign, import.id).await.is_err());
});

on_both!(people_in_a_file_are_found_again, |t: TestApp| async move {
    let (app, scope) = (&t.app, project(&t.app).await);
    let file = b"id,text,email,name\n1,First,ann@example.com,Ann\n2,Second,ANN@example.com,\n3,Third,,\n2,Twin,,\n";
    let map = "external_id=id,text=text,contact_email=email,contact_name=name";
    assert_eq!(counts(&imported(app, &scope, map, file).await), (3, 1, 0));
    assert_eq!(count(app, "SELECT COUNT(*) FROM contacts WHERE email = 'ann@example.com' AND name = 'Ann'").await, 1);
    assert_eq!(count(app, "SELECT COUNT(DISTINCT contact_id) FROM feedback").await, 1);
    // A new name also applies to the person's earlier feedback, whose search documents contain the name.
    let changes = count(app, "SELECT COUNT(*) FROM feedback_changes").await;
    assert_eq!(counts(&imported(app, &scope, map, b"id,text,email,name\n8,Eighth,bo@example.com,\n").await), (1, 0, 0));
    assert_eq!(count(app, "SELECT COUNT(*) FROM feedback_changes").await, changes + 1);
    assert_eq!(counts(&imported(app, &scope, map, b"id,text,email,name\n9,Ninth,bo@example.com,Bo\n").await), (1, 0, 0));
    assert_eq!(count(app, "SELECT COUNT(*) FROM feedback_changes").await, changes + 3);
    // Data older than a contact's known data fills gaps but does not rename them.
    let older = b"id,text,email,name,said\n10,Tenth,bo@example.com,Robert,2020-01-02\n";
    imported(app, &scope, &format!("{map},created_at=said"), older).await;
    assert_eq!(count(app, "SELECT COUNT(*) FROM contacts WHERE name = 'Bo'").await, 1);
    // Identified by its id, even if the text was corrected.
    let corrected = b"id,text,email,name\n1,First (corrected),,\n4,Fourth,,\n";
    assert_eq!(counts(&imported(app, &scope, map, corrected).await), (1, 1, 0));
});

on_both!(an_interrupted_import_is_carried_on, |t: TestApp| async move {
    let (app, scope) = (&t.app, project(&t.app).await);
    let import = uploaded(app, &scope, "f.csv", rows(1_800).as_bytes()).await;
    imports::start(app, &scope, &import, ColumnMapping::parse("text=text").unwrap()).await.unwrap();
    let stopped = imports::run(app, &scope, import.id, |p| p.added + p.known >= 1_000).await.unwrap();
    assert_eq!(stopped, JobOutcome::Stopped);
    let half = imports::find(app, &scope, import.id).await.unwrap();
    assert_eq!((half.status, counts(&half)), (ImportStatus::Running, (1_000, 0, 0)));
    // A worker that holds the lease dies; when the lease expires, another continues.
    assert!(jobs::claim(app).await.unwrap().is_some());
    assert_eq!(jobs::run_due(app).await.unwrap(), 0);
    t.clock.advance_ms(jobs::LEASE_MS + 1);
    assert_eq!(jobs::run_due(app).await.unwrap(), 1);
    let done = imports::find(app, &scope, import.id).await.unwrap();
    assert_eq!((done.status, counts(&done)), (ImportStatus::Done, (1_800, 0, 0)));
    assert_eq!(texts(app, &scope).await.len(), 1_800);
});

on_both!(two_that_run_the_same_import_do_its_rows_once, |t: TestApp| async move {
    let (app, scope) = (&t.app, project(&t.app).await);
    let import = uploaded(app, &scope, "f.csv", rows(1_500).as_bytes()).await;
    imports::start(app, &scope, &import, ColumnMapping::parse("text=text").unwrap()).await.unwrap();
    let (one, two) = tokio::join!(imports::run(app, &scope, import.id, |_| false), imports::run(app, &scope, import.id, |_| false));
    one.unwrap();
    two.unwrap();
    let done = imports::find(app, &scope, import.id).await.unwrap();
    assert_eq!((done.status, counts(&done)), (ImportStatus::Done, (1_500, 0, 0)));
});

on_both!(a_stopped_import_keeps_its_rows_and_can_go_on, |t: TestApp| async move {
    let (app, scope) = (&t.app, project(&t.app).await);
    let import = uploaded(app, &scope, "f.csv", rows(1_100).as_bytes()).await;
    imports::start(app, &scope, &import, ColumnMapping::parse("text=text").unwrap()).await.unwrap();
    imports::run(app, &scope, import.id, |_| true).await.unwrap();
    assert!(imports::cancel(app, &scope, &import).await.unwrap());
    jobs::run_due(app).await.unwrap();
    let stopped = imports::find(app, &scope, import.id).await.unwrap();
    assert_eq!((stopped.status, counts(&stopped)), (ImportStatus::Cancelled, (500, 0, 0)));
    imports::resume(app, &scope, &stopped).await.unwrap();
    jobs::run_due(app).await.unwrap();
    let done = imports::find(app, &scope, import.id).await.unwrap();
    assert_eq!((done.status, counts(&done)), (ImportStatus::Done, (1_100, 0, 0)));
    // An import that never ran is removed with its file.
    let ready = uploaded(app, &scope, "g.csv", b"text\nx\n").await;
    assert!(!imports::cancel(app, &scope, &ready).await.unwrap());
    assert!(imports::find(app, &scope, ready.id).await.is_err());
});

on_both!(what_is_no_csv_file_is_refused_with_a_reason, |t: TestApp| async move {
    let (app, scope) = (&t.app, project(&t.app).await);
    for (bytes, word) in [(&b"PK\x03\x04rest"[..], "workbook"), (&[0; 64], "text file"), (b"\n\n", "empty")] {
        let mut upload = imports::begin_upload(app, &scope, "f", &format!("key-{word}-0000")).await.unwrap();
        upload.push(app, &scope, bytes).await.unwrap();
        let error = upload.finish(app, &scope).await.unwrap_err();
        let Some(domain::DomainError::Invalid(errors)) = error.refusal() else { panic!("{error}") };
        assert!(errors.message_for("file").unwrap().contains(word), "{errors:?}");
    }
    assert!(app.store.imports(&scope, 10).await.unwrap().is_empty());
});

/// The expected result of a file from the case collection.
struct Case {
    id: &'static str,
    file: &'static [u8],
    map: &'static str,
    encoding: Encoding,
    /// Imported and failed rows.
    counts: (i64, i64),
    /// Stored values: text, score as `score/top`, day, address.
    rows: &'static [&'static str],
    /// Problems, and the number of rows with each.
    problems: &'static [(ProblemKind, i64)],
}

const CASE: Case =
    Case { id: "", file: b"", map: "text=text,tag=category", encoding: Encoding::Utf8, counts: (0, 0), rows: &[], problems: &[] };

macro_rules! file {
    ($name:literal) => {
        include_bytes!(concat!("../data/imports/", $name))
    };
}

const CASES: &[Case] = &[
    Case { id: "C02", file: file!("C02-utf16.csv"), encoding: Encoding::Utf16Le, counts: (1, 0), rows: &["Äpfel"], ..CASE },
    Case {
        id: "C03",
        file: file!("C03-cp1252.csv"),
        encoding: Encoding::Windows1252,
        counts: (2, 0),
        rows: &["plain", "Äpfel für Zürich"],
        ..CASE
    },
    Case { id: "C05", file: file!("C05-sep.csv"), counts: (1, 0), rows: &["Hallo"], ..CASE },
    Case {
        id: "C07",
        file: file!("C07-short.csv"),
        map: "text=text,tag=category,contact_email=email",
        counts: (3, 0),
        rows: &["First x@example.test", "Second", "Third"],
        ..CASE
    },
    Case { id: "C14", file: file!("C14-unclosed.csv"), counts: (1, 1), rows: &["First"], problems: &[(ProblemKind::Quote, 1)], ..CASE },
    Case {
        id: "C15",
        file: file!("C15-dates-de.csv"),
        map: "text=text,created_at=date",
        counts: (2, 0),
        rows: &["Eins 2025-11-23T00:00:00Z", "Zwei 2025-02-01T10:30:00Z"],
        ..CASE
    },
    Case {
        id: "C17",
        file: file!("C17-dates-odd.csv"),
        map: "text=text,created_at=date",
        counts: (5, 0),
        rows: &[
            "Five 2021-11-01T10:00:00Z",
            "Four 2021-11-01T10:00:00Z",
            "One 2021-11-01T00:00:00Z",
            "Three 2021-11-01T04:30:00.123Z",
            "Two 2021-11-16T00:00:00Z",
        ],
        ..CASE
    },
    Case {
        id: "C19",
        file: file!("C19-mails.csv"),
        map: "text=text,contact_email=email",
        counts: (9, 0),
        rows: &[
            "a ann+test@example.test",
            "b o'brien@example.test",
            "c user@müller.example",
            "d 用户@例子.广告",
            "e Ann ann@example.test",
            "f Ann ann@example.test",
            "g Ann ann@example.test",
            "h",
            "i",
        ],
        ..CASE
    },
    Case {
        id: "C20",
        file: file!("C20-na.csv"),
        map: "text=text,score=score",
        counts: (6, 0),
        rows: &["a 9", "b", "c", "d", "e", "f"],
        ..CASE
    },
    Case {
        id: "C22",
        file: file!("C22-stars.csv"),
        map: "text=text,score=rating,score_max=5",
        counts: (3, 0),
        rows: &["a 4/5", "b 4/5", "c 4/5"],
        ..CASE
    },
    Case {
        id: "C29",
        file: file!("C29-twohead.csv"),
        map: "text=How was it?,external_id=Respondent ID",
        counts: (1, 0),
        rows: &["Fine"],
        ..CASE
    },
    Case { id: "C37", file: file!("C37-sjis.csv"), encoding: Encoding::ShiftJis, counts: (1, 0), rows: &["検索が遅い"], ..CASE },
    Case {
        id: "C15, slashes that show their order",
        file: b"text,date\nOne,11/23/2025\nTwo,01/02/2025 1:05 PM\n",
        map: "text=text,created_at=date",
        counts: (2, 0),
        rows: &["One 2025-11-23T00:00:00Z", "Two 2025-01-02T13:05:00Z"],
        ..CASE
    },
    Case {
        id: "C19 and C20, what is neither a value nor none",
        file: b"text,score,date,email,status\na,ten,yesterday,ann,odd\nb,11/10,2999-01-01,,\n",
        map: "text=text,score=score,created_at=date,contact_email=email,status=status",
        counts: (2, 0),
        rows: &["a", "b"],
        problems: &[
            (ProblemKind::Date, 1),
            (ProblemKind::Future, 1),
            (ProblemKind::Score, 1),
            (ProblemKind::ScoreRange, 1),
            (ProblemKind::Email, 1),
            (ProblemKind::Status, 1),
        ],
        ..CASE
    },
];

/// Text, score and its top, time, the person's name and address, kind.
type StoredRow = (String, Option<f64>, Option<f64>, i64, Option<String>, Option<String>, String);

/// An import's rows as one line each, in the format of [`Case::rows`].
async fn stored_rows(app: &AppState, import: &Import, map: &str) -> Vec<String> {
    let all: Vec<StoredRow> = sqlx::query_as(
        "SELECT f.text, f.score, f.score_max, f.created_at, c.name, c.email, f.kind FROM feedback f LEFT JOIN contacts c ON c.id = f.contact_id \
         WHERE f.import_id = $1 ORDER BY f.text",
    )
    .bind(import.id.to_string())
    .fetch_all(app.store.reader())
    .await
    .unwrap();
    let now = app.now();
    let mut rows: Vec<String> = all
        .into_iter()
        .map(|(text, score, max, at, name, email, kind)| {
            assert_eq!(kind, "import");
            let score = score.map(|s| max.map_or_else(|| s.to_string(), |max| format!("{s}/{max}")));
            let at = (map.contains("created_at") && at != now.0).then(|| domain::Timestamp(at).rfc3339());
            [Some(text), score, at, name, email].into_iter().flatten().collect::<Vec<_>>().join(" ")
        })
        .collect();
    rows.sort();
    rows
}

on_both!(files_of_the_case_collection_come_in, |t: TestApp| async move {
    for case in CASES {
        let (app, scope) = (&t.app, project(&t.app).await);
        let import = imported(app, &scope, case.map, case.file).await;
        assert_eq!((import.status, (import.added, import.bad)), (ImportStatus::Done, case.counts), "{}", case.id);
        assert_eq!(import.encoding, Some(case.encoding), "{}", case.id);
        let mut expected: Vec<String> = case.rows.iter().map(|row| (*row).to_owned()).collect();
        expected.sort();
        assert_eq!(stored_rows(app, &import, case.map).await, expected, "{}", case.id);
        let problems = app.store.import_problems(&scope, import.id).await.unwrap();
        let found: Vec<_> = problems.all().iter().map(|g| (g.fault, g.rows)).collect();
        assert_eq!(found, case.problems, "{}", case.id);
        // A repeated import creates no duplicates.
        assert_eq!(imported(app, &scope, case.map, case.file).await.added, 0, "{}", case.id);
    }
});

on_both!(a_quotation_mark_that_is_never_closed_is_named_with_the_lines_it_took, |t: TestApp| async move {
    let (app, scope) = (&t.app, project(&t.app).await);
    let import = imported(app, &scope, "text=text,tag=category", file!("C14-unclosed.csv")).await;
    let bad = app.store.bad_lines(&scope, import.id, 0, 10).await.unwrap();
    assert_eq!(bad.len(), 1);
    assert_eq!(bad[0].line, 3);
    assert!(bad[0].reason.contains("quotation mark (\") opened on line 3 is never closed"), "{}", bad[0].reason);
    assert!(bad[0].reason.contains("The next 2 lines, up to line 5"), "{}", bad[0].reason);
    // A quotation mark closed by accident on a later line.
    let file = b"text,category\n\"one,a\ntwo,\"b\" x\nthree,c\n";
    let import = imported(app, &scope, "text=text,tag=category", file).await;
    let bad = app.store.bad_lines(&scope, import.id, 0, 10).await.unwrap();
    assert_eq!((counts(&import), bad.len(), bad[0].line), ((1, 0, 1), 1, 2));
    assert!(bad[0].reason.contains("opened on line 2 is closed in the wrong place"), "{}", bad[0].reason);
});

on_both!(a_file_reads_the_same_in_every_encoding, |t: TestApp| async move {
    let (app, scope) = (&t.app, project(&t.app).await);
    let western = "text;note\n\"Größe und Übersicht fehlen;\nbitte ändern\";é\nWo ist die Straße?;ü\n".repeat(3);
    let japanese = "text;note\n検索が遅いです。画面も出ません。;メモ\n\"ログインできない。\r\n直してください。\";あ\n";
    let utf16 = |text: &str, big: bool, mark: bool| {
        let units = mark.then_some(0xfeff).into_iter().chain(text.encode_utf16());
        units.flat_map(|u| if big { u.to_be_bytes() } else { u.to_le_bytes() }).collect::<Vec<u8>>()
    };
    let legacy = |text: &str, encoding: &'static encoding_rs::Encoding| encoding.encode(text).0.into_owned();
    for (text, rows) in [(western.as_str(), 8), (japanese, 2)] {
        let first = imported(app, &scope, "text=text", text.as_bytes()).await;
        assert_eq!((first.encoding, counts(&first).0), (Some(Encoding::Utf8), rows));
        let mut others = vec![
            (Encoding::Utf8, format!("\u{feff}{text}").into_bytes()),
            (Encoding::Utf16Le, utf16(text, false, true)),
            (Encoding::Utf16Be, utf16(text, true, true)),
            (Encoding::Utf16Le, utf16(text, false, false)),
            (Encoding::Utf16Be, utf16(text, true, false)),
        ];
        if rows == 2 {
            others.push((Encoding::ShiftJis, legacy(text, encoding_rs::SHIFT_JIS)));
            others.push((Encoding::EucJp, legacy(text, encoding_rs::EUC_JP)));
        } else {
            others.push((Encoding::Windows1252, legacy(text, encoding_rs::WINDOWS_1252)));
            others.push((Encoding::Macintosh, legacy(text, encoding_rs::MACINTOSH)));
        }
        for (encoding, bytes) in others {
            let again = imported(app, &scope, "text=text", &bytes).await;
            // Rows are identified by their content, so this shows that they decode to the same text.
            assert_eq!((again.encoding, counts(&again)), (Some(encoding), (0, rows, 0)));
            assert_eq!(again.bytes_done, bytes.len() as i64);
        }
    }
    // A wrong guess can be corrected.
    let bytes = legacy("text\nŽluťoučký kůň\n", encoding_rs::WINDOWS_1250);
    let import = uploaded(app, &scope, "f.csv", &bytes).await;
    let mapping = ColumnMapping { encoding: Some(Encoding::Windows1250), ..ColumnMapping::parse("text=text").unwrap() };
    imports::start(app, &scope, &import, mapping).await.unwrap();
    jobs::run_due(app).await.unwrap();
    assert!(texts(app, &scope).await.contains(&"Žluťoučký kůň".to_owned()));
});

on_both!(a_large_file_in_another_encoding_is_carried_on_where_it_was, |t: TestApp| async move {
    let (app, scope) = (&t.app, project(&t.app).await);
    let wide = "Die Straße ist größer als früher ".repeat(6);
    let text: String = std::iter::once("text,n\n".to_owned()).chain((0..6_000).map(|n| format!("Größe {n} fehlt,{wide}\n"))).collect();
    let bytes = encoding_rs::WINDOWS_1252.encode(&text).0.into_owned();
    assert!(bytes.len() > 2 * imports::reader::UPLOAD_CHUNK_BYTES);
    let import = uploaded(app, &scope, "f.csv", &bytes).await;
    imports::start(app, &scope, &import, ColumnMapping::parse("text=text").unwrap()).await.unwrap();
    imports::run(app, &scope, import.id, |p| p.added >= 3_000).await.unwrap();
    let half = imports::find(app, &scope, import.id).await.unwrap();
    assert!(half.bytes_done > 0 && half.bytes_done < bytes.len() as i64);
    imports::run(app, &scope, import.id, |_| false).await.unwrap();
    let done = imports::find(app, &scope, import.id).await.unwrap();
    assert_eq!((done.status, counts(&done)), (ImportStatus::Done, (6_000, 0, 0)));
    assert_eq!(count(app, "SELECT COUNT(*) FROM feedback WHERE text = 'Größe 5999 fehlt'").await, 1);
});

on_both!(swappable_dates_are_asked_about, |t: TestApp| async move {
    let (app, scope) = (&t.app, project(&t.app).await);
    let file = b"text,date\nOne,01/02/2025\nTwo,03/04/2025 10:30\n";
    let import = uploaded(app, &scope, "f.csv", file).await;
    let map = |dates| ColumnMapping { dates, ..ColumnMapping::parse("text=text,created_at=date").unwrap() };
    let refused = imports::start(app, &scope, &import, map(None)).await.unwrap_err();
    assert!(format!("{:?}", refused.refusal()).contains("Dates like 01/02/2025 are ambiguous"), "{refused}");
    imports::start(app, &scope, &import, map(Some(DateOrder::MonthFirst))).await.unwrap();
    jobs::run_due(app).await.unwrap();
    let import = imports::find(app, &scope, import.id).await.unwrap();
    let rows = stored_rows(app, &import, "created_at").await;
    assert_eq!(rows, ["One 2025-01-02T00:00:00Z", "Two 2025-03-04T10:30:00Z"]);
    assert_eq!(import.mapping.unwrap().dates, Some(DateOrder::MonthFirst));
});

on_both!(an_import_in_which_all_rows_fail_says_so_and_leads_back_to_the_columns, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let (app, scope) = (&t.app, Scope::system(project.id));
    let mut file = String::from("text,note,date\n");
    (0..500).for_each(|n| file.push_str(&format!("Message {n},,01.09.2026\n")));
    let list = format!("/p/{}/imports", project.slug);
    let url = send_file(&owner, &list, "upload-key-1", "excel.csv", file.as_bytes()).await.location().to_owned();
    // If no row of the preview can be imported, the start is rejected, but can be forced.
    let wrong = [("text", "note"), ("created_at", "date")];
    let page = owner.post(&format!("{url}/start"), &wrong).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.body.contains("None of the first 500 rows can be imported.") && page.body.contains("Start anyway"), "{}", page.body);
    assert!(!page.body.contains("Start the import"), "{}", page.body);
    let anyway = [("text", "note"), ("created_at", "date"), ("anyway", "1")];
    assert_eq!(owner.post(&format!("{url}/start"), &anyway).await.location(), url);
    jobs::run_due(app).await.unwrap();
    let page = owner.get(&url).await;
    for words in ["Nothing imported", "500 ×", "No text", "line 2, line 3, line 4", "All 500 rows in this file failed.", "Change columns"]
    {
        assert!(page.body.contains(words), "{words}: {}", page.body);
    }
    assert!(!page.body.contains(">Done<"), "{}", page.body);
    assert!(owner.get(&list).await.body.contains("Nothing imported"));
    // Back to the mapping, with the same file and choices; a second click changes nothing.
    for _ in 0..2 {
        assert_eq!(owner.post(&format!("{url}/change"), &[]).await.location(), url);
    }
    let page = owner.get(&url).await;
    assert!(page.body.contains("None of the first 500 rows"), "{}", page.body);
    assert!(app.store.bad_lines(&scope, url.rsplit('/').next().unwrap().parse().unwrap(), 0, 10).await.unwrap().is_empty());
    assert_eq!(owner.post(&format!("{url}/start"), &[("text", "text"), ("created_at", "date")]).await.location(), url);
    jobs::run_due(app).await.unwrap();
    let page = owner.get(&url).await;
    assert!(page.body.contains("All rows imported.") && page.body.contains(">Done<"), "{}", page.body);
    assert!(!page.body.contains("Change columns"), "{}", page.body);
    assert_eq!(count(app, "SELECT COUNT(*) FROM feedback WHERE created_at = 1788220800000").await, 500);
    assert_eq!(count(app, "SELECT COUNT(*) FROM import_chunks").await, 0);
    assert_eq!(owner.post(&format!("{url}/change"), &[]).await.status, StatusCode::CONFLICT);
});

on_both!(an_import_in_which_some_rows_fail_can_be_done_again_with_other_columns, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let (app, scope) = (&t.app, Scope::system(project.id));
    let file = b"text,subject,date\nFirst,,2026-01-02\n,Second,2026-01-02\nThird,,soon\n";
    let import = imported(app, &scope, "text=text,created_at=date", file).await;
    assert_eq!(counts(&import), (2, 0, 1));
    let url = format!("/p/{}/imports/{}", project.slug, import.id);
    let page = owner.get(&url).await;
    for words in ["Partly imported", "No text", "Not a date", "line 4: “soon”", "Change columns"] {
        assert!(page.body.contains(words), "{words}: {}", page.body);
    }
    owner.post(&format!("{url}/change"), &[]).await;
    let page = owner.get(&url).await;
    assert!(page.body.contains("Already imported from this file and left unchanged: 2 rows."), "{}", page.body);
    // Cancelled: imported rows stay, and the import can be resumed.
    owner.post(&format!("{url}/cancel"), &[]).await;
    assert_eq!(texts(app, &scope).await, ["First", "Third"]);
    owner.post(&format!("{url}/change"), &[]).await;
    owner.post(&format!("{url}/start"), &[("text", "subject"), ("created_at", "date")]).await;
    jobs::run_due(app).await.unwrap();
    assert_eq!(texts(app, &scope).await, ["First", "Second", "Third"]);
    // All rows of this import can be undone together.
    assert_eq!(app.store.imported_row_counts(&scope, import.id).await.unwrap().untouched, 3);
});

on_both!(files_of_ended_imports_do_not_pile_up, |t: TestApp| async move {
    let (app, scope) = (&t.app, project(&t.app).await);
    for n in 0..7 {
        imported(app, &scope, "text=text", format!("text,n\nfine {n},1\n,{n}\n").as_bytes()).await;
        t.clock.advance_ms(1_000);
    }
    assert_eq!(count(app, "SELECT COUNT(DISTINCT import_id) FROM import_chunks").await, 5);
    t.clock.advance_ms(8 * 86_400_000);
    enqueued(app, Job::Purge {}).await;
    jobs::run_due(app).await.unwrap();
    assert_eq!(count(app, "SELECT COUNT(*) FROM import_chunks").await, 0);
    assert_eq!(app.store.imports(&scope, 10).await.unwrap().len(), 7);
});

on_both!(imported_rows_are_of_a_kind_of_their_own, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let (app, scope) = (&t.app, Scope::system(project.id));
    let file = "text,customer,rating,kind\n移动端很慢,Ann Lee,4,ticket\nI would like to see all of my invoices in one place.,Bo,2,idea\n";
    let import = uploaded(app, &scope, "b8.csv", file.as_bytes()).await;
    let preview = imports::preview(app, &scope, &import, None).await.unwrap();
    let guess = |target: &str| preview.mapping.column(domain::imports::Target::parse(target).unwrap());
    assert_eq!((guess("contact_name"), guess("contact_id"), guess("score_max")), (Some("customer"), None, Some("5")));
    imports::start(app, &scope, &import, preview.mapping.clone()).await.unwrap();
    jobs::run_due(app).await.unwrap();
    let all: Vec<(String, String, f64)> =
        sqlx::query_as("SELECT kind, language, score_max FROM feedback ORDER BY kind").fetch_all(app.store.reader()).await.unwrap();
    // Tickets have a conversation, so a file cannot import them.
    assert_eq!(all, [("idea".into(), "en".into(), 5.0), ("import".into(), "zh".into(), 5.0)]);
    let problems = app.store.import_problems(&scope, import.id).await.unwrap();
    assert_eq!(problems.of(false).iter().map(|g| g.fault).collect::<Vec<_>>(), [ProblemKind::Kind]);
    // Found, counted and labelled by its kind.
    assert!(app.search.wait_until_caught_up(std::time::Duration::from_secs(20)).await);
    let page = owner.get(&format!("/p/{}/inbox?q=kind%3Aimport", project.slug)).await;
    assert!(page.body.contains("移动端很慢") && !page.body.contains("invoices"), "{}", page.body);
    assert!(owner.get(&format!("/p/{}/inbox", project.slug)).await.body.contains(">Import<"));
});

on_both!(rows_of_earlier_imports_get_their_kind, |t: TestApp| async move {
    let (app, scope) = (&t.app, project(&t.app).await);
    imported(app, &scope, "text=text,kind=kind", b"text,kind\na,\nb,\nc,idea\nd,\n").await;
    sqlx_execute(app, "UPDATE feedback SET kind = 'api' WHERE text = 'a'").await;
    sqlx_execute(app, "UPDATE feedback SET kind = 'ticket' WHERE text = 'b'").await;
    // As if it had arrived through the API.
    sqlx_execute(app, "UPDATE feedback SET kind = 'api', import_id = NULL WHERE text = 'd'").await;
    let migration = match t.database {
        Database::Sqlite => include_str!("../../../migrations/sqlite/0020_imports.sql"),
        Database::Postgres => include_str!("../../../migrations/postgres/0020_imports.sql"),
    };
    sqlx_execute(app, &migration[migration.find("UPDATE feedback").unwrap()..]).await;
    let all: Vec<(String, String)> =
        sqlx::query_as("SELECT text, kind FROM feedback ORDER BY text").fetch_all(app.store.reader()).await.unwrap();
    let kinds: Vec<_> = all.iter().map(|(text, kind)| format!("{text} {kind}")).collect();
    assert_eq!(kinds, ["a import", "b import", "c idea", "d api"]);
});

on_both!(the_real_file_has_10003_rows, |t: TestApp| async move {
    #[expect(clippy::disallowed_methods, reason = "a file that not everybody has is told by the environment")]
    let Ok(path) = std::env::var(REAL) else {
        crate::support::skipped("a real file", &format!("{REAL} names no file"));
        return;
    };
    let bytes = std::fs::read(path).unwrap();
    let (app, scope) = (&t.app, project(&t.app).await);
    assert_eq!(counts(&imported(app, &scope, "text=text,tag=category", &bytes).await), (10_003, 0, 0));
    assert_eq!(counts(&imported(app, &scope, "text=text,tag=category", &bytes).await), (0, 10_003, 0));
});

on_both!(rows_with_and_without_a_score_mix, |t: TestApp| async move {
    let (app, scope) = (&t.app, project(&t.app).await);
    let file = b"text,nps\nnone,\nseven,7.5\nnone again,\nnine,9\n";
    assert_eq!(counts(&imported(app, &scope, "text=text,score=nps", file).await), (4, 0, 0));
    assert_eq!(count(app, "SELECT COUNT(*) FROM feedback WHERE score IN (7.5, 9) AND score_max = 10").await, 2);
    assert_eq!(count(app, "SELECT COUNT(*) FROM feedback WHERE score IS NULL").await, 2);
});

on_both!(an_import_is_taken_back_except_what_was_worked_on, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let (app, scope) = (&t.app, Scope::system(project.id));
    let mut file = String::from("text,email,area\n");
    for n in 0..1_200 {
        file.push_str(&format!("text {n},p{}@example.com,area-{}\n", n % 7, n % 3));
    }
    // A wrong mapping: the area as the text.
    let map = "text=area,tag=text,contact_email=email";
    let wrong = imported(app, &scope, map, file.as_bytes()).await;
    assert_eq!(counts(&wrong), (1_200, 0, 0));
    // Two rows of another file, with one of the people; undoing must not remove them.
    assert_eq!(counts(&imported(app, &scope, "text=text,contact_email=email", b"text,email\nmine,p1@example.com\n").await), (1, 0, 0));
    let ids: Vec<String> = sqlx::query_scalar("SELECT id FROM feedback WHERE import_id = $1 ORDER BY id LIMIT 3")
        .bind(wrong.id.to_string())
        .fetch_all(app.store.reader())
        .await
        .unwrap();
    let base = format!("/p/{}/feedback", project.slug);
    owner.post(&format!("{base}/{}/status", ids[0]), &[("status", "triaged"), ("version", "1")]).await;
    owner.post(&format!("{base}/{}/comments", ids[1]), &[("body", "Hm.")]).await;
    owner.post(&format!("{base}/{}/backlog", ids[2]), &[("title", "Do it")]).await;

    let url = format!("/p/{}/imports/{}", project.slug, wrong.id);
    let page = owner.get(&url).await;
    assert!(page.body.contains("Undo this import") && page.body.contains("This permanently removes 1,197 items"), "{}", page.body);
    assert!(page.body.contains("3 items that someone triaged, tagged, commented on or linked are kept."), "{}", page.body);
    let response = owner.post(&format!("{url}/take-back"), &[]).await;
    assert_eq!((response.status, response.location()), (StatusCode::SEE_OTHER, url.as_str()), "{}", response.body);
    let page = owner.get(&url).await;
    assert!(page.body.contains("data-poll") && page.body.contains("0% undone"), "{}", page.body);
    // A second click starts nothing more.
    assert_eq!(owner.post(&format!("{url}/take-back"), &[]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(jobs::run_due(app).await.unwrap(), 1);
    let page = owner.get(&url).await;
    assert!(page.body.contains("Import undone: 1,197 items removed. 3 that someone worked on were kept."), "{}", page.body);
    assert!(!page.body.contains("data-poll") && !page.body.contains("Undo this import"), "{}", page.body);
    assert_eq!(texts(app, &scope).await.len(), 4);
    assert_eq!(count(app, "SELECT COUNT(*) FROM feedback_tags").await, 3);
    // Contacts without any feedback are removed; the others stay.
    assert_eq!(
        count(app, "SELECT COUNT(*) FROM contacts WHERE NOT EXISTS (SELECT 1 FROM feedback f WHERE f.contact_id = contacts.id)").await,
        0
    );
    assert_eq!(count(app, "SELECT COUNT(*) FROM contacts WHERE email = 'p1@example.com'").await, 1);
    // The index is up to date.
    assert!(app.search.wait_until_caught_up(std::time::Duration::from_secs(20)).await);
    let inbox = owner.get(&format!("/p/{}/inbox", project.slug)).await;
    assert!(inbox.body.contains("4 items"), "{}", inbox.body);

    // The same file is imported again with the correct columns; the kept rows are duplicates.
    let right = imported(app, &scope, "text=text,tag=area,contact_email=email", file.as_bytes()).await;
    assert_eq!(counts(&right), (1_197, 3, 0));
    assert_eq!(app.store.imported_row_counts(&scope, wrong.id).await.unwrap().touched, 3);
});

on_both!(taking_back_waits_for_the_end_and_survives_a_restart, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let (app, scope) = (&t.app, Scope::system(project.id));
    let import = uploaded(app, &scope, "f.csv", rows(1_100).as_bytes()).await;
    imports::start(app, &scope, &import, ColumnMapping::parse("text=text").unwrap()).await.unwrap();
    imports::run(app, &scope, import.id, |_| true).await.unwrap();
    let url = format!("/p/{}/imports/{}", project.slug, import.id);
    assert!(!owner.get(&url).await.body.contains("Undo this import"));
    assert_eq!(owner.post(&format!("{url}/take-back"), &[]).await.status, StatusCode::CONFLICT);
    owner.post(&format!("{url}/cancel"), &[]).await;
    jobs::run_due(app).await.unwrap();
    owner.post(&format!("{url}/take-back"), &[]).await;
    // A worker that holds the lease dies; another continues.
    assert!(jobs::claim(app).await.unwrap().is_some());
    t.clock.advance_ms(jobs::LEASE_MS + 1);
    assert_eq!(jobs::run_due(app).await.unwrap(), 1);
    let done = imports::find(app, &scope, import.id).await.unwrap();
    assert_eq!((done.status, done.removed), (ImportStatus::TakenBack, 500));
    assert!(texts(app, &scope).await.is_empty());
    // Its file is deleted: it cannot continue.
    assert_eq!(owner.post(&format!("{url}/continue"), &[]).await.status, StatusCode::CONFLICT);
    assert_eq!(count(app, "SELECT COUNT(*) FROM import_chunks").await, 0);
});

// The command line.

on_both!(the_command_line_imports_and_carries_on, |t: TestApp| async move {
    use clap::Parser;
    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        import: server::cli::import::ImportArgs,
    }
    let (app, scope) = (&t.app, project(&t.app).await);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("queries.csv");
    std::fs::write(&path, format!("{}\n,empty\n", rows(1_200))).unwrap();
    let line = |project: &str, more: &[&str]| {
        let mut words = vec!["import", "--project", project, "--map", "text=text", "--map", "tag=category", path.to_str().unwrap()];
        words.extend(more);
        Line::parse_from(words).import
    };
    let tried = server::cli::import::import(app, &line("my app", &["--dry-run"])).await.unwrap();
    assert_eq!((tried.added, tried.known, tried.bad), (1_200, 0, 1));
    assert!(texts(app, &scope).await.is_empty());

    // As if a run had ended in the middle: its record and two batches exist.
    let first = server::cli::import::import(app, &line("my app", &["--tag", "Bank 2026"])).await.unwrap();
    assert_eq!((first.added, first.known, first.bad), (1_200, 0, 1));
    assert_eq!(first.named[0].1, "The text is empty.");
    sqlx_execute(app, "UPDATE imports SET status = 'running', bytes_done = 0, rows_added = 0, rows_known = 0, rows_bad = 0").await;
    let again = server::cli::import::import(app, &line(&scope.project().to_string(), &["--tag", "Bank 2026"])).await.unwrap();
    assert_eq!((again.added, again.known, again.bad), (0, 1_200, 1));
    // The same record of the list was continued.
    assert_eq!(app.store.imports(&scope, 10).await.unwrap().len(), 1);
    assert_eq!(count(app, "SELECT COUNT(*) FROM feedback_tags WHERE tag = 'bank-2026'").await, 1_200);

    // Encoding and date order are detected, or given as options.
    std::fs::write(&path, encoding_rs::WINDOWS_1252.encode("text,date\nGröße fehlt,01/02/2025\nn,n/a\n").0).unwrap();
    let dated = |more: &[&str]| {
        let words = ["import", "--project", "my app", "--map", "text=text,created_at=date", path.to_str().unwrap()];
        Line::parse_from(words.iter().chain(more).copied()).import
    };
    let refused = server::cli::import::import(app, &dated(&[])).await.unwrap_err();
    assert!(format!("{:?}", refused.refusal()).contains("Use --dates dmy or --dates mdy."), "{refused}");
    let wrong = server::cli::import::import(app, &dated(&["--dates", "dmy", "--encoding", "shift_jis", "--dry-run"])).await.unwrap();
    assert_eq!(wrong.encoding, Some(Encoding::ShiftJis));
    let done = server::cli::import::import(app, &dated(&["--dates", "dmy"])).await.unwrap();
    assert_eq!((done.encoding, done.added, done.bad, done.groups.all().len()), (Some(Encoding::Windows1252), 2, 0, 0));
    assert_eq!(count(app, "SELECT COUNT(*) FROM feedback WHERE text = 'Größe fehlt' AND created_at = 1738368000000").await, 1);
    assert!(Line::try_parse_from(["import", "--project", "x", "--map", "text=t", "f", "--encoding", "utf-7"]).is_err());

    for (project, map) in [("nobody's", "text=text"), ("my app", "text=nothing")] {
        let line = Line::parse_from(["import", "--project", project, "--map", map, path.to_str().unwrap()]).import;
        assert!(matches!(server::cli::import::import(app, &line).await.unwrap_err().refusal(), Some(domain::DomainError::Invalid(_))));
    }
});

async fn sqlx_execute(app: &AppState, sql: &'static str) {
    app.store
        .write(move |tx| {
            Box::pin(async move {
                sqlx::query(sql).execute(tx.conn()).await?;
                Ok(())
            })
        })
        .await
        .unwrap();
}

// The pages.

async fn send_file(client: &Client, path: &str, key: &str, name: &str, bytes: &[u8]) -> Page {
    let mut body = format!("--b\r\nContent-Disposition: form-data; name=\"idempotency_key\"\r\n\r\n{key}\r\n").into_bytes();
    body.extend(
        format!("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: text/csv\r\n\r\n").as_bytes(),
    );
    body.extend(bytes);
    body.extend(b"\r\n--b--\r\n");
    let headers = [("content-type", "multipart/form-data; boundary=b"), ("sec-fetch-site", "same-origin")];
    client.send(Method::POST, path, &headers, Body::from(body)).await
}

on_both!(a_file_goes_through_the_pages, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let list = format!("/p/{}/imports", project.slug);
    let page = owner.get(&list).await;
    assert!(page.status == StatusCode::OK && page.body.contains("No imports yet"), "{}", page.body);
    let file = format!("{}\n,empty\n\"=cmd\n", rows(30));
    let page = send_file(&owner, &list, "upload-key-1", "Spring survey.csv", file.as_bytes()).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.body);
    let import = page.location().to_owned();
    // The same post again returns the same import.
    assert_eq!(send_file(&owner, &list, "upload-key-1", "Spring survey.csv", file.as_bytes()).await.location(), import);

    // The guessed mapping is shown with its rows; another choice has its own URL.
    let page = owner.get(&import).await;
    assert!(
        page.body.contains("The first 20 rows") && page.body.contains("card_arrival") && page.body.contains("spring-survey"),
        "{}",
        page.body
    );
    let page = owner.post(&format!("{import}/preview"), &[("text", "category"), ("add_tag", "")]).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    let page = owner.get(page.location()).await;
    assert!(!page.body.contains("Where is my card") && page.body.contains("card_arrival"), "{}", page.body);
    let page = owner.post(&format!("{import}/start"), &[("text", ""), ("tag", "category")]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.body.contains("Choose the column that contains the text."), "{}", page.body);

    let fields = [("text", "text"), ("tag", "category"), ("add_tag", "spring")];
    let page = owner.post(&format!("{import}/start"), &fields).await;
    assert_eq!(page.location(), import);
    let page = owner.get(&import).await;
    assert!(
        page.body.contains("data-poll") && page.body.contains("0% read") && page.body.contains("http-equiv=\"refresh\""),
        "{}",
        page.body
    );
    // A second click on start changes nothing.
    assert_eq!(owner.post(&format!("{import}/start"), &fields).await.location(), import);
    assert_eq!(jobs::run_due(&t.app).await.unwrap(), 1);
    let page = owner.get(&import).await;
    assert!(!page.body.contains("data-poll") && page.body.contains("2 rows could not be imported"), "{}", page.body);
    assert!(page.body.contains(&format!("/p/{}/inbox?q=tag%3Aspring", project.slug)), "{}", page.body);
    assert!(page.body.contains("The text is empty."));
    let csv = owner.get(&format!("{import}/bad-lines.csv")).await;
    assert_eq!(csv.headers["content-type"], "text/csv; charset=utf-8");
    assert!(csv.body.starts_with("line,reason\n") && csv.body.contains("The text is empty."), "{}", csv.body);
    assert!(owner.get(&list).await.body.contains("Spring survey.csv"));
    assert_eq!(count(&t.app, "SELECT COUNT(*) FROM feedback_tags WHERE tag = 'spring'").await, 30);

    // Uploading the same file again shows a notice at once.
    let again = send_file(&owner, &list, "upload-key-2", "again.csv", file.as_bytes()).await.location().to_owned();
    assert!(owner.get(&again).await.body.contains("The same file was imported on"));
    let page = owner.post(&format!("{again}/cancel"), &[]).await;
    assert_eq!(page.location(), list);
    assert_eq!(owner.get(&again).await.status, StatusCode::NOT_FOUND);
});

on_both!(only_admins_import_and_only_their_own, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let list = format!("/p/{}/imports", project.slug);
    let import = send_file(&owner, &list, "upload-key-1", "a.csv", b"text\nx\n").await.location().to_owned();
    for role in [Role::Viewer, Role::Triager] {
        let (_, member) = t.member(&project, &format!("{role}@example.com"), role).await;
        assert_eq!(member.get(&list).await.status, StatusCode::FORBIDDEN);
        assert_eq!(member.get(&import).await.status, StatusCode::FORBIDDEN);
        assert_eq!(send_file(&member, &list, "upload-key-9", "a.csv", b"text\nx\n").await.status, StatusCode::FORBIDDEN);
        for action in ["start", "preview", "cancel", "continue", "change", "take-back"] {
            assert_eq!(member.post(&format!("{import}/{action}"), &[("text", "text")]).await.status, StatusCode::FORBIDDEN, "{action}");
        }
    }
    let other = service::projects::create(&t.app, "Other", vec![], None).await.unwrap();
    let (_, stranger) = t.member(&other, "stranger@example.com", Role::Owner).await;
    assert_eq!(stranger.get(&import).await.status, StatusCode::NOT_FOUND);
    let here = import.replace(&format!("/p/{}/", project.slug), &format!("/p/{}/", other.slug));
    assert_eq!(stranger.get(&here).await.status, StatusCode::NOT_FOUND);
    assert_eq!(stranger.post(&format!("{here}/start"), &[("text", "text")]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(stranger.get(&format!("/p/{}/imports/nonsense", other.slug)).await.status, StatusCode::NOT_FOUND);
});

on_both!(uploads_have_a_limit_and_say_so, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let list = format!("/p/{}/imports", project.slug);
    let page = send_file(&owner, &list, "upload-key-1", "empty.csv", b"").await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.body.contains("Choose a CSV file that is not empty."), "{}", page.body);
    let page = send_file(&owner, &list, "upload-key-2", "sheet.xlsx", b"PK\x03\x04....").await;
    assert!(page.status == StatusCode::UNPROCESSABLE_ENTITY && page.body.contains("workbook"), "{}", page.body);
    if t.database == Database::Sqlite {
        let page = send_file(&owner, &list, "upload-key-3", "huge.csv", &vec![b'x'; imports::MAX_UPLOAD + (2 << 20)]).await;
        assert!(page.status == StatusCode::UNPROCESSABLE_ENTITY && page.body.contains("larger than 64 MB"), "{}", page.body);
    }
    // Larger than the limit for ordinary requests.
    let page = send_file(&owner, &list, "upload-key-4", "large.csv", rows(20_000).as_bytes()).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.body);
});

// Background jobs.

fn broken() -> Job {
    Job::Import { project: ProjectId(uuid::Uuid::nil()), import: ImportId(uuid::Uuid::nil()) }
}

async fn enqueued(app: &AppState, job: Job) -> JobId {
    let (id, now) = (JobId(app.ids.uuid()), app.now());
    app.store.write(move |tx| Box::pin(async move { tx.enqueue_once(id, &job, now, now).await })).await.unwrap();
    id
}

on_both!(files_that_nobody_starts_do_not_pile_up, |t: TestApp| async move {
    let project = service::projects::create(&t.app, "Shop", vec![], None).await.unwrap();
    let scope = Scope::system(project.id);
    for n in 0..20 {
        imports::begin_upload(&t.app, &scope, "a.csv", &format!("key-{n:05}")).await.unwrap();
    }
    let refused = imports::begin_upload(&t.app, &scope, "a.csv", "key-00020").await.err().unwrap();
    assert!(format!("{:?}", refused.refusal()).contains("20 files are already waiting"));
    assert!(imports::begin_upload(&t.app, &scope, "a.csv", "key-00003").await.is_ok(), "a repeat is no new file");
});

on_both!(another_file_under_the_same_form_is_not_taken_for_the_first, |t: TestApp| async move {
    let project = service::projects::create(&t.app, "Shop", vec![], None).await.unwrap();
    let scope = Scope::system(project.id);
    let send = async |bytes: &[u8]| {
        let mut upload = imports::begin_upload(&t.app, &scope, "a.csv", "key-00001").await.unwrap();
        upload.push(&t.app, &scope, bytes).await.unwrap();
        upload.finish(&t.app, &scope).await
    };
    let first = send(b"text\none\n").await.unwrap();
    assert_eq!(send(b"text\none\n").await.unwrap(), first);
    let other = send(b"text\ntwo\n").await.unwrap_err();
    assert!(format!("{:?}", other.refusal()).contains("already used for another file"));
});

on_both!(a_refused_job_is_kept_as_dead, |t: TestApp| async move {
    let id = enqueued(&t.app, broken()).await;
    assert_eq!(jobs::run_due(&t.app).await.unwrap(), 1);
    let job = t.app.store.job(id).await.unwrap().unwrap();
    assert_eq!((job.state.as_str(), job.last_error.as_deref()), ("dead", Some("not found")));
    t.clock.advance_ms(100 * 86_400_000);
    assert_eq!(jobs::run_due(&t.app).await.unwrap(), 0);
});

on_both!(a_failing_job_is_tried_again_later_and_given_up_at_last, |t: TestApp| async move {
    let (id, now) = (t.id::<JobId>(), t.app.now());
    // A payload that no version of the program understands.
    t.app.store.write(move |tx| Box::pin(async move { tx.insert_job(id, "import", "{}", now, now).await })).await.unwrap();
    let mut pauses = Vec::new();
    for _ in 1..jobs::MAX_FAILURES {
        assert_eq!(jobs::run_due(&t.app).await.unwrap(), 1);
        let job = t.app.store.job(id).await.unwrap().unwrap();
        assert_eq!(job.state, "waiting");
        assert_eq!(jobs::run_due(&t.app).await.unwrap(), 0);
        pauses.push(job.run_at - t.app.now().0);
        t.clock.advance_ms(job.run_at - t.app.now().0);
    }
    for (n, pause) in pauses.iter().enumerate() {
        let base = 5_000 << n;
        assert!((base..=base * 3 / 2).contains(pause), "{pauses:?}");
    }
    assert_eq!(jobs::run_due(&t.app).await.unwrap(), 1);
    assert_eq!(t.app.store.job(id).await.unwrap().unwrap().state, "dead");
});

on_both!(a_job_that_ends_its_worker_each_time_is_given_up, |t: TestApp| async move {
    let id = enqueued(&t.app, Job::Purge {}).await;
    for _ in 0..jobs::MAX_FAILURES {
        assert!(jobs::claim(&t.app).await.unwrap().is_some());
        assert!(jobs::claim(&t.app).await.unwrap().is_none());
        t.clock.advance_ms(jobs::LEASE_MS + 1);
    }
    assert!(jobs::claim(&t.app).await.unwrap().is_none());
    assert_eq!(t.app.store.job(id).await.unwrap().unwrap().state, "dead");
});

on_both!(no_job_is_claimed_twice, |t: TestApp| async move {
    for _ in 0..20 {
        enqueued(&t.app, Job::Purge {}).await;
    }
    let workers = (0..8).map(|_| {
        let app = Arc::clone(&t.app);
        tokio::spawn(async move {
            let mut mine = Vec::new();
            while let Some(job) = jobs::claim(&app).await.unwrap() {
                mine.push(job.id);
            }
            mine
        })
    });
    let mut all = Vec::new();
    for worker in workers.collect::<Vec<_>>() {
        all.extend(worker.await.unwrap());
    }
    let claimed = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!((claimed, all.len()), (20, 20));
});

on_both!(one_who_lost_the_lease_cannot_end_the_job, |t: TestApp| async move {
    enqueued(&t.app, Job::Purge {}).await;
    let late = jobs::claim(&t.app).await.unwrap().unwrap();
    t.clock.advance_ms(jobs::LEASE_MS + 1);
    let held = jobs::claim(&t.app).await.unwrap().unwrap();
    let now = t.app.now();
    let ended = t
        .app
        .store
        .write(move |tx| {
            Box::pin(
                async move { Ok((tx.finish_job(&late, now).await?, tx.renew_job(&late, now).await?, tx.renew_job(&held, now).await?)) },
            )
        })
        .await
        .unwrap();
    assert_eq!(ended, (false, false, true));
});

on_both!(the_runner_works_and_stops, |t: TestApp| async move {
    let (app, scope) = (&t.app, project(&t.app).await);
    let runner = jobs::Runner::start(app);
    let import = uploaded(app, &scope, "f.csv", rows(700).as_bytes()).await;
    imports::start(app, &scope, &import, ColumnMapping::parse("text=text").unwrap()).await.unwrap();
    let mut changes = app.store.changes();
    while imports::find(app, &scope, import.id).await.unwrap().status == ImportStatus::Running {
        let _ = tokio::time::timeout(std::time::Duration::from_millis(20), changes.changed()).await;
    }
    runner.stop().await;
    assert_eq!(counts(&imports::find(app, &scope, import.id).await.unwrap()), (700, 0, 0));
    assert_eq!(count(app, "SELECT COUNT(*) FROM jobs WHERE kind = 'purge'").await, 1);
});

on_both!(what_has_served_its_time_goes, |t: TestApp| async move {
    let (app, scope) = (&t.app, project(&t.app).await);
    uploaded(app, &scope, "forgotten.csv", b"text\nx\n").await;
    let now = app.now();
    let once = store::IdempotentWrite::form(&store::IdempotencyScope::Import(scope.project()), "key-00001", store::Fingerprint::of(["x"]));
    app.store.write_idempotent(once, now, |_| Box::pin(async { Ok(1) })).await.unwrap();
    t.clock.advance_ms(31 * 86_400_000);
    enqueued(app, Job::Purge {}).await;
    assert_eq!(jobs::run_due(app).await.unwrap(), 1);
    assert_eq!(count(app, "SELECT COUNT(*) FROM idempotency").await, 0);
    assert_eq!(count(app, "SELECT COUNT(*) FROM imports").await, 0);
    assert_eq!(count(app, "SELECT COUNT(*) FROM import_chunks").await, 0);
});

on_both!(another_projects_import_takes_nothing, |t: TestApp| async move {
    let (app, scope) = (&t.app, project(&t.app).await);
    let foreign = Scope::system(service::projects::create(app, "Other", vec![], None).await.unwrap().id);
    let mut upload = imports::begin_upload(app, &scope, "f.csv", "key-uploading").await.unwrap();
    let refused = upload.push(app, &foreign, &vec![b'x'; 3 << 20]).await;
    drop(refused);
    assert_eq!(count(app, "SELECT COUNT(*) FROM import_chunks").await, 0);
    let import = uploaded(app, &scope, "file.csv", b"text\none\n").await;
    imports::start(app, &scope, &import, ColumnMapping::parse("text=text").unwrap()).await.unwrap();
    let (id, now) = (import.id, app.now());
    app.store.write(move |tx| Box::pin(async move { tx.fail_import(&foreign, id, "no", now).await })).await.unwrap();
    app.store.write(move |tx| Box::pin(async move { tx.finish_import(&foreign, id, now).await })).await.unwrap();
    let running = imports::find(app, &scope, id).await.unwrap();
    let after = Import { added: 9, ..running.clone() };
    let counted = app.store.write(move |tx| Box::pin(async move { tx.import_progress(&foreign, &running, &after, now).await }));
    assert!(!counted.await.unwrap());
    assert_eq!(imports::find(app, &scope, id).await.unwrap().status, ImportStatus::Running);
});

on_both!(a_line_that_the_database_refuses_is_bad_alone, |t: TestApp| async move {
    let (app, scope) = (&t.app, project(&t.app).await);
    let trigger = match t.database {
        Database::Sqlite => {
            "CREATE TRIGGER poison BEFORE INSERT ON feedback WHEN NEW.text = 'poison' BEGIN SELECT RAISE(ABORT, 'poisoned'); END"
        }
        Database::Postgres => {
            "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'poisoned'; END $$; \
             CREATE TRIGGER poison BEFORE INSERT ON feedback FOR EACH ROW WHEN (NEW.text = 'poison') EXECUTE FUNCTION poison()"
        }
    };
    let made = app.store.write(move |tx| {
        Box::pin(async move {
            sqlx::raw_sql(trigger).execute(tx.conn()).await?;
            Ok(())
        })
    });
    made.await.unwrap();
    let file = b"text,email\none,ann@a.example\npoison,eve@a.example\ntwo,ann@a.example\ntwo,bob@a.example\n";
    let import = uploaded(app, &scope, "file.csv", file).await;
    imports::start(app, &scope, &import, ColumnMapping::parse("text=text,contact_email=email").unwrap()).await.unwrap();
    assert_eq!(jobs::run_due(app).await.unwrap(), 1);
    let done = imports::find(app, &scope, import.id).await.unwrap();
    assert_eq!((done.status, counts(&done)), (ImportStatus::Done, (3, 0, 1)));
    let bad = app.store.bad_lines(&scope, import.id, 0, 10).await.unwrap();
    assert_eq!(bad.iter().map(|b| b.line).collect::<Vec<_>>(), [3]);
    assert_eq!(count(app, "SELECT COUNT(*) FROM contacts").await, 2, "nobody who said nothing");
    assert_eq!(count(app, "SELECT COUNT(*) FROM feedback WHERE import_id IS NOT NULL").await, 3);
});
