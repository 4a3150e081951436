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
    let cases: [(&[&str], &str); 4] = [
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
    ];
    for (arguments, expected) in cases {
        let ran = token(folder.path(), arguments).await;
        assert!(!ran.ok && ran.stderr.contains(expected), "{}", ran.stderr);
    }
}
