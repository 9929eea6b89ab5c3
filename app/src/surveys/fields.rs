//! The editor's fields: one fieldset per question, with the settings of its type.

use domain::{
    FieldErrors,
    surveys::{
        Choice, LaunchTrigger, Question, QuestionKind, QuestionType, SurveyBody,
        draft::{MAX_BUTTON, MAX_DELAY, MAX_EVENT, MAX_PROSE, MAX_QUESTION, MAX_TITLE},
        question::{MAX_LABEL, MAX_SCALE_LABEL},
    },
};
use leptos::prelude::*;

use crate::components::{
    forms::{SelectField, TextArea, TextField},
    languages::language_options,
};

/// A button of the editor: saves the form and performs `action`.
#[component]
fn Tool(
    id: String,
    action: String,
    /// The visible text.
    text: &'static str,
    /// More text for screen readers.
    about: String,
    #[prop(default = "")] kind: &'static str,
    #[prop(default = "")] keys: &'static str,
) -> impl IntoView {
    view! {
        <button id=id type="submit" class=format!("button button-quiet button-small {kind}") name="action" value=action>
            {text}<span class="visually-hidden">{format!(" {about}")}</span>
            {(!keys.is_empty()).then(|| view! { <kbd>{keys}</kbd> })}
        </button>
    }
    .into_any()
}

/// The menu of question types; each entry adds a question at `at`.
#[component]
pub fn AddMenu(
    /// The index the new question will have.
    at: usize,
    /// The label of the menu.
    text: &'static str,
    /// Its class.
    class: &'static str,
) -> impl IntoView {
    view! {
        <details class=format!("menu add-menu {class}") name="menu">
            <summary>{text}</summary>
            <div class="menu-list">
                {QuestionType::ALL.iter().map(|question_type| view! {
                    <button type="submit" name="action" value=format!("add:{}:{at}", question_type.as_str())>
                        <span>{question_type.label()}</span><span class="muted small">{question_type.purpose()}</span>
                    </button>
                }).collect_view()}
            </div>
        </details>
    }
    .into_any()
}

/// One question with its tools.
#[component]
pub fn QuestionFields(
    /// The question.
    question: Question,
    /// Its index.
    at: usize,
    /// How many there are.
    of: usize,
    /// Validation errors.
    errors: FieldErrors,
) -> impl IntoView {
    let id = question.id.clone();
    let number = at + 1;
    let about = format!("question {number}");
    let question_type = question.kind.question_type();
    let (word, label) = (question_type.as_str(), question_type.label());
    let interchangeable = question_type.interchangeable();
    let kind_field = if interchangeable.is_empty() {
        view! { <input type="hidden" name=format!("{id}-type") value=word /> }.into_any()
    } else {
        let options = interchangeable.iter().map(|t| (t.as_str().to_owned(), t.label().to_owned())).collect();
        view! { <SelectField name=format!("{id}-type") label="Type" options=options value=word /> }.into_any()
    };
    let required = question.kind.takes_answer().then(|| {
        view! {
            <label class="check">
                <input type="checkbox" name=format!("{id}-required") id=format!("{id}-required") checked=question.required />
                "Required"
            </label>
        }
    });
    let is_statement = !question.kind.takes_answer();
    view! {
        <fieldset class="card question" id=id.clone() data-question=id.clone() data-at=at tabindex="-1">
            <legend class="visually-hidden">{format!("Question {number} of {of}: {}", label)}</legend>
            <input type="hidden" name="question" value=id.clone() />
            <div class="question-head spread">
                <p>
                    <span class="drag" data-drag title="Drag to move" aria-hidden="true">"⠿"</span>
                    <span class="question-number">{number}</span>
                    " "
                    <span class="muted">{label}</span>
                </p>
                <div class="cluster question-tools">
                    <Tool id=format!("{id}-up") action=format!("move:{id}:up") text="Up" about=about.clone() keys="Alt ↑" />
                    <Tool id=format!("{id}-down") action=format!("move:{id}:down") text="Down" about=about.clone() keys="Alt ↓" />
                    <Tool id=format!("{id}-duplicate") action=format!("duplicate:{id}") text="Duplicate" about=about.clone() />
                    <Tool id=format!("{id}-delete") action=format!("delete:{id}") text="Delete" about=about kind="button-danger" />
                </div>
            </div>
            <TextField
                name=format!("{id}-title") label=if is_statement { "Text" } else { "Question" } value=question.title
                maxlength=MAX_QUESTION errors=errors.clone()
            />
            <TextField
                name=format!("{id}-hint") label=if is_statement { "More text (optional)" } else { "Hint (optional)" } value=question.hint
                maxlength=MAX_PROSE errors=errors.clone()
            />
            {kind_field}
            {settings(&id, question.kind, &errors)}
            {required}
        </fieldset>
        <AddMenu at=number text="Add here" class="add-here" />
    }
    .into_any()
}

/// The settings that only this type has.
fn settings(id: &str, kind: QuestionKind, errors: &FieldErrors) -> impl IntoView + use<> {
    match kind {
        QuestionKind::Nps { low, high } => ends(id, low, high, "0", "10", errors).into_any(),
        QuestionKind::Csat { low, high } => ends(id, low, high, "1", "5", errors).into_any(),
        QuestionKind::Ces { low, high } => ends(id, low, high, "1", "7", errors).into_any(),
        QuestionKind::Rating { max } => {
            let options = (3..=10).map(|n| (n.to_string(), format!("{n} stars"))).collect();
            view! { <SelectField name=format!("{id}-max") label="Stars" options=options value=max.to_string() errors=errors.clone() /> }
                .into_any()
        }
        QuestionKind::SingleChoice { choices, other } | QuestionKind::MultipleChoice { choices, other } => {
            choice_list(id, choices, other, errors).into_any()
        }
        QuestionKind::ShortText | QuestionKind::LongText | QuestionKind::Email | QuestionKind::Statement => ().into_any(),
    }
}

fn ends(id: &str, low: String, high: String, from: &str, to: &str, errors: &FieldErrors) -> impl IntoView + use<> {
    view! {
        <div class="question-ends">
            <TextField name=format!("{id}-low") label=format!("Label for {from}") value=low maxlength=MAX_SCALE_LABEL errors=errors.clone() />
            <TextField name=format!("{id}-high") label=format!("Label for {to}") value=high maxlength=MAX_SCALE_LABEL errors=errors.clone() />
        </div>
    }
    .into_any()
}

fn choice_list(id: &str, choices: Vec<Choice>, other: bool, errors: &FieldErrors) -> impl IntoView + use<> {
    let error = |field: &str| {
        errors.message_for(field).map(|text| view! { <p class="field-error" id=format!("{field}-error")>{text.to_owned()}</p> })
    };
    let rows = choices.into_iter().enumerate().map(|(at, choice)| {
        let field = format!("{id}-{}", choice.id);
        let invalid = errors.message_for(&field).is_some();
        let about = format!("choice {}", at + 1);
        view! {
            <li>
                {error(&field)}
                <div class="choice">
                    <input type="hidden" name=format!("{id}-choice") value=choice.id.clone() />
                    <input
                        type="text" id=field.clone() name=field.clone() value=choice.label maxlength=MAX_LABEL aria-label=format!("Choice {}", at + 1)
                        aria-invalid=invalid.then_some("true") aria-describedby=invalid.then(|| format!("{field}-error"))
                    />
                    <Tool id=format!("{field}-up") action=format!("choice-move:{id}:{}:up", choice.id) text="↑" about=format!("Move {about} up") />
                    <Tool id=format!("{field}-down") action=format!("choice-move:{id}:{}:down", choice.id) text="↓" about=format!("Move {about} down") />
                    <Tool id=format!("{field}-delete") action=format!("choice-delete:{id}:{}", choice.id) text="✕" about=format!("Remove {about}") />
                </div>
            </li>
        }
    });
    let rows = rows.collect_view();
    let all = format!("{id}-choices");
    view! {
        <fieldset class="fieldset choices" id=all.clone() tabindex="-1">
            <legend>"Choices"</legend>
            {error(&all)}
            <ol>{rows}</ol>
            <div class="cluster">
                <button type="submit" id=format!("{id}-choice-add") class="button button-small" name="action" value=format!("choice-add:{id}")>"Add choice"</button>
                <label class="check">
                    <input type="checkbox" name=format!("{id}-other") id=format!("{id}-other") checked=other />
                    "Offer “Other” with a text field"
                </label>
            </div>
        </fieldset>
    }
    .into_any()
}

/// The heading and the introduction.
#[component]
pub fn StartFields(
    /// The draft.
    body: SurveyBody,
    /// Validation errors.
    errors: FieldErrors,
) -> impl IntoView {
    view! {
        <section class="card" aria-labelledby="start-title">
            <h2 id="start-title">"Start"</h2>
            <TextField name="title" label="Heading" value=body.title maxlength=MAX_TITLE errors=errors.clone() />
            <TextArea name="intro" label="Introduction (optional)" value=body.intro rows=2 maxlength=MAX_PROSE errors=errors />
        </section>
    }
    .into_any()
}

/// The thank-you message and the settings.
#[component]
pub fn SettingsFields(
    /// The draft.
    body: SurveyBody,
    /// The survey's name, for the team.
    name: String,
    /// Why this survey's button is not shown.
    button_note: Option<String>,
    /// Validation errors.
    errors: FieldErrors,
) -> impl IntoView {
    let (label, seconds, event, chosen) = match &body.launch {
        LaunchTrigger::Button { label } => (label.clone(), 10, String::new(), "button"),
        LaunchTrigger::Delay { seconds } => ("Feedback".into(), *seconds, String::new(), "delay"),
        LaunchTrigger::Event { name } => ("Feedback".into(), 10, name.clone(), "event"),
        LaunchTrigger::Code => ("Feedback".into(), 10, String::new(), "code"),
    };
    let radio = |value: &'static str, text: &'static str| {
        view! {
            <label class="check">
                <input type="radio" name="launch" id=format!("launch-{value}-on") value=value checked={chosen == value} />
                {text}
            </label>
        }
    };
    let wrong = errors.message_for("launch-seconds").map(ToOwned::to_owned);
    let invalid = wrong.is_some();
    view! {
        <section class="card" aria-labelledby="end-title">
            <h2 id="end-title">"End"</h2>
            <TextArea name="thanks" label="Thank-you message" value=body.thanks rows=2 maxlength=MAX_PROSE errors=errors.clone() />
        </section>
        <section class="card" aria-labelledby="settings-title">
            <h2 id="settings-title">"Settings"</h2>
            <TextField name="name" label="Name" hint="For your team only." value=name maxlength=MAX_TITLE errors=errors.clone() />
            <SelectField name="language" label="Language" options=language_options(&body.language) value=body.language
                hint="The language of your texts." errors=errors.clone() />
            <fieldset class="fieldset launch">
                <legend>"How it opens on your site"</legend>
                <div class="launch-option">
                    {radio("button", "A button at the edge of the page")}
                    {button_note.map(|text| view! { <p class="hint" id="button-note">{text}</p> })}
                    <TextField name="launch-label" label="Button label" value=label maxlength=MAX_BUTTON errors=errors.clone() />
                </div>
                <div class="launch-option">
                    {radio("delay", "Automatically after a delay")}
                    <div class="field" class:field-invalid=invalid>
                        <label for="launch-seconds">"Seconds on the page"</label>
                        {wrong.map(|text| view! { <p class="field-error" id="launch-seconds-error">{text}</p> })}
                        <input
                            id="launch-seconds" name="launch-seconds" type="number" min="0" max=MAX_DELAY step="1" inputmode="numeric" value=seconds
                            aria-invalid=invalid.then_some("true") aria-describedby=invalid.then_some("launch-seconds-error")
                        />
                    </div>
                </div>
                <div class="launch-option">
                    {radio("event", "When your site calls earshot.track(name)")}
                    <TextField name="launch-event" label="Event name" value=event maxlength=MAX_EVENT errors=errors />
                </div>
                <div class="launch-option">{radio("code", "Manually (code, inline or link)")}</div>
            </fieldset>
        </section>
    }
    .into_any()
}
