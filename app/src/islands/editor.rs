//! Autosave, reordering and preview in the survey editor.
