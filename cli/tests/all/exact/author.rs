//! Draws a complete history from a seed before it is played.

use super::draw::Draw;
use super::history::{
    Assign, Change, DAY, Definition, Deliver, Edit, Erase, HOUR, History, Size, Step, Track,
};
use super::network::Crash;
use domain::allocation::{Variant, Variants};
use domain::assignment::Attributes;
use domain::condition::Condition;
use domain::decimal::Decimal;
use domain::exclusion::{ExcludedEvent, ExcludedUsers};
use domain::ids::{DimensionKey, DimensionLabel, EventType, MetricKey, UserId, VariantKey};
use domain::metric::{Denominator, Direction, Measure, Metric, MetricKind, MetricRole};
use domain::ramp::{Ramp, RampStep};
use domain::time::Timestamp;
use serde_json::json;
use std::collections::BTreeSet;

/// The midnight at which the times of a history start.
const MIDNIGHT: i64 = 20_370 * DAY;
const EVENT_TYPES: [&str; 4] = ["view", "buy", "add to cart#1", "p.q"];
const PROPERTIES: [Option<&str>; 4] = [
    None,
    Some("{}"),
    Some(r#"{"internal":false}"#),
    Some(r#"{"internal":true}"#),
];
const METRIC_KEYS: [&str; 4] = ["a", "a.b", "n", "s-1.c"];
const DIMENSIONS: [(&str, &[&str]); 2] =
    [("country", &["DE", "a#b", "é"]), ("plan", &["pro", "free"])];
const VARIANTS: [&str; 3] = ["control", "green", "b.2"];

impl History {
    pub(crate) fn draw(seed: u64, size: Size) -> Self {
        let mut draw = Draw::new(seed);
        let small = size == Size::Small;
        let users = draw.within(1..=if small { 2 } else { 4 });
        let users = usize::try_from(users).unwrap();
        let mut experiments = vec![definition(&mut draw)];
        if draw.chance(if small { 20 } else { 40 }) {
            experiments.push(definition(&mut draw));
        }
        if draw.chance(25) {
            experiments.push(holdout(&mut draw));
        }
        let mut author = Author {
            draw,
            experiments: &experiments,
            // The time of a change identifies its generation, so no two changes have the same time.
            changed_at: MIDNIGHT + 6 * DAY,
            ids: 0,
            anchors: Vec::new(),
        };
        let mut steps = Vec::new();
        for user in 0..users {
            steps.extend(author.life(user, small));
        }
        author.mix(&mut steps);
        if !small || author.draw.chance(50) {
            author.changes(&mut steps);
            author.order_changes(&mut steps);
        }
        author.erasures(users, &mut steps);
        author.deliveries(&mut steps, small);
        let refused = (!small && author.draw.chance(15)).then(|| author.draw.below(users));
        Self {
            seed,
            users,
            experiments,
            steps,
            refused,
        }
    }

    /// Whether a user is assigned and a change creates a new generation.
    pub(crate) fn has_other_aggregates(&self) -> bool {
        let other = |step: &Step| match step {
            Step::Change(change) => matches!(
                change.edit,
                Edit::Metrics(_) | Edit::Dimensions(_) | Edit::Exclude(_)
            ),
            _ => false,
        };
        self.steps.iter().any(other)
            && (self.steps.iter()).any(|step| matches!(step, Step::Assign(_)))
    }
}

fn definition(draw: &mut Draw) -> Definition {
    let start = MIDNIGHT + draw.within(0..=2 * DAY);
    let ends_at = draw.chance(40).then(|| start + draw.within(HOUR..=9 * DAY));
    Definition {
        start: Timestamp::from_micros(start),
        variants: shares(draw, None),
        metrics: metrics(draw),
        dimensions: dimensions(draw),
        ends_at: ends_at.map(Timestamp::from_micros),
        excluded: match draw.chance(40) {
            true => excluded(draw),
            false => ExcludedUsers::default(),
        },
        shards: draw.pick(&[1, 1, 3]),
        held_out_percent: None,
    }
}

/// A holdout. More users are held out than an API request can ask for, because a history has few.
fn holdout(draw: &mut Draw) -> Definition {
    Definition {
        start: Timestamp::from_micros(MIDNIGHT),
        ends_at: None,
        held_out_percent: Some(draw.pick(&[20.0, 50.0])),
        ..definition(draw)
    }
}

/// Users with a type of events, with properties of an event, or with a value of a dimension that is often declared.
fn excluded(draw: &mut Draw) -> ExcludedUsers {
    let event_type = EventType::parse(draw.pick(&EVENT_TYPES)).unwrap();
    let (by, values) = DIMENSIONS[draw.below(DIMENSIONS.len())];
    let by = DimensionKey::parse(by).unwrap();
    let value = DimensionLabel::parse(draw.pick(values)).unwrap();
    let (types, values) = draw.pick(&[(true, false), (false, true), (true, true), (false, false)]);
    let conditions = [
        json!({"internal": true}),
        json!({"internal": {"$exists": false}}),
    ];
    let events = (0..draw.pick(&[0, 0, 1, 2])).map(|_| ExcludedEvent {
        event_type: EventType::parse(draw.pick(&EVENT_TYPES)).unwrap(),
        condition: Condition::compile(draw.pick(&conditions)).unwrap(),
    });
    ExcludedUsers {
        events: events.collect(),
        event_types: types.then_some(event_type).into_iter().collect(),
        dimensions: values.then(|| (by, [value].into())).into_iter().collect(),
    }
}

/// Some steps after a time.
fn ramp(draw: &mut Draw, after: Timestamp) -> Ramp {
    let mut at = after;
    let steps = (0..draw.below(4)).map(|_| {
        at = at.plus_micros(draw.within(1..=2 * DAY));
        RampStep {
            at,
            traffic_percent: draw.pick(&[10.0, 50.0, 100.0]),
            on_worse_guardrail: None,
        }
    });
    Ramp::new(steps.collect()).unwrap()
}

/// Two or three variants, or the existing variants with other weights.
fn shares(draw: &mut Draw, like: Option<&Variants>) -> Variants {
    let count = like.map_or_else(|| draw.pick(&[2, 3]), |like| like.as_slice().len());
    let first = draw.pick(&[10.0, 50.0, 34.0]);
    let rest = (100.0 - first) / f64::from(u32::try_from(count - 1).unwrap());
    let variant = |place: usize| Variant {
        key: VariantKey::parse(VARIANTS[place]).unwrap(),
        percent: if place == 0 { first } else { rest },
        name: None,
    };
    Variants::new((0..count).map(variant).collect()).unwrap()
}

fn dimensions(draw: &mut Draw) -> Vec<DimensionKey> {
    let count = draw.pick(&[0, 0, 1, 2]);
    let names = DIMENSIONS.iter().take(count);
    names
        .map(|(name, _)| DimensionKey::parse(name).unwrap())
        .collect()
}

fn event_type(draw: &mut Draw) -> EventType {
    EventType::parse(draw.pick(&EVENT_TYPES)).unwrap()
}

/// Up to four metrics. Without metrics, there is one for every event type.
fn metrics(draw: &mut Draw) -> Vec<Metric> {
    let measures = [Measure::Conversion, Measure::Count, Measure::Sum];
    let count = draw.below(METRIC_KEYS.len() + 1);
    let metric = |key: &&str| {
        let kind = match draw.below(5) {
            0 => MetricKind::Conversion,
            1 => MetricKind::Count,
            2 => MetricKind::Sum,
            3 => MetricKind::Ratio {
                measure: draw.pick(&measures),
                denominator: Denominator {
                    event_type: event_type(draw),
                    measure: draw.pick(&measures),
                },
            },
            _ => MetricKind::Quantile {
                measure: draw.pick(&measures),
                quantile: 0.9,
            },
        };
        let can_be_capped = matches!(kind, MetricKind::Count | MetricKind::Sum);
        Metric {
            key: MetricKey::parse(key).unwrap(),
            kind,
            event_type: event_type(draw),
            name: None,
            role: MetricRole::default(),
            direction: Direction::default(),
            cap_percentile: (can_be_capped && draw.chance(40)).then_some(0.99),
            margin: None,
        }
    };
    METRIC_KEYS.iter().take(count).map(metric).collect()
}

struct Author<'e> {
    draw: Draw,
    experiments: &'e [Definition],
    changed_at: i64,
    ids: usize,
    /// Times of assignments and ends. Events are often close to them.
    anchors: Vec<i64>,
}

impl Author<'_> {
    /// A user's assignments and events, without delays.
    fn life(&mut self, user: usize, small: bool) -> Vec<Step> {
        let mut steps = Vec::new();
        self.anchors.clear();
        for experiment in 0..self.experiments.len() {
            // The groups of a holdout are stored with the assignments in the experiments that it covers.
            if self.experiments[experiment].held_out_percent.is_none() && self.draw.chance(90) {
                let assign = self.assign(user, experiment);
                self.anchors.push(assign.at.micros());
                steps.push(Step::Assign(assign));
            }
        }
        let ends = self.experiments.iter().filter_map(|one| one.ends_at);
        self.anchors.extend(ends.map(Timestamp::micros));
        if self.anchors.is_empty() {
            self.anchors.push(self.experiments[0].start.micros());
        }
        // A user with events over weeks changes more aggregates than one transaction can contain.
        let busy = !small && self.draw.chance(20);
        let events = match (small, busy) {
            (true, _) => self.draw.within(1..=3),
            (_, true) => self.draw.within(20..=60),
            _ => self.draw.within(0..=9),
        };
        let first_id = self.ids;
        // Event types with an id in them: soon there is no room for more types with aggregates of their own.
        let careless = busy && self.draw.chance(50);
        for _ in 0..events {
            let mut track = self.track(user, first_id, busy);
            if careless {
                let event_type = format!("{:x>128}", track.id);
                track.event_type = EventType::parse(&event_type).unwrap();
            }
            steps.push(Step::Track(track));
        }
        steps
    }

    fn assign(&mut self, user: usize, experiment: usize) -> Assign {
        let definition = &self.experiments[experiment];
        let start = definition.start.micros();
        let end = definition.ends_at.map_or(start, Timestamp::micros);
        let at = match self.draw.below(8) {
            // A process has not noticed the end yet, or the assignment is imported.
            6 => end + self.draw.within(-1..=DAY),
            // Close to the stops, and to the ends that are set later.
            7 => start + self.draw.within(4 * DAY..=9 * DAY),
            // Imported, and assigned before the start.
            0 => start - self.draw.within(0..=3 * DAY),
            // The first and the last moment of a day.
            1 => start - start.rem_euclid(DAY) + 2 * DAY,
            2 => start - start.rem_euclid(DAY) + 2 * DAY - 1,
            _ => start + self.draw.within(0..=5 * DAY),
        };
        let variants = definition.variants.as_slice();
        let variant = self.draw.chance(70).then(|| self.draw.pick(variants).key);
        let mut attributes = Attributes::new();
        for (name, values) in DIMENSIONS {
            if self.draw.chance(60) {
                let value = DimensionLabel::parse(self.draw.pick(values)).unwrap();
                attributes.insert(DimensionKey::parse(name).unwrap(), value);
            }
        }
        Assign {
            user,
            experiment,
            variant,
            at: Timestamp::from_micros(at),
            attributes,
        }
    }

    fn track(&mut self, user: usize, first_id: usize, busy: bool) -> Track {
        // About one in seven events repeats an id, with the same or with other content.
        let repeated = self.ids > first_id && self.draw.chance(15);
        let id = if repeated {
            first_id + self.draw.below(self.ids - first_id)
        } else {
            self.ids += 1;
            self.ids - 1
        };
        let anchor = self.draw.pick(&self.anchors);
        let offset = match self.draw.below(12) {
            _ if busy => self.draw.within(1..=12 * DAY),
            0 => 0,
            1 => 1,
            2 => -1,
            3 => DAY - self.draw.within(0..=1),
            4 => -14 * DAY - self.draw.within(0..=1),
            5 => -self.draw.within(0..=16 * DAY),
            6 | 7 => self.draw.within(0..=DAY),
            _ => self.draw.within(0..=10 * DAY),
        };
        let value = match self.draw.below(5) {
            0 => None,
            1 => Some(0),
            2 => Some(-i128::from(self.draw.within(1..=5_000_000))),
            3 => Some(999_999_999_999_999),
            _ => Some(i128::from(self.draw.within(1..=100_000_000))),
        };
        Track {
            user,
            id,
            event_type: event_type(&mut self.draw),
            value: value.map(Decimal::from_millionths),
            properties: self.draw.pick(&PROPERTIES).map(str::to_owned),
            at: Timestamp::from_micros(anchor + offset),
            knows_no_assignments: self.draw.chance(10),
            knows_old_definitions: self.draw.chance(20),
        }
    }

    /// Shuffles the steps, so that events may come before assignments and users are mixed.
    fn mix(&mut self, steps: &mut [Step]) {
        for _ in 0..steps.len() {
            let (a, b) = (self.draw.below(steps.len()), self.draw.below(steps.len()));
            steps.swap(a, b);
        }
        // A repeat that did not know the assignments would be a request at the same time as the first one.
        let mut ids = BTreeSet::new();
        for step in steps {
            if let Step::Track(track) = step
                && !ids.insert(track.id)
            {
                track.knows_no_assignments = false;
            }
        }
    }

    fn changes(&mut self, steps: &mut Vec<Step>) {
        for _ in 0..self.draw.pick(&[0, 0, 1, 2, 3, 4]) {
            let experiment = self.draw.below(self.experiments.len());
            self.changed_at += self.draw.within(1..=DAY);
            let at = Timestamp::from_micros(self.changed_at);
            let before = &self.experiments[experiment];
            let edit = match self.draw.below(16) {
                0 | 9 => Edit::End(None),
                1 | 2 | 10 => {
                    let end = before.start.plus_micros(self.draw.within(1..=9 * DAY));
                    Edit::End(Some(end))
                }
                3 => Edit::Stop,
                4 | 5 => Edit::Shares(shares(&mut self.draw, Some(&before.variants))),
                6 => Edit::Metrics(metrics(&mut self.draw)),
                7 => Edit::Repair,
                11 => Edit::Release,
                12 => Edit::Ramp(ramp(&mut self.draw, at)),
                14 | 15 => Edit::Exclude(excluded(&mut self.draw)),
                13 => Edit::Override(UserId::parse("a tester").unwrap()),
                _ => Edit::Dimensions(dimensions(&mut self.draw)),
            };
            let change = Change {
                experiment,
                at,
                edit,
            };
            steps.insert(self.draw.below(steps.len() + 1), Step::Change(change));
        }
    }

    /// Gives the changes their times in the order in which they are made. Sometimes the clock of a process is behind. An end
    /// is changed after all events: no clock is behind by days, so an end in the future has excluded none of them.
    fn order_changes(&mut self, steps: &mut [Step]) {
        let is_ordered = !self.draw.chance(20);
        if is_ordered {
            Self::sort_changes(steps);
        }
        let mut is_after_events = false;
        for step in steps {
            if let Step::Change(change) = step {
                let is_end = matches!(change.edit, Edit::End(_));
                is_after_events = is_end || (is_ordered && is_after_events);
                if is_after_events {
                    change.at = change.at.plus_micros(60 * DAY);
                }
            }
        }
    }

    fn sort_changes(steps: &mut [Step]) {
        let mut times: Vec<Timestamp> = steps
            .iter()
            .filter_map(|step| match step {
                Step::Change(change) => Some(change.at),
                _ => None,
            })
            .collect();
        times.sort_unstable();
        let mut times = times.into_iter();
        for step in steps {
            if let Step::Change(change) = step {
                change.at = times.next().unwrap_or(change.at);
            }
        }
    }

    /// Erasures at any time.
    fn erasures(&mut self, users: usize, steps: &mut Vec<Step>) {
        for user in 0..users {
            if self.draw.chance(12) {
                let call = u64::try_from(self.draw.within(1..=12)).unwrap();
                let crashes_now = self.draw.chance(50);
                let erase = Erase {
                    user,
                    crash: crashes_now
                        .then(|| self.draw.pick(&[Crash::Before(call), Crash::After(call)])),
                    asked_again: self.draw.chance(50),
                };
                steps.insert(self.draw.below(steps.len() + 1), Step::Erase(erase));
            }
        }
    }

    /// Inserts deliveries. Each takes some of the steps before it, which are written during the delivery.
    fn deliveries(&mut self, steps: &mut Vec<Step>, small: bool) {
        let crashes = [0, 30, 70];
        for _ in 0..=self.draw.below(if small { 2 } else { 4 }) {
            let place = self.draw.below(steps.len() + 1);
            let earliest = place.saturating_sub(if small { 0 } else { 4 });
            let first = earliest + self.draw.below(place - earliest + 1);
            // A delivery must not contain another delivery.
            let deliver = |step: &Step| matches!(step, Step::Deliver(_));
            let first = if steps[first..place].iter().any(deliver) {
                place
            } else {
                first
            };
            let deliver = Deliver {
                seed: self.draw.seed(),
                aggregators: if !small && self.draw.chance(50) { 2 } else { 1 },
                crashes: self.draw.pick(&crashes),
                meanwhile: steps.drain(first..place).collect(),
            };
            steps.insert(first, Step::Deliver(deliver));
        }
        steps.push(Step::Deliver(Deliver {
            seed: self.draw.seed(),
            aggregators: if small { 1 } else { self.draw.pick(&[1, 2]) },
            crashes: self.draw.pick(&crashes),
            meanwhile: Vec::new(),
        }));
    }
}
