//! Records that were given up: said in the log and kept, where Lambda would send a message to a queue.

use std::collections::VecDeque;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// How many are held in memory; the file has them all.
const HELD: usize = 1000;

/// A batch that was given up.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// Logical id of the function.
    pub function: String,
    /// ARN of the queue that the template names; without one, Lambda would drop the batch unseen.
    pub destination: Option<String>,
    /// Why the last attempt failed.
    pub error: String,
    /// The message that Lambda would send: where the records stand in the stream, and not the records.
    pub message: serde_json::Value,
}

/// All dead letters of a platform.
#[derive(Debug)]
pub(super) struct DeadLetters {
    file: Option<PathBuf>,
    held: Mutex<VecDeque<DeadLetter>>,
}

impl DeadLetters {
    /// Messages are added to this file, one in a line.
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
            "records of a stream are given up"
        );
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &self.file
            && let Err(error) = append(file, &letter.message)
        {
            tracing::error!(file = %file.display(), %error, "a dead letter could not be kept");
        }
        if held.len() == HELD {
            held.pop_front();
        }
        held.push_back(letter);
    }

    /// The last of them, oldest first.
    pub(super) fn held(&self) -> Vec<DeadLetter> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.iter().cloned().collect()
    }
}

fn append(file: &Path, message: &serde_json::Value) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.append(true).create(true).open(file)?;
    // In one piece: a process that is killed leaves a line or none.
    file.write_all(format!("{message}\n").as_bytes())?;
    file.sync_data()
}
