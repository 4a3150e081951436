//! Invalid paths, queries and headers.

use super::support::World;
use serde_json::json;

#[tokio::test]
async fn an_unknown_experiment_is_404_on_every_route_that_names_one() {
    let world = World::start().await;
    let before = world.contents().await;
    let admin = world.admin();
    let headers = [("content-type", "application/json"), ("if-match", "*")];
    for id in [
        "nothing",
        "definition",
        "a%23b",
        "a%2Fb",
        "%20",
        "%00",
        "%FF",
        "..%2F",
        &"x".repeat(65),
        "registry",
    ] {
        for (method, path, body) in [
            ("GET", format!("/experiments/{id}"), ""),
            ("PATCH", format!("/experiments/{id}"), "{}"),
            ("GET", format!("/experiments/{id}/assignment/u"), ""),
            (
                "POST",
                format!("/experiments/{id}/assignments"),
                r#"{"assignments":[]}"#,
            ),
            ("GET", format!("/experiments/{id}/results"), ""),
        ] {
            let answer = admin.send(method, &path, &headers, body).await;
            assert_eq!(answer.code(404), "experiment_not_found", "{method} {path}");
        }
    }
    assert_eq!(world.contents().await, before);
}

#[tokio::test]
async fn all_faults_of_a_query_are_reported_with_400() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    for (query, pointer, code) in [
        ("view=full", "?view", "not_a_choice"),
        ("format=xml", "?format", "not_a_choice"),
        ("source=guess", "?source", "not_a_choice"),
        ("metrics=a,,b", "?metrics", "empty"),
        ("metrics=a%20b", "?metrics", "bad_characters"),
        ("from=yesterday", "?from", "not_a_time"),
        ("from=2026-02-30T00:00:00Z", "?from", "not_a_time"),
        ("to=1960-01-01T00:00:00Z", "?to", "time_out_of_range"),
        (
            "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
            "?to",
            "empty_window",
        ),
        (
            "from=2026-01-02T00:00:00Z&to=2026-01-02T00:00:00Z",
            "?to",
            "empty_window",
        ),
        ("view=summary&view=summary", "?view", "repeated_parameter"),
        ("verbose=1", "?verbose", "unknown_parameter"),
        ("=1", "?", "unknown_parameter"),
        ("%FF=1", "?\u{fffd}", "unknown_parameter"),
    ] {
        let answer = admin.get(&format!("/experiments/e/results?{query}")).await;
        assert_eq!(answer.code(400), "bad_parameters", "{query}");
        let fault = &answer.problem().unwrap()["errors"][0];
        assert_eq!(
            (&fault["pointer"], &fault["code"]),
            (&json!(pointer), &json!(code)),
            "{query}"
        );
    }
    let answer = admin
        .get("/experiments/e/results?view=x&format=y&from=z&w=1")
        .await;
    assert_eq!(
        answer.problem().unwrap()["errors"]
            .as_array()
            .unwrap()
            .len(),
        4
    );
    // Empty parameters are ignored.
    assert_eq!(
        admin
            .get("/experiments/e/results?from=&to=&metrics=&view=")
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn an_invalid_cursor_or_limit_is_400() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    let encode = |text: &str| data_encoding::BASE64URL_NOPAD.encode(text.as_bytes());
    let long = "A".repeat(600);
    let cursors = [
        "x".to_owned(),
        "!!!".to_owned(),
        "%00".to_owned(),
        long,
        encode("2:2026"),
        encode("no version"),
        encode("1:"),
        encode("1:nonsense"),
        encode("1:#"),
        encode("1:2026-01-01T00:00:00.000000Z"),
        encode("1:2026-01-01T00:00:00.000000Z#a b"),
        encode("1:2026-13-01T00:00:00.000000Z#e"),
        encode(&format!(
            "1:2026-01-01T00:00:00.000000Z#{}",
            "x".repeat(200)
        )),
    ];
    for cursor in &cursors {
        for query in [
            format!("cursor={cursor}"),
            format!("cursor={cursor}&status=running"),
        ] {
            let answer = admin.get(&format!("/experiments?{query}")).await;
            assert_eq!(answer.code(400), "bad_parameters", "{query}");
            assert_eq!(answer.problem().unwrap()["errors"][0]["code"], "bad_cursor");
        }
    }
    for limit in ["0", "101", "-1", "1.5", "ten", "99999999999999999999"] {
        let answer = admin.get(&format!("/experiments?limit={limit}")).await;
        assert_eq!(
            answer.problem().unwrap()["errors"][0]["code"],
            "out_of_range",
            "{limit}"
        );
    }
    assert_eq!(
        admin.get("/experiments?status=deleted").await.code(400),
        "bad_parameters"
    );
}

#[tokio::test]
async fn a_change_without_a_version_is_428_with_an_old_one_412_and_with_an_invalid_one_400() {
    let world = World::start().await;
    let admin = world.admin();
    let made = admin.experiment("e", json!({})).await;
    let before = world.contents().await;
    let send = |headers: Vec<(&'static str, &'static str)>| {
        let admin = admin.clone();
        async move {
            admin
                .send("PATCH", "/experiments/e", &headers, r#"{"name":"X"}"#)
                .await
        }
    };
    assert_eq!(made["version"], 1);
    assert_eq!(send(vec![]).await.code(428), "if_match_required");
    for old in ["\"0\"", "\"2\"", "\"18446744073709551615\""] {
        assert_eq!(
            send(vec![("if-match", old)]).await.code(412),
            "stale_version",
            "{old}"
        );
    }
    for bad in [
        "1",
        "\"\"",
        "\"1",
        "\"-1\"",
        "\"one\"",
        "W/\"1\"",
        "\"1\", \"2\"",
        "",
        "**",
        "\"1.0\"",
    ] {
        assert_eq!(
            send(vec![("if-match", bad)]).await.code(400),
            "bad_if_match",
            "{bad:?}"
        );
    }
    assert_eq!(world.contents().await, before);
    assert_eq!(send(vec![("if-match", "\"1\"")]).await.status, 200);
    assert_eq!(
        send(vec![("if-match", "\"1\"")]).await.code(412),
        "stale_version"
    );
    assert_eq!(send(vec![("if-match", "*")]).await.json(200)["version"], 3);
}

#[tokio::test]
async fn an_idempotency_key_has_1_to_255_bytes() {
    let world = World::start().await;
    let body = json!({"name": "N", "variants": [{"key": "a", "percent": 50}, {"key": "b", "percent": 50}]}).to_string();
    let longest = "k".repeat(255);
    let longer = "k".repeat(256);
    let send = |key: String| {
        let (admin, body) = (world.admin(), body.clone());
        async move {
            let headers = [
                ("content-type", "application/json"),
                ("idempotency-key", key.as_str()),
            ];
            admin.send("POST", "/experiments", &headers, body).await
        }
    };
    for key in [String::new(), longer] {
        assert_eq!(send(key).await.code(400), "bad_idempotency_key");
    }
    assert_eq!(world.items("ExperimentsTable").await.len(), 0);
    for key in [longest, "ü".to_owned(), "a b".to_owned(), "#/%".to_owned()] {
        assert_eq!(send(key).await.status, 201);
    }
}

#[tokio::test]
async fn a_body_on_a_get_is_ignored_and_times_may_have_any_offset() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    let answer = admin
        .send("GET", "/experiments/e", &[], "what is this {")
        .await;
    assert_eq!(answer.status, 200);
    let answer = admin
        .get("/experiments/e/results?from=2026-01-01T00:00:00%2B05:30")
        .await;
    assert_eq!(answer.json(200)["from"], "2025-12-31T18:30:00.000000Z");
}
