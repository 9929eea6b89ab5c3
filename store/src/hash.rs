//! Hashes of secret tokens.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

/// Returns the stored form of a secret token: its SHA-256, URL-safe. Sufficient for tokens of 256 random bits.
#[must_use]
pub fn hash_token(token: &str) -> String {
    encode_hash(&Sha256::digest(token.as_bytes()))
}

/// Encodes a hash as URL-safe text.
#[must_use]
pub fn encode_hash(hash: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(hash)
}
