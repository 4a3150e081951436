//! Random sequences of looks: no change is said twice, and the state settles.

use super::*;
use proptest::prelude::*;

/// A look at an experiment that may be held or stopped, with any findings or none, some minutes after the last one.
fn any_look() -> impl Strategy<Value = (i64, u8, Option<Findings>)> {
    let verdict = prop_oneof![
        Just((Verdict::KeepRunning, Reason::Undecided)),
        Just((Verdict::KeepRunning, Reason::FirstWeek)),
        Just((Verdict::Ship, Reason::PrimaryBetter)),
        Just((Verdict::Stop, Reason::PrimaryWorse)),
        Just((Verdict::Stop, Reason::NoEffectFound)),
        Just((Verdict::DoNotTrust, Reason::SampleRatioMismatch)),
    ];
    let guardrails = prop::sample::subsequence(vec!["a", "b", "c"], 0..=3);
    let found = (verdict, guardrails, any::<bool>()).prop_map(|((verdict, reason), keys, bad)| {
        let mut found = findings(verdict, reason);
        found.worse_guardrails = keys.into_iter().map(key).collect();
        found.sample_ratio_mismatch = bad;
        found
    });
    (0_i64..2_000, 0_u8..3, prop::option::weighted(0.8, found))
}

proptest! {
    #[test]
    fn no_change_is_said_twice_and_the_state_settles(looks in prop::collection::vec(any_look(), 1..60)) {
        let mut all = Looks::default();
        let mut said: Vec<Notification> = Vec::new();
        let mut now = 0;
        for (minutes, shape, found) in &looks {
            now += minutes * MINUTE;
            let experiment = match shape {
                0 => experiment(),
                1 => held(at(0)),
                _ => ending(at(now - 1)),
            };
            let new = all.look(&experiment, found.as_ref(), at(now));
            if found.is_none() {
                let of_results = |one: &Notification| one.after.verdict.is_some()
                    || one.after.worse_guardrails.is_some()
                    || one.after.sample_ratio_mismatch.is_some();
                prop_assert!(!new.iter().any(of_results), "results were not read: {new:?}");
            }
            said.extend(new);
        }
        let ids: std::collections::BTreeSet<_> = said.iter().map(|one| &one.id).collect();
        prop_assert_eq!(ids.len(), said.len());
        let of = |kind| said.iter().filter(move |one| one.kind == kind).collect::<Vec<_>>();
        // Each verdict follows from the one that was said before.
        for pair in of(NotificationKind::VerdictChanged).windows(2) {
            prop_assert_eq!(&pair[0].after, &pair[1].before);
            prop_assert_ne!(&pair[1].before, &pair[1].after);
        }
        for kind in [NotificationKind::SampleRatioMismatch, NotificationKind::RampHeld] {
            for pair in of(kind).windows(2) {
                prop_assert!(pair[1].at.micros() - pair[0].at.micros() >= HOUR, "{pair:?}");
            }
        }
        for one in of(NotificationKind::GuardrailWorse) {
            prop_assert_ne!(&one.before, &one.after);
        }
        // From now on nothing changes: after some days there is nothing to say.
        let last = undecided();
        for day in 1..4 {
            all.look(&experiment(), Some(&last), at(now + day * 25 * HOUR));
        }
        let settled = all.0.clone();
        let later = all.look(&experiment(), Some(&last), at(now + 200 * HOUR));
        prop_assert!(later.is_empty(), "{later:?}");
        prop_assert_eq!(all.0, settled);
    }
}
