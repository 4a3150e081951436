//! Checks a condition and compiles it. All faults are reported with their places.

use super::compiled::{AllOf, Clause, Comparison, Expected, Operator, TYPES};
use super::scalar::{Scalar, ScalarSet};
use super::{ConditionFault, SegmentUse, pattern, version};
use crate::json_value::{self, Place, depth};
use crate::prose::grouped_size;
use crate::{Invalid, limits};
use serde_json::{Map, Value};

/// The operators on values, as a message lists them.
const OPERATORS: &str = "$eq, $ne, $lt, $lte, $gt, $gte, $in, $nin, $ini, $nini, $all, $alli, $size, $elemMatch, $exists, \
                         $type, $not, $regex, $regexi, $veq, $vne, $vlt, $vlte, $vgt, $vgte, $inGroup and $notInGroup";

/// A checked condition.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) compiled: AllOf,
    pub(super) segments: Vec<SegmentUse>,
    /// The number of its regular expressions.
    pub(super) patterns: usize,
}

/// How large a condition may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    bytes: usize,
    depth: usize,
    patterns: usize,
}

impl Bounds {
    /// A condition that a caller writes.
    pub(super) const WRITTEN: Self = Self {
        bytes: limits::MAX_CONDITION_BYTES,
        depth: limits::MAX_CONDITION_DEPTH,
        patterns: limits::MAX_PATTERNS,
    };
    /// A condition that is made of several.
    pub(super) const JOINED: Self = Self {
        bytes: limits::MAX_JOINED_CONDITION_BYTES,
        depth: limits::MAX_JOINED_CONDITION_DEPTH,
        patterns: limits::MAX_JOINED_PATTERNS,
    };
}

/// Checks and compiles a condition.
pub(super) fn compile(source: &Value, bounds: Bounds) -> Result<Checked, Vec<ConditionFault>> {
    let mut compiler = Compiler::new(bounds);
    // Depth first: it bounds the recursion.
    let compiled = compiler
        .size_is_allowed(source)
        .then(|| compiler.condition(source, &Place::root()))
        .flatten();
    match compiled {
        Some(compiled) if compiler.faults.is_empty() => Ok(Checked {
            compiled,
            segments: compiler.segments,
            patterns: compiler.patterns,
        }),
        _ => Err(compiler.faults),
    }
}

struct Compiler {
    bounds: Bounds,
    faults: Vec<ConditionFault>,
    segments: Vec<SegmentUse>,
    patterns: usize,
    /// Whether the part that is compiled is about an element of an array.
    in_element: bool,
}

impl Compiler {
    fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            faults: Vec::new(),
            segments: Vec::new(),
            patterns: 0,
            in_element: false,
        }
    }

    fn note(&mut self, place: &Place, code: &'static str, detail: impl Into<String>) {
        self.faults.push(ConditionFault {
            pointer: place.to_string(),
            why: Invalid::new(code, detail),
        });
    }

    fn fault<T>(
        &mut self,
        place: &Place,
        code: &'static str,
        detail: impl Into<String>,
    ) -> Option<T> {
        self.note(place, code, detail);
        None
    }

    fn wrong_type<T>(&mut self, place: &Place, expected: &str) -> Option<T> {
        self.fault(place, "wrong_type", format!("Must be {expected}."))
    }

    fn size_is_allowed(&mut self, source: &Value) -> bool {
        if depth(source) > self.bounds.depth {
            let detail = format!(
                "A condition may be nested at most {} levels deep.",
                self.bounds.depth
            );
            self.note(&Place::root(), "too_deep", detail);
            return false;
        }
        let size = source.to_string().len();
        if size > self.bounds.bytes {
            let detail = format!(
                "A condition may have at most {} bytes as compact JSON; this has {}.",
                grouped_size(self.bounds.bytes),
                grouped_size(size)
            );
            self.note(&Place::root(), "too_long", detail);
            return false;
        }
        let unstorable = json_value::unstorable(source, &Place::root());
        self.faults.extend(
            unstorable
                .into_iter()
                .map(|(pointer, why)| ConditionFault { pointer, why }),
        );
        true
    }

    fn condition(&mut self, source: &Value, place: &Place) -> Option<AllOf> {
        let Some(fields) = source.as_object() else {
            return self.wrong_type(place, "an object");
        };
        let clauses: Vec<_> = fields
            .iter()
            .map(|(name, value)| self.clause(name, value, &place.field(name)))
            .collect();
        clauses.into_iter().collect::<Option<_>>().map(AllOf)
    }

    fn clause(&mut self, name: &str, value: &Value, place: &Place) -> Option<Clause> {
        match name {
            "$or" => self.conditions(value, place).map(Clause::Any),
            "$nor" => self.conditions(value, place).map(Clause::NotAny),
            "$and" => self.conditions(value, place).map(Clause::All),
            "$not" => self.condition(value, place).map(Clause::Not),
            "$savedGroups" => self.saved_groups(value, place).map(Clause::Segments),
            // An attribute may begin with `$`, but a list or an operator's name shows a misspelt or misplaced operator.
            name if name.starts_with('$') && (value.is_array() || is_operator(name)) => {
                let detail = format!(
                    "There is no operator `{name}` here; the operators of conditions are $and, $or, $nor, $not and \
                     $savedGroups. An operator on a value is inside its attribute: {{\"country\": {{\"$in\": [\"DE\"]}}}}."
                );
                self.fault(place, "unknown_operator", detail)
            }
            "" => None, // noted as a name that cannot be stored
            name => Some(Clause::Attribute {
                path: name.split('.').map(Into::into).collect(),
                expected: self.expected(value, place)?,
            }),
        }
    }

    fn conditions(&mut self, value: &Value, place: &Place) -> Option<Vec<AllOf>> {
        let Some(elements) = value.as_array() else {
            return self.wrong_type(place, "an array of conditions");
        };
        let conditions: Vec<_> = elements
            .iter()
            .enumerate()
            .map(|(index, element)| self.condition(element, &place.element(index)))
            .collect();
        conditions.into_iter().collect()
    }

    fn expected(&mut self, value: &Value, place: &Place) -> Option<Expected> {
        Some(match value {
            Value::String(text) => Expected::Text(text.as_str().into()),
            Value::Number(_) => Expected::Number(super::javascript::number(value)),
            Value::Bool(value) => Expected::Boolean(*value),
            Value::Null => Expected::Null,
            Value::Array(_) => Expected::Literal(value.clone()),
            Value::Object(fields) if is_operators(fields) => self.operators(fields, place)?,
            Value::Object(fields) => {
                if let Some(name) = fields.keys().find(|name| name.starts_with('$')) {
                    let detail = format!(
                        "`{name}` is an operator and the others are not. Use only operators, or only the fields of an object."
                    );
                    return self.fault(place, "mixed_operators", detail);
                }
                Expected::Literal(value.clone())
            }
        })
    }

    fn operators(&mut self, fields: &Map<String, Value>, place: &Place) -> Option<Expected> {
        let operators: Vec<_> = fields
            .iter()
            .map(|(name, value)| self.operator(name, value, &place.field(name)))
            .collect();
        let operators = operators.into_iter().collect::<Option<_>>()?;
        Some(Expected::Operators(operators))
    }

    fn operator(&mut self, name: &str, value: &Value, place: &Place) -> Option<Operator> {
        Some(match name {
            "$eq" => Operator::Equal(self.scalar(value, place)?),
            "$ne" => Operator::NotEqual(self.scalar(value, place)?),
            "$lt" => self.order(Comparison::Less, value, place)?,
            "$lte" => self.order(Comparison::AtMost, value, place)?,
            "$gt" => self.order(Comparison::Greater, value, place)?,
            "$gte" => self.order(Comparison::AtLeast, value, place)?,
            "$veq" => self.version(Comparison::Equal, value, place)?,
            "$vne" => self.version(Comparison::NotEqual, value, place)?,
            "$vlt" => self.version(Comparison::Less, value, place)?,
            "$vlte" => self.version(Comparison::AtMost, value, place)?,
            "$vgt" => self.version(Comparison::Greater, value, place)?,
            "$vgte" => self.version(Comparison::AtLeast, value, place)?,
            "$in" => Operator::In(self.set(value, place, false)?),
            "$ini" => Operator::In(self.set(value, place, true)?),
            "$nin" => Operator::NotIn(self.set(value, place, false)?),
            "$nini" => Operator::NotIn(self.set(value, place, true)?),
            "$all" => Operator::All(self.all(value, place)?),
            "$alli" => Operator::AllInAnyCase(self.all(value, place)?),
            "$inGroup" => Operator::InSegment(self.list(value, place)?),
            "$notInGroup" => Operator::NotInSegment(self.list(value, place)?),
            "$not" => Operator::Not(Box::new(self.expected(value, place)?)),
            "$size" => Operator::Size(Box::new(self.size(value, place)?)),
            "$elemMatch" => self.element(value, place)?,
            "$regex" => self.pattern(value, place, false)?,
            "$regexi" => self.pattern(value, place, true)?,
            "$exists" => match value {
                Value::Bool(exists) => Operator::Exists(*exists),
                _ => return self.wrong_type(place, "true or false"),
            },
            "$type" => {
                let known = |name: &&&str| value.as_str() == Some(**name);
                match TYPES.iter().find(known) {
                    Some(name) => Operator::Type(name),
                    None => {
                        let detail = format!("Must be one of {}.", TYPES.join(", "));
                        return self.fault(place, "not_a_choice", detail);
                    }
                }
            }
            _ => {
                let detail =
                    format!("There is no operator `{name}`; the operators are {OPERATORS}.");
                return self.fault(place, "unknown_operator", detail);
            }
        })
    }

    fn scalar(&mut self, value: &Value, place: &Place) -> Option<Scalar> {
        match Scalar::of(value) {
            None => self.wrong_type(place, "a text, a number, true, false or null"),
            scalar => scalar,
        }
    }

    fn order(&mut self, comparison: Comparison, value: &Value, place: &Place) -> Option<Operator> {
        match Scalar::of(value) {
            Some(scalar @ (Scalar::Number(_) | Scalar::Text(_))) => {
                Some(Operator::Order(comparison, scalar))
            }
            _ => self.wrong_type(place, "a number or a text"),
        }
    }

    fn version(
        &mut self,
        comparison: Comparison,
        value: &Value,
        place: &Place,
    ) -> Option<Operator> {
        match value {
            Value::String(text) if text.is_empty() => {
                self.fault(place, "empty", "A version has at least one character.")
            }
            Value::String(_) | Value::Number(_) => Some(Operator::Version(
                comparison,
                version::sortable(value).into(),
            )),
            _ => self.wrong_type(place, "a version, such as \"1.20.0\""),
        }
    }

    fn set(&mut self, value: &Value, place: &Place, ignores_case: bool) -> Option<ScalarSet> {
        let Some(elements) = value.as_array() else {
            return self.wrong_type(place, "an array");
        };
        let scalars: Vec<_> = elements
            .iter()
            .enumerate()
            .map(|(index, element)| self.scalar(element, &place.element(index)))
            .collect();
        let scalars: Vec<_> = scalars.into_iter().collect::<Option<_>>()?;
        Some(ScalarSet::new(scalars, ignores_case))
    }

    fn all(&mut self, value: &Value, place: &Place) -> Option<Vec<Expected>> {
        let Some(elements) = value.as_array() else {
            return self.wrong_type(place, "an array");
        };
        let expected: Vec<_> = elements
            .iter()
            .enumerate()
            .map(|(index, element)| self.expected(element, &place.element(index)))
            .collect();
        expected.into_iter().collect()
    }

    fn list(&mut self, value: &Value, place: &Place) -> Option<Box<str>> {
        self.segment(value, place, true)
    }

    fn segment(&mut self, value: &Value, place: &Place, needs_list: bool) -> Option<Box<str>> {
        let Some(name) = value.as_str() else {
            return self.wrong_type(place, "the id of a segment");
        };
        self.segments.push(SegmentUse {
            pointer: place.to_string(),
            name: name.to_owned(),
            needs_list,
        });
        Some(name.into())
    }

    /// The segments that must all include the user. They are about the attributes of the user, so their result does not
    /// depend on an element.
    fn saved_groups(&mut self, value: &Value, place: &Place) -> Option<Vec<Box<str>>> {
        if self.in_element {
            let detail = "`$savedGroups` is about the user. Use it outside `$elemMatch`.";
            return self.fault(place, "unknown_operator", detail);
        }
        let Some(elements) = value.as_array() else {
            return self.wrong_type(place, "an array of ids of segments");
        };
        let names: Vec<_> = elements
            .iter()
            .enumerate()
            .map(|(index, element)| self.segment(element, &place.element(index), false))
            .collect();
        names.into_iter().collect()
    }

    fn size(&mut self, value: &Value, place: &Place) -> Option<Expected> {
        match value {
            Value::Number(_) => self.expected(value, place),
            Value::Object(fields) if is_operators(fields) => self.operators(fields, place),
            _ => self.wrong_type(place, "a number, or operators such as {\"$gt\": 2}"),
        }
    }

    fn element(&mut self, value: &Value, place: &Place) -> Option<Operator> {
        match value {
            Value::Object(fields) if is_operators(fields) => {
                let expected = self.operators(fields, place)?;
                Some(Operator::ElementIs(Box::new(expected)))
            }
            _ => {
                let outside = std::mem::replace(&mut self.in_element, true);
                let condition = self.condition(value, place);
                self.in_element = outside;
                condition.map(Operator::ElementMatches)
            }
        }
    }

    fn pattern(&mut self, value: &Value, place: &Place, ignores_case: bool) -> Option<Operator> {
        let Some(text) = value.as_str() else {
            return self.wrong_type(place, "a regular expression as text");
        };
        self.patterns += 1;
        if self.patterns > self.bounds.patterns {
            let detail = format!(
                "A condition may have at most {} patterns.",
                self.bounds.patterns
            );
            return self.fault(place, "too_many", detail);
        }
        match pattern::compile(text, ignores_case) {
            Ok(pattern) => Some(Operator::Pattern(pattern)),
            Err(why) => self.fault(place, why.code, why.detail),
        }
    }
}

/// Whether an object consists of operators.
fn is_operators(fields: &Map<String, Value>) -> bool {
    !fields.is_empty() && fields.keys().all(|name| name.starts_with('$'))
}

fn is_operator(name: &str) -> bool {
    OPERATORS.split([',', ' ']).any(|operator| operator == name)
}
