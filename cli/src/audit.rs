//! `assay audit`: compares the aggregates of an experiment with its records, and starts a backfill on request.

use crate::client::{Client, ClientError, Connection, RetryPolicy, path_segment};
use crate::output::{counted, note, print};
use serde::Deserialize;
use serde_json::json;

/// Compare the aggregates of an experiment with its records.
///
/// Every number is recomputed from the records. If numbers differ, the command shows them and exits with status 1.
#[derive(Debug, Clone, clap::Args)]
pub struct AuditArgs {
    /// Id of the experiment.
    #[arg(value_name = "ID")]
    experiment: String,
    #[command(flatten)]
    connection: Connection,
    /// Start a backfill of the aggregates, even if they are correct.
    #[arg(long)]
    repair: bool,
    /// Print the API's response as JSON.
    #[arg(long)]
    json: bool,
}

/// Why an audit failed.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// A call failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The API's response does not have the expected form.
    #[error("the response cannot be parsed: {0}")]
    UnexpectedResponse(#[from] serde_json::Error),
    /// The aggregates differ from the records.
    #[error("the aggregates of {experiment} differ from the records in {}{}", counted(*.numbers, "number"), advice(*.repaired))]
    AggregatesDiffer {
        /// Id of the experiment.
        experiment: String,
        /// How many numbers differ.
        numbers: u64,
        /// Whether a backfill has started.
        repaired: bool,
    },
}

fn advice(repaired: bool) -> &'static str {
    if repaired {
        "; a backfill has started"
    } else {
        "; --repair starts a backfill"
    }
}

/// The printed part of the API's response.
#[derive(Deserialize)]
struct AuditResponse {
    records: u64,
    users: u64,
    numbers: u64,
    comparisons: u64,
    differing_numbers: u64,
    #[serde(default)]
    drift: Vec<Drift>,
    #[serde(default)]
    quarantined_users: u64,
    #[serde(default)]
    quarantined: Vec<Quarantined>,
    not_compared: Option<Message>,
    left_out: Option<Message>,
    backfill_started: Option<u64>,
}

#[derive(Deserialize)]
struct Drift {
    item: String,
    number: String,
    stored: String,
    recomputed: String,
}

#[derive(Deserialize)]
struct Quarantined {
    user_id: String,
    reason: String,
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

/// Audits the experiment.
///
/// # Errors
/// If the aggregates differ from the records, or the API refuses the request or cannot be reached.
pub async fn run(args: AuditArgs) -> Result<(), AuditError> {
    let client = Client::new(&args.connection, RetryPolicy::Interactive)?;
    let path = format!("/experiments/{}/audit", path_segment(&args.experiment));
    let body = json!({ "repair": args.repair }).to_string();
    let sent: serde_json::Value = client.post(&path, body, None).await?;
    let response = AuditResponse::deserialize(&sent)?;
    if args.json {
        print(&sent);
    } else {
        show(&response);
    }
    if response.differing_numbers > 0 {
        return Err(AuditError::AggregatesDiffer {
            experiment: args.experiment,
            numbers: response.differing_numbers,
            repaired: response.backfill_started.is_some(),
        });
    }
    Ok(())
}

fn show(response: &AuditResponse) {
    match &response.not_compared {
        Some(why) => print(format_args!("Not compared: {}", why.message)),
        None => print(format_args!(
            "{} of {} users compared with {} ({}).",
            counted(response.numbers, "number"),
            crate::output::grouped(response.users),
            counted(response.records, "record"),
            counted(response.comparisons, "comparison"),
        )),
    }
    if let Some(what) = &response.left_out {
        print(&what.message);
    }
    table(&response.drift);
    let shown = u64::try_from(response.drift.len()).unwrap_or(u64::MAX);
    let more = response.differing_numbers.saturating_sub(shown);
    if more > 0 {
        print(format_args!("and {} more", counted(more, "number")));
    }
    if response.quarantined_users > 0 {
        print(format_args!(
            "{} cannot be counted:",
            counted(response.quarantined_users, "user")
        ));
    }
    for user in &response.quarantined {
        let (user, reason) = (printable(&user.user_id), printable(&user.reason));
        print(format_args!("{user}: {reason}"));
    }
    if response.not_compared.is_none() && response.differing_numbers == 0 {
        print("The aggregates equal the records.");
    }
    if response.backfill_started.is_some() {
        note(
            "A backfill has started. Until it is complete, `source=raw` computes results from the records.",
        );
    }
}

fn table(drift: &[Drift]) {
    let heads = ["item", "number", "stored", "recomputed"].map(str::to_owned);
    let rows: Vec<[String; 4]> = drift
        .iter()
        .map(|one| {
            [&one.item, &one.number, &one.stored, &one.recomputed].map(|text| printable(text))
        })
        .collect();
    if rows.is_empty() {
        return;
    }
    let width = |column: usize| {
        let cells = rows.iter().chain([&heads]);
        let widths = cells.filter_map(|cells| cells.get(column));
        widths.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let (item, number, stored, recomputed) = (width(0), width(1), width(2), width(3));
    for [a, b, c, d] in [&heads].into_iter().chain(&rows) {
        print(format_args!(
            "{a:<item$}  {b:<number$}  {c:>stored$}  {d:>recomputed$}"
        ));
    }
}

/// Removes control characters, because names come from other users and must not control the terminal.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}
