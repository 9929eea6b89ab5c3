//! Cache of surveys.
//!
//! A survey lookup costs three statements, the same for each submission. So surveys are cached, and values checked against the cache are
//! checked again inside the transaction that stores the submission (see [`store::submissions::ValidEndpoint`]): even if another process
//! changed the survey or its project, no outdated rule is ever applied. Refusals are never based on the cache.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError, RwLock},
};

use domain::ids::SurveyId;

use super::SurveyTarget;

/// Maximum cached surveys, and keys; beyond it, all are dropped.
const MOST: usize = 1000;

/// Live surveys with their projects, and known project keys.
#[derive(Debug, Default)]
pub struct SurveyCache(RwLock<HashMap<SurveyId, Arc<SurveyTarget>>>, RwLock<HashSet<String>>);

impl SurveyCache {
    /// Returns a survey as it was last looked up.
    #[must_use]
    pub fn get(&self, survey: SurveyId) -> Option<Arc<SurveyTarget>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&survey).cloned()
    }

    /// Caches a survey, if this is its live version.
    pub fn put(&self, target: SurveyTarget) {
        if target.version != target.live {
            return;
        }
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(target.survey, Arc::new(target));
    }
    /// Whether a project with this key was seen.
    #[must_use]
    pub fn knows(&self, key: &str) -> bool {
        self.1.read().unwrap_or_else(PoisonError::into_inner).contains(key)
    }

    /// Caches a project key.
    pub fn put_key(&self, key: &str) {
        if self.knows(key) {
            return;
        }
        let mut all = self.1.write().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(key.to_owned());
    }
}
