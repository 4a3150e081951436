use super::*;
use crate::allocation::{Allocation, Variant, Variants};
use crate::analysis_definition::AnalysisDefinition;
use crate::documentation::Documentation;
use crate::experiment::{NewExperiment, Status};
use crate::limits::{MAX_KEPT_NOTIFICATIONS, MAX_NOTIFICATION_CHARS, MAX_NOTIFIED_GUARDRAILS};
use crate::ramp::RampHold;
use crate::report::Reason;
use crate::schedule::Schedule;

mod random_looks;

const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000 + micros)
}

fn experiment() -> Experiment {
    let variant = |key| Variant {
        key: VariantKey::parse(key).unwrap(),
        percent: 50.0,
        name: None,
    };
    let variants = Variants::new(vec![variant("control"), variant("green")]).unwrap();
    let new = NewExperiment {
        id: ExperimentId::parse("e").unwrap(),
        name: "E".to_owned(),
        description: None,
        status: Status::Running,
        allocation: Allocation::new(variants, 100.0, "seed".to_owned()),
        exclusion: None,
        schedule: Schedule::new(None, None),
        analysis: AnalysisDefinition::default(),
        documentation: Documentation::default(),
        shards: 1,
    };
    new.create(at(0))
}

fn held(since: Timestamp) -> Experiment {
    let mut experiment = experiment();
    experiment.allocation.ramp_hold = Some(RampHold {
        since,
        traffic_percent: 50.0,
        guardrails: vec![key("errors")],
    });
    experiment
}

fn ending(end: Timestamp) -> Experiment {
    let mut experiment = experiment();
    experiment.schedule.ends_at = Some(end);
    experiment
}

fn key(text: &str) -> MetricKey {
    MetricKey::parse(text).unwrap()
}

fn findings(verdict: Verdict, reason: Reason) -> Findings {
    Findings {
        verdict,
        reason,
        variant: VariantKey::parse("green").ok(),
        headline: "A headline.".to_owned(),
        worse_guardrails: Vec::new(),
        sample_ratio_mismatch: false,
    }
}

fn undecided() -> Findings {
    findings(Verdict::KeepRunning, Reason::Undecided)
}

fn ship() -> Findings {
    findings(Verdict::Ship, Reason::PrimaryBetter)
}

/// A sequence of looks.
#[derive(Default)]
struct Looks(NotificationState);

impl Looks {
    fn look(
        &mut self,
        experiment: &Experiment,
        findings: Option<&Findings>,
        now: Timestamp,
    ) -> Vec<Notification> {
        let observed = self.0.observe(experiment, findings, now);
        let again = observed.state.observe(experiment, findings, now);
        assert_eq!(again.notifications, [], "the same look says nothing more");
        assert_eq!(again.state, observed.state);
        self.0 = observed.state;
        observed.notifications
    }

    fn kinds(
        &mut self,
        experiment: &Experiment,
        findings: Option<&Findings>,
        now: Timestamp,
    ) -> Vec<&'static str> {
        let said = self.look(experiment, findings, now);
        said.iter().map(|said| said.kind.name()).collect()
    }
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_decision_about_a_new_experiment_is_said_once() {
    let mut looks = Looks::default();
    let experiment = experiment();
    assert_eq!(
        looks.kinds(&experiment, Some(&undecided()), at(MINUTE)),
        NOTHING
    );
    let said = looks.look(&experiment, Some(&ship()), at(2 * MINUTE));
    let [said] = said.as_slice() else {
        panic!("{said:?}")
    };
    assert_eq!(said.id, "e-1");
    assert_eq!(
        said.message,
        "The verdict of `e` changed from “keep running” to “ship”: A headline."
    );
    assert_eq!(said.before.verdict, Some(Verdict::KeepRunning));
    assert_eq!(said.after.verdict, Some(Verdict::Ship));
    assert_eq!(
        looks.kinds(&experiment, Some(&ship()), at(9 * HOUR)),
        NOTHING
    );
    assert_eq!(looks.0.last.len(), 1);

    let mut first = Looks::default();
    assert_eq!(
        first.kinds(&experiment, Some(&ship()), at(0)),
        ["verdict_changed"]
    );
}

#[test]
fn the_first_look_at_an_older_experiment_says_only_what_is_bad() {
    let (experiment, now) = (experiment(), at(100 * HOUR));
    let no_effect = findings(Verdict::Stop, Reason::NoEffectFound);
    for found in [&ship(), &undecided(), &no_effect] {
        assert_eq!(
            Looks::default().kinds(&experiment, Some(found), now),
            NOTHING
        );
    }
    let mut bad = findings(Verdict::DoNotTrust, Reason::SampleRatioMismatch);
    bad.sample_ratio_mismatch = true;
    bad.worse_guardrails = vec![key("errors")];
    let said = Looks::default().kinds(&experiment, Some(&bad), now);
    assert_eq!(
        said,
        [
            "guardrail_worse",
            "sample_ratio_mismatch",
            "verdict_changed"
        ]
    );
    let over = ending(at(HOUR));
    assert_eq!(Looks::default().kinds(&over, None, now), NOTHING);
}

#[test]
fn a_verdict_that_goes_back_and_forth_is_said_rarely() {
    let mut looks = Looks::default();
    let experiment = experiment();
    let mut said = 0;
    // A look every five minutes for ten days, and every second one is undecided.
    for look in 0..(12 * 24 * 10) {
        let found = if look % 2 == 0 { ship() } else { undecided() };
        said += looks
            .look(&experiment, Some(&found), at(look * 5 * MINUTE))
            .len();
    }
    assert_eq!(said, 1);
    let stop = findings(Verdict::Stop, Reason::PrimaryWorse);
    let mut looks = Looks::default();
    let mut said = 0;
    for look in 0..(12 * 24) {
        let found = if look % 2 == 0 { ship() } else { stop.clone() };
        said += looks
            .look(&experiment, Some(&found), at(look * 5 * MINUTE))
            .len();
    }
    assert!((1..=5).contains(&said), "{said}");
}

#[test]
fn a_decision_that_is_gone_for_a_day_is_said() {
    let mut looks = Looks::default();
    let experiment = experiment();
    looks.look(&experiment, Some(&ship()), at(0));
    assert_eq!(
        looks.kinds(&experiment, Some(&undecided()), at(HOUR)),
        NOTHING
    );
    assert_eq!(
        looks.kinds(&experiment, Some(&undecided()), at(24 * HOUR)),
        NOTHING
    );
    let said = looks.kinds(&experiment, Some(&undecided()), at(25 * HOUR));
    assert_eq!(said, ["verdict_changed"]);
}

#[test]
fn the_final_verdict_is_said_at_once() {
    let mut looks = Looks::default();
    let experiment = ending(at(HOUR));
    looks.look(
        &experiment,
        Some(&findings(Verdict::Stop, Reason::PrimaryWorse)),
        at(0),
    );
    let said = looks.kinds(&experiment, Some(&ship()), at(HOUR));
    assert_eq!(said, ["verdict_changed", "experiment_ended"]);
    assert_eq!(
        looks.kinds(&experiment, Some(&ship()), at(2 * HOUR)),
        NOTHING
    );
}

#[test]
fn an_end_without_enough_data_is_no_verdict() {
    let mut looks = Looks::default();
    let experiment = ending(at(HOUR));
    looks.look(&experiment, Some(&undecided()), at(0));
    for reason in [Reason::NoData, Reason::NotEnoughData, Reason::NotMeasurable] {
        let found = findings(Verdict::Stop, reason);
        let said = looks.kinds(&experiment, Some(&found), at(HOUR));
        assert!(!said.contains(&"verdict_changed"), "{said:?}");
    }
    let found = findings(Verdict::Stop, Reason::NoEffectFound);
    let said = looks.kinds(&experiment, Some(&found), at(HOUR));
    assert_eq!(said, ["verdict_changed"]);
}

#[test]
fn another_variant_to_ship_is_a_change_and_another_reason_is_none() {
    let mut looks = Looks::default();
    let experiment = experiment();
    looks.look(&experiment, Some(&ship()), at(0));
    let mut blue = ship();
    blue.variant = VariantKey::parse("blue").ok();
    let said = looks.look(&experiment, Some(&blue), at(7 * HOUR));
    assert_eq!(
        said[0].message,
        "The verdict of `e` is about another variant: A headline."
    );
    let mut looks = Looks::default();
    let stop = |reason| findings(Verdict::Stop, reason);
    looks.look(&experiment, Some(&stop(Reason::PrimaryWorse)), at(0));
    let said = looks.kinds(
        &experiment,
        Some(&stop(Reason::GuardrailWorse)),
        at(7 * HOUR),
    );
    assert_eq!(said, NOTHING);
}

#[test]
fn a_guardrail_and_the_sample_ratio_are_said_again_only_after_a_good_day() {
    let mut looks = Looks::default();
    let experiment = experiment();
    let mut bad = undecided();
    bad.worse_guardrails = vec![key("errors")];
    bad.sample_ratio_mismatch = true;
    let said = looks.look(&experiment, Some(&bad), at(0));
    assert_eq!(
        said[0].message,
        "In `e`, the guardrail `errors` is worse than in the control."
    );
    let good = undecided();
    for hour in 1..20 {
        let found = if hour % 2 == 0 { &bad } else { &good };
        assert_eq!(
            looks.kinds(&experiment, Some(found), at(hour * HOUR)),
            NOTHING
        );
    }
    let mut two = bad.clone();
    two.worse_guardrails.push(key("latency"));
    let said = looks.look(&experiment, Some(&two), at(20 * HOUR));
    assert_eq!(
        said[0].message,
        "In `e`, the guardrail `latency` is worse than in the control."
    );
    assert_eq!(said[0].before.worse_guardrails, Some(vec![key("errors")]));
    assert_eq!(said[0].after.worse_guardrails, Some(two.worse_guardrails));
    assert_eq!(
        looks.kinds(&experiment, Some(&good), at(44 * HOUR)),
        NOTHING
    );
    let said = looks.kinds(&experiment, Some(&bad), at(45 * HOUR));
    assert_eq!(said, ["guardrail_worse", "sample_ratio_mismatch"]);
}

#[test]
fn a_hold_of_the_ramp_and_its_end_are_said_without_results() {
    let mut looks = Looks::default();
    let held = held(at(0));
    let said = looks.look(&held, None, at(0));
    assert_eq!(
        said[0].message,
        "The ramp of `e` is on hold at 50% of the users, because the guardrail `errors` is worse."
    );
    assert_eq!(looks.kinds(&experiment(), None, at(MINUTE)), NOTHING);
    assert_eq!(looks.kinds(&held, None, at(2 * MINUTE)), NOTHING);
    assert_eq!(looks.kinds(&experiment(), None, at(HOUR)), ["ramp_resumed"]);
    assert_eq!(looks.kinds(&experiment(), None, at(9 * HOUR)), NOTHING);
}

#[test]
fn each_end_is_said_once_and_a_draft_has_none() {
    let mut looks = Looks::default();
    let first = ending(at(HOUR));
    assert_eq!(looks.kinds(&first, None, at(0)), NOTHING);
    let said = looks.look(&first, None, at(HOUR));
    assert_eq!(
        said[0].message,
        "The experiment `e` has reached its planned end."
    );
    assert_eq!(looks.kinds(&first, None, at(2 * HOUR)), NOTHING);
    let moved = ending(at(9 * HOUR));
    assert_eq!(looks.kinds(&moved, None, at(3 * HOUR)), NOTHING);
    assert_eq!(
        looks.kinds(&moved, None, at(10 * HOUR)),
        ["experiment_ended"]
    );

    let mut stopped = experiment();
    stopped.status = Status::Stopped;
    stopped.schedule.stopped_at = Some(at(HOUR));
    // The clock of the process that stopped it is ahead.
    let said = Looks::default().look(&stopped, None, at(HOUR - 1));
    assert_eq!(said[0].message, "The experiment `e` was stopped.");

    let mut draft = ending(at(0));
    draft.schedule.started_at = None;
    draft.status = Status::Draft;
    assert_eq!(Looks::default().kinds(&draft, None, at(HOUR)), NOTHING);
}

#[test]
fn sentences_are_one_line_of_limited_length_and_lists_are_limited() {
    let mut found = ship();
    found.headline = format!("a\n\u{7}b\r{}", "ü".repeat(5_000));
    found.worse_guardrails = (0..100)
        .map(|number| key(&format!("{number}{}", "x".repeat(120))))
        .collect();
    let mut looks = Looks::default();
    let said = looks.look(&experiment(), Some(&found), at(0));
    for said in &said {
        assert!(said.message.chars().count() <= MAX_NOTIFICATION_CHARS);
        assert!(!said.message.contains(char::is_control));
        let listed = said.after.worse_guardrails.iter().flatten().count();
        assert!(listed <= MAX_NOTIFIED_GUARDRAILS);
    }
    assert_eq!(said.len(), 2);
}

#[test]
fn the_state_is_stored_and_read_back_and_stays_below_the_size_of_an_item() {
    let mut looks = Looks::default();
    let mut largest = 0;
    for look in 0..60 {
        let mut found = match look % 2 {
            0 => ship(),
            _ => findings(Verdict::Stop, Reason::PrimaryWorse),
        };
        found.headline = "ü".repeat(5_000);
        found.sample_ratio_mismatch = look % 2 == 0;
        let keys = (0..100).map(|number| key(&format!("{number:03}{look:03}{}", "x".repeat(122))));
        found.worse_guardrails = keys.collect();
        looks.look(&experiment(), Some(&found), at(look * 30 * HOUR));
        let text = serde_json::to_string(&looks.0).unwrap();
        assert_eq!(
            serde_json::from_str::<NotificationState>(&text).unwrap(),
            looks.0
        );
        largest = largest.max(text.len());
    }
    assert_eq!(looks.0.last.len(), MAX_KEPT_NOTIFICATIONS);
    assert!(largest < 300_000, "{largest}");
    assert_eq!(
        serde_json::from_str::<NotificationState>("{}").unwrap(),
        NotificationState::default()
    );
}
