//! PostgreSQL's full-text search over the same items, and databases for the program.

use std::time::{Duration, Instant};

use sqlx::{Connection as _, PgConnection};

use super::{BaselineQuery, EngineResult, PAGE};
use crate::{Result, load::LatencySamples, texts::SampleTexts};

/// The URL of another database on the same server.
fn beside(server: &str, database: &str) -> Result<String> {
    let (base, _) = server.rsplit_once('/').ok_or("the PostgreSQL URL has no database")?;
    Ok(format!("{base}/{database}"))
}

/// The server's durability settings.
pub async fn settings(server: &str) -> Result<String> {
    let mut conn = PgConnection::connect(server).await?;
    let mut out = Vec::new();
    for setting in ["server_version", "fsync", "synchronous_commit"] {
        let value: String = sqlx::query_scalar("SELECT current_setting($1)").bind(setting).fetch_one(&mut conn).await?;
        out.push(format!("{setting} {value}"));
    }
    Ok(out.join(", "))
}

/// Creates a new, empty database, replacing any of that name; returns its URL. Only for our own names.
pub async fn fresh(server: &str, database: &'static str) -> Result<String> {
    remove(server, database).await?;
    let mut conn = PgConnection::connect(server).await?;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {database}"))).execute(&mut conn).await?;
    beside(server, database)
}

pub async fn remove(server: &str, database: &'static str) -> Result<()> {
    let mut conn = PgConnection::connect(server).await?;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)"))).execute(&mut conn).await?;
    Ok(())
}

/// The first page of each query, by rank, without counting.
pub async fn run(
    texts: &SampleTexts,
    size: usize,
    server: &str,
    mix: &[(String, Vec<BaselineQuery>)],
    budget: Duration,
) -> Result<EngineResult> {
    let start = Instant::now();
    let url = fresh(server, "earshot_bench_texts").await?;
    let mut conn = PgConnection::connect(&url).await?;
    // Settings for a fast build: the index is measured, not the writes.
    sqlx::raw_sql(
        "SET synchronous_commit = off; SET maintenance_work_mem = '512MB'; \
         CREATE UNLOGGED TABLE items (id BIGINT PRIMARY KEY, text TEXT NOT NULL, tag TEXT NOT NULL, status TEXT NOT NULL, created BIGINT NOT NULL, \
         words TSVECTOR GENERATED ALWAYS AS (to_tsvector('simple', text)) STORED)",
    )
    .execute(&mut conn)
    .await?;
    let mut copy = conn.copy_in_raw("COPY items (id, text, tag, status, created) FROM STDIN").await?;
    let mut chunk = String::new();
    for (n, item) in texts.items(size).enumerate() {
        let text = item.text.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t").replace('\r', "\\r");
        chunk.push_str(&format!("{n}\t{text}\t{}\t{}\t{}\n", item.tag, item.status, item.created));
        if chunk.len() > 1 << 20 {
            copy.send(std::mem::take(&mut chunk).into_bytes()).await?;
        }
    }
    copy.send(chunk.into_bytes()).await?;
    copy.finish().await?;
    for sql in [
        "CREATE INDEX items_words ON items USING GIN (words)",
        "CREATE INDEX items_browse ON items (tag, status, created)",
        "VACUUM ANALYZE items",
    ] {
        sqlx::raw_sql(sql).execute(&mut conn).await?;
    }
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
                    sqlx::query_scalar(
                        "SELECT id FROM items, to_tsquery('simple', $1) q WHERE words @@ q ORDER BY ts_rank(words, q) DESC LIMIT $2",
                    )
                    .bind(expression(words))
                    .bind(PAGE as i64)
                    .fetch_all(&mut conn)
                    .await?
                }
            };
            times.push(started.elapsed());
            if found.is_empty() {
                return Err(format!("PostgreSQL finds nothing for {one:?}").into());
            }
        }
        out.push((class.clone(), (times.len() > 0).then(|| times.spread())));
    }
    conn.close().await?;
    remove(server, "earshot_bench_texts").await?;
    Ok(EngineResult { built, times: out })
}

fn expression(asked: &BaselineQuery) -> String {
    match asked {
        BaselineQuery::One(a) | BaselineQuery::Typo(a) => a.clone(),
        BaselineQuery::And(a, b) => format!("{a} & {b}"),
        BaselineQuery::Phrase(a, b) => format!("{a} <-> {b}"),
        BaselineQuery::Filter(..) => String::new(),
    }
}
