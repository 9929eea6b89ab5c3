//! Importing files of feedback: column mapping and reading of rows.
