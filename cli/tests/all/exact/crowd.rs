//! Many users of one experiment for measurements.

use super::records::inserted;
use super::world::World;
use aws_lambda_events::dynamodb::EventRecord;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::allocation::{Allocation, Variant, Variants};
use domain::analysis_definition::AnalysisDefinition;
use domain::assignment::{Assignment, AssignmentSource, Attributes};
use domain::decimal::Decimal;
use domain::event::Event;
use domain::experiment::{Experiment, NewExperiment, Status};
use domain::ids::{
    DimensionKey, DimensionLabel, EventId, EventType, ExperimentId, MetricKey, UserId, VariantKey,
};
use domain::limits::DEFAULT_SHARDS;
use domain::metric::{Direction, Metric, MetricKind, MetricRole};
use domain::placement::Placement;
use domain::schedule::Schedule;
use domain::time::Timestamp;
use futures::{StreamExt, stream};
use shared::store::experiments::Author;
use shared::store::keys;
use std::collections::HashMap;

/// Who changes definitions here.
pub(crate) const AUTHOR: Author<'static> = Author {
    by: "a test",
    reason: None,
};

/// Number of concurrent writes, as in the function that records events.
const AT_ONCE: usize = 32;
const DIMENSIONS: [&str; 2] = ["country", "platform"];

/// A stored record of a user.
#[derive(Clone, Copy)]
pub(crate) enum RecordKind {
    Assigned,
    /// An event, with its index among the user's events.
    Bought(usize),
}

/// A record of a user with its time.
#[derive(Clone, Copy)]
pub(crate) struct UserRecord {
    pub(crate) user: usize,
    pub(crate) at: Timestamp,
    pub(crate) kind: RecordKind,
}

/// Metrics and dimensions of an experiment.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    /// Number of metrics. All use the event type `buy`.
    pub(crate) metrics: usize,
    /// Whether count and sum metrics are capped. This needs a histogram of the users' values.
    pub(crate) capped: bool,
    pub(crate) dimensions: usize,
}

/// An experiment with two variants.
pub(crate) async fn experiment(
    world: &World,
    id: &str,
    start: Timestamp,
    setup: Setup,
) -> Experiment {
    let variant = |key| Variant {
        key: VariantKey::parse(key).unwrap(),
        percent: 50.0,
        name: None,
    };
    let kinds = [MetricKind::Conversion, MetricKind::Sum, MetricKind::Count];
    let metric = |place: usize| Metric {
        key: MetricKey::parse(&format!("metric-{place}")).unwrap(),
        kind: kinds[place % kinds.len()].clone(),
        event_type: buy(),
        name: None,
        role: MetricRole::default(),
        direction: Direction::default(),
        cap_percentile: (setup.capped && !place.is_multiple_of(kinds.len())).then_some(0.999),
        margin: None,
    };
    let new = NewExperiment {
        id: ExperimentId::parse(id).unwrap(),
        name: id.to_owned(),
        description: None,
        status: Status::Running,
        allocation: Allocation::new(
            Variants::new(vec![variant("control"), variant("green")]).unwrap(),
            100.0,
            id.to_owned(),
        ),
        exclusion: None,
        schedule: Schedule::default(),
        analysis: AnalysisDefinition {
            dimensions: DIMENSIONS[..setup.dimensions]
                .iter()
                .map(|name| DimensionKey::parse(name).unwrap())
                .collect(),
            metrics: (0..setup.metrics).map(metric).collect(),
            plan: None,
        },
        documentation: domain::documentation::Documentation::default(),
        shards: DEFAULT_SHARDS,
    };
    let experiment = new.create(start);
    let placement = Placement::unchanged(experiment.clone());
    let catalog = world.store.catalog_with(false).await.unwrap();
    let store = &world.store;
    let created = store.create_experiment(&placement, "", "a test", catalog);
    created.await.unwrap();
    experiment
}

fn buy() -> EventType {
    EventType::parse("buy").unwrap()
}

/// Stores the records of the users. Returns the stream records in the same order.
pub(crate) async fn write(
    world: &World,
    experiment: &Experiment,
    user_records: &[UserRecord],
) -> Vec<EventRecord> {
    let writes = user_records
        .iter()
        .enumerate()
        .map(|(number, user_record)| {
            let user_record = *user_record;
            async move {
                match user_record.kind {
                    RecordKind::Assigned => assign(world, experiment, user_record, number).await,
                    RecordKind::Bought(place) => {
                        bought(world, experiment, user_record, place, number).await
                    }
                }
            }
        });
    let writes: Vec<_> = writes.collect();
    stream::iter(writes).buffered(AT_ONCE).collect().await
}

fn user_id(experiment: &Experiment, user: usize) -> UserId {
    UserId::parse(&format!("{}-user-{user:06}", experiment.id)).unwrap()
}

async fn assign(
    world: &World,
    experiment: &Experiment,
    user_record: UserRecord,
    number: usize,
) -> EventRecord {
    let UserRecord { user, at, .. } = user_record;
    let values = [["DE", "FR", "US"][user % 3], ["ios", "web"][user % 2]];
    let attributes: Attributes = experiment
        .analysis
        .dimensions
        .iter()
        .zip(values)
        .map(|(name, value)| (name.clone(), DimensionLabel::parse(value).unwrap()))
        .collect();
    let assignment = Assignment {
        user_id: user_id(experiment, user),
        experiment_id: experiment.id.clone(),
        variant: experiment.allocation.variants.as_slice()[user % 2]
            .key
            .clone(),
        assigned_at: at,
        source: AssignmentSource::Hash,
        experiment_version: experiment.version,
        layer: None,
        attributes,
    };
    let stored = world.store.assign_first(&assignment, experiment.shards);
    stored.await.unwrap();
    let key = [keys::assignments::USER_ID, keys::assignments::EXPERIMENT_ID];
    let item = HashMap::from([
        text(key[0], &assignment.user_id),
        text(key[1], &experiment.id),
    ]);
    inserted(item, key, number)
}

async fn bought(
    world: &World,
    experiment: &Experiment,
    user_record: UserRecord,
    place: usize,
    number: usize,
) -> EventRecord {
    let UserRecord { user, at, .. } = user_record;
    let cents = i128::try_from(499 + (user * 7 + place * 13) % 9_000).unwrap();
    let event = Event {
        id: EventId::parse(&format!("0123456789abcdef-{user}-{place}")).unwrap(),
        user_id: user_id(experiment, user),
        event_type: buy(),
        value: Some(Decimal::from_millionths(cents * 10_000)),
        properties: None,
        timestamp: Some(at),
        counted_at: at,
    };
    let destination = Some((&experiment.id, experiment.shards));
    let stored = world.store.record_first(&event, destination, at);
    stored.await.unwrap();
    let key = [keys::events::USER_ID, keys::events::EXPERIMENT_EVENT];
    let name = keys::experiment_event(Some(&experiment.id), &event.id);
    let item = HashMap::from([
        text(key[0], &event.user_id),
        text(key[1], &name),
        text("counted_at", &at),
    ]);
    inserted(item, key, number)
}

fn text(name: &str, value: &impl ToString) -> (String, AttributeValue) {
    (name.to_owned(), AttributeValue::S(value.to_string()))
}
