//! Invalid bodies: they are refused with all faults, and nothing of them is stored.

mod experiments;

use super::support::{Answer, World};
use serde_json::{Value, json};

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

/// Routes that require a body, each with a valid body.
fn routes() -> [(&'static str, &'static str, Value); 5] {
    let variants = json!([{"key": "control", "percent": 50}, {"key": "green", "percent": 50}]);
    [
        (
            "POST",
            "/experiments",
            json!({"name": "N", "variants": variants}),
        ),
        ("PATCH", "/experiments/e", json!({"name": "N"})),
        (
            "POST",
            "/experiments/e/assignments",
            json!({"assignments": []}),
        ),
        ("POST", "/events", json!({"events": []})),
        (
            "POST",
            "/experiments/plan",
            json!({"metric": {"kind": "conversion", "rate": 0.1}, "minimum_detectable_effect": 0.1}),
        ),
    ]
}

/// A platform with an experiment `e` and a user in it.
async fn world() -> World {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    admin.assign("e", "u").await;
    world
}

async fn send(world: &World, method: &str, path: &str, body: impl Into<reqwest::Body>) -> Answer {
    let headers = [JSON[0], ("if-match", "*")];
    world.admin().send(method, path, &headers, body).await
}

#[tokio::test]
async fn malformed_json_is_400_on_every_route_and_changes_nothing() {
    let world = world().await;
    let before = world.contents().await;
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let very_deep = "{\"a\":".repeat(100_000);
    let bodies: [(&[u8], &str); 14] = [
        (b"", "body_missing"),
        (b" ", "malformed_json"),
        (b"{", "malformed_json"),
        (b"{}{}", "malformed_json"),
        (b"{\"name\": }", "malformed_json"),
        (b"{name: 1}", "malformed_json"),
        (b"{\"name\": NaN}", "malformed_json"),
        (b"{\"name\": Infinity}", "malformed_json"),
        (b"{\"name\": 01}", "malformed_json"),
        (b"{\"name\": 'x'}", "malformed_json"),
        (b"\xef\xbb\xbf{}", "malformed_json"),
        (b"{\"name\": \"\xff\xfe\"}", "not_utf8"),
        (deep.as_bytes(), "too_deep"),
        (very_deep.as_bytes(), "too_deep"),
    ];
    for (method, path, _) in routes() {
        for (body, code) in bodies {
            let answer = send(&world, method, path, body.to_vec()).await;
            let start = String::from_utf8_lossy(&body[..body.len().min(20)]).into_owned();
            assert_eq!(answer.code(400), code, "{method} {path} {start}");
        }
    }
    assert_eq!(world.contents().await, before);
}

#[tokio::test]
async fn json_of_another_shape_is_422_with_a_pointer_to_the_fault() {
    let world = world().await;
    let before = world.contents().await;
    for (method, path, _) in routes() {
        for body in ["null", "true", "7", "\"text\"", "[]", "[{}]"] {
            let answer = send(&world, method, path, body).await;
            assert_eq!(answer.code(422), "invalid", "{method} {path} {body}");
            let problem = answer.problem().unwrap();
            assert_eq!(problem["errors"][0]["pointer"], "", "{problem}");
            assert_eq!(problem["errors"][0]["code"], "wrong_type");
        }
        for (body, pointer, code) in [
            (r#"{"nmae": 1}"#, "/nmae", "unknown_field"),
            (r#"{"a/b~c": 1}"#, "/a~1b~0c", "unknown_field"),
            (r#"{"": 1}"#, "/", "unknown_field"),
            (r#"{"name": "a", "name": "b"}"#, "/name", "duplicate_field"),
            (
                r#"{"n\u0061me": "a", "name": "b"}"#,
                "/name",
                "duplicate_field",
            ),
        ] {
            let answer = send(&world, method, path, body).await;
            assert_eq!(answer.code(422), "invalid", "{method} {path} {body}");
            let problem = answer.problem().unwrap();
            let faults = problem["errors"].as_array().unwrap();
            let found = faults
                .iter()
                .any(|fault| fault["pointer"] == pointer && fault["code"] == code);
            assert!(found, "{method} {path} {body}: {problem}");
        }
    }
    assert_eq!(world.contents().await, before);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_413_from_the_function_and_from_the_gateway() {
    let world = world().await;
    let before = world.contents().await;
    for (method, path, _) in routes() {
        for megabytes in [1, 11] {
            let body = format!("{{\"name\": \"{}\"}}", "x".repeat(megabytes << 20));
            let answer = send(&world, method, path, body).await;
            assert_eq!(
                answer.code(413),
                "body_too_large",
                "{method} {path} {megabytes} MB"
            );
        }
    }
    assert_eq!(world.contents().await, before);
}

#[tokio::test]
async fn only_json_is_accepted_and_a_missing_content_type_means_json() {
    let world = world().await;
    let event = json!({"user_id": "u", "type": "t", "event_id": "e"}).to_string();
    for content_type in [
        "text/plain",
        "application/xml",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "json",
        "",
        ";",
        "application/jsonx",
    ] {
        let headers = [("content-type", content_type)];
        let answer = world
            .admin()
            .send("POST", "/events", &headers, event.clone())
            .await;
        assert_eq!(
            answer.code(415),
            "unsupported_media_type",
            "{content_type:?}"
        );
    }
    assert_eq!(world.items("EventsTable").await.len(), 0);
    for headers in [
        vec![],
        vec![("content-type", "application/json; charset=utf-8")],
        vec![("content-type", "Application/JSON")],
        vec![("content-type", "application/vnd.assay+json")],
    ] {
        let answer = world
            .admin()
            .send("POST", "/events", &headers, event.clone())
            .await;
        assert_eq!(answer.status, 200, "{headers:?} {}", answer.text);
    }
}

#[tokio::test]
async fn all_faults_of_a_body_are_reported_at_once() {
    let world = world().await;
    let body = json!({"name": "", "id": "a b", "traffic_percent": 200, "ends_at": "soon", "color": "red",
        "variants": [{"key": "", "percent": 50}, {"key": "b", "percent": "x", "weight": 1}]});
    let problem = world
        .admin()
        .post("/experiments", &body)
        .await
        .problem()
        .unwrap();
    let faults = problem["errors"].as_array().unwrap();
    let pointers: Vec<_> = faults
        .iter()
        .map(|fault| fault["pointer"].as_str().unwrap())
        .collect();
    for pointer in [
        "/name",
        "/id",
        "/traffic_percent",
        "/ends_at",
        "/color",
        "/variants/0/key",
        "/variants/1/percent",
        "/variants/1/weight",
    ] {
        assert!(pointers.contains(&pointer), "{pointer} of {pointers:?}");
    }
}

#[tokio::test]
async fn numbers_out_of_range_are_refused_and_never_rounded() {
    let world = world().await;
    let before = world.contents().await;
    let variants = |a: &str, b: &str| {
        format!(
            r#"{{"name":"N","variants":[{{"key":"a","percent":{a}}},{{"key":"b","percent":{b}}}]}}"#
        )
    };
    for body in [
        variants("1e400", "50"),
        variants("-1e400", "50"),
        variants("1e-400", "1e2000"),
    ] {
        assert_eq!(
            send(&world, "POST", "/experiments", body).await.code(422),
            "invalid"
        );
    }
    let event =
        |value: &str| format!(r#"{{"user_id":"u","type":"t","event_id":"x","value":{value}}}"#);
    for value in [
        "1e400",
        "-1e400",
        "1000000000.000001",
        "1e10",
        "99999999999999999999999999999999999999",
    ] {
        let answer = send(&world, "POST", "/events", event(value)).await;
        assert_eq!(
            answer.problem().unwrap()["errors"][0]["code"],
            "too_large",
            "{value}"
        );
    }
    assert_eq!(world.contents().await, before);
    // A number that is too small for the database is still a valid percentage.
    for tiny in ["1e-130", "1e-200", "1e-320", "4.9e-324", "-0", "0.1e-7"] {
        let answer = send(&world, "POST", "/experiments", variants(tiny, "100")).await;
        assert_eq!(answer.status, 201, "{tiny}: {}", answer.text);
        let body = format!(r#"{{"traffic_percent": {tiny}}}"#);
        let answer = send(&world, "PATCH", "/experiments/e", body).await;
        assert_eq!(answer.status, 200, "{tiny}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_bad_row_or_event_is_rejected_alone_and_the_good_ones_are_stored() {
    let world = world().await;
    let admin = world.admin();
    let at = "2026-01-01T00:00:00Z";
    let good = json!({"user_id": "good", "variant": "green", "assigned_at": at});
    let rows = [
        good.clone(),
        json!(7),
        json!({}),
        json!({"user_id": "a", "variant": "blue", "assigned_at": at}),
        json!({"user_id": "a", "variant": "green", "assigned_at": "2099-01-01T00:00:00Z"}),
        json!({"user_id": "a", "variant": "green", "assigned_at": at, "extra": 1}),
        json!({"user_id": 5, "variant": "green", "assigned_at": at}),
        good,
    ];
    let answer = admin.import("e", &rows).await;
    assert_eq!(
        [
            &answer["received"],
            &answer["stored"],
            &answer["existing"],
            &answer["rejected"]
        ],
        [8, 1, 1, 6]
    );
    for (index, codes) in [
        (1, vec!["wrong_type"]),
        (2, vec!["required"; 3]),
        (3, vec!["unknown_variant"]),
        (4, vec!["in_the_future"]),
        (5, vec!["unknown_field"]),
        (6, vec!["wrong_type"]),
    ] {
        let errors = answer["assignments"][index]["errors"].as_array().unwrap();
        let seen: Vec<_> = errors
            .iter()
            .map(|fault| fault["code"].as_str().unwrap())
            .collect();
        assert_eq!(seen, codes, "row {index}");
        for fault in errors {
            assert!(
                fault["pointer"]
                    .as_str()
                    .unwrap()
                    .starts_with(&format!("/assignments/{index}"))
            );
        }
    }
    let events = [
        json!({"user_id": "good", "type": "t", "timestamp": at}),
        json!([]),
        json!({"user_id": "good"}),
        json!({"user_id": "good", "type": "t"}),
        json!({"user_id": "good", "type": "", "timestamp": at}),
        json!({"user_id": "good", "type": "t", "timestamp": at, "value": "9"}),
        json!({"user_id": "good", "type": "t", "timestamp": at, "properties": []}),
        json!({"user_id": "good", "type": "t", "timestamp": at, "properties": {"p": "x".repeat(5000)}}),
        json!({"user_id": "good", "type": "t", "timestamp": at, "event_id": "x".repeat(257)}),
    ];
    let answer = admin.track(&events).await;
    assert_eq!(
        [&answer["received"], &answer["stored"], &answer["rejected"]],
        [9, 1, 8]
    );
    for index in 1..events.len() {
        let fault = &answer["events"][index]["errors"][0];
        assert!(
            fault["pointer"]
                .as_str()
                .unwrap()
                .starts_with(&format!("/events/{index}")),
            "{answer}"
        );
    }
    // Two assignments, and the number of the stored events of one user.
    assert_eq!(world.items("AssignmentsTable").await.len(), 3);
    assert_eq!(world.items("EventsTable").await.len(), 1);
}

#[tokio::test]
async fn a_batch_with_one_row_too_many_is_refused_as_a_whole() {
    let world = world().await;
    let before = world.contents().await;
    let event = json!({"user_id": "u", "type": "t", "event_id": "e"});
    let answer = world
        .admin()
        .post("/events", &json!({"events": vec![event; 501]}))
        .await;
    assert_eq!(answer.problem().unwrap()["errors"][0]["code"], "too_many");
    let row = json!({"user_id": "v", "variant": "green", "assigned_at": "2026-01-01T00:00:00Z"});
    let answer = world
        .admin()
        .post(
            "/experiments/e/assignments",
            &json!({"assignments": vec![row; 501]}),
        )
        .await;
    assert_eq!(answer.problem().unwrap()["errors"][0]["code"], "too_many");
    assert_eq!(world.contents().await, before);
}
