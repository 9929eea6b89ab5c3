//! The program with the demonstration, on a free port and in its own directory.

use std::{
    env, fs,
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::{
    Result,
    http::{HttpResponse, free_port, get},
    paths::Paths,
    process::{capture, clean_env},
    run::wait_for,
};

/// Settings without rate limits, for clients that send requests faster than any real client.
pub const UNLIMITED: [&str; 6] = ["--rate-per-api-key", "100000000", "--rate-per-key", "100000000", "--rate-per-address", "100000000"];

/// A running program; it is stopped and its data deleted when this value is dropped.
pub struct Server {
    child: Child,
    program: PathBuf,
    /// The address that it listens on.
    pub address: SocketAddr,
    /// Its data directory, with room for files of its clients.
    pub dir: PathBuf,
}

impl Server {
    /// Starts it and waits until the demonstration is complete.
    pub fn start(paths: &Paths, name: &str, settings: &[&str]) -> Result<Self> {
        let program = paths.test_program();
        let dir = env::temp_dir().join(format!("earshot-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir)?;
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let mut serve = Command::new(&program);
        clean_env(&mut serve).arg("serve").arg("--data").arg(&dir).args(["--listen", &address.to_string()]);
        serve.args(["--demo", "--demo-listen", "127.0.0.1:0"]).args(settings);
        let log = fs::File::create(dir.join("log"))?;
        let child = serve.current_dir(&dir).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        let mut server = Self { child, program, address, dir };
        // The port is open before the demonstration is loaded: the first response means that all is ready.
        if wait_for(&mut server.child, address)? && get(address, "/healthz").is_ok() {
            return Ok(server);
        }
        Err(format!("the program did not start:\n{}", server.log()).into())
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// Fetches a page that must exist.
    pub fn get(&self, path: &str) -> Result<HttpResponse> {
        let answer = get(self.address, path)?;
        if answer.status == 200 { Ok(answer) } else { Err(format!("{path} responded with {}", answer.status).into()) }
    }

    /// The output of a subcommand, run beside the server.
    pub fn admin(&self, args: &[&str]) -> Result<String> {
        let mut admin = Command::new(&self.program);
        capture(clean_env(&mut admin).arg("admin").args(args).arg("--data").arg(&self.dir))
    }

    /// A new API key of the demonstration's project.
    pub fn key(&self, scope: &str) -> Result<String> {
        let made: Value = serde_json::from_str(&self.admin(&["create-api-key", "--project", "gantry", "--scope", scope])?)?;
        Ok(made["key"].as_str().ok_or("no key was created")?.to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        fs::remove_dir_all(&self.dir).ok();
    }
}
