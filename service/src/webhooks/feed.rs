//! Publishes feedback events to webhooks by following the change sequence, so that submissions bear no cost.
//!
//! Any node may do this at any time: the transaction that stores the events also moves the cursor, and only from where it was read.

use std::collections::{HashMap, hash_map::Entry};

use domain::{
    feedback::FeedbackStatus,
    ids::{FeedbackId, ProjectId},
    webhooks::EventKind,
};
use serde_json::{Value, json};
use store::{
    change_feed::IndexRow,
    triage::{claim_of_feedback, verified_names},
    webhooks::NewEvent,
};

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
    let told = told(app, &order, &made).await?;
    app.store
        .write(move |tx| {
            Box::pin(async move {
                if tx.advance_webhook_cursor(from, to).await? {
                    tx.insert_events(&told.events).await?;
                    tx.withhold_feedback(&told.withheld).await?;
                    for feedback in told.released {
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

async fn told(app: &App, order: &[FeedbackId], made: &HashMap<FeedbackId, bool>) -> Result<FeedBatch> {
    let mut told = FeedBatch::default();
    if order.is_empty() {
        return Ok(told);
    }
    let imported = app.store.imported_among(order).await?;
    let identities = app.store.identities_of(order).await?;
    let withheld = app.store.withheld_among(order).await?;
    let rows: HashMap<FeedbackId, IndexRow> = app.store.index_rows(order).await?.into_iter().map(|row| (row.feedback.id, row)).collect();
    let mut slugs: HashMap<ProjectId, String> = HashMap::new();
    let now = app.now();
    for id in order {
        // Deleted records have no event.
        let Some(row) = rows.get(id) else { continue };
        let made = made.get(id).copied().unwrap_or_default();
        // An import of a million rows must not cause a million events.
        if made && imported.contains(id) {
            continue;
        }
        let (is_withheld, is_spam) = (withheld.contains(id), row.feedback.status == FeedbackStatus::Spam);
        // Spam is not published, unless it was published before it became spam.
        if is_spam && (made || is_withheld) {
            told.withheld.push(*id);
            continue;
        }
        if is_withheld {
            told.released.push(*id);
        }
        let project = row.feedback.project;
        if let Entry::Vacant(slug) = slugs.entry(project) {
            slug.insert(app.store.project_by_id(project).await?.map(|p| p.slug).unwrap_or_default());
        }
        let url = app.settings.public_url.as_ref().zip(slugs.get(&project)).map(|(base, slug)| format!("{base}/p/{slug}/feedback/{id}"));
        let kind = if made || is_withheld { EventKind::FeedbackCreated } else { EventKind::FeedbackUpdated };
        told.events.push(NewEvent::new(project, kind, &data(row, identities.get(id), url), now));
    }
    Ok(told)
}

type StoredIdentity = (i64, Option<String>, Option<String>);

/// Returns the feedback with all fields of the API's `Feedback`, under the same names.
fn data(row: &IndexRow, identity: Option<&StoredIdentity>, url: Option<String>) -> Value {
    let (verified, stored, claimed) = identity.cloned().unwrap_or_default();
    let claimed = claimed.and_then(|json| serde_json::from_str::<Value>(&json).ok());
    let f = &row.feedback;
    json!({
        "id": f.id,
        "project_id": f.project,
        "kind": f.kind.as_str(),
        "text": f.text,
        "score": f.score.zip(f.score_max).map(|(value, max)| json!({ "value": value, "max": max })),
        "status": f.status.as_str(),
        "tags": f.tags,
        "linked": row.linked,
        "assignee_id": f.assignee,
        "contact_id": f.contact,
        "contact": f.contact.map(|id| json!({
            "id": id,
            "name": row.contact_name,
            "email": row.contact_email,
            "external_id": row.contact_external,
            "verified": verified_names(verified),
            "identity": claim_of_feedback(f, stored.as_deref()).as_str(),
            "claimed": claimed,
        })),
        "survey_id": f.survey,
        "response_id": f.response,
        "page_url": f.page_url,
        "release": f.release,
        "environment": f.environment,
        "language": f.language,
        "spam_reasons": f.spam_reasons,
        "created_at": f.created_at.rfc3339(),
        "updated_at": f.updated_at.rfc3339(),
        "version": f.version,
        "url": url,
    })
}
