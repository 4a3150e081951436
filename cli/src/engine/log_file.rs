//! SQLite's log of writes, `…-wal`. A write is stored once the log is on the disk.
//!
//! SQLite can force the log to the disk at every commit. Then each write waits for the disk alone. The engine does not let
//! SQLite wait (`synchronous=NORMAL`): all writes of a group are committed, and then [`LogFile::force`] waits once for all
//! of them. SQLite itself still forces the log before it copies it into the data file, so the data file stays consistent.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

/// The log of a data file.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    /// SQLite creates the log at the first write, and deletes it when the database is closed.
    file: Option<File>,
}

impl LogFile {
    /// The log of this data file.
    pub(super) fn of(data: &Path) -> Self {
        let mut path = data.as_os_str().to_owned();
        path.push("-wal");
        Self {
            path: path.into(),
            file: None,
        }
    }

    /// Waits until all commits so far are on the disk.
    pub(super) fn force(&mut self) -> std::io::Result<()> {
        let file = match self.file.take() {
            Some(file) => file,
            // Windows flushes only files that can be written. Nothing is written through this handle.
            None => OpenOptions::new().read(true).write(true).open(&self.path)?,
        };
        file.sync_data()?;
        self.file = Some(file);
        Ok(())
    }
}
