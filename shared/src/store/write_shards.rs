//! Write shards: parallel copies of each aggregate item, so that many aggregators can write at once.
//!
//! Two transactions on one item conflict, and one partition takes 1,000 write units a second. A writer therefore adds to
//! one of several copies, and readers add the copies up. Few copies keep results cheap, so a generation begins with
//! [`WriteShards::FIRST`]. A writer that is refused several times asks for more; the number is stored with the registry of
//! the generation and never falls.
//!
//! A process keeps its write shard until another writer is there too. So a few aggregators soon have one each.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Write shards under one partition key.
const PER_PARTITION: u8 = 4;

/// The number of write shards of a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WriteShards(u8);

impl WriteShards {
    /// The number that a generation begins with: as many as a new stream has shards, and so as aggregators run at once.
    pub const FIRST: Self = Self(4);
    /// The highest number. Results read all of them.
    pub const MOST: Self = Self(64);

    /// This number, within the range.
    pub fn new(shards: u8) -> Self {
        Self(shards.clamp(1, Self::MOST.0))
    }

    /// The number.
    pub fn get(self) -> u8 {
        self.0
    }

    /// Twice as many; none if there are as many as possible.
    pub(super) fn doubled(self) -> Option<Self> {
        (self < Self::MOST).then(|| Self::new(self.0.saturating_mul(2)))
    }

    /// The partitions that hold the shards. The first one also holds the registry.
    pub(super) fn partitions(self) -> std::ops::Range<u8> {
        0..self.0.div_ceil(PER_PARTITION)
    }
}

impl Default for WriteShards {
    fn default() -> Self {
        Self::FIRST
    }
}

/// The partition that holds a write shard.
pub(super) fn partition_of(shard: u8) -> u8 {
    shard / PER_PARTITION
}

/// The write shard that a process writes to. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct ChosenShard(Arc<AtomicU8>);

impl ChosenShard {
    /// A random one.
    pub(super) fn draw() -> Self {
        Self(Arc::new(AtomicU8::new(random_byte())))
    }

    /// The chosen one of this number of shards.
    pub(super) fn of(&self, shards: WriteShards) -> u8 {
        self.0.load(Ordering::Relaxed) % shards.0
    }

    /// Draws another one, because another writer uses this one.
    pub(super) fn draw_again(&self) {
        self.0.store(random_byte(), Ordering::Relaxed);
    }
}

fn random_byte() -> u8 {
    crate::clock::random_bits::<1>().map_or(0, |[byte]| byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_doubles_up_to_the_most() {
        let mut shards = WriteShards::FIRST;
        let mut partitions = vec![shards.partitions().len()];
        while let Some(more) = shards.doubled() {
            shards = more;
            partitions.push(shards.partitions().len());
        }
        assert_eq!(shards, WriteShards::MOST);
        assert_eq!(partitions, [1, 2, 4, 8, 16]);
        assert_eq!(WriteShards::new(1).partitions(), 0..1);
    }

    #[test]
    fn every_write_shard_is_in_a_partition_that_is_read() {
        for number in 1..=WriteShards::MOST.get() {
            let shards = WriteShards::new(number);
            let held = (0..number).all(|shard| shards.partitions().contains(&partition_of(shard)));
            assert!(held, "{number}");
        }
    }
}
