//! Warnings about definitions that are allowed and probably not meant.

use super::support::World;
use serde_json::{Value, json};

fn codes(experiment: &Value) -> Vec<&str> {
    let warnings = experiment["warnings"].as_array().into_iter().flatten();
    warnings
        .map(|warning| warning["code"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_definition_has_a_warning_for_each_thing_that_is_probably_not_meant() {
    let world = World::start().await;
    let admin = world.admin();
    let bare = admin.experiment("bare", json!({"status": "draft"})).await;
    assert_eq!(codes(&bare), ["no_metric", "no_plan"]);
    let read = admin.get("/experiments/bare").await.json(200);
    assert_eq!(codes(&read), codes(&bare));
    let metric =
        json!([{"key": "buy", "kind": "conversion", "event_type": "buy", "role": "secondary"}]);
    let plan = json!({"minimum_detectable_effect": 0.02, "users": 1_000, "power": 0.5});
    let changed = admin
        .change("bare", &json!({"metrics": metric, "plan": plan}))
        .await
        .json(200);
    assert_eq!(codes(&changed), ["no_primary_metric", "low_power"]);
    let plan = json!({"minimum_detectable_effect": 0.02, "users": 1_000});
    let metric =
        json!([{"key": "buy", "kind": "conversion", "event_type": "buy", "role": "primary"}]);
    let variants = |weights: [f64; 3]| {
        let keys = ["control", "green", "red"].into_iter().zip(weights);
        json!(
            keys.map(|(key, percent)| json!({"key": key, "percent": percent}))
                .collect::<Vec<_>>()
        )
    };
    let fields = |weights| json!({"metrics": metric, "plan": plan, "variants": variants(weights)});
    let thirds = admin
        .experiment("thirds", fields([33.33, 33.33, 33.33]))
        .await;
    assert!(thirds.get("warnings").is_none(), "{thirds}");
    let uneven = admin.experiment("uneven", fields([40.0, 60.0, 0.0])).await;
    assert_eq!(codes(&uneven), ["variant_without_users", "unequal_weights"]);

    let weights = json!({"variants": variants([0.0, 50.0, 50.0])});
    let changed = admin.change("thirds", &weights).await.json(200);
    assert_eq!(
        codes(&changed),
        ["variant_without_users", "weights_changed"]
    );
    let stopped = admin
        .change("thirds", &json!({"status": "stopped"}))
        .await
        .json(200);
    assert!(stopped.get("warnings").is_none());
}
