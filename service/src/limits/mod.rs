//! How often something may be done: token buckets (see [`domain::accounts::throttle`]) by key.
//!
//! Over SQLite there is one process, and the buckets are in its memory. Over PostgreSQL they are rows, so that a limit holds over all
//! nodes; what is counted often is taken from there in small lots, so that most requests ask nobody.

pub mod budget;
mod leases;
mod memory;

use std::{fmt, net::IpAddr};

use domain::{
    DomainError as Refusal, Timestamp,
    accounts::throttle::RateLimit,
    ids::{ProjectId, StaffId},
};
use store::{Dialect, Store};

use self::{
    budget::{ClientNetwork, wide},
    leases::RateLimitLeases,
    memory::MemoryBuckets,
};
use crate::{error::Result, settings::Settings};

const MINUTE_MS: i64 = 60_000;
const QUARTER_HOUR_MS: i64 = 15 * MINUTE_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
/// One e-mail address from one network address: a person who mistypes.
const PAIR: RateLimit = RateLimit { burst: 10, window_ms: QUARTER_HOUR_MS };
/// One network address over all accounts: an office, or someone trying one password on many accounts.
const ADDRESS: RateLimit = RateLimit { burst: 50, window_ms: QUARTER_HOUR_MS };
/// One e-mail address from everywhere: many machines guessing together. Above [`NETWORK`], so that no single customer of an internet
/// provider can lock someone out; browsers that signed in before have attempts of their own ([`LimitKey::SignInDevice`]).
const EMAIL: RateLimit = RateLimit { burst: 200, window_ms: QUARTER_HOUR_MS };
/// One IPv6 /48, which a single customer may hold: 65,536 times what counts as one address.
const NETWORK: RateLimit = RateLimit { burst: 100, window_ms: QUARTER_HOUR_MS };
/// Letters to set a new password that one network asks for, for one e-mail address.
const FORGOT: RateLimit = RateLimit { burst: 3, window_ms: HOUR_MS };
/// Letters that one network has us send to addresses that nobody has confirmed, and to how many for one project. They ruin the sender's
/// name when strangers choose where they go.
const LETTERS_NETWORK: RateLimit = RateLimit { burst: 20, window_ms: 24 * HOUR_MS };
const LETTERS_PROJECT: RateLimit = RateLimit { burst: 200, window_ms: HOUR_MS };

/// An IPv6 /48 may send what so many addresses may.
const NETWORK_ADDRESSES: u32 = 5;
/// Kibibytes that are stored for one address in an hour, files and long texts together: the largest message twice.
pub const FILES: RateLimit = RateLimit { burst: 20 << 10, window_ms: 60 * MINUTE_MS };
/// The same for an IPv6 /48.
const NETWORK_FILES: RateLimit = RateLimit { burst: 3 * FILES.burst, window_ms: FILES.window_ms };
/// Bytes of each text that are not charged as stored. Ordinary answers stay below, so that people behind one address do not limit each other.
const SMALL_TEXT: usize = 1024;
/// Bytes on the disk that a byte of text becomes: its rows, their log and the search index. Measured with messages of 10,000 characters.
const TEXT_COST: u64 = 16;
/// Keys of the API that open nothing, from one address: a program with an old key that asks each second.
const WRONG_KEYS: RateLimit = RateLimit { burst: 60, window_ms: MINUTE_MS };

/// A submission that was counted for its project.
#[derive(Debug)]
pub struct SubmissionQuota(LimitKey);

impl SubmissionQuota {
    /// It was not stored: it counts for nothing.
    pub fn was_refused(self, limits: &RateLimits) {
        match &limits.kept {
            BucketStore::InMemory(buckets) => buckets.give_back(&[(self.0, limits.per_project)]),
            BucketStore::Shared(_, lots) => lots.give_back(&self.0),
        }
    }
}

/// What is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LimitKey {
    /// Submissions from a network address.
    Address(IpAddr),
    /// Submissions from an IPv6 /48.
    Network([u16; 3]),
    /// Answers to surveys of a project that are stored.
    Project(ProjectId),
    /// Messages to the portal of a project that are stored.
    Portal(ProjectId),
    /// Kibibytes of files from an address that are stored.
    Files(IpAddr),
    /// Kibibytes of files from an IPv6 /48 that are stored.
    NetworkFiles([u16; 3]),
    /// Milliseconds of processor time for pictures of a network; counted by each process for itself.
    Pictures(ClientNetwork),
    /// Keys of the API from an address that open nothing.
    WrongKeys(IpAddr),
    /// Requests with an API key.
    ApiKey(uuid::Uuid),
    /// Attempts to sign in: an account (the hash of its e-mail address) from a network address.
    SignInPair(String, IpAddr),
    /// Attempts to sign in from a network address.
    SignInAddress(IpAddr),
    /// Attempts to sign in from an IPv6 /48.
    SignInNetwork([u16; 3]),
    /// Attempts to sign in to an account, from everywhere.
    SignInEmail(String),
    /// Attempts to sign in with a browser that signed in to this account before, by the random part of its cookie.
    SignInDevice(String),
    /// Attempts of a signed-in person to change their password.
    ChangePassword(StaffId),
    /// Letters to set a new password, for an account (the hash of its e-mail address) and a network.
    Forgot(String, ClientNetwork),
    /// Letters to set a new password, by network.
    ForgotNetwork(ClientNetwork),
    /// Letters to addresses that nobody has confirmed, by network.
    LettersNetwork(ClientNetwork),
    /// Letters to addresses that nobody has confirmed, by project.
    LettersProject(ProjectId),
}

impl fmt::Display for LimitKey {
    /// As the key of a row.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "address {address}"),
            Self::Network([a, b, c]) => write!(f, "network {a:x}:{b:x}:{c:x}"),
            Self::Project(project) => write!(f, "project {project}"),
            Self::Portal(project) => write!(f, "portal {project}"),
            Self::Files(address) => write!(f, "files {address}"),
            Self::NetworkFiles([a, b, c]) => write!(f, "network files {a:x}:{b:x}:{c:x}"),
            Self::Pictures(network) => write!(f, "pictures {network}"),
            Self::WrongKeys(address) => write!(f, "wrong-keys {address}"),
            Self::ApiKey(key) => write!(f, "api-key {key}"),
            Self::SignInPair(email, address) => write!(f, "sign-in {email} {address}"),
            Self::SignInAddress(address) => write!(f, "sign-in address {address}"),
            Self::SignInNetwork([a, b, c]) => write!(f, "sign-in network {a:x}:{b:x}:{c:x}"),
            Self::SignInEmail(email) => write!(f, "sign-in {email}"),
            Self::SignInDevice(device) => write!(f, "sign-in device {device}"),
            Self::ChangePassword(staff) => write!(f, "change-password {staff}"),
            Self::Forgot(email, network) => write!(f, "forgot {email} {network}"),
            Self::ForgotNetwork(network) => write!(f, "forgot network {network}"),
            Self::LettersNetwork(network) => write!(f, "letters network {network}"),
            Self::LettersProject(project) => write!(f, "letters project {project}"),
        }
    }
}

/// What is left after something was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimitStatus {
    /// The most at once.
    pub limit: u32,
    /// How many are left; over several nodes at least so many.
    pub remaining: u32,
    /// In how many seconds all are there again.
    pub reset: u64,
}

/// The limits of this installation.
pub struct RateLimits {
    per_address: RateLimit,
    per_network: RateLimit,
    per_project: RateLimit,
    per_api_key: RateLimit,
    kept: BucketStore,
}

enum BucketStore {
    /// In this process, the only one.
    InMemory(MemoryBuckets),
    /// In the database, for all nodes.
    Shared(Store, Box<RateLimitLeases>),
}

/// An attempt that was let through; give it back when it was rightful.
#[derive(Debug)]
pub struct LoginAttempt(Vec<(LimitKey, RateLimit)>);

impl RateLimits {
    /// The limits as configured, kept where all processes over `store` see them.
    #[must_use]
    pub fn new(settings: &Settings, store: &Store) -> Self {
        let per_minute = |burst| RateLimit { burst, window_ms: MINUTE_MS };
        let kept = match store.dialect() {
            Dialect::Sqlite => BucketStore::InMemory(MemoryBuckets::default()),
            Dialect::Postgres => BucketStore::Shared(store.clone(), Box::default()),
        };
        // Half of what a project takes, so that one customer's network never closes a project for everyone; an address has its own in any case.
        let network =
            settings.rate_per_address.saturating_mul(NETWORK_ADDRESSES).min(settings.rate_per_key / 2).max(settings.rate_per_address);
        Self {
            per_address: per_minute(settings.rate_per_address),
            per_network: per_minute(network),
            per_project: per_minute(settings.rate_per_key),
            per_api_key: per_minute(settings.rate_per_api_key),
            kept,
        }
    }

    /// Counts one submission from an address (see [`budget::narrow`]).
    ///
    /// # Errors
    /// [`Refusal::RateLimited`] when there were too many.
    pub async fn address(&self, address: IpAddr, now: Timestamp) -> Result<()> {
        self.count(LimitKey::Address(address), self.per_address, now).await?;
        if let Some(wide) = wide(address) {
            self.count(LimitKey::Network(wide), self.per_network, now).await?;
        }
        Ok(())
    }

    /// Counts one submission for a project. What is not stored after all is given back ([`SubmissionQuota::was_refused`]): nobody closes a project by sending
    /// it what it does not take.
    ///
    /// # Errors
    /// As [`RateLimits::address`].
    pub async fn project(&self, project: ProjectId, now: Timestamp) -> Result<SubmissionQuota> {
        self.intake(LimitKey::Project(project), now).await
    }

    /// Counts one message to the portal of a project, as [`RateLimits::project`] does for surveys.
    ///
    /// # Errors
    /// As [`RateLimits::address`].
    pub async fn portal(&self, project: ProjectId, now: Timestamp) -> Result<SubmissionQuota> {
        self.intake(LimitKey::Portal(project), now).await
    }

    async fn intake(&self, key: LimitKey, now: Timestamp) -> Result<SubmissionQuota> {
        self.count(key.clone(), self.per_project, now).await?;
        Ok(SubmissionQuota(key))
    }

    /// Counts bytes of files from an address that are about to be stored.
    ///
    /// # Errors
    /// [`Refusal::RateLimited`] when there were too many of late.
    pub async fn files(&self, address: IpAddr, bytes: u64, now: Timestamp) -> Result<()> {
        let mut keys = vec![(LimitKey::Files(address), FILES)];
        if let Some(wide) = wide(address) {
            keys.push((LimitKey::NetworkFiles(wide), NETWORK_FILES));
        }
        let count = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        match &self.kept {
            BucketStore::InMemory(buckets) => Ok(buckets.take_exactly(&keys, count, now)?),
            BucketStore::Shared(store, _) => {
                keys.sort_by(|a, b| a.0.cmp(&b.0));
                let rows = rows(&keys);
                store.write(move |tx| Box::pin(async move { tx.take_exactly_from_buckets(&rows, count, now).await })).await
            }
        }
    }

    /// Counts the text of a message or an answer from an address as what it will take on the disk, together with [`RateLimits::files`].
    ///
    /// # Errors
    /// As [`RateLimits::files`].
    pub async fn text(&self, address: IpAddr, bytes: usize, now: Timestamp) -> Result<()> {
        match bytes.saturating_sub(SMALL_TEXT) {
            0 => Ok(()),
            counted => self.files(address, (counted as u64).saturating_mul(TEXT_COST), now).await,
        }
    }

    /// Counts a key of the API that opens nothing.
    ///
    /// # Errors
    /// As [`RateLimits::address`].
    pub async fn invalid_api_key(&self, address: IpAddr, now: Timestamp) -> Result<()> {
        self.count(LimitKey::WrongKeys(address), WRONG_KEYS, now).await.map(drop)
    }

    /// Counts one request with an API key.
    ///
    /// # Errors
    /// As [`RateLimits::address`].
    pub async fn api_key(&self, key: uuid::Uuid, now: Timestamp) -> Result<RateLimitStatus> {
        self.count(LimitKey::ApiKey(key), self.per_api_key, now).await
    }

    async fn count(&self, key: LimitKey, limit: RateLimit, now: Timestamp) -> Result<RateLimitStatus> {
        match &self.kept {
            BucketStore::InMemory(buckets) => Ok(buckets.take(key, limit, now)?),
            BucketStore::Shared(store, lots) => lots.take(store, key, limit, now).await,
        }
    }

    /// Takes one attempt to sign in, for an e-mail address (given as a hash) and a network address. What is counted is the attempt, never
    /// whether the account exists. One that is refused for any reason counts for nothing: who is refused by address must not use up the
    /// account's attempts. A `device` that signed in before has attempts of its own, and uses up nobody else's.
    ///
    /// # Errors
    /// [`Refusal::RateLimited`] with the seconds to wait.
    pub async fn sign_in(&self, email_hash: &str, address: IpAddr, device: Option<&str>, now: Timestamp) -> Result<LoginAttempt> {
        if let Some(device) = device {
            return self.attempt(vec![(LimitKey::SignInDevice(device.into()), PAIR)], now).await;
        }
        let mut keys = vec![
            (LimitKey::SignInPair(email_hash.into(), address), PAIR),
            (LimitKey::SignInAddress(address), ADDRESS),
            (LimitKey::SignInEmail(email_hash.into()), EMAIL),
        ];
        if let Some(wide) = wide(address) {
            keys.push((LimitKey::SignInNetwork(wide), NETWORK));
        }
        self.attempt(keys, now).await
    }

    /// Takes one attempt of a signed-in person to change their password.
    ///
    /// # Errors
    /// As [`RateLimits::sign_in`].
    pub async fn change_password(&self, staff: StaffId, now: Timestamp) -> Result<LoginAttempt> {
        self.attempt(vec![(LimitKey::ChangePassword(staff), PAIR)], now).await
    }

    /// Counts one request for a letter that sets a new password. None of what signing in uses up is needed: who forgot a password has
    /// used that up.
    ///
    /// # Errors
    /// As [`RateLimits::sign_in`].
    pub async fn count_password_reset(&self, email_hash: &str, address: IpAddr, now: Timestamp) -> Result<()> {
        let network = ClientNetwork::widest(address);
        let keys = vec![(LimitKey::Forgot(email_hash.into(), network), FORGOT), (LimitKey::ForgotNetwork(network), LETTERS_NETWORK)];
        self.attempt(keys, now).await.map(drop)
    }

    /// Counts one letter that someone at `address` has us send for a project, to an address that they typed.
    ///
    /// # Errors
    /// As [`RateLimits::sign_in`].
    pub async fn letter(&self, project: ProjectId, address: IpAddr, now: Timestamp) -> Result<()> {
        let keys = vec![
            (LimitKey::LettersNetwork(ClientNetwork::widest(address)), LETTERS_NETWORK),
            (LimitKey::LettersProject(project), LETTERS_PROJECT),
        ];
        self.attempt(keys, now).await.map(drop)
    }

    /// Takes one from each bucket, or nothing from any.
    async fn attempt(&self, mut keys: Vec<(LimitKey, RateLimit)>, now: Timestamp) -> Result<LoginAttempt> {
        // In one order for all, so that two transactions never wait for each other.
        keys.sort_by(|a, b| a.0.cmp(&b.0));
        match &self.kept {
            BucketStore::InMemory(buckets) => buckets.take_all(&keys, now)?,
            BucketStore::Shared(store, _) => {
                let rows = rows(&keys);
                store.write(move |tx| Box::pin(async move { tx.take_from_buckets(&rows, 1, now).await })).await?;
            }
        }
        Ok(LoginAttempt(keys))
    }

    /// A right password costs nothing.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn give_back(&self, attempt: LoginAttempt) -> Result<()> {
        match &self.kept {
            BucketStore::InMemory(buckets) => buckets.give_back(&attempt.0),
            BucketStore::Shared(store, _) => {
                let rows = rows(&attempt.0);
                store.write(move |tx| Box::pin(async move { tx.give_back_to_buckets(&rows).await })).await?;
            }
        }
        Ok(())
    }
}

fn rows(keys: &[(LimitKey, RateLimit)]) -> Vec<(String, RateLimit)> {
    keys.iter().map(|(key, limit)| (key.to_string(), *limit)).collect()
}

/// The refusal for so many seconds.
fn refusal(seconds: u64) -> Refusal {
    Refusal::RateLimited(seconds)
}
