//! Uploaded pictures: decoded and encoded again in a process of their own.

pub mod processing;
pub mod worker;
