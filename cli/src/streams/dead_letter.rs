//! Dead letters: batches that were discarded. Lambda sends a message to a queue; here the message is logged and stored.

use std::collections::VecDeque;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Maximum number of dead letters in memory. The file contains all of them.
const HELD: usize = 1000;

/// A batch that was discarded.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// Logical id of the function.
    pub function: String,
    /// ARN of the queue in the template. Without a queue, Lambda drops the batch without a message.
    pub destination: Option<String>,
    /// Why the last attempt failed.
    pub error: String,
    /// The message that Lambda sends. It contains the position of the records in the stream, but not the records.
    pub message: serde_json::Value,
}

/// The dead letters of a platform.
#[derive(Debug)]
pub(super) struct DeadLetters {
    file: Option<PathBuf>,
    held: Mutex<VecDeque<DeadLetter>>,
}

impl DeadLetters {
    /// Messages are appended to this file, one per line.
    pub(super) fn new(file: Option<PathBuf>) -> Self {
        Self {
            file,
            held: Mutex::default(),
        }
    }

    pub(super) fn add(&self, letter: DeadLetter) {
        tracing::error!(
            function = letter.function,
            destination = letter.destination,
            error = letter.error,
            message = %letter.message,
            "a batch of stream records was discarded"
        );
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &self.file
            && let Err(error) = append(file, &letter.message)
        {
            tracing::error!(file = %file.display(), %error, "a dead letter could not be stored");
        }
        if held.len() == HELD {
            held.pop_front();
        }
        held.push_back(letter);
    }

    /// The latest dead letters, oldest first.
    pub(super) fn held(&self) -> Vec<DeadLetter> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.iter().cloned().collect()
    }
}

fn append(file: &Path, message: &serde_json::Value) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.append(true).create(true).open(file)?;
    // A single write, so that a killed process leaves either the complete line or nothing.
    file.write_all(format!("{message}\n").as_bytes())?;
    file.sync_data()
}
