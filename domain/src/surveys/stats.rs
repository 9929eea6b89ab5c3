//! Statistics of answers with their uncertainty: every score has its number of answers and a 95 % interval.
//!
//! The intervals describe people like those who answered; they say nothing about those who did not.

use std::collections::HashMap;

use super::{Answer, AnswerShape, Question, QuestionKind};

/// Below this many answers a score is noise: the counts are shown, the score is not.
pub const MIN_ANSWERS_FOR_SCORE: u64 = 10;

/// The normal quantile of a two-sided 95 % interval.
const Z: f64 = 1.959_963_984_540_054;

/// A value with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// Lower and upper bound; `None` if the answers do not allow one (all alike, or fewer than two).
    pub interval: Option<(f64, f64)>,
}

/// Net Promoter Score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Nps {
    /// Answers.
    pub n: u64,
    /// 9 and 10.
    pub promoters: u64,
    /// 7 and 8.
    pub passives: u64,
    /// 0 to 6.
    pub detractors: u64,
    /// −100 to 100; `None` without answers.
    pub score: Option<Estimate>,
}

#[expect(clippy::cast_precision_loss, reason = "counts of answers stay far below 2^52")]
fn float(n: u64) -> f64 {
    n as f64
}

/// Net Promoter Score of answers counted by value, 0 to 10: the share of promoters (9, 10) minus that of detractors (0 to 6)
/// (F. Reichheld, "The One Number You Need to Grow", Harvard Business Review, December 2003).
///
/// One answer is worth +1, 0 or −1, so the score is the mean of a variable with the variance `p + d − (p − d)²`; the interval is the normal
/// one of that mean, `±1.96·√(variance / n)`, cut off at ±100. If all answers are in one group, the variance is zero and carries no
/// information: then there is no interval.
#[must_use]
pub fn nps(counts: &[u64]) -> Nps {
    let sum = |from: usize, to: usize| counts.iter().skip(from).take(to + 1 - from).sum::<u64>();
    let (detractors, passives, promoters) = (sum(0, 6), sum(7, 8), sum(9, 10));
    let n = detractors + passives + promoters;
    let score = (n > 0).then(|| {
        let (p, d) = (float(promoters) / float(n), float(detractors) / float(n));
        let half = Z * ((p + d - (p - d).powi(2)).max(0.0) / float(n)).sqrt();
        let interval = (half > 0.0).then(|| ((100.0 * (p - d - half)).max(-100.0), (100.0 * (p - d + half)).min(100.0)));
        Estimate { value: 100.0 * (p - d), interval }
    });
    Nps { n, promoters, passives, detractors, score }
}

/// A share of all answers, in per cent, with the score interval of E. B. Wilson ("Probable Inference, the Law of Succession, and
/// Statistical Inference", Journal of the American Statistical Association 22, 1927), which stays within 0 and 100 and is accurate for
/// small numbers too: `(p + z²/2n ± z·√(p(1−p)/n + z²/4n²)) / (1 + z²/n)`.
#[must_use]
pub fn share(hits: u64, n: u64) -> Option<Estimate> {
    if n == 0 || hits > n {
        return None;
    }
    let (p, n, z2) = (float(hits) / float(n), float(n), Z * Z);
    let middle = p + z2 / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    let scale = 100.0 / (1.0 + z2 / n);
    // At the ends, rounding could exceed the range slightly.
    Some(Estimate { value: 100.0 * p, interval: Some((((middle - half) * scale).max(0.0), ((middle + half) * scale).min(100.0))) })
}

/// CSAT: the share of satisfied answers (4 and 5) of answers counted by value, 1 to 5 at indexes 0 to 4, with its interval ([`share`]).
#[must_use]
pub fn csat(counts: &[u64]) -> Option<Estimate> {
    share(counts.iter().skip(3).take(2).sum(), counts.iter().take(5).sum())
}

/// Mean of answers counted by value, `low` upwards, with Student's interval `±t(0.975, n−1)·s/√n`, cut off at the ends of the scale. Used
/// for CES (agreement, 1 to 7) and ratings. If all answers are alike there is no interval.
#[must_use]
pub fn mean(counts: &[u64], low: u8) -> Option<Estimate> {
    let n: u64 = counts.iter().sum();
    if n == 0 {
        return None;
    }
    let values = || counts.iter().enumerate().map(|(i, c)| (f64::from(low) + float(i as u64), float(*c)));
    let value = values().map(|(v, c)| v * c).sum::<f64>() / float(n);
    let squares = values().map(|(v, c)| c * (v - value).powi(2)).sum::<f64>();
    let interval = (n > 1 && squares > 1e-12).then(|| {
        let half = student(n - 1) * (squares / float(n - 1) / float(n)).sqrt();
        let top = f64::from(low) + float((counts.len() as u64).saturating_sub(1));
        ((value - half).max(f64::from(low)), (value + half).min(top))
    });
    Some(Estimate { value, interval })
}

/// The 0.975 quantile of Student's t: a table up to 8 degrees of freedom, then the expansion in M. Abramowitz and I. A. Stegun, "Handbook
/// of Mathematical Functions", 26.7.5, which is accurate to three decimals from there on.
fn student(freedom: u64) -> f64 {
    const TABLE: [f64; 8] = [12.706_205, 4.302_653, 3.182_446, 2.776_445, 2.570_582, 2.446_912, 2.364_624, 2.306_004];
    if let Some(t) = usize::try_from(freedom).ok().and_then(|f| TABLE.get(f.checked_sub(1)?)) {
        return *t;
    }
    let v = float(freedom.max(1));
    let z = |n: i32| Z.powi(n);
    Z + (z(3) + Z) / (4.0 * v)
        + (5.0 * z(5) + 16.0 * z(3) + 3.0 * Z) / (96.0 * v.powi(2))
        + (3.0 * z(7) + 19.0 * z(5) + 17.0 * z(3) - 15.0 * Z) / (384.0 * v.powi(3))
        + (79.0 * z(9) + 776.0 * z(7) + 1482.0 * z(5) - 1920.0 * z(3) - 945.0 * Z) / (92_160.0 * v.powi(4))
}

/// The number of times a choice was selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChoiceCount {
    /// The choice's id; `other` for "Other".
    pub id: String,
    /// Its label.
    pub label: String,
    /// Number of answers that contain it.
    pub count: u64,
}

/// The counts of all answers to one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuestionTally {
    /// Answers that are valid for the question.
    pub n: u64,
    /// Answers that are not, or no longer, valid for it; excluded from all counts.
    pub unfit: u64,
    /// The count of each number, lowest first; empty for other questions.
    pub numbers: Vec<u64>,
    /// The count of each choice; one answer may contain several.
    pub choices: Vec<ChoiceCount>,
    /// The texts of "Other", with their counts.
    pub others: HashMap<String, u64>,
}

impl QuestionTally {
    /// A tally without answers.
    #[must_use]
    pub fn new(question: &Question) -> Self {
        let numbers = question.kind.scale().map_or(0, |(low, high)| usize::from(high.saturating_sub(low)) + 1);
        let (choices, offers_other) = question.kind.choices().unwrap_or((&[], false));
        let mut choices: Vec<ChoiceCount> =
            choices.iter().map(|c| ChoiceCount { id: c.id.clone(), label: c.label.clone(), count: 0 }).collect();
        if offers_other {
            choices.push(ChoiceCount { id: super::answer::OTHER_CHOICE.into(), label: "Other".into(), count: 0 });
        }
        Self { n: 0, unfit: 0, numbers: vec![0; numbers], choices, others: HashMap::new() }
    }

    /// Counts `times` identical answers.
    pub fn add(&mut self, question: &Question, answer: &Answer, times: u64) {
        if self.count(question, answer, times) { self.n += times } else { self.unfit += times }
    }

    fn count(&mut self, question: &Question, answer: &Answer, times: u64) -> bool {
        match (answer, question.kind.answer_shape()) {
            (Answer::Number(number), AnswerShape::Scale { low, .. }) => {
                let place = number.checked_sub(low).map(usize::from);
                let Some(slot) = place.and_then(|at| self.numbers.get_mut(at)) else { return false };
                *slot += times;
                true
            }
            (Answer::Choices { chosen, other }, AnswerShape::Choice { multiple, .. }) => {
                let picked = chosen.iter().map(String::as_str).chain(other.as_ref().map(|_| super::answer::OTHER_CHOICE));
                let picked: Vec<&str> = picked.collect();
                let known = picked.iter().all(|id| self.choices.iter().any(|c| c.id == *id));
                if picked.is_empty() || !known || !multiple && picked.len() > 1 {
                    return false;
                }
                for choice in self.choices.iter_mut().filter(|c| picked.contains(&c.id.as_str())) {
                    choice.count += times;
                }
                if let Some(text) = other {
                    *self.others.entry(text.clone()).or_default() += times;
                }
                true
            }
            (Answer::Text(_), AnswerShape::Text { .. } | AnswerShape::Email) => true,
            (Answer::Number(_) | Answer::Choices { .. } | Answer::Text(_), _) => false,
        }
    }
}

/// The questions of all versions, the newest first: each in its latest form, with whether the newest version still asks it. Choices that
/// only earlier versions offered come after the current ones.
#[must_use]
pub fn all_questions<'a>(versions: impl IntoIterator<Item = &'a [Question]>) -> Vec<(Question, bool)> {
    let mut all: Vec<(Question, bool)> = Vec::new();
    for (age, questions) in versions.into_iter().enumerate() {
        for old in questions {
            let Some((question, _)) = all.iter_mut().find(|(q, _)| q.id == old.id) else {
                all.push((old.clone(), age == 0));
                continue;
            };
            if let (
                QuestionKind::SingleChoice { choices, other } | QuestionKind::MultipleChoice { choices, other },
                QuestionKind::SingleChoice { choices: older, other: had } | QuestionKind::MultipleChoice { choices: older, other: had },
            ) = (&mut question.kind, &old.kind)
            {
                *other |= had;
                let gone: Vec<_> = older.iter().filter(|c| !choices.iter().any(|known| known.id == c.id)).cloned().collect();
                choices.extend(gone);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surveys::Choice;

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() < 0.005, "{a} is not {b}");
    }

    fn ends(e: Estimate) -> (f64, f64) {
        e.interval.unwrap()
    }

    #[test]
    fn nps_of_known_answers() {
        // 50 promoters, 30 passives, 20 detractors: 30; variance 0.5 + 0.2 − 0.09 = 0.61; ±1.96·√0.0061 = ±15.31.
        let counts = [0, 0, 0, 0, 0, 5, 15, 10, 20, 30, 20];
        let result = nps(&counts);
        assert_eq!((result.n, result.promoters, result.passives, result.detractors), (100, 50, 30, 20));
        let score = result.score.unwrap();
        near(score.value, 30.0);
        near(ends(score).0, 14.69);
        near(ends(score).1, 45.31);
        // The boundaries: 6 is a detractor, 7 and 8 are passive, 9 is a promoter.
        for (value, expected) in [(0, -100.0), (6, -100.0), (7, 0.0), (8, 0.0), (9, 100.0), (10, 100.0)] {
            let mut one = [0; 11];
            one[value] = 1;
            near(nps(&one).score.unwrap().value, expected);
            assert_eq!(nps(&one).score.unwrap().interval, None);
        }
        assert_eq!(nps(&[0; 11]).score, None);
    }

    #[test]
    fn wilson_of_known_shares() {
        // Known values: 8 of 10 is 49.02 to 94.33; 0 of 10 is 0 to 27.75; 15 of 20 is 53.13 to 88.81.
        let e = share(8, 10).unwrap();
        near(e.value, 80.0);
        near(ends(e).0, 49.02);
        near(ends(e).1, 94.33);
        near(ends(share(0, 10).unwrap()).0, 0.0);
        near(ends(share(0, 10).unwrap()).1, 27.75);
        near(ends(share(10, 10).unwrap()).1, 100.0);
        let e = csat(&[1, 2, 2, 10, 5]).unwrap();
        near(e.value, 75.0);
        near(ends(e).0, 53.13);
        near(ends(e).1, 88.81);
        assert_eq!(share(0, 0), None);
        assert_eq!(share(2, 1), None);
    }

    #[test]
    fn means_with_students_interval() {
        // 5, 6, 6, 7, 4, 6, 5, 7, 6, 5: mean 5.7, s = 0.9487, t(9) = 2.2622, half = 0.6786.
        let e = mean(&[0, 0, 0, 1, 3, 4, 2], 1).unwrap();
        near(e.value, 5.7);
        near(ends(e).0, 5.021);
        near(ends(e).1, 6.379);
        assert_eq!(mean(&[0, 0, 4], 1).unwrap().interval, None, "all alike");
        assert_eq!(mean(&[0, 0], 1), None);
        // Never beyond the scale.
        assert!(ends(mean(&[1, 0, 0, 0, 1], 1).unwrap()).0 >= 1.0);
    }

    #[test]
    fn students_quantiles() {
        for (freedom, t) in [(1, 12.706), (8, 2.306), (9, 2.262), (10, 2.228), (20, 2.086), (30, 2.042), (120, 1.980), (100_000, 1.960)] {
            assert!((student(freedom) - t).abs() < 0.001, "{freedom}: {} is not {t}", student(freedom));
        }
    }

    fn question(kind: QuestionKind) -> Question {
        Question { id: "q1".into(), title: "Q".into(), hint: String::new(), required: false, kind }
    }

    fn choice(id: &str) -> Choice {
        Choice { id: id.into(), label: id.to_uppercase() }
    }

    #[test]
    fn what_does_not_fit_counts_for_nothing() {
        let asked = question(QuestionKind::SingleChoice { choices: vec![choice("c1"), choice("c2")], other: true });
        let mut tally = QuestionTally::new(&asked);
        let pick = |ids: &[&str], other: Option<&str>| Answer::Choices {
            chosen: ids.iter().map(ToString::to_string).collect(),
            other: other.map(Into::into),
        };
        tally.add(&asked, &pick(&["c1"], None), 3);
        tally.add(&asked, &pick(&[], Some("mine")), 2);
        for poison in [pick(&["c9"], None), pick(&["c1", "c2"], None), pick(&[], None), Answer::Number(3), Answer::Text("x".into())] {
            tally.add(&asked, &poison, 1);
        }
        assert_eq!((tally.n, tally.unfit), (5, 5));
        assert_eq!(tally.choices.iter().map(|c| c.count).collect::<Vec<_>>(), [3, 0, 2]);
        assert_eq!(tally.others, HashMap::from([("mine".to_owned(), 2)]));

        let scale = question(QuestionKind::Rating { max: 5 });
        let mut tally = QuestionTally::new(&scale);
        for n in [0, 1, 5, 6, 255] {
            tally.add(&scale, &Answer::Number(n), 1);
        }
        assert_eq!((tally.n, tally.unfit, tally.numbers), (2, 3, vec![1, 0, 0, 0, 1]));
    }

    #[test]
    fn questions_of_all_versions() {
        let new = [question(QuestionKind::MultipleChoice { choices: vec![choice("c2"), choice("c3")], other: false })];
        let mut gone = question(QuestionKind::ShortText);
        gone.id = "q0".into();
        let old = [gone, question(QuestionKind::MultipleChoice { choices: vec![choice("c1"), choice("c2")], other: true })];
        let all = all_questions([&new[..], &old[..]]);
        assert_eq!(all.iter().map(|(q, asked)| (q.id.as_str(), *asked)).collect::<Vec<_>>(), [("q1", true), ("q0", false)]);
        let (choices, other) = all[0].0.kind.choices().unwrap();
        assert_eq!(choices.iter().map(|c| c.id.as_str()).collect::<Vec<_>>(), ["c2", "c3", "c1"]);
        assert!(other);
    }
}
