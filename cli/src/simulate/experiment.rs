//! The definition of the simulated experiment.

use super::SimulateArgs;
use domain::bucketing::{HashVersion, bucket_value};
use serde_json::{Value, json};
use stats::{Alpha, Capacity, detectable_rates};

pub(super) const CONTROL: &str = "control";
pub(super) const TREATMENT: &str = "treatment";

/// A sequential test needs more users than a fixed test. This share of the users would be enough for a fixed test.
const FIXED_SAMPLE_SHARE: f64 = 0.5;
const POWER: f64 = 0.8;

/// Id and hash seed of the experiment.
pub(super) fn id(seed: u32) -> String {
    format!("simulation-{seed}")
}

/// Request body that creates the experiment.
pub(super) fn definition(args: &SimulateArgs, seed: u32) -> Value {
    let id = id(seed);
    let way = if args.live { ", one by one" } else { "" };
    let description = format!(
        "Simulated: {} users{way}, purchase rate {}% in the control, true lift {:+}%.",
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

/// The variant that the API's assignment would choose for a new user.
pub(super) fn variant(experiment: &str, user: &str) -> &'static str {
    if bucket_value(experiment, user, HashVersion::V2) < 0.5 {
        CONTROL
    } else {
        TREATMENT
    }
}

/// The smallest lift of the purchase rate that the planned number of users can detect, or `None` if they can detect none.
fn minimum_detectable_effect(args: &SimulateArgs) -> Option<f64> {
    let rate = args.rate / 100.0;
    let each = f64::from(args.users) / 2.0 * FIXED_SAMPLE_SHARE;
    let capacity = Capacity {
        control: each,
        treatment: each,
        alpha: Alpha::FIVE_PERCENT,
        power: POWER,
    };
    let found = detectable_rates(rate, &capacity).ok()?.up?;
    // Round up to a tenth of a percent.
    Some(((found / rate - 1.0) * 1000.0).ceil() / 1000.0)
}
