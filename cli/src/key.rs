//! `assay key`: creates, lists and revokes client keys through the API.

use crate::client::{Client, ClientError, Connection, RetryPolicy, path_segment};
use crate::output::{note, print, print_table, printable};
use domain::client_key::{ClientKey, DecryptionKey};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Create, list and revoke client keys: public keys of browsers and apps. Needs a token with the scope manage.
#[derive(Debug, Clone, clap::Args)]
pub struct KeyArgs {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Action {
    /// Create a client key and print it.
    Create {
        /// Name of the app that uses the key.
        #[arg(long, value_name = "NAME")]
        name: String,
        /// Environment whose flags the key sees. By default the first environment of the deployment.
        #[arg(long, value_name = "NAME")]
        environment: Option<String>,
        /// Origin of a page that may use the key, such as `https://shop.example`. Can be given several times; by default all.
        #[arg(long = "origin", value_name = "ORIGIN")]
        origins: Vec<String>,
        /// Tag of flags that the key sees. Can be given several times; by default it sees all flags of the environment.
        #[arg(long = "flag-tag", value_name = "TAG")]
        flag_tags: Vec<String>,
        /// Event type that the key may send. Can be given several times; by default none.
        #[arg(long = "event-type", value_name = "TYPE")]
        event_types: Vec<String>,
        /// Events that the key may send per second, on average over ten seconds. By default 100.
        #[arg(long, value_name = "NUMBER")]
        events_per_second: Option<u32>,
        /// Attribute whose values the payload hashes, such as `email`. Can be given several times.
        #[arg(long = "secure-attribute", value_name = "NAME")]
        secure_attributes: Vec<String>,
        /// Salt of these hashes, which the app uses as well. By default a random one.
        #[arg(long, value_name = "SALT", requires = "secure_attributes")]
        salt: Option<String>,
        /// Encrypt the payload. The key that decrypts it is the second line of the output, and is not shown again.
        #[arg(long)]
        encrypted: bool,
    },
    /// List all client keys, with those that were revoked in the last 30 days.
    List {
        /// Print the keys as JSON, with their origins, flag tags and event types.
        #[arg(long)]
        json: bool,
    },
    /// Revoke a client key. It may work for another minute.
    Revoke {
        /// Id of the key; `assay key list` shows it.
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// A new key, with the key that decrypts its payload.
#[derive(Deserialize)]
struct Created {
    #[serde(flatten)]
    client_key: ClientKey,
    decryption_key: Option<DecryptionKey>,
}

/// One page of the list.
#[derive(Deserialize)]
struct Page {
    client_keys: Vec<ClientKey>,
    next_cursor: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// If the API refuses the request or cannot be reached.
pub async fn run(args: KeyArgs) -> Result<(), ClientError> {
    let client = |policy| Client::new(&args.connection, policy);
    match args.action {
        Action::Create {
            name,
            environment,
            origins,
            flag_tags,
            event_types,
            events_per_second,
            secure_attributes,
            salt,
            encrypted,
        } => {
            let mut body = Map::from_iter([
                ("name".to_owned(), json!(name)),
                ("origins".to_owned(), json!(origins)),
                ("flag_tags".to_owned(), json!(flag_tags)),
                ("event_types".to_owned(), json!(event_types)),
            ]);
            if let Some(environment) = environment {
                body.insert("environment".to_owned(), json!(environment));
            }
            if let Some(events) = events_per_second {
                body.insert("events_per_second".to_owned(), json!(events));
            }
            if !secure_attributes.is_empty() {
                let secure = json!({"names": secure_attributes, "salt": salt});
                body.insert("secure_attributes".to_owned(), secure);
            }
            if encrypted {
                body.insert("encrypted".to_owned(), json!(true));
            }
            let client = client(RetryPolicy::Interactive)?;
            create(&client, &Value::Object(body)).await
        }
        Action::List { json } => list(&client(RetryPolicy::Interactive)?, json).await,
        Action::Revoke { id } => {
            let path = format!("/client-keys/{}", path_segment(&id));
            let client = client(RetryPolicy::Interactive)?;
            let revoked: ClientKey = client.delete(&path).await?;
            note(format_args!(
                "revoked {} ({}). It may work for another minute.",
                revoked.id,
                printable(&revoked.name)
            ));
            Ok(())
        }
    }
}

async fn create(client: &Client, body: &Value) -> Result<(), ClientError> {
    // A repeated attempt creates no second key.
    let once = uuid::Uuid::new_v4().to_string();
    let created = client.post("/client-keys", body.to_string(), Some(&once));
    let Created {
        client_key,
        decryption_key,
    } = created.await?;
    note(format_args!(
        "{} ({}): environment {}, {} events per second. The key is public:",
        client_key.id,
        printable(&client_key.name),
        client_key.environment,
        client_key.events_per_second
    ));
    // Only keys go to stdout, so that a script can read them.
    print(&client_key.key);
    if let Some(secure) = &client_key.secure_attributes {
        note(format_args!(
            "The salt of the secure attributes {} is {}",
            printable(&secure.names.join(", ")),
            printable(&secure.salt)
        ));
    }
    if let Some(decryption_key) = &decryption_key {
        note(format_args!(
            "The payload is encrypted. This decrypts it, and is not shown again:"
        ));
        print(decryption_key);
    }
    Ok(())
}

async fn list(client: &Client, json: bool) -> Result<(), ClientError> {
    let mut keys = Vec::new();
    let mut path = "/client-keys?limit=100".to_owned();
    loop {
        let page: Page = client.get(&path).await?;
        keys.extend(page.client_keys);
        let Some(cursor) = page.next_cursor else {
            break;
        };
        path = format!("/client-keys?limit=100&cursor={}", path_segment(&cursor));
    }
    if json {
        print(json!(keys));
    } else {
        table(&keys);
    }
    Ok(())
}

fn table(keys: &[ClientKey]) {
    let heads = ["id", "key", "environment", "name", "origins", "state"].map(str::to_owned);
    let row = |key: &ClientKey| {
        let origins: Vec<&str> = key.origins.iter().map(|origin| origin.as_str()).collect();
        let state = key.revoked_at.map_or("active", |_| "revoked");
        [
            key.id.to_string(),
            key.key.to_string(),
            key.environment.to_string(),
            printable(&key.name),
            match origins.as_slice() {
                [] => "(all)".to_owned(),
                origins => origins.join(","),
            },
            state.to_owned(),
        ]
    };
    let rows = std::iter::once(heads).chain(keys.iter().map(row));
    print_table(&rows.collect::<Vec<_>>());
}
