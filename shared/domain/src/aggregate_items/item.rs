//! The items that hold numbers, and their names as sort keys.

use crate::aggregates::{Day, DimensionValue, Hour};

/// Which item a number is in. The order is that of the days.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AggregateItemKey {
    /// Sums of one day, for all users or for those of a dimension.
    Days {
        /// The day of the change.
        day: Day,
        /// Whose.
        variant: usize,
        /// When they were assigned.
        phase: usize,
        /// Which of the metrics.
        page: usize,
        /// The users by the size of their number, apart from the sums because there are many.
        buckets: bool,
        /// Which users; none: all.
        dimension: Option<DimensionValue>,
    },
    /// The first hours of the users assigned on a day.
    Cohort {
        /// The day of the assignment.
        day: Day,
        /// Days from there to that of the change, 0 or 1.
        offset: u8,
        /// Whose.
        variant: usize,
        /// Which of the metrics.
        page: usize,
    },
    /// Assignments and events of one hour.
    Hour(Hour),
    /// Where the events of one day went.
    EventAccounting(Day),
    /// Users left out.
    OutlierUsers,
}

impl AggregateItemKey {
    /// As it stands in a sort key. Only the last part, a dimension's value, may hold a `#`.
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
        }
    }

    /// Reads a name; none if it is not one.
    pub fn parse(name: &str) -> Option<Self> {
        let mut parts = name.splitn(7, '#');
        let kind = parts.next()?;
        let item = match kind {
            "r" => Self::OutlierUsers,
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

    /// The day whose events or assignments change the item; none: any.
    pub fn day(&self) -> Option<Day> {
        match self {
            Self::Days { day, .. } | Self::EventAccounting(day) => Some(*day),
            Self::Cohort { day, offset, .. } => Some(day + i64::from(*offset)),
            Self::Hour(hour) => Some(crate::aggregates::day_of_hour(*hour)),
            Self::OutlierUsers => None,
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
        ];
        for item in items {
            assert_eq!(AggregateItemKey::parse(&item.name()), Some(item));
        }
        for name in ["", "x", "h#", "h#a", "r#1", "d#1#2", "d#1#2#3#4#5"] {
            assert_eq!(AggregateItemKey::parse(name), None, "{name}");
        }
    }
}
