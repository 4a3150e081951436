//! `assay flags`: lists, changes, explains and imports feature flags through the API.
//!
//! - `error` says why a command failed
//! - `read` shows flags, their definitions and their histories
//! - `change` switches flags on and off, sets rollouts and reverts changes
//! - `evaluate` explains which variant a user gets
//! - `import` creates flags from the files of other systems

mod change;
mod error;
mod evaluate;
mod import;
mod read;

pub use error::FlagsError;

use crate::client::{Client, Connection, RetryPolicy};

/// List, change, explain and import feature flags. Changes need a token with the scope manage, all others one with read.
#[derive(Debug, Clone, clap::Args)]
pub struct FlagsArgs {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Action {
    /// List the flags that are not archived.
    List {
        /// List only stale flags: those that were not changed for 90 days and give all users of an environment one variant.
        #[arg(long)]
        stale: bool,
        /// List only flags with this tag.
        #[arg(long, value_name = "TAG")]
        tag: Option<String>,
        /// Print the definitions as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show the definition of a flag.
    Show {
        /// Key of the flag.
        #[arg(value_name = "KEY")]
        key: String,
        /// Print the definition as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Switch a flag on: users get variants by its rules.
    On(change::SwitchArgs),
    /// Switch a flag off: all users get the off variant. It takes effect within ten seconds.
    Off(change::SwitchArgs),
    /// Set the percentage of the users that a rollout gives its variants.
    ///
    /// If the environment has no rollout, a rule with the id `rollout` is added after all other rules. A ramp of the rule is
    /// removed, because its steps would replace the percentage.
    Rollout(change::RolloutArgs),
    /// Show which variant a user gets, and why. Nothing is stored.
    Evaluate(evaluate::EvaluateArgs),
    /// Show who changed a flag, when, and what, newest first.
    History {
        /// Key of the flag.
        #[arg(value_name = "KEY")]
        key: String,
    },
    /// Give a flag the content of an earlier version, as a new version.
    Revert(change::RevertArgs),
    /// Create flags from a file of another system, and report what has no counterpart.
    Import(import::ImportArgs),
}

/// Runs the command.
///
/// # Errors
/// If the API refuses a request or cannot be reached, if the arguments do not fit the flag, or if flags of a file were not
/// imported.
pub async fn run(args: FlagsArgs) -> Result<(), FlagsError> {
    let client = Client::new(&args.connection, RetryPolicy::Interactive)?;
    match args.action {
        Action::List { stale, tag, json } => read::list(&client, stale, tag.as_deref(), json).await,
        Action::Show { key, json } => read::show(&client, &key, json).await,
        Action::On(args) => change::switch(&client, &args, true).await,
        Action::Off(args) => change::switch(&client, &args, false).await,
        Action::Rollout(args) => change::rollout(&client, &args).await,
        Action::Evaluate(args) => evaluate::evaluate(&client, args).await,
        Action::History { key } => read::history(&client, &key).await,
        Action::Revert(args) => change::revert(&client, &args).await,
        Action::Import(args) => import::import(&client, &args).await,
    }
}
