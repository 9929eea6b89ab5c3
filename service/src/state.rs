//! Shared state of all use cases.

use std::{net::IpAddr, path::Path, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{Clock, DomainError as Refusal, IdSource, Timestamp, accounts::Scope};
use search::Search;
use store::{ActContext, Store, files, installation::SigningSecret};

use crate::{
    document_source::StoreDocumentSource,
    error::{Error, Result, from_search},
    images::processing::ImageProcessing,
    key_use_tracker::KeyUseTracker,
    limits::{RateLimits, budget::ResourceBudget},
    mail::Mailer,
    metrics::Metrics,
    settings::Settings,
    signing::{Keyring, secret_fingerprint},
    survey_cache::SurveyCache,
};

/// The running program without its interfaces.
pub struct App {
    /// Settings.
    pub settings: Settings,
    /// The database.
    pub store: Store,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Feedback search.
    pub search: Search,
    /// Source of randomness, and of ids that no row has: those of requests, and the keys of forms. The store makes the ids of rows.
    pub ids: Arc<dyn IdSource>,
    /// Rate limits.
    pub limits: RateLimits,
    /// Resource budgets of people without an account.
    pub budget: Arc<ResourceBudget>,
    /// Metrics for monitoring.
    pub metrics: Metrics,
    /// Live surveys, cached for submissions.
    pub surveys: SurveyCache,
    /// Secrets for everything this installation signs.
    pub keyring: Keyring,
    /// Image processing.
    pub image_processing: ImageProcessing,
    /// The connection to the mail server; `None`: no mail is sent.
    pub mailer: Option<Mailer>,
    /// Recently recorded uses of API keys.
    pub key_uses: KeyUseTracker,
    /// Wakes the workers of this process; see [`App::wake_jobs`].
    pub jobs: tokio::sync::Notify,
}

/// Shared by all handlers and jobs.
pub type AppState = Arc<App>;

/// Locks the data directory, creating it if necessary. While the lock is held, no other process serves from it.
///
/// # Errors
/// Returns an error if another process holds the lock, or the directory cannot be created or written.
pub fn lock_data_dir(data: &Path) -> Result<impl Send + use<>> {
    files::private_directory(data).map_err(|e| Error::Internal(format!("cannot create the data directory {}: {e}", data.display())))?;
    search::lock_index(&data.join("index")).map_err(from_search)
}

impl App {
    /// Counts text that a stranger submits; rejections appear in the metrics.
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

    /// Creates the program over an open store; creates the installation's secret on first use.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn new(settings: Settings, store: Store, clock: Arc<dyn Clock>) -> Result<AppState> {
        let ids = Arc::clone(store.ids());
        if let Some(url) = &settings.public_url {
            store.set_public_url(url);
        }
        let installation = store.installation(clock.now()).await?;
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
        let image_processing = ImageProcessing::new(&settings.program);
        Ok(Arc::new(Self {
            image_processing,
            limits,
            mailer,
            surveys: SurveyCache::default(),
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

    /// Returns the current time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns the context for an act in `scope` now.
    #[must_use]
    pub fn context(&self, scope: &Scope) -> ActContext {
        ActContext { scope: *scope, now: self.now() }
    }

    /// Wakes a worker of this process because the queue has a new job.
    pub fn wake_jobs(&self) {
        self.jobs.notify_one();
    }

    /// Returns a fresh unguessable token: 256 bits, URL-safe.
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

    /// Whether we signed this text for this purpose with a secret that is still accepted; see [`Keyring::verify`].
    ///
    /// # Errors
    /// Never in practice.
    pub fn verify(&self, purpose: &str, text: &str, proof: &str) -> Result<bool> {
        self.keyring.verify(purpose, text, proof)
    }

    /// Reloads the accepted secrets: another process may have added or removed one.
    ///
    /// # Errors
    /// Returns an error if the database fails, or a secret needs a missing file.
    pub async fn reload_secrets(&self) -> Result<()> {
        self.keyring.load(self.store.signing_secrets().await?, self.settings.secret.as_ref())
    }

    /// Creates the next generation's secret, used once every process has loaded it, and returns its number. Earlier secrets still verify.
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

    /// Retires all secrets but the newest: their signatures become invalid. Returns the number retired.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn retire_secrets(&self) -> Result<u64> {
        let gone = self.store.write(|tx| Box::pin(async move { tx.retire_signing_secrets().await })).await?;
        self.reload_secrets().await?;
        Ok(gone)
    }
}

/// Delay before a new secret is used for signing: by then every process has reloaded its secrets (see `jobs/runner.rs`).
pub const SECRET_ACTIVATION_DELAY_MS: i64 = 600_000;

fn new_secret(settings: &Settings, ids: &dyn IdSource, generation: i64, active_from: Timestamp) -> Result<SigningSecret> {
    let mut fresh = [0_u8; 32];
    ids.random(&mut fresh);
    let sealed = settings.secret.as_ref().map(|file| secret_fingerprint(file, generation)).transpose()?;
    Ok(SigningSecret { generation, secret: URL_SAFE_NO_PAD.encode(fresh), sealed, active_from: active_from.0 })
}
