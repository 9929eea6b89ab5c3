//! From a listener to the router: connections, their time limits, and the orderly end.

use std::{net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use axum::{body::Body, extract::ConnectInfo};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt;

use super::limits;
use crate::{error::Result, state::AppState};

/// How long a client may take to send the head of a request, from the connection or the answer before on. (Body and answer: [`limits`].)
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may read nothing of an answer that is on its way.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest head, address and all headers together; it is kept in memory for each connection.
const HEAD_BYTES: usize = 64 * 1024;
/// How long running requests may take to end once we stop.
const END_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections at once; more wait in the listener's queue.
const CONNECTIONS: usize = 4096;
/// Files that the database, the search index and everything else may have open beside the connections.
const FILES: usize = 256;

/// How many connections we can have without taking the files away from the database and the index.
fn connections() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let may_open = limits.lines().find_map(|l| l.strip_prefix("Max open files")?.split_whitespace().next()?.parse::<usize>().ok());
    may_open.map_or(CONNECTIONS, |n| CONNECTIONS.min(n.saturating_sub(FILES).max(n / 2)))
}

/// Serves until `shutdown` resolves, then lets running requests end.
///
/// `axum::serve` has no time limit for the head of a request, so that clients which send one byte a minute could
/// hold connections for ever; hyper itself has one.
///
/// # Errors
/// Never at present; a connection that fails concerns only itself.
pub async fn serve(listener: TcpListener, app: AppState, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<()> {
    let router = super::router(Arc::clone(&app));
    let graceful = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(connections()));
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let slot = tokio::select! {
            slot = Arc::clone(&slots).acquire_owned() => slot,
            () = &mut shutdown => break,
        };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Too many open files, mostly: nothing to do but to let some close.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            () = &mut shutdown => break,
        };
        let connection = graceful.watch(connection(stream, peer, WRITE_TIMEOUT, router.clone()));
        tokio::spawn(async move {
            let _slot = slot;
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    drop(listener);
    app.closing.send_replace(true);
    if tokio::time::timeout(END_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests were still running and were cut off");
    }
    Ok(())
}

/// A connection whose writing has a time limit, as hyper takes it.
type Stream = TokioIo<Pin<Box<TimeoutStream<TcpStream>>>>;

fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    write_timeout: Duration,
    router: axum::Router,
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
        router.clone().oneshot(limits::paced(request).map(Body::new))
    });
    // hyper has no limit for writing: a client that asks much and reads nothing would hold its connection for ever.
    let mut stream = Box::pin(TimeoutStream::new(stream));
    stream.as_mut().set_write_timeout_pinned(Some(write_timeout));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
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
        // More than the buffers of both ends take.
        let router = axum::Router::new().route("/", axum::routing::get(|| async { vec![b'x'; 64 << 20] }));
        let served = tokio::spawn(connection(stream, peer, Duration::from_millis(50), router));
        client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(20), served).await;
        assert!(ended.expect("it is still held").unwrap().is_err());
    }
}
