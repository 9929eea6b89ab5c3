//! Keeps the index up to date with the change sequence, and rebuilds it if it cannot be used.

use std::{
    collections::{BTreeMap, HashSet},
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use domain::ids::{FeedbackId, ProjectId};
use tokio::sync::watch;

use crate::{
    ChangePosition, IndexChange, IndexDocument, Inner, NewlySearchable,
    engine::{DocumentWriter, IndexEngine, StemmerCache, fault},
};
use crate::{Error, Result};

/// Most changes in one commit.
const BATCH: usize = 2000;
/// Records read at a time while the index is being built.
const PAGE: usize = 1000;
/// Interval for checking for changes from other nodes and processes.
const POLL: Duration = Duration::from_millis(500);
/// Interval for checking again for committed changes that a running transaction may still precede: someone is waiting for them.
const SOON: Duration = Duration::from_millis(50);
/// Pause after a commit, regardless of new changes: under load each commit then includes many changes, for half the work, and the delay is
/// still short. A change after an idle period is processed immediately.
const REST: Duration = Duration::from_millis(25);
/// Initial delay before retrying a failed step; rebuilding waits longer with each failure.
const RETRY: Duration = Duration::from_secs(1);
/// Longest retry delay.
const LONGEST_RETRY: Duration = Duration::from_secs(10);
/// Consecutive failed writes, although the directory accepts a file, before the index is rebuilt.
const WRITES: u32 = 3;

/// Proof that no other process uses the index; released when dropped.
pub(crate) struct IndexLock(#[expect(dead_code, reason = "held, not read")] File);

impl IndexLock {
    /// # Errors
    /// Returns an error if another process uses the same data directory, or the directory cannot be written.
    pub(crate) fn take(index: &Path) -> Result<Self> {
        let path = index.with_extension("lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|e| Error::Internal(format!("the data directory cannot be written: {}: {e}", path.display())))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(Error::internal(
                "data directory in use",
                format_args!("another earshot process uses {}; stop it first, or use a different directory with --data", index.display()),
            )),
            Err(TryLockError::Error(e)) => Err(Error::internal("search index", e)),
        }
    }
}

/// The follower's state between two steps.
struct FollowerState {
    engine: Arc<IndexEngine>,
    writer: DocumentWriter,
    at: ChangePosition,
    stems: StemmerCache,
    /// Number of consecutive failed writes.
    failures: u32,
}

/// Follows until `stop`. `opened` is the index found at the start, if it can be used.
pub(crate) async fn follow(
    inner: Arc<Inner>,
    opened: Option<(Arc<IndexEngine>, ChangePosition)>,
    mut stop: watch::Receiver<bool>,
    lock: IndexLock,
) {
    let mut wake = inner.source.wake();
    let mut open = None;
    let mut opened = opened;
    let mut retry = RETRY;
    while !*stop.borrow() {
        wake.mark_unchanged();
        if inner.broken.load(Ordering::SeqCst) {
            (open, opened) = (None, None);
            // In this order: a reader that sees the request cleared cannot see the status of the old index.
            inner.set_building(0, 0);
            inner.broken.store(false, Ordering::SeqCst);
        }
        let step = match (open.take(), opened.take()) {
            (Some(now), _) => catch_up(&inner, now).await.map(|(now, pause)| (Some(now), pause)),
            (None, Some((engine, at))) => resume(engine, at).await.map(|now| (Some(now), Duration::ZERO)),
            (None, None) => rebuild(&inner, &stop).await.map(|now| (now, Duration::ZERO)),
        };
        let pause = match step {
            Ok((now, pause)) => {
                retry = RETRY;
                open = now;
                pause
            }
            Err((now, error)) => {
                retry = if now.is_some() { RETRY } else { LONGEST_RETRY.min(retry * 2) };
                if now.is_none() {
                    inner.set_building(0, 0);
                }
                open = now;
                tracing::error!(search.error = %error, "the search index could not follow the changes; retrying");
                retry
            }
        };
        if !pause.is_zero() {
            tokio::select! {
                _ = stop.changed() => {}
                _ = wake.changed(), if pause < RETRY && pause != REST => {}
                () = inner.nudge.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
    inner.set_off();
    if let Some(now) = open {
        drop(tokio::task::spawn_blocking(move || now.writer.close()).await);
    }
    drop(lock);
}

/// A failed step, with the open index if it can continue.
type StepFailure = (Option<FollowerState>, Error);

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|e| Error::internal("search index", e))
}

async fn resume(engine: Arc<IndexEngine>, at: ChangePosition) -> Result<FollowerState, StepFailure> {
    let made =
        blocking(move || engine.writer().map(|writer| FollowerState { engine, writer, at, stems: StemmerCache::default(), failures: 0 }))
            .await;
    made.and_then(|made| made).map_err(|error| (None, error))
}

/// Indexes the next changes; returns the pause before the next check.
async fn catch_up(inner: &Arc<Inner>, now: FollowerState) -> Result<(FollowerState, Duration), StepFailure> {
    let read = async {
        let changes = inner.source.changes(now.at, BATCH).await?;
        // Queried after the changes were read, so that none of them can have been removed unnoticed.
        let complete = now.at >= inner.source.beginning().await?;
        let mut seen = HashSet::new();
        let ids: Vec<FeedbackId> = changes.iter().map(|c| c.feedback).filter(|id| seen.insert(*id)).collect();
        let documents = if ids.is_empty() { Vec::new() } else { inner.source.documents(&changes).await? };
        Ok((changes, ids, documents, complete))
    };
    // The database fails occasionally; the index is still valid.
    let (changes, ids, documents, complete) = match read.await {
        Ok(read) => read,
        Err(error) => return Err((Some(now), error)),
    };
    if !complete {
        return Err((None, Error::internal("search index", "changes were removed before it followed them; rebuilding it")));
    }
    let Some((last, about)) = changes.last().map(|c| (c.at, c.feedback)) else {
        let pause = match inner.source.head().await {
            Ok(head) if head > now.at => SOON,
            Ok(_) => POLL,
            Err(error) => return Err((Some(now), error)),
        };
        return Ok((now, pause));
    };
    let (instance, failures) = (inner.instance.clone(), now.failures + 1);
    // Increases with each commit, regardless of the clock.
    let stamp = stamp(inner).max(now.engine.stamp() + 1);
    let written = blocking(move || write(now, &ids, &documents, &instance, (last, about), stamp)).await.and_then(|done| done);
    let (now, new) = match written {
        Ok(written) => written,
        Err(error) => return Err((reopen(inner, failures).await, error)),
    };
    let read = changes.len();
    publish(inner, changes, &new, last);
    Ok((now, if read >= BATCH { Duration::ZERO } else { REST }))
}

/// The stamp for a commit made now. It is a time, so that nodes, each with its own index, nearly agree.
fn stamp(inner: &Inner) -> u64 {
    u64::try_from(inner.clock.now().0).unwrap_or_default()
}

/// Reopens the index after a failed write, whose state cannot be trusted. The previous commit is complete on disk, and most likely the disk
/// is full: then the old index is better than none. `None` if it cannot be used, or the disk is not the cause.
async fn reopen(inner: &Inner, failures: u32) -> Option<FollowerState> {
    let (dir, instance) = (inner.dir.clone(), inner.instance.clone());
    let opened = blocking(move || {
        let (engine, at, _) = IndexEngine::open(&dir, &instance)?;
        if failures >= WRITES && takes_files(&dir) {
            return Err(Error::internal("search index", "it failed to write several times"));
        }
        let engine = Arc::new(engine);
        let writer = engine.writer()?;
        Ok(FollowerState { engine, writer, at, stems: StemmerCache::default(), failures })
    });
    match opened.await.and_then(|opened| opened) {
        Ok(now) => {
            inner.set_ready(&now.engine, now.at);
            Some(now)
        }
        Err(error) => {
            tracing::warn!(search.error = %error, "the search index cannot be used; rebuilding it");
            None
        }
    }
}

/// Returns whether there is room for a file of the size that a small commit writes.
fn takes_files(dir: &Path) -> bool {
    let probe = dir.with_extension("probe");
    let took = std::fs::write(&probe, vec![0; 1 << 20]).is_ok();
    drop(std::fs::remove_file(&probe));
    took
}

fn write(
    mut now: FollowerState,
    ids: &[FeedbackId],
    documents: &[IndexDocument],
    instance: &str,
    (last, about): (ChangePosition, FeedbackId),
    stamp: u64,
) -> Result<(FollowerState, HashSet<FeedbackId>)> {
    let known = now.engine.text_versions(ids).map_err(fault)?;
    let new: HashSet<FeedbackId> = ids.iter().copied().filter(|id| !known.contains_key(id)).collect();
    // Records that are not in the index need no second lookup in each of its segments.
    for id in known.keys() {
        now.writer.remove(*id);
    }
    for document in documents {
        now.writer.add(document, &mut now.stems, known.get(&document.feedback.id).map(|known| (*known, stamp)))?;
    }
    now.writer.commit(instance, last, Some(about), stamp)?;
    now.engine.reload(stamp)?;
    now.at = last;
    now.failures = 0;
    Ok((now, new))
}

fn publish(inner: &Inner, changes: Vec<IndexChange>, new: &HashSet<FeedbackId>, last: ChangePosition) {
    inner.reached.send_replace(last);
    notify(inner, changes, new, last);
}

/// Notifies subscribers of newly searchable records.
fn notify(inner: &Inner, changes: Vec<IndexChange>, new: &HashSet<FeedbackId>, last: ChangePosition) {
    *inner.notified.lock().unwrap_or_else(PoisonError::into_inner) = last;
    let mut by_project = BTreeMap::<ProjectId, Vec<FeedbackId>>::new();
    for change in changes {
        let ids = by_project.entry(change.project).or_default();
        if !ids.contains(&change.feedback) {
            ids.push(change.feedback);
        }
    }
    for (project, feedback) in by_project {
        // An error only means that there are no subscribers.
        let new = feedback.iter().copied().filter(|id| new.contains(id)).collect();
        drop(inner.arrived.send(NewlySearchable { project, feedback, new, at: last }));
    }
}

/// Builds the index from the database; `None` if stopped meanwhile.
async fn rebuild(inner: &Arc<Inner>, stop: &watch::Receiver<bool>) -> Result<Option<FollowerState>, StepFailure> {
    build(inner, stop).await.map_err(|error| (None, error))
}

async fn build(inner: &Arc<Inner>, stop: &watch::Receiver<bool>) -> Result<Option<FollowerState>> {
    let total = inner.source.count().await?;
    inner.set_building(0, total);
    // Following repeats everything after this position, so changes made during the build are not missed.
    let at = inner.source.settled().await?;
    let about = inner.source.change_at(at).await?;
    let dir = inner.dir.clone();
    let mut now = blocking(move || {
        remove(&dir)?;
        let engine = Arc::new(IndexEngine::create(&dir)?);
        let writer = engine.writer()?;
        Ok::<_, Error>(FollowerState { engine, writer, at, stems: StemmerCache::default(), failures: 0 })
    })
    .await??;
    let mut done = 0;
    let mut page = inner.source.documents_after(None, PAGE).await?;
    while let Some(last) = page.last().map(|document| document.feedback.id) {
        if *stop.borrow() {
            return Ok(None);
        }
        done += page.len();
        let add = blocking(move || {
            for document in &page {
                now.writer.add(document, &mut now.stems, None)?;
            }
            Ok::<_, Error>(now)
        });
        // The next page is read while this one is indexed.
        let (added, next) = tokio::join!(add, inner.source.documents_after(Some(last), PAGE));
        now = added??;
        page = next?;
        inner.set_building(done, total.max(done));
    }
    let (instance, stamp) = (inner.instance.clone(), stamp(inner));
    now = blocking(move || {
        now.writer.commit(&instance, at, about, stamp)?;
        now.engine.reload(stamp)?;
        now.engine.warm(|| false).map_err(fault)?;
        Ok::<_, Error>(now)
    })
    .await??;
    inner.set_ready(&now.engine, at);
    tracing::info!(search.records = done, "the search index has been built");
    notify_of_changes_during_build(inner, at).await;
    Ok(Some(now))
}

/// Notifies subscribers of changes after the last notification that the built index already contains: following starts after them and will
/// not report them.
async fn notify_of_changes_during_build(inner: &Arc<Inner>, at: ChangePosition) {
    loop {
        let notified = *inner.notified.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changes = match inner.source.changes(notified, BATCH).await {
            Ok(changes) => changes,
            // The index is valid anyway; open pages show the changes when they next reload.
            Err(error) => {
                return tracing::warn!(search.error = %error, "open pages were not notified of changes made during the index build");
            }
        };
        changes.retain(|change| change.at <= at);
        let Some(last) = changes.last().map(|change| change.at) else { return };
        notify(inner, changes, &HashSet::new(), last);
    }
}

/// Moves an existing index aside first, so that a half-removed one is never opened.
fn remove(dir: &Path) -> Result<()> {
    let aside: PathBuf = dir.with_extension("old");
    let gone = |path: &Path| match std::fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::internal("search index", e)),
        _ => Ok(()),
    };
    gone(&aside)?;
    if dir.exists() {
        std::fs::rename(dir, &aside).map_err(|e| Error::internal("search index", e))?;
    }
    gone(&aside)
}
