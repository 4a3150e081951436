//! `assay token`: creates, lists and revokes tokens directly in the database that contains their hashes.
//!
//! The API has no route for tokens. A user who may write to the table may create tokens; the AWS account or the file system
//! controls that permission.

use crate::engine::{self, Engine, EngineError, Storage};
use crate::output::{note, print};
use crate::serve::DEFAULT_DATA_FILE;
use crate::template::{LocalNames, Template, TemplateError};
use domain::access::{Grant, Scope, Token};
use domain::ids::EnvironmentName;
use domain::time::Timestamp;
use shared::clock;
use shared::config::{self, BadSetting};
use shared::store::{Store, StoreError, Tables};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The logical id of the table in the template.
const TABLE: &str = "TokensTable";

/// Create, list and revoke tokens.
#[derive(Debug, Clone, clap::Args)]
pub struct TokenArgs {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    location: TokenStoreArgs,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Action {
    /// Create a token and print it. It cannot be printed again, because only its hash is stored.
    Create {
        /// Name of the user or program that uses the token.
        #[arg(long, value_name = "NAME", value_parser = name)]
        name: String,
        /// Scopes, separated by commas: assign (get variants), track (record events), read (read experiments and results),
        /// manage (create and change experiments, import assignments).
        #[arg(long, value_name = "SCOPES", value_parser = scopes)]
        scopes: Scopes,
        /// Lifetime, such as 12h or 90d. By default the token does not expire.
        #[arg(long, value_name = "TIME", value_parser = lifetime)]
        expires: Option<i64>,
        /// Events that the token may send per second, on average over ten seconds. By default 5000.
        #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
        events_per_second: Option<u32>,
        /// Responses to events contain no experiments, no variants and no reasons, so the token learns nothing about users.
        /// For callers that you trust less. Needs the scope track and no other.
        #[arg(long)]
        hide_assignments: bool,
        /// Environment of the caller, such as staging. By default the first environment of the deployment.
        #[arg(long, value_name = "NAME", value_parser = environment)]
        environment: Option<EnvironmentName>,
    },
    /// List the names and scopes of all tokens. The tokens themselves are not stored.
    List,
    /// Revoke a token.
    Revoke {
        /// Id of the token; `assay token list` shows it.
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// The database with the tokens. By default, the data file of `assay serve` in this folder.
#[derive(Debug, Clone, clap::Args)]
struct TokenStoreArgs {
    /// Data file of `assay serve`. The server must not be running.
    #[arg(long, global = true, value_name = "FILE", default_value = DEFAULT_DATA_FILE)]
    data: PathBuf,
    /// URL of a local engine: the one that a running `assay serve` prints, or DynamoDB Local.
    #[arg(long, global = true, value_name = "URL", conflicts_with = "table")]
    dynamodb_endpoint: Option<String>,
    /// Token table of a deployment. Credentials are read from the variables AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
    /// AWS_SESSION_TOKEN; `aws configure export-credentials --format env` prints those of a profile.
    #[arg(long, global = true, value_name = "NAME")]
    table: Option<String>,
    /// Region of the table. By default the region in the environment.
    #[arg(long, global = true, value_name = "REGION", requires = "table")]
    region: Option<String>,
}

/// A set of scopes as one argument. clap would treat a plain set as several arguments.
#[derive(Debug, Clone)]
struct Scopes(BTreeSet<Scope>);

/// Why the command failed.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The data file does not exist.
    #[error(
        "there is no data in {file}: run `assay serve` once, or choose another database with --data, --dynamodb-endpoint or --table",
        file = .0.display()
    )]
    NoData(PathBuf),
    /// A running `assay serve` uses the data file.
    #[error(
        "{file} is in use, probably by `assay serve`: stop it, or pass --dynamodb-endpoint with the URL that it prints after \"DynamoDB\"",
        file = .0.display()
    )]
    InUse(PathBuf),
    /// The embedded engine failed.
    #[error(transparent)]
    Engine(EngineError),
    /// The template cannot be read.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The environment has no AWS credentials.
    #[error(
        "{0}: credentials are read from the environment; `aws configure export-credentials --format env` prints those of a profile"
    )]
    Credentials(#[from] BadSetting),
    /// The database refused a request or could not be reached.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A token that must learn nothing about users has a scope that reads about users.
    #[error(
        "--hide-assignments needs the scope track and no other: each other scope reads or changes data of users"
    )]
    HiddenWithOtherScopes,
    /// There is no token with this id.
    #[error("there is no token with the id `{0}`; `assay token list` shows all tokens")]
    Unknown(String),
    /// The operating system returned no random bytes.
    #[error("the operating system returned no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

/// Runs the command.
///
/// # Errors
/// If the database cannot be used or has no such token.
pub async fn run(args: TokenArgs) -> Result<(), TokenError> {
    let (store, engine) = open(&args.location).await?;
    let outcome = act(&store, args.action).await;
    if let Some(engine) = engine {
        // The data file must be closed before the process ends, even after an error.
        engine.shutdown().await.map_err(TokenError::Engine)?;
    }
    outcome
}

async fn act(store: &Store, action: Action) -> Result<(), TokenError> {
    match action {
        Action::Create {
            name,
            scopes,
            expires,
            events_per_second,
            hide_assignments,
            environment,
        } => {
            if hide_assignments && scopes.0 != BTreeSet::from([Scope::Track]) {
                return Err(TokenError::HiddenWithOtherScopes);
            }
            let (created_at, id) = (clock::now(), clock::random_bits::<5>()?);
            let grant = Grant {
                token_id: data_encoding::BASE32_NOPAD.encode(&id).to_lowercase(),
                name,
                scopes: scopes.0,
                created_at,
                expires_at: expires.map(|micros| created_at.plus_micros(micros)),
                events_per_second,
                hides_assignments: hide_assignments,
                environment,
            };
            create(store, &grant).await
        }
        Action::List => list(store).await,
        Action::Revoke { id } => {
            let revoked = store.revoke_token(&id).await?;
            let grant = revoked.ok_or(TokenError::Unknown(id))?;
            note(format_args!(
                "revoked {} ({}). API Gateway may accept it until its cached policy expires, after AuthorizerTtlSeconds of the deployment.",
                grant.token_id, grant.name
            ));
            Ok(())
        }
    }
}

async fn create(store: &Store, grant: &Grant) -> Result<(), TokenError> {
    let token = Token::from_bits(clock::random_bits()?);
    store.store_token(&token.sha256(), grant).await?;
    note(format_args!(
        "{} ({}): {}, environment {}, {} events per second, {}. The token is shown only once:",
        grant.token_id,
        grant.name,
        scope_names(grant),
        environment_of(grant),
        grant.events_per_second(),
        end(grant)
    ));
    // Only the token goes to stdout, so that a script can read it.
    print(token.reveal());
    Ok(())
}

async fn list(store: &Store) -> Result<(), TokenError> {
    let now = clock::now();
    let mut rows =
        vec![["id", "name", "scopes", "environment", "created", "expires"].map(str::to_owned)];
    for listed in store.list_tokens().await? {
        let grant = &listed.grant;
        let expired = if grant.is_valid_at(now) {
            ""
        } else {
            " (expired)"
        };
        rows.push([
            grant.token_id.clone(),
            grant.name.clone(),
            scope_names(grant),
            environment_of(grant),
            day(grant.created_at),
            grant.expires_at.map_or("never".to_owned(), day) + expired,
        ]);
    }
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or_default()
    };
    let widths = [0, 1, 2, 3, 4].map(width);
    for [id, name, scopes, environment, created, expires] in &rows {
        print(format_args!(
            "{id:<0$}  {name:<1$}  {scopes:<2$}  {environment:<3$}  {created:<4$}  {expires}",
            widths[0], widths[1], widths[2], widths[3], widths[4]
        ));
    }
    Ok(())
}

/// Opens a store that has only the table of tokens.
async fn open(location: &TokenStoreArgs) -> Result<(Store, Option<Engine>), TokenError> {
    if let Some(table) = &location.table {
        let config = config::sdk_config(|name| match (name, &location.region) {
            ("AWS_REGION", Some(region)) => Some(region.clone()),
            _ => std::env::var(name).ok(),
        })?;
        return Ok((Store::with_config(&config, tables(table)), None));
    }
    let (engine, endpoint) = match &location.dynamodb_endpoint {
        Some(endpoint) => (None, endpoint.clone()),
        None => {
            let engine = start(&location.data)?;
            let endpoint = engine.endpoint().to_owned();
            (Some(engine), endpoint)
        }
    };
    let names = LocalNames::default();
    let template = Template::parse(crate::serve::BUILT_IN_TEMPLATE, &names)?;
    let table = template
        .tables
        .get(TABLE)
        .map_or(TABLE, |table| &table.name);
    let config = engine::sdk_config(&endpoint, &names.region, &names.access_key);
    Ok((Store::with_config(&config, tables(table)), engine))
}

fn start(data: &Path) -> Result<Engine, TokenError> {
    // The engine would create an empty data file, and the token would be useless there.
    if !data.exists() {
        return Err(TokenError::NoData(data.to_path_buf()));
    }
    Engine::start(&Storage::File(data.to_path_buf())).map_err(|error| match error {
        EngineError::InUse(file) => TokenError::InUse(file),
        error => TokenError::Engine(error),
    })
}

fn tables(tokens: &str) -> Tables {
    Tables {
        experiments: String::new(),
        assignments: String::new(),
        events: String::new(),
        aggregates: String::new(),
        tokens: tokens.to_owned(),
    }
}

fn scope_names(grant: &Grant) -> String {
    let names: Vec<&str> = grant.scopes.iter().map(|scope| scope.name()).collect();
    names.join(",")
}

fn environment_of(grant: &Grant) -> String {
    let name = grant.environment.as_ref();
    name.map_or("(default)".to_owned(), ToString::to_string)
}

fn end(grant: &Grant) -> String {
    grant
        .expires_at
        .map_or("does not expire".to_owned(), |end| {
            format!("expires {}", day(end))
        })
}

fn day(time: Timestamp) -> String {
    time.to_string()
        .get(..16)
        .unwrap_or_default()
        .replace('T', " ")
        + " UTC"
}

fn name(text: &str) -> Result<String, String> {
    if text.trim().is_empty() || text.chars().count() > 100 || text.chars().any(char::is_control) {
        return Err("must have 1 to 100 characters, none of them a control character".to_owned());
    }
    Ok(text.to_owned())
}

fn environment(text: &str) -> Result<EnvironmentName, String> {
    EnvironmentName::parse(text).map_err(|invalid| invalid.detail)
}

fn scopes(text: &str) -> Result<Scopes, String> {
    let scopes = Scope::parse_set(text).map_err(|invalid| invalid.detail)?;
    if scopes.is_empty() {
        return Err("must name at least one scope".to_owned());
    }
    Ok(Scopes(scopes))
}

/// Parses `90d`, `12h` or `30m` to microseconds.
fn lifetime(text: &str) -> Result<i64, String> {
    let wrong = || "must be a number of days, hours or minutes, such as 90d, 12h or 30m".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        'd' => 86_400,
        'h' => 3_600,
        'm' => 60,
        _ => return Err(wrong()),
    };
    let count: u32 = text[..text.len() - unit.len_utf8()]
        .parse()
        .map_err(|_| wrong())?;
    if count == 0 {
        return Err(wrong());
    }
    Ok(i64::from(count)
        .saturating_mul(seconds)
        .saturating_mul(1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_have_units() {
        assert_eq!(lifetime("90d"), Ok(90 * 86_400 * 1_000_000));
        assert_eq!(lifetime("12h"), Ok(12 * 3_600 * 1_000_000));
        for wrong in ["", "d", "90", "0d", "-1d", "9 d", "1ü"] {
            assert!(lifetime(wrong).is_err(), "{wrong}");
        }
    }
}
