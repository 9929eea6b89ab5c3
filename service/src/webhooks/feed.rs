//! Publishes feedback events to webhooks by following the change sequence, so that submissions bear no cost.
//!
//! Any node may do this at any time: the transaction that stores the events also moves the cursor, and only from where it was read.

use std::collections::{HashMap, hash_map::Entry};

use domain::{
    feedback::{Feedback, FeedbackStatus},
    ids::{FeedbackId, ProjectId},
    webhooks::EventKind,
};
use schemas::EventData;
use store::webhooks::NewEvent;

use crate::{error::Result, state::App};

/// Changes processed in one transaction.
const BATCH: i64 = 200;

/// Publishes the next changes; `true` if there may be more.
///
/// # Errors
/// When the database fails.
pub async fn publish_next_batch(app: &App) -> Result<bool> {
    let listening = app.store.projects_with_feedback_webhooks().await?;
    if listening.is_empty() {
        return Ok(false);
    }
    let from = app.store.webhook_cursor().await?;
    let changes = app.store.changes_after(from.0, from.1, BATCH).await?;
    let Some(last) = changes.last() else { return Ok(false) };
    let to = (last.tx, last.seq);
    // Several changes to one record in a batch become one event with its current state.
    let mut order: Vec<FeedbackId> = Vec::new();
    let mut made: HashMap<FeedbackId, bool> = HashMap::new();
    for change in changes.iter().filter(|c| listening.contains(&c.project)) {
        let entry = made.entry(change.feedback).or_insert_with(|| {
            order.push(change.feedback);
            false
        });
        *entry |= change.made;
    }
    let batch = next_feed_batch(app, &order, &made).await?;
    app.store
        .write(move |tx| {
            Box::pin(async move {
                if tx.advance_webhook_cursor(from, to).await? {
                    tx.insert_events(&batch.events).await?;
                    tx.withhold_feedback(&batch.withheld).await?;
                    for feedback in batch.released {
                        tx.release_event(feedback, EventKind::FeedbackCreated).await?;
                    }
                }
                Ok(())
            })
        })
        .await?;
    Ok(i64::try_from(changes.len()).unwrap_or(BATCH) >= BATCH)
}

/// The events of a batch of changes.
#[derive(Default)]
struct FeedBatch {
    events: Vec<NewEvent>,
    /// New, but now spam: published once released.
    withheld: Vec<FeedbackId>,
    /// Published now, and no longer withheld.
    released: Vec<FeedbackId>,
}

async fn next_feed_batch(app: &App, order: &[FeedbackId], made: &HashMap<FeedbackId, bool>) -> Result<FeedBatch> {
    let mut batch = FeedBatch::default();
    if order.is_empty() {
        return Ok(batch);
    }
    let imported = app.store.imported_among(order).await?;
    let withheld = app.store.withheld_among(order).await?;
    let mut rows: HashMap<FeedbackId, Feedback> =
        app.store.index_rows(order).await?.into_iter().map(|row| (row.feedback.id, row.feedback)).collect();
    let mut published = Vec::new();
    for id in order {
        // Deleted records have no event.
        let Some(feedback) = rows.remove(id) else { continue };
        let made = made.get(id).copied().unwrap_or_default();
        // An import of a million rows must not cause a million events.
        if made && imported.contains(id) {
            continue;
        }
        let (is_withheld, is_spam) = (withheld.contains(id), feedback.status == FeedbackStatus::Spam);
        // Spam is not published, unless it was published before it became spam.
        if is_spam && (made || is_withheld) {
            batch.withheld.push(*id);
            continue;
        }
        if is_withheld {
            batch.released.push(*id);
        }
        published.push((feedback, made || is_withheld));
    }
    batch.events = events(app, published).await?;
    Ok(batch)
}

/// Returns an event for each record: that it was created, or else that it was updated.
async fn events(app: &App, published: Vec<(Feedback, bool)>) -> Result<Vec<NewEvent>> {
    let now = app.now();
    let mut slugs: HashMap<ProjectId, String> = HashMap::new();
    let mut heads = Vec::with_capacity(published.len());
    let mut records = Vec::with_capacity(published.len());
    for (feedback, is_new) in published {
        let project = feedback.project;
        if let Entry::Vacant(slug) = slugs.entry(project) {
            slug.insert(app.store.project_by_id(project).await?.map(|p| p.slug).unwrap_or_default());
        }
        let url = slugs.get(&project).and_then(|slug| app.store.page_url(slug, &format!("feedback/{}", feedback.id)));
        heads.push((project, url, is_new));
        records.push(feedback);
    }
    let records = app.store.feedback_with_contacts(records).await?;
    let event = |((project, url, is_new), record)| {
        let what = if is_new { EventData::FeedbackCreated } else { EventData::FeedbackUpdated };
        NewEvent::new(project, url, what(Box::new(record)), now)
    };
    heads.into_iter().zip(records).map(event).collect()
}
