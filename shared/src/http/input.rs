//! From requests to domain values, all faults at once.

pub mod assignment;
pub mod assignments;
pub mod audit;
pub mod change;
pub mod events;
pub mod experiment;
mod metric;
pub mod plan;
pub mod user;
