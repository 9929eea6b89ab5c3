//! When the use of each API key was last recorded.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use domain::{Timestamp, ids::ApiKeyId};

/// Precision of the time of last use, in milliseconds.
pub(crate) const USE_MS: i64 = 60_000;

/// Time of each key's last recorded use, so that a busy key causes one write per minute.
#[derive(Debug, Default)]
pub struct KeyUseTracker(Mutex<HashMap<ApiKeyId, Timestamp>>);

impl KeyUseTracker {
    /// Whether to record the use now.
    pub(crate) fn is_due(&self, key: ApiKeyId, now: Timestamp) -> bool {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if written.get(&key).is_some_and(|at| now.0 - at.0 < USE_MS) {
            return false;
        }
        written.retain(|_, at| now.0 - at.0 < USE_MS);
        written.insert(key, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_key_is_written_once_a_minute() {
        let (uses, key) = (KeyUseTracker::default(), ApiKeyId(uuid::Uuid::from_u128(1)));
        assert!(uses.is_due(key, Timestamp(0)));
        assert!(!uses.is_due(key, Timestamp(59_999)));
        assert!(uses.is_due(key, Timestamp(60_000)));
        assert!(uses.is_due(ApiKeyId(uuid::Uuid::from_u128(2)), Timestamp(130_000)));
        assert_eq!(uses.0.lock().unwrap().len(), 1);
    }
}
