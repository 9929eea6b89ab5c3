//! Answers: read from a form's pairs against the version that was asked, the same way for a plain form and for the widget.

use serde::{Deserialize, Serialize};

use super::{Question, QuestionKind, SurveyBody};
use crate::{FieldErrors, language::primary};

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
        /// What "Other" says.
        other: Option<String>,
    },
}

impl Answer {
    /// The number, for scores.
    #[must_use]
    pub fn number(&self) -> Option<u8> {
        match self {
            Self::Number(n) => Some(*n),
            _ => None,
        }
    }

    /// The words a person wrote.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Choices { other, .. } => other.as_deref(),
            Self::Number(_) => None,
        }
    }

    /// For people: `9`, the text, or the labels of the choices.
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
pub const OTHER: &str = "_other";
/// The value of the "Other" choice.
pub const OTHER_CHOICE: &str = "other";

/// What "Other" is called in a survey of this language, the same as on the respondent's page.
#[must_use]
pub fn other_label(language: &str) -> &'static str {
    match primary(language) {
        "de" => "Anderes",
        _ => "Other",
    }
}

/// An e-mail address as HTML's `type=email` takes it, roughly: something, `@`, a host with no spaces.
#[must_use]
pub fn is_email(text: &str) -> bool {
    let Some((local, host)) = text.rsplit_once('@') else { return false };
    let host_ok = !host.is_empty()
        && host.split('.').all(|label| {
            !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        });
    !local.is_empty()
        && local.len() <= 64
        && text.len() <= 254
        && !local.chars().any(|c| c.is_whitespace() || c.is_control() || c == '@')
        && host_ok
}

impl SurveyBody {
    /// Reads answers from form pairs (`q1=9`, `q2=c1`, `q2=c3`, `q2_other=…`). Fields that are no question are ignored; unanswered
    /// questions are left out. `finished` also demands the required ones.
    ///
    /// # Errors
    /// A message for each question whose answer does not fit.
    pub fn read_answers(&self, pairs: &[(String, String)], finished: bool) -> Result<Vec<(String, Answer)>, FieldErrors> {
        let mut errors = FieldErrors::default();
        let mut answers = Vec::new();
        for question in self.questions.iter().filter(|q| q.kind.takes_answer()) {
            match read_one(question, pairs, &self.language) {
                Ok(Some(answer)) => answers.push((question.id.clone(), answer)),
                Ok(None) if finished && question.required => errors.add(&question.id, "required", "This question needs an answer."),
                Ok(None) => {}
                Err((code, message)) => errors.add(&question.id, code, message),
            }
        }
        if errors.is_empty() { Ok(answers) } else { Err(errors) }
    }
}

fn read_one(question: &Question, pairs: &[(String, String)], language: &str) -> Result<Option<Answer>, (&'static str, String)> {
    let values: Vec<&str> = pairs.iter().filter(|(n, _)| *n == question.id).map(|(_, v)| v.trim()).filter(|v| !v.is_empty()).collect();
    if let Some((low, high)) = question.kind.scale() {
        let Some(value) = values.first() else { return Ok(None) };
        let number = value.parse::<u8>().ok().filter(|n| (low..=high).contains(n));
        return number.map(|n| Some(Answer::Number(n))).ok_or_else(|| ("range", format!("Choose a number from {low} to {high}.")));
    }
    if let Some((choices, offers_other)) = question.kind.choices() {
        let other_name = format!("{}{OTHER}", question.id);
        let other_text = pairs.iter().find(|(n, _)| *n == other_name).map(|(_, v)| v.trim()).filter(|v| !v.is_empty());
        let chosen: Vec<String> = choices.iter().filter(|c| values.contains(&c.id.as_str())).map(|c| c.id.clone()).collect();
        let wants_other = offers_other && (values.contains(&OTHER_CHOICE));
        if values.iter().any(|v| *v != OTHER_CHOICE && !choices.iter().any(|c| c.id == *v)) {
            return Err(("choice", "This choice is not offered any more. Choose again.".into()));
        }
        let other = if wants_other {
            let text = other_text.unwrap_or_else(|| other_label(language));
            if text.chars().count() > 500 {
                return Err(("too_long", "“Other” takes 500 characters at most.".into()));
            }
            Some(text.to_owned())
        } else {
            None
        };
        let count = chosen.len() + usize::from(other.is_some());
        if matches!(question.kind, QuestionKind::SingleChoice { .. }) && count > 1 {
            return Err(("one", "Choose one answer only.".into()));
        }
        return Ok((count > 0).then_some(Answer::Choices { chosen, other }));
    }
    let Some(text) = values.first() else { return Ok(None) };
    let max = question.kind.max_chars().unwrap_or(500);
    if text.chars().count() > max {
        return Err(("too_long", format!("Use {max} characters at most; this has {}.", text.chars().count())));
    }
    if matches!(question.kind, QuestionKind::Email) && !is_email(text) {
        return Err(("email", "Write an e-mail address like name@example.com.".into()));
    }
    Ok(Some(Answer::Text((*text).to_owned())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::surveys::{Choice, Launch, question::KINDS};

    fn survey() -> SurveyBody {
        let questions = KINDS
            .iter()
            .enumerate()
            .map(|(i, (word, label, _))| Question {
                id: format!("q{i}"),
                title: (*label).into(),
                hint: String::new(),
                required: *word == "nps",
                kind: QuestionKind::new(word).unwrap(),
            })
            .collect();
        SurveyBody {
            title: "T".into(),
            intro: String::new(),
            questions,
            thanks: "Thanks".into(),
            language: "en".into(),
            launch: Launch::Code,
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
        assert_eq!(survey().read_answers(&pairs(&[]), true).unwrap_err().at("q0"), Some("This question needs an answer."));
    }

    #[test]
    fn what_does_not_fit_is_refused_at_its_question() {
        for (field, value) in [("q0", "11"), ("q0", "-1"), ("q0", "x"), ("q1", "0"), ("q4", "c9"), ("q8", "nobody")] {
            assert!(survey().read_answers(&pairs(&[(field, value)]), false).unwrap_err().at(field).is_some(), "{field}={value}");
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
