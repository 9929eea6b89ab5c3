//! Account use cases: set-up, signing in and out, passwords, sessions, invitations, roles.

pub mod authority;
pub mod invitations;
pub mod members;
pub mod offboarding;
pub mod own_account;
pub mod owner;
pub mod password;
pub mod reset;
pub mod setup;
pub mod sign_in;

use domain::{
    DomainError as Refusal, FieldErrors, Timestamp,
    accounts::MAX_NAME,
    email::{NO_EMAIL, is_email, local_part, lower_case},
    ids::StaffId,
    text::{self, is_blank},
};
use store::Tx;

use crate::{error::Result, state::App};

/// A new member's validated record, with the password already hashed (off the async threads); not stored yet.
#[derive(Debug, Clone)]
pub struct NewStaff {
    /// The e-mail address, in lower case.
    pub email: String,
    /// Display name.
    pub name: String,
    hash: String,
    at: Timestamp,
}

impl NewStaff {
    /// Validates everything and hashes the password; `project` is the name of the first project they join.
    ///
    /// # Errors
    /// Returns an error if the address, name or password is not acceptable.
    pub async fn check(app: &App, email: &str, name: &str, password: &str, project: Option<&str>) -> Result<Self> {
        let email = lower_case(email);
        let mut errors = FieldErrors::default();
        if !is_email(&email) {
            errors.add("email", "email", NO_EMAIL);
        }
        let name = checked_name(if is_blank(name) { local_part(&email) } else { name }).unwrap_or_else(|found| {
            errors.0.extend(found.0);
            String::new()
        });
        let known = password::PasswordContext::new([email.as_str(), &name].into_iter().chain(project));
        if let Err(Refusal::Invalid(found)) = password::check(password, &known) {
            errors.0.extend(found.0);
        }
        errors.into_result(())?;
        let hash = password::hash(app, password.to_owned()).await?;
        Ok(Self { email, name, hash, at: app.now() })
    }

    /// Stores the record.
    ///
    /// # Errors
    /// Returns an error if the address already has an account.
    pub async fn insert(&self, tx: &mut Tx<'_>) -> Result<StaffId> {
        let staff = tx.insert_staff(&self.email, &self.name, &self.hash, self.at).await?;
        staff.ok_or_else(|| Refusal::field("email", "taken", "An account with this e-mail address already exists.").into())
    }
}

/// Normalizes and checks a person's name.
fn checked_name(name: &str) -> Result<String, FieldErrors> {
    text::name("name", name, MAX_NAME, "name")
}

/// Requires a name in a form; only the command line derives it from the address.
fn require_name(name: &str) -> Result<(), FieldErrors> {
    if is_blank(name) { Err(FieldErrors::one("name", "required", "Enter your name.")) } else { Ok(()) }
}

/// Creates a staff account without any membership.
///
/// # Errors
/// When the address or password is not acceptable, or the address is taken.
pub async fn create_staff(app: &App, email: &str, name: &str, password: &str) -> Result<StaffId> {
    let staff = NewStaff::check(app, email, name, password, None).await?;
    app.store.write(move |tx| Box::pin(async move { staff.insert(tx).await })).await
}
