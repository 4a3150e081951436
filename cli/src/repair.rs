//! `assay repair`: asks for new aggregates of experiments.

use crate::client::{ApiProblem, Client, ClientError, Connection, RetryPolicy, path_segment};
use crate::output::{counted, note, print};
use serde::Deserialize;

/// Build the aggregates of experiments again from their records.
///
/// Each experiment gets a backfill, whether its aggregates are correct or not. Drafts have no aggregates and are left out.
/// If a backfill cannot be started, the command continues with the other experiments and exits with status 1.
#[derive(Debug, Clone, clap::Args)]
#[command(override_usage = "assay repair [OPTIONS] <ID>...\n       assay repair [OPTIONS] --all")]
pub struct RepairArgs {
    /// Ids of experiments.
    #[arg(
        value_name = "ID",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    experiments: Vec<String>,
    /// Every experiment that was ever started, also archived ones.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Why the command failed.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// The experiments could not be listed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Some backfills could not be started.
    #[error(
        "no backfill of {}: {}. `assay repair {}` tries again",
        counted(u64::try_from(.0.len()).unwrap_or(u64::MAX), "experiment"),
        .0.join(", "),
        .0.join(" ")
    )]
    NotStarted(Vec<String>),
}

/// A page of the list of experiments.
#[derive(Deserialize)]
struct Page {
    experiments: Vec<Listed>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Listed {
    id: String,
    started_at: Option<String>,
}

#[derive(Deserialize)]
struct AuditResponse {
    backfill_started: Option<u64>,
}

/// Starts a backfill of each experiment, one after the other.
///
/// # Errors
/// If the experiments cannot be listed, or a backfill could not be started.
pub async fn run(args: RepairArgs) -> Result<(), RepairError> {
    let client = Client::new(&args.connection, RetryPolicy::Interactive)?;
    let experiments = if args.all {
        started(&client).await?
    } else {
        args.experiments
    };
    let total = experiments.len();
    let mut not_started = Vec::new();
    for (index, id) in experiments.into_iter().enumerate() {
        let position = format!("{} of {total}", index + 1);
        match repair(&client, &id).await {
            Ok(Some(generation)) => print(format_args!(
                "{position}: {id}: backfill of generation {generation} started"
            )),
            Ok(None) => print(format_args!("{position}: {id}: a draft, left out")),
            Err(error) => {
                note(format_args!("{position}: {id}: {error}"));
                not_started.push(id);
            }
        }
    }
    if !not_started.is_empty() {
        return Err(RepairError::NotStarted(not_started));
    }
    note(
        "Until a backfill is complete, results use the earlier aggregates. `assay audit ID` shows the generation in use with --json.",
    );
    Ok(())
}

/// The ids of all experiments that were ever started, newest first.
async fn started(client: &Client) -> Result<Vec<String>, ClientError> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let page: Page = client
            .get(&format!("/experiments?limit=100{cursor}"))
            .await?;
        let started = page.experiments.into_iter();
        all.extend(
            started
                .filter(|listed| listed.started_at.is_some())
                .map(|listed| listed.id),
        );
        match page.next_cursor {
            Some(next) => cursor = format!("&cursor={}", path_segment(&next)),
            None => return Ok(all),
        }
    }
}

/// The generation that a backfill builds. None for a draft.
async fn repair(client: &Client, id: &str) -> Result<Option<u64>, ClientError> {
    let path = format!("/experiments/{}/audit", path_segment(id));
    let repair = serde_json::json!({ "repair": true }).to_string();
    match client.post::<AuditResponse>(&path, repair, None).await {
        Ok(response) => Ok(response.backfill_started),
        Err(ClientError::Refused(ApiProblem { code, .. })) if code == "not_started" => Ok(None),
        Err(error) => Err(error),
    }
}
