//! Users counted together: as many as one transaction takes.

use super::look::Change;
use super::{Part, Sums};
use crate::store::statistics::StoredSubject;
use domain::ids::UserId;
use domain::subject::{Subject, path};
use domain::sums::Overflow;
use domain::totals::{Item, Totals};
use std::collections::{BTreeMap, BTreeSet};

/// Actions of one transaction, by DynamoDB's rule.
const MAX_ACTIONS: usize = 100;
/// Numbers changed in one item: an update expression takes 300 operands and 4 KB.
const MAX_NUMBERS: usize = 295;

/// One user's new part in one set of sums.
#[derive(Debug, Clone)]
pub(super) struct Write {
    pub(super) user: UserId,
    pub(super) sums: Sums,
    /// The revision that must still be there; 0: no item.
    pub(super) revision: u64,
    pub(super) subject: Subject,
    /// See [`StoredSubject::expires_at`].
    pub(super) expires_at: Option<i64>,
    /// What changes in the sums.
    difference: Totals,
}

impl Write {
    fn part(&self) -> Part {
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
    pub(super) fn parts(&self) -> BTreeSet<Part> {
        self.writes.iter().map(Write::part).collect()
    }

    /// Takes these parts out.
    pub(super) fn leave_out(&mut self, parts: &BTreeSet<Part>) {
        self.writes.retain(|write| !parts.contains(&write.part()));
    }

    /// What changes in each set of sums. None where a sum grows beyond 38 digits.
    pub(super) fn differences(&self) -> Option<BTreeMap<&Sums, Totals>> {
        let mut all = BTreeMap::<_, Totals>::new();
        for write in &self.writes {
            let sums = all.entry(&write.sums).or_default();
            sums.plus(&write.difference).ok()?;
        }
        Some(all)
    }

    /// Takes out the writes at these places, and gives back what they would have written.
    pub(super) fn without(&mut self, places: &[usize]) -> Vec<Part> {
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
    items: BTreeMap<Sums, BTreeMap<Item, BTreeSet<String>>>,
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
pub(super) fn chunks(mut changes: Vec<Change>) -> (Vec<Chunk>, Vec<UserId>) {
    // Users of one variant change the same items.
    let variant = |change: &Change| change.after.enrolment.as_ref().map(|one| one.variant);
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

fn write(change: &Change, from: &StoredSubject, to: &Subject) -> Result<Write, Overflow> {
    let of = |subject: &Subject| match &change.spec {
        Some(spec) => Totals::of(subject, spec, change.variants),
        None => Ok(Totals::default()),
    };
    let mut difference = of(to)?;
    difference.minus(&of(&from.subject)?)?;
    Ok(Write {
        user: change.user.clone(),
        sums: change.sums.clone(),
        revision: from.revision,
        subject: to.clone(),
        expires_at: change.expires_at,
        difference,
    })
}

/// The writes that bring a user from one state to the other, mostly one.
fn steps(change: &Change) -> Result<Vec<Write>, Overflow> {
    let fits = |write: &Write| Fill::default().has_room(write);
    let whole = write(change, &change.before, &change.after)?;
    if fits(&whole) {
        return Ok(vec![whole]);
    }
    let states = path(&change.before.subject, &change.after);
    let mut writes = Vec::new();
    let mut from = change.before.clone();
    let mut at = 0;
    while at < states.len() {
        // The furthest state that one transaction reaches: halve the way until it fits.
        let mut reach = states.len() - at;
        let next = loop {
            let Some(state) = states.get(at + reach - 1) else {
                return Ok(writes);
            };
            let next = write(change, &from, state)?;
            if fits(&next) || reach == 1 {
                break next;
            }
            reach = reach.div_ceil(2);
        };
        at += reach;
        from = StoredSubject {
            revision: from.revision + 1,
            subject: next.subject.clone(),
            expires_at: next.expires_at,
        };
        writes.push(next);
    }
    Ok(writes)
}
