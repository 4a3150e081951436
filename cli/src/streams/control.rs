//! What the platform says to a running mapping: settle, and stop.

use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Answered with the number of records handled so far, once nothing is left to handle.
pub(super) type SettleRequest = oneshot::Sender<u64>;

/// The platform wants the mapping to end.
#[derive(Debug)]
pub(super) struct Stopped;

/// The mapping's end of the channel. The channel closes when the platform stops.
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

    /// Takes in what has been said; returns how many wait for everything to be handled.
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

    /// Whether somebody waits for everything to be handled.
    pub(super) fn settling(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Answers the first so many of those who wait.
    pub(super) fn settled(&mut self, count: usize, handled: u64) {
        for request in self.waiting.drain(..count) {
            // Who asked may have gone.
            let _ = request.send(handled);
        }
    }

    /// Waits, but not on when something is said.
    pub(super) async fn rest(&mut self, time: Duration) -> Result<(), Stopped> {
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            request = self.requests.recv() => {
                self.waiting.push(request.ok_or(Stopped)?);
                Ok(())
            }
        }
    }
}
