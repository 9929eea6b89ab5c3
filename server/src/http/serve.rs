//! Serves a router on a listener: connections, their time limits, and graceful shutdown.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{body::Body, extract::ConnectInfo};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use service::{error::Result, system_resources};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Semaphore,
};
use tower::ServiceExt;

use super::{
    WebState,
    connections::ConnectionGuard,
    limits,
    pace::{Pace, PacedStream},
};

/// Time limit for the head of a request, counted from the connection or the previous response. (For body and response, see [`limits`].)
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// The pace at which a response must be read: the same as for sending bodies ([`limits`]).
const READING: Pace = Pace { patience: Duration::from_secs(10), bytes: 8 * 1024 };
/// Maximum unsent bytes of a response in the socket's buffer. By default the system buffers megabytes and reports no progress until a third
/// of them is read, so that a slow reader would look like one that reads nothing.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 64 * 1024;
/// Maximum size of a request's head, including URL and all headers; it is kept in memory for each connection.
const HEAD_BYTES: usize = 64 * 1024;
/// Time limit for running requests at shutdown.
const END_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum simultaneous connections; more wait in the listener's queue.
pub const MOST_CONNECTIONS: usize = 4096;
/// Open files reserved for the database, the search index and everything else except connections.
const FILES: usize = 256;
/// Length of the listener's queue, as far as the system allows: if it is full, clients retry only after a second.
const QUEUE: u32 = 4096;

/// Opens the listening socket.
///
/// # Errors
/// Returns an error if the address is in use, or permission is denied.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Lets a restart bind while connections of the previous process are still in TIME-WAIT.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(QUEUE)
}

/// Maximum simultaneous connections that leave enough open files for the database and the index.
#[must_use]
pub fn connections() -> usize {
    let may_open = system_resources::raise_open_file_limit().map(|n| usize::try_from(n).unwrap_or(usize::MAX));
    may_open.map_or(MOST_CONNECTIONS, |n| MOST_CONNECTIONS.min(n.saturating_sub(FILES).max(n / 2)))
}

/// Serves until `shutdown` resolves, then waits for running requests.
///
/// `axum::serve` has no time limit for the head of a request, so that clients that send one byte per minute could
/// hold connections forever; hyper itself has one.
///
/// # Errors
/// Never at present; a failed connection affects only itself.
pub async fn serve(listener: TcpListener, web: WebState, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<()> {
    let router = super::router(web.clone());
    let graceful = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(connections()));
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        if slots.available_permits() == 0 {
            web.connections.evict_idle();
        }
        let slot = tokio::select! {
            slot = Arc::clone(&slots).acquire_owned() => slot,
            () = &mut shutdown => break,
        };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Usually too many open files: wait until some connections close.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            () = &mut shutdown => break,
        };
        let Some(visit) = web.connections.accept_connection(peer.ip().to_canonical()).map(Arc::new) else {
            web.app.budget.refusals.count("connections");
            continue;
        };
        let connection = graceful.watch(connection(stream, peer, READING, router.clone(), Some(Arc::clone(&visit))));
        tokio::spawn(async move {
            let _slot = slot;
            tokio::select! {
                ended = connection => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection ended early");
                    }
                }
                () = visit.evicted() => tracing::debug!("an idle connection was closed to make room for another one"),
            }
        });
    }
    drop(listener);
    web.closing.send_replace(true);
    if tokio::time::timeout(END_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests were still running and were aborted");
    }
    Ok(())
}

/// The connection type that hyper serves.
type Stream = TokioIo<PacedStream<TcpStream>>;

fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    reading: Pace,
    router: axum::Router,
    visit: Option<Arc<ConnectionGuard>>,
) -> http1::Connection<
    Stream,
    impl hyper::service::Service<
        Request<Incoming>,
        Response = axum::response::Response,
        Error = std::convert::Infallible,
        Future: Send + 'static,
    > + Send,
> {
    drop(stream.set_nodelay(true));
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        if let Some(visit) = &visit {
            visit.mark_active();
            request.extensions_mut().insert(Arc::clone(visit));
        }
        router.clone().oneshot(limits::paced(request).map(Body::new))
    });
    #[cfg(target_os = "linux")]
    drop(socket2::SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(PacedStream::new(stream, reading)), service)
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn a_client_that_reads_nothing_is_let_go() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        // More than the buffers of both ends hold.
        let router = axum::Router::new().route("/", axum::routing::get(|| async { vec![b'x'; 64 << 20] }));
        let served = tokio::spawn(connection(stream, peer, Pace { patience: Duration::from_millis(50), bytes: 8 << 20 }, router, None));
        client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(20), served).await;
        assert!(ended.expect("it is still held").unwrap().is_err());
    }
}
