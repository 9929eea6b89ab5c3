//! The read-only view of a survey.

use domain::surveys::SurveyBody;
use leptos::prelude::*;

use super::{Preview, Share, StatusBadge, SurveyRef, SurveyTab, SurveyTabs, VersionLine, Versions, launch_words};
use crate::components::layout::PageHead;

/// The draft, with preview and versions.
#[component]
pub fn SurveyReadPage(
    /// The survey.
    survey: SurveyRef,
    /// Its draft.
    body: SurveyBody,
    /// The draft's revision.
    revision: i64,
    /// The published versions, newest first.
    versions: Vec<VersionLine>,
    /// The public link, once published.
    link: Option<String>,
) -> impl IntoView {
    let questions = body.questions.iter().map(|q| {
        let kind = q.kind.question_type().label();
        let choices = q.kind.choices().map(|(list, other)| {
            let other = other.then(|| view! { <li>"Other"</li> });
            view! { <ul class="read-choices">{list.iter().map(|c| view! { <li>{c.label.clone()}</li> }).collect_view()}{other}</ul> }
        });
        view! {
            <li class="card">
                <h3>{q.title.clone()}</h3>
                {(!q.hint.is_empty()).then(|| view! { <p class="muted">{q.hint.clone()}</p> })}
                <p class="small muted">{kind}{q.required.then_some(" · Required")}</p>
                {choices}
            </li>
        }
    });
    let questions = questions.collect_view();
    view! {
        <PageHead title=survey.name.clone()><StatusBadge status=survey.status /></PageHead>
        <SurveyTabs survey=survey.clone() at=SurveyTab::Edit />
        <p class="notice">"You have read-only access. An admin of the project can edit this survey."</p>
        <div class="survey-editor">
            <div class="stack">
                <section class="card" aria-labelledby="about-title">
                    <h2 id="about-title">"Survey"</h2>
                    <dl class="facts">
                        <dt>"Heading"</dt><dd>{body.title.clone()}</dd>
                        <dt>"Introduction"</dt><dd>{body.intro.clone()}</dd>
                        <dt>"Thank-you message"</dt><dd>{body.thanks.clone()}</dd>
                        <dt>"Language"</dt><dd>{body.language.clone()}</dd>
                        <dt>"Opens"</dt><dd>{launch_words(&body.launch)}</dd>
                    </dl>
                </section>
                <h2>"Questions"</h2>
                <ol class="stack">{questions}</ol>
                <Share survey=survey.clone() link=link />
                <Versions survey=survey.clone() versions=versions />
            </div>
            <Preview src=survey.url(&format!("preview?r={revision}")) />
        </div>
    }
    .into_any()
}
