//! How long a request may take and what its body may be, the same for all routes.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::Bytes,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

use super::{
    error::{ApiError, PageError, body_refused, problem},
    refusal::Watched,
};
use crate::error::Error;

/// How long a request may take, from its head to the head of its answer.
const ANSWER: Duration = Duration::from_secs(20);
/// How long the body of a request may take however short it is…
const BODY: Duration = Duration::from_secs(10);
/// …and the bytes a second that buy a longer one more time. Who sends a byte now and then holds a connection for no longer than [`BODY`].
const PACE: u32 = 8 * 1024;
/// More than any route takes: whoever announces more need not begin to send.
const LARGEST: u64 = 80 << 20;

/// Whether the body of a request has come to its end, or did not need to.
#[derive(Debug, Clone, Default)]
struct Complete(Arc<AtomicBool>);

/// A body that comes at a pace or fails.
pub struct Paced {
    body: Incoming,
    began: Instant,
    /// Bytes so far.
    came: u32,
    /// Runs only while somebody waits for more.
    end: Pin<Box<Sleep>>,
    complete: Complete,
}

/// The request with its body at a pace.
#[must_use]
pub fn paced(request: hyper::Request<Incoming>) -> hyper::Request<Paced> {
    let (mut parts, body) = request.into_parts();
    let complete = Complete::default();
    complete.0.store(body.is_end_stream(), Ordering::Relaxed);
    parts.extensions.insert(complete.clone());
    #[expect(clippy::disallowed_methods, reason = "how long a body takes")]
    let began = Instant::now();
    let body = Paced { body, began, came: 0, end: Box::pin(tokio::time::sleep(BODY)), complete };
    hyper::Request::from_parts(parts, body)
}

impl Body for Paced {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                let more = frame.data_ref().map_or(0, Bytes::len);
                this.came = this.came.saturating_add(u32::try_from(more).unwrap_or(u32::MAX));
                this.end.as_mut().reset(this.began + BODY + Duration::from_secs(1) * this.came / PACE);
                if this.body.is_end_stream() {
                    this.complete.0.store(true, Ordering::Relaxed);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                this.complete.0.store(true, Ordering::Relaxed);
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into()))),
            Poll::Pending => {
                let too_slow = || io::Error::new(io::ErrorKind::TimedOut, "the body came too slowly");
                this.end.as_mut().poll(context).map(|()| Some(Err(too_slow().into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Whether a path is for programs, which want errors as problems and not as pages.
fn is_for_programs(request: &Request) -> bool {
    request.uri().path().starts_with("/embed/") || request.uri().path().starts_with("/api/")
}

/// Answers in the handler's stead when that takes too long: it is the client who does not send, or a database that does not answer.
pub async fn bounded(mut request: Request, next: Next) -> Response {
    let (complete, is_for_programs) = (request.extensions().get::<Complete>().cloned(), is_for_programs(&request));
    let watched = Watched::begin(&mut request);
    if let Ok(response) = tokio::time::timeout(ANSWER, next.run(request)).await {
        return response;
    }
    if complete.is_some_and(|complete| !complete.0.load(Ordering::Relaxed)) {
        return refused(is_for_programs, StatusCode::REQUEST_TIMEOUT, "too_slow", "The body of this request came too slowly.");
    }
    tracing::warn!("a request was given up: nothing came back in time");
    let busy = Error::Refused(domain::Error::Busy(5));
    if is_for_programs { ApiError(busy).into_response() } else { watched.explained(PageError(busy).into_response()) }
}

fn refused(is_for_programs: bool, status: StatusCode, code: &str, text: &str) -> Response {
    if is_for_programs { problem(status, code, text, Vec::new()) } else { body_refused(status) }
}

/// Refuses bodies that no route could take. Compressed ones: nothing here unpacks one, so that a small one never becomes a large one; said plainly rather than as a
/// complaint about bytes that make no sense.
pub async fn plain_bodies(request: Request, next: Next) -> Response {
    if request.body().size_hint().lower() > LARGEST {
        let text = "This is more than is taken here.";
        return refused(is_for_programs(&request), StatusCode::PAYLOAD_TOO_LARGE, "too_large", text);
    }
    let plain = |value: &HeaderValue| value.as_bytes().trim_ascii().is_empty() || value.as_bytes().eq_ignore_ascii_case(b"identity");
    if request.headers().get_all(header::CONTENT_ENCODING).iter().all(plain) {
        return next.run(request).await;
    }
    let text = "Send the body as it is, without Content-Encoding.";
    let mut response = refused(is_for_programs(&request), StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoded", text);
    response.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    response
}
