//! Queries used only by the demonstration.

use domain::ids::{FeedbackId, ProjectId, ResponseId};

use super::{Store, optional_id};
use crate::error::Result;

impl Store {
    /// Returns the feedback created from a response.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn feedback_of(&self, project: ProjectId, response: ResponseId) -> Result<Option<FeedbackId>> {
        let found: Option<String> = sqlx::query_scalar("SELECT id FROM feedback WHERE project_id = $1 AND response_id = $2")
            .bind(project.to_string())
            .bind(response.to_string())
            .fetch_optional(self.reader())
            .await?;
        optional_id(found.as_deref())
    }
}
