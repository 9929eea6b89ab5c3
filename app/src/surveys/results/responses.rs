//! Individual responses: the list of them, and the page of one.

use leptos::prelude::*;

use crate::components::{
    badges::Badge,
    layout::{Empty, PageHead, Pager},
};

/// One response, with its answers.
#[derive(Debug, Clone)]
pub struct ResponseView {
    /// URL of its page.
    pub href: String,
    /// The respondent, if known.
    pub contact: Option<String>,
    /// Whether it was finished.
    pub is_finished: bool,
    /// When it began, for display and machine-readable.
    pub at: (String, String),
    /// Question and answer; `None` if the answer cannot be read.
    pub answers: Vec<(String, Option<String>)>,
}

/// The list of responses.
#[derive(Debug, Clone)]
pub struct ResponsesView {
    /// The results page with the same range.
    pub results: String,
    /// The survey's name.
    pub name: String,
    /// Whether these are the responses excluded as spam.
    pub is_spam: bool,
    /// This page.
    pub responses: Vec<ResponseView>,
    /// The next page.
    pub next: Option<String>,
    /// The first page, when this is not it.
    pub first: Option<String>,
}

/// The page with individual responses.
#[component]
pub fn ResponsesPage(
    /// Its content.
    view: ResponsesView,
) -> impl IntoView {
    let ResponsesView { results, name, is_spam, responses, next, first } = view;
    let none = responses.is_empty();
    view! {
        <p class="small"><a href=results>"Results"</a></p>
        <PageHead title=if is_spam { "Suspected spam" } else { "Responses" } lead=name />
        <div id="responses" class="stack" data-part>
            {none.then(|| view! { <Empty title="No responses here" text="Each response in the selected period is listed here with all its answers, newest first." /> })}
            <ul class="rows responses">
                {responses.into_iter().map(|r| view! {
                    <li class="stack">
                        <div class="spread">
                            <a href=r.href><time datetime=r.at.1>{r.at.0}</time></a>
                            <span class="cluster small">
                                <span class="muted">{r.contact.unwrap_or_else(|| "Anonymous".into())}</span>
                                {if r.is_finished { view! { <Badge label="Finished" tone="good" /> } } else { view! { <Badge label="Partial" /> } }}
                            </span>
                        </div>
                        <Answers answers=r.answers />
                    </li>
                }.into_any()).collect_view()}
            </ul>
            <Pager back=first next=next waits="responses" back_label="Newest" next_label="Older" />
        </div>
    }
    .into_any()
}

#[component]
fn Answers(answers: Vec<(String, Option<String>)>) -> impl IntoView {
    if answers.is_empty() {
        return view! { <p class="muted small">"No answers."</p> }.into_any();
    }
    view! {
        <dl class="answers">
            {answers.into_iter().map(|(question, answer)| view! {
                <div>
                    <dt>{question}</dt>
                    <dd>{match answer { Some(text) => text.into_any(), None => view! { <span class="muted">"This answer cannot be read."</span> }.into_any() }}</dd>
                </div>
            }).collect_view()}
        </dl>
    }
    .into_any()
}

/// One response.
#[derive(Debug, Clone)]
pub struct ResponseDetail {
    /// The list it came from.
    pub responses: String,
    /// The survey's name.
    pub name: String,
    /// The answers.
    pub response: ResponseView,
    /// Label and value of other details: language, page, release, …
    pub facts: Vec<(&'static str, String)>,
    /// URL of the feedback created from it.
    pub feedback: Option<String>,
    /// Why it was suspected to be spam.
    pub spam: Option<String>,
}

/// The page of one response.
#[component]
pub fn ResponsePage(
    /// Its content.
    view: ResponseDetail,
) -> impl IntoView {
    let ResponseDetail { responses, name, response, facts, feedback, spam } = view;
    view! {
        <p class="small"><a href=responses>"Responses"</a></p>
        <PageHead title="Response" lead=name>
            {feedback.map(|url| view! { <a class="button" href=url>"Open feedback"</a> })}
        </PageHead>
        {spam.map(|reasons| view! { <div class="notice notice-warn"><p>{reasons}</p></div> })}
        <div class="card"><Answers answers=response.answers /></div>
        <dl class="card facts">
            <div><dt>"From"</dt><dd>{response.contact.unwrap_or_else(|| "Anonymous".into())}</dd></div>
            <div><dt>"Started"</dt><dd><time datetime=response.at.1>{response.at.0}</time></dd></div>
            <div><dt>"Status"</dt><dd>{if response.is_finished { "Finished" } else { "Partial" }}</dd></div>
            {facts.into_iter().map(|(label, value)| view! { <div><dt>{label}</dt><dd>{value}</dd></div> }).collect_view()}
        </dl>
    }
    .into_any()
}
