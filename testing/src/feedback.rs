//! Feedback for search tests.

use std::time::Duration;

use domain::{
    accounts::Scope,
    feedback::Feedback,
    ids::{FeedbackId, ProjectId},
    projects::Project,
    triage::TriageQuery,
    zone::Zone,
};
use search::{SearchPage, SearchRequest, Sort};

use crate::{TestApp, sample};

/// Timeout for the index.
pub const INDEX_TIMEOUT: Duration = Duration::from_secs(20);

/// Adds records as they are.
pub async fn add(t: &TestApp, items: Vec<Feedback>) {
    t.app
        .store
        .write(move |tx| {
            Box::pin(async move {
                for item in &items {
                    assert!(tx.insert_feedback(item, None).await?);
                }
                Ok(())
            })
        })
        .await
        .unwrap();
}

/// The text of a record, and a function that changes its other fields.
pub type FeedbackSpec<'a> = (&'a str, &'a dyn Fn(&mut Feedback));

/// Adds records, each changed by its function, and returns their ids.
pub async fn add_feedback(t: &TestApp, project: ProjectId, what: &[FeedbackSpec<'_>]) -> Vec<FeedbackId> {
    let mut items = Vec::new();
    for (text, change) in what {
        t.clock.advance_ms(1000);
        let mut item = sample(&t.app, project, text);
        change(&mut item);
        items.push(item);
    }
    let ids = items.iter().map(|i| i.id).collect();
    add(t, items).await;
    assert!(t.app.search.ready(INDEX_TIMEOUT).await && t.app.search.wait_until_caught_up(INDEX_TIMEOUT).await);
    ids
}

/// Changes nothing.
pub fn plain(_: &mut Feedback) {}

/// A project without members.
pub async fn project(t: &TestApp) -> Project {
    service::projects::create(&t.app, "My app", vec![], None).await.unwrap()
}

/// A query for the first hundred, oldest first.
#[must_use]
pub fn ask(query: &str) -> SearchRequest {
    SearchRequest {
        query: TriageQuery::parse(query).unwrap(),
        me: None,
        zone: Zone::default(),
        sort: Sort::Oldest,
        cursor: None,
        limit: 100,
    }
}

/// The results of a query.
pub async fn find(t: &TestApp, project: ProjectId, query: &str) -> SearchPage {
    t.app.search.search(&Scope::system(project), ask(query)).await.unwrap_or_else(|e| panic!("{query}: {e}"))
}

/// The indexes of those of `ids` that a query finds.
pub async fn hits(t: &TestApp, project: ProjectId, ids: &[FeedbackId], query: &str) -> Vec<usize> {
    let found = find(t, project, query).await;
    assert_eq!(found.total, found.ids.len());
    found.ids.iter().map(|id| ids.iter().position(|i| i == id).expect("an id of this project")).collect()
}
