//! Files held for a form that was rejected, so that people need not choose them again.

use domain::{
    DomainError as Refusal, Timestamp,
    accounts::Scope,
    ids::{AttachmentId, MessageId},
    projects::Project,
    tickets::{Ticket, TicketAttachment},
};
use store::{Tx, tickets::NewAttachment};

use crate::{error::Result, limits::budget::QuotaOwner, state::App};

/// Returns the key under which files are held for a form.
#[must_use]
pub fn pending_form_key(project: &Project, place: &str, key: &str) -> String {
    store::hash::hash_token(&format!("{}\n{place}\n{key}", project.id))
}

/// Holds the files of a rejected form, so that people need not choose them again. Strangers' files are held only within a limit; returns
/// whether these were.
///
/// # Errors
/// When the database fails.
pub async fn store_pending_files(app: &App, payer: QuotaOwner, project: &Project, form: &str, files: Vec<NewAttachment>) -> Result<bool> {
    if files.is_empty() {
        return Ok(true);
    }
    let (project, form, now) = (project.id, form.to_owned(), app.now());
    let most = match payer {
        QuotaOwner::Team => i64::MAX,
        QuotaOwner::Stranger(_) => app.budget.held_bytes,
    };
    let size: i64 = files.iter().map(|file| file.size).sum();
    app.store
        .write(move |tx| {
            Box::pin(async move {
                if tx.pending_attachment_bytes().await?.saturating_add(size) > most {
                    return Ok(false);
                }
                for file in &files {
                    tx.insert_attachment(project, None, Some(&form), file, now).await?;
                }
                Ok(true)
            })
        })
        .await
}

/// Returns the files held for a form, after deleting those that the person does not keep.
///
/// # Errors
/// When the database fails.
pub async fn retain_pending_files(app: &App, project: &Project, form: &str, keep: &[AttachmentId]) -> Result<Vec<TicketAttachment>> {
    let scope = Scope::system(project.id);
    let held = app.store.pending_attachments(&scope, form, app.now()).await?;
    let (wanted, unwanted): (Vec<_>, Vec<_>) = held.into_iter().partition(|file| keep.contains(&file.id));
    if !unwanted.is_empty() {
        app.store
            .write(move |tx| {
                Box::pin(async move {
                    for file in &unwanted {
                        tx.delete_pending_attachment(&scope, file.id).await?;
                    }
                    Ok(())
                })
            })
            .await?;
    }
    Ok(wanted)
}

/// Stores the files of a message: new ones, and those held for its form. Returns their number.
///
/// # Errors
/// [`Refusal::Invalid`] if fewer files are held than the form expects.
pub(super) async fn keep_files(
    tx: &mut Tx<'_>,
    ticket: &Ticket,
    message: MessageId,
    (form, expected): (&str, usize),
    files: &[NewAttachment],
    now: Timestamp,
) -> Result<usize> {
    let waited = usize::try_from(tx.attach_pending_files(ticket, message, form, now).await?).unwrap_or(usize::MAX);
    if waited < expected {
        let text = "Some of the files you added earlier are no longer available. Choose your files again.";
        return Err(Refusal::field("files", "gone", text).into());
    }
    for file in files {
        tx.insert_attachment(ticket.project, Some((ticket.id, message)), None, file, now).await?;
    }
    Ok(waited + files.len())
}
