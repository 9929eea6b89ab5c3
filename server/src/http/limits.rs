//! Time and size limits of requests, the same for all routes, and accounting of the memory that bodies take ([`service::limits::budget`]).

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
    extract::{FromRequestParts, Request, State},
    http::{Extensions, HeaderValue, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use service::{
    error::Error,
    limits::budget::{FREE_BODY_BYTES, MemoryLease},
};
use tokio::time::{Instant, Sleep};

use super::{
    WebState,
    address::ClientAddress,
    connections::ConnectionGuard,
    error::{ApiError, PageError, body_refused, problem},
    pace::{Pace, PaceTimer},
    refusal::RefusalExplainer,
};

/// Time limit from the head of a request to the head of its response.
const ANSWER: Duration = Duration::from_secs(20);
/// Patience with a body that stops arriving, and the rate in bytes per second that uses none of it. A client that only sends a byte now and
/// then can hold a connection for ten seconds.
const SENDING: Pace = Pace { patience: Duration::from_secs(10), bytes: 8 * 1024 };
/// Size in bytes above which a body must arrive faster, unless the team sends it, because it takes memory until it is complete.
const LARGE: usize = super::BODY_LIMIT;
/// Required rate of a large body, in bytes per second.
const LARGE_PACE: u32 = 64 * 1024;
/// Larger than any route accepts: a longer announced body is rejected before it is read.
const LARGEST: u64 = 80 << 20;

/// Progress of a request's body.
#[derive(Debug, Clone, Default)]
struct BodyProgress(Arc<BodyProgressFlags>);

#[derive(Debug, Default)]
struct BodyProgressFlags {
    /// Whether the body is complete or empty.
    is_complete: AtomicBool,
    /// Whether a signed-in person or an API key of the team sends it.
    of_the_team: AtomicBool,
}

/// A body that fails if it arrives too slowly.
pub struct PacedBody {
    body: Incoming,
    patience: PaceTimer,
    /// Bytes received so far.
    came: usize,
    /// Polled only while the reader waits for more.
    end: Pin<Box<Sleep>>,
    progress: BodyProgress,
}

/// The request with a time limit for its body.
#[must_use]
pub fn paced(request: hyper::Request<Incoming>) -> hyper::Request<PacedBody> {
    let (mut parts, body) = request.into_parts();
    let progress = BodyProgress::default();
    progress.0.is_complete.store(body.is_end_stream(), Ordering::Relaxed);
    parts.extensions.insert(progress.clone());
    let end = Box::pin(tokio::time::sleep(SENDING.patience));
    hyper::Request::from_parts(parts, PacedBody { body, patience: PaceTimer::new(SENDING), came: 0, end, progress })
}

impl Body for PacedBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        #[expect(clippy::disallowed_methods, reason = "how long a body takes")]
        let now = Instant::now();
        match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                let more = frame.data_ref().map_or(0, Bytes::len);
                this.came = this.came.saturating_add(more);
                if this.came > LARGE && !this.progress.0.of_the_team.load(Ordering::Relaxed) {
                    this.patience.at_pace(LARGE_PACE);
                }
                this.patience.took(now, more);
                if this.body.is_end_stream() {
                    this.progress.0.is_complete.store(true, Ordering::Relaxed);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                this.progress.0.is_complete.store(true, Ordering::Relaxed);
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into()))),
            Poll::Pending => {
                let end = this.patience.ends(now);
                if this.end.deadline() != end {
                    this.end.as_mut().reset(end);
                }
                let too_slow = || io::Error::new(io::ErrorKind::TimedOut, "the body arrived too slowly");
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

/// A body that counts its bytes against the memory budget, and fails if that is exhausted.
struct MeteredBody {
    body: axum::body::Body,
    share: MemoryLease,
}

impl Body for MeteredBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            let more = frame.data_ref().map_or(0, Bytes::len);
            if !self.share.is_manual() && !self.share.take(more) {
                return Poll::Ready(Some(Err(io::Error::other("there is no memory for the body").into())));
            }
        }
        polled.map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Memory lease of a request's body; `None` for a small body, which is not counted.
#[derive(Debug, Clone)]
pub struct BodyMemory(pub Option<MemoryLease>);

impl BodyMemory {
    /// The lease in a request's extensions.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Self {
        Self(extensions.get::<MemoryLease>().cloned())
    }

    /// The status for a body that could not be read: 503 if memory was exhausted; `otherwise` if not.
    #[must_use]
    pub fn status(&self, otherwise: StatusCode) -> StatusCode {
        if self.0.as_ref().is_some_and(MemoryLease::was_refused) { StatusCode::SERVICE_UNAVAILABLE } else { otherwise }
    }

    /// From now on, counts only the bytes that the handler keeps, not all that arrive; see [`MemoryLease::set_manual`].
    pub fn by_hand(&self) {
        if let Some(share) = &self.0 {
            share.set_manual();
        }
    }

    /// See [`MemoryLease::take`].
    #[must_use]
    pub fn take(&self, bytes: usize) -> bool {
        self.0.as_ref().is_none_or(|share| share.take(bytes))
    }

    /// See [`MemoryLease::give_back`].
    pub fn give_back(&self, bytes: usize) {
        if let Some(share) = &self.0 {
            share.give_back(bytes);
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for BodyMemory {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(&parts.extensions))
    }
}

/// Exempts a request of the team, or of one of their programs, from the limits for strangers.
pub fn of_the_team(extensions: &Extensions) {
    if let Some(progress) = extensions.get::<BodyProgress>() {
        progress.0.of_the_team.store(true, Ordering::Relaxed);
    }
    if let Some(share) = extensions.get::<MemoryLease>() {
        share.exempt_team();
    }
    if let Some(visit) = extensions.get::<Arc<ConnectionGuard>>() {
        visit.of_the_team();
    }
}

/// Whether a path is for programs, which get errors as problem documents instead of pages.
fn is_for_programs(request: &Request) -> bool {
    request.uri().path().starts_with("/embed/") || request.uri().path().starts_with("/api/")
}

/// Responds for the handler if it takes too long: either the client does not send, or the database does not respond.
pub async fn bounded(mut request: Request, next: Next) -> Response {
    let (progress, is_for_programs) = (request.extensions().get::<BodyProgress>().cloned(), is_for_programs(&request));
    let watched = RefusalExplainer::begin(&mut request);
    if let Ok(response) = tokio::time::timeout(ANSWER, next.run(request)).await {
        return response;
    }
    if progress.is_some_and(|progress| !progress.0.is_complete.load(Ordering::Relaxed)) {
        return refusal_response(is_for_programs, StatusCode::REQUEST_TIMEOUT, "too_slow", "The body of this request arrived too slowly.");
    }
    tracing::warn!("a request timed out: there was no response in time");
    let busy = Error::Domain(domain::DomainError::Busy(5));
    if is_for_programs { ApiError(busy).into_response() } else { watched.explained(PageError(busy).into_response()) }
}

fn refusal_response(is_for_programs: bool, status: StatusCode, code: &str, text: &str) -> Response {
    if is_for_programs { problem(status, code, text, Vec::new()) } else { body_refused(status) }
}

/// Rejects bodies that no route accepts, and compressed ones: nothing here decompresses, so that a small body never expands, and a clear
/// message is better than a parse error. Counts the memory of all others.
pub async fn bodies(State(web): State<WebState>, request: Request, next: Next) -> Response {
    let size = request.body().size_hint();
    if size.lower() > LARGEST {
        let text = "The request body is too large for this address.";
        return refusal_response(is_for_programs(&request), StatusCode::PAYLOAD_TOO_LARGE, "too_large", text);
    }
    let plain = |value: &HeaderValue| value.as_bytes().trim_ascii().is_empty() || value.as_bytes().eq_ignore_ascii_case(b"identity");
    if !request.headers().get_all(header::CONTENT_ENCODING).iter().all(plain) {
        let text = "Send the body as it is, without Content-Encoding.";
        let mut response = refusal_response(is_for_programs(&request), StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoded", text);
        response.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        return response;
    }
    if size.upper().is_some_and(|most| most <= FREE_BODY_BYTES as u64) {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let Ok(ClientAddress(address)) = ClientAddress::from_request_parts(&mut parts, &web).await;
    let share = MemoryLease::new(&web.app.budget, address);
    parts.extensions.insert(share.clone());
    // Held until there is a response: the handler works with the body's memory until then.
    let response = next.run(Request::from_parts(parts, axum::body::Body::new(MeteredBody { body, share: share.clone() }))).await;
    drop(share);
    response
}
