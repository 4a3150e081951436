//! How many events of a user are stored, and whether more are accepted.

use super::Invalid;
use super::limits::{MAX_STORED_EVENTS_PER_USER, MAX_STORED_EVENTS_PER_USER_DAY};
use super::time::Timestamp;

const DAY_SECONDS: i64 = 24 * 3_600;

/// The number of stored events of a user. An event counts once for each experiment that it is stored for, because each
/// of them is a record that an erasure deletes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventCount {
    /// Events that were ever stored.
    pub total: u64,
    /// The day of the last stored event, in UTC days since 1970.
    pub day: i64,
    /// Events that were stored on this day.
    pub on_day: u64,
}

/// A number of stored events that a user has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReachedLimit {
    /// [`MAX_STORED_EVENTS_PER_USER_DAY`]: the next day, more events are accepted.
    Day,
    /// [`MAX_STORED_EVENTS_PER_USER`]: no more events are accepted.
    Total,
}

/// The UTC day of an instant, in days since 1970.
pub fn day_of(instant: Timestamp) -> i64 {
    instant.epoch_seconds().div_euclid(DAY_SECONDS)
}

impl EventCount {
    /// The limit that the user has reached on a day, if any. A request that begins below the limit is stored completely.
    pub fn reached(&self, day: i64) -> Option<ReachedLimit> {
        if self.total >= MAX_STORED_EVENTS_PER_USER {
            Some(ReachedLimit::Total)
        } else if self.day >= day && self.on_day >= MAX_STORED_EVENTS_PER_USER_DAY {
            Some(ReachedLimit::Day)
        } else {
            None
        }
    }
}

impl ReachedLimit {
    /// Why an event is rejected.
    pub fn invalid(self) -> Invalid {
        let detail = match self {
            Self::Day => format!(
                "{MAX_STORED_EVENTS_PER_USER_DAY} events of this user have been stored today. Send no more events of the \
                 user before midnight UTC, and check whether the id belongs to one user."
            ),
            Self::Total => format!(
                "{MAX_STORED_EVENTS_PER_USER} events of this user are stored. Send no more events of the user, and \
                 check whether the id belongs to one user. An erasure of the user starts the count again."
            ),
        };
        Invalid::new("too_many_events", detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(total: u64, day: i64, on_day: u64) -> EventCount {
        EventCount { total, day, on_day }
    }

    #[test]
    fn a_user_reaches_the_limit_of_a_day_on_that_day_only() {
        let most = MAX_STORED_EVENTS_PER_USER_DAY;
        assert_eq!(count(most - 1, 7, most - 1).reached(7), None);
        assert_eq!(count(most, 7, most).reached(7), Some(ReachedLimit::Day));
        assert_eq!(count(most, 7, most).reached(8), None);
        // A request that began before midnight is compared with the count of the next day.
        assert_eq!(count(most, 8, most).reached(7), Some(ReachedLimit::Day));
    }

    #[test]
    fn a_user_who_reaches_the_total_stays_there() {
        let most = MAX_STORED_EVENTS_PER_USER;
        assert_eq!(count(most - 1, 7, 1).reached(8), None);
        for day in [7, 8, 9_999] {
            assert_eq!(count(most, 7, 1).reached(day), Some(ReachedLimit::Total));
        }
    }

    #[test]
    fn a_day_begins_at_midnight_utc() {
        let at = |text| day_of(Timestamp::parse(text).unwrap());
        assert_eq!(at("1970-01-01T23:59:59.999999Z"), 0);
        assert_eq!(at("1970-01-02T00:00:00Z"), 1);
        assert_eq!(at("2026-11-23T15:17:40Z"), 20_780);
    }
}
