//! Messages from the platform to a running mapping: settle and stop.

use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// How long writes are collected before they are read.
const COLLECT_WRITES: Duration = Duration::from_millis(20);
/// The longest wait for a write. The engine does not tell of writes by other processes, through its port.
const LONGEST_WAIT_FOR_WRITE: Duration = Duration::from_secs(2);

/// A request to report when all records are handled. The answer is the number of records handled so far.
pub(super) type SettleRequest = oneshot::Sender<u64>;

/// The platform has asked the mapping to stop.
#[derive(Debug)]
pub(super) struct Stopped;

/// The mapping's receiver. The channel closes when the platform stops.
pub(super) struct Control {
    requests: mpsc::UnboundedReceiver<SettleRequest>,
    waiting: Vec<SettleRequest>,
}

impl Control {
    pub(super) fn new(requests: mpsc::UnboundedReceiver<SettleRequest>) -> Self {
        Self {
            requests,
            waiting: Vec::new(),
        }
    }

    /// Receives new requests without waiting. Returns the number of open settle requests.
    pub(super) fn listen(&mut self) -> Result<usize, Stopped> {
        use mpsc::error::TryRecvError;
        loop {
            match self.requests.try_recv() {
                Ok(request) => self.waiting.push(request),
                Err(TryRecvError::Empty) => return Ok(self.waiting.len()),
                Err(TryRecvError::Disconnected) => return Err(Stopped),
            }
        }
    }

    /// Whether there is an open settle request.
    pub(super) fn settling(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Answers the first `count` settle requests.
    pub(super) fn settled(&mut self, count: usize, handled: u64) {
        for request in self.waiting.drain(..count) {
            // The receiver may have been dropped.
            let _ = request.send(handled);
        }
    }

    /// Waits for a write to the table, or until a request arrives. Writes that follow each other end one wait.
    pub(super) async fn wait_for_write(
        &mut self,
        writes: &mut watch::Receiver<()>,
    ) -> Result<(), Stopped> {
        let written = async {
            // The sender lives as long as the engine, and the streams stop before it.
            let _ = writes.changed().await;
            tokio::time::sleep(COLLECT_WRITES).await;
        };
        tokio::select! {
            _ = tokio::time::timeout(LONGEST_WAIT_FOR_WRITE, written) => Ok(()),
            request = self.requests.recv() => {
                self.waiting.push(request.ok_or(Stopped)?);
                Ok(())
            }
        }
    }

    /// Waits for this time, or until a request arrives.
    pub(super) async fn wait(&mut self, time: Duration) -> Result<(), Stopped> {
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            request = self.requests.recv() => {
                self.waiting.push(request.ok_or(Stopped)?);
                Ok(())
            }
        }
    }
}
