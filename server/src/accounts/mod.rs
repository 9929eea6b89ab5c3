//! Use cases of people: set-up, signing in and out, passwords, sessions, invitations, roles.

pub mod password;
pub mod setup;
pub mod sign_in;
pub mod throttle;

use domain::{Error as Refusal, ids::StaffId, surveys::answer::is_email};

use crate::{error::Result, state::App};

/// Makes a member of the team without any membership; the password is hashed off the async threads.
///
/// # Errors
/// When the address or password is not acceptable, or the address is taken.
pub async fn create_staff(app: &App, email: &str, name: &str, password: &str) -> Result<StaffId> {
    let email = email.trim().to_lowercase();
    if !is_email(&email) {
        return Err(Refusal::field("email", "email", "Write an e-mail address like name@example.com.").into());
    }
    password::check(password)?;
    let hash = password::hash(app, password.to_owned()).await?;
    let (id, now) = (app.id::<StaffId>(), app.now());
    let name = if name.trim().is_empty() { email.split('@').next().unwrap_or_default().to_owned() } else { name.trim().to_owned() };
    app.store
        .write(move |tx| {
            Box::pin(async move {
                if !tx.insert_staff(id, &email, &name, &hash, now).await? {
                    return Err(Refusal::field("email", "taken", "Somebody with this e-mail address exists already.").into());
                }
                Ok(id)
            })
        })
        .await
}
