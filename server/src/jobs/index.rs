//! Gives the search index its documents: the store as a [`Source`].

use async_trait::async_trait;
use domain::ids::{FeedbackId, ProjectId, StaffId, SurveyId};
use tokio::sync::watch;

use crate::{
    error::Result,
    search::{Change, Document, Position, Source},
    store::{
        Store,
        search::{ChangeRow, IndexRow, Seen},
    },
};

fn document(row: IndexRow) -> Document {
    let known = [&row.contact_name, &row.contact_email, &row.contact_external].into_iter().flatten().any(|t| !t.is_empty());
    let contact = [row.contact_name, row.contact_email].into_iter().flatten().collect::<Vec<_>>().join(" ");
    Document { feedback: row.feedback, linked: row.linked, commented: row.commented, contact, known, ticket: row.ticket }
}

#[async_trait]
impl Source for Store {
    async fn changes(&self, after: Position, limit: usize) -> Result<Vec<Change>> {
        let rows = self.changes_after(after.tx, after.seq, i64::try_from(limit).unwrap_or(i64::MAX)).await?;
        let change =
            |r: ChangeRow| Change { at: Position { tx: r.tx, seq: r.seq }, project: r.project, feedback: r.feedback, made: r.made };
        Ok(rows.into_iter().map(change).collect())
    }

    async fn mend(&self) -> Result<()> {
        let mended = self.mend_changes().await?;
        if mended > 0 {
            tracing::warn!(search.changes = mended, "the database was moved to another server; its changes are followed anew");
        }
        Ok(())
    }

    async fn head(&self) -> Result<Position> {
        self.last_change(Seen::Committed).await.map(|(tx, seq)| Position { tx, seq })
    }

    async fn beginning(&self) -> Result<Position> {
        self.changes_begin().await.map(|(tx, seq)| Position { tx, seq })
    }

    async fn change_at(&self, at: Position) -> Result<Option<FeedbackId>> {
        self.change_about(at.seq).await
    }

    async fn settled(&self) -> Result<Position> {
        self.last_change(Seen::Settled).await.map(|(tx, seq)| Position { tx, seq })
    }

    async fn documents(&self, changes: &[Change]) -> Result<Vec<Document>> {
        let changes: Vec<(FeedbackId, bool)> = changes.iter().map(|change| (change.feedback, change.made)).collect();
        Ok(self.changed_rows(&changes).await?.into_iter().map(document).collect())
    }

    async fn documents_after(&self, after: Option<FeedbackId>, limit: usize) -> Result<Vec<Document>> {
        let rows = self.index_rows_after(after, i64::try_from(limit).unwrap_or(i64::MAX)).await?;
        Ok(rows.into_iter().map(document).collect())
    }

    async fn count(&self) -> Result<usize> {
        self.feedback_total().await.map(|n| usize::try_from(n).unwrap_or_default())
    }

    async fn member(&self, project: ProjectId, email: &str) -> Result<Option<StaffId>> {
        self.member_id_by_email(project, email).await
    }

    async fn surveys(&self, project: ProjectId, name: &str) -> Result<Vec<SurveyId>> {
        self.survey_ids_by_name(project, name).await
    }

    fn wake(&self) -> watch::Receiver<u64> {
        self.changes()
    }
}
