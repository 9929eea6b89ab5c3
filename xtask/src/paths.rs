//! Paths of the repository and the build.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use crate::Result;

/// The directories used by the commands.
pub struct Paths {
    /// The repository.
    pub root: PathBuf,
    /// Cargo's target directory, wherever it is configured.
    pub target: PathBuf,
}

impl Paths {
    /// Finds them from the location of this program.
    pub fn find() -> Result<Self> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest.parent().ok_or("xtask is outside the repository")?.to_owned();
        // target/debug/xtask
        let target = env::current_exe()?.ancestors().nth(2).ok_or("run this as `cargo xtask`")?.to_owned();
        Ok(Self { root, target })
    }

    /// The directory of files that the server embeds.
    pub fn site(&self, release: bool) -> PathBuf {
        self.target.join("site").join(profile(release))
    }

    /// The finished program.
    pub fn program(&self, release: bool) -> PathBuf {
        self.target.join(profile(release)).join(format!("earshot{}", env::consts::EXE_SUFFIX))
    }

    /// The program for tests.
    pub fn test_program(&self) -> PathBuf {
        self.target.join(TEST_PROFILE).join(format!("earshot{}", env::consts::EXE_SUFFIX))
    }

    /// The browser tests.
    pub fn end2end(&self) -> PathBuf {
        self.root.join("end2end")
    }
}

/// Cargo's profile of the tests and of the program that they use.
pub const TEST_PROFILE: &str = "tests";

/// Cargo's directory name for a profile.
pub fn profile(release: bool) -> &'static str {
    if release { "release" } else { "debug" }
}

/// All files below a directory with this extension, sorted.
pub fn files_below(dir: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files_below(&path, ending)?);
        } else if path.extension() == Some(OsStr::new(ending)) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
