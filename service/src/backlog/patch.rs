//! Several properties of one item changed at once, for programs: all or none, and only if nothing else changed it.

use domain::{
    accounts::{Role, Scope},
    backlog::BacklogStatus,
    history::HistoryChange,
};

use super::{change, write_over};
use crate::{error::Result, state::App};

/// What an item is to be. Title and description are what [`domain::backlog::check_item`] gave.
#[derive(Debug, Clone)]
pub struct BacklogUpdate {
    /// The title.
    pub title: String,
    /// The description.
    pub body: String,
    /// How far it has come; `None` stays as it is.
    pub status: Option<BacklogStatus>,
}

/// Changes the item of this number that is at `version`.
///
/// # Errors
/// A role too low; not found; [`domain::DomainError::Conflict`] at another version.
pub async fn patch(app: &App, scope: &Scope, number: i64, version: i64, patch: BacklogUpdate) -> Result<()> {
    scope.require(Role::Triager)?;
    let BacklogUpdate { title, body, status } = patch;
    let work = move |item: &mut domain::backlog::BacklogItem| {
        let mut changes = write_over(item, title, body);
        if let Some(to) = status.filter(|to| *to != item.status) {
            let from = std::mem::replace(&mut item.status, to);
            changes.push(HistoryChange::Status { from: from.label().into(), to: to.label().into() });
        }
        changes
    };
    change(app, scope, number, version, false, work).await.map(drop)
}
