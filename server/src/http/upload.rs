//! Multipart forms that are parsed as they arrive, with a bound on the parser's memory.
//!
//! multer buffers all bytes until it finds the end of a part's head, and searches from the beginning each time more arrives. So it is fed
//! small pieces, one per poll, and no more than a head needs before it yields something.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use axum::{
    body::{Body, BodyDataStream},
    extract::{
        FromRequest, Request,
        multipart::{Field, Multipart, MultipartError, MultipartRejection},
    },
};
use bytes::Bytes;
use domain::text::cut;
use futures_util::Stream;

/// Size in bytes of a piece for the parser.
const PIECE: usize = 8 << 10;
/// Maximum bytes that the parser may buffer: the head of a part, or the preamble.
const HELD: usize = 32 << 10;

/// A multipart form that is read as it arrives.
pub struct MultipartForm {
    form: Multipart,
    held: Arc<AtomicUsize>,
}

impl<S: Send + Sync> FromRequest<S> for MultipartForm {
    type Rejection = MultipartRejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let held = Arc::new(AtomicUsize::new(0));
        let pieces = |body: Body| {
            Body::from_stream(ChunkedBody { body: body.into_data_stream(), rest: Bytes::new(), rests: false, held: Arc::clone(&held) })
        };
        let request = request.map(pieces);
        let form = Multipart::from_request(request, state).await?;
        Ok(Self { form, held })
    }
}

impl MultipartForm {
    /// The next field; `None` at the end of the form.
    ///
    /// # Errors
    /// Returns an error if the form does not arrive, or is not a valid multipart form.
    pub async fn next_field(&mut self) -> Result<Option<MultipartField<'_>>, MultipartError> {
        let field = self.form.next_field().await?;
        self.held.store(0, Ordering::Relaxed);
        Ok(field.map(|field| MultipartField { field, held: &self.held }))
    }
}

/// One field of a form.
pub struct MultipartField<'a> {
    field: Field<'a>,
    held: &'a AtomicUsize,
}

impl MultipartField<'_> {
    /// Its name, truncated if longer than any of our names.
    #[must_use]
    pub fn name(&self) -> String {
        cut(self.field.name().unwrap_or_default(), 100).to_owned()
    }

    /// The name of its file; empty if there is none.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.field.file_name().unwrap_or_default()
    }

    /// The next chunk of its value; `None` at the end.
    ///
    /// # Errors
    /// As [`MultipartForm::next_field`].
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, MultipartError> {
        let bytes = self.field.chunk().await?;
        self.held.store(0, Ordering::Relaxed);
        Ok(bytes)
    }
}

/// A body in small pieces; fails if the parser buffers too much without yielding anything.
struct ChunkedBody {
    body: BodyDataStream,
    rest: Bytes,
    /// Whether the parser must process its buffer before it gets more.
    rests: bool,
    held: Arc<AtomicUsize>,
}

impl Stream for ChunkedBody {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.rests) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.rest.is_empty() {
            match Pin::new(&mut self.body).poll_next(context) {
                Poll::Ready(Some(Ok(bytes))) => self.rest = bytes,
                other => return other,
            }
        }
        let most = self.rest.len().min(PIECE);
        let piece = self.rest.split_to(most);
        if self.held.fetch_add(piece.len(), Ordering::Relaxed) + piece.len() > HELD {
            return Poll::Ready(Some(Err(axum::Error::new("the head of a part is too long"))));
        }
        self.rests = true;
        Poll::Ready(Some(Ok(piece)))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header;
    use futures_util::stream;

    use super::*;

    /// The parsed form, sent in pieces of `size` bytes: names and lengths of its fields, and whether it was read to its end.
    async fn read(body: &[u8], size: usize) -> (Vec<(String, usize)>, bool) {
        let pieces: Vec<Result<Bytes, std::io::Error>> = body.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let request = Request::builder()
            .header(header::CONTENT_TYPE, "multipart/form-data; boundary=XX")
            .body(Body::from_stream(stream::iter(pieces)))
            .unwrap();
        let mut upload = MultipartForm::from_request(request, &()).await.unwrap_or_else(|_| unreachable!("a multipart form"));
        let mut fields = Vec::new();
        loop {
            let mut part = match upload.next_field().await {
                Ok(Some(part)) => part,
                Ok(None) => return (fields, true),
                Err(_) => return (fields, false),
            };
            let (name, mut length) = (part.name(), 0);
            loop {
                match part.chunk().await {
                    Ok(Some(bytes)) => length += bytes.len(),
                    Ok(None) => break,
                    Err(_) => return (fields, false),
                }
            }
            fields.push((name, length));
        }
    }

    fn part(name: &str, value: &[u8]) -> Vec<u8> {
        let head = format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"f\"\r\n\r\n");
        [head.as_bytes(), value, b"\r\n"].concat()
    }

    #[tokio::test]
    async fn forms_of_any_size_arrive_in_pieces_of_any_size() {
        // Line breaks and dashes as at the end of a part, but without its boundary.
        let tricky = b"\r\n--X\r\n-\r\n".repeat(60_000);
        for size in [1_000, 8 << 10, 100_000, 2 << 20] {
            let body = [part("a", b""), part("files", &tricky), part(&"n".repeat(20_000), b"b"), b"--XX--\r\n".to_vec()].concat();
            let expected = vec![("a".to_owned(), 0), ("files".to_owned(), tricky.len()), ("n".repeat(100), 1)];
            assert_eq!(read(&body, size).await, (expected, true), "in pieces of {size}");
        }
    }

    #[tokio::test]
    async fn what_the_parser_would_have_to_hold_is_refused() {
        let head = part(&"n".repeat(40_000), b"x");
        let endless = [b"--XX\r\nContent-Disposition: form-data; name=\"".to_vec(), b"\r\n\r".repeat(1 << 20)].concat();
        let preamble = vec![b'p'; 4 << 20];
        for (what, body) in [("a long head", &head), ("an endless head", &endless), ("a preamble", &preamble)] {
            for size in [100, 100_000] {
                assert_eq!(read(body, size).await, (vec![], false), "{what} in pieces of {size}");
            }
        }
    }
}
