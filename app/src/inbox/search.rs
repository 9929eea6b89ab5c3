//! The query, the sort order, and the filters.

use domain::triage::MAX_QUERY;
use leptos::prelude::*;

use super::help::SyntaxHelp;

/// A query with a syntax error, split at the error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryErrorView {
    /// The problem and how to fix it.
    pub message: String,
    /// The part before the error.
    pub before: String,
    /// The rest, starting at the error.
    pub at: String,
}

/// One value of a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FacetValue {
    /// For display.
    pub label: String,
    /// How many items have it.
    pub count: usize,
    /// URL of the inbox with this filter toggled.
    pub url: String,
    /// Whether it is on.
    pub on: bool,
}

/// One filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FacetView {
    /// The heading.
    pub label: &'static str,
    /// Most frequent first.
    pub values: Vec<FacetValue>,
}

/// Search and filters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchView {
    /// `/p/{slug}/inbox`.
    pub action: String,
    /// The query, as typed.
    pub query: String,
    /// The chosen order.
    pub sort: String,
    /// Value and label of each sort order.
    pub sorts: Vec<(String, &'static str)>,
    /// The syntax error of the query.
    pub error: Option<QueryErrorView>,
    /// The filters.
    pub facets: Vec<FacetView>,
    /// URL of the inbox without a query, if there is a query.
    pub clear: Option<String>,
}

/// The search box with its help, the sort order, and the filters.
#[component]
pub fn SearchBar(
    /// Its content.
    view: SearchView,
) -> impl IntoView {
    let SearchView { action, query, sort, sorts, error, facets, clear } = view;
    let invalid = error.is_some();
    let on: usize = facets.iter().flat_map(|f| &f.values).filter(|v| v.on).count();
    let filters = (!facets.is_empty()).then(|| {
        view! {
            <details class="facets">
                <summary>"Filters" {(on > 0).then(|| view! { " " <span class="badge badge-info">{on}</span> })}</summary>
                <div class="facet-groups">
                    {facets.into_iter().map(|facet| view! { <Facet view=facet /> }).collect_view()}
                </div>
            </details>
        }
    });
    view! {
        <div class="inbox-search" id="inbox-search" data-part>
            <form method="get" action=action role="search" aria-label="Feedback" class="inbox-query" data-enhance data-waits="inbox-list">
                <label for="q" class="visually-hidden">"Search feedback"</label>
                <span class="inbox-query-box">
                    <input
                        id="q" name="q" type="search" value=query placeholder="Search: words, \"a phrase\", status:new, score:<=6" autocomplete="off"
                        spellcheck="false" maxlength=MAX_QUERY aria-describedby=if invalid { "q-error" } else { "q-keys" } aria-invalid=invalid.then_some("true")
                    />
                    <span id="q-keys" class="inbox-query-keys"><kbd>"/"</kbd><span class="visually-hidden">" moves to the search"</span></span>
                </span>
                <label for="sort" class="visually-hidden">"Order"</label>
                <select id="sort" name="sort" data-submit-on-change>
                    {sorts.into_iter().map(|(word, label)| {
                        let selected = word == sort;
                        view! { <option value=word selected=selected>{label}</option> }
                    }).collect_view()}
                </select>
                <button type="submit" class="button">"Search"</button>
                {clear.map(|url| view! { <a class="button button-quiet" href=url data-enhance data-waits="inbox-list">"Clear"</a> })}
            </form>
            {error.map(|error| view! {
                <div class="inbox-query-error" id="q-error" role="alert">
                    <p class="field-error">{error.message}</p>
                    <p class="mono">{error.before}<mark>{if error.at.is_empty() { "⏎".to_owned() } else { error.at }}</mark></p>
                </div>
            })}
            <SyntaxHelp />
            {filters}
        </div>
    }
    .into_any()
}

#[component]
fn Facet(view: FacetView) -> impl IntoView {
    let FacetView { label, values } = view;
    view! {
        <section class="facet">
            <h2>{label}</h2>
            <ul>
                {values.into_iter().map(|value| {
                    let items = if value.count == 1 { "item" } else { "items" };
                    let says = format!("{}, {} {items}{}", value.label, value.count, if value.on { ", active; remove this filter" } else { "" });
                    view! {
                        <li>
                            <a href=value.url data-enhance data-waits="inbox-list" class="facet-value" aria-current=value.on.then_some("true") aria-label=says>
                                <span class="facet-label">{value.label}</span><span class="facet-count">{value.count}</span>
                            </a>
                        </li>
                    }
                }).collect_view()}
            </ul>
        </section>
    }
    .into_any()
}
