//! What every handler and use case works with.

use std::{
    collections::HashMap,
    net::IpAddr,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{Clock, Error as Refusal, IdSource, Timestamp, ids::StaffId};
use search::Search;
use store::{Store, files, installation::SigningSecret};

use crate::{
    config::Config,
    error::{Error, Result, of_search},
    jobs::index::Documents,
    keys::Uses,
    limits::{Limits, budget::Budget, connections::Door},
    mail::Mailer,
    metrics::Metrics,
    responses::Remembered,
    signing::{Keyring, seal},
    tickets::studio::Studio,
};

/// The running program. Handlers get it as [`AppState`].
pub struct App {
    /// Settings.
    pub config: Config,
    /// The database.
    pub store: Store,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The search over feedback.
    pub search: Search,
    /// Ids and secrets.
    pub ids: Arc<dyn IdSource>,
    /// How often something may be done.
    pub limits: Limits,
    /// What people without an account may use.
    pub budget: Arc<Budget>,
    /// The connections that are open.
    pub door: Arc<Door>,
    /// What is counted for whoever watches over the program.
    pub metrics: Metrics,
    /// Surveys as they were last looked up.
    pub remembered: Remembered,
    /// Secrets of everything this installation signs.
    pub keyring: Keyring,
    /// Where pictures are worked on.
    pub studio: Studio,
    /// Turns true when the program stops: what never ends by itself ends then.
    pub closing: tokio::sync::watch::Sender<bool>,
    /// Streams of live events that are open.
    pub streams: Streams,
    /// The way to the mail server; `None`: no mail is sent.
    pub mailer: Option<Mailer>,
    /// Uses of API keys that were written down of late.
    pub key_uses: Uses,
    /// Wakes the workers of this process; see [`App::wake_jobs`].
    pub jobs: tokio::sync::Notify,
}

/// Shared by all handlers.
pub type AppState = Arc<App>;

/// Proof that no other process serves from the data directory, which is made when it is not there, while it is held.
///
/// # Errors
/// When one does, or the directory cannot be made or written.
pub fn claim(data: &Path) -> Result<impl Send + use<>> {
    files::private_directory(data).map_err(|e| Error::Internal(format!("the data directory {} cannot be made: {e}", data.display())))?;
    search::claim(&data.join("index")).map_err(of_search)
}

impl App {
    /// Counts text that a stranger wants stored; what is refused shows in the metrics.
    ///
    /// # Errors
    /// As [`Limits::text`].
    pub async fn count_text(&self, address: IpAddr, bytes: usize) -> Result<()> {
        let counted = self.limits.text(address, bytes, self.now()).await;
        if counted.as_ref().is_err_and(|error| matches!(error.refusal(), Some(Refusal::RateLimited(_)))) {
            self.budget.refusals.count("texts");
        }
        counted
    }

    /// The program over an open store; makes the installation's secret on first use.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn new(config: Config, store: Store, clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>) -> Result<AppState> {
        let installation = store.installation(&ids.uuid().to_string(), clock.now()).await?;
        let keyring = Keyring::default();
        let mut secrets = store.signing_secrets().await?;
        if secrets.is_empty() {
            let (first, now) = (new_secret(&config, ids.as_ref(), 1, Timestamp(0))?, clock.now());
            store.write(move |tx| Box::pin(async move { tx.insert_signing_secret(&first, now).await })).await?;
            secrets = store.signing_secrets().await?;
        }
        keyring.load(secrets, config.secret.as_ref())?;
        let search = Search::new(config.data.join("index"), installation.instance, Arc::new(Documents(store.clone())), Arc::clone(&clock));
        let limits = Limits::new(&config, &store);
        let mailer = config.mail.as_ref().map(Mailer::new).transpose()?;
        let studio = Studio::new(&config.program);
        let door = Door::new(config.trusted_proxies.is_none().then_some(config.connections_per_address));
        Ok(Arc::new(Self {
            door,
            studio,
            limits,
            mailer,
            remembered: Remembered::default(),
            config,
            store,
            search,
            clock,
            ids,
            budget: Arc::new(Budget::of_this_machine()),
            metrics: Metrics::default(),
            keyring,
            closing: tokio::sync::watch::Sender::new(false),
            streams: Streams::default(),
            key_uses: Uses::default(),
            jobs: tokio::sync::Notify::new(),
        }))
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A fresh id of any kind: `app.id::<FeedbackId>()`.
    #[must_use]
    pub fn id<T: From<uuid::Uuid>>(&self) -> T {
        T::from(self.ids.uuid())
    }

    /// Tells a worker of this process that there is work in the queue.
    pub fn wake_jobs(&self) {
        self.jobs.notify_one();
    }

    /// A fresh unguessable token, 256 bits, URL-safe.
    #[must_use]
    pub fn token(&self) -> String {
        let mut bytes = [0_u8; 32];
        self.ids.random(&mut bytes);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Signs a text for one purpose; see [`Keyring::sign`].
    ///
    /// # Errors
    /// Never in practice.
    pub fn sign(&self, purpose: &str, text: &str) -> Result<String> {
        self.keyring.sign(purpose, text, self.now())
    }

    /// Whether we signed this text for this purpose, and still stand by it; see [`Keyring::verify`].
    ///
    /// # Errors
    /// Never in practice.
    pub fn verify(&self, purpose: &str, text: &str, proof: &str) -> Result<bool> {
        self.keyring.verify(purpose, text, proof)
    }

    /// Looks which secrets are accepted now: another process may have added or removed one.
    ///
    /// # Errors
    /// When the database fails, or a secret needs a file that is not there.
    pub async fn reload_secrets(&self) -> Result<()> {
        self.keyring.load(self.store.signing_secrets().await?, self.config.secret.as_ref())
    }

    /// Makes the secret of the next generation, which signs once every process has looked, and gives its number. Those before still verify.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rotate_secret(&self) -> Result<i64> {
        let now = self.now();
        let (config, ids) = (self.config.clone(), Arc::clone(&self.ids));
        let generation = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let generation = tx.newest_generation().await? + 1;
                    let new = new_secret(&config, ids.as_ref(), generation, now.plus_ms(SPREAD_MS))?;
                    if !tx.insert_signing_secret(&new, now).await? {
                        return Err(domain::Error::Conflict("Somebody else rotated the secret just now.".into()).into());
                    }
                    Ok(generation)
                })
            })
            .await?;
        self.reload_secrets().await?;
        Ok(generation)
    }

    /// Ends all secrets but the newest: what they signed does not work any more. Gives how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn retire_secrets(&self) -> Result<u64> {
        let gone = self.store.write(|tx| Box::pin(async move { tx.retire_signing_secrets().await })).await?;
        self.reload_secrets().await?;
        Ok(gone)
    }
}

/// How long a new signing secret waits until it signs: by then every process has looked for it (see `jobs/runner.rs`).
pub const SPREAD_MS: i64 = 600_000;

fn new_secret(config: &Config, ids: &dyn IdSource, generation: i64, active_from: Timestamp) -> Result<SigningSecret> {
    let mut fresh = [0_u8; 32];
    ids.random(&mut fresh);
    let sealed = config.secret.as_ref().map(|file| seal(file, generation)).transpose()?;
    Ok(SigningSecret { generation, secret: URL_SAFE_NO_PAD.encode(fresh), sealed, active_from: active_from.0 })
}

/// Streams of live events that are open, by person. They are connections that stay: one script must not use them all up.
#[derive(Debug, Default)]
pub struct Streams(Arc<Mutex<HashMap<StaffId, usize>>>);

/// One open stream; ends being counted when it is dropped.
#[derive(Debug)]
pub struct OpenStream {
    staff: StaffId,
    open: Arc<Mutex<HashMap<StaffId, usize>>>,
}

impl Streams {
    /// Streams of one person at once: a dozen tabs.
    const PER_PERSON: usize = 12;
    /// Streams of all people at once.
    const IN_ALL: usize = 1024;

    /// How many are open.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// Counts one more stream of a person.
    ///
    /// # Errors
    /// [`domain::Error::Busy`] when they, or all together, have too many.
    pub fn open(&self, staff: StaffId) -> Result<OpenStream> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = open.get(&staff).copied().unwrap_or_default();
        if own >= Self::PER_PERSON || open.values().sum::<usize>() >= Self::IN_ALL {
            return Err(domain::Error::Busy(30).into());
        }
        open.insert(staff, own + 1);
        Ok(OpenStream { staff, open: Arc::clone(&self.0) })
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = open.get_mut(&self.staff) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.staff);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_person_cannot_use_up_the_streams() {
        let streams = Streams::default();
        let (ann, bob) = (StaffId(uuid::Uuid::from_u128(1)), StaffId(uuid::Uuid::from_u128(2)));
        let mut open: Vec<OpenStream> = (0..Streams::PER_PERSON).map(|_| streams.open(ann).unwrap()).collect();
        assert!(streams.open(ann).is_err());
        assert!(streams.open(bob).is_ok());
        open.pop();
        assert!(streams.open(ann).is_ok());
        drop(open);
        assert!(streams.0.lock().unwrap().is_empty());
    }
}
