//! The log records events and their requests, but neither submitted text nor secrets.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::harness::{OWNER, PASSWORD, Place, Server, alone, request, run};

#[test]
fn the_log_holds_no_secrets_and_names_requests() {
    let _alone = alone();
    let place = Place::sqlite();
    let server = Server::start(|serve| {
        serve.args(place.args()).env("EARSHOT_LOG", "debug").env("EARSHOT_LOG_FORMAT", "json");
    });
    let json = [("Content-Type", "application/json")];
    let form = [("Content-Type", "application/x-www-form-urlencoded"), ("Sec-Fetch-Site", "same-origin")];
    let mut answers = Vec::new();
    let browser = server.browser();
    let cookie = browser.cookie.split_once('=').unwrap().1.to_owned();
    answers.push(request(
        server.address,
        "POST",
        "/sign-in",
        &form,
        "email=canary-a%40example.com&password=canary-b&idempotency_key=key-00001",
    ));
    answers.push(server.submit(&place, "key-canary-1", "canary-c was said"));
    // With a contact; with an invalid answer; not JSON at all; to an unknown path; with a secret in the wrong place.
    let with_contact = place.submission("key-canary-2", "canary-d").replacen(
        '{',
        r#"{"context":{"contact":{"email":"canary-e@example.com","name":"Canary-f"}},"#,
        1,
    );
    answers.push(request(server.address, "POST", &place.submit_path(), &json, &with_contact));
    let wrong = place.submission("key-canary-3", "canary-g").replace("\"q1\",\"9\"", "\"q1\",\"canary-h\"");
    answers.push(request(server.address, "POST", &place.submit_path(), &json, &wrong));
    answers.push(request(server.address, "POST", &place.submit_path(), &json, "{\"canary-i\": canary-j"));
    answers.push(server.get("/canary-k?canary-l=1"));
    answers.push(request(server.address, "GET", "/api/v1/projects", &[("Authorization", "Bearer canary-m")], ""));
    answers.push(browser.get(&format!("/p/{}/inbox?q=canary-n", place.project.slug)));
    answers.push(browser.post("/account", "idempotency_key=key-00002&name=canary-o"));
    answers.push(server.get(&format!("/s/{}?email=canary-p%40example.com", place.survey)));
    let answers: Vec<_> = answers.into_iter().map(Option::unwrap).collect();
    assert!(answers.iter().any(|a| a.status == 201) && answers.iter().any(|a| a.status == 422) && answers.iter().any(|a| a.status == 400));
    let ids: BTreeSet<String> = answers.iter().map(|a| a.header("x-request-id").unwrap().to_owned()).collect();
    assert_eq!(ids.len(), answers.len());
    server.signal("TERM");
    crate::harness::pause(500);

    let log = server.log();
    let lower = log.to_lowercase();
    for secret in ["canary", OWNER, PASSWORD, "correct+horse", cookie.as_str(), "said in"] {
        let line = lower.lines().find(|line| line.contains(&secret.to_lowercase()));
        assert!(line.is_none(), "the log holds {secret:?}: {line:?}");
    }
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"))).collect();
    let id = |line: &Value| line["span"]["request.id"].as_str().unwrap_or_default().to_owned();
    let mut answered = BTreeSet::new();
    for line in lines.iter().filter(|line| line["target"].as_str().is_some_and(|t| t.starts_with("server::http"))) {
        // The program's own start and end, and single connections, do not belong to a request.
        if line["target"] != "server::http::serve" {
            assert!(!id(line).is_empty(), "no request id: {line}");
        }
        if line["fields"]["http.route"].is_string() {
            answered.insert(id(line));
        }
    }
    assert!(ids.is_subset(&answered), "a request without a line of its own");
    // Control: permitted data is found in the log in the same way, at debug level too.
    assert!(lower.contains("/embed/v1/{key}/responses") && lower.contains("\"level\":\"debug\""));
    // And the one secret that is meant for the log: it proves that its reader is the operator.
    let empty = tempfile::tempdir().unwrap();
    let fresh = ["--data".to_owned(), empty.path().display().to_string()];
    assert!(run(&fresh, &["admin", "create-project", "--name", "P"]).0);
    let server = Server::start(|serve| {
        serve.args(&fresh).env("EARSHOT_LOG", "info");
    });
    assert!(server.log().contains("/setup?token="));
}
