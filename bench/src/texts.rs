//! The items: generated from real texts, the same in every run.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use crate::Result;

// The demonstration's texts, for users without a file of real ones.
#[expect(dead_code, reason = "only the texts and their tags are used")]
#[path = "../../server/src/demo/texts.rs"]
mod demo;

/// A small random number generator; the same seed gives the same numbers everywhere.
#[derive(Debug, Clone)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }

    /// Returns true with a probability of `percent`.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// The texts that items are generated from.
pub struct SampleTexts {
    /// Text and subject.
    pub all: Vec<(String, String)>,
    /// Their file; `None`: the demonstration's texts.
    pub file: Option<PathBuf>,
    by_subject: HashMap<String, Vec<usize>>,
}

/// One item.
#[derive(Debug, Clone)]
pub struct BenchItem {
    pub text: String,
    pub tag: String,
    pub score: Option<usize>,
    /// Milliseconds since 1970.
    pub created: i64,
    pub status: &'static str,
    pub release: String,
    pub page: String,
    pub email: Option<String>,
}

impl SampleTexts {
    /// A CSV file with the columns `text` and `category`, or the demonstration's texts.
    pub fn read(file: Option<&Path>) -> Result<Self> {
        let all: Vec<(String, String)> = match file {
            Some(path) => {
                let mut reader = csv::Reader::from_path(path).map_err(|e| format!("{}: {e}", path.display()))?;
                reader.deserialize().collect::<std::result::Result<_, _>>()?
            }
            None => {
                let texts = demo::TOPICS.iter().flat_map(|topic| topic.texts.iter().map(|text| ((*text).to_owned(), topic.tag.to_owned())));
                texts.collect()
            }
        };
        let mut by_subject = HashMap::<String, Vec<usize>>::new();
        for (n, (_, subject)) in all.iter().enumerate() {
            by_subject.entry(subject.clone()).or_default().push(n);
        }
        Ok(Self { all, file: file.map(Path::to_owned), by_subject })
    }

    /// The origin of the texts, for the report.
    pub fn origin(&self) -> String {
        match &self.file {
            Some(file) => {
                let name = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
                format!("{} real messages of `{name}`", self.all.len())
            }
            None => format!("{} invented messages of the demonstration (use --data for real ones)", self.all.len()),
        }
    }

    /// The first `n` items: each has one text, or in three of ten cases two or three texts of the same subject.
    pub fn items(&self, n: usize) -> impl Iterator<Item = BenchItem> + '_ {
        let mut random = SplitMix64::new(2026);
        // 1 October 2024, and a span of two years.
        let (begin, span) = (1_727_740_800_000_i64, 730 * 86_400_000_i64);
        (0..n).map(move |_| {
            let (mut text, tag) = self.all[random.below(self.all.len())].clone();
            let more = if random.chance(30) { 1 + random.below(2) } else { 0 };
            if let Some(same) = self.by_subject.get(&tag) {
                for _ in 0..more {
                    text.push(' ');
                    text.push_str(&self.all[same[random.below(same.len())]].0);
                }
            }
            let status = match random.below(100) {
                0..70 => "new",
                70..88 => "triaged",
                88..97 => "resolved",
                _ => "spam",
            };
            BenchItem {
                text,
                tag,
                score: random.chance(60).then(|| random.below(11)),
                created: begin + (random.next() % span.unsigned_abs()).cast_signed(),
                status,
                release: format!("{}.{}", 1 + random.below(4), random.below(5)),
                page: format!("https://shop.example/help/{}", random.below(40)),
                email: random.chance(10).then(|| format!("person{}@example.com", random.below(20_000))),
            }
        })
    }

    /// Writes the first `n` items as a CSV file for `earshot import`; [`MAP`] is its mapping.
    pub fn write_items(&self, n: usize, path: &Path) -> Result<()> {
        let mut out = csv::Writer::from_writer(BufWriter::with_capacity(1 << 20, File::create(path)?));
        out.write_record(["text", "tag", "score", "top", "at", "status", "release", "page", "email"])?;
        for item in self.items(n) {
            let score = item.score.map(|s| s.to_string()).unwrap_or_default();
            let at = time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(item.created) * 1_000_000)?
                .format(&time::format_description::well_known::Rfc3339)?;
            let email = item.email.unwrap_or_default();
            out.write_record([&item.text, &item.tag, &score, "10", &at, item.status, &item.release, &item.page, &email])?;
        }
        out.flush()?;
        Ok(())
    }

    /// Writes the texts repeatedly until there are `lines` lines.
    pub fn write_repeated(&self, lines: usize, path: &Path) -> Result<()> {
        let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
        out.write_all(b"text,category\n")?;
        let mut once = csv::Writer::from_writer(&mut out);
        for (text, category) in self.all.iter().cycle().take(lines) {
            once.write_record([text, category])?;
        }
        once.flush()?;
        drop(once);
        out.flush()?;
        Ok(())
    }
}

/// The mapping of the file that [`SampleTexts::write_items`] writes.
pub const MAP: &str =
    "text=text,tag=tag,score=score,score_max=top,created_at=at,status=status,release=release,page_url=page,contact_email=email";

/// The words of a text as used by the baselines and for choosing queries: runs of ASCII letters and digits in lower case.
pub fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty() && w.is_ascii()).map(str::to_ascii_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_items_every_time_and_more_of_them_begin_alike() {
        let texts = SampleTexts::read(None).unwrap();
        let short: Vec<String> = texts.items(50).map(|i| i.text).collect();
        let long: Vec<String> = texts.items(500).map(|i| i.text).collect();
        assert_eq!(short, long[..50]);
        assert!(texts.items(500).any(|i| i.status == "spam") && texts.items(500).any(|i| i.email.is_some()));
    }
}
