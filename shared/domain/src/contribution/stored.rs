//! A contribution as compact text. The item of a user with ten events is below one kilobyte, which is one write unit.

use super::{ContributionEntry, Disposition, Enrolment, Names, PreExposure, UserContribution};
use crate::aggregates::DimensionValue;
use crate::ids::EventType;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Short names, because they are stored with every user. Each event type is stored once and then referenced by its
/// index.
#[derive(Serialize, Deserialize)]
struct Compact {
    #[serde(rename = "e", skip_serializing_if = "Option::is_none", default)]
    enrolment: Option<CompactEnrolment>,
    #[serde(rename = "r", skip_serializing_if = "std::ops::Not::not", default)]
    outlier: bool,
    #[serde(rename = "x", skip_serializing_if = "std::ops::Not::not", default)]
    excluded: bool,
    #[serde(rename = "t", skip_serializing_if = "Vec::is_empty", default)]
    types: Vec<EventType>,
    /// Hours since the previous entry, type, disposition, events, value.
    #[serde(rename = "a", skip_serializing_if = "Vec::is_empty", default)]
    entries: Vec<(i64, usize, u8, u32, i128)>,
    #[serde(rename = "n", skip_serializing_if = "is_zero", default)]
    records: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
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
    dimensions: Vec<(String, String)>,
    /// Type, events, value.
    #[serde(rename = "b", skip_serializing_if = "Vec::is_empty", default)]
    pre_exposure: Vec<(usize, u32, i128)>,
}

const EVENT_COUNTS: [Disposition; 6] = [
    Disposition::CountedEarly,
    Disposition::Counted,
    Disposition::ExcludedByEnd,
    Disposition::OutsideWindow,
    Disposition::NotAssigned,
    Disposition::ExcludedUser,
];

fn number(disposition: Disposition) -> u8 {
    match disposition {
        Disposition::CountedEarly => 0,
        Disposition::Counted => 1,
        Disposition::ExcludedByEnd => 2,
        Disposition::OutsideWindow => 3,
        Disposition::NotAssigned => 4,
        Disposition::ExcludedUser => 5,
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

impl UserContribution {
    /// The contribution as text.
    ///
    /// # Errors
    /// JSON serialisation returns an error type; with these types it does not fail.
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
                (
                    since,
                    place,
                    number(entry.disposition),
                    entry.events,
                    entry.value,
                )
            })
            .collect();
        let enrolment = self.enrolment.as_ref().map(|enrolment| CompactEnrolment {
            variant: enrolment.variant,
            phase: enrolment.phase,
            assigned_at: enrolment.assigned_at.micros(),
            dimensions: enrolment
                .dimensions
                .iter()
                .map(|dimension| (dimension.by.clone(), dimension.value.clone()))
                .collect(),
            pre_exposure: enrolment
                .pre_exposure
                .iter()
                .map(|pre_exposure| {
                    (
                        types.place(&pre_exposure.event_type),
                        pre_exposure.events,
                        pre_exposure.value,
                    )
                })
                .collect(),
        });
        serde_json::to_string(&Compact {
            enrolment,
            outlier: self.outlier,
            excluded: self.excluded,
            types: types.0,
            entries,
            records: self.records,
        })
    }

    /// Reads what [`UserContribution::to_text`] wrote.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn from_text(text: &str) -> Result<Self, String> {
        let compact: Compact = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let mut names = Names::default();
        let types: Vec<Arc<EventType>> = compact.types.iter().map(|name| names.of(name)).collect();
        let named = |place: usize| types.get(place).cloned().ok_or("an unknown event type");
        let mut hour = 0;
        let mut entries = Vec::with_capacity(compact.entries.len());
        for (since, place, disposition, events, value) in compact.entries {
            if since < 0 && !entries.is_empty() {
                return Err("entries in another order than that of their hours".to_owned());
            }
            hour = since.checked_add(hour).ok_or("an impossible hour")?;
            entries.push(ContributionEntry {
                hour,
                event_type: named(place)?,
                disposition: *EVENT_COUNTS
                    .get(usize::from(disposition))
                    .ok_or("an unknown disposition")?,
                events,
                value,
            });
        }
        let enrolment = compact.enrolment.map(|enrolment| {
            let pre_exposure = enrolment
                .pre_exposure
                .into_iter()
                .map(|(place, events, value)| {
                    Ok::<_, &str>(PreExposure {
                        event_type: named(place)?,
                        events,
                        value,
                    })
                });
            Ok::<_, &str>(Enrolment {
                variant: enrolment.variant,
                phase: enrolment.phase,
                assigned_at: Timestamp::from_micros(enrolment.assigned_at),
                dimensions: enrolment
                    .dimensions
                    .into_iter()
                    .map(|(by, value)| DimensionValue { by, value })
                    .collect(),
                pre_exposure: pre_exposure.collect::<Result<_, _>>()?,
            })
        });
        Ok(Self {
            enrolment: enrolment.transpose()?,
            outlier: compact.outlier,
            excluded: compact.excluded,
            entries,
            records: compact.records,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contribution_survives_being_stored_and_ten_events_fit_half_a_kilobyte() {
        let name = |text: &str| Arc::new(EventType::parse(text).unwrap());
        let entry = |hour: i64| ContributionEntry {
            hour: 490_000 + hour * 7,
            event_type: name(if hour % 2 == 0 {
                "add_to_cart"
            } else {
                "purchase"
            }),
            disposition: EVENT_COUNTS[usize::try_from(hour).unwrap() % 5],
            events: 3,
            value: -19_990_000 * i128::from(hour),
        };
        let contribution = UserContribution {
            enrolment: Some(Enrolment {
                variant: 1,
                phase: 2,
                assigned_at: Timestamp::from_micros(1_760_000_000_123_456),
                dimensions: vec![DimensionValue {
                    by: "country".to_owned(),
                    value: "DE".to_owned(),
                }],
                pre_exposure: vec![PreExposure {
                    event_type: name("purchase"),
                    events: 2,
                    value: i128::from(u64::MAX) * 1_000_000,
                }],
            }),
            outlier: false,
            excluded: true,
            entries: (0..10).map(entry).collect(),
            records: 11,
        };
        let text = contribution.to_text().unwrap();
        assert_eq!(UserContribution::from_text(&text).unwrap(), contribution);
        assert!(text.len() < 512, "{} bytes: {text}", text.len());
        let nothing = UserContribution::default().to_text().unwrap();
        assert_eq!(nothing, "{}");
        assert_eq!(
            UserContribution::from_text(&nothing).unwrap(),
            UserContribution::default()
        );
    }
}
