//! The list of surveys, and the templates to start from.

use domain::{
    FieldErrors,
    surveys::{SurveyStatus, draft::MAX_TITLE, templates::TEMPLATES},
};
use leptos::prelude::*;

use super::StatusBadge;
use crate::components::{
    forms::{ErrorSummary, IdempotencyKey, TextField},
    layout::{Empty, PageHead},
};

/// A survey in the list.
#[derive(Debug, Clone)]
pub struct SurveyRow {
    /// The id.
    pub id: String,
    /// Its name, for the team.
    pub name: String,
    /// Its status.
    pub status: SurveyStatus,
    /// Whether the draft differs from what is published.
    pub has_changes: bool,
    /// How the widget opens it, for display.
    pub launch: String,
    /// How many questions the draft has.
    pub questions: usize,
    /// The number of responses.
    pub responses: i64,
    /// When it was last answered, for display and machine-readable.
    pub last: Option<(String, String)>,
    /// Idempotency key of the row's form.
    pub key: String,
}

/// All surveys of a project.
#[component]
pub fn SurveyListPage(
    /// The project's name in URLs.
    slug: String,
    /// The surveys, newest first.
    rows: Vec<SurveyRow>,
    /// Whether the user can create and edit surveys.
    can_edit: bool,
) -> impl IntoView {
    let new_url = format!("/p/{slug}/surveys/new");
    if rows.is_empty() {
        let text = "A survey asks the people who use your product, on your site or through a link. Every response arrives in the inbox, where you can search it and link it to backlog items.";
        return view! {
            <PageHead title="Surveys" />
            <Empty title="No surveys yet" text=text>
                {if can_edit {
                    view! { <a class="button button-primary" href=new_url>"Create the first survey"</a> }.into_any()
                } else {
                    view! { <p>"An admin of the project can create one."</p> }.into_any()
                }}
            </Empty>
        }
        .into_any();
    }
    let rows = rows.into_iter().map(|row| {
        let base = format!("/p/{slug}/surveys/{}", row.id);
        let name = row.name.clone();
        view! {
            <tr>
                <th scope="row">
                    <a href=format!("{base}/edit") data-row>{row.name}</a>
                    <span class="survey-launch muted small">{format!("{} · {} question{}", row.launch, row.questions, if row.questions == 1 { "" } else { "s" })}</span>
                </th>
                <td>
                    <StatusBadge status=row.status />
                    {row.has_changes.then(|| view! { <span class="muted small">" Unpublished changes"</span> })}
                </td>
                <td class="num" data-label="Responses">
                    {if row.responses > 0 {
                        view! { <a href=format!("{base}/results")>{row.responses}<span class="visually-hidden">" responses: results"</span></a> }.into_any()
                    } else {
                        view! { "0" }.into_any()
                    }}
                </td>
                <td data-label="Last response">{match row.last {
                    Some((words, iso)) => view! { <time datetime=iso>{words}</time> }.into_any(),
                    None => view! { <span class="muted">"Never"</span> }.into_any(),
                }}</td>
                {can_edit.then(|| view! {
                    <td class="num">
                        <form method="post" action=format!("{base}/duplicate")>
                            <IdempotencyKey key=row.key />
                            <button type="submit" class="button button-quiet button-small">"Duplicate"<span class="visually-hidden">{format!(" {name}")}</span></button>
                        </form>
                    </td>
                })}
            </tr>
        }
    });
    let rows = rows.collect_view();
    view! {
        <PageHead title="Surveys">
            {can_edit.then(|| view! { <a class="button button-primary" href=new_url>"New survey"</a> })}
        </PageHead>
        <div id="surveys" data-part class="table-wrap">
            <table class="table table-cards surveys-table">
                <thead>
                    <tr>
                        <th scope="col">"Survey"</th>
                        <th scope="col">"Status"</th>
                        <th scope="col" class="num">"Responses"</th>
                        <th scope="col">"Last response"</th>
                        {can_edit.then(|| view! { <th scope="col"><span class="visually-hidden">"Actions"</span></th> })}
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

/// The templates to start from.
#[component]
pub fn NewSurveyPage(
    /// The project's name in URLs.
    slug: String,
    /// A fresh idempotency key for the form.
    key: String,
    /// The name as typed.
    #[prop(optional, into)]
    name: String,
    /// Validation errors.
    #[prop(optional)]
    errors: FieldErrors,
) -> impl IntoView {
    view! {
        <PageHead title="New survey" lead="Start from a template. You can change everything in it." />
        <ErrorSummary errors=errors.clone() />
        <form method="post" action=format!("/p/{slug}/surveys/new")>
            <IdempotencyKey key=key />
            <TextField
                name="name" label="Name" value=name maxlength=MAX_TITLE errors=errors
                hint="For your team only; respondents don’t see it. Defaults to the template name."
            />
            <ul class="templates">
                {TEMPLATES.iter().map(|template| {
                    let body = (template.body)();
                    let questions = body.questions.iter().map(|q| view! { <li>{q.title.clone()}</li> }).collect_view();
                    view! {
                        <li class="card template">
                            <h2>{template.name}</h2>
                            <p>{template.description}</p>
                            <ol class="template-questions muted small">{questions}</ol>
                            <button type="submit" class="button" name="template" value=template.key>
                                "Use "{template.name}
                            </button>
                        </li>
                    }
                }).collect_view()}
            </ul>
        </form>
    }
    .into_any()
}
