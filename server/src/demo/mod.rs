//! The demonstration.

pub mod host;
