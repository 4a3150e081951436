//! `assay flags` while others change the same flag.

use super::support::World;
use assay::client::http_client;
use assay::gateway::{Function, http_function};
use assay::serve::PlatformOptions;
use lambda_http::{Body, Request, Response, service_fn};
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// The definitions that reads return, one after another; the last one stays.
type Definitions = Arc<Mutex<Vec<Value>>>;

/// Reads of a flag that are as old as a test wants, as if others changed the flag after them.
fn reads(definitions: Definitions) -> Function {
    http_function(service_fn(move |_: Request| {
        let mut definitions = definitions.lock().unwrap();
        let definition = match definitions.len() {
            1 => definitions[0].clone(),
            _ => definitions.remove(0),
        };
        let response = Response::builder().body(Body::from(definition.to_string()));
        async move { Ok::<_, std::convert::Infallible>(response.unwrap()) }
    }))
}

async fn send(world: &World, method: Method, path: &str, body: &Value) -> Value {
    let request = http_client()
        .request(method, format!("{}{path}", world.platform.url()))
        .bearer_auth(&world.platform.token)
        .header("if-match", "*")
        .json(body);
    request.send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn a_change_of_an_outdated_version_is_made_again_and_given_up_after_several_tries() {
    let definitions = Definitions::default();
    let options = PlatformOptions::for_tests();
    let options = options.with_function("get-flag", reads(definitions.clone()));
    let world = World::with(options).await;
    let flag = json!({
        "key": "f", "name": "F", "value_type": "boolean",
        "variants": [{"key": "on", "value": true}, {"key": "off", "value": false}],
        "environments": {"production": {"enabled": true, "off_variant": "off", "default_variant": "off"}},
    });
    let first = send(&world, Method::POST, "/flags", &flag).await;
    let rule = json!([{"id": "all", "type": "serve", "variant": "on"}]);
    let mut settings = flag["environments"]["production"].clone();
    settings["rules"] = rule.clone();
    let change = json!({"environments": {"production": settings}});
    let second = send(&world, Method::PATCH, "/flags/f", &change).await;

    *definitions.lock().unwrap() = vec![first.clone(), second];
    let printed = world.done(&["flags", "off", "f"]).await;
    assert!(printed.contains("version 3"), "{printed}");
    let third = send(&world, Method::PATCH, "/flags/f", &json!({"name": "F"})).await;
    let production = &third["environments"]["production"];
    assert_eq!(
        (&production["enabled"], &production["rules"]),
        (&json!(false), &rule),
        "the rule of the other caller is kept"
    );

    *definitions.lock().unwrap() = vec![first.clone(), third];
    let printed = world.done(&["flags", "revert", "f", "1"]).await;
    assert!(printed.contains("(version 4)"), "{printed}");

    *definitions.lock().unwrap() = vec![first];
    for command in [
        &["off", "f"][..],
        &["rollout", "f", "5"],
        &["revert", "f", "2"],
    ] {
        let ran = world.run(&[&["flags"], command].concat()).await;
        let expected = "is being changed by others at the same time";
        assert!(!ran.ok && ran.stderr.contains(expected), "{}", ran.stderr);
    }
}
