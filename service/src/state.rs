//! What every use case works with.

use std::{net::IpAddr, path::Path, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{Clock, DomainError as Refusal, IdSource, Timestamp, accounts::Scope};
use search::Search;
use store::{ActContext, Store, files, installation::SigningSecret};

use crate::{
    error::{Error, Result, from_search},
    jobs::index::StoreDocumentSource,
    keys::KeyUseTracker,
    limits::{RateLimits, budget::ResourceBudget},
    mail::Mailer,
    metrics::Metrics,
    responses::SurveyCache,
    settings::Settings,
    signing::{Keyring, secret_fingerprint},
    tickets::image_processing::ImageProcessing,
};

/// The running program without its ways in.
pub struct App {
    /// Settings.
    pub settings: Settings,
    /// The database.
    pub store: Store,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The search over feedback.
    pub search: Search,
    /// Ids and secrets.
    pub ids: Arc<dyn IdSource>,
    /// How often something may be done.
    pub limits: RateLimits,
    /// What people without an account may use.
    pub budget: Arc<ResourceBudget>,
    /// What is counted for anyone who watches over the program.
    pub metrics: Metrics,
    /// Surveys as they were last looked up.
    pub remembered: SurveyCache,
    /// Secrets of everything this installation signs.
    pub keyring: Keyring,
    /// Where pictures are worked on.
    pub studio: ImageProcessing,
    /// The way to the mail server; `None`: no mail is sent.
    pub mailer: Option<Mailer>,
    /// Uses of API keys that were written down of late.
    pub key_uses: KeyUseTracker,
    /// Wakes the workers of this process; see [`App::wake_jobs`].
    pub jobs: tokio::sync::Notify,
}

/// Shared by all handlers and jobs.
pub type AppState = Arc<App>;

/// Proof that no other process serves from the data directory, which is made when it is not there, while it is held.
///
/// # Errors
/// When one does, or the directory cannot be made or written.
pub fn lock_data_dir(data: &Path) -> Result<impl Send + use<>> {
    files::private_directory(data).map_err(|e| Error::Internal(format!("cannot create the data directory {}: {e}", data.display())))?;
    search::lock_index(&data.join("index")).map_err(from_search)
}

impl App {
    /// Counts text that a stranger wants stored; what is refused shows in the metrics.
    ///
    /// # Errors
    /// As [`RateLimits::text`].
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
    pub async fn new(settings: Settings, store: Store, clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>) -> Result<AppState> {
        let installation = store.installation(&ids.uuid().to_string(), clock.now()).await?;
        let keyring = Keyring::default();
        let mut secrets = store.signing_secrets().await?;
        if secrets.is_empty() {
            let (first, now) = (new_secret(&settings, ids.as_ref(), 1, Timestamp(0))?, clock.now());
            store.write(move |tx| Box::pin(async move { tx.insert_signing_secret(&first, now).await })).await?;
            secrets = store.signing_secrets().await?;
        }
        keyring.load(secrets, settings.secret.as_ref())?;
        let search = Search::new(
            settings.data.join("index"),
            installation.instance,
            Arc::new(StoreDocumentSource(store.clone())),
            Arc::clone(&clock),
        );
        let limits = RateLimits::new(&settings, &store);
        let mailer = settings.mail.as_ref().map(Mailer::new).transpose()?;
        let studio = ImageProcessing::new(&settings.program);
        Ok(Arc::new(Self {
            studio,
            limits,
            mailer,
            remembered: SurveyCache::default(),
            settings,
            store,
            search,
            clock,
            ids,
            budget: Arc::new(ResourceBudget::of_this_machine()),
            metrics: Metrics::default(),
            keyring,
            key_uses: KeyUseTracker::default(),
            jobs: tokio::sync::Notify::new(),
        }))
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What someone who may reach `scope` does now.
    #[must_use]
    pub fn context(&self, scope: &Scope) -> ActContext {
        ActContext { scope: *scope, now: self.now(), ids: Arc::clone(&self.ids) }
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
        self.keyring.load(self.store.signing_secrets().await?, self.settings.secret.as_ref())
    }

    /// Makes the secret of the next generation, which signs once every process has looked, and gives its number. Those before still verify.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rotate_secret(&self) -> Result<i64> {
        let now = self.now();
        let (settings, ids) = (self.settings.clone(), Arc::clone(&self.ids));
        let generation = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let generation = tx.newest_generation().await? + 1;
                    let new = new_secret(&settings, ids.as_ref(), generation, now.plus_ms(SECRET_ACTIVATION_DELAY_MS))?;
                    if !tx.insert_signing_secret(&new, now).await? {
                        return Err(domain::DomainError::Conflict("Someone else just rotated the secret.".into()).into());
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
pub const SECRET_ACTIVATION_DELAY_MS: i64 = 600_000;

fn new_secret(settings: &Settings, ids: &dyn IdSource, generation: i64, active_from: Timestamp) -> Result<SigningSecret> {
    let mut fresh = [0_u8; 32];
    ids.random(&mut fresh);
    let sealed = settings.secret.as_ref().map(|file| secret_fingerprint(file, generation)).transpose()?;
    Ok(SigningSecret { generation, secret: URL_SAFE_NO_PAD.encode(fresh), sealed, active_from: active_from.0 })
}
