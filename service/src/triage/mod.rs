//! Use cases of triage: status, assignee, tags, comments, for one item or many, and undo.
//!
//! Each change names the version that the person saw. If another person changed the same property meanwhile, the change is refused and
//! nobody's work is overwritten; tags, comments and links are merged.

pub mod add;
pub mod list;
pub mod patch;

use std::time::Duration;

use domain::{
    DomainError as Refusal, FieldErrors, Timestamp,
    accounts::{Role, Scope},
    feedback::{self, Feedback, FeedbackChange, FeedbackStatus},
    history,
    ids::{ActorId, CommentId, FeedbackId, StaffId, UndoId},
    text::{is_blank, multiline, require},
    triage::{MAX_MATCHING, TriageQuery},
    zone::UTC,
};
use futures_util::{FutureExt, future::BoxFuture};
use search::{self, SearchRequest, Sort};
use store::{Act, Fingerprint, IdempotencyScope, IdempotentWrite, triage::FeedbackUndo};

use crate::{
    error::{Result, from_search},
    state::App,
    undo_handler::{UndoHandler, UndoOutcome},
};

/// Undoes changes to feedback.
pub(crate) const UNDO: UndoHandler = UndoHandler { kind: "feedback", run: undo };

/// Maximum items in one change.
pub const MAX_BULK: usize = 500;

/// Maximum wait for the index before a change of all matches: items that it does not contain yet would be changed wrongly, or left out.
const MATCH_WAIT: Duration = Duration::from_secs(10);

/// An item at the version that the person saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ItemVersion {
    /// Its id.
    pub id: FeedbackId,
    /// Its version.
    pub version: i64,
}

/// A requested change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeedbackEdit {
    /// Sets the status.
    Status(FeedbackStatus),
    /// Sets or clears the assignee.
    Assign(Option<StaffId>),
    /// Tags to add and to remove, as typed.
    Tags {
        /// To add.
        add: Vec<String>,
        /// To remove.
        remove: Vec<String>,
    },
}

/// Result of an edit.
#[derive(Debug, Clone, Default)]
pub struct FeedbackEditOutcome {
    /// Items changed.
    pub changed: usize,
    /// Items that already had the value.
    pub same: usize,
    /// Why the other items were not changed, one sentence each.
    pub conflicts: Vec<String>,
    /// Undoes the edit.
    pub undo: Option<UndoId>,
}

/// Changes items, all in one transaction. Skips items whose same property someone else changed meanwhile.
///
/// # Errors
/// [`Refusal::NotFound`] if an item is not in the project, [`Refusal::Conflict`] if someone else changed every
/// item, [`Refusal::Invalid`] for an invalid status, tag or person.
pub async fn edit(app: &App, scope: &Scope, items: &[ItemVersion], edit: FeedbackEdit) -> Result<FeedbackEditOutcome> {
    scope.require(Role::Triager)?;
    let edit = checked(edit)?;
    if items.is_empty() {
        return Err(Refusal::field("item", "required", "Select at least one item.").into());
    }
    if items.len() > MAX_BULK {
        return Err(Refusal::field("item", "too_many", format!("Change at most {MAX_BULK} items at a time.")).into());
    }
    let items = items.iter().map(|seen| (seen.id, Some(seen.version))).collect();
    let outcome = apply(app, scope, items, edit, None).await?;
    if outcome.changed == 0
        && let Some(why) = outcome.conflicts.first()
    {
        return Err(Refusal::Conflict(format!("{why} Your change was not applied.")).into());
    }
    Ok(outcome)
}

/// Changes all items that match a query once the index is up to date, in batches of [`MAX_BULK`] so that nobody waits long for the database; all
/// batches are undone together. The outcome is empty if nothing matches.
///
/// # Errors
/// As [`edit`]; [`Refusal::Invalid`] if more than [`MAX_MATCHING`] match, [`Refusal::SearchUnavailable`] without an index, or if it does not catch up. Batches
/// completed before the database failed stay.
pub async fn edit_matching(app: &App, scope: &Scope, query: &TriageQuery, edit: FeedbackEdit) -> Result<FeedbackEditOutcome> {
    scope.require(Role::Triager)?;
    let edit = checked(edit)?;
    if !app.search.wait_until_caught_up(MATCH_WAIT).await {
        return Err(Refusal::SearchUnavailable.into());
    }
    let ids = matching(app, scope, query).await?;
    let mut all = FeedbackEditOutcome::default();
    for piece in ids.chunks(MAX_BULK) {
        let done = apply(app, scope, piece.iter().map(|id| (*id, None)).collect(), edit.clone(), all.undo).await?;
        all.changed += done.changed;
        all.same += done.same;
        all.undo = all.undo.or(done.undo);
    }
    Ok(all)
}

/// Returns every matching item before anything is changed: a change may remove items from the results.
async fn matching(app: &App, scope: &Scope, query: &TriageQuery) -> Result<Vec<FeedbackId>> {
    let (mut ids, mut cursor) = (Vec::new(), None);
    let zone = app.store.zone(scope).await?;
    loop {
        let ask = SearchRequest {
            query: query.clone(),
            me: scope.staff(),
            zone: zone.clone(),
            sort: Sort::Newest,
            cursor,
            limit: search::MAX_PAGE_SIZE,
        };
        let found = app.search.search(scope, ask).await.map_err(from_search)?;
        if found.total > MAX_MATCHING {
            let why = format!("{} items match; at most {MAX_MATCHING} can be changed at once. Narrow the search.", found.total);
            return Err(Refusal::field("item", "too_many", why).into());
        }
        ids.extend(found.ids);
        // Items that arrive meanwhile could make the search endless.
        cursor = found.next.filter(|_| ids.len() < MAX_MATCHING);
        if cursor.is_none() {
            return Ok(ids);
        }
    }
}

/// Applies one transaction's part of a change. Items without a version are changed as they are, and skipped if deleted.
async fn apply(
    app: &App,
    scope: &Scope,
    mut items: Vec<(FeedbackId, Option<i64>)>,
    edit: FeedbackEdit,
    follows: Option<UndoId>,
) -> Result<FeedbackEditOutcome> {
    // A fixed order, so that two transactions cannot deadlock.
    items.sort_by_key(|(id, _)| *id);
    items.dedup_by_key(|(id, _)| *id);
    app.store
        .act(app.context(scope), move |act| {
            Box::pin(async move {
                let (project, actor, now) = (act.project(), act.actor_id(), act.now());
                // A change in batches is authorized again before each.
                act.ensure_authorized(Role::Triager).await?;
                if let FeedbackEdit::Assign(Some(assignee)) = edit
                    && !act.is_member(project, assignee).await?
                {
                    return Err(Refusal::field("assignee", "unknown", "Choose a member of this project.").into());
                }
                let mut outcome = FeedbackEditOutcome::default();
                let mut steps = Vec::new();
                for (id, version) in items {
                    let mut held = match (act.feedback_for_update(id).await?, version) {
                        (Some(held), _) => held,
                        (None, Some(_)) => return Err(Refusal::NotFound.into()),
                        (None, None) => continue,
                    };
                    let Some(change) = change(&held, &edit) else {
                        outcome.same += 1;
                        continue;
                    };
                    if let Some(version) = version
                        && let Some(why) = contested(act, &held, version, &change, actor, now).await?
                    {
                        outcome.conflicts.push(why);
                        continue;
                    }
                    let version = act.change_feedback(&mut held, &change).await?;
                    steps.push(FeedbackUndo { feedback: held.id, version, change });
                    outcome.changed += 1;
                }
                if !steps.is_empty() {
                    outcome.undo = act.keep_undo(UNDO.kind, &steps, follows).await?;
                }
                Ok(outcome)
            })
        })
        .await
}

/// Adds a comment; a retry with the same key adds none.
///
/// # Errors
/// [`Refusal::NotFound`], or [`Refusal::Invalid`] for an empty text or one that is too long.
pub async fn comment(app: &App, scope: &Scope, feedback: FeedbackId, body: &str, key: &str) -> Result<CommentId> {
    scope.require(Role::Triager)?;
    let by = scope.actor_id().ok_or(Refusal::Forbidden)?;
    let body = multiline(body);
    let mut errors = FieldErrors::default();
    require(&mut errors, "body", &body, feedback::MAX_COMMENT, "Enter a comment first.");
    errors.into_result(())?;
    let once = IdempotentWrite::form(&IdempotencyScope::Comment(by), key, Fingerprint::of([feedback.to_string().as_str(), &body]));
    app.store
        .act_once(app.context(scope), once, move |act| {
            Box::pin(async move {
                let mut held = act.feedback_for_update(feedback).await?.ok_or(Refusal::NotFound)?;
                let id = act.insert_comment(&held, by, &body).await?;
                act.record_on_feedback(&mut held, &history::HistoryChange::Commented).await?;
                Ok(id)
            })
        })
        .await
}

fn undo<'t>(act: &'t mut Act<'_, '_>, steps: String) -> BoxFuture<'t, Result<UndoOutcome>> {
    async move { undo_steps(act, serde_json::from_str(&steps)?).await }.boxed()
}

/// Undoes changes to feedback, except where it has changed again since.
async fn undo_steps(act: &mut Act<'_, '_>, steps: Vec<FeedbackUndo>) -> Result<UndoOutcome> {
    let now = act.now();
    let mut outcome = UndoOutcome::default();
    for step in steps {
        let Some(mut held) = act.feedback_for_update(step.feedback).await? else { continue };
        let Some(change) = step.change.inverse().rebased(&held) else {
            outcome.same += 1;
            continue;
        };
        if let Some(why) = contested(act, &held, step.version, &change, None, now).await? {
            outcome.conflicts.push(why);
            continue;
        }
        act.change_feedback(&mut held, &change).await?;
        outcome.changed += 1;
    }
    Ok(outcome)
}

fn checked(edit: FeedbackEdit) -> Result<FeedbackEdit> {
    match edit {
        FeedbackEdit::Status(FeedbackStatus::Linked) => {
            Err(Refusal::field("status", "linked", "To set “Linked”, link the feedback to a backlog item.").into())
        }
        FeedbackEdit::Tags { add, remove } => {
            let mut tags = Vec::new();
            for typed in add.iter().flat_map(|t| t.split(',')).filter(|t| !is_blank(t)) {
                let tag = feedback::normalize_tag(typed);
                tags.push(tag.ok_or_else(|| Refusal::field("add", "tag", feedback::tag_rule()))?);
            }
            if tags.is_empty() && remove.is_empty() {
                return Err(Refusal::field("add", "required", "Enter a tag first.").into());
            }
            Ok(FeedbackEdit::Tags { add: tags, remove })
        }
        other => Ok(other),
    }
}

/// Returns the tags in the comma-separated `typed` that no feedback of the project has yet.
///
/// # Errors
/// When the database fails.
pub async fn new_tags(app: &App, scope: &Scope, typed: &str) -> Result<Vec<String>> {
    let mut new = Vec::new();
    for tag in typed.split(',').filter_map(feedback::normalize_tag) {
        if !app.store.has_tag(scope, &tag).await? {
            new.push(tag);
        }
    }
    Ok(new)
}

/// Returns the edit's change to this item; `None` if it already has the value.
fn change(held: &Feedback, edit: &FeedbackEdit) -> Option<FeedbackChange> {
    match edit {
        FeedbackEdit::Status(to) => FeedbackChange::Status { from: held.status, to: *to },
        FeedbackEdit::Assign(to) => FeedbackChange::Assigned { from: held.assignee, to: *to },
        FeedbackEdit::Tags { add, remove } => FeedbackChange::Tagged { added: add.clone(), removed: remove.clone() },
    }
    .rebased(held)
}

/// Returns why the change must not happen: someone other than `except` changed the same property since this version.
async fn contested(
    act: &mut Act<'_, '_>,
    held: &Feedback,
    version: i64,
    change: &FeedbackChange,
    except: Option<ActorId>,
    now: Timestamp,
) -> Result<Option<String>> {
    if held.version == version {
        return Ok(None);
    }
    if version > held.version {
        return Ok(Some("This page is out of date. Open the item in a new tab to see its current state.".into()));
    }
    let since = act.history_since(held.project, held.id, version).await?;
    let Some(event) = since.into_iter().find(|event| change.conflicts_with(&event.change)) else { return Ok(None) };
    if event.by.is_some() && event.by == except {
        return Ok(None);
    }
    Ok(Some(format!("{} {} {}.", event.name, event.change.sentence(), UTC.ago(event.at, now))))
}
