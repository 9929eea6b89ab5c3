//! Answers: parsed from a form's pairs against the survey version answered, in the same way for a plain form and the widget.

use serde::{Deserialize, Serialize};

use super::{AnswerShape, Choice, Question, SurveyBody};
use crate::{
    FieldErrors,
    email::{MAX_EMAIL, NO_EMAIL, is_email},
    language::primary,
    text::too_long,
};

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// A number on the question's scale.
    Number(u8),
    /// A text.
    Text(String),
    /// Choices by id, in the question's order, and the text of "Other".
    Choices {
        /// Ids of the choices.
        chosen: Vec<String>,
        /// The text of "Other".
        other: Option<String>,
    },
}

impl Answer {
    /// The number, for scores.
    #[must_use]
    pub fn number(&self) -> Option<u8> {
        match self {
            Self::Number(n) => Some(*n),
            Self::Text(_) | Self::Choices { .. } => None,
        }
    }

    /// The free text of the answer.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Choices { other, .. } => other.as_deref(),
            Self::Number(_) => None,
        }
    }

    /// The answer for people: `9`, the text, or the labels of the choices.
    #[must_use]
    pub fn display(&self, question: &Question) -> String {
        match self {
            Self::Number(n) => n.to_string(),
            Self::Text(text) => text.clone(),
            Self::Choices { chosen, other } => {
                let (choices, _) = question.kind.choices().unwrap_or((&[], false));
                let labels = chosen.iter().map(|id| choices.iter().find(|c| c.id == *id).map_or(id.as_str(), |c| c.label.as_str()));
                labels.chain(other.as_deref()).collect::<Vec<_>>().join(", ")
            }
        }
    }
}

/// The suffix of the field that holds the text of "Other": `q3_other`.
pub const OTHER_SUFFIX: &str = "_other";
/// The value of the "Other" choice.
pub const OTHER_CHOICE: &str = "other";

/// Most characters in the text of "Other".
pub const MAX_OTHER: usize = 500;

/// The label of "Other" in a survey of this language, the same as on the respondent's page.
#[must_use]
pub fn other_label(language: &str) -> &'static str {
    match primary(language) {
        "de" => "Anderes",
        _ => "Other",
    }
}

impl SurveyBody {
    /// Parses answers from form pairs (`q1=9`, `q2=c1`, `q2=c3`, `q2_other=…`). Fields that match no question are ignored; unanswered
    /// questions are left out. `finished` also requires an answer to every required question.
    ///
    /// # Errors
    /// A message for each question whose answer is invalid.
    pub fn read_answers(&self, pairs: &[(String, String)], finished: bool) -> Result<Vec<(String, Answer)>, FieldErrors> {
        let mut errors = FieldErrors::default();
        let mut answers = Vec::new();
        for question in self.questions.iter().filter(|q| q.kind.takes_answer()) {
            match read_one(question, pairs, &self.language) {
                Ok(Some(answer)) => answers.push((question.id.clone(), answer)),
                Ok(None) if finished && question.required => errors.add(&question.id, "required", "This question is required."),
                Ok(None) => {}
                Err((code, message)) => errors.add(&question.id, code, message),
            }
        }
        if errors.is_empty() { Ok(answers) } else { Err(errors) }
    }
}

/// Code and message for an invalid answer.
type AnswerError = (&'static str, String);

fn read_one(question: &Question, pairs: &[(String, String)], language: &str) -> Result<Option<Answer>, AnswerError> {
    let values: Vec<&str> = pairs.iter().filter(|(n, _)| *n == question.id).map(|(_, v)| v.trim()).filter(|v| !v.is_empty()).collect();
    let first = values.first().copied();
    match question.kind.answer_shape() {
        AnswerShape::Scale { low, high } => first.map(|value| read_number(value, low, high)).transpose(),
        AnswerShape::Choice { choices, other, multiple } => {
            let other_name = format!("{}{OTHER_SUFFIX}", question.id);
            let other_text = pairs.iter().find(|(n, _)| *n == other_name).map(|(_, v)| v.trim()).filter(|v| !v.is_empty());
            let other = other.then(|| other_text.unwrap_or_else(|| other_label(language)));
            read_choices(&values, choices, other, multiple)
        }
        AnswerShape::Text { max_chars } => first.map(|text| read_text(text, max_chars)).transpose(),
        AnswerShape::Email => first.map(read_email).transpose(),
        AnswerShape::None => Ok(None),
    }
}

fn read_number(value: &str, low: u8, high: u8) -> Result<Answer, AnswerError> {
    let number = value.parse::<u8>().ok().filter(|n| (low..=high).contains(n));
    number.map(Answer::Number).ok_or_else(|| ("range", format!("Choose a number from {low} to {high}.")))
}

/// `other` is the text of "Other", if that is offered.
fn read_choices(values: &[&str], choices: &[Choice], other: Option<&str>, multiple: bool) -> Result<Option<Answer>, AnswerError> {
    if values.iter().any(|v| *v != OTHER_CHOICE && !choices.iter().any(|c| c.id == *v)) {
        return Err(("choice", "This choice is no longer available. Choose another one.".into()));
    }
    let chosen: Vec<String> = choices.iter().filter(|c| values.contains(&c.id.as_str())).map(|c| c.id.clone()).collect();
    let other = other.filter(|_| values.contains(&OTHER_CHOICE)).map(ToOwned::to_owned);
    if other.as_ref().is_some_and(|text| text.chars().count() > MAX_OTHER) {
        return Err(("too_long", format!("“Other” can be up to {MAX_OTHER} characters.")));
    }
    let count = chosen.len() + usize::from(other.is_some());
    if !multiple && count > 1 {
        return Err(("one", "Choose only one answer.".into()));
    }
    Ok((count > 0).then_some(Answer::Choices { chosen, other }))
}

fn read_text(text: &str, max_chars: usize) -> Result<Answer, AnswerError> {
    match too_long(text, max_chars) {
        Some(message) => Err(("too_long", message)),
        None => Ok(Answer::Text(text.to_owned())),
    }
}

fn read_email(text: &str) -> Result<Answer, AnswerError> {
    let answer = read_text(text, MAX_EMAIL)?;
    if is_email(text) { Ok(answer) } else { Err(("email", NO_EMAIL.into())) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::surveys::{Choice, LaunchTrigger, QuestionKind, QuestionType};

    fn survey() -> SurveyBody {
        let questions = QuestionType::ALL
            .iter()
            .enumerate()
            .map(|(i, question_type)| Question {
                id: format!("q{i}"),
                title: question_type.label().into(),
                hint: String::new(),
                required: *question_type == QuestionType::Nps,
                kind: QuestionKind::new(*question_type),
            })
            .collect();
        SurveyBody {
            title: "T".into(),
            intro: String::new(),
            questions,
            thanks: "Thanks".into(),
            language: "en".into(),
            launch: LaunchTrigger::Code,
        }
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect()
    }

    #[test]
    fn every_type_reads_its_answer() {
        let answers = survey()
            .read_answers(
                &pairs(&[
                    ("q0", "0"),
                    ("q1", "5"),
                    ("q2", "7"),
                    ("q3", "5"),
                    ("q4", "c1"),
                    ("q5", "c2"),
                    ("q5", "c1"),
                    ("q6", "a"),
                    ("q7", "b"),
                    ("q8", "a@b.example"),
                ]),
                true,
            )
            .unwrap();
        assert_eq!(answers.len(), 9);
        assert_eq!(answers[5].1, Answer::Choices { chosen: vec!["c1".into(), "c2".into()], other: None });
    }

    #[test]
    fn a_partial_response_may_leave_out_what_is_required() {
        assert_eq!(survey().read_answers(&pairs(&[]), false).unwrap(), vec![]);
        assert_eq!(survey().read_answers(&pairs(&[]), true).unwrap_err().message_for("q0"), Some("This question is required."));
    }

    #[test]
    fn what_does_not_fit_is_refused_at_its_question() {
        for (field, value) in [("q0", "11"), ("q0", "-1"), ("q0", "x"), ("q1", "0"), ("q4", "c9"), ("q8", "nobody")] {
            assert!(survey().read_answers(&pairs(&[(field, value)]), false).unwrap_err().message_for(field).is_some(), "{field}={value}");
        }
        assert!(survey().read_answers(&pairs(&[("q4", "c1"), ("q4", "c2")]), false).is_err());
    }

    #[test]
    fn other_needs_to_be_offered() {
        let mut survey = survey();
        survey.questions[4].kind = QuestionKind::SingleChoice { choices: vec![Choice { id: "c1".into(), label: "A".into() }], other: true };
        let answers = survey.read_answers(&pairs(&[("q4", "other"), ("q4_other", "mine")]), false).unwrap();
        assert_eq!(answers[0].1.display(&survey.questions[4]), "mine");
        for (language, label) in [("en", "Other"), ("de-AT", "Anderes"), ("fr", "Other")] {
            survey.language = language.into();
            let answers = survey.read_answers(&pairs(&[("q4", "other")]), false).unwrap();
            assert_eq!(answers[0].1.text(), Some(label));
        }
    }

    proptest! {
        #[test]
        fn no_input_panics(fields in prop::collection::vec(("q[0-9]{1,2}(_other)?", ".*"), 0..20), finished: bool) {
            drop(survey().read_answers(&fields, finished));
        }
    }
}
