//! Survey results, compared with numbers counted by hand.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use domain::{
    Timestamp, Zone,
    accounts::{Role, Scope},
    clock::DAY_MS,
    ids::{ResponseId, SurveyId, VersionId},
    projects::Project,
    surveys::{Answer, Choice, LaunchTrigger, Question, QuestionKind, QuestionType, SurveyBody, stats},
    zone::UTC,
};
use service::surveys::results::{self, DayRange, SurveyResults};

use crate::{on_both, support::TestApp};

const NOW: i64 = 1_800_000_000_000;

fn question(id: &str, kind: QuestionKind) -> Question {
    Question { id: id.into(), title: format!("Title {id}"), hint: String::new(), required: false, kind }
}

fn choice(id: &str) -> Choice {
    Choice { id: id.into(), label: format!("Label {id}") }
}

fn body() -> SurveyBody {
    SurveyBody {
        title: "T".into(),
        intro: String::new(),
        questions: vec![
            question("q1", QuestionKind::new(QuestionType::Nps)),
            question("q2", QuestionKind::new(QuestionType::Csat)),
            question("q3", QuestionKind::MultipleChoice { choices: vec![choice("c1"), choice("c2")], other: true }),
            question("q4", QuestionKind::LongText),
            question("q5", QuestionKind::Statement),
            question("q6", QuestionKind::Rating { max: 5 }),
        ],
        thanks: "Thanks".into(),
        language: "en".into(),
        launch: LaunchTrigger::Code,
    }
}

struct Fixture<'a> {
    t: &'a TestApp,
    project: Project,
    scope: Scope,
    survey: SurveyId,
    version: VersionId,
}

impl<'a> Fixture<'a> {
    async fn new(t: &'a TestApp, project: Project) -> Self {
        let scope = Scope::system(project.id);
        let survey = service::surveys::create_with(&t.app, &scope, "How is it", body(), "key-00001").await.unwrap();
        let row = t.app.store.survey(&scope, survey).await.unwrap().unwrap();
        let version = service::surveys::publish(&t.app, &scope, survey, row.revision, "key-00002").await.unwrap().version;
        Self { t, project, scope, survey, version }
    }

    /// A response that began `days_ago`, with answers in their stored format.
    async fn respond(&self, days_ago: i64, finished: bool, spam: &str, answers: &[(&str, String)]) -> ResponseId {
        self.respond_at(Timestamp(NOW - days_ago * DAY_MS), finished, spam, answers).await
    }

    async fn respond_at(&self, at: Timestamp, finished: bool, spam: &str, answers: &[(&str, String)]) -> ResponseId {
        let (id, at) = (self.t.id::<ResponseId>(), at.0);
        let (project, survey, version) = (self.project.id.to_string(), self.survey.to_string(), self.version.to_string());
        let spam = spam.to_owned();
        let answers: Vec<(String, String)> = answers.iter().map(|(q, v)| ((*q).to_owned(), v.clone())).collect();
        self.t
            .app
            .store
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query(
                        "INSERT INTO responses (id, project_id, survey_id, version_id, source, language, spam_reasons, started_at, updated_at, finished_at) \
                         VALUES ($1, $2, $3, $4, 'page', 'en', $5, $6, $6, $7)",
                    )
                    .bind(id.to_string())
                    .bind(project.clone())
                    .bind(survey.clone())
                    .bind(version)
                    .bind(spam)
                    .bind(at)
                    .bind(finished.then_some(at + 1000))
                    .execute(tx.conn())
                    .await?;
                    for (question, value) in answers {
                        let number = serde_json::from_str::<Answer>(&value).ok().and_then(|answer| answer.number());
                        sqlx::query(
                            "INSERT INTO answers (response_id, project_id, survey_id, question_id, value, answered_at, number) \
                             VALUES ($1, $2, $3, $4, $5, $6, CAST(CAST($7 AS TEXT) AS DOUBLE PRECISION))",
                        )
                        .bind(id.to_string())
                        .bind(project.clone())
                        .bind(survey.clone())
                        .bind(question)
                        .bind(value)
                        .bind(at)
                        .bind(number.map(|number| number.to_string()))
                        .execute(tx.conn())
                        .await?;
                    }
                    Ok(id)
                })
            })
            .await
            .unwrap()
    }

    async fn results(&self, days: DayRange) -> SurveyResults {
        let (range, errors) = days.range(self.t.app.now(), &self.project.zone);
        assert!(errors.is_empty());
        results::results(&self.t.app, &self.scope, self.survey, range, &self.project.zone).await.unwrap()
    }

    fn url(&self, rest: &str) -> String {
        format!("/p/{}/surveys/{}/results{rest}", self.project.slug, self.survey)
    }
}

fn number(n: u8) -> String {
    serde_json::to_string(&Answer::Number(n)).unwrap()
}

fn text(words: &str) -> String {
    serde_json::to_string(&Answer::Text(words.into())).unwrap()
}

fn chosen(ids: &[&str], other: Option<&str>) -> String {
    let chosen = ids.iter().map(ToString::to_string).collect();
    serde_json::to_string(&Answer::Choices { chosen, other: other.map(Into::into) }).unwrap()
}

async fn quiet(t: &TestApp) -> Project {
    service::projects::create(&t.app, "Quiet", vec![], None).await.unwrap()
}

on_both!(numbers_are_those_counted_by_hand, |t: TestApp| async move {
    let f = Fixture::new(&t, quiet(&t).await).await;
    // 6 promoters, 3 passives, 3 detractors of 12: NPS 25.
    for (i, n) in [10, 10, 9, 9, 9, 10, 7, 8, 8, 0, 6, 3].into_iter().enumerate() {
        let csat = if i < 9 { 5 } else { 2 };
        let mut answers = vec![("q1", number(n)), ("q2", number(csat))];
        if i == 0 {
            answers.extend([("q3", chosen(&["c1", "c2"], None)), ("q4", text("First words"))]);
        }
        if i == 1 {
            answers.push(("q3", chosen(&["c2"], Some("mine"))));
        }
        f.respond(i64::try_from(i).unwrap() % 3, i < 9, "[]", &answers).await;
    }
    // One that was started and abandoned; and spam, which does not count.
    f.respond(1, false, "[]", &[]).await;
    f.respond(1, true, r#"["honeypot"]"#, &[("q1", number(0)), ("q4", text("Buy"))]).await;

    let found = f.results(DayRange::default()).await;
    assert_eq!((found.counts.started, found.counts.finished, found.counts.spam), (13, 9, 1));
    assert_eq!(found.questions.iter().map(|q| q.question.id.as_str()).collect::<Vec<_>>(), ["q1", "q2", "q3", "q4", "q6"]);
    let nps = stats::nps(&found.questions[0].tally.numbers);
    assert_eq!((nps.n, nps.promoters, nps.passives, nps.detractors), (12, 6, 3, 3));
    assert!((nps.score.unwrap().value - 25.0).abs() < 1e-9);
    let csat = stats::csat(&found.questions[1].tally.numbers).unwrap();
    assert!((csat.value - 75.0).abs() < 1e-9);
    // Wilson for 9 of 12: 46.77 to 91.11.
    let (low, high) = csat.interval.unwrap();
    assert!((low - 46.77).abs() < 0.01 && (high - 91.11).abs() < 0.01, "{low} {high}");
    let choices = &found.questions[2].tally;
    assert_eq!((choices.n, choices.choices.iter().map(|c| c.count).collect::<Vec<_>>()), (2, vec![1, 2, 1]));
    assert_eq!(choices.others, [("mine".to_owned(), 1)].into());
    assert_eq!((found.questions[3].tally.n, found.questions[3].texts[0].text.as_str()), (1, "First words"));
    assert_eq!(found.questions[4].tally.n, 0);
    assert!(!found.by_week);
    assert_eq!(found.columns.iter().map(|c| (c.started, c.finished)).collect::<Vec<_>>(), [(4, 3), (5, 3), (4, 3)]);
});

on_both!(h20_days_are_those_of_the_project, |t: TestApp| async move {
    let at = |text: &str| Timestamp::parse(text).unwrap();
    let mut project = quiet(&t).await;
    project.zone = Zone::parse("Europe/Berlin").unwrap();
    let f = Fixture::new(&t, project).await;
    // Before and after midnight in Berlin, in winter and in summer; 29 March has 23 hours, 25 October has 25.
    for text in [
        "2026-03-28T22:59:59Z",
        "2026-03-28T23:00:00Z",
        "2026-03-29T21:59:59Z",
        "2026-03-29T22:00:00Z",
        "2026-10-24T22:00:00Z",
        "2026-10-25T22:59:59Z",
        "2026-10-25T23:00:00Z",
    ] {
        f.respond_at(at(text), true, "[]", &[]).await;
    }
    let day = |text: &str| DayRange { from: text.into(), to: text.into(), last: None };
    for (text, expected) in [("2026-03-28", 1), ("2026-03-29", 2), ("2026-03-30", 1), ("2026-10-25", 2), ("2026-10-26", 1)] {
        let found = f.results(day(text)).await;
        let columns: Vec<_> = found.columns.iter().map(|c| (c.day.to_string(), c.started)).collect();
        assert_eq!((found.counts.started, columns), (expected, vec![(text.to_owned(), expected)]));
    }
    let whole = f.results(DayRange { from: "2026-03-28".into(), to: "2026-10-26".into(), last: None }).await;
    let weeks: Vec<_> = whole.columns.iter().filter(|c| c.started > 0).map(|c| (c.day.to_string(), c.started)).collect();
    let expected = [("2026-03-23", 3), ("2026-03-30", 1), ("2026-10-19", 2), ("2026-10-26", 1)];
    assert_eq!((whole.by_week, weeks), (true, expected.map(|(day, n)| (day.to_owned(), n)).to_vec()));
    // However long the range is, the chart covers only the time of the responses.
    for (from, to) in [("", "9999-12-31"), ("-9999-01-01", ""), ("0001-01-01", "9999-12-31")] {
        let found = f.results(DayRange { from: from.into(), to: to.into(), last: None }).await;
        let counted = found.columns.iter().map(|c| c.started).sum::<i64>();
        assert_eq!((found.counts.started, counted, found.columns[0].day.to_string().as_str()), (7, 7, "2026-03-23"), "{from} {to}");
        assert!(found.columns.len() < 60, "{}", found.columns.len());
    }
    // Without a range, the chart begins with the first response.
    let whole = f.results(DayRange::default()).await;
    assert_eq!((whole.columns[0].day.to_string(), whole.columns.iter().map(|c| c.started).sum::<i64>()), ("2026-03-23".to_owned(), 7));
});

on_both!(only_the_chosen_days_count, |t: TestApp| async move {
    let f = Fixture::new(&t, quiet(&t).await).await;
    for days_ago in [0, 5, 6, 7, 40, 400] {
        f.respond(days_ago, true, "[]", &[("q6", number(4))]).await;
    }
    for (last, n) in [(7, 3_i64), (30, 4), (90, 5)] {
        let found = f.results(DayRange { last: Some(last), ..DayRange::default() }).await;
        assert_eq!((found.counts.started, found.questions[4].tally.n), (n, n.unsigned_abs()), "{last} days");
    }
    let all = f.results(DayRange::default()).await;
    assert_eq!(all.counts.started, 6);
    assert!(all.by_week && all.columns.iter().map(|c| c.started).sum::<i64>() == 6);
    let day = |ago: i64| UTC.day(Timestamp(NOW - ago * DAY_MS)).to_string();
    let found = f.results(DayRange { from: day(7), to: day(6), last: None }).await;
    assert_eq!(found.counts.started, 2, "both days are meant");
});

on_both!(texts_count_as_one_value_however_they_are_stored, |t: TestApp| async move {
    let f = Fixture::new(&t, quiet(&t).await).await;
    let spaced = || "{ \"text\" : \"Spaced out\" }".to_owned();
    f.respond(2, true, "[]", &[("q1", spaced()), ("q4", text("Compact"))]).await;
    f.respond(1, true, "[]", &[("q1", text("ten")), ("q4", spaced())]).await;
    f.respond(0, true, "[]", &[("q1", number(10)), ("q4", number(3))]).await;
    let (range, _) = DayRange::default().range(t.app.now(), &UTC);
    let counts = t.app.store.answer_counts(&f.scope, f.survey, range, &["q4"]).await.unwrap();
    let of = |id: &str| counts.iter().filter(|(q, ..)| q == id).map(|(_, value, n)| (value.clone(), *n)).collect::<BTreeSet<_>>();
    assert_eq!(of("q1"), [(Some(number(10)), 1), (Some(spaced()), 1), (Some(text("ten")), 1)].into());
    assert_eq!(of("q4"), [(None, 2), (Some(number(3)), 1)].into());
    let found = f.results(DayRange::default()).await;
    let texts: Vec<_> = found.questions[3].texts.iter().map(|answer| answer.text.as_str()).collect();
    assert_eq!((found.questions[3].tally.n, found.questions[3].tally.unfit, texts), (2, 1, vec!["Spaced out", "Compact"]));
    assert_eq!((found.questions[0].tally.n, found.questions[0].tally.unfit), (1, 2), "a number's question takes no text");
});

on_both!(spoilt_answers_break_nothing, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let f = Fixture::new(&t, project).await;
    f.respond(0, true, "[]", &[("q1", number(11)), ("q2", "not json".into()), ("q3", chosen(&["gone"], None)), ("q4", number(3))]).await;
    f.respond(0, true, "[]", &[("q1", text("ten")), ("q2", "{\"number\":-1}".into()), ("q3", "null".into()), ("q99", number(1))]).await;
    let good = f.respond(0, true, "[]", &[("q1", number(10)), ("q4", text("<script>x</script>"))]).await;
    let found = f.results(DayRange::default()).await;
    let tally: Vec<_> = found.questions.iter().take(4).map(|q| (q.tally.n, q.tally.unfit)).collect();
    assert_eq!(tally, [(1, 2), (0, 2), (0, 2), (1, 1)]);
    for path in [String::new(), "/responses".into(), format!("/responses/{good}")] {
        let page = owner.get(&f.url(&path)).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert!(!page.body.contains("<script>x"), "{path}");
    }
    assert!(owner.get(&f.url("")).await.body.contains("2 answers do not match the current question"));
    assert!(owner.get(&f.url("/responses")).await.body.contains("This answer cannot be read."));
});

on_both!(pages_of_results, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let (_, viewer) = t.member(&project, "viewer@example.com", Role::Viewer).await;
    let f = Fixture::new(&t, project).await;
    assert!(owner.get(&f.url("")).await.body.contains("No responses in this period"));
    for n in 0..9 {
        f.respond(0, true, "[]", &[("q1", number(10 - n % 2)), ("q2", number(4))]).await;
    }
    let few = viewer.get(&f.url("")).await;
    assert_eq!(few.status, StatusCode::OK);
    assert!(few.body.contains("Too few answers (n &lt; 10)") && !few.body.contains("95% confidence interval"), "{}", few.body);
    assert!(few.body.contains("Promoters (9, 10)"), "the numbers are shown all the same");
    f.respond(0, false, "[]", &[("q1", number(0)), ("q2", number(1))]).await;
    f.respond(0, false, r#"["too fast"]"#, &[("q4", text("Spammy words"))]).await;
    let enough = viewer.get(&f.url("")).await;
    // 9 promoters, 1 detractor: 80, ± 1.96·√((1 − 0.64)/10) = 37.2, clamped to 100.
    for part in [
        "95% confidence interval 43 to 100, n = 10",
        "1 response is excluded as suspected spam",
        "10 of 10 answered (100%)",
        "<svg",
        "As a table",
    ] {
        assert!(enough.body.contains(part), "{part}: {}", enough.body);
    }
    assert!(!enough.body.contains(" style="));

    // A person's decision about spam overrides the signals.
    let spam = owner.get(&f.url("/responses?spam=1")).await;
    assert!(spam.body.contains("Spammy words"));
    assert!(!owner.get(&f.url("/responses")).await.body.contains("Spammy words"));

    for odd in ["?from=x&to=2026-99-99", "?from=2027-01-02&to=2027-01-01", "?days=-4", "?days=abc", "?days=99999999999", "?from=%00"] {
        assert_eq!(owner.get(&f.url(odd)).await.status, StatusCode::OK, "{odd}");
    }
    assert!(owner.get(&f.url("?from=x")).await.body.contains("Enter a date like"));
    assert_eq!(owner.get(&f.url("/responses?after=nonsense")).await.status, StatusCode::OK);

    let other = Fixture::new(&t, quiet(&t).await).await;
    let theirs = other.respond(0, true, "[]", &[]).await;
    for path in [
        other.url(""),
        other.url("/responses"),
        f.url(&format!("/responses/{theirs}")),
        f.url("/responses/nonsense"),
        format!("/p/{}/surveys/{}/results", f.project.slug, other.survey),
        format!("/p/{}/surveys/nonsense/results", f.project.slug),
    ] {
        assert_eq!(owner.get(&path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
});

on_both!(single_answers_come_in_pages, |t: TestApp| async move {
    let f = Fixture::new(&t, quiet(&t).await).await;
    let mut made = Vec::new();
    for n in 0..7 {
        // Several began at the same moment: they are ordered by id.
        made.push(f.respond(n / 3, true, "[]", &[("q4", text(&format!("Number {n}")))]).await);
    }
    let (range, _) = DayRange::default().range(t.app.now(), &UTC);
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = results::responses(&t.app, &f.scope, f.survey, range, false, after, 2).await.unwrap();
        seen.extend(page.responses.iter().map(|r| r.row.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 7);
    let mut sorted = seen.clone();
    sorted.sort_unstable();
    sorted.dedup();
    made.sort_unstable();
    assert_eq!(sorted, made);
    let (_, one) = results::response(&t.app, &f.scope, f.survey, made[0]).await.unwrap();
    assert_eq!(one.answers, [("Title q4".to_owned(), Some("Number 0".to_owned()))]);
});
