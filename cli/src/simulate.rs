//! `assay simulate`: an experiment whose true effect is known, played through the API, to see what the platform
//! makes of it.

mod experiment;
mod users;

use crate::client::{Client, ClientError, Connection, Patience, Refusal, dimension};
use crate::output::{counted, note, print};
use crate::results;
use domain::limits::{MAX_ASSIGNMENTS_PER_REQUEST, MAX_EVENTS_PER_REQUEST};
use domain::time::Timestamp;
use experiment::TREATMENT;
use futures::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};
use users::{DAYS, Truth, User};

/// Requests under way at once.
const AT_ONCE: usize = 16;
/// Requests with five hundred records each under way at once.
const BATCHES_AT_ONCE: usize = 4;

/// Play an experiment with a known true effect through the API, and show its results beside the truth.
///
/// The users come over two weeks that end today: they and what they did are brought over, as from another system,
/// each with the variant that the assignment would choose. Half of them get the control, half the treatment. In the
/// treatment more of them buy, on some platforms more so than on others; what a purchase is worth and who asks for
/// support does not depend on the variant. The same seed gives the same users, so a second run finds everything there
/// and changes nothing.
#[derive(Debug, Clone, clap::Args)]
pub struct SimulateArgs {
    #[command(flatten)]
    connection: Connection,
    /// Users.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    users: u32,
    /// Buyers in the control, in percent of its users.
    #[arg(long, value_name = "PERCENT", default_value_t = 20.0)]
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
    /// Assign the users one by one, now, instead of bringing two weeks over.
    #[arg(long)]
    live: bool,
}

/// Why there is no simulation to show.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// The rates are none.
    #[error(
        "with --rate {rate} and --lift {lift} a rate would not lie between 0 and 100 percent, on each platform"
    )]
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
struct Created {
    created_at: Timestamp,
}

#[derive(Deserialize)]
struct Assignment {
    variant: String,
}

#[derive(Deserialize)]
struct Brought {
    assignments: Vec<Assignment>,
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
    let id = experiment::id(seed);
    let begin = create(&client, &args, seed).await?;
    note(format_args!(
        "experiment {id}, {}",
        counted(args.users.into(), "user")
    ));

    let users = (0..args.users).map(|number| User::draw(seed, number));
    let users = match begin {
        Some(begin) => bring_over(&client, &id, users.collect(), begin).await?,
        None => assign_all(&client, &id, users).await?,
    };
    let events = users
        .iter()
        .flat_map(|(user, variant)| user.events(&id, variant == TREATMENT, truth, begin));
    let recorded = record(&client, events.collect()).await?;
    note(format_args!(
        "{} recorded, {} there before\n",
        counted(recorded.stored, "event"),
        recorded.duplicates
    ));

    results::show(&client, &id).await?;
    print(format_args!("\nThe truth:\n{}", truth.sentence()));
    print(format_args!(
        "The same again: assay simulate --seed {seed}{}",
        settings(&args)
    ));
    Ok(())
}

/// Makes the experiment, or finds the one that the same seed and settings made before; and says when its history
/// begins, if it has one.
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
        // From the first run on the same, on whichever day it is repeated.
        Ok(created) => Ok(Some(weeks_before(created.created_at))),
        Err(ClientError::Refused(Refusal { status: 409, .. })) => {
            Err(SimulateError::OtherSettings(id))
        }
        Err(error) => Err(error.into()),
    }
}

/// The beginning of the first of so many whole days before this one.
fn weeks_before(time: Timestamp) -> Timestamp {
    const DAY: i64 = 86_400_000_000;
    let today = time.micros() - time.micros().rem_euclid(DAY);
    Timestamp::from_micros(today - i64::from(DAYS) * DAY)
}

/// Brings the users over as they came, and says which variant each has.
async fn bring_over(
    client: &Client,
    experiment: &str,
    users: Vec<User>,
    begin: Timestamp,
) -> Result<Vec<(User, String)>, ClientError> {
    let path = format!("/experiments/{}/assignments", dimension(experiment));
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
    let answers: Vec<Brought> = stream::iter(bodies)
        .map(|body| client.post(&path, body, None))
        .buffered(BATCHES_AT_ONCE)
        .try_collect()
        .await?;
    let assigned = answers.into_iter().flat_map(|answer| answer.assignments);
    let variants = assigned.map(|assignment| assignment.variant);
    Ok(users.into_iter().zip(variants).collect())
}

/// Assigns each user as a product does.
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
        dimension(experiment),
        dimension(&user.id(experiment)),
        user.platform()
    );
    let assignment: Assignment = client.get(&path).await?;
    Ok((user, assignment.variant))
}

/// Records all that happened.
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

/// The options that make the same simulation.
fn settings(args: &SimulateArgs) -> String {
    let live = if args.live { " --live" } else { "" };
    format!(
        " --users {} --rate {} --lift {}{live}",
        args.users, args.rate, args.lift
    )
}
