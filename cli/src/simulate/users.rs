//! Simulated users: what each of them would do, drawn from the seed alone.

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};

/// Median worth of a purchase.
const MEDIAN_WORTH: f64 = 40.0;
/// Spread of its logarithm: a few large purchases, as shops have them.
const SPREAD: f64 = 0.5;
/// Share of users who ask for support, in any variant.
const SUPPORT_RATE: f64 = 0.05;

/// What is true of the experiment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Truth {
    control: f64,
    treatment: f64,
}

impl Truth {
    /// The rates that follow from the control's rate and the lift; none if one is not between 0 and 1.
    pub(super) fn new(rate: f64, lift: f64) -> Option<Self> {
        let truth = Self {
            control: rate,
            treatment: rate * (1.0 + lift),
        };
        let possible = |rate: f64| (0.0..=1.0).contains(&rate) && rate > 0.0;
        (possible(truth.control) && possible(truth.treatment)).then_some(truth)
    }

    /// For people.
    pub(super) fn sentence(self) -> String {
        let worth = MEDIAN_WORTH * (SPREAD * SPREAD / 2.0).exp();
        let lift = (self.treatment / self.control - 1.0) * 100.0;
        format!(
            "  Purchase rate     {:.2} % in the control, {:.2} % in the treatment: {lift:+.1} %\n  \
               Revenue per user  {:.2} and {:.2}: {lift:+.1} %\n  \
               Support requests  the same in both",
            self.control * 100.0,
            self.treatment * 100.0,
            self.control * worth,
            self.treatment * worth
        )
    }
}

/// A user: fixed draws, whatever the variant. A user who buys in the control would buy in a treatment that helps.
#[derive(Debug, Clone, Copy)]
pub(super) struct User {
    number: u32,
    buys: f64,
    worth: f64,
    asks: f64,
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
        Self {
            number,
            buys,
            worth: MEDIAN_WORTH * (SPREAD * normal).exp(),
            asks,
        }
    }

    /// Holds the experiment's id: users of another simulation are others, and their events count there only.
    pub(super) fn id(self, experiment: &str) -> String {
        format!("{experiment}-user-{}", self.number)
    }

    /// What the user does in a variant. The server takes their time of arrival, which is after the assignment.
    pub(super) fn events(self, experiment: &str, treated: bool, truth: Truth) -> Vec<Value> {
        let user = self.id(experiment);
        let rate = if treated {
            truth.treatment
        } else {
            truth.control
        };
        let mut events = Vec::new();
        if self.buys < rate {
            let cents = (self.worth * 100.0).round() / 100.0;
            events.push(json!({
                "event_id": format!("{user}-purchase"), "user_id": user, "type": "purchase", "value": cents,
            }));
        }
        if self.asks < SUPPORT_RATE {
            events.push(json!({
                "event_id": format!("{user}-support"), "user_id": user, "type": "support_request",
            }));
        }
        events
    }
}
