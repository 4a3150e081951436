//! How many events a token may send: a budget for each window of ten seconds.
//!
//! The budget of a window is one item in DynamoDB, which all instances of the function take from. An instance takes at
//! least a thousandth of the budget at a time and spends it on its next requests, so that single events do not cost a
//! write each. What it has not spent at the end of the window is lost. An instance that found the budget empty refuses
//! requests without a call until the window ends.

use crate::store::{Budget, Store, StoreError};
use domain::time::Timestamp;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The length of a window, in seconds. It allows bursts of batches, and a refused caller waits at most this long.
const WINDOW_SECONDS: u32 = 10;
/// An instance takes one part of so many at a time.
const PARTS: u64 = 1_000;

/// What an instance has taken from a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Share {
    window: i64,
    /// Events that are taken and not spent.
    left: u64,
    /// Whether nothing was left for this instance.
    is_empty: bool,
}

/// Whether a request is within the budget of its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// It is.
    Within,
    /// The budget is used up, for so many seconds.
    UsedUp {
        /// Seconds until the next window, at least 1.
        seconds: u32,
    },
}

/// The shares of this instance by token. Only those of the current window are kept.
#[derive(Debug, Default)]
pub(crate) struct EventBudgets(Mutex<HashMap<String, Share>>);

impl EventBudgets {
    /// Spends events of a token.
    ///
    /// # Errors
    /// If the database fails.
    pub(crate) async fn spend(
        &self,
        store: &Store,
        token_id: &str,
        events_per_second: u32,
        events: u64,
        now: Timestamp,
    ) -> Result<Spent, StoreError> {
        let length = i64::from(WINDOW_SECONDS);
        let window = now.epoch_seconds().div_euclid(length);
        let seconds = length - now.epoch_seconds().rem_euclid(length);
        let used_up = Spent::UsedUp {
            seconds: u32::try_from(seconds).unwrap_or(WINDOW_SECONDS),
        };
        match self.spend_share(token_id, window, events) {
            Some(true) => return Ok(Spent::Within),
            Some(false) => return Ok(used_up),
            None => {}
        }
        let budget = Budget {
            token_id,
            window,
            // DynamoDB deletes expired items within days, and nothing reads them after their window.
            expires_at: (window + 2) * length,
            events: u64::from(events_per_second) * u64::from(WINDOW_SECONDS),
        };
        let taken = events.max(budget.events / PARTS);
        let is_taken = store.take_from_budget(&budget, taken).await?;
        self.note(token_id, window, is_taken.then_some(taken - events));
        Ok(if is_taken { Spent::Within } else { used_up })
    }

    /// Spends events that this instance has taken before. None if it must take more.
    fn spend_share(&self, token_id: &str, window: i64, events: u64) -> Option<bool> {
        let mut shares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let share = shares
            .get_mut(token_id)
            .filter(|share| share.window == window)?;
        if share.is_empty {
            return Some(false);
        }
        share.left = share.left.checked_sub(events)?;
        Some(true)
    }

    /// Notes what remains of a share that was taken; none if nothing was left to take.
    fn note(&self, token_id: &str, window: i64, remaining: Option<u64>) {
        let mut shares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shares.retain(|_, share| share.window == window);
        let share = shares.entry(token_id.to_owned()).or_insert(Share {
            window,
            left: 0,
            is_empty: false,
        });
        match remaining {
            Some(remaining) => share.left += remaining,
            None => share.is_empty = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_spent_in_its_window_only() {
        let budgets = EventBudgets::default();
        assert_eq!(budgets.spend_share("t", 7, 1), None);
        budgets.note("t", 7, Some(3));
        assert_eq!(budgets.spend_share("t", 7, 2), Some(true));
        assert_eq!(budgets.spend_share("t", 7, 2), None);
        assert_eq!(budgets.spend_share("t", 7, 1), Some(true));
        budgets.note("t", 7, Some(3));
        assert_eq!(budgets.spend_share("t", 8, 1), None);
        assert_eq!(budgets.spend_share("other", 7, 1), None);
    }

    #[test]
    fn an_empty_budget_refuses_without_a_call_until_the_window_ends() {
        let budgets = EventBudgets::default();
        budgets.note("t", 7, None);
        assert_eq!(budgets.spend_share("t", 7, 1), Some(false));
        assert_eq!(budgets.spend_share("t", 8, 1), None);
    }

    #[test]
    fn only_shares_of_the_current_window_are_kept() {
        let budgets = EventBudgets::default();
        for window in 0..100 {
            budgets.note(&format!("token {window}"), window, Some(1));
        }
        assert_eq!(budgets.0.lock().unwrap().len(), 1);
    }
}
