//! Image processing: one process per image ([`super::worker`]), few at a time, and one image per address at a time.

use std::{
    collections::HashMap,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use domain::{
    Clock, DomainError as Refusal,
    tickets::{
        files::FileType,
        image_limits::{DecodingCost, ImageRejection, decoding_cost},
    },
};
use tokio::{sync::Semaphore, time::timeout};

use super::worker::{MAX_ENCODED, RESULT_HEADER_BYTES, WorkerLimits, read_head};
use crate::{
    error::{Error, Result},
    limits::budget::{ClientNetwork, QuotaOwner, ResourceBudget},
    system_resources,
};

const MB: u64 = 1 << 20;
/// Limits of a small image (pixels, decoded bytes): it never queues behind a large one.
const SMALL: DecodingCost = DecodingCost { pixels: 2_000_000, bytes: 16 * MB };
/// Memory limit of the process for a small image, and maximum for a large one.
const SMALL_MEMORY: u64 = 96 * MB;
const LARGE_MEMORY: u64 = 256 * MB;
/// Processor time per image, in seconds. (Debug builds take twenty times as long.)
const SECONDS: u64 = if cfg!(debug_assertions) { 20 } else { 2 };
/// Wall-clock timeout per image, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(10 * SECONDS);
/// Maximum length of a queue, and the maximum waiting time.
const LINE: usize = 16;
const WAIT: Duration = Duration::from_secs(10);
/// Images of one address in process or queued; a network has as many for each of its shares.
const LINE_OF_ONE: usize = 4;
/// Retry delay when a queue is full, in seconds.
const AGAIN: u64 = 10;

/// Why an image could not be processed.
#[derive(Debug)]
pub enum ImageProcessingError {
    /// The image was rejected.
    Wrong(ImageRejection),
    /// Processing failed.
    Error(Error),
}

impl From<ImageRejection> for ImageProcessingError {
    fn from(wrong: ImageRejection) -> Self {
        Self::Wrong(wrong)
    }
}

impl From<Refusal> for ImageProcessingError {
    fn from(refusal: Refusal) -> Self {
        Self::Error(refusal.into())
    }
}

impl From<Error> for ImageProcessingError {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// A limited number of workers with a queue.
#[derive(Debug)]
struct WorkerPool {
    hands: Semaphore,
    line: AtomicUsize,
    memory: u64,
}

impl WorkerPool {
    fn new(hands: usize, memory: u64) -> Self {
        Self { hands: Semaphore::new(hands), line: AtomicUsize::new(0), memory }
    }
}

/// A place in a queue, released when dropped.
struct QueueSlot<'a>(&'a AtomicUsize);

impl<'a> QueueSlot<'a> {
    fn stand(line: &'a AtomicUsize, most: usize) -> Option<Self> {
        let before = line.fetch_add(1, Ordering::Relaxed);
        let stands = Self(line);
        (before < most).then_some(stands)
    }
}

impl Drop for QueueSlot<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The queue of one address or network.
#[derive(Debug)]
struct NetworkQueue {
    hands: Semaphore,
    line: AtomicUsize,
    most: usize,
}

/// The worker pools of this process.
#[derive(Debug)]
pub struct ImageProcessing {
    /// The program that decodes: this one.
    program: PathBuf,
    small: WorkerPool,
    large: WorkerPool,
    team: WorkerPool,
    turns: Mutex<HashMap<ClientNetwork, Weak<NetworkQueue>>>,
}

impl ImageProcessing {
    /// Creates the pools for this machine; `program` is the path of this program.
    #[must_use]
    pub fn new(program: &Path) -> Self {
        let large = system_resources::memory().map_or(LARGE_MEMORY, |bytes| LARGE_MEMORY.min(bytes / 4));
        // Leave half of the processors to everything else.
        let hands = (system_resources::processors() / 2).max(1);
        Self {
            program: program.to_owned(),
            small: WorkerPool::new(hands, SMALL_MEMORY.min(large)),
            large: WorkerPool::new(hands, large),
            team: WorkerPool::new(1, large),
            turns: Mutex::default(),
        }
    }

    /// Number of images being processed or queued.
    #[must_use]
    pub fn busy(&self) -> usize {
        [&self.small, &self.large, &self.team].iter().map(|place| place.line.load(Ordering::Relaxed)).sum()
    }

    /// Re-encodes the image; see [`super::worker::reencode`]. Dropping the future stops the work.
    ///
    /// # Errors
    /// [`ImageProcessingError`]: a rejected image, or [`Refusal::Busy`] and [`Refusal::RateLimited`].
    pub async fn encode_anew(
        &self,
        budget: &ResourceBudget,
        clock: &dyn Clock,
        payer: QuotaOwner,
        kind: FileType,
        bytes: Vec<u8>,
    ) -> Result<(FileType, Vec<u8>), ImageProcessingError> {
        let cost = decoding_cost(kind, &bytes)?;
        let busy = || {
            budget.refusals.count("pictures");
            ImageProcessingError::from(Refusal::Busy(AGAIN))
        };
        let place = match payer {
            QuotaOwner::Team => &self.team,
            QuotaOwner::Stranger(_) if cost.pixels <= SMALL.pixels && cost.bytes <= SMALL.bytes => &self.small,
            QuotaOwner::Stranger(_) => &self.large,
        };
        let turns: Vec<Arc<NetworkQueue>> =
            payer.address().into_iter().flat_map(ClientNetwork::of).map(|network| self.turn(network)).collect();
        // Per-address queues first, so that one address takes one place in the shared queue.
        let mut own = Vec::with_capacity(turns.len());
        for turn in &turns {
            let line = QueueSlot::stand(&turn.line, turn.most).ok_or_else(busy)?;
            own.push((line, timeout(WAIT, turn.hands.acquire()).await.map_err(|_| busy())?));
        }
        let _line = QueueSlot::stand(&place.line, LINE).ok_or_else(busy)?;
        let _hand = timeout(WAIT, place.hands.acquire()).await.map_err(|_| busy())?;
        if let Some(address) = payer.address() {
            budget.may_decode(address, clock.now()).inspect_err(|_| budget.refusals.count("pictures"))?;
        }
        let (done, used) = self.work(place.memory, bytes).await;
        if let Some(address) = payer.address() {
            budget.decoded(address, used, clock.now());
        }
        done
    }

    fn turn(&self, network: ClientNetwork) -> Arc<NetworkQueue> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(&network).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let shares = network.shares();
        let turn = Arc::new(NetworkQueue { hands: Semaphore::new(shares), line: AtomicUsize::new(0), most: LINE_OF_ONE * shares });
        turns.insert(network, Arc::downgrade(&turn));
        turn
    }

    /// Runs a process; returns its result and the processor time used.
    async fn work(&self, memory: u64, bytes: Vec<u8>) -> (Result<(FileType, Vec<u8>), ImageProcessingError>, Duration) {
        let whole = Duration::from_secs(SECONDS);
        match timeout(PATIENCE, self.child(WorkerLimits { memory, seconds: SECONDS }, bytes)).await {
            Ok(Ok((head, picture))) => match read_head(&head) {
                Some((Ok(kind), used)) => (Ok((kind, picture)), used),
                Some((Err(wrong), used)) => (Err(wrong.into()), used),
                None => (Err(Error::internal("picture", "the decoder sent an invalid response").into()), whole),
            },
            Ok(Err(WorkerError::Wrong(wrong))) => (Err(wrong.into()), whole),
            Err(_) => (Err(ImageRejection::Large.into()), whole),
            Ok(Err(WorkerError::Error(error))) => (Err(Error::internal("image decoder process", error).into()), Duration::ZERO),
        }
    }

    async fn child(&self, means: WorkerLimits, bytes: Vec<u8>) -> Result<([u8; RESULT_HEADER_BYTES], Vec<u8>), WorkerError> {
        let WorkerLimits { memory, seconds } = means;
        let mut command = Command::new(&self.program);
        command.args(["decode-picture", "--memory", &memory.to_string(), "--seconds", &seconds.to_string()]);
        // Keep the allocator from reserving a gigabyte of addresses in advance: the limit could not tell how much of it is in use.
        command.env_clear().env("MIMALLOC_DISALLOW_ARENA_ALLOC", "1");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(WorkerError::Error)?;
        let pipes = (child.stdin.take(), child.stdout.take());
        let child = KillOnDrop(Arc::new(Mutex::new(child)));
        let (Some(into), Some(from)) = pipes else { return Err(WorkerError::Error(std::io::Error::other("it has no pipes"))) };
        let own = Arc::clone(&child.0);
        // `child` stays here: a dropped future kills the process, which also ends this thread's work.
        let talk = tokio::task::spawn_blocking(move || talk(&own, into, from, &bytes));
        talk.await.map_err(|error| WorkerError::Error(std::io::Error::other(error)))?
    }
}

/// A process that is killed on drop.
struct KillOnDrop(Arc<Mutex<Child>>);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        // A process that has already ended cannot be killed.
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).kill());
    }
}

/// Sends a process its image and reads its response.
fn talk(
    child: &Mutex<Child>,
    mut into: ChildStdin,
    from: ChildStdout,
    bytes: &[u8],
) -> Result<([u8; RESULT_HEADER_BYTES], Vec<u8>), WorkerError> {
    // A process that ends early stops reading.
    drop(into.write_all(bytes));
    drop(into);
    let mut answer = Vec::new();
    let read = from.take((RESULT_HEADER_BYTES + MAX_ENCODED) as u64 + 1).read_to_end(&mut answer);
    // It has sent everything and is ending. The lock is free in between, so that it can be killed meanwhile.
    let mut ended = None;
    for _ in 0..1000 {
        ended = child.lock().unwrap_or_else(PoisonError::into_inner).try_wait().map_err(WorkerError::Error)?;
        if ended.is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    read.map_err(WorkerError::Error)?;
    match ended.and_then(|status| status.code()) {
        Some(0) => {}
        Some(1) => return Err(WorkerError::Error(std::io::Error::other("it could not set its limits or write its response"))),
        // The decoder panicked.
        Some(_) => return Err(WorkerError::Wrong(ImageRejection::Broken)),
        // Killed by the system for exceeding its limits.
        None => return Err(WorkerError::Wrong(ImageRejection::Large)),
    }
    let head = *answer.first_chunk::<RESULT_HEADER_BYTES>().ok_or(WorkerError::Wrong(ImageRejection::Broken))?;
    answer.drain(..RESULT_HEADER_BYTES);
    Ok((head, answer))
}

/// Why a process gave no result.
enum WorkerError {
    /// The image was rejected.
    Wrong(ImageRejection),
    /// It could not be started, or its response not read.
    Error(std::io::Error),
}
