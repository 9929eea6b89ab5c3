//! An acknowledged submission survives the sudden death of the program: the real binary, killed under load, started again.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use domain::accounts::Scope;
use server::{
    clock::{SystemClock, SystemIds},
    config::Config,
    state::{App, AppState},
    store::Store,
};

struct Server(Child, SocketAddr);

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn earshot(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_earshot"));
    command.env_clear().env("EARSHOT_LOG", "error").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    command.current_dir(data);
    command
}

fn start(data: &Path) -> Server {
    let address = free_port();
    let child = earshot(data).arg("serve").arg("--data").arg(data).arg("--listen").arg(address.to_string()).spawn().unwrap();
    let server = Server(child, address);
    for _ in 0..600 {
        if TcpStream::connect(address).is_ok() {
            return server;
        }
        thread::park_timeout(Duration::from_millis(50));
    }
    panic!("the server did not listen");
}

/// One request on a connection of its own; `None` when the server died under it.
fn request(address: SocketAddr, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .ok()?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let status = line.split(' ').nth(1)?.parse().ok()?;
    let mut rest = String::new();
    reader.read_to_string(&mut rest).ok()?;
    let (_, body) = rest.split_once("\r\n\r\n")?;
    Some((status, body.to_owned()))
}

async fn open(data: &Path) -> AppState {
    let store = Store::open_sqlite(data).await.unwrap();
    App::new(Config::for_tests(PathBuf::from(data)), store, Arc::new(SystemClock), Arc::new(SystemIds)).await.unwrap()
}

/// How many people submit at once, how often the program is killed, and how many answers each round waits for before that.
const CLIENTS: usize = 16;
const ROUNDS: usize = 5;
const ENOUGH: usize = 60;

#[test]
fn what_was_acknowledged_is_there_after_sudden_death() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (key, survey, version) = runtime.block_on(async {
        let app = open(data).await;
        let project = server::projects::create(&app, "P", vec![], None).await.unwrap();
        let scope = Scope::system(project.id);
        let survey = server::surveys::create(&app, &scope, "nps", "NPS", "key-0001").await.unwrap();
        let draft = app.store.survey(&scope, survey).await.unwrap().unwrap();
        server::surveys::publish(&app, &scope, survey, draft.revision, "key-0002").await.unwrap();
        let live = app.store.survey(&scope, survey).await.unwrap().unwrap();
        (project.key, survey, live.live_version.unwrap())
    });
    drop(runtime);

    let acknowledged: Arc<Mutex<Vec<String>>> = Arc::default();
    for round in 0..ROUNDS {
        let server = start(data);
        let address = server.1;
        let stop = Arc::new(AtomicBool::new(false));
        let before = acknowledged.lock().unwrap().len();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (acknowledged, stop, key) = (Arc::clone(&acknowledged), Arc::clone(&stop), key.clone());
                thread::spawn(move || {
                    for n in 0.. {
                        if stop.load(Ordering::SeqCst) {
                            return;
                        }
                        let body = format!(
                            r#"{{"survey":"{survey}","version":"{version}","idempotency_key":"round-{round}-{client}-{n}","answers":[["q1","9"]],"finished":false}}"#
                        );
                        match request(address, "POST", &format!("/embed/v1/{key}/responses"), &body) {
                            Some((201, answer)) => {
                                let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
                                acknowledged.lock().unwrap().push(answer["id"].as_str().unwrap().to_owned());
                            }
                            // Busy is an honest answer; a dead server gives none.
                            Some((429 | 503, _)) | None => {}
                            Some(other) => panic!("{other:?}"),
                        }
                    }
                })
            })
            .collect();
        while acknowledged.lock().unwrap().len() < before + ENOUGH {
            thread::park_timeout(Duration::from_millis(1));
        }
        // SIGKILL, while requests are under way.
        drop(server);
        stop.store(true, Ordering::SeqCst);
        for client in clients {
            client.join().unwrap();
        }
    }

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let app = open(data).await;
        let acknowledged = acknowledged.lock().unwrap().clone();
        assert!(acknowledged.len() >= ROUNDS * ENOUGH);
        for id in &acknowledged {
            let there: Option<String> = sqlx::query_scalar("SELECT id FROM responses WHERE id = $1")
                .bind(id.clone())
                .fetch_optional(app.store.reader())
                .await
                .unwrap();
            assert!(there.is_some(), "response {id} was acknowledged and is gone");
        }
        let fine: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(app.store.reader()).await.unwrap();
        assert_eq!(fine, "ok");
    });
}

/// Runs a subcommand to its end: whether it succeeded, and all that it said.
fn run(data: &Path, args: &[&str]) -> (bool, String) {
    let done = earshot(data).args(args).arg("--data").arg(data).stderr(Stdio::piped()).output().unwrap();
    (done.status.success(), format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr)))
}

#[test]
fn the_program_backs_up_while_it_serves_and_restores_what_a_killed_one_left() {
    let (dir, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (data, file) = (dir.path(), out.path().join("today.db"));
    let file = file.to_str().unwrap();
    let server = start(data);
    assert!(run(data, &["admin", "create-project", "--name", "First"]).0);
    let (done, said) = run(data, &["backup", file]);
    assert!(done && said.contains(r#""projects":1"#), "{said}");
    assert!(run(data, &["admin", "create-project", "--name", "Second"]).0);
    let (done, said) = run(data, &["restore", file, "--replace"]);
    assert!(!done && said.contains("another earshot uses"), "{said}");
    // SIGKILL: the second project may stand in the write-ahead log alone.
    drop(server);

    let (done, said) = run(data, &["restore", file]);
    assert!(!done && said.contains("--replace"), "{said}");
    let (done, said) = run(data, &["restore", file, "--replace"]);
    assert!(done && said.contains(r#""projects":1"#), "{said}");
    let aside = said.split(r#""set_aside":""#).nth(1).and_then(|rest| rest.split('"').next()).unwrap().to_owned();
    let (done, said) = run(data, &["restore", &aside, "--replace"]);
    assert!(done && said.contains(r#""projects":2"#), "{said}");
    let (done, said) = run(data, &["doctor"]);
    assert!(!done && said.contains("wrong Nobody has an account.") && said.contains("2 projects"), "{said}");
    let server = start(data);
    assert_eq!(request(server.1, "GET", "/readyz", "").unwrap().0, 200);
}
