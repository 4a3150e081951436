//! The sums of a metric as named numbers, and back.

use super::AggregateLayout;
use crate::ids::MetricKey;
use crate::sums::{MAX_PRODUCTS, MAX_QUANTITIES, MetricSums};

/// Calls back for each number, also for zeros. The arguments begin with the page and whether the number belongs to a
/// bucket.
pub(super) fn numbers(
    layout: &AggregateLayout,
    key: &MetricKey,
    sums: &MetricSums,
    mut number: impl FnMut(usize, bool, String, i128),
) {
    let metric = layout.metric(key);
    let (page, name) = (metric.page, &metric.name);
    number(page, false, format!("{name}.c"), i128::from(sums.converted));
    for (i, sum) in sums.sums.iter().enumerate() {
        number(page, false, format!("{name}.s{i}"), *sum);
    }
    for (i, product) in sums.products.iter().enumerate() {
        number(page, false, format!("{name}.p{i}"), *product);
    }
    if !metric.has_buckets {
        return;
    }
    for ((positive, bucket), sums) in &sums.buckets {
        let (sign, page) = match positive {
            true => ('+', metric.bucket_page),
            false => ('-', metric.bucket_page + 1),
        };
        let of_bucket = |what| format!("{name}.{sign}{bucket}{what}");
        number(page, true, of_bucket('n'), i128::from(sums.users));
        number(page, true, of_bucket('x'), sums.sum);
        number(page, true, of_bucket('q'), sums.sum_squares);
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
