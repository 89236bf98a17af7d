use std::sync::atomic::{AtomicUsize, Ordering};

use service_kit::context::ServiceContext;
use tokio::sync::Notify;
use tokio::time::advance;

use super::*;

const ID: Uuid = Uuid::from_u128(7);
const VIDEO: Video = Video {
    duration_ms: Some(61_000),
};
const MOMENT: Duration = Duration::from_millis(1);

/// A catalogue that says what the test wants, and counts how often it is asked.
struct Scripted {
    answer: Mutex<Answer>,
    asked: AtomicUsize,
    /// When set, answers wait for it.
    hold: Mutex<Option<Arc<Notify>>>,
}

#[async_trait]
impl Catalogue for Scripted {
    async fn ask(&self, _video: Uuid, timeout: Duration) -> Answer {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let answer = *lock(&self.answer);
        let hold = lock(&self.hold).clone();
        if let Some(hold) = hold {
            hold.notified().await;
        }
        if answer == Answer::Hanging {
            tokio::time::sleep(timeout).await;
        }
        answer
    }
}

impl Scripted {
    fn says(&self, answer: Answer) {
        *lock(&self.answer) = answer;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    fn holds(&self) -> Arc<Notify> {
        let hold = Arc::new(Notify::new());
        *lock(&self.hold) = Some(Arc::clone(&hold));
        hold
    }
}

fn lookup(answer: Answer) -> (Lookup, Arc<Scripted>) {
    let catalogue = Arc::new(Scripted {
        answer: Mutex::new(answer),
        asked: AtomicUsize::new(0),
        hold: Mutex::default(),
    });
    let meters = Meters::new(&ServiceContext::new("video-streaming").metrics);
    (Lookup::new(Arc::clone(&catalogue) as _, meters), catalogue)
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_believed_for_five_seconds_and_then_asked_for_again() {
    let (lookup, catalogue) = lookup(Answer::Known(VIDEO));
    assert_eq!(lookup.video(ID).await, Ok(VIDEO));
    advance(FRESH.saturating_sub(MOMENT)).await;
    assert_eq!(lookup.video(ID).await, Ok(VIDEO));
    assert_eq!(catalogue.asked(), 1);
    advance(MOMENT).await;
    let changed = Video { duration_ms: None };
    catalogue.says(Answer::Known(changed));
    assert_eq!(lookup.video(ID).await, Ok(changed));
    assert_eq!(catalogue.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_age_of_an_answer_counts_from_its_question() {
    let (lookup, catalogue) = lookup(Answer::Known(VIDEO));
    let hold = catalogue.holds();
    let slow = async {
        advance(Duration::from_millis(900)).await;
        hold.notify_one();
    };
    let (answer, ()) = tokio::join!(lookup.video(ID), slow);
    assert_eq!(answer, Ok(VIDEO));
    *lock(&catalogue.hold) = None;
    advance(FRESH.saturating_sub(Duration::from_millis(900))).await;
    catalogue.says(Answer::Unknown);
    assert_eq!(lookup.video(ID).await, Err(LookupError::Unknown));
}

#[tokio::test(start_paused = true)]
async fn an_old_answer_is_good_for_an_hour_while_the_catalogue_is_down() {
    for down in [Answer::Unavailable, Answer::Hanging] {
        let (lookup, catalogue) = lookup(Answer::Known(VIDEO));
        let asked_at = Instant::now();
        assert_eq!(lookup.video(ID).await, Ok(VIDEO));
        catalogue.says(down);
        advance(FRESH).await;
        assert_eq!(lookup.video(ID).await, Ok(VIDEO), "{down:?}");
        let hour_old = asked_at + STALE;
        tokio::time::sleep_until(hour_old.checked_sub(2 * TIMEOUT).unwrap()).await;
        assert_eq!(lookup.video(ID).await, Ok(VIDEO), "{down:?}");
        tokio::time::sleep_until(hour_old).await;
        assert_eq!(
            lookup.video(ID).await,
            Err(LookupError::Unavailable),
            "{down:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_404_ends_it_at_once_also_when_the_catalogue_was_down_before() {
    let (lookup, catalogue) = lookup(Answer::Known(VIDEO));
    assert_eq!(lookup.video(ID).await, Ok(VIDEO));
    advance(FRESH).await;
    catalogue.says(Answer::Unavailable);
    assert_eq!(lookup.video(ID).await, Ok(VIDEO));
    catalogue.says(Answer::Unknown);
    assert_eq!(lookup.video(ID).await, Err(LookupError::Unknown));
    catalogue.says(Answer::Unavailable);
    assert_eq!(lookup.video(ID).await, Err(LookupError::Unavailable));
}

#[tokio::test(start_paused = true)]
async fn a_404_is_never_kept() {
    let (lookup, catalogue) = lookup(Answer::Unknown);
    assert_eq!(lookup.video(ID).await, Err(LookupError::Unknown));
    catalogue.says(Answer::Known(VIDEO));
    assert_eq!(lookup.video(ID).await, Ok(VIDEO));
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_sense_is_not_covered_up_with_an_old_one() {
    let (lookup, catalogue) = lookup(Answer::Known(VIDEO));
    assert_eq!(lookup.video(ID).await, Ok(VIDEO));
    advance(FRESH).await;
    catalogue.says(Answer::Broken);
    assert_eq!(lookup.video(ID).await, Err(LookupError::Broken));
}

#[tokio::test(start_paused = true)]
async fn what_is_forgotten_is_asked_for_again() {
    let (lookup, catalogue) = lookup(Answer::Known(VIDEO));
    assert_eq!(lookup.video(ID).await, Ok(VIDEO));
    lookup.forget(ID);
    catalogue.says(Answer::Unknown);
    assert_eq!(lookup.video(ID).await, Err(LookupError::Unknown));
}

#[tokio::test(start_paused = true)]
async fn one_question_serves_all_who_wait_for_it() {
    let (lookup, catalogue) = lookup(Answer::Known(VIDEO));
    let hold = catalogue.holds();
    let all = futures_util::future::join_all((0..100).map(|_| lookup.video(ID)));
    let release = async {
        tokio::task::yield_now().await;
        hold.notify_one();
    };
    let (answers, ()) = tokio::join!(all, release);
    assert!(answers.iter().all(|answer| *answer == Ok(VIDEO)));
    assert_eq!(catalogue.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_question_goes_on_when_the_one_who_asked_it_goes_away() {
    let (lookup, catalogue) = lookup(Answer::Known(VIDEO));
    let hold = catalogue.holds();
    let mut first = Box::pin(lookup.video(ID));
    let mut second = Box::pin(lookup.video(ID));
    assert!(futures_util::poll!(&mut first).is_pending());
    assert!(futures_util::poll!(&mut second).is_pending());
    drop(first);
    hold.notify_one();
    assert_eq!(second.await, Ok(VIDEO));
    assert_eq!(catalogue.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn questions_that_everybody_gave_up_leave_nothing_behind() {
    let (lookup, catalogue) = lookup(Answer::Known(VIDEO));
    let hold = catalogue.holds();
    for number in 0..SWEEP_QUESTIONS as u128 + 10 {
        let mut question = Box::pin(lookup.video(Uuid::from_u128(number)));
        assert!(futures_util::poll!(&mut question).is_pending());
    }
    assert!(lock(&lookup.0.questions).len() <= SWEEP_QUESTIONS);
    hold.notify_one();
    assert_eq!(lookup.video(Uuid::from_u128(0)).await, Ok(VIDEO));
}

#[tokio::test(start_paused = true)]
async fn a_404_to_an_earlier_question_is_not_the_answer_to_a_later_one() {
    let (lookup, catalogue) = lookup(Answer::Unknown);
    let hold = catalogue.holds();
    let mut early = Box::pin(lookup.video(ID));
    assert!(futures_util::poll!(&mut early).is_pending());
    advance(MOMENT).await;
    // The video is added between the two questions.
    catalogue.says(Answer::Known(VIDEO));
    *lock(&catalogue.hold) = None;
    let mut late = Box::pin(lookup.video(ID));
    assert!(futures_util::poll!(&mut late).is_pending());
    hold.notify_one();
    assert_eq!(early.await, Err(LookupError::Unknown));
    assert_eq!(late.await, Ok(VIDEO));
}

#[tokio::test(start_paused = true)]
async fn while_the_catalogue_hangs_only_one_play_in_a_while_waits_for_it() {
    let (lookup, catalogue) = lookup(Answer::Known(VIDEO));
    assert_eq!(lookup.video(ID).await, Ok(VIDEO));
    advance(FRESH).await;
    catalogue.says(Answer::Hanging);
    let mut waits = Vec::new();
    for _ in 0..200 {
        let began = Instant::now();
        assert_eq!(lookup.video(ID).await, Ok(VIDEO));
        waits.push(began.elapsed());
        advance(Duration::from_millis(10)).await;
    }
    let waited = waits.iter().filter(|wait| !wait.is_zero()).count();
    assert!((2..=3).contains(&waited), "{waited} plays waited");
}

#[tokio::test(start_paused = true)]
async fn whoever_finds_out_whether_the_catalogue_still_hangs_holds_up_nobody_else() {
    let (lookup, catalogue) = lookup(Answer::Known(VIDEO));
    let other = Uuid::from_u128(8);
    assert_eq!(lookup.video(ID).await, Ok(VIDEO));
    assert_eq!(lookup.video(other).await, Ok(VIDEO));
    advance(FRESH).await;
    catalogue.says(Answer::Hanging);
    assert_eq!(lookup.video(ID).await, Ok(VIDEO));
    advance(PAUSE).await;
    let mut probing = Box::pin(lookup.video(ID));
    assert!(futures_util::poll!(&mut probing).is_pending());
    assert_eq!(lookup.video(other).now_or_never(), Some(Ok(VIDEO)));
    assert_eq!(lookup.video(ID).now_or_never(), Some(Ok(VIDEO)));
    assert_eq!(probing.await, Ok(VIDEO));
}

#[tokio::test(start_paused = true)]
async fn a_catalogue_that_answers_again_is_believed_again() {
    let (lookup, catalogue) = lookup(Answer::Known(VIDEO));
    assert_eq!(lookup.video(ID).await, Ok(VIDEO));
    advance(FRESH).await;
    catalogue.says(Answer::Hanging);
    assert_eq!(lookup.video(ID).await, Ok(VIDEO));
    catalogue.says(Answer::Unknown);
    // Another video, never looked up before, does not wait for the pause to end.
    let other = Uuid::from_u128(8);
    assert_eq!(lookup.video(other).await, Err(LookupError::Unknown));
    assert_eq!(lookup.video(ID).await, Err(LookupError::Unknown));
}
