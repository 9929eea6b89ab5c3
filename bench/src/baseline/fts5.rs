//! SQLite's FTS5 over the same items, through the same driver as the program.

use std::{
    path::Path,
    str::FromStr,
    time::{Duration, Instant},
};

use sqlx::{
    Connection as _,
    sqlite::{SqliteConnectOptions, SqliteConnection},
};

use super::{BaselineQuery, EngineResult, PAGE};
use crate::{Result, load::LatencySamples, texts::SampleTexts};

/// Opens the database, after adding the items if they are missing.
async fn open(texts: &SampleTexts, size: usize, dir: &Path) -> Result<SqliteConnection> {
    let file = dir.join("fts5.db");
    let options = SqliteConnectOptions::from_str(&format!("sqlite://{}", file.display()))?.create_if_missing(true);
    let mut conn = SqliteConnection::connect_with(&options).await?;
    let there: Option<i64> = sqlx::query_scalar("SELECT n FROM done").fetch_optional(&mut conn).await.ok().flatten();
    if there.is_some() {
        return Ok(conn);
    }
    sqlx::raw_sql(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -64000; DROP TABLE IF EXISTS items; DROP TABLE IF EXISTS words; \
         CREATE TABLE items (id INTEGER PRIMARY KEY, text TEXT NOT NULL, tag TEXT NOT NULL, status TEXT NOT NULL, created INTEGER NOT NULL); \
         CREATE VIRTUAL TABLE words USING fts5 (text, content = 'items', content_rowid = 'id');",
    )
    .execute(&mut conn)
    .await?;
    let mut batch = Vec::with_capacity(10_000);
    let mut items = texts.items(size).peekable();
    while items.peek().is_some() {
        batch.extend(items.by_ref().take(10_000).map(|i| serde_json::json!([i.text, i.tag, i.status, i.created])));
        let list = serde_json::to_string(&batch)?;
        sqlx::query(
            "INSERT INTO items (text, tag, status, created) \
             SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each($1)",
        )
        .bind(list)
        .execute(&mut conn)
        .await?;
        batch.clear();
    }
    sqlx::raw_sql(
        "INSERT INTO words (words) VALUES ('rebuild'); CREATE INDEX items_browse ON items (tag, status, created); ANALYZE; \
         CREATE TABLE done (n INTEGER); INSERT INTO done VALUES (1);",
    )
    .execute(&mut conn)
    .await?;
    Ok(conn)
}

/// The first page of each query, by rank, without counting.
pub async fn run(
    texts: &SampleTexts,
    size: usize,
    dir: &Path,
    mix: &[(String, Vec<BaselineQuery>)],
    budget: Duration,
) -> Result<EngineResult> {
    let start = Instant::now();
    let mut conn = open(texts, size, dir).await?;
    let built = start.elapsed().as_secs_f64();
    let mut out = Vec::new();
    for (class, asked) in mix {
        let mut times = LatencySamples::default();
        let end = Instant::now() + budget;
        for round in 0..200 {
            let one = &asked[round % asked.len()];
            if (round > 2 && Instant::now() > end) || matches!(one, BaselineQuery::Typo(_)) {
                break;
            }
            let started = Instant::now();
            let found: Vec<i64> = match one {
                BaselineQuery::Filter(tag, status) => {
                    sqlx::query_scalar("SELECT id FROM items WHERE tag = $1 AND status = $2 ORDER BY created DESC LIMIT $3")
                        .bind(tag)
                        .bind(*status)
                        .bind(PAGE as i64)
                        .fetch_all(&mut conn)
                        .await?
                }
                words => {
                    sqlx::query_scalar("SELECT rowid FROM words WHERE words MATCH $1 ORDER BY rank LIMIT $2")
                        .bind(expression(words))
                        .bind(PAGE as i64)
                        .fetch_all(&mut conn)
                        .await?
                }
            };
            times.push(started.elapsed());
            if found.is_empty() {
                return Err(format!("FTS5 finds nothing for {one:?}").into());
            }
        }
        out.push((class.clone(), (times.len() > 0).then(|| times.spread())));
    }
    Ok(EngineResult { built, times: out })
}

fn expression(asked: &BaselineQuery) -> String {
    match asked {
        BaselineQuery::One(a) | BaselineQuery::Typo(a) => format!("\"{a}\""),
        BaselineQuery::And(a, b) => format!("\"{a}\" AND \"{b}\""),
        BaselineQuery::Phrase(a, b) => format!("\"{a} {b}\""),
        BaselineQuery::Filter(..) => String::new(),
    }
}
