//! Passwords: acceptance rules (`rules`) and argon2id hashing, off the async threads with limited concurrency.

mod rules;

pub use rules::{MAX_BYTES, MIN_CHARS, PasswordContext, check};

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version, password_hash::phc::PasswordHash};
use store::staff::StaffRow;
use tokio::sync::Semaphore;

use crate::{
    error::{Error, Result},
    settings::PasswordCost,
    state::App,
};

/// Collects what an attacker knows about an account holder: their address, name and projects.
///
/// # Errors
/// When the database fails.
pub async fn password_context(app: &App, staff: &StaffRow) -> Result<PasswordContext> {
    let projects = app.store.projects_of(staff.id()?).await?;
    Ok(PasswordContext::new([staff.email.as_str(), &staff.name].into_iter().chain(projects.iter().map(|p| p.name.as_str()))))
}

/// Limits concurrent hashes: each takes a core and 19 MiB, and submissions must not wait for sign-ins.
static SLOTS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Arc::new(Semaphore::new((cores / 2).max(1)))
});

/// How long a request waits for a slot before it is rejected.
const PATIENCE: Duration = Duration::from_secs(3);

fn argon2(cost: PasswordCost) -> Result<Argon2<'static>> {
    let params = Params::new(cost.memory_kib, cost.passes, 1, None).map_err(|e| Error::internal("argon2", e))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let Ok(permit) = tokio::time::timeout(PATIENCE, Arc::clone(&SLOTS).acquire_owned()).await else {
        return Err(domain::DomainError::Busy(PATIENCE.as_secs()).into());
    };
    let permit = permit.map_err(|e| Error::internal("password slots", e))?;
    tokio::task::spawn_blocking(move || {
        let _permit = permit;
        work()
    })
    .await
    .map_err(|e| Error::internal("password thread", e))?
}

/// Hashes a password into the PHC string to store.
///
/// # Errors
/// Returns an error if hashing itself fails.
pub async fn hash(app: &App, password: String) -> Result<String> {
    let mut salt = [0_u8; 16];
    app.ids.random(&mut salt);
    let cost = app.settings.password_cost;
    off_thread(move || {
        let hash = argon2(cost)?.hash_password_with_salt(password.as_bytes(), &salt).map_err(|e| Error::internal("argon2", e))?;
        Ok(hash.to_string())
    })
    .await
}

/// Whether the password matches the stored string. Does the same work without a stored string, so that timing reveals nothing.
///
/// # Errors
/// Returns an error if hashing itself fails.
pub async fn verify(app: &App, password: String, stored: Option<String>) -> Result<bool> {
    let cost = app.settings.password_cost;
    off_thread(move || {
        let argon2 = argon2(cost)?;
        let Some(stored) = stored else {
            argon2.hash_password_with_salt(password.as_bytes(), &[7; 16]).map_err(|e| Error::internal("argon2", e))?;
            return Ok(false);
        };
        let stored = PasswordHash::new(&stored).map_err(|e| Error::internal("stored password", e))?;
        Ok(argon2.verify_password(password.as_bytes(), &stored).is_ok())
    })
    .await
}
