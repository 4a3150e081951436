//! Layers: experiments of one layer have no users in common, whatever happens to them.

mod units;

use super::support::{Caller, World, ago, expected};
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use std::collections::BTreeSet;

impl Caller {
    /// Creates a layer.
    pub(crate) async fn layer(&self, id: &str) -> Value {
        self.put_layer(id, None, &json!({"name": "A layer"}))
            .await
            .json(201)
    }

    async fn put_layer(
        &self,
        id: &str,
        version: Option<&str>,
        body: &Value,
    ) -> super::support::Answer {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(version.map(|version| ("if-match", version)));
        let path = format!("/layers/{id}");
        self.send("PUT", &path, &headers, body.to_string()).await
    }

    /// The reasons of several users in an experiment.
    pub(crate) async fn reasons(&self, id: &str, users: &[String]) -> Vec<String> {
        let mut reasons = Vec::new();
        for chunk in users.chunks(20) {
            let users: Vec<_> = chunk.iter().map(|user| json!({"user_id": user})).collect();
            let path = format!("/experiments/{id}/assignments:evaluate");
            let answer = self.post(&path, &json!({ "users": users })).await.json(200);
            let answers = answer["assignments"].as_array().unwrap().iter();
            reasons.extend(answers.map(|answer| answer["reason"].as_str().unwrap().to_owned()));
        }
        reasons
    }
}

pub(crate) fn users(number: usize) -> Vec<String> {
    (0..number).map(|number| format!("user-{number}")).collect()
}

pub(crate) fn in_layer(id: &str, percent: f64) -> Value {
    json!({"layer": {"id": id, "percent": percent}})
}

/// The bucket values of an experiment.
pub(crate) fn buckets(experiment: &Value) -> BTreeSet<u64> {
    let ranges = experiment["layer"]["ranges"].as_array().unwrap().iter();
    let values = |range: &Value| range["from"].as_u64().unwrap()..range["to"].as_u64().unwrap();
    ranges.flat_map(values).collect()
}

/// Lets the time pass after which freed ranges can be given away.
pub(crate) async fn let_ranges_become_free(world: &World, layer: &str) {
    let table = &world.platform.template.tables["ExperimentsTable"].name;
    let items = world.items("ExperimentsTable").await;
    let partition = AttributeValue::S(format!("layer#{layer}"));
    let is_layer = |item: &&super::support::Item| {
        item["experiment_id"] == partition
            && item["record"] == AttributeValue::S("layer".to_owned())
    };
    let mut item = items.iter().find(is_layer).unwrap().clone();
    let past = AttributeValue::S(ago(1).to_string());
    let AttributeValue::M(layer) = item.get_mut("layer").unwrap() else {
        panic!("the layer is no map");
    };
    let Some(AttributeValue::L(ranges)) = layer.get_mut("ranges") else {
        panic!("the ranges are no list");
    };
    for range in ranges {
        if let AttributeValue::M(range) = range
            && range.contains_key("free_from")
        {
            range.insert("free_from".to_owned(), past.clone());
        }
    }
    let put = world.platform.dynamodb.put_item().table_name(table);
    put.set_item(Some(item)).send().await.unwrap();
}

#[tokio::test]
async fn a_layer_is_created_changed_listed_and_deleted() {
    let world = World::start().await;
    let admin = world.admin();
    let body = json!({"name": "Checkout", "description": "Everything after the cart"});
    let created = admin.put_layer("checkout", None, &body).await;
    assert_eq!(created.header("etag"), "\"1\"");
    let created = created.json(201);
    assert_eq!(created["free_percent"], 100.0);
    assert_eq!(created["experiments"], json!([]));

    let again = admin.put_layer("checkout", None, &body).await;
    assert_eq!(again.code(428), "if_match_required");
    let stale = admin.put_layer("checkout", Some("\"7\""), &body).await;
    assert_eq!(stale.code(412), "stale_version");
    let other = json!({"name": "Payment", "reason": "a better name"});
    let changed = admin
        .put_layer("checkout", Some("\"1\""), &other)
        .await
        .json(200);
    assert_eq!(
        (&changed["name"], &changed["version"]),
        (&json!("Payment"), &json!(2))
    );
    assert!(changed.get("description").is_none());
    assert_eq!(changed["seed"], created["seed"]);
    let missing = admin.put_layer("nothing", Some("*"), &other).await;
    assert_eq!(missing.code(404), "layer_not_found");
    let bad_id = admin.put_layer("a%20b", None, &other).await;
    assert_eq!(bad_id.faults(), expected([("{id}", "bad_characters")]));
    let bad = admin
        .put_layer("x", None, &json!({"name": "", "size": 1}))
        .await;
    assert_eq!(bad.code(422), "invalid");
    assert_eq!(
        bad.faults(),
        expected([("/name", "empty"), ("/size", "unknown_field")])
    );

    admin.experiment("a", in_layer("checkout", 20.0)).await;
    let read = admin.get("/layers/checkout").await;
    assert_eq!(read.header("etag"), "\"3\"");
    let read = read.json(200);
    assert_eq!(read["free_percent"], 80.0);
    assert_eq!(
        read["experiments"],
        json!([{"experiment_id": "a", "percent": 20.0}])
    );
    assert_eq!(
        read["ranges"],
        json!([{"experiment_id": "a", "from": 0, "to": 2_000}])
    );
    assert_eq!(
        admin.get("/layers/nothing").await.code(404),
        "layer_not_found"
    );

    admin.layer("second").await;
    let page = admin.get("/layers?limit=1").await.json(200);
    assert_eq!(page["layers"][0]["id"], "second");
    let next = page["next_cursor"].as_str().unwrap();
    let page = admin
        .get(&format!("/layers?limit=1&cursor={next}"))
        .await
        .json(200);
    assert_eq!(page["layers"][0]["experiments"], read["experiments"]);
    // A layer is no experiment.
    let experiments = admin.get("/experiments").await.json(200);
    assert_eq!(experiments["experiments"].as_array().unwrap().len(), 1);

    let used = admin.send("DELETE", "/layers/checkout", &[], "").await;
    assert_eq!(used.code(409), "layer_in_use");
    admin
        .change("a", &json!({"status": "stopped"}))
        .await
        .json(200);
    let just_ended = admin.send("DELETE", "/layers/checkout", &[], "").await;
    assert_eq!(just_ended.code(409), "layer_in_use");
    let_ranges_become_free(&world, "checkout").await;
    admin
        .send("DELETE", "/layers/checkout", &[], "")
        .await
        .json(200);
    admin
        .send("DELETE", "/layers/checkout", &[], "")
        .await
        .code(404);
    admin.layer("checkout").await;
    let trail = world.items("ExperimentsTable").await;
    let of_layer = AttributeValue::S("layer#checkout".to_owned());
    let audit = trail.iter().filter(|item| {
        item["experiment_id"] == of_layer && item["record"].as_s().unwrap().starts_with("audit#")
    });
    assert_eq!(audit.count(), 4, "created, changed, deleted, created");
}

#[tokio::test]
async fn two_experiments_of_a_layer_have_no_user_in_common() {
    let world = World::start().await;
    let admin = world.admin();
    admin.layer("l").await;
    admin.experiment("a", in_layer("l", 50.0)).await;
    admin.experiment("b", in_layer("l", 50.0)).await;
    admin.experiment("outside", json!({})).await;
    let users = users(200);
    let (a, b) = (
        admin.reasons("a", &users).await,
        admin.reasons("b", &users).await,
    );
    for (a, b) in a.iter().zip(&b) {
        let reasons = BTreeSet::from([a.as_str(), b.as_str()]);
        assert_eq!(reasons, BTreeSet::from(["layer", "new"]));
    }
    let in_a = a.iter().filter(|reason| *reason == "new").count();
    assert!((70..130).contains(&in_a), "{in_a}");
    assert!(
        admin
            .reasons("outside", &users)
            .await
            .iter()
            .all(|reason| reason == "new")
    );
    let third = admin
        .post(
            "/experiments",
            &json!({
                "name": "C", "layer": {"id": "l", "percent": 0.01},
                "variants": [{"key": "x", "percent": 50}, {"key": "y", "percent": 50}],
            }),
        )
        .await;
    assert_eq!(third.code(409), "layer_full");
    assert_eq!(third.faults(), expected([("/layer/percent", "layer_full")]));
}

#[tokio::test]
async fn freed_ranges_are_reused_only_later_and_for_new_users() {
    let world = World::start().await;
    let admin = world.admin();
    admin.layer("l").await;
    admin.experiment("first", in_layer("l", 100.0)).await;
    let known = users(50);
    assert!(
        admin
            .reasons("first", &known)
            .await
            .iter()
            .all(|reason| reason == "new")
    );
    let stopped = admin
        .change("first", &json!({"status": "stopped"}))
        .await
        .json(200);
    assert_eq!(
        buckets(&stopped).len(),
        10_000,
        "the definition still says what it had"
    );
    let second = json!({
        "id": "second", "name": "S", "layer": {"id": "l", "percent": 100},
        "variants": [{"key": "x", "percent": 50}, {"key": "y", "percent": 50}],
    });
    assert_eq!(
        admin.post("/experiments", &second).await.code(409),
        "layer_full"
    );
    let_ranges_become_free(&world, "l").await;
    admin.post("/experiments", &second).await.json(201);

    assert!(
        admin
            .reasons("second", &known)
            .await
            .iter()
            .all(|reason| reason == "layer")
    );
    let mut trace = admin
        .get("/experiments/second/assignment/user-1?enroll=false")
        .await
        .json(200);
    let last = trace["trace"].as_array_mut().unwrap().pop().unwrap();
    assert_eq!(last, json!({"rule": "layer_history", "outcome": "decided"}));
    let batch = json!({"user_id": "user-1", "experiments": ["first", "second"]});
    let batch = admin.post("/assignments", &batch).await.json(200);
    let reasons = [
        &batch["assignments"][0]["reason"],
        &batch["assignments"][1]["reason"],
    ];
    assert_eq!(reasons, ["existing", "layer"]);
    assert_eq!(admin.assign("second", "a new user").await["reason"], "new");
}

#[tokio::test]
async fn only_a_draft_joins_or_leaves_a_layer_and_it_reserves_its_part() {
    let world = World::start().await;
    let admin = world.admin();
    admin.layer("l").await;
    admin.layer("m").await;
    let free = |id: &'static str| {
        let admin = admin.clone();
        async move {
            admin.get(&format!("/layers/{id}")).await.json(200)["free_percent"]
                .as_f64()
                .unwrap()
        }
    };
    admin.experiment("d", json!({"status": "draft"})).await;
    admin.change("d", &in_layer("l", 40.0)).await.json(200);
    assert!((free("l").await - 60.0).abs() < 1e-9);
    let other = admin.change("d", &in_layer("m", 40.0)).await;
    assert_eq!(other.code(409), "in_other_layer");
    let unknown = admin.change("d", &in_layer("nothing", 40.0)).await;
    assert_eq!(unknown.code(409), "in_other_layer");
    let left = admin.change("d", &json!({"layer": null})).await.json(200);
    assert!(left.get("layer").is_none());
    let unknown = admin.change("d", &in_layer("nothing", 40.0)).await;
    assert_eq!(unknown.faults(), expected([("/layer/id", "unknown_layer")]));
    admin.change("d", &in_layer("m", 40.0)).await.json(200);
    admin
        .change("d", &json!({"status": "running"}))
        .await
        .json(200);
    for change in [json!({"layer": null}), in_layer("l", 40.0)] {
        assert_eq!(
            admin.change("d", &change).await.code(409),
            "already_started"
        );
    }
    admin.experiment("plain", json!({})).await;
    let joins = admin.change("plain", &in_layer("l", 1.0)).await;
    assert_eq!(joins.code(409), "already_started");

    // An archived draft gives its part back.
    let draft = json!({"status": "draft", "layer": {"id": "l", "percent": 60}});
    admin.experiment("n", draft).await;
    admin
        .change("n", &json!({"status": "archived"}))
        .await
        .json(200);
    let_ranges_become_free(&world, "l").await;
    assert!((free("l").await - 100.0).abs() < 1e-9);

    let over = admin.change("d", &json!({"status": "stopped"})).await;
    over.json(200);
    assert_eq!(
        admin.change("d", &in_layer("m", 50.0)).await.code(409),
        "experiment_over"
    );
}

#[tokio::test]
async fn an_experiment_in_a_layer_takes_no_imports_and_is_copied_without_its_layer() {
    let world = World::start().await;
    let admin = world.admin();
    admin.layer("l").await;
    let body = json!({
        "name": "E", "layer": {"id": "l", "percent": 100},
        "variants": [{"key": "x", "percent": 50}, {"key": "y", "percent": 50}],
    });
    let headers = [
        ("content-type", "application/json"),
        ("idempotency-key", "one"),
    ];
    let created = admin
        .send("POST", "/experiments", &headers, body.to_string())
        .await
        .json(201);
    let id = created["id"].as_str().unwrap();
    let rows = json!({"assignments": [{"user_id": "u", "variant": "x", "assigned_at": ago(9).to_string()}]});
    let import = admin
        .post(&format!("/experiments/{id}/assignments"), &rows)
        .await;
    assert_eq!(import.code(409), "in_layer");
    let copy = admin
        .post("/experiments", &json!({"name": "C", "copy_of": id}))
        .await
        .json(201);
    assert!(copy.get("layer").is_none());
    // A repeated creation finds its experiment, also when the layer has no room for it any more.
    admin
        .change(id, &json!({"status": "stopped"}))
        .await
        .json(200);
    let again = admin
        .send("POST", "/experiments", &headers, body.to_string())
        .await
        .json(201);
    assert_eq!(
        (&again["id"], &again["status"]),
        (&created["id"], &json!("stopped"))
    );
}
