//! How far each function has come in each shard, kept beside the data.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A place in a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Position {
    /// PreExposureBalance its first record.
    Start,
    /// Behind its last record at the moment.
    Latest,
    /// Behind this record.
    After(String),
}

/// The positions of all functions by function and table, then by shard.
type Positions = BTreeMap<String, BTreeMap<String, Position>>;

/// The positions, in memory and in a file where there is one.
///
/// The file is replaced as a whole, so that no reader sees half of it, and never forced to the disk: with an older
/// one, records are delivered again, which may happen to a function at any time.
#[derive(Debug)]
pub(super) struct Checkpoints {
    file: Option<PathBuf>,
    lost: bool,
    positions: Mutex<Positions>,
}

impl Checkpoints {
    /// The positions that were kept in this file; none are kept without one.
    pub(super) fn open(file: Option<PathBuf>) -> std::io::Result<Self> {
        let (mut lost, mut positions) = (false, Positions::new());
        let text = file.as_deref().map(std::fs::read_to_string);
        match text {
            None => {}
            Some(Ok(text)) => match serde_json::from_str(&text) {
                Ok(kept) => positions = kept,
                Err(error) => {
                    tracing::warn!(file = ?file, %error, "the positions in streams are lost: records are delivered again");
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

    /// Where to go on in a shard: where it was left, or `new` where it never was. When the positions are lost, from
    /// its start, since what came after them is not known.
    pub(super) fn position(&self, mapping: &str, shard: &str, new: Position) -> Position {
        let positions = self.lock();
        let kept = positions.get(mapping).and_then(|shards| shards.get(shard));
        match kept {
            Some(position) => position.clone(),
            None if self.lost => Position::Start,
            None => new,
        }
    }

    /// Keeps a position.
    pub(super) fn keep(&self, mapping: &str, shard: &str, position: Position) {
        let mut positions = self.lock();
        let shards = positions.entry(mapping.to_owned()).or_default();
        if shards.get(shard) == Some(&position) {
            return;
        }
        shards.insert(shard.to_owned(), position);
        self.save(&positions);
    }

    /// Forgets the shards of a stream that are no more.
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
            tracing::warn!(file = %file.display(), %error, "positions in streams could not be kept: records will be delivered again");
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
    fn positions_are_there_again_when_the_file_is_opened_again() {
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
    fn a_damaged_file_means_that_everything_is_delivered_again() {
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
