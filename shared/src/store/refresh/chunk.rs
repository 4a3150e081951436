//! Users counted together: as many as one transaction takes.

use super::diff::ContributionDiff;
use super::{ContributionKey, GenerationKey};
use crate::store::aggregates::StoredContribution;
use domain::aggregate_items::{AggregateItems, Item};
use domain::contribution::{UserContribution, path};
use domain::ids::UserId;
use domain::sums::Overflow;
use std::collections::{BTreeMap, BTreeSet};

/// Actions of one transaction, by DynamoDB's rule.
const MAX_ACTIONS: usize = 100;
/// Numbers changed in one item: an update expression takes 300 operands and 4 KB.
const MAX_NUMBERS: usize = 295;

/// One user's new part in one set of sums.
#[derive(Debug, Clone)]
pub(super) struct Write {
    pub(super) user: UserId,
    pub(super) sums: GenerationKey,
    /// The revision that must still be there; 0: no item.
    pub(super) revision: u64,
    pub(super) contribution: UserContribution,
    /// See [`StoredContribution::expires_at`].
    pub(super) expires_at: Option<i64>,
    /// What changes in the sums.
    difference: AggregateItems,
}

impl Write {
    fn part(&self) -> ContributionKey {
        (self.user.clone(), self.sums.clone())
    }
}

/// What is written together.
#[derive(Debug, Clone, Default)]
pub(super) struct Chunk {
    pub(super) writes: Vec<Write>,
}

impl Chunk {
    pub(super) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Whose parts in which sums it writes.
    pub(super) fn parts(&self) -> BTreeSet<ContributionKey> {
        self.writes.iter().map(Write::part).collect()
    }

    /// Takes these parts out.
    pub(super) fn leave_out(&mut self, parts: &BTreeSet<ContributionKey>) {
        self.writes.retain(|write| !parts.contains(&write.part()));
    }

    /// What changes in each set of sums. None where a sum grows beyond 38 digits.
    pub(super) fn differences(&self) -> Option<BTreeMap<&GenerationKey, AggregateItems>> {
        let mut all = BTreeMap::<_, AggregateItems>::new();
        for write in &self.writes {
            let sums = all.entry(&write.sums).or_default();
            sums.plus(&write.difference).ok()?;
        }
        Some(all)
    }

    /// Takes out the writes at these places, and gives back what they would have written.
    pub(super) fn without(&mut self, places: &[usize]) -> Vec<ContributionKey> {
        let gone = places
            .iter()
            .filter_map(|place| self.writes.get(*place))
            .map(Write::part)
            .collect::<Vec<_>>();
        let mut place = 0;
        self.writes.retain(|_| {
            place += 1;
            !places.contains(&(place - 1))
        });
        gone
    }
}

/// How full a chunk is: whose parts it writes, and which numbers of which items it changes.
#[derive(Default)]
struct Fill {
    actions: usize,
    items: BTreeMap<GenerationKey, BTreeMap<Item, BTreeSet<String>>>,
}

impl Fill {
    /// Whether there is room for one more.
    fn has_room(&self, write: &Write) -> bool {
        let items = self.items.get(&write.sums);
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
        let items = self.items.entry(write.sums.clone()).or_default();
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

/// Puts the changes together; gives back the users whose sums are too large to be held. A user who changes more than
/// fits is brought there in steps, one chunk each.
pub(super) fn chunks(mut changes: Vec<ContributionDiff>) -> (Vec<Chunk>, Vec<UserId>) {
    // Users of one variant change the same items.
    let variant =
        |change: &ContributionDiff| change.after.enrolment.as_ref().map(|one| one.variant);
    changes.sort_by(|a, b| (&a.sums, variant(a)).cmp(&(&b.sums, variant(b))));
    let mut chunks = Vec::new();
    let mut too_large = Vec::new();
    let mut open = Chunk::default();
    let mut fill = Fill::default();
    for change in changes {
        let Ok(mut steps) = steps(&change) else {
            too_large.push(change.user);
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
    change: &ContributionDiff,
    from: &StoredContribution,
    to: &UserContribution,
) -> Result<Write, Overflow> {
    let of = |contribution: &UserContribution| match &change.spec {
        Some(spec) => AggregateItems::of(contribution, spec, change.variants),
        None => Ok(AggregateItems::default()),
    };
    let mut difference = of(to)?;
    difference.minus(&of(&from.contribution)?)?;
    Ok(Write {
        user: change.user.clone(),
        sums: change.sums.clone(),
        revision: from.revision,
        contribution: to.clone(),
        expires_at: change.expires_at,
        difference,
    })
}

/// The writes that bring a user from one state to the other, mostly one.
fn steps(change: &ContributionDiff) -> Result<Vec<Write>, Overflow> {
    let fits = |write: &Write| Fill::default().has_room(write);
    let whole = write(change, &change.before, &change.after)?;
    if fits(&whole) {
        return Ok(vec![whole]);
    }
    let states = path(&change.before.contribution, &change.after);
    let mut writes = Vec::new();
    let mut from = change.before.clone();
    let mut at = 0;
    while at < states.len() {
        // The furthest state that one transaction data ranges: halve the way until it fits.
        let mut data_range = states.len() - at;
        let next = loop {
            let Some(state) = states.get(at + data_range - 1) else {
                return Ok(writes);
            };
            let next = write(change, &from, state)?;
            if fits(&next) || data_range == 1 {
                break next;
            }
            data_range = data_range.div_ceil(2);
        };
        at += data_range;
        from = StoredContribution {
            revision: from.revision + 1,
            contribution: next.contribution.clone(),
            expires_at: next.expires_at,
        };
        writes.push(next);
    }
    Ok(writes)
}
