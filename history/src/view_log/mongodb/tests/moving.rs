//! Moving logs between servers, and between a server and a file.

use tempfile::TempDir;

use super::{OpenedLog, open};
use crate::view_log::conformance;
use crate::view_log::sqlite::SqliteViewLog;

impl OpenedLog {
    pub(super) fn store(&self) -> &dyn conformance::Store {
        &self.log
    }
}

struct File {
    log: SqliteViewLog,
    _folder: TempDir,
}

impl File {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = SqliteViewLog::open(&folder.path().join("history.db")).await;
        Self {
            log: log.unwrap(),
            _folder: folder,
        }
    }

    fn store(&self) -> &dyn conformance::Store {
        &self.log
    }
}

mod between_servers {
    use super::*;

    async fn pair() -> Option<(OpenedLog, OpenedLog)> {
        Some((open().await?, open().await?))
    }

    conformance::transfer_laws!(pair);
}

mod from_a_file {
    use super::*;

    async fn pair() -> Option<(File, OpenedLog)> {
        Some((File::open().await, open().await?))
    }

    conformance::transfer_laws!(pair);
}

mod to_a_file {
    use super::*;

    async fn pair() -> Option<(OpenedLog, File)> {
        Some((open().await?, File::open().await))
    }

    conformance::transfer_laws!(pair);
}
