//! The log line of each request.

use super::support::{Setup, TOKEN};
use serde_json::Value;
use std::io::Write;
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_line_contains_no_token_path_query_header_or_body() {
    let lines = Lines::default();
    let writer = lines.clone();
    // A subscriber of a single thread would miss events that another thread registers first.
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::INFO)
        .with_writer(move || writer.clone());
    tracing::subscriber::set_global_default(subscriber.finish()).unwrap();
    let api = Setup::new().start().await;
    let mut ours: Vec<Value> = Vec::new();
    for token in [TOKEN, "Bearer refused!", ""] {
        let request = api.request("PUT", "/notes/private-id?private-query=1");
        let request = request
            .header("authorization", token)
            .header("x-private", "private-header");
        let answer = request.body("private-body").send().await.unwrap();
        let id = answer.headers()["x-amzn-requestid"].to_str().unwrap();
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let with_id = text.lines().filter(|line| line.contains(id));
        ours.extend(with_id.map(|line| serde_json::from_str::<Value>(line).unwrap()));
    }
    assert_eq!(ours.len(), 3, "{ours:?}");
    for line in &ours {
        assert_eq!(line["target"], "assay::access");
        assert_eq!(line["fields"]["method"], "PUT");
        assert_eq!(line["fields"]["resource"], "/notes/{id}");
        let line = line.to_string();
        assert!(
            !line.contains("private") && !line.contains("secret"),
            "{line}"
        );
    }
    assert_eq!(ours[0]["fields"]["status"], 200);
    assert_eq!(ours[0]["fields"]["principal"], "tok_1");
    assert_eq!(ours[1]["fields"]["refused"], "UNAUTHORIZED");
}
