//! Exports: all rows of one kind as CSV or JSON lines, one page at a time, so that memory use does not grow with the data.
//!
//! Each row that exists when the export begins and is not deleted meanwhile appears exactly once, as of the time its page is read. Rows
//! added meanwhile may or may not appear. With a query, the same applies to rows that match it when their page is read. A failure ends the
//! stream with an error, so that a partial export is never mistaken for a complete one.

mod cell;
pub mod rows;
mod xlsx;

pub use cell::spreadsheet_text;

use std::{io, str::FromStr};

use bytes::Bytes;
use domain::{
    Day, DomainError as Refusal,
    accounts::{Role, Scope},
    ids::SurveyId,
    triage::TriageQuery,
};
use futures_util::{Stream, stream};
use serde_json::{Map, Value};

use self::{rows::RowReader, xlsx::Workbook};
use crate::{
    accounts::authority::Authority,
    error::{Error, Result},
    state::AppState,
};

/// Output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// RFC 4180, in UTF-8, with a header line.
    Csv,
    /// The same with a leading byte order mark: without one, Excel assumes another encoding.
    CsvBom,
    /// An Excel workbook (ISO/IEC 29500). Its cells have types, so its texts are never formulas.
    Xlsx,
    /// One JSON object per line.
    Jsonl,
}

impl ExportFormat {
    /// Returns the file extension.
    #[must_use]
    pub fn file_extension(self) -> &'static str {
        match self {
            Self::Csv | Self::CsvBom => "csv",
            Self::Xlsx => "xlsx",
            Self::Jsonl => "jsonl",
        }
    }

    /// Returns the `Content-Type` value.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Csv | Self::CsvBom => "text/csv; charset=utf-8; header=present",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Jsonl => "application/jsonl; charset=utf-8",
        }
    }
}

impl FromStr for ExportFormat {
    /// Parses the words used in addresses and on the command line.
    type Err = Refusal;
    fn from_str(text: &str) -> Result<Self, Refusal> {
        match text {
            "csv" => Ok(Self::Csv),
            "csv-bom" => Ok(Self::CsvBom),
            "xlsx" => Ok(Self::Xlsx),
            "jsonl" => Ok(Self::Jsonl),
            _ => Err(Refusal::field("format", "unknown", "Choose csv, csv-bom, xlsx or jsonl.")),
        }
    }
}

/// The subject of an export.
#[derive(Debug, Clone, PartialEq)]
pub enum ExportSubject {
    /// All feedback.
    Feedback,
    /// The feedback that matches an inbox query.
    Matching(TriageQuery),
    /// The responses to one survey.
    Responses(SurveyId),
    /// All backlog items.
    Backlog,
}

impl ExportSubject {
    /// Parses the subject: the word, the survey for responses, and the optional query for feedback.
    ///
    /// # Errors
    /// Returns an error if any of them is invalid.
    pub fn read(word: &str, survey: &str, query: &str) -> Result<Self, Refusal> {
        match word {
            "feedback" if query.trim().is_empty() => Ok(Self::Feedback),
            "feedback" => TriageQuery::parse(query).map(Self::Matching).map_err(|error| Refusal::field("q", "query", error.message)),
            "backlog" => Ok(Self::Backlog),
            "responses" => survey
                .parse()
                .map(Self::Responses)
                .map_err(|_| Refusal::field("survey", "required", "Choose the survey whose responses to export.")),
            _ => Err(Refusal::field("what", "unknown", "Choose feedback, responses or backlog.")),
        }
    }

    /// Returns the word used in addresses and on the command line.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Feedback | Self::Matching(_) => "feedback",
            Self::Responses(_) => "responses",
            Self::Backlog => "backlog",
        }
    }
}

/// One row, as column names and values. CSV joins lists with commas.
pub type ExportRow = Vec<(String, Value)>;

/// UTF-8 byte order mark, for programs that would otherwise assume another encoding.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Progress of an export.
enum ExportStage {
    /// The header line comes next.
    Names,
    /// Rows come next.
    Rows,
    /// A workbook is being filled and then sent.
    Workbook(Box<Workbook>),
    /// It was interrupted.
    Broken,
    /// There is nothing left.
    Over,
}

/// Pages of rows, with a permission check before each.
struct RowPages {
    app: AppState,
    authority: Authority,
    reader: RowReader,
}

impl RowPages {
    /// Returns the next rows; empty after the last.
    async fn next(&mut self) -> Result<Vec<ExportRow>> {
        self.authority.ensure_role(&self.app, Role::Triager).await?;
        self.reader.page().await
    }
}

struct Export {
    pages: RowPages,
    format: ExportFormat,
    stage: ExportStage,
}

/// Starts an export and returns its chunks; an error is the last one. The export ends with an error when the actor loses permission.
///
/// # Errors
/// Survey not found; role too low; a query while no index is available.
pub async fn begin(
    app: &AppState,
    scope: &Scope,
    what: ExportSubject,
    format: ExportFormat,
) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + use<>> {
    begin_in(app, scope, None, what, format).await
}

/// As [`begin`]; the export also ends when the session with the hash `session` ends.
///
/// # Errors
/// As [`begin`].
pub async fn begin_in(
    app: &AppState,
    scope: &Scope,
    session: Option<String>,
    what: ExportSubject,
    format: ExportFormat,
) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + use<>> {
    // Exports names and addresses of people in bulk.
    scope.require(Role::Triager)?;
    let what_is_in_it = what.as_str();
    let reader = RowReader::open(app, scope, what).await?;
    let stage = match format {
        ExportFormat::Csv | ExportFormat::CsvBom => ExportStage::Names,
        ExportFormat::Xlsx => ExportStage::Workbook(Box::new(Workbook::new(what_is_in_it, reader.columns().to_vec()))),
        ExportFormat::Jsonl => ExportStage::Rows,
    };
    let pages = RowPages { app: AppState::clone(app), authority: Authority::new(scope, session), reader };
    Ok(stream::unfold(Export { pages, format, stage }, Export::next))
}

impl Export {
    /// Returns the next chunk.
    async fn next(mut self) -> Option<(io::Result<Bytes>, Self)> {
        let piece = match &mut self.stage {
            ExportStage::Over => return None,
            ExportStage::Broken => {
                self.stage = ExportStage::Over;
                return Some((Err(io::Error::other("the export was interrupted")), self));
            }
            ExportStage::Names => {
                self.stage = ExportStage::Rows;
                let names = self.pages.reader.columns().iter().map(|name| spreadsheet_text(name)).collect();
                write_csv(std::iter::once(names))
                    .map(|names| if self.format == ExportFormat::CsvBom { [BOM, &names].concat().into() } else { names })
            }
            ExportStage::Workbook(workbook) => match workbook.next(&mut self.pages).await {
                Ok(piece) if piece.is_empty() => return None,
                piece => piece,
            },
            ExportStage::Rows => match self.pages.next().await {
                Ok(rows) if rows.is_empty() => return None,
                Ok(rows) => self.write(rows),
                Err(error) => Err(error),
            },
        };
        match piece {
            Ok(piece) => Some((Ok(piece), self)),
            Err(error) => {
                if error.refusal().is_some() {
                    tracing::info!(error = %error, "an export was interrupted");
                } else {
                    tracing::error!(error = %error, "an export was interrupted");
                }
                // For clients that read line by line; the connection is aborted too.
                self.stage = ExportStage::Broken;
                let last =
                    if self.format == ExportFormat::Jsonl { "{\"error\":\"The export was interrupted. Start it again.\"}\n" } else { "" };
                Some((Ok(Bytes::from_static(last.as_bytes())), self))
            }
        }
    }

    fn write(&self, rows: Vec<ExportRow>) -> Result<Bytes> {
        match self.format {
            ExportFormat::Csv | ExportFormat::CsvBom => {
                write_csv(rows.into_iter().map(|row| row.into_iter().map(|(_, value)| cell(value)).collect()))
            }
            // A workbook writes its own rows.
            ExportFormat::Jsonl | ExportFormat::Xlsx => {
                let mut out = Vec::new();
                for row in rows {
                    serde_json::to_writer(&mut out, &row.into_iter().collect::<Map<String, Value>>())?;
                    out.push(b'\n');
                }
                Ok(out.into())
            }
        }
    }
}

/// Writes lines in RFC 4180 format.
fn write_csv(lines: impl Iterator<Item = Vec<String>>) -> Result<Bytes> {
    let broken = |e: csv::Error| Error::internal("csv", e);
    let mut out = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    for line in lines {
        out.write_record(&line).map_err(broken)?;
    }
    Ok(out.into_inner().map_err(|e| Error::internal("csv", e))?.into())
}

/// Joins the values of a list with commas.
fn joined(list: Vec<Value>) -> String {
    list.into_iter().map(|v| if let Value::String(text) = v { text } else { v.to_string() }).collect::<Vec<_>>().join(", ")
}

/// Formats a value as text that no spreadsheet treats as a formula.
fn cell(value: Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => spreadsheet_text(&text),
        Value::Array(list) => spreadsheet_text(&joined(list)),
        other => other.to_string(),
    }
}

/// Returns the file name: `corner-shop-feedback-2026-11-23.csv`.
#[must_use]
pub fn file_name(slug: &str, what: &ExportSubject, format: ExportFormat, day: Day) -> String {
    let slug: String = slug.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    format!("{slug}-{}-{}.{}", what.as_str(), day, format.file_extension())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cells_that_look_like_formulas_are_texts() {
        assert_eq!(cell(json!("=1+1")), "'=1+1");
        assert_eq!(cell(json!("1=1")), "1=1");
        // Numbers are not escaped.
        assert_eq!((cell(json!(-1)), cell(json!(2.5)), cell(Value::Null)), ("-1".into(), "2.5".into(), String::new()));
        assert_eq!(cell(json!(["=a", "b"])), "'=a, b");
    }

    #[test]
    fn lines_are_rfc_4180() {
        let lines = [vec!["a,b".to_owned(), "say \"x\"".to_owned(), "two\nlines".to_owned()], vec![String::new(); 3]];
        assert_eq!(write_csv(lines.into_iter()).unwrap(), "\"a,b\",\"say \"\"x\"\"\",\"two\nlines\"\r\n,,\r\n");
        assert_eq!(write_csv(std::iter::once(vec![String::new()])).unwrap(), "\"\"\r\n");
    }
}
