//! Two arms of one metric, and how their noise is measured where an arm has few events or no variation.

use super::arm::{Arm, Observed};
use crate::metric::{Metric, MetricKind};
use stats::{
    Alpha, MissingReason, Proportion, Sample, enough_conversions, enough_units, pooled_error_factor,
};

/// Two arms of one metric.
#[derive(Clone, Copy)]
pub(super) struct Pair<'p> {
    pub(super) metric: &'p Metric,
    pub(super) control: &'p Arm<'p>,
    pub(super) treatment: &'p Arm<'p>,
    pub(super) alpha: Alpha,
}

/// Two rates with so few conversions that exact tests are used instead of the normal distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct FewEvents {
    pub(super) control: Proportion,
    pub(super) treatment: Proportion,
    /// Whether the rates are the metric itself. If not, they are the shares of users with an event, and one arm has
    /// no event, so that the noise of its mean is unknown.
    pub(super) is_metric: bool,
}

impl Pair<'_> {
    /// The values of both arms as the report shows them.
    pub(super) fn values(&self) -> Result<[f64; 2], MissingReason> {
        let (control, treatment) = self.observed()?;
        Ok([control.value()?, treatment.value()?])
    }

    pub(super) fn observed(&self) -> Result<(&Observed, &Observed), MissingReason> {
        let control = self.control.observed.as_ref().map_err(|why| *why)?;
        Ok((
            control,
            self.treatment.observed.as_ref().map_err(|why| *why)?,
        ))
    }

    /// Both arms as samples.
    ///
    /// If all users of an arm have the same value, its own variance of zero says nothing about its noise. Both arms
    /// then get the variance of all users of both, which is right if the variant has no effect.
    ///
    /// # Errors
    /// If an arm has no usable numbers, if all users of both arms have the same value, or if ties hide both quantiles.
    pub(super) fn samples(&self) -> Result<(Sample, Sample), MissingReason> {
        if self.quantiles_are_in_one_bucket() {
            return Err(MissingReason::NoResolution);
        }
        let (control, treatment) = (self.control.sample()?, self.treatment.sample()?);
        if control.variance() > 0.0 && treatment.variance() > 0.0 {
            return Ok((control, treatment));
        }
        let variance = self.pooled()?.variance();
        if variance > 0.0 {
            return Ok((
                control.with_variance(variance)?,
                treatment.with_variance(variance)?,
            ));
        }
        match self.observed()? {
            (Observed::Rate(rate), _) if rate.conversions() == 0 => {
                Err(MissingReason::NoConversions)
            }
            (Observed::Rate(_), _) => Err(MissingReason::AllUsersConverted),
            (Observed::Quantile(..), _) => Err(MissingReason::NoResolution),
            _ => Err(MissingReason::ZeroVariance),
        }
    }

    fn quantiles_are_in_one_bucket(&self) -> bool {
        let Ok((Observed::Quantile(_, Ok(control)), Observed::Quantile(_, Ok(treatment)))) =
            self.observed()
        else {
            return false;
        };
        control.in_one_bucket && treatment.in_one_bucket && control.interval == treatment.interval
    }

    /// By how much the standard error of the difference is larger in results that are valid at every reading. The
    /// exact test covers rates with few conversions, so rates need no factor.
    pub(super) fn error_factor(&self) -> f64 {
        match (self.observed(), self.samples()) {
            (Ok((Observed::Rate(_), _)), _) | (_, Err(_)) => 1.0,
            (_, Ok((control, treatment))) => pooled_error_factor(&control, &treatment),
        }
    }

    /// All users of both arms as one sample.
    fn pooled(&self) -> Result<Sample, MissingReason> {
        let mut sums = self.control.sums.clone();
        sums.add(&self.treatment.sums)
            .map_err(|_| MissingReason::Overflow)?;
        let users = self.control.users.saturating_add(self.treatment.users);
        Observed::of(self.metric, users, &sums, self.alpha)?.sample()
    }

    /// The rates that exact tests compare: those of a conversion below the minimum of the normal distribution, and
    /// the shares of users with an event if no user of one arm has an event.
    pub(super) fn few_events(&self) -> Option<FewEvents> {
        let (control, treatment, is_metric) = match self.observed().ok()? {
            (Observed::Rate(control), Observed::Rate(treatment)) => {
                if enough_conversions(control, treatment).is_ok() {
                    return None;
                }
                (*control, *treatment, true)
            }
            _ if matches!(self.metric.kind, MetricKind::Quantile { .. }) => return None,
            _ => {
                let rate = |arm: &Arm<'_>| {
                    let converted = u64::try_from(arm.sums.converted).ok()?;
                    Proportion::new(arm.users, converted).ok()
                };
                let (control, treatment) = (rate(self.control)?, rate(self.treatment)?);
                if control.conversions() > 0 && treatment.conversions() > 0 {
                    return None;
                }
                (control, treatment, false)
            }
        };
        let comparable = control.conversions() + treatment.conversions() > 0
            && control.misses() + treatment.misses() > 0;
        comparable.then_some(FewEvents {
            control,
            treatment,
            is_metric,
        })
    }

    /// Whether both arms have the minimum that a finding needs, unless an exact test finds an effect with fewer.
    ///
    /// # Errors
    /// If an arm has fewer.
    pub(super) fn enough_data(&self) -> Result<(), MissingReason> {
        match self.observed()? {
            (Observed::Rate(control), Observed::Rate(treatment)) => {
                enough_conversions(control, treatment)
            }
            _ => {
                let (control, treatment) = self.samples()?;
                enough_units(&control, &treatment)
            }
        }
    }

    /// Whether values of the metric can be negative, so that its mean can be near zero although values are not.
    pub(super) fn can_be_negative(&self) -> bool {
        !matches!(self.metric.kind, MetricKind::Conversion | MetricKind::Count)
    }
}
