//! The preview of an import, from the first rows of a file, before anything is imported.

use domain::{
    DomainError as Refusal, FieldErrors, ZonedNow,
    accounts::{Role, Scope},
    imports::{ColumnMapping, DateOrderEvidence, Encoding, ImportedRow, ProblemCounts, RowProblem, column_names},
};
use store::imports::Import;

use super::{
    guessed_tag,
    reader::{CsvReader, cells},
    records::CsvRecord,
    run, stored,
};
use crate::{error::Result, state::App};

/// Number of rows shown.
pub const PREVIEW: usize = 20;
/// Number of rows sampled to determine the date order and the score scale.
const SAMPLE: usize = 5_000;
/// Maximum bytes of the sample.
const SAMPLE_BYTES: usize = 4 << 20;

/// The expected result of importing a file with a mapping.
pub struct ImportPreview {
    /// The column names.
    pub columns: Vec<String>,
    /// The previewed mapping: the given one or a guess, completed with everything detected in the file.
    pub mapping: ColumnMapping,
    /// Errors in the mapping.
    pub errors: FieldErrors,
    /// The first rows: the line number, and the result or the problem. Empty while the mapping has errors.
    pub rows: Vec<(u64, Result<ImportedRow, RowProblem>)>,
    /// Number of rows checked.
    pub checked: usize,
    /// Number of those that can be imported.
    pub good: usize,
    /// Problems of rows that cannot be imported, or not completely.
    pub groups: ProblemCounts,
    /// The detected encoding.
    pub detected: Encoding,
    /// Evidence for the date order.
    pub order: DateOrderEvidence,
}

impl ImportPreview {
    /// Whether none of the checked rows can be imported.
    #[must_use]
    pub fn has_no_valid_rows(&self) -> bool {
        self.checked > 0 && self.good == 0
    }
}

/// The first rows of a file.
pub(super) struct Sample {
    records: Vec<CsvRecord>,
    rows: Vec<Vec<String>>,
}

impl Sample {
    pub(super) async fn read(reader: &mut CsvReader) -> Result<Self> {
        let (mut sample, mut bytes) = (Self { records: Vec::new(), rows: Vec::new() }, 0);
        while sample.records.len() < SAMPLE
            && bytes < SAMPLE_BYTES
            && let Some(record) = reader.next().await?
        {
            bytes += record.fields.iter().flatten().map(Vec::len).sum::<usize>();
            sample.rows.push(cells(&record).unwrap_or_default());
            sample.records.push(record);
        }
        Ok(sample)
    }

    /// Completes a mapping from the file: encoding, header, date order. Reports an error for choices that only a person can make.
    pub(super) fn settle(&self, mapping: &mut ColumnMapping, reader: &CsvReader) -> (DateOrderEvidence, FieldErrors) {
        let mut errors = FieldErrors::default();
        mapping.encoding = Some(reader.encoding);
        mapping.header_rows = Some(reader.header_rows);
        let order = mapping.order(&reader.header, &self.rows);
        match &order {
            DateOrderEvidence::Irrelevant => {}
            DateOrderEvidence::Clear(found, _) => mapping.dates = mapping.dates.or(Some(*found)),
            DateOrderEvidence::Ambiguous(example) if mapping.dates.is_none() => {
                errors.add(
                    "dates",
                    "required",
                    format!("Dates like {example} are ambiguous. Choose whether the day or the month comes first."),
                );
            }
            DateOrderEvidence::Ambiguous(_) => {}
        }
        (order, errors)
    }
}

/// Previews an uploaded file with a mapping; otherwise with the one from its last run, or a guessed one.
///
/// # Errors
/// Returns an error if there is no such import.
pub async fn preview(app: &App, scope: &Scope, import: &Import, mapping: Option<ColumnMapping>) -> Result<ImportPreview> {
    scope.require(Role::Admin)?;
    let mapping = mapping.or_else(|| import.mapping.clone());
    let encoding = mapping.as_ref().and_then(|m| m.encoding).or(import.encoding);
    let header_rows = mapping.as_ref().and_then(|m| m.header_rows);
    let mut reader = CsvReader::open(stored(app, scope, import.id), encoding, header_rows).await?;
    let sample = Sample::read(&mut reader).await?;
    let guess = || ColumnMapping { add_tag: guessed_tag(&import.name), ..ColumnMapping::guess(&reader.header, &sample.rows) };
    let mapping = mapping.unwrap_or_else(guess);
    preview_of(
        &reader,
        &sample,
        mapping,
        import.encoding.unwrap_or(reader.encoding),
        &ZonedNow { now: app.now(), zone: app.store.zone(scope).await? },
    )
}

fn preview_of(
    reader: &CsvReader,
    sample: &Sample,
    mut mapping: ColumnMapping,
    detected: Encoding,
    present: &ZonedNow,
) -> Result<ImportPreview> {
    let (order, errors) = sample.settle(&mut mapping, reader);
    let mut preview = ImportPreview {
        columns: column_names(&reader.header),
        mapping,
        errors,
        rows: Vec::new(),
        checked: 0,
        good: 0,
        groups: ProblemCounts::default(),
        detected,
        order,
    };
    match preview.mapping.plan(&reader.header, &present.zone) {
        Err(Refusal::Invalid(wrong)) => preview.errors.0.extend(wrong.0),
        Err(other) => return Err(other.into()),
        Ok(plan) => {
            for record in &sample.records {
                let (row, line) = (run::read_row(&plan, record, present.now), i64::try_from(record.line).unwrap_or(i64::MAX));
                preview.checked += 1;
                match &row {
                    Ok(row) => {
                        preview.good += 1;
                        row.left_out.iter().for_each(|problem| preview.groups.add(line, problem));
                    }
                    Err(problem) => preview.groups.add(line, problem),
                }
                if preview.rows.len() < PREVIEW {
                    preview.rows.push((record.line, row));
                }
            }
        }
    }
    Ok(preview)
}

/// Converts a mapping created with another encoding or header: the same columns under their current names.
///
/// # Errors
/// Returns an error if the file cannot be read.
pub async fn renamed(app: &App, scope: &Scope, import: &Import, before: &ColumnMapping, mapping: ColumnMapping) -> Result<ColumnMapping> {
    scope.require(Role::Admin)?;
    if (before.encoding, before.header_rows) == (mapping.encoding, mapping.header_rows) {
        return Ok(mapping);
    }
    let open = |m: &ColumnMapping| CsvReader::open(stored(app, scope, import.id), m.encoding.or(import.encoding), m.header_rows);
    let (old, new) = (open(before).await?, open(&mapping).await?);
    Ok(mapping.rename_columns(&old.header, &new.header))
}
