//! A limit on guessing the owner's token.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const MAX_FAILURES: usize = 10;
const WITHIN: Duration = Duration::from_mins(1);

/// Remembers the failed sign-ins of the last minute, of all clients together: a guesser with many
/// addresses gets no further than one with a single address. The token as a bearer is not limited;
/// its 32 bytes cannot be guessed, and a guesser must not be able to lock the owner out of it.
#[derive(Debug, Default)]
pub(crate) struct SignInAttempts {
    failures: Mutex<VecDeque<Instant>>,
}

impl SignInAttempts {
    /// `Err` says how long to wait when too many attempts have failed.
    pub(crate) fn check(&self, now: Instant) -> Result<(), Duration> {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        while failures
            .front()
            .is_some_and(|first| now.saturating_duration_since(*first) >= WITHIN)
        {
            failures.pop_front();
        }
        match failures.front() {
            Some(first) if failures.len() >= MAX_FAILURES => {
                Err(WITHIN.saturating_sub(now.saturating_duration_since(*first)))
            }
            _ => Ok(()),
        }
    }

    /// Counts a failed attempt.
    pub(crate) fn failed(&self, now: Instant) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= MAX_FAILURES {
            failures.pop_front();
        }
        failures.push_back(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_failures_within_a_minute_close_the_door_until_the_first_is_a_minute_old() {
        let attempts = SignInAttempts::default();
        let start = Instant::now();
        for _ in 0..MAX_FAILURES {
            assert_eq!(attempts.check(start), Ok(()));
            attempts.failed(start);
        }
        let later = start + Duration::from_secs(20);
        assert_eq!(attempts.check(later), Err(Duration::from_secs(40)));
        assert_eq!(attempts.check(start + WITHIN), Ok(()));
    }
}
