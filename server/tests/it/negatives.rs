//! A text that must be absent from a page has to exist elsewhere. When pages are reworded, `!page.contains("the old words")` would always
//! pass: the words must occur in the program's sources, or elsewhere in the test.

use std::{fs, path::Path};

/// The sources of the program without comments and tests, as one line.
fn program() -> String {
    fn walk(dir: &Path, all: &mut String) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, all);
                continue;
            }
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            for line in text.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
                // A string that continues on the next line.
                all.push_str(line.trim_end_matches('\\'));
                all.push(' ');
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut all = String::new();
    for dir in ["app/src", "server/src", "service/src", "domain/src", "store/src", "search/src", "public"] {
        walk(&root.join(dir), &mut all);
    }
    plain(&all)
}

/// Normalizes white space to one space, unescapes quotation marks, and converts to lower case.
fn plain(text: &str) -> String {
    text.replace("\\\"", "\"").split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// The start of the expression that ends at `end`: names, calls with their arguments, fields.
fn beginning(text: &str, end: usize) -> usize {
    let (mut depth, mut at) = (0, end);
    for (i, c) in text[..end].char_indices().rev() {
        match c {
            ')' | ']' => depth += 1,
            '(' | '[' if depth == 0 => break,
            '(' | '[' => depth -= 1,
            _ if depth > 0 => {}
            c if c.is_alphanumeric() || "_.&?:".contains(c) => {}
            _ => break,
        }
        at = i;
    }
    at
}

/// The string literal from `from` to its quotation mark.
fn literal(text: &str, from: usize, mark: char) -> Option<std::ops::Range<usize>> {
    let mut escaped = false;
    for (i, c) in text[from..].char_indices() {
        match c {
            '\\' if !escaped => escaped = true,
            c if c == mark && !escaped => return Some(from..from + i),
            _ => escaped = false,
        }
    }
    None
}

/// The texts that a Rust test asserts to be absent.
fn denied_in_rust(text: &str) -> Vec<std::ops::Range<usize>> {
    const CALL: &str = ".contains(\"";
    // Macros such as `format!` end in the same character.
    let denied = |at: &usize| text[..beginning(text, *at)].strip_suffix('!').is_some_and(|before| !before.ends_with(char::is_alphanumeric));
    let calls = text.match_indices(CALL).map(|(at, _)| at).filter(denied);
    calls.filter_map(|at| literal(text, at + CALL.len(), '"')).collect()
}

/// The same for a browser test.
fn denied_in_js(text: &str) -> Vec<std::ops::Range<usize>> {
    let mut all = Vec::new();
    let mut begins = 0;
    for line in text.split_inclusive('\n') {
        let absent = ["toHaveCount(0)", "toBeHidden()"].iter().any(|end| line.contains(end));
        let marks = if absent { &["getByText('", "getByLabel('", "name: '"][..] } else { &[".not.toContainText('", ".not.toContain('"] };
        for mark in marks {
            let found = line.match_indices(mark).filter_map(|(at, _)| literal(text, begins + at + mark.len(), '\''));
            all.extend(found);
        }
        begins += line.len();
    }
    all
}

/// The texts of `denied` that occur nowhere else.
fn nowhere(program: &str, text: &str, denied: &[std::ops::Range<usize>]) -> Vec<String> {
    let mut others = text.to_owned();
    for range in denied.iter().rev() {
        others.replace_range(range.clone(), "");
    }
    let others = plain(&others);
    let gone = |words: &&str| {
        let words = plain(words);
        !program.contains(&words) && !others.contains(&words)
    };
    denied.iter().map(|range| &text[range.clone()]).filter(gone).map(ToOwned::to_owned).collect()
}

#[test]
fn what_must_be_absent_could_be_there() {
    let (program, root) = (program(), Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    let (mut seen, mut wrong) = (0, Vec::new());
    for dir in ["server/tests/it", "service/tests/it", "end2end/tests"] {
        for entry in fs::read_dir(root.join(dir)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            // This file's examples are made up.
            let denied = match path.extension().and_then(|e| e.to_str()) {
                _ if name == "negatives.rs" => continue,
                Some("rs") => denied_in_rust(&text),
                Some("js") => denied_in_js(&text),
                _ => continue,
            };
            seen += denied.len();
            wrong.extend(nowhere(&program, &text, &denied).into_iter().map(|words| format!("{dir}/{name}: {words}")));
        }
    }
    assert!(seen > 120, "{seen}");
    assert!(wrong.is_empty(), "neither the program nor the test has these words, so they are always absent:\n{}", wrong.join("\n"));
}

#[test]
fn reworded_pages_are_noticed() {
    let program = plain("view! { <p>\"Nothing found\"</p> }");
    let rust = r#"assert!(!page.body.contains("Nothing fits") && !owner.get("/p/(a)").await.body.contains("Nothing found"));
        assert!(page.contains("As \"said\"")); assert!(!page.contains("as \"said\"")); assert!(format!("{page}").contains("Not denied"));"#;
    let denied = denied_in_rust(rust);
    assert_eq!(denied.len(), 3);
    assert_eq!(nowhere(&program, rust, &denied), ["Nothing fits"]);
    let js = "await expect(page.getByText('Old')).toHaveCount(0);\nawait expect(page).not.toContainText('nothing found');\n\
              await expect(page.getByText('Shown')).toBeVisible();\n";
    let denied = denied_in_js(js);
    assert_eq!(denied.len(), 2);
    assert_eq!(nowhere(&program, js, &denied), ["Old"]);
}
