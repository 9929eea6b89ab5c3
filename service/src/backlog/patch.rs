//! Atomic API update of several properties of an item: all or none, and only if nothing else changed it.

use domain::{
    accounts::{Role, Scope},
    backlog::BacklogStatus,
    history::HistoryChange,
};

use super::{change, write_over};
use crate::{error::Result, state::App};

/// The new properties. Title and description come from [`domain::backlog::check_item`].
#[derive(Debug, Clone)]
pub struct BacklogUpdate {
    /// The title.
    pub title: String,
    /// The description.
    pub body: String,
    /// The status; `None` leaves it unchanged.
    pub status: Option<BacklogStatus>,
}

/// Updates the item with this number if it is at `version`.
///
/// # Errors
/// Role too low; not found; [`domain::DomainError::Conflict`] if it is at another version.
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
