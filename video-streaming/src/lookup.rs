//! What is known of a video before its bytes are sent, and for how long it may be believed.
//!
//! `metadata` is asked, and its answer believed for [`FRESH`]. After that it is asked again, and
//! only while it does not answer (or answers that it is unavailable) is the old answer good for
//! another while, [`STALE`] at most: a catalogue that is down stops no playback. An answer that
//! the video is unknown ends it at once and is never kept.
//!
//! One question per video is on its way at any time, whoever waits for it. While `metadata`
//! hangs, one caller at a time finds out whether it still does; the others are served from
//! memory without waiting.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use tokio::time::Instant;
use uuid::Uuid;

use crate::meters::Meters;

mod memory;
mod metadata;

use memory::Memory;
pub(crate) use metadata::MetadataClient;

/// How long an answer is believed without asking again. A deleted video may start to play for
/// as long as this, so it counts from the question and not from the answer.
const FRESH: Duration = Duration::from_secs(5);

/// How long an answer is good while no newer one can be had.
const STALE: Duration = Duration::from_hours(1);

/// How long `metadata` may take. Somebody waits for their video to start.
const TIMEOUT: Duration = Duration::from_secs(1);

/// After `metadata` hung, whoever can be served from memory does not ask it for this long.
const PAUSE: Duration = Duration::from_secs(1);

/// How many answers are kept, about 100 bytes each.
const CAPACITY: usize = 10_000;

/// From this many questions on, those that everybody gave up are cleared away before the next.
const SWEEP_QUESTIONS: usize = 1_000;

/// A video as far as playing it needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Video {
    /// How long it plays, where its file says so.
    pub(crate) duration_ms: Option<u64>,
}

/// Where videos are looked up: the `metadata` service.
#[async_trait]
pub(crate) trait Catalogue: Send + Sync {
    /// Asks for one video, and calls it [`Answer::Hanging`] if that takes longer than `timeout`.
    /// Failures are logged here, once, and not where the answer is shared.
    async fn ask(&self, video: Uuid, timeout: Duration) -> Answer;
}

/// What the catalogue says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The video is there.
    Known(Video),
    /// There is no such video.
    Unknown,
    /// It cannot say now: not reachable, or 502, 503 or 504.
    Unavailable,
    /// It does not say anything.
    Hanging,
    /// It says something that it should not: a bug on one of the two sides.
    Broken,
}

/// Why a video was not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LookupError {
    /// There is no such video.
    Unknown,
    /// The catalogue is down, and nothing is known that is recent enough.
    Unavailable,
    /// The catalogue gave an answer that makes no sense.
    Broken,
}

/// Looks videos up, and remembers them.
#[derive(Clone)]
pub(crate) struct Lookup(Arc<Desk>);

/// Where questions are asked and answers kept; shared with the questions on their way.
struct Desk {
    catalogue: Arc<dyn Catalogue>,
    meters: Meters,
    memory: Mutex<Memory>,
    questions: Mutex<HashMap<Uuid, WeakShared<Question>>>,
    hanging_until: Mutex<Option<Instant>>,
}

/// A question on its way, with the time it was asked at. Whoever waits for it drives it on, so
/// it needs no task; when nobody waits any more it ends.
type Question = BoxFuture<'static, (Instant, Answer)>;

impl Lookup {
    /// Looks videos up in the catalogue.
    pub(crate) fn new(catalogue: Arc<dyn Catalogue>, meters: Meters) -> Self {
        Self(Arc::new(Desk {
            catalogue,
            meters,
            memory: Mutex::new(Memory::new(CAPACITY)),
            questions: Mutex::default(),
            hanging_until: Mutex::default(),
        }))
    }

    /// What is known of the video.
    pub(crate) async fn video(&self, id: Uuid) -> Result<Video, LookupError> {
        let desk = &self.0;
        let arrived = Instant::now();
        if let Some(video) = desk.remembered(id, FRESH) {
            desk.meters.lookups_fresh.inc();
            return Ok(video);
        }
        if let Some(video) = desk.remembered(id, STALE)
            && !desk.may_ask(arrived)
        {
            desk.meters.lookups_stale.inc();
            return Ok(video);
        }
        // Whoever asked a moment ago has as good an answer.
        let any = arrived.checked_sub(FRESH).unwrap_or(arrived);
        self.asked(id, arrived, any).await
    }

    /// The catalogue's answer: that the video is there to a question asked at `since` or later,
    /// that it is not to one asked at `arrived` or later.
    async fn asked(
        &self,
        id: Uuid,
        arrived: Instant,
        since: Instant,
    ) -> Result<Video, LookupError> {
        let desk = &self.0;
        loop {
            let (asked_at, answer) = self.question(id).await;
            match answer {
                // It may have been deleted since.
                Answer::Known(_) if asked_at < since => {}
                Answer::Known(video) => {
                    desk.meters.lookups_refreshed.inc();
                    return Ok(video);
                }
                // Somebody else's question was asked before this one; the video may have been
                // added since, and whoever added it must find it.
                Answer::Unknown if asked_at < arrived => {}
                Answer::Unknown => {
                    desk.meters.lookups_missed.inc();
                    return Err(LookupError::Unknown);
                }
                Answer::Unavailable | Answer::Hanging => {
                    return if let Some(video) = desk.remembered(id, STALE) {
                        desk.meters.lookups_stale.inc();
                        Ok(video)
                    } else {
                        desk.meters.lookups_missed.inc();
                        Err(LookupError::Unavailable)
                    };
                }
                Answer::Broken => {
                    desk.meters.lookups_missed.inc();
                    return Err(LookupError::Broken);
                }
            }
        }
    }

    /// What the catalogue says of the video now; what was said before counts only while it is down.
    pub(crate) async fn video_now(&self, id: Uuid) -> Result<Video, LookupError> {
        let desk = &self.0;
        let arrived = Instant::now();
        if let Some(video) = desk.remembered(id, STALE)
            && !desk.may_ask(arrived)
        {
            desk.meters.lookups_stale.inc();
            return Ok(video);
        }
        self.asked(id, arrived, arrived).await
    }

    /// Forgets the video: there is reason to believe that it is gone.
    pub(crate) fn forget(&self, id: Uuid) {
        lock(&self.0.memory).forget(id);
    }

    /// Joins the question about the video that is on its way, or asks it.
    fn question(&self, id: Uuid) -> Shared<Question> {
        let mut questions = lock(&self.0.questions);
        if let Some(question) = questions.get(&id).and_then(WeakShared::upgrade) {
            return question;
        }
        if questions.len() >= SWEEP_QUESTIONS {
            questions.retain(|_, question| question.upgrade().is_some());
        }
        let desk = Arc::clone(&self.0);
        let question = async move { desk.ask(id).await }.boxed().shared();
        if let Some(weak) = question.downgrade() {
            questions.insert(id, weak);
        }
        question
    }
}

impl Desk {
    async fn ask(&self, id: Uuid) -> (Instant, Answer) {
        let asked_at = Instant::now();
        let answer = self.catalogue.ask(id, TIMEOUT).await;
        match answer {
            Answer::Known(video) => lock(&self.memory).remember(id, video, asked_at),
            Answer::Unknown => lock(&self.memory).forget(id),
            Answer::Unavailable | Answer::Hanging | Answer::Broken => {}
        }
        *lock(&self.hanging_until) = (answer == Answer::Hanging).then(|| Instant::now() + PAUSE);
        // Whoever comes from here on asks anew, or finds the answer in memory.
        lock(&self.questions).remove(&id);
        (asked_at, answer)
    }

    fn remembered(&self, id: Uuid, no_older_than: Duration) -> Option<Video> {
        lock(&self.memory).get(id, no_older_than)
    }

    /// Whether a caller who could be served from memory should ask all the same. While the
    /// catalogue hangs it should not, but for one caller after each pause.
    fn may_ask(&self, now: Instant) -> bool {
        let mut hanging_until = lock(&self.hanging_until);
        match *hanging_until {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                *hanging_until = Some(now + TIMEOUT + PAUSE);
                true
            }
        }
    }
}

/// No code that holds one of these locks can panic half-way through a change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
