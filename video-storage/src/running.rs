//! The uploads that run in this process.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

/// A shared set of ids. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Running(Arc<Mutex<HashSet<Uuid>>>);

/// Keeps an upload noted as running until it is dropped.
#[derive(Debug)]
pub(crate) struct RunningUpload {
    running: Running,
    id: Uuid,
}

impl Running {
    pub(crate) fn note(&self, id: Uuid) -> RunningUpload {
        self.ids().insert(id);
        RunningUpload {
            running: self.clone(),
            id,
        }
    }

    pub(crate) fn contains(&self, id: Uuid) -> bool {
        self.ids().contains(&id)
    }

    fn ids(&self) -> std::sync::MutexGuard<'_, HashSet<Uuid>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RunningUpload {
    fn drop(&mut self) {
        self.running.ids().remove(&self.id);
    }
}
