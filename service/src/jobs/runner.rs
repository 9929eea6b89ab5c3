//! The workers of this process.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinHandle};

use super::{periodic::enqueue_periodic, run_one};
use crate::{state::AppState, webhooks};

/// Jobs run concurrently by this process: a long one does not block the others.
const WORKERS: usize = 2;
/// How often to poll the queue without being woken: other nodes add jobs too, and failed jobs become due.
const LOOK: Duration = Duration::from_secs(1);
/// How often to check that the hourly jobs are queued.
const PERIODIC: Duration = Duration::from_secs(300);

/// The workers of this process; they end with [`Runner::stop`].
pub struct Runner {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Runner {
    /// Starts the workers.
    #[must_use]
    pub fn start(app: &AppState) -> Self {
        let (stop, stopping) = watch::channel(false);
        let mut tasks: Vec<_> = (0..WORKERS).map(|_| tokio::spawn(work(Arc::clone(app), stopping.clone()))).collect();
        tasks.push(tokio::spawn(webhooks::deliver::run(Arc::clone(app), stopping.clone())));
        tasks.push(tokio::spawn(run_maintenance(Arc::clone(app), stopping)));
        Self { stop, tasks }
    }

    /// Asks running jobs to stop at a suitable point, waits for them, and requeues unfinished ones.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            drop(task.await);
        }
    }
}

async fn work(app: AppState, mut stopping: watch::Receiver<bool>) {
    while !*stopping.borrow() {
        match run_one(&app, &stopping).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::warn!(error = %error, "the job queue cannot be processed"),
        }
        tokio::select! {
            _ = stopping.changed() => {}
            () = app.jobs.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

async fn run_maintenance(app: AppState, mut stopping: watch::Receiver<bool>) {
    while !*stopping.borrow() {
        if let Err(error) = enqueue_periodic(&app).await {
            tracing::warn!(error = %error, "the hourly job could not be queued");
        }
        if let Err(error) = app.reload_secrets().await {
            tracing::warn!(error = %error, "the signing secrets could not be checked");
        }
        tokio::select! {
            _ = stopping.changed() => {}
            () = tokio::time::sleep(PERIODIC) => {}
        }
    }
}
