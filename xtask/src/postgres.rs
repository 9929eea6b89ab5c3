//! A PostgreSQL server for the tests: in a temporary directory, on a free port, removed afterwards.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::{
    Result,
    http::free_port,
    process::{apt_install, capture, is_root, step, which},
    run::wait_for,
};

/// The variable that the Rust tests read.
pub const VARIABLE: &str = "EARSHOT_TEST_POSTGRES";

/// Settings that make a test server fast, but not durable.
const FORGETFUL: [&str; 3] = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"];

/// A running server, our own or an existing one.
pub struct Postgres {
    /// URL with administrator rights: tests create databases there.
    pub url: String,
    own: Option<Own>,
}

struct Own {
    server: Child,
    dir: PathBuf,
}

impl Postgres {
    /// Uses the server named by `EARSHOT_TEST_POSTGRES`, else starts one, installing PostgreSQL if necessary.
    pub fn start() -> Result<Self> {
        if let Ok(url) = env::var(VARIABLE)
            && !url.is_empty()
        {
            return Ok(Self { url, own: None });
        }
        step("starting PostgreSQL", || Self::launch(installed()?, &FORGETFUL))
    }

    /// Starts our own server, installing PostgreSQL if necessary, with its default durability: acknowledged writes survive a power failure.
    pub fn durable() -> Result<Self> {
        step("starting PostgreSQL", || Self::launch(installed()?, &["shared_buffers=1GB"]))
    }

    fn launch(bin: PathBuf, settings: &[&str]) -> Result<Self> {
        let dir = env::temp_dir().join(format!("earshot-postgres-{}", std::process::id()));
        fs::create_dir_all(&dir)?;
        give_away(&dir)?;
        let data = dir.join("data");
        let mut initdb = Command::new(bin.join("initdb"));
        initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync", "-D"]).arg(&data);
        capture(as_server_user(&mut initdb, &dir))?;
        let port = free_port()?;
        // Runs under a shell that waits for the end of its input: however this process ends, even if killed, the server ends with it.
        let mut postgres = Command::new("sh");
        postgres.args(["-c", r#""$@" < /dev/null & pid=$!; cat > /dev/null; kill -INT $pid; wait $pid"#, "sh"]).arg(bin.join("postgres"));
        postgres.arg("-D").arg(&data).args(["-h", "127.0.0.1", "-p", &port.to_string()]);
        for setting in ["unix_socket_directories=", "max_connections=300"].iter().chain(settings) {
            postgres.args(["-c", setting]);
        }
        let log = fs::File::create(dir.join("log"))?;
        let mut server = as_server_user(&mut postgres, &dir).stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log).spawn()?;
        let ready = wait_for(&mut server, ([127, 0, 0, 1], port).into())?;
        let own = Own { server, dir };
        if !ready {
            return Err(format!("PostgreSQL did not start:\n{}", fs::read_to_string(own.dir.join("log")).unwrap_or_default()).into());
        }
        Ok(Self { url: format!("postgres://postgres@127.0.0.1:{port}/postgres"), own: Some(own) })
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        drop(self.server.stdin.take());
        self.server.wait().ok();
        fs::remove_dir_all(&self.dir).ok();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.own.take().is_some() {
            eprintln!("› PostgreSQL stopped");
        }
    }
}

/// The directory with `initdb` and `postgres`; installs them if possible.
fn installed() -> Result<PathBuf> {
    if let Some(bin) = find() {
        return Ok(bin);
    }
    apt_install(&["postgresql"])?;
    find().ok_or_else(|| format!("PostgreSQL is missing: install it, or set {VARIABLE} to the URL of a test server").into())
}

/// The directory with `initdb` and `postgres`.
fn find() -> Option<PathBuf> {
    let mut places: Vec<PathBuf> = which("initdb").and_then(|p| p.parent().map(Path::to_owned)).into_iter().collect();
    for (base, inside) in [("/usr/lib/postgresql", "bin"), ("/opt/homebrew/opt", "bin"), ("/usr/local/opt", "bin"), ("/usr", "bin")] {
        let mut versions: Vec<_> = fs::read_dir(base)
            .into_iter()
            .flatten()
            .flatten()
            .filter(|e| base == "/usr/lib/postgresql" || e.file_name().to_string_lossy().starts_with("p"))
            .map(|e| e.path().join(inside))
            .collect();
        versions.sort();
        places.extend(versions.into_iter().rev());
    }
    places.into_iter().find(|dir| dir.join("initdb").is_file() && dir.join("postgres").is_file())
}

/// PostgreSQL refuses to run as root: if we are root, it runs as `postgres` or `nobody`.
#[cfg(unix)]
fn server_user() -> Option<(u32, u32)> {
    if !is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    ["postgres", "nobody"].iter().find_map(|wanted| {
        let mut fields = users.lines().find(|l| l.split(':').next() == Some(wanted))?.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    })
}

#[cfg(unix)]
fn as_server_user<'a>(command: &'a mut Command, dir: &Path) -> &'a mut Command {
    use std::os::unix::process::CommandExt;
    if let Some((uid, gid)) = server_user() {
        command.uid(uid).gid(gid);
    }
    command.current_dir(dir)
}

#[cfg(unix)]
fn give_away(dir: &Path) -> Result<()> {
    if let Some((uid, gid)) = server_user() {
        std::os::unix::fs::chown(dir, Some(uid), Some(gid))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn as_server_user<'a>(command: &'a mut Command, dir: &Path) -> &'a mut Command {
    command.current_dir(dir)
}

#[cfg(not(unix))]
fn give_away(_: &Path) -> Result<()> {
    Ok(())
}
