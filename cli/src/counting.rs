//! Waits until everything that a command has sent is in the results.

use crate::client::{Client, ClientError, path_segment};
use crate::output::{grouped, note};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// The time between two looks.
const INTERVAL: Duration = Duration::from_millis(500);
/// Interval of progress lines outside a terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Nothing more is counted for so long: the wait ends.
const STALLED_AFTER: Duration = Duration::from_secs(120);

#[derive(Deserialize)]
struct Summary {
    freshness: Freshness,
}

#[derive(Deserialize)]
struct Freshness {
    /// None if the results come from the raw records, which are complete.
    #[serde(default)]
    stored_records: Option<u64>,
    #[serde(default)]
    pending_records: Option<u64>,
    #[serde(default)]
    count_incomplete: bool,
}

/// Waits until the results of an experiment contain all records that are stored now, and shows the progress. An interrupt
/// ends the wait, and so do results that do not get further or cannot be read; a note says so, because everything has been
/// sent. Later records of others are not waited for.
pub(crate) async fn wait(client: &Client, experiment: &str, quiet: bool) {
    tokio::select! {
        waited = until_counted(client, experiment, quiet) => if let Err(error) = waited {
            note(format_args!("Everything was sent. Whether it is counted is not known, because the results cannot be read: {error}"));
        },
        _ = tokio::signal::ctrl_c() => {
            note("Interrupted while waiting. Everything was sent and is being counted; until then the results say how much is missing.");
        }
    }
}

async fn until_counted(client: &Client, experiment: &str, quiet: bool) -> Result<(), ClientError> {
    let path = format!(
        "/experiments/{}/results?view=summary",
        path_segment(experiment)
    );
    let progress = Progress::new(quiet);
    let mut sent = None;
    let mut furthest = (0, Instant::now());
    loop {
        let Summary { freshness } = client.get(&path).await?;
        let (Some(stored), Some(pending)) = (freshness.stored_records, freshness.pending_records)
        else {
            return Ok(());
        };
        let sent = *sent.get_or_insert(stored);
        let counted = stored.saturating_sub(pending);
        if (pending == 0 || counted >= sent) && !freshness.count_incomplete {
            progress.finish(counted.min(sent), pending);
            return Ok(());
        }
        progress.show(counted, sent.max(1));
        if counted > furthest.0 {
            furthest = (counted, Instant::now());
        } else if furthest.1.elapsed() > STALLED_AFTER {
            progress.bar.finish_and_clear();
            note(format_args!(
                "Everything was sent, but for two minutes no more than {} of {} records were counted. The results say how \
                 much is missing; `assay audit {experiment} --repair` counts all records again.",
                grouped(counted),
                grouped(sent)
            ));
            return Ok(());
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// A bar on a terminal, or else a line every few seconds.
struct Progress {
    bar: ProgressBar,
    plain: bool,
    started: Instant,
    next_line: std::cell::Cell<Duration>,
    first: std::cell::Cell<Option<u64>>,
}

impl Progress {
    fn new(quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = match quiet || !terminal {
            true => ProgressBar::hidden(),
            false => ProgressBar::new(1),
        };
        let template = "{bar:32} {percent:>3}%  {msg}  {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self {
            bar,
            plain: !quiet && !terminal,
            started: Instant::now(),
            next_line: std::cell::Cell::new(LINE_EVERY),
            first: std::cell::Cell::new(None),
        }
    }

    fn show(&self, counted: u64, sent: u64) {
        let first = self.first.get().unwrap_or(counted);
        self.first.set(Some(first));
        let seconds = self.started.elapsed().as_secs_f64().max(0.001);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate for readers"
        )]
        let rate = (counted.saturating_sub(first) as f64 / seconds).round() as u64;
        let text = format!(
            "{} of {} records counted, {} per second",
            grouped(counted),
            grouped(sent),
            grouped(rate)
        );
        if !self.plain {
            self.bar.set_length(sent);
            self.bar.set_position(counted);
            self.bar.set_message(text);
        } else if self.started.elapsed() >= self.next_line.get() {
            self.next_line.set(self.started.elapsed() + LINE_EVERY);
            note(text);
        }
    }

    /// Removes the bar. While others send records, it is not known whose are pending.
    fn finish(&self, counted: u64, pending: u64) {
        self.bar.finish_and_clear();
        if self.plain && self.first.get().is_some() {
            let counted = grouped(counted);
            match pending {
                0 => note(format_args!("all {counted} records are counted")),
                pending => note(format_args!(
                    "{counted} records are counted, as many as were sent; {} are pending, and others send more",
                    grouped(pending)
                )),
            }
        }
    }
}
