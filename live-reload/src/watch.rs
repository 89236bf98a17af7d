//! Hearing that something may have changed.
//!
//! The system's events are quick and cost nothing, but there are file systems that have none: a
//! folder of the host that a virtual machine shares, or one on a server. There the contents are
//! looked at again and again.

use std::path::Path;
use std::time::Duration;

use notify::{Config, PollWatcher, RecommendedWatcher, Watcher};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use crate::config::{BuildSettings, Watching};
use crate::sources::Sources;

/// Changes that go on for longer than this are built all the same.
const LONGEST_UNREST: Duration = Duration::from_secs(1);

/// Hears of changes as long as it lives.
pub(crate) struct Watch {
    _watcher: Box<dyn Watcher + Send>,
    heard: mpsc::Receiver<()>,
    quiet: Duration,
    is_polling: bool,
}

impl Watch {
    /// Begins to watch these sources. What happens from now on is heard.
    pub(crate) fn begin(settings: &BuildSettings, sources: &Sources) -> notify::Result<Self> {
        let polls = match settings.watch {
            Watching::Poll => true,
            Watching::Events => false,
            Watching::Auto => sources.places().keys().any(|place| has_no_events(place)),
        };
        match Self::begin_with(settings, sources, polls) {
            // For example, the system's limit of watched folders is reached.
            Err(_) if !polls && settings.watch == Watching::Auto => {
                Self::begin_with(settings, sources, true)
            }
            begun => begun,
        }
    }

    fn begin_with(
        settings: &BuildSettings,
        sources: &Sources,
        polls: bool,
    ) -> notify::Result<Self> {
        // One is enough to know that one has to look.
        let (tell, heard) = mpsc::channel(1);
        let told = move |event: notify::Result<notify::Event>| {
            if event.is_err() || event.is_ok_and(|event| !event.kind.is_access()) {
                // Full: it is known already.
                let _ = tell.try_send(());
            }
        };
        let mut watcher: Box<dyn Watcher + Send> = if polls {
            let config = Config::default()
                .with_poll_interval(settings.poll)
                // Shared folders may tell times in whole seconds.
                .with_compare_contents(true);
            Box::new(PollWatcher::new(told, config)?)
        } else {
            Box::new(RecommendedWatcher::new(told, Config::default())?)
        };
        for (place, mode) in sources.places() {
            watcher.watch(&place, mode)?;
        }
        Ok(Self {
            _watcher: watcher,
            heard,
            quiet: settings.quiet,
            is_polling: polls,
        })
    }

    /// Whether it looks, instead of being told.
    pub(crate) fn is_polling(&self) -> bool {
        self.is_polling
    }

    /// Waits until something may have changed and then has rested for a moment.
    pub(crate) async fn changed(&mut self) {
        if self.heard.recv().await.is_none() {
            // The watcher lives as long as this, so it does not hang up.
            std::future::pending::<()>().await;
        }
        let latest = Instant::now() + LONGEST_UNREST;
        let unrest = async { while timeout(self.quiet, self.heard.recv()).await.is_ok() {} };
        // Both ends are as good.
        let _ = timeout_at(latest, unrest).await;
    }
}

/// Whether the file system at a place is one whose changes by others raise no events here.
#[cfg(target_os = "linux")]
fn has_no_events(place: &Path) -> bool {
    rustix::fs::statfs(place).is_ok_and(|found| is_shared(u64::try_from(found.f_type).unwrap_or(0)))
}

#[cfg(not(target_os = "linux"))]
fn has_no_events(_: &Path) -> bool {
    false
}

/// The types of statfs(2), without their sign, of file systems that others write to.
#[cfg(target_os = "linux")]
fn is_shared(kind: u64) -> bool {
    const SHARED: [u32; 11] = [
        0x0000_6969, // NFS
        0x0000_517b, // SMB
        0xfe53_4d42, // SMB 2 and later
        0xff53_4d42, // CIFS
        0x0102_1997, // 9P: shared with a virtual machine, WSL
        0x6573_5546, // FUSE: also virtiofs and Docker Desktop's
        0x786f_4256, // VirtualBox
        0xbacb_acbc, // VMware
        0x7c7c_6673, // Parallels
        0x5346_414f, // AFS
        0x00c3_6400, // Ceph
    ];
    // Some systems extend the sign of a type of 32 bits.
    SHARED
        .iter()
        .any(|known| u64::from(*known) == kind & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    const SOON: Duration = Duration::from_secs(20);

    fn settings(watch: &str) -> BuildSettings {
        let command = [
            "live-reload",
            "build",
            "--out",
            "out",
            "--watch",
            watch,
            "--poll-ms",
            "20",
        ];
        match crate::config::Command::parse_from(command) {
            crate::config::Command::Build { build } => build,
            _ => unreachable!("this is the command build"),
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn shared_folders_are_known_by_their_type() {
        for (kind, shared) in [
            (0x6573_5546, true),
            (0x0102_1997, true),
            (0xffff_ffff_ff53_4d42, true),
            (0xef53, false),
            (0x794c_7630, false),
            (0x0102_1994, false),
        ] {
            assert_eq!(is_shared(kind), shared, "{kind:#x}");
        }
    }

    #[tokio::test]
    async fn a_save_by_renaming_is_heard_in_both_ways() {
        for mode in ["events", "poll"] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::create_dir(folder.path().join("src")).unwrap();
            let file = folder.path().join("src/App.svelte");
            std::fs::write(&file, "one").unwrap();
            let sources = Sources::of_pages(folder.path());
            let mut watch = Watch::begin(&settings(mode), &sources).unwrap();
            assert_eq!(watch.is_polling(), mode == "poll");
            for round in ["two", "three"] {
                let beside = folder.path().join("src/.App.svelte.new");
                std::fs::write(&beside, round).unwrap();
                std::fs::rename(&beside, &file).unwrap();
                timeout(SOON, watch.changed()).await.unwrap();
            }
        }
    }
}
