//! Parsing of the editor's whole form.

use std::collections::HashMap;

use super::{is_id, number};
use crate::surveys::{Choice, LaunchTrigger, Question, QuestionKind, QuestionType, SurveyBody};

impl SurveyBody {
    /// Parses the editor's whole form. `question` names the questions in order; the fields of each begin with its id, as in `q3-title`;
    /// `q3-choice` names its choices in order and `q3-c7` is a choice's label. Nothing is shortened or dropped, so that no input is lost;
    /// [`SurveyBody::check`] reports texts that are too long later. Values missing from the form are taken from `base`, and ids above
    /// `used` are ignored: they were never issued.
    #[must_use]
    pub fn read_form(pairs: &[(String, String)], base: &Self, used: u32) -> Self {
        let mut fields: HashMap<&str, Vec<&str>> = HashMap::new();
        for (name, value) in pairs {
            fields.entry(name).or_default().push(value);
        }
        let text =
            |name: &str, before: &str| fields.get(name).and_then(|v| v.first()).map_or_else(|| before.to_owned(), |v| (*v).to_owned());
        let used = used.max(base.highest_id_number());
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
}

fn read_launch(text: &dyn Fn(&str, &str) -> String, before: &LaunchTrigger) -> LaunchTrigger {
    let label = if let LaunchTrigger::Button { label } = before { label.as_str() } else { "" };
    let seconds = if let LaunchTrigger::Delay { seconds } = before { *seconds } else { 10 };
    let name = if let LaunchTrigger::Event { name } = before { name.as_str() } else { "" };
    match text("launch", "").as_str() {
        "button" => LaunchTrigger::Button { label: text("launch-label", label) },
        "delay" => LaunchTrigger::Delay { seconds: text("launch-seconds", "").trim().parse().unwrap_or(seconds) },
        "event" => LaunchTrigger::Event { name: text("launch-event", name).trim().to_owned() },
        "code" => LaunchTrigger::Code,
        _ => before.clone(),
    }
}
