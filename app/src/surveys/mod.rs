//! The surveys of a project: list, templates, editor, results.

mod editor;
mod fields;
mod list;
mod read_only;
pub mod results;

use domain::surveys::{LaunchTrigger, SurveyStatus};
use leptos::prelude::*;

use crate::components::badges::Badge;

pub use editor::{EditConflict, EditorPage, EditorView};
pub use list::{NewSurveyPage, SurveyListPage, SurveyRow};
pub use read_only::SurveyReadPage;

/// A published version in the list of versions.
#[derive(Debug, Clone)]
pub struct VersionLine {
    /// The id.
    pub id: String,
    /// 1, 2, …
    pub number: i64,
    /// When it was published, for display.
    pub at: String,
    /// The same, machine-readable.
    pub at_iso: String,
    /// The publisher.
    pub by: Option<String>,
    /// The number of questions.
    pub questions: usize,
    /// Whether it is the current version.
    pub is_current: bool,
}

/// The part of a survey shown at the head of each of its pages.
#[derive(Debug, Clone)]
pub struct SurveyRef {
    /// The project's name in URLs.
    pub slug: String,
    /// The survey's id.
    pub id: String,
    /// Its name, for the team.
    pub name: String,
    /// Its status.
    pub status: SurveyStatus,
}

impl SurveyRef {
    /// The URL of one of the survey's pages: `edit`, `results`, …
    #[must_use]
    pub fn url(&self, page: &str) -> String {
        format!("/p/{}/surveys/{}/{page}", self.slug, self.id)
    }
}

/// A page of a survey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SurveyTab {
    /// Questions and settings.
    Edit,
    /// Results.
    Results,
}

/// The pages of one survey.
#[component]
pub fn SurveyTabs(
    /// The survey.
    survey: SurveyRef,
    /// The open page.
    at: SurveyTab,
) -> impl IntoView {
    let current = |tab| (at == tab).then_some("page");
    view! {
        <nav class="tabs" aria-label="Survey">
            <a href=survey.url("edit") aria-current=current(SurveyTab::Edit)>"Questions"</a>
            <a href=survey.url("results") aria-current=current(SurveyTab::Results)>"Results"</a>
        </nav>
    }
    .into_any()
}

/// The status with its colour.
#[component]
pub fn StatusBadge(
    /// The status.
    status: SurveyStatus,
) -> impl IntoView {
    let tone = match status {
        SurveyStatus::Draft => "neutral",
        SurveyStatus::Live => "good",
        SurveyStatus::Paused => "warn",
        SurveyStatus::Closed => "info",
    };
    view! { <Badge label=status.label() tone=tone /> }
}

/// How the widget opens it, for display.
#[must_use]
pub fn launch_words(launch: &LaunchTrigger) -> String {
    match launch {
        LaunchTrigger::Button { label } => format!("Button “{label}”"),
        LaunchTrigger::Delay { seconds: 1 } => "After 1 second".into(),
        LaunchTrigger::Delay { seconds } => format!("After {seconds} seconds"),
        LaunchTrigger::Event { name } => format!("On the event “{name}”"),
        LaunchTrigger::Code => "Manually (code, inline or link)".into(),
    }
}

/// The published versions, newest first.
#[component]
fn Versions(survey: SurveyRef, versions: Vec<VersionLine>) -> impl IntoView {
    (!versions.is_empty()).then(|| {
        view! {
            <section class="card" aria-labelledby="versions-title">
                <h2 id="versions-title">"Versions"</h2>
                <p class="hint">"A published version never changes; each response belongs to the version it answered."</p>
                <div class="table-wrap">
                    <table class="table">
                        <thead>
                            <tr><th scope="col">"Version"</th><th scope="col">"Published"</th><th scope="col">"By"</th><th scope="col" class="num">"Questions"</th></tr>
                        </thead>
                        <tbody>
                            {versions.into_iter().map(|v| view! {
                                <tr>
                                    <th scope="row">
                                        <a href=survey.url(&format!("preview?version={}", v.id)) target="_blank">{format!("Version {}", v.number)}</a>
                                        {v.is_current.then(|| view! { " " <Badge label="Current" tone="good" /> })}
                                    </th>
                                    <td><time datetime=v.at_iso>{v.at}</time></td>
                                    <td>{v.by.unwrap_or_else(|| "Earshot".into())}</td>
                                    <td class="num">{v.questions}</td>
                                </tr>
                            }).collect_view()}
                        </tbody>
                    </table>
                </div>
            </section>
        }
    })
}

/// The public link of a survey, and how to embed it.
#[component]
fn Share(survey: SurveyRef, link: Option<String>) -> impl IntoView {
    link.map(|link| {
        view! {
            <section class="card" aria-labelledby="share-title">
                <h2 id="share-title">"Share"</h2>
                <dl class="facts">
                    <dt>"Link"</dt>
                    <dd><a href=format!("/s/{}", survey.id) target="_blank">{link}</a></dd>
                    <dt>"On your site"</dt>
                    <dd><a href=format!("/p/{}/embed#survey-{}", survey.slug, survey.id)>"Get the snippet"</a></dd>
                </dl>
            </section>
        }
    })
}

/// The real survey page in a frame, rendered from the draft.
#[component]
fn Preview(src: String) -> impl IntoView {
    view! {
        <aside class="survey-preview" id="preview" aria-labelledby="preview-title">
            <h2 id="preview-title">"Preview"</h2>
            <p class="hint">"What respondents see. Nothing is sent."</p>
            <iframe id="preview-frame" src=src title="Preview"></iframe>
        </aside>
    }
    .into_any()
}
