//! From one contribution of a user to another, in steps that are contributions themselves.
//!
//! A transaction has at most 100 actions, and a user with a year of events changes more items. Each step is a
//! contribution that the user could have, so aggregates are exact after each of them.

use super::UserContribution;
use super::part::{ContributionPart, RunningTotals};
use crate::aggregates::{Day, day_of_hour};
use crate::sums::Overflow;

/// How many of the first entries are equal; none if the enrolments differ.
pub fn common(from: &UserContribution, to: &UserContribution) -> usize {
    if !is_alike(from, to) || from.outlier || to.outlier {
        return 0;
    }
    let pairs = from.entries.iter().zip(&to.entries);
    pairs.take_while(|(a, b)| a == b).count()
}

/// Whether two contributions differ in their entries at most.
fn is_alike(from: &UserContribution, to: &UserContribution) -> bool {
    from.enrolment == to.enrolment && from.outlier == to.outlier && from.excluded == to.excluded
}

/// The way from one contribution to another. Entries are removed from the end until the rest is common; then entries
/// are added at the end. A change of the latest events does not touch earlier days.
///
/// States are made when they are needed: a user with thousands of entries has as many states, each with thousands of
/// entries.
#[derive(Debug)]
pub struct Path<'c> {
    from: Indexed<'c>,
    to: Indexed<'c>,
    /// First entries that both have in common.
    keep: usize,
    /// Whether both have the same enrolment. If not, the way leads over an empty contribution.
    alike: bool,
}

/// A contribution with the totals of its first entries.
#[derive(Debug)]
struct Indexed<'c> {
    contribution: &'c UserContribution,
    totals: RunningTotals<'c>,
}

impl<'c> Indexed<'c> {
    fn new(contribution: &'c UserContribution) -> Result<Self, Overflow> {
        Ok(Self {
            contribution,
            totals: RunningTotals::of(&contribution.entries)?,
        })
    }

    fn part(&self, entries: usize, since: Option<Day>) -> ContributionPart<'_> {
        let all = &self.contribution.entries;
        let start = since.map(|day| all.partition_point(|entry| day_of_hour(entry.hour) < day));
        ContributionPart {
            contribution: self.contribution,
            entries: start.unwrap_or(0)..entries,
            before: start.map(|_| &self.totals),
            records: records(self.contribution, entries),
        }
    }

    fn day(&self, entry: usize) -> Option<Day> {
        let entry = self.contribution.entries.get(entry)?;
        Some(day_of_hour(entry.hour))
    }
}

/// A state of a [`Path`]: a contribution with the first of its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    From(usize),
    Empty,
    To(usize),
}

impl<'c> Path<'c> {
    /// The way between two contributions.
    ///
    /// # Errors
    /// If a sum grows beyond 38 digits.
    pub fn new(from: &'c UserContribution, to: &'c UserContribution) -> Result<Self, Overflow> {
        Ok(Self {
            from: Indexed::new(from)?,
            to: Indexed::new(to)?,
            keep: common(from, to),
            alike: is_alike(from, to),
        })
    }

    /// Steps that remove an entry.
    fn removals(&self) -> usize {
        self.from.contribution.entries.len() - self.keep
    }

    /// Steps between the removals and the additions.
    fn turns(&self) -> usize {
        if self.alike { 0 } else { 2 }
    }

    /// The number of steps: at least one, also between equal contributions.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        let additions = self.to.contribution.entries.len() - self.keep;
        (self.removals() + self.turns() + additions).max(1)
    }

    fn state(&self, steps: usize) -> State {
        let (removals, turns) = (self.removals(), self.turns());
        if steps >= self.len() {
            State::To(self.to.contribution.entries.len())
        } else if steps <= removals {
            State::From(self.from.contribution.entries.len() - steps)
        } else if steps == removals + 1 && !self.alike {
            State::Empty
        } else {
            State::To(self.keep + steps - removals - turns)
        }
    }

    /// The contribution after this number of steps, from 0 to [`Path::len`].
    pub fn contribution(&self, steps: usize) -> UserContribution {
        match self.state(steps) {
            State::From(entries) => first(self.from.contribution, entries),
            State::Empty => UserContribution::default(),
            State::To(entries) => first(self.to.contribution, entries),
        }
    }

    /// What two states do not have in common: the parts from the day on where they begin to differ. The difference of
    /// the parts is that of the states.
    pub fn parts(
        &self,
        steps: usize,
        later: usize,
    ) -> (Option<ContributionPart<'_>>, Option<ContributionPart<'_>>) {
        let (a, b) = (self.state(steps), self.state(later));
        let since = self.first_difference(a, b);
        let part = |state| match state {
            State::From(entries) => Some(self.from.part(entries, since)),
            State::Empty => None,
            State::To(entries) => Some(self.to.part(entries, since)),
        };
        (part(a), part(b))
    }

    /// The first day on which two states differ; none if they differ in more than entries.
    fn first_difference(&self, a: State, b: State) -> Option<Day> {
        match (a, b) {
            (State::From(a), State::From(b)) => self.from.day(a.min(b)),
            (State::To(a), State::To(b)) => self.to.day(a.min(b)),
            (State::From(_), State::To(_)) if self.alike => {
                let days = [self.from.day(self.keep), self.to.day(self.keep)];
                days.into_iter().flatten().min()
            }
            _ => None,
        }
    }
}

/// A contribution with the first of its entries only.
fn first(contribution: &UserContribution, entries: usize) -> UserContribution {
    UserContribution {
        enrolment: contribution.enrolment.clone(),
        outlier: contribution.outlier,
        excluded: contribution.excluded,
        entries: contribution.entries.iter().take(entries).cloned().collect(),
        records: records(contribution, entries),
    }
}

/// The number of records in a contribution with the first of its entries only.
fn records(contribution: &UserContribution, entries: usize) -> u64 {
    if entries >= contribution.entries.len() {
        return contribution.records;
    }
    let first = contribution.entries.iter().take(entries);
    let events: u64 = first.map(|entry| u64::from(entry.events)).sum();
    events + u64::from(contribution.enrolment.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contribution::{ContributionEntry, Disposition, Enrolment};
    use crate::ids::EventType;
    use crate::time::Timestamp;
    use std::sync::Arc;

    fn contribution(assigned_at: i64, hours: &[i64]) -> UserContribution {
        let name = Arc::new(EventType::parse("view").unwrap());
        let entry = |hour: &i64| ContributionEntry {
            hour: *hour,
            event_type: name.clone(),
            disposition: Disposition::Counted,
            events: 1,
            value: 0,
        };
        UserContribution {
            enrolment: Some(Enrolment {
                variant: 0,
                phase: 0,
                assigned_at: Timestamp::from_micros(assigned_at),
                dimensions: Vec::new(),
                pre_exposure: Vec::new(),
            }),
            outlier: false,
            excluded: false,
            entries: hours.iter().map(entry).collect(),
            records: 1 + hours.len() as u64,
        }
    }

    fn states(from: &UserContribution, to: &UserContribution) -> Vec<UserContribution> {
        let path = Path::new(from, to).unwrap();
        assert_eq!(path.contribution(0), *from);
        (1..=path.len())
            .map(|steps| path.contribution(steps))
            .collect()
    }

    #[test]
    fn a_path_goes_back_to_what_is_common_and_on_from_there() {
        let from = contribution(1, &[1, 2, 5]);
        let to = contribution(1, &[1, 3, 5]);
        let states = states(&from, &to);
        let lengths: Vec<usize> = states.iter().map(|state| state.entries.len()).collect();
        assert_eq!(lengths, [2, 1, 2, 3]);
        assert_eq!(states.last(), Some(&to));
    }

    #[test]
    fn another_enrolment_begins_from_nothing() {
        let from = contribution(1, &[1]);
        let to = contribution(2, &[1]);
        let over_nothing = states(&from, &to);
        assert_eq!(over_nothing.len(), 4);
        assert_eq!(over_nothing[0], contribution(1, &[]));
        assert_eq!(over_nothing[1], UserContribution::default());
        assert_eq!(over_nothing[2], contribution(2, &[]));
        assert_eq!(over_nothing[3], to);
        let nothing = UserContribution::default();
        assert_eq!(states(&from, &nothing).last(), Some(&nothing));
        let equal = states(&from, &from);
        assert_eq!((equal.len(), equal.last()), (1, Some(&from)));
    }
}
