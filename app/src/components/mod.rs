//! Components shared by pages. Class names are defined in `style/`.

pub mod badges;
pub mod charts;
pub mod feedback_text;
pub mod forms;
pub mod icons;
pub mod keys;
pub mod languages;
pub mod layout;
pub mod numbers;
