//! Ninety days of responses from a seeded generator: always the same story, relative to the current time.

use domain::{
    Timestamp,
    clock::DAY_MS,
    surveys::{AnswerShape, QuestionKind, SurveyBody},
};

use super::texts::{CLOSERS, COMPANIES, FIRST_NAMES, LAST_NAMES, OPENERS, RELEASES, SPAM, TOPICS};

/// A small pseudo-random number generator (SplitMix64), so that the story is the same on every machine.
pub struct StoryRng(pub u64);

impl StoryRng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `n`; 0 for 0.
    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n.max(1) as u64).unwrap_or(0)
    }

    /// True with a probability of `percent` in 100.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// A random element.
    pub fn pick<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[self.below(all.len())]
    }
}

/// The survey that a response answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DemoSurvey {
    /// NPS.
    Nps,
    /// Customer satisfaction with support.
    Csat,
    /// Customer effort.
    Ces,
    /// Reasons for leaving.
    Churn,
}

/// One response of the story.
pub struct DemoAnswer {
    /// Time of the response.
    pub at: Timestamp,
    /// The survey that it answers.
    pub to: DemoSurvey,
    /// The topic, as an index into [`TOPICS`]; `None` for spam or a response without text.
    pub topic: Option<usize>,
    /// Its key sentence.
    pub core: &'static str,
    /// Its entire text.
    pub text: String,
    /// Satisfaction, from 0 to 100.
    pub joy: i32,
    /// Name, e-mail address, the site's ID; `None` if anonymous.
    pub person: Option<(String, String, String)>,
    /// The page URL.
    pub page: String,
    /// The release.
    pub release: &'static str,
    /// Whether it is spam from a bot.
    pub is_spam: bool,
    /// Whether it was finished.
    pub finished: bool,
}

/// The entire story, in chronological order.
pub fn generate_story(now: Timestamp) -> Vec<DemoAnswer> {
    let mut dice = StoryRng(20_261_123);
    let mut all = Vec::new();
    for day in (0..90_i64).rev() {
        let midnight = now.0 - day * DAY_MS;
        // 1970-01-01 was a Thursday.
        let weekday = (midnight.div_euclid(DAY_MS) + 4).rem_euclid(7);
        let (busy, least) = if weekday == 0 || weekday == 6 { (2, 0) } else { (7, 2) };
        let growth = usize::try_from((90 - day) / 40).unwrap_or(0);
        for _ in 0..dice.below(busy) + least + growth {
            let at = midnight - i64::try_from(dice.below(9 * 3_600)).unwrap_or(0) * 1_000 - 60_000;
            all.push(said(&mut dice, Timestamp(at), day));
        }
    }
    for (n, text) in SPAM.iter().enumerate() {
        let at = Timestamp(now.0 - (i64::try_from(n).unwrap_or(0) * 5 + 1) * DAY_MS);
        let mut spam = said(&mut dice, at, i64::try_from(n).unwrap_or(0) * 5 + 1);
        (spam.to, spam.topic, spam.core, spam.text) = (DemoSurvey::Nps, None, "", (*text).to_owned());
        (spam.person, spam.is_spam, spam.finished) = (None, true, true);
        all.push(spam);
    }
    all.sort_by_key(|s| s.at);
    all
}

fn said(dice: &mut StoryRng, at: Timestamp, day: i64) -> DemoAnswer {
    let release = RELEASES.iter().rev().find(|(since, _)| day <= *since).map_or("3.8.0", |(_, name)| *name);
    let to = match dice.below(100) {
        0..54 => DemoSurvey::Nps,
        54..76 => DemoSurvey::Csat,
        76..92 => DemoSurvey::Ces,
        _ => DemoSurvey::Churn,
    };
    let topic = topic(dice, to, day);
    let about = &TOPICS[topic];
    let core = *dice.pick(about.texts);
    let is_english = core.is_ascii();
    let text = if is_english { format!("{}{core}{}", dice.pick(OPENERS), dice.pick(CLOSERS)) } else { core.to_owned() };
    // 4.0.0 was a bad release, 4.1.0 a good one.
    let drift = match release {
        "4.0.0" => -14,
        "4.1.0" => 6,
        "4.2.0" => 11,
        _ => 0,
    };
    let churn = if to == DemoSurvey::Churn { -35 } else { 0 };
    let spread = i32::try_from(dice.below(31)).unwrap_or(0) - 15;
    let joy = (64 + i32::from(about.mood) * 17 + drift + churn + spread).clamp(0, 100);
    let person = (!dice.chance(32)).then(|| {
        let (first, last) = (*dice.pick(FIRST_NAMES), *dice.pick(LAST_NAMES));
        let company = COMPANIES[(first.len() * 7 + last.len() * 3) % COMPANIES.len()];
        let account = first.to_lowercase();
        (
            format!("{first} {last}"),
            format!("{account}.{}@{company}.example", last.to_lowercase()),
            format!("{company}-{account}-{}", last.len()),
        )
    });
    let finished = !dice.chance(6);
    let wrote = finished && (to == DemoSurvey::Churn || dice.chance(74));
    DemoAnswer {
        at,
        to,
        topic: wrote.then_some(topic),
        core: if wrote { core } else { "" },
        text: if wrote { text } else { String::new() },
        joy,
        person,
        page: format!("https://app.gantry.example{}", about.page),
        release,
        is_spam: false,
        finished,
    }
}

/// A random topic by weight. The slow timeline becomes rare after its fix, and support is common after support conversations.
fn topic(dice: &mut StoryRng, to: DemoSurvey, day: i64) -> usize {
    let weight = |n: &usize| match (TOPICS[*n].tag, to) {
        ("support", DemoSurvey::Csat) => 30,
        ("praise", DemoSurvey::Churn) => 0,
        ("pricing", DemoSurvey::Churn) => 25,
        ("timeline-speed", _) if day < 28 => 1,
        ("praise", _) if day < 28 => 20,
        ("lost-changes", _) if (44..=52).contains(&day) => 25,
        _ => TOPICS[*n].weight,
    };
    let sum: u32 = (0..TOPICS.len()).map(|n| weight(&n)).sum();
    let mut at = u32::try_from(dice.below(sum as usize)).unwrap_or(0);
    for n in 0..TOPICS.len() {
        let own = weight(&n);
        if at < own {
            return n;
        }
        at -= own;
    }
    0
}

impl DemoAnswer {
    /// The answers to a survey, as form pairs: numbers and choices by satisfaction, the text once.
    pub fn pairs(&self, body: &SurveyBody, dice: &mut StoryRng) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        let mut text = Some(self.text.clone()).filter(|t| !t.is_empty());
        for question in &body.questions {
            let value = match question.kind.answer_shape() {
                AnswerShape::Scale { low, high } => {
                    let span = i32::from(high - low);
                    let wobble = i32::try_from(dice.below(13)).unwrap_or(0) - 6;
                    (i32::from(low) + ((self.joy + wobble) * span + 50).div_euclid(100))
                        .clamp(i32::from(low), i32::from(high))
                        .to_string()
                        .into()
                }
                AnswerShape::Choice { choices, multiple: false, .. } => {
                    // "Yes, partly, no": the happier, the earlier. Reasons for leaving: by topic.
                    let unhappy = usize::try_from(100 - self.joy).unwrap_or(0) * choices.len() / 101;
                    let n = if self.to == DemoSurvey::Churn { self.topic.unwrap_or_default() } else { unhappy };
                    choices.get(n % choices.len().max(1)).map(|c| c.id.clone())
                }
                AnswerShape::Text { .. } if question.kind == QuestionKind::LongText => text.take(),
                AnswerShape::Email => self.person.as_ref().filter(|_| dice.chance(60)).map(|(_, email, _)| email.clone()),
                AnswerShape::Choice { multiple: true, .. } | AnswerShape::Text { .. } | AnswerShape::None => None,
            };
            // Unfinished responses stop after the first question.
            let stop = !self.finished && !pairs.is_empty();
            pairs.extend(value.filter(|_| !stop).map(|value| (question.id.clone(), value)));
        }
        pairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_story_is_long_and_the_same_each_time() {
        let now = Timestamp(1_800_000_000_000);
        let (one, two) = (generate_story(now), generate_story(now));
        assert!((350..=450).contains(&one.len()), "{}", one.len());
        assert!(one.iter().zip(&two).all(|(a, b)| a.text == b.text && a.at == b.at && a.joy == b.joy));
        assert!(one.iter().all(|s| s.at < now && s.at.0 > now.0 - 92 * DAY_MS));
        assert!(one.windows(2).all(|w| w[0].at <= w[1].at));
    }
}
