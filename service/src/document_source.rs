//! Supplies the search index with documents: the store as a [`search::DocumentSource`].

use async_trait::async_trait;
use domain::{
    accounts::Scope,
    email,
    ids::FeedbackId,
    triage::{ProjectNames, TriageQuery},
};
use search::{ChangePosition, DocumentSource, IndexChange, IndexDocument};
use store::{
    Store,
    change_feed::{ChangeEntry, ChangeVisibility, IndexRow},
};
use tokio::sync::watch;

use crate::error::{Error, Result};

/// The store, adapted for the search index.
pub struct StoreDocumentSource(pub Store);

/// Converts a store error for the index.
fn failed(error: Error) -> search::Error {
    match error {
        Error::Domain(refusal) => search::Error::Refused(refusal),
        other => search::Error::Source(Box::new(other)),
    }
}

fn document(row: IndexRow) -> IndexDocument {
    let known = [&row.contact_name, &row.contact_email, &row.contact_external].into_iter().flatten().any(|t| !t.is_empty());
    let contact = [row.contact_name, row.contact_email].into_iter().flatten().collect::<Vec<_>>().join(" ");
    IndexDocument { feedback: row.feedback, linked: row.linked, commented: row.commented, contact, known, ticket: row.ticket }
}

#[async_trait]
impl DocumentSource for StoreDocumentSource {
    async fn changes(&self, after: ChangePosition, limit: usize) -> search::Result<Vec<IndexChange>> {
        let rows = self.0.changes_after(after.tx, after.seq, i64::try_from(limit).unwrap_or(i64::MAX)).await.map_err(failed)?;
        let change = |r: ChangeEntry| IndexChange {
            at: ChangePosition { tx: r.tx, seq: r.seq },
            project: r.project,
            feedback: r.feedback,
            made: r.made,
        };
        Ok(rows.into_iter().map(change).collect())
    }

    async fn mend(&self) -> search::Result<()> {
        let mended = self.0.repair_change_sequence().await.map_err(failed)?;
        if mended > 0 {
            tracing::warn!(search.changes = mended, "the database was moved to another server; following its changes from there");
        }
        Ok(())
    }

    async fn head(&self) -> search::Result<ChangePosition> {
        self.0.last_change(ChangeVisibility::Committed).await.map_err(failed).map(|(tx, seq)| ChangePosition { tx, seq })
    }

    async fn beginning(&self) -> search::Result<ChangePosition> {
        self.0.changes_begin().await.map_err(failed).map(|(tx, seq)| ChangePosition { tx, seq })
    }

    async fn change_at(&self, at: ChangePosition) -> search::Result<Option<FeedbackId>> {
        self.0.change_about(at.seq).await.map_err(failed)
    }

    async fn settled(&self) -> search::Result<ChangePosition> {
        self.0.last_change(ChangeVisibility::Settled).await.map_err(failed).map(|(tx, seq)| ChangePosition { tx, seq })
    }

    async fn documents(&self, changes: &[IndexChange]) -> search::Result<Vec<IndexDocument>> {
        let changes: Vec<(FeedbackId, bool)> = changes.iter().map(|change| (change.feedback, change.made)).collect();
        Ok(self.0.changed_rows(&changes).await.map_err(failed)?.into_iter().map(document).collect())
    }

    async fn documents_after(&self, after: Option<FeedbackId>, limit: usize) -> search::Result<Vec<IndexDocument>> {
        let rows = self.0.index_rows_after(after, i64::try_from(limit).unwrap_or(i64::MAX)).await.map_err(failed)?;
        Ok(rows.into_iter().map(document).collect())
    }

    async fn count(&self) -> search::Result<usize> {
        self.0.feedback_total().await.map_err(failed).map(|n| usize::try_from(n).unwrap_or_default())
    }

    async fn names(&self, scope: &Scope, query: &TriageQuery) -> search::Result<ProjectNames> {
        names(&self.0, scope, query).await.map_err(failed)
    }

    fn wake(&self) -> watch::Receiver<u64> {
        self.0.changes()
    }
}

/// Returns the names in the scope's project that a query uses for ids: of members, those that it mentions; all surveys, if any.
///
/// # Errors
/// When the database fails.
pub(crate) async fn names(store: &Store, scope: &Scope, query: &TriageQuery) -> Result<ProjectNames> {
    let mut names = ProjectNames::default();
    let mut members: Vec<String> = query.named_members().flat_map(email::stored_forms).collect();
    members.sort_unstable();
    members.dedup();
    if !members.is_empty() {
        names.members = store.members_with_email(scope, &members).await?;
    }
    if query.names_surveys() {
        names.surveys = store.survey_names(scope).await?.into_iter().collect();
    }
    Ok(names)
}
