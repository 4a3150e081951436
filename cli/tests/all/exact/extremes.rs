//! Users and a definition at every limit at once, on a real engine: everything is counted, and both sources are equal.

use super::history::{Assign, DAY, Definition, Deliver, HOUR, History, Step, Track};
use super::play::{Crashes, play};
use super::world::World;
use domain::allocation::{Variant, Variants};
use domain::assignment::Attributes;
use domain::decimal::Decimal;
use domain::exclusion::ExcludedUsers;
use domain::ids::{DimensionKey, DimensionLabel, EventType, MetricKey, VariantKey};
use domain::limits;
use domain::metric::{Denominator, Direction, Measure, Metric, MetricKind, MetricRole};
use domain::time::Timestamp;

const START: i64 = 20_370 * DAY;
/// Events of each user.
const EVENTS: usize = 40;
const USERS: usize = 3;

/// A text of this many bytes that ends with a number. Quotation marks double in JSON.
fn long(fill: char, bytes: usize, number: usize) -> String {
    let number = number.to_string();
    let fills = (bytes - number.len()) / fill.len_utf8();
    fill.to_string().repeat(fills) + &number
}

fn event_type(number: usize) -> EventType {
    EventType::parse(&long('"', limits::MAX_KEY_CHARS, number)).unwrap()
}

fn dimensions() -> Vec<DimensionKey> {
    let numbers = 0..limits::MAX_DIMENSIONS;
    numbers
        .map(|number| DimensionKey::parse(&long('d', 32, number)).unwrap())
        .collect()
}

/// A hundred metrics over two event types, each with everything that a metric can need.
fn metrics() -> Vec<Metric> {
    let metric = |number: usize| Metric {
        key: MetricKey::parse(&long('m', limits::MAX_KEY_CHARS, number)).unwrap(),
        kind: match number % 3 {
            0 => MetricKind::Quantile {
                measure: Measure::Sum,
                quantile: 0.5,
            },
            1 => MetricKind::Sum,
            _ => MetricKind::Ratio {
                measure: Measure::Sum,
                denominator: Denominator {
                    event_type: event_type(1),
                    measure: Measure::Count,
                },
            },
        },
        event_type: event_type(0),
        name: None,
        role: MetricRole::default(),
        direction: Direction::default(),
        cap_percentile: (number % 3 == 1).then_some(0.99),
        margin: None,
    };
    (0..limits::MAX_METRICS).map(metric).collect()
}

fn definition() -> Definition {
    let variant = |number: usize| Variant {
        key: VariantKey::parse(&long('v', limits::MAX_KEY_CHARS, number)).unwrap(),
        percent: 100.0 / 20.0,
        name: None,
    };
    Definition {
        start: Timestamp::from_micros(START),
        variants: Variants::new((0..limits::MAX_VARIANTS).map(variant).collect()).unwrap(),
        metrics: metrics(),
        dimensions: dimensions(),
        ends_at: None,
        excluded: ExcludedUsers::default(),
        shards: 1,
        held_out_percent: None,
    }
}

fn assign(user: usize) -> Step {
    let value = |number: usize| {
        let text = long('😀', 4 * (limits::MAX_DIMENSION_VALUE_CHARS - 3), number);
        DimensionLabel::parse(&text).unwrap()
    };
    let attributes: Attributes = dimensions()
        .into_iter()
        .map(|by| (by, value(user)))
        .collect();
    Step::Assign(Assign {
        user,
        experiment: 0,
        variant: None,
        at: Timestamp::from_micros(START),
        attributes,
    })
}

fn track(user: usize, number: usize) -> Step {
    let id = user * EVENTS + number;
    // Two thirds are of the types of metrics, the others of a new type each. Values change their sign, so that a user
    // moves between positive and negative buckets.
    let of_type = match number % 3 {
        2 => event_type(100 + id),
        declared => event_type(declared),
    };
    let sign = if number.is_multiple_of(2) { 1 } else { -1 };
    let value =
        sign * (limits::MAX_USER_TOTAL_MILLIONTHS / 2 + 1_000 * i128::try_from(number).unwrap());
    Step::Track(Track {
        user,
        id,
        event_type: of_type,
        value: Some(Decimal::from_millionths(value)),
        properties: None,
        at: Timestamp::from_micros(START + 1 + i64::try_from(number).unwrap() * 5 * HOUR),
        knows_no_assignments: false,
        knows_old_definitions: false,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_at_every_limit_at_once_are_counted() {
    let world = World::start().await;
    let mut steps: Vec<Step> = (0..USERS).map(assign).collect();
    for number in 0..EVENTS {
        steps.extend((0..USERS).map(|user| track(user, number)));
    }
    steps.push(Step::Deliver(Deliver {
        seed: 1,
        aggregators: 2,
        crashes: 0,
        meanwhile: Vec::new(),
    }));
    let history = History {
        seed: 1,
        users: USERS,
        experiments: vec![definition()],
        steps,
        refused: None,
    };
    play(&world, &history, Crashes::Drawn).await.unwrap();
}
