//! The development token. It is created once and stored beside the data, so it stays the same after a restart.

use domain::access::Token;
use shared::clock;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Why the development token could not be read or created.
#[derive(Debug, thiserror::Error)]
pub enum DevelopmentTokenError {
    /// The token file could not be read or written.
    #[error("cannot store the development token in {file}: {source}", file = .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// The operating system returned no random bytes.
    #[error("the operating system returned no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

/// Creates a token.
pub fn new_token() -> Result<String, DevelopmentTokenError> {
    let token = Token::from_bits(clock::random_bits()?);
    Ok(token.reveal().to_owned())
}

/// Reads the token from `file`. If there is none, it creates a token and writes it to the file.
pub fn stored_token(file: &Path) -> Result<String, DevelopmentTokenError> {
    let failed = |source| DevelopmentTokenError::File {
        file: file.to_owned(),
        source,
    };
    match std::fs::read_to_string(file) {
        Ok(text) if !text.trim().is_empty() => return Ok(text.trim().to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let token = new_token()?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    // Only the owner of the file may read it.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut kept = options.open(file).map_err(failed)?;
    writeln!(kept, "{token}").map_err(failed)?;
    Ok(token)
}
