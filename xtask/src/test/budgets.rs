//! The sizes of what the release program really serves, compressed as a browser gets it.

use std::{
    env, fs,
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use super::{Args, Tally};
use crate::{
    Result,
    http::{Answer, free_port, get},
    paths::Paths,
    process::clean_env,
    run::wait_for,
};

/// Bytes, brotli.
const EMBED: usize = 3_000;
const RESPONDENT_PAGE: usize = 12_000;
const CONSOLE: usize = 120_000;
/// The ticket portal of the demonstration's project.
const PORTAL: &str = "/p/gantry";

/// Starts the program with the demonstration and weighs.
pub fn check(paths: &Paths, _: &Args) -> Result<Tally> {
    let server = Server::start(paths)?;
    let mut over: Vec<String> = Vec::new();

    weigh(&mut over, "embed.js", server.get("/embed.js")?.body.len(), EMBED);

    let sign_in = server.get("/sign-in")?;
    let console = sign_in.text()?;
    let scripts: Vec<String> = assets(&console).into_iter().filter(|a| a.ends_with(".js") || a.ends_with(".wasm")).collect();
    if !scripts.iter().any(|a| a.ends_with(".wasm")) {
        over.push("the console has no wasm: it was built without its browser half".to_owned());
    }
    let mut sum = 0;
    for script in &scripts {
        sum += server.get(script)?.body.len();
    }
    weigh(&mut over, "console: wasm and JavaScript", sum, CONSOLE);

    let pages = server.surveys()?.into_iter().map(|survey| format!("/s/{survey}")).chain([PORTAL.to_owned()]);
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
        weigh(&mut over, &format!("{path} with all it loads"), sum, RESPONDENT_PAGE);
    }
    if over.is_empty() { Ok(Tally::GOOD) } else { Err(over.join("\n").into()) }
}

fn weigh(over: &mut Vec<String>, what: &str, bytes: usize, limit: usize) {
    println!("   {what:<44} {bytes:>7} of {limit:>7} bytes");
    if bytes > limit {
        over.push(format!("{what}: {bytes} bytes, {limit} allowed"));
    }
}

/// The `/assets/…` URLs that a page names, once each, pictures left out.
fn assets(html: &str) -> Vec<String> {
    let mut found: Vec<String> =
        html.split(['"', '\'']).filter(|s| s.starts_with("/assets/") && !s.ends_with(".svg")).map(str::to_owned).collect();
    found.sort();
    found.dedup();
    found
}

/// The program with a demonstration project, on a free port and in a directory of its own.
struct Server {
    child: Child,
    address: SocketAddr,
    dir: PathBuf,
}

impl Server {
    fn start(paths: &Paths) -> Result<Self> {
        let dir = env::temp_dir().join(format!("earshot-budgets-{}", std::process::id()));
        fs::create_dir_all(&dir)?;
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let mut serve = Command::new(paths.program(true));
        clean_env(&mut serve).arg("serve").arg("--data").arg(&dir).args([
            "--listen",
            &address.to_string(),
            "--demo",
            "--demo-listen",
            "127.0.0.1:0",
        ]);
        let log = fs::File::create(dir.join("log"))?;
        let child = serve.current_dir(&dir).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        let mut server = Self { child, address, dir };
        // The port is open before the demonstration is in: the first answer says that all is ready.
        if wait_for(&mut server.child, address)? && get(address, "/healthz").is_ok() {
            return Ok(server);
        }
        Err(format!("the program did not start:\n{}", server.log()).into())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    fn get(&self, path: &str) -> Result<Answer> {
        let answer = get(self.address, path)?;
        if answer.status == 200 { Ok(answer) } else { Err(format!("{path} answered {}", answer.status).into()) }
    }

    /// The ids of the demonstration's live surveys: the program says their links when it starts.
    fn surveys(&self) -> Result<Vec<String>> {
        let log = self.log();
        let id = |rest: &str| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect::<String>();
        let mut found: Vec<String> = log.split("/s/").skip(1).map(id).filter(|id| !id.is_empty()).collect();
        found.sort();
        found.dedup();
        if found.is_empty() { Err(format!("the program named no survey when it started:\n{log}").into()) } else { Ok(found) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        fs::remove_dir_all(&self.dir).ok();
    }
}
