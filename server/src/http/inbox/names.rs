//! Names of members and surveys.

use std::collections::HashMap;

use domain::{
    accounts::Scope,
    feedback::Feedback,
    ids::{StaffId, SurveyId},
};
use service::error::Result;
use store::triage::Assignable;

use crate::http::console::ConsoleRequest;

/// Names that rows and facets show instead of IDs.
pub(super) struct DisplayNames {
    /// Members of the project.
    pub members: Vec<Assignable>,
    /// Surveys.
    pub surveys: HashMap<SurveyId, String>,
}

impl DisplayNames {
    pub(super) async fn read(console: &ConsoleRequest, scope: &Scope) -> Result<Self> {
        let store = &console.app.store;
        let (members, surveys) = tokio::try_join!(store.assignable(scope), store.survey_names(scope))?;
        Ok(Self { members, surveys })
    }

    pub(super) fn member(&self, staff: StaffId) -> String {
        self.members.iter().find(|m| m.id == staff).map_or_else(|| "a former member".to_owned(), |m| m.name.clone())
    }

    pub(super) fn source(&self, feedback: &Feedback) -> String {
        feedback.survey.and_then(|s| self.surveys.get(&s).cloned()).unwrap_or_else(|| feedback.kind.label().to_owned())
    }

    pub(super) fn options(&self) -> Vec<(String, String)> {
        self.members.iter().map(|m| (m.id.to_string(), m.name.clone())).collect()
    }
}
