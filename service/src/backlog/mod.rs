//! Use cases of the backlog: items, and their links to feedback.

pub mod patch;

use domain::{
    DomainError as Refusal,
    accounts::{Role, Scope},
    backlog::{BacklogItem, BacklogStatus, Importance, check_item, check_quote, suggest_title},
    feedback::FeedbackStatus,
    history::HistoryChange,
    ids::{FeedbackId, UndoId},
    text::{cut, fold, is_blank},
    zone::UTC,
};
use futures_util::{FutureExt, future::BoxFuture};
use serde::{Deserialize, Serialize};
use store::{
    Act, Fingerprint, IdempotencyScope, IdempotentWrite,
    backlog::{BacklogFilter, BacklogUndo, LinkContent},
    events::ItemChange,
    numbers::NumberSequence,
};

use crate::{
    error::Result,
    state::App,
    undo_handler::{UndoHandler, UndoOutcome},
};

/// Undoes changes to the backlog and its links.
pub(crate) const UNDO: UndoHandler = UndoHandler { kind: "backlog", run: undo };

/// Parses an item search into a filter: `#12`, `12`, or words from the title or body.
#[must_use]
pub fn filter(text: &str, status: Option<BacklogStatus>) -> BacklogFilter {
    let text = text.trim();
    let number = text.strip_prefix('#').unwrap_or(text).parse().ok().filter(|n| *n > 0);
    // Longer than any title: a longer pattern finds nothing more, and databases limit patterns.
    let folded = fold(cut(text, 300));
    BacklogFilter { status, only_active: false, folded, number, not_linked_to: None }
}

fn searchable(title: &str, body: &str) -> String {
    fold(&format!("{title}\n{body}"))
}

/// Link properties: the quoted words and the importance.
#[derive(Debug, Clone)]
pub struct LinkInput {
    /// Words of the feedback; empty for the entire text.
    pub quote: String,
    /// How much it matters to the person who gave the feedback.
    pub importance: Importance,
}

/// Result of linking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkOutcome {
    /// The item's number.
    pub number: i64,
    /// The item's title.
    pub title: String,
    /// `false` if the two were already linked.
    pub is_new: bool,
    /// The feedback's status before.
    pub before: FeedbackStatus,
    /// The change to an existing link, phrased to precede the item's name: `Changed the quote of`.
    pub changed: Option<String>,
    /// Undoes the link or change.
    pub undo: Option<UndoId>,
}

/// Result of unlinking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnlinkOutcome {
    /// The item's title.
    pub title: String,
    /// Whether there was a link.
    pub was_linked: bool,
    /// Whether the item was deleted too.
    pub gone: bool,
    /// Restores the link.
    pub undo: Option<UndoId>,
}

/// Creates an item and returns its number.
///
/// # Errors
/// Returns an error if the title or body is invalid, or the role is too low.
pub async fn create(app: &App, scope: &Scope, key: &str, title: &str, body: &str) -> Result<i64> {
    scope.require(Role::Triager)?;
    let (title, body) = check_item(title, body)?;
    let once = IdempotentWrite::form(&IdempotencyScope::BacklogItem(scope.project()), key, Fingerprint::of([&title, &body]));
    app.store
        .act_once(app.context(scope), once, move |act| {
            Box::pin(async move {
                let item = insert(act, title, body).await?;
                act.item_event(&item, ItemChange::Created).await?;
                Ok(item.number)
            })
        })
        .await
}

/// Creates an item; the caller publishes the event.
async fn insert(act: &mut Act<'_, '_>, title: String, body: String) -> Result<BacklogItem> {
    let search = searchable(&title, &body);
    let item = act.insert_backlog_item(title, body, search).await?;
    act.record(item.id, &HistoryChange::Created).await?;
    Ok(item)
}

/// Links feedback to an item. Linking again only changes the quote and importance, and can be undone.
///
/// # Errors
/// Not found; a quote that the feedback does not contain; a role too low.
pub async fn link(app: &App, scope: &Scope, feedback: FeedbackId, number: i64, quoting: LinkInput) -> Result<LinkOutcome> {
    scope.require(Role::Triager)?;
    app.store
        .act(app.context(scope), move |act| {
            Box::pin(async move {
                let project = act.project();
                let Some(item) = act.lock_backlog_item(project, number).await? else {
                    let gone = removed(act, number).await?;
                    return Err(gone.map_or(Refusal::NotFound, |text| Refusal::field("link_q", "removed", text)).into());
                };
                attach(act, feedback, &item, &quoting).await
            })
        })
        .await
}

/// Creates an item from feedback and links the two; if the title is empty, the item gets the feedback's first sentence.
///
/// # Errors
/// As [`create`] and [`link`].
pub async fn create_from(
    app: &App,
    scope: &Scope,
    key: &str,
    feedback: FeedbackId,
    title: &str,
    quoting: LinkInput,
) -> Result<LinkOutcome> {
    scope.require(Role::Triager)?;
    let content = Fingerprint::of([feedback.to_string().as_str(), title.trim(), &quoting.quote, quoting.importance.as_str()]);
    let once = IdempotentWrite::form(&IdempotencyScope::BacklogItemFrom(scope.project()), key, content);
    let title = title.to_owned();
    app.store
        .act_once(app.context(scope), once, move |act| {
            Box::pin(async move {
                let project = act.project();
                let (_, text) = act.lock_feedback_for_link(project, feedback).await?.ok_or(Refusal::NotFound)?;
                let title = if is_blank(&title) { suggest_title(&text) } else { title };
                let (title, body) = check_item(&title, "")?;
                // Reject before writing anything.
                check_quote(&text, &quoting.quote)?;
                let item = insert(act, title, body).await?;
                let outcome = attach(act, feedback, &item, &quoting).await?;
                // After the link, which is part of the item's evidence.
                act.item_event(&item, ItemChange::Created).await?;
                Ok(outcome)
            })
        })
        .await
}

/// Returns an item by its number, locked until this transaction ends.
///
/// # Errors
/// [`Refusal::Conflict`] if the item was deleted, [`Refusal::NotFound`] if the number was never assigned.
async fn held(act: &mut Act<'_, '_>, number: i64) -> Result<BacklogItem> {
    let project = act.project();
    if let Some(item) = act.lock_backlog_item(project, number).await? {
        return Ok(item);
    }
    Err(removed(act, number).await?.map_or(Refusal::NotFound, Refusal::Conflict).into())
}

/// Returns the message for the number of a deleted item; `None` if the number was never assigned.
async fn removed(act: &mut Act<'_, '_>, number: i64) -> Result<Option<String>> {
    let project = act.project();
    let was_given = act.was_assigned(project, NumberSequence::Backlog, number).await?;
    Ok(was_given.then(|| format!("Backlog item #{number} was removed, so nothing was changed. Choose another item or create one.")))
}

/// Options for undoing a link.
#[derive(Debug, Clone, Copy, Default)]
pub struct UnlinkOptions {
    /// The feedback's status before it was linked; `None` unless this undoes a link.
    pub restore: Option<FeedbackStatus>,
    /// The item was created together with the link: delete it too, unless it has changed since.
    pub with_item: bool,
}

/// Removes a link. Feedback with no links left returns to `triaged`, or to its earlier status when this undoes a link.
///
/// # Errors
/// Not found; a role too low.
pub async fn unlink(app: &App, scope: &Scope, feedback: FeedbackId, number: i64, undo: UnlinkOptions) -> Result<UnlinkOutcome> {
    scope.require(Role::Triager)?;
    let restore = undo.restore.filter(|s| matches!(s, FeedbackStatus::New | FeedbackStatus::Triaged)).unwrap_or(FeedbackStatus::Triaged);
    app.store
        .act(app.context(scope), move |act| {
            Box::pin(async move {
                let (project, now) = (act.project(), act.now());
                let item = held(act, number).await?;
                let (before, _) = act.lock_feedback_for_link(project, feedback).await?.ok_or(Refusal::NotFound)?;
                let was = act.delete_link(feedback, &item).await?;
                if was.is_some() {
                    let last = act.link_count(feedback).await? == 0;
                    let after = if last && before == FeedbackStatus::Linked { restore } else { before };
                    let change = HistoryChange::Unlinked { item: item.number, title: item.title.clone(), feedback: feedback.to_string() };
                    record_link(act, feedback, &item, &change, (before, after)).await?;
                }
                let gone = undo.with_item && was.is_some() && item.version == 1 && act.delete_unlinked_item(&item).await?;
                if gone {
                    let last = BacklogItem { updated_at: now, ..item.clone() };
                    act.item_event(&last, ItemChange::Deleted).await?;
                }
                let was_linked = was.is_some();
                let again = match was {
                    Some(was) if !gone => {
                        let step = BacklogUndo::Unlinked { feedback, item: item.id, was };
                        act.keep_undo(UNDO.kind, &step, None).await?
                    }
                    _ => None,
                };
                Ok(UnlinkOutcome { title: item.title, was_linked, gone, undo: again })
            })
        })
        .await
}

async fn attach(act: &mut Act<'_, '_>, feedback: FeedbackId, item: &BacklogItem, quoting: &LinkInput) -> Result<LinkOutcome> {
    let project = act.project();
    let (before, text) = act.lock_feedback_for_link(project, feedback).await?.ok_or(Refusal::NotFound)?;
    let quote = check_quote(&text, &quoting.quote)?;
    let mut says = LinkContent { quote, importance: quoting.importance };
    let is_new = act.insert_link(feedback, item, &says).await?;
    let mut done = LinkOutcome { number: item.number, title: item.title.clone(), is_new, before, changed: None, undo: None };
    if is_new {
        let is_open = matches!(before, FeedbackStatus::New | FeedbackStatus::Triaged);
        let after = if is_open { FeedbackStatus::Linked } else { before };
        let change = HistoryChange::Linked { item: item.number, title: item.title.clone(), feedback: feedback.to_string() };
        record_link(act, feedback, item, &change, (before, after)).await?;
        return Ok(done);
    }
    let was = act.link_content(feedback, item).await?.ok_or(Refusal::NotFound)?;
    // Linking again without a quote keeps the existing quote.
    says.quote = says.quote.or_else(|| was.quote.clone());
    if let Some(changed) = requote(act, feedback, item, (&was, &says), before).await? {
        let step = BacklogUndo::Requoted { feedback, item: item.id, was, is: says };
        done.undo = act.keep_undo(UNDO.kind, &step, None).await?;
        done.changed = Some(changed);
    }
    Ok(done)
}

/// Changes a link and records it in both histories. Returns the change, phrased to precede the item's name.
async fn requote(
    act: &mut Act<'_, '_>,
    feedback: FeedbackId,
    item: &BacklogItem,
    (was, is): (&LinkContent, &LinkContent),
    status: FeedbackStatus,
) -> Result<Option<String>> {
    if was == is {
        return Ok(None);
    }
    act.update_link(feedback, item, is).await?;
    let (number, title, about) = (item.number, item.title.clone(), feedback.to_string());
    let (change, said) = if was.quote == is.quote {
        let to = is.importance.label().into();
        (HistoryChange::Reweighed { item: number, title, feedback: about, to }, "Changed the importance of")
    } else {
        (HistoryChange::Requoted { item: number, title, feedback: about }, "Changed the quote of")
    };
    record_link(act, feedback, item, &change, (status, status)).await?;
    Ok(Some(said.into()))
}

fn undo<'t>(act: &'t mut Act<'_, '_>, steps: String) -> BoxFuture<'t, Result<UndoOutcome>> {
    async move { undo_step(act, serde_json::from_str(&steps)?).await.map(|()| UndoOutcome::one()) }.boxed()
}

/// Undoes a change to the backlog, in the transaction that claimed the undo.
///
/// # Errors
/// [`Refusal::Conflict`] if the same thing has changed again since.
async fn undo_step(act: &mut Act<'_, '_>, step: BacklogUndo) -> Result<()> {
    let stands = |why: &str| Refusal::Conflict(format!("{why} Nothing was undone."));
    let (project, now) = (act.project(), act.now());
    let (BacklogUndo::Unlinked { item, .. } | BacklogUndo::Requoted { item, .. } | BacklogUndo::Edited { item, .. }) = &step;
    let held = act.lock_backlog_item_by_id(project, *item).await?;
    let mut item = held.ok_or_else(|| stands("The item no longer exists."))?;
    match step {
        BacklogUndo::Unlinked { feedback, was, .. } => {
            if act.link_content(feedback, &item).await?.is_none() {
                let quoting = LinkInput { quote: was.quote.unwrap_or_default(), importance: was.importance };
                attach(act, feedback, &item, &quoting).await?;
            }
        }
        BacklogUndo::Requoted { feedback, was, is, .. } => {
            let (status, _) = act.lock_feedback_for_link(project, feedback).await?.ok_or(Refusal::NotFound)?;
            if act.link_content(feedback, &item).await?.as_ref() != Some(&is) {
                return Err(stands("The link has changed since.").into());
            }
            requote(act, feedback, &item, (&is, &was), status).await?;
        }
        BacklogUndo::Edited { version, title, body, .. } => {
            if item.version != version {
                let (who, at) = act.last_edit(project, item.id).await?.unwrap_or(("Someone".into(), item.updated_at));
                return Err(stands(&format!("{who} changed this item {}.", UTC.ago(at, now))).into());
            }
            let changes = write_over(&mut item, title, body);
            save(act, &mut item, &changes).await?;
        }
    }
    Ok(())
}

/// Records a change to a link in both histories.
async fn record_link(
    act: &mut Act<'_, '_>,
    feedback: FeedbackId,
    item: &BacklogItem,
    change: &HistoryChange,
    (before, after): (FeedbackStatus, FeedbackStatus),
) -> Result<()> {
    let (project, now) = (act.project(), act.now());
    // First, so that the entries carry the new version.
    act.touch_linked_feedback(project, feedback, after, now).await?;
    act.record(item.id, change).await?;
    act.record(feedback, change).await?;
    if before != after {
        act.record(feedback, &HistoryChange::Status { from: before.label().into(), to: after.label().into() }).await?;
    }
    Ok(())
}

/// Sets the title and body, and returns the changes.
fn write_over(item: &mut BacklogItem, title: String, body: String) -> Vec<HistoryChange> {
    let mut changes = Vec::new();
    if item.title != title {
        changes.push(HistoryChange::Renamed { from: std::mem::replace(&mut item.title, title.clone()), to: title });
    }
    if item.body != body {
        item.body = body;
        changes.push(HistoryChange::Described);
    }
    changes
}

/// Writes a changed, locked item with the next version and its history.
async fn save(act: &mut Act<'_, '_>, item: &mut BacklogItem, changes: &[HistoryChange]) -> Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    item.version += 1;
    item.updated_at = act.now();
    act.update_backlog_item(item, &searchable(&item.title, &item.body)).await?;
    for change in changes {
        act.record(item.id, change).await?;
    }
    act.item_event(item, ItemChange::Updated).await
}

/// Changes the title and body; returns the undo if anything changed.
///
/// # Errors
/// Not found; invalid texts; [`Refusal::Conflict`] if someone else has changed the item since `version`.
pub async fn edit(app: &App, scope: &Scope, number: i64, version: i64, title: &str, body: &str) -> Result<Option<UndoId>> {
    scope.require(Role::Triager)?;
    let (title, body) = check_item(title, body)?;
    change(app, scope, number, version, true, move |item| write_over(item, title, body)).await.map(|(_, undo)| undo)
}

/// Changes the status; returns the updated item.
///
/// # Errors
/// As [`edit`].
pub async fn set_status(app: &App, scope: &Scope, number: i64, version: i64, status: BacklogStatus) -> Result<BacklogItem> {
    scope.require(Role::Triager)?;
    let to_status = move |item: &mut BacklogItem| {
        let from = std::mem::replace(&mut item.status, status);
        if from == status { vec![] } else { vec![HistoryChange::Status { from: from.label().into(), to: status.label().into() }] }
    };
    change(app, scope, number, version, false, to_status).await.map(|(item, _)| item)
}

async fn change(
    app: &App,
    scope: &Scope,
    number: i64,
    version: i64,
    can_be_undone: bool,
    work: impl FnOnce(&mut BacklogItem) -> Vec<HistoryChange> + Send + 'static,
) -> Result<(BacklogItem, Option<UndoId>)> {
    app.store
        .act(app.context(scope), move |act| {
            Box::pin(async move {
                let (project, now) = (act.project(), act.now());
                let mut item = held(act, number).await?;
                let before = item.clone();
                let changes = work(&mut item);
                // A change that is already in place is no conflict.
                if changes.is_empty() {
                    return Ok((item, None));
                }
                if before.version != version {
                    let (who, at) = act.last_edit(project, item.id).await?.unwrap_or(("Someone".into(), item.updated_at));
                    return Err(Refusal::Conflict(format!("{who} changed this item {} ({}).", UTC.ago(at, now), UTC.readable(at))).into());
                }
                save(act, &mut item, &changes).await?;
                if !can_be_undone {
                    return Ok((item, None));
                }
                let step = BacklogUndo::Edited { item: item.id, version: item.version, title: before.title, body: before.body };
                let undo = act.keep_undo(UNDO.kind, &step, None).await?;
                Ok((item, undo))
            })
        })
        .await
}
