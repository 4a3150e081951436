//! From one contribution of a user to another, in steps that are contributions themselves.
//!
//! A transaction has at most 100 actions, and a user with a year of events changes more items. Each step is a
//! contribution that the user could have, so aggregates are exact after each of them.

use super::{Enrolment, UserContribution};

/// How many of the first entries are equal; none if the enrolments differ.
pub fn common(from: &UserContribution, to: &UserContribution) -> usize {
    if from.enrolment != to.enrolment || from.outlier || to.outlier {
        return 0;
    }
    let pairs = from.entries.iter().zip(&to.entries);
    pairs.take_while(|(a, b)| a == b).count()
}

/// The steps from one contribution to another, including the last. Entries are removed from the end until the rest is
/// common; then entries are added at the end. A change of the latest events does not touch earlier days.
pub fn path(from: &UserContribution, to: &UserContribution) -> Vec<UserContribution> {
    let keep = common(from, to);
    let state = |contribution: &UserContribution, enrolment: &Option<Enrolment>, entries: usize| {
        UserContribution {
            enrolment: enrolment.clone(),
            outlier: contribution.outlier,
            entries: contribution.entries.iter().take(entries).cloned().collect(),
        }
    };
    let mut states: Vec<UserContribution> = (keep..from.entries.len())
        .rev()
        .map(|entries| state(from, &from.enrolment, entries))
        .collect();
    let alike = from.enrolment == to.enrolment && from.outlier == to.outlier;
    if !alike {
        states.push(UserContribution::default());
        states.push(state(to, &to.enrolment, 0));
    }
    states.extend((keep + 1..=to.entries.len()).map(|entries| state(to, &to.enrolment, entries)));
    if states.last() != Some(to) {
        states.push(to.clone());
    }
    states
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contribution::{ContributionEntry, Disposition};
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
            entries: hours.iter().map(entry).collect(),
        }
    }

    #[test]
    fn a_path_goes_back_to_what_is_common_and_on_from_there() {
        let from = contribution(1, &[1, 2, 5]);
        let to = contribution(1, &[1, 3, 5]);
        let lengths: Vec<usize> = path(&from, &to)
            .iter()
            .map(|state| state.entries.len())
            .collect();
        assert_eq!(lengths, [2, 1, 2, 3]);
        assert_eq!(path(&from, &to).last(), Some(&to));
    }

    #[test]
    fn another_enrolment_begins_from_nothing() {
        let from = contribution(1, &[1]);
        let to = contribution(2, &[1]);
        let states = path(&from, &to);
        assert_eq!(states.len(), 4);
        assert_eq!(states[1], UserContribution::default());
        assert_eq!(states.last(), Some(&to));
        assert_eq!(
            path(&from, &UserContribution::default()).last(),
            Some(&UserContribution::default())
        );
    }
}
