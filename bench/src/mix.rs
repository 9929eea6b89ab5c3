//! The queries of the search benchmarks, chosen by word frequency.

use std::collections::{HashMap, HashSet};

use crate::{
    baseline::BaselineQuery,
    texts::{SampleTexts, words},
};

/// Different queries per class, so that none is repeated immediately.
const EACH: usize = 8;
/// Items read to choose the queries.
const READ: usize = 10_000;

/// Classes of queries, each with several queries. The same for every size, so that growth compares like with like.
pub fn of(texts: &SampleTexts, items: usize) -> Vec<(String, Vec<BaselineQuery>)> {
    let read = READ.min(items);
    let (mut counts, mut pairs) = (HashMap::<String, usize>::new(), HashMap::<(String, String), usize>::new());
    let mut tags = HashMap::<String, usize>::new();
    for item in texts.items(read) {
        let all: Vec<String> = words(&item.text).collect();
        for word in all.iter().collect::<HashSet<_>>() {
            *counts.entry(word.clone()).or_default() += 1;
        }
        for pair in all.windows(2).map(|w| (w[0].clone(), w[1].clone())).collect::<HashSet<_>>() {
            *pairs.entry(pair).or_default() += 1;
        }
        *tags.entry(item.tag).or_default() += 1;
    }
    // Words of at least three letters: shorter ones are not realistic searches.
    let mut by_count: Vec<(String, usize)> = counts.iter().filter(|(w, _)| is_word(w, 3)).map(|(w, n)| (w.clone(), *n)).collect();
    by_count.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    let common: Vec<String> = by_count.iter().take(EACH).map(|(w, _)| w.clone()).collect();
    let near = |share: f64, length: usize, how_many: usize| -> Vec<String> {
        let wanted = (share * read as f64).max(2.0);
        let mut all: Vec<&(String, usize)> = by_count.iter().filter(|(w, _)| is_word(w, length)).collect();
        all.sort_by(|a, b| (a.1 as f64 - wanted).abs().total_cmp(&(b.1 as f64 - wanted).abs()).then(a.0.cmp(&b.0)));
        all.into_iter().take(how_many).map(|(w, _)| w.clone()).collect()
    };
    let mid = near(0.01, 4, EACH);
    let rare = near(0.0003, 4, EACH);
    let mut next_to: Vec<((String, String), usize)> = pairs.into_iter().filter(|((a, b), _)| is_word(a, 3) && is_word(b, 3)).collect();
    let wanted = read as f64 * 0.01;
    next_to.sort_by(|a, b| (a.1 as f64 - wanted).abs().total_cmp(&(b.1 as f64 - wanted).abs()).then(a.0.cmp(&b.0)));
    next_to.truncate(EACH);
    let mut by_tag: Vec<(String, usize)> = tags.into_iter().collect();
    by_tag.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    let long = near(0.01, 6, 4 * EACH);
    let typos: Vec<BaselineQuery> = long.iter().filter_map(|word| mistyped(word, &counts)).take(EACH).map(BaselineQuery::Typo).collect();
    let one = |all: &[String]| all.iter().cloned().map(BaselineQuery::One).collect::<Vec<_>>();
    let both = next_to.iter().map(|((a, b), _)| (a.clone(), b.clone()));
    vec![
        ("very common word".into(), one(&common)),
        ("word in 1 of 100".into(), one(&mid)),
        ("rare word".into(), one(&rare)),
        ("two words, both".into(), both.clone().map(|(a, b)| BaselineQuery::And(a, b)).collect()),
        ("phrase".into(), both.map(|(a, b)| BaselineQuery::Phrase(a, b)).collect()),
        ("typing error".into(), typos),
        ("tag and status, newest".into(), by_tag.into_iter().take(EACH).map(|(tag, _)| BaselineQuery::Filter(tag, "new")).collect()),
    ]
}

fn is_word(word: &str, least: usize) -> bool {
    word.len() >= least && word.bytes().all(|b| b.is_ascii_lowercase())
}

/// A word without its third letter, if no word begins like that.
fn mistyped(word: &str, counts: &HashMap<String, usize>) -> Option<String> {
    let wrong = format!("{}{}", word.get(..2)?, word.get(3..)?);
    let begins = counts.keys().any(|w| w.starts_with(&wrong));
    (!begins).then_some(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_queries_and_typing_errors_are_no_words() {
        let texts = SampleTexts::read(None).unwrap();
        let mix = of(&texts, 2000);
        assert!(mix.iter().all(|(_, asked)| !asked.is_empty()), "{mix:?}");
        let known_words: HashSet<String> = texts.items(2000).flat_map(|i| words(&i.text).collect::<Vec<_>>()).collect();
        for (_, asked) in &mix {
            for one in asked {
                match one {
                    BaselineQuery::Typo(word) => assert!(!known_words.contains(word)),
                    BaselineQuery::One(word) => assert!(known_words.contains(word)),
                    _ => {}
                }
            }
        }
    }
}
