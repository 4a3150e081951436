//! Sequential results from the first event on, by the rules of the reports:
//!
//! - Rates: the exact test while an arm has fewer than 25 conversions, else the confidence sequence.
//! - Means: the exact test of the users with an event while an arm has no event, else the confidence
//!   sequence from 100 users per arm on, with the larger of Welch's and the pooled standard error.

use std::io::{self, Write};

use stats::{self, Alpha, ConfidenceSequence, Proportion, Sample, SequentialRateTest};

use crate::EXPERIMENTS;
use crate::draw::{Draw, ValueSums};
use crate::table::Table;

const LOOKS: u64 = 500;
/// Rate of both arms in per cent, and users assigned to control and treatment between two looks.
const WITHOUT_EFFECT: [(f64, [u64; 2]); 8] = [
    (0.1, [40, 40]),
    (1.0, [40, 40]),
    (10.0, [40, 40]),
    (50.0, [40, 40]),
    (0.1, [72, 8]),
    (1.0, [72, 8]),
    (10.0, [72, 8]),
    (50.0, [72, 8]),
];

/// Counts of an experiment, which grow from look to look.
#[derive(Default)]
struct Counts {
    users: [u64; 2],
    conversions: [u64; 2],
}

impl Counts {
    fn grow(&mut self, draw: &mut Draw, users: [u64; 2], rates: [f64; 2]) {
        for arm in 0..2 {
            self.users[arm] += users[arm];
            self.conversions[arm] += draw.binomial(users[arm], rates[arm]);
        }
    }

    fn arms(&self) -> Option<[Proportion; 2]> {
        let arm = |i: usize| Proportion::new(self.users[i], self.conversions[i]).ok();
        Some([arm(0)?, arm(1)?])
    }

    /// Whether the report shows a significant difference at this look.
    fn is_significant(&self, sequence: &ConfidenceSequence) -> bool {
        let Some([control, treatment]) = self.arms() else {
            return false;
        };
        if stats::enough_conversions(&control, &treatment).is_ok() {
            return by_sequence(&control, &treatment, sequence);
        }
        by_exact_rates(&control, &treatment)
    }

    /// Whether the confidence sequence alone is significant, with the minimum of 25 conversions per arm.
    fn is_significant_with_minimum(&self, sequence: &ConfidenceSequence) -> bool {
        self.arms().is_some_and(|[control, treatment]| {
            stats::enough_conversions(&control, &treatment).is_ok()
                && by_sequence(&control, &treatment, sequence)
        })
    }
}

fn by_sequence(c: &Proportion, t: &Proportion, sequence: &ConfidenceSequence) -> bool {
    let effect = c.sample().and_then(|c| stats::difference(&c, &t.sample()?));
    effect
        .and_then(|effect| sequence.at(&effect))
        .is_ok_and(|result| result.p_value.value() <= 0.05)
}

fn by_exact_rates(control: &Proportion, treatment: &Proportion) -> bool {
    // Intervals take longer than the e-value, and most looks are far from significant.
    let promising = SequentialRateTest::new(control, treatment)
        .is_ok_and(|test| test.ln_e_value() >= 20.0_f64.ln());
    promising
        && stats::exact_rates(control, treatment, Alpha::FIVE_PERCENT)
            .is_ok_and(|result| result.p_value.value() <= 0.05)
}

fn sequence() -> io::Result<ConfidenceSequence> {
    ConfidenceSequence::new(Alpha::FIVE_PERCENT, 20_000.0).map_err(io::Error::other)
}

pub(crate) fn false_positives<W: Write>(table: &mut Table<W>) -> io::Result<()> {
    let sequence = sequence()?;
    for (seed, (percent, users)) in (600..).zip(WITHOUT_EFFECT) {
        let mut draw = Draw::new(seed);
        let mut significant = 0_u32;
        for _ in 0..EXPERIMENTS / 5 {
            let mut counts = Counts::default();
            significant += u32::from((0..LOOKS).any(|_| {
                counts.grow(&mut draw, users, [percent / 100.0; 2]);
                counts.is_significant(&sequence)
            }));
        }
        table.line(
            "sequential results of rates, from the first user, reject at most 5%",
            &format!(
                "{percent}% in both arms, {} and {} users per look",
                users[0], users[1]
            ),
            500.0 * f64::from(significant) / f64::from(EXPERIMENTS),
            0.0..=5.0,
        )?;
    }
    Ok(())
}

/// Share of buyers in per cent, standard deviation of the logarithm of their spending, and users assigned
/// to control and treatment between two looks.
const REVENUE: [(f64, f64, [u64; 2]); 8] = [
    (0.1, 1.0, [40, 40]),
    (1.0, 1.0, [40, 40]),
    (5.0, 2.0, [40, 40]),
    (50.0, 1.0, [40, 40]),
    (0.1, 1.0, [72, 8]),
    (1.0, 1.0, [72, 8]),
    (5.0, 1.0, [72, 8]),
    (50.0, 1.0, [72, 8]),
];

/// Users, buyers and revenue of both arms.
#[derive(Default)]
struct Spending {
    counts: Counts,
    sums: [ValueSums; 2],
}

impl Spending {
    fn grow(&mut self, draw: &mut Draw, users: [u64; 2], rate: f64, sd: f64) {
        for (arm, (sums, users)) in self.sums.iter_mut().zip(users).enumerate() {
            let buyers = draw.binomial(users, rate);
            self.counts.users[arm] += users;
            self.counts.conversions[arm] += buyers;
            sums.n += users;
            for _ in 0..buyers {
                let amount = draw.log_normal(sd);
                sums.sum += amount;
                sums.squares += amount * amount;
            }
        }
    }

    fn is_significant(&self, sequence: &ConfidenceSequence) -> bool {
        let Some([control, treatment]) = self.counts.arms() else {
            return false;
        };
        if self.counts.conversions.contains(&0) {
            return by_exact_rates(&control, &treatment);
        }
        let sample = |arm: ValueSums| Sample::from_sums(arm.n, arm.sum, arm.squares);
        let [c, t] = self.sums.map(sample);
        let effect = c.and_then(|c| {
            let t = t?;
            stats::enough_units(&c, &t)?;
            let factor = stats::pooled_error_factor(&c, &t);
            Ok(stats::difference(&c, &t)?.widened(factor))
        });
        effect
            .and_then(|effect| sequence.at(&effect))
            .is_ok_and(|result| result.p_value.value() <= 0.05)
    }
}

pub(crate) fn false_positives_of_means<W: Write>(table: &mut Table<W>) -> io::Result<()> {
    let plans = [
        ("tuned to 20,000 users", sequence()?),
        (
            "tuned to 1,000,000 users, with an early part",
            ConfidenceSequence::new(Alpha::FIVE_PERCENT, 1e6)
                .map_err(io::Error::other)?
                .with_early_part(),
        ),
    ];
    for (seed, (percent, sd, users)) in (620..).zip(REVENUE) {
        let mut draw = Draw::new(seed);
        let mut significant = [0_u32; 2];
        for _ in 0..EXPERIMENTS / 5 {
            let mut spending = Spending::default();
            let mut found = [false; 2];
            for _ in 0..LOOKS {
                spending.grow(&mut draw, users, percent / 100.0, sd);
                for (found, (_, sequence)) in found.iter_mut().zip(&plans) {
                    *found = *found || spending.is_significant(sequence);
                }
            }
            for (significant, found) in significant.iter_mut().zip(found) {
                *significant += u32::from(found);
            }
        }
        for (significant, (plan, _)) in significant.into_iter().zip(&plans) {
            table.line(
                "sequential results of means, from the first event, reject at most 5%",
                &format!(
                    "{percent}% buyers, log-normal spending (sd {sd}), {} and {} users per look, {plan}",
                    users[0], users[1]
                ),
                500.0 * f64::from(significant) / f64::from(EXPERIMENTS),
                0.0..=5.0,
            )?;
        }
    }
    Ok(())
}

/// Users per arm until 50% and 95% of experiments raise the alarm, with a look every ten users per arm.
pub(crate) fn time_to_alarm<W: Write>(table: &mut Table<W>) -> io::Result<()> {
    let sequence = sequence()?;
    for (seed, (name, rates)) in (650..).zip([
        ("a rate of 75% drops to zero", [0.75, 0.0]),
        ("a rate of 10% drops to zero", [0.10, 0.0]),
        ("a rate of 2% drops to zero", [0.02, 0.0]),
        ("an error rate rises from zero to 2%", [0.0, 0.02]),
        ("an error rate rises from zero to 10%", [0.0, 0.10]),
    ]) {
        let mut draw = Draw::new(seed);
        let mut users: [Vec<u64>; 2] = Default::default();
        for _ in 0..EXPERIMENTS / 20 {
            let mut counts = Counts::default();
            let mut alarms = [None; 2];
            for look in 1..=400 {
                counts.grow(&mut draw, [10, 10], rates);
                if alarms[0].is_none() && counts.is_significant(&sequence) {
                    alarms[0] = Some(look * 10);
                }
                if alarms[1].is_none() && counts.is_significant_with_minimum(&sequence) {
                    alarms[1] = Some(look * 10);
                }
            }
            for (users, alarm) in users.iter_mut().zip(alarms) {
                users.push(alarm.unwrap_or(u64::MAX));
            }
        }
        for (users, rule) in users
            .iter_mut()
            .zip(["exact test", "only with 25 conversions per arm"])
        {
            users.sort_unstable();
            for (what, share) in [("50%", 2), ("95%", 20)] {
                let at = users[users.len() - users.len() / share - 1];
                let name = format!("{name}: {what} of experiments, {rule}");
                let users = (at != u64::MAX).then_some(at);
                table.users("(users per arm until the alarm)", &name, users)?;
            }
        }
    }
    Ok(())
}
