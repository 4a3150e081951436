//! Simulated users. The attributes and events of a user depend only on the seed.

use domain::time::Timestamp;
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};

/// Median value of a purchase.
const MEDIAN_VALUE: f64 = 40.0;
/// Standard deviation of the logarithm of the value. It gives a few very large purchases, as in real shops.
const SPREAD: f64 = 0.9;
/// Share of users with a support request, in both variants.
const SUPPORT_RATE: f64 = 0.3;
/// Share of users whose pre-exposure purchase predicts their purchase in the experiment.
const PREDICTIVE_SHARE: f64 = 0.7;

/// Days of the simulated history.
pub(super) const DAYS: u32 = 14;
const HOUR: f64 = 3_600e6;

/// Platforms: name, share of the users, and factor of the lift. The weighted mean of the factors is 1.
pub(super) const PLATFORMS: [(&str, f64, f64); 3] =
    [("ios", 0.3, 2.0), ("android", 0.4, 1.0), ("web", 0.3, 0.0)];

/// The true purchase rate of the control and the true lift.
#[derive(Debug, Clone, Copy)]
pub(super) struct TrueRates {
    rate: f64,
    lift: f64,
}

impl TrueRates {
    /// Returns `None` if the rate of any platform is not between 0 and 1.
    pub(super) fn new(rate: f64, lift: f64) -> Option<Self> {
        let true_rates = Self { rate, lift };
        let possible = |rate: f64| rate > 0.0 && rate <= 1.0;
        let treated = PLATFORMS.map(|(_, _, factor)| true_rates.treated(factor));
        (possible(rate) && treated.into_iter().all(possible)).then_some(true_rates)
    }

    /// Purchase rate in the treatment of users with this factor of the lift.
    fn treated(self, factor: f64) -> f64 {
        self.rate * (1.0 + self.lift * factor)
    }

    /// Describes the true rates for the user of the command.
    pub(super) fn description(self) -> String {
        let purchase_value = MEDIAN_VALUE * (SPREAD * SPREAD / 2.0).exp();
        let (control, treatment) = (self.rate, self.treated(1.0));
        let lift = self.lift * 100.0;
        let parts = PLATFORMS.map(|(name, _, factor)| format!("{name} {:+.1}%", lift * factor));
        format!(
            "  Purchase rate     {:.2}% in the control, {:.2}% in the treatment: {lift:+.1}% ({})\n  \
               Revenue per user  {:.2} in the control, {:.2} in the treatment: {lift:+.1}%\n  \
               Support requests  the same in both variants",
            control * 100.0,
            treatment * 100.0,
            parts.join(", "),
            control * purchase_value,
            treatment * purchase_value
        )
    }
}

/// A user with random draws that do not depend on the variant. With a positive lift, a user that buys in the control would
/// also buy in the treatment.
#[derive(Debug, Clone, Copy)]
pub(super) struct User {
    number: u32,
    buys: f64,
    bought: f64,
    purchase_value: f64,
    asks: f64,
    platform: (&'static str, f64),
    /// Day of the first visit, and the time as a fraction of that day.
    arrives: (u32, f64),
}

impl User {
    /// Draws the user with this number.
    pub(super) fn draw(seed: u32, number: u32) -> Self {
        // Each user has a separate generator, so the number and order of users do not change a user.
        let mut source = Pcg64Mcg::seed_from_u64(u64::from(seed) << 32 | u64::from(number));
        let mut uniform = || ((source.next_u64() >> 11) as f64 + 0.5) / 9_007_199_254_740_992.0;
        let (buys, asks, radius, angle) = (uniform(), uniform(), uniform(), uniform());
        // The Box-Muller transform: a standard normal draw from two uniform draws.
        let normal = (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos();
        let (predictive, other) = (uniform(), uniform());
        // The mean of two uniform draws makes noon more likely than midnight.
        let (day, hour) = (uniform(), (uniform() + uniform()) / 2.0);
        Self {
            number,
            buys,
            bought: if predictive < PREDICTIVE_SHARE {
                buys
            } else {
                other
            },
            purchase_value: MEDIAN_VALUE * (SPREAD * normal).exp(),
            asks,
            platform: platform(uniform()),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a day of the history"
            )]
            arrives: ((day * f64::from(DAYS)) as u32, hour),
        }
    }

    /// The id contains the experiment's id, so each simulation has different users.
    pub(super) fn id(self, experiment: &str) -> String {
        format!("{experiment}-user-{}", self.number)
    }

    /// The user's platform.
    pub(super) fn platform(self) -> &'static str {
        self.platform.0
    }

    /// Time of the first visit in a history that starts at `begin`. It is at least an hour before the end of a day, so that
    /// the user's events are also in the history.
    pub(super) fn arrival(self, begin: Timestamp) -> Timestamp {
        let (day, hour) = self.arrives;
        after(begin, f64::from(day) * 24.0 + hour * 22.9)
    }

    /// The user's events in a variant. With `begin`, they are in the history that starts there and include pre-exposure
    /// purchases. Without it, they have no time, and the server uses the time of arrival.
    pub(super) fn events(
        self,
        experiment: &str,
        treated: bool,
        true_rates: TrueRates,
        begin: Option<Timestamp>,
    ) -> Vec<Value> {
        let rate = if treated {
            true_rates.treated(self.platform.1)
        } else {
            true_rates.rate
        };
        let arrival = begin.map(|begin| self.arrival(begin));
        let mut events = Vec::new();
        let mut event = |name: &str, event_type: &str, value: Option<f64>, hours: f64| {
            let user = self.id(experiment);
            let mut event = json!({
                "event_id": format!("{user}-{name}"), "user_id": user, "type": event_type,
            });
            if let Some(value) = value {
                event["value"] = json!((value * 100.0).round() / 100.0);
            }
            if let Some(arrival) = arrival {
                event["timestamp"] = json!(after(arrival, hours).to_string());
            }
            events.push(event);
        };
        if arrival.is_some() && self.bought < true_rates.rate {
            event(
                "pre_exposure",
                "purchase",
                Some(self.purchase_value),
                -24.0 * (1.0 + 9.0 * self.asks),
            );
        }
        if self.buys < rate {
            event(
                "purchase",
                "purchase",
                Some(self.purchase_value),
                0.2 + 0.7 * self.asks,
            );
        }
        if self.asks < SUPPORT_RATE {
            event("support", "support_request", None, 0.5);
        }
        events
    }
}

fn platform(draw: f64) -> (&'static str, f64) {
    let mut upper = 0.0;
    for (name, share, factor) in PLATFORMS {
        upper += share;
        if draw < upper {
            return (name, factor);
        }
    }
    let (name, _, factor) = PLATFORMS[PLATFORMS.len() - 1];
    (name, factor)
}

fn after(time: Timestamp, hours: f64) -> Timestamp {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a few weeks in microseconds"
    )]
    let micros = (hours * HOUR) as i64;
    time.plus_micros(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weighted_mean_of_the_platform_factors_is_one() {
        let shares: f64 = PLATFORMS.iter().map(|(_, share, _)| share).sum();
        let lift: f64 = PLATFORMS
            .iter()
            .map(|(_, share, factor)| share * factor)
            .sum();
        assert!((shares - 1.0).abs() < 1e-12 && (lift - 1.0).abs() < 1e-12);
    }

    #[test]
    fn all_events_are_within_the_history() {
        let begin = Timestamp::from_micros(0);
        let end = begin
            .plus_micros(i64::from(DAYS) * 24 * 3_600_000_000)
            .to_string();
        let true_rates = TrueRates::new(0.5, 0.1).unwrap();
        for number in 0..2_000 {
            let user = User::draw(1, number);
            for event in user.events("e", true, true_rates, Some(begin)) {
                assert!(
                    event["timestamp"].as_str().unwrap() < end.as_str(),
                    "{event}"
                );
            }
        }
    }
}
