//! Requests as careless clients send them: slashes, repeated headers, compressed bodies, byte-order marks, empty changes.

use super::support::{Answer, Caller, World};
use domain::access::Scope;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::io::Write;

const JSON: (&str, &str) = ("content-type", "application/json");

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Sends an event with this id as the body of a request with this `Content-Encoding`.
async fn track(caller: &Caller, encoding: &str, id: &str, pack: fn(&[u8]) -> Vec<u8>) -> Answer {
    let body = json!({"user_id": "u", "type": "buy", "event_id": id}).to_string();
    let headers = [JSON, ("content-encoding", encoding)];
    caller
        .send("POST", "/events", &headers, pack(body.as_bytes()))
        .await
}

#[tokio::test]
async fn a_slash_at_the_end_is_refused_on_every_route_and_never_names_another_resource() {
    let world = World::start().await;
    let admin = world.admin();
    for id in ["e1", "results"] {
        admin.experiment(id, json!({})).await;
    }
    let before = world.contents().await;
    let event = json!({"user_id": "u", "type": "t", "event_id": "1"});
    for (method, path, body) in [
        ("GET", "/health/", Value::Null),
        ("HEAD", "/health/", Value::Null),
        ("GET", "/experiments/", Value::Null),
        ("POST", "/experiments/", json!({"name": "n"})),
        ("POST", "/experiments/plan/", json!({})),
        ("GET", "/experiments/e1/", Value::Null),
        ("PATCH", "/experiments/e1/", json!({"name": "n"})),
        ("GET", "/experiments/e1/results/", Value::Null),
        ("GET", "/experiments/e1/results/?view=summary", Value::Null),
        ("GET", "/experiments/e1/assignment/u/", Value::Null),
        ("GET", "/experiments/e1/assignment/u//", Value::Null),
        ("POST", "/experiments/e1/assignments/", json!({})),
        ("POST", "/experiments/e1/audit/", json!({})),
        ("POST", "/events/", event),
        ("GET", "/users/u/", Value::Null),
        ("DELETE", "/users/u/", Value::Null),
    ] {
        let headers = [JSON, ("if-match", "*")];
        let answer = admin.send(method, path, &headers, body.to_string()).await;
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text);
        if method != "HEAD" {
            assert_eq!(answer.code(404), "route_not_found", "{method} {path}");
        }
    }
    assert_eq!(world.contents().await, before);
    // An encoded slash is part of the user id.
    assert_eq!(admin.assign("e1", "u/").await["user_id"], "u/");
}

#[tokio::test]
async fn a_slash_at_the_end_opens_no_route_of_another_scope() {
    let world = World::start().await;
    world.admin().experiment("e1", json!({})).await;
    let reader = world.caller(&[Scope::Read]).await;
    let answer = reader.get("/experiments/e1/assignment/u/").await;
    assert_eq!(answer.code(403), "forbidden");
    let answer = world.authorization(None).get("/experiments/").await;
    assert_eq!(answer.code(401), "unauthorized");
}

#[tokio::test]
async fn health_can_be_asked_for_without_its_body() {
    let world = World::start().await;
    let anonymous = world.authorization(None);
    let answer = anonymous.send("HEAD", "/health", &[], "").await;
    assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    assert_eq!(answer.header("content-type"), "application/json");
}

#[tokio::test]
async fn two_idempotency_keys_are_refused() {
    let world = World::start().await;
    let admin = world.admin();
    let body = json!({
        "name": "E",
        "variants": [{"key": "a", "percent": 50}, {"key": "b", "percent": 50}],
    });
    for keys in [["k1", "k2"], ["k1", "k1"]] {
        let headers = keys.map(|key| ("idempotency-key", key));
        let answer = admin
            .send("POST", "/experiments", &headers, body.to_string())
            .await;
        assert_eq!(answer.code(400), "bad_idempotency_key");
        assert!(answer.text.contains("more than one"), "{}", answer.text);
    }
    let list = admin.get("/experiments").await.json(200);
    assert_eq!(list["experiments"], json!([]));
}

#[tokio::test]
async fn two_versions_in_if_match_are_refused() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    let headers = [("if-match", "\"1\""), ("if-match", "*")];
    let change = json!({"name": "F"}).to_string();
    let answer = admin
        .send("PATCH", "/experiments/e", &headers, change)
        .await;
    assert_eq!(answer.code(400), "bad_if_match");
}

#[tokio::test]
async fn a_compressed_body_is_read_and_another_encoding_or_a_wrong_one_is_refused() {
    let world = World::start().await;
    let admin = world.admin();
    let plain: fn(&[u8]) -> Vec<u8> = <[u8]>::to_vec;
    for (number, (encoding, pack)) in [
        ("gzip", gzip as fn(&[u8]) -> Vec<u8>),
        ("GZIP", gzip),
        ("x-gzip", gzip),
        ("identity", plain),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = track(&admin, encoding, &number.to_string(), pack).await;
        assert_eq!(answer.json(200)["stored"], 1, "{encoding}");
    }
    for encoding in ["br", "deflate", "zstd", "gzip, gzip"] {
        let answer = track(&admin, encoding, "x", plain).await;
        assert_eq!(answer.code(415), "unsupported_content_encoding");
        assert!(
            answer.text.contains(&format!("`{encoding}`")),
            "{}",
            answer.text
        );
    }
    let answer = track(&admin, "gzip", "x", plain).await;
    assert_eq!(answer.code(400), "bad_request");
    let cut_off = |body: &[u8]| gzip(body)[..20].to_vec();
    let answer = track(&admin, "gzip", "x", cut_off).await;
    assert_eq!(answer.code(400), "bad_request");
    assert_eq!(world.items("EventsTable").await.len(), 4);
}

#[tokio::test]
async fn the_limits_of_a_body_apply_to_its_decompressed_size() {
    let world = World::start().await;
    let admin = world.admin();
    let send = |spaces: usize| {
        let event = json!({"user_id": "u", "type": "buy", "event_id": "e"}).to_string();
        let body = gzip(format!("{event}{}", " ".repeat(spaces)).as_bytes());
        let headers = [JSON, ("content-encoding", "gzip")];
        let admin = admin.clone();
        async move { admin.send("POST", "/events", &headers, body).await }
    };
    assert_eq!(send(1_000_000).await.status, 200);
    // Above the limit of the functions, of Lambda, and of API Gateway.
    for spaces in [1 << 20, 7 << 20, 64 << 20] {
        assert_eq!(send(spaces).await.code(413), "body_too_large", "{spaces}");
    }
}

#[tokio::test]
async fn a_byte_order_mark_is_named() {
    let world = World::start().await;
    let admin = world.admin();
    let event = json!({"user_id": "u", "type": "buy", "event_id": "e"}).to_string();
    let utf16: Vec<u8> = event.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (body, name, code) in [
        (
            [b"\xef\xbb\xbf", event.as_bytes()].concat(),
            "UTF-8",
            "malformed_json",
        ),
        (
            [b"\xff\xfe", utf16.as_slice()].concat(),
            "UTF-16",
            "not_utf8",
        ),
    ] {
        let answer = admin.send("POST", "/events", &[JSON], body).await;
        assert_eq!(answer.code(400), code);
        assert!(
            answer.text.contains(&format!("byte-order mark of {name}.")),
            "{}",
            answer.text
        );
    }
}

#[tokio::test]
async fn a_change_of_nothing_and_a_null_that_removes_nothing_make_no_version() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({"description": "d"})).await;
    let empty = admin.change("e", &json!({})).await;
    assert_eq!(empty.code(422), "invalid");
    assert_eq!(empty.json(422)["errors"][0]["code"], "empty_change");

    let fields = [
        "name",
        "status",
        "variants",
        "traffic_percent",
        "dimensions",
        "metrics",
    ];
    let nulls: Value = fields
        .iter()
        .map(|field| ((*field).to_owned(), Value::Null))
        .collect();
    let refused = admin.change("e", &nulls).await.json(422);
    let errors = refused["errors"].as_array().unwrap();
    let mut pointers: Vec<&str> = errors
        .iter()
        .map(|e| e["pointer"].as_str().unwrap())
        .collect();
    pointers.sort_unstable();
    let mut expected = fields.map(|field| format!("/{field}"));
    expected.sort_unstable();
    assert_eq!(pointers, expected);
    assert!(errors.iter().all(|error| error["code"] == "not_removable"));
    assert_eq!(admin.get("/experiments/e").await.json(200)["version"], 1);

    let removed = admin
        .change("e", &json!({"description": null}))
        .await
        .json(200);
    assert_eq!(removed["version"], 2);
    assert!(removed.get("description").is_none());
}

#[tokio::test]
async fn a_wrong_sum_is_written_with_the_digits_that_were_sent() {
    let world = World::start().await;
    let body = json!({
        "name": "E",
        "variants": [
            {"key": "a", "percent": 33.1}, {"key": "b", "percent": 33.1}, {"key": "c", "percent": 33.1},
        ],
    });
    let refused = world.admin().post("/experiments", &body).await.json(422);
    let error = &refused["errors"][0];
    assert_eq!(error["code"], "wrong_sum");
    let detail = error["detail"].as_str().unwrap();
    assert!(detail.contains("add up to 99.3;"), "{detail}");
}

#[tokio::test]
async fn of_several_rows_of_a_user_in_one_import_the_first_is_kept() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    let row = |user: usize, variant: &str, hour: u32| {
        let at = format!("2026-11-02T{hour:02}:00:00Z");
        json!({"user_id": format!("u{user}"), "variant": variant, "assigned_at": at})
    };
    let rows: Vec<Value> = (0..100)
        .flat_map(|user| {
            [
                row(user, "green", 3),
                row(user, "red", 2),
                row(user, "control", 1),
            ]
        })
        .collect();
    let answer = admin.import("e", &rows).await;
    assert_eq!(answer["stored"], 100);
    assert_eq!(answer["existing"], 100);
    for (index, outcome) in answer["assignments"].as_array().unwrap().iter().enumerate() {
        assert_eq!(outcome["index"], index);
        let status = ["stored", "rejected", "existing"][index % 3];
        assert_eq!(outcome["status"], status, "{outcome}");
        if index % 3 != 1 {
            assert_eq!(outcome["variant"], "green", "{outcome}");
        }
    }
    for item in world.items("AssignmentsTable").await {
        assert_eq!(item["variant"].as_s().unwrap(), "green");
    }
}
