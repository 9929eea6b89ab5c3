//! Surveys, drafts, versions.
