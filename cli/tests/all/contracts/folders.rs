//! The structure of the source: all functions have the same structure, and layers keep their limits.

use assay::serve::BUILT_IN_TEMPLATE;
use assay::template::{LocalNames, Template};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Every file with this ending in a folder and below it.
pub(super) fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path
            .extension()
            .is_some_and(|extension| extension == ending)
        {
            found.push(path);
        }
    }
    found.sort();
    found
}

pub(super) fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn function_folders() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join("functions")).unwrap();
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect()
}

#[test]
fn every_function_has_a_folder_and_every_folder_is_a_function() {
    let template = Template::parse(BUILT_IN_TEMPLATE, &LocalNames::default()).unwrap();
    let declared: BTreeSet<_> = template
        .functions
        .values()
        .map(|f| f.binary.clone())
        .collect();
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    let folders: BTreeSet<_> = function_folders().iter().map(name).collect();
    assert_eq!(declared, folders);
    for folder in function_folders() {
        let manifest = text(&folder.join("Cargo.toml"));
        let manifest_name = format!("name = \"{}\"", name(&folder));
        // The package and its one binary.
        assert_eq!(
            manifest.matches(&manifest_name).count(),
            2,
            "{}",
            folder.display()
        );
        assert_eq!(
            manifest.matches("[[bin]]").count(),
            1,
            "{}",
            folder.display()
        );
    }
    let workspace = text(&root().join("Cargo.toml"));
    for list in ["\nmembers = [", "\ndefault-members = ["] {
        let line = workspace
            .split(list)
            .nth(1)
            .and_then(|rest| rest.lines().next());
        for member in [
            "shared",
            "shared/stats",
            "shared/domain",
            "cli",
            "functions/*",
        ] {
            assert!(
                line.unwrap().contains(&format!("\"{member}\"")),
                "{list} {member}"
            );
        }
    }
}

#[test]
fn every_function_has_the_same_structure() {
    for folder in function_folders() {
        let shown = folder.display();
        let main = text(&folder.join("src/main.rs"));
        assert!(
            main.lines().count() <= 30,
            "{shown}: main.rs only wires and runs the function"
        );
        assert!(main.contains("async fn main()"), "{shown}");
        let handler = text(&folder.join("src/lib.rs"));
        assert!(
            handler.starts_with("//! "),
            "{shown}: lib.rs has no module documentation"
        );
        // These functions are not called over HTTP.
        let signature = match folder.file_name().and_then(|name| name.to_str()) {
            Some("authorizer") => "pub async fn handle(app: App, request: TokenRequest)",
            Some("aggregate") => "event: LambdaEvent<Batch>,",
            Some("backfill") => "event: LambdaEvent<Batch>)",
            Some("audit-sample") => "event: LambdaEvent<Tick>,",
            _ => "request: Request) -> Result<Response, Problem>",
        };
        assert!(handler.contains("pub async fn handle("), "{shown}");
        assert!(handler.contains(signature), "{shown}");
        if signature.starts_with("request") && !folder.ends_with("health") {
            let body = handler.split("pub async fn handle(").nth(1).unwrap();
            // A caller with a token, with a token or a client key, with a client key in the path, or with a session.
            let checks = [
                "Caller::with_scope(&request, Scope::",
                "Bearer::of(&app, &request, Scope::",
                "client_key::from_path(&app, &request)",
                "session::of(&app, &request)",
            ];
            let is_check = |line: &&str| checks.iter().any(|check| line.contains(check));
            let before = body.lines().skip(1).take_while(|line| !is_check(line));
            // Only the style sheet of the dashboard is the same for everybody.
            let needs_no_caller = folder.ends_with("dashboard");
            assert!(
                body.lines().any(|line| is_check(&line))
                    && before.clone().all(|line| !line.contains("app"))
                    && (needs_no_caller || before.count() == 0),
                "{shown}: the handler must check the caller first"
            );
        }
    }
}

#[test]
fn no_source_file_is_longer_than_450_lines() {
    let mut count = 0;
    for folder in [
        "shared/stats/src",
        "shared/domain/src",
        "shared/src",
        "cli/src",
        "functions",
    ] {
        for file in files(&root().join(folder), "rs") {
            let lines = text(&file).lines().count();
            assert!(lines <= 450, "{} has {lines} lines", file.display());
            count += 1;
        }
    }
    assert!(count > 100, "{count} files");
}

#[test]
fn the_store_does_not_import_the_http_layer() {
    let store = root().join("shared/src/store");
    let sources = files(&store, "rs").into_iter();
    for file in sources.chain([store.with_extension("rs")]) {
        for (number, line) in text(&file).lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for name in ["crate::http", "lambda_"] {
                let place = format!("{}:{}", file.display(), number + 1);
                assert!(!code.contains(name), "{place}: {name}");
            }
        }
    }
}

#[test]
fn handlers_read_the_path_and_the_query_as_the_event_has_them() {
    // The address of a request has the stage and the host, and the local gateway makes none.
    for folder in ["shared/src/http", "functions"] {
        for file in files(&root().join(folder), "rs") {
            assert!(!text(&file).contains(".uri()"), "{}", file.display());
        }
    }
}

#[test]
fn functions_reach_the_database_only_through_the_store() {
    // A test may fail by panicking; it does not run in the function.
    let runs = |file: &PathBuf| {
        !file
            .iter()
            .any(|part| part == "tests" || part == "tests.rs")
    };
    for folder in function_folders() {
        for file in files(&folder.join("src"), "rs").into_iter().filter(runs) {
            let source = text(&file);
            for name in [
                "aws_sdk",
                "aws_types",
                "std::env",
                "SystemTime",
                "Utc::now",
                "unwrap()",
                ".expect(",
            ] {
                assert!(!source.contains(name), "{}: {name}", file.display());
            }
        }
    }
}

#[test]
fn the_store_never_scans() {
    for file in files(&root().join("shared/src/store"), "rs") {
        let source = text(&file);
        assert!(!source.contains(".scan()"), "{}", file.display());
    }
}
