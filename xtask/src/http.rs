//! A minimal HTTP client that fetches pages from a local server to measure their size.

use std::{
    io::{Read, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use crate::Result;

/// A response.
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// Header names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body as transferred.
    pub body: Vec<u8>,
}

impl HttpResponse {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The body as text, decompressed.
    pub fn text(&self) -> Result<String> {
        let mut plain = Vec::new();
        match self.header("content-encoding") {
            None | Some("identity") => plain.clone_from(&self.body),
            Some("br") => {
                brotli::BrotliDecompress(&mut &self.body[..], &mut plain)?;
            }
            Some(other) => return Err(format!("unexpected content-encoding {other}").into()),
        }
        Ok(String::from_utf8(plain)?)
    }
}

/// Sends GET, accepting brotli. HTTP/1.0, so that the body ends with the connection and is never chunked.
pub fn get(address: SocketAddr, path: &str) -> Result<HttpResponse> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(90)))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\nAccept-Encoding: br\r\nAccept: */*\r\n\r\n")?;
    let mut all = Vec::new();
    stream.read_to_end(&mut all)?;
    let end = all.windows(4).position(|w| w == b"\r\n\r\n").ok_or("a response without headers")?;
    let head = String::from_utf8_lossy(&all[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next().and_then(|l| l.split(' ').nth(1)).and_then(|s| s.parse().ok()).ok_or("a response without a status")?;
    let headers = lines.filter_map(|l| l.split_once(':')).map(|(n, v)| (n.to_lowercase(), v.trim().to_owned())).collect();
    Ok(HttpResponse { status, headers, body: all.split_off(end + 4) })
}

/// An unused port.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
