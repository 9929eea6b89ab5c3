//! Results of a survey: scores with confidence intervals, distributions, individual responses.

mod numbers;
mod questions;
mod responses;

use domain::{
    FieldErrors,
    surveys::stats::{MIN_ANSWERS_FOR_SCORE, share},
};
use leptos::prelude::*;

pub use questions::{QuestionView, TextView};
pub use responses::{ResponseDetail, ResponsePage, ResponseView, ResponsesPage, ResponsesView};

use self::{
    numbers::{count, decimal, ends, too_few},
    questions::QuestionCard,
};
use super::{StatusBadge, SurveyRef, SurveyTab, SurveyTabs};
use crate::components::{
    charts::{Bar, Columns},
    forms::ErrorSummary,
    layout::{Empty, PageHead},
};

/// A preset range.
#[derive(Debug, Clone)]
pub struct RangePreset {
    /// Its label.
    pub label: &'static str,
    /// Its URL.
    pub href: String,
    /// Whether it is the current one.
    pub is_current: bool,
}

/// The selected period.
#[derive(Debug, Clone)]
pub struct RangeView {
    /// Preset ranges.
    pub presets: Vec<RangePreset>,
    /// First day, as typed.
    pub from: String,
    /// The time zone of the days.
    pub zone: String,
    /// Last day, as typed.
    pub to: String,
    /// Validation errors.
    pub errors: FieldErrors,
}

/// One column of responses.
#[derive(Debug, Clone)]
pub struct DayView {
    /// Its first day.
    pub day: String,
    /// Started.
    pub started: i64,
    /// Of these, finished.
    pub finished: i64,
}

/// View model of the page.
#[derive(Debug, Clone)]
pub struct ResultsView {
    /// The survey.
    pub survey: SurveyRef,
    /// The query string of this range, including `?`, for links that keep it.
    pub query: String,
    /// The range.
    pub range: RangeView,
    /// Responses started, without spam.
    pub started: i64,
    /// Of these, finished.
    pub finished: i64,
    /// Responses excluded as spam.
    pub spam: i64,
    /// The chart over time.
    pub days: Vec<DayView>,
    /// Whether each column is a week.
    pub by_week: bool,
    /// The questions.
    pub questions: Vec<QuestionView>,
}

/// The page.
#[component]
pub fn ResultsPage(
    /// Its content.
    view: ResultsView,
) -> impl IntoView {
    let ResultsView { survey, query, range, started, finished, spam, days, by_week, questions } = view;
    let results = survey.url("results");
    let responses = format!("{results}/responses{query}");
    let spam_link = format!("{results}/responses{query}{}spam=1", if query.is_empty() { "?" } else { "&" });
    let none = started == 0;
    let share = survey.url("edit#share-title");
    let list: Vec<_> =
        questions.into_iter().enumerate().map(|(i, q)| view! { <QuestionCard number=i + 1 view=q started=count(started) /> }).collect();
    view! {
        <div id="results" class="stack" data-part>
            <PageHead title=survey.name.clone()>
                <StatusBadge status=survey.status />
                <a class="button" href=responses>"Responses"</a>
            </PageHead>
            <SurveyTabs survey=survey at=SurveyTab::Results />
            <RangeForm range=range action=results />
            <div id="results-body" class="stack">
                {none.then(|| view! {
                    <Empty title="No responses in this period" text="Responses appear here as they arrive, including partial ones. Choose another period, or share the survey.">
                        <a class="button" href=share>"Share the survey"</a>
                    </Empty>
                })}
                {(!none).then(|| view! {
                    <section class="card stack" aria-labelledby="sum-title">
                        <h2 id="sum-title" class="visually-hidden">"Responses"</h2>
                        <Sums started=started finished=finished />
                        <OverTime days=days by_week=by_week />
                    </section>
                })}
                {(spam > 0).then(|| view! {
                    <p class="muted small">
                        {if spam == 1 { "1 response is excluded as suspected spam. ".to_owned() } else { format!("{spam} responses are excluded as suspected spam. ") }}
                        <a href=spam_link>"View"</a>
                    </p>
                })}
                {(!none).then_some(list)}
            </div>
        </div>
    }
    .into_any()
}

#[component]
fn RangeForm(range: RangeView, action: String) -> impl IntoView {
    let error = |name: &str| range.errors.message_for(name).map(ToOwned::to_owned);
    let (from_error, to_error) = (error("from"), error("to"));
    view! {
        <div class="toolbar results-range">
            <nav aria-label="Days">
                <ul class="tabs">
                    {range.presets.into_iter().map(|p| view! {
                        <li><a href=p.href aria-current=p.is_current.then_some("page") data-enhance data-waits="results-body">{p.label}</a></li>
                    }).collect_view()}
                </ul>
            </nav>
            <form method="get" action=action class="cluster" data-enhance data-waits="results-body">
                <ErrorSummary errors=range.errors />
                <label for="from">"From"</label>
                <input id="from" name="from" type="date" value=range.from aria-invalid=from_error.is_some().then_some("true") />
                <label for="to">"to"</label>
                <input id="to" name="to" type="date" value=range.to aria-invalid=to_error.is_some().then_some("true") />
                <button type="submit" class="button">"Show"</button>
                <span class="muted small">{format!("Days in {}", range.zone)}</span>
            </form>
        </div>
    }
    .into_any()
}

#[component]
fn Sums(started: i64, finished: i64) -> impl IntoView {
    let (total, completed) = (count(started), count(finished));
    let completion = share(completed, total).filter(|_| total >= MIN_ANSWERS_FOR_SCORE);
    view! {
        <dl class="facts results-sums">
            <div><dt>"Responses"</dt><dd>{started}</dd></div>
            <div><dt>"Finished"</dt><dd>{finished}</dd></div>
            <div>
                <dt>"Completion"</dt>
                <dd>
                    {match completion {
                        Some(e) => view! { {format!("{}%", decimal(e.value, 0))} <span class="muted small">{ends(&e, 0, "%")}</span> }.into_any(),
                        None => view! { <span class="muted">{too_few()}</span> }.into_any(),
                    }}
                </dd>
            </div>
        </dl>
    }
    .into_any()
}

#[component]
fn OverTime(days: Vec<DayView>, by_week: bool) -> impl IntoView {
    let unit = if by_week { "week" } else { "day" };
    let total: i64 = days.iter().map(|d| d.started).sum();
    #[expect(clippy::cast_precision_loss, reason = "counts of responses")]
    let bars = days
        .iter()
        .map(|d| Bar {
            label: d.day.get(5..).unwrap_or_default().to_owned(),
            hint: format!("{}{}: {} started, {} finished", if by_week { "Week of " } else { "" }, d.day, d.started, d.finished),
            parts: vec![(d.finished as f64, "bar-1"), ((d.started - d.finished) as f64, "bar-mid")],
        })
        .collect();
    let desc = match (days.first(), days.last()) {
        (Some(a), Some(b)) => format!("{total} responses from {} to {}", a.day, b.day),
        _ => String::new(),
    };
    view! {
        <figure class="results-figure">
            <figcaption>{format!("Responses by {unit}")}</figcaption>
            <Columns id="over-time" title=format!("Responses by {unit}") desc=desc bars=bars />
            <p class="legend small">
                <span class="legend-item"><Swatch class="bar-1" />"Finished"</span>
                <span class="legend-item"><Swatch class="bar-mid" />"Partial"</span>
            </p>
            <details>
                <summary>"As a table"</summary>
                <div class="table-wrap">
                    <table class="table">
                        <thead><tr><th scope="col">{if by_week { "Week of" } else { "Day" }}</th><th scope="col" class="num">"Started"</th><th scope="col" class="num">"Finished"</th></tr></thead>
                        <tbody>
                            {days.into_iter().map(|d| view! {
                                <tr><th scope="row">{d.day}</th><td class="num">{d.started}</td><td class="num">{d.finished}</td></tr>
                            }).collect_view()}
                        </tbody>
                    </table>
                </div>
            </details>
        </figure>
    }
    .into_any()
}

#[component]
fn Swatch(class: &'static str) -> impl IntoView {
    view! { <svg class="swatch" viewBox="0 0 10 10" width="10" height="10" aria-hidden="true"><rect class=class width="10" height="10" /></svg> }
}
