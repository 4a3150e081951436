//! Users counted together: as many as one transaction takes.

use super::Part;
use super::look::Change;
use crate::domain::ids::{ExperimentId, UserId};
use crate::domain::subject::{Subject, path};
use crate::domain::sums::Overflow;
use crate::domain::totals::{Item, Totals};
use crate::store::statistics::{GenerationNumber, StoredSubject};
use std::collections::{BTreeMap, BTreeSet};

/// Actions of one transaction, by DynamoDB's rule.
const MAX_ACTIONS: usize = 100;
/// Numbers changed in one item: an update expression takes 300 operands and 4 KB.
const MAX_NUMBERS: usize = 295;

/// One user's new part in one set of sums.
#[derive(Debug, Clone)]
pub(super) struct Write {
    pub(super) user: UserId,
    pub(super) sums: (ExperimentId, GenerationNumber),
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
    pub(super) fn differences(
        &self,
    ) -> Option<BTreeMap<&(ExperimentId, GenerationNumber), Totals>> {
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

/// How full a chunk is.
#[derive(Default)]
struct Fill<'w> {
    subjects: usize,
    items: BTreeMap<(&'w (ExperimentId, GenerationNumber), &'w Item), BTreeSet<&'w str>>,
}

impl<'w> Fill<'w> {
    fn take(&mut self, write: &'w Write) {
        self.subjects += 1;
        for (item, numbers) in &write.difference.0 {
            let known = self.items.entry((&write.sums, item)).or_default();
            known.extend(numbers.keys().map(String::as_str));
        }
    }

    fn fits(&self) -> bool {
        self.subjects + self.items.len() <= MAX_ACTIONS
            && self
                .items
                .values()
                .all(|numbers| numbers.len() <= MAX_NUMBERS)
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
    let mut open: Vec<Write> = Vec::new();
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
            open.push(write);
            let mut fill = Fill::default();
            open.iter().for_each(|write| fill.take(write));
            if !fill.fits()
                && let Some(last) = open.pop()
            {
                let writes = std::mem::replace(&mut open, vec![last]);
                chunks.push(Chunk { writes });
            }
        }
    }
    if !open.is_empty() {
        chunks.push(Chunk { writes: open });
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
    let fits = |write: &Write| {
        let mut fill = Fill::default();
        fill.take(write);
        fill.fits()
    };
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
