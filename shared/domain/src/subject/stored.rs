//! A subject as compact text: an item of a user with ten events stays within one kilobyte, which is one write unit.

use super::{Enrolment, Entry, Fate, Names, Past, Subject};
use crate::ids::EventType;
use crate::tally::Segment;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Short names, since they are stored with every user. Event types are named once and then by number.
#[derive(Serialize, Deserialize)]
struct Compact {
    #[serde(rename = "e", skip_serializing_if = "Option::is_none", default)]
    enrolment: Option<CompactEnrolment>,
    #[serde(rename = "r", skip_serializing_if = "std::ops::Not::not", default)]
    robot: bool,
    #[serde(rename = "t", skip_serializing_if = "Vec::is_empty", default)]
    types: Vec<EventType>,
    /// Hours since the entry before, type, fate, events, value.
    #[serde(rename = "a", skip_serializing_if = "Vec::is_empty", default)]
    entries: Vec<(i64, usize, u8, u32, i128)>,
}

#[derive(Serialize, Deserialize)]
struct CompactEnrolment {
    #[serde(rename = "v")]
    variant: usize,
    #[serde(rename = "p")]
    phase: usize,
    /// Microseconds since 1970.
    #[serde(rename = "t")]
    assigned_at: i64,
    #[serde(rename = "s", skip_serializing_if = "Vec::is_empty", default)]
    segments: Vec<(String, String)>,
    /// Type, events, value.
    #[serde(rename = "b", skip_serializing_if = "Vec::is_empty", default)]
    past: Vec<(usize, u32, i128)>,
}

const FATES: [Fate; 5] = [
    Fate::Early,
    Fate::Counted,
    Fate::AfterEnd,
    Fate::OutsideWindow,
    Fate::Unassigned,
];

fn number(fate: Fate) -> u8 {
    match fate {
        Fate::Early => 0,
        Fate::Counted => 1,
        Fate::AfterEnd => 2,
        Fate::OutsideWindow => 3,
        Fate::Unassigned => 4,
    }
}

#[derive(Default)]
struct Types(Vec<EventType>);

impl Types {
    fn place(&mut self, event_type: &EventType) -> usize {
        let known = self.0.iter().position(|known| known == event_type);
        known.unwrap_or_else(|| {
            self.0.push(event_type.clone());
            self.0.len() - 1
        })
    }
}

impl Subject {
    /// As text.
    ///
    /// # Errors
    /// Never with a subject of ours; JSON says so in general.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        let mut types = Types::default();
        let mut hour = 0;
        let entries = self
            .entries
            .iter()
            .map(|entry| {
                let since = entry.hour - hour;
                hour = entry.hour;
                let place = types.place(&entry.event_type);
                (since, place, number(entry.fate), entry.events, entry.value)
            })
            .collect();
        let enrolment = self.enrolment.as_ref().map(|enrolment| CompactEnrolment {
            variant: enrolment.variant,
            phase: enrolment.phase,
            assigned_at: enrolment.assigned_at.micros(),
            segments: enrolment
                .segments
                .iter()
                .map(|segment| (segment.by.clone(), segment.value.clone()))
                .collect(),
            past: enrolment
                .past
                .iter()
                .map(|past| (types.place(&past.event_type), past.events, past.value))
                .collect(),
        });
        serde_json::to_string(&Compact {
            enrolment,
            robot: self.robot,
            types: types.0,
            entries,
        })
    }

    /// Reads what [`Subject::to_text`] wrote.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn from_text(text: &str) -> Result<Self, String> {
        let compact: Compact = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let mut names = Names::default();
        let types: Vec<Arc<EventType>> = compact.types.iter().map(|name| names.of(name)).collect();
        let named = |place: usize| types.get(place).cloned().ok_or("an unknown event type");
        let mut hour = 0;
        let mut entries = Vec::with_capacity(compact.entries.len());
        for (since, place, fate, events, value) in compact.entries {
            hour += since;
            entries.push(Entry {
                hour,
                event_type: named(place)?,
                fate: *FATES.get(usize::from(fate)).ok_or("an unknown fate")?,
                events,
                value,
            });
        }
        let enrolment = compact.enrolment.map(|enrolment| {
            let past = enrolment.past.into_iter().map(|(place, events, value)| {
                Ok::<_, &str>(Past {
                    event_type: named(place)?,
                    events,
                    value,
                })
            });
            Ok::<_, &str>(Enrolment {
                variant: enrolment.variant,
                phase: enrolment.phase,
                assigned_at: Timestamp::from_micros(enrolment.assigned_at),
                segments: enrolment
                    .segments
                    .into_iter()
                    .map(|(by, value)| Segment { by, value })
                    .collect(),
                past: past.collect::<Result<_, _>>()?,
            })
        });
        Ok(Self {
            enrolment: enrolment.transpose()?,
            robot: compact.robot,
            entries,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_survives_being_stored_and_ten_events_fit_half_a_kilobyte() {
        let name = |text: &str| Arc::new(EventType::parse(text).unwrap());
        let entry = |hour: i64| Entry {
            hour: 490_000 + hour * 7,
            event_type: name(if hour % 2 == 0 {
                "add_to_cart"
            } else {
                "purchase"
            }),
            fate: FATES[usize::try_from(hour).unwrap() % 5],
            events: 3,
            value: -19_990_000 * i128::from(hour),
        };
        let subject = Subject {
            enrolment: Some(Enrolment {
                variant: 1,
                phase: 2,
                assigned_at: Timestamp::from_micros(1_760_000_000_123_456),
                segments: vec![Segment {
                    by: "country".to_owned(),
                    value: "DE".to_owned(),
                }],
                past: vec![Past {
                    event_type: name("purchase"),
                    events: 2,
                    value: i128::from(u64::MAX) * 1_000_000,
                }],
            }),
            robot: false,
            entries: (0..10).map(entry).collect(),
        };
        let text = subject.to_text().unwrap();
        assert_eq!(Subject::from_text(&text).unwrap(), subject);
        assert!(text.len() < 512, "{} bytes: {text}", text.len());
        let nothing = Subject::default().to_text().unwrap();
        assert_eq!(nothing, "{}");
        assert_eq!(Subject::from_text(&nothing).unwrap(), Subject::default());
    }
}
