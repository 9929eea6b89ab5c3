//! The use cases over a database that belongs to the test.

use std::{path::PathBuf, sync::Arc, time::Duration};

use domain::{
    Timestamp,
    accounts::Role,
    feedback::{Feedback, FeedbackKind, FeedbackStatus},
    ids::{ProjectId, StaffId},
    projects::Project,
    spam::SpamSignals,
    tickets::NewTicket,
};
use futures_util::{FutureExt, future::BoxFuture};
use service::{
    error::Result,
    settings::Settings,
    state::{App, AppState},
    tickets::{RequesterReply, TicketSubmission},
};
use store::{Store, migrate::Migrator};
use tokio::{sync::Semaphore, task::JoinHandle};

use crate::{Database, TestClock, TestIds, fresh_postgres, private_dir};

/// The initial time of a test's clock: 15 January 2027.
const BEGINNING: Timestamp = Timestamp(1_800_000_000_000);

/// The use cases under test.
pub struct TestApp {
    /// The state they work with.
    pub app: AppState,
    /// Its clock.
    pub clock: Arc<TestClock>,
    /// Its database.
    pub database: Database,
    /// The URL of the PostgreSQL database.
    pub url: Option<String>,
    _dir: tempfile::TempDir,
}

// With `Drop`, a test's async block captures the whole value rather than single fields of it, so the directory outlives the test.
impl Drop for TestApp {
    fn drop(&mut self) {}
}

/// See [`TestApp::busy_writers`].
pub struct BusyWriters {
    go: Arc<Semaphore>,
    tasks: Vec<JoinHandle<()>>,
}

impl BusyWriters {
    /// The number of concurrent writes.
    #[must_use]
    pub fn count(&self) -> usize {
        self.tasks.len()
    }

    /// Lets the writers finish their work.
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
    waiting: Vec<BoxFuture<'static, Result<()>>>,
}

impl FullQueue {
    /// Lets the queue drain. Only the last entry is still awaited: it succeeds, so none has waited too long.
    pub async fn release(mut self) {
        let last = self.waiting.pop().unwrap();
        drop(self.waiting);
        self.writers.release().await;
        last.await.unwrap();
    }
}

/// The password of every account in tests.
pub const PASSWORD: &str = "correct horse battery";

impl TestApp {
    /// A fresh, empty program; `None` if there is no PostgreSQL to test on.
    pub async fn new(database: Database) -> Option<Self> {
        Self::with_settings(database, |_| {}).await
    }

    /// As [`TestApp::new`], with changed settings.
    pub async fn with_settings(database: Database, change: impl FnOnce(&mut Settings)) -> Option<Self> {
        let url = match database {
            Database::Sqlite => None,
            Database::Postgres => Some(fresh_postgres().await?),
        };
        Some(Self::node(url, Arc::new(TestClock::at(BEGINNING.0)), 1, change).await)
    }

    /// Another process over the same PostgreSQL, with the same clock; ids count up from `first_id`.
    pub async fn second_node(&self, first_id: u64) -> Self {
        let settings = self.app.settings.clone();
        let change = |s: &mut Settings| *s = Settings { data: s.data.clone(), ..settings };
        Self::node(self.url.clone(), Arc::clone(&self.clock), first_id, change).await
    }

    /// As [`TestApp::second_node`], with the migrations of another version.
    pub async fn newer_version_node(&self, first_id: u64, migrations: &Migrator) -> Self {
        let url = self.url.clone().unwrap();
        let store = Store::open_postgres_with(&url, Arc::new(TestIds::starting_at(first_id)), migrations).await.unwrap();
        Self::over(Some(url), store, private_dir(), Arc::clone(&self.clock), |_| {}).await
    }

    async fn node(url: Option<String>, clock: Arc<TestClock>, first_id: u64, change: impl FnOnce(&mut Settings)) -> Self {
        let (dir, ids) = (private_dir(), Arc::new(TestIds::starting_at(first_id)));
        let store = match &url {
            None => Store::open_sqlite(dir.path(), ids).await.unwrap(),
            Some(url) => Store::open_postgres(url, ids).await.unwrap(),
        };
        Self::over(url, store, dir, clock, change).await
    }

    async fn over(
        url: Option<String>,
        store: Store,
        dir: tempfile::TempDir,
        clock: Arc<TestClock>,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let database = if url.is_some() { Database::Postgres } else { Database::Sqlite };
        let mut settings = Settings::for_tests(PathBuf::from(dir.path()));
        change(&mut settings);
        let app = App::new(settings, store, clock.clone()).await.unwrap();
        app.search.start().await.unwrap();
        assert!(app.search.ready(Duration::from_secs(20)).await);
        Self { app, clock, database, url, _dir: dir }
    }

    /// A fresh id of any kind, for rows that a test inserts itself and for ids that belong to nothing.
    #[must_use]
    pub fn id<T: From<uuid::Uuid>>(&self) -> T {
        T::from(self.app.ids.uuid())
    }

    /// A project, and its owner.
    pub async fn owner(&self) -> (Project, StaffId) {
        let staff = service::accounts::create_staff(&self.app, "owner@example.com", "Olga Owner", PASSWORD).await.unwrap();
        (service::projects::create(&self.app, "My app", vec![], Some(staff)).await.unwrap(), staff)
    }

    /// Another member of a project.
    pub async fn member(&self, project: &Project, email: &str, role: Role) -> StaffId {
        let staff = service::accounts::create_staff(&self.app, email, "", PASSWORD).await.unwrap();
        let (id, now) = (project.id, self.app.now());
        self.app.store.write(move |tx| Box::pin(async move { tx.set_role(id, staff, role, now).await })).await.unwrap();
        staff
    }

    /// Keeps every writer busy until the returned value is released.
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

    /// Fills the write queue until the returned value is released.
    pub async fn full_queue(&self) -> FullQueue {
        let writers = self.busy_writers().await;
        let mut waiting = Vec::new();
        // After one poll, each has either a place in the queue or a rejection.
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
}

/// Feedback with only a text; not stored yet.
#[must_use]
pub fn sample(app: &App, project: ProjectId, text: &str) -> Feedback {
    Feedback {
        id: app.ids.uuid().into(),
        project,
        kind: FeedbackKind::Api,
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
        status: FeedbackStatus::New,
        assignee: None,
        tags: vec![],
        spam_reasons: vec![],
        created_at: app.now(),
        updated_at: app.now(),
        version: 1,
    }
}

/// A new ticket, as a person would submit it.
#[must_use]
pub fn submission(subject: &str, message: &str) -> TicketSubmission {
    TicketSubmission {
        ticket: NewTicket { subject: subject.into(), message: message.into(), email: "Ann@Example.com".into(), name: "Ann".into() },
        signals: Some(SpamSignals { elapsed_ms: Some(60_000), ..SpamSignals::default() }),
        ..TicketSubmission::default()
    }
}

/// A requester's reply without files.
#[must_use]
pub fn adding(body: &str) -> RequesterReply {
    RequesterReply { body: body.into(), ..RequesterReply::default() }
}
