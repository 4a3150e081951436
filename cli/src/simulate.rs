//! `assay simulate`: an experiment whose true effect is known, played through the API, to see what the platform
//! makes of it.

mod users;

use crate::client::{Client, ClientError, Connection, Patience, Refusal, segment};
use crate::output::{counted, note, print};
use crate::results;
use futures::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::domain::limits::MAX_EVENTS_PER_REQUEST;
use users::{Truth, User};

/// Requests under way at once.
const AT_ONCE: usize = 16;

/// Play an experiment with a known true effect through the API, and show its results beside the truth.
///
/// Half of the users get the control, half the treatment. In the treatment more of them buy; what a purchase is
/// worth and who asks for support does not depend on the variant. The same seed gives the same users, so a second
/// run finds everything there and changes nothing.
#[derive(Debug, Clone, clap::Args)]
pub struct SimulateArgs {
    #[command(flatten)]
    connection: Connection,
    /// Users.
    #[arg(long, value_name = "N", default_value_t = 4000, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    users: u32,
    /// Buyers in the control, in percent of its users.
    #[arg(long, value_name = "PERCENT", default_value_t = 10.0)]
    rate: f64,
    /// True effect: how many more buyers the treatment has, in percent of the control's; may be negative.
    #[arg(
        long,
        value_name = "PERCENT",
        default_value_t = 25.0,
        allow_negative_numbers = true
    )]
    lift: f64,
    /// Draws the users; a random one if none is given.
    #[arg(long, value_name = "N")]
    seed: Option<u32>,
}

/// Why there is no simulation to show.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// The rates are none.
    #[error("with --rate {rate} and --lift {lift} a rate would not lie between 0 and 100 percent")]
    Rates {
        /// Of the control.
        rate: f64,
        /// Of the treatment.
        lift: f64,
    },
    /// The same seed with other settings.
    #[error(
        "the experiment `{0}` was simulated with other settings: choose another --seed, or the same settings"
    )]
    OtherSettings(String),
    /// A call did not succeed.
    #[error(transparent)]
    Client(#[from] ClientError),
}

#[derive(Deserialize)]
struct Assignment {
    variant: String,
}

#[derive(Deserialize)]
struct Recorded {
    stored: u64,
    duplicates: u64,
}

/// Plays the experiment and shows it.
///
/// # Errors
/// If the settings make no sense or the API says no.
pub async fn run(args: SimulateArgs) -> Result<(), SimulateError> {
    let truth = Truth::new(args.rate / 100.0, args.lift / 100.0).ok_or(SimulateError::Rates {
        rate: args.rate,
        lift: args.lift,
    })?;
    let seed = args.seed.unwrap_or_else(rand::random);
    let client = Client::new(&args.connection, Patience::Import)?;
    let id = create(&client, &args, seed).await?;
    note(format_args!(
        "experiment {id}, {}",
        counted(args.users.into(), "user")
    ));

    let users: Vec<(User, String)> = stream::iter(0..args.users)
        .map(|number| assign(&client, &id, User::draw(seed, number)))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let mut events: Vec<Value> = users
        .iter()
        .flat_map(|(user, variant)| user.events(&id, variant == TREATMENT, truth))
        .collect();
    // In the order of the users, whichever was answered first: the same run sends the same requests.
    events.sort_by(|a, b| a["event_id"].as_str().cmp(&b["event_id"].as_str()));
    let (mut stored, mut duplicates) = (0, 0);
    let mut sent = stream::iter(events.chunks(MAX_EVENTS_PER_REQUEST))
        .map(|batch| client.post("/events", json!({ "events": batch }).to_string(), None))
        .buffer_unordered(4);
    while let Some(recorded) = sent.next().await {
        let recorded: Recorded = recorded?;
        stored += recorded.stored;
        duplicates += recorded.duplicates;
    }
    note(format_args!(
        "{} recorded, {duplicates} there before\n",
        counted(stored, "event")
    ));

    results::show(&client, &id).await?;
    print(format_args!("\nThe truth:\n{}", truth.sentence()));
    print(format_args!(
        "The same again: assay simulate --seed {seed}{}",
        settings(&args)
    ));
    Ok(())
}

const CONTROL: &str = "control";
const TREATMENT: &str = "treatment";

/// Makes the experiment, or finds the one that the same seed and settings made before.
async fn create(client: &Client, args: &SimulateArgs, seed: u32) -> Result<String, SimulateError> {
    let id = format!("simulation-{seed}");
    let description = format!(
        "Simulated: {} users, {} % of the control buy, true lift {:+} %.",
        args.users, args.rate, args.lift
    );
    let body = json!({
        "id": id,
        "name": format!("Simulation {seed}"),
        "description": description,
        "hash_seed": format!("simulation-{seed}"),
        "variants": [{"key": CONTROL, "percent": 50}, {"key": TREATMENT, "percent": 50}],
        "metrics": [
            {"key": "purchase", "name": "Purchase rate", "kind": "conversion", "event_type": "purchase", "role": "primary"},
            {"key": "revenue", "name": "Revenue per user", "kind": "sum", "event_type": "purchase"},
            {"key": "support", "name": "Support requests", "kind": "count", "event_type": "support_request",
             "role": "guardrail", "direction": "decrease"},
        ],
    });
    let made: Result<Value, ClientError> = client
        .post("/experiments", body.to_string(), Some(&id))
        .await;
    match made {
        Ok(_) => Ok(id),
        Err(ClientError::Refused(Refusal { status: 409, .. })) => {
            Err(SimulateError::OtherSettings(id))
        }
        Err(error) => Err(error.into()),
    }
}

async fn assign(
    client: &Client,
    experiment: &str,
    user: User,
) -> Result<(User, String), ClientError> {
    let path = format!(
        "/experiments/{}/assignment/{}",
        segment(experiment),
        segment(&user.id(experiment))
    );
    let assignment: Assignment = client.get(&path).await?;
    Ok((user, assignment.variant))
}

/// The options that make the same simulation.
fn settings(args: &SimulateArgs) -> String {
    format!(
        " --users {} --rate {} --lift {}",
        args.users, args.rate, args.lift
    )
}
