//! The surveys of a project: list, editor, results.
