//! How long a request may take and what its body may be, the same for all routes; and whose room a body takes ([`service::limits::budget`]).

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

/// How long a request may take, from its head to the head of its answer.
const ANSWER: Duration = Duration::from_secs(20);
/// How long nothing of a body may come, and the bytes a second that cost none of that. Who sends a byte now and then holds a connection for
/// ten seconds.
const SENDING: Pace = Pace { patience: Duration::from_secs(10), bytes: 8 * 1024 };
/// What is more than an ordinary request has to come faster, unless the team sends it: it takes memory for as long as it comes.
const LARGE: usize = super::BODY_LIMIT;
/// The bytes a second of a large body.
const LARGE_PACE: u32 = 64 * 1024;
/// How long until a body that found no room should be sent again, in seconds.
pub const RETRY_AFTER_SECONDS: u64 = 10;
/// More than any route takes: whoever announces more need not begin to send.
const LARGEST: u64 = 80 << 20;

/// How far the body of a request has come.
#[derive(Debug, Clone, Default)]
struct BodyProgress(Arc<BodyProgressFlags>);

#[derive(Debug, Default)]
struct BodyProgressFlags {
    /// Whether it has come to its end, or did not need to.
    is_complete: AtomicBool,
    /// Whether one of the team sends it.
    of_the_team: AtomicBool,
}

/// A body that comes at a pace or fails.
pub struct PacedBody {
    body: Incoming,
    patience: PaceTimer,
    /// Bytes so far.
    came: usize,
    /// Runs only while someone waits for more.
    end: Pin<Box<Sleep>>,
    progress: BodyProgress,
}

/// The request with its body at a pace.
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

/// A body whose bytes take room, or fail where there is none.
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

/// The room that the body of a request takes; `None` for a small one, which takes none.
#[derive(Debug, Clone)]
pub struct BodyMemory(pub Option<MemoryLease>);

impl BodyMemory {
    /// What stands in a request.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Self {
        Self(extensions.get::<MemoryLease>().cloned())
    }

    /// The status for a body that could not be read: whether that was for want of room.
    #[must_use]
    pub fn status(&self, otherwise: StatusCode) -> StatusCode {
        if self.0.as_ref().is_some_and(MemoryLease::was_refused) { StatusCode::SERVICE_UNAVAILABLE } else { otherwise }
    }

    /// What is kept of the body takes room from now on, not what comes of it; see [`MemoryLease::set_manual`].
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

/// The request turned out to be from one of the team, or from a program of theirs: it waits behind no stranger.
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

/// Whether a path is for programs, which want errors as problems and not as pages.
fn is_for_programs(request: &Request) -> bool {
    request.uri().path().starts_with("/embed/") || request.uri().path().starts_with("/api/")
}

/// Answers in the handler's stead when that takes too long: it is the client who does not send, or a database that does not answer.
pub async fn bounded(mut request: Request, next: Next) -> Response {
    let (progress, is_for_programs) = (request.extensions().get::<BodyProgress>().cloned(), is_for_programs(&request));
    let watched = RefusalExplainer::begin(&mut request);
    if let Ok(response) = tokio::time::timeout(ANSWER, next.run(request)).await {
        return response;
    }
    if progress.is_some_and(|progress| !progress.0.is_complete.load(Ordering::Relaxed)) {
        return refused(is_for_programs, StatusCode::REQUEST_TIMEOUT, "too_slow", "The body of this request arrived too slowly.");
    }
    tracing::warn!("a request timed out: there was no response in time");
    let busy = Error::Domain(domain::DomainError::Busy(5));
    if is_for_programs { ApiError(busy).into_response() } else { watched.explained(PageError(busy).into_response()) }
}

fn refused(is_for_programs: bool, status: StatusCode, code: &str, text: &str) -> Response {
    if is_for_programs { problem(status, code, text, Vec::new()) } else { body_refused(status) }
}

/// Refuses bodies that no route could take. Compressed ones: nothing here unpacks one, so that a small one never becomes a large one; said plainly rather than as a
/// complaint about bytes that make no sense. All others take room while they are in memory.
pub async fn bodies(State(web): State<WebState>, request: Request, next: Next) -> Response {
    let size = request.body().size_hint();
    if size.lower() > LARGEST {
        let text = "The request body is too large for this address.";
        return refused(is_for_programs(&request), StatusCode::PAYLOAD_TOO_LARGE, "too_large", text);
    }
    let plain = |value: &HeaderValue| value.as_bytes().trim_ascii().is_empty() || value.as_bytes().eq_ignore_ascii_case(b"identity");
    if !request.headers().get_all(header::CONTENT_ENCODING).iter().all(plain) {
        let text = "Send the body as it is, without Content-Encoding.";
        let mut response = refused(is_for_programs(&request), StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoded", text);
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
    // Held until there is an answer: whoever read the body works with it until then.
    let response = next.run(Request::from_parts(parts, axum::body::Body::new(MeteredBody { body, share: share.clone() }))).await;
    drop(share);
    response
}
