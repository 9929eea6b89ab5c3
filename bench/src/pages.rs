//! Pages and searches over a corpus of a given size, its memory and start time, and rebuilding its index.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::{
    Bench, Result,
    baseline::{self, BaselineQuery, EngineResult, TimesByClass},
    load::{Connection, LatencySamples, LatencySummary, get, post_json},
    mix,
    program::{Installation, Memory, Project, RunningServer, escaped, megabytes, memory},
    texts,
};

/// The number of items according to a page of the inbox.
pub fn total(html: &str) -> Option<usize> {
    let (_, after) = html.split_once("inbox-count")?;
    let (_, after) = after.split_once('>')?;
    let (number, _) = after.split_once(" item")?;
    number.chars().filter(char::is_ascii_digit).collect::<String>().parse().ok()
}

/// One class of query at one size.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct QueryClassResult {
    pub name: String,
    /// The lowest and the highest number of results of its queries.
    pub hits: (usize, usize),
    /// The whole page over HTTP.
    pub http: LatencySummary,
    /// tantivy alone: the first page of the same query.
    pub bare: LatencySummary,
    /// tantivy alone with the total and the counts of seven columns.
    pub bare_with_counts: LatencySummary,
}

/// Pages and searches at one size.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SizeResult {
    pub items: usize,
    pub classes: Vec<QueryClassResult>,
    pub inbox: LatencySummary,
    /// The inbox when first opened after a new item has become searchable.
    pub inbox_changed: LatencySummary,
    /// The inbox after an equal pause, with nothing new.
    pub inbox_rested: LatencySummary,
    pub detail: LatencySummary,
    pub survey: LatencySummary,
    /// A route of the same program that does nothing: the cost of HTTP here.
    pub healthz: LatencySummary,
    /// After the start, before the first page.
    pub memory_ready: Memory,
    /// After all searches and pages of this benchmark.
    pub memory_used: Memory,
    /// From process start until the first 200 of `/readyz`.
    pub start: LatencySummary,
    pub database_megabytes: f64,
    pub index_megabytes: f64,
    pub segments: usize,
}

/// SQLite FTS5 and PostgreSQL at one size.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OtherEngines {
    pub items: usize,
    pub fts5: EngineResult,
    pub postgres: Option<EngineResult>,
}

/// Rebuilding the index.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RebuildResult {
    pub items: usize,
    pub seconds: f64,
    /// First bytes of the inbox during the rebuild.
    pub inbox: LatencySummary,
    pub resident_peak: f64,
}

/// A data directory with this many items, created if it does not exist.
fn corpus(bench: &Bench, items: usize) -> Result<(Installation, Project)> {
    let data = bench.work.join(format!("items-{items}"));
    let place = Installation { program: bench.program.clone(), data, database: None };
    let mark = place.data.join("bench.json");
    let kind = bench.texts.origin();
    if let Ok(text) = fs::read_to_string(&mark)
        && let Ok((project, of)) = serde_json::from_str::<(Project, String)>(&text)
        && of == kind
    {
        return Ok((place, project));
    }
    bench.say(&format!("importing {items} items"));
    drop(fs::remove_dir_all(&place.data));
    fs::create_dir_all(&place.data)?;
    let project = place.set_up()?;
    let file = bench.work.join("items.csv");
    bench.texts.write_items(items, &file)?;
    let path = file.to_string_lossy();
    place.run(&["import", &path, "--project", &project.slug, "--map", texts::MAP], "")?;
    fs::remove_file(&file)?;
    fs::write(&mark, serde_json::to_string(&(&project, kind))?)?;
    Ok((place, project))
}

/// Serves a corpus with a complete index.
async fn serve(bench: &Bench, place: &Installation) -> Result<RunningServer> {
    let (served, _) = place.serve_ready().await?;
    if !served.has_index().await? {
        bench.say("waiting for the index");
        served.wait_for_index().await?;
    }
    Ok(served)
}

pub async fn read(bench: &Bench, items: usize) -> Result<SizeResult> {
    let (place, project) = corpus(bench, items)?;
    // Once in advance, so that the index exists and nothing is left to merge or migrate.
    let served = serve(bench, &place).await?;
    let cookie = served.sign_in().await?;
    let survey = served.survey(&project, &cookie).await?;
    let spare = Duration::from_secs(if items > 500_000 && !bench.quick { 5 } else { 1 });
    tokio::time::sleep(spare).await;
    served.stop()?;

    bench.say(&format!("{items} items: start"));
    let mut start = LatencySamples::default();
    for _ in 0..if bench.quick { 3 } else { 10 } {
        let (served, took) = place.serve_ready().await?;
        start.push(took);
        served.stop()?;
    }
    let served = serve(bench, &place).await?;
    tokio::time::sleep(spare).await;
    let memory_ready = memory(served.id())?;

    let budget = Duration::from_secs(if bench.quick { 2 } else { 5 });
    let rounds = if bench.quick { 100 } else { 400 };
    bench.say(&format!("{items} items: pages"));
    let mut connection = Connection::new(served.address);
    let inbox = format!("/p/{}/inbox", project.slug);
    connection.send(&get(&inbox, &cookie)).await?;
    let detail = detail_of(&connection.body(), &project.slug).ok_or("the inbox lists nothing")?;
    let mut first_bytes =
        async |path: &str| -> Result<LatencySummary> { first_bytes(&mut connection, path, &cookie, rounds, budget).await };
    let healthz = first_bytes("/healthz").await?;
    let inbox_time = first_bytes(&inbox).await?;
    let detail = first_bytes(&detail).await?;
    let survey_time = first_bytes(&format!("/s/{survey}")).await?;

    bench.say(&format!("{items} items: searches"));
    let mix = mix::of(&bench.texts, items);
    let mut found = Vec::new();
    for (class, asked) in &mix {
        let mut times = LatencySamples::default();
        let mut hits = (usize::MAX, 0);
        for one in asked {
            connection.send(&get(&format!("{inbox}?q={}", escaped(&typed(one))), &cookie)).await?;
            let total = total(&connection.body()).ok_or_else(|| format!("the inbox finds nothing for {:?}", typed(one)))?;
            hits = (hits.0.min(total), hits.1.max(total));
        }
        let end = Instant::now() + budget;
        for round in 0..rounds {
            if round > 2 && Instant::now() > end {
                break;
            }
            let asked = typed(&asked[round % asked.len()]);
            let answer = connection.send(&get(&format!("{inbox}?q={}", escaped(&asked)), &cookie)).await?;
            if answer.status != 200 {
                return Err(format!("the search for {asked:?} returned {}", answer.status).into());
            }
            times.push(answer.total);
        }
        found.push((class.clone(), hits, times.spread()));
    }
    let memory_used = memory(served.id())?;
    let (inbox_changed, inbox_rested) =
        changed(&mut connection, &project, &survey, &inbox, &cookie, if bench.quick { 5 } else { 30 }).await?;
    served.stop()?;

    bench.say(&format!("{items} items: bare tantivy"));
    let bare = baseline::tantivy::run(&place.data.join("index"), &mix, budget)?;
    let mut classes = Vec::new();
    for (n, (name, hits, http)) in found.into_iter().enumerate() {
        let of = |all: &TimesByClass| all.get(n).and_then(|(_, spread)| *spread).unwrap_or_default();
        classes.push(QueryClassResult { name, hits, http, bare: of(&bare.page), bare_with_counts: of(&bare.with_counts) });
    }
    Ok(SizeResult {
        items,
        classes,
        inbox: inbox_time,
        inbox_changed,
        inbox_rested,
        detail,
        survey: survey_time,
        healthz,
        memory_ready,
        memory_used,
        start: start.spread(),
        database_megabytes: ["earshot.db", "earshot.db-wal"]
            .iter()
            .filter_map(|name| fs::metadata(place.data.join(name)).ok())
            .map(|m| m.len() as f64 / 1e6)
            .sum(),
        index_megabytes: megabytes(&place.data.join("index")),
        segments: bare.segments,
    })
}

/// The path of the first item of a list.
fn detail_of(html: &str, slug: &str) -> Option<String> {
    let (_, after) = html.split_once("item=")?;
    let id = after.get(..36)?;
    id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-').then(|| format!("/p/{slug}/feedback/{id}"))
}

async fn first_bytes(connection: &mut Connection, path: &str, cookie: &str, rounds: usize, budget: Duration) -> Result<LatencySummary> {
    let request = get(path, cookie);
    let mut times = LatencySamples::default();
    let end = Instant::now() + budget;
    for round in 0..rounds + 5 {
        if round > 7 && Instant::now() > end {
            break;
        }
        let answer = connection.send(&request).await?;
        if answer.status != 200 {
            return Err(format!("{path} returned {}", answer.status).into());
        }
        // The first rounds are warm-up.
        if round >= 5 {
            times.push(answer.first_byte);
        }
    }
    Ok(times.spread())
}

/// Pause between two requests for the inbox: by then, acknowledged submissions must be searchable.
const PAUSE: Duration = Duration::from_millis(250);

/// First bytes of the inbox, each after a submission that it has not shown yet; and after pauses without one.
async fn changed(
    connection: &mut Connection,
    project: &Project,
    survey: &str,
    inbox: &str,
    cookie: &str,
    rounds: usize,
) -> Result<(LatencySummary, LatencySummary)> {
    let (mut times, mut rested) = (LatencySamples::default(), LatencySamples::default());
    for round in 0..rounds {
        let body = format!(r#"{{"survey":"{survey}","answers":[["q1","9"],["q2","Something new, number {round}"]],"finished":true}}"#);
        let now = crate::load::since_epoch().as_nanos();
        let answer = connection.send(&post_json(&format!("/embed/v1/{}/responses", project.key), &now.to_string(), &body)).await?;
        if answer.status != 201 {
            return Err(format!("a submission returned {}: {}", answer.status, connection.body()).into());
        }
        tokio::time::sleep(PAUSE).await;
        times.push(connection.send(&get(inbox, cookie)).await?.first_byte);
        if !connection.body().contains(&format!("Something new, number {round}")) {
            return Err("a submission acknowledged 250 ms ago is not listed".into());
        }
        tokio::time::sleep(PAUSE).await;
        rested.push(connection.send(&get(inbox, cookie)).await?.first_byte);
    }
    Ok((times.spread(), rested.spread()))
}

/// The query as typed by a person.
fn typed(asked: &BaselineQuery) -> String {
    match asked {
        BaselineQuery::One(a) | BaselineQuery::Typo(a) => a.clone(),
        BaselineQuery::And(a, b) => format!("{a} {b}"),
        BaselineQuery::Phrase(a, b) => format!("\"{a} {b}\""),
        BaselineQuery::Filter(tag, status) => format!("tag:{tag} status:{status}"),
    }
}

pub async fn others(bench: &Bench, items: usize) -> Result<OtherEngines> {
    let mix = mix::of(&bench.texts, items);
    let dir = bench.work.join(format!("fts5-{items}"));
    fs::create_dir_all(&dir)?;
    let budget = Duration::from_secs(if bench.quick { 1 } else { 3 });
    bench.say(&format!("{items} items: SQLite FTS5"));
    let fts5 = baseline::fts5::run(&bench.texts, items, &dir, &mix, budget).await?;
    drop(fs::remove_dir_all(dir));
    let postgres = match &bench.postgres {
        Some(server) => {
            bench.say(&format!("{items} items: PostgreSQL"));
            Some(baseline::postgres::run(&bench.texts, items, server, &mix, budget).await?)
        }
        None => None,
    };
    Ok(OtherEngines { items, fts5, postgres })
}

/// Deletes the index, starts serving, and requests pages until the index is complete again.
pub async fn rebuild(bench: &Bench, items: usize) -> Result<RebuildResult> {
    let (place, project) = corpus(bench, items)?;
    bench.say(&format!("{items} items: building the index while serving"));
    let index: PathBuf = place.data.join("index");
    if index.exists() {
        fs::remove_dir_all(index)?;
    }
    let (served, _) = place.serve_ready().await?;
    let started = Instant::now();
    let cookie = served.sign_in().await?;
    let mut connection = Connection::new(served.address);
    let inbox = get(&format!("/p/{}/inbox", project.slug), &cookie);
    let (mut times, mut resident_peak) = (LatencySamples::default(), 0.0_f64);
    while !served.has_index().await? {
        let answer = connection.send(&inbox).await?;
        if answer.status != 200 {
            return Err(format!("the inbox returned {} in the meantime", answer.status).into());
        }
        times.push(answer.first_byte);
        resident_peak = resident_peak.max(memory(served.id())?.resident);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let seconds = started.elapsed().as_secs_f64();
    served.stop()?;
    Ok(RebuildResult { items, seconds, inbox: times.spread(), resident_peak })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_read_from_the_page() {
        assert_eq!(total("<p class=\"inbox-count small\">1,234,567 items <b>8</b></p>"), Some(1_234_567));
        assert_eq!(total("<p class=\"inbox-count\">1 item</p>"), Some(1));
        assert_eq!(total("<p>Nothing fits</p>"), None);
    }

    #[test]
    fn the_first_item_of_a_list() {
        let id = "01234567-89ab-cdef-0123-456789abcdef";
        assert_eq!(detail_of(&format!("<a href=\"/p/x/inbox?item={id}\">"), "x"), Some(format!("/p/x/feedback/{id}")));
        assert_eq!(detail_of("<a href=\"?item=\"></a>", "x"), None);
    }
}
