//! Editing a draft: the operations behind the editor's buttons, parsing of its whole form, and the checks before publication. All pure.
//!
//! Ids of questions and choices come from one counter per survey that never decreases, so that an answer to an old version can never be
//! mistaken for an answer to something newer.

mod edits;
mod form;
mod numbered;

use super::{LaunchTrigger, MAX_QUESTIONS, QuestionType, SurveyBody};
use crate::{
    FieldErrors,
    language::is_language_tag,
    text::{limit, require},
};

pub use edits::{DraftEdit, EditorAction, MoveTarget};

/// Most characters of a survey's heading, and of its name.
pub const MAX_TITLE: usize = 120;
/// Most characters of the introduction and of the thank-you message.
pub const MAX_PROSE: usize = 2000;
/// Most characters of a question and of its hint.
pub const MAX_QUESTION: usize = 500;
/// Most characters of the launch button's label.
pub const MAX_BUTTON: usize = 40;
/// Most characters of an event's name.
pub const MAX_EVENT: usize = 100;
/// Longest delay before a survey opens by itself, in seconds.
pub const MAX_DELAY: u32 = 3600;

/// The number in an id: 12 for `q12`.
fn number(id: &str) -> u32 {
    id.get(1..).and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// Returns whether a form may use this id: `prefix` and a number of at most six digits, without a leading zero.
fn is_id(prefix: char, id: &str) -> bool {
    let Some(digits) = id.strip_prefix(prefix) else { return false };
    (1..=6).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0')
}

/// The id of a new question or choice. `used` is the highest number that an id of the survey ever had.
fn fresh_id(prefix: char, used: &mut u32) -> String {
    *used = used.saturating_add(1);
    format!("{prefix}{used}")
}

impl SurveyBody {
    /// The highest number in the ids of the questions and choices.
    #[must_use]
    pub fn highest_id_number(&self) -> u32 {
        let choices = self.questions.iter().filter_map(|q| q.kind.choices()).flat_map(|(choices, _)| choices).map(|c| c.id.as_str());
        self.questions.iter().map(|q| q.id.as_str()).chain(choices).map(number).max().unwrap_or(0)
    }

    /// Returns whether both have the same questions with the same choices in the same order, regardless of texts.
    #[must_use]
    pub fn has_same_questions(&self, other: &Self) -> bool {
        fn shape(body: &SurveyBody) -> Vec<(&str, QuestionType, Vec<&str>)> {
            body.questions
                .iter()
                .map(|q| {
                    let listed = q.kind.choices().map(|(list, _)| list.iter().map(|c| c.id.as_str()).collect()).unwrap_or_default();
                    (q.id.as_str(), q.kind.question_type(), listed)
                })
                .collect()
        }
        shape(self) == shape(other)
    }

    /// Problems that prevent publication, by the ids of the form's fields.
    #[must_use]
    pub fn check(&self) -> FieldErrors {
        let mut errors = FieldErrors::default();
        require(&mut errors, "title", &self.title, MAX_TITLE, "Enter a heading for the survey.");
        limit(&mut errors, "intro", &self.intro, MAX_PROSE);
        if !self.questions.iter().any(|q| q.kind.takes_answer()) {
            errors.add("add-question", "no_questions", "Add at least one question that people can answer.");
        }
        if self.questions.len() > MAX_QUESTIONS {
            errors.add("add-question", "too_many", format!("A survey can have at most {MAX_QUESTIONS} questions."));
        }
        for (at, question) in self.questions.iter().enumerate() {
            let id = &question.id;
            let missing = format!("Enter the text of question {}.", at + 1);
            require(&mut errors, &format!("{id}-title"), &question.title, MAX_QUESTION, &missing);
            limit(&mut errors, &format!("{id}-hint"), &question.hint, MAX_PROSE);
            question.kind.check(id, &mut errors);
        }
        limit(&mut errors, "thanks", &self.thanks, MAX_PROSE);
        if !is_language_tag(&self.language) {
            errors.add("language", "language", "Enter a language tag such as en, de or pt-BR.");
        }
        match &self.launch {
            LaunchTrigger::Button { label } => {
                require(&mut errors, "launch-label", label, MAX_BUTTON, "Enter a button label such as Feedback.");
            }
            LaunchTrigger::Delay { seconds } => {
                if *seconds > MAX_DELAY {
                    errors.add("launch-seconds", "range", format!("The delay can be at most {MAX_DELAY} seconds."));
                }
            }
            LaunchTrigger::Event { name } => {
                let missing = "Enter the event name that your site passes to earshot.track().";
                require(&mut errors, "launch-event", name, MAX_EVENT, missing);
            }
            LaunchTrigger::Code => {}
        }
        errors
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::surveys::{Choice, QuestionKind, templates};

    fn kind() -> impl Strategy<Value = QuestionType> {
        prop::sample::select(QuestionType::ALL)
    }

    fn to() -> impl Strategy<Value = MoveTarget> {
        prop_oneof![Just(MoveTarget::Up), Just(MoveTarget::Down), (0_usize..9).prop_map(MoveTarget::Index)]
    }

    fn edit() -> impl Strategy<Value = DraftEdit> {
        let q = || (1_u32..20).prop_map(|n| format!("q{n}"));
        let c = || (1_u32..20).prop_map(|n| format!("c{n}"));
        prop_oneof![
            3 => (kind(), 0_usize..9).prop_map(|(kind, at)| DraftEdit::Add { kind, at }),
            1 => q().prop_map(DraftEdit::Delete),
            1 => q().prop_map(DraftEdit::Duplicate),
            2 => (q(), to()).prop_map(|(q, to)| DraftEdit::Move(q, to)),
            1 => q().prop_map(DraftEdit::AddChoice),
            1 => (q(), c()).prop_map(|(q, c)| DraftEdit::DeleteChoice(q, c)),
            1 => (q(), c(), to()).prop_map(|(q, c, to)| DraftEdit::MoveChoice(q, c, to)),
        ]
    }

    fn ids(body: &SurveyBody) -> Vec<String> {
        body.questions.iter().map(|q| q.id.clone()).collect()
    }

    /// The pairs that the editor's form sends for a body.
    fn form(body: &SurveyBody) -> Vec<(String, String)> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        let mut put = |name: String, value: &str| pairs.push((name, value.to_owned()));
        put("title".into(), &body.title);
        put("intro".into(), &body.intro);
        put("thanks".into(), &body.thanks);
        put("language".into(), &body.language);
        match &body.launch {
            LaunchTrigger::Button { label } => {
                put("launch".into(), "button");
                put("launch-label".into(), label);
            }
            LaunchTrigger::Delay { seconds } => {
                put("launch".into(), "delay");
                put("launch-seconds".into(), &seconds.to_string());
            }
            LaunchTrigger::Event { name } => {
                put("launch".into(), "event");
                put("launch-event".into(), name);
            }
            LaunchTrigger::Code => put("launch".into(), "code"),
        }
        for q in &body.questions {
            let id = &q.id;
            put("question".into(), id);
            put(format!("{id}-type"), q.kind.question_type().as_str());
            put(format!("{id}-title"), &q.title);
            put(format!("{id}-hint"), &q.hint);
            if q.required {
                put(format!("{id}-required"), "on");
            }
            if let Some((low, high)) = q.kind.scale_labels() {
                put(format!("{id}-low"), low);
                put(format!("{id}-high"), high);
            }
            if let QuestionKind::Rating { max } = q.kind {
                put(format!("{id}-max"), &max.to_string());
            }
            if let Some((choices, other)) = q.kind.choices() {
                for c in choices {
                    put(format!("{id}-choice"), &c.id);
                    put(format!("{id}-{}", c.id), &c.label);
                }
                if other {
                    put(format!("{id}-other"), "on");
                }
            }
        }
        pairs
    }

    proptest! {
        #[test]
        fn ids_stay_unique_and_are_never_given_twice(edits in prop::collection::vec(edit(), 0..60)) {
            let (mut body, mut used) = ((templates::TEMPLATES[0].body)(), 0);
            let mut ever: BTreeSet<String> = ids(&body).into_iter().collect();
            for edit in &edits {
                let before: BTreeSet<String> = ids(&body).into_iter().collect();
                let number_before = used;
                if body.apply(edit, &mut used).is_err() {
                    prop_assert_eq!(&ids(&body).into_iter().collect::<BTreeSet<_>>(), &before);
                }
                prop_assert!(used >= number_before && used >= body.highest_id_number());
                let now = ids(&body);
                let unique: BTreeSet<String> = now.iter().cloned().collect();
                prop_assert_eq!(unique.len(), now.len());
                for fresh in unique.difference(&before) {
                    prop_assert!(ever.insert(fresh.clone()), "{} was given before", fresh);
                }
                for q in &body.questions {
                    let choices = q.kind.choices().map_or(&[][..], |(list, _)| list);
                    let unique: BTreeSet<&str> = choices.iter().map(|c| c.id.as_str()).collect();
                    prop_assert_eq!(unique.len(), choices.len());
                }
            }
        }

        #[test]
        fn a_move_keeps_every_question(from in 1_u32..9, to in to(), n in 1_usize..9) {
            let (mut body, mut used) = ((templates::TEMPLATES[7].body)(), 0);
            for i in 0..n {
                body.apply(&DraftEdit::Add { kind: QuestionType::ALL[i % QuestionType::ALL.len()], at: 0 }, &mut used).unwrap();
            }
            let sorted = |body: &SurveyBody| {
                let mut all: Vec<String> = body.questions.iter().map(|q| format!("{q:?}")).collect();
                all.sort();
                all
            };
            let before = sorted(&body);
            drop(body.apply(&DraftEdit::Move(format!("q{from}"), to), &mut used));
            prop_assert_eq!(sorted(&body), before);
        }

        #[test]
        fn a_form_gives_back_the_draft_it_was_made_from(edits in prop::collection::vec(edit(), 0..40)) {
            let (mut body, mut used) = ((templates::TEMPLATES[4].body)(), 0);
            for edit in &edits {
                drop(body.apply(edit, &mut used));
            }
            prop_assert_eq!(SurveyBody::read_form(&form(&body), &body, used), body.clone());
            // A question that someone else has deleted meanwhile is restored in full.
            let base = (templates::TEMPLATES[7].body)();
            prop_assert_eq!(SurveyBody::read_form(&form(&body), &base, used.max(body.highest_id_number())).questions, body.questions);
        }

        #[test]
        fn no_form_and_no_button_panics(pairs in prop::collection::vec(("(question|q[0-9]{1,3}-(type|title|max|choice|c1)|launch|title)", ".*"), 0..30), action in ".*|(add|move|delete|choice-add):.*") {
            let base = (templates::TEMPLATES[4].body)();
            let mut body = SurveyBody::read_form(&pairs, &base, 100);
            drop(body.check());
            if let Some(EditorAction::Edit(edit)) = EditorAction::parse(&action) {
                drop(body.apply(&edit, &mut 0));
            }
        }
    }

    #[test]
    fn a_form_cannot_invent_ids_or_turn_a_scale_into_a_text() {
        let base = (templates::TEMPLATES[0].body)();
        let pairs = |list: &[(&str, &str)]| list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<Vec<_>>();
        let read = SurveyBody::read_form(
            &pairs(&[
                ("question", "q1"),
                ("q1-type", "short_text"),
                ("question", "q99"),
                ("q99-type", "nps"),
                ("question", "q02"),
                ("question", "q1"),
            ]),
            &base,
            2,
        );
        assert_eq!(ids(&read), ["q1"]);
        assert_eq!(read.questions[0].kind.question_type(), QuestionType::Nps);
        let long = SurveyBody::read_form(&pairs(&[("question", "q2"), ("q2-type", "short_text")]), &base, 2);
        assert_eq!(long.questions[0].kind.question_type(), QuestionType::ShortText);
    }

    #[test]
    fn what_stops_publication_is_named_at_its_field() {
        let (mut body, mut used) = ((templates::TEMPLATES[7].body)(), 0);
        body.language = "english please".into();
        body.launch = LaunchTrigger::Event { name: " ".into() };
        let single = body.apply(&DraftEdit::Add { kind: QuestionType::SingleChoice, at: 0 }, &mut used).unwrap();
        let rating = body.apply(&DraftEdit::Add { kind: QuestionType::Rating, at: 9 }, &mut used).unwrap();
        let (single, rating) = (single.replace("-title", ""), rating.replace("-title", ""));
        for q in &mut body.questions {
            q.title = "T".repeat(MAX_QUESTION + 1);
            if let QuestionKind::SingleChoice { choices, .. } = &mut q.kind {
                choices[0].label = "Same".into();
                choices[1].label = "same ".into();
                choices.push(Choice { id: "c9".into(), label: " ".into() });
            }
            if let QuestionKind::Rating { max } = &mut q.kind {
                *max = 11;
            }
        }
        let errors = body.check();
        for field in ["title", "language", "launch-event", &format!("{single}-title"), &format!("{single}-c9"), &format!("{rating}-max")] {
            assert!(errors.message_for(field).is_some(), "{field}: {errors:?}");
        }
        assert!(errors.0.iter().any(|e| e.code == "duplicate"));
        assert!((templates::TEMPLATES[7].body)().check().message_for("add-question").is_some());
    }
}
