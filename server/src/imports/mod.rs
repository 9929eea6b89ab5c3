//! Use cases of imports: reading files into feedback.
