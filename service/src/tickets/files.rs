//! Files uploaded with messages, and their processing before storage.

use bytes::Bytes;
use domain::{
    DomainError as Refusal,
    ids::ProjectId,
    tickets::{
        files::{FileType, sanitize_file_name},
        image_limits::ImageRejection,
    },
};
use store::{Dialect, tickets::NewAttachment};

use crate::{
    error::{Error, Result},
    images::processing::ImageProcessingError,
    limits::budget::QuotaOwner,
    state::App,
    system_resources,
};

/// Files of one request, in memory.
#[derive(Debug, Default)]
pub struct UploadedFiles {
    files: Vec<(String, Vec<u8>)>,
    bytes: usize,
}

impl UploadedFiles {
    /// Begins a file.
    pub fn begin(&mut self, name: &str) {
        self.files.push((name.to_owned(), Vec::new()));
    }

    /// Adds bytes to the file begun last.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        if let Some((_, file)) = self.files.last_mut() {
            file.extend_from_slice(bytes);
        }
    }

    /// Total bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Number of files.
    #[must_use]
    pub fn count(&self) -> usize {
        self.files.len()
    }

    /// Returns the cleaned name of the first chosen file that has no bytes.
    #[must_use]
    pub fn first_empty(&self) -> Option<String> {
        let empty = self.files.iter().find(|(name, bytes)| bytes.is_empty() && !name.is_empty())?;
        Some(sanitize_file_name(&empty.0, FileType::Other))
    }

    /// Removes files without bytes: browsers send one for an empty field.
    pub fn drop_empty(&mut self) {
        self.files.retain(|(_, bytes)| !bytes.is_empty());
    }

    /// Removes all files.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Returns the files in their stored form. Re-encodes images, charged to `payer`.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for an image that is too large or unreadable; [`Refusal::Busy`] while too many are being processed;
    /// a message at the files, or [`Refusal::RateLimited`], for senders of too many files recently.
    pub async fn prepare(mut self, app: &App, payer: QuotaOwner) -> Result<Vec<NewAttachment>> {
        self.drop_empty();
        // Charge the original size before any work, and growth afterwards.
        count(app, payer, self.bytes).await?;
        let mut done: Vec<NewAttachment> = Vec::with_capacity(self.files.len());
        for (name, bytes) in std::mem::take(&mut self.files) {
            done.push(prepare(app, payer, &name, bytes).await?);
        }
        let bytes: usize = done.iter().map(|file| file.bytes.len()).sum();
        count(app, payer, bytes.saturating_sub(self.bytes)).await?;
        Ok(done)
    }
}

/// Whether there is room for more files of a project: on the disk, and within the installation's configured limits. The team may use more
/// of the disk than strangers.
///
/// # Errors
/// When the database fails.
pub async fn is_room(app: &App, project: ProjectId, payer: QuotaOwner) -> Result<bool> {
    // With PostgreSQL the database is on a disk that we cannot see.
    if app.store.dialect() == Dialect::Sqlite {
        let keep = if payer == QuotaOwner::Team { app.settings.keep_free / 2 } else { app.settings.keep_free };
        if system_resources::free_space(&app.settings.data).is_some_and(|free| free < keep) {
            app.budget.refusals.count("disk");
            return Ok(false);
        }
    }
    if payer == QuotaOwner::Team {
        return Ok(true);
    }
    let now = app.now();
    let stored = match app.budget.stored(now) {
        Some(stored) => stored,
        None => app.budget.keep_stored(app.store.file_bytes().await?, now),
    };
    let (own, all) = (stored.get(&project).copied().unwrap_or_default(), stored.values().sum::<u64>());
    let is_room = own < app.settings.files_per_project && all < app.settings.files_in_all;
    if !is_room {
        app.budget.refusals.count("files");
    }
    Ok(is_room)
}

/// Counts bytes of files to be stored for an address.
///
/// # Errors
/// A message at the files if there were too many recently.
pub async fn count(app: &App, payer: QuotaOwner, bytes: usize) -> Result<()> {
    let Some(address) = payer.address().filter(|_| bytes > 0) else { return Ok(()) };
    match app.limits.files(address, bytes as u64, app.now()).await {
        Err(Error::Domain(Refusal::RateLimited(_))) => {
            app.budget.refusals.count("files");
            let text = "Too many files came from your network, so we can’t accept more right now. Send your message without files, or with them in an hour.";
            Err(Refusal::field("files", "files_later", text).into())
        }
        other => other,
    }
}

async fn prepare(app: &App, payer: QuotaOwner, name: &str, bytes: Vec<u8>) -> Result<NewAttachment> {
    let kind = FileType::of(&bytes);
    let (kind, bytes) = if kind.is_picture() {
        match app.image_processing.encode_anew(&app.budget, app.clock.as_ref(), payer, kind, bytes).await {
            Ok(done) => done,
            Err(ImageProcessingError::Wrong(wrong)) => return Err(refusal(wrong, &sanitize_file_name(name, kind)).into()),
            Err(ImageProcessingError::Error(error)) => return Err(error),
        }
    } else {
        (kind, bytes)
    };
    let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    Ok(NewAttachment { name: sanitize_file_name(name, kind), media_type: kind.media_type().into(), size, bytes: Bytes::from(bytes) })
}

fn refusal(wrong: ImageRejection, name: &str) -> Refusal {
    match wrong {
        ImageRejection::Large => Refusal::field(
            "files",
            "picture_large",
            format!("The image “{name}” has too many pixels. Make it smaller, or put it in a ZIP file."),
        ),
        ImageRejection::Broken => {
            Refusal::field("files", "picture_broken", format!("The image “{name}” cannot be read. Save it again, or put it in a ZIP file."))
        }
    }
}
