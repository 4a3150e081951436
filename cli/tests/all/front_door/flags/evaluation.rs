//! The evaluation of flags: OFREP, GrowthBook's payload and remote evaluation, and the explanation.

use super::super::proxy::Counter;
use super::super::support::{Answer, Caller, World, ago, without_definition_cache};
use super::{change, checkout, created};
use assay::serve::PlatformOptions;
use serde_json::{Value, json};
use std::time::Duration;

/// Evaluates one flag for a user.
async fn evaluate(caller: &Caller, key: &str, context: &Value) -> Answer {
    let path = format!("/ofrep/v1/evaluate/flags/{key}");
    caller.post(&path, &json!({"context": context})).await
}

async fn variant(caller: &Caller, key: &str, user: &str) -> Value {
    let context = json!({"targetingKey": user});
    evaluate(caller, key, &context).await.json(200)["variant"].clone()
}

/// A flag whose only rule is an experiment.
fn experiment_flag(key: &str, experiment: &str) -> Value {
    let mut flag = checkout(key);
    flag["environments"]["production"]["rules"] = json!([{
        "id": "test", "type": "experiment", "experiment": experiment,
        "variants": {"control": "off", "green": "on"},
    }]);
    flag
}

#[tokio::test]
async fn a_flag_is_evaluated_by_its_rules() {
    let world = World::with(without_definition_cache()).await;
    let admin = world.admin();
    created(&admin, checkout("checkout")).await;
    let core = json!({"targetingKey": "ann", "team": "core"});
    let answer = evaluate(&admin, "checkout", &core).await.json(200);
    assert_eq!(
        answer,
        json!({
            "key": "checkout", "reason": "TARGETING_MATCH", "variant": "on", "value": true,
            "metadata": {"flagVersion": 1, "rule": "team"},
        })
    );
    let other = json!({"targetingKey": "ann"});
    let answer = evaluate(&admin, "checkout", &other).await.json(200);
    assert_eq!(
        (&answer["reason"], &answer["value"]),
        (&json!("DEFAULT"), &json!(false))
    );
    // No rule needs a user.
    assert_eq!(
        evaluate(&admin, "checkout", &json!({})).await.json(200)["variant"],
        "off"
    );

    let unknown = evaluate(&admin, "nothing", &other).await.json(404);
    assert_eq!(
        (&unknown["key"], &unknown["errorCode"]),
        (&json!("nothing"), &json!("FLAG_NOT_FOUND"))
    );
    assert!(unknown["errorDetails"].is_string(), "{unknown}");
    for (context, code) in [
        (json!({"targetingKey": 7}), "INVALID_CONTEXT"),
        (json!([]), "INVALID_CONTEXT"),
        (json!({"targetingKey": "a", "id": "b"}), "INVALID_CONTEXT"),
        (json!({"long": "x".repeat(10_000)}), "INVALID_CONTEXT"),
    ] {
        let refused = evaluate(&admin, "checkout", &context).await.json(400);
        assert_eq!(refused["errorCode"], code, "{refused}");
    }
    let headers = [("content-type", "application/json")];
    let path = "/ofrep/v1/evaluate/flags/checkout";
    let refused = admin.send("POST", path, &headers, "{").await.json(400);
    assert_eq!(refused["errorCode"], "PARSE_ERROR", "{refused}");
    let large = format!("{{\"context\": \"{}\"}}", "x".repeat(1024 * 1024));
    let refused = admin.send("POST", path, &headers, large).await.json(413);
    assert_eq!(refused["errorCode"], "PARSE_ERROR", "{refused}");

    let off = json!({"enabled": false, "off_variant": "off", "default_variant": "on"});
    change(
        &admin,
        "checkout",
        &json!({"environments": {"production": off}}),
    )
    .await
    .json(200);
    let answer = evaluate(&admin, "checkout", &core).await.json(200);
    assert_eq!(
        (&answer["reason"], &answer["variant"]),
        (&json!("DISABLED"), &json!("off"))
    );
}

#[tokio::test]
async fn a_user_of_an_experiment_is_assigned_and_keeps_the_variant() {
    let world = World::with(without_definition_cache()).await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    created(&admin, experiment_flag("f", "e")).await;
    let mut variants = Vec::new();
    for user in 0..20 {
        let user = format!("user-{user}-é");
        let flag = variant(&admin, "f", &user).await;
        let assignment = admin.assign("e", &user).await;
        assert_eq!(assignment["reason"], "existing", "{assignment}");
        let expected = if assignment["variant"] == "green" {
            "on"
        } else {
            "off"
        };
        assert_eq!(flag, expected);
        variants.push((user, flag));
    }
    assert!(
        variants.iter().any(|(_, flag)| flag == "on")
            && variants.iter().any(|(_, flag)| flag == "off")
    );
    // Other weights move no user who is assigned, a pause and the end neither.
    let weights = json!([{"key": "control", "percent": 100}, {"key": "green", "percent": 0}]);
    admin
        .change("e", &json!({"variants": weights}))
        .await
        .json(200);
    let keeps_all = async || {
        for (user, flag) in &variants {
            assert_eq!(variant(&admin, "f", user).await, *flag);
        }
    };
    keeps_all().await;
    for (status, reason) in [
        ("paused", "paused"),
        ("running", ""),
        ("stopped", "stopped"),
    ] {
        admin
            .change("e", &json!({"status": status}))
            .await
            .json(200);
        keeps_all().await;
        if !reason.is_empty() {
            let explain = json!({"attributes": {"id": "new"}});
            let explained = admin.post("/flags/f/evaluate", &explain).await.json(200);
            assert_eq!(explained["left_out"][0]["reason"], reason, "{explained}");
            assert_eq!(explained["reason"], "DEFAULT");
        }
    }
    let released =
        json!({"release": "green", "conclusion": {"outcome": "won", "variant": "green"}});
    admin.change("e", &released).await.json(200);
    for (user, _) in &variants {
        assert_eq!(variant(&admin, "f", user).await, "on");
    }
}

#[tokio::test]
async fn a_user_whom_the_experiment_does_not_enroll_gets_to_the_next_rule() {
    let world = World::with(without_definition_cache()).await;
    let admin = world.admin();
    admin
        .experiment("e", json!({"targeting": {"country": "DE"}}))
        .await;
    let mut flag = experiment_flag("f", "e");
    flag["environments"]["production"]["default_variant"] = json!("on");
    flag["environments"]["production"]["off_variant"] = json!("off");
    created(&admin, flag).await;
    let french = json!({"targetingKey": "ann", "country": "FR"});
    let answer = evaluate(&admin, "f", &french).await.json(200);
    assert_eq!(
        (&answer["reason"], &answer["variant"]),
        (&json!("DEFAULT"), &json!("on"))
    );
    // An erased user is not stored again, although the rules would enroll the user.
    admin.send("DELETE", "/users/bob", &[], "").await.json(200);
    let german = json!({"targetingKey": "bob", "country": "DE"});
    let answer = evaluate(&admin, "f", &german).await.json(200);
    assert_eq!(
        (&answer["reason"], &answer["variant"]),
        (&json!("DEFAULT"), &json!("on"))
    );
    let missing = evaluate(&admin, "f", &json!({"country": "DE"}))
        .await
        .json(400);
    assert_eq!(missing["errorCode"], "TARGETING_KEY_MISSING");

    let explain = json!({"attributes": {"id": "eve", "country": "FR"}});
    let explained = admin.post("/flags/f/evaluate", &explain).await.json(200);
    assert_eq!(explained["trace"][0]["skipped"], "condition", "{explained}");
    let explain =
        json!({"attributes": {"id": "eve", "country": "DE"}, "environment": "production"});
    let explained = admin.post("/flags/f/evaluate", &explain).await.json(200);
    assert_eq!(explained["experiment"]["id"], "e", "{explained}");
    // Nothing is stored.
    let assignment = admin
        .get("/experiments/e/assignment/eve?attributes.country=DE&enroll=false")
        .await
        .json(200);
    assert_eq!(assignment["reason"], "split", "{assignment}");
}

#[tokio::test]
async fn all_flags_are_evaluated_at_once_and_the_tag_changes_with_the_context() {
    let world = World::with(without_definition_cache()).await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    created(&admin, checkout("a")).await;
    created(&admin, experiment_flag("b", "e")).await;
    let all = async |context: &Value, headers: &[(&str, &str)]| {
        let headers = [&[("content-type", "application/json")], headers].concat();
        let body = json!({"context": context}).to_string();
        admin
            .send("POST", "/ofrep/v1/evaluate/flags", &headers, body)
            .await
    };
    let ann = json!({"targetingKey": "ann"});
    let first = all(&ann, &[]).await;
    let flags = first.json(200)["flags"].clone();
    assert_eq!(flags.as_array().unwrap().len(), 2);
    assert_eq!(flags[1]["metadata"]["experiment"], "e");
    let tag = first.header("etag");
    let again = all(&ann, &[("if-none-match", tag)]).await;
    assert_eq!(again.status, 304);
    let core = json!({"targetingKey": "ann", "team": "core"});
    let other = all(&core, &[("if-none-match", tag)]).await;
    assert_eq!(other.json(200)["flags"][0]["value"], true);
    let without_user = all(&json!({}), &[]).await.json(200);
    assert_eq!(
        without_user["flags"][1]["errorCode"],
        "TARGETING_KEY_MISSING"
    );
}

#[tokio::test]
async fn client_keys_see_flags_and_nothing_else() {
    let world = World::with(without_definition_cache()).await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    let mut web = experiment_flag("web", "e");
    web["tags"] = json!(["web"]);
    created(&admin, web).await;
    created(&admin, checkout("internal")).await;
    let key = json!({"name": "Shop", "flag_tags": ["web"], "origins": ["https://shop.example"]});
    let key = admin.post("/client-keys", &key).await.json(201);
    let key = key["key"].as_str().unwrap();
    let page = [("origin", "https://shop.example")];

    let path = format!("/api/features/{key}");
    let visitor = world.authorization(None);
    let features = visitor.send("GET", &path, &page, "").await;
    assert_eq!(
        features.header("access-control-allow-origin"),
        "https://shop.example"
    );
    assert!(
        features
            .header("cache-control")
            .contains("stale-while-revalidate")
    );
    let payload = features.json(200);
    let names: Vec<&String> = payload["features"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["web"]);
    let rule = &payload["features"]["web"]["rules"][0];
    assert_eq!(
        (&rule["key"], &rule["hashVersion"]),
        (&json!("e"), &json!(2))
    );
    let tag = features.header("etag");
    let headers = [page[0], ("if-none-match", tag)];
    assert_eq!(visitor.send("GET", &path, &headers, "").await.status, 304);
    assert_eq!(
        visitor
            .send("GET", &path, &[("origin", "https://evil.example")], "")
            .await
            .status,
        403
    );
    assert_eq!(
        visitor
            .send("GET", "/api/features/ck_AAAAAAAAAAAAAAAAAAAAAA", &page, "")
            .await
            .status,
        401
    );

    let body = json!({"attributes": {"id": "ann"}, "forcedVariations": {}, "forcedFeatures": [], "url": ""});
    let headers = [page[0], ("content-type", "application/json")];
    let path = format!("/api/eval/{key}");
    let evaluated = visitor
        .send("POST", &path, &headers, body.to_string())
        .await
        .json(200);
    let feature = &evaluated["features"]["web"];
    let assigned = admin.assign("e", "ann").await;
    assert_eq!(assigned["reason"], "existing");
    assert_eq!(feature["defaultValue"], assigned["variant"] == "green");
    assert_eq!(
        feature["rules"][0]["tracks"][0]["result"]["key"],
        assigned["variant"]
    );

    let bearer = world.bearer(key);
    let headers = [page[0], ("content-type", "application/json")];
    let body = json!({"context": {"targetingKey": "ann"}}).to_string();
    let all = bearer
        .send("POST", "/ofrep/v1/evaluate/flags", &headers, body.clone())
        .await
        .json(200);
    assert_eq!(all["flags"].as_array().unwrap().len(), 1);
    let hidden = bearer
        .send("POST", "/ofrep/v1/evaluate/flags/internal", &headers, body)
        .await;
    assert_eq!(hidden.json(404)["errorCode"], "FLAG_NOT_FOUND");
    assert_eq!(bearer.send("GET", "/flags", &headers, "").await.status, 403);
}

#[tokio::test]
async fn flags_cost_no_call_and_those_with_experiments_one_for_all_of_them() {
    let (world, counter) = Counter::in_front_of(PlatformOptions::for_tests()).await;
    let admin = world.admin();
    for number in 0..100 {
        created(&admin, checkout(&format!("f{number}"))).await;
    }
    let key = admin
        .post("/client-keys", &json!({"name": "Shop"}))
        .await
        .json(201);
    let key = key["key"].as_str().unwrap();
    let headers = [("content-type", "application/json")];
    let all = async |user: &str| {
        let body = json!({"context": {"targetingKey": user, "team": "core"}}).to_string();
        let path = "/ofrep/v1/evaluate/flags";
        let answer = admin.send("POST", path, &headers, body).await.json(200);
        answer["flags"].as_array().unwrap().len()
    };
    // Each function reads the flags once.
    assert_eq!(all("ann").await, 100);
    evaluate(&admin, "f7", &json!({})).await.json(200);
    let page = world.authorization(None);
    let features = format!("/api/features/{key}");
    page.get(&features).await.json(200);
    counter.take();
    assert_eq!(all("bob").await, 100);
    evaluate(&admin, "f7", &json!({"targetingKey": "bob"}))
        .await
        .json(200);
    page.get(&features).await.json(200);
    let calls = counter.take();
    assert!(calls.is_empty(), "{calls:?}");
    counter.shutdown(world).await;

    // Two experiments: one query finds the assignments of a user.
    let (world, counter) = Counter::in_front_of(PlatformOptions::for_tests()).await;
    let admin = world.admin();
    for id in ["e", "g"] {
        admin.experiment(id, json!({})).await;
        created(&admin, experiment_flag(&format!("flag-{id}"), id)).await;
    }
    let all = async |user: &str| {
        let body = json!({"context": {"targetingKey": user}}).to_string();
        let path = "/ofrep/v1/evaluate/flags";
        admin.send("POST", path, &headers, body).await.json(200);
    };
    all("ann").await;
    all("bob").await;
    counter.take();
    all("bob").await;
    let cost = counter.cost();
    assert_eq!((cost.calls, cost.write_units), (1, 0.0));
    all("new").await;
    let cost = counter.cost();
    assert_eq!((cost.calls, cost.write_units), (3, 4.0));
    counter.shutdown(world).await;
}

/// GrowthBook's SDKs ignore a payload whose date is that of the payload that they have.
#[tokio::test]
async fn the_date_of_a_payload_changes_with_its_features() {
    let world = World::start().await;
    let admin = world.admin();
    let key = admin.post("/client-keys", &json!({"name": "Shop"})).await;
    let key = key.json(201)["key"].as_str().unwrap().to_owned();
    let segment = json!({"id": "europe", "name": "Europe", "condition": {"country": "DE"}});
    admin.post("/segments", &segment).await.json(201);
    let starts_at = ago(-3);
    let mut flag = checkout("f");
    flag["environments"]["production"]["rules"] = json!([
        {"id": "europe", "type": "serve", "condition": {"$savedGroups": ["europe"]}, "variant": "on"},
        {"id": "later", "type": "serve", "variant": "on", "starts_at": starts_at},
    ]);
    created(&admin, flag).await;
    let path = format!("/api/features/{key}");
    let payload = async || admin.get(&path).await.json(200);
    let mut earlier = payload().await;
    assert_eq!(earlier, payload().await);
    let mut changed = async |what: &str| {
        let now = payload().await;
        assert_ne!(now["features"], earlier["features"], "{what}");
        let dates = [&earlier, &now].map(|each| each["dateUpdated"].as_str().unwrap().to_owned());
        assert!(dates[0] < dates[1], "{what}: {dates:?}");
        earlier = now;
    };
    let change = json!({"condition": {"country": "FR"}}).to_string();
    let headers = [("content-type", "application/json"), ("if-match", "*")];
    let segment = admin.send("PATCH", "/segments/europe", &headers, change);
    segment.await.json(200);
    changed("a segment").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    changed("a schedule").await;
}

#[tokio::test]
async fn a_payload_has_a_flag_whose_prerequisite_is_not_in_the_environment() {
    let world = World::start().await;
    let admin = world.admin();
    let key = admin.post("/client-keys", &json!({"name": "Shop"})).await;
    let key = key.json(201)["key"].as_str().unwrap().to_owned();
    let mut elsewhere = checkout("elsewhere");
    elsewhere["environments"] = json!({});
    created(&admin, elsewhere).await;
    let mut flag = checkout("f");
    flag["prerequisites"] = json!([{"flag": "elsewhere", "variants": ["on"]}]);
    created(&admin, flag).await;
    // As on the server: the prerequisite is not met, so the user gets the off variant, and not the default of the application.
    let core = json!({"targetingKey": "ann", "team": "core"});
    assert_eq!(
        evaluate(&admin, "f", &core).await.json(200)["variant"],
        "off"
    );
    let payload = admin.get(&format!("/api/features/{key}")).await.json(200);
    let rule = &payload["features"]["f"]["rules"][0];
    assert_eq!(rule["parentConditions"][0]["id"], "elsewhere", "{payload}");
}
