//! The path and query of `GET /experiments/{id}/assignment/{user_id}`.

use super::attributes;
use crate::http::params::{self, Query, choice};
use crate::http::{Problem, Request};
use domain::assignment::Attributes;
use domain::evaluation_context::EvaluationContext;
use domain::experiment::Experiment;
use domain::ids::DimensionKey;
use serde_json::Map;

/// Names of parameters begin with it if they are attributes: `attributes.country=DE`.
const PREFIX: &str = "attributes.";

/// A user in one experiment.
pub struct AssignmentInput {
    /// The user.
    pub context: EvaluationContext,
    /// The user's dimension values.
    pub dimensions: Attributes,
    /// Whether a new assignment is stored.
    pub enroll: bool,
}

/// The parameter that says whether a new assignment is stored.
const ENROLL: &str = "enroll";

/// Reads the user with the attributes in the query, and the dimension values among these. An attribute that the
/// experiment declares as a dimension may be sent without the prefix.
///
/// # Errors
/// 400 with all faults of path and query.
pub fn read(request: &Request, experiment: &Experiment) -> Result<AssignmentInput, Problem> {
    let dimensions = &experiment.analysis.dimensions;
    let names: Vec<&str> = dimensions.iter().map(DimensionKey::as_str).collect();
    let known = [&[ENROLL], names.as_slice()].concat();
    let mut query = Query::read_with_prefix(request, &known, PREFIX);
    let enroll = query.optional(ENROLL, choice(&[("true", true), ("false", false)]));
    let mut sent = Map::new();
    for (name, value) in query.prefixed(PREFIX) {
        let inserted = attributes::insert(&mut sent, &name, attributes::of_text(&value));
        if let Err(invalid) = inserted {
            query.fault(&format!("{PREFIX}{name}"), invalid);
        }
    }
    // A dimension with the name of the switch is sent with the prefix.
    for name in names.iter().filter(|name| **name != ENROLL) {
        let Some(value) = query.optional(name, |text| Ok(text.to_owned())) else {
            continue;
        };
        if let Err(invalid) = attributes::insert(&mut sent, name, value.into()) {
            query.fault(name, invalid);
        }
    }
    let user = params::user_id(request);
    for (name, invalid) in attributes::check(&sent, user.as_ref().ok()) {
        query.fault(&format!("{PREFIX}{name}"), invalid);
    }
    let values = attributes::dimension_values(&sent, dimensions).unwrap_or_else(|faults| {
        for (key, invalid) in faults {
            let prefix = if query.has(key.as_str()) { "" } else { PREFIX };
            query.fault(&format!("{prefix}{key}"), invalid);
        }
        Attributes::new()
    });
    match user {
        Ok(user) => query.finish().map(|()| AssignmentInput {
            context: EvaluationContext::new(user, sent),
            dimensions: values,
            enroll: enroll.unwrap_or(true),
        }),
        Err(invalid) => Err(query.refused("{user_id}", invalid)),
    }
}
