//! Imports, their files and bad rows.
