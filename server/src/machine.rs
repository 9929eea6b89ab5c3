//! What the machine gives this process: files that may be open, room on a disk, and files that nobody else reads.

use std::{
    fs::{self, DirBuilder, File},
    io,
    path::Path,
};

/// Takes as many open files as this process may take without asking anybody, and says how many. Many systems give 1,024 at first, for the
/// sake of old programs, and allow far more: each connection is one. `None` where nothing limits them.
pub fn take_open_files() -> Option<u64> {
    #[cfg(unix)]
    {
        let taken = rlimit::increase_nofile_limit(u64::MAX);
        // As many as before, then.
        taken.or_else(|_| rlimit::getrlimit(rlimit::Resource::NOFILE).map(|(now, _)| now)).ok()
    }
    #[cfg(not(unix))]
    None
}

/// The bytes that may still be written to the disk of a directory; `None` where nothing says so.
#[must_use]
pub fn free_space(directory: &Path) -> Option<u64> {
    fs4::available_space(directory).ok()
}

/// Makes a directory that nobody else on this machine can look into; one that is there stays as it is.
///
/// # Errors
/// When it cannot be made.
pub fn private_directory(directory: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(directory)
}

/// Makes an empty file that nobody else on this machine can read, in the place of one that is there.
///
/// # Errors
/// When it cannot be made.
pub fn private_file(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.write(true).create_new(true).open(file).map(drop)
}

/// Makes a file that nobody else on this machine can read; one that is there stays as it is.
///
/// # Errors
/// When it cannot be made or opened.
pub fn private_file_unless_there(file: &Path) -> io::Result<()> {
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.append(true).create(true).open(file).map(drop)
}

/// Whether other accounts of this machine can look into a directory.
#[must_use]
pub fn is_open_to_others(directory: &Path) -> bool {
    #[cfg(unix)]
    return fs::metadata(directory).is_ok_and(|found| std::os::unix::fs::PermissionsExt::mode(&found.permissions()) & 0o007 != 0);
    #[cfg(not(unix))]
    {
        let _ = directory;
        false
    }
}
