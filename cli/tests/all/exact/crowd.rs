//! Many users of one experiment, for what is measured.

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
use domain::schedule::Schedule;
use domain::time::Timestamp;
use futures::{StreamExt, stream};
use shared::store::keys;
use std::collections::HashMap;

/// Writes under way at once, as in the function that takes events.
const AT_ONCE: usize = 32;
const DIMENSIONS: [&str; 2] = ["country", "platform"];

/// What is stored for a user.
#[derive(Clone, Copy)]
pub(crate) enum Fact {
    Assigned,
    /// An event, and which of the user's own it is.
    Bought(usize),
}

/// A fact about a user, and when it happened.
#[derive(Clone, Copy)]
pub(crate) struct Happening {
    pub(crate) user: usize,
    pub(crate) at: Timestamp,
    pub(crate) fact: Fact,
}

/// What is asked of an experiment.
#[derive(Clone, Copy)]
pub(crate) struct Asked {
    /// Metrics, all of the type `buy`.
    pub(crate) metrics: usize,
    /// Whether the extreme users of those that count and add are cut, for which all are told apart by size.
    pub(crate) cut: bool,
    pub(crate) dimensions: usize,
}

/// An experiment with two variants.
pub(crate) async fn experiment(
    world: &World,
    id: &str,
    start: Timestamp,
    asked: Asked,
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
        cap_percentile: (asked.cut && !place.is_multiple_of(kinds.len())).then_some(0.999),
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
        schedule: Schedule::default(),
        analysis: AnalysisDefinition {
            dimensions: DIMENSIONS[..asked.dimensions]
                .iter()
                .map(|name| DimensionKey::parse(name).unwrap())
                .collect(),
            metrics: (0..asked.metrics).map(metric).collect(),
            plan: None,
        },
        shards: DEFAULT_SHARDS,
    };
    let experiment = new.create(start);
    let created = world.store.create_experiment(&experiment, "", "a test");
    created.await.unwrap();
    experiment
}

fn buy() -> EventType {
    EventType::parse("buy").unwrap()
}

/// Stores what happened, and gives back the records in the same order.
pub(crate) async fn write(
    world: &World,
    experiment: &Experiment,
    happenings: &[Happening],
) -> Vec<EventRecord> {
    let writes = happenings.iter().enumerate().map(|(number, happening)| {
        let happening = *happening;
        async move {
            match happening.fact {
                Fact::Assigned => assign(world, experiment, happening, number).await,
                Fact::Bought(place) => bought(world, experiment, happening, place, number).await,
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
    happening: Happening,
    number: usize,
) -> EventRecord {
    let Happening { user, at, .. } = happening;
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
    happening: Happening,
    place: usize,
    number: usize,
) -> EventRecord {
    let Happening { user, at, .. } = happening;
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
