//! Use cases of surveys: drafts, versions, results.
