//! Each recorded event of `events/` is given to its function on a prepared platform, and the answer is compared with
//! the expected one. `scripts/lambda-contracts` does the same with the functions as processes.

use assay::client::http_client;
use assay::functions::{self, Notifications};
use assay::serve::{Platform, PlatformOptions};
use domain::access::{Grant, Scope, Token};
use domain::time::Timestamp;
use lambda_runtime::Context;
use serde_json::{Map, Value, json};
use shared::config::Config;
use shared::store::Store;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn events() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../events")
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The platform that all events expect, as `events/prepare.json` describes it.
async fn prepared() -> Platform {
    let platform = Platform::start(PlatformOptions::for_tests()).await.unwrap();
    let prepare = read(&events().join("prepare.json"));
    let environment = platform.environments.of("authorizer").unwrap();
    let config = Config::read(|name| environment.get(name).cloned()).unwrap();
    let store = Store::with_config(&platform.sdk_config, config.tables);
    for token in prepare["tokens"].as_array().unwrap() {
        let text = |name: &str| token[name].as_str().unwrap();
        let scopes = token["scopes"].as_array().unwrap().iter();
        let scopes = scopes.map(|name| Scope::parse_set(name.as_str().unwrap()).unwrap());
        let grant = Grant {
            token_id: text("token_id").to_owned(),
            name: text("name").to_owned(),
            scopes: scopes.flatten().collect(),
            created_at: Timestamp::MIN,
            expires_at: token["expires_at"]
                .as_str()
                .map(|at| Timestamp::parse(at).unwrap()),
            events_per_second: None,
            hides_assignments: false,
            environment: None,
        };
        let secret = Token::parse(text("token")).unwrap();
        store.store_token(&secret.sha256(), &grant).await.unwrap();
    }
    let http = http_client();
    for request in prepare["requests"].as_array().unwrap() {
        let method = request["method"].as_str().unwrap().parse().unwrap();
        let url = format!("{}{}", platform.url(), request["path"].as_str().unwrap());
        let mut sent = http.request(method, url).bearer_auth(&platform.token);
        for (name, value) in request["headers"].as_object().into_iter().flatten() {
            sent = sent.header(name, value.as_str().unwrap());
        }
        let answer = sent.body(request["body"].to_string()).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), request["status"], "{request}");
    }
    platform.settle().await;
    platform
}

/// A context with a deadline, as Lambda gives one.
fn context() -> Context {
    let mut context = Context::default();
    let now = shared::clock::now().micros() / 1_000;
    context.deadline = u64::try_from(now).unwrap() + 60_000;
    context
}

/// Every case of a function, in the order of their names.
fn cases(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut cases: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| !path.to_str().unwrap().ends_with(".expected.json"));
    cases.sort();
    cases
}

#[tokio::test]
async fn every_recorded_event_gets_the_expected_answer() {
    let platform = prepared().await;
    let notifications = Notifications::default();
    let wired = functions::wire(&platform.environments, &notifications)
        .await
        .unwrap();
    let mut folders: Vec<_> = wired.keys().cloned().collect();
    folders.sort();
    let (mut passed, mut failed) = (0, Vec::new());
    for binary in &folders {
        for path in cases(&events().join(binary)) {
            let expected = read(&path.with_extension("expected.json"));
            let answer = match wired[binary].call(read(&path), context()).await {
                Ok(answer) => answer,
                Err(error) => json!({"errorType": error.error_type, "errorMessage": error.message}),
            };
            let answer = comparable(&answer);
            match differences(&expected, &answer).as_slice() {
                [] => passed += 1,
                _ if std::env::var_os("ASSAY_RECORD_ANSWERS").is_some() => {
                    record(&path.with_extension("expected.json"), &expected, &answer);
                    passed += 1;
                }
                found => failed.push(format!("{}:\n  {}", path.display(), found.join("\n  "))),
            }
        }
    }
    assert!(
        failed.is_empty(),
        "{passed} passed, {} failed\n{}",
        failed.len(),
        failed.join("\n")
    );
    assert!(passed >= 105, "{passed}");
}

#[test]
fn every_function_has_good_and_bad_events_and_every_event_has_an_expected_answer() {
    let functions = Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions");
    let names = |folder: &Path| -> BTreeSet<String> {
        let entries = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let folders = entries.filter(|path| path.is_dir());
        folders
            .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&functions), names(&events()));
    for name in names(&events()) {
        let cases = cases(&events().join(&name));
        let is_good = |path: &PathBuf| {
            let expected = read(&path.with_extension("expected.json"));
            expected.get("errorType").is_none()
                && expected["statusCode"].as_u64().unwrap_or(200) < 400
        };
        let good = cases.iter().filter(|path| is_good(path)).count();
        assert!(good > 0, "{name}");
        // These functions ignore their event, so none of their events is bad.
        let takes_all = ["audit-sample", "health"].contains(&name.as_str());
        assert!(takes_all || good < cases.len(), "{name}");
        let all = std::fs::read_dir(events().join(&name)).unwrap().count();
        assert_eq!(
            all,
            2 * cases.len(),
            "{name}: an event or its answer is missing"
        );
    }
}

/// An answer in the form of the expected ones: headers by lower-case name, a JSON body as JSON.
fn comparable(answer: &Value) -> Value {
    let Some(status) = answer.get("statusCode") else {
        return answer.clone();
    };
    let mut headers = Map::new();
    for (name, value) in answer["headers"].as_object().into_iter().flatten() {
        headers.insert(name.to_lowercase(), value.clone());
    }
    for (name, values) in answer["multiValueHeaders"]
        .as_object()
        .into_iter()
        .flatten()
    {
        headers.insert(name.to_lowercase(), values[0].clone());
    }
    let body = answer["body"].as_str().unwrap_or_default();
    let body = serde_json::from_str(body).unwrap_or_else(|_| json!(body));
    json!({"statusCode": status, "headers": headers, "body": body})
}

/// Writes an answer as the expected one, with the placeholders and the headers of the old one where they fit.
fn record(path: &Path, expected: &Value, answer: &Value) {
    let mut answer = answer.clone();
    if let (Some(expected), Some(headers)) = (
        expected["headers"].as_object(),
        answer.get_mut("headers").and_then(Value::as_object_mut),
    ) {
        headers.retain(|name, _| expected.contains_key(name));
    }
    let recorded = with_placeholders(expected, &answer);
    let text = serde_json::to_string_pretty(&recorded).unwrap();
    std::fs::write(path, text + "\n").unwrap();
}

fn with_placeholders(expected: &Value, seen: &Value) -> Value {
    match (expected, seen) {
        (Value::String(placeholder), seen) if fits(placeholder, seen) => expected.clone(),
        (Value::Object(expected), Value::Object(seen)) => {
            // In the order of the old answer, so that the diff shows only what changed.
            let known = expected.keys().filter(|name| seen.contains_key(*name));
            let new = seen.keys().filter(|name| !expected.contains_key(*name));
            let value = |name: &String| {
                let old = expected.get(name).unwrap_or(&Value::Null);
                (name.clone(), with_placeholders(old, &seen[name]))
            };
            known.chain(new).map(value).collect()
        }
        (Value::Array(expected), Value::Array(seen)) => {
            let old = expected.iter().chain(std::iter::repeat(&Value::Null));
            let values = old.zip(seen);
            values
                .map(|(expected, seen)| with_placeholders(expected, seen))
                .collect()
        }
        _ => seen.clone(),
    }
}

/// Where an answer is not what was expected. Headers that are not expected are ignored.
fn differences(expected: &Value, seen: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut seen = seen.clone();
    if let (Some(expected), Some(headers)) = (
        expected["headers"].as_object(),
        seen.get_mut("headers").and_then(Value::as_object_mut),
    ) {
        headers.retain(|name, _| expected.contains_key(name));
    }
    compare("", expected, &seen, &mut found);
    found
}

fn compare(at: &str, expected: &Value, seen: &Value, found: &mut Vec<String>) {
    match (expected, seen) {
        (Value::String(placeholder), seen) if fits(placeholder, seen) => {}
        (Value::Object(expected), Value::Object(seen)) => {
            for name in expected.keys().chain(seen.keys()).collect::<BTreeSet<_>>() {
                match (expected.get(name), seen.get(name)) {
                    (Some(expected), Some(seen)) => {
                        compare(&format!("{at}/{name}"), expected, seen, found)
                    }
                    (Some(_), None) => found.push(format!("{at}/{name} is missing")),
                    (None, _) => found.push(format!("{at}/{name} is not expected: {}", seen[name])),
                }
            }
        }
        (Value::Array(expected), Value::Array(seen)) if expected.len() == seen.len() => {
            for (index, (expected, seen)) in expected.iter().zip(seen).enumerate() {
                compare(&format!("{at}/{index}"), expected, seen, found);
            }
        }
        _ if expected == seen => {}
        _ => found.push(format!("{at} is {seen}, not {expected}")),
    }
}

/// Whether a value matches a placeholder. `events/README.md` lists them.
fn fits(placeholder: &str, seen: &Value) -> bool {
    let text = seen.as_str().unwrap_or_default();
    match placeholder {
        "<any>" => true,
        "<text>" => !text.is_empty(),
        "<number>" => seen.is_number(),
        "<timestamp>" => text.len() == 27 && Timestamp::parse(text).is_ok(),
        "<id>" => {
            text.len() == 26
                && text
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        }
        _ => false,
    }
}
