//! Those who run the installation, made from the command line.

use domain::{DomainError as Refusal, accounts::Role, ids::StaffId};

use super::{NewStaff, password};
use crate::{error::Result, state::App};

/// What [`create`] did.
#[derive(Debug, Clone)]
pub struct CreatedOwner {
    /// Who.
    pub staff: StaffId,
    /// Their address in lower case.
    pub email: String,
    /// Whether the account is new.
    pub created: bool,
    /// In how many projects they are an owner now.
    pub projects: usize,
}

/// Makes someone an owner of every project and of those made on the command line later. The account of someone who is that already
/// gets the password, and its sessions end; so does any other account with `promote`.
///
/// # Errors
/// When the address or password is not acceptable, or the address has an account that is not to be promoted.
pub async fn create(app: &App, email: &str, name: &str, password: &str, promote: bool) -> Result<CreatedOwner> {
    let new = NewStaff::check(app, email, name, password, None).await?;
    app.store
        .write(move |tx| {
            Box::pin(async move {
                let existing = tx.staff_id_by_email(&new.email).await?;
                let staff = match existing {
                    // Anyone who only forgot a password must not come out of it with every project.
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

/// Gives an account a new password and ends its sessions; its roles stay.
///
/// # Errors
/// When there is no such account or the password is not acceptable.
pub async fn set_password(app: &App, email: &str, password: &str) -> Result<StaffId> {
    let email = email.trim().to_lowercase();
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
