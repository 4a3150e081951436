//! Progress of an import: a bar on a terminal, or else a line every few seconds.

use crate::output::{grouped, note};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Interval of progress lines outside a terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Counts the answered items. The bar shows the bytes of the file that have been read, because the number of rows is
/// unknown.
pub(super) struct Progress {
    bar: ProgressBar,
    plain: bool,
    started: Instant,
    answered: AtomicU64,
    /// Milliseconds from the start to the next progress line.
    next_line: AtomicU64,
}

impl Progress {
    /// Starts the progress of a file with this size, or of a stream of unknown size.
    pub(super) fn new(bytes: Option<u64>, quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = match bytes {
            _ if quiet || !terminal => ProgressBar::hidden(),
            Some(bytes) => ProgressBar::new(bytes),
            None => ProgressBar::new_spinner(),
        };
        let template = match bytes {
            Some(_) => "{bar:32} {percent:>3}%  {msg}  {eta} left",
            None => "{spinner} {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self {
            bar,
            plain: !quiet && !terminal,
            started: Instant::now(),
            answered: AtomicU64::new(0),
            next_line: AtomicU64::new(millis(LINE_EVERY)),
        }
    }

    /// Wraps a reader and counts the bytes that are read.
    pub(super) fn watch<R: Read>(&self, reader: R) -> impl Read + use<R> {
        self.bar.wrap_read(reader)
    }

    /// Adds answered assignments or events.
    pub(super) fn answered(&self, items: usize) {
        let total = self.answered.fetch_add(items as u64, Ordering::Relaxed) + items as u64;
        let elapsed = self.started.elapsed();
        let rate = total as f64 / elapsed.as_secs_f64().max(0.001);
        let rate = grouped(rate.round() as u64);
        let text = || format!("{} sent, {rate} per second", grouped(total));
        if self.plain {
            let due = self.next_line.load(Ordering::Relaxed);
            let next = millis(elapsed + LINE_EVERY);
            // Only the task that sets the next time prints the line.
            let mine = millis(elapsed) >= due
                && self
                    .next_line
                    .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok();
            if mine {
                note(text());
            }
        } else {
            self.bar.set_message(text());
        }
    }

    /// Removes the bar.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// Seconds since the start.
    pub(super) fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
