//! Editing a draft: the operations of the editor's buttons, reading its whole form, and what stops publication. All pure.
//!
//! Ids of questions and choices come from one counter per survey that never goes back, so that an answer given to an old version
//! can never be taken for an answer to something newer.

use std::collections::HashMap;

use super::{
    Choice, Launch, MAX_QUESTIONS, Question, QuestionKind, QuestionType, SurveyBody,
    question::{MAX_CHOICES, limit},
};
use crate::{Error, FieldErrors, language::is_language_tag};

/// Most characters of a survey's heading, and of its name.
pub const MAX_TITLE: usize = 120;
/// Most characters of the introduction and of the closing words.
pub const MAX_PROSE: usize = 2000;
/// Most characters of a question and of its hint.
pub const MAX_QUESTION: usize = 500;
/// Most characters of the launch button's words.
pub const MAX_BUTTON: usize = 40;
/// Most characters of an event's name.
pub const MAX_EVENT: usize = 100;
/// Longest delay before a survey shows itself, in seconds.
pub const MAX_DELAY: u32 = 3600;

/// Where something moves to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// One place up.
    Up,
    /// One place down.
    Down,
    /// To this index, counted without itself.
    Index(usize),
}

/// One operation on a draft. Questions and choices are named by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// A new question at an index.
    Add {
        /// Its type.
        kind: QuestionType,
        /// The index it will have; past the end means at the end.
        at: usize,
    },
    /// Takes a question away.
    Delete(String),
    /// A copy of a question right below it.
    Duplicate(String),
    /// Another place for a question.
    Move(String, To),
    /// One more choice.
    AddChoice(String),
    /// Takes a choice away.
    DeleteChoice(String, String),
    /// Another place for a choice.
    MoveChoice(String, String, To),
}

/// What a button of the editor asks for; all of them save the form first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Only save.
    Save,
    /// Save because the person paused typing.
    Autosave,
    /// Save although somebody saved another state meanwhile; the revision that the person was shown.
    Overwrite(i64),
    /// Save and apply.
    Edit(Edit),
    /// Save and bring a deleted question back.
    Restore(String),
    /// Save, then go one step back.
    Undo,
    /// One step forward again.
    Redo,
    /// Save and publish.
    Publish,
}

impl Action {
    /// Reads the value of a button: `save`, `add:nps:3`, `move:q2:up`, `delete:q4`, `choice-add:q2`, `undo`, …
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let own = |s: &&str| (*s).to_owned();
        Some(match parts.as_slice() {
            // A form sent by the Enter key names no button.
            [""] | ["save"] => Self::Save,
            ["autosave"] => Self::Autosave,
            ["overwrite", revision] => Self::Overwrite(revision.parse().ok()?),
            ["undo"] => Self::Undo,
            ["redo"] => Self::Redo,
            ["publish"] => Self::Publish,
            ["add", kind, at] => Self::Edit(Edit::Add { kind: QuestionType::parse(kind)?, at: at.parse().ok()? }),
            ["restore", q] => Self::Restore(own(q)),
            ["delete", q] => Self::Edit(Edit::Delete(own(q))),
            ["duplicate", q] => Self::Edit(Edit::Duplicate(own(q))),
            ["move", q, to] => Self::Edit(Edit::Move(own(q), To::parse(to)?)),
            ["choice-add", q] => Self::Edit(Edit::AddChoice(own(q))),
            ["choice-delete", q, c] => Self::Edit(Edit::DeleteChoice(own(q), own(c))),
            ["choice-move", q, c, to] => Self::Edit(Edit::MoveChoice(own(q), own(c), To::parse(to)?)),
            _ => return None,
        })
    }
}

impl To {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "up" => Some(Self::Up),
            "down" => Some(Self::Down),
            index => index.parse().ok().map(Self::Index),
        }
    }

    fn apply<T>(self, list: &mut Vec<T>, from: usize) {
        if from >= list.len() {
            return;
        }
        let to = match self {
            Self::Up => from.saturating_sub(1),
            Self::Down => from + 1,
            Self::Index(index) => index,
        };
        let item = list.remove(from);
        list.insert(to.min(list.len()), item);
    }
}

/// The number in an id: `q12` has 12.
fn number(id: &str) -> u32 {
    id.get(1..).and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// Whether a form may name something so: `prefix` and a number of a sane size, without a leading zero.
fn is_id(prefix: char, id: &str) -> bool {
    let Some(digits) = id.strip_prefix(prefix) else { return false };
    (1..=6).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0')
}

impl SurveyBody {
    /// The highest number that an id of a question or choice has.
    #[must_use]
    pub fn highest_number(&self) -> u32 {
        let choices = self.questions.iter().filter_map(|q| q.kind.choices()).flat_map(|(choices, _)| choices).map(|c| c.id.as_str());
        self.questions.iter().map(|q| q.id.as_str()).chain(choices).map(number).max().unwrap_or(0)
    }

    /// Whether both ask the same questions with the same choices in the same order, whatever the texts.
    #[must_use]
    pub fn same_shape(&self, other: &Self) -> bool {
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

    fn at(&self, id: &str) -> Result<usize, Error> {
        self.questions
            .iter()
            .position(|q| q.id == id)
            .ok_or_else(|| Error::field("questions", "gone", "This question is not in the draft any more: somebody deleted it meanwhile."))
    }

    /// Applies an operation. `used` is the highest number that an id of this survey ever had; it grows with each new id. Gives the
    /// element of the form that should have the focus now.
    ///
    /// # Errors
    /// When the question is not there, or there would be too many. Nothing is changed then.
    pub fn apply(&mut self, edit: &Edit, used: &mut u32) -> Result<String, Error> {
        *used = (*used).max(self.highest_number());
        let fresh = |used: &mut u32| {
            *used += 1;
            *used
        };
        let room = |body: &Self| {
            if body.questions.len() >= MAX_QUESTIONS {
                return Err(Error::field("add-question", "too_many", format!("A survey takes {MAX_QUESTIONS} questions at most.")));
            }
            Ok(())
        };
        match edit {
            Edit::Add { kind, at } => {
                room(self)?;
                let mut kind = QuestionKind::new(*kind);
                let id = format!("q{}", fresh(used));
                for choice in kind.choices_mut().into_iter().flatten() {
                    choice.id = format!("c{}", fresh(used));
                }
                let question = Question { id: id.clone(), title: String::new(), hint: String::new(), required: false, kind };
                self.questions.insert((*at).min(self.questions.len()), question);
                Ok(format!("{id}-title"))
            }
            Edit::Delete(id) => {
                let at = self.at(id)?;
                self.questions.remove(at);
                let next = self.questions.get(at).or_else(|| self.questions.last());
                Ok(next.map_or_else(|| "add-question".to_owned(), |q| q.id.clone()))
            }
            Edit::Duplicate(id) => {
                let at = self.at(id)?;
                room(self)?;
                let mut copy = self.questions[at].clone();
                copy.id = format!("q{}", fresh(used));
                let focus = format!("{}-title", copy.id);
                self.questions.insert(at + 1, copy);
                Ok(focus)
            }
            Edit::Move(id, to) => {
                let at = self.at(id)?;
                to.apply(&mut self.questions, at);
                Ok(id.clone())
            }
            Edit::AddChoice(id) => {
                let at = self.at(id)?;
                let field = format!("{id}-choices");
                let choices = self.choices_of(at)?;
                if choices.len() >= MAX_CHOICES {
                    return Err(Error::field(&field, "too_many", format!("A question takes {MAX_CHOICES} choices at most.")));
                }
                let choice = format!("c{}", fresh(used));
                let focus = format!("{id}-{choice}");
                choices.push(Choice { id: choice, label: String::new() });
                Ok(focus)
            }
            Edit::DeleteChoice(id, choice) => {
                let at = self.at(id)?;
                self.choices_of(at)?.retain(|c| c.id != *choice);
                Ok(format!("{id}-choices"))
            }
            Edit::MoveChoice(id, choice, to) => {
                let at = self.at(id)?;
                let choices = self.choices_of(at)?;
                if let Some(from) = choices.iter().position(|c| c.id == *choice) {
                    to.apply(choices, from);
                }
                Ok(format!("{id}-{choice}"))
            }
        }
    }

    fn choices_of(&mut self, at: usize) -> Result<&mut Vec<Choice>, Error> {
        self.questions[at]
            .kind
            .choices_mut()
            .ok_or_else(|| Error::field("questions", "gone", "This question has no choices any more: somebody changed it meanwhile."))
    }

    /// Reads the editor's whole form. `question` names the questions in order; the fields of each begin with its id, as in `q3-title`;
    /// `q3-choice` names its choices in order and `q3-c7` is a choice's label. Nothing is shortened or dropped, so that nothing typed
    /// is lost; [`SurveyBody::check`] says later what is too long. `base` gives what the form does not say, and ids above `used` are ignored: they were
    /// never given out.
    #[must_use]
    pub fn read_form(pairs: &[(String, String)], base: &Self, used: u32) -> Self {
        let mut fields: HashMap<&str, Vec<&str>> = HashMap::new();
        for (name, value) in pairs {
            fields.entry(name).or_default().push(value);
        }
        let text =
            |name: &str, before: &str| fields.get(name).and_then(|v| v.first()).map_or_else(|| before.to_owned(), |v| (*v).to_owned());
        let used = used.max(base.highest_number());
        let known = |prefix: char, id: &str| is_id(prefix, id) && number(id) <= used;
        let mut questions: Vec<Question> = Vec::new();
        for id in fields.get("question").into_iter().flatten().copied() {
            if !known('q', id) || questions.iter().any(|q| q.id == id) {
                continue;
            }
            let field = |setting: &str| fields.get(format!("{id}-{setting}").as_str()).and_then(|v| v.first()).map(|v| (*v).to_owned());
            let before = base.questions.iter().find(|q| q.id == id);
            let mut choices: Vec<Choice> = Vec::new();
            for choice in fields.get(format!("{id}-choice").as_str()).into_iter().flatten().copied() {
                if known('c', choice) && !choices.iter().any(|c| c.id == choice) {
                    choices.push(Choice { id: choice.to_owned(), label: field(choice).unwrap_or_default() });
                }
            }
            let sent = field("type").and_then(|word| QuestionType::parse(&word));
            // Answers to earlier versions must keep their meaning.
            let question_type = match before.map(|q| q.kind.question_type()) {
                Some(current) => sent.filter(|new| current.interchangeable().contains(new)).or(Some(current)),
                None => sent,
            };
            let Some(question_type) = question_type else { continue };
            let kind = QuestionKind::read(question_type, &field, choices);
            questions.push(Question {
                id: id.to_owned(),
                title: field("title").unwrap_or_default(),
                hint: field("hint").unwrap_or_default(),
                required: kind.takes_answer() && field("required").is_some(),
                kind,
            });
        }
        Self {
            title: text("title", &base.title),
            intro: text("intro", &base.intro),
            questions,
            thanks: text("thanks", &base.thanks),
            language: text("language", &base.language).trim().to_owned(),
            launch: read_launch(&text, &base.launch),
        }
    }

    /// What stops publication, at the ids of the form's fields.
    #[must_use]
    pub fn check(&self) -> FieldErrors {
        let mut errors = FieldErrors::default();
        if self.title.trim().is_empty() {
            errors.add("title", "required", "Give the survey a heading.");
        }
        limit(&mut errors, "title", &self.title, MAX_TITLE);
        limit(&mut errors, "intro", &self.intro, MAX_PROSE);
        if !self.questions.iter().any(|q| q.kind.takes_answer()) {
            errors.add("add-question", "no_questions", "Add at least one question that takes an answer.");
        }
        if self.questions.len() > MAX_QUESTIONS {
            errors.add("add-question", "too_many", format!("A survey takes {MAX_QUESTIONS} questions at most."));
        }
        for (at, question) in self.questions.iter().enumerate() {
            let id = &question.id;
            if question.title.trim().is_empty() {
                errors.add(&format!("{id}-title"), "required", format!("Write what question {} asks.", at + 1));
            }
            limit(&mut errors, &format!("{id}-title"), &question.title, MAX_QUESTION);
            limit(&mut errors, &format!("{id}-hint"), &question.hint, MAX_PROSE);
            question.kind.check(id, &mut errors);
        }
        limit(&mut errors, "thanks", &self.thanks, MAX_PROSE);
        if !is_language_tag(&self.language) {
            errors.add("language", "language", "Write a language tag such as en, de or pt-BR.");
        }
        match &self.launch {
            Launch::Button { label } => {
                if label.trim().is_empty() {
                    errors.add("launch-label", "required", "Give the button a word, such as Feedback.");
                }
                limit(&mut errors, "launch-label", label, MAX_BUTTON);
            }
            Launch::Delay { seconds } => {
                if *seconds > MAX_DELAY {
                    errors.add("launch-seconds", "range", format!("Wait {MAX_DELAY} seconds at most."));
                }
            }
            Launch::Event { name } => {
                if name.trim().is_empty() {
                    errors.add("launch-event", "required", "Write the name that your site passes to earshot.track().");
                }
                limit(&mut errors, "launch-event", name, MAX_EVENT);
            }
            Launch::Code => {}
        }
        errors
    }
}

fn read_launch(text: &dyn Fn(&str, &str) -> String, before: &Launch) -> Launch {
    let label = if let Launch::Button { label } = before { label.as_str() } else { "" };
    let seconds = if let Launch::Delay { seconds } = before { *seconds } else { 10 };
    let name = if let Launch::Event { name } = before { name.as_str() } else { "" };
    match text("launch", "").as_str() {
        "button" => Launch::Button { label: text("launch-label", label) },
        "delay" => Launch::Delay { seconds: text("launch-seconds", "").trim().parse().unwrap_or(seconds) },
        "event" => Launch::Event { name: text("launch-event", name).trim().to_owned() },
        "code" => Launch::Code,
        _ => before.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::surveys::templates;

    fn kind() -> impl Strategy<Value = QuestionType> {
        prop::sample::select(QuestionType::ALL)
    }

    fn to() -> impl Strategy<Value = To> {
        prop_oneof![Just(To::Up), Just(To::Down), (0_usize..9).prop_map(To::Index)]
    }

    fn edit() -> impl Strategy<Value = Edit> {
        let q = || (1_u32..20).prop_map(|n| format!("q{n}"));
        let c = || (1_u32..20).prop_map(|n| format!("c{n}"));
        prop_oneof![
            3 => (kind(), 0_usize..9).prop_map(|(kind, at)| Edit::Add { kind, at }),
            1 => q().prop_map(Edit::Delete),
            1 => q().prop_map(Edit::Duplicate),
            2 => (q(), to()).prop_map(|(q, to)| Edit::Move(q, to)),
            1 => q().prop_map(Edit::AddChoice),
            1 => (q(), c()).prop_map(|(q, c)| Edit::DeleteChoice(q, c)),
            1 => (q(), c(), to()).prop_map(|(q, c, to)| Edit::MoveChoice(q, c, to)),
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
            Launch::Button { label } => {
                put("launch".into(), "button");
                put("launch-label".into(), label);
            }
            Launch::Delay { seconds } => {
                put("launch".into(), "delay");
                put("launch-seconds".into(), &seconds.to_string());
            }
            Launch::Event { name } => {
                put("launch".into(), "event");
                put("launch-event".into(), name);
            }
            Launch::Code => put("launch".into(), "code"),
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
            if let Some((low, high)) = q.kind.ends() {
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
                prop_assert!(used >= number_before && used >= body.highest_number());
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
                body.apply(&Edit::Add { kind: QuestionType::ALL[i % QuestionType::ALL.len()], at: 0 }, &mut used).unwrap();
            }
            let sorted = |body: &SurveyBody| {
                let mut all: Vec<String> = body.questions.iter().map(|q| format!("{q:?}")).collect();
                all.sort();
                all
            };
            let before = sorted(&body);
            drop(body.apply(&Edit::Move(format!("q{from}"), to), &mut used));
            prop_assert_eq!(sorted(&body), before);
        }

        #[test]
        fn a_form_gives_back_the_draft_it_was_made_from(edits in prop::collection::vec(edit(), 0..40)) {
            let (mut body, mut used) = ((templates::TEMPLATES[4].body)(), 0);
            for edit in &edits {
                drop(body.apply(edit, &mut used));
            }
            prop_assert_eq!(SurveyBody::read_form(&form(&body), &body, used), body.clone());
            // A question deleted by somebody else meanwhile comes back whole.
            let base = (templates::TEMPLATES[7].body)();
            prop_assert_eq!(SurveyBody::read_form(&form(&body), &base, used.max(body.highest_number())).questions, body.questions);
        }

        #[test]
        fn no_form_and_no_button_panics(pairs in prop::collection::vec(("(question|q[0-9]{1,3}-(type|title|max|choice|c1)|launch|title)", ".*"), 0..30), action in ".*|(add|move|delete|choice-add):.*") {
            let base = (templates::TEMPLATES[4].body)();
            let mut body = SurveyBody::read_form(&pairs, &base, 100);
            drop(body.check());
            if let Some(Action::Edit(edit)) = Action::parse(&action) {
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
        body.launch = Launch::Event { name: " ".into() };
        let single = body.apply(&Edit::Add { kind: QuestionType::SingleChoice, at: 0 }, &mut used).unwrap();
        let rating = body.apply(&Edit::Add { kind: QuestionType::Rating, at: 9 }, &mut used).unwrap();
        let (single, rating) = (single.replace("-title", ""), rating.replace("-title", ""));
        for q in &mut body.questions {
            q.title = "T".repeat(MAX_QUESTION + 1);
            match &mut q.kind {
                QuestionKind::SingleChoice { choices, .. } => {
                    choices[0].label = "Same".into();
                    choices[1].label = "same ".into();
                    choices.push(Choice { id: "c9".into(), label: " ".into() });
                }
                QuestionKind::Rating { max } => *max = 11,
                _ => {}
            }
        }
        let errors = body.check();
        for field in ["title", "language", "launch-event", &format!("{single}-title"), &format!("{single}-c9"), &format!("{rating}-max")] {
            assert!(errors.at(field).is_some(), "{field}: {errors:?}");
        }
        assert!(errors.0.iter().any(|e| e.code == "duplicate"));
        assert!((templates::TEMPLATES[7].body)().check().at("add-question").is_some());
    }
}
