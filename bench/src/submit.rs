//! Submissions: throughput of durable submissions, and their delay until a search finds them.

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::{
    Bench, Result,
    baseline::{self, BaselineServer},
    load::{self, Connection, LatencySummary, LoadProfile, get, post_json},
    program::{Installation, Project, RunningServer, processor},
};

/// Concurrent connections that submit.
pub const CONNECTIONS: usize = 64;

/// Submissions to one database.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SubmitRate {
    pub per_second: f64,
    pub times: LatencySummary,
    pub refused: usize,
    /// Processors that the program (or baseline) kept busy, and the kernel's part of that.
    pub busy: f64,
    pub busy_in_kernel: f64,
}

/// The whole benchmark.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SubmitResult {
    pub sqlite: SubmitRate,
    pub postgres: Option<SubmitRate>,
    /// The server's durability settings, as it reports them.
    pub postgres_settings: String,
    pub bare_route: SubmitRate,
    pub bare_commits: SubmitRate,
}

/// The content of each submission: a score, a text and context; every fourth has a known person.
struct SubmissionGenerator {
    project: Project,
    survey: String,
    texts: Vec<String>,
    run: u128,
}

impl SubmissionGenerator {
    fn new(bench: &Bench, project: Project, survey: String) -> Arc<Self> {
        let texts = bench.texts.items(4096).map(|i| serde_json::Value::String(i.text).to_string()).collect();
        let run = load::since_epoch().as_nanos();
        Arc::new(Self { project, survey, texts, run })
    }

    fn body(&self, client: usize, n: u64) -> (String, String) {
        let turn = n as usize * 67 + client;
        let text = &self.texts[turn % self.texts.len()];
        let contact = match turn % 4 {
            0 => format!(r#","contact":{{"id":"person-{}"}}"#, turn % 20_000),
            _ => String::new(),
        };
        let body = format!(
            r#"{{"survey":"{}","answers":[["q1","{}"],["q2",{text}]],"finished":true,"source":"popover","elapsed_ms":12000,"context":{{"page_url":"https://shop.example/help/{}","release":"2.{}"{contact}}}}}"#,
            self.survey,
            turn % 11,
            turn % 40,
            turn % 5,
        );
        // As in survey.js, the key begins with the time.
        let now = load::since_epoch().as_millis();
        (format!("{now:012x}-{:x}-{client}-{n}", self.run), body)
    }

    fn request(&self, client: usize, n: u64) -> Vec<u8> {
        let (key, body) = self.body(client, n);
        post_json(&format!("/embed/v1/{}/responses", self.project.key), &key, &body)
    }
}

fn window(bench: &Bench) -> LoadProfile {
    let seconds = |full, quick| Duration::from_secs(if bench.quick { quick } else { full });
    LoadProfile { connections: CONNECTIONS, warm_up: seconds(2, 1), measured: seconds(10, 4), pace: None }
}

async fn rate(
    address: std::net::SocketAddr,
    id: u32,
    load: LoadProfile,
    good: u16,
    make: impl Fn(usize, u64) -> Vec<u8> + Clone + Send + 'static,
) -> Result<SubmitRate> {
    let (user, system) = processor(id)?;
    let start = Instant::now();
    let done = load::run(address, load, good, make).await?;
    let (user_after, system_after) = processor(id)?;
    let wall = start.elapsed().as_secs_f64();
    if done.times.len() == 0 {
        return Err(format!("no request returned {good} ({} other responses)", done.refused).into());
    }
    Ok(SubmitRate {
        per_second: done.per_second,
        refused: done.refused,
        times: done.times.spread(),
        busy: (user_after - user + system_after - system) / wall,
        busy_in_kernel: (system_after - system) / wall,
    })
}

/// A fresh installation with a live survey.
async fn installation(bench: &Bench, name: &str, database: Option<String>) -> Result<(RunningServer, Project, String, String)> {
    let data = bench.work.join(name);
    drop(fs::remove_dir_all(&data));
    fs::create_dir_all(&data)?;
    let place = Installation { program: bench.program.clone(), data, database };
    let project = place.set_up()?;
    let (served, _) = place.serve_ready().await?;
    let cookie = served.sign_in().await?;
    let survey = served.survey(&project, &cookie).await?;
    Ok((served, project, survey, cookie))
}

async fn whole_pipeline(bench: &Bench, name: &str, database: Option<String>) -> Result<SubmitRate> {
    let (served, project, survey, cookie) = installation(bench, name, database).await?;
    let messages = SubmissionGenerator::new(bench, project.clone(), survey);
    let make = {
        let messages = Arc::clone(&messages);
        move |client, n| messages.request(client, n)
    };
    let rate = rate(served.address, served.id(), window(bench), 201, make).await?;
    // Every counted submission must be stored.
    let mut connection = Connection::new(served.address);
    let list = get(&format!("/p/{}/inbox?q=has:score", project.slug), &cookie);
    let end = Instant::now() + Duration::from_secs(60);
    while count_stored(&mut connection, &list).await? < rate.times.count {
        if Instant::now() > end {
            return Err(format!("{} submissions were acknowledged, but fewer were found", rate.times.count).into());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    served.stop()?;
    drop(fs::remove_dir_all(bench.work.join(name)));
    Ok(rate)
}

/// The number of items according to a page of the inbox.
pub async fn count_stored(connection: &mut Connection, list: &[u8]) -> Result<usize> {
    let answer = connection.send(list).await?;
    if answer.status != 200 {
        return Err(format!("the inbox returned {}", answer.status).into());
    }
    Ok(crate::pages::total(&connection.body()).unwrap_or(0))
}

pub async fn run(bench: &Bench) -> Result<SubmitResult> {
    bench.say("a bare axum route");
    let bare = BaselineServer::start(&bench.work, "route")?;
    let messages = SubmissionGenerator::new(bench, Project { key: "key".into(), slug: String::new() }, "0".into());
    let make = {
        let messages = Arc::clone(&messages);
        move |client, n| messages.request(client, n)
    };
    bare.ready().await?;
    let bare_route = rate(bare.address, bare.id(), window(bench), 201, make.clone()).await?;
    drop(bare);
    bench.say("bare group-commit inserts");
    let bare = BaselineServer::start(&bench.work, "commits")?;
    bare.ready().await?;
    let bare_commits = rate(bare.address, bare.id(), window(bench), 201, make).await?;
    drop(bare);
    bench.say("the whole pipeline on SQLite");
    let sqlite = whole_pipeline(bench, "submit", None).await?;
    let (mut postgres, mut postgres_settings) = (None, "no server".to_owned());
    if let Some(server) = &bench.postgres {
        bench.say("the whole pipeline on PostgreSQL");
        postgres_settings = baseline::postgres::settings(server).await?;
        let database = baseline::postgres::fresh(server, "earshot_bench_submit").await?;
        postgres = Some(whole_pipeline(bench, "submit-postgres", Some(database)).await?);
        baseline::postgres::remove(server, "earshot_bench_submit").await?;
    }
    Ok(SubmitResult { sqlite, postgres, postgres_settings, bare_route, bare_commits })
}

/// The delay until a search finds acknowledged submissions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FreshnessResult {
    /// From the acknowledgement until a search of the inbox lists the submission, under a load of `paced_rate` submissions per second.
    pub paced: LatencySummary,
    pub paced_rate: f64,
    /// The same while 64 connections submit as fast as they can.
    pub saturated: LatencySummary,
    pub saturated_rate: f64,
}

pub async fn fresh(bench: &Bench) -> Result<FreshnessResult> {
    let (served, project, survey, cookie) = installation(bench, "fresh", None).await?;
    let messages = SubmissionGenerator::new(bench, project.clone(), survey);
    let mut out = Vec::new();
    for (what, connections, pace) in [("1,000 submissions/s", 16, Some(1000.0)), ("64 connections at once", CONNECTIONS, None)] {
        bench.say(&format!("submit → searchable beside {what}"));
        let load = LoadProfile { connections, pace, ..window(bench) };
        let probed = {
            let (messages, cookie, address) = (Arc::clone(&messages), cookie.clone(), served.address);
            let end = Instant::now() + load.warm_up + load.measured;
            let begin = Instant::now() + load.warm_up;
            tokio::spawn(async move { probe(&messages, &cookie, address, begin, end).await })
        };
        let make = {
            let (messages, offset) = (Arc::clone(&messages), out.len() as u64 * 100_000_000);
            move |client, n| messages.request(client, n + offset)
        };
        let done = load::run(served.address, load, 201, make).await?;
        out.push((probed.await??.spread(), done.per_second));
    }
    served.stop()?;
    drop(fs::remove_dir_all(bench.work.join("fresh")));
    let [(paced, paced_rate), (saturated, saturated_rate)] = out[..] else { return Err("two loads were run".into()) };
    Ok(FreshnessResult { paced, paced_rate, saturated, saturated_rate })
}

/// Submits a text with a unique word, and queries the inbox for it repeatedly without pause until it is found.
async fn probe(
    messages: &SubmissionGenerator,
    cookie: &str,
    address: std::net::SocketAddr,
    begin: Instant,
    end: Instant,
) -> Result<load::LatencySamples> {
    let mut times = load::LatencySamples::default();
    let mut connection = Connection::new(address);
    for n in 0_u64.. {
        if Instant::now() >= end {
            break;
        }
        // Random letters only, so that the words differ by several letters: search tolerates typos.
        let mut random = crate::texts::SplitMix64::new(n ^ messages.run as u64);
        let word: String = (0..12).map(|_| char::from(b'a' + random.below(26) as u8)).collect();
        let (key, body) = messages.body(9999, n);
        let body = body.replacen("[\"q2\",\"", &format!("[\"q2\",\"{word} "), 1);
        let path = format!("/embed/v1/{}/responses", messages.project.key);
        let answer =
            connection.send(&post_json(&path, &format!("probe-{key}-{begin:?}").replace([' ', '{', '}', ':', ','], ""), &body)).await?;
        if answer.status != 201 {
            return Err(format!("the probe returned {}: {}", answer.status, connection.body()).into());
        }
        let acknowledged = Instant::now();
        let list = get(&format!("/p/{}/inbox?q={word}", messages.project.slug), cookie);
        loop {
            if count_stored(&mut connection, &list).await? > 0 {
                break;
            }
            if acknowledged.elapsed() > Duration::from_secs(30) {
                return Err("an acknowledged submission was not found within 30 s".into());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        if acknowledged >= begin {
            times.push(acknowledged.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(times)
}
