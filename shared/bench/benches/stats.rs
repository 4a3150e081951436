//! The time to compute a full results page from exact aggregates: 10 metrics × 4 variants with every
//! method.
//!
//! If `ASSAY_BENCH_EXCHANGE` names a file, the benchmark writes its inputs and the results of the common
//! part there. Another engine can then run on the same inputs, for a comparison of times and results.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::{Value, json};
use stats::{
    self, Alpha, Alternative, ArmPosterior, BetaDistribution, ConfidenceSequence, CrossMoments,
    Effect, Hybrid, MissingReason, Moments, PValue, Phase, Posterior, Prior, Progress, Proportion,
    Sample, SequentialSplit,
};

const ALPHA: Alpha = Alpha::FIVE_PERCENT;
const VARIANTS: u64 = 4;
const PLANNED_UNITS: f64 = 120_000.0;

/// One metric with one arm per variant. The control is the first.
enum Metric {
    Conversion(Vec<Proportion>),
    Mean(Vec<Moments>),
    Ratio(Vec<CrossMoments>),
    CupedAdjusted(Vec<CrossMoments>),
}

fn micros(x: u64) -> i128 {
    i128::from(x) * 1_000_000
}

fn picos(x: u64) -> i128 {
    i128::from(x) * 1_000_000_000_000
}

fn users(variant: u64) -> u64 {
    20_000 + 137 * variant
}

/// Four conversion metrics, three means, two ratios and one CUPED-adjusted metric.
fn metrics() -> Vec<Metric> {
    let conversion = |m: u64| {
        let arm = |v| Proportion::new(users(v), 900 * (m + 1) + 17 * v * (m + 1)).ok();
        Metric::Conversion((0..VARIANTS).filter_map(arm).collect())
    };
    let mean = |m: u64| {
        let arm = |v| Moments {
            n: users(v),
            sum_micros: micros(users(v) * (5 + m) + 700 * v),
            sum_squares_picos: picos(users(v) * ((5 + m) * (5 + m) + 30 * (m + 1))),
        };
        Metric::Mean((0..VARIANTS).map(arm).collect())
    };
    let pair = |m: u64, v: u64| CrossMoments {
        n: users(v),
        sums_micros: vec![micros(users(v) * (5 + m) + 700 * v), micros(users(v) * 3)],
        products_picos: vec![
            picos(users(v) * (80 + 10 * m)),
            picos(users(v) * (3 * (5 + m) + 12)),
            picos(users(v) * 21),
        ],
    };
    let ratio = |m: u64| Metric::Ratio((0..VARIANTS).map(|v| pair(m, v)).collect());
    let adjusted = Metric::CupedAdjusted((0..VARIANTS).map(|v| pair(0, v)).collect());
    (0..4)
        .map(conversion)
        .chain((0..3).map(mean))
        .chain((0..2).map(ratio))
        .chain([adjusted])
        .collect()
}

/// The comparison of one treatment with the control, which is the input of every method.
struct Comparison {
    control: Sample,
    treatment: Sample,
    absolute: Effect,
    relative: Effect,
}

fn compare(metric: &Metric, variant: usize) -> Result<Comparison, MissingReason> {
    let plain = |control: Sample, treatment: Sample| {
        Ok(Comparison {
            control,
            treatment,
            absolute: stats::difference(&control, &treatment)?,
            relative: stats::relative_difference(&control, &treatment)?,
        })
    };
    match metric {
        Metric::Conversion(arms) => plain(arms[0].sample()?, arms[variant].sample()?),
        Metric::Mean(arms) => plain(arms[0].sample()?, arms[variant].sample()?),
        Metric::Ratio(arms) => {
            let ratio = |arm: &CrossMoments| stats::ratio(&arm.joint_sample()?);
            plain(ratio(&arms[0])?, ratio(&arms[variant])?)
        }
        Metric::CupedAdjusted(arms) => {
            let (control, treatment) = (arms[0].joint_sample()?, arms[variant].joint_sample()?);
            black_box(stats::pre_experiment_bias(&control, &treatment));
            let adjusted = stats::cuped(&control, &treatment)?;
            Ok(Comparison {
                control: adjusted.control,
                treatment: adjusted.treatment,
                absolute: adjusted.absolute,
                relative: adjusted.relative?,
            })
        }
    }
}

/// The methods that gbstats also has: relative t test, sequential test and Bayesian posterior. Returns
/// the p-value, the ends of the sequential interval and the chance to win.
fn common_part(metric: &Metric, variant: usize) -> Result<[f64; 4], MissingReason> {
    let relative = compare(metric, variant)?.relative;
    let test = relative.test(0.0, ALPHA, Alternative::TwoSided)?;
    let sequential = ConfidenceSequence::new(ALPHA, 5_000.0)?.at(&relative)?;
    let prior = Prior::Normal {
        mean: 0.0,
        standard_deviation: 0.3,
    };
    let posterior = Posterior::new(&relative, prior)?;
    let decision = posterior.decision(true)?;
    black_box((
        test.interval,
        posterior.interval(ALPHA)?,
        decision.loss_if_control_is_kept,
    ));
    let interval = sequential.interval;
    Ok([
        test.p_value.value(),
        interval.lower,
        interval.upper,
        decision.chance_to_win,
    ])
}

/// Runs every method for one metric and one treatment. Returns the sequential p-value, the logarithm
/// of the e-value, and the relative effect.
fn every_method(
    metric: &Metric,
    variant: usize,
    sequence: &ConfidenceSequence,
    hybrid: &Hybrid,
) -> Result<(PValue, f64, Effect), MissingReason> {
    let comparison = compare(metric, variant)?;
    let (control, treatment) = (&comparison.control, &comparison.treatment);
    if let Metric::Conversion(arms) = metric {
        let (c, t) = (&arms[0], &arms[variant]);
        black_box(stats::two_proportion_z(c, t, ALPHA, Alternative::TwoSided)?);
        let distribution = BetaDistribution::default();
        let (control, treatment) = (distribution.after(Some(c)), distribution.after(Some(t)));
        black_box((control.compare(&treatment)?, treatment.interval(ALPHA)?));
    }
    black_box(stats::log_ratio(control, treatment, ALPHA)?);
    black_box(stats::fieller(control, treatment, ALPHA)?);
    for effect in [&comparison.absolute, &comparison.relative] {
        black_box(effect.test(0.0, ALPHA, Alternative::TwoSided)?);
        black_box(hybrid.at(effect, Phase::Running)?);
        black_box(stats::mixture_test(
            effect,
            0.0,
            effect.standard_error().powi(2),
            ALPHA,
        )?);
        let posterior = Posterior::new(effect, Prior::default().scaled(control.mean())?)?;
        black_box((posterior.interval(ALPHA)?, posterior.decision(true)?));
    }
    let margin = 0.01;
    black_box(stats::non_inferiority(
        &comparison.relative,
        margin,
        true,
        ALPHA,
    )?);
    let progress = Progress {
        standard_error: comparison.relative.standard_error(),
        units: comparison.relative.units() as f64,
        planned_effect: 0.01,
        alpha: ALPHA,
        sequence: Some(*sequence),
    };
    black_box(progress.remaining(0.8)?);
    let sequential = sequence.at(&comparison.absolute)?;
    Ok((
        sequential.p_value,
        sequential.ln_e_value,
        comparison.relative,
    ))
}

/// Computes the full page: all comparisons, multiple-testing corrections, sample ratio tests and the
/// probabilities of the best arm. Returns the number of corrected p-values.
fn full_page(metrics: &[Metric]) -> Result<usize, MissingReason> {
    let sequence = ConfidenceSequence::new(ALPHA, PLANNED_UNITS)?;
    let hybrid = Hybrid::new(ALPHA, PLANNED_UNITS)?;
    let mut p_values = Vec::new();
    let mut e_values = Vec::new();
    for metric in metrics {
        let mut effects = Vec::new();
        for variant in 1..VARIANTS as usize {
            let (p, ln_e, effect) = every_method(metric, variant, &sequence, &hybrid)?;
            p_values.push(Some(p));
            e_values.push(Some(ln_e));
            effects.push(effect);
        }
        black_box(stats::heterogeneity(&effects)?);
    }
    let found = stats::holm(&p_values).len() + stats::benjamini_hochberg(&p_values).len();
    black_box(stats::e_benjamini_hochberg(&e_values, ALPHA));
    let counts: Vec<u64> = (0..VARIANTS).map(users).collect();
    let weights = [1.0; VARIANTS as usize];
    black_box(stats::split_test(&counts, &weights)?);
    black_box(SequentialSplit::new(&weights, 1_000.0)?.evidence(&counts)?);
    if let Some(Metric::Mean(arms)) = metrics.get(4) {
        let posterior = |arm: &Moments| {
            let sample = arm.sample()?;
            Ok(ArmPosterior::Normal {
                mean: sample.mean(),
                standard_deviation: sample.mean_variance().sqrt(),
            })
        };
        let arms: Result<Vec<ArmPosterior>, MissingReason> = arms.iter().map(posterior).collect();
        black_box(stats::best_arm(&arms?)?);
    }
    Ok(found)
}

/// The inputs as f64 and the results of the common part, for the comparison with another engine.
fn exchange(metrics: &[Metric]) -> Value {
    let real = |x: i128, scale: f64| x as f64 / scale;
    let sums = |n: u64, sums: &[i128], products: &[i128]| {
        json!({
            "n": n,
            "sums": sums.iter().map(|x| real(*x, 1e6)).collect::<Vec<_>>(),
            "products": products.iter().map(|x| real(*x, 1e12)).collect::<Vec<_>>(),
        })
    };
    let joint = |m: &CrossMoments| sums(m.n, &m.sums_micros, &m.products_picos);
    let single = |m: &Moments| sums(m.n, &[m.sum_micros], &[m.sum_squares_picos]);
    let rate = |p: &Proportion| json!({"n": p.n(), "conversions": p.conversions()});
    let of = |metric: &Metric| {
        let (kind, arms): (&str, Vec<Value>) = match metric {
            Metric::Conversion(arms) => ("conversion", arms.iter().map(rate).collect()),
            Metric::Mean(arms) => ("mean", arms.iter().map(single).collect()),
            Metric::Ratio(arms) => ("ratio", arms.iter().map(joint).collect()),
            Metric::CupedAdjusted(arms) => ("adjusted", arms.iter().map(joint).collect()),
        };
        let answer = |variant| json!(common_part(metric, variant).ok());
        let answers: Vec<Value> = (1..VARIANTS as usize).map(answer).collect();
        json!({"kind": kind, "arms": arms, "answers": answers})
    };
    metrics.iter().map(of).collect()
}

fn results_page(criterion: &mut Criterion) {
    let metrics = metrics();
    assert!(
        full_page(&metrics).is_ok_and(|found| found == 60),
        "every method must return a result"
    );
    if let Some(path) = std::env::var_os("ASSAY_BENCH_EXCHANGE") {
        let text = exchange(&metrics).to_string();
        assert!(
            std::fs::write(&path, text).is_ok(),
            "cannot write {}",
            path.display()
        );
    }
    criterion.bench_function("full_page", |b| b.iter(|| full_page(black_box(&metrics))));
    criterion.bench_function("common_part", |b| {
        b.iter(|| {
            for metric in black_box(&metrics) {
                for variant in 1..VARIANTS as usize {
                    let _ = black_box(common_part(metric, variant));
                }
            }
        });
    });
}

criterion_group!(benches, results_page);
criterion_main!(benches);
