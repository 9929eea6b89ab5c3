//! Keys, bulk selection and live arrival in the inbox.
