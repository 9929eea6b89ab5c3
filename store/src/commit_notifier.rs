//! What this process has just committed, for anyone who follows the change sequence.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use domain::ids::FeedbackId;
use tokio::sync::watch;

use super::change_feed::IndexRow;

/// New records kept at most. They wait for the index, which is a fraction of a second behind; when it is not, it reads what it needs.
const KEPT: usize = 4096;

/// What a transaction will have to tell once it is committed.
#[derive(Debug, Default)]
pub(super) struct CommitEffects {
    pub(super) feedback_changed: bool,
    /// New records, as the index wants them.
    pub(super) made: Vec<IndexRow>,
}

/// Wakes those who follow, and keeps new records for the index. To read one back is some twenty columns through a channel, and what belongs to it
/// from four other tables, all of which is known here anyway: no longer doing so, and SQLite's binary JSON, brought a submission from 580 to
/// 180 µs of processor time on a busy machine.
#[derive(Debug)]
pub(super) struct CommitNotifier {
    wake: watch::Sender<u64>,
    made: Mutex<HashMap<FeedbackId, IndexRow>>,
}

impl Default for CommitNotifier {
    fn default() -> Self {
        Self { wake: watch::channel(0).0, made: Mutex::default() }
    }
}

impl CommitNotifier {
    /// To be called after the commit.
    pub(super) fn tell(&self, news: CommitEffects) {
        if !news.feedback_changed {
            return;
        }
        {
            let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
            if made.len() + news.made.len() > KEPT {
                // Nobody takes them: the index is being built, or far behind.
                made.clear();
            }
            made.extend(news.made.into_iter().map(|row| (row.feedback.id, row)).take(KEPT));
        }
        self.wake.send_modify(|n| *n += 1);
    }

    /// Hands out those of the records, as they were made, that are still here.
    pub(super) fn take(&self, ids: impl Iterator<Item = FeedbackId>) -> Vec<IndexRow> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        ids.filter_map(|id| made.remove(&id)).collect()
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.wake.subscribe()
    }
}
