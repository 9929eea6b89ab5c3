//! Counts the submissions of strangers, in the order in which they cost something: the address before anything is looked up, the text once
//! it is read, the project's quota while it is stored.

use std::net::IpAddr;

use domain::ids::ProjectId;

use crate::{
    error::{Error, Result},
    state::App,
};

/// A submission whose address has been counted.
#[must_use]
pub struct CountedSubmission<'a> {
    app: &'a App,
    address: IpAddr,
}

impl<'a> CountedSubmission<'a> {
    /// Counts a submission from an address (see [`crate::limits::budget::narrow`]).
    ///
    /// # Errors
    /// As [`crate::limits::RateLimits::address`].
    pub async fn begin(app: &'a App, address: IpAddr) -> Result<Self> {
        app.limits.address(address, app.now()).await?;
        Ok(Self { app, address })
    }

    /// Counts the text of the submission, in bytes.
    ///
    /// # Errors
    /// As [`App::count_text`].
    pub async fn count_text(&self, bytes: usize) -> Result<()> {
        self.app.count_text(self.address, bytes).await
    }

    /// Stores the submission and charges it to the project's quota. A refused submission costs the project nothing.
    ///
    /// # Errors
    /// As [`crate::limits::RateLimits::project`], and the error of `submit`.
    pub async fn store<T, E: From<Error>>(self, project: ProjectId, submit: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let quota = self.app.limits.project(project, self.app.now()).await?;
        submit.await.inspect_err(|_| quota.refund())
    }
}
