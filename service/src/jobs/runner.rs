//! The workers of this process.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinHandle};

use super::{enqueue_periodic, run_one};
use crate::{state::AppState, webhooks};

/// How many jobs this process works on at a time: a long one does not hold up the others.
const WORKERS: usize = 2;
/// How often the queue is looked at when nobody woke us: other nodes add work too, and failed work comes due.
const LOOK: Duration = Duration::from_secs(1);
/// How often the hourly work is seen to.
const PERIODIC: Duration = Duration::from_secs(300);

/// The workers of this process; they end with [`Runner::stop`].
pub struct Runner {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Runner {
    /// Sets the workers going.
    #[must_use]
    pub fn start(app: &AppState) -> Self {
        let (stop, stopping) = watch::channel(false);
        let mut tasks: Vec<_> = (0..WORKERS).map(|_| tokio::spawn(work(Arc::clone(app), stopping.clone()))).collect();
        tasks.push(tokio::spawn(webhooks::deliver::run(Arc::clone(app), stopping.clone())));
        tasks.push(tokio::spawn(tend(Arc::clone(app), stopping)));
        Self { stop, tasks }
    }

    /// Asks running jobs to come to a good place to stop, waits for them, and puts what is unfinished back into the queue.
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

async fn tend(app: AppState, mut stopping: watch::Receiver<bool>) {
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
