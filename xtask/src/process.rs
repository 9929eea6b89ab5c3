//! Running other programs, with progress output.

use std::{
    env,
    io::{BufRead, BufReader, Read, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Instant,
};

use crate::{Result, paths::Paths};

/// The cargo that started this program.
pub fn cargo(paths: &Paths) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(&paths.root);
    // What cargo tells this program about its own package. The build script of ring depends on it: with it, everything above ring would be
    // compiled again whenever a person and this program call cargo in turns.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// Runs a command to completion with inherited output; a failure exit status is an error.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().map_err(|e| format!("{}: {e}", command_line(command)))?;
    if status.success() { Ok(()) } else { Err(format!("`{}` failed ({status})", command_line(command)).into()) }
}

/// Runs a command to completion, showing nothing unless it fails, and returns its output.
pub fn capture(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().map_err(|e| format!("{}: {e}", command_line(command)))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    Err(format!("`{}` failed ({})\n{text}{}", command_line(command), output.status, String::from_utf8_lossy(&output.stderr)).into())
}

/// Runs a command to completion, shows and collects every line, and returns whether it succeeded.
pub fn tee(command: &mut Command) -> Result<(bool, String)> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("{}: {e}", command_line(command)))?;
    let follow = |pipe: Option<Box<dyn Read + Send>>| {
        thread::spawn(move || {
            let mut output = String::new();
            let Some(pipe) = pipe else { return output };
            let mut reader = BufReader::new(pipe);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                let mut out = std::io::stdout().lock();
                drop(out.write_all(&line).and_then(|()| out.flush()));
                output.push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
            output
        })
    };
    let out = follow(child.stdout.take().map(|p| Box::new(p) as _));
    let err = follow(child.stderr.take().map(|p| Box::new(p) as _));
    let status = child.wait()?;
    let text = out.join().unwrap_or_default() + &err.join().unwrap_or_default();
    Ok((status.success(), text))
}

/// Finds a program by name on the PATH.
pub fn which(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|dir| dir.join(name)).find(|file| is_program(file))
}

#[cfg(unix)]
fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(file: &Path) -> bool {
    file.is_file()
}

/// Returns whether this process is root and may install system packages.
#[cfg(unix)]
pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    Path::new("/proc/self").metadata().is_ok_and(|m| m.uid() == 0)
}

#[cfg(not(unix))]
pub fn is_root() -> bool {
    false
}

/// Installs Debian packages, if this process is root and apt exists. `false`: not possible here.
pub fn apt_install(packages: &[&str]) -> Result<bool> {
    if !is_root() || which("apt-get").is_none() {
        return Ok(false);
    }
    step(&format!("installing {} (apt)", packages.join(", ")), || {
        // Another installation may be running, for example after boot, and a download may fail once.
        let patient = ["-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"];
        capture(Command::new("apt-get").args(patient).args(["update", "-q"]))?;
        let mut install = Command::new("apt-get");
        install.args(patient);
        install.env("DEBIAN_FRONTEND", "noninteractive").args(["install", "-y", "-q", "--no-install-recommends"]).args(packages);
        capture(&mut install)?;
        Ok(true)
    })
}

/// Announces a step, executes it, and prints its duration.
pub fn step<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("› {what}");
    let start = Instant::now();
    let done = work()?;
    eprintln!("  done in {:.1} s", start.elapsed().as_secs_f64());
    Ok(done)
}

/// Removes settings that the person's shell may contain, so that tests start from a clean environment.
pub fn clean_env(command: &mut Command) -> &mut Command {
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if name == "DATABASE_URL" || name.starts_with("EARSHOT_") || name.starts_with("PG") {
            command.env_remove(&*name);
        }
    }
    command
}

fn command_line(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for arg in command.get_args() {
        text.push(' ');
        text.push_str(&arg.to_string_lossy());
    }
    text
}
