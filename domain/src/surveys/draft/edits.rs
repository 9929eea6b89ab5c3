//! Edits: the operations behind the editor's buttons.

use super::fresh_id;
use crate::{
    DomainError,
    surveys::{Choice, MAX_QUESTIONS, Question, QuestionKind, QuestionType, SurveyBody, question::MAX_CHOICES},
};

/// The destination of a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoveTarget {
    /// One position up.
    Up,
    /// One position down.
    Down,
    /// To this index, counted without the moved element.
    Index(usize),
}

/// One operation on a draft. Questions and choices are named by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DraftEdit {
    /// A new question at an index.
    Add {
        /// Its type.
        kind: QuestionType,
        /// The index it will have; past the end means the end.
        at: usize,
    },
    /// Removes a question.
    Delete(String),
    /// Inserts a copy of a question right below it.
    Duplicate(String),
    /// Moves a question.
    Move(String, MoveTarget),
    /// Adds a choice.
    AddChoice(String),
    /// Removes a choice.
    DeleteChoice(String, String),
    /// Moves a choice.
    MoveChoice(String, String, MoveTarget),
}

/// The action of a button in the editor; every action saves the form first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EditorAction {
    /// Only save.
    Save,
    /// Save because the person paused typing.
    Autosave,
    /// Save, although someone else has saved another revision; holds the revision that was shown to the person.
    Overwrite(i64),
    /// Save and apply.
    Edit(DraftEdit),
    /// Save and restore a deleted question.
    Restore(String),
    /// Save, then undo one step.
    Undo,
    /// Redo one step.
    Redo,
    /// Save and publish.
    Publish,
}

impl EditorAction {
    /// Parses the value of a button: `save`, `add:nps:3`, `move:q2:up`, `delete:q4`, `choice-add:q2`, `undo`, …
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let own = |s: &&str| (*s).to_owned();
        Some(match parts.as_slice() {
            // A form submitted with the Enter key names no button.
            [""] | ["save"] => Self::Save,
            ["autosave"] => Self::Autosave,
            ["overwrite", revision] => Self::Overwrite(revision.parse().ok()?),
            ["undo"] => Self::Undo,
            ["redo"] => Self::Redo,
            ["publish"] => Self::Publish,
            ["add", kind, at] => Self::Edit(DraftEdit::Add { kind: QuestionType::parse(kind)?, at: at.parse().ok()? }),
            ["restore", q] => Self::Restore(own(q)),
            ["delete", q] => Self::Edit(DraftEdit::Delete(own(q))),
            ["duplicate", q] => Self::Edit(DraftEdit::Duplicate(own(q))),
            ["move", q, to] => Self::Edit(DraftEdit::Move(own(q), MoveTarget::parse(to)?)),
            ["choice-add", q] => Self::Edit(DraftEdit::AddChoice(own(q))),
            ["choice-delete", q, c] => Self::Edit(DraftEdit::DeleteChoice(own(q), own(c))),
            ["choice-move", q, c, to] => Self::Edit(DraftEdit::MoveChoice(own(q), own(c), MoveTarget::parse(to)?)),
            _ => return None,
        })
    }
}

impl MoveTarget {
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

impl SurveyBody {
    fn at(&self, id: &str) -> Result<usize, DomainError> {
        self.questions
            .iter()
            .position(|q| q.id == id)
            .ok_or_else(|| DomainError::field("questions", "gone", "This question is no longer in the draft: someone else deleted it."))
    }

    /// Applies an operation. `used` is the highest number that an id of this survey ever had; it grows with each new id. Returns the form
    /// element to focus.
    ///
    /// # Errors
    /// Returns an error if the question does not exist, or a limit would be exceeded. The draft is unchanged then.
    pub fn apply(&mut self, edit: &DraftEdit, used: &mut u32) -> Result<String, DomainError> {
        *used = (*used).max(self.highest_id_number());
        let room = |body: &Self| {
            if body.questions.len() >= MAX_QUESTIONS {
                return Err(DomainError::field(
                    "add-question",
                    "too_many",
                    format!("A survey can have at most {MAX_QUESTIONS} questions."),
                ));
            }
            Ok(())
        };
        match edit {
            DraftEdit::Add { kind, at } => {
                room(self)?;
                let mut kind = QuestionKind::new(*kind);
                let id = fresh_id('q', used);
                for choice in kind.choices_mut().into_iter().flatten() {
                    choice.id = fresh_id('c', used);
                }
                let question = Question { id: id.clone(), title: String::new(), hint: String::new(), required: false, kind };
                self.questions.insert((*at).min(self.questions.len()), question);
                Ok(format!("{id}-title"))
            }
            DraftEdit::Delete(id) => {
                let at = self.at(id)?;
                self.questions.remove(at);
                let next = self.questions.get(at).or_else(|| self.questions.last());
                Ok(next.map_or_else(|| "add-question".to_owned(), |q| q.id.clone()))
            }
            DraftEdit::Duplicate(id) => {
                let at = self.at(id)?;
                room(self)?;
                let mut copy = self.questions[at].clone();
                copy.id = fresh_id('q', used);
                let focus = format!("{}-title", copy.id);
                self.questions.insert(at + 1, copy);
                Ok(focus)
            }
            DraftEdit::Move(id, to) => {
                let at = self.at(id)?;
                to.apply(&mut self.questions, at);
                Ok(id.clone())
            }
            DraftEdit::AddChoice(id) => {
                let at = self.at(id)?;
                let field = format!("{id}-choices");
                let choices = self.choices_of(at)?;
                if choices.len() >= MAX_CHOICES {
                    return Err(DomainError::field(&field, "too_many", format!("A question can have at most {MAX_CHOICES} choices.")));
                }
                let choice = fresh_id('c', used);
                let focus = format!("{id}-{choice}");
                choices.push(Choice { id: choice, label: String::new() });
                Ok(focus)
            }
            DraftEdit::DeleteChoice(id, choice) => {
                let at = self.at(id)?;
                self.choices_of(at)?.retain(|c| c.id != *choice);
                Ok(format!("{id}-choices"))
            }
            DraftEdit::MoveChoice(id, choice, to) => {
                let at = self.at(id)?;
                let choices = self.choices_of(at)?;
                if let Some(from) = choices.iter().position(|c| c.id == *choice) {
                    to.apply(choices, from);
                }
                Ok(format!("{id}-{choice}"))
            }
        }
    }

    fn choices_of(&mut self, at: usize) -> Result<&mut Vec<Choice>, DomainError> {
        self.questions[at]
            .kind
            .choices_mut()
            .ok_or_else(|| DomainError::field("questions", "gone", "This question no longer has choices: someone else changed it."))
    }
}
