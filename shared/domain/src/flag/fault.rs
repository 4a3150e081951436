//! The faults of a flag, with their places in the definition.

use crate::Invalid;
use crate::condition::ConditionFault;
use crate::json_value::Place;

/// A fault of a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagFault {
    /// JSON pointer from the root of the definition.
    pub pointer: String,
    /// The fault.
    pub why: Invalid,
}

impl FlagFault {
    pub(super) fn new(place: &Place, why: Invalid) -> Self {
        Self {
            pointer: place.to_string(),
            why,
        }
    }

    pub(super) fn of_condition(place: &Place, fault: ConditionFault) -> Self {
        Self::new(&place.inner(&fault.pointer), fault.why)
    }
}

/// The faults that were found.
#[derive(Default)]
pub(super) struct Faults(pub(super) Vec<FlagFault>);

impl Faults {
    pub(super) fn note(&mut self, place: &Place, why: Invalid) {
        self.0.push(FlagFault::new(place, why));
    }

    pub(super) fn add(&mut self, place: &Place, code: &'static str, detail: impl Into<String>) {
        self.note(place, Invalid::new(code, detail));
    }

    pub(super) fn extend(&mut self, faults: impl IntoIterator<Item = FlagFault>) {
        self.0.extend(faults);
    }

    pub(super) fn limit(&mut self, place: &Place, number: usize, most: usize, what: &str) {
        if number > most {
            let detail = format!("May have at most {most} {what}; this has {number}.");
            self.add(place, "too_many", detail);
        }
    }
}
