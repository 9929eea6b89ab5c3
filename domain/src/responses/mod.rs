//! A response's summary for the inbox, and its context.

mod context;

pub use context::{ClaimedContact, ResponseContext, ResponseReceipt};

use crate::{
    email::lower_case,
    surveys::{Answer, AnswerShape, Question, SurveyBody},
};

/// A response as the inbox shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct ResponseSummary {
    /// The free texts, joined by blank lines; without any, the chosen labels. A score alone is not included: a search for `10` would find
    /// it.
    pub text: String,
    /// The answer to the first question with a score.
    pub score: Option<f64>,
    /// The maximum of that question's scale.
    pub score_max: Option<f64>,
    /// The e-mail address given, in lower case.
    pub email: Option<String>,
}

/// Summarises the answers to a survey.
#[must_use]
pub fn digest(body: &SurveyBody, answers: &[(String, Answer)]) -> ResponseSummary {
    let asked: Vec<(&Question, &Answer)> =
        body.questions.iter().filter_map(|q| answers.iter().find(|(id, _)| *id == q.id).map(|(_, answer)| (q, answer))).collect();
    let is_email = |q: &Question| q.kind.answer_shape() == AnswerShape::Email;
    let texts: Vec<&str> = asked.iter().filter(|(q, _)| !is_email(q)).filter_map(|(_, a)| a.text()).collect();
    let score = asked.iter().find_map(|(q, a)| Some((a.number()?, q.kind.scale()?.1)));
    let mut text = texts.join("\n\n");
    if text.is_empty() {
        let labels = asked.iter().filter(|(_, a)| matches!(a, Answer::Choices { .. })).map(|(q, a)| a.display(q));
        text = labels.collect::<Vec<_>>().join("\n\n");
    }
    ResponseSummary {
        text,
        score: score.map(|(n, _)| f64::from(n)),
        score_max: score.map(|(_, max)| f64::from(max)),
        email: asked.iter().find(|(q, _)| is_email(q)).and_then(|(_, a)| a.text()).map(lower_case),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surveys::{Choice, LaunchTrigger, QuestionKind};

    fn body() -> SurveyBody {
        let question = |id: &str, kind| Question { id: id.into(), title: id.into(), hint: String::new(), required: false, kind };
        SurveyBody {
            title: "T".into(),
            intro: String::new(),
            questions: vec![
                question("q1", QuestionKind::Nps { low: String::new(), high: String::new() }),
                question("q2", QuestionKind::LongText),
                question("q3", QuestionKind::Email),
                question(
                    "q4",
                    QuestionKind::SingleChoice { choices: vec![Choice { id: "c1".into(), label: "Price".into() }], other: true },
                ),
            ],
            thanks: String::new(),
            language: "en".into(),
            launch: LaunchTrigger::Code,
        }
    }

    fn answers(list: &[(&str, &str)]) -> Vec<(String, Answer)> {
        let pairs: Vec<(String, String)> = list.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect();
        body().read_answers(&pairs, false).unwrap()
    }

    #[test]
    fn texts_come_first_then_labels_and_a_score_is_no_text() {
        let all = digest(&body(), &answers(&[("q1", "9"), ("q2", "Slow"), ("q3", "A@b.example"), ("q4", "other"), ("q4_other", "Maps")]));
        assert_eq!((all.text.as_str(), all.score, all.score_max), ("Slow\n\nMaps", Some(9.0), Some(10.0)));
        assert_eq!(all.email.as_deref(), Some("a@b.example"));
        assert_eq!(digest(&body(), &answers(&[("q1", "9"), ("q4", "c1")])).text, "Price");
        let scored = digest(&body(), &answers(&[("q1", "0")]));
        assert_eq!((scored.text.as_str(), scored.score, scored.score_max), ("", Some(0.0), Some(10.0)));
        assert_eq!(digest(&body(), &answers(&[("q3", "a@b.example")])).text, "");
    }
}
