//! Contributions that one transaction writes together.

use super::definitions::GenerationKey;
use crate::store::write_shards::WriteShards;
use domain::aggregate_items::{AggregateItemKey, AggregateItems};
use domain::ids::UserId;
use std::collections::{BTreeMap, BTreeSet};

/// Actions of one transaction: DynamoDB's limit.
const MAX_ACTIONS: usize = 100;
/// Numbers changed in one item. DynamoDB allows 300 operands and 4 KB in an update expression.
const MAX_NUMBERS: usize = 295;
/// What a transaction writes, as estimated here. DynamoDB allows 4 MB in all.
const MAX_BYTES: usize = 2_000_000;
/// The names and the number of one changed number, and its part of the expression, in bytes.
const BYTES_PER_NUMBER: usize = 100;

/// A user's contribution to one generation.
pub(super) type ContributionKey = (UserId, GenerationKey);

/// One contribution to write, with its difference to the aggregates.
#[derive(Debug, Clone)]
pub(super) struct Write {
    pub(super) user: UserId,
    pub(super) generation: GenerationKey,
    /// The number of write shards of the generation; none if its aggregates do not change.
    pub(super) write_shards: Option<WriteShards>,
    /// The revision that the stored contribution must still have; 0 if none is stored.
    pub(super) revision: u64,
    /// The contribution as text.
    pub(super) text: String,
    /// See [`crate::store::aggregates::StoredContribution::expires_at`].
    pub(super) expires_at: Option<i64>,
    /// Whether the user was quarantined, and is released by this write.
    pub(super) release: bool,
    /// What changes in the aggregates.
    pub(super) difference: AggregateItems,
}

impl Write {
    pub(super) fn key(&self) -> ContributionKey {
        (self.user.clone(), self.generation.clone())
    }

    /// Whether a transaction has room for it alone.
    pub(super) fn fits(&self) -> bool {
        Fill::default().has_room(self)
    }

    fn own_actions(&self) -> usize {
        1 + usize::from(self.release)
    }
}

/// The contributions of one transaction.
#[derive(Debug, Clone, Default)]
pub(super) struct Chunk {
    pub(super) writes: Vec<Write>,
}

impl Chunk {
    pub(super) fn of(write: Write) -> Self {
        Self {
            writes: vec![write],
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// The contributions that it writes.
    pub(super) fn keys(&self) -> BTreeSet<ContributionKey> {
        self.writes.iter().map(Write::key).collect()
    }

    /// The generations whose aggregates it changes, with their number of write shards.
    pub(super) fn write_shards(&self) -> BTreeMap<&GenerationKey, WriteShards> {
        let writes = self.writes.iter();
        writes
            .filter_map(|write| Some((&write.generation, write.write_shards?)))
            .collect()
    }

    /// The chunk in two halves; none if it has one write only.
    pub(super) fn halves(mut self) -> Result<[Self; 2], Self> {
        if self.writes.len() < 2 {
            return Err(self);
        }
        let second = self.writes.split_off(self.writes.len() / 2);
        Ok([self, Self { writes: second }])
    }

    /// What changes in the aggregates of each generation. None if a sum grows beyond 38 digits.
    pub(super) fn differences(&self) -> Option<BTreeMap<&GenerationKey, AggregateItems>> {
        let mut all = BTreeMap::<_, AggregateItems>::new();
        for write in &self.writes {
            let items = all.entry(&write.generation).or_default();
            items.plus(&write.difference).ok()?;
        }
        Some(all)
    }

    /// Removes the writes with these indices, and returns their keys.
    pub(super) fn without(&mut self, indices: &[usize]) -> Vec<ContributionKey> {
        let removed = indices
            .iter()
            .filter_map(|index| self.writes.get(*index))
            .map(Write::key)
            .collect::<Vec<_>>();
        let mut index = 0;
        self.writes.retain(|_| {
            index += 1;
            !indices.contains(&(index - 1))
        });
        removed
    }
}

/// How full a transaction is: its actions and bytes, and the numbers of each item that it changes.
#[derive(Default)]
pub(super) struct Fill {
    actions: usize,
    bytes: usize,
    items: BTreeMap<GenerationKey, BTreeMap<AggregateItemKey, BTreeSet<String>>>,
}

impl Fill {
    /// Whether one more write fits.
    pub(super) fn has_room(&self, write: &Write) -> bool {
        let items = self.items.get(&write.generation);
        let mut actions = self.actions + write.own_actions();
        let mut bytes = self.bytes + write.text.len();
        for (item, numbers) in &write.difference.0 {
            let known = items.and_then(|items| items.get(item));
            let new = match known {
                None => numbers.len(),
                Some(known) => {
                    let new = numbers.keys().filter(|name| !known.contains(*name));
                    new.count()
                }
            };
            if known.map_or(0, BTreeSet::len) + new > MAX_NUMBERS {
                return false;
            }
            actions += usize::from(known.is_none());
            bytes += new * BYTES_PER_NUMBER;
        }
        actions <= MAX_ACTIONS && bytes <= MAX_BYTES
    }

    /// Adds a write.
    pub(super) fn take(&mut self, write: &Write) {
        let items = self.items.entry(write.generation.clone()).or_default();
        self.actions += write.own_actions();
        self.bytes += write.text.len();
        for (item, numbers) in &write.difference.0 {
            self.actions += usize::from(!items.contains_key(item));
            let known = items.entry(item.clone()).or_default();
            let new = numbers.keys().filter(|name| !known.contains(*name));
            let new: Vec<String> = new.cloned().collect();
            self.bytes += new.len() * BYTES_PER_NUMBER;
            known.extend(new);
        }
    }
}
