//! Contact identity: the secrets that sites sign with, and verification of signed claims.

use domain::{
    DomainError as Refusal,
    accounts::{Role, Scope},
    identity::{Claim, SignedClaim, UnsignedClaimPolicy},
    ids::{IdentitySecretId, ProjectId},
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use store::{Fingerprint, FirstOutcome, IdempotencyScope, IdempotentWrite};

use crate::{
    error::{Error, Result},
    state::App,
};

/// Maximum valid secrets: the current one, and the next one during rotation.
pub const MAX_VALID: i64 = 2;
/// Prefix of a secret, so that scanners for leaked secrets recognize it.
pub const MARK: &str = "eis_";

/// Creates a secret and returns it with its id, once for each `key`; `None` on a retry: a secret is returned only once.
///
/// # Errors
/// [`Refusal::Forbidden`] below admin, [`Refusal::Conflict`] if two are already valid.
pub async fn create(app: &App, scope: &Scope, key: &str) -> Result<Option<(IdentitySecretId, String)>> {
    scope.require(Role::Admin)?;
    let secret = format!("{MARK}{}", app.token());
    let stored = secret.clone();
    // The form has no content besides its key.
    let once = IdempotentWrite::form(&IdempotencyScope::IdentitySecret(scope.project()), key, Fingerprint::of(["make"]));
    let made = app
        .store
        .act_once(app.context(scope), once, move |act| {
            Box::pin(async move {
                let scope = act.scope();
                if act.count_identity_secrets(&scope).await? >= MAX_VALID {
                    return Err(Refusal::Conflict("Two secrets are already valid. Retire one before you create another.".into()).into());
                }
                Ok(FirstOutcome::of(act.insert_identity_secret(&stored).await?))
            })
        })
        .await?;
    Ok(made.is_first.then_some((made.value, secret)))
}

/// Revokes a secret permanently. Claims signed with it count as unverified from then on.
///
/// # Errors
/// [`Refusal::Forbidden`] below admin, [`Refusal::NotFound`] if there is no such valid secret.
pub async fn retire(app: &App, scope: &Scope, own: IdentitySecretId) -> Result<()> {
    scope.require(Role::Admin)?;
    let retired = app.store.act(app.context(scope), move |act| {
        let (scope, now) = (act.scope(), act.now());
        Box::pin(async move { act.retire_identity_secret(&scope, own, now).await })
    });
    if retired.await? { Ok(()) } else { Err(Refusal::NotFound.into()) }
}

/// Sets the policy for claims without a valid signature.
///
/// # Errors
/// [`Refusal::Forbidden`] below admin.
pub async fn set_unsigned(app: &App, scope: &Scope, to: UnsignedClaimPolicy) -> Result<()> {
    scope.require(Role::Admin)?;
    let scope = *scope;
    app.store.write(move |tx| Box::pin(async move { tx.set_unsigned_identity(&scope, to).await })).await
}

/// Verifies a claim against the current secrets.
///
/// # Errors
/// When the database fails.
pub async fn judge(app: &App, project: ProjectId, signed: &SignedClaim) -> Result<Claim> {
    for secret in app.store.valid_identity_secrets(project).await? {
        if is_signed_with(&secret, signed)? {
            return Ok(signed.claim_at(app.now()));
        }
    }
    Ok(Claim::Wrong)
}

fn is_signed_with(secret: &str, signed: &SignedClaim) -> Result<bool> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(|e| Error::internal("hmac", e))?;
    mac.update(&signed.message);
    Ok(mac.verify_slice(&signed.signature).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Signed texts and their signatures; the examples in `docs/identity.md` are tested against the same file.
    const VECTORS: &str = include_str!("../../../docs/identity-vectors.json");

    #[test]
    fn the_documented_vectors_are_signed_as_documented() {
        let vectors: serde_json::Value = serde_json::from_str(VECTORS).unwrap();
        let secret = vectors["secret"].as_str().unwrap();
        let cases = vectors["cases"].as_array().unwrap();
        assert!(cases.len() >= 5);
        for case in cases {
            let mut claim = case["claim"].as_object().unwrap().clone();
            claim.insert("signature".into(), case["signature"].clone());
            let signed = SignedClaim::of(&claim).unwrap();
            assert_eq!(String::from_utf8_lossy(&signed.message), case["message"].as_str().unwrap());
            assert!(is_signed_with(secret, &signed).unwrap(), "{case}");
            assert!(!is_signed_with("eis_another", &signed).unwrap());
            claim.insert("id".into(), "somebody else".into());
            assert!(!is_signed_with(secret, &SignedClaim::of(&claim).unwrap()).unwrap());
        }
    }
}
