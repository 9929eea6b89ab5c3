//! Search requests and pages of results.

use std::time::Duration;

use domain::{
    Zone,
    ids::{FeedbackId, StaffId},
    triage::{QueryField, TriageQuery},
};

/// The sort order of results.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sort {
    /// Best first; newest first if the query has no words. A record keeps its position while the list is paged, regardless of writes: only
    /// a record whose own words are changed meanwhile comes (possibly again) at the end.
    #[default]
    Relevance,
    /// Newest first.
    Newest,
    /// Oldest first.
    Oldest,
}

impl Sort {
    /// All sort orders, in display order.
    pub const ALL: [Self; 3] = [Self::Relevance, Self::Newest, Self::Oldest];

    /// The word in URLs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Relevance => "relevance",
            Self::Newest => "newest",
            Self::Oldest => "oldest",
        }
    }

    /// Parses the word in URLs.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sort| sort.as_str() == text)
    }
}

/// A request for one page of results.
#[derive(Debug, Clone)]
pub struct SearchRequest {
    /// The query.
    pub query: TriageQuery,
    /// The person that `assignee:me` refers to.
    pub me: Option<StaffId>,
    /// The zone of the days in `before:` and `after:`: the project's.
    pub zone: Zone,
    /// The sort order.
    pub sort: Sort,
    /// Where to continue: [`SearchPage::next`] or [`SearchPage::prev`] of an earlier page.
    pub cursor: Option<String>,
    /// The page size, at most [`MAX_PAGE_SIZE`].
    pub limit: usize,
}

/// The largest page size.
pub const MAX_PAGE_SIZE: usize = 200;

/// The values of one field among the results, most frequent first. If the query itself filters by the field, the counts ignore that filter,
/// so that a person can switch values. The values are those of the query language; those of `assignee` and `survey` are ids (or `none`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facet {
    /// The field.
    pub field: QueryField,
    /// Each value with the number of results that have it.
    pub values: Vec<(String, usize)>,
}

/// The fields that are counted, in the order of [`SearchPage::facets`].
pub const FACETS: [QueryField; 7] = [
    QueryField::Status,
    QueryField::Kind,
    QueryField::Tag,
    QueryField::Assignee,
    QueryField::Survey,
    QueryField::Lang,
    QueryField::Release,
];

/// One page of results.
#[derive(Debug, Clone)]
pub struct SearchPage {
    /// The results, in order.
    pub ids: Vec<FeedbackId>,
    /// The number of results on all pages.
    pub total: usize,
    /// One for each of [`FACETS`]; also the priority if the query is about tickets.
    pub facets: Vec<Facet>,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
    /// The cursor of the previous page, if there is one.
    pub prev: Option<String>,
    /// The duration of the search.
    pub took: Duration,
}
