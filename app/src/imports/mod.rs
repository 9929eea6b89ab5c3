//! Importing a file: upload, mapping, preview, progress.
