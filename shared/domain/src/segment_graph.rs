//! Which segments conditions may name: those that exist, without circles, to a limited depth.

use super::Invalid;
use super::condition::{Condition, ConditionFault, SegmentUse};
use super::ids::SegmentId;
use super::limits::{MAX_NAMED_SEGMENTS, MAX_SEGMENT_LEVELS};
use super::segment::Segment;
use std::collections::{BTreeMap, BTreeSet};

/// All segments at one version of the catalog.
#[derive(Debug, Clone, Default)]
pub struct SegmentGraph {
    segments: BTreeMap<SegmentId, Segment>,
}

impl FromIterator<Segment> for SegmentGraph {
    fn from_iter<I: IntoIterator<Item = Segment>>(segments: I) -> Self {
        let by_id = |segment: Segment| (segment.id.clone(), segment);
        Self {
            segments: segments.into_iter().map(by_id).collect(),
        }
    }
}

impl SegmentGraph {
    /// The segment with an id.
    pub fn get(&self, id: &str) -> Option<&Segment> {
        self.segments.get(id)
    }

    /// The number of segments.
    pub fn len(&self) -> usize {
        self.segments.len()
    }

    /// Whether there are no segments.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// All segments, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Segment> {
        self.segments.values()
    }

    /// The faults of the names in a condition: each must be a segment, and one for `$inGroup` an id list.
    pub fn faults_of_names(&self, condition: &Condition) -> Vec<ConditionFault> {
        let uses = condition.segments().iter();
        uses.filter_map(|each| {
            let why = self.fault_of_name(each)?;
            let pointer = each.pointer.clone();
            Some(ConditionFault { pointer, why })
        })
        .collect()
    }

    fn fault_of_name(&self, each: &SegmentUse) -> Option<Invalid> {
        let name = &each.name;
        match self.get(name) {
            None => {
                let detail =
                    format!("There is no segment `{name}`. Create it with `POST /segments`.");
                Some(Invalid::new("unknown_segment", detail))
            }
            Some(segment) if each.needs_list && segment.rule.condition().is_some() => {
                let detail = format!(
                    "The segment `{name}` has a condition and no ids. Name it with `\"$savedGroups\": [\"{name}\"]`."
                );
                Some(Invalid::new("not_a_list", detail))
            }
            Some(_) => None,
        }
    }

    /// The faults of the names in the condition of a segment: as [`Self::faults_of_names`], and the segments must not
    /// name each other in a circle or in too many levels.
    pub fn faults_of_segment(&self, id: &SegmentId, condition: &Condition) -> Vec<ConditionFault> {
        let mut faults = self.faults_of_names(condition);
        faults.extend(too_many_names([condition]).map(|why| ConditionFault {
            pointer: String::new(),
            why,
        }));
        let above = self.levels_above(id.as_str(), 0);
        for each in condition.segments() {
            let why = if self.reaches(&each.name, id, 0) {
                let detail = format!(
                    "The segment `{}` names `{id}`, so this is a circle.",
                    each.name
                );
                Invalid::new("segment_circle", detail)
            } else if above + 1 + self.levels(&each.name, 0) > MAX_SEGMENT_LEVELS {
                let detail = format!(
                    "Segments may name segments in at most {MAX_SEGMENT_LEVELS} levels; with `{}` there are more.",
                    each.name
                );
                Invalid::new("too_deep", detail)
            } else {
                continue;
            };
            let pointer = each.pointer.clone();
            faults.push(ConditionFault { pointer, why });
        }
        faults
    }

    /// The levels of a segment and of those that it names.
    fn levels(&self, id: &str, level: usize) -> usize {
        if level > MAX_SEGMENT_LEVELS {
            return level;
        }
        let named = self.get(id).map(named_by).unwrap_or_default();
        let below = named.iter().map(|name| self.levels(name, level + 1));
        1 + below.max().unwrap_or_default()
    }

    /// The levels of the segments that name a segment.
    fn levels_above(&self, id: &str, level: usize) -> usize {
        if level > MAX_SEGMENT_LEVELS {
            return level;
        }
        let users = self.iter().filter(|segment| named_by(segment).contains(id));
        let above = users.map(|segment| 1 + self.levels_above(segment.id.as_str(), level + 1));
        above.max().unwrap_or_default()
    }

    /// Whether a segment is another one, or names it.
    fn reaches(&self, from: &str, to: &SegmentId, level: usize) -> bool {
        if from == to.as_str() {
            return true;
        }
        let named = self.get(from).map(named_by).unwrap_or_default();
        level <= MAX_SEGMENT_LEVELS && named.iter().any(|name| self.reaches(name, to, level + 1))
    }
}

/// The segments that a segment names.
pub fn named_by(segment: &Segment) -> BTreeSet<&str> {
    names_in(segment.rule.condition())
}

/// The segments that conditions name.
pub fn names_in<'c>(conditions: impl IntoIterator<Item = &'c Condition>) -> BTreeSet<&'c str> {
    let uses = conditions.into_iter().flat_map(Condition::segments);
    uses.map(|each| each.name.as_str()).collect()
}

/// The fault of conditions that together name too many segments.
pub fn too_many_names<'c>(conditions: impl IntoIterator<Item = &'c Condition>) -> Option<Invalid> {
    let names = names_in(conditions).len();
    let detail = format!("May name at most {MAX_NAMED_SEGMENTS} segments; this names {names}.");
    (names > MAX_NAMED_SEGMENTS).then(|| Invalid::new("too_many", detail))
}

#[cfg(test)]
mod tests;
