//! The only places that read the time or draw random bits.

use crate::domain::time::Timestamp;

/// The current instant.
pub fn now() -> Timestamp {
    Timestamp::from_micros(chrono::Utc::now().timestamp_micros())
}

/// Random bits from the operating system.
///
/// # Errors
/// If it has none to give.
pub fn random_bits<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bits = [0; N];
    getrandom::fill(&mut bits)?;
    Ok(bits)
}
