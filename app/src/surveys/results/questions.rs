//! One question with its answers: scores, distributions, choices, texts.

use domain::surveys::{
    Question, QuestionType,
    stats::{Estimate, MIN_ANSWERS_FOR_SCORE, QuestionTally, csat, mean, nps},
};
use leptos::prelude::*;

use super::{
    Swatch,
    numbers::{decimal, ends, per_cent, ratio, too_few},
};
use crate::components::{
    badges::Badge,
    charts::{IntervalLine, Segment, ShareBar, StackedBar},
};

/// A text answer.
#[derive(Debug, Clone)]
pub struct TextView {
    /// The text.
    pub text: String,
    /// The response it belongs to.
    pub href: String,
    /// When, for display and machine-readable.
    pub at: (String, String),
}

/// One question with its answers.
#[derive(Debug, Clone)]
pub struct QuestionView {
    /// As it was last asked.
    pub question: Question,
    /// Whether the newest version includes it.
    pub is_asked: bool,
    /// The answers, counted.
    pub tally: QuestionTally,
    /// The newest texts.
    pub texts: Vec<TextView>,
}

/// The mean of a question that is answered with a number, and how the numbers are distributed.
fn average(label: &'static str, (low, high): (u8, u8), id: &str, tally: QuestionTally) -> impl IntoView + use<> {
    let (n, score) = (tally.n, mean(&tally.numbers, low));
    let what = format!("mean of {low} to {high}");
    view! {
        <Score id=format!("{id}-score") label=label unit="" decimals=1 what=what n=n score=score low=f64::from(low) high=f64::from(high) />
        <Distribution low=low tally=tally />
    }
}

#[component]
pub(super) fn QuestionCard(number: usize, view: QuestionView, started: u64) -> impl IntoView {
    let QuestionView { question, is_asked, tally, texts } = view;
    let id = format!("question-{}", question.id);
    let heading = format!("{id}-title");
    let labelled = heading.clone();
    let (n, unfit) = (tally.n, tally.unfit);
    let title = if question.title.trim().is_empty() { "Untitled question".to_owned() } else { question.title.clone() };
    let body = match question.kind.question_type() {
        QuestionType::Nps => view! { <NpsResult id=id.clone() tally=tally /> }.into_any(),
        QuestionType::Csat => {
            let satisfied: u64 = tally.numbers.iter().skip(3).sum();
            let what = format!("satisfied (4 or 5): {satisfied} of {n}");
            let score = csat(&tally.numbers);
            view! {
                <Score id=format!("{id}-score") label="CSAT" unit="%" decimals=0 what=what n=n score=score low=0.0 high=100.0 />
                <Distribution low=1 tally=tally />
            }
            .into_any()
        }
        QuestionType::Ces => average("CES", question.kind.scale().unwrap_or((1, 7)), &id, tally).into_any(),
        QuestionType::Rating => average("Mean", question.kind.scale().unwrap_or((1, 5)), &id, tally).into_any(),
        QuestionType::SingleChoice => view! { <Choices tally=tally several=false /> }.into_any(),
        QuestionType::MultipleChoice => view! { <Choices tally=tally several=true /> }.into_any(),
        QuestionType::ShortText | QuestionType::LongText | QuestionType::Email => view! { <TextAnswers texts=texts n=n /> }.into_any(),
        QuestionType::Statement => ().into_any(),
    };
    view! {
        <section class="card stack result" id=id aria-labelledby=labelled>
            <div class="spread">
                <h2 id=heading>{format!("{number}. {title}")}</h2>
                <span class="cluster">
                    <Badge label=question.kind.question_type().label() />
                    {(!is_asked).then(|| view! { <Badge label="No longer asked" tone="warn" /> })}
                </span>
            </div>
            <div class="result-answered small">
                <span>{format!("{n} of {started} answered ({})", per_cent(n.min(started), started))}</span>
                <ShareBar share=ratio(n.min(started), started) class="bar-mid" />
            </div>
            {if n == 0 { view! { <p class="muted">"No answers yet."</p> }.into_any() } else { body }}
            {(unfit > 0).then(|| view! {
                <p class="muted small">
                    {if unfit == 1 {
                        "1 answer does not match the current question and is not counted here.".to_owned()
                    } else {
                        format!("{unfit} answers do not match the current question and are not counted here.")
                    }}
                </p>
            })}
        </section>
    }
    .into_any()
}

/// A score with its interval, or a note that there are too few answers.
#[component]
fn Score(
    id: String,
    label: &'static str,
    unit: &'static str,
    decimals: usize,
    what: String,
    n: u64,
    score: Option<Estimate>,
    low: f64,
    high: f64,
) -> impl IntoView {
    match score.filter(|_| n >= MIN_ANSWERS_FOR_SCORE) {
        Some(e) => {
            let value = format!("{}{unit}", decimal(e.value, decimals));
            let interval = ends(&e, decimals, unit);
            let title = format!("{label} {value},{}, n = {n}", interval.to_lowercase());
            view! {
                <div class="result-score">
                    <p><span class="result-value">{value}</span>" "<span class="muted">{format!("{label} · {what}")}</span></p>
                    <p class="muted small">{format!("{}, n = {n}", interval.trim())}</p>
                    <IntervalLine id=id title=title low=low high=high value=e.value interval=e.interval />
                </div>
            }
            .into_any()
        }
        None => view! {
            <div class="result-score"><p><strong>{too_few()}</strong>" "<span class="muted">{format!("{label} · {what}, n = {n}")}</span></p></div>
        }
        .into_any(),
    }
}

#[component]
fn NpsResult(id: String, tally: QuestionTally) -> impl IntoView {
    let result = nps(&tally.numbers);
    let n = result.n;
    let parts = [
        ("Promoters (9, 10)", result.promoters, "bar-good"),
        ("Passives (7, 8)", result.passives, "bar-mid"),
        ("Detractors (0 to 6)", result.detractors, "bar-bad"),
    ];
    let segments = parts.iter().map(|(_, count, class)| Segment { share: ratio(*count, n), class }).collect();
    let desc = parts.iter().map(|(label, count, _)| format!("{label}: {count}, {}", per_cent(*count, n))).collect::<Vec<_>>().join(". ");
    view! {
        <Score id=format!("{id}-score") label="NPS" unit="" decimals=0 what="% promoters − % detractors".to_owned() n=n score=result.score low=-100.0 high=100.0 />
        <figure class="results-figure">
            <StackedBar id=format!("{id}-parts") title="Promoters, passives and detractors" desc=desc segments=segments />
            <div class="table-wrap">
                <table class="table">
                    <thead><tr><th scope="col">"Group"</th><th scope="col" class="num">"Answers"</th><th scope="col" class="num">"Share"</th></tr></thead>
                    <tbody>
                        {parts.into_iter().map(|(label, count, class)| view! {
                            <tr><th scope="row"><Swatch class=class />" "{label}</th><td class="num">{count}</td><td class="num">{per_cent(count, n)}</td></tr>
                        }).collect_view()}
                    </tbody>
                </table>
            </div>
        </figure>
        <Distribution low=0 tally=tally />
    }
    .into_any()
}

/// How often each number was given: a table with bars in it.
#[component]
fn Distribution(low: u8, tally: QuestionTally) -> impl IntoView {
    let n = tally.n;
    let rows = tally.numbers.into_iter().enumerate().map(move |(i, count)| ((usize::from(low) + i).to_string(), count));
    view! { <BarTable head="Answer" rows=rows.collect() n=n /> }
}

/// The maximum number of "Other" texts listed.
const OTHERS: usize = 200;

#[component]
fn Choices(tally: QuestionTally, several: bool) -> impl IntoView {
    let n = tally.n;
    let mut others: Vec<_> = tally.others.into_iter().collect();
    others.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let rows = tally.choices.into_iter().map(|c| (c.label, c.count)).collect();
    view! {
        {several.then(|| view! { <p class="muted small">"Several answers were possible: the shares can add up to more than 100%."</p> })}
        <BarTable head="Choice" rows=rows n=n />
        {(!others.is_empty()).then(|| view! {
            <details>
                <summary>{format!("“Other” answers ({})", others.len())}{(others.len() > OTHERS).then(|| format!(", the {OTHERS} most frequent"))}</summary>
                <ul class="rows">
                    {others.into_iter().take(OTHERS).map(|(text, times)| view! {
                        <li>{text}{(times > 1).then(|| view! { " "<span class="muted">{format!("× {times}")}</span> })}</li>
                    }).collect_view()}
                </ul>
            </details>
        })}
    }
    .into_any()
}

#[component]
fn BarTable(head: &'static str, rows: Vec<(String, u64)>, n: u64) -> impl IntoView {
    view! {
        <div class="table-wrap">
            <table class="table bar-table">
                <thead><tr><th scope="col">{head}</th><th scope="col"><span class="visually-hidden">"Bar"</span></th><th scope="col" class="num">"Answers"</th><th scope="col" class="num">"Share"</th></tr></thead>
                <tbody>
                    {rows.into_iter().map(|(label, count)| view! {
                        <tr>
                            <th scope="row">{label}</th>
                            <td class="bar-cell"><ShareBar share=ratio(count, n) /></td>
                            <td class="num">{count}</td>
                            <td class="num">{per_cent(count, n)}</td>
                        </tr>
                    }).collect_view()}
                </tbody>
            </table>
        </div>
    }
    .into_any()
}

#[component]
fn TextAnswers(texts: Vec<TextView>, n: u64) -> impl IntoView {
    let shown = texts.len() as u64;
    view! {
        <ul class="rows result-texts">
            {texts.into_iter().map(|t| view! {
                <li>
                    <p class="result-text">{t.text}</p>
                    <a class="small" href=t.href><time datetime=t.at.1>{t.at.0}</time></a>
                </li>
            }).collect_view()}
        </ul>
        {(n > shown).then(|| view! { <p class="muted small">{format!("The newest {shown} of {n}. See Responses for the others.")}</p> })}
    }
    .into_any()
}
