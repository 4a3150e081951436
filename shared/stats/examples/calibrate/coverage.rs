//! Coverage: 95% intervals cover the true effect in 95% of experiments, also with an effect and few
//! conversions.

use std::io::{self, Write};

use stats::{self, Alpha, Fieller, Interval, Proportion, Sample};

use crate::EXPERIMENTS;
use crate::draw::{Draw, ValueSums};
use crate::table::Table;

const N: u64 = 10_000;

/// Expected conversions of the control arm, true lift, and the bounds of the coverage in per cent.
/// With ten conversions, the coverage varies around its nominal value because counts are whole numbers.
const SETTINGS: [(f64, f64, f64, f64); 5] = [
    (10.0, 0.0, 94.0, 97.0),
    (10.0, 1.0, 94.0, 97.0),
    (20.0, 0.5, 94.3, 96.0),
    (100.0, 0.2, 94.5, 95.5),
    (1_000.0, 0.1, 94.5, 95.5),
];

pub(crate) fn interval_coverage<W: Write>(table: &mut Table<W>) -> io::Result<()> {
    for (seed, (conversions, lift, low, high)) in (400..).zip(SETTINGS) {
        let [newcombe, log_ratio, fieller, delta] = rates(seed, conversions / N as f64, lift);
        let name = |what: &str| {
            format!(
                "{what}: {conversions:.0} conversions per arm, true lift {:.0}%",
                100.0 * lift
            )
        };
        let promise = "a 95% interval covers the truth in 95%";
        table.line(promise, &name("Newcombe, difference"), newcombe, low..=high)?;
        table.line(promise, &name("log ratio, lift"), log_ratio, low..=high)?;
        table.line(promise, &name("Fieller, lift"), fieller, low..=high)?;
        table.remark("(delta method)", &name("lift"), delta)?;
    }
    let promise = "a 95% interval covers the truth in 95%";
    let (difference, lift) = revenue(450);
    let name = "revenue with a log-normal tail, true lift 20%";
    table.line(
        promise,
        &format!("Welch, difference: {name}"),
        difference,
        94.5..=95.5,
    )?;
    table.line(
        promise,
        &format!("Fieller, lift: {name}"),
        lift,
        94.5..=95.5,
    )
}

fn rates(seed: u64, rate: f64, lift: f64) -> [f64; 4] {
    let mut draw = Draw::new(seed);
    let mut covered = [0_u32; 4];
    for _ in 0..EXPERIMENTS {
        let c = Proportion::new(N, draw.binomial(N, rate));
        let t = Proportion::new(N, draw.binomial(N, rate * (1.0 + lift)));
        let (Ok(c), Ok(t)) = (c, t) else { continue };
        let alpha = Alpha::FIVE_PERCENT;
        let difference = stats::newcombe(&c, &t, alpha).ok();
        let samples = c.sample().and_then(|c| Ok((c, t.sample()?))).ok();
        let log = samples.and_then(|(c, t)| stats::log_ratio(&c, &t, alpha).ok());
        let delta = samples.and_then(|(c, t)| {
            stats::relative_difference(&c, &t)
                .and_then(|effect| effect.interval(alpha))
                .ok()
        });
        let covers = [
            difference.is_some_and(|i| i.contains(rate * lift)),
            log.is_some_and(|l| l.interval.contains(lift)),
            samples.is_some_and(|(c, t)| fieller_covers(&c, &t, lift)),
            delta.is_some_and(|i| i.contains(lift)),
        ];
        covered
            .iter_mut()
            .zip(covers)
            .for_each(|(count, yes)| *count += u32::from(yes));
    }
    covered.map(|count| 100.0 * f64::from(count) / f64::from(EXPERIMENTS))
}

fn fieller_covers(control: &Sample, treatment: &Sample, lift: f64) -> bool {
    match stats::fieller(control, treatment, Alpha::FIVE_PERCENT) {
        Ok(Fieller::Bounded { lift: interval, .. }) => interval.contains(lift),
        Ok(Fieller::Exclusive { ruled_out }) => !ruled_out.contains(1.0 + lift),
        Ok(Fieller::Everything) => true,
        Err(_) => false,
    }
}

/// Coverage in per cent of the difference and of the lift, if every purchase is 20% larger in the
/// treatment.
fn revenue(seed: u64) -> (f64, f64) {
    let mut draw = Draw::new(seed);
    let (p, sd, factor) = (0.1, 1.0, 1.2);
    let mean = p * (0.5_f64 * sd * sd).exp();
    let (mut difference_covered, mut lift_covered) = (0_u32, 0_u32);
    for _ in 0..EXPERIMENTS {
        let mut arm = |factor: f64| {
            let mut sums = ValueSums::default();
            sums.add_revenue(&mut draw, 5_000, p, sd);
            Sample::from_sums(sums.n, factor * sums.sum, factor * factor * sums.squares)
        };
        let (Ok(c), Ok(t)) = (arm(1.0), arm(factor)) else {
            continue;
        };
        let interval: Option<Interval> = stats::difference(&c, &t)
            .and_then(|e| e.interval(Alpha::FIVE_PERCENT))
            .ok();
        difference_covered +=
            u32::from(interval.is_some_and(|i| i.contains(mean * (factor - 1.0))));
        lift_covered += u32::from(fieller_covers(&c, &t, factor - 1.0));
    }
    let percent = |count: u32| 100.0 * f64::from(count) / f64::from(EXPERIMENTS);
    (percent(difference_covered), percent(lift_covered))
}
