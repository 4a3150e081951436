//! How items name metrics and event types: by index, so that the size of an item does not depend on the length of names.
//!
//! Sizes that follow from it, for any definition and any events, far below DynamoDB's 400 KB per item:
//!
//! | item | numbers at most | bytes at most |
//! | --- | --- | --- |
//! | sums of a day or cohort | 19 metrics × 15, and the users | 10 KB |
//! | buckets of a quantity, of one sign | 1,800 buckets × 3 | 150 KB |
//! | traffic of an hour | 20 variants × 266 types | 150 KB |
//! | event accounting of a day | 4 dispositions × 266 types | 30 KB |

use super::AggregateSpec;
use crate::ids::{EventType, MetricKey};
use crate::metric::{Measure, Metric, MetricSpec};
use crate::registry::Registry;
use std::collections::HashMap;

/// Metrics in one item. A DynamoDB update takes 300 operands, and a metric has at most 15 numbers.
const METRICS_PER_PAGE: usize = 19;
/// The code of [`EventType::OTHERS`].
const OTHERS: &str = "o";

/// The names of one generation.
#[derive(Debug)]
pub struct AggregateLayout {
    spec: AggregateSpec,
    /// Declared metrics, or those of the registered event types.
    metrics: Vec<MetricSpec>,
    /// The index of each metric.
    places: HashMap<MetricKey, usize>,
    /// For each metric the first one with the same values per user. Only that one's buckets are stored.
    bucket_owners: Vec<usize>,
    /// Event types of declared metrics, each once.
    declared: Vec<EventType>,
    registered: Vec<EventType>,
    codes: HashMap<EventType, String>,
}

impl AggregateLayout {
    /// The layout of a generation with this registry.
    pub fn new(spec: &AggregateSpec, registry: &Registry) -> Self {
        let registered = registry.event_types.clone();
        let metrics = if spec.metrics.is_empty() {
            let seen = registered.iter().flat_map(Metric::of_seen_type);
            seen.map(|metric| MetricSpec::from(&metric)).collect()
        } else {
            spec.metrics.clone()
        };
        let mut declared: Vec<EventType> = Vec::new();
        let mut codes = HashMap::from([(EventType::others(), OTHERS.to_owned())]);
        for (index, event_type) in registered.iter().enumerate() {
            codes.insert(event_type.clone(), format!("r{index}"));
        }
        let quantities = spec.metrics.iter().flat_map(MetricSpec::quantities);
        for (event_type, _) in quantities {
            if !declared.contains(event_type) {
                codes.insert(event_type.clone(), format!("d{}", declared.len()));
                declared.push(event_type.clone());
            }
        }
        let places = metrics.iter().enumerate();
        let places = places.map(|(place, metric)| (metric.key.clone(), place));
        let mut owners = HashMap::<(&EventType, Measure), usize>::new();
        let mut bucket_owners = Vec::new();
        for (place, metric) in metrics.iter().enumerate() {
            let quantity = (&metric.event_type, metric.measure);
            let owner = match metric.buckets {
                true => *owners.entry(quantity).or_insert(place),
                false => place,
            };
            bucket_owners.push(owner);
        }
        Self {
            spec: spec.clone(),
            places: places.collect(),
            bucket_owners,
            metrics,
            declared,
            registered,
            codes,
        }
    }

    /// What the aggregates contain.
    pub fn spec(&self) -> &AggregateSpec {
        &self.spec
    }

    /// How items name an event type: `d` and its index among those of declared metrics, `r` and its index in the
    /// registry, or `o` for all others. A type that is not registered yet is named by `?` and itself; nothing is stored
    /// under such a name.
    pub(super) fn code_of(&self, event_type: &EventType) -> String {
        let code = self.codes.get(event_type);
        code.cloned().unwrap_or_else(|| format!("?{event_type}"))
    }

    /// The event type with this code; none if the layout has no such type.
    pub(super) fn event_type(&self, code: &str) -> Option<EventType> {
        if code == OTHERS {
            return Some(EventType::others());
        }
        let (list, index) = code.split_at_checked(1)?;
        let index: usize = index.parse().ok()?;
        match list {
            "d" => self.declared.get(index).cloned(),
            "r" => self.registered.get(index).cloned(),
            _ => None,
        }
    }

    /// How items name a metric, and where its numbers are.
    pub(super) fn metric(&self, key: &MetricKey) -> MetricPlace {
        match self.places.get(key) {
            Some(place) => MetricPlace {
                name: place.to_string(),
                page: place / METRICS_PER_PAGE,
                has_buckets: self.bucket_owners.get(*place) == Some(place),
                bucket_page: place * 2,
            },
            // Metrics of types that are not registered yet; nothing is stored under such a name.
            None => MetricPlace {
                name: format!("?{key}"),
                page: 0,
                has_buckets: true,
                bucket_page: 0,
            },
        }
    }

    /// The key of the metric with this name; none if the layout has no such metric.
    pub(super) fn key_of(&self, name: &str) -> Option<&MetricKey> {
        let metric = self.metrics.get(name.parse::<usize>().ok()?)?;
        Some(&metric.key)
    }

    /// The keys of the metrics that share the buckets which are stored for the metric with this name.
    pub(super) fn sharing_buckets(&self, name: &str) -> Option<Vec<&MetricKey>> {
        let owner = name.parse::<usize>().ok()?;
        self.metrics.get(owner)?;
        let owners = self.bucket_owners.iter().zip(&self.metrics);
        Some(
            owners
                .filter(|(one, _)| **one == owner)
                .map(|(_, metric)| &metric.key)
                .collect(),
        )
    }
}

/// Where the numbers of a metric are.
pub(super) struct MetricPlace {
    pub(super) name: String,
    /// The page of its sums.
    pub(super) page: usize,
    /// Whether its buckets are stored, and not those of another metric with the same values.
    pub(super) has_buckets: bool,
    /// The page of its positive buckets; negative ones are on the next page. A quantity has thousands of buckets.
    pub(super) bucket_page: usize,
}
