//! Reads a form with files as it arrives, and never more of it than fits.

use axum::{
    extract::{Multipart, multipart::Field},
    http::StatusCode,
};
use domain::{
    Error as Refusal,
    tickets::files::{MAX_BYTES, MAX_FILES},
};

use crate::{error::Error, http::forms::Form, state::App, tickets::files::Arriving};

/// Largest body that is read to its end: a browser that is answered before it has sent everything shows no page. What is too much is
/// thrown away as it comes.
pub const BODY_LIMIT: usize = 4 * MAX_BYTES;
/// Most bytes of all texts of a form.
const MAX_TEXT: usize = 256 * 1024;
/// Most fields of a form.
const MAX_FIELDS: usize = 100;

/// What arrived.
#[derive(Debug, Default)]
pub struct Received {
    /// The texts, in order, as far as they could be read.
    pub form: Form,
    /// The files, when all is well with them.
    pub files: Arriving,
    /// Why something was not taken, and with which status to say so.
    pub refused: Option<(StatusCode, Error)>,
}

impl Received {
    fn refuse(&mut self, status: StatusCode, error: impl Into<Error>) {
        self.files.clear();
        self.refused.get_or_insert((status, error.into()));
    }
}

fn too_large() -> Refusal {
    Refusal::field("files", "too_large", "The files are more than 10 MB in all.")
}

/// Reads all of a form.
pub async fn receive(app: &App, mut body: Multipart) -> Received {
    let mut got = Received::default();
    let (mut texts, mut fields) = (0, 0);
    loop {
        let field = match body.next_field().await {
            Ok(Some(field)) => field,
            Ok(None) => break,
            Err(error) => {
                let status = error.status();
                let why = if status == StatusCode::PAYLOAD_TOO_LARGE { too_large() } else { incomplete() };
                got.refuse(status, why);
                break;
            }
        };
        fields += 1;
        if fields > MAX_FIELDS {
            got.refuse(StatusCode::PAYLOAD_TOO_LARGE, too_large());
            break;
        }
        let name = field.name().unwrap_or_default().to_owned();
        if name == "files" {
            file(app, &mut got, field).await;
        } else {
            text(&mut got, &mut texts, name, field).await;
        }
    }
    got.files.drop_empty();
    if got.files.count() > MAX_FILES {
        got.refuse(StatusCode::UNPROCESSABLE_ENTITY, Refusal::field("files", "too_many", format!("Choose {MAX_FILES} files at most.")));
    }
    got
}

fn incomplete() -> Refusal {
    Refusal::field("files", "incomplete", "The message did not arrive completely. Send it again.")
}

async fn file(app: &App, got: &mut Received, mut field: Field<'_>) {
    let name = field.file_name().unwrap_or_default().to_owned();
    got.files.begin(&name);
    loop {
        match field.chunk().await {
            Ok(None) => break,
            // Read on, so that the browser gets to see our page; keep nothing.
            Ok(Some(_)) if got.refused.is_some() => {}
            Ok(Some(bytes)) if got.files.bytes() + bytes.len() > MAX_BYTES => got.refuse(StatusCode::PAYLOAD_TOO_LARGE, too_large()),
            Ok(Some(bytes)) => {
                if let Err(error) = got.files.push(app, &bytes) {
                    got.refuse(StatusCode::SERVICE_UNAVAILABLE, error);
                }
            }
            Err(error) => {
                let status = error.status();
                let why = if status == StatusCode::PAYLOAD_TOO_LARGE { too_large() } else { incomplete() };
                got.refuse(status, why);
                break;
            }
        }
    }
}

async fn text(got: &mut Received, texts: &mut usize, name: String, mut field: Field<'_>) {
    let mut value = Vec::new();
    while let Ok(Some(bytes)) = field.chunk().await {
        *texts += bytes.len();
        if *texts > MAX_TEXT {
            got.refuse(StatusCode::PAYLOAD_TOO_LARGE, Refusal::field("message", "too_long", "This is too long."));
            continue;
        }
        value.extend_from_slice(&bytes);
    }
    let mut value = String::from_utf8_lossy(&value).replace("\r\n", "\n");
    value.retain(|c| c != '\0');
    got.form.0.push((name, value));
}
