//! Tools from PyPI: a virtual environment for each list of pinned packages, under the target directory.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Result,
    paths::Paths,
    process::{apt_install, capture, step, which},
};

/// Makes sure that the packages pinned in `requirements` are installed, and returns the directory of their programs.
pub fn ensure(paths: &Paths, name: &str, requirements: &Path) -> Result<PathBuf> {
    let environment = paths.target.join("tools").join(name);
    let programs = environment.join(if cfg!(windows) { "Scripts" } else { "bin" });
    let wanted = fs::read(requirements)?;
    let stamp = environment.join(".earshot-requirements");
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(programs);
    }
    let python = python()?;
    step(&format!("installing {name} (pip)"), || {
        fs::remove_dir_all(&environment).or_else(|e| if e.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(e) })?;
        if let Err(error) = make(&python, &environment) {
            // Debian has this part of Python in a separate package.
            if !apt_install(&["python3-venv"])? {
                return Err(error);
            }
            make(&python, &environment)?;
        }
        let mut pip = Command::new(programs.join(format!("python{}", std::env::consts::EXE_SUFFIX)));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "--requirement"]);
        capture(pip.arg(requirements))?;
        fs::write(&stamp, &wanted)?;
        Ok(programs)
    })
}

fn make(python: &Path, environment: &Path) -> Result<()> {
    capture(Command::new(python).args(["-m", "venv", "--clear"]).arg(environment)).map(drop)
}

fn python() -> Result<PathBuf> {
    let find = || which("python3").or_else(|| which(&format!("python{}", std::env::consts::EXE_SUFFIX)));
    if let Some(python) = find() {
        return Ok(python);
    }
    apt_install(&["python3", "python3-venv"])?;
    find().ok_or_else(|| "Python 3.10 or newer is missing".into())
}
