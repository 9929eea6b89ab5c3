//! Files of messages: how forms bring them, and how they are handed out.

use axum::{
    body::Body,
    extract::multipart::{Multipart, MultipartError},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use domain::{
    Error as Refusal, FieldErrors,
    accounts::Scope,
    tickets::{
        Attachment,
        files::{MAX_BYTES, MAX_FILES, content_disposition},
    },
};
use futures_util::stream;

use super::forms::Form;
use crate::{
    error::{Error, Result},
    state::AppState,
    tickets::files::Arriving,
};

/// The field that files come in.
const FILES: &str = "files";
/// Most bytes of a form's text fields together.
const MAX_TEXT: usize = super::BODY_LIMIT;
/// Most fields of a form, files aside.
const MAX_FIELDS: usize = 50;
/// Most bytes of a whole request with files: a little more than files may have, so that one that is too large is told so at its field.
pub const REQUEST_LIMIT: usize = 2 * MAX_BYTES + (1 << 20);

/// A form with files.
#[derive(Debug, Default)]
pub struct FormWithFiles {
    /// Its text fields.
    pub form: Form,
    /// Its files, those that came empty left out.
    pub files: Arriving,
    /// What is wrong with the files; then there are none.
    pub errors: FieldErrors,
}

fn broken(error: &MultipartError) -> Error {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Refusal::field(FILES, "too_large", too_large()).into();
    }
    Refusal::field(FILES, "incomplete", "The form did not arrive completely. Go back and send it again.").into()
}

fn too_large() -> String {
    format!("Files have {} MB together at most. Attach fewer or smaller ones.", MAX_BYTES >> 20)
}

/// Reads a form to its end, so that texts after a file that is refused are not lost.
///
/// # Errors
/// [`Refusal::Invalid`] when the form cannot be read, [`Refusal::Busy`] while too much arrives at once.
pub async fn read(app: &AppState, mut body: Multipart) -> Result<FormWithFiles> {
    let mut read = FormWithFiles::default();
    let mut text = 0;
    while let Some(mut field) = body.next_field().await.map_err(|e| broken(&e))? {
        let Some(name) = field.name().map(ToOwned::to_owned) else { continue };
        if name == FILES {
            let file = field.file_name().unwrap_or_default().to_owned();
            if read.errors.is_empty() {
                read.files.begin(&file);
            }
            while let Some(bytes) = field.chunk().await.map_err(|e| broken(&e))? {
                if !read.errors.is_empty() {
                    continue;
                }
                if read.files.bytes() + bytes.len() > MAX_BYTES {
                    read.errors.add(FILES, "too_large", too_large());
                    read.files.clear();
                    continue;
                }
                read.files.push(app, &bytes)?;
            }
            read.files.drop_empty();
            if read.errors.is_empty() && read.files.count() > MAX_FILES {
                read.errors.add(FILES, "too_many", format!("Attach {MAX_FILES} files at most."));
                read.files.clear();
            }
            continue;
        }
        let mut value = Vec::new();
        while let Some(bytes) = field.chunk().await.map_err(|e| broken(&e))? {
            text += bytes.len();
            if text > MAX_TEXT {
                return Err(Refusal::field("form", "too_large", "This is more than the form takes. Shorten it.").into());
            }
            value.extend_from_slice(&bytes);
        }
        if read.form.0.len() >= MAX_FIELDS {
            return Err(Refusal::field("form", "malformed", "This form is out of date. Reload the page and send it again.").into());
        }
        let value = String::from_utf8_lossy(&value).replace('\0', "").replace("\r\n", "\n");
        read.form.0.push((name, value));
    }
    Ok(read)
}

/// Hands a file out, piece by piece. Only pictures that we encoded are shown in the browser, everything else is downloaded; nothing in it
/// runs, whatever it is.
pub fn send(app: &AppState, scope: &Scope, file: &Attachment) -> Response {
    let (app, scope, id) = (app.clone(), *scope, file.id);
    let pieces = stream::try_unfold(0_i64, move |n| {
        let app = app.clone();
        async move {
            let piece = app.store.attachment_chunk(&scope, id, n).await.map_err(|error| std::io::Error::other(error.to_string()))?;
            Ok::<_, std::io::Error>(piece.map(|bytes| (Bytes::from(bytes), n + 1)))
        }
    });
    let mut response = Body::from_stream(pieces).into_response();
    let headers = response.headers_mut();
    let mut set = |name: header::HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(header::CONTENT_TYPE, &file.media_type);
    set(header::CONTENT_LENGTH, &file.size.to_string());
    set(header::CONTENT_DISPOSITION, &content_disposition(file.is_picture(), &file.name));
    set(header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox; frame-ancestors 'none'");
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    // Its bytes never change, but who may see them may.
    set(header::CACHE_CONTROL, "private, max-age=300");
    response
}
