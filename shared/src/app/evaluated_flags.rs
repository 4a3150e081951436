//! The flags that a process has evaluated by their keys today.
//!
//! Each process notes a flag of an environment at most once a day, beside the first evaluation. All later ones cost a look-up
//! in memory.

use super::App;
use domain::aggregates::{Day, day_of};
use domain::ids::{EnvironmentName, FlagKey};
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

/// The flags that are noted, by environment, and the day.
#[derive(Debug, Default)]
pub(super) struct EvaluatedFlags(Mutex<(Day, HashMap<EnvironmentName, HashSet<FlagKey>>)>);

impl EvaluatedFlags {
    /// Whether a flag is not noted on this day. It is from now on.
    fn is_new(&self, environment: &EnvironmentName, flag: &FlagKey, day: Day) -> bool {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.0 != day {
            *noted = (day, HashMap::new());
        }
        let flags = &mut noted.1;
        // Without a copy of the names in most calls.
        if flags
            .get(environment)
            .is_some_and(|flags| flags.contains(flag))
        {
            return false;
        }
        flags
            .entry(environment.clone())
            .or_default()
            .insert(flag.clone())
    }

    /// Forgets a flag that could not be noted, so that the next evaluation notes it.
    fn forget(&self, environment: &EnvironmentName, flag: &FlagKey) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flags) = noted.1.get_mut(environment) {
            flags.remove(flag);
        }
    }
}

impl App {
    /// Notes that an application has asked for a flag by its key. A failure is no error of the evaluation: it is logged, and the
    /// next evaluation notes it.
    pub async fn note_flag_evaluation(&self, environment: &EnvironmentName, flag: &FlagKey) {
        let day = day_of(self.now());
        if !self.0.evaluated_flags.is_new(environment, flag, day) {
            return;
        }
        // In a box, so that the futures of the callers do not contain all of the database client.
        let note = Box::pin(self.0.store.note_flag_evaluation(flag, environment, day));
        if let Err(error) = note.await {
            self.0.evaluated_flags.forget(environment, flag);
            tracing::warn!(%error, "the evaluation of a flag could not be noted");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_new_once_a_day_in_each_environment() {
        let name = |text| EnvironmentName::parse(text).unwrap();
        let (production, staging) = (name("production"), name("staging"));
        let [one, two] = ["one", "two"].map(|text| FlagKey::parse(text).unwrap());
        let noted = EvaluatedFlags::default();
        for (environment, flag, day, is_new) in [
            (&production, &one, 7, true),
            (&production, &one, 7, false),
            (&production, &two, 7, true),
            (&staging, &one, 7, true),
            (&production, &one, 8, true),
            (&production, &one, 8, false),
            (&staging, &one, 8, true),
        ] {
            assert_eq!(noted.is_new(environment, flag, day), is_new, "{flag} {day}");
        }
        noted.forget(&production, &one);
        assert!(noted.is_new(&production, &one, 8));
    }
}
