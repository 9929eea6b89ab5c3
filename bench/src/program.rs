//! The release program as users run it: used over HTTP and the command line, measured from outside.

use std::{
    fs,
    io::Write,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Result,
    load::{Connection, get},
};

/// The program and its data.
#[derive(Debug, Clone)]
pub struct Installation {
    pub program: PathBuf,
    pub data: PathBuf,
    /// The URL of a PostgreSQL database, used instead of SQLite.
    pub database: Option<String>,
}

const EMAIL: &str = "bench@example.com";
const PASSWORD: &str = "seven wooden horses";

impl Installation {
    /// The program without our own environment variables.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env_clear().env("EARSHOT_LOG", "warn").arg("--data").arg(&self.data);
        if let Some(url) = &self.database {
            command.arg("--database-url").arg(url);
        }
        command
    }

    /// Runs a subcommand to completion and returns its output.
    pub fn run(&self, args: &[&str], input: &str) -> Result<String> {
        let mut child = self.command().args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes())?;
        }
        let output = child.wait_with_output()?;
        if !output.status.success() {
            return Err(format!("earshot {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr)).into());
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Starts a subcommand without waiting for it.
    pub fn spawn(&self, args: &[&str]) -> Result<Child> {
        Ok(self.command().args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit()).spawn()?)
    }

    /// Creates the owner and a project; returns the project's key and slug.
    pub fn set_up(&self) -> Result<Project> {
        self.run(&["admin", "create-owner", "--email", EMAIL, "--name", "Bench", "--password-stdin"], PASSWORD)?;
        let line: Value = serde_json::from_str(&self.run(&["admin", "create-project", "--name", "Bench"], "")?)?;
        let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        Ok(Project { key: text("key"), slug: text("slug") })
    }

    /// Starts serving, without waiting for readiness.
    pub fn serve(&self) -> Result<RunningServer> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let listen = address.to_string();
        // No limits: all the load comes from one address.
        let rates = ["--rate-per-address", "4000000000", "--rate-per-key", "4000000000", "--connections-per-address", "4000000000"];
        let args = [&["serve", "--listen", &listen], &rates[..]].concat();
        let started = Instant::now();
        Ok(RunningServer { child: self.spawn(&args)?, address, started })
    }

    /// Starts serving and waits for the first 200 of `/readyz`; also returns the time that took.
    pub async fn serve_ready(&self) -> Result<(RunningServer, Duration)> {
        let mut served = self.serve()?;
        let took = served.ready().await?;
        Ok((served, took))
    }
}

/// A project.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Project {
    pub key: String,
    pub slug: String,
}

/// The program while it serves; stopped when this value is dropped.
pub struct RunningServer {
    child: Child,
    pub address: SocketAddr,
    started: Instant,
}

impl RunningServer {
    /// Waits for the first 200 of `/readyz`; returns the time since the start.
    pub async fn ready(&mut self) -> Result<Duration> {
        let request = get("/readyz", "");
        while self.started.elapsed() < Duration::from_secs(60) {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("the program ended: {status}").into());
            }
            if let Ok(answer) = Connection::new(self.address).send(&request).await
                && answer.status == 200
            {
                return Ok(self.started.elapsed());
            }
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        Err("the program was not ready within a minute".into())
    }

    /// Returns whether the search index is ready.
    pub async fn has_index(&self) -> Result<bool> {
        let mut connection = Connection::new(self.address);
        connection.send(&get("/readyz", "")).await?;
        Ok(connection.body().contains(r#""search":"ready""#))
    }

    /// Waits until the search index is ready.
    pub async fn wait_for_index(&self) -> Result<()> {
        while !self.has_index().await? {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Signs in; returns the cookie.
    pub async fn sign_in(&self) -> Result<String> {
        let mut connection = Connection::new(self.address);
        let fields = [("email", EMAIL), ("password", PASSWORD), ("next", "/")];
        let answer = connection.send(&form("/sign-in", "", &fields, "sign-in")).await?;
        let cookies = connection.headers("set-cookie");
        let cookie = cookies.iter().find(|c| c.starts_with("earshot=")).and_then(|c| c.split(';').next());
        cookie.map(ToOwned::to_owned).ok_or_else(|| format!("sign-in returned {} without a cookie", answer.status).into())
    }

    /// Creates and publishes a survey (a score from 0 to 10 and a text); returns its id.
    pub async fn survey(&self, project: &Project, cookie: &str) -> Result<String> {
        let mut connection = Connection::new(self.address);
        let new = format!("/p/{}/surveys/new", project.slug);
        connection.send(&form(&new, cookie, &[("template", "nps"), ("name", "Bench")], "survey")).await?;
        let editor = connection.headers("location").pop().ok_or_else(|| format!("no survey was created: {}", connection.body()))?;
        let publish = [("action", "publish"), ("revision", "1")];
        let answer = connection.send(&form(&editor, cookie, &publish, "publish")).await?;
        if answer.status != 303 {
            return Err(format!("publishing the survey returned {}: {}", answer.status, connection.body()).into());
        }
        Ok(editor.split('/').nth_back(1).unwrap_or_default().to_owned())
    }

    /// Stops the program as a supervisor does.
    pub fn stop(mut self) -> Result<()> {
        let ended = Command::new("kill").arg(self.child.id().to_string()).status()?;
        if !ended.success() {
            return Err("the program could not be signaled to stop".into());
        }
        let end = Instant::now() + Duration::from_secs(60);
        while self.child.try_wait()?.is_none() {
            if Instant::now() > end {
                return Err("the program did not stop within a minute".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A form `POST` request.
pub fn form(path: &str, cookie: &str, fields: &[(&str, &str)], key: &str) -> Vec<u8> {
    let now = crate::load::since_epoch().as_nanos();
    let mut body = format!("idempotency_key=bench-{key}-{now}");
    for (name, value) in fields {
        body.push_str(&format!("&{name}={}", escaped(value)));
    }
    let cookie = if cookie.is_empty() { String::new() } else { format!("Cookie: {cookie}\r\n") };
    format!(
        "POST {path} HTTP/1.1\r\nHost: bench.example\r\n{cookie}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Escapes a value for a URL.
pub fn escaped(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

/// Memory of a process, in megabytes (1,000,000 bytes).
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Memory {
    /// All resident memory, including pages of mapped files, which the system can reclaim.
    pub resident: f64,
    /// Memory that the program allocated itself and the system cannot reclaim.
    pub anonymous: f64,
}

/// Memory of a running process.
pub fn memory(id: u32) -> Result<Memory> {
    let text = fs::read_to_string(format!("/proc/{id}/smaps_rollup"))?;
    let kilobytes = |name: &str| {
        let line = text.lines().find_map(|l| l.strip_prefix(name));
        line.and_then(|l| l.split_whitespace().next()).and_then(|n| n.parse::<f64>().ok()).unwrap_or(f64::NAN)
    };
    Ok(Memory { resident: kilobytes("Rss:") * 1024.0 / 1e6, anonymous: kilobytes("Anonymous:") * 1024.0 / 1e6 })
}

/// Processor time of a process so far: user and system time, in seconds.
pub fn processor(id: u32) -> Result<(f64, f64)> {
    let text = fs::read_to_string(format!("/proc/{id}/stat"))?;
    let after = text.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let fields: Vec<f64> = after.split(' ').map(|n| n.parse().unwrap_or_default()).collect();
    let at = |n: usize| fields.get(n).copied().unwrap_or_default() / 100.0;
    Ok((at(11), at(12)))
}

/// Size of a directory's files, in megabytes.
pub fn megabytes(dir: &Path) -> f64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => megabytes(&entry.path()),
            Ok(meta) => meta.len() as f64 / 1e6,
            Err(_) => 0.0,
        })
        .sum()
}
