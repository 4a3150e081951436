//! `assay serve`: the whole platform on this machine, without Docker, Java or an AWS account.

mod environment;
mod platform;
mod token;

pub use environment::{Environment, Environments};
pub use platform::{
    BUILT_IN_TEMPLATE, DEFAULT_DATA_FILE, Database, Platform, PlatformError, PlatformOptions,
};
pub use token::{TokenError, kept_token, new_token};

use crate::engine::Storage;
use crate::template::{LocalNames, TemplateError};
use domain::access::Token;
use std::future::Future;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

/// Start the whole platform on this machine: API, functions and database in one process.
#[derive(Debug, Clone, clap::Args)]
pub struct ServeArgs {
    /// Port on the loopback interface; 0 for a free one.
    #[arg(long, default_value_t = 3000)]
    pub port: u16,
    /// Address to listen on. Anyone who reaches it can try tokens: keep it to this machine unless you must.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub host: IpAddr,
    /// File that holds the data.
    #[arg(long, value_name = "FILE", default_value = DEFAULT_DATA_FILE)]
    pub data: PathBuf,
    /// Keep nothing: all data is gone when the process ends.
    #[arg(long, conflicts_with = "data")]
    pub in_memory: bool,
    /// Development token to use, 20 to 128 characters of A-Z a-z 0-9 _ -; by default one is made and kept beside the data.
    #[arg(long, value_name = "TOKEN", env = "ASSAY_TOKEN", hide_env_values = true, value_parser = token_text)]
    pub token: Option<String>,
    /// Use this DynamoDB engine, such as DynamoDB Local, instead of the embedded one.
    #[arg(long, value_name = "URL", conflicts_with_all = ["data", "in_memory"])]
    pub dynamodb_endpoint: Option<String>,
    /// SAM template to run; by default the one that is compiled in.
    #[arg(long, value_name = "FILE")]
    pub template: Option<PathBuf>,
}

/// Runs the platform until Ctrl-C or SIGTERM, then stops it; a second signal ends the process at once.
pub async fn run(args: ServeArgs) -> Result<(), PlatformError> {
    // Before anything is started, so that no moment is left in which a signal would kill instead of stop.
    let mut signals = Signals::listen();
    let platform = Platform::start(options(&args)?).await?;
    welcome(&platform, &args);
    signals.next().await;
    say("stopping: finishing requests (Ctrl-C again to stop at once)");
    tokio::select! {
        outcome = platform.shutdown() => outcome,
        () = signals.next() => {
            // What has been answered is on disk already; only unanswered requests are given up.
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
    Ok(PlatformOptions {
        address: (args.host, args.port).into(),
        database,
        template,
        local: LocalNames::default(),
        token: args.token.clone(),
        ..PlatformOptions::default()
    })
}

/// Refuses at once what the gateway would refuse at every request.
fn token_text(text: &str) -> Result<String, String> {
    let token = Token::parse(text).map_err(|invalid| invalid.to_string())?;
    Ok(token.reveal().to_owned())
}

fn welcome(platform: &Platform, args: &ServeArgs) {
    let (url, token) = (platform.url(), &platform.token);
    let data = match (&args.dynamodb_endpoint, args.in_memory) {
        (Some(endpoint), _) => format!("in {endpoint}"),
        (None, true) => "in memory, gone when this process ends".to_owned(),
        (None, false) => format!("in {}", args.data.display()),
    };
    say(&format!(
        "Assay is listening on {url}
data      {data}
DynamoDB  {endpoint}
token     {token}

Try:
  curl {url}/health
  curl -X POST {url}/experiments -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' \\
    -d '{{\"id\":\"checkout-button\",\"name\":\"Checkout button\",\"variants\":[{{\"key\":\"control\",\"percent\":50}},{{\"key\":\"green\",\"percent\":50}}]}}'
  curl {url}/experiments/checkout-button/assignment/user-1 -H 'Authorization: Bearer {token}'
",
        endpoint = platform.dynamodb_endpoint,
    ));
    if !platform.unwired.is_empty() {
        tracing::warn!(functions = ?platform.unwired, "the template names functions that this program lacks");
    }
}

/// Prints what the user of the command wants to see. Who reads it may have gone already
/// (`assay serve | head`), which is no reason to stop.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Ctrl-C and, where it exists, SIGTERM.
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
            // Without any signal handler there is nothing to wait for.
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
