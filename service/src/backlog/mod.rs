//! Use cases of the backlog: items, and their links to feedback.

pub mod case_folding;
pub mod patch;

use domain::{
    DomainError as Refusal, Timestamp,
    accounts::{Role, Scope},
    backlog::{BacklogItem, BacklogStatus, Importance, check_item, check_quote, suggest_title},
    feedback::FeedbackStatus,
    history::HistoryChange,
    ids::{BacklogItemId, EventId, FeedbackId, HistoryId, LinkId, UndoId},
    webhooks::EventKind,
    zone::UTC,
};
use serde::{Deserialize, Serialize};
use store::{
    Fingerprint, IdempotentWrite, Tx,
    backlog::{BacklogFilter, BacklogUndo, LinkContent},
    numbers::NumberSequence,
    triage::UndoAction,
};

use self::case_folding::fold;
use crate::{error::Result, state::App};

/// What a search for items is looked up with: `#12`, `12`, or words of title or body.
#[must_use]
pub fn filter(text: &str, status: Option<BacklogStatus>) -> BacklogFilter {
    let text = text.trim();
    let number = text.strip_prefix('#').unwrap_or(text).parse().ok().filter(|n| *n > 0);
    // Longer than any title: more finds nothing else, and databases limit a pattern.
    let folded = fold(&text.chars().take(300).collect::<String>());
    BacklogFilter { status, only_active: false, folded, number, not_linked_to: None }
}

fn searchable(title: &str, body: &str) -> String {
    fold(&format!("{title}\n{body}"))
}

/// How feedback is linked: the words that are meant, and how much it matters.
#[derive(Debug, Clone)]
pub struct LinkInput {
    /// Words of the feedback; empty for all of it.
    pub quote: String,
    /// How much it matters to the one who said it.
    pub importance: Importance,
}

/// What linking did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkOutcome {
    /// The item's number.
    pub number: i64,
    /// The item's title.
    pub title: String,
    /// `false` when the two were linked before.
    pub is_new: bool,
    /// The feedback's status before.
    pub before: FeedbackStatus,
    /// What is new about two that were linked before, to precede the item's name: `Changed the quote of`.
    pub changed: Option<String>,
    /// What takes that back.
    pub undo: Option<UndoId>,
}

/// What unlinking did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnlinkOutcome {
    /// The item's title.
    pub title: String,
    /// Whether there was a link.
    pub was_linked: bool,
    /// Whether the item went with it.
    pub gone: bool,
    /// What links the two again as they were.
    pub undo: Option<UndoId>,
}

/// Makes an item and gives its number.
///
/// # Errors
/// When title or body do not fit, or the role is too low.
pub async fn create(app: &App, scope: &Scope, key: &str, title: &str, body: &str) -> Result<i64> {
    scope.require(Role::Triager)?;
    let (title, body) = check_item(title, body)?;
    let once = IdempotentWrite::form(format!("backlog:{}", scope.project()), key, Fingerprint::of([&title, &body]));
    let (item, entry, scope) = (new_item(app, scope, title, body), (app.id(), app.id()), *scope);
    let now = app.now();
    app.store.write_idempotent(once, now, move |tx| Box::pin(async move { Ok(insert(tx, &scope, item, entry).await?.number) })).await
}

fn new_item(app: &App, scope: &Scope, title: String, body: String) -> BacklogItem {
    let now = app.now();
    BacklogItem {
        id: app.id::<BacklogItemId>(),
        project: scope.project(),
        number: 0,
        title,
        body,
        status: BacklogStatus::Open,
        created_at: now,
        updated_at: now,
        version: 1,
    }
}

async fn insert(tx: &mut Tx<'_>, scope: &Scope, mut item: BacklogItem, (entry, event): (HistoryId, EventId)) -> Result<BacklogItem> {
    item.number = tx.next_number(item.project, NumberSequence::Backlog).await?;
    tx.insert_backlog_item(&item, &searchable(&item.title, &item.body), scope.staff()).await?;
    tx.insert_history(entry, item.project, item.id, scope.staff(), &HistoryChange::Created, item.created_at).await?;
    tx.item_event(event, EventKind::BacklogItemCreated, &item).await?;
    Ok(item)
}

/// Links feedback to an item. Linking again changes quote and importance only, which can be taken back.
///
/// # Errors
/// Not found; a quote that the feedback does not hold; a role too low.
pub async fn link(app: &App, scope: &Scope, feedback: FeedbackId, number: i64, quoting: LinkInput) -> Result<LinkOutcome> {
    scope.require(Role::Triager)?;
    let (ids, scope, now) = (LinkIds::new(app), *scope, app.now());
    app.store
        .write(move |tx| {
            Box::pin(async move {
                let Some(item) = tx.lock_backlog_item(scope.project(), number).await? else {
                    let gone = removed(tx, &scope, number).await?;
                    return Err(gone.map_or(Refusal::NotFound, |text| Refusal::field("link_q", "removed", text)).into());
                };
                attach(tx, &scope, ids, feedback, &item, &quoting, now).await
            })
        })
        .await
}

/// Makes an item out of feedback and links the two; an empty title becomes the feedback's first sentence.
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
    let (item, entry, ids) = (new_item(app, scope, title.to_owned(), String::new()), (app.id(), app.id()), LinkIds::new(app));
    let content = Fingerprint::of([feedback.to_string().as_str(), title.trim(), &quoting.quote, quoting.importance.as_str()]);
    let once = IdempotentWrite::form(format!("backlog-from:{}", scope.project()), key, content);
    let (scope, now) = (*scope, app.now());
    app.store
        .write_idempotent(once, now, move |tx| {
            Box::pin(async move {
                let (_, text) = tx.lock_feedback_for_link(scope.project(), feedback).await?.ok_or(Refusal::NotFound)?;
                let mut item = item;
                if item.title.trim().is_empty() {
                    item.title = suggest_title(&text);
                }
                (item.title, item.body) = check_item(&item.title, &item.body)?;
                // Refused before anything is written.
                check_quote(&text, &quoting.quote)?;
                let item = insert(tx, &scope, item, entry).await?;
                attach(tx, &scope, ids, feedback, &item, &quoting, now).await
            })
        })
        .await
}

/// An item by its number, held until this transaction ends.
///
/// # Errors
/// [`Refusal::Conflict`] for the number of an item that was removed, [`Refusal::NotFound`] for one that was never given.
async fn held(tx: &mut Tx<'_>, scope: &Scope, number: i64) -> Result<BacklogItem> {
    if let Some(item) = tx.lock_backlog_item(scope.project(), number).await? {
        return Ok(item);
    }
    Err(removed(tx, scope, number).await?.map_or(Refusal::NotFound, Refusal::Conflict).into())
}

/// The message for a number whose item was removed; `None` when no item ever had it.
async fn removed(tx: &mut Tx<'_>, scope: &Scope, number: i64) -> Result<Option<String>> {
    let was_given = tx.was_assigned(scope.project(), NumberSequence::Backlog, number).await?;
    Ok(was_given.then(|| format!("Backlog item #{number} was removed, so nothing was changed. Choose another item or create one.")))
}

/// What a change to a link is taken back with.
#[derive(Debug, Clone, Copy, Default)]
pub struct UnlinkOptions {
    /// What the feedback's status was before it was linked; `None` unless this undoes a linking.
    pub restore: Option<FeedbackStatus>,
    /// The item was made along with the link: it goes as well, unless something has happened to it since.
    pub with_item: bool,
}

/// Takes a link away. Feedback without any link left goes back to `triaged`, or to what it was when this undoes a linking.
///
/// # Errors
/// Not found; a role too low.
pub async fn unlink(app: &App, scope: &Scope, feedback: FeedbackId, number: i64, undo: UnlinkOptions) -> Result<UnlinkOutcome> {
    scope.require(Role::Triager)?;
    let (ids, event, scope, now) = (LinkIds::new(app), app.id::<EventId>(), *scope, app.now());
    let restore = undo.restore.filter(|s| matches!(s, FeedbackStatus::New | FeedbackStatus::Triaged)).unwrap_or(FeedbackStatus::Triaged);
    app.store
        .write(move |tx| {
            Box::pin(async move {
                let project = scope.project();
                let item = held(tx, &scope, number).await?;
                let (before, _) = tx.lock_feedback_for_link(project, feedback).await?.ok_or(Refusal::NotFound)?;
                let was = tx.delete_link(feedback, &item).await?;
                if was.is_some() {
                    let last = tx.link_count(feedback).await? == 0;
                    let after = if last && before == FeedbackStatus::Linked { restore } else { before };
                    let change = HistoryChange::Unlinked { item: item.number, title: item.title.clone(), feedback: feedback.to_string() };
                    record(tx, &scope, ids, feedback, &item, &change, (before, after), now).await?;
                }
                let gone = undo.with_item && was.is_some() && item.version == 1 && tx.delete_unlinked_item(&item).await?;
                if gone {
                    let last = BacklogItem { updated_at: now, ..item.clone() };
                    tx.item_event(event, EventKind::BacklogItemDeleted, &last).await?;
                }
                let was_linked = was.is_some();
                let again = match was {
                    Some(was) if !gone => {
                        let step = UndoAction::Backlog(BacklogUndo::Unlinked { feedback, item: item.id, was });
                        tx.save_undo(ids.undo, None, &scope, &step, now).await?
                    }
                    _ => None,
                };
                Ok(UnlinkOutcome { title: item.title, was_linked, gone, undo: again })
            })
        })
        .await
}

/// Ids of the rows that a change to a link writes.
#[derive(Clone, Copy)]
struct LinkIds {
    link: LinkId,
    on_item: HistoryId,
    on_feedback: HistoryId,
    status: HistoryId,
    undo: UndoId,
}

impl LinkIds {
    fn new(app: &App) -> Self {
        Self { link: app.id(), on_item: app.id(), on_feedback: app.id(), status: app.id(), undo: app.id() }
    }
}

async fn attach(
    tx: &mut Tx<'_>,
    scope: &Scope,
    ids: LinkIds,
    feedback: FeedbackId,
    item: &BacklogItem,
    quoting: &LinkInput,
    now: Timestamp,
) -> Result<LinkOutcome> {
    let (before, text) = tx.lock_feedback_for_link(scope.project(), feedback).await?.ok_or(Refusal::NotFound)?;
    let quote = check_quote(&text, &quoting.quote)?;
    let mut says = LinkContent { quote, importance: quoting.importance };
    let is_new = tx.insert_link(ids.link, feedback, item, &says, scope.staff(), now).await?;
    let mut done = LinkOutcome { number: item.number, title: item.title.clone(), is_new, before, changed: None, undo: None };
    if is_new {
        let after = if matches!(before, FeedbackStatus::New | FeedbackStatus::Triaged) { FeedbackStatus::Linked } else { before };
        let change = HistoryChange::Linked { item: item.number, title: item.title.clone(), feedback: feedback.to_string() };
        record(tx, scope, ids, feedback, item, &change, (before, after), now).await?;
        return Ok(done);
    }
    let was = tx.link_content(feedback, item).await?.ok_or(Refusal::NotFound)?;
    // Linking again without a quote is no wish to be rid of the one that is there.
    says.quote = says.quote.or_else(|| was.quote.clone());
    if let Some(changed) = requote(tx, scope, ids, feedback, item, (&was, &says), before, now).await? {
        let step = UndoAction::Backlog(BacklogUndo::Requoted { feedback, item: item.id, was, is: says });
        done.undo = tx.save_undo(ids.undo, None, scope, &step, now).await?;
        done.changed = Some(changed);
    }
    Ok(done)
}

/// Changes a link, with an entry in both histories. Returns what changed, to precede the item's name.
#[expect(clippy::too_many_arguments, reason = "one place for a change and its undo")]
async fn requote(
    tx: &mut Tx<'_>,
    scope: &Scope,
    ids: LinkIds,
    feedback: FeedbackId,
    item: &BacklogItem,
    (was, is): (&LinkContent, &LinkContent),
    status: FeedbackStatus,
    now: Timestamp,
) -> Result<Option<String>> {
    if was == is {
        return Ok(None);
    }
    tx.update_link(feedback, item, is).await?;
    let (number, title, about) = (item.number, item.title.clone(), feedback.to_string());
    let (change, said) = if was.quote == is.quote {
        (HistoryChange::Reweighed { item: number, title, feedback: about, to: is.importance.label().into() }, "Changed the importance of")
    } else {
        (HistoryChange::Requoted { item: number, title, feedback: about }, "Changed the quote of")
    };
    record(tx, scope, ids, feedback, item, &change, (status, status), now).await?;
    Ok(Some(said.into()))
}

/// IDs of the rows that an undo writes.
#[derive(Clone, Copy)]
pub(crate) struct UndoIds {
    link: LinkIds,
    entries: ItemHistoryIds,
}

/// Ids of what a change to an item itself writes: up to three entries of its history, and the event for webhooks.
type ItemHistoryIds = ([HistoryId; 3], EventId);

impl UndoIds {
    pub(crate) fn new(app: &App) -> Self {
        Self { link: LinkIds::new(app), entries: ([app.id(), app.id(), app.id()], app.id()) }
    }
}

/// Undoes a change to the backlog, in the transaction that took it for undoing.
///
/// # Errors
/// [`Refusal::Conflict`] when the same was changed again since.
pub(crate) async fn take_back(tx: &mut Tx<'_>, scope: &Scope, ids: UndoIds, step: BacklogUndo, now: Timestamp) -> Result<()> {
    let stands = |why: &str| Refusal::Conflict(format!("{why} Nothing was undone."));
    let (BacklogUndo::Unlinked { item, .. } | BacklogUndo::Requoted { item, .. } | BacklogUndo::Edited { item, .. }) = &step;
    let held = tx.lock_backlog_item_by_id(scope.project(), *item).await?;
    let mut item = held.ok_or_else(|| stands("The item no longer exists."))?;
    match step {
        BacklogUndo::Unlinked { feedback, was, .. } => {
            if tx.link_content(feedback, &item).await?.is_none() {
                let quoting = LinkInput { quote: was.quote.unwrap_or_default(), importance: was.importance };
                attach(tx, scope, ids.link, feedback, &item, &quoting, now).await?;
            }
        }
        BacklogUndo::Requoted { feedback, was, is, .. } => {
            let (status, _) = tx.lock_feedback_for_link(scope.project(), feedback).await?.ok_or(Refusal::NotFound)?;
            if tx.link_content(feedback, &item).await?.as_ref() != Some(&is) {
                return Err(stands("The link has changed since.").into());
            }
            requote(tx, scope, ids.link, feedback, &item, (&is, &was), status, now).await?;
        }
        BacklogUndo::Edited { version, title, body, .. } => {
            if item.version != version {
                let (who, at) = tx.last_edit(scope.project(), item.id).await?.unwrap_or(("Someone".into(), item.updated_at));
                return Err(stands(&format!("{who} changed this item {}.", UTC.ago(at, now))).into());
            }
            let changes = write_over(&mut item, title, body);
            save(tx, scope, &mut item, ids.entries, &changes, now).await?;
        }
    }
    Ok(())
}

/// Writes down what a change to a link means for both sides.
#[expect(clippy::too_many_arguments, reason = "one place for both directions")]
async fn record(
    tx: &mut Tx<'_>,
    scope: &Scope,
    ids: LinkIds,
    feedback: FeedbackId,
    item: &BacklogItem,
    change: &HistoryChange,
    (before, after): (FeedbackStatus, FeedbackStatus),
    now: Timestamp,
) -> Result<()> {
    let (project, staff) = (scope.project(), scope.staff());
    // First, so that the entries carry the version that this makes.
    tx.touch_linked_feedback(project, feedback, after, now).await?;
    tx.insert_history(ids.on_item, project, item.id, staff, change, now).await?;
    tx.insert_history(ids.on_feedback, project, feedback, staff, change, now).await?;
    if before != after {
        let change = HistoryChange::Status { from: before.label().into(), to: after.label().into() };
        tx.insert_history(ids.status, project, feedback, staff, &change, now).await?;
    }
    Ok(())
}

/// Puts another title and body in place and says what that changes.
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

/// Writes an item that is held and was changed, a version more, with its history.
async fn save(
    tx: &mut Tx<'_>,
    scope: &Scope,
    item: &mut BacklogItem,
    (entries, event): ItemHistoryIds,
    changes: &[HistoryChange],
    now: Timestamp,
) -> Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    item.version += 1;
    item.updated_at = now;
    tx.update_backlog_item(item, &searchable(&item.title, &item.body)).await?;
    for (entry, change) in entries.into_iter().zip(changes) {
        tx.insert_history(entry, item.project, item.id, scope.staff(), change, now).await?;
    }
    tx.item_event(event, EventKind::BacklogItemUpdated, item).await
}

/// Changes title and body; gives what takes that back, if anything changed.
///
/// # Errors
/// Not found; texts that do not fit; [`Refusal::Conflict`] when someone else changed the item since `version`.
pub async fn edit(app: &App, scope: &Scope, number: i64, version: i64, title: &str, body: &str) -> Result<Option<UndoId>> {
    scope.require(Role::Triager)?;
    let (title, body) = check_item(title, body)?;
    let undo = app.id::<UndoId>();
    change(app, scope, number, version, Some(undo), move |item| write_over(item, title, body)).await.map(|(_, undo)| undo)
}

/// Changes the status; gives the item after it.
///
/// # Errors
/// As [`edit`].
pub async fn set_status(app: &App, scope: &Scope, number: i64, version: i64, status: BacklogStatus) -> Result<BacklogItem> {
    scope.require(Role::Triager)?;
    let to_status = move |item: &mut BacklogItem| {
        let from = std::mem::replace(&mut item.status, status);
        if from == status { vec![] } else { vec![HistoryChange::Status { from: from.label().into(), to: status.label().into() }] }
    };
    change(app, scope, number, version, None, to_status).await.map(|(item, _)| item)
}

async fn change(
    app: &App,
    scope: &Scope,
    number: i64,
    version: i64,
    undo: Option<UndoId>,
    work: impl FnOnce(&mut BacklogItem) -> Vec<HistoryChange> + Send + 'static,
) -> Result<(BacklogItem, Option<UndoId>)> {
    let (scope, now) = (*scope, app.now());
    let entries: ItemHistoryIds = ([app.id(), app.id(), app.id()], app.id());
    app.store
        .write(move |tx| {
            Box::pin(async move {
                let mut item = held(tx, &scope, number).await?;
                let before = item.clone();
                let changes = work(&mut item);
                // Wanting what is already so is no conflict.
                if changes.is_empty() {
                    return Ok((item, None));
                }
                if before.version != version {
                    let (who, at) = tx.last_edit(scope.project(), item.id).await?.unwrap_or(("Someone".into(), item.updated_at));
                    return Err(Refusal::Conflict(format!("{who} changed this item {} ({}).", UTC.ago(at, now), UTC.readable(at))).into());
                }
                save(tx, &scope, &mut item, entries, &changes, now).await?;
                let kept = match undo {
                    Some(undo) => {
                        let step = BacklogUndo::Edited { item: item.id, version: item.version, title: before.title, body: before.body };
                        tx.save_undo(undo, None, &scope, &UndoAction::Backlog(step), now).await?
                    }
                    None => None,
                };
                Ok((item, kept))
            })
        })
        .await
}
