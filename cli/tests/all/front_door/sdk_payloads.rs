//! Payloads for SDKs that hide something: hashes of secure attributes, and encrypted features.

use super::flags::{checkout, created};
use super::support::{Answer, Caller, World, without_definition_cache};
use aes::Aes128;
use cbc::Decryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, KeyIvInit};
use data_encoding::BASE64;
use domain::condition::NoSegments;
use domain::feature::{Evaluator, Feature, FeatureDefinition, FeatureUser};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};

const SALT: &str = "a salt of the shop";

fn hash(value: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(format!("{SALT}{value}")))
}

/// A platform whose flags have conditions on the attribute `email`, in themselves and in a segment.
async fn started() -> World {
    let world = World::with(without_definition_cache()).await;
    let admin = world.admin();
    let friends = json!({
        "id": "friends", "name": "Friends",
        "condition": {"email": {"$in": ["ann@example.com", "zoé@example.com"]}},
    });
    admin.post("/segments", &friends).await.json(201);
    let list = json!({"id": "list", "name": "List", "ids": ["ann"]});
    admin.post("/segments", &list).await.json(201);
    for (key, condition) in [
        ("one", json!({"email": "ann@example.com"})),
        (
            "friends",
            json!({"$savedGroups": ["friends"], "plan": "pro"}),
        ),
        ("strangers", json!({"$not": {"$savedGroups": ["friends"]}})),
        ("company", json!({"email": {"$regex": "@example"}})),
        ("listed", json!({"id": {"$inGroup": "list"}})),
        ("plan", json!({"plan": {"$regex": "^p"}})),
    ] {
        let mut flag = checkout(key);
        flag["environments"]["production"]["rules"] =
            json!([{"id": "r", "type": "serve", "condition": condition, "variant": "on"}]);
        created(&admin, flag).await;
    }
    world
}

async fn payload(caller: &Caller, key: &Value) -> Answer {
    let path = format!("/api/features/{}", key["key"].as_str().unwrap());
    caller.get(&path).await
}

/// The values of flags, as an SDK with these features evaluates them.
fn evaluated(features: &Value, attributes: &Value) -> BTreeMap<String, Value> {
    let definitions: BTreeMap<String, FeatureDefinition> =
        serde_json::from_value(features.clone()).unwrap();
    let compiled = definitions.iter();
    let compiled: HashMap<String, Feature> = compiled
        .map(|(key, definition)| (key.clone(), Feature::new(key, definition)))
        .collect();
    let user = FeatureUser::new(attributes, &NoSegments);
    let mut evaluator = Evaluator::new(&compiled, user);
    let values = compiled.keys();
    values
        .map(|key| (key.clone(), evaluator.evaluate(key).value.clone()))
        .collect()
}

fn decrypted(text: &str, key: &str) -> Value {
    let (vector, encrypted) = text.split_once('.').unwrap();
    let bytes = |text: &str| BASE64.decode(text.as_bytes()).unwrap();
    let key: [u8; 16] = bytes(key).try_into().unwrap();
    let vector: [u8; 16] = bytes(vector).try_into().unwrap();
    let decryptor = Decryptor::<Aes128>::new(&key.into(), &vector.into());
    let text = decryptor.decrypt_padded_vec::<Pkcs7>(&bytes(encrypted));
    serde_json::from_slice(&text.unwrap()).unwrap()
}

#[tokio::test]
async fn a_payload_has_hashes_of_secure_attributes_and_sdks_evaluate_as_the_server_does() {
    let world = started().await;
    let admin = world.admin();
    let secure = json!({"names": ["email"], "salt": SALT});
    let new = json!({"name": "Shop", "secure_attributes": secure});
    let key = admin.post("/client-keys", &new).await.json(201);
    assert_eq!(key["secure_attributes"], secure);
    let answer = payload(&admin, &key).await.json(200);
    assert_eq!(
        answer["serverOnly"],
        json!({"company": "secure_attribute", "listed": "id_list"})
    );
    let text = answer.to_string();
    assert!(!text.contains("example.com"), "{text}");
    assert!(text.contains(&hash("zoé@example.com")), "{text}");
    let features = &answer["features"];
    assert_eq!(
        features["one"]["rules"][0]["condition"],
        json!({"email": hash("ann@example.com")})
    );

    let eval = format!("/api/eval/{}", key["key"].as_str().unwrap());
    for email in [
        Some("ann@example.com"),
        Some("zoé@example.com"),
        Some("bob@example.com"),
        None,
    ] {
        for plan in ["pro", "free"] {
            let mut attributes = json!({"id": "u", "plan": plan});
            let mut hashed = attributes.clone();
            if let Some(email) = email {
                attributes["email"] = json!(email);
                hashed["email"] = json!(hash(email));
            }
            // Remote evaluation takes the values themselves.
            let sent = json!({ "attributes": attributes });
            let remote = admin.post(&eval, &sent).await.json(200);
            let local = evaluated(features, &hashed);
            assert_eq!(local.len(), 4, "{local:?}");
            for (flag, value) in local {
                let expected = &remote["features"][&flag]["defaultValue"];
                assert_eq!(&value, expected, "{flag} of {attributes}");
            }
        }
    }
}

#[tokio::test]
async fn a_salt_is_random_unless_the_caller_has_one() {
    let world = World::start().await;
    let admin = world.admin();
    let new = json!({"name": "Shop", "secure_attributes": {"names": ["email"]}});
    let mut salts = Vec::new();
    for _ in 0..2 {
        let key = admin.post("/client-keys", &new).await.json(201);
        let salt = key["secure_attributes"]["salt"]
            .as_str()
            .unwrap()
            .to_owned();
        assert_eq!(salt.len(), 32, "{salt}");
        salts.push(salt);
    }
    assert_ne!(salts[0], salts[1]);
}

#[tokio::test]
async fn an_encrypted_payload_shows_nothing_and_decrypts_to_the_plain_one() {
    let world = started().await;
    let admin = world.admin();
    let plain = admin.post("/client-keys", &json!({"name": "Plain"})).await;
    let plain = plain.json(201);
    assert!(plain.get("decryption_key").is_none() && plain.get("encrypted").is_none());
    let new = json!({"name": "Shop", "encrypted": true}).to_string();
    let headers = [
        ("content-type", "application/json"),
        ("idempotency-key", "k"),
    ];
    let create = || admin.send("POST", "/client-keys", &headers, new.clone());
    let key = create().await.json(201);
    assert_eq!(key["encrypted"], true);
    let secret = key["decryption_key"].as_str().unwrap();
    assert_eq!(create().await.json(201), key, "a repeat");

    let first = payload(&admin, &key).await;
    let answer = first.json(200);
    assert_eq!(answer["features"], json!({}));
    assert!(answer.get("serverOnly").is_none(), "{answer}");
    for hidden in ["friends", "listed", "plan"] {
        assert!(!answer.to_string().contains(hidden), "{answer}");
    }
    let encrypted = answer["encryptedFeatures"].as_str().unwrap();
    let expected = payload(&admin, &plain).await.json(200);
    assert_eq!(expected["features"].as_object().unwrap().len(), 5);
    assert_eq!(decrypted(encrypted, secret), expected["features"]);

    // The same content has the same tag, also from another process, and other content has another one.
    let tag = first.header("etag").to_owned();
    let again = payload(&admin, &key).await;
    assert_eq!(
        (again.json(200), again.header("etag")),
        (answer, tag.as_str())
    );
    created(&admin, checkout("new")).await;
    let changed = payload(&admin, &key).await;
    assert_ne!(changed.header("etag"), tag);

    // Only the creation shows the key.
    let listed = admin.get("/client-keys").await.json(200).to_string();
    assert!(!listed.contains(secret) && !listed.contains("decryption_key"));
    let path = format!("/client-keys/{}", key["id"].as_str().unwrap());
    let revoked = admin.send("DELETE", &path, &[], "").await.json(200);
    assert!(revoked.get("decryption_key").is_none(), "{revoked}");
    assert_eq!(revoked["encrypted"], true);
}
