//! `assay simulate`: runs an experiment with a known true effect through the API, and compares the results with the truth.

mod experiment;
mod users;

use crate::client::{ApiProblem, Client, ClientError, Connection, RetryPolicy, path_segment};
use crate::counting;
use crate::output::{counted, note, print};
use crate::results;
use domain::limits::{MAX_ASSIGNMENTS_PER_REQUEST, MAX_EVENTS_PER_REQUEST};
use domain::time::Timestamp;
use experiment::TREATMENT;
use futures::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};
use users::{DAYS, TrueRates, User};

/// Concurrent requests that assign one user each.
const AT_ONCE: usize = 16;
/// Concurrent requests with a batch of records each.
const BATCHES_AT_ONCE: usize = 4;

/// Simulate an experiment with a known true effect, and show its results beside the true rates.
///
/// The command creates an experiment, assigns users, records their events, and prints the results. The events cover two
/// weeks that end today. The command imports the users as from another system, each with the variant that the assignment
/// would choose. Half of the users get the control and half the treatment.
///
/// Users in the treatment buy more often. The effect differs between platforms. The value of a purchase and the support
/// requests do not depend on the variant.
///
/// The same seed creates the same users, so a second run with the same options changes nothing.
#[derive(Debug, Clone, clap::Args)]
pub struct SimulateArgs {
    #[command(flatten)]
    connection: Connection,
    /// Number of users.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    users: u32,
    /// Purchase rate of the control in percent.
    #[arg(long, value_name = "PERCENT", default_value_t = 20.0)]
    rate: f64,
    /// True lift of the purchase rate in the treatment, in percent. It may be negative.
    #[arg(
        long,
        value_name = "PERCENT",
        default_value_t = 25.0,
        allow_negative_numbers = true
    )]
    lift: f64,
    /// Seed for the random users. By default a random seed.
    #[arg(long, value_name = "N")]
    seed: Option<u32>,
    /// Assign the users one by one at the current time instead of importing two weeks.
    #[arg(long)]
    live: bool,
    /// Print the results at once, even if they do not contain everything yet.
    #[arg(long)]
    no_wait: bool,
}

/// Why a simulation failed.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// A rate is not between 0 and 1.
    #[error(
        "with --rate {rate} and --lift {lift} the purchase rate of a platform is not between 0 and 100 percent"
    )]
    Rates {
        /// Purchase rate of the control in percent.
        rate: f64,
        /// Lift of the treatment in percent.
        lift: f64,
    },
    /// The experiment of this seed exists with other options.
    #[error(
        "the experiment `{0}` was simulated with other settings: choose another --seed, or use the same settings"
    )]
    OtherSettings(String),
    /// A call failed.
    #[error(transparent)]
    Client(#[from] ClientError),
}

#[derive(Deserialize)]
struct Created {
    created_at: Timestamp,
}

#[derive(Deserialize)]
struct Assignment {
    variant: String,
}

#[derive(Deserialize)]
struct AssignmentsResponse {
    assignments: Vec<Assignment>,
}

#[derive(Deserialize)]
struct Recorded {
    stored: u64,
    duplicates: u64,
}

/// Runs the simulation and prints the results.
///
/// # Errors
/// If a rate is not between 0 and 1, or the API refuses a request or cannot be reached.
pub async fn run(args: SimulateArgs) -> Result<(), SimulateError> {
    let true_rates =
        TrueRates::new(args.rate / 100.0, args.lift / 100.0).ok_or(SimulateError::Rates {
            rate: args.rate,
            lift: args.lift,
        })?;
    let seed = args.seed.unwrap_or_else(rand::random);
    let client = Client::new(&args.connection, RetryPolicy::Import)?;
    let id = experiment::id(seed);
    let begin = create(&client, &args, seed).await?;
    note(format_args!(
        "experiment {id}, {}",
        counted(args.users.into(), "user")
    ));

    let users = (0..args.users).map(|number| User::draw(seed, number));
    let users = match begin {
        Some(begin) => import_assignments(&client, &id, users.collect(), begin).await?,
        None => assign_all(&client, &id, users).await?,
    };
    let events = users
        .iter()
        .flat_map(|(user, variant)| user.events(&id, variant == TREATMENT, true_rates, begin));
    let recorded = record(&client, events.collect()).await?;
    note(format_args!(
        "{} recorded, {} already stored\n",
        counted(recorded.stored, "event"),
        recorded.duplicates
    ));

    if !args.no_wait {
        counting::wait(&client, &id, false).await;
    }
    print(format_args!(
        "This is the report of `assay results {id}`. The true rates are below it.\n"
    ));
    results::show(&client, &id).await?;
    print(format_args!("\nTrue rates:\n{}", true_rates.description()));
    print(format_args!(
        "To repeat: assay simulate --seed {seed}{}",
        settings(&args)
    ));
    Ok(())
}

/// Creates the experiment, or finds the one that an earlier run with the same options created. Returns the start of the
/// simulated history, or `None` for `--live`.
async fn create(
    client: &Client,
    args: &SimulateArgs,
    seed: u32,
) -> Result<Option<Timestamp>, SimulateError> {
    let id = experiment::id(seed);
    let body = experiment::definition(args, seed).to_string();
    let made: Result<Created, ClientError> = client.post("/experiments", body, Some(&id)).await;
    match made {
        Ok(_) if args.live => Ok(None),
        // The history depends on the creation time, so a run on a later day uses the same history.
        Ok(created) => Ok(Some(history_start(created.created_at))),
        Err(ClientError::Refused(ApiProblem { status: 409, .. })) => {
            Err(SimulateError::OtherSettings(id))
        }
        Err(error) => Err(error.into()),
    }
}

/// The start of the day that is [`DAYS`] days before this time.
fn history_start(time: Timestamp) -> Timestamp {
    const DAY: i64 = 86_400_000_000;
    let today = time.micros() - time.micros().rem_euclid(DAY);
    Timestamp::from_micros(today - i64::from(DAYS) * DAY)
}

/// Imports the users' assignments. Returns each user with its variant.
async fn import_assignments(
    client: &Client,
    experiment: &str,
    users: Vec<User>,
    begin: Timestamp,
) -> Result<Vec<(User, String)>, ClientError> {
    let path = format!("/experiments/{}/assignments", path_segment(experiment));
    let row = |user: &User| {
        let id = user.id(experiment);
        json!({
            "variant": experiment::variant(experiment, &id),
            "user_id": id,
            "assigned_at": user.arrival(begin).to_string(),
            "attributes": {"platform": user.platform()},
        })
    };
    let bodies = users.chunks(MAX_ASSIGNMENTS_PER_REQUEST).map(|users| {
        let rows: Vec<Value> = users.iter().map(row).collect();
        json!({ "assignments": rows }).to_string()
    });
    let bodies: Vec<String> = bodies.collect();
    let answers: Vec<AssignmentsResponse> = stream::iter(bodies)
        .map(|body| client.post(&path, body, None))
        .buffered(BATCHES_AT_ONCE)
        .try_collect()
        .await?;
    let assigned = answers.into_iter().flat_map(|answer| answer.assignments);
    let variants = assigned.map(|assignment| assignment.variant);
    Ok(users.into_iter().zip(variants).collect())
}

/// Assigns each user with the API, as an application does. Returns each user with its variant.
async fn assign_all(
    client: &Client,
    experiment: &str,
    users: impl Iterator<Item = User>,
) -> Result<Vec<(User, String)>, ClientError> {
    stream::iter(users)
        .map(|user| assign(client, experiment, user))
        .buffered(AT_ONCE)
        .try_collect()
        .await
}

async fn assign(
    client: &Client,
    experiment: &str,
    user: User,
) -> Result<(User, String), ClientError> {
    let path = format!(
        "/experiments/{}/assignment/{}?platform={}",
        path_segment(experiment),
        path_segment(&user.id(experiment)),
        user.platform()
    );
    let assignment: Assignment = client.get(&path).await?;
    Ok((user, assignment.variant))
}

/// Records the events.
async fn record(client: &Client, events: Vec<Value>) -> Result<Recorded, ClientError> {
    let batches = events.chunks(MAX_EVENTS_PER_REQUEST);
    let bodies: Vec<String> = batches
        .map(|batch| json!({ "events": batch }).to_string())
        .collect();
    let answers: Vec<Recorded> = stream::iter(bodies)
        .map(|body| client.post("/events", body, None))
        .buffer_unordered(BATCHES_AT_ONCE)
        .try_collect()
        .await?;
    Ok(Recorded {
        stored: answers.iter().map(|answer| answer.stored).sum(),
        duplicates: answers.iter().map(|answer| answer.duplicates).sum(),
    })
}

/// The options that repeat the same simulation.
fn settings(args: &SimulateArgs) -> String {
    let live = if args.live { " --live" } else { "" };
    format!(
        " --users {} --rate {} --lift {}{live}",
        args.users, args.rate, args.lift
    )
}
