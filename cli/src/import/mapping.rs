//! The mapping of columns: as it is written on the command line, and as it fits the header of a file.

use crate::time;
use domain::ids::DimensionKey;
use domain::time::Timestamp;
use std::str::FromStr;

/// Why a mapping cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// The file has no such column.
    #[error("there is no column `{column}`; there are {columns}")]
    NoColumn {
        /// What was asked for.
        column: String,
        /// What there is.
        columns: String,
    },
    /// Neither a column nor a time.
    #[error(
        "`{text}` is neither a column nor a time such as 2026-01-31T09:30:00Z; columns are {columns}"
    )]
    NoTime {
        /// What was given.
        text: String,
        /// What there is.
        columns: String,
    },
    /// A dimension is taken from two columns.
    #[error("the dimension `{0}` is given more than once")]
    DimensionTwice(String),
    /// An event has no time.
    #[error("the event `{0}` has no time: add `,time=COLUMN` to it, or give --event-at")]
    EventWithoutTime(String),
}

/// Whether a row counts: `COLUMN=VALUE` or `COLUMN!=VALUE`, compared as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    column: String,
    value: String,
    equal: bool,
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((column, value)) = text.split_once('=') else {
            return Err(format!(
                "`{text}` is not of the form COLUMN=VALUE or COLUMN!=VALUE"
            ));
        };
        let (column, equal) = match column.strip_suffix('!') {
            Some(column) => (column, false),
            None => (column, true),
        };
        if column.is_empty() {
            return Err(format!("`{text}` names no column"));
        }
        Ok(Self {
            column: column.to_owned(),
            value: value.to_owned(),
            equal,
        })
    }
}

/// Where an attribute of an assignment comes from: `DIMENSION=COLUMN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DimensionMapping {
    dimension: DimensionKey,
    column: String,
}

impl FromStr for DimensionMapping {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((dimension, column)) = text
            .split_once('=')
            .filter(|(_, column)| !column.is_empty())
        else {
            return Err(format!("`{text}` is not of the form DIMENSION=COLUMN"));
        };
        Ok(Self {
            dimension: DimensionKey::parse(dimension)
                .map_err(|invalid| format!("`{dimension}` is no dimension: {invalid}"))?,
            column: column.to_owned(),
        })
    }
}

/// What a row becomes an event of: `TYPE[,value=COLUMN][,time=COLUMN|TIME][,when=CONDITION]…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventMapping {
    kind: String,
    value: Option<String>,
    time: Option<String>,
    id: Option<String>,
    properties: Vec<String>,
    conditions: Vec<Condition>,
}

const OPTIONS: [&str; 5] = ["value=", "time=", "when=", "id=", "property="];

impl FromStr for EventMapping {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = parts(text).into_iter();
        let kind = parts.next().unwrap_or_default().to_owned();
        if kind.is_empty() || OPTIONS.iter().any(|option| kind.starts_with(option)) {
            return Err(format!("`{text}` does not begin with an event type"));
        }
        let mut mapping = Self {
            kind,
            value: None,
            time: None,
            id: None,
            properties: Vec::new(),
            conditions: Vec::new(),
        };
        for part in parts {
            let (option, argument) = part.split_once('=').unwrap_or((part, ""));
            let place = match option {
                "value" => &mut mapping.value,
                "time" => &mut mapping.time,
                "id" => &mut mapping.id,
                "property" => {
                    mapping.properties.push(argument.to_owned());
                    continue;
                }
                _ => {
                    mapping.conditions.push(argument.parse()?);
                    continue;
                }
            };
            if place.replace(argument.to_owned()).is_some() {
                return Err(format!("`{text}` has two of `{option}`"));
            }
        }
        Ok(mapping)
    }
}

/// Cuts at the commas in front of an option; others belong to a name or a value.
fn parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (place, _) in text.match_indices(',') {
        let rest = &text[place + 1..];
        if OPTIONS.iter().any(|option| rest.starts_with(option)) {
            parts.push(&text[start..place]);
            start = place + 1;
        }
    }
    parts.push(&text[start..]);
    parts
}

/// The mapping as the command line gives it.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// The column with the user's id.
    pub user: String,
    /// The column with the variant; none when the file has no assignments.
    pub variant: Option<String>,
    /// When a user was assigned: a column or a time.
    pub assigned_at: Option<String>,
    /// Which rows are assignments.
    pub assignments_when: Vec<Condition>,
    /// What the assigned users are.
    pub dimensions: Vec<DimensionMapping>,
    /// What rows are events of.
    pub events: Vec<EventMapping>,
    /// The time of events that name none.
    pub event_at: Option<String>,
}

/// A condition on a column of the file.
#[derive(Debug)]
pub(super) struct Test {
    column: usize,
    value: String,
    equal: bool,
}

impl Test {
    pub(super) fn holds(&self, row: &csv::StringRecord) -> bool {
        (row.get(self.column) == Some(self.value.as_str())) == self.equal
    }
}

/// Where a time comes from.
#[derive(Debug)]
pub(super) enum Instant {
    Column(usize),
    Fixed(Timestamp),
}

/// Where an event's type comes from.
#[derive(Debug)]
pub(super) enum Kind {
    Column(usize),
    Fixed(String),
}

#[derive(Debug)]
pub(super) struct AssignmentPlan {
    pub(super) variant: usize,
    pub(super) at: Instant,
    pub(super) attributes: Vec<(String, usize)>,
    pub(super) tests: Vec<Test>,
}

#[derive(Debug)]
pub(super) struct EventPlan {
    pub(super) kind: Kind,
    pub(super) value: Option<usize>,
    pub(super) time: Instant,
    pub(super) id: Option<usize>,
    pub(super) properties: Vec<(String, usize)>,
    pub(super) tests: Vec<Test>,
}

/// The mapping on a file: places of columns in place of their names.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) user: usize,
    pub(super) assignment: Option<AssignmentPlan>,
    pub(super) events: Vec<EventPlan>,
}

impl Mapping {
    /// Fits the mapping to the header of a file.
    pub(super) fn plan(&self, header: &csv::StringRecord) -> Result<Plan, MappingError> {
        let header = Header(header);
        let assignment = match (&self.variant, &self.assigned_at) {
            (Some(variant), Some(at)) => Some(AssignmentPlan {
                variant: header.column(variant)?,
                at: header.instant(at)?,
                attributes: header.attributes(&self.dimensions)?,
                tests: header.tests(&self.assignments_when)?,
            }),
            _ => None,
        };
        let events = self.events.iter().map(|event| self.event(event, &header));
        Ok(Plan {
            user: header.column(&self.user)?,
            assignment,
            events: events.collect::<Result<_, _>>()?,
        })
    }

    fn event(&self, event: &EventMapping, header: &Header<'_>) -> Result<EventPlan, MappingError> {
        let time = event.time.as_ref().or(self.event_at.as_ref());
        let time = time.ok_or_else(|| MappingError::EventWithoutTime(event.kind.clone()))?;
        let in_braces = event
            .kind
            .strip_prefix('{')
            .and_then(|kind| kind.strip_suffix('}'));
        let properties = event
            .properties
            .iter()
            .map(|name| Ok((name.clone(), header.column(name)?)));
        Ok(EventPlan {
            kind: match in_braces {
                Some(column) => Kind::Column(header.column(column)?),
                None => Kind::Fixed(event.kind.clone()),
            },
            value: header.optional(event.value.as_ref())?,
            time: header.instant(time)?,
            id: header.optional(event.id.as_ref())?,
            properties: properties.collect::<Result<_, _>>()?,
            tests: header.tests(&event.conditions)?,
        })
    }
}

struct Header<'h>(&'h csv::StringRecord);

impl Header<'_> {
    fn place(&self, column: &str) -> Option<usize> {
        self.0.iter().position(|name| name == column)
    }

    fn names(&self) -> String {
        let names: Vec<String> = self.0.iter().map(|name| format!("`{name}`")).collect();
        names.join(", ")
    }

    fn column(&self, column: &str) -> Result<usize, MappingError> {
        self.place(column).ok_or_else(|| MappingError::NoColumn {
            column: column.to_owned(),
            columns: self.names(),
        })
    }

    fn optional(&self, column: Option<&String>) -> Result<Option<usize>, MappingError> {
        column.map(|column| self.column(column)).transpose()
    }

    fn instant(&self, text: &str) -> Result<Instant, MappingError> {
        if let Some(place) = self.place(text) {
            return Ok(Instant::Column(place));
        }
        time::read(text)
            .map(Instant::Fixed)
            .ok_or_else(|| MappingError::NoTime {
                text: text.to_owned(),
                columns: self.names(),
            })
    }

    fn attributes(
        &self,
        dimensions: &[DimensionMapping],
    ) -> Result<Vec<(String, usize)>, MappingError> {
        let mut attributes: Vec<(String, usize)> = Vec::with_capacity(dimensions.len());
        for DimensionMapping { dimension, column } in dimensions {
            if attributes
                .iter()
                .any(|(other, _)| other == dimension.as_str())
            {
                return Err(MappingError::DimensionTwice(dimension.to_string()));
            }
            attributes.push((dimension.to_string(), self.column(column)?));
        }
        Ok(attributes)
    }

    fn tests(&self, conditions: &[Condition]) -> Result<Vec<Test>, MappingError> {
        let test = |condition: &Condition| {
            Ok(Test {
                column: self.column(&condition.column)?,
                value: condition.value.clone(),
                equal: condition.equal,
            })
        };
        conditions.iter().map(test).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_and_colons_of_times_and_values_stay_whole() {
        let text =
            "paid,value=amount, net,time=2026-01-31T09:30:00Z,when=state=a,b,when=kind!=test";
        let mapping: EventMapping = text.parse().unwrap();
        assert_eq!(mapping.kind, "paid");
        assert_eq!(mapping.value.as_deref(), Some("amount, net"));
        assert_eq!(mapping.time.as_deref(), Some("2026-01-31T09:30:00Z"));
        assert_eq!(mapping.conditions[0], "state=a,b".parse().unwrap());
        assert!(!mapping.conditions[1].equal);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for text in ["", "value=x", "a,when=b", "a,when==b", "a,value=b,value=c"] {
            assert!(text.parse::<EventMapping>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_dimension_is_a_name_that_the_platform_takes_and_a_column() {
        let mapping: DimensionMapping = "country=home=land".parse().unwrap();
        assert_eq!(mapping.dimension.as_str(), "country");
        assert_eq!(mapping.column, "home=land");
        for text in [
            "",
            "country",
            "country=",
            "=column",
            "Land=column",
            "phase=column",
        ] {
            assert!(text.parse::<DimensionMapping>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_column_that_is_not_there_is_named_with_those_that_are() {
        let mapping = Mapping {
            user: "user".to_owned(),
            variant: None,
            assigned_at: None,
            assignments_when: Vec::new(),
            dimensions: Vec::new(),
            events: vec!["click".parse().unwrap()],
            event_at: Some("then".to_owned()),
        };
        let plan = |header: &[&str]| mapping.plan(&csv::StringRecord::from(header.to_vec()));
        assert_eq!(
            plan(&["id", "then"]).unwrap_err().to_string(),
            "there is no column `user`; there are `id`, `then`"
        );
        assert!(matches!(plan(&["user"]), Err(MappingError::NoTime { .. })));
        assert!(plan(&["user", "then"]).is_ok());
    }
}
