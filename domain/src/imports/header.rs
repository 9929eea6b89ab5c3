//! The header of a file: its rows, and the column names in them.

use std::collections::HashMap;

/// The column names of a header as shown for selection: trimmed; unnamed and repeated ones are numbered.
#[must_use]
pub fn column_names(header: &[String]) -> Vec<String> {
    let mut seen = HashMap::<String, usize>::new();
    let named = |(n, name): (usize, &String)| {
        let name = name.trim();
        let name = if name.is_empty() { format!("column {}", n + 1) } else { name.to_owned() };
        let times = seen.entry(name.clone()).or_default();
        *times += 1;
        if *times == 1 { name } else { format!("{name} ({times})") }
    };
    header.iter().enumerate().map(named).collect()
}

/// Most rows that may name the columns of a file.
pub const MAX_HEADER_ROWS: usize = 3;

/// Subtitles that survey tools write below the column names, in lower case.
const SUBTITLES: &[&str] = &["response", "open-ended response", "other (please specify)"];

/// The number of a file's first rows that name its columns: survey tools write the questions into one line, the parts of each question into
/// the next, and then perhaps their own ids.
#[must_use]
pub fn count_header_rows(first: &[Vec<String>]) -> usize {
    let Some(header) = first.first() else { return 1 };
    let cell = |row: &[String], i: usize| row.get(i).map(|c| c.trim().to_lowercase()).unwrap_or_default();
    let is_ids = |row: &Vec<String>| row.len() > 1 && row.iter().all(|c| c.trim_start().starts_with("{\"ImportId\""));
    if let Some(n) = first.iter().take(MAX_HEADER_ROWS).position(is_ids).filter(|n| *n > 0) {
        return n + 1;
    }
    let Some(second) = first.get(1) else { return 1 };
    let used = (0..header.len()).filter(|i| !cell(second, *i).is_empty()).collect::<Vec<_>>();
    // Each blank name must have a cell below it; with no blank names, only known subtitles count.
    let blank = (0..header.len()).filter(|i| cell(header, *i).is_empty()).collect::<Vec<_>>();
    let fills = !blank.is_empty() && blank.iter().all(|i| used.contains(i));
    let known = |i: &usize| SUBTITLES.contains(&cell(second, *i).as_str());
    let is_second = if blank.is_empty() { !used.is_empty() && used.iter().all(known) } else { fills && used.iter().any(known) };
    // Columns such as ids and dates have no subtitle.
    if is_second && used.len() < header.len() { 2 } else { 1 }
}

/// The column names from the header rows: the first row's name, or the next row's if that is blank.
#[must_use]
pub fn header(rows: &[Vec<String>]) -> Vec<String> {
    let width = rows.first().map_or(0, Vec::len);
    let name = |i: usize| rows.iter().filter_map(|row| row.get(i)).map(|c| c.trim()).find(|c| !c.is_empty()).unwrap_or_default();
    (0..width).map(|i| name(i).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(names: &[&str]) -> Vec<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    #[test]
    fn c29_a_second_line_of_names_is_recognised() {
        let first = [
            header(&["Respondent ID", "How was it?", ""]),
            header(&["", "Response", "Other (please specify)"]),
            header(&["1", "Fine", "more"]),
        ];
        assert_eq!(count_header_rows(&first), 2);
        assert_eq!(super::header(&first[..2]), ["Respondent ID", "How was it?", "Other (please specify)"]);
        let ids = [header(&["a", "b"]), header(&["What?", "When?"]), header(&["{\"ImportId\":\"x\"}", "{\"ImportId\":\"y\"}"])];
        assert_eq!(count_header_rows(&ids), 3);
        for rows in [
            &[header(&["text", "score"]), header(&["Response", "4"])][..],
            &[header(&["text", ""]), header(&["Fine", "note"])],
            &[header(&["text", "tag", "score"]), header(&["Great product", "", ""])],
            &[header(&["text"]), header(&["Comment"])],
            &[header(&["text"])],
            &[],
        ] {
            assert_eq!(count_header_rows(rows), 1, "{rows:?}");
        }
    }

    #[test]
    fn columns_have_names_that_can_be_told_apart() {
        assert_eq!(column_names(&header(&["a", " a ", "", "b"])), header(&["a", "a (2)", "column 3", "b"]));
    }

    proptest! {
        #[test]
        fn columns_are_unique_unless_named_to_collide(names in prop::collection::vec("[a-c]{0,1}", 0..8)) {
            let mut out = column_names(&names);
            prop_assert_eq!(out.len(), names.len());
            out.sort();
            out.dedup();
            prop_assert_eq!(out.len(), names.len());
        }
    }
}
