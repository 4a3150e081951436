//! Creates flags from a file of another system.
//!
//! Each source is a pure module that makes the bodies of `POST /flags` and the findings: what has no counterpart here, or is
//! another one. They are in the report, with their places in the file; nothing is left out without a finding.
//!
//! - [`draft`] is a flag that is being made, with its findings
//! - [`conditions`] writes tests of attributes as targeting conditions
//! - [`growthbook`], [`flagd`], [`launchdarkly`] and [`evidently`] read the files of these systems
//! - [`send`] checks the flags, creates them and prints the report

mod conditions;
mod draft;
mod evidently;
mod flagd;
mod growthbook;
mod launchdarkly;
mod send;

use super::FlagsError;
use crate::client::Client;
use domain::environment::Environments;
use draft::ImportedFlag;
use std::path::PathBuf;

/// The largest file, in bytes. All flags of a deployment have at most 4 MB, and other systems repeat each flag for many
/// environments.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// Arguments of `import`.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct ImportArgs {
    /// File of the other system.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The other system. growthbook: the payload for its SDKs, not encrypted. flagd: a file of flag definitions in JSON.
    /// launchdarkly: the data of its SDKs, or the list of its REST API. evidently: responses of get-feature, one after
    /// another or as an array.
    #[arg(long, value_name = "SYSTEM")]
    from: System,
    /// Environment that the rules are for.
    #[arg(long, value_name = "NAME", default_value = Environments::DEFAULT)]
    environment: String,
    /// Print the report, and create nothing.
    #[arg(long)]
    dry_run: bool,
}

/// A system that flags are imported from.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum System {
    Growthbook,
    Flagd,
    #[value(name = "launchdarkly")]
    LaunchDarkly,
    Evidently,
}

impl System {
    /// The flags of a file.
    ///
    /// # Errors
    /// Why it is not a file of the system.
    fn read(self, text: &str, environment: &str) -> Result<Vec<ImportedFlag>, String> {
        match self {
            Self::Growthbook => growthbook::read(text, environment),
            Self::Flagd => flagd::read(text, environment),
            Self::LaunchDarkly => launchdarkly::read(text, environment),
            Self::Evidently => evidently::read(text, environment),
        }
    }
}

/// Creates the flags of a file. Flags that exist are not changed.
pub(super) async fn import(client: &Client, args: &ImportArgs) -> Result<(), FlagsError> {
    let unreadable = |reason: String| FlagsError::File {
        file: args.file.display().to_string(),
        reason,
    };
    let size = std::fs::metadata(&args.file).map_err(|error| unreadable(error.to_string()))?;
    if size.len() > MAX_FILE_BYTES {
        return Err(unreadable("it has more than 64 MB".to_owned()));
    }
    let text = std::fs::read_to_string(&args.file);
    let text = text.map_err(|error| unreadable(error.to_string()))?;
    let flags = args.from.read(&text, &args.environment);
    let flags = flags.map_err(unreadable)?;
    send::send(client, flags, args.dry_run).await
}

#[cfg(test)]
mod tests;
