//! From raw records to sums over users: the one definition of what is counted.
//!
//! Sums are over *users*. A user with ten purchases is one observation of ten, not ten of one; summing
//! squares of events would understate the variance of everybody who comes back.

use super::decimal::{Decimal, MILLIONTHS};
use super::experiment::Experiment;
use super::ids::{EventType, UserId, VariantKey};
use super::limits;
use super::time::Timestamp;
use crate::stats::Moments;
use std::collections::{BTreeMap, HashMap};

/// Which part of the time is looked at: events in `[from, to)`, users assigned before `to`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// Events before it are left out.
    pub from: Option<Timestamp>,
    /// Events and assignments from it on are left out.
    pub to: Option<Timestamp>,
}

/// Sums over the users of one variant for the events of one type. Users without such an event add nothing,
/// so they are not mentioned here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TypeSums {
    /// Users with at least one event.
    pub users: u64,
    /// Σ events of a user, in millionths.
    pub count: i128,
    /// Σ (events of a user)², in 1e-12.
    pub count_squares: i128,
    /// Σ value of a user, in millionths.
    pub value: i128,
    /// Σ (value of a user)², in 1e-12.
    pub value_squares: i128,
}

/// What is known about one variant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VariantTally {
    /// Users by the phase in which they were assigned; see [`super::experiment::Phase`].
    pub users_by_phase: Vec<u64>,
    /// Users left out because no person has that many events.
    pub robots: u64,
    /// Sums by event type.
    pub types: BTreeMap<EventType, TypeSums>,
}

impl VariantTally {
    /// All users of the variant, robots excepted.
    pub fn users(&self) -> u64 {
        self.users_by_phase.iter().sum()
    }
}

/// Sums by variant, in the order of the experiment's variants. Adding tallies of different users gives
/// the tally of all of them, in any order, exactly.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// One for each variant.
    pub variants: Vec<VariantTally>,
}

/// A sum grew beyond what can be held exactly (38 digits). Values this large are not measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sum grew beyond 38 digits")]
pub struct Overflow;

/// One user while the records are read.
struct User {
    variant: usize,
    assigned_at: Timestamp,
    events: u32,
    /// By index of the type: how many events, and their summed value in millionths.
    subtotals: Vec<(usize, u32, i128)>,
}

/// Reads the records of a set of users, assignments first, then events, in any order among themselves.
/// It holds one entry for each user and none for an event.
pub struct Fold<'e> {
    experiment: &'e Experiment,
    window: Window,
    users: HashMap<UserId, User>,
    types: Vec<EventType>,
    places: HashMap<EventType, usize>,
}

impl<'e> Fold<'e> {
    /// An empty fold over an experiment.
    pub fn new(experiment: &'e Experiment, window: Window) -> Self {
        Self {
            experiment,
            window,
            users: HashMap::new(),
            types: Vec::new(),
            places: HashMap::new(),
        }
    }

    /// Takes a user's assignment.
    pub fn assignment(&mut self, user: UserId, variant: &VariantKey, assigned_at: Timestamp) {
        if self.window.to.is_some_and(|to| assigned_at >= to) {
            return;
        }
        if let Some(variant) = self.experiment.variants.position(variant) {
            let user_state = User {
                variant,
                assigned_at,
                events: 0,
                subtotals: Vec::new(),
            };
            self.users.insert(user, user_state);
        }
    }

    /// Takes an event; it counts if its user was assigned strictly before it and the experiment had not ended.
    ///
    /// # Errors
    /// If the user's sum grows beyond 38 digits.
    pub fn event(
        &mut self,
        user: &UserId,
        event_type: &EventType,
        value: Option<Decimal>,
        counted_at: Timestamp,
    ) -> Result<(), Overflow> {
        let outside = self.window.from.is_some_and(|from| counted_at < from)
            || self.window.to.is_some_and(|to| counted_at >= to);
        let Some(user) = self.users.get_mut(user) else {
            return Ok(());
        };
        if outside || !self.experiment.counts(user.assigned_at, counted_at) {
            return Ok(());
        }
        user.events = user.events.saturating_add(1);
        let place = match self.places.get(event_type) {
            Some(place) => *place,
            None => {
                self.types.push(event_type.clone());
                self.places.insert(event_type.clone(), self.types.len() - 1);
                self.types.len() - 1
            }
        };
        let value = value.unwrap_or_default().millionths();
        match user
            .subtotals
            .iter_mut()
            .find(|(known, ..)| *known == place)
        {
            Some((_, count, sum)) => {
                *count = count.saturating_add(1);
                *sum = sum.checked_add(value).ok_or(Overflow)?;
            }
            None => user.subtotals.push((place, 1, value)),
        }
        Ok(())
    }

    /// The sums over all users that were taken.
    ///
    /// # Errors
    /// If a sum grows beyond 38 digits.
    pub fn finish(self) -> Result<Tally, Overflow> {
        let phases = self.experiment.phases.len().max(1);
        let empty = VariantTally {
            users_by_phase: vec![0; phases],
            ..VariantTally::default()
        };
        let mut variants = vec![empty; self.experiment.variants.as_slice().len()];
        for user in self.users.into_values() {
            let Some(variant) = variants.get_mut(user.variant) else {
                continue;
            };
            if user.events > limits::MAX_EVENTS_PER_USER {
                variant.robots += 1;
                continue;
            }
            // Assignments from before the first phase were brought in; they belong to it.
            let later = self.experiment.phases.iter().skip(1);
            let phase = later
                .take_while(|phase| phase.since <= user.assigned_at)
                .count();
            if let Some(users) = variant.users_by_phase.get_mut(phase) {
                *users += 1;
            }
            for (place, count, value) in user.subtotals {
                if let Some(event_type) = self.types.get(place) {
                    let sums = variant.types.entry(event_type.clone()).or_default();
                    *sums = sums.with_user(count, value)?;
                }
            }
        }
        Ok(Tally { variants })
    }
}

impl TypeSums {
    fn with_user(self, count: u32, value: i128) -> Result<Self, Overflow> {
        let count = i128::from(count) * MILLIONTHS;
        let square = |x: i128| x.checked_mul(x).ok_or(Overflow);
        self.plus(Self {
            users: 1,
            count,
            count_squares: square(count)?,
            value,
            value_squares: square(value)?,
        })
    }

    fn plus(self, other: Self) -> Result<Self, Overflow> {
        let add = |a: i128, b: i128| a.checked_add(b).ok_or(Overflow);
        Ok(Self {
            users: self.users + other.users,
            count: add(self.count, other.count)?,
            count_squares: add(self.count_squares, other.count_squares)?,
            value: add(self.value, other.value)?,
            value_squares: add(self.value_squares, other.value_squares)?,
        })
    }

    /// The number of events per user, over so many users.
    pub fn count_moments(&self, users: u64) -> Moments {
        Moments {
            n: users,
            sum_micros: self.count,
            sum_squares_picos: self.count_squares,
        }
    }

    /// The summed value per user, over so many users.
    pub fn value_moments(&self, users: u64) -> Moments {
        Moments {
            n: users,
            sum_micros: self.value,
            sum_squares_picos: self.value_squares,
        }
    }
}

impl Tally {
    /// The tally of the users of both.
    ///
    /// # Errors
    /// If a sum grows beyond 38 digits.
    pub fn merge(mut self, other: Self) -> Result<Self, Overflow> {
        if self.variants.is_empty() {
            return Ok(other);
        }
        for (mine, theirs) in self.variants.iter_mut().zip(other.variants) {
            mine.robots += theirs.robots;
            for (mine, theirs) in mine.users_by_phase.iter_mut().zip(theirs.users_by_phase) {
                *mine += theirs;
            }
            for (event_type, sums) in theirs.types {
                let mine = mine.types.entry(event_type).or_default();
                *mine = mine.plus(sums)?;
            }
        }
        Ok(self)
    }
}
