//! Runs the real program as a separate process, with a hand-written HTTP client and helpers for failure tests.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use domain::{accounts::Scope, projects::Project};
use service::{
    clock::{SystemClock, SystemIds},
    settings::Settings,
    state::{App, AppState},
};
use sqlx::AnyPool;
use store::Store;

/// The operator's token for reading the metrics.
const METRICS_TOKEN: &str = "a token of the operator";
/// E-mail address of the owner of every test installation.
pub const OWNER: &str = "owner@example.com";
pub const PASSWORD: &str = "correct horse battery";

/// Whether the tests run at full size (`cargo xtask test --long`).
pub fn long() -> bool {
    #[expect(clippy::disallowed_methods, reason = "how much to test is told by the environment")]
    let asked = std::env::var_os("EARSHOT_TEST_LONG");
    asked.is_some()
}

/// `short`, or `full` with `--long`.
pub fn sized<T>(short: T, full: T) -> T {
    if long() { full } else { short }
}

/// Serializes these tests, because they measure and load the machine. (For nextest, `.config/nextest.toml` does this.)
pub fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reports a measurement or another remark of a passing test. `cargo xtask test` prints it at the end.
pub fn note(text: &str) {
    let text = format!("{}: {text}", thread::current().name().unwrap_or_default());
    println!("{text}");
    #[expect(clippy::disallowed_methods, reason = "where to write is told by the environment")]
    if let Some(file) = std::env::var_os("EARSHOT_TEST_NOTES") {
        let mut file = File::options().append(true).create(true).open(file).unwrap();
        file.write_all(format!("{text}\n").as_bytes()).unwrap();
    }
}

/// Reports that a test was skipped here, and why.
pub fn skipped(test: &str, why: &str) {
    note(&format!("!!! SKIPPED {test}: {why}"));
}

/// The current time, for measuring durations.
#[expect(clippy::disallowed_methods, reason = "how long something took")]
pub fn now() -> Instant {
    Instant::now()
}

pub fn pause(millis: u64) {
    thread::sleep(Duration::from_millis(millis));
}

/// Polls until `look` returns a value; fails after `seconds`, naming `what`.
pub fn within<T>(seconds: u64, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(seconds), "not within {seconds} s: {what}");
        pause(20);
    }
}

/// Runs a future to completion on a temporary runtime.
pub fn block<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let done = runtime.block_on(work);
    runtime.shutdown_timeout(Duration::from_secs(10));
    done
}

/// The database backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    Sqlite,
    Postgres,
}

/// An installation with an owner, a project and a live survey (question `q1` is a score, `q2` a text).
pub struct Place {
    _dir: tempfile::TempDir,
    pub data: PathBuf,
    /// The URL of its PostgreSQL database.
    pub postgres: Option<String>,
    pub project: Project,
    pub survey: String,
    pub version: String,
}

impl Place {
    /// Returns `None`, and reports it, if there is no PostgreSQL to test on.
    pub fn new(base: Base) -> Option<Self> {
        let postgres = match base {
            Base::Sqlite => None,
            Base::Postgres => match block(fresh_postgres()) {
                None => {
                    skipped("a test on PostgreSQL", "EARSHOT_TEST_POSTGRES names no server; cargo xtask test starts one");
                    return None;
                }
                url => url,
            },
        };
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let (project, survey, version) = block(prepare(&data, postgres.as_deref()));
        Some(Self { _dir: dir, data, postgres, project, survey, version })
    }

    pub fn sqlite() -> Self {
        Self::new(Base::Sqlite).unwrap()
    }

    /// Opens the same data in this process; only while no process serves it.
    pub async fn open(&self) -> AppState {
        open(&self.data, self.postgres.as_deref()).await
    }

    /// A separate connection pool to the database.
    pub async fn pool(&self) -> AnyPool {
        sqlx::any::install_default_drivers();
        let url = self.postgres.clone().unwrap_or_else(|| format!("sqlite://{}", self.data.join("earshot.db").display()));
        sqlx::any::AnyPoolOptions::new().max_connections(1).connect(&url).await.unwrap()
    }

    /// Returns the count that a statement selects.
    pub async fn count(&self, sql: &'static str) -> i64 {
        let pool = self.pool().await;
        let n = sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap();
        pool.close().await;
        n
    }

    /// Inserts that many items of feedback directly into the database; each contains `filler`. They are not in the change sequence: an
    /// existing index misses them, a newly built one includes them.
    pub fn fill(&self, rows: i64) {
        self.fill_with(rows, 0);
    }

    /// As [`Place::fill`], with that many additional characters per item.
    pub fn fill_with(&self, rows: i64, letters: i64) {
        let sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) \
                   INSERT INTO feedback (id, project_id, kind, text, language, status, created_at, updated_at, version) \
                   SELECT printf('0190a000-0000-7000-8000-%012x', i), $2, 'api', 'filler number ' || i || ' ' || hex(zeroblob($3 / 2)), 'en', 'new', i, i, 1 FROM n";
        block(async {
            let pool = self.pool().await;
            sqlx::query(sql).bind(rows).bind(self.project.id.to_string()).bind(letters).execute(&pool).await.unwrap();
            pool.close().await;
        });
    }

    /// The arguments that make the program use this installation.
    pub fn args(&self) -> Vec<String> {
        let mut args = vec!["--data".to_owned(), self.data.display().to_string()];
        if let Some(url) = &self.postgres {
            args.extend(["--database-url".to_owned(), url.clone()]);
        }
        args
    }

    pub fn start(&self) -> Server {
        Server::start(|serve| {
            serve.args(self.args());
        })
    }

    /// The path for submissions.
    pub fn submit_path(&self) -> String {
        format!("/embed/v1/{}/responses", self.project.key)
    }

    /// A submission with this key and this text.
    pub fn submission(&self, key: &str, text: &str) -> String {
        serde_json::json!({
            "survey": self.survey, "version": self.version, "idempotency_key": key,
            "answers": [["q1", "9"], ["q2", text]], "finished": true,
        })
        .to_string()
    }
}

async fn open(data: &Path, postgres: Option<&str>) -> AppState {
    let ids = Arc::new(SystemIds);
    let store = match postgres {
        None => Store::open_sqlite(data, ids).await.unwrap(),
        Some(url) => Store::open_postgres(url, ids).await.unwrap(),
    };
    App::new(Settings::for_tests(data.to_owned()), store, Arc::new(SystemClock)).await.unwrap()
}

async fn prepare(data: &Path, postgres: Option<&str>) -> (Project, String, String) {
    let app = open(data, postgres).await;
    let owner = service::accounts::create_staff(&app, OWNER, "Olga Owner", PASSWORD).await.unwrap();
    let project = service::projects::create(&app, "P", vec![], Some(owner)).await.unwrap();
    let scope = Scope::system(project.id);
    let survey = service::surveys::create(&app, &scope, "nps", "NPS", "key-0001").await.unwrap();
    let draft = app.store.survey(&scope, survey).await.unwrap().unwrap();
    service::surveys::publish(&app, &scope, survey, draft.revision, "key-0002").await.unwrap();
    let live = app.store.survey(&scope, survey).await.unwrap().unwrap();
    app.store.reader().close().await;
    (project, survey.to_string(), live.live_version.unwrap().to_string())
}

async fn fresh_postgres() -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "where to test is told by the environment")]
    let admin = std::env::var("EARSHOT_TEST_POSTGRES").ok()?;
    sqlx::any::install_default_drivers();
    #[expect(clippy::disallowed_methods, reason = "a name that no other test run uses")]
    let name = format!("t_{}", uuid::Uuid::now_v7().simple());
    let pool = AnyPool::connect(&admin).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&pool).await.unwrap();
    pool.close().await;
    let mut url = url::Url::parse(&admin).unwrap();
    url.set_path(&name);
    Some(url.to_string())
}

/// The program as a command, with an empty environment.
pub fn earshot() -> Command {
    clean(Command::new(env!("CARGO_BIN_EXE_earshot")))
}

/// A shell that runs `script` and then execs the program: its arguments follow `script`, as `"$@"`.
pub fn shell(script: &str) -> Command {
    let mut command = clean(Command::new("sh"));
    command.arg("-c").arg(script).arg("sh").arg(env!("CARGO_BIN_EXE_earshot"));
    command
}

pub fn clean(mut command: Command) -> Command {
    command.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    command.env("EARSHOT_LOG", "warn").stdin(Stdio::null());
    command
}

/// Runs a subcommand to its end; returns whether it succeeded, and its output.
pub fn run(place: &[String], args: &[&str]) -> (bool, String) {
    let done = earshot().args(args).args(place).output().unwrap();
    (done.status.success(), format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr)))
}

/// A serving program; killed on drop.
pub struct Server {
    pub child: Child,
    pub address: SocketAddr,
    log: tempfile::NamedTempFile,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if thread::panicking() {
            eprintln!("── the program's log:\n{}", self.log());
        }
    }
}

impl Server {
    /// Starts `earshot serve` and waits until it is ready.
    pub fn start(change: impl FnOnce(&mut Command)) -> Self {
        Self::start_as(earshot(), change)
    }

    /// As [`Server::start`], with another command that finally execs the program.
    pub fn start_as(serve: Command, change: impl FnOnce(&mut Command)) -> Self {
        Self::begin(serve, |serve| {
            // Many clients share one address here.
            serve.args(["--rate-per-address", "1000000", "--rate-per-key", "1000000", "--connections-per-address", "1000000"]);
            change(serve);
        })
    }

    /// Starts with the default limits of an installation.
    pub fn start_with_defaults(place: &Place) -> Self {
        Self::begin(earshot(), |serve| {
            serve.args(place.args()).args(["--metrics-token", METRICS_TOKEN]);
        })
    }

    /// A value from `/metrics`, by name with labels, of a server started with [`Server::start_with_defaults`]; 0 if it is missing.
    pub fn metric(&self, name: &str) -> usize {
        let token = format!("Bearer {METRICS_TOKEN}");
        let metrics = request(self.address, "GET", "/metrics", &[("Authorization", &token)], "").unwrap();
        assert_eq!(metrics.status, 200, "{}", metrics.body);
        let value = metrics.body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0, |value| value.trim().parse().unwrap())
    }

    fn begin(mut serve: Command, change: impl FnOnce(&mut Command)) -> Self {
        let address = free_port();
        let log = tempfile::NamedTempFile::new().unwrap();
        serve.arg("serve").arg("--listen").arg(address.to_string());
        change(&mut serve);
        let out = File::options().append(true).open(log.path()).unwrap();
        let child = serve.stdout(out.try_clone().unwrap()).stderr(out).spawn().unwrap();
        let mut server = Self { child, address, log };
        within(60, "the program is ready", || {
            if let Some(status) = server.child.try_wait().unwrap() {
                panic!("the program ended at its start ({status}):\n{}", server.log());
            }
            // The port is open before the database is.
            server.get("/readyz").filter(|answer| answer.status == 200)
        });
        server
    }

    /// The log so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.log.path()).unwrap()).into_owned()
    }

    /// Sends SIGKILL and waits for the process to end.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn signal(&self, name: &str) {
        // The shell's builtin: the standalone program is not installed everywhere.
        assert!(Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status().unwrap().success());
    }

    pub fn get(&self, path: &str) -> Option<Answer> {
        request(self.address, "GET", path, &[], "")
    }

    /// Sends a submission; `None` if the server died before it responded.
    pub fn submit(&self, place: &Place, key: &str, text: &str) -> Option<Answer> {
        submit(self.address, place, key, text)
    }

    /// The peak memory use so far, in bytes.
    #[cfg(target_os = "linux")]
    pub fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let kilobytes = status.lines().find_map(|l| l.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse::<u64>().ok());
        kilobytes.unwrap() * 1024
    }

    /// The current memory use in bytes, of the program and its child processes.
    #[cfg(target_os = "linux")]
    pub fn resident(&self) -> u64 {
        family(self.child.id()).into_iter().filter_map(|process| status(process, "VmRSS:")).sum::<u64>() * 1024
    }

    /// As [`Self::resident`], once it is stable: the program returns freed memory to the system with a delay.
    #[cfg(target_os = "linux")]
    pub fn settled_memory(&self) -> u64 {
        let mut last = self.resident();
        within(10, "the memory in use settles", || {
            pause(200);
            let (previous, current) = (last, self.resident());
            last = current;
            (previous.abs_diff(current) < 1 << 20).then_some(current)
        })
    }

    /// The processor time used so far, by the program and its ended child processes.
    #[cfg(target_os = "linux")]
    pub fn processor(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // After the name, which may contain any character: user and system time, then those of children.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: u64 = fields[11..15].iter().map(|n| n.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
    }

    /// The state of the search, from `/readyz`.
    pub fn search(&self) -> String {
        let body = self.get("/readyz").map(|answer| answer.body).unwrap_or_default();
        serde_json::from_str::<serde_json::Value>(&body).map(|v| v["search"].as_str().unwrap_or_default().to_owned()).unwrap_or_default()
    }

    /// A browser with the owner signed in.
    pub fn browser(&self) -> Browser {
        let form = format!("email={OWNER}&password={}&idempotency_key=sign-in-0001", PASSWORD.replace(' ', "+"));
        let headers = [("Content-Type", "application/x-www-form-urlencoded"), ("Sec-Fetch-Site", "same-origin")];
        let answer = request(self.address, "POST", "/sign-in", &headers, &form).unwrap();
        assert_eq!(answer.status, 303, "{}", answer.body);
        // The session cookie, not the device cookie.
        let mut cookies = answer.headers.iter().filter(|(name, _)| name == "set-cookie").map(|(_, value)| value);
        let cookie = cookies.find(|value| value.starts_with("earshot=")).unwrap().split(';').next().unwrap().to_owned();
        Browser { address: self.address, cookie }
    }
}

/// A process and its child processes.
#[cfg(target_os = "linux")]
fn family(process: u32) -> Vec<u32> {
    let children = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().filter_map(Result::ok);
    let children = children.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let children: Vec<u32> = children.flat_map(|list| list.split_whitespace().filter_map(|n| n.parse().ok()).collect::<Vec<_>>()).collect();
    std::iter::once(process).chain(children).collect()
}

/// A number from a process's status; `None` if the process is gone.
#[cfg(target_os = "linux")]
fn status(process: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}

pub fn submit(address: SocketAddr, place: &Place, key: &str, text: &str) -> Option<Answer> {
    let headers = [("Content-Type", "application/json")];
    request(address, "POST", &place.submit_path(), &headers, &place.submission(key, text))
}

/// A signed-in browser.
pub struct Browser {
    pub address: SocketAddr,
    pub cookie: String,
}

impl Browser {
    pub fn get(&self, path: &str) -> Option<Answer> {
        request(self.address, "GET", path, &[("Cookie", &self.cookie)], "")
    }

    pub fn post(&self, path: &str, form: &str) -> Option<Answer> {
        let kind = "application/x-www-form-urlencoded";
        request(self.address, "POST", path, &[("Cookie", &self.cookie), ("Content-Type", kind), ("Sec-Fetch-Site", "same-origin")], form)
    }

    /// The inbox for a query.
    pub fn inbox(&self, place: &Place, query: &str) -> String {
        let answer = self.get(&format!("/p/{}/inbox?q={query}", place.project.slug)).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    }
}

/// A response.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Whether it is a 503 with `Retry-After`.
    pub fn is_busy(&self) -> bool {
        self.status == 503 && self.header("retry-after").is_some_and(|s| s.parse::<u32>().is_ok_and(|s| s > 0))
    }
}

pub fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

pub fn connect(address: SocketAddr) -> Option<TcpStream> {
    let stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(40))).ok()?;
    stream.set_write_timeout(Some(Duration::from_secs(40))).ok()?;
    stream.set_nodelay(true).ok()?;
    Some(stream)
}

/// As [`connect`], from `127.0.0.n`: a different visitor.
pub fn connect_from(n: u8, address: SocketAddr) -> Option<TcpStream> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).ok()?;
    socket.bind(&SocketAddr::from(([127, 0, 0, n], 0)).into()).ok()?;
    socket.connect(&address.into()).ok()?;
    let stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(Duration::from_secs(40))).ok()?;
    stream.set_write_timeout(Some(Duration::from_secs(40))).ok()?;
    stream.set_nodelay(true).ok()?;
    Some(stream)
}

/// One request on its own connection; `None` if there is no response.
pub fn request(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Option<Answer> {
    request_on(connect(address)?, method, path, headers, body.as_bytes())
}

/// One request on a fresh connection; `None` if there is no response.
pub fn request_on(mut stream: TcpStream, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Option<Answer> {
    let address = stream.peer_addr().ok()?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).ok()?;
    // The response may arrive before the whole body is sent.
    drop(stream.write_all(body));
    answer(stream)
}

/// Reads a response to its end.
pub fn answer(stream: TcpStream) -> Option<Answer> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let status = line.split(' ').nth(1)?.parse().ok()?;
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut answer = Answer { status, headers, body: String::new() };
    let mut bytes = Vec::new();
    if let Some(length) = answer.header("content-length") {
        bytes.resize(length.parse().ok()?, 0);
        reader.read_exact(&mut bytes).ok()?;
    } else {
        reader.read_to_end(&mut bytes).ok()?;
    }
    answer.body = String::from_utf8_lossy(&bytes).into_owned();
    Some(answer)
}

/// `size` background tasks that run until told to stop; returns the result of each.
pub struct Crowd<T> {
    stop: Arc<AtomicUsize>,
    threads: Vec<thread::JoinHandle<T>>,
}

impl<T: Send + 'static> Crowd<T> {
    /// `work(number, should_stop)`.
    pub fn start(size: usize, work: impl Fn(usize, &dyn Fn() -> bool) -> T + Send + Sync + 'static) -> Self {
        let (stop, work) = (Arc::new(AtomicUsize::new(0)), Arc::new(work));
        let threads = (0..size)
            .map(|number| {
                let (stop, work) = (Arc::clone(&stop), Arc::clone(&work));
                thread::spawn(move || work(number, &|| stop.load(Ordering::SeqCst) > 0))
            })
            .collect();
        Self { stop, threads }
    }

    pub fn stop(self) -> Vec<T> {
        self.stop.store(1, Ordering::SeqCst);
        self.join()
    }

    /// Waits until each has ended without being told to.
    pub fn join(self) -> Vec<T> {
        self.threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    }
}
