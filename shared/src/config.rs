//! What a deployment decides: names of tables and the like, from the environment.

use crate::store::Tables;
use std::time::Duration;

/// Names of the environment variables, as `template.yaml` sets them.
pub const VARIABLES: [&str; 6] = [
    "EXPERIMENTS_TABLE",
    "ASSIGNMENTS_TABLE",
    "EVENTS_TABLE",
    "AGGREGATES_TABLE",
    "TOKENS_TABLE",
    "DEFINITION_CACHE_SECONDS",
];

/// A deployment's settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// Names of the tables.
    pub tables: Tables,
    /// How long a definition is remembered; for so long a change may go unnoticed.
    pub definition_cache: Duration,
}

/// A setting that is missing or makes no sense. The name is that of the environment variable.
#[derive(Debug, thiserror::Error)]
#[error("the environment variable {0} {1}")]
pub struct BadSetting(&'static str, &'static str);

impl Config {
    /// Reads the settings through a function that looks a variable up.
    ///
    /// # Errors
    /// Names the first variable that is missing or makes no sense.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, BadSetting> {
        let required = |name| {
            lookup(name)
                .filter(|value| !value.is_empty())
                .ok_or(BadSetting(name, "is not set"))
        };
        let seconds = required("DEFINITION_CACHE_SECONDS")?.parse().map_err(|_| {
            BadSetting(
                "DEFINITION_CACHE_SECONDS",
                "is not a whole number of seconds",
            )
        })?;
        Ok(Self {
            tables: Tables {
                experiments: required("EXPERIMENTS_TABLE")?,
                assignments: required("ASSIGNMENTS_TABLE")?,
                events: required("EVENTS_TABLE")?,
                aggregates: required("AGGREGATES_TABLE")?,
                tokens: required("TOKENS_TABLE")?,
            },
            definition_cache: Duration::from_secs(seconds),
        })
    }
}
