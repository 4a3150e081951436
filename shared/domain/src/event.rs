//! Events: the time at which they are counted, and the id that makes repeats the same event.

use super::decimal::Decimal;
use super::ids::{EventId, EventType, UserId};
use super::prose::grouped;
use super::time::Timestamp;
use super::{Invalid, limits};
use sha2::{Digest, Sha256};

/// A valid event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Identifies the event: a repeat has the same id.
    pub id: EventId,
    /// The user.
    pub user_id: UserId,
    /// The event type.
    pub event_type: EventType,
    /// Its value, if it has one.
    pub value: Option<Decimal>,
    /// Further properties, as compact JSON text.
    pub properties: Option<String>,
    /// When it happened by the sender's clock, as sent.
    pub timestamp: Option<Timestamp>,
    /// When it happened, with the sender's clock corrected. This time decides whether it is counted.
    pub counted_at: Timestamp,
}

/// What counting needs of a stored event: an event without its user and without properties, which may be large.
#[derive(Debug, Clone, PartialEq)]
pub struct EventSummary {
    /// Identifies the event.
    pub id: EventId,
    /// The event type.
    pub event_type: EventType,
    /// Its value, if it has one.
    pub value: Option<Decimal>,
    /// When it happened, with the sender's clock corrected.
    pub counted_at: Timestamp,
}

/// The time at which an event is counted.
///
/// If the sender states the time of sending, the sender's clock is corrected by its difference to this clock. An event
/// is never counted later than it was received.
///
/// # Errors
/// If the corrected time is more than [`limits::MAX_FUTURE_MINUTES`] in the future. Then the clock is wrong, and the
/// time of the event is unknown.
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
                "Is {} seconds in the future; at most {} minutes are accepted. If the sender's clock is wrong, \
                 say in `sent_at` when the request was sent, by the same clock.",
                grouped((ahead / 1_000_000).unsigned_abs()),
                limits::MAX_FUTURE_MINUTES
            ),
        ));
    }
    Ok(Timestamp::from_micros(corrected.min(received_at.micros())))
}

/// The id of an event without one: a digest of its content as sent, so that a plain retry has the same id. The time of
/// sending is not part of it, because it differs from one retry to the next.
pub fn derived_id(
    units: &[UserId],
    event_type: &EventType,
    timestamp: Timestamp,
    value: Option<Decimal>,
    properties: Option<&str>,
) -> EventId {
    let value = value.map(|value| value.millionths().to_string());
    let units: Vec<&str> = units.iter().map(UserId::as_str).collect();
    // No id contains the separator.
    let units = units.join("\u{1e}");
    digest_of(&[
        Some(units.as_str()),
        Some(event_type.as_str()),
        Some(&timestamp.to_string()),
        value.as_deref(),
        properties,
    ])
}

/// The id of an event of a sender that repeats no request and says no time: a digest of its content, of the time of receipt
/// and of its place in the request. Two equal events are two events.
pub fn received_id(
    user_id: &UserId,
    event_type: &EventType,
    (received_at, place): (Timestamp, usize),
    properties: Option<&str>,
) -> EventId {
    digest_of(&[
        Some(user_id.as_str()),
        Some(event_type.as_str()),
        Some(&received_at.to_string()),
        Some(&place.to_string()),
        // A sixth part: no derived id has so many, so that the two are never equal.
        None,
        properties,
    ])
}

fn digest_of(parts: &[Option<&str>]) -> EventId {
    let mut digest = Sha256::new();
    for part in parts {
        // Lengths separate neighbouring parts, and an absent part from an empty one.
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
        let users = |ids: &[&str]| -> Vec<UserId> {
            ids.iter().map(|id| UserId::parse(id).unwrap()).collect()
        };
        let kind = |text| EventType::parse(text).unwrap();
        let value = Some(Decimal::from_millionths(1));
        let ids = [
            derived_id(&users(&["a"]), &kind("bc"), at(0), None, None),
            derived_id(&users(&["ab"]), &kind("c"), at(0), None, None),
            derived_id(&users(&["a"]), &kind("bc"), at(1), None, None),
            derived_id(&users(&["a"]), &kind("bc"), at(0), value, None),
            derived_id(&users(&["a"]), &kind("bc"), at(0), None, Some("{}")),
            derived_id(&users(&["a", "b"]), &kind("bc"), at(0), None, None),
        ];
        for (index, id) in ids.iter().enumerate() {
            assert!(!ids[..index].contains(id), "{id}");
        }
        assert_eq!(
            ids[0],
            derived_id(&users(&["a"]), &kind("bc"), at(0), None, None)
        );
    }

    #[test]
    fn two_equal_events_of_one_request_or_of_two_are_two_events() {
        let user = UserId::parse("ann").unwrap();
        let click = EventType::parse("click").unwrap();
        let id = |seconds, place, properties| {
            received_id(&user, &click, (at(seconds), place), properties)
        };
        let ids = [
            id(0, 0, None),
            id(0, 1, None),
            id(1, 0, None),
            id(0, 0, Some("{}")),
        ];
        for (index, one) in ids.iter().enumerate() {
            assert!(!ids[..index].contains(one), "{one}");
        }
        assert_eq!(ids[0], id(0, 0, None));
    }
}
