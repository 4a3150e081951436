//! `assay serve`: the whole platform on the local machine, without Docker, Java or an AWS account.

mod options;
mod platform;
mod token;

pub use options::{Database, PlatformOptions};
pub use platform::{BUILT_IN_TEMPLATE, DEFAULT_DATA_FILE, Platform, PlatformError};
pub use token::{DevelopmentTokenError, new_token, stored_token};

use crate::engine::Storage;
use crate::notifications::webhook_url;
use crate::template::{LocalNames, TemplateError};
use domain::access::Token;
use domain::environment::Environments;
use domain::ids::EnvironmentName;
use reqwest::Url;
use std::future::Future;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

/// The parameter of the template with the environments.
const ENVIRONMENTS_PARAMETER: &str = "Environments";

/// Start the whole platform locally: API, functions and database in one process.
#[derive(Debug, Clone, clap::Args)]
pub struct ServeArgs {
    /// Port to listen on; 0 chooses a free port.
    #[arg(long, default_value_t = 3000)]
    pub port: u16,
    /// Address to listen on. Every computer that can reach another address than the default can try tokens.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub host: IpAddr,
    /// Data file.
    #[arg(long, value_name = "FILE", default_value = DEFAULT_DATA_FILE)]
    pub data: PathBuf,
    /// Keep the data in memory. It is lost when the process ends.
    #[arg(long, conflicts_with = "data")]
    pub in_memory: bool,
    /// Development token: 20 to 128 characters of A-Z a-z 0-9 _ -. By default a token is created and stored beside the data.
    #[arg(long, value_name = "TOKEN", env = "ASSAY_TOKEN", hide_env_values = true, value_parser = token_text)]
    pub token: Option<String>,
    /// URL of a DynamoDB engine to use instead of the embedded one, such as DynamoDB Local.
    #[arg(long, value_name = "URL", conflicts_with_all = ["data", "in_memory"])]
    pub dynamodb_endpoint: Option<String>,
    /// SAM template to run. By default the built-in template.
    #[arg(long, value_name = "FILE")]
    pub template: Option<PathBuf>,
    /// Names of the environments, separated by commas. The first one is the default. By default there is production.
    #[arg(long, value_name = "NAMES", value_parser = environment_names)]
    pub environments: Option<String>,
    /// URL that each notification is posted to as JSON: changed verdicts, worse guardrails, sample ratio mismatches, held ramps, ends.
    #[arg(long, value_name = "URL", env = "ASSAY_WEBHOOK", hide_env_values = true, value_parser = webhook_url)]
    pub webhook: Option<Url>,
}

/// Runs the platform until Ctrl-C or SIGTERM, then stops it. A second signal ends the process immediately.
pub async fn run(args: ServeArgs) -> Result<(), PlatformError> {
    // The signal handlers are installed first, so that every signal stops the platform in an orderly way.
    let mut signals = Signals::listen();
    let platform = Platform::start(options(&args)?).await?;
    let link = platform.start_link().await?;
    welcome(&platform, link.as_deref(), &args);
    signals.next().await;
    say("stopping: waiting for running requests (press Ctrl-C again to stop immediately)");
    tokio::select! {
        outcome = platform.shutdown() => outcome,
        () = signals.next() => {
            // Answered requests are already on disk. Only unanswered requests are lost.
            std::process::exit(130);
        }
    }
}

fn options(args: &ServeArgs) -> Result<PlatformOptions, PlatformError> {
    let template = match &args.template {
        Some(file) => {
            Some(
                std::fs::read_to_string(file).map_err(|source| TemplateError::File {
                    file: file.clone(),
                    source,
                })?,
            )
        }
        None => None,
    };
    let database = match &args.dynamodb_endpoint {
        Some(endpoint) => Database::Endpoint(endpoint.clone()),
        None if args.in_memory => Database::Embedded(Storage::Memory),
        None => Database::Embedded(Storage::File(args.data.clone())),
    };
    let environments = args.environments.as_deref();
    let environments = environments.map(|names| (ENVIRONMENTS_PARAMETER, names));
    Ok(PlatformOptions {
        address: (args.host, args.port).into(),
        database,
        template,
        local: LocalNames::with_parameters(environments),
        token: args.token.clone(),
        webhook: args.webhook.clone(),
        // Here a look costs nothing, and after the last batch of a simulation there would be none for minutes.
        notification_interval: Some(Duration::ZERO),
        ..PlatformOptions::default()
    })
}

/// Checks the names, so that an invalid one fails now and not in each function.
fn environment_names(text: &str) -> Result<String, String> {
    let environments = Environments::parse(text).map_err(|invalid| invalid.detail)?;
    let names: Vec<&str> = environments.iter().map(EnvironmentName::as_str).collect();
    Ok(names.join(","))
}

/// Checks the form of the token, so that an invalid token fails now and not at every request.
fn token_text(text: &str) -> Result<String, String> {
    let token = Token::parse(text).map_err(|invalid| invalid.to_string())?;
    Ok(token.reveal().to_owned())
}

fn welcome(platform: &Platform, start_link: Option<&str>, args: &ServeArgs) {
    let (url, token) = (platform.url(), &platform.token);
    let data = match (&args.dynamodb_endpoint, args.in_memory) {
        (Some(endpoint), _) => format!("in {endpoint}"),
        (None, true) => "in memory; it is lost when this process ends".to_owned(),
        (None, false) => format!("in {}", args.data.display()),
    };
    say(&format!(
        "Assay is listening on {url}
data      {data}
DynamoDB  {endpoint}
token     {token}
dashboard {dashboard}

Try:
  curl {url}/health
  curl -X POST {url}/experiments -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' \\
    -d '{{\"id\":\"checkout-button\",\"name\":\"Checkout button\",\"variants\":[{{\"key\":\"control\",\"percent\":50}},{{\"key\":\"green\",\"percent\":50}}]}}'
  curl {url}/experiments/checkout-button/assignment/user-1 -H 'Authorization: Bearer {token}'
",
        endpoint = platform.dynamodb_endpoint,
        dashboard = start_link.unwrap_or("not in this template"),
    ));
    if !platform.unwired.is_empty() {
        tracing::warn!(functions = ?platform.unwired, "the template names functions that this program does not contain");
    }
}

/// Prints a line. A closed pipe (`assay serve | head`) is not an error.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Ctrl-C and, on Unix, SIGTERM.
struct Signals {
    interrupts: tokio::sync::mpsc::Receiver<()>,
}

impl Signals {
    fn listen() -> Self {
        let (sender, interrupts) = tokio::sync::mpsc::channel(2);
        forward(sender.clone(), || async {
            tokio::signal::ctrl_c().await.is_ok()
        });
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            if let Ok(mut terminate) = signal(SignalKind::terminate()) {
                tokio::spawn(async move {
                    while terminate.recv().await.is_some() && sender.send(()).await.is_ok() {}
                });
            }
        }
        Self { interrupts }
    }

    async fn next(&mut self) {
        if self.interrupts.recv().await.is_none() {
            // No signal handler could be installed, so no signal can arrive.
            std::future::pending::<()>().await;
        }
    }
}

fn forward<F, W>(sender: tokio::sync::mpsc::Sender<()>, wait: W)
where
    F: Future<Output = bool> + Send + 'static,
    W: Fn() -> F + Send + 'static,
{
    tokio::spawn(async move { while wait().await && sender.send(()).await.is_ok() {} });
}
