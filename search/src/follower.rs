//! Keeps the index at the head of the change sequence, and builds it again when it cannot be used.

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

/// Changes taken into one commit at most.
const BATCH: usize = 2000;
/// Records read at a time while the index is built.
const PAGE: usize = 1000;
/// How often other nodes' and other processes' changes are looked for.
const POLL: Duration = Duration::from_millis(500);
/// How soon what is committed, but may still be overtaken by another transaction, is looked for again: someone waits for it.
const SOON: Duration = Duration::from_millis(50);
/// How long the next look waits after a commit, whatever comes: under load each commit then takes many changes, for half the work, and still
/// nobody waits for long. What comes when nothing came before is looked at right away.
const REST: Duration = Duration::from_millis(25);
/// How long a failed step waits for the next attempt, at first; building again waits longer with each failure.
const RETRY: Duration = Duration::from_secs(1);
/// And at most.
const LONGEST_RETRY: Duration = Duration::from_secs(10);
/// Writes in a row that may fail, though the directory takes a file, before the index is built again.
const WRITES: u32 = 3;

/// Proof that no other process uses the index; given up when dropped.
pub(crate) struct IndexLock(#[expect(dead_code, reason = "held, not read")] File);

impl IndexLock {
    /// # Errors
    /// When another process uses the same data directory, or the directory cannot be written.
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

/// What the follower works with between two steps.
struct FollowerState {
    engine: Arc<IndexEngine>,
    writer: DocumentWriter,
    at: ChangePosition,
    stems: StemmerCache,
    /// Writes that failed in a row.
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
            // In this order: who sees the wish gone sees no status of the old index.
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

/// A failed step, with the open index where it can go on from there.
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

/// Takes in the next changes; gives how long to wait before the next look.
async fn catch_up(inner: &Arc<Inner>, now: FollowerState) -> Result<(FollowerState, Duration), StepFailure> {
    let read = async {
        let changes = inner.source.changes(now.at, BATCH).await?;
        // Asked after the changes were read, so that none of them can have been removed unseen.
        let complete = now.at >= inner.source.beginning().await?;
        let mut seen = HashSet::new();
        let ids: Vec<FeedbackId> = changes.iter().map(|c| c.feedback).filter(|id| seen.insert(*id)).collect();
        let documents = if ids.is_empty() { Vec::new() } else { inner.source.documents(&changes).await? };
        Ok((changes, ids, documents, complete))
    };
    // The database fails now and then; the index is as good as before.
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
    // It grows with each commit, whatever the clock does.
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

/// The stamp of a commit made now. It is a time, so that nodes, each with an index of its own, nearly agree.
fn stamp(inner: &Inner) -> u64 {
    u64::try_from(inner.clock.now().0).unwrap_or_default()
}

/// What failed in the middle of writing is not trusted. But the commit before it is whole on disk, and most likely the disk is full: then
/// the index as it was is better than none. `None` when it cannot be used, or the disk is not what is wrong.
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

/// Whether there is room for a file like those of a small commit.
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
    let known = now.engine.known(ids).map_err(fault)?;
    let new: HashSet<FeedbackId> = ids.iter().copied().filter(|id| !known.contains_key(id)).collect();
    // What the index does not hold need not be looked for in each of its segments once more.
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
    tell(inner, changes, new, last);
}

/// Tells whoever listens what can be found now.
fn tell(inner: &Inner, changes: Vec<IndexChange>, new: &HashSet<FeedbackId>, last: ChangePosition) {
    *inner.told.lock().unwrap_or_else(PoisonError::into_inner) = last;
    let mut by_project = BTreeMap::<ProjectId, Vec<FeedbackId>>::new();
    for change in changes {
        let ids = by_project.entry(change.project).or_default();
        if !ids.contains(&change.feedback) {
            ids.push(change.feedback);
        }
    }
    for (project, feedback) in by_project {
        // Nobody may be listening.
        let new = feedback.iter().copied().filter(|id| new.contains(id)).collect();
        drop(inner.arrived.send(NewlySearchable { project, feedback, new, at: last }));
    }
}

/// Builds the index from the database; `None` when stopped meanwhile.
async fn rebuild(inner: &Arc<Inner>, stop: &watch::Receiver<bool>) -> Result<Option<FollowerState>, StepFailure> {
    build(inner, stop).await.map_err(|error| (None, error))
}

async fn build(inner: &Arc<Inner>, stop: &watch::Receiver<bool>) -> Result<Option<FollowerState>> {
    let total = inner.source.count().await?;
    inner.set_building(0, total);
    // Everything after this place is taken in again by following, so what changes while we read is not missed.
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
        // While one page goes in, the next is read.
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
    tell_of_what_was_built(inner, at).await;
    Ok(Some(now))
}

/// What came after listeners were last told and before the place from which following goes on stands in the built index: nobody else tells.
async fn tell_of_what_was_built(inner: &Arc<Inner>, at: ChangePosition) {
    loop {
        let told = *inner.told.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changes = match inner.source.changes(told, BATCH).await {
            Ok(changes) => changes,
            // The index is good all the same; open pages hear of it with their next look.
            Err(error) => {
                return tracing::warn!(search.error = %error, "open pages were not notified of changes made during the index build");
            }
        };
        changes.retain(|change| change.at <= at);
        let Some(last) = changes.last().map(|change| change.at) else { return };
        tell(inner, changes, &HashSet::new(), last);
    }
}

/// Moves what is there out of the way first, so that a half-removed index is never opened.
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
