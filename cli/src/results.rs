//! `assay results`: what an experiment shows, as a table that can be read.

mod answer;
mod number;
mod table;

use crate::client::{Client, ClientError, Connection, Patience, segment};
use crate::output::{colours, print, print_raw};
use crate::time;
use answer::Answer;

/// Show what an experiment shows so far.
#[derive(Debug, Clone, clap::Args)]
pub struct ResultsArgs {
    /// The experiment.
    #[arg(value_name = "ID")]
    experiment: String,
    #[command(flatten)]
    connection: Connection,
    /// Leave events before this time out.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    from: Option<String>,
    /// Show what was known at this time: users assigned and events before it.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    to: Option<String>,
    /// Only these metrics, separated by commas.
    #[arg(long, value_name = "KEYS")]
    metrics: Option<String>,
    /// Print the whole analysis as JSON.
    #[arg(long)]
    json: bool,
    /// Print a row for each metric and variant as CSV.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// Shows the results.
///
/// # Errors
/// If the API says no or cannot be reached.
pub async fn run(args: ResultsArgs) -> Result<(), ClientError> {
    let client = Client::new(&args.connection, Patience::Person)?;
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in [
        ("from", &args.from),
        ("to", &args.to),
        ("metrics", &args.metrics),
    ] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    if args.csv {
        query.append_pair("format", "csv");
    }
    let query = query.finish();
    let path = format!("/experiments/{}/results?{query}", segment(&args.experiment));
    if args.csv {
        print_raw(&client.get_text(&path).await?);
    } else if args.json {
        print(client.get_text(&path).await?);
    } else {
        print_table(&client.get(&path).await?);
    }
    Ok(())
}

/// Shows the table of an experiment.
///
/// # Errors
/// If the API says no or cannot be reached.
pub(crate) async fn show(client: &Client, experiment: &str) -> Result<(), ClientError> {
    let path = format!("/experiments/{}/results", segment(experiment));
    print_table(&client.get(&path).await?);
    Ok(())
}

fn print_table(answer: &Answer) {
    print_raw(&table::render(answer, colours()));
}

fn instant(text: &str) -> Result<String, String> {
    let time =
        time::read(text).ok_or("must be a time such as 2026-01-31 or 2026-01-31T09:30:00Z")?;
    Ok(time.to_string())
}
