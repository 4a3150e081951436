//! How far an import is: a bar on a terminal, a line now and then elsewhere.

use crate::output::{grouped, note};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A log wants a sign of life, not a film.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Counts what has been answered. The bar itself goes by bytes of the file: its rows are not counted beforehand.
pub(super) struct Progress {
    bar: ProgressBar,
    plain: bool,
    started: Instant,
    answered: AtomicU64,
    /// Milliseconds after the start at which the next plain line is due.
    next_line: AtomicU64,
}

impl Progress {
    /// Progress through a file of so many bytes; through a stream of unknown length if none.
    pub(super) fn new(bytes: Option<u64>, quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = match bytes {
            _ if quiet || !terminal => ProgressBar::hidden(),
            Some(bytes) => ProgressBar::new(bytes),
            None => ProgressBar::new_spinner(),
        };
        let template = match bytes {
            Some(_) => "{bar:32} {percent:>3} %  {msg}  {eta} left",
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

    /// Counts the bytes that are read through it.
    pub(super) fn watch<R: Read>(&self, reader: R) -> impl Read + use<R> {
        self.bar.wrap_read(reader)
    }

    /// Notes that so many assignments or events have been answered.
    pub(super) fn answered(&self, items: usize) {
        let total = self.answered.fetch_add(items as u64, Ordering::Relaxed) + items as u64;
        let elapsed = self.started.elapsed();
        let rate = total as f64 / elapsed.as_secs_f64().max(0.001);
        let text = || format!("{} sent, {rate:.0} a second", grouped(total));
        if self.plain {
            let due = self.next_line.load(Ordering::Relaxed);
            let next = millis(elapsed + LINE_EVERY);
            // Whoever sets the next time is the one who writes.
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

    /// Takes the bar away.
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
