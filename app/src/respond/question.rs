//! How each question type is rendered for respondents: one match on the type. Uses only native inputs, so that it works without
//! JavaScript and with every assistive technology; `public/survey.js` only adds to it.

use domain::{
    FieldErrors,
    surveys::{
        AnswerShape, Choice, Question, QuestionKind,
        answer::{MAX_OTHER, OTHER_CHOICE, OTHER_SUFFIX},
    },
};
use leptos::prelude::*;

use super::{SurveyLanguage, texts::RespondentTexts};

/// The values filled in, as form pairs.
pub(super) type FormValues = [(String, String)];

fn value_of<'a>(values: &'a FormValues, name: &str) -> &'a str {
    values.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str())
}

fn is_set(values: &FormValues, name: &str, value: &str) -> bool {
    values.iter().any(|(n, v)| n == name && v == value)
}

/// One question as a card: heading, hint, error, inputs. `survey` and `own` are the `lang` of the card and of built-in texts in it.
pub(super) fn card(
    question: &Question,
    values: &FormValues,
    errors: &FieldErrors,
    texts: &'static RespondentTexts,
    (survey, own): (&SurveyLanguage, Option<&'static str>),
) -> AnyView {
    let id = question.id.clone();
    let error = errors.message_for(&id).map(ToOwned::to_owned);
    let required = question.required && question.kind.takes_answer();
    let (hint, hint_language) = if question.hint.is_empty() && matches!(question.kind, QuestionKind::MultipleChoice { .. }) {
        (texts.optional_hint.to_owned(), own)
    } else {
        (question.hint.clone(), None)
    };
    let notes = [(!hint.is_empty()).then(|| format!("{id}-hint")), error.as_ref().map(|_| format!("{id}-error"))];
    let described = notes.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let described = (!described.is_empty()).then_some(described);
    let title = question.title.clone();
    let mark = required.then(|| view! { <span class="req" lang=own>" ("{texts.required}")"</span> });
    let hint = (!hint.is_empty()).then(|| view! { <p class="hint" id=format!("{id}-hint") lang=hint_language>{hint}</p> });
    // Always present, so that text inserted by the script is announced.
    let error = view! { <p class="error" id=format!("{id}-error") lang=own>{error}</p> };

    let inner = match &question.kind {
        QuestionKind::Nps { low, high } | QuestionKind::Csat { low, high } | QuestionKind::Ces { low, high } => {
            scale(question, question.kind.scale().unwrap_or_default(), low, high, values)
        }
        QuestionKind::Rating { max } => stars(question, *max, values, texts, own),
        QuestionKind::SingleChoice { choices, other } => choose(question, "radio", choices, other.then_some((texts, own)), values),
        QuestionKind::MultipleChoice { choices, other } => choose(question, "checkbox", choices, other.then_some((texts, own)), values),
        QuestionKind::ShortText => line(question, "text", None, values, described.clone(), required),
        QuestionKind::Email => line(question, "email", Some("email"), values, described.clone(), required),
        QuestionKind::LongText => {
            let text = value_of(values, &id).to_owned();
            view! {
                <textarea id=id.clone() name=id.clone() rows="4" dir="auto" maxlength=question.kind.max_chars().map(|n| n.to_string())
                    required=required aria-describedby=described.clone()>{crate::components::forms::textarea_text(&text)}</textarea>
            }
            .into_any()
        }
        QuestionKind::Statement => ().into_any(),
    };
    let (grouped, labelled) = match question.kind.answer_shape() {
        AnswerShape::Scale { .. } | AnswerShape::Choice { .. } => (true, false),
        AnswerShape::Text { .. } | AnswerShape::Email => (false, true),
        AnswerShape::None => (false, false),
    };
    let content = if grouped {
        view! {
            <fieldset aria-describedby=described>
                <legend><h2 tabindex="-1">{title}{mark}</h2></legend>
                {hint}{error}{inner}
            </fieldset>
        }
        .into_any()
    } else if labelled {
        view! { <h2 tabindex="-1"><label for=id.clone()>{title}{mark}</label></h2>{hint}{error}{inner} }.into_any()
    } else {
        view! { <h2 tabindex="-1">{title}</h2>{hint} }.into_any()
    };
    view! {
        <section class="card" id=format!("card-{id}") data-question=id data-type=question.kind.question_type().as_str()
            lang=survey.lang.clone() dir=survey.dir
        >{content}</section>
    }
    .into_any()
}

/// Numbers from low to high as radio buttons, with labels at the ends.
fn scale(question: &Question, (first, last): (u8, u8), low: &str, high: &str, values: &FormValues) -> AnyView {
    let id = question.id.as_str();
    let numbers = (first..=last)
        .map(|n| {
            let end = if n == first {
                low
            } else if n == last {
                high
            } else {
                ""
            };
            let end = (!end.is_empty()).then(|| view! { <span class="vh">" – "{end.to_owned()}</span> });
            let n = n.to_string();
            let checked = is_set(values, id, &n);
            view! {
                <label>
                    <input type="radio" name=id.to_owned() value=n.clone() checked=checked required=question.required />
                    <span>{n}{end}</span>
                </label>
            }
        })
        .collect_view();
    // Screen readers get the end labels at their numbers.
    let ends = (!low.is_empty() || !high.is_empty())
        .then(|| view! { <p class="ends" aria-hidden="true"><span>{low.to_owned()}</span><span>{high.to_owned()}</span></p> });
    view! { <div class="scale" data-n=(last - first + 1).to_string()>{numbers}</div>{ends} }.into_any()
}

/// Stars as radio buttons; the style sheet highlights those up to the chosen one.
fn stars(question: &Question, max: u8, values: &FormValues, texts: &'static RespondentTexts, own: Option<&'static str>) -> AnyView {
    let id = question.id.as_str();
    let stars = (1..=max)
        .map(|n| {
            let words = texts.stars.replace("{n}", &n.to_string()).replace("{of}", &max.to_string());
            let n = n.to_string();
            let checked = is_set(values, id, &n);
            view! {
                <label>
                    <input type="radio" name=id.to_owned() value=n checked=checked required=question.required />
                    <span><b aria-hidden="true">"★"</b><span class="vh" lang=own>{words}</span></span>
                </label>
            }
        })
        .collect_view();
    view! { <div class="scale stars">{stars}</div> }.into_any()
}

/// Choices as radio buttons or check boxes, and "Other" with its text.
fn choose(
    question: &Question,
    kind: &'static str,
    choices: &[Choice],
    other: Option<(&'static RespondentTexts, Option<&'static str>)>,
    values: &FormValues,
) -> AnyView {
    let id = question.id.as_str();
    // Browsers can require one of several radio buttons, but not one of several check boxes.
    let required = question.required && kind == "radio";
    let one = |value: String, label: String, language: Option<&'static str>| {
        let checked = is_set(values, id, &value);
        view! {
            <label class="choice">
                <input type=kind name=id.to_owned() value=value checked=checked required=required />
                <span lang=language>{label}</span>
            </label>
        }
    };
    let list = choices.iter().map(|c| one(c.id.clone(), c.label.clone(), None)).collect_view();
    let other = other.map(|(texts, own)| {
        let name = format!("{id}{OTHER_SUFFIX}");
        let text = value_of(values, &name).to_owned();
        view! {
            {one(OTHER_CHOICE.to_owned(), texts.other.to_owned(), own)}
            <input class="other" type="text" name=name value=text aria-label=texts.other_text lang=own maxlength=MAX_OTHER dir="auto" autocomplete="off" />
        }
    });
    view! { <div class="choices">{list}{other}</div> }.into_any()
}

/// A one-line text.
fn line(
    question: &Question,
    kind: &'static str,
    autocomplete: Option<&'static str>,
    values: &FormValues,
    described: Option<String>,
    required: bool,
) -> AnyView {
    let id = question.id.clone();
    let value = value_of(values, &id).to_owned();
    let max = question.kind.max_chars().map(|n| n.to_string());
    view! {
        <input id=id.clone() name=id type=kind value=value maxlength=max autocomplete=autocomplete dir="auto" required=required aria-describedby=described />
    }
    .into_any()
}
