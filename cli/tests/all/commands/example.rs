//! `scripts/example` succeeds.

use super::support::World;
use std::path::Path;
use tokio::process::Command;

#[tokio::test]
async fn the_example_succeeds_against_a_running_server() {
    for program in ["bash", "curl", "jq"] {
        if Command::new(program)
            .arg("--version")
            .output()
            .await
            .is_err()
        {
            eprintln!("skipped: scripts/example needs {program}");
            return;
        }
    }
    let world = World::start().await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/example");
    let mut command = Command::new(script);
    command.env("ASSAY_URL", world.platform.url());
    command.env("ASSAY_TOKEN", &world.platform.token);
    let output = command.output().await.unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{printed}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(printed.ends_with("All of it holds.\n"));
    assert!(!printed.contains(&world.platform.token));
}
