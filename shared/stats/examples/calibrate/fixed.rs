//! Fixed tests: with one look at a fixed sample size, 5% of experiments without an effect are
//! significant.

use std::io::{self, Write};

use stats::{self, Alpha, Alternative, Effect, LogBuckets, LogHistogram, Proportion, Sample};

use crate::EXPERIMENTS;
use crate::draw::{Draw, PairSums, ValueSums};
use crate::table::Table;

/// Simulates one experiment without an effect, and returns its p-value unless it is missing.
type Experiment = fn(&mut Draw) -> Option<f64>;

pub(crate) fn false_positives<W: Write>(table: &mut Table<W>) -> io::Result<()> {
    let shapes: [(&str, Experiment); 17] = [
        ("conversions of 5%, 2,000 users per arm", |d| {
            rates(d, 2_000, 2_000, 0.05)
        }),
        ("rare conversions, about 20 per arm", |d| {
            rates(d, 4_000, 4_000, 0.005)
        }),
        ("conversions of 5%, split 90 : 10", |d| {
            rates(d, 18_000, 2_000, 0.05)
        }),
        ("revenue with a log-normal tail, 250 buyers per arm", |d| {
            revenue(d, 5_000, 5_000)
        }),
        ("revenue with a log-normal tail, split 70 : 30", |d| {
            revenue(d, 14_000, 6_000)
        }),
        ("ratio (revenue per order), 500 users per arm", ratio),
        ("CUPED-adjusted by one covariate, correlation 0.7", |d| {
            cuped_adjusted(d, 0.7)
        }),
        ("CUPED-adjusted by one covariate, correlation 0.95", |d| {
            cuped_adjusted(d, 0.95)
        }),
        ("normal values, 10 users per arm", small),
        ("median of skewed values, 2,000 users per arm", |d| {
            median(d, |x| x)
        }),
        (
            "median of whole numbers around 17, 2,000 users per arm",
            |d| median(d, |x| (16.6 * x).floor()),
        ),
        (
            "median of whole numbers around 3, 2,000 users per arm",
            |d| median(d, |x| (3.02 * x).floor()),
        ),
        // The value 1 has the rank 0.5, so these are zero for 45%, 60%, 75% and 90% of users.
        ("median of amounts, zero for 45% of users", |d| {
            median(d, |x| above(x, -0.126))
        }),
        ("median of amounts, zero for 60% of users", |d| {
            median(d, |x| above(x, 0.253))
        }),
        ("median of amounts, zero for 75% of users", |d| {
            median(d, |x| above(x, 0.674))
        }),
        ("median of amounts, zero for 97% of users", |d| {
            median(d, |x| above(x, 1.881))
        }),
        ("median of two values, each of half of the users", |d| {
            median(d, |x| if x > 1.0 { 20.0 } else { 10.0 })
        }),
    ];
    for (seed, (name, experiment)) in (100..).zip(shapes) {
        let mut draw = Draw::new(seed);
        let rejected =
            (0..EXPERIMENTS).filter(|_| experiment(&mut draw).is_some_and(|p| p <= 0.05));
        let percent = 100.0 * rejected.count() as f64 / f64::from(EXPERIMENTS);
        // If many users have the same value, the test of a quantile is conservative.
        let bound = if name.starts_with("median") {
            0.0..=5.5
        } else {
            4.5..=5.5
        };
        table.line(
            "a fixed test rejects 5% without an effect",
            name,
            percent,
            bound,
        )?;
    }
    Ok(())
}

fn p_of(effect: Effect) -> Option<f64> {
    let test = effect
        .test(0.0, Alpha::FIVE_PERCENT, Alternative::TwoSided)
        .ok()?;
    Some(test.p_value.value())
}

fn rates(draw: &mut Draw, n_c: u64, n_t: u64, rate: f64) -> Option<f64> {
    let c = Proportion::new(n_c, draw.binomial(n_c, rate)).ok()?;
    let t = Proportion::new(n_t, draw.binomial(n_t, rate)).ok()?;
    let test = stats::two_proportion_z(&c, &t, Alpha::FIVE_PERCENT, Alternative::TwoSided).ok()?;
    Some(test.p_value.value())
}

fn revenue(draw: &mut Draw, n_c: u64, n_t: u64) -> Option<f64> {
    let mut arm = |n| {
        let mut sums = ValueSums::default();
        sums.add_revenue(draw, n, 0.05, 1.0);
        Sample::from_sums(sums.n, sums.sum, sums.squares).ok()
    };
    p_of(stats::difference(&arm(n_c)?, &arm(n_t)?).ok()?)
}

fn ratio(draw: &mut Draw) -> Option<f64> {
    let mut arm = || {
        let mut sums = PairSums::default();
        for _ in 0..500 {
            let orders = draw.poisson(1.5);
            let taste = draw.log_normal(0.5);
            let spent: f64 = (0..orders).map(|_| taste * draw.log_normal(0.5)).sum();
            sums.add_user(spent, orders as f64);
        }
        stats::ratio(&sums.joint()?).ok()
    };
    p_of(stats::difference(&arm()?, &arm()?).ok()?)
}

fn cuped_adjusted(draw: &mut Draw, correlation: f64) -> Option<f64> {
    let c = draw.correlated_sums(400, correlation).joint()?;
    let t = draw.correlated_sums(400, correlation).joint()?;
    p_of(stats::cuped(&c, &t).ok()?.absolute)
}

fn small(draw: &mut Draw) -> Option<f64> {
    let mut arm = || {
        let values: Vec<f64> = (0..10).map(|_| draw.normal()).collect();
        let squares = values.iter().map(|x| x * x).sum();
        Sample::from_sums(10, values.iter().sum(), squares).ok()
    };
    p_of(stats::difference(&arm()?, &arm()?).ok()?)
}

/// The value, or zero if it is below this normal quantile of log-normal values.
fn above(value: f64, threshold: f64) -> f64 {
    if value.ln() > threshold { value } else { 0.0 }
}

/// The p-value of a difference of medians. Where the noise of an arm is unknown, it is that of both arms together, as in
/// reports.
fn median(draw: &mut Draw, shape: fn(f64) -> f64) -> Option<f64> {
    let buckets = LogBuckets::new(0.01).ok()?;
    let mut arm = || {
        let mut histogram = LogHistogram::new(buckets);
        (0..2_000).for_each(|_| histogram.record(shape(draw.log_normal(1.0))));
        histogram
    };
    let sample = |histogram: &LogHistogram| {
        let estimate = histogram.quantile_estimate(0.5, Alpha::FIVE_PERCENT);
        estimate.ok()?.sample().ok()
    };
    let (c, t) = (arm(), arm());
    let (mut control, mut treatment) = (sample(&c)?, sample(&t)?);
    if control.variance() == 0.0 || treatment.variance() == 0.0 {
        let variance = sample(&c.checked_add(&t)?)?.variance();
        control = control.with_variance(variance).ok()?;
        treatment = treatment.with_variance(variance).ok()?;
    }
    p_of(stats::difference(&control, &treatment).ok()?)
}
