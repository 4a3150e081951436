//! The sums of a metric as named numbers, and back.

use super::AggregateSpec;
use crate::ids::MetricKey;
use crate::sums::{MAX_PRODUCTS, MAX_QUANTITIES, MetricSums};
use sha2::{Digest, Sha256};
use std::fmt::{self, Display, Formatter};

/// Metrics in one item. A DynamoDB update takes 300 operands, and a metric has at most 15 numbers.
const METRICS_PER_PAGE: usize = 19;
/// Items that the metrics of an experiment without declared metrics are spread over.
const PAGES_OF_SEEN: u8 = 16;

/// How items name a metric. A declared metric is named by its index, because the length of names costs write units; any
/// other metric by its key.
enum Name<'m> {
    Place(usize),
    Key(&'m MetricKey),
}

impl<'m> Name<'m> {
    fn of(spec: &AggregateSpec, key: &'m MetricKey) -> Self {
        let place = spec.metrics.iter().position(|metric| metric.key == *key);
        place.map_or(Self::Key(key), Self::Place)
    }

    /// The page of its sums.
    fn page(&self) -> usize {
        match self {
            Self::Place(place) => place / METRICS_PER_PAGE,
            Self::Key(key) => usize::from(Sha256::digest(key.as_str())[0] % PAGES_OF_SEEN),
        }
    }

    /// The page of its buckets. Each metric has a page of its own for them, because there may be thousands and an item
    /// holds 400 KB.
    fn page_of_buckets(&self) -> usize {
        match self {
            Self::Place(place) => *place,
            Self::Key(_) => self.page(),
        }
    }
}

impl Display for Name<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Place(place) => write!(f, "{place}"),
            Self::Key(key) => write!(f, "{key}"),
        }
    }
}

/// The metric with this name; none if there is no such metric.
pub(super) fn key_of(spec: &AggregateSpec, name: &str) -> Option<MetricKey> {
    if spec.metrics.is_empty() {
        return MetricKey::parse(name).ok();
    }
    let metric = spec.metrics.get(name.parse::<usize>().ok()?)?;
    Some(metric.key.clone())
}

/// Calls back for each number, also for zeros. The arguments begin with the page and whether the number belongs to a
/// bucket.
pub(super) fn numbers(
    spec: &AggregateSpec,
    key: &MetricKey,
    sums: &MetricSums,
    mut number: impl FnMut(usize, bool, String, i128),
) {
    let metric = Name::of(spec, key);
    let page = metric.page();
    number(
        page,
        false,
        format!("{metric}.c"),
        i128::from(sums.converted),
    );
    for (i, sum) in sums.sums.iter().enumerate() {
        number(page, false, format!("{metric}.s{i}"), *sum);
    }
    for (i, product) in sums.products.iter().enumerate() {
        number(page, false, format!("{metric}.p{i}"), *product);
    }
    let page = metric.page_of_buckets();
    for ((positive, bucket), sums) in &sums.buckets {
        let sign = if *positive { '+' } else { '-' };
        let name = |what| format!("{metric}.{sign}{bucket}{what}");
        number(page, true, name('n'), i128::from(sums.users));
        number(page, true, name('x'), sums.sum);
        number(page, true, name('q'), sums.sum_squares);
    }
}

/// Adds a number to the sums that its name identifies. None if the name is invalid.
pub(super) fn put(sums: &mut MetricSums, name: &str, number: i128) -> Option<()> {
    let (kind, rest) = name.split_at_checked(1)?;
    match kind {
        "c" => sums.converted += i64::try_from(number).ok()?,
        "s" => *sums.sums.get_mut(rest.parse::<usize>().ok()?)? += number,
        "p" => *sums.products.get_mut(rest.parse::<usize>().ok()?)? += number,
        "+" | "-" => {
            let (bucket, what) = rest.split_at_checked(rest.len().checked_sub(1)?)?;
            let key = (kind == "+", bucket.parse().ok()?);
            let bucket = sums.buckets.entry(key).or_default();
            match what {
                "n" => bucket.users += i64::try_from(number).ok()?,
                "x" => bucket.sum += number,
                "q" => bucket.sum_squares += number,
                _ => return None,
            }
        }
        _ => return None,
    }
    Some(())
}

/// The same sums without covariates: only the quantities of the metric itself.
pub(super) fn without_pre_exposure(sums: &mut MetricSums, own: usize) {
    for sum in sums.sums.iter_mut().skip(own) {
        *sum = 0;
    }
    let mut place = 0;
    for i in 0..MAX_QUANTITIES {
        for j in i..MAX_QUANTITIES {
            if j >= own && place < MAX_PRODUCTS {
                sums.products[place] = 0;
            }
            place += 1;
        }
    }
}
