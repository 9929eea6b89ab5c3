//! Pages of results: how one is asked for, and what is on it.

use std::time::Duration;

use domain::{
    Zone,
    ids::{FeedbackId, StaffId},
    triage::{QueryField, TriageQuery},
};

/// In which order results come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sort {
    /// Best first; newest first when no words are asked for. A record keeps its place while the list is paged, whatever is written: only
    /// one whose own words are changed meanwhile comes (again, if it was there before) at the end.
    #[default]
    Relevance,
    /// Newest first.
    Newest,
    /// Oldest first.
    Oldest,
}

impl Sort {
    /// All of them, in the order they are shown.
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

    /// Reads the word in URLs.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sort| sort.as_str() == text)
    }
}

/// One page of results, asked for.
#[derive(Debug, Clone)]
pub struct SearchRequest {
    /// What for.
    pub query: TriageQuery,
    /// Who `assignee:me` is.
    pub me: Option<StaffId>,
    /// The zone of the days in `before:` and `after:`: the project's.
    pub zone: Zone,
    /// In which order.
    pub sort: Sort,
    /// Where to go on: [`SearchPage::next`] or [`SearchPage::prev`] of the page before.
    pub cursor: Option<String>,
    /// How many, at most [`MAX_PAGE_SIZE`].
    pub limit: usize,
}

/// Longest page.
pub const MAX_PAGE_SIZE: usize = 200;

/// The values of one field among the results, most frequent first. Where the query itself asks about the field, the counts are
/// those without that part of it, so that a person can switch. The values are those that the query language writes; those of
/// `assignee` and `survey` are ids (or `none`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facet {
    /// Which field.
    pub field: QueryField,
    /// Each value with how many results have it.
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
    /// In order.
    pub ids: Vec<FeedbackId>,
    /// How many there are on all pages.
    pub total: usize,
    /// One for each of [`FACETS`]; where tickets are asked for, their priority too.
    pub facets: Vec<Facet>,
    /// The cursor of the page after, if there is one.
    pub next: Option<String>,
    /// The cursor of the page before, if there is one.
    pub prev: Option<String>,
    /// How long it took.
    pub took: Duration,
}
