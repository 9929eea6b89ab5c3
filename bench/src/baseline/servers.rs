//! The bare servers: one with a route that does nothing, and one that only inserts.

use std::{net::SocketAddr, path::Path, str::FromStr};

use axum::{Router, body::Bytes, http::StatusCode, routing::post};
use sqlx::{
    Connection as _,
    sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous},
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
};

use crate::Result;

/// Most rows in one commit, the same as in the program.
const GROUP: usize = 128;

pub async fn serve(kind: &str, address: SocketAddr, data: &Path) -> Result<()> {
    let path = "/embed/v1/{key}/responses";
    let router = match kind {
        "route" => Router::new().route(path, post(async |body: Bytes| (StatusCode::CREATED, body.len().to_string()))),
        _ => {
            let queue = commits(data).await?;
            let handler = async move |body: Bytes| {
                let (done, committed) = oneshot::channel();
                if queue.send((body, done)).await.is_err() || committed.await.is_err() {
                    return StatusCode::SERVICE_UNAVAILABLE;
                }
                StatusCode::CREATED
            };
            Router::new().route(path, post(handler))
        }
    };
    axum::serve(TcpListener::bind(address).await?, router).await?;
    Ok(())
}

type Waiting = (Bytes, oneshot::Sender<()>);

/// A single writer: waiting requests share one `INSERT` and one commit, and are answered after it.
async fn commits(data: &Path) -> Result<mpsc::Sender<Waiting>> {
    drop(std::fs::remove_dir_all(data));
    std::fs::create_dir_all(data)?;
    let options = SqliteConnectOptions::from_str(&format!("sqlite://{}", data.join("bare.db").display()))?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let mut conn = SqliteConnection::connect_with(&options).await?;
    sqlx::query("CREATE TABLE said (id INTEGER PRIMARY KEY, body TEXT NOT NULL)").execute(&mut conn).await?;
    let (sender, mut queue) = mpsc::channel::<Waiting>(1024);
    tokio::spawn(async move {
        let mut group = Vec::with_capacity(GROUP);
        while queue.recv_many(&mut group, GROUP).await > 0 {
            let bodies: Vec<&str> = group.iter().filter_map(|(body, _)| std::str::from_utf8(body).ok()).collect();
            let list = serde_json::to_string(&bodies).unwrap_or_default();
            // One statement outside a transaction is one commit.
            let written = sqlx::query("INSERT INTO said (body) SELECT value FROM json_each($1)").bind(list).execute(&mut conn).await;
            if let Err(error) = written {
                eprintln!("bare inserts: {error}");
                break;
            }
            for (_, done) in group.drain(..) {
                done.send(()).ok();
            }
        }
    });
    Ok(sender)
}
