//! The mapping of columns in the options of the command line.

use domain::ids::DimensionKey;
use std::str::FromStr;

/// Why a mapping does not fit a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// The file has no column with this name.
    #[error("there is no column `{column}`; there are {columns}{question}")]
    NoColumn {
        /// Name in the mapping.
        column: String,
        /// Columns of the file.
        columns: String,
        /// A question about another delimiter, or nothing.
        question: String,
    },
    /// The file has two columns with one name.
    #[error("the columns {first} and {second} have the same name, `{column}`. Rename one of them")]
    ColumnTwice {
        /// Name in the header.
        column: String,
        /// Number of the first column with this name, from 1.
        first: usize,
        /// Number of the second one.
        second: usize,
    },
    /// A text is neither a column nor a time.
    #[error(
        "`{text}` is neither a column nor a time such as 2026-01-31T09:30:00Z; columns are {columns}{question}"
    )]
    NoTime {
        /// Text in the mapping.
        text: String,
        /// Columns of the file.
        columns: String,
        /// A question about another delimiter, or nothing.
        question: String,
    },
    /// A dimension has several columns.
    #[error("the dimension `{0}` is given more than once")]
    DimensionTwice(String),
    /// An event has no source of its time.
    #[error("the event `{0}` has no time: add `,time=COLUMN` to it, or give --event-at")]
    EventWithoutTime(String),
}

/// A condition on a row: `COLUMN=VALUE` or `COLUMN!=VALUE`, compared as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    pub(super) column: String,
    pub(super) value: String,
    pub(super) equal: bool,
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

/// The column of a dimension: `DIMENSION=COLUMN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DimensionMapping {
    pub(super) dimension: DimensionKey,
    pub(super) column: String,
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
                .map_err(|invalid| format!("`{dimension}` is not a valid dimension: {invalid}"))?,
            column: column.to_owned(),
        })
    }
}

/// How rows are converted to events: `TYPE[,value=COLUMN][,time=COLUMN|TIME][,when=CONDITION]…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventMapping {
    pub(super) kind: String,
    pub(super) value: Option<String>,
    pub(super) time: Option<String>,
    pub(super) id: Option<String>,
    pub(super) properties: Vec<String>,
    pub(super) conditions: Vec<Condition>,
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
            let target = match option {
                "value" => &mut mapping.value,
                "time" => &mut mapping.time,
                "id" => &mut mapping.id,
                "property" => {
                    if mapping.properties.iter().any(|name| name == argument) {
                        return Err(format!(
                            "`{text}` contains `property={argument}` more than once"
                        ));
                    }
                    mapping.properties.push(argument.to_owned());
                    continue;
                }
                _ => {
                    mapping.conditions.push(argument.parse()?);
                    continue;
                }
            };
            if target.replace(argument.to_owned()).is_some() {
                return Err(format!("`{text}` contains `{option}` more than once"));
            }
        }
        Ok(mapping)
    }
}

/// Splits the text at commas before an option. Other commas are part of a name or a value.
fn parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (comma, _) in text.match_indices(',') {
        let rest = &text[comma + 1..];
        if OPTIONS.iter().any(|option| rest.starts_with(option)) {
            parts.push(&text[start..comma]);
            start = comma + 1;
        }
    }
    parts.push(&text[start..]);
    parts
}

/// The mapping in the options of the command line.
#[derive(Debug, Clone)]
pub struct ImportMapping {
    /// The column with the user's id.
    pub user: String,
    /// The column with the variant, or `None` if the file has no assignments.
    pub variant: Option<String>,
    /// The time of the assignment: a column or an instant.
    pub assigned_at: Option<String>,
    /// Conditions of assignment rows.
    pub assignments_when: Vec<Condition>,
    /// The columns of the dimensions.
    pub dimensions: Vec<DimensionMapping>,
    /// How rows are converted to events.
    pub events: Vec<EventMapping>,
    /// The time of events whose mapping has no time.
    pub event_at: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_and_colons_in_times_and_values_are_kept() {
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
    fn invalid_event_mappings_are_refused() {
        for text in [
            "",
            "value=x",
            "a,when=b",
            "a,when==b",
            "a,value=b,value=c",
            "a,property=b,property=b",
        ] {
            assert!(text.parse::<EventMapping>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_dimension_mapping_needs_a_valid_dimension_and_a_column() {
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
}
