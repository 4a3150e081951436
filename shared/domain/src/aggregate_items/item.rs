//! The keys of the items that hold aggregates, and their names in sort keys.

use crate::aggregates::{Day, DimensionValue, Hour};

/// The key of an item. Keys are ordered by day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AggregateItemKey {
    /// Sums of one day, for all users or for those with one dimension value.
    Days {
        /// The day of the events, or of the assignments for numbers of users.
        day: Day,
        /// The index of the variant.
        variant: usize,
        /// The phase of the users' assignment.
        phase: usize,
        /// The page of metrics.
        page: usize,
        /// Whether it holds histogram buckets. They have items of their own because there are many.
        buckets: bool,
        /// The dimension value; none for all users.
        dimension: Option<DimensionValue>,
    },
    /// Sums over the first hours of the users assigned on a day.
    Cohort {
        /// The day of the assignment.
        day: Day,
        /// Days from the assignment to the change, 0 or 1.
        offset: u8,
        /// The index of the variant.
        variant: usize,
        /// The page of metrics.
        page: usize,
    },
    /// Assignments and events of one hour.
    Hour(Hour),
    /// Event accounting of one day.
    EventAccounting(Day),
    /// Numbers of outlier users and of excluded users.
    OutlierUsers,
    /// The number of records in the aggregates.
    Records,
}

impl AggregateItemKey {
    /// The name in a sort key. Only its last part, a dimension value, may contain `#`.
    pub fn name(&self) -> String {
        match self {
            Self::Days {
                day,
                variant,
                phase,
                page,
                buckets,
                dimension,
            } => {
                let kind = if *buckets { 'b' } else { 'd' };
                let base = format!("{kind}#{day}#{variant}#{phase}#{page}");
                match dimension {
                    None => base,
                    Some(dimension) => format!("{base}#{}#{}", dimension.by, dimension.value),
                }
            }
            Self::Cohort {
                day,
                offset,
                variant,
                page,
            } => format!("c#{day}#{offset}#{variant}#{page}"),
            Self::Hour(hour) => format!("h#{hour}"),
            Self::EventAccounting(day) => format!("l#{day}"),
            Self::OutlierUsers => "r".to_owned(),
            Self::Records => "n".to_owned(),
        }
    }

    /// Parses a name; none if it is invalid.
    pub fn parse(name: &str) -> Option<Self> {
        let mut parts = name.splitn(7, '#');
        let kind = parts.next()?;
        let item = match kind {
            "r" => Self::OutlierUsers,
            "n" => Self::Records,
            "h" => Self::Hour(parts.next()?.parse().ok()?),
            "l" => Self::EventAccounting(parts.next()?.parse().ok()?),
            "c" => Self::Cohort {
                day: parts.next()?.parse().ok()?,
                offset: parts.next()?.parse().ok()?,
                variant: parts.next()?.parse().ok()?,
                page: parts.next()?.parse().ok()?,
            },
            "d" | "b" => Self::Days {
                day: parts.next()?.parse().ok()?,
                variant: parts.next()?.parse().ok()?,
                phase: parts.next()?.parse().ok()?,
                page: parts.next()?.parse().ok()?,
                buckets: kind == "b",
                dimension: match parts.next() {
                    None => None,
                    Some(by) => Some(DimensionValue {
                        by: by.to_owned(),
                        value: parts.next()?.to_owned(),
                    }),
                },
            },
            _ => return None,
        };
        parts.next().is_none().then_some(item)
    }

    /// The day whose events or assignments change the item; none for items without a day.
    pub fn day(&self) -> Option<Day> {
        match self {
            Self::Days { day, .. } | Self::EventAccounting(day) => Some(*day),
            Self::Cohort { day, offset, .. } => Some(day + i64::from(*offset)),
            Self::Hour(hour) => Some(crate::aggregates::day_of_hour(*hour)),
            Self::OutlierUsers | Self::Records => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_found_again_by_its_name() {
        let days = |buckets, dimension: Option<(&str, &str)>| AggregateItemKey::Days {
            day: 20_000,
            variant: 3,
            phase: 1,
            page: 2,
            buckets,
            dimension: dimension.map(|(by, value)| DimensionValue {
                by: by.to_owned(),
                value: value.to_owned(),
            }),
        };
        let items = [
            days(false, None),
            days(true, None),
            days(false, Some(("plan", "a#b#c"))),
            days(true, Some(("country", ""))),
            AggregateItemKey::Cohort {
                day: 20_000,
                offset: 1,
                variant: 0,
                page: 0,
            },
            AggregateItemKey::Hour(480_001),
            AggregateItemKey::EventAccounting(20_000),
            AggregateItemKey::OutlierUsers,
            AggregateItemKey::Records,
        ];
        for item in items {
            assert_eq!(AggregateItemKey::parse(&item.name()), Some(item));
        }
        for name in ["", "x", "h#", "h#a", "r#1", "d#1#2", "d#1#2#3#4#5"] {
            assert_eq!(AggregateItemKey::parse(name), None, "{name}");
        }
    }
}
