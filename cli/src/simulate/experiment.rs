//! The simulated experiment: what it measures, and what it was planned to find.

use super::SimulateArgs;
use domain::bucketing::{HashVersion, bucket_value};
use serde_json::{Value, json};
use stats::{Alpha, Capacity, detectable_rates};

pub(super) const CONTROL: &str = "control";
pub(super) const TREATMENT: &str = "treatment";

/// A result that may be looked at all the time takes more users than one look at the end: this part of them would do
/// for the one look.
const PART_FOR_ONE_LOOK: f64 = 0.5;
const POWER: f64 = 0.8;

/// Its id, which is its hash seed, too.
pub(super) fn id(seed: u32) -> String {
    format!("simulation-{seed}")
}

/// The body that creates it.
pub(super) fn definition(args: &SimulateArgs, seed: u32) -> Value {
    let id = id(seed);
    let way = if args.live { ", one by one" } else { "" };
    let description = format!(
        "Simulated: {} users{way}, {} % of the control buy, true lift {:+} %.",
        args.users, args.rate, args.lift
    );
    let mut body = json!({
        "id": id,
        "name": format!("Simulation {seed}"),
        "description": description,
        "hash_seed": id,
        "variants": [{"key": CONTROL, "percent": 50}, {"key": TREATMENT, "percent": 50}],
        "dimensions": ["platform"],
        "metrics": [
            {"key": "purchase", "name": "Purchase rate", "kind": "conversion", "event_type": "purchase", "role": "primary"},
            {"key": "revenue", "name": "Revenue per user", "kind": "sum", "event_type": "purchase", "cap_percentile": 0.99},
            {"key": "support", "name": "Support requests", "kind": "count", "event_type": "support_request",
             "role": "guardrail", "direction": "decrease", "margin": 0.15},
        ],
    });
    if let Some(minimum_detectable_effect) = minimum_detectable_effect(args) {
        body["plan"] = json!({
            "metric": "purchase", "minimum_detectable_effect": minimum_detectable_effect, "users": args.users, "power": POWER,
        });
    }
    body
}

/// The variant that the assignment of a new user would choose.
pub(super) fn variant(experiment: &str, user: &str) -> &'static str {
    if bucket_value(experiment, user, HashVersion::V2) < 0.5 {
        CONTROL
    } else {
        TREATMENT
    }
}

/// The smallest rise of purchases that so many users can show; none where they can show none.
fn minimum_detectable_effect(args: &SimulateArgs) -> Option<f64> {
    let rate = args.rate / 100.0;
    let each = f64::from(args.users) / 2.0 * PART_FOR_ONE_LOOK;
    let capacity = Capacity {
        control: each,
        treatment: each,
        alpha: Alpha::FIVE_PERCENT,
        power: POWER,
    };
    let found = detectable_rates(rate, &capacity).ok()?.up?;
    // A plan is made in whole tenths of a percent.
    Some(((found / rate - 1.0) * 1000.0).ceil() / 1000.0)
}
