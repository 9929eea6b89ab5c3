//! Ready-made surveys to start from.

use super::{Choice, LaunchTrigger, Question, QuestionKind, SurveyBody};

/// A ready-made survey.
pub struct Template {
    /// For forms and URLs.
    pub key: &'static str,
    /// Its name.
    pub name: &'static str,
    /// When to use it.
    pub description: &'static str,
    /// Its questions.
    pub body: fn() -> SurveyBody,
}

/// All templates, in display order.
pub const TEMPLATES: &[Template] = &[
    Template {
        key: "nps",
        name: "NPS with reason",
        description: "Would they recommend you, and why? A score to track over time, with the reasons behind it.",
        body: nps,
    },
    Template {
        key: "csat",
        name: "Satisfaction after support",
        description: "Right after a support conversation: did it help, and what was missing?",
        body: csat,
    },
    Template {
        key: "ces",
        name: "Effort after a task",
        description: "Right after a task in the product: was it easy, and what got in the way?",
        body: ces,
    },
    Template {
        key: "feature",
        name: "Feature feedback",
        description: "About one feature: how useful it is, what people use it for, and what is missing.",
        body: feature,
    },
    Template {
        key: "churn",
        name: "Cancellation",
        description: "When someone cancels: the main reason, and what would have kept them.",
        body: churn,
    },
    Template {
        key: "onboarding",
        name: "Onboarding",
        description: "After the first week: what people wanted to do, whether they could, and what was unclear.",
        body: onboarding,
    },
    Template {
        key: "bug",
        name: "Problem report",
        description: "What they did, what happened instead, how bad it is, and where to reply.",
        body: bug,
    },
    Template { key: "blank", name: "Blank", description: "No questions yet. Start from scratch.", body: blank },
];

/// Finds a template by its key.
#[must_use]
pub fn find(key: &str) -> Option<&'static Template> {
    TEMPLATES.iter().find(|t| t.key == key)
}

/// Numbers the questions and choices in one sequence, like the counter of a survey.
struct TemplateBuilder {
    used: u32,
    body: SurveyBody,
}

impl TemplateBuilder {
    fn new(title: &str, intro: &str, thanks: &str, launch: LaunchTrigger) -> Self {
        let body = SurveyBody {
            title: title.into(),
            intro: intro.into(),
            questions: Vec::new(),
            thanks: thanks.into(),
            language: "en".into(),
            launch,
        };
        Self { used: 0, body }
    }

    fn next(&mut self) -> u32 {
        self.used += 1;
        self.used
    }

    fn ask(mut self, required: bool, title: &str, hint: &str, kind: QuestionKind) -> Self {
        let id = format!("q{}", self.next());
        self.body.questions.push(Question { id, title: title.into(), hint: hint.into(), required, kind });
        self
    }

    fn choose(mut self, required: bool, title: &str, several: bool, labels: &[&str], other: bool) -> Self {
        let number = self.next();
        let choices: Vec<Choice> = labels.iter().map(|label| Choice { id: format!("c{}", self.next()), label: (*label).into() }).collect();
        let kind = if several { QuestionKind::MultipleChoice { choices, other } } else { QuestionKind::SingleChoice { choices, other } };
        self.body.questions.push(Question { id: format!("q{number}"), title: title.into(), hint: String::new(), required, kind });
        self
    }
}

fn button() -> LaunchTrigger {
    LaunchTrigger::Button { label: "Feedback".into() }
}

fn nps() -> SurveyBody {
    let kind = QuestionKind::Nps { low: "Not at all likely".into(), high: "Extremely likely".into() };
    TemplateBuilder::new("How are we doing?", "", "Thank you. We read every answer.", LaunchTrigger::Delay { seconds: 20 })
        .ask(true, "How likely are you to recommend us to a friend or colleague?", "", kind)
        .ask(false, "What is the main reason for your score?", "", QuestionKind::LongText)
        .body
}

fn csat() -> SurveyBody {
    let kind = QuestionKind::Csat { low: "Very dissatisfied".into(), high: "Very satisfied".into() };
    TemplateBuilder::new("How was our support?", "", "Thank you. This goes to the people who helped you.", LaunchTrigger::Code)
        .ask(true, "How satisfied are you with the help you got?", "", kind)
        .choose(false, "Is your problem solved?", false, &["Yes", "Partly", "No"], false)
        .ask(false, "What could we have done better?", "", QuestionKind::LongText)
        .body
}

fn ces() -> SurveyBody {
    let kind = QuestionKind::Ces { low: "Strongly disagree".into(), high: "Strongly agree".into() };
    TemplateBuilder::new(
        "How easy was that?",
        "",
        "Thank you. This helps us make it easier.",
        LaunchTrigger::Event { name: "task_done".into() },
    )
    .ask(true, "The product made it easy for me to do what I wanted.", "", kind)
    .ask(false, "What got in the way?", "", QuestionKind::LongText)
    .body
}

fn feature() -> SurveyBody {
    TemplateBuilder::new(
        "About this feature",
        "Two minutes to help us improve it.",
        "Thank you. This helps us decide what to do next.",
        button(),
    )
    .ask(true, "How useful is this feature to you?", "", QuestionKind::Rating { max: 5 })
    .choose(false, "How often do you use it?", false, &["Every day", "Every week", "Less often", "This was my first time"], false)
    .ask(false, "What do you use it for?", "", QuestionKind::ShortText)
    .ask(false, "What is missing?", "", QuestionKind::LongText)
    .body
}

fn churn() -> SurveyBody {
    let reasons =
        &["It costs too much", "It is missing something I need", "It was hard to use", "It had too many problems", "I no longer need it"];
    TemplateBuilder::new(
        "Before you go",
        "We are sorry to see you leave. Could you tell us why?",
        "Thank you, and all the best.",
        LaunchTrigger::Code,
    )
    .choose(true, "What is the main reason?", false, reasons, true)
    .ask(false, "What would have made you stay?", "", QuestionKind::LongText)
    .ask(false, "May we contact you about it?", "If so, enter your e-mail address.", QuestionKind::Email)
    .body
}

fn onboarding() -> SurveyBody {
    let ces = QuestionKind::Ces { low: "Strongly disagree".into(), high: "Strongly agree".into() };
    let found = &["A colleague or friend", "A search engine", "Social media", "An article or a talk"];
    TemplateBuilder::new("Your first days", "", "Thank you. Good luck with it.", LaunchTrigger::Delay { seconds: 60 })
        .ask(false, "What did you come here to do?", "", QuestionKind::ShortText)
        .ask(true, "It was easy to get started.", "", ces)
        .ask(false, "What was unclear?", "", QuestionKind::LongText)
        .choose(false, "How did you hear about us?", true, found, true)
        .body
}

fn bug() -> SurveyBody {
    let severity = &["I cannot continue", "I can work around it", "It is only a nuisance"];
    TemplateBuilder::new(
        "Report a problem",
        "",
        "Thank you. We will look into it.",
        LaunchTrigger::Button { label: "Report a problem".into() },
    )
    .ask(true, "What happened?", "What you did, what you expected, and what happened instead.", QuestionKind::LongText)
    .choose(true, "How bad is it?", false, severity, false)
    .ask(false, "Where can we reply to you?", "Leave it empty to stay anonymous.", QuestionKind::Email)
    .body
}

fn blank() -> SurveyBody {
    TemplateBuilder::new("", "", "Thank you.", button()).body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_but_the_blank_one_can_be_published_as_it_is() {
        for template in TEMPLATES {
            let errors = (template.body)().check();
            assert_eq!(errors.is_empty(), template.key != "blank", "{}: {errors:?}", template.key);
        }
    }
}
