//! Escaping of texts in files that spreadsheets open.

use domain::text::{is_invisible, is_space};

/// Characters that make a spreadsheet treat a cell as a formula (OWASP: CSV Injection), in ASCII and full-width.
const RISKY: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
/// Characters that may begin a new cell. A spreadsheet splits a file at its own separator, regardless of which program wrote it: in locales
/// with a decimal comma that is the semicolon, and the quotation marks around a cell that contains one are then not where it expects them.
/// The comma is not included: cells that contain one are quoted.
const SEPARATORS: [char; 5] = [';', '\t', '\r', '\n', '|'];

/// Whether a spreadsheet may skip a character before it looks for a formula.
fn is_skipped(c: char) -> bool {
    is_space(c) || is_invisible(c) || c == '"'
}

/// Adds a `'` before anything a spreadsheet could treat as a formula: formulas can send the content of other cells to strangers.
#[must_use]
pub fn spreadsheet_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    let mut begins_cell = true;
    for c in text.chars() {
        // Some programs trim a tab or line end at the start of a cell; the next character then begins the cell.
        let is_separator = SEPARATORS.contains(&c);
        if begins_cell && (RISKY.contains(&c) || (out.is_empty() && is_separator)) {
            out.push('\'');
        }
        out.push(c);
        begins_cell = is_separator || (begins_cell && is_skipped(c));
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn formulas_become_text_wherever_a_cell_may_begin() {
        for (typed, safe) in [
            ("=1+1", "'=1+1"),
            ("+49 30", "'+49 30"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("＝1", "'＝1"),
            ("\u{feff}=1", "\u{feff}'=1"),
            ("a;\u{200b}@x", "a;\u{200b}'@x"),
            ("\u{202e}=1", "\u{202e}'=1"),
            ("\t=1", "'\t'=1"),
            (" =1", " '=1"),
            ("x;=cmd|' /C calc'!A0;", "x;'=cmd|' /C calc'!A0;"),
            ("x; \"=1", "x; \"'=1"),
            ("one\n- two\r\n+ three", "one\n'- two\r\n'+ three"),
            ("a\t@b", "a\t'@b"),
            ("1=1", "1=1"),
            ("a@b.example", "a@b.example"),
            ("well, -1 is less", "well, -1 is less"),
            ("'=1", "'=1"),
            ("", ""),
        ] {
            assert_eq!(spreadsheet_text(typed), safe, "{typed:?}");
        }
    }

    /// Whether a spreadsheet could treat a cell as a formula.
    fn is_risky(cell: &str) -> bool {
        cell.trim_start_matches(is_skipped).starts_with(RISKY)
    }

    fn cells(file: &[u8], delimiter: u8) -> Vec<String> {
        let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).has_headers(false).from_reader(file);
        reader
            .byte_records()
            .flat_map(|record| record.unwrap().iter().map(|f| String::from_utf8_lossy(f).into_owned()).collect::<Vec<_>>())
            .collect()
    }

    proptest! {
        #[test]
        fn no_reader_finds_a_formula(texts in prop::collection::vec("[a=+@;|,\"'\t\r\n -]{0,12}", 1..4)) {
            let line: Vec<String> = texts.iter().map(|text| spreadsheet_text(text)).collect();
            let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
            writer.write_record(std::iter::once("id").chain(line.iter().map(String::as_str))).unwrap();
            let file = writer.into_inner().unwrap();
            for delimiter in *b",;\t|" {
                for cell in cells(&file, delimiter) {
                    prop_assert!(!is_risky(&cell), "{cell:?} of {:?} at {:?}", String::from_utf8_lossy(&file), char::from(delimiter));
                }
            }
        }
    }
}
