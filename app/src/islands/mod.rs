//! The only code that is shipped as wasm. Islands add speed and keys to pages that already work: they never own data.

pub mod copy;
#[cfg(feature = "hydrate")]
pub mod dom;
pub mod editor;
pub mod enhance;
pub mod inbox;
pub mod poll;
pub mod quote;
