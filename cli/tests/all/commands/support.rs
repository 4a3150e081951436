//! A platform, and the command that runs against it.

use assay::client::http_client;
use assay::serve::{Platform, PlatformOptions};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Output;
use tokio::process::Command;

/// What a command printed, and whether it succeeded.
pub(crate) struct Ran {
    pub(crate) ok: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            ok: output.status.success(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The command in this folder, without the variables of the developer's environment.
pub(crate) fn assay(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    command.current_dir(folder);
    for variable in ["ASSAY_URL", "ASSAY_TOKEN", "ASSAY_LOG"] {
        command.env_remove(variable);
    }
    command
}

/// A platform in memory and a folder for files.
pub(crate) struct World {
    pub(crate) platform: Platform,
    pub(crate) folder: tempfile::TempDir,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(PlatformOptions::for_tests()).await
    }

    pub(crate) async fn with(options: PlatformOptions) -> Self {
        Self {
            platform: Platform::start(options).await.unwrap(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = assay(self.folder.path());
        command.args(arguments);
        command.env("ASSAY_URL", self.platform.url());
        command.env("ASSAY_TOKEN", &self.platform.token);
        command
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Ran {
        self.command(arguments).output().await.unwrap().into()
    }

    /// Runs a command that must succeed, and returns its output.
    pub(crate) async fn done(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments).await;
        assert!(ran.ok, "{arguments:?}\n{}{}", ran.stdout, ran.stderr);
        ran.stdout
    }

    pub(crate) async fn done_json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.done(arguments).await).unwrap()
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let file = self.folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    }

    /// Creates an experiment with these variants and metrics.
    pub(crate) async fn experiment(&self, id: &str, variants: [&str; 2], metrics: Value) {
        let body = json!({
            "id": id,
            "name": format!("The {id}"),
            "variants": variants.map(|key| json!({"key": key, "percent": 50})),
            "metrics": metrics,
        });
        self.create(&body).await;
    }

    /// Creates an experiment with this definition.
    pub(crate) async fn create(&self, definition: &Value) {
        let request = http_client()
            .post(format!("{}/experiments", self.platform.url()))
            .bearer_auth(&self.platform.token)
            .json(definition);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
    }

    /// The body of the answer.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let request = http_client()
            .get(format!("{}{path}", self.platform.url()))
            .bearer_auth(&self.platform.token);
        request.send().await.unwrap().json().await.unwrap()
    }

    /// Number of stored assignments.
    pub(crate) async fn assignments(&self) -> i32 {
        let table = &self.platform.template.tables["AssignmentsTable"].name;
        let scan = self.platform.dynamodb.scan().table_name(table);
        scan.send().await.unwrap().count()
    }
}
