//! What is shown while it copies: a bar at a terminal, a line from time to time elsewhere.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};

/// How often there is a line where there is no terminal.
const LINE_PERIOD: Duration = Duration::from_secs(10);

/// How progress is shown.
pub(super) struct Progress {
    is_terminal: bool,
}

/// What is being done now.
pub(super) struct Stage {
    name: &'static str,
    unit: Unit,
    total: u64,
    done: AtomicU64,
    bar: Option<ProgressBar>,
    last_line: Mutex<Instant>,
}

#[derive(Clone, Copy)]
enum Unit {
    Items,
    Bytes,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            is_terminal: std::io::stderr().is_terminal(),
        }
    }

    /// A stage that counts items, of which there are about so many.
    pub(super) fn items(&self, name: &'static str, total: u64) -> Stage {
        let bar = "{prefix:24} [{bar:40}] {human_pos}/{human_len} ({per_sec}, {eta} left)";
        self.stage(name, total, Unit::Items, bar)
    }

    /// A stage that counts bytes.
    pub(super) fn bytes(&self, name: &'static str, total: u64) -> Stage {
        let bar = "{prefix:24} [{bar:40}] {bytes}/{total_bytes} ({bytes_per_sec}, {eta} left)";
        self.stage(name, total, Unit::Bytes, bar)
    }

    fn stage(&self, name: &'static str, total: u64, unit: Unit, template: &str) -> Stage {
        let bar = self.is_terminal.then(|| {
            let style = ProgressStyle::with_template(template)
                .expect("the template is written above")
                .progress_chars("=> ");
            ProgressBar::new(total).with_style(style).with_prefix(name)
        });
        let stage = Stage {
            name,
            unit,
            total,
            done: AtomicU64::new(0),
            bar,
            last_line: Mutex::new(Instant::now()),
        };
        if stage.bar.is_none() {
            stage.line();
        }
        stage
    }
}

impl Stage {
    /// So much more is done.
    pub(super) fn add(&self, amount: u64) {
        self.done.fetch_add(amount, Ordering::Relaxed);
        if let Some(bar) = &self.bar {
            bar.inc(amount);
            return;
        }
        let mut last = self
            .last_line
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() >= LINE_PERIOD {
            *last = Instant::now();
            self.line();
        }
    }

    fn line(&self) {
        let done = self.done.load(Ordering::Relaxed);
        let name = self.name;
        let line = match self.unit {
            Unit::Items => format!(
                "{name}: {} of {}\n",
                HumanCount(done),
                HumanCount(self.total)
            ),
            Unit::Bytes => format!(
                "{name}: {} of {}\n",
                HumanBytes(done),
                HumanBytes(self.total)
            ),
        };
        // Whoever does not listen any more need not hear it.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        match &self.bar {
            Some(bar) => bar.finish(),
            None => self.line(),
        }
    }
}
