//! The parameters of an inbox's URL.

use domain::triage::TriageQuery;
use serde::Deserialize;

use super::inbox_url;
use crate::http::return_to;

/// The state of the view, all in the URL.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct InboxParams {
    #[serde(default)]
    pub q: String,
    #[serde(default)]
    pub sort: String,
    #[serde(default)]
    pub cursor: String,
    #[serde(default)]
    pub item: String,
    /// The search in the link panel of the open item.
    #[serde(default)]
    pub link_q: String,
}

impl InboxParams {
    /// The view at a return path; `None` unless that is the inbox with a valid query.
    pub(super) fn of_inbox(slug: &str, return_to: &str) -> Option<Self> {
        let wanted = return_to::return_to(slug, return_to)?;
        let (path, query) = wanted.split_once('?').unwrap_or((&wanted, ""));
        if path != inbox_url(slug, &[]) {
            return None;
        }
        let mut params = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            match &*name {
                "q" => params.q = value,
                "sort" => params.sort = value,
                "cursor" => params.cursor = value,
                "item" => params.item = value,
                _ => {}
            }
        }
        TriageQuery::parse(&params.q).is_ok().then_some(params)
    }

    /// The URL of this view with `changes` in it.
    pub(super) fn url(&self, slug: &str, changes: &[(&str, &str)]) -> String {
        let own = [("q", self.q.as_str()), ("sort", &self.sort), ("cursor", &self.cursor), ("item", &self.item)];
        let changed = own.map(|(name, value)| (name, changes.iter().find(|(n, _)| *n == name).map_or(value, |(_, v)| *v)));
        inbox_url(slug, &changed)
    }
}
