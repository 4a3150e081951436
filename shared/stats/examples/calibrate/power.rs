//! Power: planned experiments reach the target power, and sequential methods lose some power.
//!
//! The score behind z grows by independent normal steps over 28 daily looks. The reference values come
//! from 20,000 simulated experiments with other software. The tolerance is 3 percentage points.

use std::io::{self, Write};

use stats::{
    self, Alpha, Alternative, ConfidenceSequence, Effect, Goal, Hybrid, Phase, Proportion,
    RateFormula, Rates, Spending,
};

use crate::EXPERIMENTS;
use crate::draw::Draw;
use crate::table::Table;

const LOOKS: u32 = 28;
/// Units at the planned end, both arms together.
const PLANNED: u64 = 28_000;
const ALPHA: Alpha = Alpha::FIVE_PERCENT;

/// Effects in standard errors at the planned end, for which a fixed test has 80% and 99% power.
const EFFECTS: [(&str, f64); 2] = [("80%", 2.801_585), ("99%", 4.286_311)];

/// Power in per cent of each method for these effects, up to the planned end.
const METHODS: [(&str, [f64; 2]); 5] = [
    ("fixed test, one look", [80.0, 99.0]),
    ("confidence sequence", [50.0, 92.0]),
    ("hybrid", [72.0, 98.0]),
    ("group sequential, O'Brien-Fleming", [78.0, 99.0]),
    ("group sequential, alpha t²", [76.0, 99.0]),
];

pub(crate) fn planned_power<W: Write>(table: &mut Table<W>) -> io::Result<()> {
    for (seed, (index, (size, shift))) in (500..).zip(EFFECTS.into_iter().enumerate()) {
        let found = found(seed, shift).map_err(io::Error::other)?;
        for ((method, reference), percent) in METHODS.into_iter().zip(found) {
            let name = format!("{method}: an effect for which a fixed test has {size} power");
            let bound = reference[index] - 3.0..=f64::min(reference[index] + 3.0, 99.999);
            table.line("28 looks have the expected power", &name, percent, bound)?;
        }
    }
    let fixed = planned_rates(510, false).map_err(io::Error::other)?;
    let name = "rates of 5% and 6%, planned for 80% power";
    table.line(
        "a planned sample size has the target power",
        name,
        fixed,
        77.0..=83.0,
    )?;
    let sequential = planned_rates(511, true).map_err(io::Error::other)?;
    let name = "the same, planned for a confidence sequence (28 looks)";
    table.line(
        "a planned sample size has the target power",
        name,
        sequential,
        80.0..=99.0,
    )
}

/// Per cent of experiments in which each of [`METHODS`] detects an effect of `shift` standard errors at
/// the planned end.
fn found(seed: u64, shift: f64) -> Result<[f64; 5], stats::MissingReason> {
    let fractions: Vec<f64> = (1..=LOOKS)
        .map(|k| f64::from(k) / f64::from(LOOKS))
        .collect();
    let bounds = |spending| stats::group_sequential_boundaries(&fractions, ALPHA, true, spending);
    let (o_brien, power) = (
        bounds(Spending::OBrienFleming)?,
        bounds(Spending::Power(2.0))?,
    );
    let sequence = ConfidenceSequence::new(ALPHA, PLANNED as f64)?;
    let hybrid = Hybrid::new(ALPHA, PLANNED as f64)?;
    let mut draw = Draw::new(seed);
    let mut found = [0_u32; 5];
    for _ in 0..EXPERIMENTS {
        let mut detected = [false; 5];
        let mut score = 0.0;
        for (look, t) in fractions.iter().enumerate() {
            let step = 1.0 / f64::from(LOOKS);
            score += shift * step + step.sqrt() * draw.normal();
            let last = look + 1 == fractions.len();
            let units = (PLANNED as f64 * t).round() as u64;
            let effect = Effect::new(score / t, 1.0 / t.sqrt(), None, units)?;
            let z = score / t.sqrt();
            let phase = if last {
                Phase::PlannedEnd
            } else {
                Phase::Running
            };
            let beyond = |bounds: &[stats::Boundary]| {
                bounds
                    .get(look)
                    .and_then(|b| b.z)
                    .is_some_and(|bound| z.abs() >= bound)
            };
            detected[0] |= last && z.abs() > 1.959_964;
            detected[1] |= sequence.at(&effect)?.p_value.value() <= 0.05;
            detected[2] |= hybrid.at(&effect, phase)?.p_value.value() <= 0.05;
            detected[3] |= beyond(&o_brien);
            detected[4] |= beyond(&power);
        }
        found
            .iter_mut()
            .zip(detected)
            .for_each(|(count, yes)| *count += u32::from(yes));
    }
    Ok(found.map(|count| 100.0 * f64::from(count) / f64::from(EXPERIMENTS)))
}

/// Per cent of experiments of the planned sample size that detect the planned difference of rates.
fn planned_rates(seed: u64, sequential: bool) -> Result<f64, stats::MissingReason> {
    let rates = Rates::new(0.05, 0.06)?;
    let goal = Goal::usual(ALPHA);
    let size = if sequential {
        let variances = (0.05 * 0.95, 0.06 * 0.94);
        stats::sample_size_sequential(rates.difference(), variances, &goal)?
    } else {
        stats::sample_size_of_rates(rates, &goal, RateFormula::Unpooled)?
    };
    let sequence = ConfidenceSequence::new(ALPHA, size.total())?;
    let mut draw = Draw::new(seed);
    let mut found = 0_u32;
    for _ in 0..EXPERIMENTS {
        if sequential {
            let step = size.control().div_ceil(u64::from(LOOKS));
            let (mut n, mut conversions) = (0, [0, 0]);
            let detected = (0..LOOKS).any(|_| {
                n += step;
                conversions[0] += draw.binomial(step, rates.control);
                conversions[1] += draw.binomial(step, rates.treatment);
                let [c, t] = conversions.map(|k| Proportion::new(n, k).and_then(|p| p.sample()));
                c.and_then(|c| sequence.at(&stats::difference(&c, &t?)?))
                    .is_ok_and(|r| r.p_value.value() <= 0.05)
            });
            found += u32::from(detected);
        } else {
            let c = Proportion::new(size.control(), draw.binomial(size.control(), rates.control))?;
            let t = Proportion::new(
                size.treatment(),
                draw.binomial(size.treatment(), rates.treatment),
            )?;
            let test = stats::two_proportion_z(&c, &t, ALPHA, Alternative::TwoSided)?;
            found += u32::from(test.p_value.value() <= 0.05);
        }
    }
    Ok(100.0 * f64::from(found) / f64::from(EXPERIMENTS))
}
