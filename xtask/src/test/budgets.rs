//! Size limits for the files that the program serves, compressed as for a browser.

use super::{Args, TestCounts, server::Server};
use crate::{Result, paths::Paths};

/// Bytes, compressed with brotli.
const EMBED: usize = 3_000;
const RESPONDENT_PAGE: usize = 12_000;
const CONSOLE: usize = 120_000;
/// The ticket portal of the demonstration's project.
const PORTAL: &str = "/p/gantry";

/// Starts the program with the demonstration and measures the sizes.
pub fn check(paths: &Paths, _: &Args) -> Result<TestCounts> {
    let server = Server::start(paths, "budgets", &[])?;
    let mut over: Vec<String> = Vec::new();

    weigh(&mut over, "embed.js", server.get("/embed.js")?.body.len(), EMBED);

    let sign_in = server.get("/sign-in")?;
    let console = sign_in.text()?;
    let scripts: Vec<String> = assets(&console).into_iter().filter(|a| a.ends_with(".js") || a.ends_with(".wasm")).collect();
    if !scripts.iter().any(|a| a.ends_with(".wasm")) {
        over.push("the console has no wasm: it was built without the client part".to_owned());
    }
    let mut sum = 0;
    for script in &scripts {
        sum += server.get(script)?.body.len();
    }
    weigh(&mut over, "console: wasm and JavaScript", sum, CONSOLE);

    let pages = surveys(&server)?.into_iter().map(|survey| format!("/s/{survey}")).chain([PORTAL.to_owned()]);
    for path in pages {
        let page = server.get(&path)?;
        let html = page.text()?;
        if html.contains(".wasm") {
            over.push(format!("{path} names a wasm file"));
        }
        let mut sum = page.body.len();
        for asset in assets(&html) {
            sum += server.get(&asset)?.body.len();
        }
        weigh(&mut over, &format!("{path} with everything it loads"), sum, RESPONDENT_PAGE);
    }
    if over.is_empty() { Ok(TestCounts::GOOD) } else { Err(over.join("\n").into()) }
}

fn weigh(over: &mut Vec<String>, what: &str, bytes: usize, limit: usize) {
    println!("   {what:<44} {bytes:>7} of {limit:>7} bytes");
    if bytes > limit {
        over.push(format!("{what}: {bytes} bytes, {limit} allowed"));
    }
}

/// The `/assets/…` URLs in a page, without duplicates and images.
fn assets(html: &str) -> Vec<String> {
    let mut found: Vec<String> =
        html.split(['"', '\'']).filter(|s| s.starts_with("/assets/") && !s.ends_with(".svg")).map(str::to_owned).collect();
    found.sort();
    found.dedup();
    found
}

/// The ids of the demonstration's live surveys: the program logs their links at start.
fn surveys(server: &Server) -> Result<Vec<String>> {
    let log = server.log();
    let id = |rest: &str| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect::<String>();
    let mut found: Vec<String> = log.split("/s/").skip(1).map(id).filter(|id| !id.is_empty()).collect();
    found.sort();
    found.dedup();
    if found.is_empty() { Err(format!("the program did not print a survey link when it started:\n{log}").into()) } else { Ok(found) }
}
