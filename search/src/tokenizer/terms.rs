//! Terms of a query: the lookups for a word or phrase.

use super::{Token, TokenForm, tokens};

/// The lookups for a word or phrase of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryTerms {
    /// Alternative token sequences, each token with its distance from the first. A sequence of one token matches exactly that token.
    pub runs: Vec<Vec<(usize, String)>>,
    /// Alternative words, in all their forms.
    pub words: Vec<Token>,
}

impl QueryTerms {
    /// A phrase: its tokens next to each other. Without tokens it is empty.
    #[must_use]
    pub fn phrase(text: &str) -> Self {
        Self { runs: runs(&tokens(text)), words: Vec::new() }
    }

    /// A word. If it has several tokens (an address, a path, a version), they must be next to each other, or, if it is one hyphenated word,
    /// also written together. A word with `@` matches only its exact tokens: it is an address.
    #[must_use]
    pub fn word(text: &str) -> Self {
        let all = tokens(text);
        let mut whole = all.iter().filter(|token| token.is_whole());
        let (Some(first), last) = (whole.next(), whole.next_back()) else { return Self { runs: Vec::new(), words: Vec::new() } };
        if text.contains(['@', '＠']) {
            return Self { runs: runs(&all), words: Vec::new() };
        }
        let Some(last) = last else {
            return Self { runs: Vec::new(), words: all.iter().filter(|token| token.form != TokenForm::Part).cloned().collect() };
        };
        let is_all = |token: &&Token| token.form == TokenForm::Joined && token.range == (first.range.start..last.range.end);
        Self { words: all.iter().filter(is_all).cloned().collect(), runs: runs(&all) }
    }

    /// Returns whether there is nothing to look up.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.words.is_empty()
    }
}

/// The whole tokens as a sequence; and, if some have an alternative spelling, the same sequence with all of these.
fn runs(all: &[Token]) -> Vec<Vec<(usize, String)>> {
    let Some(first) = all.first().map(|token| token.position) else { return Vec::new() };
    let run = |spelled: bool| -> Vec<(usize, String)> {
        let other = |token: &Token| all.iter().find(|t| spelled && t.form == TokenForm::Spelled && t.position == token.position);
        let whole = all.iter().filter(|token| token.is_whole());
        whole.map(|token| (token.position - first, other(token).unwrap_or(token).folded.clone())).collect()
    };
    let has_spelled = all.iter().any(|token| token.form == TokenForm::Spelled);
    [Some(run(false)), has_spelled.then(|| run(true))].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_asked_for_whole() {
        let words = |text: &str| QueryTerms::word(text).words.into_iter().map(|t| t.folded).collect::<Vec<_>>();
        let runs = |text: &str| {
            QueryTerms::word(text)
                .runs
                .into_iter()
                .map(|run| run.into_iter().map(|(_, t)| t).collect::<Vec<_>>().join(" "))
                .collect::<Vec<_>>()
        };
        assert_eq!((words("card"), runs("card")), (vec!["card".to_owned()], vec![]));
        assert_eq!((words("pi-h"), runs("pi-h")), (vec!["pih".to_owned()], vec!["pi h".to_owned()]));
        assert_eq!((words("a-user@x.test"), runs("a-user@x.test")), (vec![], vec!["a user x test".to_owned()]));
        assert_eq!((words("@anna"), runs("@anna")), (vec![], vec!["anna".to_owned()]));
        assert_eq!((words("https://my-shop.test/a"), runs("https://my-shop.test/a")), (vec![], vec!["https my shop test a".to_owned()]));
        assert_eq!((words("Tür"), runs("Tür-Spalt")), (vec!["tur".into(), "tuer".into()], vec!["tur spalt".into(), "tuer spalt".into()]));
        assert!(QueryTerms::word(">>>").is_empty() && QueryTerms::phrase("+ +").is_empty());
    }
}
