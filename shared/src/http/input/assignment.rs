//! The path and query of `GET /experiments/{id}/assignment/{user_id}`.

use crate::http::params::{self, Query};
use crate::http::{Problem, Request};
use domain::assignment::Attributes;
use domain::experiment::Experiment;
use domain::ids::{DimensionKey, DimensionLabel, UserId};

/// Reads the user, and an attribute for each dimension in the query.
///
/// # Errors
/// 400 with all faults of path and query.
pub fn read(request: &Request, experiment: &Experiment) -> Result<(UserId, Attributes), Problem> {
    let dimensions = &experiment.analysis.dimensions;
    let names: Vec<&str> = dimensions.iter().map(DimensionKey::as_str).collect();
    let mut query = Query::read(request, &names);
    let attributes = dimensions
        .iter()
        .filter_map(|key| {
            let value = query.optional(key.as_str(), DimensionLabel::parse)?;
            Some((key.clone(), value))
        })
        .collect();
    match params::user_id(request) {
        Ok(user) => query.finish().map(|()| (user, attributes)),
        Err(invalid) => Err(query.refused("{user_id}", invalid)),
    }
}
