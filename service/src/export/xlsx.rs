//! Exports as an Excel workbook. Rows go into a temporary file as they are read, so that memory use does not grow with the data; the
//! file is packed and sent once all rows are written.

use std::io::{Read, Seek, SeekFrom};

use bytes::Bytes;
use rust_xlsxwriter::{Format, Workbook as Book};
use serde_json::Value;

use super::{ExportRow, RowPages, joined};
use crate::error::{Error, Result};

/// Maximum rows per sheet, including the header (the format's own limit is 1,048,576).
const MAX_ROWS: u32 = 1_048_576;
/// Maximum characters per Excel cell, in UTF-16 code units.
const MAX_CELL: usize = 32_767;
/// Suffix of a text that was too long for a cell.
const CUT: &str = "… (truncated: cell limit reached)";
/// Bytes sent at a time.
const PIECE: usize = 64 << 10;

/// A workbook that is first filled, then sent.
pub(super) struct Workbook {
    title: &'static str,
    columns: Vec<String>,
    /// Moves to a blocking thread and back; `None` once packed.
    book: Option<OpenWorkbook>,
    packed: Option<std::fs::File>,
}

struct OpenWorkbook {
    book: Book,
    sheets: u32,
    /// Rows in the last sheet.
    rows: u32,
}

impl Workbook {
    pub(super) fn new(title: &'static str, columns: Vec<String>) -> Self {
        Self { title, columns, book: Some(OpenWorkbook { book: Book::new(), sheets: 0, rows: 0 }), packed: None }
    }

    /// Returns the next chunk of the file; empty after the last one.
    pub(super) async fn next(&mut self, pages: &mut RowPages) -> Result<Bytes> {
        while let Some(mut filling) = self.book.take() {
            let rows = pages.next().await?;
            let (title, columns) = (self.title, self.columns.clone());
            if rows.is_empty() {
                self.packed = Some(blocking(move || filling.pack(title, &columns)).await?);
            } else {
                self.book = Some(
                    blocking(move || {
                        filling.add(title, &columns, rows)?;
                        Ok(filling)
                    })
                    .await?,
                );
            }
        }
        let Some(mut file) = self.packed.take() else { return Ok(Bytes::new()) };
        let (file, piece) = blocking(move || {
            let mut piece = Vec::with_capacity(PIECE);
            let taken = (&mut file).take(PIECE as u64).read_to_end(&mut piece);
            taken.map_err(|e| Error::internal("workbook", e))?;
            Ok((file, piece))
        })
        .await?;
        self.packed = Some(file);
        Ok(piece.into())
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|e| Error::internal("workbook", e))?
}

fn broken(error: impl std::fmt::Display) -> Error {
    Error::internal("workbook", error)
}

impl OpenWorkbook {
    fn begin_sheet(&mut self, title: &str, columns: &[String]) -> Result<()> {
        self.sheets += 1;
        let bold = Format::new().set_bold();
        let sheet = self.book.add_worksheet_with_constant_memory().map_err(broken)?;
        sheet.set_name(if self.sheets == 1 { title.to_owned() } else { format!("{title} {}", self.sheets) }).map_err(broken)?;
        sheet.set_freeze_panes(1, 0).map_err(broken)?;
        for (at, name) in columns.iter().enumerate() {
            sheet.write_string_with_format(0, column(at)?, cut(name), &bold).map_err(broken)?;
        }
        self.rows = 1;
        Ok(())
    }

    fn add(&mut self, title: &str, columns: &[String], rows: Vec<ExportRow>) -> Result<()> {
        for row in rows {
            if self.sheets == 0 || self.rows == MAX_ROWS {
                self.begin_sheet(title, columns)?;
            }
            let last = usize::try_from(self.sheets - 1).map_err(broken)?;
            let sheet = self.book.worksheet_from_index(last).map_err(broken)?;
            for (at, (_, value)) in row.into_iter().enumerate() {
                let at = column(at)?;
                match value {
                    Value::Null => {}
                    Value::Bool(is) => drop(sheet.write_boolean(self.rows, at, is).map_err(broken)?),
                    Value::Number(number) => {
                        if let Some(number) = number.as_f64() {
                            sheet.write_number(self.rows, at, number).map_err(broken)?;
                        }
                    }
                    Value::String(text) => drop(sheet.write_string(self.rows, at, cut(&text)).map_err(broken)?),
                    Value::Array(list) => drop(sheet.write_string(self.rows, at, cut(&joined(list))).map_err(broken)?),
                    object @ Value::Object(_) => drop(sheet.write_string(self.rows, at, cut(&object.to_string())).map_err(broken)?),
                }
            }
            self.rows += 1;
        }
        Ok(())
    }

    fn pack(mut self, title: &str, columns: &[String]) -> Result<std::fs::File> {
        if self.sheets == 0 {
            self.begin_sheet(title, columns)?;
        }
        let mut file = tempfile::tempfile().map_err(broken)?;
        self.book.save_to_writer(&mut file).map_err(broken)?;
        file.seek(SeekFrom::Start(0)).map_err(broken)?;
        Ok(file)
    }
}

fn column(at: usize) -> Result<u16> {
    u16::try_from(at).map_err(broken)
}

/// Truncates the text to what a cell can hold.
fn cut(text: &str) -> String {
    // Drop characters that XML 1.0 cannot contain.
    let clean = |c: &char| matches!(c, '\t' | '\n' | '\r') || !(c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}'));
    let units = |text: &str| text.encode_utf16().count();
    if units(text) <= MAX_CELL {
        return text.chars().filter(clean).collect();
    }
    let mut left = MAX_CELL - units(CUT);
    let shortened: String = text
        .chars()
        .take_while(|c| {
            let fits = c.len_utf16() <= left;
            left = left.saturating_sub(c.len_utf16());
            fits
        })
        .filter(clean)
        .collect();
    shortened + CUT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_too_long_for_a_cell_says_that_it_was_cut() {
        let long = "😀".repeat(20_000);
        let text = cut(&long);
        assert!(text.encode_utf16().count() <= MAX_CELL && text.ends_with(CUT), "{}", text.encode_utf16().count());
        assert_eq!(cut("short\u{7}\n"), "short\n");
    }
}
