//! Use cases of the backlog: items, and their links to feedback.

pub mod fold;
pub mod patch;

use domain::{
    Error as Refusal, Timestamp,
    accounts::{Role, Scope},
    backlog::{BacklogStatus, Importance, Item, check_item, check_quote, title_from},
    feedback::Status,
    history::Change,
    ids::{BacklogId, EventId, FeedbackId, HistoryId, LinkId, UndoId},
    webhooks::EventKind,
    zone::UTC,
};
use serde::{Deserialize, Serialize};
use store::{
    Fingerprint, Once, Tx,
    backlog::{Filter, Quoted, Step},
    numbers::Numbered,
    triage::Undoable,
};

use self::fold::fold;
use crate::{error::Result, state::App};

/// What a search for items is looked up with: `#12`, `12`, or words of title or body.
#[must_use]
pub fn filter(text: &str, status: Option<BacklogStatus>) -> Filter {
    let text = text.trim();
    let number = text.strip_prefix('#').unwrap_or(text).parse().ok().filter(|n| *n > 0);
    // Longer than any title: more finds nothing else, and databases limit a pattern.
    let folded = fold(&text.chars().take(300).collect::<String>());
    Filter { status, only_active: false, folded, number, not_linked_to: None }
}

fn searchable(title: &str, body: &str) -> String {
    fold(&format!("{title}\n{body}"))
}

/// How feedback is linked: the words that are meant, and how much it matters.
#[derive(Debug, Clone)]
pub struct Quoting {
    /// Words of the feedback; empty for all of it.
    pub quote: String,
    /// How much it matters to the one who said it.
    pub importance: Importance,
}

/// What linking did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Linked {
    /// The item's number.
    pub number: i64,
    /// The item's title.
    pub title: String,
    /// `false` when the two were linked before.
    pub is_new: bool,
    /// The feedback's status before.
    pub before: Status,
    /// What is new about two that were linked before, to precede the item's name: `Changed the quote of`.
    pub changed: Option<String>,
    /// What takes that back.
    pub undo: Option<UndoId>,
}

/// What unlinking did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlinked {
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
    let once = Once::form(format!("backlog:{}", scope.project()), key, Fingerprint::of([&title, &body]));
    let (item, entry, scope) = (new_item(app, scope, title, body), (app.id(), app.id()), *scope);
    let now = app.now();
    app.store.write_once(once, now, move |tx| Box::pin(async move { Ok(insert(tx, &scope, item, entry).await?.number) })).await
}

fn new_item(app: &App, scope: &Scope, title: String, body: String) -> Item {
    let now = app.now();
    Item {
        id: app.id::<BacklogId>(),
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

async fn insert(tx: &mut Tx<'_>, scope: &Scope, mut item: Item, (entry, event): (HistoryId, EventId)) -> Result<Item> {
    item.number = tx.next_number(item.project, Numbered::Backlog).await?;
    tx.insert_backlog_item(&item, &searchable(&item.title, &item.body), scope.staff()).await?;
    tx.insert_history(entry, item.project, item.id, scope.staff(), &Change::Created, item.created_at).await?;
    tx.item_event(event, EventKind::BacklogItemCreated, &item).await?;
    Ok(item)
}

/// Links feedback to an item. Linking again changes quote and importance only, which can be taken back.
///
/// # Errors
/// Not found; a quote that the feedback does not hold; a role too low.
pub async fn link(app: &App, scope: &Scope, feedback: FeedbackId, number: i64, quoting: Quoting) -> Result<Linked> {
    scope.require(Role::Triager)?;
    let (ids, scope, now) = (LinkIds::new(app), *scope, app.now());
    app.store
        .write(move |tx| {
            Box::pin(async move {
                let Some(item) = tx.hold_backlog_item(scope.project(), number).await? else {
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
pub async fn create_from(app: &App, scope: &Scope, key: &str, feedback: FeedbackId, title: &str, quoting: Quoting) -> Result<Linked> {
    scope.require(Role::Triager)?;
    let (item, entry, ids) = (new_item(app, scope, title.to_owned(), String::new()), (app.id(), app.id()), LinkIds::new(app));
    let content = Fingerprint::of([feedback.to_string().as_str(), title.trim(), &quoting.quote, quoting.importance.as_str()]);
    let once = Once::form(format!("backlog-from:{}", scope.project()), key, content);
    let (scope, now) = (*scope, app.now());
    app.store
        .write_once(once, now, move |tx| {
            Box::pin(async move {
                let (_, text) = tx.hold_feedback_for_link(scope.project(), feedback).await?.ok_or(Refusal::NotFound)?;
                let mut item = item;
                if item.title.trim().is_empty() {
                    item.title = title_from(&text);
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
async fn held(tx: &mut Tx<'_>, scope: &Scope, number: i64) -> Result<Item> {
    if let Some(item) = tx.hold_backlog_item(scope.project(), number).await? {
        return Ok(item);
    }
    Err(removed(tx, scope, number).await?.map_or(Refusal::NotFound, Refusal::Conflict).into())
}

/// The message for a number whose item was removed; `None` when no item ever had it.
async fn removed(tx: &mut Tx<'_>, scope: &Scope, number: i64) -> Result<Option<String>> {
    let was_given = tx.was_given(scope.project(), Numbered::Backlog, number).await?;
    Ok(was_given.then(|| format!("Backlog item #{number} was removed, so nothing was changed. Choose another item or create one.")))
}

/// What a change to a link is taken back with.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unlinking {
    /// What the feedback's status was before it was linked; `None` unless this undoes a linking.
    pub restore: Option<Status>,
    /// The item was made along with the link: it goes as well, unless something has happened to it since.
    pub with_item: bool,
}

/// Takes a link away. Feedback without any link left goes back to `triaged`, or to what it was when this undoes a linking.
///
/// # Errors
/// Not found; a role too low.
pub async fn unlink(app: &App, scope: &Scope, feedback: FeedbackId, number: i64, undo: Unlinking) -> Result<Unlinked> {
    scope.require(Role::Triager)?;
    let (ids, event, scope, now) = (LinkIds::new(app), app.id::<EventId>(), *scope, app.now());
    let restore = undo.restore.filter(|s| matches!(s, Status::New | Status::Triaged)).unwrap_or(Status::Triaged);
    app.store
        .write(move |tx| {
            Box::pin(async move {
                let project = scope.project();
                let item = held(tx, &scope, number).await?;
                let (before, _) = tx.hold_feedback_for_link(project, feedback).await?.ok_or(Refusal::NotFound)?;
                let was = tx.delete_link(feedback, &item).await?;
                if was.is_some() {
                    let last = tx.link_count(feedback).await? == 0;
                    let after = if last && before == Status::Linked { restore } else { before };
                    let change = Change::Unlinked { item: item.number, title: item.title.clone(), feedback: feedback.to_string() };
                    record(tx, &scope, ids, feedback, &item, &change, (before, after), now).await?;
                }
                let gone = undo.with_item && was.is_some() && item.version == 1 && tx.delete_unlinked_item(&item).await?;
                if gone {
                    let last = Item { updated_at: now, ..item.clone() };
                    tx.item_event(event, EventKind::BacklogItemDeleted, &last).await?;
                }
                let was_linked = was.is_some();
                let again = match was {
                    Some(was) if !gone => {
                        let step = Undoable::Backlog(Step::Unlinked { feedback, item: item.id, was });
                        tx.keep_undo(ids.undo, None, &scope, &step, now).await?
                    }
                    _ => None,
                };
                Ok(Unlinked { title: item.title, was_linked, gone, undo: again })
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
    item: &Item,
    quoting: &Quoting,
    now: Timestamp,
) -> Result<Linked> {
    let (before, text) = tx.hold_feedback_for_link(scope.project(), feedback).await?.ok_or(Refusal::NotFound)?;
    let quote = check_quote(&text, &quoting.quote)?;
    let mut says = Quoted { quote, importance: quoting.importance };
    let is_new = tx.insert_link(ids.link, feedback, item, &says, scope.staff(), now).await?;
    let mut done = Linked { number: item.number, title: item.title.clone(), is_new, before, changed: None, undo: None };
    if is_new {
        let after = if matches!(before, Status::New | Status::Triaged) { Status::Linked } else { before };
        let change = Change::Linked { item: item.number, title: item.title.clone(), feedback: feedback.to_string() };
        record(tx, scope, ids, feedback, item, &change, (before, after), now).await?;
        return Ok(done);
    }
    let was = tx.link_of(feedback, item).await?.ok_or(Refusal::NotFound)?;
    // Linking again without a quote is no wish to be rid of the one that is there.
    says.quote = says.quote.or_else(|| was.quote.clone());
    if let Some(changed) = requote(tx, scope, ids, feedback, item, (&was, &says), before, now).await? {
        let step = Undoable::Backlog(Step::Requoted { feedback, item: item.id, was, is: says });
        done.undo = tx.keep_undo(ids.undo, None, scope, &step, now).await?;
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
    item: &Item,
    (was, is): (&Quoted, &Quoted),
    status: Status,
    now: Timestamp,
) -> Result<Option<String>> {
    if was == is {
        return Ok(None);
    }
    tx.update_link(feedback, item, is).await?;
    let (number, title, about) = (item.number, item.title.clone(), feedback.to_string());
    let (change, said) = if was.quote == is.quote {
        (Change::Reweighed { item: number, title, feedback: about, to: is.importance.label().into() }, "Changed the importance of")
    } else {
        (Change::Requoted { item: number, title, feedback: about }, "Changed the quote of")
    };
    record(tx, scope, ids, feedback, item, &change, (status, status), now).await?;
    Ok(Some(said.into()))
}

/// IDs of the rows that an undo writes.
#[derive(Clone, Copy)]
pub(crate) struct BackIds {
    link: LinkIds,
    entries: Entries,
}

/// Ids of what a change to an item itself writes: up to three entries of its history, and the event for webhooks.
type Entries = ([HistoryId; 3], EventId);

impl BackIds {
    pub(crate) fn new(app: &App) -> Self {
        Self { link: LinkIds::new(app), entries: ([app.id(), app.id(), app.id()], app.id()) }
    }
}

/// Undoes a change to the backlog, in the transaction that took it for undoing.
///
/// # Errors
/// [`Refusal::Conflict`] when the same was changed again since.
pub(crate) async fn take_back(tx: &mut Tx<'_>, scope: &Scope, ids: BackIds, step: Step, now: Timestamp) -> Result<()> {
    let stands = |why: &str| Refusal::Conflict(format!("{why} Nothing was undone."));
    let (Step::Unlinked { item, .. } | Step::Requoted { item, .. } | Step::Edited { item, .. }) = &step;
    let held = tx.hold_backlog_item_by_id(scope.project(), *item).await?;
    let mut item = held.ok_or_else(|| stands("The item no longer exists."))?;
    match step {
        Step::Unlinked { feedback, was, .. } => {
            if tx.link_of(feedback, &item).await?.is_none() {
                let quoting = Quoting { quote: was.quote.unwrap_or_default(), importance: was.importance };
                attach(tx, scope, ids.link, feedback, &item, &quoting, now).await?;
            }
        }
        Step::Requoted { feedback, was, is, .. } => {
            let (status, _) = tx.hold_feedback_for_link(scope.project(), feedback).await?.ok_or(Refusal::NotFound)?;
            if tx.link_of(feedback, &item).await?.as_ref() != Some(&is) {
                return Err(stands("The link has changed since.").into());
            }
            requote(tx, scope, ids.link, feedback, &item, (&is, &was), status, now).await?;
        }
        Step::Edited { version, title, body, .. } => {
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
    item: &Item,
    change: &Change,
    (before, after): (Status, Status),
    now: Timestamp,
) -> Result<()> {
    let (project, staff) = (scope.project(), scope.staff());
    // First, so that the entries carry the version that this makes.
    tx.touch_linked_feedback(project, feedback, after, now).await?;
    tx.insert_history(ids.on_item, project, item.id, staff, change, now).await?;
    tx.insert_history(ids.on_feedback, project, feedback, staff, change, now).await?;
    if before != after {
        let change = Change::Status { from: before.label().into(), to: after.label().into() };
        tx.insert_history(ids.status, project, feedback, staff, &change, now).await?;
    }
    Ok(())
}

/// Puts another title and body in place and says what that changes.
fn write_over(item: &mut Item, title: String, body: String) -> Vec<Change> {
    let mut changes = Vec::new();
    if item.title != title {
        changes.push(Change::Renamed { from: std::mem::replace(&mut item.title, title.clone()), to: title });
    }
    if item.body != body {
        item.body = body;
        changes.push(Change::Described);
    }
    changes
}

/// Writes an item that is held and was changed, a version more, with its history.
async fn save(
    tx: &mut Tx<'_>,
    scope: &Scope,
    item: &mut Item,
    (entries, event): Entries,
    changes: &[Change],
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
pub async fn set_status(app: &App, scope: &Scope, number: i64, version: i64, status: BacklogStatus) -> Result<Item> {
    scope.require(Role::Triager)?;
    let to_status = move |item: &mut Item| {
        let from = std::mem::replace(&mut item.status, status);
        if from == status { vec![] } else { vec![Change::Status { from: from.label().into(), to: status.label().into() }] }
    };
    change(app, scope, number, version, None, to_status).await.map(|(item, _)| item)
}

async fn change(
    app: &App,
    scope: &Scope,
    number: i64,
    version: i64,
    undo: Option<UndoId>,
    work: impl FnOnce(&mut Item) -> Vec<Change> + Send + 'static,
) -> Result<(Item, Option<UndoId>)> {
    let (scope, now) = (*scope, app.now());
    let entries: Entries = ([app.id(), app.id(), app.id()], app.id());
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
                        let step = Step::Edited { item: item.id, version: item.version, title: before.title, body: before.body };
                        tx.keep_undo(undo, None, &scope, &Undoable::Backlog(step), now).await?
                    }
                    None => None,
                };
                Ok((item, kept))
            })
        })
        .await
}
