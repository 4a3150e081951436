//! Where the numbers of a report come from.

use super::decision::Unsaid;
use crate::experiment::Experiment;
use crate::fold::Lens;
use crate::tally::{Day, day_of, start_of};
use crate::totals::Spec;

/// What the numbers were added up from. Both give the same numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Source {
    /// Running sums: costs the same over ten events and ten million.
    Aggregates,
    /// The records themselves.
    #[default]
    Raw,
}

impl Source {
    /// All sources with their names in the API.
    pub const ALL: [(&'static str, Self); 2] =
        [("aggregates", Self::Aggregates), ("raw", Self::Raw)];

    /// The name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aggregates => "aggregates",
            Self::Raw => "raw",
        }
    }
}

/// Where the numbers come from, and why from there.
#[derive(Debug, Clone, Default)]
pub struct Provenance {
    /// What they were added up from.
    pub source: Source,
    /// Why not from running sums, where nobody asked for the records.
    pub because: Option<Unsaid>,
    /// Which running sums: when they were asked for, in microseconds since 1970.
    pub generation: Option<u64>,
    /// Events stored that lie after the last one that is in the sums.
    pub pending_events: Option<u64>,
}

/// Why running sums can't answer a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotInSums {
    /// There are none, or none that are complete.
    None,
    /// The metrics or segments changed, and their sums are being made.
    InTheMaking,
    /// They begin with the experiment.
    From,
    /// They are kept by whole days.
    WithinADay,
    /// They are not kept for the users of one segment alone.
    Segment,
    /// Who is a robot is known as of now only.
    Robots,
}

impl NotInSums {
    /// For programs and people.
    pub fn reason(self) -> Unsaid {
        let (code, message) = match self {
            Self::None => (
                "no_sums",
                "No running sums are kept for this experiment yet: `assay audit` makes them.",
            ),
            Self::InTheMaking => (
                "sums_in_the_making",
                "The metrics or segments changed, and the running sums are being computed back to the first day.",
            ),
            Self::From => (
                "from",
                "Running sums begin with the experiment, and the answer is to begin later.",
            ),
            Self::WithinADay => (
                "within_a_day",
                "Running sums are kept by UTC days, and the answer is to end within one.",
            ),
            Self::Segment => (
                "one_segment",
                "Running sums tell segments apart but do not hold everything about the users of one.",
            ),
            Self::Robots => (
                "robots",
                "Some users have been left out as robots since, and were not on that day.",
            ),
        };
        Unsaid { code, message }
    }
}

/// Whether running sums of this kind answer the question; if so, the day before which they are looked at.
///
/// # Errors
/// Why they don't.
pub fn days_asked(
    experiment: &Experiment,
    spec: Option<&Spec>,
    lens: &Lens,
) -> Result<Option<Day>, NotInSums> {
    let spec = spec.ok_or(NotInSums::None)?;
    if *spec != Spec::of(experiment) {
        return Err(NotInSums::InTheMaking);
    }
    if lens.window.from.is_some() {
        return Err(NotInSums::From);
    }
    if lens.only.is_some() {
        return Err(NotInSums::Segment);
    }
    let Some(to) = lens.window.to else {
        return Ok(None);
    };
    let day = day_of(to);
    if start_of(day) == to {
        Ok(Some(day))
    } else {
        Err(NotInSums::WithinADay)
    }
}
