//! Events: when they count, and what makes two of them the same.

use super::decimal::Decimal;
use super::ids::{EventId, EventType, UserId};
use super::time::Timestamp;
use super::{Invalid, limits};
use sha2::{Digest, Sha256};

/// An event as it was sent, read and found valid.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What makes it the same event when it is sent again.
    pub id: EventId,
    /// Whose it is.
    pub user_id: UserId,
    /// Its kind.
    pub event_type: EventType,
    /// Its value, if it has one.
    pub value: Option<Decimal>,
    /// Further facts, as compact JSON text.
    pub properties: Option<String>,
    /// When it happened, by the sender's clock and as sent.
    pub timestamp: Option<Timestamp>,
    /// When it happened, as far as we can tell; the time that decides.
    pub counted_at: Timestamp,
}

/// How far apart the corrected times of one event may lie when it is sent twice: what a request may take
/// on its way, with room to spare.
const CORRECTION_SPREAD_MICROS: i64 = 120_000_000;

impl Event {
    /// Whether an earlier sending of the same event may have fallen on the other side of an instant.
    ///
    /// A time that the content fixes is the same each time. One that was corrected, cut off or missing
    /// depends on when the request arrived.
    pub fn may_have_counted_before(&self, instant: Timestamp) -> bool {
        match self.timestamp {
            Some(timestamp) if timestamp == self.counted_at => false,
            Some(_) => self.counted_at.plus_micros(-CORRECTION_SPREAD_MICROS) <= instant,
            None => true,
        }
    }
}

/// The time at which an event counts.
///
/// A sender that says when it sent lets us correct its clock by the difference to ours. An event is never
/// counted later than it was received.
///
/// # Errors
/// If the corrected time is more than [`limits::MAX_FUTURE_MINUTES`] ahead: then the clock is wrong and
/// nobody knows when the event happened.
pub fn counted_at(
    timestamp: Option<Timestamp>,
    sent_at: Option<Timestamp>,
    received_at: Timestamp,
) -> Result<Timestamp, Invalid> {
    let Some(timestamp) = timestamp else {
        return Ok(received_at);
    };
    let correction = sent_at.map_or(0, |sent_at| received_at.micros() - sent_at.micros());
    let corrected = timestamp.micros().saturating_add(correction);
    let ahead = corrected.saturating_sub(received_at.micros());
    if ahead > limits::MAX_FUTURE_MINUTES * 60 * 1_000_000 {
        return Err(Invalid::new(
            "in_the_future",
            format!(
                "Lies {} seconds in the future; at most {} minutes are accepted. If the sender's clock is wrong, \
                 say in `sent_at` when the request was sent, by the same clock.",
                ahead / 1_000_000,
                limits::MAX_FUTURE_MINUTES
            ),
        ));
    }
    Ok(Timestamp::from_micros(corrected.min(received_at.micros())))
}

/// The id of an event that came without one: a digest of its content as sent, so that a plain retry is
/// the same event. The time of sending is not part of it, since it differs from one retry to the next.
pub fn derived_id(
    user_id: &UserId,
    event_type: &EventType,
    timestamp: Timestamp,
    value: Option<Decimal>,
    properties: Option<&str>,
) -> EventId {
    let mut digest = Sha256::new();
    let value = value.map(|value| value.millionths().to_string());
    let parts = [
        Some(user_id.as_str()),
        Some(event_type.as_str()),
        Some(&timestamp.to_string()),
        value.as_deref(),
        properties,
    ];
    for part in parts {
        // Lengths keep neighbouring parts apart, and an absent one from an empty one.
        let length = part.map_or(u64::MAX, |text| text.len() as u64);
        digest.update(length.to_be_bytes());
        digest.update(part.unwrap_or_default());
    }
    EventId::from_digest(&digest.finalize()[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(1_000_000_000_000_000 + micros)
    }

    #[test]
    fn a_wrong_client_clock_is_corrected_by_the_time_of_sending() {
        for skew in [-2 * MINUTE, 2 * MINUTE, 86_400_000_000] {
            let counted = counted_at(Some(at(skew - 30)), Some(at(skew)), at(0)).unwrap();
            assert_eq!(counted, at(-30), "clock off by {skew}");
        }
    }

    #[test]
    fn an_event_never_counts_later_than_it_was_received_and_is_refused_far_ahead() {
        assert_eq!(counted_at(Some(at(MINUTE)), None, at(0)).unwrap(), at(0));
        assert_eq!(
            counted_at(Some(at(5 * MINUTE)), None, at(0)).unwrap(),
            at(0)
        );
        assert_eq!(
            counted_at(Some(at(5 * MINUTE + 1)), None, at(0))
                .unwrap_err()
                .code,
            "in_the_future"
        );
        assert_eq!(counted_at(None, None, at(0)).unwrap(), at(0));
    }

    #[test]
    fn a_derived_id_depends_on_every_part_of_the_content() {
        let user = |text| UserId::parse(text).unwrap();
        let kind = |text| EventType::parse(text).unwrap();
        let value = Some(Decimal::from_millionths(1));
        let ids = [
            derived_id(&user("a"), &kind("bc"), at(0), None, None),
            derived_id(&user("ab"), &kind("c"), at(0), None, None),
            derived_id(&user("a"), &kind("bc"), at(1), None, None),
            derived_id(&user("a"), &kind("bc"), at(0), value, None),
            derived_id(&user("a"), &kind("bc"), at(0), None, Some("{}")),
        ];
        for (index, id) in ids.iter().enumerate() {
            assert!(!ids[..index].contains(id), "{id}");
        }
        assert_eq!(
            ids[0],
            derived_id(&user("a"), &kind("bc"), at(0), None, None)
        );
    }
}
