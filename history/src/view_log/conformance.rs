//! The laws of [`ViewLog`] as functions over any implementation.
//!
//! [`laws!`] is the list of them: an implementation's tests name a function that opens a store
//! (or says that there is none here), and get one test for each law. Each law gets a store of its own, because sweeping concerns all
//! that is in one.

mod beats;
mod forgetting;
mod listing;
mod streams;
mod sweeping;
mod transfers;
mod views;

pub(super) use beats::*;
pub(super) use forgetting::*;
pub(super) use listing::*;
pub(super) use streams::*;
pub(super) use sweeping::*;
pub(super) use transfers::*;
pub(super) use views::*;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{CountedView, Observation, Outcome, Recorded, ViewLog};
use crate::entry::Entry;
use crate::watch_session::{Beat, PlaybackState, WatchSession};

/// Makes one test of each law for the store that `$open` opens.
macro_rules! laws {
    ($open:path: $($law:ident)*) => {
        $(
            #[tokio::test]
            async fn $law() {
                let Some(opened) = $open().await else { return };
                crate::view_log::conformance::$law(opened.log()).await;
            }
        )*
    };
    ($open:path) => {
        crate::view_log::conformance::laws! { $open:
            the_first_body_of_a_sequence_number_stays
            beats_in_any_order_give_the_same_entry
            the_session_that_started_last_and_sent_a_beat_wins
            of_sessions_that_started_together_the_larger_id_wins
            a_session_that_only_started_makes_no_entry
            the_latest_beat_that_knows_a_duration_tells_it
            a_full_session_moves_its_entry_and_adds_no_watched_time
            a_session_becomes_one_view_when_its_watched_time_reaches_thirty_seconds
            half_of_a_short_video_is_a_view
            a_duration_that_is_learned_late_can_make_a_view
            a_view_keeps_its_number_until_it_is_confirmed
            a_beat_that_arrives_late_never_takes_a_view_back
            sessions_that_are_recorded_side_by_side_get_the_numbers_from_one_on
            only_unconfirmed_views_counted_before_the_moment_are_unpublished
            reports_in_any_order_join_into_the_same_sessions
            a_session_without_the_start_of_the_video_is_no_view
            a_report_that_is_delivered_again_changes_nothing
            reports_of_other_clients_and_videos_do_not_join
            a_number_given_back_is_taken_by_the_next_view
            a_forgotten_entry_stays_away_until_something_newer_arrives
            a_beat_that_was_overtaken_brings_nothing_forgotten_back
            forgetting_everything_forgets_each_entry_of_that_viewer_only
            what_is_there_is_forgotten_even_if_it_was_dated_later
            forgetting_leaves_counted_views
            forgetting_nothing_is_no_error
            after_forgetting_an_older_session_may_win
            a_deleted_video_is_gone_for_good
            the_list_is_newest_first_and_pages_meet_without_overlap
            entries_of_the_same_millisecond_are_each_listed_once
            an_entry_that_moves_up_between_pages_hides_no_other
            a_swept_session_changes_no_answer
            a_new_beat_of_a_swept_session_goes_on_from_the_entry
            a_swept_session_is_not_counted_again
            a_session_that_still_lives_is_not_swept
            a_report_older_than_what_is_kept_is_too_late
            what_was_forgotten_or_deleted_outlives_every_sweep
        }
    };
}
pub(super) use laws;

/// Some moment; the laws count in milliseconds from it.
fn moment(milliseconds: i64) -> Timestamp {
    let start: Timestamp = "2026-03-01T20:00:00Z".parse().unwrap();
    start + SignedDuration::from_millis(milliseconds)
}

/// A player that plays from the start without a pause, unless told otherwise.
#[derive(Clone, Copy)]
struct Player {
    session: WatchSession,
    duration_ms: Option<u64>,
}

impl Player {
    /// A player of a new viewer and a new video, with a session that starts at the moment zero.
    fn new() -> Self {
        Self::of(Uuid::new_v4(), Uuid::now_v7(), 0)
    }

    fn of(viewer: Uuid, video: Uuid, started_ms: i64) -> Self {
        Self {
            session: WatchSession {
                id: Uuid::new_v4(),
                viewer,
                video,
                started_at: moment(started_ms),
            },
            duration_ms: None,
        }
    }

    /// Another session of the same viewer and video.
    fn again(&self, started_ms: i64) -> Self {
        Self::of(self.session.viewer, self.session.video, started_ms)
    }

    fn lasting(mut self, duration_ms: u64) -> Self {
        self.duration_ms = Some(duration_ms);
        self
    }

    fn start(&self) -> Observation {
        Observation::Started {
            session: self.session,
            duration_ms: self.duration_ms,
        }
    }

    /// A beat at this position, received as long after the session's start.
    fn beat(&self, seq: u64, position_ms: u64) -> Observation {
        self.beat_received(
            seq,
            position_ms,
            self.session.started_at + SignedDuration::from_millis(position_ms.cast_signed()),
        )
    }

    fn beat_received(&self, seq: u64, position_ms: u64, received_at: Timestamp) -> Observation {
        self.beat_in(PlaybackState::Playing, seq, position_ms, received_at)
    }

    fn beat_in(
        &self,
        state: PlaybackState,
        seq: u64,
        position_ms: u64,
        received_at: Timestamp,
    ) -> Observation {
        Observation::Beat {
            session: self.session,
            beat: Beat {
                seq,
                position_ms,
                state,
                received_at,
            },
            duration_ms: self.duration_ms,
        }
    }

    /// Four beats over thirty seconds: just enough for a view.
    fn a_view(&self) -> Vec<Observation> {
        (0..4)
            .map(|tens| self.beat(tens + 1, tens * 10_000))
            .collect()
    }

    async fn entry(&self, log: &dyn ViewLog) -> Option<Entry> {
        log.entry(self.session.viewer, self.session.video)
            .await
            .unwrap()
    }
}

/// Records events at the time they are about; only sweeping looks at the time of storing.
async fn record(log: &dyn ViewLog, observation: Observation) -> Recorded {
    let at = match &observation {
        Observation::Started { session, .. } => session.started_at,
        Observation::Beat { beat, .. } => beat.received_at,
        Observation::Streamed(report) => report.span.last_byte_at(),
    };
    log.record(observation, at).await.unwrap()
}

async fn record_all(
    log: &dyn ViewLog,
    observations: impl IntoIterator<Item = Observation>,
) -> Vec<CountedView> {
    let mut counted = Vec::new();
    for observation in observations {
        let recorded = record(log, observation).await;
        if recorded.counted {
            counted.extend(recorded.unpublished);
        }
    }
    counted
}

async fn outcome(log: &dyn ViewLog, observation: Observation) -> Outcome {
    record(log, observation).await.outcome
}
