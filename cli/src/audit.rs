//! `assay audit`: whether the running sums are those of the records, and new ones where they are not.

use crate::client::{Client, ClientError, Connection, Patience, dimension};
use crate::output::{counted, note, print};
use serde::Deserialize;
use serde_json::json;

/// Hold the running sums of an experiment against its records.
///
/// Every number is computed from the records again. Where the sums differ, the numbers are shown, and the command ends
/// with status 1.
#[derive(Debug, Clone, clap::Args)]
pub struct AuditArgs {
    /// The experiment.
    #[arg(value_name = "ID")]
    experiment: String,
    #[command(flatten)]
    connection: Connection,
    /// Have the sums made anew, whatever is found.
    #[arg(long)]
    repair: bool,
    /// Print the API's answer as it is.
    #[arg(long)]
    json: bool,
}

/// Why an audit did not end well.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// A call did not succeed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The API's answer is not what this version knows.
    #[error("the answer cannot be read: {0}")]
    Strange(#[from] serde_json::Error),
    /// The sums are not those of the records.
    #[error("the sums of {experiment} have drifted in {}{}", counted(*.numbers, "number"), advice(*.repaired))]
    Drifted {
        /// Of which experiment.
        experiment: String,
        /// In how many numbers.
        numbers: u64,
        /// Whether new ones are being made.
        repaired: bool,
    },
}

fn advice(repaired: bool) -> &'static str {
    if repaired {
        "; new ones are being made"
    } else {
        "; --repair has them made anew"
    }
}

/// The API's answer, as far as it is printed.
#[derive(Deserialize)]
struct Answer {
    records: u64,
    users: u64,
    numbers: u64,
    comparisons: u64,
    differing_numbers: u64,
    #[serde(default)]
    drift: Vec<Drift>,
    not_compared: Option<Said>,
    left_out: Option<Said>,
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
struct Said {
    message: String,
}

/// Audits the experiment.
///
/// # Errors
/// If the sums have drifted, or the API says no or cannot be reached.
pub async fn run(args: AuditArgs) -> Result<(), AuditError> {
    let client = Client::new(&args.connection, Patience::UserData)?;
    let path = format!("/experiments/{}/audit", dimension(&args.experiment));
    let body = json!({ "repair": args.repair }).to_string();
    let sent: serde_json::Value = client.post(&path, body, None).await?;
    let answer = Answer::deserialize(&sent)?;
    if args.json {
        print(&sent);
    } else {
        show(&answer);
    }
    if answer.differing_numbers > 0 {
        return Err(AuditError::Drifted {
            experiment: args.experiment,
            numbers: answer.differing_numbers,
            repaired: answer.backfill_started.is_some(),
        });
    }
    Ok(())
}

fn show(answer: &Answer) {
    match &answer.not_compared {
        Some(why) => print(format_args!("Not compared: {}", why.message)),
        None => print(format_args!(
            "{} of {} users compared with {} ({}).",
            counted(answer.numbers, "number"),
            crate::output::grouped(answer.users),
            counted(answer.records, "record"),
            counted(answer.comparisons, "comparison"),
        )),
    }
    if let Some(what) = &answer.left_out {
        print(&what.message);
    }
    table(&answer.drift);
    let shown = u64::try_from(answer.drift.len()).unwrap_or(u64::MAX);
    let more = answer.differing_numbers.saturating_sub(shown);
    if more > 0 {
        print(format_args!("and {} more", counted(more, "number")));
    }
    if answer.not_compared.is_none() && answer.differing_numbers == 0 {
        print("The sums are those of the records.");
    }
    if answer.backfill_started.is_some() {
        note("New sums are being made; `source=raw` asks for results from the records until then.");
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

/// What others have named must not steer the terminal.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}
