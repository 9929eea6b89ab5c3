//! The triage inbox: list, detail, bulk actions.
