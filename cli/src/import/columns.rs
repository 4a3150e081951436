//! Resolves the column names of a mapping with the header of a file.

use super::mapping::{Condition, DimensionMapping, EventMapping, ImportMapping, MappingError};
use crate::time;
use domain::time::Timestamp;

/// A condition on a column of the file.
#[derive(Debug)]
pub(super) struct RowTest {
    column: usize,
    value: String,
    equal: bool,
}

impl RowTest {
    pub(super) fn holds(&self, row: &csv::StringRecord) -> bool {
        (row.get(self.column) == Some(self.value.as_str())) == self.equal
    }
}

/// Source of a time: a column, or one instant for all rows.
#[derive(Debug)]
pub(super) enum TimeSource {
    Column(usize),
    Fixed(Timestamp),
}

/// Source of an event's type: a column, or one type for all rows.
#[derive(Debug)]
pub(super) enum EventTypeSource {
    Column(usize),
    Fixed(String),
}

#[derive(Debug)]
pub(super) struct AssignmentColumns {
    pub(super) variant: usize,
    pub(super) at: TimeSource,
    pub(super) attributes: Vec<(String, usize)>,
    pub(super) tests: Vec<RowTest>,
}

#[derive(Debug)]
pub(super) struct EventColumns {
    pub(super) kind: EventTypeSource,
    pub(super) value: Option<usize>,
    pub(super) time: TimeSource,
    pub(super) id: Option<usize>,
    pub(super) properties: Vec<(String, usize)>,
    pub(super) tests: Vec<RowTest>,
}

/// The columns of a file that hold the user, the assignment and the events.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) user: usize,
    pub(super) assignment: Option<AssignmentColumns>,
    pub(super) events: Vec<EventColumns>,
}

impl Columns {
    /// Resolves the column names of a mapping with the header of a file, whose cells `delimiter` separates.
    pub(super) fn resolve(
        mapping: &ImportMapping,
        header: &csv::StringRecord,
        delimiter: u8,
    ) -> Result<Self, MappingError> {
        let header = Header {
            names: header,
            delimiter,
        };
        header.check_unique()?;
        let assignment = match (&mapping.variant, &mapping.assigned_at) {
            (Some(variant), Some(at)) => Some(AssignmentColumns {
                variant: header.column(variant)?,
                at: header.instant(at)?,
                attributes: header.attributes(&mapping.dimensions)?,
                tests: header.tests(&mapping.assignments_when)?,
            }),
            _ => None,
        };
        let default_time = mapping.event_at.as_ref();
        let events = mapping.events.iter();
        let events = events.map(|event| header.event(event, default_time));
        Ok(Self {
            user: header.column(&mapping.user)?,
            assignment,
            events: events.collect::<Result<_, _>>()?,
        })
    }

    /// The user id in a row.
    pub(super) fn user_id<'r>(&self, row: &'r csv::StringRecord) -> &'r str {
        row.get(self.user).unwrap_or_default()
    }
}

/// The header of a file.
struct Header<'h> {
    names: &'h csv::StringRecord,
    delimiter: u8,
}

/// Separators of cells that spreadsheets and databases write.
const DELIMITERS: [u8; 4] = *b",;\t|";

impl Header<'_> {
    /// With two columns of one name, the mapping would be a guess. Spreadsheets write columns without a name at the end.
    fn check_unique(&self) -> Result<(), MappingError> {
        for (second, name) in self.names.iter().enumerate() {
            let first = self.position(name).unwrap_or(second);
            if first < second && !name.is_empty() {
                return Err(MappingError::ColumnTwice {
                    column: name.to_owned(),
                    first: first + 1,
                    second: second + 1,
                });
            }
        }
        Ok(())
    }

    /// Asks for a delimiter if another one gives a column of this name.
    fn other_delimiter(&self, column: &str) -> String {
        let mut line = String::new();
        for (index, name) in self.names.iter().enumerate() {
            if index > 0 {
                line.push(char::from(self.delimiter));
            }
            line.push_str(name);
        }
        let fits = |delimiter: &u8| {
            *delimiter != self.delimiter
                && line
                    .split(char::from(*delimiter))
                    .any(|cell| cell.trim_matches('"') == column)
        };
        match DELIMITERS.iter().find(|delimiter| fits(delimiter)) {
            Some(b'\t') => {
                ". Are the cells separated by tabs? Then add --delimiter '\\t'".to_owned()
            }
            Some(delimiter) => {
                let delimiter = char::from(*delimiter);
                format!(
                    ". Are the cells separated by `{delimiter}`? Then add --delimiter '{delimiter}'"
                )
            }
            None => String::new(),
        }
    }

    fn event(
        &self,
        event: &EventMapping,
        default_time: Option<&String>,
    ) -> Result<EventColumns, MappingError> {
        let time = event.time.as_ref().or(default_time);
        let time = time.ok_or_else(|| MappingError::EventWithoutTime(event.kind.clone()))?;
        let in_braces = event
            .kind
            .strip_prefix('{')
            .and_then(|kind| kind.strip_suffix('}'));
        let properties = event
            .properties
            .iter()
            .map(|name| Ok((name.clone(), self.column(name)?)));
        Ok(EventColumns {
            kind: match in_braces {
                Some(column) => EventTypeSource::Column(self.column(column)?),
                None => EventTypeSource::Fixed(event.kind.clone()),
            },
            value: self.optional(event.value.as_ref())?,
            time: self.instant(time)?,
            id: self.optional(event.id.as_ref())?,
            properties: properties.collect::<Result<_, _>>()?,
            tests: self.tests(&event.conditions)?,
        })
    }

    fn position(&self, column: &str) -> Option<usize> {
        self.names.iter().position(|name| name == column)
    }

    fn names(&self) -> String {
        let names = self.names.iter().map(|name| format!("`{name}`"));
        names.collect::<Vec<String>>().join(", ")
    }

    fn column(&self, column: &str) -> Result<usize, MappingError> {
        self.position(column).ok_or_else(|| MappingError::NoColumn {
            column: column.to_owned(),
            columns: self.names(),
            question: self.other_delimiter(column),
        })
    }

    fn optional(&self, column: Option<&String>) -> Result<Option<usize>, MappingError> {
        column.map(|column| self.column(column)).transpose()
    }

    fn instant(&self, text: &str) -> Result<TimeSource, MappingError> {
        if let Some(position) = self.position(text) {
            return Ok(TimeSource::Column(position));
        }
        time::read(text)
            .map(TimeSource::Fixed)
            .ok_or_else(|| MappingError::NoTime {
                text: text.to_owned(),
                columns: self.names(),
                question: self.other_delimiter(text),
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

    fn tests(&self, conditions: &[Condition]) -> Result<Vec<RowTest>, MappingError> {
        let test = |condition: &Condition| {
            Ok(RowTest {
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

    fn resolve(header: &[&str], delimiter: u8) -> Result<Columns, MappingError> {
        let mapping = ImportMapping {
            user: "user".to_owned(),
            variant: None,
            assigned_at: None,
            assignments_when: Vec::new(),
            dimensions: Vec::new(),
            events: vec!["click".parse().unwrap()],
            event_at: Some("then".to_owned()),
        };
        Columns::resolve(
            &mapping,
            &csv::StringRecord::from(header.to_vec()),
            delimiter,
        )
    }

    #[test]
    fn an_error_about_a_missing_column_lists_the_existing_columns() {
        assert_eq!(
            resolve(&["id", "then"], b',').unwrap_err().to_string(),
            "there is no column `user`; there are `id`, `then`"
        );
        assert!(matches!(
            resolve(&["user"], b','),
            Err(MappingError::NoTime { .. })
        ));
        assert!(resolve(&["user", "then"], b',').is_ok());
    }

    #[test]
    fn another_delimiter_is_asked_about_if_it_gives_the_column() {
        let question =
            |header: &[&str], delimiter| resolve(header, delimiter).unwrap_err().to_string();
        assert!(question(&["user;then;amount"], b',').ends_with("add --delimiter ';'"));
        assert!(question(&["user;\"then\"", " net"], b',').ends_with("add --delimiter ';'"));
        assert!(question(&["user\tthen"], b',').ends_with("add --delimiter '\\t'"));
        assert!(question(&["user,then"], b';').ends_with("add --delimiter ','"));
        assert!(!question(&["id;then"], b',').contains("--delimiter"));
    }

    #[test]
    fn two_columns_of_one_name_are_refused_even_if_they_are_not_needed() {
        assert_eq!(
            resolve(&["user", "a", "then", "a"], b',')
                .unwrap_err()
                .to_string(),
            "the columns 2 and 4 have the same name, `a`. Rename one of them"
        );
        assert!(resolve(&["user", "then", "user"], b',').is_err());
        assert!(resolve(&["user", "then", "", ""], b',').is_ok());
    }
}
