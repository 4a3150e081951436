//! Tells the readers of streams that a table was written to, so that they need not look again and again.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use tokio::sync::watch;

/// The readers of each table.
#[derive(Debug, Default)]
pub struct TableWrites(Mutex<HashMap<String, watch::Sender<()>>>);

impl TableWrites {
    /// A receiver that notices every write to the table from now on. Writes through the port of the engine are not
    /// noticed.
    pub fn of(&self, table: &str) -> watch::Receiver<()> {
        let mut readers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = readers.entry(table.to_owned()).or_default();
        sender.subscribe()
    }

    /// Tells the readers of these tables.
    pub(super) fn tell(&self, tables: &BTreeSet<String>) {
        let readers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for table in tables {
            if let Some(sender) = readers.get(table) {
                sender.send_replace(());
            }
        }
    }
}
