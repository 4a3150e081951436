//! From one state of a user to another in steps that are states themselves.
//!
//! A transaction holds a hundred actions, and a user with a year of events changes more items than that. Each state
//! on the way is one that the user could be in, so that stopping at any of them leaves exact sums behind.

use super::{Enrolment, Subject};

/// How many of the first entries of two states are the same; none if the users are not enrolled alike.
pub fn common(from: &Subject, to: &Subject) -> usize {
    if from.enrolment != to.enrolment || from.robot || to.robot {
        return 0;
    }
    let pairs = from.entries.iter().zip(&to.entries);
    pairs.take_while(|(a, b)| a == b).count()
}

/// The states between two, the last one included: first entries are taken away from the end until the rest is
/// common, then entries are added at the end. A change at the end of a user's time touches no earlier day.
pub fn path(from: &Subject, to: &Subject) -> Vec<Subject> {
    let keep = common(from, to);
    let state = |subject: &Subject, enrolment: &Option<Enrolment>, entries: usize| Subject {
        enrolment: enrolment.clone(),
        robot: subject.robot,
        entries: subject.entries.iter().take(entries).cloned().collect(),
    };
    let mut states: Vec<Subject> = (keep..from.entries.len())
        .rev()
        .map(|entries| state(from, &from.enrolment, entries))
        .collect();
    let alike = from.enrolment == to.enrolment && from.robot == to.robot;
    if !alike {
        states.push(Subject::default());
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
    use crate::ids::EventType;
    use crate::subject::{Entry, Fate};
    use crate::time::Timestamp;
    use std::sync::Arc;

    fn subject(assigned_at: i64, hours: &[i64]) -> Subject {
        let name = Arc::new(EventType::parse("view").unwrap());
        let entry = |hour: &i64| Entry {
            hour: *hour,
            event_type: name.clone(),
            fate: Fate::Counted,
            events: 1,
            value: 0,
        };
        Subject {
            enrolment: Some(Enrolment {
                variant: 0,
                phase: 0,
                assigned_at: Timestamp::from_micros(assigned_at),
                segments: Vec::new(),
                past: Vec::new(),
            }),
            robot: false,
            entries: hours.iter().map(entry).collect(),
        }
    }

    #[test]
    fn a_path_goes_back_to_what_is_common_and_on_from_there() {
        let from = subject(1, &[1, 2, 5]);
        let to = subject(1, &[1, 3, 5]);
        let lengths: Vec<usize> = path(&from, &to)
            .iter()
            .map(|state| state.entries.len())
            .collect();
        assert_eq!(lengths, [2, 1, 2, 3]);
        assert_eq!(path(&from, &to).last(), Some(&to));
    }

    #[test]
    fn another_enrolment_begins_from_nothing() {
        let from = subject(1, &[1]);
        let to = subject(2, &[1]);
        let states = path(&from, &to);
        assert_eq!(states.len(), 4);
        assert_eq!(states[1], Subject::default());
        assert_eq!(states.last(), Some(&to));
        assert_eq!(
            path(&from, &Subject::default()).last(),
            Some(&Subject::default())
        );
    }
}
