//! Signatures of our own texts: HMAC-SHA256 under a key derived for each purpose (HKDF-SHA256, RFC 5869) from one generation's secret.
//!
//! Used for links to tickets, tokens that continue a response, the times at which forms were rendered, messages shown once (flashes),
//! cookies of browsers that signed in before, and offers to undo the removal of a member. Sessions, API keys, invitations and password
//! reset links are random and stored as hashes instead.

use std::sync::{Arc, PoisonError, RwLock};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{Secret, Timestamp};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use store::installation::SigningSecret;
use subtle::ConstantTimeEq;

use crate::error::{Error, Result};

/// Purposes signed directly with the first secret, before keys were derived. Links in e-mails live for years.
const BEFORE_DERIVATION: [&str; 5] = ["ticket", "response", "started", "ticket-started", "restore-member"];

/// The secret of one generation.
#[derive(Debug, Clone)]
struct SecretGeneration {
    number: i64,
    active_from: Timestamp,
    secret: Secret<Vec<u8>>,
}

/// The secrets of all accepted generations.
#[derive(Debug, Default)]
pub struct Keyring(RwLock<Arc<Vec<SecretGeneration>>>);

fn derive(secret: &[u8], salt: &[u8], info: &str) -> Result<[u8; 32]> {
    let mut key = [0_u8; 32];
    Hkdf::<Sha256>::new(Some(salt), secret).expand(info.as_bytes(), &mut key).map_err(|e| Error::internal("hkdf", e))?;
    Ok(key)
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Result<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|e| Error::internal("hmac", e))?;
    for part in parts {
        mac.update(part);
    }
    Ok(URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

impl SecretGeneration {
    fn sign(&self, purpose: &str, text: &str) -> Result<String> {
        let key = derive(&self.secret.0, b"earshot", &format!("sign {} {purpose}", self.number))?;
        mac(&key, &[text.as_bytes()])
    }

    fn sign_as_before(&self, purpose: &str, text: &str) -> Result<String> {
        mac(&self.secret.0, &[purpose.as_bytes(), b"\0", text.as_bytes()])
    }
}

/// Returns the fingerprint stored beside a secret to verify later that the same file is in use.
///
/// # Errors
/// Never in practice.
pub fn secret_fingerprint(file: &Secret<Vec<u8>>, generation: i64) -> Result<String> {
    mac(&derive(&file.0, b"earshot", &format!("seal {generation}"))?, &[b"sealed"])
}

impl Keyring {
    /// Replaces the secrets with the stored ones. `file`: the secret kept outside the database.
    ///
    /// # Errors
    /// Returns an error if a secret needs a file that is missing, or a different one.
    pub fn load(&self, stored: Vec<SigningSecret>, file: Option<&Secret<Vec<u8>>>) -> Result<()> {
        let mut all = Vec::with_capacity(stored.len());
        for row in stored {
            let own = URL_SAFE_NO_PAD.decode(&row.secret).map_err(|e| Error::internal("signing secret", e))?;
            let secret = match (&row.sealed, file) {
                (None, _) => own,
                (Some(sealed), Some(file)) if secret_fingerprint(file, row.generation)? == *sealed => {
                    derive(&file.0, &own, "generation")?.to_vec()
                }
                (Some(_), Some(_)) => {
                    return Err(Error::Internal(
                        "the secret file (--secret-file, EARSHOT_SECRET_FILE) does not match the one that this installation signs with"
                            .into(),
                    ));
                }
                (Some(_), None) => {
                    return Err(Error::Internal(
                        "this installation signs with a secret file: set --secret-file or EARSHOT_SECRET_FILE".into(),
                    ));
                }
            };
            all.push(SecretGeneration { number: row.generation, active_from: Timestamp(row.active_from), secret: Secret(secret) });
        }
        all.sort_by_key(|generation| generation.number);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(all);
        Ok(())
    }

    fn all(&self) -> Arc<Vec<SecretGeneration>> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Signs a text, URL-safe; `purpose` keeps uses separate.
    ///
    /// # Errors
    /// Returns an error if there is no secret: never once the program has started.
    pub fn sign(&self, purpose: &str, text: &str, now: Timestamp) -> Result<String> {
        let all = self.all();
        // A new generation is not used until every process has loaded it.
        let newest = all.iter().rev().find(|generation| generation.active_from <= now).or_else(|| all.first());
        newest.ok_or_else(|| Error::internal("signing", "there is no secret"))?.sign(purpose, text)
    }

    /// Whether any accepted secret signed this text.
    ///
    /// # Errors
    /// Never in practice.
    pub fn verify(&self, purpose: &str, text: &str, proof: &str) -> Result<bool> {
        for generation in self.all().iter() {
            if bool::from(generation.sign(purpose, text)?.as_bytes().ct_eq(proof.as_bytes())) {
                return Ok(true);
            }
            if generation.number == 1
                && BEFORE_DERIVATION.contains(&purpose)
                && bool::from(generation.sign_as_before(purpose, text)?.as_bytes().ct_eq(proof.as_bytes()))
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(generation: i64, byte: u8, active_from: i64) -> SigningSecret {
        SigningSecret { generation, secret: URL_SAFE_NO_PAD.encode([byte; 32]), sealed: None, active_from }
    }

    fn ring(rows: Vec<SigningSecret>) -> Keyring {
        let ring = Keyring::default();
        ring.load(rows, None).unwrap();
        ring
    }

    #[test]
    fn purposes_and_generations_are_kept_apart() {
        let (one, two) = (ring(vec![row(1, 7, 0)]), ring(vec![row(2, 7, 0)]));
        let proof = one.sign("ticket", "a", Timestamp(0)).unwrap();
        assert!(one.verify("ticket", "a", &proof).unwrap());
        assert!(!one.verify("flash", "a", &proof).unwrap());
        assert!(!one.verify("ticket", "b", &proof).unwrap());
        assert!(!two.verify("ticket", "a", &proof).unwrap(), "another generation of the same bytes");
    }

    #[test]
    fn a_new_generation_signs_when_it_is_active_and_the_old_one_verifies_until_it_is_gone() {
        let ring = ring(vec![row(1, 1, 0), row(2, 2, 100)]);
        let (before, after) = (ring.sign("ticket", "a", Timestamp(99)).unwrap(), ring.sign("ticket", "a", Timestamp(100)).unwrap());
        assert_ne!(before, after);
        assert!(ring.verify("ticket", "a", &before).unwrap() && ring.verify("ticket", "a", &after).unwrap());
        ring.load(vec![row(2, 2, 100)], None).unwrap();
        assert!(!ring.verify("ticket", "a", &before).unwrap());
        assert!(ring.verify("ticket", "a", &after).unwrap());
        assert_eq!(ring.sign("ticket", "a", Timestamp(0)).unwrap(), after, "the only one signs at once");
    }

    #[test]
    fn what_older_programs_signed_is_accepted_of_the_first_secret_alone() {
        // Signed by the earlier program: HMAC-SHA256 under 32 bytes of 7 over "ticket", NUL and "a".
        let old = mac(&[7; 32], &[b"ticket\0a"]).unwrap();
        assert!(ring(vec![row(1, 7, 0)]).verify("ticket", "a", &old).unwrap());
        assert!(!ring(vec![row(2, 7, 0)]).verify("ticket", "a", &old).unwrap());
        let flash = mac(&[7; 32], &[b"flash\0a"]).unwrap();
        assert!(!ring(vec![row(1, 7, 0)]).verify("flash", "a", &flash).unwrap());
    }

    #[test]
    fn a_sealed_secret_needs_its_file() {
        let (file, other) = (Secret(vec![1; 40]), Secret(vec![2; 40]));
        let sealed = || vec![SigningSecret { sealed: Some(secret_fingerprint(&file, 1).unwrap()), ..row(1, 7, 0) }];
        let ring = Keyring::default();
        assert!(ring.load(sealed(), None).unwrap_err().to_string().contains("--secret-file"));
        assert!(ring.load(sealed(), Some(&other)).unwrap_err().to_string().contains("does not match"));
        ring.load(sealed(), Some(&file)).unwrap();
        let proof = ring.sign("ticket", "a", Timestamp(0)).unwrap();
        ring.load(vec![row(1, 7, 0)], None).unwrap();
        assert!(!ring.verify("ticket", "a", &proof).unwrap(), "the database alone is not enough");
    }
}
