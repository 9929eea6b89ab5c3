//! `cargo xtask dev`: build and restart whenever a source file changes; open pages reload.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Child, ExitCode},
    thread,
    time::{Duration, SystemTime},
};

use crate::{
    Result, build,
    paths::Paths,
    run::{Args, announce, check_free},
};

/// The watched files and directories.
const SOURCES: &[&str] = &[
    "Cargo.toml",
    "app",
    "app-wasm",
    "domain",
    "schemas",
    "store",
    "search",
    "service",
    "server/src",
    "server/build.rs",
    "server/Cargo.toml",
    "style",
    "public",
    "migrations",
];

type Stamps = BTreeMap<PathBuf, SystemTime>;

/// Runs until Ctrl-C.
pub fn dev(paths: &Paths, args: &Args) -> Result<ExitCode> {
    check_free(&args.listen())?;
    let mut server: Option<Child> = None;
    loop {
        let seen = stamps(paths);
        match build::reloading(paths, args.release, true) {
            Err(error) => eprintln!("{error}\n  waiting for a change"),
            Ok(program) => {
                if let Some(mut old) = server.take() {
                    old.kill().ok();
                    old.wait()?;
                }
                let mut new = args.start(paths, &program)?;
                announce(&mut new, &args.listen())?;
                server = Some(new);
            }
        }
        while stamps(paths) == seen {
            thread::sleep(Duration::from_millis(400));
        }
        eprintln!("› a file changed");
    }
}

fn stamps(paths: &Paths) -> Stamps {
    let mut all = Stamps::new();
    for source in SOURCES {
        collect(&paths.root.join(source), &mut all);
    }
    all
}

fn collect(path: &Path, all: &mut Stamps) {
    let Ok(meta) = fs::metadata(path) else { return };
    if meta.is_dir() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            collect(&entry.path(), all);
        }
    } else if let Ok(changed) = meta.modified() {
        all.insert(path.to_owned(), changed);
    }
}
