//! Requests over kept-alive connections with minimal work per request: the generator shares the processors with the measured program.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use crate::Result;

/// The latencies of many requests, all stored: percentiles are exact, without buckets.
#[derive(Debug, Clone, Default)]
pub struct LatencySamples(Vec<u64>);

impl LatencySamples {
    pub fn push(&mut self, took: Duration) {
        self.0.push(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Median, 99th percentile and maximum, in milliseconds.
    pub fn spread(mut self) -> LatencySummary {
        self.0.sort_unstable();
        // The value that at least this share of all values do not exceed: for few measurements the 99th percentile is the maximum.
        let at = |share: f64| {
            let rank = (share * self.0.len() as f64).ceil() as usize;
            self.0.get(rank.saturating_sub(1)).map_or(f64::NAN, |ns| *ns as f64 / 1e6)
        };
        LatencySummary { count: self.0.len(), p50: at(0.5), p99: at(0.99), max: at(1.0) }
    }
}

/// Summary of many latencies, in milliseconds.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct LatencySummary {
    pub count: usize,
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
}

/// The response to one request.
#[derive(Debug, Clone, Copy)]
pub struct ResponseTiming {
    pub status: u16,
    /// From before the request was sent until the first byte arrived.
    pub first_byte: Duration,
    /// From before the request was sent until the last byte arrived.
    pub total: Duration,
}

/// One kept-alive connection.
pub struct Connection {
    address: SocketAddr,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
    head: usize,
    end: usize,
}

impl Connection {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, stream: None, buffer: vec![0; 64 * 1024], head: 0, end: 0 }
    }

    /// Sends a request and reads the whole response.
    pub async fn send(&mut self, request: &[u8]) -> Result<ResponseTiming> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(self.address).await?;
                stream.set_nodelay(true)?;
                stream
            }
        };
        let started = Instant::now();
        stream.write_all(request).await?;
        let mut filled = stream.read(&mut self.buffer).await?;
        let first_byte = started.elapsed();
        let head = loop {
            if let Some(at) = find(&self.buffer[..filled], b"\r\n\r\n") {
                break at + 4;
            }
            filled += self.more(&mut stream, filled).await?;
        };
        let text = std::str::from_utf8(&self.buffer[..head])?;
        let status: u16 = text.get(9..12).and_then(|s| s.parse().ok()).ok_or("a response without a status")?;
        let header = |name: &str| {
            text.split("\r\n").filter_map(|l| l.split_once(':')).find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim())
        };
        let keeps = !header("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"));
        let length: Option<usize> = header("content-length").and_then(|v| v.parse().ok());
        let bodiless = status == 204 || status == 304;
        match length {
            Some(length) => {
                while filled < head + length {
                    filled += self.more(&mut stream, filled).await?;
                }
                filled = head + length;
            }
            None if bodiless => {}
            None => {
                while !self.buffer[head..filled].ends_with(b"0\r\n\r\n") {
                    filled += self.more(&mut stream, filled).await?;
                }
            }
        }
        let total = started.elapsed();
        (self.head, self.end) = (head, filled);
        if keeps {
            self.stream = Some(stream);
        }
        Ok(ResponseTiming { status, first_byte, total })
    }

    async fn more(&mut self, stream: &mut TcpStream, filled: usize) -> Result<usize> {
        if filled == self.buffer.len() {
            self.buffer.resize(filled * 2, 0);
        }
        match stream.read(&mut self.buffer[filled..]).await? {
            0 => Err("the response ended early".into()),
            n => Ok(n),
        }
    }

    /// The body of the last response.
    pub fn body(&self) -> String {
        String::from_utf8_lossy(&self.buffer[self.head..self.end]).into_owned()
    }

    /// The values of a header of the last response.
    pub fn headers(&self, name: &str) -> Vec<String> {
        let head = String::from_utf8_lossy(&self.buffer[..self.head]).into_owned();
        let all = head.split("\r\n").filter_map(|l| l.split_once(':'));
        all.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim().to_owned()).collect()
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

/// A `GET` request with a cookie.
pub fn get(path: &str, cookie: &str) -> Vec<u8> {
    let cookie = if cookie.is_empty() { String::new() } else { format!("Cookie: {cookie}\r\n") };
    format!("GET {path} HTTP/1.1\r\nHost: bench.example\r\nAccept: text/html\r\n{cookie}\r\n").into_bytes()
}

/// The time since 1970.
pub fn since_epoch() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}

/// A `POST` request with JSON.
pub fn post_json(path: &str, key: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: bench.example\r\nContent-Type: application/json\r\nIdempotency-Key: {key}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A load profile: each connection sends its next request after the response to the last.
#[derive(Debug, Clone, Copy)]
pub struct LoadProfile {
    pub connections: usize,
    /// Nothing is counted during this time.
    pub warm_up: Duration,
    pub measured: Duration,
    /// Requests per second on all connections together; `None`: as many as possible.
    pub pace: Option<f64>,
}

/// The result of a load.
#[derive(Debug, Clone, Default)]
pub struct LoadResult {
    pub times: LatencySamples,
    /// Responses with an unexpected status.
    pub refused: usize,
    pub per_second: f64,
}

/// Runs a load; `make` creates the n-th request of a connection, and `good` is the expected status.
pub async fn run<F>(address: SocketAddr, load: LoadProfile, good: u16, make: F) -> Result<LoadResult>
where
    F: Fn(usize, u64) -> Vec<u8> + Clone + Send + 'static,
{
    let begin = Instant::now() + load.warm_up;
    let end = begin + load.measured;
    let mut clients = JoinSet::new();
    for client in 0..load.connections {
        let make = make.clone();
        let gap = load.pace.map(|pace| Duration::from_secs_f64(load.connections as f64 / pace));
        clients.spawn(async move {
            let mut connection = Connection::new(address);
            let (mut times, mut refused) = (LatencySamples::default(), 0_usize);
            let start = Instant::now();
            for n in 0_u64.. {
                if let Some(gap) = gap {
                    let due = start + gap.mul_f64(n as f64 + client as f64 / load.connections as f64);
                    tokio::time::sleep_until(due.into()).await;
                }
                let now = Instant::now();
                if now >= end {
                    break;
                }
                let answer = connection.send(&make(client, n)).await?;
                if now < begin {
                    continue;
                }
                if answer.status == good {
                    times.push(answer.total);
                } else {
                    refused += 1;
                }
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>((times, refused))
        });
    }
    let mut done = LoadResult::default();
    while let Some(client) = clients.join_next().await {
        let (times, refused) = client??;
        done.times.extend(times);
        done.refused += refused;
    }
    // Requests that began inside the window, divided by the window including the time the last of them took beyond it.
    let window = (Instant::now() - begin).as_secs_f64().max(load.measured.as_secs_f64());
    done.per_second = done.times.len() as f64 / window;
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let mut times = LatencySamples::default();
        for n in (1..=200).rev() {
            times.push(Duration::from_millis(n));
        }
        let spread = times.spread();
        assert_eq!((spread.count, spread.p50, spread.p99, spread.max), (200, 100.0, 198.0, 200.0));
        let mut few = LatencySamples::default();
        few.push(Duration::from_millis(7));
        few.push(Duration::from_millis(3));
        let spread = few.spread();
        assert_eq!((spread.p50, spread.p99), (3.0, 7.0));
        assert!(LatencySamples::default().spread().p50.is_nan());
    }
}
