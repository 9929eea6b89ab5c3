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

use domain::{DomainError as Refusal, FieldErrors, Timestamp, ids::StaffId, surveys::answer::is_email};
use store::Tx;

use crate::{error::Result, state::App};

/// A new member's validated record, with the password already hashed (off the async threads); not stored yet.
#[derive(Debug, Clone)]
pub struct NewStaff {
    /// Their new id.
    pub id: StaffId,
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
        let email = email.trim().to_lowercase();
        let mut errors = FieldErrors::default();
        if !is_email(&email) {
            errors.add("email", "email", "Enter an e-mail address like name@example.com.");
        }
        let name = match name.trim() {
            "" => email.split('@').next().unwrap_or_default().to_owned(),
            name => name.to_owned(),
        };
        if let Err(message) = check_name(&name) {
            errors.add("name", "length", message);
        }
        let known = password::PasswordContext::new([email.as_str(), &name].into_iter().chain(project));
        if let Err(Refusal::Invalid(found)) = password::check(password, &known) {
            errors.0.extend(found.0);
        }
        errors.into_result(())?;
        let hash = password::hash(app, password.to_owned()).await?;
        Ok(Self { id: app.id(), email, name, hash, at: app.now() })
    }

    /// Stores the record.
    ///
    /// # Errors
    /// Returns an error if the address already has an account.
    pub async fn insert(&self, tx: &mut Tx<'_>) -> Result<StaffId> {
        if tx.insert_staff(self.id, &self.email, &self.name, &self.hash, self.at).await? {
            Ok(self.id)
        } else {
            Err(Refusal::field("email", "taken", "An account with this e-mail address already exists.").into())
        }
    }
}

/// Checks whether a person's name is acceptable.
///
/// # Errors
/// A message that says how to correct it.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    if (1..=80).contains(&name.trim().chars().count()) { Ok(()) } else { Err("Enter a name of 1 to 80 characters.") }
}

/// Creates a staff account without any membership.
///
/// # Errors
/// When the address or password is not acceptable, or the address is taken.
pub async fn create_staff(app: &App, email: &str, name: &str, password: &str) -> Result<StaffId> {
    let staff = NewStaff::check(app, email, name, password, None).await?;
    app.store.write(move |tx| Box::pin(async move { staff.insert(tx).await })).await
}
