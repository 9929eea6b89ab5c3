//! Checks that the API is compatible with earlier versions. `docs/openapi/` contains the document of each release.

mod compare;
mod events;
mod rules;

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::Value;

use self::compare::{Break, breaks, report};
use crate::{snapshots, support::TestApp};

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi")
}

/// The documents of the releases, by file name.
fn baselines() -> Vec<(String, Value)> {
    let files = fs::read_dir(home()).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<(String, Value)> = files
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), serde_json::from_slice(&fs::read(path).unwrap()).unwrap()))
        .collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

/// A deliberate break.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Allowed {
    /// Method and path; `None` means every operation.
    operation: Option<String>,
    /// The rest of the message, word for word.
    change: String,
    /// The reason, for people who have to change their programs.
    reason: String,
}

impl Allowed {
    fn covers(&self, one: &Break) -> bool {
        self.change == one.change && self.operation.as_ref().is_none_or(|operation| *operation == one.operation)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Decided {
    #[serde(default)]
    allowed: Vec<Allowed>,
}

/// Breaks that are not allowed, and entries that match no break.
fn undecided<'b>(found: &'b [Break], decided: &'b Decided) -> (Vec<&'b Break>, Vec<&'b Allowed>) {
    let open = found.iter().filter(|one| !decided.allowed.iter().any(|allowed| allowed.covers(one))).collect();
    let idle = decided.allowed.iter().filter(|allowed| allowed.reason.trim().is_empty() || !found.iter().any(|one| allowed.covers(one)));
    (open, idle.collect())
}

async fn current() -> Value {
    let t = TestApp::new(crate::support::Database::Sqlite).await.unwrap();
    snapshots::document(&t).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_written_for_a_release_still_work() {
    let now = current().await;
    // Another version of the API need not be compatible.
    let promised: Vec<_> = baselines().into_iter().filter(|(_, document)| document["info"]["version"] == now["info"]["version"]).collect();
    let release = format!("v{}", env!("CARGO_PKG_VERSION"));
    assert!(
        promised.iter().any(|(name, _)| *name == release),
        "docs/openapi/{release}.json is missing: whoever sets a new version copies docs/openapi.json there (see CONTRIBUTING.md)"
    );
    let decided: Decided = toml::from_str(&fs::read_to_string(home().join("breaks.toml")).unwrap()).unwrap();
    let mut all = Vec::new();
    let mut report_text = String::new();
    for (name, document) in &promised {
        let found = breaks(document, &now);
        let (open, _) = undecided(&found, &decided);
        if !open.is_empty() {
            report_text.push_str(&format!("\nThe API breaks programs written for {name}:\n{}", report(open)));
        }
        all.extend(found);
    }
    assert!(report_text.is_empty(), "{report_text}\nIf this is deliberate, see “The contract of the API” in CONTRIBUTING.md.");
    let (_, idle) = undecided(&all, &decided);
    assert!(idle.is_empty(), "docs/openapi/breaks.toml: no break needs these, or they give no reason: {idle:#?}");
}

/// The expected messages for a removed list of an operation.
type Sayings<'a> = &'a dyn Fn(&Value) -> Vec<String>;

/// Removes something at every place of the real document: the comparison has to detect each removal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_can_be_taken_from_the_document_unnoticed() {
    let whole = current().await;
    assert_eq!(breaks(&whole, &whole), [], "the document is compatible with itself");
    let mut taken = 0;
    // Removes something and checks that each of `wanted` is part of a message.
    let mut without = |take: &dyn Fn(&mut Value), wanted: Vec<String>| {
        let mut less = whole.clone();
        take(&mut less);
        let said: Vec<String> = breaks(&whole, &less).iter().map(ToString::to_string).collect();
        for wanted in wanted {
            // If an alternative lost all its fields, they are reported with the alternative.
            let field = wanted.strip_prefix('/').and_then(|rest| rest.split_once(": the field was removed")).map(|(field, _)| field);
            let with_alternative =
                |one: &str| field.is_some_and(|field| one.contains("an alternative is no longer") && one.contains(field));
            assert!(said.iter().any(|one| one.contains(&wanted) || with_alternative(one)), "nobody noticed: {wanted}\n{said:#?}");
            taken += 1;
        }
    };

    let operations = || {
        let paths = whole["paths"].as_object().unwrap().iter();
        paths.flat_map(|(path, item)| item.as_object().unwrap().iter().map(move |(method, operation)| (path, method, operation)))
    };
    let named = |path: &str, method: &str| format!("{} {path}: ", method.to_uppercase());
    let wanted = operations().map(|(path, method, _)| named(path, method) + "the operation was removed").collect();
    without(&|document| document["paths"] = serde_json::json!({}), wanted);

    let parameters = |operation: &Value| -> Vec<String> {
        let text = |parameter: &Value, key: &str| parameter[key].as_str().unwrap().to_owned();
        let of = operation["parameters"].as_array().into_iter().flatten();
        of.map(|one| format!("{} parameter `{}`: it was removed", text(one, "in"), text(one, "name"))).collect()
    };
    let successes = |operation: &Value| -> Vec<String> {
        let statuses = operation["responses"].as_object().unwrap().keys().filter(|status| status.starts_with('2'));
        statuses.map(|status| format!("response {status}: the status was removed")).collect()
    };
    let lists: [(&str, Sayings<'_>); 2] = [("parameters", &parameters), ("responses", &successes)];
    for (key, of) in lists {
        let wanted = operations().flat_map(|(path, method, one)| of(one).into_iter().map(move |what| named(path, method) + &what));
        let take = |document: &mut Value| {
            for (path, method, _) in operations() {
                document["paths"][path][method].as_object_mut().unwrap().remove(key);
            }
        };
        without(&take, wanted.collect());
    }

    for (name, schema) in whole["components"]["schemas"].as_object().unwrap() {
        let place = format!("/components/schemas/{name}");
        let fields: Vec<&String> = schema["properties"].as_object().into_iter().flatten().map(|(field, _)| field).collect();
        if !fields.is_empty() {
            let take = |document: &mut Value| document.pointer_mut(&place).unwrap()["properties"] = serde_json::json!({});
            without(&take, fields.iter().map(|field| format!("/{field}: the field was removed")).collect());
        }
        let values: Vec<&Value> = schema["enum"].as_array().into_iter().flatten().collect();
        if !values.is_empty() {
            let take = |document: &mut Value| document.pointer_mut(&place).unwrap()["enum"] = serde_json::json!([]);
            without(&take, values.iter().map(|value| format!("the value {value} is no longer")).collect());
        }
    }
    assert!(taken > 250, "{taken}");
}

#[test]
fn a_decision_covers_its_break_and_no_other() {
    let one = |operation: &str, change: &str| Break { operation: operation.into(), change: change.into() };
    let found = [one("GET /a", "gone"), one("GET /b", "gone"), one("GET /b", "other")];
    let decided = |text: &str| toml::from_str::<Decided>(text).unwrap();
    let nothing = Decided::default();
    let (open, idle) = undecided(&found, &nothing);
    assert_eq!((open.len(), idle.len()), (3, 0));
    let every = decided("[[allowed]]\nchange = \"gone\"\nreason = \"r\"\n");
    let (open, idle) = undecided(&found, &every);
    assert_eq!((open, idle.len()), (vec![&found[2]], 0));
    let single = decided("[[allowed]]\noperation = \"GET /a\"\nchange = \"gone\"\nreason = \"r\"\n");
    assert_eq!(undecided(&found, &single).0, [&found[1], &found[2]]);
    // An entry that matches no break, or has no reason, is reported.
    for text in ["[[allowed]]\nchange = \"never\"\nreason = \"r\"\n", "[[allowed]]\nchange = \"gone\"\nreason = \" \"\n"] {
        assert_eq!(undecided(&found, &decided(text)).1.len(), 1, "{text}");
    }
    assert!(toml::from_str::<Decided>("[[allowed]]\nchange = \"gone\"\n").is_err(), "a reason is required");
    assert_eq!(report(&found), "GET /a and 1 more: gone\nGET /b: other\n");
}
