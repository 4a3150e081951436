//! `assay token`.

use super::support::{Ran, assay};
use assay::client::http_client;
use assay::serve::{Platform, PlatformOptions};
use std::path::Path;

async fn token(folder: &Path, arguments: &[&str]) -> Ran {
    let mut command = assay(folder);
    command.arg("token").args(arguments);
    command.output().await.unwrap().into()
}

async fn status(platform: &Platform, token: &str, path: &str) -> u16 {
    let request = http_client().get(format!("{}{path}", platform.url()));
    request
        .bearer_auth(token)
        .send()
        .await
        .unwrap()
        .status()
        .as_u16()
}

#[tokio::test]
async fn a_token_allows_its_scopes_until_it_is_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("assay.db");
    let options = || PlatformOptions::default().with_data(&file);
    Platform::start(options())
        .await
        .unwrap()
        .shutdown()
        .await
        .unwrap();

    let data = ["--data", "assay.db"];
    let create = [
        "create",
        "--name",
        "Dashboard",
        "--scopes",
        "read",
        "--expires",
        "90d",
        "--environment",
        "staging",
    ];
    let made = token(folder.path(), &[&create[..], &data].concat()).await;
    assert!(made.ok, "{}", made.stderr);
    let secret = made.stdout.trim().to_owned();
    assert!(secret.starts_with("assay_") && secret.len() == 49);
    assert!(!made.stderr.contains(&secret));

    let platform = Platform::start(options()).await.unwrap();
    assert_eq!(status(&platform, &secret, "/experiments").await, 200);
    assert_eq!(
        status(&platform, &secret, "/experiments/x/assignment/u").await,
        403
    );
    // The running platform locks the file, but its engine can be reached.
    let locked = token(folder.path(), &[&["list"], &data[..]].concat()).await;
    assert!(
        !locked.ok && locked.stderr.contains("--dynamodb-endpoint"),
        "{}",
        locked.stderr
    );
    let endpoint = ["--dynamodb-endpoint", &platform.dynamodb_endpoint];
    let listed = token(folder.path(), &[&["list"], &endpoint[..]].concat()).await;
    assert!(listed.stdout.contains("Dashboard") && listed.stdout.contains("development"));
    assert!(!listed.stdout.contains(&secret));
    platform.shutdown().await.unwrap();

    let row = listed
        .stdout
        .lines()
        .find(|line| line.contains("Dashboard"))
        .unwrap();
    assert!(row.contains("  staging  "), "{row}");
    let id = row.split_whitespace().next().unwrap();
    let revoked = token(folder.path(), &[&["revoke", id], &data[..]].concat()).await;
    assert!(
        revoked.ok && revoked.stderr.contains("revoked"),
        "{}",
        revoked.stderr
    );
    let twice = token(folder.path(), &[&["revoke", id], &data[..]].concat()).await;
    assert!(
        !twice.ok && twice.stderr.contains("no token"),
        "{}",
        twice.stderr
    );
    let platform = Platform::start(options()).await.unwrap();
    assert_eq!(status(&platform, &secret, "/experiments").await, 401);
}

#[tokio::test]
async fn invalid_arguments_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&[&str], &str); 7] = [
        (
            &[
                "create",
                "--name",
                "x",
                "--scopes",
                "read",
                "--environment",
                "Staging",
            ],
            "lower-case letters",
        ),
        (&["list"], "there is no data"),
        (
            &["create", "--name", "x", "--scopes", "write"],
            "`write` is not a scope",
        ),
        (
            &["create", "--name", "x", "--scopes", ""],
            "at least one scope",
        ),
        (
            &[
                "create",
                "--name",
                "x",
                "--scopes",
                "read",
                "--expires",
                "soon",
            ],
            "such as 90d",
        ),
        (
            &[
                "create",
                "--name",
                "x",
                "--scopes",
                "track",
                "--events-per-second",
                "0",
            ],
            "0 is not in 1..",
        ),
        (
            &[
                "create",
                "--name",
                "x",
                "--scopes",
                "assign,track",
                "--hide-assignments",
                "--dynamodb-endpoint",
                "http://127.0.0.1:1",
            ],
            "needs the scope track and no other",
        ),
    ];
    for (arguments, expected) in cases {
        let ran = token(folder.path(), arguments).await;
        assert!(!ran.ok && ran.stderr.contains(expected), "{}", ran.stderr);
    }
}

#[tokio::test]
async fn a_token_gets_a_budget_of_events_and_hides_assignments() {
    let platform = Platform::start(PlatformOptions::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "create",
        "--name",
        "App",
        "--scopes",
        "track",
        "--events-per-second",
        "1",
        "--hide-assignments",
        "--dynamodb-endpoint",
        &platform.dynamodb_endpoint,
    ];
    let made = token(folder.path(), &arguments).await;
    assert!(made.ok, "{}", made.stderr);
    assert!(
        made.stderr.contains("1 events per second"),
        "{}",
        made.stderr
    );
    let send = async |number: usize| {
        let event = |index: usize| serde_json::json!({"user_id": "u", "type": "view", "event_id": format!("{number}-{index}")});
        let events: Vec<_> = (0..10).map(event).collect();
        let request = http_client().post(format!("{}/events", platform.url()));
        let request = request.bearer_auth(made.stdout.trim());
        let body = serde_json::json!({ "events": events });
        request.json(&body).send().await.unwrap()
    };
    let first: serde_json::Value = send(0).await.json().await.unwrap();
    assert_eq!(first["accepted"], 10);
    // A new window of the budget may begin between two requests.
    let mut statuses = Vec::new();
    for number in 1..4 {
        statuses.push(send(number).await.status().as_u16());
    }
    assert!(statuses.contains(&429), "{statuses:?}");
}
