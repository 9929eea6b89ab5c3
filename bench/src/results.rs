//! Measurements, stored between runs so that one benchmark can be repeated without the others.

use std::{collections::BTreeMap, fs};

use serde::{Deserialize, Serialize};

use crate::{
    Bench, Result,
    import::{IdleResult, ImportResult},
    pages::{OtherEngines, RebuildResult, SizeResult},
    submit::{FreshnessResult, SubmitResult},
};

/// All measurements.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Results {
    pub submit: Option<SubmitResult>,
    pub fresh: Option<FreshnessResult>,
    pub idle: Option<IdleResult>,
    pub import: Option<ImportResult>,
    pub rebuild: Option<RebuildResult>,
    pub read: BTreeMap<usize, SizeResult>,
    pub others: BTreeMap<usize, OtherEngines>,
    /// The day on which each benchmark ran, and the load of the machine before it.
    pub taken: BTreeMap<String, String>,
}

/// Quick runs do not overwrite real ones.
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

    /// Stores the results; `taken` is the benchmark that has just run.
    pub fn write(&mut self, bench: &Bench, taken: &str) -> Result<()> {
        self.taken.insert(taken.to_owned(), bench.date.clone());
        fs::write(bench.work.join(name(bench)), serde_json::to_string_pretty(self)?)?;
        Ok(())
    }
}
