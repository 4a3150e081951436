//! Contributions that one transaction writes together.

use super::diff::{ContributionDiff, GenerationKey};
use crate::store::aggregates::StoredContribution;
use domain::aggregate_items::{AggregateItemKey, AggregateItems};
use domain::contribution::{UserContribution, path};
use domain::ids::UserId;
use domain::sums::Overflow;
use std::collections::{BTreeMap, BTreeSet};

/// Actions of one transaction: DynamoDB's limit.
const MAX_ACTIONS: usize = 100;
/// Numbers changed in one item. DynamoDB allows 300 operands and 4 KB in an update expression.
const MAX_NUMBERS: usize = 295;

/// A user's contribution to one generation.
pub(super) type ContributionKey = (UserId, GenerationKey);

/// One contribution to write, with its difference to the aggregates.
#[derive(Debug, Clone)]
pub(super) struct Write {
    pub(super) user: UserId,
    pub(super) generation: GenerationKey,
    /// The revision that the stored contribution must still have; 0 if none is stored.
    pub(super) revision: u64,
    pub(super) contribution: UserContribution,
    /// See [`StoredContribution::expires_at`].
    pub(super) expires_at: Option<i64>,
    /// What changes in the aggregates.
    difference: AggregateItems,
}

impl Write {
    fn key(&self) -> ContributionKey {
        (self.user.clone(), self.generation.clone())
    }
}

/// The contributions of one transaction.
#[derive(Debug, Clone, Default)]
pub(super) struct Chunk {
    pub(super) writes: Vec<Write>,
}

impl Chunk {
    pub(super) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// The contributions that it writes.
    pub(super) fn keys(&self) -> BTreeSet<ContributionKey> {
        self.writes.iter().map(Write::key).collect()
    }

    /// Removes these contributions.
    pub(super) fn leave_out(&mut self, keys: &BTreeSet<ContributionKey>) {
        self.writes.retain(|write| !keys.contains(&write.key()));
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

/// How full a transaction is: its actions, and the numbers of each item that it changes.
#[derive(Default)]
struct Fill {
    actions: usize,
    items: BTreeMap<GenerationKey, BTreeMap<AggregateItemKey, BTreeSet<String>>>,
}

impl Fill {
    /// Whether one more write fits.
    fn has_room(&self, write: &Write) -> bool {
        let items = self.items.get(&write.generation);
        let mut actions = self.actions + 1;
        for (item, numbers) in &write.difference.0 {
            let known = items.and_then(|items| items.get(item));
            let more = match known {
                None => numbers.len(),
                Some(known) => {
                    let new = numbers.keys().filter(|name| !known.contains(*name));
                    known.len() + new.count()
                }
            };
            if more > MAX_NUMBERS {
                return false;
            }
            actions += usize::from(known.is_none());
        }
        actions <= MAX_ACTIONS
    }

    fn take(&mut self, write: &Write) {
        let items = self.items.entry(write.generation.clone()).or_default();
        self.actions += 1;
        for (item, numbers) in &write.difference.0 {
            self.actions += usize::from(!items.contains_key(item));
            let known = items.entry(item.clone()).or_default();
            let new = numbers.keys().filter(|name| !known.contains(*name));
            let new: Vec<String> = new.cloned().collect();
            known.extend(new);
        }
    }
}

/// Groups the diffs into chunks, and returns the users with a sum beyond 38 digits. A diff that does not fit one
/// transaction is written in steps, one chunk each.
pub(super) fn chunks(mut diffs: Vec<ContributionDiff>) -> (Vec<Chunk>, Vec<UserId>) {
    // Users of one variant change the same items.
    let variant = |diff: &ContributionDiff| diff.computed.enrolment.as_ref().map(|one| one.variant);
    diffs.sort_by(|a, b| (&a.generation, variant(a)).cmp(&(&b.generation, variant(b))));
    let mut chunks = Vec::new();
    let mut too_large = Vec::new();
    let mut open = Chunk::default();
    let mut fill = Fill::default();
    for diff in diffs {
        let Ok(mut steps) = steps(&diff) else {
            too_large.push(diff.user);
            continue;
        };
        if steps.len() > 1 {
            chunks.extend(steps.drain(..).map(|write| Chunk {
                writes: vec![write],
            }));
            continue;
        }
        for write in steps {
            if !fill.has_room(&write) {
                chunks.push(std::mem::take(&mut open));
                fill = Fill::default();
            }
            fill.take(&write);
            open.writes.push(write);
        }
    }
    if !open.is_empty() {
        chunks.push(open);
    }
    (chunks, too_large)
}

fn write(
    diff: &ContributionDiff,
    from: &StoredContribution,
    to: &UserContribution,
) -> Result<Write, Overflow> {
    let of = |contribution: &UserContribution| match &diff.spec {
        Some(spec) => AggregateItems::of(contribution, spec, diff.variants),
        None => Ok(AggregateItems::default()),
    };
    let mut difference = of(to)?;
    difference.minus(&of(&from.contribution)?)?;
    Ok(Write {
        user: diff.user.clone(),
        generation: diff.generation.clone(),
        revision: from.revision,
        contribution: to.clone(),
        expires_at: diff.expires_at,
        difference,
    })
}

/// The writes that lead from the stored contribution to the computed one; in most cases one.
fn steps(diff: &ContributionDiff) -> Result<Vec<Write>, Overflow> {
    let fits = |write: &Write| Fill::default().has_room(write);
    let whole = write(diff, &diff.stored, &diff.computed)?;
    if fits(&whole) {
        return Ok(vec![whole]);
    }
    let states = path(&diff.stored.contribution, &diff.computed);
    let mut writes = Vec::new();
    let mut from = diff.stored.clone();
    let mut at = 0;
    while at < states.len() {
        // The furthest state that one transaction reaches: halve the distance until it fits.
        let mut distance = states.len() - at;
        let next = loop {
            let Some(state) = states.get(at + distance - 1) else {
                return Ok(writes);
            };
            let next = write(diff, &from, state)?;
            if fits(&next) || distance == 1 {
                break next;
            }
            distance = distance.div_ceil(2);
        };
        at += distance;
        from = StoredContribution {
            revision: from.revision + 1,
            contribution: next.contribution.clone(),
            expires_at: next.expires_at,
        };
        writes.push(next);
    }
    Ok(writes)
}
