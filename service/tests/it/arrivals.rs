//! Subscribers are notified of every newly searchable record, whatever state the index was in when it arrived.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use domain::{
    accounts::Scope,
    ids::FeedbackId,
    triage::{ProjectNames, TriageQuery},
};
use search::{ChangePosition, DocumentSource, IndexChange, IndexDocument, Result, Search};
use service::document_source::StoreDocumentSource;
use tokio::sync::{Semaphore, watch};

use testing::{TestApp, on_both, sample};

const SOON: Duration = Duration::from_secs(20);

/// The store, blocking the count of records until released: building an index begins with it.
struct Waiting {
    store: Arc<dyn DocumentSource>,
    go: Arc<Semaphore>,
}

#[async_trait]
impl DocumentSource for Waiting {
    async fn changes(&self, after: ChangePosition, limit: usize) -> Result<Vec<IndexChange>> {
        self.store.changes(after, limit).await
    }

    async fn mend(&self) -> Result<()> {
        self.store.mend().await
    }

    async fn head(&self) -> Result<ChangePosition> {
        self.store.head().await
    }

    async fn beginning(&self) -> Result<ChangePosition> {
        self.store.beginning().await
    }

    async fn change_at(&self, at: ChangePosition) -> Result<Option<FeedbackId>> {
        self.store.change_at(at).await
    }

    async fn settled(&self) -> Result<ChangePosition> {
        self.store.settled().await
    }

    async fn documents(&self, changes: &[IndexChange]) -> Result<Vec<IndexDocument>> {
        self.store.documents(changes).await
    }

    async fn documents_after(&self, after: Option<FeedbackId>, limit: usize) -> Result<Vec<IndexDocument>> {
        self.store.documents_after(after, limit).await
    }

    async fn count(&self) -> Result<usize> {
        self.go.acquire().await.unwrap().forget();
        self.store.count().await
    }

    async fn names(&self, scope: &Scope, query: &TriageQuery) -> Result<ProjectNames> {
        self.store.names(scope, query).await
    }

    fn wake(&self) -> watch::Receiver<u64> {
        self.store.wake()
    }
}

on_both!(what_came_before_the_index_was_read_is_told, |t: TestApp| async move {
    let project = service::projects::create(&t.app, "P", vec![], None).await.unwrap().id;
    let add = async |text: &str| {
        let item = sample(&t.app, project, text);
        let id = item.id;
        t.app.store.write(move |tx| Box::pin(async move { tx.insert_feedback(&item, None).await })).await.unwrap();
        id
    };
    let old = add("there before the start").await;

    let (dir, go) = (tempfile::tempdir().unwrap(), Arc::new(Semaphore::new(0)));
    let source = Waiting { store: Arc::new(StoreDocumentSource(t.app.store.clone())), go: Arc::clone(&go) };
    let search = Search::new(dir.path().join("index"), "instance".into(), Arc::new(source), t.clock.clone());
    let mut arrivals = search.subscribe_new_records();
    let mut notified = async || tokio::time::timeout(SOON, arrivals.recv()).await.expect("nobody was told").unwrap().feedback;
    search.start().await.unwrap();
    // The initial build indexes it, so it is not a change followed afterwards.
    let early = add("while the index was begun").await;
    go.add_permits(1);
    assert!(search.ready(SOON).await);
    assert_eq!(notified().await, [early], "and not {old}, which nobody waits for");

    // The same when a broken index is rebuilt; once it follows changes, each record is notified once.
    search.rebuild();
    let meanwhile = add("while it was built again").await;
    go.add_permits(1);
    assert_eq!(notified().await, [meanwhile]);
    assert!(search.ready(SOON).await);
    let late = add("when all was well").await;
    assert_eq!(notified().await, [late]);
    search.stop().await;
});
