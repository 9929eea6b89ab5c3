//! Several properties of one item changed at once, for programs: all or none, and only if nothing else changed it.

use domain::{
    accounts::{Role, Scope},
    backlog::{BacklogStatus, check_item},
    history::Change,
};

use super::{change, write_over};
use crate::{error::Result, state::App};

/// What becomes different; `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct Patch {
    /// The title.
    pub title: Option<String>,
    /// The description.
    pub body: Option<String>,
    /// How far it has come.
    pub status: Option<BacklogStatus>,
}

/// Changes the item of this number that is at `version`, with `now` its title and description there.
///
/// # Errors
/// A role too low; not found; [`domain::Error::Conflict`] at another version; texts that do not fit.
pub async fn patch(app: &App, scope: &Scope, number: i64, version: i64, now: (&str, &str), patch: Patch) -> Result<()> {
    scope.require(Role::Triager)?;
    let Patch { title, body, status } = patch;
    let (title, body) = check_item(title.as_deref().unwrap_or(now.0), body.as_deref().unwrap_or(now.1))?;
    let work = move |item: &mut domain::backlog::Item| {
        let mut changes = write_over(item, title, body);
        if let Some(to) = status.filter(|to| *to != item.status) {
            let from = std::mem::replace(&mut item.status, to);
            changes.push(Change::Status { from: from.label().into(), to: to.label().into() });
        }
        changes
    };
    change(app, scope, number, version, None, work).await.map(drop)
}
