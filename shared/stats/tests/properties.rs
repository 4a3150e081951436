//! Properties of the engine for extreme, degenerate and contradictory inputs.
//!
//! - Every function returns finite numbers or a reason, without a panic or an endless loop.
//! - Variances are not negative, and probabilities are in [0, 1].
//! - Intervals are ordered and contain the estimate.
//! - Results do not depend on the order of the arms or on the unit of the metric.

#![expect(
    clippy::disallowed_methods,
    reason = "settings and data come from outside; the crate itself reads nothing"
)]

#[path = "properties/inputs.rs"]
mod inputs;
#[path = "properties/searches.rs"]
mod searches;

use proptest::prelude::*;
use stats::{
    self, Alpha, Alternative, CrossMoments, Effect, Fieller, Hybrid, Interval, JointSample,
    LogBuckets, LogHistogram, MissingReason, Moments, PValue, Phase, Posterior, Prior, Proportion,
    Sample, SequentialSplit, distributions as distribution,
};

use inputs::{alpha, any_effect, any_real, any_sample, finite, moments, proportion, users};

fn close(a: f64, b: f64, relative: f64) -> bool {
    (a - b).abs() <= relative * a.abs().max(b.abs())
}

fn around(interval: Interval, estimate: f64) -> bool {
    interval.lower <= interval.upper && interval.contains(estimate)
}

proptest! {
    #![proptest_config(inputs::cases(400))]

    #[test]
    fn means_give_finite_results_or_a_reason(
        c in any_sample(), t in any_sample(), alpha in alpha(), null in any_real(),
    ) {
        for alternative in [Alternative::TwoSided, Alternative::Greater, Alternative::Less] {
            if let Ok(test) = finite(stats::welch(&c, &t, alpha, alternative)) {
                prop_assert!((0.0..=1.0).contains(&test.p_value.value()));
                prop_assert!(around(test.interval, test.effect));
            }
            let effect = stats::difference(&c, &t);
            let _ = finite(effect.and_then(|e| e.test(null, alpha, alternative)));
        }
        if let Ok(effect) = finite(stats::relative_difference(&c, &t)) {
            let interval = finite(effect.interval(alpha));
            prop_assert!(interval.is_err() || interval.is_ok_and(|i| around(i, effect.value())));
        }
        if let Ok(log) = finite(stats::log_ratio(&c, &t, alpha)) {
            prop_assert!(around(log.interval, log.lift) && log.interval.lower >= -1.0);
        }
        if let Ok(Fieller::Bounded { ratio, .. }) = finite(stats::fieller(&c, &t, alpha)) {
            let tolerance = 1e-9 * (ratio.lower.abs() + ratio.upper.abs());
            let quotient = t.mean() / c.mean();
            prop_assert!(ratio.lower - tolerance <= quotient);
            prop_assert!(quotient <= ratio.upper + tolerance);
        }
        let _ = finite(Ok(stats::fieller_g(&c, alpha)));
    }

    #[test]
    fn rates_give_finite_results_or_a_reason(
        c in proportion(), t in proportion(), alpha in alpha(),
    ) {
        let newcombe = finite(stats::newcombe(&c, &t, alpha)).unwrap();
        let difference = stats::rate_difference(&c, &t);
        prop_assert!(around(newcombe, difference));
        prop_assert!(newcombe.lower >= -1.0 && newcombe.upper <= 1.0);
        prop_assert!(around(finite(stats::wilson(&c, alpha)).unwrap(), c.rate()));
        let _ = finite(stats::agresti_caffo(&c, &t, alpha)).unwrap();
        let _ = finite(stats::wald(&c, &t, alpha, Alternative::TwoSided));
        if let Ok(test) = finite(stats::two_proportion_z(&c, &t, alpha, Alternative::TwoSided)) {
            prop_assert!((0.0..=1.0).contains(&test.p_value.value()));
            let swapped = stats::two_proportion_z(&t, &c, alpha, Alternative::TwoSided).unwrap();
            prop_assert_eq!(swapped.z, -test.z);
            prop_assert_eq!(swapped.p_value, test.p_value);
            let mirrored = Interval { lower: -test.interval.upper, upper: -test.interval.lower };
            prop_assert_eq!(swapped.interval, mirrored);
        }
    }

    #[test]
    fn swapping_the_arms_only_changes_the_sign(
        c in any_sample(), t in any_sample(), alpha in alpha(),
    ) {
        let test = stats::welch(&c, &t, alpha, Alternative::TwoSided);
        let swapped = stats::welch(&t, &c, alpha, Alternative::TwoSided);
        prop_assert_eq!(test.is_ok(), swapped.is_ok());
        if let (Ok(test), Ok(swapped)) = (test, swapped) {
            prop_assert_eq!(test.effect, -swapped.effect);
            prop_assert_eq!(test.p_value, swapped.p_value);
            prop_assert_eq!(test.interval.lower, -swapped.interval.upper);
        }
    }

    #[test]
    fn results_do_not_depend_on_the_unit_of_the_metric(
        c in moments(), t in moments(), alpha in alpha(), power in -40_i32..40,
    ) {
        let (Ok(c), Ok(t)) = (c.sample(), t.sample()) else { return Ok(()) };
        let unit = 2.0_f64.powi(power);
        let scaled = |s: &Sample| Sample::new(s.n(), s.mean() * unit, s.variance() * unit * unit);
        let plain = |s: &Sample| Sample::new(s.n(), s.mean(), s.variance());
        let (c, t, c2, t2) = (plain(&c)?, plain(&t)?, scaled(&c)?, scaled(&t)?);
        let (Ok(a), Ok(b)) = (stats::difference(&c, &t), stats::difference(&c2, &t2)) else {
            return Ok(());
        };
        prop_assert_eq!(a.value() * unit, b.value());
        let p = |e: &Effect| e.test(0.0, alpha, Alternative::TwoSided).map(|t| t.p_value);
        prop_assert_eq!(p(&a), p(&b));
        let lift = |c, t| stats::relative_difference(c, t).map(|e| (e.value(), e.standard_error()));
        prop_assert_eq!(lift(&c, &t), lift(&c2, &t2));
        prop_assert_eq!(stats::fieller(&c, &t, alpha), stats::fieller(&c2, &t2, alpha));
    }

    #[test]
    fn contradictory_aggregates_give_valid_numbers_or_a_reason(
        n in any::<u64>(), sum in any::<i128>(), squares in any::<i128>(),
    ) {
        let arm = Moments { n, sum_micros: sum, sum_squares_picos: squares };
        if let Ok(variance) = finite(arm.variance()) {
            prop_assert!(variance >= 0.0);
        }
        let _ = finite(arm.mean());
        let _ = finite(arm.sample());
        let joint = CrossMoments {
            n, sums_micros: vec![sum, squares], products_picos: vec![squares, sum, squares],
        };
        if let Ok(joint) = finite(joint.joint_sample()) {
            let _ = finite(stats::ratio(&joint));
            let _ = finite(stats::cuped(&joint, &joint));
        }
    }

    #[test]
    fn subtracting_added_moments_restores_the_previous_moments(a in moments(), b in moments()) {
        if let Some(both) = a.checked_add(b) {
            prop_assert_eq!(both.checked_sub(b), Some(a));
        }
    }

    #[test]
    fn a_sequential_interval_contains_the_fixed_interval(
        effect in any_effect(), alpha in alpha(), planned in 1.0..1e9_f64,
    ) {
        let sequence = stats::ConfidenceSequence::new(alpha, planned).unwrap();
        if let Ok(sequential) = finite(sequence.at(&effect)) {
            prop_assert!(around(sequential.interval, effect.value()));
            prop_assert!((0.0..=1.0).contains(&sequential.p_value.value()));
            if effect.degrees_of_freedom().is_none() {
                let once = effect.interval(alpha).unwrap();
                prop_assert!(sequential.interval.lower <= once.lower);
                prop_assert!(sequential.interval.upper >= once.upper);
            }
            let mirrored = sequence.at(&effect.negated()).unwrap();
            prop_assert_eq!(mirrored.p_value, sequential.p_value);
        }
        let _ = finite(sequence.one_sided_bounds(&effect));
        let _ = finite(stats::mixture_test(&effect, 0.0, planned, alpha));
        let hybrid = Hybrid::new(alpha, planned).unwrap();
        for phase in [Phase::Running, Phase::PlannedEnd, Phase::Overrun] {
            if let Ok(result) = finite(hybrid.at(&effect, phase)) {
                prop_assert!(around(result.interval, effect.value()));
                prop_assert!((0.0..=1.0).contains(&result.p_value.value()));
            }
        }
        let margin = finite(stats::non_inferiority(&effect, 0.0, true, alpha));
        prop_assert!(margin.is_err() || (0.0..=1.0).contains(&margin.unwrap().test.p_value.value()));
    }

    #[test]
    fn posteriors_give_consistent_probabilities_and_losses(
        effect in any_effect(), mean in any_real(), tau in 1e-9..1e9_f64, alpha in alpha(),
    ) {
        for prior in [Prior::Flat, Prior::default(), Prior::Normal { mean, standard_deviation: tau }] {
            let Ok(posterior) = finite(Posterior::new(&effect, prior)) else { continue };
            prop_assert!(posterior.standard_deviation > 0.0);
            prop_assert!(posterior.standard_deviation <= effect.standard_error());
            let interval = finite(posterior.interval(alpha));
            prop_assert!(interval.is_err() || around(interval.unwrap(), posterior.mean));
            if let Ok(decision) = finite(posterior.decision(true)) {
                prop_assert!((0.0..=1.0).contains(&decision.chance_to_win));
                prop_assert!(close(decision.chance_to_win + decision.chance_to_lose, 1.0, 1e-14));
                prop_assert!(decision.loss_if_control_is_kept >= 0.0);
                prop_assert!(decision.loss_if_treatment_ships >= 0.0);
                let other_way = posterior.decision(false).unwrap();
                prop_assert_eq!(decision.chance_to_win, other_way.chance_to_lose);
            }
        }
    }

    #[test]
    fn cuped_gives_finite_results_or_a_reason(
        c in users(3), t in users(3), shift in -1_000_i128..1_000,
    ) {
        let (Ok(c_arm), Ok(t_arm)) = (arm(&c, 0), arm(&t, 0)) else { return Ok(()) };
        let plain = finite(stats::cuped(&c_arm, &t_arm));
        let _ = finite(stats::ratio(&c_arm));
        let _ = finite(stats::ratio_with_pre_exposure(&c_arm));
        for test in stats::pre_experiment_bias(&c_arm, &t_arm) {
            let _ = finite(test);
        }
        if let Ok(plain) = plain {
            prop_assert!(plain.variance_reduction <= 1.0);
            // Adding a constant to a covariate does not change the result.
            let shifted = stats::cuped(&arm(&c, shift).unwrap(), &arm(&t, shift).unwrap()).unwrap();
            let size = plain.absolute.value().abs() + plain.absolute.standard_error();
            let off = (plain.absolute.value() - shifted.absolute.value()).abs();
            prop_assert!(off <= 1e-6 * size, "{off} of {size}");
        }
    }

    #[test]
    fn sample_ratio_tests_give_finite_results_or_a_reason(
        counts in prop::collection::vec(any::<u32>().prop_map(u64::from), 0..6),
        weights in prop::collection::vec(prop_oneof![Just(0.0), 1e-9..1e9_f64], 0..6),
        concentration in 1e-3..1e6_f64,
    ) {
        if let Ok(test) = finite(stats::split_test(&counts, &weights)) {
            prop_assert!(test.chi_squared >= 0.0);
            prop_assert!((0.0..=1.0).contains(&test.p_value.value()));
        }
        if let Ok(test) = finite(SequentialSplit::new(&weights, concentration)) {
            let _ = finite(test.evidence(&counts));
        }
    }

    #[test]
    fn adjusted_p_values_are_never_below_the_unadjusted_ones(
        p in prop::collection::vec(prop::option::of(0.0..=1.0_f64), 0..30),
        weights in prop::collection::vec(0.0..10.0_f64, 30),
    ) {
        let p: Vec<Option<PValue>> = p.into_iter().map(|p| p.and_then(PValue::new)).collect();
        let (holm, bh) = (stats::holm(&p), stats::benjamini_hochberg(&p));
        for ((p, holm), bh) in p.iter().zip(&holm).zip(&bh) {
            prop_assert_eq!(p.is_some(), holm.is_some());
            let (Some(p), Some(holm), Some(bh)) = (p, holm, bh) else { continue };
            prop_assert!(holm.value() <= 1.0);
            prop_assert!(p.ln() <= bh.ln() + 1e-12 && bh.ln() <= holm.ln() + 1e-12);
        }
        let weights = &weights[..p.len()];
        for adjusted in [
            stats::weighted_holm(&p, weights).unwrap(),
            stats::weighted_benjamini_hochberg(&p, weights).unwrap(),
        ] {
            for (p, adjusted) in p.iter().zip(adjusted) {
                prop_assert_eq!(p.is_some(), adjusted.is_some());
                prop_assert!(adjusted.is_none_or(|p| (0.0..=1.0).contains(&p.value())));
            }
        }
    }

    #[test]
    fn subgroups_and_cohorts_give_finite_results_or_a_reason(
        effects in prop::collection::vec((any_effect(), any_real()), 0..8),
    ) {
        let alone: Vec<Effect> = effects.iter().map(|(effect, _)| *effect).collect();
        if let Ok(result) = finite(stats::heterogeneity(&alone)) {
            prop_assert!((0.0..=1.0).contains(&result.i_squared));
            prop_assert_eq!(result.subgroups.len(), alone.len());
        }
        let cohorts: Vec<(f64, Effect)> =
            effects.iter().map(|(effect, period)| (*period, *effect)).collect();
        if let Ok(trend) = finite(stats::trend(&cohorts)) {
            prop_assert!((0.0..=1.0).contains(&trend.p_value.value()));
        }
    }

    #[test]
    fn strata_give_finite_results_or_a_reason(
        strata in prop::collection::vec((moments(), moments()), 0..6),
    ) {
        if let Ok(usable) = finite(stats::usable_strata(&strata)) {
            let _ = finite(stats::post_stratify(&usable));
        }
    }

    #[test]
    fn histogram_quantiles_are_accurate_and_users_can_be_removed(
        values in prop::collection::vec(prop_oneof![Just(0.0), -1e6..1e6_f64, 1e-9..1e9_f64], 1..200),
        q in 0.0..=1.0_f64, alpha in alpha(),
    ) {
        let buckets = LogBuckets::new(0.01).unwrap();
        let mut histogram = LogHistogram::new(buckets);
        values.iter().for_each(|value| histogram.record(*value));
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let truth = sorted[(q * (values.len() - 1) as f64) as usize];
        prop_assert!((histogram.quantile(q).unwrap() - truth).abs() <= 0.0101 * truth.abs());
        if let Ok(estimate) = finite(histogram.quantile_estimate(q, alpha)) {
            prop_assert!(estimate.interval.lower <= estimate.interval.upper);
            let _ = finite(estimate.sample());
        }
        let mut more = histogram.clone();
        more.record(17.0);
        let mut one = LogHistogram::new(buckets);
        one.record(17.0);
        prop_assert_eq!(more.checked_sub(&one), Some(histogram));
    }

    #[test]
    fn quantiles_are_the_inverse_of_tail_probabilities(
        ln_q in -600.0..-0.7_f64, ln_df in -0.5..28.0_f64, ln_a in -4.0..14.0_f64,
    ) {
        let (q, df) = (ln_q.exp(), ln_df.exp());
        let t = distribution::student_t_upper_quantile(q, df).unwrap();
        // Below one degree of freedom, such quantiles can exceed the largest f64.
        if t.is_finite() && t < 1e300 {
            let back = distribution::student_t_ln_upper_tail(t, df);
            prop_assert!((back - ln_q).abs() <= 1e-9 * ln_q.abs(), "t = {t}: {back} {ln_q}");
        }
        let z = distribution::normal_upper_quantile(q).unwrap();
        prop_assert!((distribution::normal_ln_upper_tail(z) - ln_q).abs() <= 1e-11 * ln_q.abs());
        let (a, b) = (ln_a.exp(), df);
        let p = q.max(1e-9);
        let x = distribution::beta_quantile(p, a, b).unwrap();
        if x > 1e-290 && x < 1.0 - 1e-12 {
            prop_assert!(close(distribution::beta_cdf(a, b, x), p, 1e-6), "{x} {}", distribution::beta_cdf(a, b, x));
        }
    }

    #[test]
    fn tail_probabilities_are_between_zero_and_one(t in any_real(), ln_df in -0.5..40.0_f64, df in 1_u32..100_000) {
        let ln_tail = distribution::student_t_ln_upper_tail(t, ln_df.exp());
        prop_assert!(ln_tail <= 0.0, "{ln_tail}");
        prop_assert!(distribution::normal_ln_upper_tail(t) <= 0.0);
        let chi = distribution::chi_squared_ln_upper_tail(t.abs().min(1e12), df);
        prop_assert!(chi <= 0.0 && chi.is_finite());
        let power = distribution::noncentral_t_upper_tail(t.clamp(-100.0, 100.0), ln_df.exp().max(1.0), 2.0);
        prop_assert!((0.0..=1.0).contains(&power));
    }
}

fn arm(users: &[Vec<i128>], shift: i128) -> Result<JointSample, MissingReason> {
    let mut sums = CrossMoments::empty(3);
    for user in users {
        let micros = [
            user[0],
            user[1] + shift * 1_000_000,
            user[2] + shift * 1_000_000,
        ];
        let user = CrossMoments::of_user(&micros).ok_or(MissingReason::Overflow)?;
        sums = sums.checked_add(&user).ok_or(MissingReason::Overflow)?;
    }
    sums.joint_sample()
}

#[test]
fn a_missing_reason_serialises_with_its_code_and_a_sentence() {
    let reason = MissingReason::TooFewUnits {
        needed: 100,
        seen: 7,
    };
    let json = serde_json::to_value(reason).unwrap();
    assert_eq!(json["reason"], "too_few_units");
    assert_eq!(json["needed"], 100);
    assert_eq!(json["message"], "Too few users: 7 seen, 100 needed.");
}

#[test]
fn e_benjamini_hochberg_finds_the_large_e_values() {
    let found = stats::e_benjamini_hochberg(
        &[
            Some(40.0_f64.ln()),
            None,
            Some(41.0_f64.ln()),
            Some(0.0),
            Some(-3.0),
        ],
        Alpha::FIVE_PERCENT,
    );
    assert_eq!(
        found,
        [Some(true), None, Some(true), Some(false), Some(false)]
    );
}

#[test]
fn more_weight_for_the_primary_metric_lowers_its_adjusted_p_value() {
    let p = |p: f64| PValue::new(p);
    let adjusted = stats::weighted_holm(&[p(0.03), p(0.04), p(0.5)], &[0.8, 0.1, 0.1]).unwrap();
    assert!((adjusted[0].unwrap().value() - 0.03 / 0.8).abs() < 1e-12);
    assert!((adjusted[1].unwrap().value() - 0.08).abs() < 1e-12);
}

#[test]
fn the_logarithm_of_a_p_value_below_1e_900_is_exact() {
    let c = Proportion::new(1_000_000, 100_000).unwrap();
    let t = Proportion::new(1_000_000, 130_000).unwrap();
    let test = stats::two_proportion_z(&c, &t, Alpha::FIVE_PERCENT, Alternative::TwoSided).unwrap();
    assert_eq!(test.p_value.value(), 0.0);
    assert!(test.p_value.log10() < -900.0 && test.p_value.log10() > -1_000.0);
}
