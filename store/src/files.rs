//! Files and directories that other users of the machine cannot read.

use std::{
    fs::{self, DirBuilder, File},
    io,
    path::Path,
};

/// Creates a directory that other users of this machine cannot access; leaves an existing one as it is.
///
/// # Errors
/// When it cannot be created.
pub fn private_directory(directory: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(directory)
}

/// Creates an empty file that other users of this machine cannot read, replacing an existing one.
///
/// # Errors
/// When it cannot be created.
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

/// Creates a file that other users of this machine cannot read; leaves an existing one as it is.
///
/// # Errors
/// When it cannot be created or opened.
pub fn private_file_unless_there(file: &Path) -> io::Result<()> {
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.append(true).create(true).open(file).map(drop)
}
