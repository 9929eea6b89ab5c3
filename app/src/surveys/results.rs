//! Results of a survey: scores with their doubt, distributions, single answers.

use domain::{
    FieldErrors,
    surveys::{
        Question, QuestionType,
        stats::{Estimate, TOO_FEW, Tally, csat, mean, nps, share},
    },
};
use leptos::prelude::*;

use super::{StatusBadge, SurveyRef, SurveyTab, SurveyTabs};
use crate::components::{
    badges::Badge,
    charts::{Bar, Columns, IntervalLine, Segment, ShareBar, StackedBar},
    forms::ErrorSummary,
    layout::{Empty, PageHead, Pager},
};

/// A ready-made range.
#[derive(Debug, Clone)]
pub struct Preset {
    /// Its words.
    pub label: &'static str,
    /// Where it leads.
    pub href: String,
    /// Whether it is shown now.
    pub is_current: bool,
}

/// The choice of days.
#[derive(Debug, Clone)]
pub struct RangeView {
    /// Ready-made ones.
    pub presets: Vec<Preset>,
    /// First day, as typed.
    pub from: String,
    /// The zone whose days they are.
    pub zone: String,
    /// Last day, as typed.
    pub to: String,
    /// What was wrong with them.
    pub errors: FieldErrors,
}

/// One column of responses.
#[derive(Debug, Clone)]
pub struct DayView {
    /// Its first day.
    pub day: String,
    /// Begun.
    pub started: i64,
    /// Of these, finished.
    pub finished: i64,
}

/// A text somebody wrote.
#[derive(Debug, Clone)]
pub struct TextView {
    /// The words.
    pub text: String,
    /// The response it belongs to.
    pub href: String,
    /// When, in words and as a machine reads it.
    pub at: (String, String),
}

/// One question with its answers.
#[derive(Debug, Clone)]
pub struct QuestionView {
    /// As it was last asked.
    pub question: Question,
    /// Whether the newest version asks it.
    pub is_asked: bool,
    /// The answers, counted.
    pub tally: Tally,
    /// The newest texts.
    pub texts: Vec<TextView>,
}

/// All that the page shows.
#[derive(Debug, Clone)]
pub struct ResultsView {
    /// The survey.
    pub survey: SurveyRef,
    /// The query of this range, with its `?`, for links that keep it.
    pub query: String,
    /// The range.
    pub range: RangeView,
    /// Responses begun, spam aside.
    pub started: i64,
    /// Of these, finished.
    pub finished: i64,
    /// Left out as spam.
    pub spam: i64,
    /// The chart over time.
    pub days: Vec<DayView>,
    /// Whether its columns are weeks.
    pub by_week: bool,
    /// The questions.
    pub questions: Vec<QuestionView>,
}

fn count(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

fn ratio(part: u64, whole: u64) -> f64 {
    share(part, whole).map_or(0.0, |e| e.value / 100.0)
}

fn per_cent(part: u64, whole: u64) -> String {
    share(part, whole).map_or_else(|| "–".into(), |e| format!("{:.0} %", e.value))
}

/// A number with so many decimals and a real minus sign.
fn decimal(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    // −0 is nothing that people read.
    if text.trim_start_matches('-').chars().all(|c| matches!(c, '0' | '.')) {
        text.trim_start_matches('-').to_owned()
    } else {
        text.replace('-', "−")
    }
}

/// The page.
#[component]
pub fn ResultsPage(
    /// What it shows.
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
                <a class="button" href=responses>"Individual answers"</a>
            </PageHead>
            <SurveyTabs survey=survey at=SurveyTab::Results />
            <RangeForm range=range action=results />
            <div id="results-body" class="stack">
                {none.then(|| view! {
                    <Empty title="No responses in these days" text="Answers appear here as they are given, partial ones too. Choose other days, or share the survey.">
                        <a class="button" href=share>"How to share it"</a>
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
                        {if spam == 1 { "1 response is left out as suspected spam. ".to_owned() } else { format!("{spam} responses are left out as suspected spam. ") }}
                        <a href=spam_link>"Look at them"</a>
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
    let error = |name: &str| range.errors.at(name).map(ToOwned::to_owned);
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
    let (begun, done) = (count(started), count(finished));
    let completion = share(done, begun).filter(|_| begun >= TOO_FEW);
    view! {
        <dl class="facts results-sums">
            <div><dt>"Responses"</dt><dd>{started}</dd></div>
            <div><dt>"Finished"</dt><dd>{finished}</dd></div>
            <div>
                <dt>"Completion"</dt>
                <dd>
                    {match completion {
                        Some(e) => view! { {format!("{} %", decimal(e.value, 0))} <span class="muted small">{ends(&e, 0, " %")}</span> }.into_any(),
                        None => view! { <span class="muted">{too_few()}</span> }.into_any(),
                    }}
                </dd>
            </div>
        </dl>
    }
    .into_any()
}

fn too_few() -> String {
    format!("Too few answers (n < {TOO_FEW})")
}

fn ends(e: &Estimate, decimals: usize, unit: &str) -> String {
    match e.interval {
        Some((low, high)) => format!(" 95 % interval {}{unit} to {}{unit}", decimal(low, decimals), decimal(high, decimals)),
        None => " All answers are alike: no interval".into(),
    }
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

/// The mean of a question that is answered with a number, and how the numbers are distributed.
fn average(label: &'static str, (low, high): (u8, u8), id: &str, tally: Tally) -> impl IntoView + use<> {
    let (n, score) = (tally.n, mean(&tally.numbers, low));
    let what = format!("mean of {low} to {high}");
    view! {
        <Score id=format!("{id}-score") label=label unit="" decimals=1 what=what n=n score=score low=f64::from(low) high=f64::from(high) />
        <Distribution low=low tally=tally />
    }
}

#[component]
fn QuestionCard(number: usize, view: QuestionView, started: u64) -> impl IntoView {
    let QuestionView { question, is_asked, tally, texts } = view;
    let id = format!("question-{}", question.id);
    let heading = format!("{id}-title");
    let labelled = heading.clone();
    let (n, unfit) = (tally.n, tally.unfit);
    let title = if question.title.trim().is_empty() { "Question without words".to_owned() } else { question.title.clone() };
    let body = match question.kind.question_type() {
        QuestionType::Nps => view! { <NpsResult id=id.clone() tally=tally /> }.into_any(),
        QuestionType::Csat => {
            let satisfied: u64 = tally.numbers.iter().skip(3).sum();
            let what = format!("satisfied (4 or 5): {satisfied} of {n}");
            let score = csat(&tally.numbers);
            view! {
                <Score id=format!("{id}-score") label="CSAT" unit=" %" decimals=0 what=what n=n score=score low=0.0 high=100.0 />
                <Distribution low=1 tally=tally />
            }
            .into_any()
        }
        QuestionType::Ces => average("CES", question.kind.scale().unwrap_or((1, 7)), &id, tally).into_any(),
        QuestionType::Rating => average("Mean", question.kind.scale().unwrap_or((1, 5)), &id, tally).into_any(),
        QuestionType::SingleChoice => view! { <Choices tally=tally several=false /> }.into_any(),
        QuestionType::MultipleChoice => view! { <Choices tally=tally several=true /> }.into_any(),
        QuestionType::ShortText | QuestionType::LongText | QuestionType::Email => view! { <Texts texts=texts n=n /> }.into_any(),
        QuestionType::Statement => ().into_any(),
    };
    view! {
        <section class="card stack result" id=id aria-labelledby=labelled>
            <div class="spread">
                <h2 id=heading>{format!("{number}. {title}")}</h2>
                <span class="cluster">
                    <Badge label=question.kind.question_type().label() />
                    {(!is_asked).then(|| view! { <Badge label="Not asked any more" tone="warn" /> })}
                </span>
            </div>
            <div class="result-answered small">
                <span>{format!("{n} answered, {} of the {started} who started", per_cent(n.min(started), started))}</span>
                <ShareBar share=ratio(n.min(started), started) class="bar-mid" />
            </div>
            {if n == 0 { view! { <p class="muted">"No answers yet."</p> }.into_any() } else { body }}
            {(unfit > 0).then(|| view! {
                <p class="muted small">
                    {format!(
                        "{} not fit the question as it is now and count for nothing here.",
                        if unfit == 1 { "1 answer does".to_owned() } else { format!("{unfit} answers do") }
                    )}
                </p>
            })}
        </section>
    }
    .into_any()
}

/// A score with its interval, or that there are too few answers for one.
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
    match score.filter(|_| n >= TOO_FEW) {
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
fn NpsResult(id: String, tally: Tally) -> impl IntoView {
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
        <Score id=format!("{id}-score") label="NPS" unit="" decimals=0 what="promoters less detractors".to_owned() n=n score=result.score low=-100.0 high=100.0 />
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
fn Distribution(low: u8, tally: Tally) -> impl IntoView {
    let n = tally.n;
    let rows = tally.numbers.into_iter().enumerate().map(move |(i, count)| ((usize::from(low) + i).to_string(), count));
    view! { <BarTable head="Answer" rows=rows.collect() n=n /> }
}

/// Texts of "Other" that are listed.
const OTHERS: usize = 200;

#[component]
fn Choices(tally: Tally, several: bool) -> impl IntoView {
    let n = tally.n;
    let mut others: Vec<_> = tally.others.into_iter().collect();
    others.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let rows = tally.choices.into_iter().map(|c| (c.label, c.count)).collect();
    view! {
        {several.then(|| view! { <p class="muted small">"Several answers were possible: the shares add up to more than 100 %."</p> })}
        <BarTable head="Choice" rows=rows n=n />
        {(!others.is_empty()).then(|| view! {
            <details>
                <summary>{format!("What “Other” said ({})", others.len())}{(others.len() > OTHERS).then(|| format!(", the {OTHERS} most frequent"))}</summary>
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
fn Texts(texts: Vec<TextView>, n: u64) -> impl IntoView {
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
        {(n > shown).then(|| view! { <p class="muted small">{format!("The newest {shown} of {n}. The others are under individual answers.")}</p> })}
    }
    .into_any()
}

/// One response, with its answers.
#[derive(Debug, Clone)]
pub struct ResponseView {
    /// Its own page.
    pub href: String,
    /// Who, as far as known.
    pub contact: Option<String>,
    /// Whether it was finished.
    pub is_finished: bool,
    /// When it began, in words and as a machine reads it.
    pub at: (String, String),
    /// Question and answer; `None` for an answer that cannot be read.
    pub answers: Vec<(String, Option<String>)>,
}

/// The list of responses.
#[derive(Debug, Clone)]
pub struct ResponsesView {
    /// The results page with the same range.
    pub results: String,
    /// The survey's name.
    pub name: String,
    /// Whether these are the ones left out as spam.
    pub is_spam: bool,
    /// This page.
    pub responses: Vec<ResponseView>,
    /// The next page.
    pub next: Option<String>,
    /// The first page, when this is not it.
    pub first: Option<String>,
}

/// The page with individual answers.
#[component]
pub fn ResponsesPage(
    /// What it shows.
    view: ResponsesView,
) -> impl IntoView {
    let ResponsesView { results, name, is_spam, responses, next, first } = view;
    let none = responses.is_empty();
    view! {
        <p class="small"><a href=results>"Results"</a></p>
        <PageHead title=if is_spam { "Suspected spam" } else { "Individual answers" } lead=name />
        <div id="responses" class="stack" data-part>
            {none.then(|| view! { <Empty title="No responses here" text="Each response of the chosen days is listed here, the newest first, with all its answers." /> })}
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
        return view! { <p class="muted small">"Nothing was answered."</p> }.into_any();
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

/// One response on a page of its own.
#[derive(Debug, Clone)]
pub struct ResponseDetail {
    /// The list it came from.
    pub responses: String,
    /// The survey's name.
    pub name: String,
    /// The answers.
    pub response: ResponseView,
    /// Label and value of what else is known: language, page, release, …
    pub facts: Vec<(&'static str, String)>,
    /// The feedback made of it.
    pub feedback: Option<String>,
    /// Why it was suspected to be spam.
    pub spam: Option<String>,
}

/// The page of one response.
#[component]
pub fn ResponsePage(
    /// What it shows.
    view: ResponseDetail,
) -> impl IntoView {
    let ResponseDetail { responses, name, response, facts, feedback, spam } = view;
    view! {
        <p class="small"><a href=responses>"Individual answers"</a></p>
        <PageHead title="Response" lead=name>
            {feedback.map(|url| view! { <a class="button" href=url>"Open feedback"</a> })}
        </PageHead>
        {spam.map(|reasons| view! { <div class="notice notice-warn"><p>{reasons}</p></div> })}
        <div class="card"><Answers answers=response.answers /></div>
        <dl class="card facts">
            <div><dt>"From"</dt><dd>{response.contact.unwrap_or_else(|| "Anonymous".into())}</dd></div>
            <div><dt>"Began"</dt><dd><time datetime=response.at.1>{response.at.0}</time></dd></div>
            <div><dt>"State"</dt><dd>{if response.is_finished { "Finished" } else { "Partial" }}</dd></div>
            {facts.into_iter().map(|(label, value)| view! { <div><dt>{label}</dt><dd>{value}</dd></div> }).collect_view()}
        </dl>
    }
    .into_any()
}
