//! Errors in a template. Each names the path in the template.

use std::path::PathBuf;

/// Why a template could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The file could not be read.
    #[error("cannot read the template {file}: {source}", file = .file.display())]
    File {
        /// Path of the file.
        file: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// The template is malformed YAML.
    #[error("the template is not valid YAML: {0}")]
    Syntax(#[from] serde_yaml_ng::Error),
    /// A required value is missing.
    #[error("{path}: missing")]
    Missing {
        /// Path in the template, such as `Resources.Api.Properties.StageName`.
        path: String,
    },
    /// A value has the wrong form.
    #[error("{path}: expected {expected}, found {found}")]
    Unexpected {
        /// Path in the template.
        path: String,
        /// The expected form.
        expected: &'static str,
        /// The value in the template.
        found: String,
    },
    /// A key that the local platform does not support.
    #[error("{path}: not supported by the local platform")]
    UnknownKey {
        /// Path in the template.
        path: String,
    },
    /// An intrinsic function that cannot be resolved locally, such as `!ImportValue`.
    #[error("{path}: the intrinsic function {name} is not supported")]
    UnsupportedIntrinsic {
        /// Path in the template.
        path: String,
        /// Name of the intrinsic function.
        name: String,
    },
    /// A reference to something that the template does not define.
    #[error("{path}: {name} is not defined")]
    UnknownName {
        /// Path in the template.
        path: String,
        /// The undefined name.
        name: String,
    },
    /// Two values in the template contradict each other.
    #[error("{path}: {reason}")]
    Conflict {
        /// Path in the template.
        path: String,
        /// What is contradictory.
        reason: String,
    },
}
