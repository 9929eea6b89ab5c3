//! The help desk report.

use app::{
    desk::{
        DeskPage, DeskView,
        report::{AgeRow, LinkedCount},
    },
    shell::Nav,
};
use axum::{Router, routing::get};
use domain::{
    accounts::Role,
    clock::DAY_MS,
    desk::{AGE_GROUPS, format_duration},
    tickets::TicketState,
};
use leptos::prelude::*;
use service::desk;

use super::{address::BaseUrl, console::ConsoleRequest, error::PageResult};
use crate::http::WebState;

/// This capability's routes.
pub fn routes() -> Router<WebState> {
    Router::new().route("/p/{slug}/tickets", get(show))
}

/// Query for open tickets, in the inbox's query language.
const OPEN: &str = "kind:ticket -status:resolved";
/// Only conversations have a priority. Imported tickets have none, and no requester waits for a reply there.
const CONVERSATIONS: &str = "priority:low priority:normal priority:high priority:urgent";

async fn show(console: ConsoleRequest, BaseUrl(base): BaseUrl) -> PageResult {
    let scope = console.scope(Role::Viewer)?;
    let slug = console.project()?.slug.clone();
    let report = desk::report(&console.app, &scope).await?;
    let now = console.app.now();
    let inbox = |query: &str| super::inbox::inbox_url(&slug, &[("q", query)]);
    let sum = |state: TicketState| -> i64 { report.open.iter().filter(|o| o.state == state).map(|o| o.count).sum() };
    let (unassigned, urgent) = (report.open.iter().map(|o| o.unassigned).sum(), report.open.iter().map(|o| o.urgent).sum());
    let count = |label, n, query: Option<String>| LinkedCount { label, n, href: query.map(|q| inbox(&q)) };
    let ages = AGE_GROUPS.iter().enumerate().map(|(group, (_, from))| {
        let of = |state| report.open.iter().filter(|o| o.age == group && o.state == state).map(|o| o.count).sum();
        let older = if *from > 0 { format!(" before:{}d", from / DAY_MS) } else { String::new() };
        let younger = AGE_GROUPS.get(group + 1).map_or_else(String::new, |(_, to)| format!(" after:{}d", to / DAY_MS));
        AgeRow {
            open: of(TicketState::Open),
            answered: of(TicketState::Answered),
            href: inbox(&format!("{OPEN} {CONVERSATIONS}{older}{younger}")),
        }
    });
    let view = DeskView {
        open: (sum(TicketState::Open) + sum(TicketState::Answered), inbox(&format!("{OPEN} {CONVERSATIONS}"))),
        portal: console.project()?.portal.then(|| format!("{base}/p/{slug}")),
        days: desk::REPORT_DAYS,
        total: report.total,
        now: vec![
            count("Needs reply", sum(TicketState::Open), None),
            count("Waiting for the requester", sum(TicketState::Answered), None),
            count("Unassigned", unassigned, Some(format!("{OPEN} {CONVERSATIONS} assignee:none"))),
            count("Urgent", urgent, Some(format!("{OPEN} priority:urgent"))),
            count("No reply yet", report.unanswered, None),
        ],
        longest: report.oldest_unanswered.map(|at| format_duration(now.0 - at.0)),
        written: report.written,
        first_response: report.first_response,
        resolution: report.resolution,
        ages: ages.collect(),
        slug: slug.clone(),
    };
    Ok(console.page("Tickets", Nav::Tickets, move || view! { <DeskPage view=view /> }))
}
