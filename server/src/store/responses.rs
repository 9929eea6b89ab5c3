//! Contacts, responses, answers.
