//! Fills a catalogue and a view log, of any engine, with videos that nobody uploaded and with what
//! nobody watched. `scripts/bench/latency.mjs` runs it, to measure the services at a size.
//!
//! The same numbers make the same content. Filling again changes nothing, so that what was
//! interrupted is completed by being begun again.

#![expect(
    clippy::print_stdout,
    reason = "whoever starts it reads what to ask for"
)]
#![expect(clippy::print_stderr, reason = "whoever waits sees how far it is")]

use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Parser;
use history::config::ViewLogUrl;
use history::transfer::History;
use jiff::{SignedDuration, Timestamp};
use metadata::config::CatalogUrl;
use metadata::transfer::Catalogue;
use serde_json::json;
use uuid::{Builder, Uuid};

/// Words that no made-up one begins with. One of the first two is in every video, never both.
const EVERY_SECOND: &str = "film";
const EVERY_OTHER_SECOND: &str = "umbrella";
const RARE: &str = "okapi";
const VIDEOS_WITH_THE_RARE_WORD: u64 = 10;

/// How long the history of the one is who has watched most, and that of everybody else.
const LONGEST_HISTORY: u64 = 10_000;
const HISTORY: u64 = 100;

/// Each batch is one change where the engine has such: as many as touch no more pages of SQLite's
/// than it keeps in memory, or each page would be written many times.
const VIDEOS_AT_ONCE: u64 = 500;
const ENTRIES_AT_ONCE: u64 = 2_000;

/// When the first video was uploaded, and how long it took to the next: a million make five years.
const FIRST_UPLOAD: Timestamp = Timestamp::constant(1_577_836_800, 0);
const UPLOAD_EVERY: SignedDuration = SignedDuration::from_secs(150);

/// They make 512 words of three each.
const SYLLABLES: [&str; 8] = ["ba", "ce", "di", "go", "hu", "ka", "le", "mi"];

#[derive(Debug, Parser)]
struct Arguments {
    /// The catalogue to fill, as the service's `CATALOG_URL`
    #[arg(long)]
    catalog_url: CatalogUrl,

    /// The view log to fill, as the service's `VIEW_LOG_URL`
    #[arg(long)]
    view_log_url: ViewLogUrl,

    /// How many videos
    #[arg(long, value_parser = clap::value_parser!(u64).range(HISTORY..))]
    videos: u64,

    /// How many entries of histories
    #[arg(long)]
    entries: u64,

    /// Who has watched, before others are made up; the first of them has the longest history
    #[arg(long, required = true)]
    viewer: Vec<Uuid>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let longest = LONGEST_HISTORY.min(arguments.videos);
    let others = arguments.viewer.len() as u64 - 1;
    ensure!(
        arguments.entries >= longest + others * HISTORY,
        "the viewers that are named have more entries than --entries"
    );
    fill_catalogue(&arguments).await?;
    fill_view_log(&arguments, longest).await?;
    let facts = json!({
        "common": EVERY_SECOND,
        "apart": format!("{EVERY_SECOND} {EVERY_OTHER_SECOND}"),
        "rare": RARE,
        "videosWithRare": VIDEOS_WITH_THE_RARE_WORD,
        "history": HISTORY,
        "longestHistory": longest,
    });
    println!("{facts}");
    Ok(())
}

async fn fill_catalogue(arguments: &Arguments) -> anyhow::Result<()> {
    let catalogue = Catalogue::open(&arguments.catalog_url).await?;
    let mut progress = Progress::of("videos", arguments.videos);
    let mut first = 0;
    while first < arguments.videos {
        let end = arguments.videos.min(first + VIDEOS_AT_ONCE);
        let samples = (first..end).map(|number| video(number, arguments.videos));
        catalogue.fill(samples.collect()).await?;
        progress.reached(end);
        first = end;
    }
    Ok(())
}

async fn fill_view_log(arguments: &Arguments, longest: u64) -> anyhow::Result<()> {
    let history = History::open(&arguments.view_log_url).await?;
    let mut progress = Progress::of("entries", arguments.entries);
    let mut samples = Vec::new();
    let (mut made, mut number) = (0, 0);
    while made < arguments.entries {
        let viewer = viewer(&arguments.viewer, number);
        let wanted = if number == 0 { longest } else { HISTORY };
        let count = wanted.min(arguments.entries - made);
        samples.extend((0..count).map(|nth| entry(viewer, number, nth, count, arguments.videos)));
        made += count;
        number += 1;
        if samples.len() as u64 >= ENTRIES_AT_ONCE || made == arguments.entries {
            history.fill(std::mem::take(&mut samples)).await?;
            progress.reached(made);
        }
    }
    Ok(())
}

fn video(number: u64, of: u64) -> metadata::transfer::Sample {
    let mut dice = Dice::of("video", number);
    let title = dice.words(3);
    let description = dice.words(4);
    let half = if number.is_multiple_of(2) {
        EVERY_SECOND
    } else {
        EVERY_OTHER_SECOND
    };
    // Spread over the whole time.
    let apart = of / VIDEOS_WITH_THE_RARE_WORD;
    let is_rare = number.is_multiple_of(apart) && number / apart < VIDEOS_WITH_THE_RARE_WORD;
    let rare = if is_rare { RARE } else { "" };
    metadata::transfer::Sample {
        id: video_id(number),
        uploaded_at: uploaded_at(number),
        title,
        description: format!("{description} {half} {rare}"),
        tags: vec![dice.word()],
        // Few have many, many have few.
        views: 1_000_000 / (1 + dice.up_to(1_000_000)),
    }
}

/// One of `count` entries of a viewer, each of another video.
fn entry(
    viewer: Uuid,
    number: u64,
    nth: u64,
    count: u64,
    videos: u64,
) -> history::transfer::Sample {
    let first = Dice::of("history", number).up_to(videos);
    let seen = (first + nth * (videos / count)) % videos;
    // Long after the last upload, and everybody at other times.
    let after = SignedDuration::from_secs(i64::try_from(number % 3_600 + nth * 3_600).unwrap_or(0));
    history::transfer::Sample {
        viewer,
        video: video_id(seen),
        last_watched_at: Timestamp::constant(1_735_689_600, 0) + after,
        position_ms: 300_000,
        duration_ms: 600_000,
    }
}

fn viewer(named: &[Uuid], number: u64) -> Uuid {
    let index = usize::try_from(number).unwrap_or(usize::MAX);
    named.get(index).copied().unwrap_or_else(|| {
        let mut dice = Dice::of("viewer", number);
        Builder::from_random_bytes(dice.bytes()).into_uuid()
    })
}

fn video_id(number: u64) -> Uuid {
    let bytes: [u8; 16] = Dice::of("id", number).bytes();
    let [random @ .., _, _, _, _, _, _] = bytes;
    let milliseconds = u64::try_from(uploaded_at(number).as_millisecond()).unwrap_or(0);
    Builder::from_unix_timestamp_millis(milliseconds, &random).into_uuid()
}

fn uploaded_at(number: u64) -> Timestamp {
    FIRST_UPLOAD + UPLOAD_EVERY * i32::try_from(number).unwrap_or(i32::MAX)
}

/// Numbers that look random and are the same each time (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn of(purpose: &str, number: u64) -> Self {
        let purpose = purpose
            .bytes()
            .fold(0, |sum, byte| sum * 31 + u64::from(byte));
        Self((purpose << 40) ^ number)
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn up_to(&mut self, end: u64) -> u64 {
        self.roll() % end
    }

    fn bytes(&mut self) -> [u8; 16] {
        ((u128::from(self.roll()) << 64) | u128::from(self.roll())).to_be_bytes()
    }

    fn word(&mut self) -> String {
        let syllables = SYLLABLES.len() as u64;
        let mut syllable = || SYLLABLES[usize::try_from(self.up_to(syllables)).unwrap_or(0)];
        [syllable(), syllable(), syllable()].concat()
    }

    fn words(&mut self, count: usize) -> String {
        let words: Vec<String> = (0..count).map(|_| self.word()).collect();
        words.join(" ")
    }
}

/// Says now and then how far it is.
struct Progress {
    what: &'static str,
    of: u64,
    began: Instant,
    said: Instant,
}

impl Progress {
    fn of(what: &'static str, of: u64) -> Self {
        let now = Instant::now();
        Self {
            what,
            of,
            began: now,
            said: now,
        }
    }

    fn reached(&mut self, count: u64) {
        if count == self.of || self.said.elapsed() >= Duration::from_secs(10) {
            self.said = Instant::now();
            let seconds = self.began.elapsed().as_secs();
            eprintln!("  {count} of {} {} after {seconds} s", self.of, self.what);
        }
    }
}
