//! What was measured, kept between runs so that one benchmark can be measured again without the others.

use std::{collections::BTreeMap, fs};

use serde::{Deserialize, Serialize};

use crate::{
    Bench, Result,
    import::{Idle, Imported},
    pages::{At, Others, Rebuilt},
    submit::{Fresh, Submit},
};

/// All that was measured.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Results {
    pub submit: Option<Submit>,
    pub fresh: Option<Fresh>,
    pub idle: Option<Idle>,
    pub import: Option<Imported>,
    pub rebuild: Option<Rebuilt>,
    pub read: BTreeMap<usize, At>,
    pub others: BTreeMap<usize, Others>,
    /// The day on which each benchmark ran, and the load of the machine before it began.
    pub taken: BTreeMap<String, String>,
}

/// Quick runs do not take the place of real ones.
fn name(bench: &Bench) -> &'static str {
    if bench.quick { "results-quick.json" } else { "results.json" }
}

impl Results {
    pub fn read(bench: &Bench) -> Result<Self> {
        match fs::read_to_string(bench.work.join(name(bench))) {
            Ok(text) => Ok(serde_json::from_str(&text).unwrap_or_else(|error| {
                eprintln!("ignoring the results of an earlier version: {error}");
                Self::default()
            })),
            Err(_) => Ok(Self::default()),
        }
    }

    /// Keeps what there is; `taken` was just measured.
    pub fn write(&mut self, bench: &Bench, taken: &str) -> Result<()> {
        self.taken.insert(taken.to_owned(), bench.date.clone());
        fs::write(bench.work.join(name(bench)), serde_json::to_string_pretty(self)?)?;
        Ok(())
    }
}
