//! Hashes of secret tokens.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

/// What is kept of a secret token: its SHA-256, URL-safe. Enough for tokens of 256 random bits.
#[must_use]
pub fn hash_token(token: &str) -> String {
    encode_hash(&Sha256::digest(token.as_bytes()))
}

/// A hash as text, URL-safe.
#[must_use]
pub fn encode_hash(hash: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(hash)
}
