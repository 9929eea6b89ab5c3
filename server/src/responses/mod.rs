//! Use cases of respondents: a response is begun, added to, finished.
