//! Questions sent through the API: new ones have no id yet.

use super::{MAX_QUESTIONS, fresh_id};
use crate::{
    DomainError, FieldErrors,
    surveys::{Choice, Question, SurveyBody, question::MAX_CHOICES},
};

impl SurveyBody {
    /// Assigns ids to `questions`, which replace those of this draft. A question or choice with an empty id is new and gets one; every
    /// other id must exist in this draft, so that an answer to an earlier version keeps its meaning. `used` is the highest number that an
    /// id of this survey ever had; it grows with each new id. Errors are located at `questions/2/id` or `questions/2/choices/1/id`, counted
    /// from 0.
    ///
    /// # Errors
    /// [`DomainError::Invalid`] for an id that is unknown or duplicate, for a change to a type whose answers mean something else, and for
    /// too many questions or choices.
    pub fn numbered(&self, mut questions: Vec<Question>, used: &mut u32) -> Result<Vec<Question>, DomainError> {
        let mut errors = FieldErrors::default();
        let mut counter = (*used).max(self.highest_id_number());
        if questions.len() > MAX_QUESTIONS {
            errors.add("questions", "too_many", format!("A survey can have at most {MAX_QUESTIONS} questions."));
        }
        let mut seen: Vec<String> = Vec::new();
        for (at, question) in questions.iter_mut().enumerate() {
            let place = format!("questions/{at}");
            let before = self.questions.iter().find(|q| !q.id.is_empty() && q.id == question.id);
            if before.is_none() && !question.id.is_empty() {
                let text = format!("The draft has no question “{}”. Omit the ID of a new question.", question.id);
                errors.add(&format!("{place}/id"), "unknown", text);
            }
            if seen.contains(&question.id) {
                errors.add(&format!("{place}/id"), "duplicate", format!("“{}” is given twice.", question.id));
            }
            if question.id.is_empty() {
                question.id = fresh_id('q', &mut counter);
            }
            seen.push(question.id.clone());
            let (is, was) = (question.kind.question_type(), before.map(|q| q.kind.question_type()));
            if was.is_some_and(|was| was != is && !was.interchangeable().contains(&is)) {
                let text =
                    "The type of this question cannot be changed to that: answers to it would mean something else. Add a new question.";
                errors.add(&format!("{place}/type"), "fixed", text);
            }
            question.required &= question.kind.takes_answer();
            let known = before.and_then(|q| q.kind.choices()).map_or(&[][..], |(choices, _)| choices);
            if let Some(choices) = question.kind.choices_mut() {
                number_choices(choices, known, &place, &mut counter, &mut errors);
            }
        }
        *used = counter;
        errors.into_result(questions)
    }
}

fn number_choices(choices: &mut [Choice], known: &[Choice], question: &str, counter: &mut u32, errors: &mut FieldErrors) {
    if choices.len() > MAX_CHOICES {
        errors.add(&format!("{question}/choices"), "too_many", format!("A question can have at most {MAX_CHOICES} choices."));
    }
    let mut seen: Vec<String> = Vec::new();
    for (at, choice) in choices.iter_mut().enumerate() {
        let place = format!("{question}/choices/{at}/id");
        if choice.id.is_empty() {
            choice.id = fresh_id('c', counter);
        } else if !known.iter().any(|c| c.id == choice.id) {
            errors.add(&place, "unknown", format!("This question has no choice “{}”. Omit the ID of a new choice.", choice.id));
        }
        if seen.contains(&choice.id) {
            errors.add(&place, "duplicate", format!("“{}” is given twice.", choice.id));
        }
        seen.push(choice.id.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surveys::{QuestionKind, QuestionType, templates};

    fn question(id: &str, kind: QuestionKind) -> Question {
        Question { id: id.into(), title: "Why?".into(), hint: String::new(), required: true, kind }
    }

    fn choice(id: &str) -> Choice {
        Choice { id: id.into(), label: "A".into() }
    }

    fn draft() -> (SurveyBody, u32) {
        let mut body = (templates::find("blank").unwrap().body)();
        let choices = vec![choice("c3"), choice("c4")];
        body.questions =
            vec![question("q1", QuestionKind::ShortText), question("q2", QuestionKind::SingleChoice { choices, other: false })];
        // The number 9 was used by something deleted since.
        (body, 9)
    }

    #[test]
    fn what_is_new_gets_an_id_that_nothing_had() {
        let (body, mut used) = draft();
        let choices = vec![choice("c4"), choice("")];
        let sent = vec![
            question("", QuestionKind::Statement),
            question("q2", QuestionKind::MultipleChoice { choices, other: true }),
            question("q1", QuestionKind::LongText),
        ];
        let taken = body.numbered(sent, &mut used).unwrap();
        let ids: Vec<&str> = taken.iter().map(|q| q.id.as_str()).collect();
        assert_eq!((ids, used), (vec!["q10", "q2", "q1"], 11));
        let (choices, _) = taken[1].kind.choices().unwrap();
        assert_eq!(choices.iter().map(|c| c.id.as_str()).collect::<Vec<_>>(), ["c4", "c11"]);
        assert!(!taken[0].required && taken[1].required, "a statement takes no answer");
    }

    #[test]
    fn ids_and_types_that_would_change_the_meaning_of_answers_are_refused_at_their_places() {
        let (body, used) = draft();
        let faults = |sent: Vec<Question>| {
            let Err(DomainError::Invalid(errors)) = body.numbered(sent, &mut used.clone()) else { panic!("it was taken") };
            errors.0.into_iter().map(|e| format!("{} {}", e.field, e.code)).collect::<Vec<_>>()
        };
        let text = |id: &str| question(id, QuestionKind::ShortText);
        let chosen =
            |ids: &[&str]| question("q2", QuestionKind::SingleChoice { choices: ids.iter().map(|id| choice(id)).collect(), other: false });
        assert_eq!(faults(vec![text("q9")]), ["questions/0/id unknown"]);
        assert_eq!(faults(vec![text("q1"), text("q1")]), ["questions/1/id duplicate"]);
        assert_eq!(faults(vec![question("q1", QuestionKind::new(QuestionType::Nps))]), ["questions/0/type fixed"]);
        assert_eq!(faults(vec![text("q2")]), ["questions/0/type fixed"]);
        assert_eq!(faults(vec![chosen(&["c3", "c9"])]), ["questions/0/choices/1/id unknown"]);
        assert_eq!(faults(vec![chosen(&["c3", "c3"])]), ["questions/0/choices/1/id duplicate"]);
        assert_eq!(faults((0..51).map(|_| text("")).collect()), ["questions too_many"]);
        assert_eq!(faults(vec![chosen(&[""; 51])]), ["questions/0/choices too_many"]);
    }
}
