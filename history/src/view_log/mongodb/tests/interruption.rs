//! Cutting a call short after one of its writes, as a crash would, or holding it up there.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::view_log::ViewLogError;

/// Shared by the collections of one log.
#[derive(Clone, Debug, Default)]
pub(in crate::view_log::mongodb) struct Interruption(Arc<Mutex<Option<Planned>>>);

#[derive(Debug)]
struct Planned {
    writes_left: u32,
    /// Nothing where the call is cut short.
    hold_up: Option<HoldUp>,
}

#[derive(Debug)]
struct HoldUp {
    reached: oneshot::Sender<()>,
    going_on: oneshot::Receiver<()>,
}

#[derive(Debug, thiserror::Error)]
#[error("cut short by the test")]
struct CutShort;

impl Interruption {
    /// The call that does so many writes from now on fails after the last of them.
    pub(super) fn cut_after(&self, writes: u32) {
        self.plan(writes, None);
    }

    /// The call that does so many writes from now on waits after the last of them. It has come
    /// there when the receiver gets its message, and goes on when the sender is dropped.
    pub(super) fn hold_up_after(
        &self,
        writes: u32,
    ) -> (oneshot::Receiver<()>, oneshot::Sender<()>) {
        let (reached, when_reached) = oneshot::channel();
        let (go_on, going_on) = oneshot::channel();
        self.plan(writes, Some(HoldUp { reached, going_on }));
        (when_reached, go_on)
    }

    fn plan(&self, writes_left: u32, hold_up: Option<HoldUp>) {
        *self.planned() = Some(Planned {
            writes_left,
            hold_up,
        });
    }

    /// Lets everything pass; the answer is whether a call was interrupted.
    pub(super) fn lifted(&self) -> bool {
        self.planned().take().is_none()
    }

    pub(in crate::view_log::mongodb) async fn after_write(&self) -> Result<(), ViewLogError> {
        let Some(due) = self.due() else {
            return Ok(());
        };
        let Some(HoldUp { reached, going_on }) = due.hold_up else {
            return Err(ViewLogError::Unavailable(Box::new(CutShort)));
        };
        reached.send(()).unwrap();
        // The other end is dropped, and never used.
        let _ = going_on.await;
        Ok(())
    }

    fn due(&self) -> Option<Planned> {
        let mut planned = self.planned();
        planned.as_mut()?.writes_left -= 1;
        planned.take_if(|planned| planned.writes_left == 0)
    }

    fn planned(&self) -> std::sync::MutexGuard<'_, Option<Planned>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
