//! Live surveys, cached.
//!
//! Looking up a survey costs three statements, the same ones for every submission. The cache saves them; the transaction that stores the
//! submission then compares what it was checked against (see [`store::submissions::SurveySnapshot`]). So no submission is accepted under an
//! outdated rule, whichever process changed the survey or its project, and none is refused because of the cache.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, PoisonError, RwLock},
};

use domain::{
    ids::{ProjectId, SurveyId, VersionId},
    projects::Project,
    surveys::{SurveyBody, SurveyStatus},
};

/// Maximum number of surveys, and of keys. A full cache is emptied.
const MAX_ENTRIES: usize = 1000;

/// A published survey with the version used to read answers.
#[derive(Debug, Clone)]
pub struct SurveyTarget {
    /// The survey's id.
    pub survey: SurveyId,
    /// Its project.
    pub project: Project,
    /// Whether people can answer.
    pub status: SurveyStatus,
    /// The live version.
    pub live: VersionId,
    /// The version being answered: the live one, or that of a page opened earlier.
    pub version: VersionId,
    /// The content of that version.
    pub body: SurveyBody,
}

/// Live surveys with their projects, and the projects' public keys.
#[derive(Debug, Default)]
pub struct SurveyCache {
    surveys: Entries<SurveyId, Arc<SurveyTarget>>,
    projects: Entries<String, ProjectId>,
}

impl SurveyCache {
    /// A survey as it was last looked up.
    #[must_use]
    pub fn get(&self, survey: SurveyId) -> Option<Arc<SurveyTarget>> {
        self.surveys.get(&survey)
    }

    /// Caches a survey, if this is its live version.
    pub fn put(&self, target: &Arc<SurveyTarget>) {
        if target.version == target.live {
            self.surveys.put(target.survey, Arc::clone(target));
        }
    }

    /// The project that had this public key when it was last looked up.
    #[must_use]
    pub fn project(&self, key: &str) -> Option<ProjectId> {
        self.projects.get(key)
    }

    /// Caches the project of a public key.
    pub fn put_project(&self, key: &str, project: ProjectId) {
        if self.project(key) != Some(project) {
            self.projects.put(key.to_owned(), project);
        }
    }
}

#[derive(Debug)]
struct Entries<K, V>(RwLock<HashMap<K, V>>);

impl<K, V> Default for Entries<K, V> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<K: Eq + Hash, V: Clone> Entries<K, V> {
    fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn put(&self, key: K, value: V) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_ENTRIES {
            all.clear();
        }
        all.insert(key, value);
    }
}
