//! Simulated users: what each of them is and would do, drawn from the seed alone.

use domain::time::Timestamp;
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};

/// Median worth of a purchase.
const MEDIAN_WORTH: f64 = 40.0;
/// Spread of its logarithm: a few very large purchases, as shops have them.
const SPREAD: f64 = 0.9;
/// Share of users who ask for support, in any variant.
const SUPPORT_RATE: f64 = 0.3;
/// Share of users whose purchase before the experiment tells what they do in it.
const HABIT: f64 = 0.7;

/// Days of history.
pub(super) const DAYS: u32 = 14;
const HOUR: f64 = 3_600e6;

/// What users are, their share, and how much of the lift they have: on average over all users all of it.
pub(super) const PLATFORMS: [(&str, f64, f64); 3] =
    [("ios", 0.3, 2.0), ("android", 0.4, 1.0), ("web", 0.3, 0.0)];

/// What is true of the experiment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Truth {
    rate: f64,
    lift: f64,
}

impl Truth {
    /// The rates that follow from the control's rate and the lift; none if one is not between 0 and 1.
    pub(super) fn new(rate: f64, lift: f64) -> Option<Self> {
        let truth = Self { rate, lift };
        let possible = |rate: f64| rate > 0.0 && rate <= 1.0;
        let treated = PLATFORMS.map(|(_, _, part)| truth.treated(part));
        (possible(rate) && treated.into_iter().all(possible)).then_some(truth)
    }

    /// The rate in the treatment of users with this part of the lift.
    fn treated(self, part: f64) -> f64 {
        self.rate * (1.0 + self.lift * part)
    }

    /// For user data.
    pub(super) fn sentence(self) -> String {
        let worth = MEDIAN_WORTH * (SPREAD * SPREAD / 2.0).exp();
        let (control, treatment) = (self.rate, self.treated(1.0));
        let lift = self.lift * 100.0;
        let parts = PLATFORMS.map(|(name, _, part)| format!("{name} {:+.1} %", lift * part));
        format!(
            "  Purchase rate     {:.2} % in the control, {:.2} % in the treatment: {lift:+.1} % ({})\n  \
               Revenue per user  {:.2} and {:.2}: {lift:+.1} %\n  \
               Support requests  the same in both",
            control * 100.0,
            treatment * 100.0,
            parts.join(", "),
            control * worth,
            treatment * worth
        )
    }
}

/// A user: fixed draws, whatever the variant. A user who buys in the control would buy in a treatment that helps.
#[derive(Debug, Clone, Copy)]
pub(super) struct User {
    number: u32,
    buys: f64,
    bought: f64,
    worth: f64,
    asks: f64,
    platform: (&'static str, f64),
    /// Days and part of a day from the beginning to the first visit.
    arrives: (u32, f64),
}

impl User {
    /// The user of this number.
    pub(super) fn draw(seed: u32, number: u32) -> Self {
        // A generator of its own for each user, so that their number and order change nobody.
        let mut source = Pcg64Mcg::seed_from_u64(u64::from(seed) << 32 | u64::from(number));
        let mut uniform = || ((source.next_u64() >> 11) as f64 + 0.5) / 9_007_199_254_740_992.0;
        let (buys, asks, radius, angle) = (uniform(), uniform(), uniform(), uniform());
        // Box and Muller: a standard normal out of two uniforms.
        let normal = (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos();
        let (habit, other) = (uniform(), uniform());
        // Two uniforms make noon likelier than midnight.
        let (day, hour) = (uniform(), (uniform() + uniform()) / 2.0);
        Self {
            number,
            buys,
            bought: if habit < HABIT { buys } else { other },
            worth: MEDIAN_WORTH * (SPREAD * normal).exp(),
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

    /// Holds the experiment's id: users of another simulation are others, and their events count there only.
    pub(super) fn id(self, experiment: &str) -> String {
        format!("{experiment}-user-{}", self.number)
    }

    /// Which device the user has.
    pub(super) fn platform(self) -> &'static str {
        self.platform.0
    }

    /// When the user came, in a history that begins here: an hour before the end of a day at the latest, so that the
    /// user's events lie in the history, too.
    pub(super) fn arrival(self, begin: Timestamp) -> Timestamp {
        let (day, hour) = self.arrives;
        after(begin, f64::from(day) * 24.0 + hour * 22.9)
    }

    /// What the user does in a variant: in a history that begins here, with purchases before the experiment; or now,
    /// where the server takes the time of arrival, which is after the assignment.
    pub(super) fn events(
        self,
        experiment: &str,
        treated: bool,
        truth: Truth,
        begin: Option<Timestamp>,
    ) -> Vec<Value> {
        let rate = if treated {
            truth.treated(self.platform.1)
        } else {
            truth.rate
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
        if arrival.is_some() && self.bought < truth.rate {
            event(
                "pre_exposure",
                "purchase",
                Some(self.worth),
                -24.0 * (1.0 + 9.0 * self.asks),
            );
        }
        if self.buys < rate {
            event(
                "purchase",
                "purchase",
                Some(self.worth),
                0.2 + 0.7 * self.asks,
            );
        }
        if self.asks < SUPPORT_RATE {
            event("support", "support_request", None, 0.5);
        }
        events
    }
}

fn platform(place: f64) -> (&'static str, f64) {
    let mut upper = 0.0;
    for (name, share, part) in PLATFORMS {
        upper += share;
        if place < upper {
            return (name, part);
        }
    }
    let (name, _, part) = PLATFORMS[PLATFORMS.len() - 1];
    (name, part)
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
    fn the_parts_of_the_lift_add_up_to_the_lift() {
        let shares: f64 = PLATFORMS.iter().map(|(_, share, _)| share).sum();
        let lift: f64 = PLATFORMS.iter().map(|(_, share, part)| share * part).sum();
        assert!((shares - 1.0).abs() < 1e-12 && (lift - 1.0).abs() < 1e-12);
    }

    #[test]
    fn nobody_comes_or_buys_after_the_history() {
        let begin = Timestamp::from_micros(0);
        let end = begin
            .plus_micros(i64::from(DAYS) * 24 * 3_600_000_000)
            .to_string();
        let truth = Truth::new(0.5, 0.1).unwrap();
        for number in 0..2_000 {
            let user = User::draw(1, number);
            for event in user.events("e", true, truth, Some(begin)) {
                assert!(
                    event["timestamp"].as_str().unwrap() < end.as_str(),
                    "{event}"
                );
            }
        }
    }
}
