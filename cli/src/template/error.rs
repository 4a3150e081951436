//! What can be wrong with a template, always with the place in it.

use std::path::PathBuf;

/// Why a template could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The file could not be opened.
    #[error("cannot read the template {file}: {source}", file = .file.display())]
    File {
        /// Its path as given.
        file: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// It is no YAML.
    #[error("the template is not valid YAML: {0}")]
    Syntax(#[from] serde_yaml_ng::Error),
    /// A value that is needed is not there.
    #[error("{path}: missing")]
    Missing {
        /// Its place, as `Resources.Api.Properties.StageName`.
        path: String,
    },
    /// A value has another form than is needed.
    #[error("{path}: expected {expected}, found {found}")]
    Unexpected {
        /// Its place.
        path: String,
        /// What would be right.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// A key that the local platform does not know, and so cannot obey.
    #[error("{path}: not understood by the local platform")]
    UnknownKey {
        /// Its place.
        path: String,
    },
    /// A function such as `!ImportValue` that cannot be worked out on this machine.
    #[error("{path}: the intrinsic function {name} is not supported")]
    UnsupportedIntrinsic {
        /// Its place.
        path: String,
        /// Its name.
        name: String,
    },
    /// A name that stands for nothing.
    #[error("{path}: {name} is not defined")]
    UnknownName {
        /// Its place.
        path: String,
        /// The name.
        name: String,
    },
    /// Two things that contradict each other.
    #[error("{path}: {reason}")]
    Conflict {
        /// Its place.
        path: String,
        /// What does not fit.
        reason: String,
    },
}
