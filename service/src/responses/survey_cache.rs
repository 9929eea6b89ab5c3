//! Surveys as they were last looked up.
//!
//! Looking a survey up costs three statements, for each submission the same. So it is remembered, and what was checked against memory is
//! checked once more inside the transaction that stores it (see [`store::submissions::SurveySnapshot`]): whichever process changed the survey or
//! its project, nothing is ever taken by an outdated rule. Refusals are never made from memory.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError, RwLock},
};

use domain::ids::SurveyId;

use super::SurveyTarget;

/// Surveys, and keys, remembered at most; then all are forgotten.
const MOST: usize = 1000;

/// Live surveys with their projects, and keys of projects that were there.
#[derive(Debug, Default)]
pub struct SurveyCache(RwLock<HashMap<SurveyId, Arc<SurveyTarget>>>, RwLock<HashSet<String>>);

impl SurveyCache {
    /// A survey as it was last looked up.
    #[must_use]
    pub fn get(&self, survey: SurveyId) -> Option<Arc<SurveyTarget>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&survey).cloned()
    }

    /// Remembers a survey, if this is the version that people answer.
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
    /// Whether there was a project with this key.
    #[must_use]
    pub fn knows(&self, key: &str) -> bool {
        self.1.read().unwrap_or_else(PoisonError::into_inner).contains(key)
    }

    /// Remembers that there is a project with this key.
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
