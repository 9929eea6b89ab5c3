//! schemathesis: does the API match its OpenAPI document? And does schemathesis detect a false document?

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use super::{
    Args, TestCounts,
    server::{Server, UNLIMITED},
};
use crate::{
    Result,
    paths::Paths,
    process::{clean_env, tee},
    python,
};

/// Random requests per operation. Limited by count, not time: the findings must not depend on the machine.
const EXAMPLES: &str = "60";
/// Seconds of the long run. Random requests continue until the time is over.
const LONG_SECONDS: &str = "900";
/// Fewest requests for a valid run; an idle machine makes several thousand.
const FEWEST: u64 = 400;

/// Runs with an admin key, a read-only key and no key; and with a false document.
pub fn check(paths: &Paths, args: &Args) -> Result<TestCounts> {
    let home = paths.root.join("contract");
    let programs = python::ensure(paths, "schemathesis", &home.join("requirements.txt"))?;
    let server = Server::start(paths, "contract", &UNLIMITED)?;
    let admin = server.key("admin")?;
    let asking =
        SchemathesisRun { home, schemathesis: programs.join(format!("schemathesis{}", std::env::consts::EXE_SUFFIX)), server: &server };
    let served = format!("http://{}/api/v1/openapi.json", server.address);

    let mut faults = Vec::new();
    let much = if args.long { ["--max-time", LONG_SECONDS] } else { ["--max-examples", EXAMPLES] };
    let whole = asking.ask("admin", &served, Some(&admin), &much)?;
    faults.extend(whole.faults());
    let generated = whole.0["test_cases"]["generated"].as_u64().unwrap_or_default();
    if generated < FEWEST {
        faults.push(format!("only {generated} requests were sent; at least {FEWEST} are required"));
    }
    // An operation that rejects every request is not tested beyond its validation.
    faults.extend(whole.unreached().into_iter().map(|operation| format!("{operation} accepted no valid request")));

    let once = ["--phases", "examples,coverage"];
    faults.extend(asking.ask("read", &served, Some(&server.key("read")?), &once)?.faults());
    faults.extend(asking.ask("nobody", &served, None, &once)?.faults());

    let lies = server.dir.join("false-document.json");
    fs::write(&lies, falsified(&server)?.to_string())?;
    let mut more = vec!["--url".to_owned(), format!("http://{}", server.address), "--max-examples".to_owned(), "20".to_owned()];
    more.push("--continue-on-failure".to_owned());
    more.extend(LIES.iter().flat_map(|lie| ["--include-operation-id".to_owned(), lie.operation.to_owned()]));
    more.extend(["--phases".to_owned(), "coverage,fuzzing".to_owned()]);
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    println!("   Next, a document with {} deliberate errors; schemathesis must find each.", LIES.len());
    let found = asking.ask("lies", &lies.display().to_string(), Some(&admin), &more)?;
    let unseen = LIES.iter().filter(|lie| !found.sees(lie));
    faults.extend(unseen.map(|lie| format!("schemathesis did not notice {} in {}", lie.what, lie.operation)));

    if faults.is_empty() {
        Ok(TestCounts { passed: 3 + u32::try_from(LIES.len())?, ..TestCounts::default() })
    } else {
        Err(faults.join("\n").into())
    }
}

/// A deliberate error in the document.
struct PlantedDefect {
    operation: &'static str,
    label: &'static str,
    what: &'static str,
    /// The kind of failure that it must cause.
    failure: &'static str,
    tell: fn(&mut Value) -> Option<()>,
}

/// One for each check that the exceptions in `contract/` come close to disabling, and for the most important ones.
const LIES: [PlantedDefect; 5] = [
    PlantedDefect {
        operation: "read_current_key",
        label: "GET /api/v1/me",
        what: "a changed type in a response",
        failure: "JsonSchemaError",
        tell: |document| set(document, "/components/schemas/Key/properties/name/type", "integer"),
    },
    PlantedDefect {
        operation: "list_feedback",
        label: "GET /api/v1/feedback",
        what: "a page size that is refused",
        failure: "RejectedPositiveData",
        tell: |document| set(parameter(document, "/api/v1/feedback", "limit")?, "/maximum", 5000),
    },
    PlantedDefect {
        operation: "list_tickets",
        label: "GET /api/v1/tickets",
        what: "a page size that is accepted although it is forbidden",
        failure: "AcceptedNegativeData",
        tell: |document| set(parameter(document, "/api/v1/tickets", "limit")?, "/maximum", 10),
    },
    PlantedDefect {
        operation: "create_backlog_item",
        label: "POST /api/v1/backlog",
        what: "a title that is refused",
        failure: "RejectedPositiveData",
        tell: |document| set(document, "/components/schemas/NewBacklogItem/properties/title/maxLength", 2000),
    },
    PlantedDefect {
        operation: "read_backlog_item",
        label: "GET /api/v1/backlog/{item_id}",
        what: "a status that is not mentioned",
        failure: "UndefinedStatusCode",
        tell: |document| {
            let answers = document.pointer_mut("/paths/~1api~1v1~1backlog~1{item_id}/get/responses")?;
            answers.as_object_mut()?.remove("404").map(drop)
        },
    },
];

fn set(document: &mut Value, place: &str, value: impl Into<Value>) -> Option<()> {
    *document.pointer_mut(place)? = value.into();
    Some(())
}

/// The schema of a parameter of a path's GET.
fn parameter<'a>(document: &'a mut Value, path: &str, name: &str) -> Option<&'a mut Value> {
    let parameters = document["paths"][path]["get"]["parameters"].as_array_mut()?;
    parameters.iter_mut().find(|p| p["name"] == name)?.get_mut("schema")
}

/// The document with all deliberate errors.
fn falsified(server: &Server) -> Result<Value> {
    let mut document: Value = serde_json::from_str(&server.get("/api/v1/openapi.json")?.text()?)?;
    for lie in &LIES {
        (lie.tell)(&mut document).ok_or_else(|| format!("the document no longer contains what the test falsifies: {}", lie.what))?;
    }
    Ok(document)
}

struct SchemathesisRun<'a> {
    home: PathBuf,
    schemathesis: PathBuf,
    server: &'a Server,
}

impl SchemathesisRun<'_> {
    /// Runs schemathesis and returns its report, whatever it found.
    fn ask(&self, name: &str, document: &str, key: Option<&str>, more: &[&str]) -> Result<Report> {
        let file = self.server.dir.join(format!("{name}.json"));
        let mut command = Command::new(&self.schemathesis);
        // Files that it writes besides its report go to the server's data directory.
        clean_env(&mut command).current_dir(&self.server.dir);
        command.envs([("SCHEMATHESIS_HOOKS", "hooks"), ("PYTHONDONTWRITEBYTECODE", "1")]).env("PYTHONPATH", &self.home);
        command.arg("--config-file").arg(self.home.join("schemathesis.toml"));
        command.args(["run", document, "--no-color", "--checks", "all"]);
        command.args(["--report", "json", "--report-json-path"]).arg(&file).args(more);
        if let Some(key) = key {
            command.args(["--header", &format!("Authorization: Bearer {key}")]);
        }
        let (_, text) = tee(&mut command)?;
        Report::read(&file).map_err(|error| format!("schemathesis did not finish: {error}\n{text}").into())
    }
}

/// The report of schemathesis.
struct Report(Value);

impl Report {
    fn read(file: &Path) -> Result<Self> {
        let report: Value = serde_json::from_slice(&fs::read(file)?)?;
        if report["complete"] == true { Ok(Self(report)) } else { Err("the run is incomplete".into()) }
    }

    fn failures(&self) -> impl Iterator<Item = &Value> {
        self.0["failures"].as_array().into_iter().flatten()
    }

    /// All problems: failures, and operations that were not tested.
    fn faults(&self) -> Vec<String> {
        let mut faults: Vec<String> = self
            .failures()
            .map(|failure| format!("{} {}: {}", failure["code"], failure["title"], failure["operations"]))
            .chain(self.0["errors"].as_array().into_iter().flatten().map(|error| format!("error: {error}")))
            .collect();
        let (tested, total) = (&self.0["operations"]["tested"], &self.0["operations"]["total"]);
        if tested != total || total.as_u64().is_none_or(|n| n == 0) {
            faults.push(format!("{tested} of {total} operations were tested"));
        }
        faults
    }

    fn sees(&self, lie: &PlantedDefect) -> bool {
        self.failures().any(|failure| failure["type"] == lie.failure && failure["operations"].to_string().contains(lie.label))
    }

    /// The operations that never accepted a valid request.
    fn unreached(&self) -> Vec<String> {
        let accepted = |phases: &Value| phases.as_object().into_iter().flatten().any(|(_, n)| n["accepted"].as_u64() > Some(0));
        let rates = self.0["valid_rates"].as_object().into_iter().flatten();
        rates.filter(|(_, phases)| !accepted(phases)).map(|(operation, _)| operation.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_report_is_read_for_what_is_wrong() {
        let good = json!({
            "failures": [], "errors": [], "operations": { "tested": 2, "total": 2 },
            "valid_rates": { "GET /a": { "coverage": { "accepted": 0 }, "fuzzing": { "accepted": 1 } } },
        });
        let good = Report(good);
        assert!(good.faults().is_empty() && good.unreached().is_empty());
        assert!(LIES.iter().all(|lie| !good.sees(lie)));
        let bad = json!({
            "failures": [{ "type": LIES[0].failure, "code": "ST108", "title": "Wrong", "operations": [LIES[0].label] }],
            "errors": ["lost"], "operations": { "tested": 1, "total": 2 },
            "valid_rates": { "GET /a": { "coverage": { "accepted": 0 } } },
        });
        let bad = Report(bad);
        assert_eq!((bad.faults().len(), bad.unreached()), (3, vec!["GET /a".to_owned()]));
        assert_eq!(LIES.iter().filter(|lie| bad.sees(lie)).count(), 1);
        assert_eq!(Report(json!({})).faults().len(), 1, "an empty report is no good news");
    }
}
