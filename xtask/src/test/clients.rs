//! Generated API clients: are they usable and correct? A Python and a TypeScript client are generated from the document of a running
//! server, and a program in each language uses the API through them. The types are checked too: they come from the document.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    Args, TestCounts,
    server::{Server, UNLIMITED},
};
use crate::{
    Result, npm,
    paths::Paths,
    process::{capture, clean_env, step, tee},
    python,
};

/// Checks both clients, one after the other against one server; the second even if the first one fails.
pub fn check(paths: &Paths, _: &Args) -> Result<TestCounts> {
    let dir = paths.target.join("clients");
    let python = Python::new(paths, &dir)?;
    let typescript = TypeScript::new(paths, &dir)?;
    let server = Server::start(paths, "clients", &UNLIMITED)?;
    let document = dir.join("openapi.json");
    fs::write(&document, server.get("/api/v1/openapi.json")?.text()?)?;
    let ends = [python.check(&document, &server), typescript.check(&document, &server)];

    let mut all = TestCounts::default();
    let mut faults = Vec::new();
    for end in ends {
        match end {
            Ok(tally) => all = all + tally,
            Err(error) => faults.push(error.to_string()),
        }
    }
    if faults.is_empty() { Ok(all) } else { Err(faults.join("\n").into()) }
}

/// openapi-python-client, mypy and pytest.
struct Python {
    /// The directory of the program that uses the client.
    home: PathBuf,
    /// The directory of the tools.
    programs: PathBuf,
    /// The directory of the generated client.
    generated: PathBuf,
}

impl Python {
    fn new(paths: &Paths, dir: &Path) -> Result<Self> {
        let home = paths.root.join("clients/python");
        let programs = python::ensure(paths, "clients", &home.join("requirements.txt"))?;
        fs::create_dir_all(dir)?;
        Ok(Self { home, programs, generated: dir.join("python") })
    }

    fn check(&self, document: &Path, server: &Server) -> Result<TestCounts> {
        step("generating the Python client (openapi-python-client)", || {
            empty(&self.generated)?;
            let mut generate = self.tool("openapi-python-client")?;
            // The generator skips constructs that it does not support and only warns: here that is an error.
            generate.args(["generate", "--fail-on-warning", "--overwrite", "--path"]).arg(document);
            capture(generate.arg("--output-path").arg(&self.generated)).map(drop)
        })?;
        let package = self.generated.join("earshot_api_client");
        let mut mypy = self.tool("mypy")?;
        mypy.args(["--strict", "--no-color-output", "--cache-dir"]).arg(self.generated.with_file_name("mypy")).arg(package).arg(&self.home);
        let types = passes(&mut mypy)?;
        let mut pytest = self.tool("pytest")?;
        pytest.args(["-q", "--color=no", "-p", "no:cacheprovider"]).arg(&self.home);
        let tests = works(server, &mut pytest, "pytest")?;
        let file = self.generated.join("example.py");
        fs::write(&file, example(&self.home, "python", server)?)?;
        Ok(types + tests + shows(server, self.tool("python")?.arg(&file))?)
    }

    /// A program of the environment, set up to find the generated client and the other programs.
    fn tool(&self, name: &str) -> Result<Command> {
        let mut command = Command::new(self.programs.join(format!("{name}{}", env::consts::EXE_SUFFIX)));
        let path = env::var_os("PATH").unwrap_or_default();
        clean_env(&mut command).current_dir(&self.home).env("PYTHONDONTWRITEBYTECODE", "1");
        command.env("PATH", env::join_paths([self.programs.clone()].into_iter().chain(env::split_paths(&path)))?);
        command.env("PYTHONPATH", &self.generated).env("MYPYPATH", &self.generated);
        Ok(command)
    }
}

/// openapi-typescript, openapi-fetch and tsc.
struct TypeScript {
    /// The directory of the program that uses the client.
    home: PathBuf,
    /// A copy of `clients/typescript/` for untracked files: packages, the generated types, the output of tsc.
    dir: PathBuf,
}

impl TypeScript {
    fn new(paths: &Paths, dir: &Path) -> Result<Self> {
        let (home, dir) = (paths.root.join("clients/typescript"), dir.join("typescript"));
        fs::create_dir_all(&dir)?;
        for name in ["package.json", "package-lock.json", "tsconfig.json", "client.test.ts"] {
            fs::copy(home.join(name), dir.join(name)).map_err(|e| format!("{name}: {e}"))?;
        }
        if npm::ensure_in(&dir)? { Ok(Self { home, dir }) } else { Err("the TypeScript client needs Node.js 20 or newer with npm".into()) }
    }

    fn check(&self, document: &Path, server: &Server) -> Result<TestCounts> {
        step("generating the TypeScript client (openapi-typescript)", || {
            let mut generate = npm::tool_in(&self.dir, "openapi-typescript")?;
            capture(generate.arg(document).args(["--output", "earshot.d.ts"])).map(drop)
        })?;
        fs::write(self.dir.join("example.ts"), example(&self.home, "ts", server)?)?;
        empty(&self.dir.join("built"))?;
        // Strict, as configured in tsconfig.json. It also strips the types, which Node.js can do itself only since version 22.
        let types = passes(npm::tool_in(&self.dir, "tsc")?.args(["--project", "."]))?;
        if types.failed > 0 {
            return Ok(types);
        }
        let node = |args: &[&str]| {
            let mut node = Command::new("node");
            clean_env(&mut node).current_dir(&self.dir).args(args);
            node
        };
        let tests = works(server, &mut node(&["--test", "--test-reporter=spec", "built/client.test.js"]), "node")?;
        Ok(types + tests + shows(server, &mut node(&["built/example.js"]))?)
    }
}

/// The example in `docs/clients.md` for a language, with the address of the server.
fn example(home: &Path, language: &str, server: &Server) -> Result<String> {
    let guide = fs::read_to_string(home.join("../../docs/clients.md"))?;
    let code = guide.split_once(&format!("```{language}\n")).and_then(|(_, rest)| rest.split_once("\n```"));
    let (code, _) = code.ok_or_else(|| format!("docs/clients.md contains no example in {language}"))?;
    Ok(code.replace("https://feedback.example.com", &format!("http://{}", server.address)))
}

/// Runs an example, which prints the number of results and their texts.
fn shows(server: &Server, command: &mut Command) -> Result<TestCounts> {
    let (success, text) = tee(command.env("EARSHOT_KEY", server.key("read")?))?;
    let found = text.split_whitespace().next().and_then(|word| word.parse::<u32>().ok());
    Ok(if success && found > Some(0) { TestCounts::GOOD } else { TestCounts::BAD })
}

/// Removes the output of an earlier run.
fn empty(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(format!("{}: {error}", dir.display()).into()),
        _ => Ok(()),
    }
}

/// A check that passes or fails as a whole.
fn passes(command: &mut Command) -> Result<TestCounts> {
    Ok(if tee(command)?.0 { TestCounts::GOOD } else { TestCounts::BAD })
}

/// Runs the tests of a program against the server.
fn works(server: &Server, command: &mut Command, name: &str) -> Result<TestCounts> {
    command.env("EARSHOT_URL", format!("http://{}", server.address)).env("EARSHOT_KEY", server.key("admin")?);
    let (success, text) = tee(command)?;
    let tally = count(&text);
    // A run that succeeds without executing any test proves nothing.
    if tally.failed > 0 || success && tally.passed > 0 { Ok(tally) } else { Err(format!("{name} did not finish").into()) }
}

/// Adds up the summary lines of pytest (`1 failed, 9 passed in 1.82s`) and of Node.js (`ℹ pass 9`, `ℹ fail 1`, `ℹ cancelled 1`).
fn count(text: &str) -> TestCounts {
    let mut tally = TestCounts::default();
    for line in text.lines() {
        if let Some((what, n)) = line.strip_prefix("ℹ ").and_then(|rest| rest.split_once(' ')) {
            match (what, n.parse::<u32>()) {
                ("pass", Ok(n)) => tally.passed += n,
                ("fail" | "cancelled", Ok(n)) => tally.failed += n,
                _ => {}
            }
        } else if let Some((counts, _)) = line.rsplit_once(" in ") {
            for (n, what) in counts.split(", ").filter_map(|part| part.split_once(' ')) {
                match (n.parse::<u32>(), what) {
                    (Ok(n), "passed") => tally.passed += n,
                    (Ok(n), "failed" | "error" | "errors") => tally.failed += n,
                    _ => {}
                }
            }
        }
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn closing_lines_are_added_up() {
        for (text, passed, failed) in [
            ("..F\n1 failed, 9 passed in 1.82s\n", 9, 1),
            ("FAILED a in b\n2 passed, 1 warning, 3 errors in 0.10s\n", 2, 3),
            ("no tests ran in 0.00s\n", 0, 0),
            ("✔ read in pages (5.1ms)\nℹ tests 12\nℹ pass 9\nℹ fail 2\nℹ cancelled 1\nℹ skipped 0\n", 9, 3),
        ] {
            let tally = count(text);
            assert_eq!((tally.passed, tally.failed), (passed, failed), "{text}");
        }
    }
}
