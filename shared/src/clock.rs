//! The only module that reads the time or random bits.

use domain::time::Timestamp;
use std::time::{Duration, Instant, SystemTime};

/// The current instant.
pub fn now() -> Timestamp {
    Timestamp::from_micros(chrono::Utc::now().timestamp_micros())
}

/// The instant this long before a deadline; now, if that has passed.
pub fn ahead_of(deadline: SystemTime, reserve: Duration) -> Instant {
    let left = deadline.duration_since(SystemTime::now());
    Instant::now() + left.unwrap_or_default().saturating_sub(reserve)
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
