//! The development token: made once, kept beside the data, so that it stays the same over restarts.

use domain::access::Token;
use shared::clock;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Why there is no development token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file that keeps it could not be read or written.
    #[error("cannot keep the development token in {file}: {source}", file = .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system has no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

/// A new token.
pub fn new_token() -> Result<String, TokenError> {
    let token = Token::from_bits(clock::random_bits()?);
    Ok(token.reveal().to_owned())
}

/// The token kept in `file`, made and written there when there is none yet.
pub fn kept_token(file: &Path) -> Result<String, TokenError> {
    let failed = |source| TokenError::File {
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
    // Nobody else on the machine may read it.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut kept = options.open(file).map_err(failed)?;
    writeln!(kept, "{token}").map_err(failed)?;
    Ok(token)
}
