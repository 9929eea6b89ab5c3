//! `GET /p/{slug}/inbox`: the query, the list, and the open item.

use app::{
    components::{feedback_text::HighlightSpan, numbers::thousands},
    inbox::{EmptyReason, FacetValue, FacetView, InboxPage, InboxView, ListView, QueryErrorView, RowTicket, RowView, SearchView, score},
    shell::Nav,
};
use axum::{extract::Query, http::StatusCode, response::Response};
use domain::{
    ZonedNow,
    accounts::{Role, Scope},
    feedback::{Feedback, FeedbackKind, FeedbackStatus},
    ids::{StaffId, SurveyId},
    text::is_same_name,
    tickets::Priority,
    triage::{QueryError, QueryField, TriageQuery},
};
use leptos::prelude::*;
use search::{self, Facet, SearchRequest, Sort, highlight, snippet};
use service::{
    error::Result,
    triage::list::{self, FeedbackPage, relaxed_queries},
};
use store::desk::TicketSummary;

use super::{
    detail::{self, RejectedItemForm},
    inbox_url,
    names::DisplayNames,
    params::InboxParams,
    pieces,
};
use crate::http::{console::ConsoleRequest, error::PageResult};

/// Items per page.
const PAGE: usize = 50;
/// Maximum characters of a row's snippet.
const SNIPPET: usize = 180;
/// Maximum values shown per facet.
const FACET_VALUES: usize = 12;

/// `GET /p/{slug}/inbox`.
pub async fn show(console: ConsoleRequest, Query(params): Query<InboxParams>) -> PageResult {
    Ok(answer(&console, params, None).await?)
}

/// The inbox; `refused` is a rejected form of the open item.
pub(super) async fn answer(console: &ConsoleRequest, params: InboxParams, refused: Option<RejectedItemForm<'_>>) -> Result<Response> {
    let scope = console.scope(Role::Viewer)?;
    let slug = console.project()?.slug.clone();
    let mut params = params;
    params.q = params.q.trim().to_owned();
    let parsed = TriageQuery::parse(&params.q);
    let sort = Sort::parse(&params.sort);
    let query = parsed.as_ref().cloned().unwrap_or_default();

    let page = async {
        if parsed.is_err() {
            return Ok(None);
        }
        let cursor = Some(params.cursor.clone()).filter(|c| !c.is_empty());
        let ask = SearchRequest {
            query: query.clone(),
            me: scope.staff(),
            zone: console.present().zone,
            sort: sort.unwrap_or_default(),
            cursor,
            limit: PAGE,
        };
        list::list(&console.app, &scope, ask).await.map(Some)
    };
    let (names, page) = tokio::try_join!(DisplayNames::read(console, &scope), page)?;
    let mut detail = match params.item.parse() {
        Ok(id) if parsed.is_ok() => detail::view(console, &scope, &names, id, &query, Some(&params), &params.link_q).await?,
        _ => None,
    };
    let search = search_view(&slug, &params, parsed.as_ref(), sort, page.as_ref(), &names, scope.staff());
    let was_refused = refused.as_ref().map(|r| r.status);
    let bulk = refused.as_ref().and_then(|r| r.bulk.clone());
    if let (Some(refused), Some(detail)) = (refused, &mut detail) {
        refused.put_on(detail);
    }
    let list = ListView { bulk, ..list_view(console, &scope, &params, &query, page, &names).await? };
    let status = was_refused.unwrap_or(if parsed.is_err() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK });
    let view = InboxView { slug, search, list, detail };
    Ok(console.page_with(status, "Inbox", Nav::Inbox, move || view! { <InboxPage view=view /> }))
}

fn search_view(
    slug: &str,
    params: &InboxParams,
    parsed: Result<&TriageQuery, &QueryError>,
    sort: Option<Sort>,
    page: Option<&FeedbackPage>,
    names: &DisplayNames,
    me: Option<StaffId>,
) -> SearchView {
    let error = parsed.err().map(|error| {
        let at = (0..=error.position.min(params.q.len())).rev().find(|at| params.q.is_char_boundary(*at)).unwrap_or(0);
        let (before, rest) = params.q.split_at(at);
        let word = rest.char_indices().find(|(n, c)| *n > 0 && c.is_whitespace()).map_or(rest, |(n, _)| &rest[..n]);
        QueryErrorView { message: error.message.clone(), before: before.to_owned(), at: word.to_owned() }
    });
    let sorts = Sort::ALL.map(|sort| {
        let label = match sort {
            Sort::Relevance => "Best match",
            Sort::Newest => "Newest first",
            Sort::Oldest => "Oldest first",
        };
        (sort.as_str().to_owned(), label)
    });
    let has_text = parsed.is_ok_and(TriageQuery::has_text);
    let sorts: Vec<_> = sorts.into_iter().filter(|(word, _)| has_text || word != Sort::Relevance.as_str()).collect();
    let sort = sort.filter(|s| has_text || *s != Sort::Relevance).unwrap_or(if has_text { Sort::Relevance } else { Sort::Newest });
    let facets = match (parsed, page) {
        (Ok(query), Some(page)) => page.facets.iter().filter_map(|facet| facet_view(slug, params, query, facet, names, me)).collect(),
        _ => Vec::new(),
    };
    SearchView {
        action: inbox_url(slug, &[]),
        query: params.q.clone(),
        sort: sort.as_str().to_owned(),
        sorts,
        error,
        facets,
        clear: (!params.q.is_empty()).then(|| inbox_url(slug, &[("sort", &params.sort)])),
    }
}

fn facet_view(
    slug: &str,
    params: &InboxParams,
    query: &TriageQuery,
    facet: &Facet,
    names: &DisplayNames,
    me: Option<StaffId>,
) -> Option<FacetView> {
    // The forms of a value in the query language, preferred form first, and its label.
    let words = |value: &str| -> (Vec<String>, String) {
        let own = value.to_owned();
        match facet.field {
            QueryField::Status => (vec![own], FeedbackStatus::parse(value).map_or_else(|| value.to_owned(), |s| s.label().to_owned())),
            QueryField::Kind => (vec![own], FeedbackKind::parse(value).map_or_else(|| value.to_owned(), |k| k.label().to_owned())),
            QueryField::Priority => (vec![own], Priority::parse(value).map_or_else(|| value.to_owned(), |p| p.label().to_owned())),
            QueryField::Assignee if value == "none" => (vec![own], "Nobody".to_owned()),
            QueryField::Assignee => match value.parse::<StaffId>() {
                Ok(staff) if Some(staff) == me => (vec!["me".to_owned(), own], "Me".to_owned()),
                Ok(staff) => {
                    let email = names.members.iter().find(|m| m.id == staff).map(|m| m.email.clone());
                    (email.into_iter().chain([own]).collect(), names.member(staff))
                }
                Err(_) => (vec![own.clone()], own),
            },
            QueryField::Survey => match value.parse::<SurveyId>().ok().and_then(|s| names.surveys.get(&s)) {
                Some(name) => {
                    let unique = names.surveys.values().filter(|other| is_same_name(other, name)).count() == 1;
                    let plain = unique && !name.contains('"');
                    (plain.then(|| name.clone()).into_iter().chain([own]).collect(), name.clone())
                }
                None => (vec![own.clone()], own),
            },
            _ => (vec![own.clone()], own),
        }
    };
    let values: Vec<FacetValue> = facet
        .values
        .iter()
        .take(FACET_VALUES)
        .map(|(value, count)| {
            let (writes, label) = words(value);
            let on = writes.iter().any(|w| query.has(facet.field, w));
            let without = writes.iter().fold(query.clone(), |query, w| query.without(facet.field, w));
            let switched = if on { without } else { query.with(facet.field, writes.first().map_or(value, |w| w)) };
            let url = params.url(slug, &[("q", &switched.to_string()), ("cursor", ""), ("item", "")]);
            FacetValue { label, count: *count, url, on }
        })
        .collect();
    (!values.is_empty()).then(|| FacetView { label: facet.field.label(), values })
}

async fn list_view(
    console: &ConsoleRequest,
    scope: &Scope,
    params: &InboxParams,
    query: &TriageQuery,
    page: Option<FeedbackPage>,
    names: &DisplayNames,
) -> Result<ListView> {
    let slug = console.project()?.slug.as_str();
    let can_triage = scope.require(Role::Triager).is_ok();
    let present = console.present();
    let understood = page.is_some();
    let page = page.unwrap_or_default();
    let empty = if !understood {
        Some(EmptyReason::BadQuery)
    } else if !page.items.is_empty() {
        None
    } else if let Some(cursor) = &page.next {
        Some(further(params.url(slug, &[("cursor", cursor), ("item", "")]), Sort::parse(&params.sort), page.goes_on))
    } else if page.goes_on {
        Some(EmptyReason::Elsewhere {
            title: "No more results".into(),
            text: "You have seen all results.",
            link: ("Back to the first page", params.url(slug, &[("cursor", ""), ("item", "")])),
        })
    } else if search::matches_nothing(query) {
        Some(EmptyReason::NoWords)
    } else if query.is_empty() {
        Some(unfiltered(console, scope, slug).await?)
    } else {
        let without = |(part, rest): (String, TriageQuery)| (part, inbox_url(slug, &[("q", &rest.to_string()), ("sort", &params.sort)]));
        Some(EmptyReason::NoHits(relaxed_queries(query).into_iter().map(without).collect()))
    };
    let notice = page.without_index.map(|status| {
        let progress = match status {
            search::IndexStatus::Building { done, total } => format!(" ({done} of {total} done)"),
            _ => String::new(),
        };
        format!(
            "The search index is being rebuilt{progress}. Until then, this list comes from the database: words match only exactly \
             as written, and the filters next to the search are not available."
        )
    });
    let asked: Vec<_> = page.items.iter().filter(|item| item.kind == FeedbackKind::Ticket).map(|item| item.id).collect();
    let tickets = console.app.store.ticket_summaries(scope, &asked).await?;
    let to = |cursor: &Option<String>| cursor.as_ref().map(|c| params.url(slug, &[("cursor", c), ("item", "")]));
    // The settings export everything; this exports the search results. Without the index there is no search.
    let export = (can_triage && page.without_index.is_none() && !params.q.trim().is_empty() && !page.items.is_empty())
        .then(|| format!("/p/{slug}/export?{}", url::form_urlencoded::Serializer::new(String::new()).append_pair("q", &params.q).finish()));
    Ok(ListView {
        slug: slug.to_owned(),
        can_triage,
        form_key: console.form_key(),
        return_to: params.url(slug, &[]),
        notice,
        rows: page.items.iter().map(|item| row(slug, params, query, item, tickets.get(&item.id), names, &present)).collect(),
        empty,
        total: page.total,
        query: params.q.clone(),
        export,
        prev: to(&page.prev),
        next: to(&page.next),
        members: names.options(),
        bulk: None,
    })
}

/// The message of an unindexed search that found nothing in the records read so far.
fn further(next: String, sort: Option<Sort>, goes_on: bool) -> EmptyReason {
    let which = match sort {
        _ if goes_on => "next",
        Some(Sort::Oldest) => "oldest",
        _ => "newest",
    };
    EmptyReason::Elsewhere {
        title: format!("Nothing in the {which} {} yet", thousands(list::MAX_SCANNED_RECORDS)),
        text: "Without the index, Earshot searches feedback in batches. There is more to search.",
        link: ("Keep searching", next),
    }
}

/// Reason why the inbox is empty without a query.
async fn unfiltered(console: &ConsoleRequest, scope: &Scope, slug: &str) -> Result<EmptyReason> {
    let store = &console.app.store;
    Ok(if store.list_feedback(scope, true, None, 1).await?.is_empty() {
        EmptyReason::NothingYet { can_admin: scope.require(Role::Admin).is_ok() }
    } else if store.has_non_spam(scope).await? {
        EmptyReason::Elsewhere {
            title: "Something just arrived".into(),
            text: "It is being indexed and will be listed in a moment.",
            link: ("Refresh", inbox_url(slug, &[])),
        }
    } else {
        EmptyReason::Elsewhere {
            title: "Only suspected spam".into(),
            text: "All feedback so far looks like spam or was marked as spam. It is hidden from this list.",
            link: ("View spam", inbox_url(slug, &[("q", "status:spam")])),
        }
    })
}

fn row(
    slug: &str,
    params: &InboxParams,
    query: &TriageQuery,
    item: &Feedback,
    ticket: Option<&TicketSummary>,
    names: &DisplayNames,
    present: &ZonedNow,
) -> RowView {
    // A ticket's text begins with its subject, which has its own line.
    let text = ticket.and_then(|t| item.text.strip_prefix(&t.subject)).map_or(item.text.as_str(), str::trim_start);
    let ranges = highlight(query, text, &item.language);
    let cut = snippet(text, &ranges, SNIPPET);
    let subject = ticket.map(|t| highlight(query, &t.subject, &item.language));
    // If only the page URL matches, show it: otherwise nothing in the row would explain the match.
    let page = item.page_url.as_deref().filter(|_| ranges.is_empty() && subject.as_ref().is_none_or(Vec::is_empty)).and_then(|url| {
        let ranges = highlight(query, url, &item.language);
        (!ranges.is_empty()).then(|| pieces(url, &ranges))
    });
    let mut pieces = pieces(&cut.text, &cut.ranges);
    if cut.cut_before {
        pieces.insert(0, HighlightSpan { hit: false, text: "… ".into() });
    }
    if cut.cut_after {
        pieces.push(HighlightSpan { hit: false, text: " …".into() });
    }
    let id = item.id.to_string();
    RowView {
        url: params.url(slug, &[("item", &id)]),
        current: params.item == id,
        id,
        version: item.version,
        status: item.status,
        score: score(item.score, item.score_max),
        ticket: ticket.map(|t| RowTicket {
            number: t.number,
            subject: super::pieces(&t.subject, &subject.unwrap_or_default()),
            state: t.state,
            priority: t.priority,
        }),
        snippet: pieces,
        page,
        tags: item.tags.clone(),
        assignee: item.assignee.map(|a| names.member(a)),
        source: names.source(item),
        age: present.ago(item.created_at),
        at: item.created_at.rfc3339(),
    }
}
