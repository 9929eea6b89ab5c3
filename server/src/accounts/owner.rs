//! Those who run the installation, made from the command line.

use domain::{accounts::Role, ids::StaffId};

use super::NewStaff;
use crate::{error::Result, state::App};

/// What [`create`] did.
#[derive(Debug, Clone)]
pub struct Owner {
    /// Who.
    pub staff: StaffId,
    /// Their address in lower case.
    pub email: String,
    /// Whether the account is new.
    pub created: bool,
    /// In how many projects they are an owner now.
    pub projects: usize,
}

/// Makes somebody an owner of every project and of those made on the command line later. An existing account gets the
/// password, and its sessions end.
///
/// # Errors
/// When the address or password is not acceptable.
pub async fn create(app: &App, email: &str, name: &str, password: &str) -> Result<Owner> {
    let new = NewStaff::check(app, email, name, password).await?;
    app.store
        .write(move |tx| {
            Box::pin(async move {
                let existing = tx.staff_id_by_email(&new.email).await?;
                let staff = match existing {
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
                Ok(Owner { staff, email: new.email, created: existing.is_none(), projects: projects.len() })
            })
        })
        .await
}
