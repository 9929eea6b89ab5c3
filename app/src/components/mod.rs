//! Small pieces that pages are made of. Class names are those of `style/`.

pub mod badges;
pub mod charts;
pub mod forms;
pub mod icons;
pub mod keys;
pub mod layout;
