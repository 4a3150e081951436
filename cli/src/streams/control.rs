//! Messages from the platform to a running mapping: settle and stop.

use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

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
