//! The desk report: response times and open tickets.

use domain::desk::{AGE_GROUPS, DurationStats, MIN_TICKETS_FOR_MEDIAN, MIN_TICKETS_FOR_P90, format_duration};
use leptos::prelude::*;

use crate::components::{
    layout::{Empty, PageHead},
    numbers::thousands,
};

/// Open tickets of one age group.
#[derive(Debug, Clone, Default)]
pub struct AgeRow {
    /// Waiting for the team.
    pub open: i64,
    /// Waiting for the requester.
    pub answered: i64,
    /// Their URL in the inbox.
    pub href: String,
}

/// A count with a link to the counted items.
#[derive(Debug, Clone)]
pub struct LinkedCount {
    /// Label of the count.
    pub label: &'static str,
    /// The count.
    pub n: i64,
    /// Their URL in the inbox, if the inbox can list them.
    pub href: Option<String>,
}

/// View model of the page.
#[derive(Debug, Clone)]
pub struct DeskView {
    /// The project's name in URLs.
    pub slug: String,
    /// The number of open tickets, and their URL in the inbox.
    pub open: (i64, String),
    /// URL of the portal.
    pub portal: Option<String>,
    /// The length of the period in days.
    pub days: i64,
    /// The number of tickets ever created.
    pub total: i64,
    /// Current counts.
    pub now: Vec<LinkedCount>,
    /// The longest current wait for a first reply, for display.
    pub longest: Option<String>,
    /// Tickets created in the period.
    pub written: i64,
    /// Times to the first reply.
    pub first_response: DurationStats,
    /// Times to closing.
    pub resolution: DurationStats,
    /// Open tickets by age, as [`AGE_GROUPS`].
    pub ages: Vec<AgeRow>,
}

fn count(n: i64) -> String {
    thousands(usize::try_from(n).unwrap_or_default())
}

/// The page `/p/{slug}/tickets`.
#[component]
pub fn DeskPage(
    /// Its content.
    view: DeskView,
) -> impl IntoView {
    let DeskView { slug, open, portal, days, total, now, longest, written, first_response, resolution, ages } = view;
    let (open, inbox) = open;
    let (first, settings) = (portal.clone(), format!("/p/{slug}/settings#portal"));
    view! {
        <PageHead title="Tickets" lead="How long people wait for a reply, and which tickets are open now. The tickets themselves are in the inbox.">
            <a class="button button-primary" href=inbox>{format!("Open tickets in the inbox ({})", count(open))}</a>
            <a class="button" href=format!("/p/{slug}/replies")>"Canned replies"</a>
        </PageHead>
        {(total == 0).then(|| view! {
            <Empty title="No tickets yet" text=match first { Some(_) => "People create tickets in the portal and read replies there. Link to it from where they look for help.", None => "The ticket portal is off, so nobody can create tickets. An admin can turn it on." }>
                {match first {
                    Some(first) => view! { <a class="button button-primary" href=first>"Open the portal"</a> },
                    None => view! { <a class="button" href=settings>"Settings"</a> },
                }}
            </Empty>
        })}
        {(total > 0).then(|| view! {
            <div class="stack">
                <section class="card stack" aria-labelledby="desk-now">
                    <h2 id="desk-now">"Now"</h2>
                    <dl class="desk-sums">
                        {now.into_iter().map(|c| view! {
                            <div><dt>{c.label}</dt><dd>{match c.href {
                                Some(href) if c.n > 0 => view! { <a href=href>{count(c.n)}</a> }.into_any(),
                                _ => count(c.n).into_any(),
                            }}</dd></div>
                        }).collect_view()}
                    </dl>
                    {longest.map(|longest| view! { <p class="small">"The oldest ticket without a reply was created " <strong>{longest}</strong> " ago."</p> })}
                </section>
                <section class="stack" aria-labelledby="desk-times">
                    <h2 id="desk-times">{format!("The last {days} days")}</h2>
                    <div class="table-wrap desk-table">
                        <table class="table table-cards">
                            <caption>{format!("{} created. Times include nights and weekends; spam is excluded.", tickets(written))}</caption>
                            <thead><tr><th scope="col">"Time from the first message"</th><th scope="col">"Median"</th><th scope="col">"90th percentile"</th><th scope="col" class="num">"Tickets"</th></tr></thead>
                            <tbody>
                                <TimesRow label="to the first reply" times=first_response />
                                <TimesRow label="to closing" times=resolution />
                            </tbody>
                        </table>
                    </div>
                    <p class="hint">{format!("The median is shown from {MIN_TICKETS_FOR_MEDIAN} tickets, with its 95% confidence interval; the 90th percentile from {MIN_TICKETS_FOR_P90}. Fewer would be misleading.")}</p>
                </section>
                <section class="stack" aria-labelledby="desk-ages">
                    <h2 id="desk-ages">"Open tickets by age"</h2>
                    <div class="table-wrap desk-table">
                        <table class="table table-cards">
                            <caption>"By time since they were created."</caption>
                            <thead><tr><th scope="col">"Age"</th><th scope="col" class="num">"Needs reply"</th><th scope="col" class="num">"Waiting for the requester"</th><th scope="col" class="num">"Total"</th></tr></thead>
                            <tbody>
                                {ages.into_iter().zip(AGE_GROUPS).map(|(row, (label, _))| {
                                    let all = row.open + row.answered;
                                    view! {
                                        <tr>
                                            <th scope="row">{label}</th>
                                            <td class="num" data-label="Needs reply">{count(row.open)}</td>
                                            <td class="num" data-label="Waiting for the requester">{count(row.answered)}</td>
                                            <td class="num" data-label="Total">{if all > 0 { view! { <a href=row.href>{count(all)}</a> }.into_any() } else { "0".into_any() }}</td>
                                        </tr>
                                    }
                                }).collect_view()}
                            </tbody>
                        </table>
                    </div>
                </section>
                {match portal {
                    Some(portal) => view! { <p class="small muted">"People create tickets at " <a href=portal.clone()>{portal.clone()}</a></p> },
                    None => view! { <p class="small muted">"The ticket portal is off: no new tickets can be created."</p> },
                }}
            </div>
        })}
    }
    .into_any()
}

fn tickets(n: i64) -> String {
    if n == 1 { "1 ticket was".into() } else { format!("{} tickets were", count(n)) }
}

#[component]
fn TimesRow(label: &'static str, times: DurationStats) -> impl IntoView {
    let few = || view! { <span class="muted">"too few"</span> }.into_any();
    view! {
        <tr>
            <th scope="row">{label}</th>
            <td data-label="Median">{match times.median {
                Some(median) => {
                    let between = times.median_between.map(|(low, high)| format!(" ({} to {})", format_duration(low), format_duration(high)));
                    view! { <strong>{format_duration(median)}</strong>{between.map(|b| view! { <span class="muted small">{b}</span> })} }.into_any()
                }
                None => few(),
            }}</td>
            <td data-label="90th percentile">{times.p90.map_or_else(few, |p90| format_duration(p90).into_any())}</td>
            <td class="num" data-label="Tickets">{thousands(times.n)}</td>
        </tr>
    }
    .into_any()
}
