//! Cutting a call short after one of its writes, as a crash would.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::view_log::ViewLogError;

/// Shared by the collections of one log.
#[derive(Clone, Debug, Default)]
pub(in crate::view_log::mongodb) struct Interruption {
    writes_left: Arc<AtomicU32>,
}

#[derive(Debug, thiserror::Error)]
#[error("cut short by the test")]
struct CutShort;

impl Interruption {
    /// The call that does so many writes from now on fails after the last of them.
    pub(super) fn after(&self, writes: u32) {
        self.writes_left.store(writes, Ordering::SeqCst);
    }

    /// Lets everything pass; the answer is whether a call was cut short.
    pub(super) fn lifted(&self) -> bool {
        self.writes_left.swap(0, Ordering::SeqCst) == 0
    }

    pub(in crate::view_log::mongodb) fn after_write(&self) -> Result<(), ViewLogError> {
        let counted = self
            .writes_left
            .try_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        if counted == Ok(1) {
            return Err(ViewLogError::Unavailable(Box::new(CutShort)));
        }
        Ok(())
    }
}
