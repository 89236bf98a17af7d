use std::panic::Location;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// Asks `condition` again and again until it answers `Some`, and returns what it answered.
///
/// The pauses grow from 2 to 200 ms: a condition that is true at once costs nothing, and one that
/// takes seconds is not asked thousands of times.
///
/// # Panics
/// When `deadline` has passed, also in the middle of an attempt that hangs. The message names the
/// caller's line, how long it waited and how often it asked.
#[track_caller]
pub fn eventually<T, Fut>(
    deadline: Duration,
    mut condition: impl FnMut() -> Fut,
) -> impl Future<Output = T>
where
    Fut: Future<Output = Option<T>>,
{
    // An `async fn` would not know its caller: the location is taken before the future is made.
    let caller = Location::caller();
    async move {
        let started = Instant::now();
        let end = started + deadline;
        let mut pause = FIRST_PAUSE;
        let mut attempts = 0_u32;
        loop {
            attempts += 1;
            let Ok(outcome) = timeout_at(end, condition()).await else {
                panic!(
                    "{caller}: attempt {attempts} was still running when {:?} had passed",
                    started.elapsed()
                )
            };
            if let Some(value) = outcome {
                return value;
            }
            assert!(
                Instant::now() < end,
                "{caller}: the condition was not met within {:?} ({attempts} attempts)",
                started.elapsed()
            );
            sleep(pause.min(end.saturating_duration_since(Instant::now()))).await;
            pause = (pause * 3 / 2).min(LONGEST_PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_condition_that_becomes_true_ends_the_waiting_with_its_value() {
        let calls = AtomicU32::new(0);
        let seen = eventually(Duration::from_secs(5), || async {
            let call = calls.fetch_add(1, Ordering::Relaxed) + 1;
            (call == 4).then_some(call)
        })
        .await;
        assert_eq!(seen, 4);
    }

    #[tokio::test]
    #[should_panic(expected = "waiting.rs")]
    async fn a_condition_that_stays_false_panics_with_the_callers_line() {
        eventually(Duration::from_millis(20), || async { None::<()> }).await;
    }

    #[tokio::test]
    #[should_panic(expected = "attempt 1 was still running")]
    async fn an_attempt_that_hangs_is_given_up_at_the_deadline() {
        eventually(
            Duration::from_millis(20),
            std::future::pending::<Option<()>>,
        )
        .await;
    }
}
