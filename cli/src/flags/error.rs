//! Why a command failed.

use crate::client::ClientError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum FlagsError {
    /// The API refused a request or cannot be reached.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The arguments do not fit the flag. The text says how to mend them.
    #[error("{0}")]
    DoesNotFit(String),
    /// The flag was changed by others each time between the reading and the change.
    #[error(
        "the flag `{0}` is being changed by others at the same time; nothing was changed. Try again"
    )]
    Contended(String),
    /// The file cannot be read.
    #[error("cannot read {file}: {reason}")]
    File {
        /// The path of the file.
        file: String,
        /// Why.
        reason: String,
    },
    /// Flags of a file were not imported. The report says why.
    #[error("{refused} of {all} were not imported; the report says why")]
    NotImported {
        /// The number of flags that were not imported.
        refused: u64,
        /// All flags of the file, as a text with a unit.
        all: String,
    },
}
