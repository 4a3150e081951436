//! Client keys: answers of a running platform, refusals, and the edges of the rules of bodies.

use super::answers::all_documented;
use super::api::Api;
use super::requests::agrees;
use serde_json::{Value, json};

#[tokio::test]
async fn client_keys_conform_to_the_document() {
    let api = Api::start().await;
    let full = json!({
        "name": "Shop",
        "environment": "production",
        "origins": ["https://shop.example:8443", "http://localhost"],
        "flag_tags": ["web"],
        "event_types": ["page view ö"],
        "events_per_second": 1,
        "secure_attributes": {"names": ["email", "home.street"], "salt": "a salt of the shop"},
        "encrypted": true,
    });
    for body in [json!({"name": "App"}), full] {
        let created = api.post("/client-keys", body).await;
        assert_eq!(created.status, 201, "{}", created.text);
        all_documented(&created);
    }
    let page = api.get("/client-keys?limit=1").await;
    all_documented(&page);
    let cursor = page.at("/next_cursor").as_str().unwrap();
    let last = api.get(&format!("/client-keys?cursor={cursor}")).await;
    all_documented(&last);
    let id = last.at("/client_keys/0/id").as_str().unwrap();
    let path = format!("/client-keys/{id}");
    let revoked = api.call("delete", &path, &[], None).await;
    assert_eq!(revoked.status, 200, "{}", revoked.text);
    all_documented(&revoked);

    for (method, path, body, status) in [
        ("delete", "/client-keys/aaaaaaaaaaaaaaaa", None, 404),
        ("get", "/client-keys?limit=0", None, 400),
        ("post", "/client-keys", Some(json!({})), 422),
    ] {
        let body = body.map(|body: Value| body.to_string());
        let answer = api.call(method, path, &[], body).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        all_documented(&answer);
    }
}

#[tokio::test]
async fn bodies_of_client_keys_are_accepted_exactly_as_described() {
    let api = Api::start().await;
    let valid = json!({
        "name": "N", "environment": null, "origins": [], "flag_tags": null, "event_types": null,
        "events_per_second": null, "secure_attributes": null, "encrypted": null,
    });
    let many = |most: usize, text: &dyn Fn(usize) -> String| {
        json!((0..most).map(text).collect::<Vec<_>>())
    };
    let origin = |number: usize| format!("https://{number}.example");
    let word = |number: usize| format!("word-{number}");
    for (pointer, values) in [
        (
            "/name",
            vec![
                (json!("x"), true),
                (json!(" "), false),
                (json!(null), false),
            ],
        ),
        (
            "/environment",
            vec![
                (json!("production"), true),
                (json!("Production"), false),
                (json!(1), false),
            ],
        ),
        (
            "/origins",
            vec![
                (json!(null), true),
                (json!(["https://a.example", "http://localhost:1"]), true),
                (json!(["https://a.example", "https://a.example"]), false),
                (json!(["http://a.example"]), false),
                (json!(["https://a.example/"]), false),
                (json!(["https://A.example"]), false),
                (json!(["https://a.example:0"]), false),
                (json!(["null"]), false),
                (json!([""]), false),
                (json!("https://a.example"), false),
                (many(20, &origin), true),
                (many(21, &origin), false),
            ],
        ),
        (
            "/flag_tags",
            vec![
                (json!(["a", "b"]), true),
                (json!(["a", "a"]), false),
                (json!([" "]), false),
                (json!(["x".repeat(51)]), false),
                (many(20, &word), true),
                (many(21, &word), false),
            ],
        ),
        (
            "/event_types",
            vec![
                (json!(["a b"]), true),
                (json!(["(other types)"]), false),
                (json!(["a\n"]), false),
                (json!([""]), false),
                (many(50, &word), true),
                (many(51, &word), false),
            ],
        ),
        (
            "/events_per_second",
            vec![
                (json!(1), true),
                (json!(1000.0), true),
                (json!(0), false),
                (json!(1001), false),
                (json!(1.5), false),
                (json!("1"), false),
            ],
        ),
        (
            "/secure_attributes",
            vec![
                (json!({"names": ["email"]}), true),
                (json!({"names": ["email"], "salt": null}), true),
                (
                    json!({"names": ["idea", "a.id"], "salt": "x".repeat(8)}),
                    true,
                ),
                (json!({"names": ["email"], "salt": "x".repeat(7)}), false),
                (json!({"names": ["email"], "salt": "x".repeat(64)}), true),
                (json!({"names": ["email"], "salt": "x".repeat(65)}), false),
                (json!({"names": ["email"], "salt": "12345678\n"}), false),
                (json!({"names": ["id"]}), false),
                (json!({"names": ["id.part"]}), false),
                (json!({"names": ["$email"]}), false),
                (json!({"names": ["a", "a"]}), false),
                (json!({"names": []}), false),
                (json!({"names": many(20, &word)}), true),
                (json!({"names": many(21, &word)}), false),
                (json!({}), false),
                (json!({"names": ["email"], "hash": "md5"}), false),
                (json!(["email"]), false),
            ],
        ),
        (
            "/encrypted",
            vec![
                (json!(true), true),
                (json!(false), true),
                (json!("true"), false),
            ],
        ),
    ] {
        agrees(&api, "/client-keys", valid.clone(), pointer, &values).await;
    }
}
