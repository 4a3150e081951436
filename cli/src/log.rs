//! The log on standard error. Lines are collected for some milliseconds and written together: the server logs two lines for
//! each request, and a write takes longer than a line.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;
use tracing_subscriber::EnvFilter;

/// How long lines are collected. A process that is killed loses the lines of this time.
const COLLECTED: Duration = Duration::from_millis(10);
/// With more bytes that are not written yet, the thread that logs writes them itself.
const MOST_BYTES: usize = 1024 * 1024;

/// The log. The last lines are written when it is dropped.
#[must_use]
pub struct Log {
    lines: Arc<Lines>,
}

#[derive(Default)]
struct Lines {
    collected: Mutex<Vec<u8>>,
    /// Held while lines are written, so that they stay in their order.
    writing: Mutex<()>,
    some: Condvar,
}

impl Log {
    /// Starts the log. `ASSAY_LOG` chooses what is logged.
    pub fn start() -> Self {
        // The engine's server logs a warning for every failed condition. Failed conditions are normal: they report that
        // another writer was faster.
        let filter = EnvFilter::try_from_env("ASSAY_LOG")
            .unwrap_or_else(|_| EnvFilter::new("info,dynoxide=error"));
        let lines = Arc::new(Lines::default());
        let written = lines.clone();
        // Without the thread, lines are written at the limit and at the end.
        let _ = thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || written.write_forever());
        let collecting = lines.clone();
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(move || Line(collecting.clone()))
            .init();
        Self { lines }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.lines.write();
    }
}

impl Lines {
    fn write_forever(&self) {
        loop {
            let collected = held(&self.collected);
            let some = self.some.wait_while(collected, |lines| lines.is_empty());
            drop(some);
            thread::sleep(COLLECTED);
            self.write();
        }
    }

    fn add(&self, line: &[u8]) {
        let mut collected = held(&self.collected);
        let is_first = collected.is_empty();
        collected.extend_from_slice(line);
        let is_full = collected.len() > MOST_BYTES;
        drop(collected);
        if is_full {
            self.write();
        } else if is_first {
            self.some.notify_one();
        }
    }

    /// Writes what is collected. If standard error is closed, the log has no reader.
    fn write(&self) {
        let _writing = held(&self.writing);
        let lines = std::mem::take(&mut *held(&self.collected));
        let _ = io::stderr().lock().write_all(&lines);
    }
}

/// Lines are appended whole, so a panic while they were held does no harm.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A line of the log, which is written in one piece.
struct Line(Arc<Lines>);

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.add(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_collected_up_to_a_limit() {
        let lines = Arc::new(Lines::default());
        let mut line = Line(lines.clone());
        line.write_all(b"one\n").unwrap();
        line.write_all(b"two\n").unwrap();
        assert_eq!(*held(&lines.collected), b"one\ntwo\n");
        // Spaces, so that the output of the tests stays readable.
        line.write_all(&vec![b' '; MOST_BYTES]).unwrap();
        assert!(held(&lines.collected).is_empty());
    }
}
