//! The worked example of `docs/statistics.md`: every method on one public data set.
//!
//! It reads `$ASSAY_REFERENCE_DATA/cookie_cats/cookie_cats.csv` and prints the numbers of the page.
//! The data set has 90,189 players of a mobile game. The treatment moves the first gate from level 30
//! to level 40.

#![expect(
    clippy::disallowed_methods,
    reason = "settings and data come from outside; the crate itself reads nothing"
)]

use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;

use stats::{
    self, Alpha, Alternative, ArmPosterior, BetaDistribution, BucketMoments, Capacity,
    ConfidenceSequence, CrossMoments, Goal, Hybrid, LiftPosterior, LogBuckets, LogHistogram,
    MissingReason, Moments, Phase, Prior, Proportion, RateFormula, Rates, SequentialSplit,
    Threshold,
};

const ALPHA: Alpha = Alpha::FIVE_PERCENT;

/// The aggregates of one arm: retention on day 1 and day 7, and the rounds played.
struct Arm {
    retained_1: u64,
    retained_7: u64,
    rounds: Moments,
    rounds_and_day_1: CrossMoments,
    histogram: LogHistogram,
    buckets: BucketMoments,
}

impl Arm {
    fn new(buckets: LogBuckets) -> Self {
        Self {
            retained_1: 0,
            retained_7: 0,
            rounds: Moments::default(),
            rounds_and_day_1: CrossMoments::empty(2),
            histogram: LogHistogram::new(buckets),
            buckets: BucketMoments::default(),
        }
    }

    fn add_player(
        &mut self,
        rounds: u32,
        day_1: bool,
        day_7: bool,
        layout: &LogBuckets,
    ) -> Option<()> {
        let micros = i128::from(rounds) * 1_000_000;
        let retained = i128::from(day_1) * 1_000_000;
        self.retained_1 += u64::from(day_1);
        self.retained_7 += u64::from(day_7);
        self.rounds = self.rounds.checked_add(Moments::of_user(micros)?)?;
        let user = CrossMoments::of_user(&[micros, retained])?;
        self.rounds_and_day_1 = self.rounds_and_day_1.checked_add(&user)?;
        self.histogram.record(f64::from(rounds));
        self.buckets.record(micros, layout)
    }
}

fn main() -> io::Result<()> {
    let Some(folder) = std::env::var_os("ASSAY_REFERENCE_DATA").map(PathBuf::from) else {
        return Err(io::Error::other(
            "set ASSAY_REFERENCE_DATA to the data folder",
        ));
    };
    let layout = LogBuckets::new(0.01).map_err(io::Error::other)?;
    let mut arms = [Arm::new(layout), Arm::new(layout)];
    let file = std::fs::File::open(folder.join("cookie_cats/cookie_cats.csv"))?;
    for line in BufReader::new(file).lines().skip(1) {
        read(&line?, &mut arms, &layout)
            .ok_or_else(|| io::Error::other("malformed line in cookie_cats.csv"))?;
    }
    let mut out = io::stdout();
    report(&mut out, &arms, &layout)
}

/// Adds one line to its arm. The columns are userid,version,sum_gamerounds,retention_1,retention_7.
fn read(line: &str, arms: &mut [Arm; 2], layout: &LogBuckets) -> Option<()> {
    let fields: Vec<&str> = line.trim().split(',').collect();
    let [_, version, rounds, day_1, day_7] = fields.as_slice() else {
        return None;
    };
    let [control, treatment] = arms;
    let arm = if *version == "gate_30" {
        control
    } else {
        treatment
    };
    let yes = |text: &str| text.eq_ignore_ascii_case("true");
    arm.add_player(rounds.parse().ok()?, yes(day_1), yes(day_7), layout)
}

fn report(out: &mut impl Write, arms: &[Arm; 2], layout: &LogBuckets) -> io::Result<()> {
    let [c, t] = arms;
    let counts = [c.rounds.n, t.rounds.n];
    writeln!(out, "units {counts:?}")?;
    writeln!(out, "split {:#?}", stats::split_test(&counts, &[1.0, 1.0]))?;
    let sequential = SequentialSplit::new(&[1.0, 1.0], SequentialSplit::DEFAULT_CONCENTRATION);
    writeln!(
        out,
        "split, sequential {:?}",
        sequential.and_then(|w| w.evidence(&counts))
    )?;
    for (name, conversions) in [
        ("retention_1", [c.retained_1, t.retained_1]),
        ("retention_7", [c.retained_7, t.retained_7]),
    ] {
        writeln!(out, "\n== {name}")?;
        rate(out, counts, conversions).map_err(io::Error::other)??;
    }
    writeln!(out, "\n== rounds")?;
    rounds(out, arms, layout).map_err(io::Error::other)?
}

fn rate(
    out: &mut impl Write,
    counts: [u64; 2],
    conversions: [u64; 2],
) -> Result<io::Result<()>, MissingReason> {
    let (c, t) = (
        Proportion::new(counts[0], conversions[0])?,
        Proportion::new(counts[1], conversions[1])?,
    );
    let (cs, ts) = (c.sample()?, t.sample()?);
    let (absolute, relative) = (
        stats::difference(&cs, &ts)?,
        stats::relative_difference(&cs, &ts)?,
    );
    let planned = absolute.units() as f64;
    let hybrid = Hybrid::new(ALPHA, planned)?;
    let log_ratio = stats::log_ratio(&cs, &ts, ALPHA)?;
    let log_ratio = stats::Effect::new(
        log_ratio.lift.ln_1p(),
        log_ratio.log_standard_error,
        None,
        absolute.units(),
    )?;
    let posterior = LiftPosterior::of_effect(&log_ratio, Prior::default(), ALPHA)?;
    let distribution = BetaDistribution::default();
    let normal = |sample: &stats::Sample| ArmPosterior::Normal {
        mean: sample.mean(),
        standard_deviation: sample.mean_variance().sqrt(),
    };
    let capacity = Capacity {
        control: counts[0] as f64,
        treatment: counts[1] as f64,
        alpha: ALPHA,
        power: 0.8,
    };
    let rates = Rates::new(c.rate(), c.rate() * 0.98)?;
    let goal = Goal::usual(ALPHA);
    // The plan uses the variances at the planned rates, because the observed rates are not yet known.
    let variance = |rate: f64| rate * (1.0 - rate);
    let variances = (variance(rates.control), variance(rates.treatment));
    Ok((|| {
        writeln!(
            out,
            "{:#?}",
            stats::two_proportion_z(&c, &t, ALPHA, Alternative::TwoSided)
        )?;
        writeln!(
            out,
            "wald {:?}",
            stats::wald(&c, &t, ALPHA, Alternative::TwoSided)
        )?;
        writeln!(
            out,
            "agresti-caffo {:?}",
            stats::agresti_caffo(&c, &t, ALPHA)
        )?;
        writeln!(
            out,
            "welch {:?}",
            absolute.test(0.0, ALPHA, Alternative::TwoSided)
        )?;
        writeln!(out, "log ratio {:?}", stats::log_ratio(&cs, &ts, ALPHA))?;
        writeln!(out, "fieller {:?}", stats::fieller(&cs, &ts, ALPHA))?;
        writeln!(
            out,
            "delta {:?}",
            relative.test(0.0, ALPHA, Alternative::TwoSided)
        )?;
        let sequence = ConfidenceSequence::new(ALPHA, planned);
        writeln!(out, "sequence {:?}", sequence.and_then(|s| s.at(&absolute)))?;
        let small = ConfidenceSequence::new(ALPHA, 5_000.0);
        writeln!(
            out,
            "sequence, N* = 5000 {:?}",
            small.and_then(|s| s.at(&absolute))
        )?;
        writeln!(
            out,
            "hybrid, running {:?}",
            hybrid.at(&absolute, Phase::Running)
        )?;
        writeln!(
            out,
            "hybrid, planned end {:?}",
            hybrid.at(&absolute, Phase::PlannedEnd)
        )?;
        let margin = stats::non_inferiority(&relative, 0.05, true, ALPHA);
        writeln!(out, "non-inferiority, margin 5% {margin:?}")?;
        writeln!(out, "posterior {posterior:?}")?;
        writeln!(out, "decision {:?}", posterior.decision(true))?;
        writeln!(
            out,
            "beta {:?}",
            distribution
                .after(Some(&c))
                .compare(&distribution.after(Some(&t)))
        )?;
        writeln!(
            out,
            "best arm {:?}",
            stats::best_arm(&[normal(&cs), normal(&ts)])
        )?;
        writeln!(
            out,
            "detectable rates {:?}",
            stats::detectable_rates(c.rate(), &capacity)
        )?;
        let size = stats::sample_size_of_rates(rates, &goal, RateFormula::Unpooled);
        writeln!(out, "sample size for -2% {size:?}")?;
        let size = stats::sample_size_sequential(rates.difference(), variances, &goal);
        writeln!(out, "sample size for -2%, sequential {size:?}")
    })())
}

fn rounds(
    out: &mut impl Write,
    arms: &[Arm; 2],
    layout: &LogBuckets,
) -> Result<io::Result<()>, MissingReason> {
    let [c, t] = arms;
    let test = |c: &Moments, t: &Moments| {
        stats::welch(&c.sample()?, &t.sample()?, ALPHA, Alternative::TwoSided)
    };
    let threshold = Threshold::pooled(&[&c.buckets, &t.buckets], 0.999, layout)?;
    let capped = |arm: &Arm| {
        arm.buckets
            .winsorised(&threshold)
            .ok_or(MissingReason::Overflow)
    };
    let (capped_c, capped_t) = (capped(c)?, capped(t)?);
    let ratio = |arm: &Arm| stats::ratio(&arm.rounds_and_day_1.joint_sample()?);
    let (ratio_c, ratio_t) = (ratio(c)?, ratio(t)?);
    Ok((|| {
        writeln!(out, "control {:?} {:?}", c.rounds, c.rounds.sample())?;
        writeln!(out, "treatment {:?} {:?}", t.rounds, t.rounds.sample())?;
        writeln!(out, "welch {:#?}", test(&c.rounds, &t.rounds))?;
        writeln!(
            out,
            "capped at {} {:#?}",
            threshold.cap_micros() as f64 / 1e6,
            test(&capped_c, &capped_t)
        )?;
        writeln!(
            out,
            "rounds per player retained on day 1 {} {}",
            ratio_c.mean(),
            ratio_t.mean()
        )?;
        let difference = stats::difference(&ratio_c, &ratio_t);
        let test = difference.and_then(|e| e.test(0.0, ALPHA, Alternative::TwoSided));
        writeln!(out, "ratio {test:?}")?;
        for q in [0.5, 0.9, 0.99] {
            let (a, b) = (
                c.histogram.quantile_estimate(q, ALPHA),
                t.histogram.quantile_estimate(q, ALPHA),
            );
            let difference = a.and_then(|a| stats::difference(&a.sample()?, &b?.sample()?));
            let test = difference.and_then(|e| e.test(0.0, ALPHA, Alternative::TwoSided));
            writeln!(out, "quantile {q}: {a:?} {b:?}\n    {test:?}")?;
        }
        let family: Vec<_> = [0.074_41, 0.001_554, 0.375_9]
            .map(stats::PValue::new)
            .to_vec();
        let shown = |p: Vec<Option<stats::PValue>>| {
            p.into_iter()
                .flatten()
                .map(stats::PValue::value)
                .collect::<Vec<_>>()
        };
        writeln!(out, "holm {:?}", shown(stats::holm(&family)))?;
        writeln!(out, "bh {:?}", shown(stats::benjamini_hochberg(&family)))
    })())
}
