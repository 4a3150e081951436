//! The position of each function in each shard, stored beside the data.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A position in a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Position {
    /// Before the first record.
    Start,
    /// After the record that is the last one at this moment.
    Latest,
    /// After the record with this sequence number.
    After(String),
}

/// Positions by mapping (function and table) and by shard.
type Positions = BTreeMap<String, BTreeMap<String, Position>>;

/// All positions, in memory and optionally in a file.
///
/// The file is replaced as a whole, so a reader never sees a partial file. It is not flushed to disk. With an older file
/// records are delivered again, which functions must tolerate anyway.
#[derive(Debug)]
pub(super) struct Checkpoints {
    file: Option<PathBuf>,
    lost: bool,
    positions: Mutex<Positions>,
}

impl Checkpoints {
    /// Reads the positions from this file. Without a file, positions are only in memory.
    pub(super) fn open(file: Option<PathBuf>) -> std::io::Result<Self> {
        let (mut lost, mut positions) = (false, Positions::new());
        let text = file.as_deref().map(std::fs::read_to_string);
        match text {
            None => {}
            Some(Ok(text)) => match serde_json::from_str(&text) {
                Ok(kept) => positions = kept,
                Err(error) => {
                    tracing::warn!(file = ?file, %error, "the stored stream positions are damaged: all stored records are delivered again");
                    lost = true;
                }
            },
            Some(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {}
            Some(Err(error)) => return Err(error),
        }
        Ok(Self {
            file,
            lost,
            positions: Mutex::new(positions),
        })
    }

    /// Returns the stored position in a shard, or `new` if there is none. If the stored positions are damaged, it returns
    /// the start of the shard, because it is unknown which records have been handled.
    pub(super) fn position(&self, mapping: &str, shard: &str, new: Position) -> Position {
        let positions = self.lock();
        let kept = positions.get(mapping).and_then(|shards| shards.get(shard));
        match kept {
            Some(position) => position.clone(),
            None if self.lost => Position::Start,
            None => new,
        }
    }

    /// Stores a position.
    pub(super) fn keep(&self, mapping: &str, shard: &str, position: Position) {
        let mut positions = self.lock();
        let shards = positions.entry(mapping.to_owned()).or_default();
        if shards.get(shard) == Some(&position) {
            return;
        }
        shards.insert(shard.to_owned(), position);
        self.save(&positions);
    }

    /// Removes the positions of shards that do not exist.
    pub(super) fn retain(&self, mapping: &str, exists: impl Fn(&str) -> bool) {
        let mut positions = self.lock();
        if let Some(shards) = positions.get_mut(mapping) {
            shards.retain(|shard, _| exists(shard));
        }
    }

    fn save(&self, positions: &Positions) {
        let Some(file) = &self.file else {
            return;
        };
        if let Err(error) = replace(file, positions) {
            tracing::warn!(file = %file.display(), %error, "the stream positions could not be stored: records are delivered again after a restart");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Positions> {
        self.positions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn replace(file: &Path, positions: &Positions) -> std::io::Result<()> {
    let written = file.with_extension("streams.json.new");
    std::fs::write(&written, serde_json::to_vec_pretty(positions)?)?;
    std::fs::rename(written, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(number: &str) -> Position {
        Position::After(number.to_owned())
    }

    #[test]
    fn positions_are_restored_from_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("assay.streams.json");
        let first = Checkpoints::open(Some(file.clone())).unwrap();
        assert_eq!(
            first.position("F/T", "s", Position::Latest),
            Position::Latest
        );
        first.keep("F/T", "s", after("5"));
        first.keep("F/T", "s2", Position::Start);
        first.keep("F/U", "s", after("6"));
        first.retain("F/T", |shard| shard == "s");
        first.keep("F/U", "s", after("7"));
        let second = Checkpoints::open(Some(file)).unwrap();
        assert_eq!(second.position("F/T", "s", Position::Latest), after("5"));
        assert_eq!(second.position("F/U", "s", Position::Latest), after("7"));
        assert_eq!(
            second.position("F/T", "s2", Position::Latest),
            Position::Latest
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_damaged_file_makes_all_shards_start_at_their_first_record() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("assay.streams.json");
        std::fs::write(&file, "{\"F/T\": {").unwrap();
        let checkpoints = Checkpoints::open(Some(file)).unwrap();
        assert_eq!(
            checkpoints.position("F/T", "s", Position::Latest),
            Position::Start
        );
    }
}
