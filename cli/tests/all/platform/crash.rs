//! The process: signals, kill -9, and the data on disk afterwards.

use super::support::{has, put};
use assay::client::http_client;
use assay::engine::{client, sdk_config};
use aws_sdk_dynamodb::Client;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

struct Process {
    child: Child,
    url: String,
    client: Client,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts `assay serve` as a separate process and waits until it listens.
fn serve(folder: &Path) -> Process {
    let template = folder.join("template.yaml");
    std::fs::write(&template, super::support::TEMPLATE).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_assay"))
        .args(["serve", "--port", "0", "--data"])
        .arg(folder.join("assay.db"))
        .arg("--template")
        .arg(template)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let (mut url, mut endpoint) = (None, None);
    for line in output.lines() {
        let line = line.unwrap();
        if let Some(found) = line.strip_prefix("Assay is listening on ") {
            url = Some(found.to_owned());
        }
        if let Some(found) = line.strip_prefix("DynamoDB ") {
            endpoint = Some(found.trim().to_owned());
            break;
        }
    }
    let client = client(&sdk_config(&endpoint.unwrap(), "us-east-1", "local"));
    Process {
        child,
        url: url.unwrap(),
        client,
    }
}

#[tokio::test]
async fn every_acknowledged_write_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = serve(folder.path());
    let writer = {
        let client = process.client.clone();
        tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            for number in 0.. {
                let id = format!("item-{number}");
                let item = aws_sdk_dynamodb::types::AttributeValue::S(id.clone());
                let request = client.put_item().table_name("NotesTable").item("id", item);
                if request.send().await.is_err() {
                    break;
                }
                acknowledged.push(id);
            }
            acknowledged
        })
    };
    tokio::time::sleep(Duration::from_millis(700)).await;
    process.child.kill().unwrap();
    process.child.wait().unwrap();
    let acknowledged = writer.await.unwrap();
    assert!(
        acknowledged.len() > 20,
        "only {} writes",
        acknowledged.len()
    );
    let again = serve(folder.path());
    for id in &acknowledged {
        assert!(
            has(&again.client, "NotesTable", id).await,
            "{id} of {} is lost",
            acknowledged.len()
        );
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_signal_stops_the_process_in_order_and_soon() {
    for signal in ["INT", "TERM"] {
        let folder = tempfile::tempdir().unwrap();
        let mut process = serve(folder.path());
        put(&process.client, "NotesTable", "kept").await;
        // An idle connection must not delay the shutdown.
        let idle = http_client();
        idle.get(format!("{}/slow", process.url))
            .send()
            .await
            .unwrap();
        let id = process.child.id().to_string();
        Command::new("kill")
            .args(["-s", signal, &id])
            .status()
            .unwrap();
        let asked = Instant::now();
        let status = process.child.wait().unwrap();
        assert!(status.success(), "{signal}: {status}");
        assert!(asked.elapsed() < Duration::from_secs(5));
        assert!(
            !folder.path().join("assay.db-wal").exists(),
            "the write-ahead log is merged into the file"
        );
        assert!(has(&serve(folder.path()).client, "NotesTable", "kept").await);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_second_signal_ends_the_process_immediately() {
    use std::io::Write;
    let folder = tempfile::tempdir().unwrap();
    let mut process = serve(folder.path());
    put(&process.client, "NotesTable", "kept").await;
    // An unfinished request delays an orderly shutdown.
    let address = process.url.trim_start_matches("http://");
    let mut stuck = std::net::TcpStream::connect(address).unwrap();
    stuck
        .write_all(b"POST /slow HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf")
        .unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let id = process.child.id().to_string();
    let signal = || {
        Command::new("kill")
            .args(["-s", "INT", &id])
            .status()
            .unwrap()
    };
    signal();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(
        process.child.try_wait().unwrap().is_none(),
        "it waits for the request"
    );
    signal();
    let asked = Instant::now();
    assert_eq!(process.child.wait().unwrap().code(), Some(130));
    assert!(asked.elapsed() < Duration::from_secs(2));
    assert!(has(&serve(folder.path()).client, "NotesTable", "kept").await);
}
