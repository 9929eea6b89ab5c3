//! Secrets and signatures as specified by <https://www.standardwebhooks.com>.

use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{IdSource, Secret, Timestamp, ids::EventId};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use store::webhooks::Endpoint;

use crate::error::{Error, Result};

const PREFIX: &str = "whsec_";

/// Creates a secret of 256 bits.
#[must_use]
pub fn new_secret(ids: &dyn IdSource) -> Secret<String> {
    let mut bytes = [0_u8; 32];
    ids.random(&mut bytes);
    Secret(format!("{PREFIX}{}", STANDARD.encode(bytes)))
}

/// Returns one signature: `v1,` and the HMAC of id, time in seconds, and body, joined by dots.
///
/// # Errors
/// Returns an error if the secret is invalid.
pub fn sign(secret: &Secret<String>, id: &str, seconds: i64, body: &str) -> Result<String> {
    let key = secret.0.strip_prefix(PREFIX).and_then(|key| STANDARD.decode(key).ok());
    let key = key.ok_or_else(|| Error::Internal("a stored webhook secret is not valid base64".into()))?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|e| Error::internal("hmac", e))?;
    mac.update(format!("{id}.{seconds}.{body}").as_bytes());
    Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

/// Returns the header `webhook-signature`: one signature for each currently valid secret.
///
/// # Errors
/// As [`sign`].
pub fn header(endpoint: &Endpoint, event: EventId, body: &str, now: Timestamp) -> Result<String> {
    let (id, seconds) = (event.to_string(), now.0.div_euclid(1000));
    let mut header = sign(&endpoint.secret, &id, seconds, body)?;
    if let Some((old, _)) = endpoint.old_secret.as_ref().filter(|(_, until)| *until > now) {
        header.push(' ');
        header.push_str(&sign(old, &id, seconds, body)?);
    }
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_as_the_libraries_of_the_specification_do() {
        // The test vector of the reference libraries.
        let secret = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
        let signature = sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#).unwrap();
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn another_body_time_id_or_secret_signs_otherwise() {
        let sign =
            |secret: &str, id, seconds, body| sign(&Secret(format!("whsec_{}", STANDARD.encode(secret))), id, seconds, body).unwrap();
        let first = sign("a secret of 24 bytes ....", "id", 1, "{}");
        for other in [
            sign("a secret of 24 bytes ...!", "id", 1, "{}"),
            sign("a secret of 24 bytes ....", "ie", 1, "{}"),
            sign("a secret of 24 bytes ....", "id", 2, "{}"),
            sign("a secret of 24 bytes ....", "id", 1, "{} "),
        ] {
            assert_ne!(first, other);
        }
        assert!(super::sign(&Secret("whsec_***".into()), "id", 1, "").is_err());
        assert!(super::sign(&Secret("bare".into()), "id", 1, "").is_err());
    }
}
