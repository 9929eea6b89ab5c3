//! Rate limits: token buckets (see [`domain::accounts::throttle`]) by key.
//!
//! With SQLite there is one process, and the buckets are in its memory. With PostgreSQL they are rows, so that a limit applies across all
//! nodes; frequent counters lease tokens from there in batches, so that most requests need no query.

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
/// One e-mail address from one network address: a person mistyping.
const PAIR: RateLimit = RateLimit { burst: 10, window_ms: QUARTER_HOUR_MS };
/// One network address across all accounts: an office, or an attacker trying one password on many accounts.
const ADDRESS: RateLimit = RateLimit { burst: 50, window_ms: QUARTER_HOUR_MS };
/// One e-mail address from anywhere: many machines guessing together. Above [`NETWORK`], so that no single customer of an internet
/// provider can lock someone out; browsers that signed in before have a separate quota ([`LimitKey::SignInDevice`]).
const EMAIL: RateLimit = RateLimit { burst: 200, window_ms: QUARTER_HOUR_MS };
/// One IPv6 /48, which a single customer may hold: 65,536 of the networks that count as one address.
const NETWORK: RateLimit = RateLimit { burst: 100, window_ms: QUARTER_HOUR_MS };
/// Password reset e-mails requested by one network for one e-mail address.
const FORGOT: RateLimit = RateLimit { burst: 3, window_ms: HOUR_MS };
/// E-mails to unconfirmed addresses: triggered by one network, and for one project. They damage the sender's reputation
/// when strangers choose the recipients.
const MAIL_NETWORK: RateLimit = RateLimit { burst: 20, window_ms: 24 * HOUR_MS };
const MAIL_PROJECT: RateLimit = RateLimit { burst: 200, window_ms: HOUR_MS };

/// An IPv6 /48 may send as much as this many addresses.
const NETWORK_ADDRESSES: u32 = 5;
/// Kibibytes stored per address and hour, files and long texts together: twice the largest message.
pub const FILES: RateLimit = RateLimit { burst: 20 << 10, window_ms: 60 * MINUTE_MS };
/// The same for an IPv6 /48.
const NETWORK_FILES: RateLimit = RateLimit { burst: 3 * FILES.burst, window_ms: FILES.window_ms };
/// Bytes of each text that are free of charge. Ordinary answers are shorter, so that people behind one address do not limit each other.
const SMALL_TEXT: usize = 1024;
/// Disk bytes per byte of text: its rows, their log and the search index. Measured with messages of 10,000 characters.
const TEXT_COST: u64 = 16;
/// Invalid API keys from one address: a program with an old key that polls every second.
const WRONG_KEYS: RateLimit = RateLimit { burst: 60, window_ms: MINUTE_MS };

/// A submission charged to its project's quota. Dropped, it stays charged: a client that hangs up may have its submission stored nevertheless.
pub struct SubmissionQuota<'a> {
    limits: &'a RateLimits,
    key: LimitKey,
}

impl SubmissionQuota<'_> {
    /// Returns the quota of a submission that was not stored: refused submissions cannot block a project.
    pub fn refund(self) {
        match &self.limits.buckets {
            BucketStore::InMemory(buckets) => buckets.give_back(&[(self.key, self.limits.per_project)]),
            BucketStore::Shared(_, leases) => leases.give_back(&self.key),
        }
    }
}

/// The key of a limit.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LimitKey {
    /// Submissions from a network address.
    Address(IpAddr),
    /// Submissions from an IPv6 /48.
    Network([u16; 3]),
    /// Stored survey responses of a project.
    Project(ProjectId),
    /// Stored portal messages of a project.
    Portal(ProjectId),
    /// Kibibytes of stored files from an address.
    Files(IpAddr),
    /// Kibibytes of stored files from an IPv6 /48.
    NetworkFiles([u16; 3]),
    /// Milliseconds of processor time for a network's images; counted by each process separately.
    Pictures(ClientNetwork),
    /// Invalid API keys from an address.
    WrongKeys(IpAddr),
    /// Requests with an API key.
    ApiKey(uuid::Uuid),
    /// Sign-in attempts: an account (the hash of its e-mail address) from a network address.
    SignInPair(String, IpAddr),
    /// Sign-in attempts from a network address.
    SignInAddress(IpAddr),
    /// Sign-in attempts from an IPv6 /48.
    SignInNetwork([u16; 3]),
    /// Sign-in attempts for an account, from anywhere.
    SignInEmail(String),
    /// Sign-in attempts from a browser that signed in to this account before, by the random part of its cookie.
    SignInDevice(String),
    /// Password change attempts by a signed-in person.
    ChangePassword(StaffId),
    /// Password reset e-mails for an account (the hash of its e-mail address) and a network.
    Forgot(String, ClientNetwork),
    /// Password reset e-mails by network.
    ForgotNetwork(ClientNetwork),
    /// E-mails to unconfirmed addresses, by network.
    MailNetwork(ClientNetwork),
    /// E-mails to unconfirmed addresses, by project.
    MailProject(ProjectId),
}

impl fmt::Display for LimitKey {
    /// Formats the key for a database row.
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
            Self::MailNetwork(network) => write!(f, "letters network {network}"),
            Self::MailProject(project) => write!(f, "letters project {project}"),
        }
    }
}

/// Remaining quota after a request was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimitStatus {
    /// Maximum burst.
    pub limit: u32,
    /// Remaining tokens; a lower bound with several nodes.
    pub remaining: u32,
    /// Seconds until the quota is full again.
    pub reset: u64,
}

/// The limits of this installation.
pub struct RateLimits {
    per_address: RateLimit,
    per_network: RateLimit,
    per_project: RateLimit,
    per_api_key: RateLimit,
    buckets: BucketStore,
}

enum BucketStore {
    /// In this process, the only one.
    InMemory(MemoryBuckets),
    /// In the database, shared by all nodes.
    Shared(Store, Box<RateLimitLeases>),
}

/// An attempt that was allowed; return it if it succeeds.
#[derive(Debug)]
pub struct LoginAttempt(Vec<(LimitKey, RateLimit)>);

impl RateLimits {
    /// Creates the limits as configured, stored where all processes that use `store` see them.
    #[must_use]
    pub fn new(settings: &Settings, store: &Store) -> Self {
        let per_minute = |burst| RateLimit { burst, window_ms: MINUTE_MS };
        let buckets = match store.dialect() {
            Dialect::Sqlite => BucketStore::InMemory(MemoryBuckets::default()),
            Dialect::Postgres => BucketStore::Shared(store.clone(), Box::default()),
        };
        // Half of a project's quota, so that one customer's network never blocks a project for everyone; each address keeps its own limit.
        let network =
            settings.rate_per_address.saturating_mul(NETWORK_ADDRESSES).min(settings.rate_per_key / 2).max(settings.rate_per_address);
        Self {
            per_address: per_minute(settings.rate_per_address),
            per_network: per_minute(network),
            per_project: per_minute(settings.rate_per_key),
            per_api_key: per_minute(settings.rate_per_api_key),
            buckets,
        }
    }

    /// Counts one submission from an address (see [`budget::narrow`]).
    ///
    /// # Errors
    /// [`Refusal::RateLimited`] if there were too many.
    pub async fn address(&self, address: IpAddr, now: Timestamp) -> Result<()> {
        self.count(LimitKey::Address(address), self.per_address, now).await?;
        if let Some(wide) = wide(address) {
            self.count(LimitKey::Network(wide), self.per_network, now).await?;
        }
        Ok(())
    }

    /// Charges one submission to its project's quota.
    ///
    /// # Errors
    /// As [`RateLimits::address`].
    pub async fn project(&self, project: ProjectId, now: Timestamp) -> Result<SubmissionQuota<'_>> {
        self.charge(LimitKey::Project(project), now).await
    }

    /// Counts one message to the portal of a project, as [`RateLimits::project`] does for surveys.
    ///
    /// # Errors
    /// As [`RateLimits::address`].
    pub async fn portal(&self, project: ProjectId, now: Timestamp) -> Result<SubmissionQuota<'_>> {
        self.charge(LimitKey::Portal(project), now).await
    }

    async fn charge(&self, key: LimitKey, now: Timestamp) -> Result<SubmissionQuota<'_>> {
        self.count(key.clone(), self.per_project, now).await?;
        Ok(SubmissionQuota { limits: self, key })
    }

    /// Counts bytes of files from an address that are about to be stored.
    ///
    /// # Errors
    /// [`Refusal::RateLimited`] if there were too many recently.
    pub async fn files(&self, address: IpAddr, bytes: u64, now: Timestamp) -> Result<()> {
        let mut keys = vec![(LimitKey::Files(address), FILES)];
        if let Some(wide) = wide(address) {
            keys.push((LimitKey::NetworkFiles(wide), NETWORK_FILES));
        }
        let count = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        match &self.buckets {
            BucketStore::InMemory(buckets) => Ok(buckets.take_exactly(&keys, count, now)?),
            BucketStore::Shared(store, _) => {
                keys.sort_by(|a, b| a.0.cmp(&b.0));
                let rows = rows(&keys);
                store.write(move |tx| Box::pin(async move { tx.take_exactly_from_buckets(&rows, count, now).await })).await
            }
        }
    }

    /// Counts the text of a message or an answer from an address by its disk usage, together with [`RateLimits::files`].
    ///
    /// # Errors
    /// As [`RateLimits::files`].
    pub async fn text(&self, address: IpAddr, bytes: usize, now: Timestamp) -> Result<()> {
        match bytes.saturating_sub(SMALL_TEXT) {
            0 => Ok(()),
            counted => self.files(address, (counted as u64).saturating_mul(TEXT_COST), now).await,
        }
    }

    /// Counts an invalid API key.
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
        match &self.buckets {
            BucketStore::InMemory(buckets) => Ok(buckets.take(key, limit, now)?),
            BucketStore::Shared(store, leases) => leases.take(store, key, limit, now).await,
        }
    }

    /// Takes one sign-in attempt for an e-mail address (given as a hash) and a network address. Counts attempts whether or not the account
    /// exists. A rejected attempt counts nowhere: a rejection by address must not use up the account's attempts. A `device` that signed in
    /// before has a separate quota and uses up no other.
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

    /// Takes one password change attempt by a signed-in person.
    ///
    /// # Errors
    /// As [`RateLimits::sign_in`].
    pub async fn change_password(&self, staff: StaffId, now: Timestamp) -> Result<LoginAttempt> {
        self.attempt(vec![(LimitKey::ChangePassword(staff), PAIR)], now).await
    }

    /// Counts one password reset request. Independent of the sign-in quota, which a person who forgot their password has
    /// already used up.
    ///
    /// # Errors
    /// As [`RateLimits::sign_in`].
    pub async fn count_password_reset(&self, email_hash: &str, address: IpAddr, now: Timestamp) -> Result<()> {
        let network = ClientNetwork::widest(address);
        let keys = vec![(LimitKey::Forgot(email_hash.into(), network), FORGOT), (LimitKey::ForgotNetwork(network), MAIL_NETWORK)];
        self.attempt(keys, now).await.map(drop)
    }

    /// Counts one e-mail that someone at `address` triggers for a project, to an address that they entered.
    ///
    /// # Errors
    /// As [`RateLimits::sign_in`].
    pub async fn email(&self, project: ProjectId, address: IpAddr, now: Timestamp) -> Result<()> {
        let keys =
            vec![(LimitKey::MailNetwork(ClientNetwork::widest(address)), MAIL_NETWORK), (LimitKey::MailProject(project), MAIL_PROJECT)];
        self.attempt(keys, now).await.map(drop)
    }

    /// Takes one token from each bucket, or none from any.
    async fn attempt(&self, mut keys: Vec<(LimitKey, RateLimit)>, now: Timestamp) -> Result<LoginAttempt> {
        // A fixed order, so that two transactions never deadlock.
        keys.sort_by(|a, b| a.0.cmp(&b.0));
        match &self.buckets {
            BucketStore::InMemory(buckets) => buckets.take_all(&keys, now)?,
            BucketStore::Shared(store, _) => {
                let rows = rows(&keys);
                store.write(move |tx| Box::pin(async move { tx.take_from_buckets(&rows, 1, now).await })).await?;
            }
        }
        Ok(LoginAttempt(keys))
    }

    /// Returns the attempt after a correct password.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn give_back(&self, attempt: LoginAttempt) -> Result<()> {
        match &self.buckets {
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

/// Returns the refusal for this many seconds.
fn refusal(seconds: u64) -> Refusal {
    Refusal::RateLimited(seconds)
}
