//! A connection that times out if its peer reads too slowly.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};

/// A stream with limited patience for its reader. hyper has no time limit for writes, so a client that requests much and reads nothing, or
/// a byte now and then, would hold its connection forever.
pub(super) struct PacedStream<S> {
    stream: S,
    patience: PaceTimer,
    end: Option<Pin<Box<Sleep>>>,
}

/// Required pace of the peer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Maximum time without progress.
    pub(super) patience: Duration,
    /// Rate in bytes per second that uses none of that time.
    pub(super) bytes: u32,
}

/// Remaining patience with the peer. Waiting uses it up; bytes that the peer reads (or sends, see [`super::limits`]) restore it.
pub(super) struct PaceTimer {
    pace: Pace,
    left: Duration,
    waits_since: Option<Instant>,
}

impl PaceTimer {
    pub(super) fn new(pace: Pace) -> Self {
        Self { pace, left: pace.patience, waits_since: None }
    }

    /// The deadline for progress; starts waiting if not waiting already.
    pub(super) fn ends(&mut self, now: Instant) -> Instant {
        *self.waits_since.get_or_insert(now) + self.left
    }

    /// Changes the rate that uses no patience, in bytes per second.
    pub(super) fn at_pace(&mut self, bytes: u32) {
        self.pace.bytes = bytes;
    }

    /// Records progress of so many bytes.
    pub(super) fn took(&mut self, now: Instant, bytes: usize) {
        if let Some(since) = self.waits_since.take() {
            self.left = self.left.saturating_sub(now - since);
        }
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.left = self.pace.patience.min(self.left + Duration::from_secs(1) * bytes / self.pace.bytes);
    }
}

impl<S> PacedStream<S> {
    pub(super) fn new(stream: S, pace: Pace) -> Self {
        Self { stream, patience: PaceTimer::new(pace), end: None }
    }

    /// The result of a write, with a timeout while it is pending.
    fn timed(&mut self, context: &mut Context<'_>, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        #[expect(clippy::disallowed_methods, reason = "how long a reader takes")]
        let now = Instant::now();
        if let Poll::Ready(done) = polled {
            self.patience.took(now, *done.as_ref().unwrap_or(&0));
            return Poll::Ready(done);
        }
        let end = self.patience.ends(now);
        let sleep = self.end.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end)));
        if sleep.deadline() != end {
            sleep.as_mut().reset(end);
        }
        ready!(sleep.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the answer was read too slowly")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PacedStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PacedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.timed(context, polled)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, parts: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.timed(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds until a reader of so many bytes per second is disconnected; `None` if it lasts for an hour.
    fn lasts(bytes: usize) -> Option<u64> {
        #[expect(clippy::disallowed_methods, reason = "some time to count from")]
        let began = Instant::now();
        let mut patience = PaceTimer::new(Pace { patience: Duration::from_secs(10), bytes: 1000 });
        (0..3600).find(|second| {
            let now = began + Duration::from_secs(*second);
            let is_over = patience.ends(now) < now + Duration::from_secs(1);
            patience.took(now + Duration::from_secs(1), bytes);
            is_over
        })
    }

    #[test]
    fn who_reads_slower_than_the_pace_is_let_go() {
        assert_eq!((lasts(1000), lasts(100_000)), (None, None));
        assert_eq!((lasts(0), lasts(1)), (Some(10), Some(10)));
        assert_eq!(lasts(200), Some(12));
        assert_eq!(lasts(900), Some(91));
    }

    #[test]
    fn a_good_start_saves_no_patience() {
        #[expect(clippy::disallowed_methods, reason = "some time to count from")]
        let now = Instant::now();
        let mut patience = PaceTimer::new(Pace { patience: Duration::from_secs(10), bytes: 1000 });
        patience.took(now, 100_000_000);
        assert_eq!(patience.ends(now), now + Duration::from_secs(10));
    }
}
