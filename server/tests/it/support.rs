//! A running program to test against: `TestApp` on either database, and `Client`, a browser without a screen.
//!
//! PostgreSQL variants run when `EARSHOT_TEST_POSTGRES` names a server (`cargo xtask test` always does); each test has a
//! database of its own there.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use domain::{
    Clock, IdSource, Timestamp,
    accounts::Role,
    feedback::{Feedback, Kind, Status},
    ids::{ProjectId, StaffId},
    projects::Project,
};
use futures_util::{FutureExt, future::BoxFuture};
use server::{
    config::Config,
    http,
    state::{App, AppState},
};
use store::{Store, migrate::Migrator};
use tokio::{sync::Semaphore, task::JoinHandle};
use tower::ServiceExt;
use uuid::Uuid;

/// A clock that tests set.
pub struct TestClock(AtomicI64);

impl TestClock {
    /// Moves the clock.
    pub fn advance_ms(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// Ids that count up: UUIDv7 in shape, the same in every run.
pub struct TestIds(AtomicU64);

impl TestIds {
    /// Ids that no other program of the test gives.
    pub fn starting_at(n: u64) -> Self {
        Self(AtomicU64::new(n))
    }
}

impl IdSource for TestIds {
    fn uuid(&self) -> Uuid {
        let n = self.0.fetch_add(1, Ordering::SeqCst);
        Uuid::from_u128((0x0199_0000_0000_7000_8000_u128 << 48) | u128::from(n))
    }

    fn random(&self, buffer: &mut [u8]) {
        for byte in buffer {
            let n = self.0.fetch_add(1, Ordering::SeqCst);
            *byte = (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8;
        }
    }
}

/// Which database a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    Sqlite,
    Postgres,
}

/// Declares a test for both databases: `on_both!(name, |t| async move { … })` with `t: TestApp`; changed settings go before it:
/// `on_both!(name, |config| …, |t| async move { … })`.
#[macro_export]
macro_rules! on_both {
    ($name:ident, $body:expr) => {
        $crate::on_both!($name, |_| {}, $body);
    };
    ($name:ident, $change:expr, $body:expr) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                let run = $body;
                if let Some(t) = $crate::support::TestApp::with_config($crate::support::Database::Sqlite, $change).await {
                    run(t).await;
                }
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                let run = $body;
                if let Some(t) = $crate::support::TestApp::with_config($crate::support::Database::Postgres, $change).await {
                    run(t).await;
                }
            }
        }
    };
}

/// As [`on_both!`] for what only one of the databases has: `on_one!(name, Postgres, |t| async move { … })`.
#[macro_export]
macro_rules! on_one {
    ($name:ident, $database:ident, $body:expr) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let run = $body;
            if let Some(t) = $crate::support::TestApp::new($crate::support::Database::$database).await {
                run(t).await;
            }
        }
    };
}

/// A directory as the program makes one for its data.
pub fn private_dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    dir
}

/// The program under test.
pub struct TestApp {
    pub app: AppState,
    pub router: Router,
    pub clock: Arc<TestClock>,
    pub database: Database,
    /// Where PostgreSQL is.
    pub url: Option<String>,
    _dir: tempfile::TempDir,
}

// With `Drop`, a test's async block takes the whole value and not single fields of it, so the directory outlives the test.
impl Drop for TestApp {
    fn drop(&mut self) {}
}

/// See [`TestApp::busy_writers`].
pub struct BusyWriters {
    go: Arc<Semaphore>,
    tasks: Vec<JoinHandle<()>>,
}

impl BusyWriters {
    /// How many writes are worked on at a time.
    pub fn count(&self) -> usize {
        self.tasks.len()
    }

    /// Lets them go on with what waits.
    pub async fn release(self) {
        self.go.add_permits(self.tasks.len());
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}

/// See [`TestApp::full_queue`].
pub struct FullQueue {
    writers: BusyWriters,
    waiting: Vec<BoxFuture<'static, server::error::Result<()>>>,
}

impl FullQueue {
    /// Lets the queue run empty. Nobody waits any more for what is in it, but for the last: none has waited too long.
    pub async fn release(mut self) {
        let last = self.waiting.pop().unwrap();
        drop(self.waiting);
        self.writers.release().await;
        last.await.unwrap();
    }
}

/// The test's password for everybody.
pub const PASSWORD: &str = "correct horse battery";

impl TestApp {
    /// A fresh, empty program; `None` when there is no PostgreSQL to test on.
    pub async fn new(database: Database) -> Option<Self> {
        Self::with_config(database, |_| {}).await
    }

    /// As [`TestApp::new`], with changed settings.
    pub async fn with_config(database: Database, change: impl FnOnce(&mut Config)) -> Option<Self> {
        let url = match database {
            Database::Sqlite => None,
            Database::Postgres => Some(fresh_postgres().await?),
        };
        let clock = Arc::new(TestClock(AtomicI64::new(1_800_000_000_000)));
        Some(Self::node(url, clock, 1, change).await)
    }

    /// Another process over the same PostgreSQL, with the same clock; ids count up from `first_id`.
    pub async fn beside(&self, first_id: u64) -> Self {
        let config = self.app.config.clone();
        let change = |c: &mut Config| *c = Config { data: c.data.clone(), ..config };
        Self::node(self.url.clone(), Arc::clone(&self.clock), first_id, change).await
    }

    /// As [`TestApp::beside`], of a version that has other migrations.
    pub async fn newer(&self, first_id: u64, migrations: &Migrator) -> Self {
        let url = self.url.clone().unwrap();
        let store = Store::open_postgres_with(&url, migrations).await.unwrap();
        Self::over(Some(url), store, private_dir(), Arc::clone(&self.clock), first_id, |_| {}).await
    }

    async fn node(url: Option<String>, clock: Arc<TestClock>, first_id: u64, change: impl FnOnce(&mut Config)) -> Self {
        let dir = private_dir();
        let store = match &url {
            None => Store::open_sqlite(dir.path()).await.unwrap(),
            Some(url) => Store::open_postgres(url).await.unwrap(),
        };
        Self::over(url, store, dir, clock, first_id, change).await
    }

    async fn over(
        url: Option<String>,
        store: Store,
        dir: tempfile::TempDir,
        clock: Arc<TestClock>,
        first_id: u64,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let database = if url.is_some() { Database::Postgres } else { Database::Sqlite };
        let mut config = Config::for_tests(PathBuf::from(dir.path()));
        config.program = PathBuf::from(env!("CARGO_BIN_EXE_earshot"));
        change(&mut config);
        let app = App::new(config, store, clock.clone(), Arc::new(TestIds::starting_at(first_id))).await.unwrap();
        app.search.start().await.unwrap();
        assert!(app.search.ready(Duration::from_secs(20)).await);
        let router = http::router(app.clone());
        Self { app, router, clock, database, url, _dir: dir }
    }

    /// A browser that is not signed in.
    pub fn anonymous(&self) -> Client {
        Client { router: self.router.clone(), cookies: Mutex::default(), keys: AtomicU64::new(1) }
    }

    /// A browser that was at another node before.
    pub fn with_cookies_of(&self, client: &Client) -> Client {
        let cookies = Mutex::new(client.cookies.lock().unwrap().clone());
        Client { router: self.router.clone(), cookies, keys: AtomicU64::new(1) }
    }

    /// A project with an owner, and the owner's browser.
    pub async fn owner(&self) -> (Project, Client) {
        let staff = server::accounts::create_staff(&self.app, "owner@example.com", "Olga Owner", PASSWORD).await.unwrap();
        let project = server::projects::create(&self.app, "My app", vec![], Some(staff)).await.unwrap();
        (project, self.signed_in("owner@example.com").await)
    }

    /// Another member of a project, and their browser.
    pub async fn member(&self, project: &Project, email: &str, role: Role) -> (StaffId, Client) {
        let staff = server::accounts::create_staff(&self.app, email, "", PASSWORD).await.unwrap();
        let (id, now) = (project.id, self.app.now());
        self.app.store.write(move |tx| Box::pin(async move { tx.set_role(id, staff, role, now).await })).await.unwrap();
        (staff, self.signed_in(email).await)
    }

    /// Gives everything that writes something to do that does not end before what this gives is released.
    pub async fn busy_writers(&self) -> BusyWriters {
        let count = match self.database {
            Database::Sqlite => 1,
            Database::Postgres => 12,
        };
        let (started, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let tasks = (0..count).map(|_| {
            let (store, started, go) = (self.app.store.clone(), Arc::clone(&started), Arc::clone(&go));
            tokio::spawn(async move {
                let work = store.write(move |_| {
                    Box::pin(async move {
                        started.add_permits(1);
                        go.acquire().await.unwrap().forget();
                        Ok(())
                    })
                });
                work.await.unwrap();
            })
        });
        let tasks = tasks.collect();
        started.acquire_many(count).await.unwrap().forget();
        BusyWriters { go, tasks }
    }

    /// Fills the queue of writes until what this gives is released.
    pub async fn full_queue(&self) -> FullQueue {
        let writers = self.busy_writers().await;
        let mut waiting = Vec::new();
        // Polled once, each has its place or its refusal.
        for _ in 0..1500 {
            let store = self.app.store.clone();
            let mut job = async move { store.write(|_| Box::pin(async { Ok(()) })).await }.boxed();
            if futures_util::poll!(&mut job).is_pending() {
                waiting.push(job);
            }
        }
        assert!(waiting.len() < 1500);
        FullQueue { writers, waiting }
    }

    async fn signed_in(&self, email: &str) -> Client {
        let client = self.anonymous();
        let page = client.post("/sign-in", &[("email", email), ("password", PASSWORD)]).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.body);
        client
    }
}

/// Feedback of which nothing is known but its text; not stored yet.
pub fn sample(app: &App, project: ProjectId, text: &str) -> Feedback {
    Feedback {
        id: app.id(),
        project,
        kind: Kind::Api,
        text: text.into(),
        score: None,
        score_max: None,
        contact: None,
        survey: None,
        response: None,
        page_url: None,
        release: None,
        environment: None,
        language: "en".into(),
        status: Status::New,
        assignee: None,
        tags: vec![],
        spam_reasons: vec![],
        created_at: app.now(),
        updated_at: app.now(),
        version: 1,
    }
}

/// Says that a test did not run, where `cargo xtask test` shows it at its end, though the test passes.
pub fn skipped(test: &str, why: &str) {
    let text = format!("!!! SKIPPED {test}: {why}");
    eprintln!("{text}");
    #[expect(clippy::disallowed_methods, reason = "where to write is told by the environment")]
    let file = std::env::var_os("EARSHOT_TEST_NOTES");
    let file = file.and_then(|file| std::fs::OpenOptions::new().create(true).append(true).open(file).ok());
    if let Some(mut file) = file {
        std::io::Write::write_all(&mut file, format!("{text}\n").as_bytes()).unwrap();
    }
}

/// A database of its own on the server that tests may use; `None` without one, and then it is said that the test was skipped.
pub async fn fresh_postgres() -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "where to test is told by the environment")]
    let admin = std::env::var("EARSHOT_TEST_POSTGRES").ok();
    let Some(admin) = admin else {
        let test = std::thread::current().name().unwrap_or("a test on PostgreSQL").to_owned();
        skipped(&test, "EARSHOT_TEST_POSTGRES names no server; cargo xtask test starts one");
        return None;
    };
    sqlx::any::install_default_drivers();
    #[expect(clippy::disallowed_methods, reason = "a name that no other test run uses")]
    let name = format!("t_{}", Uuid::now_v7().simple());
    let pool = sqlx::AnyPool::connect(&admin).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&pool).await.unwrap();
    pool.close().await;
    let mut url = url::Url::parse(&admin).unwrap();
    url.set_path(&name);
    Some(url.to_string())
}

/// A browser without a screen: keeps cookies, sends what a form would.
pub struct Client {
    router: Router,
    cookies: Mutex<BTreeMap<String, String>>,
    keys: AtomicU64,
}

/// An answer.
#[derive(Debug)]
pub struct Page {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Page {
    /// Where a redirect goes.
    pub fn location(&self) -> &str {
        self.headers.get(header::LOCATION).map_or("", |h| h.to_str().unwrap())
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }
}

impl Client {
    /// Opens a page.
    pub async fn get(&self, path: &str) -> Page {
        self.send(Method::GET, path, &[], Body::empty()).await
    }

    /// Opens a page with one cookie more.
    pub async fn get_with_cookie(&self, path: &str, cookie: &str) -> Page {
        let (name, value) = cookie.split_once('=').unwrap();
        self.cookies.lock().unwrap().insert(name.to_owned(), value.to_owned());
        self.get(path).await
    }

    /// Sends a form, with a fresh idempotency key unless `fields` has one.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        if !fields.iter().any(|(name, _)| *name == "idempotency_key") {
            form.append_pair("idempotency_key", &format!("test-key-{:p}-{}", self, self.keys.fetch_add(1, Ordering::SeqCst)));
        }
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "same-origin")];
        self.send(Method::POST, path, &headers, Body::from(form.finish())).await
    }

    /// Sends JSON as a program would.
    pub async fn json(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &serde_json::Value) -> Page {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        self.send(method, path, &all, Body::from(body.to_string())).await
    }

    /// Opens something that does not end by itself, like a stream of events.
    pub async fn open(&self, path: &str, headers: &[(&str, &str)]) -> axum::response::Response {
        let cookies = self.cookies.lock().unwrap().iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join("; ");
        let mut request = Request::builder().uri(path).header(header::HOST, "earshot.test").header(header::COOKIE, cookies);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    /// Sends anything.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Body) -> Page {
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, "earshot.test");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let cookies = self.cookies.lock().unwrap().iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join("; ");
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies);
        }
        let response = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        for cookie in parts.headers.get_all(header::SET_COOKIE) {
            let (pair, attributes) = cookie.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            let mut jar = self.cookies.lock().unwrap();
            if attributes.contains("Max-Age=0") || value.is_empty() {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
        let body = to_bytes(body, 64 << 20).await.unwrap();
        Page { status: parts.status, headers: parts.headers, body: String::from_utf8_lossy(&body).into_owned() }
    }
}
