//! What the aggregator over the raw records holds while it reads them. A file of its own, since it counts what the whole
//! process allocates.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use domain::aggregate_items::AggregateSpec;
use domain::allocation::{Allocation, Variant, Variants};
use domain::analysis_definition::AnalysisDefinition;
use domain::assignment::Attributes;
use domain::experiment::{Experiment, NewExperiment, Status};
use domain::filter::RecordFilter;
use domain::ids::{EventType, ExperimentId, UserId, VariantKey};
use domain::record_aggregator::RecordAggregator;
use domain::registry::{Labels, Registry};
use domain::schedule::Schedule;
use domain::time::Timestamp;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const HOUR: i64 = 3_600_000_000;
const START: i64 = 20_000 * 24 * HOUR;

fn experiment() -> Experiment {
    let variant = |key| Variant {
        key: VariantKey::parse(key).unwrap(),
        percent: 50.0,
        name: None,
    };
    let new = NewExperiment {
        id: ExperimentId::parse("memory").unwrap(),
        name: "memory".to_owned(),
        description: None,
        status: Status::Running,
        allocation: Allocation::new(
            Variants::new(vec![variant("control"), variant("green")]).unwrap(),
            100.0,
            "memory".to_owned(),
        ),
        exclusion: None,
        schedule: Schedule::default(),
        analysis: AnalysisDefinition::default(),
        documentation: domain::documentation::Documentation::default(),
        shards: 1,
    };
    new.create(Timestamp::from_micros(START))
}

/// The peak memory in bytes while the records of a shard are aggregated: this many events per user, within one day.
fn most_held(users: usize, events_each: usize) -> usize {
    let experiment = experiment();
    let filter = RecordFilter::default();
    let control = VariantKey::parse("control").unwrap();
    let buy = EventType::parse("buy").unwrap();
    let ids: Vec<UserId> = (0..users)
        .map(|user| UserId::parse(&format!("user-{user}")).unwrap())
        .collect();
    let _profiler = dhat::Profiler::builder().testing().build();
    let labels = Labels::new(&AggregateSpec::of(&experiment).metrics, Registry::default());
    let mut aggregator = RecordAggregator::new(&experiment, &filter, &labels);
    for user in &ids {
        let at = Timestamp::from_micros(START + HOUR);
        aggregator.assignment(user.clone(), &control, at, &Attributes::default());
    }
    for event in 0..events_each {
        let hours = i64::try_from(2 + event % 10).unwrap();
        let micros = i64::try_from(event).unwrap();
        let at = Timestamp::from_micros(START + hours * HOUR + micros);
        for user in &ids {
            aggregator.event(user, &buy, None, at, Some(at)).unwrap();
        }
    }
    let aggregates = aggregator.finish().unwrap();
    let hours = aggregates.hours.values();
    let counted: u64 = hours
        .map(|hour| hour.events.values().flatten().sum::<u64>())
        .sum();
    assert_eq!(counted, u64::try_from(users * events_each).unwrap());
    dhat::HeapStats::get().max_bytes
}

#[test]
fn memory_grows_with_the_users_and_not_with_their_events() {
    let [few, many] = [20, 2_000].map(|events_each| most_held(500, events_each));
    assert!(
        many < few + few / 50,
        "{few} bytes with 20 events each, {many} bytes with 2,000"
    );
    let twice_the_users = most_held(1_000, 20);
    assert!(
        twice_the_users > few * 3 / 2,
        "{few} bytes for 500 users, {twice_the_users} bytes for 1,000"
    );
}
