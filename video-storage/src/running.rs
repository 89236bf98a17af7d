//! The uploads that run in this process, and those of it that failed and are not cleaned up yet.
//! Nobody else works on either, whatever their leases say.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

/// What is noted. Cheap to clone; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Running(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    running: HashSet<Uuid>,
    left_behind: HashSet<Uuid>,
}

/// Keeps an upload noted as running until it is dropped.
#[derive(Debug)]
pub(crate) struct RunningUpload {
    running: Running,
    id: Uuid,
}

impl Running {
    pub(crate) fn note(&self, id: Uuid) -> RunningUpload {
        self.noted().running.insert(id);
        RunningUpload {
            running: self.clone(),
            id,
        }
    }

    /// Whether this process works on an upload, or will clean it up.
    pub(crate) fn contains(&self, id: Uuid) -> bool {
        let noted = self.noted();
        noted.running.contains(&id) || noted.left_behind.contains(&id)
    }

    /// The uploads that failed when the store did, and left something in it.
    pub(crate) fn left_behind(&self) -> Vec<Uuid> {
        self.noted().left_behind.iter().copied().collect()
    }

    /// Nothing is left of it.
    pub(crate) fn is_cleaned_up(&self, id: Uuid) {
        self.noted().left_behind.remove(&id);
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RunningUpload {
    /// It failed, and what it left cannot be taken away now.
    pub(crate) fn leave_behind(&self) {
        self.running.noted().left_behind.insert(self.id);
    }
}

impl Drop for RunningUpload {
    fn drop(&mut self) {
        self.running.noted().running.remove(&self.id);
    }
}
