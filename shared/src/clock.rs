//! The only module that reads the time or random bits.

use domain::time::Timestamp;
use std::time::{Duration, Instant, SystemTime};

/// The current instant.
pub fn now() -> Timestamp {
    Timestamp::from_micros(chrono::Utc::now().timestamp_micros())
}

/// The instant this long before the deadline of an invocation; now, if that has passed.
pub fn ahead_of(deadline: SystemTime, reserve: Duration) -> Instant {
    Instant::now() + time_left(deadline).saturating_sub(reserve)
}

/// The time until the deadline of an invocation. Lambda gives a deadline as a point in time; `cargo lambda watch` gives
/// the time that is left (600,000 ms), which is read as a point in time on the first day of 1970.
pub fn time_left(deadline: SystemTime) -> Duration {
    const ONE_DAY: Duration = Duration::from_secs(86_400);
    let since_epoch = deadline
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    if since_epoch < ONE_DAY {
        return since_epoch;
    }
    deadline
        .duration_since(SystemTime::now())
        .unwrap_or_default()
}

/// Random bits from the operating system.
///
/// # Errors
/// If it has none.
pub fn random_bits<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bits = [0; N];
    getrandom::fill(&mut bits)?;
    Ok(bits)
}

/// A new seed of a hash: 128 random bits as hexadecimal digits.
///
/// # Errors
/// If the operating system has no random bits.
pub fn random_seed() -> Result<String, getrandom::Error> {
    Ok(data_encoding::HEXLOWER.encode(&random_bits::<16>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_that_of_lambda_and_that_of_cargo_lambda() {
        const MINUTE: Duration = Duration::from_secs(60);
        let left = time_left(SystemTime::now() + MINUTE);
        assert!(left <= MINUTE && left > MINUTE / 2, "{left:?}");
        assert_eq!(time_left(SystemTime::now() - MINUTE), Duration::ZERO);
        assert_eq!(
            time_left(SystemTime::UNIX_EPOCH + Duration::from_millis(600_000)),
            10 * MINUTE
        );
    }
}
