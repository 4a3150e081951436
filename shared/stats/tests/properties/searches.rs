//! Properties of the methods that search or integrate: they terminate with a number or a reason.

use proptest::prelude::*;
use stats::{self, Alpha, ArmPosterior, BetaDistribution, Goal, Progress, Rates, Spending};

use super::close;
use super::inputs::{self, alpha, any_real, finite};

proptest! {
    #![proptest_config(inputs::cases(30))]

    #[test]
    fn planning_gives_finite_results_or_a_reason(
        control in 1e-9..1.0_f64, treatment in 1e-9..1.0_f64, power in 0.0..1.0_f64,
        ratio in 1e-6..1e6_f64, alpha in alpha(), effect in any_real(), sd in 1e-9..1e9_f64,
        error in 1e-12..1e12_f64,
    ) {
        let goal = Goal { alpha, power, ratio, one_sided: false };
        let rates = Rates::new(control, treatment).unwrap();
        use stats::RateFormula::{Arcsine, PooledNull, Unpooled};
        for formula in [Arcsine, PooledNull, Unpooled] {
            if let Ok(size) = finite(stats::sample_size_of_rates(rates, &goal, formula)) {
                prop_assert!(size.control_exact >= 0.0);
            }
        }
        let _ = finite(stats::sample_size(effect, (sd * sd, sd * sd), &goal));
        let _ = finite(stats::sample_size_t(effect, sd, &goal));
        let _ = finite(stats::sample_size_sequential(effect, (sd * sd, sd * sd), &goal));
        let units = 2.0 + error;
        let capacity = stats::Capacity { control: units, treatment: units, alpha, power };
        let _ = finite(stats::detectable_rates(control, &capacity));
        let _ = finite(stats::detectable_arcsine(&capacity));
        let _ = finite(stats::detectable_mean_t(sd, &capacity));
        let sequence = stats::ConfidenceSequence::new(alpha, 5_000.0).ok();
        for sequence in [None, sequence] {
            let progress =
                Progress { standard_error: error, units, planned_effect: effect, alpha, sequence };
            if let Ok(power) = finite(progress.power_at(1.0)) {
                prop_assert!((0.0..=1.0 + 1e-12).contains(&power));
            }
            let _ = finite(progress.remaining(0.8));
        }
    }

    #[test]
    fn the_probabilities_of_being_best_sum_to_one(
        rates in prop::collection::vec((-6.9..34.0_f64, -6.9..34.0_f64), 2..5),
        means in prop::collection::vec((-10.0..10.0_f64, -8.0..3.0_f64), 2..5),
        alpha in alpha(),
    ) {
        let betas = rates.iter().map(|(a, b)| ArmPosterior::Beta { a: a.exp(), b: b.exp() });
        let normals = means.iter().map(|(mean, ln_sd)| {
            ArmPosterior::Normal { mean: *mean, standard_deviation: ln_sd.exp() }
        });
        for arms in [betas.collect::<Vec<_>>(), normals.collect()] {
            let result = finite(stats::best_arm(&arms)).unwrap();
            prop_assert!((result.best.iter().sum::<f64>() - 1.0).abs() < 1e-6, "{arms:?} {result:?}");
            prop_assert!((result.top_two.iter().sum::<f64>() - 1.0).abs() < 1e-6);
            let floored = stats::with_floor(&result.best, 0.01).unwrap();
            prop_assert!(floored.iter().all(|w| *w >= 0.01));
        }
        let distribution = |i: usize| BetaDistribution::new(rates[i].0.exp(), rates[i].1.exp()).unwrap();
        let comparison = finite(distribution(0).compare(&distribution(1))).unwrap();
        let swapped = distribution(1).compare(&distribution(0)).unwrap();
        prop_assert_eq!(comparison.treatment_better, swapped.control_better);
        prop_assert!((comparison.treatment_better + comparison.control_better - 1.0).abs() < 1e-6);
        let interval = finite(distribution(0).interval(alpha)).unwrap();
        prop_assert!(interval.lower <= interval.upper);
    }

    #[test]
    fn group_sequential_boundaries_spend_the_whole_error_level(
        steps in prop::collection::vec(0.01..1.0_f64, 1..8), ln_alpha in -14.0..-0.7_f64,
    ) {
        let total: f64 = steps.iter().sum();
        let mut t = 0.0;
        let information: Vec<f64> =
            steps.iter().map(|step| { t += step / total; t.min(1.0) }).collect();
        let alpha = Alpha::new(ln_alpha.exp()).unwrap();
        for spending in [Spending::OBrienFleming, Spending::Pocock, Spending::Power(2.0)] {
            let bounds = finite(stats::group_sequential_boundaries(&information, alpha, true, spending));
            if let Ok(bounds) = bounds {
                let last = bounds.last().unwrap();
                prop_assert!(close(last.cumulative_alpha, alpha.get() / 2.0, 1e-9));
            }
        }
    }
}
