//! Bodies of feature flags: each case is at the edge of one rule.

use super::answers::experiment;
use super::api::Api;
use super::flags::{boolean, full, sent};
use super::requests::agrees;
use serde_json::{Value, json};

/// For each pointer into a flag: values, and whether they are accepted.
fn edges() -> Vec<(&'static str, Vec<(Value, bool)>)> {
    vec![
        (
            "/key",
            vec![
                (json!("a.b-_1"), true),
                (json!(".b"), false),
                (json!("é"), false),
                (json!(1), false),
            ],
        ),
        (
            "/name",
            vec![
                (json!("x"), true),
                (json!(" "), false),
                (json!(null), false),
            ],
        ),
        ("/owner", vec![(json!("x"), true), (json!(""), false)]),
        (
            "/tags",
            vec![
                (json!([]), true),
                (json!(["a", "a"]), false),
                (json!(["x".repeat(51)]), false),
            ],
        ),
        (
            "/value_type",
            vec![
                (json!("object"), true),
                (json!("json"), false),
                (json!(null), false),
            ],
        ),
        (
            "/variants/1/key",
            vec![
                (json!("off"), true),
                (json!(""), false),
                (json!("o f"), false),
            ],
        ),
        (
            "/variants/0/value",
            vec![
                (json!({"color": "", "a": {"$b": [null]}}), true),
                (json!({"color": "", "$a": 1}), false),
                (json!({"color": "", "": 1}), false),
                (json!(null), false),
                (json!([]), false),
            ],
        ),
        ("/variants", vec![(json!([]), false), (json!({}), false)]),
        (
            "/schema",
            vec![(json!({}), true), (json!(true), false), (json!([]), false)],
        ),
        (
            "/environments",
            vec![
                (json!({"production": null}), true),
                (json!({"Production": null}), false),
                (json!({"a b": null}), false),
                (json!({"production": {}}), false),
                (json!([]), false),
            ],
        ),
        (
            "/environments/production/enabled",
            vec![
                (json!(false), true),
                (json!("true"), false),
                (json!(null), false),
            ],
        ),
        (
            "/environments/production/rules",
            vec![(json!([]), true), (json!({}), false)],
        ),
        (
            "/environments/production/rules/0/id",
            vec![
                (json!("r.1"), true),
                (json!("-r"), false),
                (json!("r".repeat(65)), false),
            ],
        ),
        (
            "/environments/production/rules/0/type",
            vec![
                (json!("serve"), true),
                (json!("rollout"), false),
                (json!("force"), false),
            ],
        ),
        (
            "/environments/production/rules/2/starts_at",
            vec![
                (json!("2026-01-01T00:00:00Z"), true),
                (json!("2026-01-01"), false),
            ],
        ),
        (
            "/environments/production/rules/0/condition",
            vec![(json!({}), true), (json!([]), false), (json!("a"), false)],
        ),
        (
            "/environments/production/rules/1/traffic_percent",
            vec![(json!(0), true), (json!(100.5), false), (json!("5"), false)],
        ),
        (
            "/environments/production/rules/1/attribute",
            vec![
                (json!("a.b"), true),
                (json!("$a"), false),
                (json!(""), false),
            ],
        ),
        (
            "/environments/production/rules/1/hash_seed",
            vec![
                (json!(" "), true),
                (json!(""), false),
                (json!("a\n"), false),
                (json!("x".repeat(201)), false),
            ],
        ),
        (
            "/environments/production/rules/1/variants",
            vec![
                (json!([{"variant": "on", "percent": 100}]), true),
                (json!([]), false),
                (json!([{"variant": "on"}]), false),
            ],
        ),
        (
            "/environments/production/rules/1/ramp",
            vec![
                (json!([]), true),
                (json!([{"at": "2099-01-01T00:00:00Z"}]), false),
                (
                    json!([{"at": "2099-01-01T00:00:00Z", "traffic_percent": 5, "on_worse_guardrail": "hold"}]),
                    false,
                ),
            ],
        ),
        (
            "/environments/production/rules/2/experiment",
            vec![
                (json!("e"), true),
                (json!("e.e"), false),
                (json!(null), false),
            ],
        ),
        (
            "/environments/production/rules/2/variants",
            vec![
                (json!({"control": "on", "green": "on"}), true),
                (json!({"c d": "on"}), false),
                (json!({"control": 1}), false),
                (json!([]), false),
            ],
        ),
        (
            "/prerequisites",
            vec![
                (json!([]), true),
                (json!([{"flag": "needed", "variants": []}]), false),
                (json!([{"flag": "needed", "variants": ["on", "on"]}]), false),
                (json!([{"flag": "needed"}]), false),
            ],
        ),
    ]
}

#[tokio::test]
async fn bodies_of_flags_are_accepted_exactly_as_described() {
    let api = Api::start().await;
    api.post("/experiments", experiment("e")).await;
    let list = json!({"id": "list", "name": "List", "ids": ["ann"]});
    api.post("/segments", list).await;
    sent(&api, "post", "/flags", Some(boolean("needed")), 201).await;
    for (index, (pointer, mut values)) in edges().into_iter().enumerate() {
        let mut flag = full();
        // Each pointer has at most one accepted value. It is sent last, so each of these keys is used once.
        values.sort_by_key(|(_, accepted)| *accepted);
        flag["key"] = json!(format!("flag-{index}"));
        agrees(&api, "/flags", flag, pointer, &values).await;
    }
    let mut unknown = full();
    unknown["environments"]["production"]["rules"][0]["traffic_percent"] = json!(5);
    let refused = api.post("/flags", unknown).await;
    assert_eq!(refused.at("/errors/0/code"), "unknown_field");
}
