//! `assay key`.

use super::support::World;
use assay::client::http_client;
use serde_json::json;

#[tokio::test]
async fn a_client_key_is_created_listed_and_revoked() {
    let world = World::start().await;
    let created = world
        .done(&[
            "key",
            "create",
            "--name",
            "Shop, Vienna",
            "--environment",
            "production",
            "--origin",
            "https://shop.example",
            "--origin",
            "http://localhost:5173",
            "--flag-tag",
            "web",
            "--event-type",
            "page_view",
            "--event-type",
            "added, to cart",
            "--events-per-second",
            "50",
        ])
        .await;
    let key = created.trim();
    assert!(key.starts_with("ck_") && key.len() == 25, "{created}");
    let listed = world.done_json(&["key", "list", "--json"]).await;
    let shop = &listed[0];
    for (field, value) in [
        ("key", json!(key)),
        ("name", json!("Shop, Vienna")),
        (
            "origins",
            json!(["https://shop.example", "http://localhost:5173"]),
        ),
        ("flag_tags", json!(["web"])),
        ("event_types", json!(["page_view", "added, to cart"])),
        ("events_per_second", json!(50)),
    ] {
        assert_eq!(shop[field], value, "{field}");
    }
    world.done(&["key", "create", "--name", "App"]).await;
    let table = world.done(&["key", "list"]).await;
    assert!(table.contains(key) && table.contains("(all)"), "{table}");
    assert!(!table.contains("revoked"), "{table}");

    let id = shop["id"].as_str().unwrap();
    world.done(&["key", "revoke", id]).await;
    let table = world.done(&["key", "list"]).await;
    let row = table.lines().find(|line| line.contains(key)).unwrap();
    assert!(row.ends_with("revoked"), "{table}");
    let request = http_client().get(format!("{}/experiments", world.platform.url()));
    let answer = request.bearer_auth(key).send().await.unwrap();
    assert_eq!(answer.status(), 401);
}

#[tokio::test]
async fn the_decryption_key_of_an_encrypted_payload_is_the_second_line() {
    let world = World::start().await;
    let secure = [
        "--secure-attribute",
        "email",
        "--salt",
        "a salt of the shop",
    ];
    let create = ["key", "create", "--name", "App", "--encrypted"];
    let created = world.run(&[&create[..], &secure].concat()).await;
    assert!(created.ok, "{}", created.stderr);
    assert!(
        created.stderr.contains("a salt of the shop"),
        "{}",
        created.stderr
    );
    let lines: Vec<&str> = created.stdout.lines().collect();
    let [key, decryption_key] = lines[..] else {
        panic!("{lines:?}");
    };
    assert!(key.starts_with("ck_"), "{key}");
    assert!(
        decryption_key.len() == 24 && decryption_key.ends_with("=="),
        "{decryption_key}"
    );
    let listed = world.done(&["key", "list", "--json"]).await;
    assert!(
        listed.contains(key) && !listed.contains(decryption_key),
        "{listed}"
    );
    let refused = world
        .run(&[
            "key",
            "create",
            "--name",
            "App",
            "--salt",
            "a salt of the shop",
        ])
        .await;
    assert!(
        !refused.ok && refused.stderr.contains("--secure-attribute"),
        "{}",
        refused.stderr
    );
}

#[tokio::test]
async fn refusals_of_the_api_are_shown() {
    let world = World::start().await;
    for (arguments, expected) in [
        (&["revoke", "aaaaaaaaaaaaaaaa"][..], "client_key_not_found"),
        (
            &["create", "--name", "n", "--origin", "https://a.example/"],
            "/origins/0",
        ),
        (
            &["create", "--name", "n", "--environment", "moon"],
            "no such environment",
        ),
    ] {
        let ran = world.run(&[&["key"], arguments].concat()).await;
        assert!(!ran.ok && ran.stderr.contains(expected), "{}", ran.stderr);
    }
}
