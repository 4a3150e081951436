//! Sequential methods: with 500 looks, at most 5% of experiments without an effect become significant.

use std::io::{self, Write};

use stats::{self, Alpha, ConfidenceSequence, Effect, Hybrid, Phase, Proportion, Sample};

use crate::EXPERIMENTS;
use crate::draw::{Draw, PairSums, ValueSums};
use crate::table::Table;

const LOOKS: u64 = 500;

/// An experiment whose aggregates grow from look to look.
trait Growing {
    fn grow(&mut self, draw: &mut Draw);
    fn effect(&self) -> Option<Effect>;
}

/// Users assigned to each arm between two looks.
const USERS: u64 = 40;

#[derive(Default)]
struct Rates {
    n: u64,
    conversions: [u64; 2],
}

impl Growing for Rates {
    fn grow(&mut self, draw: &mut Draw) {
        self.n += USERS;
        self.conversions
            .iter_mut()
            .for_each(|k| *k += draw.binomial(USERS, 0.01));
    }

    fn effect(&self) -> Option<Effect> {
        let [c, t] = self
            .conversions
            .map(|k| Proportion::new(self.n, k)?.sample());
        stats::difference(&c.ok()?, &t.ok()?).ok()
    }
}

#[derive(Default)]
struct Revenue([ValueSums; 2]);

impl Growing for Revenue {
    fn grow(&mut self, draw: &mut Draw) {
        self.0
            .iter_mut()
            .for_each(|arm| arm.add_revenue(draw, USERS, 0.05, 1.0));
    }

    fn effect(&self) -> Option<Effect> {
        let [c, t] = self
            .0
            .map(|arm| Sample::from_sums(arm.n, arm.sum, arm.squares));
        stats::difference(&c.ok()?, &t.ok()?).ok()
    }
}

/// Ten users per arm and look. The numerators correlate with the denominators.
#[derive(Default)]
struct Ratio([PairSums; 2]);

impl Growing for Ratio {
    fn grow(&mut self, draw: &mut Draw) {
        for arm in &mut self.0 {
            for _ in 0..10 {
                let orders = 1 + draw.poisson(1.0);
                arm.add_user(orders as f64 * draw.log_normal(0.5), orders as f64);
            }
        }
    }

    fn effect(&self) -> Option<Effect> {
        let [c, t] = &self.0;
        let arm = |arm: &PairSums| stats::ratio(&arm.joint()?).ok();
        stats::relative_difference(&arm(c)?, &arm(t)?).ok()
    }
}

#[derive(Default)]
struct CupedAdjusted([PairSums; 2]);

impl Growing for CupedAdjusted {
    fn grow(&mut self, draw: &mut Draw) {
        self.0
            .iter_mut()
            .for_each(|arm| arm.add(draw.correlated_sums(20, 0.7)));
    }

    fn effect(&self) -> Option<Effect> {
        let [c, t] = &self.0;
        Some(stats::cuped(&c.joint()?, &t.joint()?).ok()?.absolute)
    }
}

pub(crate) fn false_positives<W: Write>(table: &mut Table<W>) -> io::Result<()> {
    shape::<Rates, W>(
        table,
        200,
        "conversions of 1%, from the first conversion",
        USERS,
    )?;
    shape::<Revenue, W>(table, 201, "revenue with a log-normal tail", USERS)?;
    shape::<Ratio, W>(table, 202, "ratio, relative effect", 10)?;
    shape::<CupedAdjusted, W>(table, 203, "CUPED-adjusted by one covariate", 20)
}

fn shape<G: Growing + Default, W: Write>(
    table: &mut Table<W>,
    seed: u64,
    name: &str,
    users: u64,
) -> io::Result<()> {
    let planned = (2 * users * LOOKS) as f64;
    let plans = ConfidenceSequence::new(Alpha::FIVE_PERCENT, planned)
        .and_then(|sequence| Ok((sequence, Hybrid::new(Alpha::FIVE_PERCENT, planned)?)));
    let (sequence, hybrid) = plans.map_err(io::Error::other)?;
    let mut draw = Draw::new(seed);
    let (mut in_sequence, mut in_hybrid, mut in_fixed) = (0_u32, 0_u32, 0_u32);
    for _ in 0..EXPERIMENTS {
        let mut experiment = G::default();
        let (mut by_sequence, mut by_hybrid, mut by_fixed) = (false, false, false);
        for look in 1..=LOOKS {
            experiment.grow(&mut draw);
            let Some(effect) = experiment.effect() else {
                continue;
            };
            let z = effect.value() / effect.standard_error();
            by_fixed |= z.abs() > 1.959_964;
            // An effect below this number of standard errors is significant in no method.
            if z.abs() < 1.9 {
                continue;
            }
            by_sequence |= sequence
                .at(&effect)
                .is_ok_and(|r| r.p_value.value() <= 0.05);
            let phase = if look == LOOKS {
                Phase::PlannedEnd
            } else {
                Phase::Running
            };
            by_hybrid |= hybrid
                .at(&effect, phase)
                .is_ok_and(|r| r.p_value.value() <= 0.05);
        }
        in_sequence += u32::from(by_sequence);
        in_hybrid += u32::from(by_hybrid);
        in_fixed += u32::from(by_fixed);
    }
    let percent = |count: u32| 100.0 * f64::from(count) / f64::from(EXPERIMENTS);
    table.line(
        "a confidence sequence with 500 looks rejects at most 5%",
        name,
        percent(in_sequence),
        0.0..=5.0,
    )?;
    table.line(
        "a hybrid test with 500 looks rejects at most 5%",
        name,
        percent(in_hybrid),
        0.0..=5.0,
    )?;
    table.remark("(a fixed test with 500 looks)", name, percent(in_fixed))
}
