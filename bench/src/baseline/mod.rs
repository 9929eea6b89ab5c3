//! Baselines: the performance of the components without the product, measured in the same run by the same generator.

pub mod fts5;
pub mod postgres;
pub mod servers;
pub mod tantivy;

use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    Result,
    load::{Connection, LatencySummary},
};

/// A bare server in its own process.
pub struct BaselineServer {
    child: Child,
    pub address: SocketAddr,
}

impl BaselineServer {
    /// Starts one of [`servers`].
    pub fn start(work: &Path, kind: &str) -> Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["bare", kind, &address.to_string()]).arg(work.join("bare")).stdin(Stdio::null());
        Ok(Self { child: command.spawn()?, address })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub async fn ready(&self) -> Result<()> {
        for _ in 0..20_000 {
            if Connection::new(self.address).send(&crate::load::get("/", "")).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        Err("the bare server did not start".into())
    }
}

impl Drop for BaselineServer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A query, which each baseline writes in its own syntax.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BaselineQuery {
    One(String),
    And(String, String),
    Phrase(String, String),
    /// No words: the newest with a tag and a status.
    Filter(String, &'static str),
    /// A word with a typing error.
    Typo(String),
}

/// Latencies of one engine by class of query; an engine omits classes that it does not support.
pub type TimesByClass = Vec<(String, Option<LatencySummary>)>;

/// Another engine with the same items.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EngineResult {
    /// Seconds to create its rows and its index.
    pub built: f64,
    pub times: TimesByClass,
}

/// Results on one page.
pub const PAGE: usize = 50;
