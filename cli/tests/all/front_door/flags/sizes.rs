//! The sizes of one flag and of all flags: at each limit everything is stored, read and listed, and one byte more is refused.

use super::super::support::{Caller, Item, World, expected};
use super::{change, created, delete};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::flag::Flag;
use domain::limits::{MAX_ALL_FLAGS_BYTES, MAX_ANSWER_BYTES, MAX_FLAG_BYTES, MAX_FLAGS};
use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use shared::store::experiments::Author;
use shared::store::flags::{FlagWrite, StoredFlag};

const AUTHOR: Author<'_> = Author {
    by: "a test",
    reason: None,
};

/// A flag with short texts.
fn smallest(key: &str) -> Value {
    json!({
        "key": key, "name": "N", "description": "d", "value_type": "string",
        "variants": [{"key": "on", "value": "1"}, {"key": "off", "value": "0"}],
        "environments": {"production": {"enabled": true, "off_variant": "off", "default_variant": "on"}},
    })
}

/// The same flag with longer texts, so that it has exactly this many bytes.
fn of_size(key: &str, bytes: usize, smallest_bytes: usize) -> Value {
    let mut flag = smallest(key);
    let mut missing = bytes - smallest_bytes;
    let variants = flag["variants"].as_array_mut().unwrap();
    let long = |length: usize| json!("x".repeat(length));
    let empty = r#",{"key":"v0","value":""}"#.len();
    for number in 0..10 {
        let length = missing.saturating_sub(empty).min(8_000);
        if length > 0 {
            variants.push(json!({"key": format!("v{number}"), "value": long(length)}));
            missing -= empty + length;
        }
    }
    flag["description"] = long(1 + missing);
    flag
}

fn bytes(answer: &Value) -> usize {
    let flag: Flag = serde_json::from_value(answer.clone()).unwrap();
    flag.bytes()
}

/// The keys of all pages.
async fn listed(admin: &Caller) -> Vec<String> {
    let (mut keys, mut cursor) = (Vec::new(), String::new());
    loop {
        let answer = admin.get(&format!("/flags?limit=100{cursor}")).await;
        let page = answer.json(200);
        assert!(page.to_string().len() < MAX_ANSWER_BYTES);
        let flags = page["flags"].as_array().unwrap().iter();
        keys.extend(flags.map(|flag| flag["key"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return keys,
        }
    }
}

/// Stores copies of a flag without the checks of a request.
async fn copies(world: &World, flag: &StoredFlag, keys: impl Iterator<Item = String>) {
    let store = world.store();
    for key in keys {
        let mut copy = flag.clone();
        copy.flag.key = key.try_into().unwrap();
        let changes = store.catalog_changes().await.unwrap();
        let written = store.write_flag(&changes, None, &copy, AUTHOR).await;
        assert_eq!(written.unwrap(), FlagWrite::Written);
    }
}

#[tokio::test]
async fn all_flags_together_have_a_largest_size() {
    let world = World::start().await;
    let admin = world.admin();
    let smallest_bytes = bytes(&created(&admin, smallest("f000")).await);
    change(&admin, "f000", &json!({"archived": true}))
        .await
        .json(200);
    delete(&admin, "f000").await.json(200);

    let too_large = of_size("f000", MAX_FLAG_BYTES + 1, smallest_bytes);
    let refused = admin.post("/flags", &too_large).await;
    assert_eq!(refused.faults(), expected([("", "too_long")]));
    let largest = of_size("f000", MAX_FLAG_BYTES, smallest_bytes);
    let largest = created(&admin, largest).await;
    assert_eq!(bytes(&largest), MAX_FLAG_BYTES);
    let mut read = admin.get("/flags/f000").await.json(200);
    read.as_object_mut().unwrap().remove("stale");
    assert_eq!(read, largest);

    let number = MAX_ALL_FLAGS_BYTES / MAX_FLAG_BYTES;
    let key = "f000".to_owned().try_into().unwrap();
    let stored = world.store().flag(&key).await.unwrap().unwrap();
    copies(
        &world,
        &stored,
        (1..number).map(|copy| format!("f{copy:03}")),
    )
    .await;
    let room = MAX_ALL_FLAGS_BYTES - number * MAX_FLAG_BYTES;
    let refused = admin
        .post("/flags", &of_size("last", room + 1, smallest_bytes))
        .await;
    assert_eq!(refused.code(409), "too_many_flags");
    created(&admin, of_size("last", room, smallest_bytes)).await;
    let refused = admin.post("/flags", &smallest("more")).await;
    assert_eq!(refused.code(409), "too_many_flags");
    let keys = listed(&admin).await;
    assert_eq!(keys.len(), number + 1);
    assert!(keys.is_sorted());

    // A flag that grows is refused. The kill switch and archiving never are.
    for key in ["f000", "last"] {
        let grown = change(&admin, key, &json!({"name": "NN"})).await;
        assert_eq!(grown.code(409), "too_many_flags");
    }
    let off = json!({"enabled": false, "off_variant": "off", "default_variant": "on"});
    for key in ["f000", "last"] {
        let off = json!({"environments": {"production": off}});
        change(&admin, key, &off).await.json(200);
        change(&admin, key, &json!({"archived": true}))
            .await
            .json(200);
    }
    delete(&admin, "last").await.json(200);
    created(&admin, smallest("more")).await;
}

#[tokio::test]
async fn there_is_a_largest_number_of_flags() {
    let world = World::start().await;
    let admin = world.admin();
    created(&admin, smallest("f0000")).await;
    let table = &world.platform.template.tables["ExperimentsTable"].name;
    let items = world.items("ExperimentsTable").await;
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let is_flag = |item: &&Item| item["experiment_id"] == text("#flags");
    let flag = items.iter().find(is_flag).unwrap();
    let copies = (1..MAX_FLAGS).map(|number| {
        let key = format!("f{number:04}");
        let mut copy = flag.clone();
        copy.insert("record".to_owned(), text(&format!("flag#{key}")));
        let mut definition = copy["flag"].as_m().unwrap().clone();
        definition.insert("key".to_owned(), text(&key));
        copy.insert("flag".to_owned(), AttributeValue::M(definition));
        let put = world.platform.dynamodb.put_item().table_name(table);
        put.set_item(Some(copy)).send()
    });
    let stored = futures::stream::iter(copies).buffer_unordered(32);
    stored.try_collect::<Vec<_>>().await.unwrap();
    let refused = admin.post("/flags", &smallest("more")).await;
    assert_eq!(refused.code(409), "too_many_flags");
    let context = json!({"context": {"targetingKey": "ann"}});
    let all = admin.post("/ofrep/v1/evaluate/flags", &context).await;
    let all = all.json(200);
    let values = all["flags"].as_array().unwrap().iter();
    assert_eq!(
        values.filter(|flag| flag["value"] == "1").count(),
        MAX_FLAGS
    );
}
