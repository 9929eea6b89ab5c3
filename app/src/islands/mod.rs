//! The only code shipped as wasm. Islands add speed and shortcuts to pages that already work; they never own data.

pub mod copy;
#[cfg(feature = "hydrate")]
pub mod dom;
#[cfg(feature = "hydrate")]
mod drafts;
pub mod editor;
pub mod enhance;
#[cfg(feature = "hydrate")]
mod guard;
pub mod inbox;
#[cfg(feature = "hydrate")]
mod menus;
pub mod poll;
#[cfg(feature = "hydrate")]
mod press;
pub mod quote;
#[cfg(feature = "hydrate")]
pub mod toasts;
