//! The whole program under test: `TestApp` on either database, and `Client`, a browser without a display.

use std::{
    collections::BTreeMap,
    ops::Deref,
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use domain::{accounts::Role, ids::StaffId, projects::Project};
use server::{
    config::Config,
    http::{self, WebState},
};
use store::migrate::Migrator;
pub use testing::{Database, PASSWORD, TestIds, fresh_postgres, private_dir, sample, skipped};
use tower::ServiceExt;

/// As [`testing::on_both!`] for the whole program; a configuration change precedes the test:
/// `on_both!(name, |config| …, |t| async move { … })`.
#[macro_export]
macro_rules! on_both {
    ($name:ident, $body:expr) => {
        $crate::on_both!($name, |_| {}, $body);
    };
    ($name:ident, $change:expr, $body:expr) => {
        testing::on_both_of!($crate::support::TestApp, $name, $change, $body);
    };
}

/// As [`testing::on_one!`] for the whole program.
#[macro_export]
macro_rules! on_one {
    ($name:ident, $database:ident, $body:expr) => {
        testing::on_one_of!($crate::support::TestApp, $name, $database, $body);
    };
}

/// The program under test.
pub struct TestApp {
    inner: testing::TestApp,
    pub config: Config,
    pub web: WebState,
    pub router: Router,
}

impl Deref for TestApp {
    type Target = testing::TestApp;

    fn deref(&self) -> &testing::TestApp {
        &self.inner
    }
}

// With `Drop`, a test's async block captures the whole value rather than single fields, so the directory outlives the test.
impl Drop for TestApp {
    fn drop(&mut self) {}
}

impl TestApp {
    /// A fresh, empty program; `None` if there is no PostgreSQL to test on.
    pub async fn new(database: Database) -> Option<Self> {
        Self::with_settings(database, |_| {}).await
    }

    /// As [`TestApp::new`], with changed configuration.
    pub async fn with_settings(database: Database, change: impl FnOnce(&mut Config)) -> Option<Self> {
        let mut config = Config::for_tests(PathBuf::new());
        config.settings.program = PathBuf::from(env!("CARGO_BIN_EXE_earshot"));
        change(&mut config);
        let mut settings = config.settings.clone();
        let inner = testing::TestApp::with_settings(database, |s| {
            settings.data = std::mem::take(&mut s.data);
            *s = settings;
        });
        Some(Self::over(inner.await?, config))
    }

    fn over(inner: testing::TestApp, mut config: Config) -> Self {
        config.settings = inner.app.settings.clone();
        let web = WebState::new(inner.app.clone(), config.http.clone());
        Self { inner, config, router: http::router(web.clone()), web }
    }

    /// Another process on the same PostgreSQL, with the same clock; ids count up from `first_id`.
    pub async fn beside(&self, first_id: u64) -> Self {
        Self::over(self.inner.second_node(first_id).await, self.config.clone())
    }

    /// As [`TestApp::beside`], for a version with other migrations.
    pub async fn newer(&self, first_id: u64, migrations: &Migrator) -> Self {
        Self::over(self.inner.newer_version_node(first_id, migrations).await, self.config.clone())
    }

    /// Runs a statement on the database.
    pub async fn run(&self, sql: &str) {
        let sql = sql.to_owned();
        let done =
            self.app.store.write(move |tx| Box::pin(async move { Ok(sqlx::query(sqlx::AssertSqlSafe(sql)).execute(tx.conn()).await?) }));
        done.await.unwrap();
    }

    /// A number from the database.
    pub async fn number(&self, sql: &str) -> i64 {
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql.to_owned())).fetch_one(self.app.store.reader()).await.unwrap()
    }

    /// A browser that is not signed in.
    pub fn anonymous(&self) -> Client {
        Client { router: self.router.clone(), cookies: Mutex::default(), keys: AtomicU64::new(1) }
    }

    /// A browser with the cookies of another node.
    pub fn with_cookies_of(&self, client: &Client) -> Client {
        let cookies = Mutex::new(client.cookies.lock().unwrap().clone());
        Client { router: self.router.clone(), cookies, keys: AtomicU64::new(1) }
    }

    /// A project with an owner, and the owner's browser.
    pub async fn owner(&self) -> (Project, Client) {
        let (project, _) = self.inner.owner().await;
        (project, self.signed_in("owner@example.com").await)
    }

    /// Another member of a project, and their browser.
    pub async fn member(&self, project: &Project, email: &str, role: Role) -> (StaffId, Client) {
        (self.inner.member(project, email, role).await, self.signed_in(email).await)
    }

    async fn signed_in(&self, email: &str) -> Client {
        let client = self.anonymous();
        let page = client.post("/sign-in", &[("email", email), ("password", PASSWORD)]).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.body);
        client
    }
}

/// A browser without a display: keeps cookies, sends forms.
pub struct Client {
    router: Router,
    cookies: Mutex<BTreeMap<String, String>>,
    keys: AtomicU64,
}

/// A response.
#[derive(Debug)]
pub struct Page {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Page {
    /// The target of a redirect.
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

    /// Opens a page with one additional cookie.
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

    /// Opens an endless response such as an event stream.
    pub async fn open(&self, path: &str, headers: &[(&str, &str)]) -> axum::response::Response {
        let cookies = self.cookies.lock().unwrap().iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join("; ");
        let mut request = Request::builder().uri(path).header(header::HOST, "earshot.test").header(header::COOKIE, cookies);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    /// Sends any request.
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
