//! Files and directories that nobody else on the machine reads.

use std::{
    fs::{self, DirBuilder, File},
    io,
    path::Path,
};

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
