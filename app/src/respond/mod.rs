//! The respondent's pages: a survey as a plain form. No wasm.
