//! What a look at the results has found.

use crate::ids::{MetricKey, VariantKey};
use crate::report::{Reason, Report, Verdict};

/// What notifications say about results.
#[derive(Debug, Clone, PartialEq)]
pub struct Findings {
    /// The verdict, by the deciding method of the experiment.
    pub verdict: Verdict,
    /// The rule that decided.
    pub reason: Reason,
    /// The variant that the verdict is about.
    pub variant: Option<VariantKey>,
    /// The verdict and its reason in one sentence.
    pub headline: String,
    /// The guardrails that are worse, by the method that is valid however often one looks.
    pub worse_guardrails: Vec<MetricKey>,
    /// Whether the sample ratio differs from the weights, by the test that is valid however often one looks, or a variant
    /// has no users at all.
    pub sample_ratio_mismatch: bool,
}

impl Findings {
    /// The findings of a report; none if too many records are pending for a decision.
    pub fn new(report: &Report, worse_guardrails: Vec<MetricKey>) -> Option<Self> {
        let decision = &report.decision;
        if decision.reason == Reason::StillCounting {
            return None;
        }
        let quality = &report.data_quality;
        // The chi-squared test of the results is valid for one reading only, and looks are frequent.
        let test = quality.sample_ratio.sequential_test;
        let is_mismatch = test.is_some_and(|test| test.p_value < test.threshold);
        Some(Self {
            verdict: decision.verdict,
            reason: decision.reason,
            variant: decision.variant.clone(),
            headline: decision.headline.clone(),
            worse_guardrails,
            sample_ratio_mismatch: is_mismatch || !quality.variants_without_users.is_empty(),
        })
    }
}
