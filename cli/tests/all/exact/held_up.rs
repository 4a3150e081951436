//! An import while the aggregator is held up: every answer says how much is missing, and none has a verdict.

use super::crowd::{self, RecordKind, UserRecord};
use super::history::{DAY, HOUR};
use super::network::Pressure;
use super::world::World;
use crate::soak::part_of;
use domain::coverage::{DataSource, PendingRecords};
use domain::experiment::Experiment;
use domain::filter::RecordFilter;
use domain::report::{AnalysisRequest, Breakdown, Correction, Reason, Report, Verdict};
use domain::time::Timestamp;
use shared::store::aggregates::AggregateSections;
use std::collections::BTreeSet;

const BATCH: usize = 500;

async fn report(
    world: &World,
    experiment: &Experiment,
    source: DataSource,
) -> (Report, Option<PendingRecords>) {
    let filter = RecordFilter::default();
    let sections = AggregateSections::default();
    let sourced = world
        .store
        .sourced_aggregates(experiment, &filter, sections, Some(source));
    let sourced = sourced.await.unwrap();
    let request = AnalysisRequest {
        filter,
        as_of: shared::clock::now(),
        metrics: BTreeSet::new(),
        baseline: None,
        method: None,
        alpha: None,
        correction: Correction::Holm,
        breakdown: Breakdown::None,
        series: false,
    };
    let report = Report::new(
        experiment,
        &sourced.aggregates,
        &request,
        &sourced.provenance,
    );
    (report.unwrap(), sourced.provenance.pending)
}

/// A look while this many of the stored records are not counted.
async fn look(world: &World, experiment: &Experiment, stored: usize, pending: usize) {
    let (report, found) = report(world, experiment, DataSource::Aggregates).await;
    let found = found.unwrap();
    let number = |number: usize| u64::try_from(number).unwrap();
    assert_eq!(
        (found.stored, found.pending, found.count_incomplete),
        (number(stored), number(pending), false)
    );
    assert_eq!(found.since.is_some(), pending > 0);
    assert!(found.since <= Some(shared::clock::now()));
    if pending * 100 > stored || found.overdue > 0 {
        let decision = report.decision;
        assert_eq!(decision.verdict, Verdict::KeepRunning);
        assert_eq!(decision.reason, Reason::StillCounting);
        assert_eq!(
            (decision.impact.is_none(), decision.days_left),
            (true, None)
        );
    }
}

/// An import, with a look after this many users were written, and after as many records were counted.
async fn held_up(users: usize, per_look: usize) {
    let world = World::start().await;
    let start = Timestamp::from_micros(20_370 * DAY);
    let setup = crowd::Setup {
        metrics: 2,
        capped: false,
        dimensions: 0,
    };
    let experiment = crowd::experiment(&world, "held-up", start, setup).await;
    let mut records = Vec::new();
    for first in (0..users).step_by(per_look) {
        // As in an import, all times are past, and many are equal.
        let at = |user: usize| start.plus_micros(i64::try_from(user % 50).unwrap() * HOUR);
        let of_user = |user| {
            let assigned = UserRecord {
                user,
                at: at(user),
                kind: RecordKind::Assigned,
            };
            let bought = UserRecord {
                user,
                at: at(user).plus_micros(HOUR),
                kind: RecordKind::Bought(0),
            };
            [assigned, bought]
        };
        let some: Vec<UserRecord> = (first..users.min(first + per_look))
            .flat_map(of_user)
            .collect();
        records.extend(crowd::write(&world, &experiment, &some).await);
        look(&world, &experiment, records.len(), records.len()).await;
    }
    let aggregator = world.process(Pressure::default(), 1);
    let stored = records.len();
    let mut counted = 0;
    for batch in records.chunks(BATCH) {
        let answer = aggregator.aggregate(batch.to_vec()).await.unwrap().unwrap();
        assert!(answer.batch_item_failures.is_empty());
        counted += batch.len();
        if counted % per_look < BATCH || counted == stored {
            look(&world, &experiment, stored, stored - counted).await;
        }
    }
    let (counted, pending) = report(&world, &experiment, DataSource::Aggregates).await;
    assert!(!pending.unwrap().still_counting());
    assert_ne!(counted.decision.reason, Reason::StillCounting);
    let (raw, _) = report(&world, &experiment, DataSource::Raw).await;
    let numbers = |report: &Report| serde_json::to_value(&report.metrics).unwrap();
    assert_eq!(numbers(&counted), numbers(&raw));
    assert_eq!(counted.decision.headline, raw.decision.headline);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_has_a_verdict_until_an_import_is_counted() {
    held_up(600, 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes long: scripts/check soak"]
async fn no_answer_has_a_verdict_until_an_import_of_many_users_is_counted() {
    held_up(part_of(20_000), part_of(2_000)).await;
}
