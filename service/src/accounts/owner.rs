//! Operators of the installation, created from the command line.

use domain::{DomainError as Refusal, accounts::Role, email::lower_case, ids::StaffId};

use super::{NewStaff, password};
use crate::{error::Result, state::App};

/// Result of [`create`].
#[derive(Debug, Clone)]
pub struct CreatedOwner {
    /// Their id.
    pub staff: StaffId,
    /// Their address in lower case.
    pub email: String,
    /// Whether the account is new.
    pub created: bool,
    /// Number of projects they now own.
    pub projects: usize,
}

/// Makes a person an owner of every project, including projects created on the command line later. If the account already has that
/// status, it gets the password and its sessions end; with `promote`, so does any other account.
///
/// # Errors
/// Returns an error if the address or password is not acceptable, or the address has an ordinary account and `promote` is not set.
pub async fn create(app: &App, email: &str, name: &str, password: &str, promote: bool) -> Result<CreatedOwner> {
    let new = NewStaff::check(app, email, name, password, None).await?;
    app.store
        .write(move |tx| {
            Box::pin(async move {
                let existing = tx.staff_id_by_email(&new.email).await?;
                let staff = match existing {
                    // A person who merely forgot a password must not gain every project this way.
                    Some(staff) if !promote && !tx.operators().await?.contains(&staff) => {
                        let message = "This e-mail address already has an account. Use `earshot admin set-password` to set a new password; \
                                       add --promote to make it an owner of every project.";
                        return Err(Refusal::field("email", "taken", message).into());
                    }
                    Some(staff) => {
                        tx.set_password(staff, &new.hash).await?;
                        tx.delete_sessions(staff, None).await?;
                        staff
                    }
                    None => new.insert(tx).await?,
                };
                tx.set_operator(staff).await?;
                tx.set_setup_token(None).await?;
                let projects = tx.project_ids().await?;
                for project in &projects {
                    tx.set_role(*project, staff, Role::Owner, new.at).await?;
                }
                Ok(CreatedOwner { staff, email: new.email, created: existing.is_none(), projects: projects.len() })
            })
        })
        .await
}

/// Sets an account's password and ends its sessions; its roles stay.
///
/// # Errors
/// Returns an error if there is no such account or the password is not acceptable.
pub async fn set_password(app: &App, email: &str, password: &str) -> Result<StaffId> {
    let email = lower_case(email);
    let known = match app.store.staff_by_email(&email).await? {
        Some(row) => password::password_context(app, &row).await?,
        None => password::PasswordContext::default(),
    };
    password::check(password, &known)?;
    let hash = password::hash(app, password.to_owned()).await?;
    app.store
        .write(move |tx| {
            Box::pin(async move {
                let staff = tx.staff_id_by_email(&email).await?;
                let staff = staff
                    .ok_or_else(|| Refusal::field("email", "unknown", format!("There is no account with the e-mail address {email}.")))?;
                tx.set_password(staff, &hash).await?;
                tx.delete_sessions(staff, None).await?;
                Ok(staff)
            })
        })
        .await
}
