//! The latest snapshot, from the loop that makes it to the threads that show it.

use std::sync::{Arc, Mutex, PoisonError};

use super::snapshot::Snapshot;

/// Where views find the latest snapshot. All who lock it only exchange a pointer.
#[derive(Debug, Default)]
pub(super) struct Latest(Mutex<Arc<Snapshot>>);

impl Latest {
    /// What there is to show; before the first interval has passed a snapshot of nothing.
    pub(super) fn get(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set(&self, snapshot: Snapshot) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
    }
}
